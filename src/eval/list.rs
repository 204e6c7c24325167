//! The list of references as the methods ask it: exact range search over the detail hashes in the index itself, the
//! decision by both hashes, and the few hashes of whole pictures compared one by one.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::method::Method;
use crate::bank::BankConfig;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::{ImageFingerprint, View, ViewHash, ViewSet};
use crate::hash::pdq::{MIN_QUALITY, MIN_STABILITY};
use crate::hash::{Algorithm, Hash, Pixels};
use crate::index::{Entry, EntryId, MAX_DISTANCE, Query, Snapshot};
use crate::matching::{DETAIL_RADIUS, PDQ_LIMIT, PDQ_RADIUS, least_slack, slack};

/// The entries of the index that bytes are told of: a long list, whatever the length of the run's own.
pub(super) const TOLD_OF: usize = 1_000_000;

/// The presets, in the order of [`Method::LIBRARY`] after the two ways of plain PDQ.
const PRESETS: [ViewSet; 3] = [ViewSet::None, ViewSet::Standard, ViewSet::Thorough];

/// A reference as it is compared.
#[derive(Debug)]
pub struct Known {
    print: ImageFingerprint,
    classic: Vec<Option<Hash>>,
}

/// A query as it is compared.
#[derive(Debug)]
pub struct Asked {
    print: ImageFingerprint,
    classic: Vec<Option<Hash>>,
}

/// The classic hashes of a picture: one for each of [`Algorithm::ALL`] but PDQ.
fn classic(pixels: &Pixels<'_>) -> Vec<Option<Hash>> {
    Algorithm::ALL.iter().skip(1).map(|algorithm| algorithm.hash(pixels)).collect()
}

/// What a bank's default policy stores and asks.
fn good(view: &&ViewHash) -> bool {
    view.quality >= MIN_QUALITY && view.stability >= MIN_STABILITY
}

/// Whether a picture has a content box that it is asked or stored by.
fn boxed(print: &ImageFingerprint) -> bool {
    print.views.iter().filter(good).any(|view| view.view == View::Content)
}

impl Known {
    /// Fingerprints a reference for every method.
    pub fn new(pixels: &Pixels<'_>, with_classic: bool) -> Self {
        let mut windows = ViewSet::Thorough.reference_windows().to_vec();
        windows.extend(ViewSet::Standard.reference_windows());
        windows.sort_unstable();
        windows.dedup();
        let print = ImageFingerprint::with_windows(pixels, &windows).into_reference();
        Self { print, classic: if with_classic { classic(pixels) } else { Vec::new() } }
    }

    /// Entries in the index under a method.
    pub fn entries(&self, method: Method) -> usize {
        let Some(set) = method.views() else { return 1 };
        let boxed = boxed(&self.print);
        // A detail hash for each view; and PDQ, for plain hashes, of the whole and of a content box beside it.
        let entries = |view: View| {
            let detail = usize::from(set.stores(view, boxed));
            match view {
                View::Full => detail + 1,
                View::Content if set != ViewSet::None => 2 * detail,
                _ => detail,
            }
        };
        self.print.views.iter().filter(good).map(|v| entries(v.view)).sum()
    }
}

impl Asked {
    /// Fingerprints a query for every method of the library.
    pub fn new(pixels: &Pixels<'_>) -> Self {
        let mut windows = ViewSet::Thorough.query_windows().to_vec();
        windows.extend(ViewSet::Standard.query_windows());
        windows.sort_unstable();
        windows.dedup();
        Self { print: ImageFingerprint::with_windows(pixels, &windows), classic: Vec::new() }
    }

    /// The same with the classic hashes.
    #[must_use]
    pub fn with_classic(mut self, pixels: &Pixels<'_>) -> Self {
        self.classic = classic(pixels);
        self
    }

    /// Look-ups under a method.
    pub fn look_ups(&self, method: Method) -> usize {
        match (method, method.views()) {
            (_, Some(set)) => {
                let boxed = boxed(&self.print);
                16 * self.print.views.iter().filter(good).filter(|v| set.asks(v.view, boxed)).count()
            }
            (Method::DihedralPdq, None) => 16,
            _ => 1,
        }
    }
}

/// One view of one reference.
#[derive(Debug)]
struct Stored {
    owner: usize,
    view: View,
    pdq: Hash,
    detail: Hash,
    /// Which of [`PRESETS`] keep it.
    kept: [bool; 3],
}

/// All references.
#[derive(Debug)]
pub struct List {
    stored: Vec<Stored>,
    /// Where the views of each reference begin in `stored`; one more for the end.
    starts: Vec<usize>,
    classic: Vec<Vec<Option<Hash>>>,
    details: Arc<Snapshot>,
    /// How far detail hashes may be where PDQ alone decides.
    near: u32,
}

