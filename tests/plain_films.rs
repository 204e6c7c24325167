//! Films that share a countdown or cards and nothing else are not alike; copies of such films are, with all of it.
#![cfg(feature = "video")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use refrain::bank::Reference;
use refrain::eval::data::Split;
use refrain::eval::film::{Clip, Edit, FilmTemplate};
use refrain::fingerprint::Media;
use refrain::matching::{Match, Outcome};
use refrain::{Fingerprint, Options, Store, fingerprint};

fn print(path: &Path) -> Fingerprint {
    fingerprint(Media::file(path), &Options::default()).unwrap()
}

fn clip(path: &Path) -> Clip {
    let Fingerprint::Video(film) = print(path) else { panic!("{} is no film", path.display()) };
    Clip {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        path: path.to_owned(),
        split: Split::Reference,
        digest: blake3::hash(&std::fs::read(path).unwrap()).to_hex()[..16].to_string(),
        seconds: film.duration,
        width: film.width,
        height: film.height,
    }
}

/// What the answer says of the one reference there is, if it matches.
fn ask(store: &Store, query: &Fingerprint) -> Option<Match> {
    let verdict = store.ask(query).unwrap();
    assert_eq!(verdict.outcome == Outcome::Match, verdict.matches.iter().any(|found| !found.near), "{verdict:?}");
    verdict.matches.into_iter().find(|found| !found.near)
}

fn covers(found: &Match, query: [f64; 2], reference: [f64; 2]) {
    assert_eq!(found.segments.len(), 1, "{found:?}");
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() <= 1.0 && (a[1] - b[1]).abs() <= 1.0;
    let segment = &found.segments[0];
    assert!(near(segment.query, query) && near(segment.reference, reference), "{query:?} {reference:?} {segment:?}");
}

#[test]
fn films_that_share_plain_pictures_are_not_alike_and_copies_are() {
    if std::process::Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: there is no ffmpeg command");
        return;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed");
    let mut films: Vec<_> = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    films.retain(|path| path.extension().is_some_and(|extension| extension == "mp4"));
    films.sort();
    let (first, second) = (clip(&films[0]), clip(&films[1]));
    let dir = tempfile::tempdir().unwrap();
    let make = |edit: Edit| edit.make(dir.path()).unwrap();
    // The seconds of the film of `clip` that all films of the template have.
    let templates = [
        (FilmTemplate::Countdown, 6.0),
        (FilmTemplate::CountdownLeader, 6.0),
        (FilmTemplate::CountdownBlack, 11.0),
        (FilmTemplate::CountdownWhite, 5.0),
        (FilmTemplate::CountdownClock, 12.0),
        (FilmTemplate::EndCards, 0.0),
        (FilmTemplate::Subscribe, 0.0),
        (FilmTemplate::Pages, 28.0),
    ];
    for (template, lead) in templates {
        let name = template.name();
        let store = Store::create_or_open(dir.path().join(name)).unwrap();
        let path = make(template.edit(&first, 1));
        let known = print(&path);
        let Fingerprint::Video(film) = &known else { panic!("{name}: no film") };
        store.add(&Reference::new("first"), &known).unwrap();

        let other = ask(&store, &print(&make(template.edit(&second, 1))));
        match template.is_segment() {
            true => covers(&other.unwrap_or_else(|| panic!("{name}: not found")), [0.0, lead], [0.0, lead]),
            false => assert_eq!(other, None, "{name}: another film"),
        }

        // A copy of all of it, smaller: from the first number to the end.
        let made = clip(&path);
        let copy = ask(&store, &print(&make(Edit::of(&made, "scale=240:-2,setsar=1"))));
        covers(&copy.unwrap_or_else(|| panic!("{name}: no copy")), [0.0, film.duration], [0.0, film.duration]);

        // A cut that has nothing but numbers is a copy of these.
        if !template.is_segment() && lead > 0.0 {
            let cut = Edit::of(&made, format!("trim=0:{},setpts=PTS-STARTPTS,setsar=1", lead - 0.5));
            let cut = ask(&store, &print(&make(cut)));
            covers(&cut.unwrap_or_else(|| panic!("{name}: no cut")), [0.0, lead - 0.5], [0.0, lead - 0.5]);
        }
    }
}
