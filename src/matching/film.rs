//! What the hits on one film amount to when the query is a film: hits that agree on one shift of time.

use super::{Pair, Segment};

/// The stretches of two films that show the same, the best first.
pub(crate) fn films(pairs: &[Pair<'_>]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut groups: Vec<((_, bool), Vec<&Pair<'_>>)> = Vec::new();
    for pair in pairs {
        let key = (pair.look.transform, pair.look.inverted);
        match groups.iter_mut().find(|(found, _)| *found == key) {
            Some((_, group)) => group.push(pair),
            None => groups.push((key, vec![pair])),
        }
    }
    for ((transform, inverted), mut group) in groups {
        let shift = |pair: &Pair<'_>| pair.time - pair.look.time;
        group.sort_by(|a, b| shift(a).total_cmp(&shift(b)));
        let Some(window) = (0..group.len())
            .map(|from| {
                let to = group.partition_point(|pair| shift(pair) <= shift(group[from]) + 1.0);
                let mut items: Vec<u32> = group[from..to].iter().map(|pair| pair.look.item).collect();
                items.sort_unstable();
                items.dedup();
                (items.len(), from, to)
            })
            .max_by_key(|&(items, from, _)| (items, std::cmp::Reverse(from)))
        else {
            continue;
        };
        let (hits, from, to) = window;
        let within = &group[from..to];
        let span = |time: fn(&Pair<'_>) -> f64| {
            let times = within.iter().map(|pair| time(pair));
            [times.clone().fold(f64::INFINITY, f64::min), times.fold(f64::NEG_INFINITY, f64::max)]
        };
        segments.push(Segment {
            query: span(|pair| pair.look.time),
            reference: span(|pair| pair.time),
            speed: 1.0,
            transform,
            inverted,
            hits: hits as u32,
            distance: within.iter().map(|pair| f64::from(pair.distance)).sum::<f64>() / within.len() as f64,
        });
    }
    segments.sort_by(|a, b| b.hits.cmp(&a.hits).then(a.distance.total_cmp(&b.distance)));
    segments.truncate(1);
    segments
}
