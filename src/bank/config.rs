//! A bank: a named set of references with its own match policy.

use super::rates;
use crate::error::{Error, Result};
use crate::fingerprint::ViewSet;
use crate::hash::pdq;
use crate::matching::Radii;

/// So much further away than a match a picture is near by its detail hash.
const DETAIL_NEAR: u32 = 8;

/// What a match in a bank asks the platform to do.
///
/// The order is that of severity, so the strictest action of several matches is the greatest one.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Known and harmless or wanted (news coverage, counter-speech): turns a match into
    /// [`Outcome::Allowed`](crate::matching::Outcome::Allowed).
    Allow,
    /// Report the match and do nothing: a bank that is being tried out.
    Observe,
    /// A person has to look.
    Review,
    /// Take it down.
    #[default]
    Block,
}

impl Action {
    /// The word used in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Observe => "observe",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
}

impl std::str::FromStr for Action {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        [Self::Allow, Self::Observe, Self::Review, Self::Block]
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or_else(|| {
                Error::option("action", format!("expected one of block, review, allow, observe, got \"{text}\""))
            })
    }
}

/// A bank and its policy. All bounds are inclusive.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub struct BankConfig {
    /// The name: 1 to [`BankConfig::MAX_NAME`] bytes without control characters.
    pub name: String,
    /// What a match asks for.
    pub action: Action,
    /// The largest distance between single pictures that is a match, 0..=96. Where both pictures have a detail hash, those must
    /// not be further apart than what is near by `max_detail_distance`.
    pub max_distance: u32,
    /// The largest distance that is still worth a person's look ([`Outcome::Near`](crate::matching::Outcome::Near)),
    /// 0..=96; at or below `max_distance` there is no such outcome.
    pub near_distance: u32,
    /// The largest distance between detail hashes that is a match although PDQ alone is not close enough, 0..=96: that
    /// between a large window and a whole picture. Two whole pictures must be 10 bits closer, a small window 14, two
    /// windows 28; pictures up to 8 bits further away are near. Plain hashes from lists have no detail hash.
    pub max_detail_distance: u32,
    /// The largest distance between frames of two films, 0..=96, of which one has no detail hash, as in imported lists;
    /// wider than between stills because several frames must agree in time before it is a match.
    pub max_frame_distance: u32,
    /// The least share of the query or of the reference, whichever is larger, that the segments of two films must cover to be
    /// a match, 0.0..=1.0; below it they are near. Films of one series share their title sequence and nothing else.
    #[serde(default)]
    pub min_coverage: f32,
    /// The smallest quality of a hash, 0..=100: references below are refused, queries below are not asked.
    pub min_quality: u8,
    /// The smallest stability of a hash, 0.0..=1.0, used like `min_quality`.
    pub min_stability: f32,
    /// Which views of a reference are kept.
    #[serde(with = "views")]
    pub views: ViewSet,
    /// How many keypoints of a reference are kept. They are not built yet: 0, and anything else is refused.
    pub keypoints: u32,
}

impl BankConfig {
    /// The largest radius of any kind.
    pub const MAX_DISTANCE: u32 = 96;
    /// The longest name in bytes.
    pub const MAX_NAME: usize = 255;

