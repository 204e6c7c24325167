//! The machine contract of the command line (docs/cli.md): fields, order, exit codes, errors.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use common::{Ran, command, fixture, has, keys, known, refrain, run};

const MATCH: &[&str] =
    &["bank", "reference", "distance", "quality", "transform", "inverted", "query_view", "reference_view"];

fn is_hash(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[test]
fn hash_of_a_still() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture("removed/mountains.jpg");
    let plain = &run(dir.path(), &["hash", "--json", &path]).expect(0).lines()[0];
    assert_eq!(
        keys(plain),
        ["algorithm", "hash", "height", "kind", "path", "quality", "stability", "width"],
        "dihedral only if asked for"
    );
    assert_eq!((&plain["kind"], &plain["algorithm"]), (&"image".into(), &"pdq".into()));
    assert_eq!((&plain["path"], &plain["width"]), (&path.clone().into(), &640.into()));
    assert!(is_hash(&plain["hash"]) && plain["quality"].as_u64() > Some(50), "{plain}");
    assert!((0.0..=1.0).contains(&plain["stability"].as_f64().unwrap()));

    let all = &run(dir.path(), &["hash", "--json", "--dihedral", &path]).expect(0).lines()[0];
    assert_eq!(
        keys(&all["dihedral"]),
        ["flip_minus1", "flip_plus1", "flip_x", "flip_y", "rotate180", "rotate270", "rotate90"]
    );
    assert!(all["dihedral"].as_object().unwrap().values().all(is_hash));
    assert_eq!(all["hash"], plain["hash"]);
}

#[test]
fn failures_have_a_code_and_the_rest_is_done_in_order() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty.jpg"), "").unwrap();
    fs::write(dir.path().join("words.png"), "these are only words").unwrap();
    let good = fixture("removed/meadow.jpg");
    let torn = fs::read(&good).unwrap();
    fs::write(dir.path().join("torn.png"), [&b"\x89PNG\r\n\x1A\n"[..], &torn[..200]].concat()).unwrap();
    let ran =
        run(dir.path(), &["hash", "--json", "empty.jpg", "missing.jpg", &good, "words.png", "torn.png"]).expect(2);
    let lines = ran.lines();
    let paths: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["empty.jpg", "missing.jpg", good.as_str(), "words.png", "torn.png"]);
    let codes: Vec<_> = lines.iter().map(|line| line["error"]["code"].as_str()).collect();
    assert_eq!(codes[1], Some("io"));
    assert_eq!(codes[2], None);
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| *at != 2) {
        assert_eq!(keys(line), ["error", "path"]);
        assert!(["io", "decode", "unsupported", "limit", "too_little_detail"].contains(&codes[at].unwrap()), "{line}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.contains(paths[at]), "it names the file: {message}");
        assert!(ran.err.contains(paths[at]), "and so do the words for people");
    }
}

#[test]
fn match_says_what_was_done_to_the_reference() {
    let dir = known(&["removed/meadow.jpg", "removed/mountains.jpg", "removed/surf.jpg"]);
    let uploads =
        [fixture("uploads/flowers.jpg"), fixture("uploads/other-tree.jpg"), fixture("uploads/beach-negative.jpg")];
    let args = ["match", "--store", "s", "--json", &uploads[0], &uploads[1], &uploads[2]];
    let lines = run(dir.path(), &args).expect(0).lines();
    assert_eq!(lines.len(), 3);
    for (line, upload) in lines.iter().zip(&uploads) {
        has(line, &["path", "kind", "outcome", "matches"]);
        assert_eq!((&line["path"], &line["kind"]), (&upload.clone().into(), &"image".into()));
    }
    let (mirrored, other, negative) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!(mirrored["outcome"], "match");
    let found = &mirrored["matches"][0];
    has(found, MATCH);
    assert_eq!((&found["bank"], &found["reference"]), (&"removed".into(), &"meadow.jpg".into()));
    assert_eq!((&found["transform"], &found["inverted"]), (&"flip_y".into(), &false.into()));
    assert!(found["distance"].as_u64() <= Some(31) && found["quality"].as_u64() <= Some(100));
    assert_eq!((&other["outcome"], &other["matches"]), (&"no_match".into(), &serde_json::json!([])));
    assert_eq!((&negative["matches"][0]["inverted"], &negative["outcome"]), (&true.into(), &"match".into()));
}

