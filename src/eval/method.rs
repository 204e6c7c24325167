//! The ways of recognising pictures that are compared: the library's presets, plain PDQ, and the classic hashes.

use crate::fingerprint::{ImageFingerprint, View, ViewHash, ViewSet};
use crate::hash::{Algorithm, Hash, Pixels};
use crate::matching::{DETAIL_RADIUS, PDQ_LIMIT, slack};

/// The smallest quality of a hash that is stored or asked, as a bank's default policy has it.
const MIN_QUALITY: u8 = 50;

/// A way of recognising pictures. Its score for a pair is 0 at the edge of a match and higher for surer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// PDQ of the whole picture within 31: everybody's way.
    PlainPdq,
    /// The same in all orientations and inverted.
    DihedralPdq,
    /// The library with [`ViewSet::None`].
    None,
    /// The library with [`ViewSet::Standard`].
    Standard,
    /// The library with [`ViewSet::Thorough`].
    Thorough,
    /// A classic hash of the whole picture; its radius is the widest that no natural stranger is within.
    Classic(Algorithm),
}

/// The radius of plain PDQ.
const PLAIN: f32 = 31.0;

impl Method {
    /// Those that are always run: their scores come out of one comparison.
    pub const LIBRARY: [Self; 5] = [Self::PlainPdq, Self::DihedralPdq, Self::None, Self::Standard, Self::Thorough];

    /// The word used in reports.
    pub fn name(self) -> String {
        match self {
            Self::PlainPdq => "PDQ at 31".into(),
            Self::DihedralPdq => "PDQ at 31, orientations".into(),
            Self::None => "refrain none".into(),
            Self::Standard => "refrain standard".into(),
            Self::Thorough => "refrain thorough".into(),
            Self::Classic(algorithm) => format!("img_hash {}", algorithm.name()),
        }
    }

    fn views(self) -> ViewSet {
        match self {
            Self::Standard => ViewSet::Standard,
            Self::Thorough => ViewSet::Thorough,
            _ => ViewSet::None,
        }
    }

    /// Entries in the index for a reference of so many views.
    pub fn entries(self, reference: &ImageFingerprint) -> usize {
        let views = || reference.views.iter().filter(|v| v.quality >= MIN_QUALITY && self.views().stores(v.view));
        match self {
            Self::None | Self::Standard | Self::Thorough => {
                views().count() + views().filter(|v| !matches!(v.view, View::Window(_))).count()
            }
            _ => 1,
        }
    }

    /// Look-ups that a query of these views costs.
    pub fn look_ups(self, query: &ImageFingerprint) -> usize {
        let views = || query.views.iter().filter(|v| v.quality >= MIN_QUALITY && self.views().asks(v.view));
        match self {
            Self::None | Self::Standard | Self::Thorough => {
                16 * (views().count() + views().filter(|v| !matches!(v.view, View::Window(_))).count())
            }
            Self::DihedralPdq => 16,
            _ => 1,
        }
    }
}

/// A reference as it is compared.
#[derive(Debug)]
pub struct Known {
    views: Vec<(View, Hash, Hash)>,
    /// One hash for each of [`Algorithm::ALL`] but PDQ.
    classic: Vec<Option<Hash>>,
}

/// A query as it is compared.
#[derive(Debug)]
pub struct Asked {
    fingerprint: ImageFingerprint,
    classic: Vec<Option<Hash>>,
}

/// The windows of either side of the richest preset.
fn fingerprint(pixels: &Pixels<'_>) -> ImageFingerprint {
    let mut windows = ViewSet::Thorough.windows();
    windows.extend(ViewSet::Standard.windows());
    windows.sort_unstable();
    windows.dedup();
    ImageFingerprint::with_windows(pixels, &windows)
}

/// The classic hashes of a picture.
pub fn classic(pixels: &Pixels<'_>) -> Vec<Option<Hash>> {
    Algorithm::ALL.iter().skip(1).map(|algorithm| algorithm.hash(pixels)).collect()
}

fn good(view: &&ViewHash) -> bool {
    view.quality >= MIN_QUALITY
}

