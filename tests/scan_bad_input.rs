//! Trees as they are found: folders that may not be read, files that vanish, grow, or are no files; caches that are damaged.
//! Each is a line of its own, and never the end of a scan.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use common::{Ran, command, fixture, known, refrain, run};
use serde_json::Value;

fn outcome<'a>(lines: &'a [Value], name: &str) -> &'a str {
    let found = lines.iter().find(|line| line["path"].as_str().unwrap().ends_with(name));
    found.unwrap_or_else(|| panic!("no line for {name}"))["outcome"].as_str().unwrap()
}

fn copy(dir: &Path, names: &[&str]) {
    fs::create_dir_all(dir).unwrap();
    for name in names {
        fs::copy(fixture("uploads/flowers.jpg"), dir.join(name)).unwrap();
    }
}

#[test]
fn a_folder_that_may_not_be_read_is_a_line() {
    let dir = known(&["removed/meadow.jpg"]);
    copy(&dir.path().join("up"), &["a.jpg"]);
    copy(&dir.path().join("up/locked"), &["b.jpg"]);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(dir.path().join("up/locked"), fs::Permissions::from_mode(0o000)).unwrap();
    // whoever may read everything becomes somebody who may not
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    let args = ["scan", "--store", "s", "--json", "--no-cache", "up"];
    let output = if root {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(refrain()).args(args);
        match setpriv.current_dir(dir.path()).stdin(Stdio::null()).output() {
            Ok(output) if !output.stderr.starts_with(b"setpriv:") => output,
            _ => return println!("skipped: folders that may not be read (no setpriv, and this user may read all)"),
        }
    } else {
        command(dir.path(), &args).output().unwrap()
    };
    fs::set_permissions(dir.path().join("up/locked"), fs::Permissions::from_mode(0o755)).unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("ermission denied (os error 13)\n") && output.stdout.is_empty()
    {
        return println!("skipped: folders that may not be read (the other user cannot reach the store)");
    }
    let ran = Ran::of(output).expect(2);
    assert_eq!(outcome(&ran.lines(), "up/a.jpg"), "match");
    assert_eq!(outcome(&ran.lines(), "up/locked"), "unreadable");
    assert!(ran.err.contains("up/locked") && ran.err.contains("could not be read  1"), "{}", ran.err);
}

#[test]
fn pipes_devices_and_odd_names_are_lines() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    copy(&up, &["a.jpg"]);
    fs::copy(fixture("uploads/flowers.jpg"), up.join(OsStr::from_bytes(b"odd-\xFF\n.jpg"))).unwrap();
    assert!(Command::new("mkfifo").arg(up.join("pipe.mp4")).status().unwrap().success());
    symlink("/dev/zero", up.join("zero.jpg")).unwrap();
    symlink("/dev/null", up.join("null.png")).unwrap();
    let ran = run(dir.path(), &["scan", "--store", "s", "--json", "--report", "r.html", "up"]).expect(2);
    let lines = ran.lines();
    assert_eq!(lines.len(), 5);
    for name in ["pipe.mp4", "zero.jpg", "null.png"] {
        assert_eq!(outcome(&lines, name), "unreadable");
        let line = lines.iter().find(|line| line["path"].as_str().unwrap().ends_with(name)).unwrap();
        assert_eq!(line["error"]["code"], "unsupported", "{line}");
    }
    assert_eq!(outcome(&lines, "odd-\u{FFFD}\n.jpg"), "match");
    assert!(ran.err.contains("could not be read  3"), "{}", ran.err);
    let page = fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("\"raw\":\"75702f6f64642dff0a2e6a7067\""), "its own bytes are kept for decisions");
    // the same by dedupe
    let ran = run(dir.path(), &["dedupe", "--json", "up"]).expect(2);
    assert_eq!(ran.lines().iter().filter(|line| line.get("error").is_some()).count(), 3);
    assert_eq!(ran.lines().iter().filter(|line| line.get("group").is_some()).count(), 1);
}

