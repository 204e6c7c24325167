//! What the command line promises to scripts where something goes otherwise than planned.
#![cfg(unix)]

mod common;

use std::fs;
#[cfg(feature = "video")]
use std::io::{BufRead, BufReader};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Ran, command, fixture, known, run};

fn piped(dir: &Path, args: &[&str]) -> Child {
    command(dir, args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// The exit status, or `None` if it does not come within a minute.
fn ended(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    None
}

#[test]
fn a_path_that_stood_for_another_upload_is_answered_and_kept() {
    let dir = known(&["removed/meadow.jpg"]);
    let ask = ["match", "--store", "s", "--remember", "--json", "up.jpg"];
    for (at, (upload, code)) in [("flowers", 0), ("glass", 1), ("glass", 1), ("flowers", 0)].into_iter().enumerate() {
        fs::copy(fixture(&format!("uploads/{upload}.jpg")), dir.path().join("up.jpg")).unwrap();
        let line = run(dir.path(), &ask).expect(code).lines().remove(0);
        assert!(line["error"].is_null() && line["remember_error"].is_null(), "{at}: {line}");
    }
    for upload in ["flowers", "glass"] {
        let mut child = piped(dir.path(), &["match", "--store", "s", "--remember", "--json", "-"]);
        let bytes = fs::read(fixture(&format!("uploads/{upload}.jpg"))).unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert_eq!(ended(&mut child), Some(if upload == "flowers" { 0 } else { 1 }), "{upload}");
    }
    // The reference that comes later finds both uploads that showed it.
    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/window.jpg")]).expect(0);
    let found = run(dir.path(), &["retro", "--store", "s", "--json"]).expect(0);
    let mut uploads: Vec<String> = found.lines().iter().map(|line| line["upload"].as_str().unwrap().into()).collect();
    uploads.sort();
    assert_eq!(uploads.len(), 4, "{uploads:?}");
    assert!(uploads.iter().any(|name| name.starts_with("up.jpg#")), "{uploads:?}");
    assert!(uploads.iter().any(|name| name.starts_with("-#")), "{uploads:?}");
}

#[test]
fn uploads_that_cannot_be_kept_are_answered_nevertheless() {
    let dir = known(&["removed/meadow.jpg"]);
    fs::write(dir.path().join("s/uploads"), "no folder").unwrap();
    let ask = ["match", "--store", "s", "--remember", "--json", &fixture("uploads/flowers.jpg")];
    let line = run(dir.path(), &ask).expect(2).lines().remove(0);
    assert_eq!(line["outcome"], "match");
    assert!(line["remember_error"]["message"].as_str().unwrap().contains("not remembered"), "{line}");
    // A folder that was made on a full disk and never filled holds nothing, and is no damage.
    fs::remove_file(dir.path().join("s/uploads")).unwrap();
    fs::create_dir(dir.path().join("s/uploads")).unwrap();
    run(dir.path(), &["verify", "--store", "s"]).expect(0);
    run(dir.path(), &["retro", "--store", "s"]).expect(1);
    run(dir.path(), &ask).expect(0);
}

#[test]
fn a_radius_out_of_range_is_an_error_of_the_command() {
    let dir = known(&["removed/meadow.jpg"]);
    for command in ["match", "scan"] {
        let upload = fixture("uploads/flowers.jpg");
        let ran = run(dir.path(), &[command, "--store", "s", "--json", "--max-distance", "97", &upload]).expect(2);
        assert!(ran.out.is_empty() && ran.err.contains("97"), "{}", ran.err);
    }
}

#[test]
fn each_dash_is_a_question() {
    let dir = known(&["removed/meadow.jpg"]);
    let mut child = piped(dir.path(), &["match", "--store", "s", "--json", "-", "-"]);
    child.stdin.take().unwrap().write_all(&fs::read(fixture("uploads/flowers.jpg")).unwrap()).unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((ended(&mut child), out.lines().count()), (Some(2), 2), "{out}");
}

#[test]
fn signals_end_what_waits_for_standard_input() {
    let dir = known(&["removed/meadow.jpg"]);
    for args in [
        &["match", "--store", "s", "-", "-"][..],
        &["match", "--store", "s", "--hashes", "-"],
        &["list", "import", "--store", "s", "--bank", "removed", "--format", "pdq", "-"],
    ] {
        for name in ["INT", "TERM"] {
            let mut child = piped(dir.path(), args);
            // Its input stays open; it is given time to come to it.
            std::thread::sleep(Duration::from_millis(1500));
            signal(&child, name);
            assert_eq!(ended(&mut child), Some(130), "{args:?} {name}");
        }
    }
    // Whoever imported has let go of the store, and nothing came of it.
    run(dir.path(), &["bank", "set", "--store", "s", "other"]).expect(0);
    assert_eq!(run(dir.path(), &["stats", "--store", "s", "--json"]).expect(0).lines()[0]["references"], 1);
}

#[cfg(feature = "video")]
#[test]
fn hashing_that_is_interrupted_says_so_and_blames_no_file() {
    const FILMS: usize = 300;
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    fs::create_dir(&up).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), up.join("000.jpg")).unwrap();
    fs::copy(fixture("uploads/long-film.mp4"), up.join("001.mp4")).unwrap();
    for at in 2..=FILMS {
        fs::hard_link(up.join("001.mp4"), up.join(format!("{at:03}.mp4"))).unwrap();
    }
    let mut child = piped(dir.path(), &["hash", "--json", "up"]);
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = vec![out.next().unwrap().unwrap()];
    // Films are being decoded now, and more of them wait.
    signal(&child, "INT");
    lines.extend(out.map(|line| line.unwrap()));
    assert_eq!(ended(&mut child), Some(130));
    assert!(lines.len() < FILMS && lines.iter().all(|line| !line.contains("\"error\"")), "{}", lines.len());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err.matches("interrupted").count(), 1, "{err}");
}

