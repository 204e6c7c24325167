//! `refrain dedupe`: copies are grouped, strangers are not, the best copy is proposed, and nothing is ever deleted.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{fixture, run};
use serde_json::Value;

/// File names of each group with what is proposed for them.
fn groups(lines: &[Value]) -> Vec<BTreeMap<String, String>> {
    let name = |file: &Value| file["path"].as_str().unwrap().rsplit('/').next().unwrap().to_string();
    let files = |line: &Value| line["files"].as_array().cloned().unwrap_or_default();
    let told = |file: &Value| (name(file), file["proposal"].as_str().unwrap().to_string());
    lines.iter().filter(|line| line.get("group").is_some()).map(|line| files(line).iter().map(told).collect()).collect()
}

fn group(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, proposal)| (name.to_string(), proposal.to_string())).collect()
}

/// A picture of the fixtures with other pixels, by the pictures that the fixtures hold.
fn copies(dir: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(dir).unwrap();
    for (from, to) in files {
        fs::copy(fixture(from), dir.join(to)).unwrap();
    }
}

fn seen(dir: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn copies_are_grouped_and_the_best_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    let files = [
        ("removed/city.jpg", "city.jpg"),
        ("uploads/city-small.jpg", "city-small.jpg"),
        ("removed/reef.jpg", "reef.jpg"),
        ("removed/meadow.jpg", "meadow.jpg"),
        ("uploads/flowers.jpg", "mirrored.jpg"),
        ("uploads/other-tree.jpg", "tree.jpg"),
        ("uploads/other-city.jpg", "other-city.jpg"),
    ];
    copies(&up, &files);
    fs::copy(up.join("reef.jpg"), up.join("reef-again.jpg")).unwrap();
    fs::hard_link(up.join("tree.jpg"), up.join("tree-link.jpg")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("tree.jpg", up.join("tree-symlink.jpg")).unwrap();
    fs::write(up.join("torn.jpg"), "not a picture").unwrap();
    let before = seen(&up);
    let ran = run(dir.path(), &["dedupe", "--json", "up"]).expect(2);
    let expected = [
        group(&[("city.jpg", "keep"), ("city-small.jpg", "remove")]),
        group(&[("reef.jpg", "keep"), ("reef-again.jpg", "remove")]),
    ];
    let lines = ran.lines();
    assert_eq!(groups(&lines), expected, "links are names of one file, no copies");
    let failed: Vec<&Value> = lines.iter().filter(|line| line.get("error").is_some()).collect();
    assert_eq!((failed.len(), &failed[0]["path"]), (1, &"up/torn.jpg".into()));
    let city = &lines.iter().find(|line| line["group"] == 1).unwrap();
    assert_eq!((&city["why"], &city["files"][0]["path"]), (&"resolution".into(), &"up/city.jpg".into()));
    let reef = &lines.iter().find(|line| line["group"] == 2).unwrap();
    assert_eq!((&reef["why"], &reef["files"][1]["identical"]), (&"age".into(), &true.into()));
    assert_eq!(city["removable_bytes"], fs::metadata(up.join("city-small.jpg")).unwrap().len());
    // mirrored copies only if asked for
    fs::remove_file(up.join("torn.jpg")).unwrap();
    let turned = groups(&run(dir.path(), &["dedupe", "--json", "--turned", "up"]).expect(0).lines());
    assert_eq!(turned.len(), 3);
    assert!(turned.iter().any(|group| group.contains_key("meadow.jpg") && group.contains_key("mirrored.jpg")));
    // and nothing closer than it is
    let strict = groups(&run(dir.path(), &["dedupe", "--json", "--max-distance", "0", "up"]).expect(0).lines());
    assert_eq!(strict, expected[1..]);
    run(dir.path(), &["dedupe", "--max-distance", "65", "up"]).expect(2);
    run(dir.path(), &["dedupe", "--share", "0", "up"]).expect(2);
    fs::write(up.join("torn.jpg"), "not a picture").unwrap();
    assert_eq!(seen(&up), before, "nothing was deleted");
}

#[test]
fn what_was_found_is_told_again_until_something_changes() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    copies(
        &up,
        &[("removed/city.jpg", "city.jpg"), ("uploads/city-small.jpg", "small.jpg"), ("removed/reef.jpg", "reef.jpg")],
    );
    fs::copy(up.join("reef.jpg"), up.join("reef-again.jpg")).unwrap();
    let cured = fs::read(fixture("removed/reef.jpg")).unwrap();
    fs::write(up.join("torn.jpg"), vec![7; cured.len()]).unwrap();
    let told = |args: &[&str], code| run(dir.path(), &[&["dedupe", "--json"], args, &["up"]].concat()).expect(code).out;
    let first = told(&[], 2);
    assert_eq!(told(&[], 2), first, "the same again, with the file that could not be read");
    assert_eq!(told(&["--no-cache"], 2), first);

    // other bytes under the same size and time of change: known by those, as all that is cached is, unless asked otherwise
    let put = |name: &str, bytes: &[u8]| {
        let before = fs::metadata(up.join(name)).unwrap().modified().unwrap();
        fs::write(up.join(name), bytes).unwrap();
        fs::File::options().append(true).open(up.join(name)).unwrap().set_modified(before).unwrap();
    };
    let mut other = cured.clone();
    *other.last_mut().unwrap() ^= 1;
    put("reef-again.jpg", &other);
    assert_eq!(told(&[], 2), first, "no file was read, and nothing compared");
    assert_ne!(told(&["--checksum"], 2), first);
    put("reef-again.jpg", &cured);

    // a choice of its own has a memory of its own
    let strict = told(&["--max-distance", "0"], 2);
    assert_ne!(strict, first);
    let reference = told(&["--reference", "up"], 2);
    assert!(reference.contains("\"reference\"") && !reference.contains("\"remove\""), "{reference}");
    assert_eq!((told(&["--max-distance", "0"], 2), told(&["--reference", "up"], 2)), (strict, reference));
    assert_eq!(told(&[], 2), first);

    // files that could not be read are tried again, whatever their time of change
    put("torn.jpg", &cured);
    let whole = told(&[], 0);
    assert!(whole.contains("torn.jpg") && !whole.contains("error"), "{whole}");
    // a file that is gone, changed, or has another name
    fs::hard_link(up.join("city.jpg"), up.join("city-link.jpg")).unwrap();
    assert!(told(&[], 0).contains("\"links\":[\"up/city.jpg\"]"));
    fs::remove_file(up.join("small.jpg")).unwrap();
    assert!(!told(&[], 0).contains("small.jpg"));
    fs::copy(fixture("uploads/other-tree.jpg"), up.join("reef.jpg")).unwrap();
    let changed = told(&[], 0);
    assert!(!changed.contains("reef.jpg") && changed.contains("reef-again.jpg"), "{changed}");
    assert_eq!(told(&["--no-cache"], 0), changed);
}

