//! Which lines show which stretches of a segment: a copy may leave seconds out, bring parts in another order, loop or turn around
//! within what the hits take for one stretch, and a line that runs slantwise past all of them fits as well as any.
//!
//! Each picture of the reference says how well every line does beside the best place that the query has for it. The lines that all
//! pictures together follow best, with a price for every change of the line, are those of the parts (the algorithm of Viterbi, 1967).

use super::align::Line;
use super::tracks::{Kind, Near, Tracks};
use crate::hash::Hash;

/// Seconds around a segment that are looked at, in the query, and on either side of the line in the query.
const AROUND: f64 = 1.0;
const ASIDE: f64 = 15.0;
/// Pictures further apart than this say nothing, and nearer ones less and less the nearer they come to it.
const FAR: u32 = 70;
const SURE: f64 = 40.0;
/// What is so many bits further away than the best is as good as that. What is half as far from it as is usual says nothing for or
/// against, if that is so many bits at least.
const AS_GOOD: f64 = 2.0;
const LEAST_WORSE: f64 = 6.0;
/// A picture that usually is so many bits further away says all that it has to say.
const STANDS_OUT: f64 = 20.0;
/// One that comes as near as this, and so many bits nearer, says up to twice as much if it is usually twice as far away: what is hardly
/// altered hardly errs, and where little moves there are few pictures.
const UNALTERED: f64 = 32.0;
const SURELY: f64 = 15.0;
/// Seconds of the query by which a hash may lie beside a line.
const BESIDE: f64 = 0.35;
/// Hashes that lie no more than this further from it than the nearest are of one moment, in seconds.
const AT_ONCE: f64 = 0.06;
/// Offsets are counted in steps of so many seconds, and what lies within so many steps together.
const STEP: f64 = 0.25;
const TOGETHER: usize = 1;
/// Lines of one speed are no nearer to one another than this, in seconds: a segment's borders are told no more exactly.
const APART: f64 = 0.9;
/// Most segments that are looked at together.
const MOST_FOUND: usize = 16;
/// Most lines that are tried for either direction, and what pictures have to say for one.
const MOST_LINES: usize = 8;
const LEAST_VOTES: f64 = 2.0;
/// A change of the line costs as much as so many pictures, and all of them together have to bring more than one line does.
const CHANGE: f64 = 4.0;
const GAIN: f64 = 6.0;
/// They have to bring that part of what one line does more, too.
const BETTER: f64 = 0.3;
/// What each part has for it at least.
const LEAST_SAID: f64 = 3.0;
/// The shortest part, in seconds.
const SHORTEST: f64 = 1.2;
/// Most hashes of the reference that are asked.
const MOST_KNOWN: usize = 512;

/// A stretch of the query and the line along which it shows the reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) query: [f64; 2],
    pub(super) line: Line,
    /// The share of what speaks for all parts.
    pub(super) share: f64,
}

/// A picture of the reference, and what of the query comes near it.
struct Picture {
    r: f64,
    weight: f64,
    least: u32,
    /// How many bits further away say nothing.
    worse: f64,
    /// Times and distances.
    near: Vec<(f64, u32)>,
}

impl Picture {
    /// How much speaks for it being shown at a time of the query; `None` if nothing is known of that time.
    fn says(&self, q: f64) -> Option<f64> {
        let from = self.near.partition_point(|&(time, _)| time < q - BESIDE);
        let those = || self.near[from..].iter().take_while(|&&(time, _)| time <= q + BESIDE);
        let off = those().map(|&(time, _)| (time - q).abs()).reduce(f64::min)?;
        let at_once = those().filter(|&&(time, _)| (time - q).abs() <= off + AT_ONCE);
        let least = at_once.map(|&(_, distance)| distance).min()?;
        let worse = f64::from(least) - f64::from(self.least) - AS_GOOD;
        Some(self.weight * (1.0 - worse / self.worse).clamp(-1.0, 1.0))
    }
}

