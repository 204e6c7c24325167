//! The report for people: one HTML file without network, from lines of a scan.
//!
//! What was found goes in as data and is put on the page by text nodes only, so a file name or label is never markup.
//! Pictures are blurred until asked for. The page draws fifty pairs at a time, however many there are.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::draft::{Draft, Scratch};
use super::json::MatchLine;
use super::picture::Shown;
use super::words;
use crate::bank::{ReferenceRecord, Store};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::matching::{Match, Outcome};
use crate::scan::Progress;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Past so many bytes of pictures the report would be too heavy for a browser; the rest goes without.
pub(super) const MAX_PICTURES: usize = 40 << 20;

/// A report that is being written, entry by entry, so that nothing but one of them is held in memory. It appears under its
/// name when it is whole, as a [`Draft`] does.
#[derive(Debug)]
pub struct Report {
    page: Page,
    references: Option<PathBuf>,
    /// References that have an entry of their own.
    shown: HashSet<String>,
    limits: Limits,
    cancel: Cancel,
    pictures: usize,
    left_out: u64,
}

/// A page on its way: what it becomes, and its entries so far, as the inside of a JSON array.
#[derive(Debug)]
pub(super) struct Page {
    path: PathBuf,
    draft: Draft,
    entries: Scratch,
    /// Whether there are no entries.
    empty: bool,
}

impl Page {
    /// Begins the page at `path`.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let draft = Draft::create(&path)?;
        let entries = draft.scratch()?;
        Ok(Self { path, draft, entries, empty: true })
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, value: &Value) -> Result<()> {
        let comma = if self.empty { "" } else { ",\n" };
        self.empty = false;
        write!(self.entries, "{comma}{}", harmless(value)).map_err(|error| Error::io(&self.path, error))
    }

    /// Puts the entries into a page and the page into its place, which is returned.
    pub(super) fn finish(mut self, page: impl Fn(&str) -> String) -> Result<PathBuf> {
        const ENTRIES: &str = "@entries@";
        let markup = page(ENTRIES);
        let (before, after) = markup.rsplit_once(ENTRIES).unwrap_or((&markup, ""));
        let written = (|| {
            self.draft.write_all(before.as_bytes())?;
            io::copy(&mut self.entries.read()?, &mut self.draft)?;
            self.draft.write_all(after.as_bytes())
        })();
        written.map_err(|error| Error::io(&self.path, error))?;
        self.draft.finish()?;
        Ok(self.path)
    }
}

/// JSON inside a script element, where only `<` can end the element or begin a comment.
fn harmless(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

impl Report {
    /// Begins the report at `path`. If `references` is a folder, the files in it that are named like references are
    /// shown beside the uploads.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written there, so that this is known before a long scan.
    pub fn create(path: impl Into<PathBuf>, references: Option<PathBuf>) -> Result<Self> {
        Ok(Self {
            page: Page::create(path.into())?,
            references,
            shown: HashSet::new(),
            limits: Limits::default(),
            cancel: Cancel::new(),
            pictures: 0,
            left_out: 0,
        })
    }

    /// Lets this flag break off the reading of pictures.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Adds a file of the scan; files that are not known are only counted.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or gone.
    pub fn add(&mut self, store: &Store, path: &Path, line: &MatchLine) -> Result<()> {
        if line.outcome == Outcome::NoMatch {
            return Ok(());
        }
        let picture = if line.matches.is_empty() { None } else { self.picture(path) };
        let mut matches = Vec::new();
        for found in &line.matches {
            matches.push(self.found(store, found)?);
        }
        let entry = json!({
            "path": line.name(),
            "raw": path.to_str().is_none().then(|| hex(path)),
            "kind": line.kind,
            "duration": line.duration,
            "outcome": line.outcome,
            "words": words::outcome(line.outcome),
            "error": line.error.as_ref().map(|error| &error.message),
            "warnings": line.warnings,
            "picture": picture,
            "matches": matches,
        });
        self.page.push(&entry)
    }

    fn picture(&mut self, path: &Path) -> Option<Shown> {
        if self.pictures >= MAX_PICTURES {
            self.left_out += 1;
            return None;
        }
        let shown = Shown::of_file(path, &self.limits, &self.cancel)?;
        self.pictures += shown.weight();
        Some(shown)
    }

    fn found(&mut self, store: &Store, found: &Match) -> Result<Value> {
        let record = store.reference(&found.bank, &found.reference).ok().flatten();
        let key = format!("{}\n{}", found.bank, found.reference);
        if self.shown.insert(key.clone()) {
            // only a plain file name: an id must not lead out of the folder
            let plain = Path::new(&found.reference).file_name().is_some_and(|name| name == found.reference.as_str());
            let file = self.references.as_ref().filter(|_| plain).map(|folder| folder.join(&found.reference));
            if let Some(picture) = file.and_then(|file| self.picture(&file)) {
                self.page.push(&json!({ "key": key, "picture": picture }))?;
            }
        }
        Ok(pair(found, record.as_ref(), &key))
    }

    /// Writes the report. Returns its path.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self, progress: &Progress) -> Result<PathBuf> {
        let folder = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
        let (left_out, about) = (self.left_out, json!({ "folder": folder }));
        self.page.finish(|entries| page(progress, left_out, &about, entries))
    }
}

