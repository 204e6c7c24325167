//! Which hashes of a film are of one picture, and which pictures of one scene: what shows the same is no second witness.

use crate::fingerprint::{FrameHash, View};
use crate::hash::Hash;
use crate::simd::distance::{Kernels, scan};

/// Hashes within this many bits of the first of a run show the same picture.
const SAME_PICTURE: u32 = 12;
/// Hashes within this many seconds of the first of a run belong to it.
const MOMENT: f64 = 0.4;
/// Pictures within this many bits of the first of a scene belong to it.
const SAME_SCENE: u32 = 40;
/// Plain pictures within this many bits are one scene: two numbers on the same ground are 50 to 110 apart, two pages of text 70
/// to 130.
const SAME_PLAIN: u32 = 70;
/// So many scenes are known again when they come back; of later ones each is another.
const MAX_SCENES: usize = 64;

/// Which picture of a film a hash is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// Equal for hashes of a stretch without motion.
    pub number: u32,
    /// Equal for stretches whose pictures are much alike: one view of a place, numbers on one ground.
    pub scene: u32,
    /// Whether this hash is of a plain picture: one of a run may be and another not.
    pub plain: bool,
}

/// Numbers the hashes of one film, in order of time, by the picture they show. Hashes close to the first of a run belong to
/// it, and so do all views and roles of its first moment: what overlaps in time is no second witness. Pictures are held
/// against one another by PDQ, and in a film that has none by the detail hash.
pub fn runs<'a>(frames: impl IntoIterator<Item = &'a FrameHash>) -> Vec<Run> {
    let frames: Vec<&FrameHash> = frames.into_iter().collect();
    let by_pdq = frames.iter().any(|frame| frame.hash.is_some());
    let mut first: Option<(Hash, f64)> = None;
    let (mut scenes, mut different): (Vec<Hash>, u32) = (Vec::new(), 0);
    let mut known = Vec::new();
    let mut run = Run::default();
    frames
        .into_iter()
        .map(|frame| {
            // What a reference knows by the detail hash alone belongs to the picture before it.
            let shown = if by_pdq { frame.hash } else { frame.detail.as_ref().map(|detail| detail.hash) };
            let hash = shown.filter(|shown| match first {
                None => true,
                Some((hash, time)) => {
                    frame.view == View::Full && frame.time >= time + MOMENT && hash.distance(shown) > SAME_PICTURE
                }
            });
            if let Some(hash) = hash {
                run.number += u32::from(first.is_some());
                first = Some((hash, frame.time));
                let most = if frame.plain { SAME_PLAIN } else { SAME_SCENE };
                known.clear();
                scan(Kernels::current(), &scenes, &hash, most, &mut known);
                run.scene = match known.first() {
                    Some(&(number, _)) => number,
                    None => {
                        if scenes.len() < MAX_SCENES {
                            scenes.push(hash);
                        }
                        different += 1;
                        different - 1
                    }
                };
            }
            Run { plain: frame.plain, ..run }
        })
        .collect()
}