/// How one query stands to one reference.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The scores under [`Method::LIBRARY`]; minus infinity for what is too far to be asked for.
    pub scores: [f32; Method::LIBRARY.len()],
    /// The same if everything within the radii is sought, as in a short list: what unrelated pairs are counted by.
    pub whole_search: [f32; Method::LIBRARY.len()],
    /// The distances of the whole pictures in their closest orientation: PDQ and detail hash. `None` if either has too
    /// little detail.
    pub whole: Option<[u16; 2]>,
}

impl List {
    /// Puts references together. A long list is held in `folder`, which is made for it and may go when the list goes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Cancelled`].
    pub fn new(known: &[Known], folder: &Path, cancel: &Cancel) -> Result<Self> {
        let (mut stored, mut starts, mut entries) = (Vec::new(), vec![0], Vec::new());
        for (owner, known) in known.iter().enumerate() {
            let (start, boxed) = (stored.len(), boxed(&known.print));
            for view in known.print.views.iter().filter(good) {
                let Some(detail) = view.detail.as_ref().map(|detail| detail.hash) else { continue };
                let id = EntryId::new(owner as u64, (stored.len() - start) as u32)
                    .ok_or_else(|| Error::limit("references", EntryId::MAX_OWNER, owner as u64))?;
                entries.push(Entry { id, hash: detail });
                let kept = PRESETS.map(|set| set.stores(view.view, boxed));
                stored.push(Stored { owner, view: view.view, pdq: view.hash, detail, kept });
            }
            starts.push(stored.len());
        }
        let details = Snapshot::of_entries(&entries, folder, cancel)?;
        let near = BankConfig::new("").radii().detail_near.unwrap_or(0);
        Ok(Self { stored, starts, classic: known.iter().map(|k| k.classic.clone()).collect(), details, near })
    }

