//! What the hits on one reference amount to when a still picture is on at least one side.

use super::align::weight;
use super::{Altered, Item, Laid, Look, Segment};
use crate::fingerprint::View;

/// A candidate: one look-up of the query beside one hash of a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) look: Look,
    /// Which of the reference's hashes.
    pub(crate) ordinal: u32,
    /// Between the PDQ hashes, where both sides have one.
    pub(crate) distance: Option<u32>,
    /// Between the detail hashes, where both sides have one.
    pub(crate) detail: Option<u32>,
    /// Of the reference's hash.
    pub(crate) view: View,
    pub(crate) quality: u8,
    pub(crate) time: f64,
}

impl Pair {
    /// How far apart they are: by PDQ, or where that is not known by the detail hash.
    pub(crate) fn bits(&self) -> u32 {
        self.distance.or(self.detail).unwrap_or(256)
    }

    /// Of one look-up of a hash; `None` if the reference has no such hash.
    pub(crate) fn new(laid: &Laid<'_>, number: u32, reference: &[Item<'_>], ordinal: u32) -> Option<Self> {
        let item = reference.get(ordinal as usize)?;
        Some(Self {
            look: laid.look(number),
            ordinal,
            distance: laid.hash(number).zip(item.hash).map(|(asked, known)| asked.distance(&known)),
            detail: laid.detail(number).zip(item.detail).map(|(asked, known)| asked.distance(&known.hash)),
            view: item.view,
            quality: item.quality,
            time: item.time,
        })
    }
}

/// The closest pair; of equally close ones the least transformed, then the first.
pub(crate) fn best<'p>(pairs: impl IntoIterator<Item = &'p Pair>) -> Option<&'p Pair> {
    pairs.into_iter().min_by_key(|pair| {
        let detail = pair.detail.unwrap_or(pair.bits());
        let laid = (pair.look.inverted, pair.look.transform, pair.look.view, pair.view);
        (pair.bits(), detail, laid, pair.look.item, pair.ordinal)
    })
}

/// A still against a film, either way round: the stretches of the film that show the still. Hits belong to one stretch
/// if they are no further than `gap` seconds apart. Segments have the upload as the query.
pub(crate) fn still_in_film(pairs: &[Pair], upload_is_film: bool, altered: Altered, gap: f64) -> Vec<Segment> {
    let time = |pair: &Pair| altered.first([pair.look.time, pair.time])[usize::from(!upload_is_film)];
    let mut pairs: Vec<&Pair> = pairs.iter().collect();
    pairs.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let stretches = pairs.chunk_by(|a, b| time(b) - time(a) <= gap);
    let mut segments: Vec<(u32, Segment)> = stretches
        .filter_map(|stretch| {
            let closest = best(stretch.iter().copied())?;
            let mut instants: Vec<(f64, u32)> = stretch.iter().map(|pair| (time(pair), pair.bits())).collect();
            instants.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            instants.dedup_by(|later, first| later.0 == first.0);
            let film = [instants.first()?.0, instants.last()?.0];
            let (query, reference) = if upload_is_film { (film, [0.0; 2]) } else { ([0.0; 2], film) };
            let distance = instants.iter().map(|&(_, distance)| f64::from(distance)).sum::<f64>();
            let segment = Segment {
                query,
                reference,
                speed: 1.0,
                transform: altered.laid(&closest.look),
                inverted: closest.look.inverted,
                hits: instants.len() as u32,
                distance: distance / instants.len() as f64,
                score: weight(closest.distance, closest.detail),
            };
            Some((closest.bits(), segment))
        })
        .collect();
    segments.sort_by_key(|&(closest, _)| closest);
    segments.into_iter().map(|(_, segment)| segment).collect()
}