#[test]
fn exit_codes_tell_match_no_match_and_failure_apart() {
    let dir = known(&["removed/meadow.jpg"]);
    let (copy, other) = (fixture("uploads/flowers.jpg"), fixture("uploads/other-tree.jpg"));
    run(dir.path(), &["match", "--store", "s", "--json", &copy]).expect(0);
    run(dir.path(), &["match", "--store", "s", "--json", &other]).expect(1);
    let failed = run(dir.path(), &["match", "--store", "s", "--json", "missing", &copy]).expect(2).lines();
    assert_eq!((&failed[0]["outcome"], &failed[0]["error"]["code"]), (&"unreadable".into(), &"io".into()));
    assert_eq!(failed[1]["outcome"], "match");
    run(dir.path(), &["match", "--store", "s", "--max-distance", "97", &copy]).expect(2);
    run(dir.path(), &["match", "--store", "s", "--no-such-option"]).expect(2);
    // a bank that allows is an answer of its own, and nothing to act on
    run(dir.path(), &["bank", "set", "--store", "s", "removed", "--action", "allow"]).expect(0);
    assert_eq!(run(dir.path(), &["match", "--store", "s", "--json", &copy]).expect(1).lines()[0]["outcome"], "allowed");
}

#[test]
fn one_upload_on_standard_input_and_many_hashes_in_a_file() {
    let dir = known(&["removed/meadow.jpg"]);
    let upload = fs::File::open(fixture("uploads/flowers.jpg")).unwrap();
    let asked = command(dir.path(), &["match", "--store", "s", "--json", "-"]).stdin(upload).output().unwrap();
    let line = &Ran::of(asked).expect(0).lines()[0];
    assert_eq!((&line["path"], &line["matches"][0]["reference"]), (&"-".into(), &"meadow.jpg".into()));
    let nothing = Ran::of(command(dir.path(), &["match", "--store", "s", "--json", "-"]).output().unwrap()).expect(2);
    assert_eq!(nothing.lines()[0]["outcome"], "unreadable");

    let hashed = run(dir.path(), &["hash", "--json", &fixture("removed/meadow.jpg")]).expect(0).lines();
    let hash = hashed[0]["hash"].as_str().unwrap();
    fs::write(dir.path().join("list"), format!("\u{feff}{hash}\n\n{}\nnot a hash\n", "5a".repeat(32))).unwrap();
    let lines = run(dir.path(), &["match", "--store", "s", "--json", "--hashes", "list"]).expect(2).lines();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["hash"], &lines[0]["outcome"]), (&hash.into(), &"match".into()));
    assert!(lines[0].get("path").is_none());
    has(&lines[0]["matches"][0], MATCH);
    assert_eq!(lines[0]["matches"][0]["distance"], 0);
    assert_eq!(lines[1]["outcome"], "no_match");
    assert!(lines[2]["error"]["message"].as_str().unwrap().contains("line 4"));
}

#[test]
fn stores_that_cannot_be_used_are_told_apart() {
    let dir = known(&["removed/meadow.jpg"]);
    let upload = fixture("uploads/flowers.jpg");
    let ask = |store: &str| run(dir.path(), &["match", "--store", store, "--json", &upload]).expect(2);
    let missing = ask("nowhere");
    assert!(missing.err.contains("refrain add") && missing.out.is_empty(), "it says what to do: {}", missing.err);
    fs::create_dir(dir.path().join("damaged")).unwrap();
    fs::write(dir.path().join("damaged/store.redb"), "something else").unwrap();
    let damaged = ask("damaged").err;
    assert!(damaged.contains("damaged") && damaged != missing.err, "{damaged}");
    fs::write(dir.path().join("file"), "x").unwrap();
    ask("file");
    run(dir.path(), &["match", &upload]).expect(2); // no store named at all
    let named = command(dir.path(), &["match", &upload]).env("REFRAIN_STORE", "s").output().unwrap();
    Ran::of(named).expect(0);
}

