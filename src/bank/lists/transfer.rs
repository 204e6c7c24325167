//! Lists into a store and out of it.

use std::io::{BufRead, Write};
use std::ops::ControlFlow;

use super::json::{self, Line};
use super::lines::Lines;
use super::{Format, Listed, MAX_HASHES, text, too_many};
use crate::bank::reference::{Added, Reference, State};
use crate::bank::store::Store;
use crate::bank::transaction::{By, Tx};
use crate::bank::write::{add, make_bank, refused_or};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, View};
use crate::hash::Algorithm;

/// The label with the mean number of frames a second of a film that was imported as a vPDQ list: what its frames were numbered
/// by, so that it is written with the numbers that it had.
const RATE: &str = "fps";

/// How a list is imported.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Its layout.
    pub format: Format,
    /// The bank of references whose lines name none; JSON lines name theirs unless `force_bank` is set.
    pub bank: String,
    /// Puts everything into `bank`, whatever the lines say.
    pub force_bank: bool,
    /// The source of references whose lines name none, as the clearing house's name.
    pub source: String,
    /// The id of the film that a vPDQ list is.
    pub id: String,
    /// Who imports it, for the change log.
    pub author: String,
}

impl ImportOptions {
    /// A list of this layout into this bank.
    pub fn new(format: Format, bank: impl Into<String>) -> Self {
        Self {
            format,
            bank: bank.into(),
            force_bank: false,
            source: String::new(),
            id: "film".into(),
            author: String::new(),
        }
    }
}

/// What is written as a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The list's layout.
    pub format: Format,
    /// The bank whose references are written; all banks' if there is none.
    pub bank: Option<String>,
    /// The one reference that is written, of each bank; all if there is none.
    pub id: Option<String>,
}

impl ExportOptions {
    /// Everything, in this layout.
    pub fn new(format: Format) -> Self {
        Self { format, bank: None, id: None }
    }

    /// Only this bank.
    #[must_use]
    pub fn bank(mut self, bank: impl Into<String>) -> Self {
        self.bank = Some(bank.into());
        self
    }

    /// Only the reference with this id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// What became of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// References that are new.
    pub added: u64,
    /// References that were there already, with the same hashes.
    pub unchanged: u64,
    /// Lines that were refused, each of which was reported with its error.
    pub refused: u64,
}

/// What was written.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Exported {
    /// References that were written.
    pub written: u64,
    /// References that this layout has no words for.
    pub skipped: u64,
    /// References that are in the store and not in the list, since it is damaged: those whose records or fingerprints cannot be read. Of which bank
    /// one is whose record cannot be read is not known.
    pub lost: u64,
    /// What is damaged of what was to be written, policies of banks as well.
    pub problems: Vec<Error>,
}

impl Store {
    /// Imports a hash list in one transaction: what is good is there when this returns, and nothing at all if it fails.
    ///
    /// `report` is called for each line with its number and what became of it; [`ControlFlow::Break`] gives the import
    /// up, with [`Error::Cancelled`].
    ///
    /// # Errors
    /// [`Error::Io`] if the list cannot be read on, [`Error::Cancelled`], and those of the database.
    pub fn import(
        &self,
        list: impl BufRead,
        options: &ImportOptions,
        mut report: impl FnMut(u64, &Result<Added>) -> ControlFlow<()>,
    ) -> Result<Imported> {
        self.write(|tx| {
            let mut import = Import {
                tx,
                options,
                imported: Imported::default(),
                report: &mut report,
                by: By::author(&options.author),
            };
            match options.format {
                Format::Vpdq => import.film(Lines::new(list, true))?,
                format => import.lines(Lines::new(list, format != Format::JsonLines), format)?,
            }
            Ok(import.imported)
        })
    }