#[test]
fn references_stay_whatever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    copies(&dir.path().join("keep"), &[("uploads/city-small.jpg", "small.jpg"), ("removed/reef.jpg", "reef.jpg")]);
    copies(&dir.path().join("up"), &[("removed/city.jpg", "city.jpg"), ("uploads/city-small.jpg", "again.jpg")]);
    let told = |args: &[&str]| groups(&run(dir.path(), &[&["dedupe", "--json"], args].concat()).expect(0).lines());
    let stays = group(&[("small.jpg", "keep"), ("city.jpg", "remove"), ("again.jpg", "remove")]);
    assert_eq!(told(&["--reference", "keep", "up"])[..], std::slice::from_ref(&stays)[..]);
    // also if the folder lies below a root and is named by another way
    let other = dir.path().join("up/../keep").to_string_lossy().into_owned();
    assert_eq!(told(&["--reference", &other, "."]), [stays]);
    let all = told(&["--reference", "keep", "--reference", "up", "."]);
    assert!(all[0].values().all(|proposal| proposal != "remove"), "{all:?}");
    assert_eq!(all[0].values().filter(|proposal| *proposal == "reference").count(), 2);
}

#[cfg(feature = "video")]
#[test]
fn films_are_grouped_by_how_much_of_them_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("removed/harbour.mp4", "harbour.mp4"),
        ("uploads/boats-low.mp4", "low.mp4"),
        ("uploads/fish-trim.mp4", "trim.mp4"),
        ("removed/aquarium.mp4", "aquarium.mp4"),
        ("removed/workshop.mp4", "workshop.mp4"),
        ("uploads/other-festival.mp4", "festival.mp4"),
    ];
    copies(&dir.path().join("up"), &files);
    let ran = run(dir.path(), &["dedupe", "--json", "up"]).expect(0);
    let found = groups(&ran.lines());
    assert_eq!(found, [group(&[("harbour.mp4", "keep"), ("low.mp4", "remove")])]);
    assert_eq!(ran.lines()[0]["kind"], "video");
    // a trimmed film agrees with two thirds of the whole one
    let loose = groups(&run(dir.path(), &["dedupe", "--json", "--share", "0.5", "up"]).expect(0).lines());
    assert!(loose.contains(&group(&[("aquarium.mp4", "keep"), ("trim.mp4", "remove")])), "{loose:?}");
}