#[test]
fn one_process_writes_while_others_ask() {
    let dir = known(&["removed/meadow.jpg"]);
    let import = ["list", "import", "--store", "s", "--bank", "shared", "--format", "pdq", "-"];
    let mut writer = command(dir.path(), &import).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut list = writer.stdin.take().unwrap();
    // more than a pipe holds: once it is written, the writer has the store open and is reading
    let lines: String = (0..4000).map(|at| format!("{at:08x}{}\n", "5a".repeat(28))).collect();
    list.write_all(lines.as_bytes()).unwrap();
    let copy = fixture("uploads/flowers.jpg");
    let second = run(dir.path(), &["bank", "set", "--store", "s", "other"]).expect(2);
    assert!(second.err.contains("another process is writing"), "{}", second.err);
    run(dir.path(), &["match", "--store", "s", "--json", &copy]).expect(0);
    drop(list);
    Ran::of(writer.wait_with_output().unwrap()).expect(0);
    let stats = &run(dir.path(), &["stats", "--store", "s", "--json"]).expect(0).lines()[0];
    assert_eq!(stats["references"], 4001);
    has(stats, &["references", "hashes", "parts", "bytes", "tombstones"]);
}

#[test]
fn references_and_banks_are_administered() {
    let dir = known(&["removed/meadow.jpg", "removed/surf.jpg"]);
    let path = dir.path();
    let added = ["add", "--store", "s", "--bank", "b", "--id", "case-12", "--label", "policy=7b", "--source", "me"];
    let mountains = fixture("removed/mountains.jpg");
    run(path, &[&added[..], &[mountains.as_str()]].concat()).expect(0);
    run(path, &[&added[..], &[mountains.as_str(), mountains.as_str()]].concat()).expect(2);
    run(path, &["add", "--store", "s", "--bank", "b", "--label", "nothing", &mountains]).expect(2);
    let one = &run(path, &["reference", "show", "--store", "s", "--bank", "b", "case-12"]).expect(0).lines()[0];
    assert_eq!((&one["labels"]["policy"], &one["source"]), (&"7b".into(), &"me".into()));
    let ids = |args: &[&str]| -> Vec<String> {
        let lines = run(path, &[&["reference", "list", "--store", "s", "--json"][..], args].concat()).expect(0).lines();
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["meadow.jpg", "surf.jpg", "case-12"]);
    assert_eq!(ids(&["--bank", "b"]), ["case-12"]);

    let copy = fixture("uploads/flowers.jpg");
    run(path, &["reference", "withdraw", "--store", "s", "--bank", "removed", "meadow.jpg"]).expect(0);
    run(path, &["match", "--store", "s", &copy]).expect(1);
    run(path, &["reference", "remove", "--store", "s", "--bank", "removed", "meadow.jpg"]).expect(0);
    run(path, &["reference", "remove", "--store", "s", "--bank", "removed", "meadow.jpg"]).expect(2);
    assert_eq!(ids(&[]), ["surf.jpg", "case-12"]);

    run(path, &["bank", "set", "--store", "s", "b", "--action", "review", "--max-distance", "24"]).expect(0);
    run(path, &["bank", "set", "--store", "s", "b", "--max-distance", "300"]).expect(2);
    let banks = run(path, &["bank", "list", "--store", "s", "--json"]).expect(0).lines();
    assert_eq!((&banks[0]["name"], &banks[0]["action"]), (&"b".into(), &"review".into()));
    assert_eq!(banks[0]["max_distance"], 24);
    run(path, &["bank", "remove", "--store", "s", "b"]).expect(0);
    run(path, &["bank", "remove", "--store", "s", "b"]).expect(2);
    run(path, &["merge", "--store", "s"]).expect(0);
    assert_eq!(run(path, &["stats", "--store", "s", "--json"]).expect(0).lines()[0]["tombstones"], 0);
    run(path, &["verify", "--store", "s"]).expect(0);
}

