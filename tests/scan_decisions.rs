//! What a person decides in the report comes back by `refrain decide`: a refused pair is never shown again.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, known, run};
use serde_json::{Value, json};

fn decisions(dir: &Path, folder: &str, list: &[(&str, &str, &str)]) {
    let list: Vec<Value> = list
        .iter()
        .map(|(path, reference, decision)| {
            json!({"path": path, "bank": "removed", "reference": reference, "decision": decision})
        })
        .collect();
    let text = json!({"refrain_decisions": 1, "folder": folder, "decisions": list}).to_string();
    fs::write(dir.join("decisions.json"), text).unwrap();
}

fn outcomes(dir: &Path) -> Vec<(String, String)> {
    let ran = run(dir, &["scan", "--store", "s", "--json", "--resume", "journal", "up"]);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_string();
    ran.lines().iter().map(|line| (text(line, "path"), text(line, "outcome"))).collect()
}

#[test]
fn a_refused_pair_is_not_shown_again_and_a_confirmed_one_comes_back() {
    let dir = known(&["removed/meadow.jpg", "removed/aquarium.mp4"]);
    let (dir, up) = (dir.path(), dir.path().join("up"));
    fs::create_dir(&up).unwrap();
    for name in ["flowers.jpg", "fish-trim.mp4", "other-tree.jpg"] {
        fs::copy(fixture(&format!("uploads/{name}")), up.join(name)).unwrap();
    }
    let told = |film: &str, still: &str| {
        [("up/fish-trim.mp4", film), ("up/flowers.jpg", still), ("up/other-tree.jpg", "no_match")]
            .map(|(path, outcome)| (path.to_string(), outcome.to_string()))
    };
    assert_eq!(outcomes(dir), told("match", "match"));

    let folder = dir.to_string_lossy().into_owned();
    let both = [("up/flowers.jpg", "meadow.jpg", "refused"), ("up/fish-trim.mp4", "aquarium.mp4", "refused")];
    decisions(dir, &folder, &both);
    // read from another folder: the paths are those of the scan
    let store = dir.join("s").to_string_lossy().into_owned();
    let file = dir.join("decisions.json").to_string_lossy().into_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let ran = run(elsewhere.path(), &["decide", "--store", &store, "--author", "anna", "--json", &file]).expect(0);
    assert!(ran.lines().iter().all(|line| line["done"] == "kept" && line["error"].is_null()), "{}", ran.out);
    assert!(ran.err.contains("2 pairs refused"), "{}", ran.err);
    // not even from the journal of the earlier scan
    assert_eq!(outcomes(dir), told("no_match", "no_match"));
    // nor under another name
    fs::rename(up.join("flowers.jpg"), up.join("a.jpg")).unwrap();
    assert_eq!(outcomes(dir)[0], ("up/a.jpg".into(), "no_match".into()));
    fs::rename(up.join("a.jpg"), up.join("flowers.jpg")).unwrap();
    let log: Vec<_> = refrain::Store::open_reader(&store).unwrap().log(1).unwrap().map(Result::unwrap).collect();
    assert_eq!(log.iter().filter(|record| record.author == "anna").count(), 2);

    // the same again changes nothing
    let again = run(dir, &["decide", "--store", "s", "--json", "decisions.json"]).expect(0);
    assert!(again.lines().iter().all(|line| line["done"] == "known"), "{}", again.out);
    // and who thinks better of it gets the pair back
    decisions(dir, &folder, &[("up/flowers.jpg", "meadow.jpg", "confirmed")]);
    run(dir, &["decide", "--store", "s", "decisions.json"]).expect(0);
    fs::remove_file(dir.join("journal")).unwrap(); // a scan that goes on has its answer already
    assert_eq!(outcomes(dir), told("no_match", "match"));
}

#[test]
fn what_cannot_be_kept_is_told_and_the_rest_is_kept() {
    let dir = known(&["removed/meadow.jpg"]);
    let dir = dir.path();
    let upload = fixture("uploads/flowers.jpg");
    decisions(
        dir,
        "",
        &[("gone.jpg", "meadow.jpg", "refused"), (&upload, "nobody", "refused"), (&upload, "meadow.jpg", "refused")],
    );
    let ran = run(dir, &["decide", "--store", "s", "--json", "decisions.json"]).expect(2);
    let done: Vec<_> = ran.lines().iter().map(|line| line["done"].clone()).collect();
    assert_eq!(done, [Value::Null, "no_reference".into(), "kept".into()]);
    assert!(ran.err.contains("gone.jpg") && ran.err.contains("2 not kept"), "{}", ran.err);
    run(dir, &["match", "--store", "s", &upload]).expect(1);
    for rubbish in ["", "[]", "{}", r#"{"refrain_decisions":2,"decisions":[]}"#] {
        fs::write(dir.join("rubbish"), rubbish).unwrap();
        let ran = run(dir, &["decide", "--store", "s", "rubbish"]).expect(2);
        assert!(ran.err.contains("decisions saved by a report"), "{}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_found_again() {
    use std::os::unix::ffi::OsStrExt;
    let dir = known(&["removed/meadow.jpg"]);
    let dir = dir.path();
    fs::create_dir(dir.join("up")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"up/odd-\xFF.jpg");
    fs::copy(fixture("uploads/flowers.jpg"), dir.join(name)).unwrap();
    let raw: String = name.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let decision = json!({"path": "up/odd-\u{FFFD}.jpg", "raw": raw, "bank": "removed", "reference": "meadow.jpg",
        "decision": "refused"});
    let text = json!({"refrain_decisions": 1, "decisions": [decision]}).to_string();
    fs::write(dir.join("decisions.json"), text).unwrap();
    run(dir, &["decide", "--store", "s", "decisions.json"]).expect(0);
    assert_eq!(outcomes(dir)[0].1, "no_match");
}
