//! The order of a listing: that of a walk which takes the names in each folder in their order and goes into a folder where
//! its name stands. Paths come in any order, in batches, as threads have looked at them.

use std::cmp::Ordering;
use std::path::Path;

use rayon::slice::ParallelSliceMut;

use super::place::separates;

/// The places of all paths in order: the batch, of at most 2^16, and the number in it. Paths that are the same stay as they
/// came.
pub(super) fn by_names<'a>(
    batches: impl Iterator<Item = usize>,
    path: impl Fn(usize, usize) -> &'a Path + Sync,
) -> Vec<(usize, usize)> {
    let place = |key: u128| ((key >> 16) as u32 as usize, usize::from(key as u16));
    let all = batches.zip(0u128..).flat_map(|(size, batch)| (0..size as u128).map(move |at| batch << 16 | at));
    let mut order: Vec<u128> = all.collect();
    sort(&mut order, &|key| {
        let (batch, at) = place(key);
        path(batch, at).as_os_str().as_encoded_bytes()
    });
    order.into_iter().map(place).collect()
}

/// Sorts places, which are the lower 48 bits, by their paths. Ten bytes behind what all paths have in common go above the
/// place, so that most of the work is the sorting of numbers.
fn sort<'a>(places: &mut [u128], path: &(impl Fn(u128) -> &'a [u8] + Sync)) {
    let Some(&first) = places.first() else { return };
    let mut common = path(first);
    for path in places.iter().map(|&place| path(place)) {
        if !path.starts_with(common) {
            common = &common[..common.iter().zip(path).take_while(|(a, b)| a == b).count()];
        }
    }
    for place in &mut *places {
        let mut key = [0; 16];
        key.iter_mut().zip(&path(*place)[common.len()..]).take(10).for_each(|(key, &byte)| *key = rank(byte));
        *place = u128::from_be_bytes(key) | *place & 0xFFFF_FFFF_FFFF;
    }
    places.par_sort_unstable();
    let all = places.len();
    for alike in places.chunk_by_mut(|a, b| a >> 48 == b >> 48) {
        if alike.len() > 32 && alike.len() < all {
            sort(alike, path);
        } else {
            alike.sort_by(|a, b| compare(path(*a), path(*b)));
        }
    }
}

/// The order of two paths by the names that they are made of.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((&a, &b)) => rank(a).cmp(&rank(b)),
        None => a.len().cmp(&b.len()),
    }
}

/// A name ends where a separator stands, so nothing comes before that.
fn rank(byte: u8) -> u8 {
    if separates(byte) { 0 } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_order_is_that_of_names_folder_by_folder() {
        let names = ["a", "a-b", "a.jpg", "a!", "ab", "b", "\u{1}", "é", "longer than eight", "longer than nine"];
        for root in ["", "/", "root", "some/where"].map(Path::new) {
            let mut paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
            for folder in names {
                paths.extend(names.iter().map(|name| root.join(folder).join(name)));
                paths.extend((0..60).rev().map(|at| root.join(folder).join(format!("many files named alike {at}"))));
            }
            let sorted = by_names(paths.chunks(7).map(<[_]>::len), |batch, at| &paths[batch * 7 + at]);
            let sorted: Vec<&PathBuf> = sorted.into_iter().map(|(batch, at)| &paths[batch * 7 + at]).collect();
            let mut expected: Vec<&PathBuf> = paths.iter().collect();
            expected.sort_by(|a, b| a.components().cmp(b.components()));
            assert_eq!(sorted, expected, "below {root:?}");
        }
        assert!(by_names([].into_iter(), |_, _| Path::new("")).is_empty());
        assert!(by_names([0].into_iter(), |_, _| Path::new("")).is_empty());
        let same = by_names([40, 40].into_iter(), |_, _| Path::new("a"));
        assert!(same.is_sorted() && same.len() == 80);
    }
}