impl Known {
    /// Fingerprints a reference for every method.
    pub fn new(pixels: &Pixels<'_>, with_classic: bool) -> (Self, ImageFingerprint) {
        let print = fingerprint(pixels);
        let views = print.views.iter().filter(good).filter_map(|v| Some((v.view, v.hash, v.detail.as_ref()?.hash)));
        (Self { views: views.collect(), classic: if with_classic { classic(pixels) } else { Vec::new() } }, print)
    }
}

impl Asked {
    /// Fingerprints a query for every method.
    pub fn new(pixels: &Pixels<'_>, with_classic: bool) -> Self {
        Self { fingerprint: fingerprint(pixels), classic: if with_classic { classic(pixels) } else { Vec::new() } }
    }

    /// The same with the classic hashes.
    #[must_use]
    pub fn with_classic(mut self, pixels: &Pixels<'_>) -> Self {
        self.classic = classic(pixels);
        self
    }

    /// The same picture as a reference.
    pub fn to_known(&self) -> Known {
        let views = self.fingerprint.views.iter().filter(good);
        let views = views.filter_map(|v| Some((v.view, v.hash, v.detail.as_ref()?.hash))).collect();
        Known { views, classic: self.classic.clone() }
    }

    /// What the query costs under a method.
    pub fn look_ups(&self, method: Method) -> usize {
        method.look_ups(&self.fingerprint)
    }

    /// The scores of one pair under [`Method::LIBRARY`], then the classic hashes' negative distances. What is too far to
    /// be asked for has the score of minus infinity.
    pub fn scores(&self, known: &Known) -> Vec<f32> {
        let mut out = [f32::NEG_INFINITY; Method::LIBRARY.len()];
        for asked in self.fingerprint.views.iter().filter(good) {
            let (Some(pdq), Some(detail)) =
                (&asked.orientations, asked.detail.as_ref().and_then(|d| d.orientations.as_ref()))
            else {
                continue;
            };
            let query = [ViewSet::None, ViewSet::Standard, ViewSet::Thorough].map(|set| set.asks(asked.view));
            if !query.contains(&true) {
                continue;
            }
            for (view, known_pdq, known_detail) in &known.views {
                let uses: [bool; 3] = std::array::from_fn(|i| {
                    query[i] && [ViewSet::None, ViewSet::Standard, ViewSet::Thorough][i].stores(*view)
                });
                if !uses.contains(&true) {
                    continue;
                }
                let whole = asked.view == View::Full && *view == View::Full;
                let radius = DETAIL_RADIUS - slack(asked.view, *view);
                for o in 0..8 {
                    let near = detail[o].distance(known_detail);
                    // Beyond 96 nothing is looked up; the whole pictures' PDQ is wanted in any case.
                    if !whole && near.min(256 - near) > 96 {
                        continue;
                    }
                    let distance = pdq[o].distance(known_pdq);
                    for (d, n, inverted) in [(distance, near, false), (256 - distance, 256 - near, true)] {
                        if whole {
                            let plain = PLAIN - d as f32;
                            out[1] = out[1].max(plain);
                            if o == 0 && !inverted {
                                out[0] = out[0].max(plain);
                            }
                        }
                        let witnessed = if d <= PDQ_LIMIT { radius as f32 - n as f32 } else { f32::NEG_INFINITY };
                        let whole_pair = !matches!(asked.view, View::Window(_)) && !matches!(view, View::Window(_));
                        let alone = if whole_pair && d <= 31 { 31.0 - d as f32 } else { f32::NEG_INFINITY };
                        let score = witnessed.max(alone);
                        for (i, used) in uses.iter().enumerate() {
                            if *used {
                                out[2 + i] = out[2 + i].max(score);
                            }
                        }
                    }
                }
            }
        }
        let mut scores = out.to_vec();
        for (a, b) in self.classic.iter().zip(&known.classic) {
            scores.push(a.zip(*b).map_or(f32::NEG_INFINITY, |(a, b)| -(a.distance(&b) as f32)));
        }
        scores
    }
}
