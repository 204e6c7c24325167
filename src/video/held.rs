//! The parts of the picture that were found for a while, so that they are asked for where they are not found.
//!
//! Bars, captions and screens stay through a whole upload, while what they are told by comes and goes: in a dark scene the borders of
//! the content box lie elsewhere, and a film over a film is only marked off once its edges have stood for seconds.

use std::collections::VecDeque;

use super::grid::Grid;
use crate::fingerprint::Role;
use crate::image::canvas::Area;

/// Windows of time in which a part has to be found.
const OFTEN: u32 = 3;
/// Seconds for which it is remembered, and for which windows are held for what is found later; of these no more than [`MOST`].
const REMEMBERED: f64 = 20.0;
const MOST: usize = 40;
/// Parts that are hashed in a window because they were found later, at most.
const MORE: u8 = 2;
/// Two parts whose borders are no further apart are the same.
const SAME: f64 = 0.02;

/// How far the borders of two parts of a picture are from each other, at most.
fn apart(a: Area, b: Area) -> f64 {
    let sides = [a.left - b.left, a.top - b.top, a.right - b.right, a.bottom - b.bottom];
    sides.into_iter().fold(0.0, |most, side| f64::max(most, side.abs()))
}

/// Whether two parts are the same.
pub(super) fn same(a: Area, b: Area) -> bool {
    apart(a, b) <= SAME
}

/// A window of time or a frame that was hashed.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) time: f64,
    pub(super) role: Role,
    pub(super) grid: Grid,
    pub(super) plain: bool,
    /// The parts that were hashed.
    parts: [Option<Area>; 3],
    more: u8,
}

impl Past {
    pub(super) fn new(time: f64, role: Role, grid: Grid, plain: bool, parts: [Option<Area>; 3]) -> Self {
        Self { time, role, grid, plain, parts, more: 0 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Found {
    area: Area,
    windows: u32,
    last: f64,
}

/// What was found in the last windows.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    found: Vec<Found>,
    past: VecDeque<Past>,
}

impl Held {
    /// Time passes in which nothing changes.
    pub(super) fn stand(&mut self, seconds: f64) {
        self.found.iter_mut().for_each(|found| found.last += seconds);
        self.past.iter_mut().for_each(|past| past.time += seconds);
    }

    /// Takes the parts that were found in one more window, and names one that was not found often enough before: the last, if both are.
    pub(super) fn see(&mut self, now: f64, parts: [Option<Area>; 2]) -> Option<Area> {
        self.found.retain(|found| now - found.last < REMEMBERED);
        while self.past.front().is_some_and(|past| now - past.time >= REMEMBERED) {
            self.past.pop_front();
        }
        let mut new = None;
        for area in parts.into_iter().flatten() {
            match self.found.iter_mut().find(|found| same(found.area, area)) {
                Some(found) if found.last == now => {}
                Some(found) => {
                    found.windows += 1;
                    (found.area, found.last) = (area, now);
                    if found.windows == OFTEN {
                        new = Some(area);
                    }
                }
                None => self.found.push(Found { area, windows: 1, last: now }),
            }
        }
        new
    }

    /// The part that was found most often, unless it is one of these.
    pub(super) fn usual(&self, parts: [Option<Area>; 2]) -> Option<Area> {
        let here = |area: Area| parts.into_iter().flatten().any(|part| same(part, area));
        let often = self.found.iter().filter(|found| found.windows >= OFTEN);
        often.max_by_key(|found| found.windows).map(|found| found.area).filter(|area| !here(*area))
    }

    /// The windows held in which a part was not hashed, which it is from now on; but for those in which [`MORE`] others were already.
    pub(super) fn without(&mut self, area: Area) -> impl Iterator<Item = &Past> {
        self.past.iter_mut().filter_map(move |past| {
            let hashed = past.parts.into_iter().flatten().any(|part| same(part, area));
            if hashed || past.more == MORE {
                return None;
            }
            past.more += 1;
            Some(&*past)
        })
    }

    /// Holds a window that was hashed.
    pub(super) fn hold(&mut self, past: Past) {
        if self.past.len() == MOST {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(top: f64) -> Option<Area> {
        Some(Area { left: 0.0, top, right: 1.0, bottom: 1.0 })
    }

    #[test]
    fn a_part_is_held_once_it_was_found_often_and_until_it_was_missing_for_long() {
        let mut held = Held::default();
        let window = |time: f64, area| Past::new(time, Role::Window, Grid::default(), false, [area, None, None]);
        // A part that is hardly another one is the same; one that was seen twice is none.
        for (at, top) in [(1.0, 0.4), (2.0, 0.2), (3.0, 0.21), (4.0, 0.4)] {
            assert_eq!(held.see(at, [part(top), None]), None, "{at}");
            assert_eq!(held.usual([None, None]), None);
            held.hold(window(at, part(top)));
        }
        assert_eq!(held.see(6.0, [part(0.8), part(0.2)]), part(0.2));
        let without: Vec<f64> = held.without(part(0.2).unwrap()).map(|past| past.time).collect();
        assert_eq!(without, [1.0, 4.0]);
        assert_eq!(held.usual([part(0.8), None]), part(0.2));
        assert_eq!(held.usual([part(0.19), None]), None, "it is there by itself");
        assert_eq!(held.see(7.0, [part(0.2), part(0.2)]), None, "named before");
        assert_eq!(held.see(26.9, [None, None]), None);
        assert_eq!(held.usual([None, None]), part(0.2));
        assert_eq!(held.see(27.0, [None, None]), None);
        assert_eq!(held.usual([None, None]), None);
        assert_eq!(held.without(part(0.9).unwrap()).count(), 0);
    }

    #[test]
    fn no_more_windows_are_held_than_there_is_room_for() {
        let mut held = Held::default();
        for at in 0..100 {
            let time = f64::from(at) / 10.0;
            held.see(time, [None, None]);
            held.hold(Past::new(time, Role::Window, Grid::default(), false, [None; 3]));
        }
        let more = [0.1, 0.3, 0.5].map(|top| held.without(part(top).unwrap()).count());
        assert_eq!(more, [MOST, MOST, 0]);
    }
}
