//! What a question will cost, and which way to answer it.
//!
//! The *general pigeonhole*: bands get budgets that add up to `r + 1`; a hash within `r` is below its budget in at least
//! one band. Going round the bands as a ring (the cycle lemma; Qin and Xiao 2018 call it the pigeonring), there is even
//! a band where it is below the budget and, together with the band after it, below both budgets: that is what the
//! residue beside each posting is held against.

use std::sync::OnceLock;

use super::scan::TURNED_FROM;
use crate::index::part::Layout;
use crate::simd::distance::{Kernels, block_cost, row_cost};

/// The largest number of bands of any layout.
pub(super) const BANDS: usize = 16;
/// The largest budget that a band can get: `97 / 13`, and one more.
pub(super) const MAX_BUDGET: usize = 8;

/// See [`leeway`].
const LEEWAY: usize = 4;

/// Nanoseconds, measured on one core of a Zen 4; only their proportions matter.
mod cost {
    /// Looking up a bucket.
    pub(super) const PROBE: f64 = 12.0;
    /// Filtering a posting.
    pub(super) const POSTING: f64 = 0.4;
    /// Fetching a hash whose residue passed.
    pub(super) const CANDIDATE: f64 = 20.0;
}

/// The share of random residues that are within each distance.
const PASS: [f64; 17] = {
    let mut pass = [0.0; 17];
    let mut d = 0;
    let mut sum = 0.0;
    while d <= 16 {
        sum += BINOMIAL[16][d];
        pass[d] = sum / 65536.0;
        d += 1;
    }
    pass
};

/// Ways to choose `k` of `n` at `[n][k]`.
const BINOMIAL: [[f64; 17]; 25] = {
    let mut ways = [[0.0; 17]; 25];
    let mut n = 0;
    while n < 25 {
        ways[n][0] = 1.0;
        let mut k = 1;
        while k <= n && k < 17 {
            ways[n][k] = ways[n - 1][k - 1] + ways[n - 1][k];
            k += 1;
        }
        n += 1;
    }
    ways
};

/// Which way to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) enum Plan {
    /// Through the postings.
    Mih,
    /// Past every hash.
    Scan,
}

/// The cheaper way to ask a part about one of `batch` queries within `radius`, and the nanoseconds expected.
pub(in crate::index) fn plan(
    layout: &Layout,
    certain: u32,
    radius: u32,
    batch: usize,
    kernels: Kernels,
) -> (Plan, f64) {
    let scan = scan_cost(layout.entries, radius, batch, kernels);
    match mih_cost(layout, certain, radius) {
        Some(mih) if mih <= scan => (Plan::Mih, mih),
        _ => (Plan::Scan, scan),
    }
}

/// Nanoseconds a query that a scan takes.
pub(super) fn scan_cost(entries: usize, radius: u32, batch: usize, kernels: Kernels) -> f64 {
    let [lane, turn] = block_cost(radius, kernels);
    let each = if batch < TURNED_FROM { row_cost(kernels) } else { lane + turn / batch as f64 };
    entries as f64 * each
}

fn mih_cost(layout: &Layout, certain: u32, radius: u32) -> Option<f64> {
    if layout.bands.is_empty() {
        return None;
    }
    let (budgets, leeway) = (budgets(layout, certain, radius), leeway(certain, radius));
    let mut sum = 0.0;
    for (i, band) in layout.bands.iter().enumerate() {
        let (own, next) = (budgets[i], budgets[(i + 1) % layout.bands.len()]);
        let per_bucket = layout.entries as f64 / f64::from(1u32 << band.key_bits);
        for distance in 0..u32::from(own) {
            let probes = choose(u32::from(band.key_bits), distance);
            let room = u32::from((own + next).saturating_sub(1)).max(leeway as u32).saturating_sub(distance);
            sum += lookup_cost(probes, probes * per_bucket, 0.0, pass(room as usize));
        }
    }
    Some(sum)
}

/// Budgets for a search that is certain within `certain` when nothing is known of the buckets: even ones.
///
/// What does not come out even goes to bands that are apart from one another where everything `within` is asked for: two large
/// budgets one after the other let more residues pass. Otherwise it goes to the first bands, the slowest waves of a picture,
/// which stay as they are in most copies.
pub(super) fn budgets(layout: &Layout, certain: u32, within: u32) -> [u8; BANDS] {
    let (all, count) = (certain as usize + 1, layout.bands.len());
    std::array::from_fn(|i| match i {
        _ if i >= count => 0,
        _ if certain < within => (all / count + usize::from(i < all % count)) as u8,
        _ => ((i + 1) * all / count - i * all / count) as u8,
    })
}

/// How far a hash may be off in a band and the residue beside it at least, for one that is not found for certain not to be
/// passed over: of the 32 bits of both, the band has none or one off, and the residue a sixteenth of the radius.
pub(super) fn leeway(certain: u32, radius: u32) -> usize {
    if certain < radius { LEEWAY.min(radius as usize) } else { 0 }
}