/// A single film is begun before the signal comes, so that nothing is left out but what is broken off.
#[cfg(feature = "video")]
#[test]
fn a_film_that_is_broken_off_is_no_success() {
    let dir = known(&["removed/meadow.jpg"]);
    for args in [&["hash", "--every-frame"][..], &["add", "--no-cache", "--store", "s", "--bank", "removed"]] {
        let film = fixture("uploads/long-film.mp4");
        let mut child = piped(dir.path(), &[args, &[&film]].concat());
        drop(child.stdout.take()); // nobody reads it, and it must not fill up
        std::thread::sleep(Duration::from_millis(1000));
        signal(&child, "INT");
        let code = ended(&mut child);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        // A machine that is done before has not been interrupted.
        let told = err.contains("stopping") && err.contains("interrupted");
        assert_eq!(code, Some(if told { 130 } else { 0 }), "{args:?}: {err}");
    }
}

#[test]
fn files_of_one_name_are_all_added() {
    let dir = known(&["removed/meadow.jpg"]);
    for (folder, picture) in [("a", "window"), ("b", "surf")] {
        fs::create_dir_all(dir.path().join("sn").join(folder)).unwrap();
        let there = dir.path().join("sn").join(folder).join("x.jpg");
        fs::copy(fixture(&format!("removed/{picture}.jpg")), there).unwrap();
    }
    for _ in 0..2 {
        run(dir.path(), &["add", "--store", "s", "--bank", "removed", "sn"]).expect(0);
        let listed = run(dir.path(), &["reference", "list", "--store", "s", "--json"]).expect(0);
        let mut ids: Vec<String> = listed.lines().iter().map(|line| line["id"].as_str().unwrap().into()).collect();
        ids.sort();
        assert_eq!(ids, ["meadow.jpg", "sn/b/x.jpg", "x.jpg"]);
    }
}

#[test]
fn what_is_passed_over_is_told() {
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    fs::create_dir(&up).unwrap();
    fs::write(up.join("notes.txt"), "words").unwrap();
    fs::write(up.join("pack.zip"), "PK\x03\x04").unwrap();
    for (args, code) in [
        (&["hash", "--json", "up"][..], 0),
        (&["match", "--store", "s", "--json", "up"], 1),
        (&["add", "--store", "s", "--bank", "removed", "up"], 0),
    ] {
        let said = run(dir.path(), args).expect(code).err;
        assert!(said.contains("1 files are no media") && said.contains("archive, not opened: up/pack.zip"), "{said}");
        assert!(said.contains("nothing to do"), "{said}");
        let named = run(dir.path(), &[args, &[fixture("removed/meadow.jpg").as_str()]].concat()).expect(0).err;
        assert!(named.contains("up/pack.zip") && !named.contains("nothing to do"), "{named}");
    }
}

