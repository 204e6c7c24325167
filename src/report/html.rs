//! The report for people: one HTML file without network, from lines of a scan.
//!
//! What was found goes in as data and is put on the page by text nodes only, so a file name or label is never markup.
//! Pictures are blurred until asked for. Ten thousand matches are paged.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::{Value, json};

use super::json::MatchLine;
use super::{thumbnail, words};
use crate::bank::Store;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::matching::{Match, Outcome};
use crate::scan::Progress;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Thumbnails are made for so many files; past that the report would be too heavy for a browser.
const MAX_THUMBNAILS: usize = 3000;

/// A report that is being written. It appears under its name when it is whole.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    draft: PathBuf,
    file: fs::File,
    references: Option<PathBuf>,
    limits: Limits,
    thumbnails: usize,
    rows: Vec<Value>,
}

impl Report {
    /// Begins the report at `path`. If `references` is a folder, the pictures in it that are named like references are
    /// shown beside the uploads.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written there, so that this is known before a long scan.
    pub fn create(path: impl Into<PathBuf>, references: Option<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut draft = path.clone().into_os_string();
        draft.push(".part");
        let draft = PathBuf::from(draft);
        if path.is_dir() {
            return Err(Error::io(&path, std::io::ErrorKind::IsADirectory.into()));
        }
        let file = fs::File::create(&draft).map_err(|error| Error::io(&path, error))?;
        Ok(Self { path, draft, file, references, limits: Limits::default(), thumbnails: 0, rows: Vec::new() })
    }

    /// Adds a file of the scan; files that are not known are only counted.
    pub fn add(&mut self, store: &Store, path: &Path, line: &MatchLine) {
        if line.outcome == Outcome::NoMatch {
            return;
        }
        let picture = if line.matches.is_empty() { None } else { self.thumbnail(path) };
        let matches: Vec<Value> = line.matches.iter().map(|found| self.found(store, found)).collect();
        self.rows.push(json!({
            "path": line.name(),
            "kind": line.kind,
            "outcome": line.outcome,
            "words": words::outcome(line.outcome),
            "error": line.error.as_ref().map(|error| &error.message),
            "picture": picture,
            "matches": matches,
        }));
    }

    fn thumbnail(&mut self, path: &Path) -> Option<String> {
        if self.thumbnails >= MAX_THUMBNAILS {
            return None;
        }
        let made = thumbnail::of_file(path, &self.limits);
        self.thumbnails += usize::from(made.is_some());
        made
    }

    fn found(&mut self, store: &Store, found: &Match) -> Value {
        let record = store.reference(&found.bank, &found.reference).ok().flatten();
        // only a plain file name: an id must not lead out of the folder
        let plain = Path::new(&found.reference).file_name().is_some_and(|name| name == found.reference.as_str());
        let file = self.references.as_ref().filter(|_| plain).map(|folder| folder.join(&found.reference));
        json!({
            "bank": found.bank,
            "reference": found.reference,
            "action": found.action,
            "near": found.near,
            "distance": found.distance,
            "quality": found.quality,
            "closeness": words::closeness(found.distance),
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
            "duration": record.as_ref().map(|record| record.duration),
            "labels": record.as_ref().map(|record| &record.labels),
            "source": record.as_ref().map(|record| &record.source),
            "picture": file.and_then(|file| self.thumbnail(&file)),
        })
    }

    /// Writes the report. Returns its path.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self, progress: &Progress) -> Result<PathBuf> {
        let page = page(&self.rows, progress);
        let written = self.file.write_all(page.as_bytes()).and_then(|()| self.file.sync_all());
        written.and_then(|()| fs::rename(&self.draft, &self.path)).map_err(|error| Error::io(&self.path, error))?;
        Ok(self.path.clone())
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.draft); // gone already if the report was finished
    }
}

fn page(rows: &[Value], progress: &Progress) -> String {
    // inside a script element only `<` can end the element or begin a comment
    let data = Value::from(rows.to_vec()).to_string().replace('<', "\\u003c");
    let counts = [
        ("known", progress.matched),
        ("known and allowed", progress.allowed),
        ("perhaps known", progress.near),
        ("too little detail", progress.too_little_detail),
        ("could not be read", progress.failed),
        ("files in all", progress.files_done),
    ];
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                title { "What the scan found" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "What the scan found" }
                    dl.counts {
                        @for (what, count) in counts { div { dt { (what) } dd { (count) } } }
                    }
                    @if progress.files_done < progress.files {
                        p.warning { "The scan was stopped: " (progress.files - progress.files_done) " files were not looked at." }
                    }
                    form #filters {
                        label { "Text " input #text type="search" placeholder="file or reference"; }
                        label { "Outcome " select #outcome { option value="" { "all" } } }
                        label { "Bank " select #bank { option value="" { "all" } } }
                        label { "Change " select #done { option value="" { "all" } } }
                        label { "Distance up to " input #distance type="number" min="0" max="256" value="256"; }
                        label { input #clear type="checkbox"; " Show pictures clearly" }
                    }
                    p.keys {
                        kbd { "n" } " next " kbd { "p" } " previous " kbd { "c" } " confirm " kbd { "r" } " refuse "
                        kbd { "v" } " show the picture "
                        button #export type="button" { "Save decisions" }
                        span #shown role="status" {}
                    }
                }
                main #list {}
                nav {
                    button #before type="button" { "Earlier" }
                    span #where {}
                    button #after type="button" { "Later" }
                }
                noscript { p { "This report needs JavaScript; the same data is in the JSON lines of the scan." } }
                script #data type="application/json" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let evil = "</script><script>alert(1)</script><!--.jpg";
        let rows = [json!({"path": evil, "outcome": "match", "matches": []})];
        let page = page(&rows, &Progress::default());
        assert!(!page.contains("alert(1)</script>") && !page.contains("<!--.jpg"));
        let data = page.split(r#"type="application/json">"#).nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap()[0]["path"], evil);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once_and_drafts_do_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Report::create(dir.path(), None), Err(Error::Io { .. })));
        assert!(matches!(Report::create(dir.path().join("no/where.html"), None), Err(Error::Io { .. })));
        drop(Report::create(dir.path().join("a.html"), None).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let path = Report::create(dir.path().join("a.html"), None).unwrap().finish(&Progress::default()).unwrap();
        assert!(fs::read_to_string(path).unwrap().starts_with("<!DOCTYPE html>"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