fn hex(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pair(found: &Match, record: Option<&ReferenceRecord>, key: &str) -> Value {
    json!({
        "bank": found.bank,
        "reference": found.reference,
        "key_of": key,
        "action": found.action,
        "near": found.near,
        "distance": found.distance,
        "quality": found.quality,
        "closeness": words::verdict(found),
        "says": words::evidence(found),
        "transform": found.transform,
        "inverted": found.inverted,
        "done": words::transform(found.transform, found.inverted),
        "views": [found.query_view, found.reference_view],
        "segments": found.segments.iter().map(|segment| json!({
            "query": segment.query,
            "reference": segment.reference,
            "words": words::segment(segment),
            "hits": segment.hits,
        })).collect::<Vec<_>>(),
        "coverage": found.coverage,
        "duration": record.map(|record| record.duration),
        "labels": record.map(|record| &record.labels),
        "source": record.map(|record| &record.source),
    })
}

/// What every page begins with.
pub(super) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy"
                content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn page(progress: &Progress, left_out: u64, about: &Value, entries: &str) -> String {
    let counts = [
        ("known", progress.matched),
        ("known and allowed", progress.allowed),
        ("perhaps known", progress.near),
        ("too little detail", progress.too_little_detail),
        ("could not be read", progress.failed),
        ("files in all", progress.files_done),
    ];
    let filters = [("outcome", "Outcome "), ("bank", "Bank "), ("done", "Change "), ("kind", "Kind ")];
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head("What the scan found"))
            body {
                header {
                    h1 { "What the scan found" }
                    dl.counts {
                        @for (what, count) in counts { div { dt { (what) } dd { (count) } } }
                    }
                    @if progress.files_done < progress.files {
                        p.warning { "The scan was stopped: " (progress.files - progress.files_done) " files were not looked at." }
                    }
                    @if progress.damaged > 0 {
                        p.warning { "The store is damaged: " (progress.damaged) " files were asked about without what is." }
                    }
                    @if left_out > 0 {
                        p.warning { (left_out) " files are shown without a picture: with all of them this page would be too large." }
                    }
                    form #filters {
                        label { "Text " input #text type="search" placeholder="file or reference"; }
                        @for (id, what) in filters {
                            label { (what) select id=(id) { option value="" { "all" } } }
                        }
                        label { "Decided " select #decided {
                            option value="" { "all" }
                            option value="open" { "not yet" }
                            option value="confirmed" { "confirmed" }
                            option value="refused" { "refused" }
                        } }
                        label { "Distance up to " input #distance type="number" min="0" max="256" value="256"; }
                        label { input #clear type="checkbox"; " Show pictures clearly" }
                    }
                    p.keys {
                        @for (key, does) in [("n", "next"), ("p", "previous"), ("c", "confirm"), ("r", "refuse"), ("v", "show the pictures")] {
                            span { kbd { (key) } " " (does) }
                        }
                        button #export type="button" { "Save decisions" }
                        label.file { "Load decisions " input #import type="file" accept=".json,application/json"; }
                    }
                    p #shown role="status" {}
                    details {
                        summary { "How to read this page" }
                        p { "On the pictures, the dashed line goes around what is left when borders and caption strips are taken off, the orange one around the part that matched. A mirrored, turned or negative file is shown as the reference lies." }
                        p { "Saved decisions are read back by " code { "refrain decide" } "; a refused pair is not shown again." }
                    }
                }
                main #list {}
                nav {
                    button #before type="button" { "Earlier" }
                    span #where {}
                    button #after type="button" { "Later" }
                }
                noscript { p { "This report needs JavaScript; the same data is in the JSON lines of the scan." } }
                script #about type="application/json" { (PreEscaped(harmless(about))) }
                script #data type="application/json" { "[" (entries) "]" }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fingerprint::{Media, Options, fingerprint};

    fn data(page: &str) -> Vec<Value> {
        let data =
            page.split(r#"id="data" type="application/json">"#).nth(1).unwrap().split("</script>").next().unwrap();
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn names_and_labels_cannot_become_markup() {
        let evil = "</script><script>alert(1)</script><!--@entries@&\"'>.jpg";
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create_or_open(dir.path().join("s")).unwrap();
        let film = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/removed/meadow.jpg");
        let print = fingerprint(Media::file(film), &Options::default()).unwrap();
        let reference = crate::bank::Reference::new(evil).bank("<b>").label("<i>", evil).source(evil);
        store.add(&reference, &print).unwrap();
        let verdict = store.ask(&print).unwrap();
        let path = Path::new(evil);
        let mut report = Report::create(dir.path().join("a.html"), Some(dir.path().into())).unwrap();
        let mut line = MatchLine::answered(path, Ok(("image", verdict)));
        line.warnings.push(evil.into());
        report.add(&store, path, &line).unwrap();
        let page = fs::read_to_string(report.finish(&Progress::default()).unwrap()).unwrap();
        assert!(!page.contains("alert(1)</script>") && !page.contains("<!--@") && !page.contains("<b>"));
        let found = &data(&page)[0];
        assert_eq!((&found["path"], &found["warnings"][0]), (&evil.into(), &evil.into()));
        assert_eq!(found["matches"][0]["reference"], evil);
        assert_eq!(found["matches"][0]["labels"]["<i>"], evil);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once_and_drafts_do_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Report::create(dir.path(), None), Err(Error::Io { .. })));
        assert!(matches!(Report::create(dir.path().join("no/where.html"), None), Err(Error::Io { .. })));
        drop(Report::create(dir.path().join("a.html"), None).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let path = Report::create(dir.path().join("a.html"), None).unwrap().finish(&Progress::default()).unwrap();
        let page = fs::read_to_string(path).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && data(&page).is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