/// The parts of a stretch of the query in order, if there is more than one; `found` are the lines along which segments were found in it.
pub(super) fn parts(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], found: &[Line]) -> Vec<Part> {
    if found.is_empty() || found.len() > MOST_FOUND {
        return Vec::new();
    }
    let query = [query[0] - AROUND, query[1] + AROUND];
    let bins = ((query[1] - query[0]) / STEP).ceil();
    // Parts of long films are segments of their own.
    if !(2.0 * SHORTEST / STEP..=40_000.0).contains(&bins) {
        return Vec::new();
    }
    let pictures = pictures(tracks, query, [reference[0] - ASIDE, reference[1] + ASIDE], found);
    let mut lines = found.to_vec();
    for speed in [1.0, -1.0] {
        let far =
            |other: &Line| found.iter().all(|line| query.iter().any(|&q| (other.at(q) - line.at(q)).abs() > APART));
        lines.extend(voted(&pictures, speed).into_iter().filter(far));
    }
    if lines.len() < 2 {
        return Vec::new();
    }
    let said = said(&pictures, &lines, query[0], bins as usize);
    let mut path = best_path(&said, lines.len());
    smooth(&mut path, &said);
    let alone = (0..lines.len()).map(|of| said.iter().map(|bin| bin[of]).sum::<f64>()).fold(f64::MIN, f64::max);
    let followed: f64 = path.iter().zip(&said).map(|(&of, bin)| bin[of]).sum();
    let runs = runs(&path);
    let says = |&(of, from, to): &(usize, usize, usize)| said[from..to].iter().map(|bin| bin[of]).sum::<f64>();
    let changes = (runs.len() - 1) as f64;
    if runs.len() < 2
        || followed - CHANGE * changes < alone + GAIN.max(BETTER * alone)
        || runs.iter().any(|run| says(run) < LEAST_SAID)
    {
        return Vec::new();
    }
    let at = |bin: usize| query[0] + bin as f64 * STEP;
    let of_run = |&(of, from, to): &(usize, usize, usize)| Part {
        query: [at(from), at(to)],
        line: lines[of],
        share: says(&(of, from, to)) / followed,
    };
    runs.iter().map(of_run).collect()
}

/// The stretches of one line: which one, and from which place to which.
fn runs(path: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (bin, &of) in path.iter().enumerate() {
        match runs.last_mut() {
            Some((had, _, to)) if *had == of => *to = bin + 1,
            _ => runs.push((of, bin, bin + 1)),
        }
    }
    runs
}

/// Gives what is too short for a part to the neighbour that says more of it, the shortest first.
fn smooth(path: &mut [usize], said: &[Vec<f64>]) {
    loop {
        let runs = runs(path);
        let short = (0..runs.len()).filter(|&run| ((runs[run].2 - runs[run].1) as f64) * STEP < SHORTEST);
        let Some(run) = short.min_by_key(|&run| runs[run].2 - runs[run].1).filter(|_| runs.len() > 1) else { return };
        let (_, from, to) = runs[run];
        let says = |of: usize| said[from..to].iter().map(|bin| bin[of]).sum::<f64>();
        let beside = [run.checked_sub(1), Some(run + 1)].into_iter().flatten().filter_map(|run| runs.get(run));
        let Some(of) = beside.map(|run| run.0).max_by(|&a, &b| says(a).total_cmp(&says(b))) else { return };
        path[from..to].fill(of);
    }
}

/// The pictures of a stretch of the reference that anything of the query comes near to, not too far from a line.
fn pictures(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], lines: &[Line]) -> Vec<Picture> {
    let within = |kind: &Kind| kind.known.between(reference);
    let step = tracks.kinds.iter().map(|kind| within(kind).len()).sum::<usize>().div_ceil(MOST_KNOWN).max(1);
    let mut measured = Near::default();
    let mut picture = |kind: &Kind, (r, hash): (f64, &Hash)| {
        let beside = |line: &Line| {
            let at = (r - line.offset) / line.speed;
            [query[0].max(at - ASIDE), query[1].min(at + ASIDE)]
        };
        let mut around: Vec<[f64; 2]> = lines.iter().map(beside).filter(|[from, to]| from < to).collect();
        around.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut near: Vec<(f64, u32)> = Vec::new();
        let mut seen = f64::NEG_INFINITY;
        for [from, to] in around {
            // What two of them have in common is measured once.
            if to > seen {
                for asked in tracks.kinds.iter().filter(|asked| asked.mean == kind.mean) {
                    measured.measure(&asked.asked, [from.max(seen.next_up()), to], hash);
                    near.extend_from_slice(measured.timed(&asked.asked));
                }
                seen = to;
            }
        }
        let least = near.iter().map(|&(_, distance)| distance).min().filter(|least| *least <= FAR)?;
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut moments: Vec<u32> = near
            .chunk_by(|a, b| b.0 - a.0 <= AT_ONCE)
            .filter_map(|moment| moment.iter().map(|near| near.1).min())
            .collect();
        let middle = moments.len() / 2;
        let (_, &mut usual, _) = moments.select_nth_unstable(middle);
        let apart = f64::from(usual - least);
        let weight = (f64::from(FAR - least) / SURE).min(1.0)
            * (apart / STANDS_OUT).min(1.0 + ((UNALTERED - f64::from(least)) / SURELY).clamp(0.0, 1.0));
        Some(Picture { r, weight, least, worse: (apart / 2.0).max(LEAST_WORSE), near })
    };
    let of_kind = |kind| -> Vec<Picture> {
        let marks = within(kind).step_by(step).filter_map(|place| kind.known.get(place));
        marks.filter_map(|mark| picture(kind, mark)).collect()
    };
    tracks.kinds.iter().flat_map(of_kind).collect()
}

