//! refrain's own list: JSON Lines of banks' policies and of references, with what matching needs of them and what is said
//! about them.

use std::collections::BTreeMap;
use std::fmt::Formatter;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::config::BankConfig;
use super::super::reference::{Kind, MAX_LABELS, Reference, ReferenceRecord, State};
use super::{Listed, MAX_HASHES, too_many};
use crate::error::{Error, Result};
use crate::fingerprint::{
    DetailHash, Fingerprint, FrameHash, ImageFingerprint, Role, VideoFingerprint, View, ViewHash, Window,
};
use crate::hash::{Algorithm, Hash};
use crate::video::vpdq::{MAX_SECONDS, short};

/// One line: a bank or a reference.
#[derive(Debug)]
pub(super) enum Line {
    Bank(BankConfig),
    Reference(Box<Known>),
}

/// A reference as a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    bank: String,
    id: String,
    kind: String,
    #[serde(default)]
    state: State,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "few_labels")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    metadata: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(default, skip_serializing_if = "is_pdq")]
    algorithm: Algorithm,
    #[serde(deserialize_with = "few_hashes")]
    hashes: Vec<Hashed>,
}

fn is_pdq(algorithm: &Algorithm) -> bool {
    *algorithm == Algorithm::Pdq
}

/// One hash, in no more memory than the frame of a film that it becomes.
#[derive(Debug, Serialize, Deserialize)]
struct Hashed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "put_role", deserialize_with = "role")]
    role: Option<Role>,
    #[serde(default = "full", serialize_with = "put_view", deserialize_with = "view")]
    view: View,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Hash>,
    #[serde(default = "best")]
    quality: u8,
    #[serde(default = "certain")]
    stability: f32,
    /// Of a frame of a film.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plain: bool,
}

fn full() -> View {
    View::Full
}

fn best() -> u8 {
    100
}

fn certain() -> f32 {
    1.0
}

/// The line for a reference.
pub(super) fn write(record: &ReferenceRecord, fingerprint: &Fingerprint) -> Result<String> {
    let (width, height, duration, hashes) = match fingerprint {
        Fingerprint::Image(image) => {
            let hashes = image.views.iter().map(|view| Hashed {
                time: None,
                role: None,
                view: view.view,
                hash: Some(view.hash),
                detail: view.detail.as_ref().map(|detail| detail.hash),
                quality: view.quality,
                stability: view.stability,
                plain: false,
            });
            (image.width, image.height, None, hashes.collect())
        }
        Fingerprint::Video(video) => {
            let hashes = video.frames.iter().map(|frame| Hashed {
                time: Some(frame.time),
                role: Some(frame.role),
                view: frame.view,
                hash: frame.hash,
                detail: frame.detail.as_ref().map(|detail| detail.hash),
                quality: frame.quality,
                stability: frame.stability,
                plain: frame.plain,
            });
            (video.width, video.height, Some(video.duration), hashes.collect())
        }
    };
    let known = Known {
        bank: record.bank.clone(),
        id: record.id.clone(),
        kind: record.kind.name().into(),
        state: record.state,
        labels: record.labels.clone(),
        source: record.source.clone(),
        metadata: record.metadata.clone(),
        width,
        height,
        duration,
        algorithm: fingerprint.algorithm(),
        hashes,
    };
    serde_json::to_string(&known).map_err(|error| Error::option("reference", error.to_string()))
}

/// The line for a bank.
pub(super) fn write_bank(config: &BankConfig) -> Result<String> {
    #[derive(Serialize)]
    struct Bank<'c> {
        bank_config: &'c BankConfig,
    }
    serde_json::to_string(&Bank { bank_config: config }).map_err(|error| Error::option("bank", error.to_string()))
}

/// Reads a line, twice: for a bank first, which skips everything else and holds nothing of it.
pub(super) fn read(line: &str) -> Result<Line> {
    #[derive(Deserialize)]
    struct Bank {
        #[serde(default)]
        bank_config: Option<BankConfig>,
    }
    let wrong = |error: serde_json::Error| Error::decode(error.to_string());
    match serde_json::from_str(line).map_err(wrong)? {
        Bank { bank_config: Some(config) } => Ok(Line::Bank(config)),
        Bank { bank_config: None } => {
            serde_json::from_str(line).map(|known| Line::Reference(Box::new(known))).map_err(wrong)
        }
    }
}