#[test]
fn files_that_vanish_are_lines() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    let names: Vec<String> = (0..300).map(|at| format!("{at:03}.jpg")).collect();
    copy(&up, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let args = ["scan", "--store", "s", "--json", "--no-cache", "--threads", "1", "up"];
    let mut child = command(dir.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    out.next().unwrap().unwrap();
    // everything is listed by now; the last ones go before they are read
    (200..300).for_each(|at| fs::remove_file(up.join(format!("{at:03}.jpg"))).unwrap());
    let lines: Vec<Value> = out.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(lines.len() + 1, 300, "every file has its line");
    assert_eq!(outcome(&lines, "150.jpg"), "match");
    let last = lines.last().unwrap();
    assert_eq!((&last["outcome"], &last["error"]["code"]), (&"unreadable".into(), &"io".into()));
    assert_eq!(ran.code, 2);
}

#[test]
fn a_file_that_grows_while_it_is_read_ends_nothing_and_is_read_again() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    copy(&up, &["whole.jpg"]);
    let picture = fs::read(fixture("uploads/flowers.jpg")).unwrap();
    fs::write(up.join("grows.jpg"), &picture[..picture.len() / 3]).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = thread::spawn({
        let (stop, path) = (stop.clone(), up.join("tail.jpg"));
        move || {
            let mut file = fs::File::create(path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(&[0xFF; 4096]).unwrap();
                thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    });
    let scan = ["scan", "--store", "s", "--json", "--resume", "journal", "up"];
    let first = run(dir.path(), &scan).expect(2);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(outcome(&first.lines(), "whole.jpg"), "match");
    fs::write(up.join("grows.jpg"), &picture).unwrap();
    fs::write(up.join("tail.jpg"), &picture).unwrap();
    // neither the cache nor the journal holds on to what was half there
    let second = run(dir.path(), &scan).expect(0).lines();
    assert!(second.iter().all(|line| line["outcome"] == "match") && second.len() == 3, "{second:?}");
}

#[test]
fn a_cache_that_is_damaged_or_of_another_version_is_begun_anew() {
    let dir = known(&["removed/meadow.jpg"]);
    copy(&dir.path().join("up"), &["a.jpg", "b.jpg"]);
    let scan = ["scan", "--store", "s", "--json", "up"];
    let first = run(dir.path(), &scan).expect(0).out;
    let file = dir.path().join("cache/fingerprints.redb");
    let good = fs::read(&file).unwrap();
    let mut damaged = vec![b"not a database".to_vec(), vec![], good[..good.len() / 2].to_vec()];
    for (at, byte) in [(0, 0x5A), (9, 0xFF), (64, 0xFF), (good.len() / 3, 0xA5)] {
        let mut bytes = good.clone();
        bytes[at..].iter_mut().take(2000).for_each(|b| *b = byte);
        damaged.push(bytes);
    }
    // another version of the database's own format
    let mut other = good.clone();
    other[12] = other[12].wrapping_add(77);
    damaged.push(other);
    for bytes in damaged {
        fs::write(&file, bytes).unwrap();
        assert_eq!(run(dir.path(), &scan).expect(0).out, first);
    }
    run(dir.path(), &[&scan[..], &["--checksum"]].concat()).expect(0);
    run(dir.path(), &["scan", "--store", "s", "--checksum", "--no-cache", "up"]).expect(2);
}

#[test]
fn one_long_film_holds_nobody_up() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    let names: Vec<String> = (0..40).map(|at| format!("still-{at:02}.jpg")).collect();
    copy(&up, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // the film comes first in the order of the output and takes far longer than all the stills
    let long = up.join("a-film.mkv");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", "15", "-i", &fixture("removed/workshop.mp4"), "-c", "copy"])
        .arg(&long)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return println!("skipped: a long film (no ffmpeg command)");
    }
    let scan = ["scan", "--store", "s", "--json", "--no-cache", "--threads", "2", "--resume", "journal", "up"];
    let run = command(dir.path(), &scan).output().unwrap();
    let lines = Ran::of(run).expect(0).lines();
    assert!(lines[0]["path"].as_str().unwrap().ends_with("a-film.mkv"), "the output keeps its order");
    assert_eq!(lines.len(), 41);
    // the journal has them in the order in which they were done
    let journal = fs::read_to_string(dir.path().join("journal")).unwrap();
    let done: Vec<&str> = journal.lines().skip(1).collect();
    assert_eq!(done.len(), 41);
    assert!(done[40].contains("a-film.mkv"), "the stills were all done beside the film");
}