    /// How many references there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Compares a query with every reference.
    ///
    /// # Errors
    /// Those of the index, if the list is a long one.
    pub fn ask(&self, asked: &Asked) -> Result<Vec<Compared>> {
        let none = [f32::NEG_INFINITY; Method::LIBRARY.len()];
        let far = Compared { scores: none, whole_search: none, whole: None };
        let mut out = vec![far; self.len()];
        let views: Vec<(&ViewHash, [bool; 3])> =
            asked.print.views.iter().filter(good).map(|v| (v, asks(v.view, boxed(&asked.print)))).collect();
        let (mut queries, mut looks) = (Vec::new(), Vec::new());
        for (view, asks) in &views {
            let known = (&view.orientations, view.detail.as_ref().and_then(|detail| detail.orientations.as_ref()));
            let (Some(pdq), Some(detail)) = known else { continue };
            let (pdq, detail) = (pdq.all(), detail.all());
            if view.view == View::Full {
                self.wholes(&pdq, &detail, &mut out);
            }
            for (pdq, detail) in pdq.iter().zip(detail.iter()) {
                for (pdq, hash) in [(*pdq, *detail), (pdq.complement(), detail.complement())] {
                    queries.push(Query::new(hash, MAX_DISTANCE));
                    looks.push((view.view, pdq, *asks));
                }
            }
        }
        let mut hits = Vec::new();
        // Whether a long list comes upon each reference, within the default radii and beyond, under each preset.
        let mut met = vec![[[false; 2]; 3]; self.len()];
        let near = |view: View, distance: u32| distance <= self.near.saturating_sub(least_slack(view));
        self.details.visit(&queries, |hit| {
            let (view, _, asks) = &looks[hit.query as usize];
            let stored = &self.stored[self.starts[hit.id.owner() as usize] + hit.id.ordinal() as usize];
            for (i, set) in PRESETS.into_iter().enumerate() {
                let query = queries[hit.query as usize].certain(set.certain_distance());
                if asks[i] && stored.kept[i] && query.finds(&stored.detail) {
                    met[stored.owner][i][usize::from(!near(*view, hit.distance))] = true;
                }
            }
            hits.push((hit, stored));
            ControlFlow::Continue(())
        })?;
        for (hit, stored) in hits {
            let (view, pdq, asks) = &looks[hit.query as usize];
            let counts: [bool; 3] = std::array::from_fn(|i| {
                let [within, beyond] = met[stored.owner][i];
                let met = within || beyond && !near(*view, hit.distance);
                asks[i] && stored.kept[i] && met
            });
            let mut score = DETAIL_RADIUS as f32 - slack(*view, stored.view) as f32 - hit.distance as f32;
            let Compared { scores, whole_search, .. } = &mut out[stored.owner];
            let (scores, whole_search) = (&mut scores[2..], &mut whole_search[2..]);
            let whole = !view.is_window() && !stored.view.is_window();
            // PDQ alone may say more of two whole pictures; then it is the one that counts.
            let alone = whole && hit.distance <= self.near;
            let kept: [bool; 3] = std::array::from_fn(|i| asks[i] && stored.kept[i]);
            let better = (0..3).any(|i| kept[i] && (alone || score > scores[i] || score > whole_search[i]));
            let distance = if better { pdq.distance(&stored.pdq) } else { 256 };
            if alone && distance <= PDQ_RADIUS {
                score = score.max(PDQ_RADIUS as f32 - distance as f32);
            }
            if distance <= PDQ_LIMIT {
                for i in 0..3 {
                    if kept[i] {
                        whole_search[i] = whole_search[i].max(score);
                    }
                    if counts[i] {
                        scores[i] = scores[i].max(score);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Whole pictures: how far they are in any case, and plain PDQ.
    fn wholes(&self, pdq: &[Hash; 8], detail: &[Hash; 8], out: &mut [Compared]) {
        for stored in self.stored.iter().filter(|stored| stored.view == View::Full) {
            let distances = |of: &[Hash; 8], to: &Hash| of.map(|hash| hash.distance(to));
            let either = |of: [u32; 8]| of.into_iter().map(|d| d.min(256 - d)).min().unwrap_or(256);
            let from = distances(pdq, &stored.pdq);
            let nearest = either(from);
            let compared = &mut out[stored.owner];
            compared.scores[0] = PDQ_RADIUS as f32 - from[0] as f32;
            compared.scores[1] = PDQ_RADIUS as f32 - nearest as f32;
            compared.whole_search[..2].copy_from_slice(&compared.scores[..2]);
            compared.whole = Some([nearest as u16, either(distances(detail, &stored.detail)) as u16]);
        }
    }

    /// The scores of the classic hashes for one reference: their negative distances, minus infinity where one is missing.
    /// Empty if either side has none.
    pub fn classic(&self, asked: &Asked, reference: usize) -> impl Iterator<Item = f32> {
        let pairs = asked.classic.iter().zip(&self.classic[reference]);
        pairs.map(|(a, b)| a.zip(*b).map_or(f32::NEG_INFINITY, |(a, b)| -(a.distance(&b) as f32)))
    }
}

fn asks(view: View, boxed: bool) -> [bool; 3] {
    PRESETS.map(|set| set.asks(view, boxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::picture::Picture;
    use crate::eval::random::Random;

    /// Soft blocks of random grey.
    fn scene(k: usize) -> Picture {
        let random = &mut Random::keyed(3, &[&k.to_string()]);
        let levels: Vec<u8> = (0..400).map(|_| random.below(256) as u8).collect();
        Picture::from_fn(600, 480, |x, y| [levels[y / 24 * 20 + x / 30]; 3]).blur(3.0)
    }

    #[test]
    fn a_list_knows_its_pictures_in_every_orientation() {
        let known: Vec<Known> = (0..4).map(|k| Known::new(&scene(k).to_pixels().unwrap().as_pixels(), true)).collect();
        let folder = tempfile::tempdir().unwrap();
        let list = List::new(&known, &folder.path().join("list"), &Cancel::new()).unwrap();
        assert_eq!(list.len(), 4);
        for k in 0..4 {
            let turned = scene(k).quarter().map(|v| 255.0 - v);
            let pixels = turned.to_pixels().unwrap();
            let asked = Asked::new(&pixels.as_pixels()).with_classic(&pixels.as_pixels());
            let compared = list.ask(&asked).unwrap();
            for (i, compared) in compared.iter().enumerate() {
                assert_eq!(compared.scores[1] >= 0.0, i == k, "{i} {k}: {compared:?}");
                assert_eq!(compared.scores[2] >= 0.0, i == k, "{i} {k}: {compared:?}");
                // A richer preset never scores lower.
                assert!(compared.scores[2] <= compared.scores[3] && compared.scores[3] <= compared.scores[4]);
            }
            assert!(
                compared[k].scores[0] < 0.0 && compared[k].whole.is_some_and(|[pdq, detail]| pdq <= 31 && detail <= 96)
            );
            assert_eq!(list.classic(&asked, 0).count(), 6);
            assert_eq!(asked.look_ups(Method::None), 16);
            assert_eq!(known[k].entries(Method::None), 2);
        }
    }
}
