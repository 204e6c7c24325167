//! From hits to answers: which of a query's hashes are asked, what the hits on one reference amount to, and the verdict.

pub mod align;
mod borders;
mod closeness;
mod compare;
mod course;
mod film;
mod looks;
mod moments;
mod parts;
mod profile;
mod runs;
mod segment;
mod settle;
mod shots;
mod sighting;
mod still;
mod tracks;
mod turn;
mod verdict;

pub use segment::{Coverage, Segment};
pub use verdict::{Match, Outcome, Verdict};

pub(crate) use closeness::{Closeness, DETAIL_RADIUS, PDQ_LIMIT, PDQ_RADIUS, Radii, film_slack, least_slack, slack};
pub(crate) use film::{Altered, LEEWAY, MORE_LEEWAY, films, hint_of_a_segment};
pub(crate) use looks::{Item, Laid, Look, Looks, by_pdq, inverse, items};
pub(crate) use segment::union;
pub(crate) use still::{Pair, best, still_in_film};