#[test]
fn lists_go_out_and_in_again() {
    let dir = known(&["removed/meadow.jpg", "removed/surf.jpg"]);
    let path = dir.path();
    let copy = fixture("uploads/flowers.jpg");
    for format in ["pdq", "threatexchange", "jsonl"] {
        run(path, &["list", "export", "--store", "s", "--format", format, "list"]).expect(0);
        let to_terminal = run(path, &["list", "export", "--store", "s", "--format", format]).expect(0).out;
        assert_eq!(to_terminal, fs::read_to_string(path.join("list")).unwrap());
        run(path, &["list", "import", "--store", format, "--bank", "b", "--format", format, "list"]).expect(0);
        run(path, &["match", "--store", format, "--json", &copy]).expect(0);
    }
    fs::write(path.join("bad"), format!("{}\nrubbish\n{}\n", "5a".repeat(32), "3c".repeat(32))).unwrap();
    let bad = run(path, &["list", "import", "--store", "bad.s", "--bank", "b", "--format", "pdq", "bad"]).expect(2);
    assert!(bad.err.contains("bad, line 2: ") && !bad.err.contains("input"), "{}", bad.err);
    assert_eq!(run(path, &["stats", "--store", "bad.s", "--json"]).expect(0).lines()[0]["references"], 2);
}

#[test]
fn errors_of_lists_name_what_they_are_of() {
    let dir = known(&["removed/meadow.jpg"]);
    let path = dir.path();
    fs::create_dir(path.join("folder")).unwrap();
    let folder = run(path, &["list", "import", "--store", "s", "--bank", "b", "--format", "pdq", "folder"]).expect(2);
    assert!(folder.err.contains("folder: cannot be read"), "{}", folder.err);
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        let export = ["list", "export", "--store", "s", "--format", "pdq"];
        let full = Ran::of(command(path, &export).stdout(full).output().unwrap()).expect(2);
        assert!(full.err.contains("standard output: cannot be"), "{}", full.err);
    }
    let file = fixture("removed/meadow.jpg");
    run(path, &["add", "--store", "mean", "--bank", "b", "--algorithm", "mean", &file]).expect(0);
    let other = run(path, &["list", "export", "--store", "mean", "--format", "pdq"]).expect(2);
    assert!(other.err.contains("only jsonl") && other.err.contains("mean"), "{}", other.err);
    run(path, &["list", "export", "--store", "mean", "--format", "jsonl"]).expect(0);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_processed() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"odd-\xFF\n.jpg");
    fs::copy(fixture("removed/meadow.jpg"), dir.path().join(name)).unwrap();
    let output = command(dir.path(), &["hash", "--json"]).arg(name).output().unwrap();
    let line = &Ran::of(output).expect(0).lines()[0];
    assert_eq!(line["path"], "odd-\u{FFFD}\n.jpg");
    let plain = Ran::of(command(dir.path(), &["hash"]).arg(name).output().unwrap()).expect(0);
    assert_eq!(plain.out.lines().count(), 1, "control characters stay out of the terminal: {:?}", plain.out);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let film = fixture("removed");
    let script = format!("'{}' hash --json '{film}' | head -n 1 > first", refrain().display());
    let output = Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("panicked") && !said.contains("roken pipe"), "{said}");
    assert_eq!(fs::read_to_string(dir.path().join("first")).unwrap().lines().count(), 1);
}

