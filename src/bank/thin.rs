//! Which hashes of a film a reference is stored with. A query is looked at more often, and it is enough if one side of a
//! pair is; the figures behind the bounds are in `docs/design-video.md`.

use std::collections::BTreeMap;

use crate::fingerprint::{FrameHash, Role, View, ViewSet};
use crate::hash::Hash;

/// The shortest time between two hashes of one window of the picture, in seconds.
const WINDOW: f64 = 1.9;
/// The shortest time between two means over time.
const MEAN: f64 = 0.9;
/// The shortest time between two frames.
const FRAME: f64 = 0.4;
/// A frame that differs from the last one by fewer bits is not kept.
const CHANGED: u32 = 24;

/// What is kept of the hashes of a film, in order of time. Films that were sampled in another way than by means over
/// time, as lists of every frame are, keep all hashes of the views that the set has.
pub(super) fn thinned(frames: Vec<FrameHash>, views: ViewSet) -> Vec<FrameHash> {
    let mixed = frames.iter().any(|frame| frame.role == Role::Window);
    let mut state = State::default();
    frames.into_iter().filter(|frame| (!mixed || state.keeps(frame)) && views.stores_of_film(frame.view)).collect()
}

#[derive(Default)]
struct State {
    windows: BTreeMap<View, f64>,
    mean: Option<f64>,
    single: Option<(f64, Hash)>,
    /// The whole picture comes first, and what is taken of its parts goes with it.
    whole: bool,
}

impl State {
    fn keeps(&mut self, frame: &FrameHash) -> bool {
        let due = |last: Option<f64>, gap: f64| last.is_none_or(|last| frame.time >= last + gap);
        match (frame.view, frame.role) {
            (View::Window(_) | View::Upright, _) => {
                let keep = due(self.windows.get(&frame.view).copied(), WINDOW);
                if keep {
                    self.windows.insert(frame.view, frame.time);
                }
                return keep;
            }
            (View::Full, Role::Window) => {
                self.whole = due(self.mean, MEAN);
                if self.whole {
                    self.mean = Some(frame.time);
                }
            }
            // An anchor is chosen again in a copy, but so are frames that changed enough, and those find stills too.
            (View::Full, Role::Anchor) => self.whole = false,
            (View::Full, Role::Frame | Role::Keyframe) => {
                let changed = |(_, hash): (f64, Hash)| frame.hash.distance(&hash) >= CHANGED;
                self.whole = due(self.single.map(|(time, _)| time), FRAME) && self.single.is_none_or(changed);
                if self.whole {
                    self.single = Some((frame.time, frame.hash));
                }
            }
            _ => {}
        }
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(time: f64, role: Role, view: View, bits: u32) -> FrameHash {
        let mut hash = Hash::default();
        (0..bits as usize).for_each(|k| hash.0[k / 8] |= 1 << (k % 8));
        FrameHash { time, role, view, hash, quality: 100, stability: 1.0, orientations: None, detail: None }
    }

    #[test]
    fn a_reference_keeps_what_is_due_and_the_parts_of_that() {
        let frames = vec![
            hash(0.0, Role::Keyframe, View::Full, 0),
            hash(0.0, Role::Keyframe, View::Content, 0),
            hash(0.5, Role::Frame, View::Full, 23),
            hash(0.5, Role::Frame, View::Content, 23),
            hash(0.6, Role::Frame, View::Full, 24),
            hash(0.7, Role::Window, View::Full, 0),
            hash(0.7, Role::Window, View::Inner, 0),
            hash(0.8, Role::Anchor, View::Full, 0),
            hash(0.8, Role::Anchor, View::Content, 0),
            hash(1.2, Role::Window, View::Full, 0),
            hash(1.2, Role::Window, View::Content, 0),
            hash(1.7, Role::Window, View::Full, 0),
        ];
        let kept: Vec<(f64, View)> =
            thinned(frames.clone(), ViewSet::Standard).iter().map(|frame| (frame.time, frame.view)).collect();
        let (full, content) = (View::Full, View::Content);
        assert_eq!(kept, [(0.0, full), (0.0, content), (0.6, full), (0.7, full), (1.7, full)]);
        let none = thinned(frames, ViewSet::None);
        assert!(none.iter().all(|frame| frame.view == View::Full) && none.len() == 4);
    }

    #[test]
    fn a_list_of_every_frame_is_kept_whole() {
        let list: Vec<FrameHash> = (0..50).map(|i| hash(f64::from(i) * 0.04, Role::Frame, View::Full, 3)).collect();
        assert_eq!(thinned(list.clone(), ViewSet::Standard), list);
    }
}
