//! The answer to a question: never an empty list that could mean anything.

use super::{Coverage, Segment};
use crate::bank::Action;
use crate::hash::pdq::Transform;

/// What a question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Known: the matches say where from.
    Match,
    /// Known, and among what it matches is a bank whose action is [`Action::Allow`].
    Allowed,
    /// Close to something known, within the second, wider radius only: for a person to look at.
    Near,
    /// Asked, and not known.
    NoMatch,
    /// Could not be asked: too plain or too small to be told from others.
    TooLittleDetail,
    /// Could not be read at all.
    Unreadable,
}

impl Outcome {
    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Allowed => "allowed",
            Self::Near => "near",
            Self::NoMatch => "no_match",
            Self::TooLittleDetail => "too_little_detail",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One reference that the query shows, and the evidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// The bank of the reference.
    pub bank: String,
    /// The id of the reference.
    pub reference: String,
    /// What the bank asks for.
    pub action: Action,
    /// True if only the wider radius was met, or if two films share less than the bank asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub near: bool,
    /// The smallest distance found, between PDQ hashes; of a film that is known there by its detail hashes alone, between those.
    pub distance: u32,
    /// The distance of the detail hashes of the same pair, where both sides have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_distance: Option<u32>,
    /// The lower of the two qualities behind that distance.
    pub quality: u8,
    /// What was done to the reference: `query = transform(reference)`.
    pub transform: Transform,
    /// Whether the query is the negative of the reference.
    pub inverted: bool,
    /// Which part of the query matched.
    pub query_view: String,
    /// Which part of the reference it matched.
    pub reference_view: String,
    /// Which share of the films the intervals cover, if one of the two is a film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// The matched intervals if one of the two is a film, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// The matches, best first.
    pub matches: Vec<Match>,
    /// What of the store is damaged and could not be asked, if that was allowed by
    /// [`AskOptions::despite_damage`](crate::bank::AskOptions::despite_damage); the answer is that of the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
}

impl Verdict {
    /// An answer without matches.
    pub fn empty(outcome: Outcome) -> Self {
        Self { outcome, matches: Vec::new(), damage: Vec::new() }
    }

    /// The answer that these matches amount to.
    pub(crate) fn of(mut matches: Vec<Match>) -> Self {
        matches.sort_by(|a, b| {
            (a.near, a.distance, &a.bank, &a.reference).cmp(&(b.near, b.distance, &b.bank, &b.reference))
        });
        let outcome = match matches.first() {
            None => Outcome::NoMatch,
            Some(first) if first.near => Outcome::Near,
            Some(_) if matches.iter().any(|found| !found.near && found.action == Action::Allow) => Outcome::Allowed,
            Some(_) => Outcome::Match,
        };
        Self { outcome, matches, damage: Vec::new() }
    }

    /// The same answer, given without what is damaged.
    pub(crate) fn despite(self, damage: Vec<String>) -> Self {
        Self { damage, ..self }
    }

    /// The strictest action that the matches ask for, each that is only near at most [`Action::Review`], since a person has to look at
    /// it; [`Action::Allow`] if the outcome is [`Outcome::Allowed`], `None` if there are none.
    pub fn action(&self) -> Option<Action> {
        let asked = |found: &Match| if found.near { found.action.min(Action::Review) } else { found.action };
        match self.outcome {
            Outcome::Allowed => Some(Action::Allow),
            _ => self.matches.iter().map(asked).max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(action: Action, near: bool) -> Match {
        Match {
            bank: "bank".to_string(),
            reference: "reference".to_string(),
            action,
            near,
            distance: 9,
            detail_distance: None,
            quality: 80,
            transform: Transform::Original,
            inverted: false,
            query_view: "full".to_string(),
            reference_view: "full".to_string(),
            coverage: None,
            segments: Vec::new(),
        }
    }

    #[test]
    fn what_is_only_near_asks_for_no_more_than_a_look() {
        let action = |matches: &[(Action, bool)]| {
            Verdict::of(matches.iter().map(|&(action, near)| found(action, near)).collect()).action()
        };
        assert_eq!(action(&[]), None);
        assert_eq!(action(&[(Action::Block, true)]), Some(Action::Review));
        assert_eq!(action(&[(Action::Observe, false), (Action::Block, true)]), Some(Action::Review));
        assert_eq!(action(&[(Action::Observe, false), (Action::Block, false)]), Some(Action::Block));
        assert_eq!(action(&[(Action::Allow, false), (Action::Block, false)]), Some(Action::Allow));
        assert_eq!(action(&[(Action::Block, false), (Action::Allow, true)]), Some(Action::Block));
    }
}
