//! `refrain scan`: whole folders in order, whatever is in them; stopped, gone on with, and never anything twice.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use common::{Ran, command, fixture, known, run};
use serde_json::Value;

fn paths(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["path"].as_str().unwrap()).collect()
}

/// Fills a folder with many names of one copy and one other picture.
fn many(dir: &Path, count: usize) {
    fs::create_dir_all(dir).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), dir.join("00000.jpg")).unwrap();
    fs::copy(fixture("uploads/other-tree.jpg"), dir.join("00001.jpg")).unwrap();
    for at in 2..count {
        fs::hard_link(dir.join(format!("0000{}.jpg", at % 2)), dir.join(format!("{at:05}.jpg"))).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn everything_in_a_folder_gets_its_line_and_the_rest_goes_on() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    fs::create_dir_all(up.join("locked")).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), up.join("copy.jpg")).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), up.join("misnamed.txt")).unwrap();
    fs::write(up.join("empty.jpg"), "").unwrap();
    fs::write(up.join("notes.txt"), "words").unwrap();
    fs::write(up.join("pack.zip"), "PK\x03\x04").unwrap();
    symlink(".", up.join("loop")).unwrap();
    symlink("nowhere", up.join("dangling.jpg")).unwrap();
    assert!(Command::new("mkfifo").arg(up.join("pipe.jpg")).status().unwrap().success());
    fs::set_permissions(up.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = run(dir.path(), &["scan", "--store", "s", "--json", "up"]).expect(2);
    fs::set_permissions(up.join("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    let lines = ran.lines();
    let mut expected = vec!["copy.jpg", "dangling.jpg", "empty.jpg", "locked", "loop", "misnamed.txt", "pipe.jpg"];
    if paths(&lines).contains(&"up/locked") {
        assert!(ran.err.contains("up/locked"));
    } else {
        println!("skipped: a folder without permission (this user may read everything)");
        expected.retain(|name| *name != "locked");
    }
    assert_eq!(paths(&lines), expected.iter().map(|name| format!("up/{name}")).collect::<Vec<_>>());
    for line in &lines {
        let good = ["up/copy.jpg", "up/misnamed.txt"].contains(&line["path"].as_str().unwrap());
        assert_eq!(line["outcome"], if good { "match" } else { "unreadable" }, "{line}");
        assert_eq!(line.get("error").is_none(), good);
    }
    assert!(ran.err.contains("pack.zip") && ran.err.contains("could not be read"), "the summary: {}", ran.err);
    assert!(run(dir.path(), &["scan", "--store", "s", "--quiet", "--json", "up/copy.jpg"]).expect(0).err.is_empty());
}

#[test]
fn patterns_choose() {
    let dir = known(&["removed/meadow.jpg"]);
    many(&dir.path().join("up"), 10);
    let scan = ["scan", "--store", "s", "--json", "--include", "0000[1-4].jpg", "--exclude", "00003.*", "up"];
    assert_eq!(paths(&run(dir.path(), &scan).expect(0).lines()), ["up/00001.jpg", "up/00002.jpg", "up/00004.jpg"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_scan_goes_on_and_its_output_is_whole() {
    const FILES: usize = 1200;
    let dir = known(&["removed/meadow.jpg"]);
    many(&dir.path().join("up"), FILES);
    let scan = ["scan", "--store", "s", "--json", "--resume", "journal", "up"];
    let mut child = command(dir.path(), &scan).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = out.next().unwrap().unwrap();
    assert!(first.contains("00000.jpg"), "{first}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let shown = 1 + thread::spawn(move || out.count()).join().unwrap();
    let ended = Ran::of(child.wait_with_output().unwrap()).expect(130);
    assert!(shown < FILES, "it stopped before the end");
    assert!(ended.err.contains("not done"), "the summary is printed: {}", ended.err);
    let kept = fs::read_to_string(dir.path().join("journal")).unwrap().lines().count() - 1;
    assert!((shown..FILES).contains(&kept), "what was shown is kept: {shown} shown, {kept} kept");

    let whole = run(dir.path(), &scan).expect(0);
    let lines = whole.lines();
    assert_eq!(paths(&lines), (0..FILES).map(|at| format!("up/{at:05}.jpg")).collect::<Vec<_>>());
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["outcome"], if at % 2 == 0 { "match" } else { "no_match" });
    }
    assert!(whole.err.contains(&format!("taken over from the journal  {kept}")), "{}", whole.err);
    // what changed is read again; another scan does not get these results
    fs::remove_file(dir.path().join("up/00000.jpg")).unwrap();
    fs::copy(fixture("uploads/other-tree.jpg"), dir.path().join("up/00000.jpg")).unwrap();
    let again = run(dir.path(), &scan).expect(0);
    assert_eq!(again.lines()[0]["outcome"], "no_match");
    run(dir.path(), &[&scan[..], &["--max-distance", "3"]].concat()).expect(2);
}

#[test]
fn without_a_terminal_there_is_no_bar() {
    let dir = known(&["removed/meadow.jpg"]);
    many(&dir.path().join("up"), 4);
    let ran = run(dir.path(), &["scan", "--store", "s", "up"]).expect(0);
    assert!(ran.out.contains("up/00000.jpg: known") && ran.out.contains("removed/meadow.jpg (mirrored"), "{}", ran.out);
    assert!(!ran.out.contains("00001") && !ran.err.contains('\r') && !ran.err.contains('\x1b'), "{:?}", ran.err);
    assert!(ran.err.contains("4 of 4 files"));
    let threads = run(dir.path(), &["scan", "--store", "s", "--threads", "1", "up"]).expect(0);
    assert_eq!(threads.out, ran.out);
}

#[test]
fn a_second_scan_reads_only_what_changed() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    many(&up, 4);
    let scan = ["scan", "--store", "s", "--json", "up"];
    let first = run(dir.path(), &scan).expect(0);
    // a file that cannot be read any more, but is as it was: its fingerprint is known
    let meta = fs::metadata(up.join("00000.jpg")).unwrap();
    fs::write(up.join("00000.jpg"), vec![0xFF; meta.len() as usize]).unwrap();
    fs::File::options()
        .append(true)
        .open(up.join("00000.jpg"))
        .unwrap()
        .set_modified(meta.modified().unwrap())
        .unwrap();
    assert_eq!(run(dir.path(), &scan).expect(0).out, first.out);
    run(dir.path(), &[&scan[..], &["--no-cache"]].concat()).expect(2);
    // and a cache that is damaged or cannot be had is no reason to stop
    fs::write(dir.path().join("cache/fingerprints.redb"), "rubbish").unwrap();
    run(dir.path(), &scan).expect(2);
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    fs::write(dir.path().join("cache"), "a file in the way").unwrap();
    assert!(run(dir.path(), &scan).expect(2).err.contains("without a cache"));
}

#[test]
fn lists_of_files_come_on_standard_input() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    many(&up, 4);
    fs::create_dir(up.join("sub")).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), up.join("sub/line\nend.jpg")).unwrap();
    let asked = |args: &[&str], list: &str| {
        fs::write(dir.path().join("list"), list).unwrap();
        let scan = [&["scan", "--store", "s", "--json", "--files-from", "-"][..], args].concat();
        let input = fs::File::open(dir.path().join("list")).unwrap();
        Ran::of(command(dir.path(), &scan).stdin(input).output().unwrap())
    };
    let lines = asked(&[], "up/00001.jpg\n\nup/00000.jpg").expect(0).lines();
    assert_eq!(paths(&lines), ["up/00001.jpg", "up/00000.jpg"], "in the order of the list");
    let lines = asked(&["-0", "up/00002.jpg"], "up/sub/line\nend.jpg\0up/nowhere.jpg\0").expect(2).lines();
    assert_eq!(paths(&lines), ["up/00002.jpg", "up/sub/line\nend.jpg", "up/nowhere.jpg"]);
    // a folder in the list is walked, and what lies below two of them is listed once
    let ran = asked(&["up"], "up/sub\n").expect(0);
    assert_eq!(ran.lines().len(), 5);
    assert!(ran.err.contains("done once  1"), "{}", ran.err);
    let named = ["scan", "--store", "s", "--json", "--files-from", "list"];
    fs::write(dir.path().join("list"), "up/00003.jpg\n").unwrap();
    assert_eq!(paths(&run(dir.path(), &named).expect(1).lines()), ["up/00003.jpg"]);
    run(dir.path(), &["scan", "--store", "s", "--files-from", "nowhere"]).expect(2);
    run(dir.path(), &["scan", "--store", "s"]).expect(2);
}

