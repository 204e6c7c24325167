//! refrain's own list: JSON Lines with everything that is kept of a reference, or a bank's policy.

use std::collections::BTreeMap;

use super::super::config::BankConfig;
use super::super::reference::{Kind, Reference, ReferenceRecord, State};
use super::Listed;
use crate::error::{Error, Result};
use crate::fingerprint::{
    DetailHash, Fingerprint, FrameHash, ImageFingerprint, Role, VideoFingerprint, View, ViewHash, Window,
};
use crate::hash::{Algorithm, Hash};
use crate::video::vpdq::MAX_SECONDS;

/// One line: a bank or a reference.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Bank { bank_config: BankConfig },
    Reference(Box<Known>),
}

/// A reference as a line.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    bank: String,
    id: String,
    kind: String,
    #[serde(default)]
    state: State,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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
    hashes: Vec<Hashed>,
}

fn is_pdq(algorithm: &Algorithm) -> bool {
    *algorithm == Algorithm::Pdq
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Hashed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default = "full")]
    view: String,
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

fn full() -> String {
    View::Full.name()
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
                view: view.view.name(),
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
                role: Some(frame.role.name().into()),
                view: frame.view.name(),
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
    let line = Line::Bank { bank_config: config.clone() };
    serde_json::to_string(&line).map_err(|error| Error::option("bank", error.to_string()))
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Line> {
    // Two steps, because the untagged form would not say what is wrong.
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| Error::decode(error.to_string()))?;
    let wrong = |error: serde_json::Error| Error::decode(error.to_string());
    if let Some(config) = value.get("bank_config") {
        return Ok(Line::Bank { bank_config: serde_json::from_value(config.clone()).map_err(wrong)? });
    }
    serde_json::from_value(value).map(|known| Line::Reference(Box::new(known))).map_err(wrong)
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
        let mut hashes = Vec::with_capacity(self.hashes.len());
        for hashed in self.hashes {
            if hashed.quality > 100 || !(0.0..=1.0).contains(&hashed.stability) {
                return Err(Error::decode("quality is 0 to 100, stability 0.0 to 1.0"));
            }
            hashes.push((view(&hashed.view)?, hashed));
        }
        let mut views: Vec<View> = hashes.iter().map(|(view, _)| *view).collect();
        views.sort_unstable();
        if self.kind == Kind::Image.name()
            && let Some(twice) = views.windows(2).find(|pair| pair[0] == pair[1])
        {
            return Err(Error::decode(format!(
                "a picture has one hash of a view, and {} comes twice",
                twice[0].name()
            )));
        }
        let fingerprint = match self.kind.as_str() {
            "image" => Fingerprint::Image(ImageFingerprint {
                width: self.width,
                height: self.height,
                algorithm: self.algorithm,
                views: hashes
                    .into_iter()
                    .map(|(view, hashed)| {
                        Ok(ViewHash {
                            view,
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
                let frames = hashes.into_iter().map(|(view, hashed)| {
                    if hashed.hash.is_none() && hashed.detail.is_none() {
                        return Err(Error::decode("a frame has neither hash nor detail"));
                    }
                    Ok(FrameHash {
                        time: seconds(hashed.time, "time")?,
                        role: role(hashed.role.as_deref())?,
                        view,
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
            other => return Err(Error::decode(format!("kind: expected image or video, got {other:?}"))),
        };
        let mut reference = Reference::new(self.id).bank(self.bank).source(self.source).metadata(self.metadata);
        reference.labels = self.labels;
        Ok(Listed { reference, fingerprint, state: self.state })
    }
}

fn role(name: Option<&str>) -> Result<Role> {
    let Some(name) = name else { return Ok(Role::Frame) };
    [Role::Window, Role::Keyframe, Role::Frame, Role::Cover]
        .into_iter()
        .find(|role| role.name() == name)
        .ok_or_else(|| Error::decode(format!("role: {name:?} is not known")))
}

fn view(name: &str) -> Result<View> {
    let unknown = || Error::decode(format!("view: {name:?} is not known"));
    if let Some(view) =
        [View::Full, View::Content, View::Inner, View::Upright].into_iter().find(|view| view.name() == name)
    {
        return Ok(view);
    }
    let edges = name.strip_prefix("window:").ok_or_else(unknown)?;
    let edges: Vec<u8> = edges.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| unknown())?;
    match edges[..] {
        [left, top, right, bottom] if left < right && right <= 100 && top < bottom && bottom <= 100 => {
            Ok(View::Window(Window::new(left, top, right, bottom)))
        }
        _ => Err(unknown()),
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
                Line::Bank { .. } => Ok(()),
            });
            assert!(error.as_ref().is_err_and(|error| error.to_string().contains(word)), "{bad}: {error:?}");
        }
    }
}