/// The hashes of a line: none that says nothing, which would take a hundred times its text, and no more than can be stored.
fn few_hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hashed>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<Hashed>;

        fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array of hashes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Hashed>, A::Error> {
            let mut hashes = Vec::new();
            while let Some(hashed) = seq.next_element::<Hashed>()? {
                if hashed.hash.is_none() && hashed.detail.is_none() {
                    return Err(A::Error::custom("neither hash nor detail"));
                }
                if hashes.len() == MAX_HASHES {
                    return Err(A::Error::custom(too_many()));
                }
                hashes.push(hashed);
            }
            Ok(hashes)
        }
    }
    deserializer.deserialize_seq(Few)
}

/// The labels of a line, no more than a reference may have.
fn few_labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
            f.write_str("labels and their values")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BTreeMap<String, String>, A::Error> {
            let mut labels = BTreeMap::new();
            while let Some((label, value)) = map.next_entry()? {
                labels.insert(label, value);
                if labels.len() > MAX_LABELS {
                    let (most, got) = (MAX_LABELS as u64, labels.len() as u64);
                    return Err(A::Error::custom(Error::limit("labels", most, got)));
                }
            }
            Ok(labels)
        }
    }
    deserializer.deserialize_map(Few)
}

fn put_role<S: Serializer>(role: &Option<Role>, serializer: S) -> Result<S::Ok, S::Error> {
    role.map(Role::name).serialize(serializer)
}

fn role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Role>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    [Role::Window, Role::Keyframe, Role::Frame, Role::Cover]
        .into_iter()
        // Earlier lists call an anchor by what it does.
        .find(|role| role.name() == if name == "cover" { "anchor" } else { &name })
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("role: {:?} is not known", short(&name))))
}

fn put_view<S: Serializer>(view: &View, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&view.name())
}

fn view<'de, D: Deserializer<'de>>(deserializer: D) -> Result<View, D::Error> {
    let name = String::deserialize(deserializer)?;
    view_of(&name).ok_or_else(|| D::Error::custom(format!("view: {:?} is not known", short(&name))))
}

fn view_of(name: &str) -> Option<View> {
    let mut named = [View::Full, View::Content, View::Inner, View::Upright].into_iter();
    if let Some(view) = named.find(|view| view.name() == name) {
        return Some(view);
    }
    let mut edges = name.strip_prefix("window:")?.splitn(4, ',').map(|edge| edge.parse().ok());
    match [edges.next()??, edges.next()??, edges.next()??, edges.next()??] {
        [left, top, right, bottom] if left < right && right <= 100 && top < bottom && bottom <= 100 => {
            Some(View::Window(Window::new(left, top, right, bottom)))
        }
        _ => None,
    }
}