#[test]
fn help_teaches() {
    let dir = tempfile::tempdir().unwrap();
    // Every command that the help of another one lists.
    let mut commands = vec![String::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(dir.path(), &args).expect(0).out;
        let begun = help.split_once(if command.is_empty() { "To begin:" } else { "\nExample" });
        assert!(begun.is_some_and(|(_, shown)| shown.contains(&format!("refrain {command}"))), "{command}: {help}");
        seen += 1;
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
        let names = listed.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        commands.extend(names.map(|name| format!("{command} {name}").trim().to_string()));
    }
    assert!(seen >= 26, "{seen}");
    run(dir.path(), &[]).expect(2);
}

/// A film that is cut off in the middle is used as far as it goes, and everybody is told.
#[cfg(feature = "video")]
#[test]
fn a_film_that_is_cut_off_is_told_of() {
    let dir = known(&["removed/harbour.mp4"]);
    let whole = fs::read(fixture("uploads/best-of.mkv")).unwrap();
    fs::write(dir.path().join("cut.mkv"), &whole[..whole.len() * 6 / 10]).unwrap();
    fs::write(dir.path().join("whole.mkv"), &whole).unwrap();
    let told = |line: &serde_json::Value| {
        let warnings = line["warnings"].as_array().unwrap();
        assert!(!warnings.is_empty() && warnings.iter().all(|warning| warning.as_str().unwrap().len() > 10), "{line}");
    };
    for (args, code) in [
        (&["hash", "--json", "cut.mkv", "whole.mkv"][..], 0),
        (&["match", "--store", "s", "--json", "--whole", "cut.mkv", "whole.mkv"], 0),
        (&["scan", "--store", "s", "--json", "--quiet", "--report", "r.html", "cut.mkv", "whole.mkv"], 0),
    ] {
        let ran = run(dir.path(), args).expect(code);
        let lines = ran.lines();
        assert_eq!((lines.len(), &lines[0]["kind"]), (2, &"video".into()), "{args:?}");
        told(&lines[0]);
        assert!(lines[1].get("warnings").is_none(), "only where there are any: {}", lines[1]);
        let words: Vec<&str> = ran.err.lines().filter(|line| line.contains("warning")).collect();
        assert!(!words.is_empty() && words.iter().all(|line| line.starts_with("cut.mkv: warning: ")), "{}", ran.err);
    }
    let page = fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains(r#""warnings":[""#), "the page shows it");
    let added = run(dir.path(), &["add", "--store", "s", "--bank", "b", "cut.mkv", "whole.mkv"]).expect(0);
    assert!(added.err.contains("cut.mkv: warning: ") && !added.err.contains("whole.mkv: warning"), "{}", added.err);
}

#[test]
fn completions_and_the_manual_come_from_the_same_definitions() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(dir.path(), &["completions", shell]).expect(0).out;
        for word in ["scan", "dihedral", "files-from", "retro"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let page = run(dir.path(), &["manual"]).expect(0).out;
    assert!(page.starts_with(".") && page.contains(".TH refrain 1") && page.contains("refrain\\-scan(1)"), "{page}");
    run(dir.path(), &["manual", "--out", "man"]).expect(0);
    let scan = fs::read_to_string(dir.path().join("man/refrain-scan.1")).unwrap();
    assert!(scan.contains("refrain scan") && scan.contains("\\-\\-resume"), "{scan}");
    let help = run(dir.path(), &["help"]).expect(0).out;
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        let page = dir.path().join(format!("man/refrain-{name}.1"));
        assert!(name == "help" || page.exists(), "no page of {name}");
    }
}

