//! How close two pictures are: the decision by both hashes.
//!
//! PDQ alone is trusted up to the customary radius, for whole pictures. Further out, unrelated pictures in one template
//! (a channel's lower third, a telephone's screen) come near each other, so that the detail hash must agree as well; it
//! keeps nine copies out of ten there and hardly any of those strangers. The radii were measured: docs/recall.md.

use super::Pair;
use crate::fingerprint::{View, Window};

/// PDQ hashes further apart than this are never one picture, whatever the detail hash says.
pub(crate) const PDQ_LIMIT: u32 = 95;
/// The default radius of PDQ alone, inclusive: the customary one.
pub(crate) const PDQ_RADIUS: u32 = 31;
/// The default radius of the detail hash, inclusive, where the pictures may come closest: a large window against a whole
/// picture. Strangers in one template differ there, since a window cuts the template in another place.
pub(crate) const DETAIL_RADIUS: u32 = 70;
/// So much closer two whole pictures must be, for the sake of templates.
const WHOLES: u32 = 10;
/// So much closer a window of at most half of its picture must be: it may show little more than one shape.
const SMALL: u32 = 14;
/// So much closer the detail hashes must be if both sides are only parts of their pictures: there are hundreds of such
/// pairs, and parts of a template are alike.
const PARTS: u32 = 28;
/// The same between two films.
const FILM_PARTS: u32 = 20;

/// What is taken off the detail radius for a pair of views.
pub(crate) const fn slack(query: View, reference: View) -> u32 {
    let (view, other) = if query.is_window() { (query, reference) } else { (reference, query) };
    match view {
        _ if other.is_window() => PARTS,
        View::Window(window) => {
            let width = window.right.saturating_sub(window.left);
            let height = window.bottom.saturating_sub(window.top);
            if width as u32 * height as u32 <= 5000 { SMALL } else { 0 }
        }
        View::Upright => SMALL,
        _ => WHOLES,
    }
}

/// The least that is ever taken off for a view of a query, whatever it is held against: so much closer its hash may be
/// looked up.
pub(crate) const fn least_slack(query: View) -> u32 {
    let (whole, wide) = (slack(query, View::Full), slack(query, WIDE));
    if whole < wide { whole } else { wide }
}

/// A window that may come as close as any.
const WIDE: View = View::Window(Window::centred(90));

/// The same between two films, where several pairs have to agree in time as well.
pub(crate) const fn film_slack(query: View, reference: View) -> u32 {
    if query.is_window() && reference.is_window() { FILM_PARTS } else { 0 }
}

/// The radii of a question, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Radii {
    /// PDQ alone: a match, unless both have detail hashes that are not even near as they stand. Where both have one,
    /// pictures are looked up by that, so that it does not matter what else is known.
    pub(crate) pdq: u32,
    /// PDQ alone, where there is no detail hash: near.
    pub(crate) pdq_near: u32,
    /// Detail hash, with PDQ within [`PDQ_LIMIT`] where that is known: a match. `None` if it is not asked.
    pub(crate) detail: Option<u32>,
    /// The same: near.
    pub(crate) detail_near: Option<u32>,
}

/// How close a pair is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    /// Close enough for a match.
    Match,
    /// Close enough for a person to look.
    Near,
    /// Neither.
    Far,
}

impl Radii {
    /// How close `pair` is under these radii.
    pub(crate) fn judge(&self, pair: &Pair) -> Closeness {
        let slack = slack(pair.look.view, pair.view);
        let whole = ![pair.look.view, pair.view].iter().any(|view| view.is_window());
        let witnessed = |radius: Option<u32>| {
            pair.distance.is_none_or(|distance| distance <= PDQ_LIMIT)
                && pair.detail.zip(radius).is_some_and(|(detail, radius)| detail + slack <= radius)
        };
        let alone = self.detail.is_none() || pair.detail.is_none();
        let unlike = pair.detail.zip(self.detail_near).is_some_and(|(detail, near)| detail > near);
        let within = |radius: u32| pair.distance.is_some_and(|distance| distance <= radius);
        if whole && within(self.pdq) && !unlike || witnessed(self.detail) {
            Closeness::Match
        } else if witnessed(self.detail_near) || alone && whole && within(self.pdq_near) {
            Closeness::Near
        } else {
            Closeness::Far
        }
    }
}