/// A film that is cut off in the middle is compared as far as it goes, and everybody is told, also the second time.
#[cfg(feature = "video")]
#[test]
fn films_that_are_cut_off_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    copies(&up, &[("uploads/best-of.mkv", "whole.mkv"), ("removed/city.jpg", "city.jpg")]);
    let whole = fs::read(up.join("whole.mkv")).unwrap();
    fs::write(up.join("cut.mkv"), &whole[..whole.len() * 6 / 10]).unwrap();
    let told = |share: &str, code| {
        let ran = run(dir.path(), &["dedupe", "--json", "--share", share, "--report", "r.html", "up"]).expect(code);
        let warned: Vec<String> = ran.err.lines().filter(|line| line.contains("warning")).map(str::to_owned).collect();
        assert!(
            !warned.is_empty() && warned.iter().all(|line| line.starts_with("up/cut.mkv: warning: ")),
            "{warned:?}"
        );
        (warned, ran.lines())
    };
    let (alone, lines) = told("1.0", 1);
    assert_eq!(lines, Vec::<Value>::new(), "not all of the longer one agrees");
    for round in ["compared", "told again"] {
        let (warned, lines) = told("0.3", 0);
        assert_eq!((&warned, lines.len()), (&alone, 1), "{round}");
        for file in lines[0]["files"].as_array().unwrap() {
            let cut = file["path"].as_str().unwrap().ends_with("cut.mkv");
            assert_eq!(file.get("warnings").is_some(), cut, "{round}: {file}");
        }
        let page = fs::read_to_string(dir.path().join("r.html")).unwrap();
        assert!(page.contains(r#""warnings":[""#), "{round}: the page shows it");
    }
}

#[cfg(unix)]
#[test]
fn the_script_is_safe_and_does_nothing_unread() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("it's a \"folder\"; touch owned");
    copies(&up, &[("removed/city.jpg", "city.jpg")]);
    let small = fs::read(fixture("uploads/city-small.jpg")).unwrap();
    let names: [&[u8]; 6] = [
        b"'; touch owned; '.jpg",
        b"$(touch owned).jpg",
        b"line\ntouch owned\n.jpg",
        b"-rf.jpg",
        b"odd-\xFF.jpg",
        b"`x`\\.jpg",
    ];
    for name in names {
        fs::write(up.join(std::ffi::OsStr::from_bytes(name)), &small).unwrap();
    }
    let folder = up.file_name().unwrap().to_str().unwrap();
    let args = ["dedupe", "--script", "plan.sh", "--plan", "plan.json", "--report", "same.html", folder];
    run(dir.path(), &args).expect(0);
    assert_eq!(seen(&up).len(), 7, "nothing was deleted");
    let script = |args: &[&str]| Command::new("sh").arg("plan.sh").args(args).current_dir(dir.path()).output().unwrap();
    let unread = script(&[]);
    assert_eq!((unread.status.code(), seen(&up).len()), (Some(1), 7), "it does nothing by itself");
    assert!(String::from_utf8_lossy(&unread.stdout).contains("6 files could go"), "{unread:?}");
    let ran = script(&["--remove"]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(seen(&up), ["city.jpg"], "just what the plan says");
    assert!(!dir.path().join("owned").exists() && !up.join("owned").exists(), "no name was run");
    let plan: Value = serde_json::from_slice(&fs::read(dir.path().join("plan.json")).unwrap()).unwrap();
    assert_eq!((&plan["refrain_plan"], plan["groups"][0]["files"].as_array().unwrap().len()), (&1.into(), 7));
    assert!(plan["groups"][0]["files"].as_array().unwrap().iter().any(|file| file.get("raw").is_some()));
    assert!(fs::read_to_string(dir.path().join("same.html")).unwrap().contains("Duplicates"));
    for option in ["--script", "--plan", "--report"] {
        let ran = run(dir.path(), &["dedupe", option, "no/where", folder]).expect(2);
        assert!(ran.err.contains("no/where") && !ran.err.contains("groups"), "told before the work: {}", ran.err);
    }
}

#[test]
fn plain_pictures_are_only_grouped_if_they_are_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    fs::create_dir(&up).unwrap();
    let grey = |level: u8, name: &str| {
        let pixels = image::GrayImage::from_pixel(64, 64, image::Luma([level]));
        pixels.save_with_format(up.join(name), image::ImageFormat::Bmp).unwrap();
    };
    grey(128, "a.bmp");
    grey(129, "b.bmp");
    grey(128, "c.bmp");
    let ran = run(dir.path(), &["dedupe", "--json", "up"]).expect(0);
    assert_eq!(
        groups(&ran.lines()).iter().map(|group| group.keys().cloned().collect()).collect::<Vec<Vec<_>>>(),
        [["a.bmp", "c.bmp"]]
    );
    assert!(ran.err.contains("too little detail to tell  3"), "{}", ran.err);
    fs::remove_file(up.join("c.bmp")).unwrap();
    run(dir.path(), &["dedupe", "up"]).expect(1);
}

#[test]
fn no_more_threads_are_taken_than_there_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    copies(&up, &[("removed/city.jpg", "a.jpg"), ("uploads/city-small.jpg", "b.jpg")]);
    run(dir.path(), &["dedupe", "--threads", "1000000", "up"]).expect(0);
}
