//! Pairs to groups, so that a chain of near pairs does not merge strangers: complete linkage, where two groups become one
//! only if *every* file of the one is near *every* file of the other (T. Sørensen 1948; D. Defays, An efficient algorithm
//! for a complete link method, The Computer Journal 20(4), 1977). So any two files of a group are within the distance
//! that was chosen, which single linkage ("friends of friends") cannot promise.
//!
//! Pairs are taken nearest first, and for any two groups the pairs between them are counted. When the count reaches the
//! product of their sizes, the pair at hand is their complete-linkage distance, and they merge. That is exact, and the
//! work is proportional to the pairs, not to the square of the files.

use std::collections::HashMap;

/// Two files that are near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The number of one file.
    pub a: u32,
    /// The number of the other.
    pub b: u32,
    /// How far apart they are.
    pub distance: u32,
    /// The two are one as far as hashes can tell, and `a` stands for `b`, which is in no other pair as an `a` or `b`.
    pub same: bool,
}

/// Groups of two files or more: in the order of their first file, files in rising order.
pub fn complete_linkage(files: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut order: Vec<&Edge> = edges.iter().filter(|edge| !edge.same && edge.a != edge.b).collect();
    order.sort_unstable_by_key(|edge| (edge.distance, edge.a.min(edge.b), edge.a.max(edge.b)));
    // the group of a file, its members, and how many pairs were seen between it and others
    let mut group: Vec<u32> = (0..files as u32).collect();
    let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut between: HashMap<u32, HashMap<u32, u64>> = HashMap::new();
    for edge in order {
        let (a, b) = (group[edge.a as usize], group[edge.b as usize]);
        if a == b {
            continue;
        }
        let size = |group: u32| members.get(&group).map_or(1, |members| members.len() as u64);
        let full = size(a) * size(b);
        let seen = between.entry(a).or_default().entry(b).or_default();
        *seen += 1;
        let seen = *seen;
        between.entry(b).or_default().insert(a, seen);
        if seen < full {
            continue;
        }
        // the smaller goes into the larger
        let (into, from) = if size(a) >= size(b) { (a, b) } else { (b, a) };
        let moved = members.remove(&from).unwrap_or_else(|| vec![from]);
        moved.iter().for_each(|&file| group[file as usize] = into);
        members.entry(into).or_insert_with(|| vec![into]).extend(moved);
        for (other, seen) in between.remove(&from).unwrap_or_default() {
            if let Some(counts) = between.get_mut(&other) {
                counts.remove(&from);
            }
            if other != into {
                *between.entry(into).or_default().entry(other).or_default() += seen;
                *between.entry(other).or_default().entry(into).or_default() += seen;
            }
        }
    }
    for edge in edges.iter().filter(|edge| edge.same) {
        let into = group[edge.a as usize];
        members.entry(into).or_insert_with(|| vec![into]).push(edge.b);
    }
    let mut groups: Vec<Vec<usize>> = members
        .into_values()
        .filter(|members| members.len() > 1)
        .map(|mut members| {
            members.sort_unstable();
            members.into_iter().map(|file| file as usize).collect()
        })
        .collect();
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edge(a: u32, b: u32, distance: u32) -> Edge {
        Edge { a, b, distance, same: false }
    }

    #[test]
    fn a_chain_does_not_merge_strangers() {
        // 0 - 1 - 2 - 3 - 4, each near the next only
        let chain: Vec<Edge> = (0..4).map(|at| edge(at, at + 1, 10 + at)).collect();
        assert_eq!(complete_linkage(6, &chain), [vec![0, 1], vec![2, 3]]);
        // the nearest pair wins, whatever the order
        assert_eq!(complete_linkage(3, &[edge(0, 1, 9), edge(1, 2, 3)]), [vec![1, 2]]);
    }

    #[test]
    fn what_is_near_throughout_is_one_group_with_those_that_are_the_same() {
        let mut edges = vec![edge(0, 2, 5), edge(0, 5, 7), edge(2, 5, 9), edge(5, 6, 10)];
        edges.push(Edge { a: 2, b: 3, distance: 0, same: true });
        edges.push(Edge { a: 7, b: 8, distance: 0, same: true });
        assert_eq!(complete_linkage(9, &edges), [vec![0, 2, 3, 5], vec![7, 8]]);
        assert!(complete_linkage(4, &[]).is_empty());
    }

    /// Complete linkage as the books have it: merge the two groups whose farthest pair is nearest, until none is within.
    fn oracle(files: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
        let mut near = vec![vec![None; files]; files];
        for edge in edges {
            near[edge.a as usize][edge.b as usize] = Some(edge.distance);
            near[edge.b as usize][edge.a as usize] = Some(edge.distance);
        }
        let mut groups: Vec<Vec<usize>> = (0..files).map(|file| vec![file]).collect();
        loop {
            let mut best: Option<(u32, usize, usize)> = None;
            for i in 0..groups.len() {
                for j in i + 1..groups.len() {
                    let farthest: Option<u32> = groups[i]
                        .iter()
                        .flat_map(|&a| groups[j].iter().map(move |&b| (a, b)))
                        .map(|(a, b)| near[a][b])
                        .try_fold(0, |far, distance: Option<u32>| Some(far.max(distance?)));
                    if let Some(distance) = farthest.filter(|&distance| best.is_none_or(|best| distance < best.0)) {
                        best = Some((distance, i, j));
                    }
                }
            }
            let Some((_, i, j)) = best else { break };
            let moved = groups.remove(j);
            groups[i].extend(moved);
        }
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.retain(|group| group.len() > 1);
        groups.sort_unstable();
        groups
    }

    proptest! {
        #[test]
        fn it_is_complete_linkage(files in 2usize..9, draws in proptest::collection::vec((0u32..9, 0u32..9), 0..40)) {
            // distances all differ, so that ties do not decide
            let mut edges: Vec<Edge> = Vec::new();
            for (number, (a, b)) in draws.into_iter().enumerate() {
                let (a, b) = (a % files as u32, b % files as u32);
                let (a, b) = (a.min(b), a.max(b));
                if a != b && edges.iter().all(|edge| (edge.a, edge.b) != (a, b)) {
                    edges.push(edge(a, b, (number as u32 * 7919) % 97 + number as u32 * 100));
                }
            }
            let groups = complete_linkage(files, &edges);
            prop_assert_eq!(&groups, &oracle(files, &edges));
            for group in &groups {
                for (at, &a) in group.iter().enumerate() {
                    for &b in &group[at + 1..] {
                        let near = |edge: &Edge| (edge.a as usize, edge.b as usize) == (a, b);
                        prop_assert!(edges.iter().any(near), "{} and {} are strangers in {:?}", a, b, group);
                    }
                }
            }
        }
    }
}
