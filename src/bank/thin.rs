//! Which hashes of a film a reference is stored with. A query is looked at more often, and it is enough if one side of a
//! pair is; the figures behind the bounds are in `docs/design-video.md`.

use std::collections::BTreeMap;

use crate::fingerprint::{FrameHash, Role, View, ViewSet};

/// The shortest time between two hashes of one window of the picture, in seconds.
const WINDOW: f64 = 1.9;
/// The shortest time between two means over time.
const MEAN: f64 = 1.4;

/// What is kept of the hashes of a film, in order of time, as they lie. Films that were sampled in another way than by means over
/// time, as lists of every frame are, keep all hashes of the views that the set has.
pub(super) fn thinned(frames: &[FrameHash], views: ViewSet) -> Vec<FrameHash> {
    let mixed = frames.iter().any(|frame| frame.role == Role::Window);
    let covered = frames.iter().any(|frame| frame.role == Role::Cover);
    let mut state = State { covered, ..State::default() };
    let kept = frames.iter().filter(|frame| (!mixed || state.keeps(frame)) && views.stores_of_film(frame.view));
    kept.map(FrameHash::as_it_lies).collect()
}

#[derive(Default)]
struct State {
    /// Whether there are frames that stand for all others; in lists of older programs there are none.
    covered: bool,
    windows: BTreeMap<View, f64>,
    mean: Option<f64>,
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
            // Frames by the clock would be entries more: covering frames lie as near to them, and find stills as well.
            (View::Full, role) => self.whole = role == Role::Cover || !self.covered,
            _ => {}
        }
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    fn hash(time: f64, role: Role, view: View, bits: u32) -> FrameHash {
        let mut hash = Hash::default();
        (0..bits as usize).for_each(|k| hash.0[k / 8] |= 1 << (k % 8));
        FrameHash::of_hashes(time, role, view, hash, None)
    }

    #[test]
    fn a_reference_keeps_what_is_due_and_the_parts_of_that() {
        let frames = vec![
            hash(0.0, Role::Cover, View::Full, 0),
            hash(0.0, Role::Cover, View::Content, 0),
            hash(0.25, Role::Frame, View::Full, 20),
            hash(0.25, Role::Frame, View::Content, 20),
            hash(0.3, Role::Cover, View::Full, 60),
            hash(0.7, Role::Window, View::Full, 0),
            hash(0.7, Role::Window, View::Inner, 0),
            hash(1.2, Role::Window, View::Full, 0),
            hash(1.2, Role::Window, View::Content, 0),
            hash(2.1, Role::Window, View::Full, 0),
        ];
        let kept = |frames: Vec<FrameHash>, views| -> Vec<(f64, View)> {
            thinned(&frames, views).iter().map(|frame| (frame.time, frame.view)).collect()
        };
        let (full, content) = (View::Full, View::Content);
        let all = [(0.0, full), (0.0, content), (0.3, full), (0.7, full), (2.1, full)];
        assert_eq!(kept(frames.clone(), ViewSet::Standard), all);
        assert_eq!(kept(frames.clone(), ViewSet::None).len(), 4, "whole pictures alone");
        // A list of an older program has frames by the clock alone.
        let older = frames.into_iter().filter(|frame| frame.role != Role::Cover).collect();
        assert_eq!(kept(older, ViewSet::Standard), [(0.25, full), (0.25, content), (0.7, full), (2.1, full)]);
    }

    #[test]
    fn a_list_of_every_frame_is_kept_whole() {
        let list: Vec<FrameHash> = (0..50).map(|i| hash(f64::from(i) * 0.04, Role::Frame, View::Full, 3)).collect();
        assert_eq!(thinned(&list, ViewSet::Standard), list);
    }
}