impl Known {
    /// What the line says, checked.
    pub(super) fn listed(self) -> Result<Listed> {
        let seconds = |time: Option<f64>, name: &str| {
            let time = time.ok_or_else(|| Error::decode(format!("a film's {name} is missing")))?;
            if (0.0..=MAX_SECONDS).contains(&time) {
                return Ok(time);
            }
            Err(Error::decode(format!("{name}: expected 0 to {MAX_SECONDS} seconds, got {time}")))
        };
        if self.hashes.iter().any(|hashed| hashed.quality > 100 || !(0.0..=1.0).contains(&hashed.stability)) {
            return Err(Error::decode("quality is 0 to 100, stability 0.0 to 1.0"));
        }
        if self.kind == Kind::Image.name() {
            let mut views: Vec<View> = self.hashes.iter().map(|hashed| hashed.view).collect();
            views.sort_unstable();
            if let Some(twice) = views.windows(2).find(|pair| pair[0] == pair[1]) {
                let name = twice[0].name();
                return Err(Error::decode(format!("a picture has one hash of a view, and {name} comes twice")));
            }
        }
        let fingerprint = match self.kind.as_str() {
            "image" => Fingerprint::Image(ImageFingerprint {
                width: self.width,
                height: self.height,
                algorithm: self.algorithm,
                views: self
                    .hashes
                    .into_iter()
                    .map(|hashed| {
                        Ok(ViewHash {
                            view: hashed.view,
                            hash: hashed.hash.ok_or_else(|| Error::decode("a picture's hash is missing"))?,
                            quality: hashed.quality,
                            stability: hashed.stability,
                            orientations: None,
                            detail: hashed.detail.map(|hash| DetailHash { hash, orientations: None }),
                        })
                    })
                    .collect::<Result<_>>()?,
            }),
            "video" => {
                let frames = self.hashes.into_iter().map(|hashed| {
                    Ok(FrameHash {
                        time: seconds(hashed.time, "time")?,
                        role: hashed.role.unwrap_or(Role::Frame),
                        view: hashed.view,
                        hash: hashed.hash,
                        quality: hashed.quality,
                        stability: hashed.stability,
                        orientations: None,
                        detail: hashed.detail.map(|hash| DetailHash { hash, orientations: None }),
                        plain: hashed.plain,
                    })
                });
                let duration = seconds(self.duration, "duration")?;
                let mut frames = frames.collect::<Result<Vec<_>>>()?;
                frames.sort_by(|a, b| a.time.total_cmp(&b.time));
                Fingerprint::Video(VideoFingerprint {
                    width: self.width,
                    height: self.height,
                    duration,
                    frames,
                    warnings: Vec::new(),
                })
            }
            other => return Err(Error::decode(format!("kind: expected image or video, got {:?}", short(other)))),
        };
        let mut reference = Reference::new(self.id).bank(self.bank).source(self.source).metadata(self.metadata);
        reference.labels = self.labels;
        Ok(Listed { reference, fingerprint, state: self.state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_lines_say_what_is_wrong() {
        let hash = "0f".repeat(32);
        let good = format!(r#"{{"id":"a","kind":"image","hashes":[{{"hash":"{hash}"}}]}}"#);
        let Line::Reference(known) = read(&good).unwrap() else { panic!("not a reference") };
        assert_eq!(known.listed().unwrap().reference.id, "a");
        for (bad, word) in [
            ("[1]".to_string(), "invalid type"),
            ("{".into(), "EOF"),
            (good.replace("\"id\":\"a\",", ""), "missing field `id`"),
            (good.replace("image", "sound"), "kind"),
            (good.replace("image", "video"), "duration"),
            (good.replace(&hash, "0f"), "64"),
            (good.replace("\"hash\":", "\"quality\":101,\"hash\":"), "quality"),
            (good.replace("\"hash\":", "\"view\":\"window:5,5,5,9\",\"hash\":"), "view"),
            (good.replace("[{", &format!("[{{\"view\":\"full\",\"hash\":\"{hash}\"}},{{")), "full comes twice"),
        ] {
            let error = read(&bad).and_then(|line| match line {
                Line::Reference(known) => known.listed().map(|_| ()),
                Line::Bank(_) => Ok(()),
            });
            assert!(error.as_ref().is_err_and(|error| error.to_string().contains(word)), "{bad}: {error:?}");
        }
    }

    #[test]
    fn more_than_a_reference_has_is_refused_while_it_is_read() {
        let line = |labels: &str, hashes: &str| {
            format!(r#"{{"id":"a","kind":"video","duration":1,"labels":{{{labels}}},"hashes":[{hashes}]}}"#)
        };
        let said = |line: &str| read(line).map(|_| ()).unwrap_err().to_string();
        assert!(said(&line("", "{},{},{}")).contains("neither hash nor detail"));
        let labels: Vec<String> = (0..=MAX_LABELS).map(|at| format!("\"{at}\":\"\"")).collect();
        assert!(read(&line(&labels[1..].join(","), "")).is_ok());
        assert!(said(&line(&labels.join(","), "")).contains("labels"));
        let hash = format!("{{\"hash\":\"{}\"}}", "0f".repeat(32));
        assert!(said(&line("", &vec![hash.as_str(); MAX_HASHES + 1].join(","))).contains("hashes of a reference"));
    }

    #[test]
    fn a_bank_is_known_by_its_key_wherever_it_stands() {
        let bank = write_bank(&BankConfig::new("own")).unwrap();
        let behind = bank.replacen('{', "{\"id\":\"a\",\"hashes\":[{}],", 1);
        for line in [bank, behind] {
            assert!(matches!(read(&line), Ok(Line::Bank(config)) if config == BankConfig::new("own")), "{line}");
        }
        assert!(read("{\"bank_config\":{\"name\":3}}").is_err());
    }
}
