//! Views: named sub-pictures that are hashed on their own, so that borders, captions, crops and collages do not matter.
//!
//! Which views are taken on which side, and what that costs, was settled by the recall benchmark (docs/recall.md).

use crate::image::canvas::{Area, Canvas};
use crate::image::content_box;

/// A view is a named sub-picture that is hashed on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub enum View {
    /// The whole upright picture.
    Full,
    /// The content box: what is left when borders, bars and caption strips are taken off.
    Content,
    /// A part of the content box, in per cent of its width and height from its upper left corner; of a film, the part above the
    /// lower third is of the whole picture.
    Window(Window),
    /// The picture within the picture of a film: the part that moves, or what straight edges that stay mark off. Only
    /// queries ask for it: what is around it is of the copy.
    Inner,
    /// The middle of a film in the shape of a telephone held upright, 9:16. Only references are stored with it.
    Upright,
}

/// A part of the content box, in per cent of its width and height; `left < right <= 100`, `top < bottom <= 100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct Window {
    /// Its left edge.
    pub left: u8,
    /// Its upper edge.
    pub top: u8,
    /// Its right edge, exclusive.
    pub right: u8,
    /// Its lower edge, exclusive.
    pub bottom: u8,
}

impl Window {
    /// A window from its edges in per cent.
    pub const fn new(left: u8, top: u8, right: u8, bottom: u8) -> Self {
        Self { left, top, right, bottom }
    }

    /// The window of `size` per cent a side in the middle, one more if that is odd; above 100 is as 100.
    pub const fn centred(size: u8) -> Self {
        let margin = 100u8.saturating_sub(size) / 2;
        Self { left: margin, top: margin, right: 100 - margin, bottom: 100 - margin }
    }

    fn area(self) -> Area {
        let fraction = |percent: u8| f64::from(percent.min(100)) / 100.0;
        Area {
            left: fraction(self.left),
            top: fraction(self.top),
            right: fraction(self.right),
            bottom: fraction(self.bottom),
        }
    }
}

impl View {
    /// Whether it is a part of the picture that is the same whatever the picture shows.
    pub const fn is_window(self) -> bool {
        matches!(self, Self::Window(_) | Self::Upright)
    }

    /// The word used in JSON: `full`, `content`, `inner`, `upright`, or `window:` and the edges in per cent, as `window:0,0,50,100`.
    pub fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::Content => "content".into(),
            Self::Inner => "inner".into(),
            Self::Upright => "upright".into(),
            Self::Window(Window { left, top, right, bottom }) => format!("window:{left},{top},{right},{bottom}"),
        }
    }
}

/// Which views are taken of references and of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub enum ViewSet {
    /// One view: the content box of a picture that has one, or else the whole picture.
    None,
    /// The whole picture, its content box and eleven windows; queries ask for nine.
    #[default]
    Standard,
    /// The same queries against 29 windows of each reference.
    Thorough,
    /// For uploads that are remembered, where the sides change places: what a query of [`ViewSet::Thorough`] asks for is
    /// kept, and what its references keep is asked for.
    Uploads,
    /// The whole picture only, with or without borders: enough to compare files with each other, and in no bank.
    Whole,
}

