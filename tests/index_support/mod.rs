//! What the tests of the index share: random and clustered hashes, and an index that is plainly right.

#![allow(dead_code, clippy::unwrap_used)]

use refrain::Hash;
use refrain::index::{Entry, EntryId, Hit, Query};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn hash(&mut self) -> Hash {
        Hash::from_words([self.next(), self.next(), self.next(), self.next()])
    }

    /// A hash at exactly `distance` from `hash`.
    pub(crate) fn at(&mut self, hash: &Hash, distance: u32) -> Hash {
        let mut other = *hash;
        while other.distance(hash) < distance {
            let bit = self.below(256) as usize;
            if other.bit(bit) == hash.bit(bit) {
                other.0[bit / 8] ^= 1 << (bit % 8);
            }
        }
        other
    }
}

pub(crate) fn entry(owner: u64, ordinal: u32, hash: Hash) -> Entry {
    Entry { id: EntryId::new(owner, ordinal).unwrap(), hash }
}

/// One entry for each hash, its owner counting from `first`.
pub(crate) fn entries(first: u64, hashes: &[Hash]) -> Vec<Entry> {
    (first..).zip(hashes).map(|(owner, &hash)| entry(owner, 0, hash)).collect()
}

/// Every hit, by comparing everything.
pub(crate) fn naive(entries: &[Entry], queries: &[Query]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (query, asked) in (0..).zip(queries) {
        for entry in entries {
            let distance = asked.hash.distance(&entry.hash);
            if distance <= asked.max_distance {
                hits.push(Hit { query, distance, id: entry.id });
            }
        }
    }
    hits.sort_unstable();
    hits
}

pub(crate) fn ask(hashes: &[Hash], max_distance: u32) -> Vec<Query> {
    hashes.iter().map(|&hash| Query::new(hash, max_distance)).collect()
}

/// Runs the test `child` of the program that calls this in a mount namespace of its own (`unshare`, Linux), once the shell command `mount` has
/// mounted something at `folder`, which is its `$0`; the child finds the folder in the variable and prints `said` at its end. False where
/// that is not allowed.
pub(crate) fn mounted(mount: &str, child: &str, variable: &str, folder: &std::path::Path, said: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    let script = format!(r#"{mount} || exit 77; exec "$1" --exact {child} --nocapture"#);
    for options in [&["-m"][..], &["-rm"]] {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(options).args(["sh", "-c", &script]).arg(folder).arg(&program).env(variable, folder);
        match unshare.output() {
            Ok(done) if done.status.success() => {
                let out = String::from_utf8_lossy(&done.stdout).into_owned();
                assert!(out.contains(said), "{out}");
                return true;
            }
            Ok(done) if done.status.code() == Some(101) => {
                panic!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
            }
            _ => {} // not allowed, or not there
        }
    }
    eprintln!("NOT TESTED: this machine does not allow a mount namespace (unshare -m, unshare -rm)");
    false
}
