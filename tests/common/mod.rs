//! What the tests of the command line share: running `refrain` and reading its lines.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The command line, built along with the tests.
pub fn refrain() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let path = profile.join("examples/refrain");
        if !path.exists() {
            // with `cargo test --test cli` examples are not built along
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--example", "refrain"]).current_dir(root());
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().expect("cargo runs").success());
        }
        path
    })
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn fixture(name: &str) -> String {
    root().join("fixtures").join(name).to_string_lossy().into_owned()
}

/// `refrain` with these arguments in a folder.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(refrain());
    command
        .args(args)
        .current_dir(dir)
        .env_remove("REFRAIN_STORE")
        .env("REFRAIN_CACHE", dir.join("cache"))
        .stdin(Stdio::null());
    command
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8 in, UTF-8 out");
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// Runs `refrain` to its end.
pub fn run(dir: &Path, args: &[&str]) -> Ran {
    Ran::of(command(dir, args).output().expect("it runs"))
}

/// A folder with a store `s` whose bank `removed` holds these fixtures.
pub fn known(fixtures: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let paths: Vec<String> = fixtures.iter().map(|name| fixture(name)).collect();
    let mut args = vec!["add", "--store", "s", "--bank", "removed"];
    args.extend(paths.iter().map(String::as_str));
    run(dir.path(), &args).expect(0);
    dir
}

/// The names of an object's fields.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Asserts that all of `fields` are there; others may be.
#[track_caller]
pub fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "no {field} in {value}");
    }
}