impl ViewSet {
    /// The word used on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Thorough => "thorough",
            Self::Uploads => "uploads",
            Self::Whole => "whole",
        }
    }

    /// How near, in bits of the detail hash, a part of a still is found in a long list for certain, inclusive, and the whole
    /// of it within 31; most of what is further off and within the radius is found as well: docs/recall.md has how many, and
    /// the time.
    pub const fn certain_distance(self) -> u32 {
        match self {
            Self::Standard => 19,
            _ => 31,
        }
    }

    /// The windows that references of this set are stored with.
    pub fn reference_windows(self) -> &'static [Window] {
        match self {
            Self::None | Self::Whole => &[],
            Self::Standard => STANDARD_REFERENCE_WINDOWS,
            Self::Thorough => THOROUGH_REFERENCE_WINDOWS,
            Self::Uploads => QUERY_WINDOWS,
        }
    }

    /// The windows that queries of this set ask for.
    pub fn query_windows(self) -> &'static [Window] {
        match self {
            Self::None | Self::Whole => &[],
            Self::Standard | Self::Thorough => QUERY_WINDOWS,
            Self::Uploads => THOROUGH_REFERENCE_WINDOWS,
        }
    }

    /// The windows of either side, each once.
    pub fn windows(self) -> Vec<Window> {
        let mut windows = self.reference_windows().to_vec();
        windows.extend(self.query_windows().iter().filter(|w| !self.reference_windows().contains(w)));
        windows
    }

    /// The windows that the films among the references of this set are stored with, each every two seconds.
    pub fn film_reference_windows(self) -> &'static [Window] {
        match self {
            Self::None | Self::Whole => &[],
            Self::Standard | Self::Thorough => FILM_REFERENCE_WINDOWS,
            Self::Uploads => FILM_QUERY_WINDOWS,
        }
    }

    /// The windows that the films among the queries of this set ask for.
    pub fn film_query_windows(self) -> &'static [Window] {
        match self {
            Self::None | Self::Whole => &[],
            Self::Standard | Self::Thorough => FILM_QUERY_WINDOWS,
            Self::Uploads => FILM_REFERENCE_WINDOWS,
        }
    }

    /// The windows of either side of films, each once.
    pub fn film_windows(self) -> Vec<Window> {
        let mut windows = self.film_reference_windows().to_vec();
        windows.extend(self.film_query_windows().iter().filter(|w| !self.film_reference_windows().contains(w)));
        windows
    }

    /// Whether parts of films are taken.
    pub(crate) const fn cuts_films(self) -> bool {
        !matches!(self, Self::None | Self::Whole)
    }

    /// Whether a film among the references of this set has an entry for `view`.
    pub fn stores_of_film(self, view: View) -> bool {
        match view {
            View::Window(window) => self.film_reference_windows().contains(&window),
            View::Content => self.cuts_films(),
            other => self.stores(other, false),
        }
    }

    /// Whether a film among the queries of this set asks for `view`.
    pub fn asks_of_film(self, view: View) -> bool {
        match view {
            View::Window(window) => self.film_query_windows().contains(&window),
            View::Content => self.cuts_films(),
            other => self.asks(other, false),
        }
    }

    /// Whether a still among the references of this set is found by the detail hash of `view`; `boxed` if it has a content
    /// box. The PDQ hash of the whole picture is kept in any case, for plain hashes to be asked about.
    pub fn stores(self, view: View, boxed: bool) -> bool {
        match view {
            View::Full => self != Self::None || !boxed,
            View::Content => self != Self::Whole,
            View::Inner => self == Self::Uploads,
            View::Upright => self.cuts_films() && self != Self::Uploads,
            View::Window(window) => self.reference_windows().contains(&window),
        }
    }

    /// Whether a still among the queries of this set asks for the detail hash of `view`; `boxed` if it has a content box.
    pub fn asks(self, view: View, boxed: bool) -> bool {
        match view {
            View::Full => self != Self::None || !boxed,
            View::Content => self != Self::Whole,
            View::Inner => self.cuts_films() && self != Self::Uploads,
            View::Upright => self == Self::Uploads,
            View::Window(window) => self.query_windows().contains(&window),
        }
    }
}

/// The middle, and one side a tenth or a quarter shorter: eleven windows that most crops come near.
const STANDARD_REFERENCE_WINDOWS: &[Window] = &[
    Window::centred(90),
    Window::centred(80),
    Window::centred(70),
    Window::new(10, 0, 100, 100),
    Window::new(0, 0, 90, 100),
    Window::new(0, 10, 100, 100),
    Window::new(0, 0, 100, 90),
    Window::new(25, 0, 100, 100),
    Window::new(0, 0, 75, 100),
    Window::new(0, 25, 100, 100),
    Window::new(0, 0, 100, 75),
];

