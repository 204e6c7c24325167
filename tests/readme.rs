//! The README does what it says: its shell snippets run (the Rust ones are documentation tests of the crate).
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::{env, fs};

use common::{refrain, root};

#[test]
fn the_shell_snippets_run() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let snippets: Vec<&str> = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(snippets.len(), 1, "how many snippets there are");
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("fixtures"), dir.path().join("fixtures")).unwrap();
    let programs = refrain().parent().unwrap().to_owned();
    let path = env::join_paths([programs].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap()))).unwrap();
    // What a person saved from the report.
    let decided = r#"{"refrain_decisions":1,"decisions":[{"path":"fixtures/uploads/fruit.jpg","bank":"removed","reference":"meadow.jpg","decision":"refused"}]}"#;
    fs::write(dir.path().join("decisions.json"), decided).unwrap();
    for snippet in snippets {
        let mut shell = Command::new("sh");
        let ran = shell
            .args(["-eu", "-c", snippet])
            .current_dir(dir.path())
            .env("PATH", &path)
            .env("REFRAIN_CACHE", dir.path().join("cache"))
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{snippet}\n{out}\n{err}");
        assert!(out.contains("removed/meadow.jpg (mirrored"), "{out}");
        assert!(out.contains("\"inverted\":true"), "{out}");
        assert!(
            err.contains("1 pairs refused") && out.contains("fixtures/uploads/flowers.jpg: removed/meadow.jpg"),
            "{out}\n{err}"
        );
    }
    let found = fs::read_to_string(dir.path().join("found.jsonl")).unwrap();
    let uploads = fs::read_dir(root().join("fixtures/uploads")).unwrap().count();
    assert_eq!(found.lines().count(), uploads, "a line for every upload");
}