#[test]
fn earlier_uploads_that_show_a_new_reference_are_told_by_retro() {
    let dir = known(&["removed/mountains.jpg"]);
    let upload = fixture("uploads/flowers.jpg");
    run(dir.path(), &["retro", "--store", "s"]).expect(1);
    run(dir.path(), &["match", "--store", "s", "--remember", "--uploader", "u-7", &upload]).expect(1);
    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/meadow.jpg")]).expect(0);
    let lines = run(dir.path(), &["retro", "--store", "s", "--json", "--since", "1h"]).expect(0).lines();
    assert_eq!(lines.len(), 1);
    has(&lines[0], &[&["upload", "uploader", "time"], MATCH].concat());
    assert_eq!((&lines[0]["upload"], &lines[0]["uploader"]), (&upload.clone().into(), &"u-7".into()));
    assert_eq!((&lines[0]["reference"], &lines[0]["transform"]), (&"meadow.jpg".into(), &"flip_y".into()));
    let said = run(dir.path(), &["retro", "--store", "s"]).expect(0).out;
    assert!(said.starts_with("u-7: 1 matches\n  ") && said.contains("removed/meadow.jpg"), "{said}");
    for (since, code) in [("0m", 1), ("2d", 0), ("1970-01-01", 0), ("2200-02-29T23:59:59Z", 2), ("2204-02-29", 1)] {
        run(dir.path(), &["retro", "--store", "s", "--since", since]).expect(code);
    }
    for rubbish in ["", "d", "2026-13-01", "2026-01-32", "soon", "2026-01-01T24:00", "-5h"] {
        run(dir.path(), &["retro", "--store", "s", &format!("--since={rubbish}")]).expect(2);
    }
}

#[test]
fn uploads_are_remembered_for_references_that_come_later() {
    let dir = known(&["removed/mountains.jpg"]);
    let upload = fixture("uploads/flowers.jpg");
    run(dir.path(), &["match", "--store", "s", "--remember", "--uploader", "u-7", &upload]).expect(1);
    run(dir.path(), &["match", "--store", "s", "--uploader", "u-7", &upload]).expect(2);
    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/meadow.jpg")]).expect(0);
    let mut found = vec![];
    let store = refrain::Store::open_reader(dir.path().join("s")).unwrap();
    store
        .retro(0, |retro| {
            found.push(format!("{retro:?}"));
            Ok(())
        })
        .unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("u-7") && found[0].contains("flowers.jpg"), "{found:?}");
}

#[test]
fn any_program_can_be_scored() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("truth.csv"), "query,reference,attack\na1,a,crop\nb1,b,crop\nstranger,,\n").unwrap();
    fs::write(dir.path().join("claims"), "a1 a 2\nstranger b 1\n").unwrap();
    let ran = run(dir.path(), &["eval", "--claims", "claims", "--truth", "truth.csv"]).expect(0);
    let scored = &ran.lines()[0];
    assert_eq!((&scored["truths"], &scored["false_pairs"], &scored["claims"]), (&2.into(), &4.into(), &2.into()));
    assert_eq!((&scored["micro_average_precision"], &scored["attacks"]["crop"]), (&0.5.into(), &0.5.into()));
    fs::write(dir.path().join("claims"), "a1 a\n").unwrap();
    run(dir.path(), &["eval", "--claims", "claims", "--truth", "truth.csv"]).expect(2);
    run(dir.path(), &["eval", "--claims", "claims"]).expect(2);
    fs::write(dir.path().join("claims"), "nobody a 1\n").unwrap();
    fs::write(dir.path().join("nothing.csv"), "query,reference,attack\nstranger,,\n").unwrap();
    for truth in ["truth.csv", "nothing.csv"] {
        let ran = run(dir.path(), &["eval", "--claims", "claims", "--truth", truth]).expect(2);
        assert!(ran.out.is_empty() && ran.err.contains("table"), "{}", ran.err);
    }
}