/// The middle; one side a tenth to a half shorter; a corner cut; the usual shapes out of wide pictures.
const THOROUGH_REFERENCE_WINDOWS: &[Window] = &[
    Window::centred(90),
    Window::centred(80),
    Window::centred(70),
    Window::centred(50),
    Window::new(10, 0, 100, 100),
    Window::new(0, 0, 90, 100),
    Window::new(0, 10, 100, 100),
    Window::new(0, 0, 100, 90),
    Window::new(20, 0, 100, 100),
    Window::new(0, 0, 80, 100),
    Window::new(0, 20, 100, 100),
    Window::new(0, 0, 100, 80),
    Window::new(30, 0, 100, 100),
    Window::new(0, 0, 70, 100),
    Window::new(0, 30, 100, 100),
    Window::new(0, 0, 100, 70),
    Window::new(50, 0, 100, 100),
    Window::new(0, 0, 50, 100),
    Window::new(0, 50, 100, 100),
    Window::new(0, 0, 100, 50),
    Window::new(10, 10, 100, 100),
    Window::new(0, 10, 90, 100),
    Window::new(10, 0, 100, 90),
    Window::new(0, 0, 90, 90),
    Window::new(25, 25, 100, 100),
    Window::new(0, 25, 75, 100),
    Window::new(25, 0, 100, 75),
    Window::new(0, 0, 75, 75),
    Window::new(12, 0, 88, 100),
];

/// What crops leave of a film; and all but the foot, for banners over the picture.
const FILM_REFERENCE_WINDOWS: &[Window] = &[
    Window::centred(90),
    Window::centred(80),
    ABOVE_LOWER_THIRD,
    Window::new(10, 0, 100, 100),
    Window::new(0, 0, 90, 100),
    Window::new(0, 10, 100, 100),
    Window::new(0, 0, 100, 90),
];

/// All but the foot of a film, whatever lies over that. Both sides have it.
pub(crate) const ABOVE_LOWER_THIRD: Window = Window::new(0, 0, 100, 75);

const FILM_QUERY_WINDOWS: &[Window] = &[ABOVE_LOWER_THIRD];

/// As [`of_content`] for a film, where all above the lower third is a part of the whole picture: a banner is often taken for
/// the bar that it looks like, so that what lies above it in the content box is another picture in every film.
pub(crate) fn of_film(content: Option<Area>, windows: &[Window]) -> Vec<(View, Area)> {
    let mut parts = of_content(content, windows);
    for (view, area) in &mut parts {
        if *view == View::Window(ABOVE_LOWER_THIRD) {
            *area = ABOVE_LOWER_THIRD.area();
        }
    }
    parts
}

/// Halves and quarters for collages, and the middle for frames and screens that the content box leaves on.
const QUERY_WINDOWS: &[Window] = &[
    Window::new(0, 0, 50, 100),
    Window::new(50, 0, 100, 100),
    Window::new(0, 0, 100, 50),
    Window::new(0, 50, 100, 100),
    Window::new(0, 0, 50, 50),
    Window::new(50, 0, 100, 50),
    Window::new(0, 50, 50, 100),
    Window::new(50, 50, 100, 100),
    Window::centred(90),
];

/// The content box, if there is one, and windows of it, with the part of the picture that each of them is.
///
/// The windows of a picture without a content box are those of the whole.
pub(crate) fn areas(canvas: &Canvas, windows: &[Window]) -> Vec<(View, Area)> {
    of_content(content_box::of_canvas(canvas), windows)
}

/// The same, where the content box is known.
pub(crate) fn of_content(content: Option<Area>, windows: &[Window]) -> Vec<(View, Area)> {
    let base = content.unwrap_or(Area::FULL);
    let content = content.map(|area| (View::Content, area));
    content.into_iter().chain(windows.iter().map(|&w| (View::Window(w), base.within(w.area())))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_areas() {
        assert_eq!(View::Window(Window::new(0, 0, 50, 100)).name(), "window:0,0,50,100");
        assert_eq!(Window::centred(80), Window::new(10, 10, 90, 90));
        assert_eq!([100, 101, 255].map(Window::centred), [Window::new(0, 0, 100, 100); 3]);
        let base = Area { left: 0.0, top: 0.2, right: 1.0, bottom: 0.8 };
        let area = base.within(Window::new(0, 50, 50, 100).area());
        assert!((area.top - 0.5).abs() < 1e-12 && (area.bottom - 0.8).abs() < 1e-12 && area.right == 0.5);
    }

    #[test]
    fn windows_are_well_formed_and_distinct() {
        for set in [ViewSet::None, ViewSet::Standard, ViewSet::Thorough] {
            for list in [set.reference_windows(), set.query_windows()] {
                for (i, w) in list.iter().enumerate() {
                    assert!(w.left < w.right && w.right <= 100 && w.top < w.bottom && w.bottom <= 100);
                    assert!(!list[..i].contains(w));
                }
            }
        }
    }
}