/// The cheapest budgets that add up to `radius + 1`, and their cost; `weigh(band, budget)` is the cost of one.
pub(super) fn cheapest(bands: usize, radius: u32, weigh: impl Fn(usize, usize) -> f64) -> ([u8; BANDS], f64) {
    let all = radius as usize + 1;
    // best[s]: the least cost of spending s on the bands so far; given[band][s]: what the last of them got for it.
    let mut best = vec![f64::INFINITY; all + 1];
    best[0] = 0.0;
    let mut given = vec![0u8; bands * (all + 1)];
    for (band, given) in given.chunks_exact_mut(all + 1).enumerate() {
        let weights: [f64; MAX_BUDGET + 1] = std::array::from_fn(|budget| weigh(band, budget));
        let mut next = vec![f64::INFINITY; all + 1];
        for (spent, (next, given)) in next.iter_mut().zip(given).enumerate() {
            for budget in 0..=MAX_BUDGET.min(spent) {
                let cost = best[spent - budget] + weights[budget];
                if cost < *next {
                    (*next, *given) = (cost, budget as u8);
                }
            }
        }
        best = next;
    }
    let (mut budgets, mut spent) = ([0; BANDS], all);
    for (band, given) in given.chunks_exact(all + 1).enumerate().rev() {
        budgets[band] = given[spent];
        spent -= usize::from(given[spent]);
    }
    (budgets, best[all])
}

/// Nanoseconds that `probes` lookups take. Of the postings in their buckets a share of `pass` goes on to have its hash fetched, and
/// of those that are there beyond what is usual, copies of one picture mostly, every fourth.
pub(super) fn lookup_cost(probes: f64, usual: f64, beyond: f64, pass: f64) -> f64 {
    let each = |pass: f64| cost::POSTING + pass * cost::CANDIDATE;
    probes * cost::PROBE + usual * each(pass) + beyond * each(0.25)
}

/// The share of random postings that pass where a hash may be off by `room` bits in the residue.
pub(super) fn pass(room: usize) -> f64 {
    PASS[room.min(16)]
}

/// Ways to choose `k`, at most 16, of `n`, at most 24.
#[inline]
pub(super) fn choose(n: u32, k: u32) -> f64 {
    BINOMIAL[n as usize][k as usize]
}

/// All numbers of `bits` bits with fewer than [`MAX_BUDGET`] ones, those with fewer first.
pub(super) struct Masks {
    all: Vec<u32>,
    ends: [usize; MAX_BUDGET],
}

impl Masks {
    /// The masks of keys of `bits` bits, at most 24.
    pub(super) fn of(bits: u8) -> &'static Self {
        static MASKS: [OnceLock<Masks>; 25] = [const { OnceLock::new() }; 25];
        MASKS[usize::from(bits)].get_or_init(|| {
            let mut all = vec![0];
            let mut ends = [1; MAX_BUDGET];
            let mut from = 0;
            for end in &mut ends[1..] {
                let until = all.len();
                for i in from..until {
                    let mask: u32 = all[i];
                    // Only bits above the highest one that is set, so that each mask comes once.
                    all.extend((32 - mask.leading_zeros()..u32::from(bits)).map(|bit| mask | 1 << bit));
                }
                from = until;
                *end = all.len();
            }
            Self { all, ends }
        })
    }

    /// Those with fewer than `ones` ones.
    #[inline]
    pub(super) fn below(&self, ones: usize) -> &[u32] {
        &self.all[..if ones == 0 { 0 } else { self.ends[ones - 1] }]
    }

    /// Those with `ones` ones.
    #[inline]
    pub(super) fn with(&self, ones: usize) -> &[u32] {
        let from = if ones == 0 { 0 } else { self.ends[ones - 1] };
        &self.all[from..self.ends[ones]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_all_there_and_come_once() {
        let masks = Masks::of(13);
        for ones in 0..MAX_BUDGET {
            let mut some = masks.with(ones).to_vec();
            assert!(some.iter().all(|mask| mask.count_ones() as usize == ones && *mask < 1 << 13));
            some.sort_unstable();
            some.dedup();
            assert_eq!(some.len() as f64, choose(13, ones as u32));
        }
    }

    #[test]
    fn budgets_add_up() {
        for entries in [50_000, 20_000_000] {
            let layout = Layout::new(entries).unwrap();
            for radius in 0..=96 {
                for within in [radius, 96] {
                    let even = budgets(&layout, radius, within);
                    assert_eq!(even.iter().map(|b| u32::from(*b)).sum::<u32>(), radius + 1);
                    assert!(even.iter().all(|b| usize::from(*b) <= MAX_BUDGET));
                    let weigh = |band: usize, budget: usize| (budget * budget * (1 + band % 3)) as f64;
                    let (cheap, cost) = cheapest(layout.bands.len(), radius, weigh);
                    assert_eq!(cheap.iter().map(|b| u32::from(*b)).sum::<u32>(), radius + 1);
                    let sum = |budgets: &[u8; BANDS]| -> f64 {
                        budgets.iter().enumerate().map(|(i, b)| weigh(i, usize::from(*b))).sum()
                    };
                    assert!(cost <= sum(&even) && (cost - sum(&cheap)).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn wide_radii_are_scanned_and_narrow_ones_looked_up() {
        let (layout, kernels) = (Layout::new(1_000_000).unwrap(), Kernels::current());
        assert_eq!(plan(&layout, 0, 0, 1, kernels).0, Plan::Mih);
        assert_eq!(plan(&layout, 31, 31, 64, kernels).0, Plan::Mih);
        assert_eq!(plan(&layout, 96, 96, 64, kernels).0, Plan::Scan);
        assert_eq!(plan(&Layout::new(100).unwrap(), 0, 0, 1, kernels).0, Plan::Scan);
    }
}