    /// A bank of this name with the default policy: block, radius 31, quality 50, views `standard`, no keypoints.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            action: Action::Block,
            max_distance: crate::matching::PDQ_RADIUS,
            near_distance: 47,
            max_detail_distance: crate::matching::DETAIL_RADIUS,
            max_frame_distance: 64,
            min_coverage: 0.0,
            min_quality: 50,
            min_stability: pdq::MIN_STABILITY,
            views: ViewSet::Standard,
            keypoints: 0,
        }
    }

    /// Sets what a match asks for.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// Sets the radius for single pictures, and moves the others along.
    #[must_use]
    pub fn max_distance(mut self, max_distance: u32) -> Self {
        self.max_distance = max_distance;
        let wider = max_distance.saturating_add(16);
        self.near_distance = wider.min(Self::MAX_DISTANCE.max(max_distance));
        self.max_frame_distance = max_distance.saturating_add(33).min(Self::MAX_DISTANCE.max(max_distance));
        let default = Self::new("");
        let apart = default.max_detail_distance - default.max_distance;
        self.max_detail_distance = max_distance.saturating_add(apart).min(default.max_detail_distance);
        self
    }

    /// Sets the least share that films must have in common.
    #[must_use]
    pub fn min_coverage(mut self, min_coverage: f32) -> Self {
        self.min_coverage = min_coverage;
        self
    }

    /// Sets the radii to the widest at which at most `rate` of the pairs of an unrelated upload and a reference match, with
    /// the views that the bank has: as counted on photographs, and reckoned from those counts below one in a million. The
    /// radius of PDQ alone is never above the customary 31.
    ///
    /// # Errors
    /// [`Error::Option`] if `rate` is not above 0 and at most 1, or so small that not even exact copies would match.
    pub fn false_alarms(self, rate: f64) -> Result<Self> {
        let wrong = |detail: &str| Err(Error::option("false_alarms", format!("{detail}, got {rate}")));
        if !(rate > 0.0 && rate <= 1.0) {
            return wrong("expected a rate above 0 and at most 1");
        }
        let Some(detail) = rates::radius(self.views, rate) else {
            return wrong("not even exact copies come so seldom");
        };
        let default = Self::new("");
        let pdq = detail.saturating_sub(default.max_detail_distance - default.max_distance).min(default.max_distance);
        Ok(Self { max_detail_distance: detail, ..self.max_distance(pdq) })
    }

    /// The share of pairs of an unrelated upload and a reference that match by chance with these radii and views; times the
    /// number of references it is the false alarms to expect an upload. Below one in a million it is reckoned and not
    /// counted. It is that of photographs: pictures in one template match more often.
    pub fn false_alarm_rate(&self) -> f64 {
        rates::rate(self.views, self.max_detail_distance)
    }

    /// Whether [`Self::false_alarm_rate`] was counted, and not reckoned from the rates of wider radii.
    pub fn false_alarm_rate_was_counted(&self) -> bool {
        rates::seen(self.views, self.max_detail_distance)
    }

    /// Sets the smallest quality.
    #[must_use]
    pub fn min_quality(mut self, min_quality: u8) -> Self {
        self.min_quality = min_quality;
        self
    }

    /// Sets the views that are kept of references.
    #[must_use]
    pub fn views(mut self, views: ViewSet) -> Self {
        self.views = views;
        self
    }

    /// The radii of a question to this bank.
    pub(crate) fn radii(&self) -> Radii {
        Radii {
            pdq: self.max_distance,
            pdq_near: self.near_distance,
            detail: Some(self.max_detail_distance),
            detail_near: Some((self.max_detail_distance + DETAIL_NEAR).min(Self::MAX_DISTANCE)),
        }
    }

    /// Refuses a policy that makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        for (name, value) in [
            ("max_distance", self.max_distance),
            ("near_distance", self.near_distance),
            ("max_detail_distance", self.max_detail_distance),
            ("max_frame_distance", self.max_frame_distance),
        ] {
            if value > Self::MAX_DISTANCE {
                return Err(Error::option(name, format!("at most {}, got {value}", Self::MAX_DISTANCE)));
            }
        }
        if self.min_quality > 100 {
            return Err(Error::option("min_quality", format!("at most 100, got {}", self.min_quality)));
        }
        if self.keypoints > 0 {
            let detail = format!("keypoints are not built yet: expected 0, got {}", self.keypoints);
            return Err(Error::option("keypoints", detail));
        }
        if !(0.0..=1.0).contains(&self.min_coverage) {
            return Err(Error::option("min_coverage", format!("0.0 to 1.0, got {}", self.min_coverage)));
        }
        if !(0.0..=1.0).contains(&self.min_stability) {
            return Err(Error::option("min_stability", format!("0.0 to 1.0, got {}", self.min_stability)));
        }
        Ok(())
    }
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > BankConfig::MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::option(
            "bank",
            format!("a name has 1 to {} bytes and no control characters, got {name:?}", BankConfig::MAX_NAME),
        ));
    }
    Ok(())
}

/// [`ViewSet`] as the word of the command line.
mod views {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::fingerprint::ViewSet;

    pub(super) fn serialize<S: Serializer>(views: &ViewSet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(views.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ViewSet, D::Error> {
        let name = String::deserialize(deserializer)?;
        let sets = [ViewSet::None, ViewSet::Standard, ViewSet::Thorough, ViewSet::Uploads, ViewSet::Whole];
        sets.into_iter().find(|set| set.name() == name).ok_or_else(|| {
            D::Error::custom(format!("expected one of none, standard, thorough, uploads, whole, got \"{name}\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_policies_are_refused() {
        assert!(BankConfig::new("removed").check().is_ok());
        let unstable = BankConfig { min_stability: f32::NAN, ..BankConfig::new("a") };
        for config in [
            BankConfig::new(""),
            BankConfig::new("a\nb"),
            BankConfig::new("x".repeat(256)),
            BankConfig::new("a").max_distance(97),
            BankConfig::new("a").min_quality(101),
            BankConfig::new("a").min_coverage(1.1),
            BankConfig::new("a").min_coverage(f32::NAN),
            unstable,
            BankConfig { keypoints: 300, ..BankConfig::new("a") },
        ] {
            assert!(matches!(config.check(), Err(Error::Option { .. })), "{config:?}");
        }
    }

    #[test]
    fn a_rate_of_false_alarms_sets_the_radii() {
        let default = BankConfig::new("a");
        let rare = BankConfig::new("a").false_alarms(1e-12).unwrap();
        assert!(rare.max_detail_distance < default.max_detail_distance && rare.max_distance < default.max_distance);
        assert!(rare.false_alarm_rate() <= 1e-12 && !rare.false_alarm_rate_was_counted());
        let often = BankConfig::new("a").false_alarms(1e-5).unwrap();
        assert!(often.max_detail_distance >= default.max_detail_distance && often.max_distance <= 31);
        assert!(often.check().is_ok());
        for wrong in [0.0, -1.0, f64::NAN, 2.0] {
            assert!(matches!(BankConfig::new("a").false_alarms(wrong), Err(Error::Option { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_bank_goes_through_json() {
        let config = BankConfig::new("news").action(Action::Allow).max_distance(24);
        for views in [ViewSet::None, ViewSet::Standard, ViewSet::Thorough, ViewSet::Uploads, ViewSet::Whole] {
            let config = config.clone().views(views);
            let text = serde_json::to_string(&config).unwrap();
            let word = format!(r#""views":"{}""#, views.name());
            assert!(text.contains(r#""action":"allow""#) && text.contains(&word), "{text}");
            assert_eq!(serde_json::from_str::<BankConfig>(&text).unwrap(), config);
        }
    }
}
