//! The report of duplicates for people: one HTML file without network, group by group.

use std::path::PathBuf;

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::Value;

use super::html::{MAX_PICTURES, Page, head};
use super::picture::Shown;
use super::words;
use crate::cancel::Cancel;
use crate::dedupe::{Found, Group, Member, Role, Why};
use crate::error::Result;
use crate::limits::Limits;

const SCRIPT: &str = include_str!("groups.js");
/// So many files of a group are shown with a picture.
const PICTURES: usize = 50;

/// A report of duplicates that is being written. It appears under its name when it is whole.
#[derive(Debug)]
pub struct GroupReport(Page);

impl GroupReport {
    /// Begins the report at `path`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written there, so that this is known before long work.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        Page::create(path.into()).map(Self)
    }

    /// Writes the report. Returns its path.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn finish(mut self, found: &Found, cancel: &Cancel) -> Result<PathBuf> {
        let (limits, mut pictures) = (Limits::default(), 0);
        for (number, group) in (1..).zip(&found.groups) {
            cancel.check()?;
            let mut entry = serde_json::to_value(group.line(number)).unwrap_or(Value::Null);
            for (at, member) in group.members.iter().enumerate() {
                let value = &mut entry["files"][at];
                value["says"] = says(group, member).into();
                if at < PICTURES
                    && pictures < MAX_PICTURES
                    && let Some(shown) = Shown::of_file(&member.file.path, &limits, cancel)
                {
                    pictures += shown.weight();
                    value["picture"] = serde_json::to_value(shown).unwrap_or(Value::Null);
                }
            }
            self.0.push(&entry)?;
        }
        self.0.finish(|entries| page(found, entries))
    }
}

/// What is proposed for a file and why, in words.
fn says(group: &Group, member: &Member) -> String {
    match member.role {
        Role::Keep => match group.why {
            Why::Reference => "Stays: it is in a reference folder".into(),
            Why::Resolution => "Keep: it has the most pixels".into(),
            Why::Bitrate => "Keep: it is stored with the least loss".into(),
            Why::Age => "Keep: it is the oldest".into(),
            Why::Name => "Keep: any of them would do".into(),
        },
        Role::Reference => "Stays: it is in a reference folder".into(),
        Role::Remove if member.identical => "Could go: the very same bytes".into(),
        Role::Remove => match member.distance {
            Some(distance) => format!("Could go: {}", words::closeness(distance)),
            None => "Could go: the same film".into(),
        },
    }
}

fn page(found: &Found, entries: &str) -> String {
    let files: usize = found.groups.iter().map(|group| group.members.len()).sum();
    let bytes: u64 = found.groups.iter().map(Group::removable).sum();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("Duplicates"))
            body {
                header {
                    h1 { "Duplicates" }
                    dl.counts {
                        div { dt { "groups" } dd { (found.groups.len()) } }
                        div { dt { "files in them" } dd { (files) } }
                        div { dt { "could be free" } dd { (format!("{:.1} MB", bytes as f64 / 1e6)) } }
                        div { dt { "could not be read" } dd { (found.failed.len()) } }
                        div { dt { "too little detail" } dd { (found.plain.len()) } }
                    }
                    p { "Nothing was deleted. The best copy comes first in each group." }
                    form #filters {
                        label { "Text " input #text type="search" placeholder="file"; }
                        label { "Kind " select #kind {
                            option value="" { "all" } option value="image" { "stills" } option value="video" { "films" }
                        } }
                        label { "Bytes " select #same {
                            option value="" { "all" } option value="same" { "all the same" } option value="other" { "not all the same" }
                        } }
                        label { "Order " select #order {
                            option value="" { "as found" } option value="bytes" { "most to gain" } option value="files" { "most files" }
                        } }
                        label { input #clear type="checkbox"; " Show pictures clearly" }
                    }
                    p.keys {
                        @for (key, does) in [("n", "next"), ("p", "previous"), ("v", "show the pictures")] {
                            span { kbd { (key) } " " (does) }
                        }
                    }
                    p #shown role="status" {}
                }
                main #list {}
                nav {
                    button #before type="button" { "Earlier" }
                    span #where {}
                    button #after type="button" { "Later" }
                }
                noscript { p { "This report needs JavaScript; the same groups are in the plan." } }
                script #data type="application/json" { "[" (entries) "]" }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let dir = tempfile::tempdir().unwrap();
        let evil = "</script><script>alert(1)<!--.jpg";
        let meadow = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/removed/meadow.jpg");
        let up = dir.path().join("up");
        std::fs::create_dir(&up).unwrap();
        std::fs::copy(meadow, up.join(evil.replace('/', "_"))).unwrap();
        std::fs::copy(meadow, up.join("b.jpg")).unwrap();
        let listing = crate::scan::walk(&[up], &Default::default(), &Cancel::new()).unwrap();
        let found = crate::dedupe::dedupe(&listing, &Default::default(), |_| {}).unwrap();
        assert_eq!(found.groups.len(), 1);
        let report = GroupReport::create(dir.path().join("a.html")).unwrap();
        let page = std::fs::read_to_string(report.finish(&found, &Cancel::new()).unwrap()).unwrap();
        assert!(!page.contains("<script>alert") && !page.contains("<!--.jpg") && page.contains("\\u003cscript>alert"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no draft stays");
        assert!(GroupReport::create("/nowhere/a.html").is_err());
    }
}