    /// Writes references as a hash list.
    ///
    /// PDQ lists hold stills only, vPDQ lists one film only (its frames numbered as they were imported, and by their places in the list
    /// if the film was hashed here, of which not every frame is kept: [`vpdq::hash`](crate::video::vpdq::hash) makes a list of all), and of all formats only JSON Lines hold views, detail hashes,
    /// labels, states and banks ([`Format::JsonLines`]). Opinions, refusals, the change log and remembered uploads are in no
    /// list: a copy of the store's folder keeps them.
    ///
    /// Of a damaged store what is whole is written, and [`Exported`] tells what is not.
    ///
    /// # Errors
    /// [`Error::Io`] from `out`, without a path, [`Error::Option`] if a PDQ list is asked of a store on another hash, a vPDQ list is asked of
    /// several films, or no reference has the id; and those of the database.
    pub fn export(&self, mut out: impl Write, options: &ExportOptions) -> Result<Exported> {
        let (format, bank, id) = (options.format, options.bank.as_deref(), options.id.as_deref());
        if format != Format::JsonLines && self.algorithm() != Algorithm::Pdq {
            let detail = format!("only jsonl can hold the hashes of a store that is built on {}", self.algorithm());
            return Err(Error::option("format", detail));
        }
        let mut exported = Exported::default();
        let mut put = |line: &str| writeln!(out, "{line}").map_err(|error| Error::io("", error));
        if format == Format::JsonLines {
            for config in self.banks().iter().filter(|config| bank.is_none_or(|bank| bank == config.name)) {
                put(&json::write_bank(config)?)?;
            }
            exported.problems = self.damaged_banks(options.bank.as_slice());
        }
        let (counted, records) = self.steady(|| {
            let reading = self.reading()?;
            Ok((reading.counts()?.0, reading.references(None)?))
        })?;
        let (mut whole, mut damaged) = (0, 0);
        for record in records {
            let Some(record) = exported.bear(record)? else {
                damaged += 1;
                continue;
            };
            whole += 1;
            if bank.is_some_and(|bank| bank != record.bank) || id.is_some_and(|id| id != record.id) {
                continue;
            }
            let fingerprint = self.steady(|| {
                let reading = self.reading()?;
                let found = reading.fingerprint(record.number)?;
                // It may have been removed meanwhile, or never have been under this name.
                if found.is_none() && reading.named(&record.bank, &record.id)?.is_none() {
                    return Ok(None);
                }
                let missing = || Error::corrupt(self.path(), format!("reference {} has no fingerprint", record.number));
                found.ok_or_else(missing).map(Some)
            });
            let Some(fingerprint) = exported.bear(fingerprint)? else {
                exported.lost += 1;
                continue;
            };
            let Some(fingerprint) = fingerprint else { continue };
            if format == Format::JsonLines {
                put(&json::write(&record, &fingerprint)?)?;
                exported.written += 1;
                continue;
            }
            let metadata = match record.metadata.as_str() {
                "" if record.id.starts_with("pdq-") || record.id.starts_with("vpdq-") => "",
                "" => &record.id,
                metadata => metadata,
            };
            let line = match (&fingerprint, format, record.state) {
                (_, _, State::Withdrawn) => None,
                (Fingerprint::Image(image), Format::Pdq, _) => {
                    text::whole(image).map(|view| text::write_pdq(&view.hash, metadata))
                }
                (_, Format::ThreatExchange, _) => text::write_threatexchange(&fingerprint),
                (Fingerprint::Video(video), Format::Vpdq, _) if exported.written == 0 => {
                    let rate =
                        record.labels.get(RATE).and_then(|rate| rate.parse().ok()).filter(|rate: &f64| *rate > 0.0);
                    let whole = (0..).zip(video.frames.iter().filter(|frame| frame.view == View::Full));
                    let lines: Vec<String> = whole
                        .filter_map(|(at, frame)| {
                            text::write_vpdq(rate.map_or(at, |rate| numbered(frame.time, rate)), frame)
                        })
                        .collect();
                    (!lines.is_empty()).then(|| lines.join("\n"))
                }
                (Fingerprint::Video(_), Format::Vpdq, _) => {
                    return Err(Error::option(
                        "format",
                        "a vpdq list is one film, and there are several: say which by its id",
                    ));
                }
                _ => None,
            };
            match line {
                Some(line) => {
                    put(&line)?;
                    exported.written += 1;
                }
                None => exported.skipped += 1,
            }
        }
        if let Some(id) = id.filter(|_| exported.written + exported.skipped + exported.lost + damaged == 0) {
            return Err(Error::option("id", format!("there is no reference {id:?}")));
        }
        out.flush().map_err(|error| Error::io("", error))?;
        // Behind a damaged page there may be more than the row that could not be read.
        exported.lost += counted.saturating_sub(whole).max(damaged);
        Ok(exported)
    }
}