#[test]
fn eval_of_films_where_there_is_none_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("media")).unwrap();
    fs::copy(fixture("removed/meadow.jpg"), dir.path().join("media/a.jpg")).unwrap();
    let ran = run(dir.path(), &["eval", "--data", "media", "--out", "results", "--films"]).expect(2);
    assert!(ran.err.contains("--films: no film in media") && ran.err.contains("MANIFEST.csv"), "{}", ran.err);
    let ran = run(dir.path(), &["eval", "--data", "media", "--export", "files", "--films"]).expect(2);
    assert!(ran.err.contains("--export") && !dir.path().join("files").exists(), "{}", ran.err);
}

/// A store `s` whose only part has a damaged block, and the list `hashes` of a hash in it, one that is whole, and nonsense.
fn damaged() -> tempfile::TempDir {
    let dir = known(&["removed/meadow.jpg"]);
    let hash = |seed: u32| blake3::hash(&seed.to_le_bytes()).to_hex().to_string();
    let list: String = (0..2000).map(|seed| hash(seed) + "\n").collect();
    fs::write(dir.path().join("list"), list).unwrap();
    run(dir.path(), &["list", "import", "--store", "s", "--bank", "removed", "--format", "pdq", "list"]).expect(0);
    run(dir.path(), &["merge", "--store", "s"]).expect(0);
    let part = fs::read_dir(dir.path().join("s/parts")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&part).unwrap();
    bytes[4096 + 1000 * 32] ^= 1;
    fs::write(part, bytes).unwrap();
    fs::write(dir.path().join("hashes"), format!("{}\n{}\nnonsense\n", hash(940), hash(1500))).unwrap();
    dir
}

#[test]
fn a_damaged_store_answers_from_the_rest_says_so_and_is_mended() {
    let dir = damaged();
    let hashes = ["match", "--store", "s", "--json", "--hashes", "hashes"];
    let ran = run(dir.path(), &hashes).expect(2);
    let lines = ran.lines();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["no_match", "match", "unreadable"]);
    for line in &lines[..2] {
        assert_eq!((&line["store_error"]["code"], line.get("error")), (&"corrupt".into(), None), "{line}");
        assert!(line["store_error"]["message"].as_str().unwrap().contains("s/parts/"), "{line}");
    }
    assert_eq!((&lines[2]["error"]["code"], lines[2].get("store_error")), (&"decode".into(), None));
    assert_eq!(ran.err.matches("--salvage").count(), 1, "it is said once: {}", ran.err);

    let copy = fixture("uploads/flowers.jpg");
    let line = &run(dir.path(), &["match", "--store", "s", "--json", &copy]).expect(2).lines()[0];
    assert_eq!((&line["outcome"], &line["matches"][0]["reference"]), (&"match".into(), &"meadow.jpg".into()));
    assert_eq!((&line["store_error"]["code"], line.get("error")), (&"corrupt".into(), None));
    fs::create_dir(dir.path().join("up")).unwrap();
    fs::copy(&copy, dir.path().join("up/a.jpg")).unwrap();
    let scan = ["scan", "--store", "s", "--json", "--resume", "journal", "up"];
    let ran = run(dir.path(), &scan).expect(2);
    assert_eq!(
        (&ran.lines()[0]["outcome"], &ran.lines()[0]["store_error"]["code"]),
        (&"match".into(), &"corrupt".into())
    );
    assert!(ran.err.contains("although the store is damaged"), "{}", ran.err);

    run(dir.path(), &["add", "--store", "s", "--bank", "removed", &fixture("removed/surf.jpg")]).expect(0);
    assert!(run(dir.path(), &["merge", "--store", "s"]).expect(2).err.contains("--salvage"));
    assert!(run(dir.path(), &["verify", "--store", "s"]).expect(2).err.contains("block "));
    let ran = run(dir.path(), &["verify", "--store", "s", "--salvage"]).expect(0);
    assert!(ran.out.contains("hashes made anew") && ran.out.contains("0 problems"), "{}", ran.out);
    assert!(run(dir.path(), &["verify", "--store", "s", "--salvage"]).expect(0).out.contains("the index is whole"));
    run(dir.path(), &["merge", "--store", "s"]).expect(0);
    let lines = run(dir.path(), &hashes).expect(2).lines();
    assert_eq!((&lines[0]["outcome"], lines[0].get("store_error")), (&"match".into(), None), "all is there again");
    // What a damaged store was asked is asked again.
    let line = &run(dir.path(), &scan).expect(0).lines()[0];
    assert_eq!((&line["outcome"], line.get("store_error")), (&"match".into(), None));
}