/// The second store comes to as many changes as the first one had.
#[test]
fn a_store_made_anew_in_the_same_place_is_asked_anew() {
    let dir = known(&["removed/meadow.jpg"]);
    many(&dir.path().join("up"), 2);
    let scan = |store: &str| run(dir.path(), &["scan", "--store", store, "--json", "--resume", "journal", "up"]);
    assert_eq!(scan("s").expect(0).lines()[0]["outcome"], "match");
    let again = scan("./s/../s").expect(0);
    assert!(again.err.contains("taken over from the journal  2"), "it is the same store: {}", again.err);
    let changes = |ran: common::Ran| ran.expect(0).lines()[0]["changes"].clone();
    let before = changes(run(dir.path(), &["stats", "--store", "s", "--json"]));
    fs::remove_dir_all(dir.path().join("s")).unwrap();
    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/surf.jpg")]).expect(0);
    assert_eq!(changes(run(dir.path(), &["stats", "--store", "s", "--json"])), before);
    assert_eq!(scan("s").expect(1).lines()[0]["outcome"], "no_match");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_scan() {
    let dir = known(&["removed/meadow.jpg"]);
    many(&dir.path().join("up"), 4);
    let scan = ["scan", "--store", "s", "--json", "--resume", "journal", "--report", "no/where.html", "up"];
    let ran = run(dir.path(), &scan).expect(2);
    assert!(ran.out.is_empty() && ran.err.contains("no/where.html"), "{}", ran.err);
    assert!(!ran.err.contains("4 files"), "nothing was scanned: {}", ran.err);
}

#[test]
fn films_come_with_their_length() {
    let dir = known(&["removed/meadow.jpg"]);
    let ran =
        run(dir.path(), &["scan", "--store", "s", "--json", &fixture("uploads/fish-trim.mp4"), &fixture("removed")]);
    let lines = ran.lines();
    assert!((5.0..6.0).contains(&lines[0]["duration"].as_f64().unwrap()), "{}", lines[0]);
    let still = lines.iter().find(|line| line["kind"] == "image").unwrap();
    assert!(still.get("duration").is_none());
    let seconds: f64 = lines.iter().filter_map(|line| line["duration"].as_f64()).sum();
    assert!(ran.err.contains(&format!("{seconds:.0} s of film")), "{seconds}: {}", ran.err);
}