/// The number of the frame at this time of a film with a mean number of frames a second.
fn numbered(time: f64, rate: f64) -> u64 {
    (time * rate).round() as u64
}

impl Exported {
    /// `None` for what is damaged, which is noted.
    fn bear<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error @ (Error::Corrupt { .. } | Error::Format { .. })) => {
                self.problems.push(error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

struct Import<'i, 't> {
    tx: &'i mut Tx<'t>,
    options: &'i ImportOptions,
    imported: Imported,
    report: &'i mut dyn FnMut(u64, &Result<Added>) -> ControlFlow<()>,
    by: By,
}

impl Import<'_, '_> {
    fn lines(&mut self, lines: Lines<impl BufRead>, format: Format) -> Result<()> {
        for (number, line) in lines {
            let listed = match line {
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => Err(error),
                Ok(line) => match format {
                    Format::Pdq => text::pdq(&line).map(Some),
                    Format::ThreatExchange => text::threatexchange(&line),
                    _ => match json::read(&line) {
                        Ok(Line::Reference(known)) => known.listed().map(Some),
                        Ok(Line::Bank(config)) => {
                            let known = self.options.force_bank || self.tx.bank(&config.name)?.is_some();
                            // A list does not change the policy of a bank that is there.
                            match config.check() {
                                Ok(()) if !known => make_bank(self.tx, &self.by, &config).map(|()| None),
                                checked => checked.map(|()| None),
                            }
                        }
                        Err(error) => Err(error),
                    },
                },
            };
            match listed {
                Ok(None) => {}
                Ok(Some(listed)) => self.take(number, listed)?,
                Err(error) => self.tell(number, Err(error))?,
            }
        }
        Ok(())
    }

    fn film(&mut self, lines: Lines<impl BufRead>) -> Result<()> {
        let (mut frames, mut numbers, mut first, mut rate) = (Vec::new(), Vec::new(), None, None::<f64>);
        for (number, line) in lines {
            match line {
                Err(error @ Error::Io { .. }) => return Err(error),
                line => match line.and_then(|line| text::vpdq(&line)) {
                    Ok(_) if frames.len() == MAX_HASHES => return self.tell(number, Err(too_many())),
                    Ok((frame, hash)) => {
                        first.get_or_insert(number);
                        // The last one tells the rate best.
                        if frame > 0 && hash.time > 0.0 {
                            rate = Some(frame as f64 / hash.time);
                        }
                        numbers.push((frame, hash.time));
                        frames.push(hash);
                    }
                    Err(error) => self.tell(number, Err(error))?,
                },
            }
        }
        let mut reference = Reference::new(&self.options.id).bank("");
        // A list that is numbered otherwise, as no tool does, is numbered by the places of its lines when it is written.
        if let Some(rate) = rate.filter(|rate| numbers.iter().all(|&(number, time)| numbered(time, *rate) == number)) {
            reference = reference.label(RATE, rate.to_string());
        }
        match first {
            Some(number) => {
                self.take(number, Listed { reference, fingerprint: text::film(frames), state: State::Active })
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, number: u64, listed: Listed) -> Result<()> {
        let mut reference = listed.reference;
        if reference.bank.is_empty() || self.options.force_bank {
            reference.bank.clone_from(&self.options.bank);
        }
        if reference.source.is_empty() {
            reference.source.clone_from(&self.options.source);
        }
        let outcome = refused_or(add(self.tx, &self.by, &reference, &listed.fingerprint, listed.state))?;
        self.tell(number, outcome)
    }

    fn tell(&mut self, number: u64, outcome: Result<Added>) -> Result<()> {
        match &outcome {
            Ok(Added { new: true, .. }) => self.imported.added += 1,
            Ok(_) => self.imported.unchanged += 1,
            Err(_) => self.imported.refused += 1,
        }
        match (self.report)(number, &outcome) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}