#[test]
fn a_store_that_cannot_be_asked_is_not_the_uploads_fault() {
    let dir = damaged();
    let (part, hashes) = (dir.path().join("s/parts"), ["match", "--store", "s", "--json", "--hashes", "hashes"]);
    let part = fs::read_dir(part).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&part).unwrap();
    bytes[8] = 200; // a part of another version is no damage, and nothing can be said without it
    fs::write(part, bytes).unwrap();
    let line = &run(dir.path(), &hashes).expect(2).lines()[0];
    assert_eq!((&line["outcome"], &line["error"]["code"]), (&"unreadable".into(), &"io".into()));
    assert_eq!(line["store_error"]["code"], "format");
    run(dir.path(), &["verify", "--store", "s", "--salvage"]).expect(0);
    assert_eq!(run(dir.path(), &hashes).expect(2).lines()[0]["outcome"], "match");
}

#[cfg(feature = "video")]
#[test]
fn vpdq_lists_and_percentages_are_those_of_films() {
    let dir = tempfile::tempdir().unwrap();
    let (film, low, other) =
        (fixture("removed/harbour.mp4"), fixture("uploads/boats-low.mp4"), fixture("uploads/other-atlas.mp4"));
    let list = run(dir.path(), &["vpdq", "hash", &film]).expect(0).out;
    let frames = list.lines().count();
    assert!(frames > 200 && list.lines().nth(25).unwrap().starts_with("25,"), "{frames}");
    let seconds = run(dir.path(), &["vpdq", "hash", "--every", "1", &film]).expect(0).out;
    assert!(
        seconds.lines().all(|line| list.contains(line)) && (9..=11).contains(&seconds.lines().count()),
        "{seconds}"
    );
    std::fs::write(dir.path().join("film.txt"), format!("\u{feff}# frames\n\n{list}")).unwrap();
    let against = |query: &str, target: &str| {
        let ran = run(dir.path(), &["vpdq", "compare", "--json", query, target]);
        (ran.code, ran.lines().remove(0))
    };
    let (code, same) = against("film.txt", &film);
    assert!(code == 0 && same["tool"]["query"] == 100.0 && same["package"]["target"] == 100.0, "{same}");
    let (code, low) = against(&low, "film.txt");
    assert!(code == 0 && low["tool"]["query"].as_f64().unwrap() > 50.0, "{low}");
    let (code, none) = against(&other, "film.txt");
    assert!(code == 1 && none["package"]["query"] == 0.0, "{none}");
    let table = run(dir.path(), &["vpdq", "compare", &film, "film.txt", "nothing.txt"]).expect(2);
    assert!(table.out.contains("100.00 %") && table.err.contains("nothing.txt"), "{}{}", table.out, table.err);
    std::fs::write(dir.path().join("bad.txt"), format!("0,101,{},0\n", "3c".repeat(32))).unwrap();
    let bad = run(dir.path(), &["vpdq", "compare", "bad.txt", "film.txt"]).expect(2);
    assert!(bad.err.contains("bad.txt") && bad.err.contains("line 1"), "{}", bad.err);
}

/// Long files are given up where that is asked, and say so.
#[cfg(feature = "video")]
#[test]
fn a_file_may_take_as_long_as_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let film = fixture("removed/harbour.mp4");
    for limit in ["0", "3600"] {
        run(dir.path(), &["hash", "--json", "--time-limit", limit, &film]).expect(0);
    }
    run(dir.path(), &["hash", "--json", "--time-limit", "x", &film]).expect(2);
}
