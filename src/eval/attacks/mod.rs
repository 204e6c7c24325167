//! What uploaders do to a picture so that it is not recognised, and what platforms do to it anyway.
//!
//! Each attack is one small function of a picture, its parameters and a [`Context`] that draws random numbers from a
//! seed and names, so the same seed gives the same bytes whatever the order or the number of threads. To add one, write
//! the function in the file of its kind and a line in [`stills`].

mod compose;
pub mod films;
mod frame;
mod geometry;
mod overlay;
mod pixel;

use super::picture::Picture;
use super::random::Random;

pub(crate) use frame::{app_screen, caption, framed};
pub(crate) use overlay::logo;

/// What an attack may draw on beside the picture itself.
#[derive(Debug)]
pub struct Context<'a> {
    /// Random numbers of this picture and this attack.
    pub random: Random,
    /// Unrelated pictures, for collages and backgrounds. May be empty.
    pub fillers: &'a [Picture],
}

impl<'a> Context<'a> {
    /// The context of one picture under one attack.
    pub fn new(seed: u64, picture: &str, attack: &str, fillers: &'a [Picture]) -> Self {
        Self { random: Random::keyed(seed, &[picture, attack]), fillers }
    }

    /// An unrelated picture; a plain grey one if there is none.
    pub fn filler(&mut self) -> Picture {
        match self.fillers.len() {
            0 => Picture::new(64, 64, [128; 3]),
            count => self.fillers[self.random.below(count)].clone(),
        }
    }
}

/// The kind of an attack; figures are given for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Group {
    Codec,
    Colour,
    Filter,
    Orientation,
    Inverted,
    Aspect,
    Rotation,
    Crop,
    Border,
    Caption,
    Overlay,
    Collage,
    Screen,
    Chain,
}

impl Group {
    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Colour => "colour",
            Self::Filter => "filter",
            Self::Orientation => "orientation",
            Self::Inverted => "inverted",
            Self::Aspect => "aspect",
            Self::Rotation => "rotation",
            Self::Crop => "crop",
            Self::Border => "border",
            Self::Caption => "caption",
            Self::Overlay => "overlay",
            Self::Collage => "collage",
            Self::Screen => "screen",
            Self::Chain => "chain",
        }
    }
}

type Function = dyn Fn(&Picture, &mut Context<'_>) -> Picture + Send + Sync;

/// A named transformation of a still.
pub struct Attack {
    /// Its name in reports and in the seed: letters, digits and `_`.
    pub name: String,
    /// Its kind.
    pub group: Group,
    apply: Box<Function>,
}

impl Attack {
    /// An attack of one's own.
    pub fn new(
        name: impl Into<String>,
        group: Group,
        apply: impl Fn(&Picture, &mut Context<'_>) -> Picture + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), group, apply: Box::new(apply) }
    }

    /// The attacked picture. `id` names the picture in the seed.
    pub fn apply(&self, picture: &Picture, id: &str, seed: u64, fillers: &[Picture]) -> Picture {
        (self.apply)(picture, &mut Context::new(seed, id, &self.name, fillers))
    }
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attack({}, {:?})", self.name, self.group)
    }
}

/// Every attack on stills, group by group.
pub fn stills() -> Vec<Attack> {
    let mut all = pixel::attacks();
    all.extend(geometry::attacks());
    all.extend(frame::attacks());
    all.extend(overlay::attacks());
    all.extend(compose::attacks());
    all.extend(chains());
    all
}

/// Two and three things done to one picture, as it happens to what is passed on.
fn chains() -> Vec<Attack> {
    let chain = |name: &str, apply: fn(&Picture, &mut Context<'_>) -> Picture| Attack::new(name, Group::Chain, apply);
    vec![
        chain("chain_crop_5_jpeg_30", |p, _| geometry::crop_centre(p, 0.05).through_jpeg(30)),
        chain("chain_mirror_caption", |p, c| caption(&p.mirror(), c, 0.12, true).through_jpeg(60)),
        chain("chain_letterbox_logo_resize", |p, c| {
            let mut out = p.clone();
            logo(&mut out, c, 0.12);
            framed(&out, [0.0, 0.12, 0.0, 0.12], [0; 3]).scale(0.5).through_jpeg(60)
        }),
        chain("chain_crop_10_text_jpeg", |p, c| {
            let mut out = geometry::crop_centre(p, 0.10);
            overlay::text(&mut out, c, 1);
            out.through_jpeg(50)
        }),
        chain("chain_rotate_2_crop_jpeg", |p, _| {
            geometry::crop_centre(&geometry::rotate(p, 2.0), 0.08).through_jpeg(50)
        }),
        chain("chain_grey_frame_noise", |p, c| {
            let grey = pixel::grey(p);
            pixel::noise(&framed(&grey, [0.06; 4], [255; 3]), c, 8.0).through_jpeg(60)
        }),
        chain("chain_mirror_crop_20_filter", |p, _| {
            pixel::warm(&geometry::crop_centre(&p.mirror(), 0.20)).through_jpeg(60)
        }),
        chain("chain_screenshot_jpeg_40", |p, c| app_screen(p, c).scale(0.7).through_jpeg(40)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Picture {
        Picture::from_fn(160, 120, |x, y| {
            let v = 128.0 + 60.0 * (x as f64 * 0.11).sin() + 50.0 * (y as f64 * 0.17 + x as f64 * 0.05).cos();
            [v as u8, (x + y) as u8, 255 - v as u8]
        })
    }

    #[test]
    fn every_attack_changes_the_picture_and_is_the_same_each_time() {
        let fillers = [scene().quarter(), scene().mirror()];
        let all = stills();
        assert!(all.len() >= 75, "{}", all.len());
        for (i, attack) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.name != attack.name), "{} twice", attack.name);
            let out = attack.apply(&scene(), "a", 1, &fillers);
            assert_ne!(out, scene(), "{}", attack.name);
            assert_eq!(out, attack.apply(&scene(), "a", 1, &fillers), "{}", attack.name);
            assert!(out.width() >= 20 && out.height() >= 20, "{}: {out:?}", attack.name);
        }
    }

    #[test]
    fn tiny_pictures_and_no_fillers_are_survived() {
        for attack in stills() {
            let out = attack.apply(&Picture::new(1, 2, [9; 3]), "tiny", 1, &[]);
            assert!(out.width() > 0 && out.height() > 0);
        }
    }
}