/// The lines of one speed that most pictures are best shown along, the strongest first.
fn voted(pictures: &[Picture], speed: f64) -> Vec<Line> {
    fn best(picture: &Picture, speed: f64) -> impl Iterator<Item = f64> {
        let good = f64::from(picture.least) + AS_GOOD;
        let those = picture.near.iter().filter(move |near| f64::from(near.1) <= good);
        those.map(move |near| picture.r - speed * near.0)
    }
    let offsets = || pictures.iter().flat_map(|picture| best(picture, speed));
    let (from, to) = offsets().fold((f64::MAX, f64::MIN), |(from, to), offset| (from.min(offset), to.max(offset)));
    let count = (to - from) / STEP;
    if !(0.0..=100_000.0).contains(&count) {
        return Vec::new();
    }
    let mut votes = vec![0.0; count as usize + 1 + 2 * TOGETHER];
    for picture in pictures {
        let share = picture.weight / best(picture, speed).count() as f64;
        best(picture, speed).for_each(|offset| votes[((offset - from) / STEP) as usize + TOGETHER] += share);
    }
    let mut sums: Vec<(f64, usize)> =
        votes.windows(2 * TOGETHER + 1).map(|near| near.iter().sum::<f64>()).zip(0..).collect();
    sums.retain(|(sum, _)| *sum >= LEAST_VOTES);
    sums.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut kept: Vec<usize> = Vec::new();
    for (_, place) in sums {
        if kept.len() < MOST_LINES && kept.iter().all(|had| had.abs_diff(place) as f64 * STEP >= APART) {
            kept.push(place);
        }
    }
    // Where most of what lies together is.
    let middle = |place: usize| {
        let weighed = |at: usize| votes[at] * (at as f64 - TOGETHER as f64 + 0.5);
        let all: f64 = votes[place..=place + 2 * TOGETHER].iter().sum();
        (place..=place + 2 * TOGETHER).map(weighed).sum::<f64>() / all
    };
    kept.into_iter().map(|place| Line { speed, offset: from + middle(place) * STEP }).collect()
}

/// What all pictures say for each line, in each stretch of time of the query.
fn said(pictures: &[Picture], lines: &[Line], from: f64, bins: usize) -> Vec<Vec<f64>> {
    let mut said = vec![vec![0.0; lines.len()]; bins];
    for picture in pictures {
        for (of, line) in lines.iter().enumerate() {
            let q = (picture.r - line.offset) / line.speed;
            let bin = (q - from) / STEP;
            if bin >= 0.0
                && let Some(said) = said.get_mut(bin as usize)
                && let Some(says) = picture.says(q)
            {
                said[of] += says;
            }
        }
    }
    said
}

/// For each stretch of time the line, such that most is said for them less what changes cost.
fn best_path(said: &[Vec<f64>], lines: usize) -> Vec<usize> {
    let mut sums = vec![0.0; lines];
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(said.len());
    let best = |sums: &[f64]| (0..lines).max_by(|&a, &b| sums[a].total_cmp(&sums[b]).then(b.cmp(&a))).unwrap_or(0);
    for bin in said {
        let most = best(&sums);
        let come = |of: usize| if sums[most] - CHANGE > sums[of] { most } else { of };
        let came: Vec<usize> = (0..lines).map(come).collect();
        let next = |(of, &before): (usize, &usize)| sums[before] - if before == of { 0.0 } else { CHANGE } + bin[of];
        sums = came.iter().enumerate().map(next).collect();
        from.push(came);
    }
    let mut of = best(&sums);
    let mut path: Vec<usize> = Vec::with_capacity(said.len());
    for came in from.iter().rev() {
        // What a line said in a stretch counts for the line that was come from to it.
        path.push(of);
        of = came[of];
    }
    path.reverse();
    path
}