/// Names that would play with a terminal, or make two lines of one.
#[test]
fn names_of_references_are_made_printable() {
    let dir = known(&["removed/surf.jpg"]);
    let (id, copy) = ("case\u{1b}[31m\n12", fixture("uploads/flowers.jpg"));
    let add = ["add", "--store", "s", "--bank", "removed", "--id", id, &fixture("removed/meadow.jpg")];
    run(dir.path(), &add).expect(0);
    let ran = run(dir.path(), &["match", "--store", "s", &copy]).expect(0);
    assert!(ran.out.lines().count() == 2 && !ran.out.contains('\u{1b}') && ran.out.contains("12 (mirrored"), "{ran:?}");
    let missing = ["reference", "show", "--store", "s", "--bank", "removed", "nobody\u{1b}[31m\n"];
    let ran = run(dir.path(), &missing).expect(2);
    assert!(ran.err.lines().count() == 1 && !ran.err.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn what_is_not_added_is_named_once() {
    let dir = known(&["removed/meadow.jpg"]);
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::write(dir.path().join("new/words.jpg"), "no picture").unwrap();
    let add = ["add", "--store", "s", "--bank", "removed", "missing.jpg", "new"];
    let said = run(dir.path(), &add).expect(2).err;
    assert!(said.contains("not added: missing.jpg: cannot be read or written: No such file"), "{said}");
    assert!(said.contains("not added: new/words.jpg: "), "{said}");
    assert_eq!((said.matches("missing.jpg").count(), said.matches("words.jpg").count()), (1, 1), "{said}");
    // An error of the id names no file by itself.
    let other = fixture("removed/window.jpg");
    let ids = ["add", "--store", "s", "--bank", "removed", "--id", "meadow.jpg", &other];
    let said = run(dir.path(), &ids).expect(2).err;
    assert!(said.contains("window.jpg: id: \"meadow.jpg\"") && said.matches("window.jpg").count() == 1, "{said}");
}

#[test]
fn a_reader_that_leaves_does_not_end_a_scan_with_a_report_and_hides_no_result() {
    let dir = known(&["removed/meadow.jpg"]);
    let uploads = fixture("uploads");
    let mut child = piped(dir.path(), &["scan", "--store", "s", "--json", "--report", "r.html", &uploads]);
    drop(child.stdout.take());
    assert_eq!(ended(&mut child), Some(0), "something is known");
    let page = fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("meadow.jpg"));
    let mut child = piped(dir.path(), &["match", "--store", "s", &fixture("uploads/glass.jpg")]);
    drop(child.stdout.take());
    assert_eq!(ended(&mut child), Some(1), "nothing is known");
}

/// `refrain` with a file as its input, and an output that nobody reads from the first byte on.
fn unread(dir: &Path, input: &str, args: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let input = fs::File::open(input).expect("an input");
    Ran::of(command(dir, args).stdin(input).stdout(writer).output().expect("it runs"))
}

#[test]
fn a_reader_that_leaves_does_not_end_what_is_wanted_beside_the_lines() {
    let dir = known(&["removed/meadow.jpg"]);
    let (flowers, glass) = (fixture("uploads/flowers.jpg"), fixture("uploads/glass.jpg"));
    // What comes after the first line is remembered too, and the first line's match counts.
    unread(dir.path(), &glass, &["match", "--store", "s", "--json", "--remember", &flowers, "-"]).expect(0);
    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/window.jpg")]).expect(0);
    let found = run(dir.path(), &["retro", "--store", "s", "--json"]).expect(0).lines();
    assert!(found.iter().any(|line| line["upload"] == "-" && line["reference"] == "window.jpg"), "{found:?}");

    let pairs = [("gone.jpg", "meadow.jpg"), (&flowers, "meadow.jpg"), (&glass, "window.jpg")];
    let decisions = pairs.map(|(path, reference)| {
        format!(r#"{{"path":"{path}","bank":"removed","reference":"{reference}","decision":"refused"}}"#)
    });
    let decisions = format!(r#"{{"refrain_decisions":1,"decisions":[{}]}}"#, decisions.join(","));
    fs::write(dir.path().join("decisions.json"), decisions).unwrap();
    let ran = unread(dir.path(), "/dev/null", &["decide", "--store", "s", "--json", "decisions.json"]).expect(2);
    assert!(ran.err.contains("2 pairs refused, 0 confirmed, 1 not kept"), "{}", ran.err);
    run(dir.path(), &["match", "--store", "s", &flowers, &glass]).expect(1);

    fs::create_dir(dir.path().join("up")).unwrap();
    for name in ["removed/city.jpg", "uploads/city-small.jpg"] {
        fs::copy(fixture(name), dir.path().join("up").join(name.replace('/', "-"))).unwrap();
    }
    fs::write(dir.path().join("up/torn.jpg"), "no picture").unwrap();
    let files = ["plan.json", "plan.sh", "same.html"];
    let args = ["dedupe", "--json", "--plan", files[0], "--script", files[1], "--report", files[2], "up"];
    let ran = unread(dir.path(), "/dev/null", &args).expect(2);
    assert!(ran.err.contains("torn.jpg"), "{}", ran.err);
    for file in files {
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.contains("city-small.jpg"), "{file}: {text}");
    }
}

#[test]
fn what_was_written_before_stays_until_its_successor_is_whole() {
    let dir = known(&["removed/meadow.jpg"]);
    let path = |name: &str| dir.path().join(name);
    fs::write(path("list.jsonl"), "an older list").unwrap();
    run(dir.path(), &["list", "export", "--store", "s", "--format", "vpdq", "--bank", "nosuch", "list.jsonl"])
        .expect(2);
    assert_eq!(fs::read_to_string(path("list.jsonl")).unwrap(), "an older list");
    run(dir.path(), &["list", "export", "--store", "s", "--format", "jsonl", "list.jsonl"]).expect(0);
    assert!(fs::read_to_string(path("list.jsonl")).unwrap().contains("meadow.jpg"));
    fs::write(path("plan.json"), "an older plan").unwrap();
    run(dir.path(), &["dedupe", "--plan", "plan.json", "--include", "{", &fixture("uploads")]).expect(2);
    assert_eq!(fs::read_to_string(path("plan.json")).unwrap(), "an older plan");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{left:?}");
    assert_eq!(left.len(), 4, "the store, the cache, the list, the plan and {left:?}");
    run(dir.path(), &["list", "export", "--store", "s", "--format", "jsonl", "/dev/null"]).expect(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file(), "what is no file is written into");
}

#[test]
fn what_is_added_again_says_what_became_of_it() {
    let dir = known(&["removed/meadow.jpg"]);
    let (file, copy) = (fixture("removed/meadow.jpg"), fixture("uploads/flowers.jpg"));
    let add = |more: &[&str]| {
        run(dir.path(), &[&["add", "--store", "s", "--bank", "removed"][..], more, &[file.as_str()]].concat())
    };
    let change = |how: &str| {
        run(dir.path(), &["reference", how, "--store", "s", "--bank", "removed", "meadow.jpg"]).expect(0);
    };
    assert!(!add(&[]).expect(0).err.contains("meadow.jpg"), "nothing differs");
    for more in [["--label", "policy=7b"], ["--source", "desk"]] {
        let ran = add(&more).expect(0);
        assert!(ran.out.contains("already there") && ran.err.contains("removed/meadow.jpg keeps"), "{}", ran.err);
    }
    change("withdraw");
    let ran = add(&[]).expect(2);
    assert!(
        ran.out.is_empty() && ran.err.contains("withdrawn") && ran.err.contains("reference restore"),
        "{}",
        ran.err
    );
    run(dir.path(), &["match", "--store", "s", &copy]).expect(1);
    change("restore");
    add(&[]).expect(0);
    run(dir.path(), &["match", "--store", "s", &copy]).expect(0);
    change("withdraw");
    change("remove");
    add(&["--label", "policy=7b"]).expect(0);
    let one = &run(dir.path(), &["reference", "show", "--store", "s", "--bank", "removed", "meadow.jpg"]).lines()[0];
    assert_eq!((&one["labels"]["policy"], &one["state"]), (&"7b".into(), &"active".into()));
}

#[test]
fn reports_go_where_links_and_pipes_lead() {
    use std::os::unix::fs::FileTypeExt;
    let dir = known(&["removed/meadow.jpg"]);
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("up")).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), path("up/a.jpg")).unwrap();
    for name in ["link.html.part", "link.html.page", "kept.html"] {
        fs::write(path(name), "an older file").unwrap();
    }
    std::os::unix::fs::symlink("kept.html", path("link.html")).unwrap();
    run(dir.path(), &["scan", "--store", "s", "--report", "link.html", "up"]).expect(0);
    assert_eq!(fs::read_link(path("link.html")).unwrap(), Path::new("kept.html"));
    assert!(fs::read_to_string(path("kept.html")).unwrap().contains("meadow.jpg"));
    for name in ["link.html.part", "link.html.page"] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), "an older file");
    }
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = path("pipe");
        move || fs::read_to_string(pipe).unwrap()
    });
    run(dir.path(), &["scan", "--store", "s", "--report", "pipe", "up"]).expect(0);
    assert!(fs::metadata(path("pipe")).unwrap().file_type().is_fifo());
    assert!(reader.join().unwrap().contains("meadow.jpg"));
}

#[test]
fn banks_that_are_not_there_are_named() {
    let dir = known(&["removed/meadow.jpg"]);
    for args in [
        &["reference", "list", "--store", "s", "--bank", "nosuch"][..],
        &["list", "export", "--store", "s", "--format", "pdq", "--bank", "nosuch"],
    ] {
        assert!(run(dir.path(), args).expect(2).err.contains("nosuch"));
    }
    run(dir.path(), &["bank", "set", "--store", "s", "removed", "--keypoints", "0"]).expect(0);
}
