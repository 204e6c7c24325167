//! Hashes against themselves, as `dedupe` joins and groups them: `dedupe_join COUNT RADIUS`, one JSON line.
//!
//! A tenth of the hashes are copies of others with up to 31 bits changed; the rest are random.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use refrain::dedupe::{Edge, complete_linkage};
use refrain::eval::Random;
use refrain::index::{Entry, EntryId, Snapshot};
use refrain::{Cancel, Hash};

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, count, radius] = &args[..] else {
        println!("usage: dedupe_join COUNT RADIUS");
        return;
    };
    let (count, radius) = (count.parse::<usize>().unwrap(), radius.parse().unwrap());
    let mut random = Random::new(11);
    let (mut entries, mut copies) = (Vec::with_capacity(count), 0u64);
    for at in 0..count {
        let mut hash = Hash(std::array::from_fn(|_| random.next_u64() as u8));
        if at > 0 && random.below(10) == 0 {
            let Entry { hash: original, .. } = entries[random.below(at)];
            hash = original;
            (0..random.below(32)).for_each(|_| {
                let bit = random.below(256);
                hash.0[bit / 8] ^= 1 << (bit % 8);
            });
            copies += 1;
        }
        entries.push(Entry { id: EntryId::new(at as u64, 0).unwrap(), hash });
    }
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let snapshot = Snapshot::of_entries(&entries, folder.path(), &Cancel::new()).unwrap();
    let built = start.elapsed().as_secs_f64();
    let edges = Mutex::new(Vec::new());
    snapshot
        .self_join(radius, &Cancel::new(), |pair| {
            let (a, b) = (pair.first.owner() as u32, pair.second.owner() as u32);
            edges.lock().unwrap().push(Edge { a, b, distance: pair.distance, same: false });
            ControlFlow::Continue(())
        })
        .unwrap();
    let joined = start.elapsed().as_secs_f64();
    let edges = edges.into_inner().unwrap();
    let groups = complete_linkage(count, &edges).len();
    let grouped = start.elapsed().as_secs_f64();
    let pairs = edges.len();
    println!(
        "{{\"hashes\":{count},\"radius\":{radius},\"copies\":{copies},\"pairs\":{pairs},\"groups\":{groups},\"build_s\":{built:.2},\"join_s\":{:.2},\"group_s\":{:.2},\"all_s\":{grouped:.2}}}",
        joined - built,
        grouped - joined
    );
}
