//! Pictures that must not match although they look as if they might: hard distractors, all generated.
//!
//! Two kinds, whose figures stand beside those of natural photographs and are never averaged into them: unrelated
//! pictures in one template ([`Template`]), and pictures that are nearly alike by nature ([`synthetic`]).

mod nature;
mod page;
mod template;

pub use template::Template;

use super::picture::Picture;
use super::random::Random;

/// A kind of generated picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Synthetic {
    TextPage,
    Chat,
    Chart,
    Map,
    Table,
    LineDrawing,
    Sunset,
    Sky,
    Flat,
    Dark,
    Stripes,
    NearlyEmpty,
}

impl Synthetic {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::TextPage,
        Self::Chat,
        Self::Chart,
        Self::Map,
        Self::Table,
        Self::LineDrawing,
        Self::Sunset,
        Self::Sky,
        Self::Flat,
        Self::Dark,
        Self::Stripes,
        Self::NearlyEmpty,
    ];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TextPage => "text_page",
            Self::Chat => "chat",
            Self::Chart => "chart",
            Self::Map => "map",
            Self::Table => "table",
            Self::LineDrawing => "line_drawing",
            Self::Sunset => "sunset",
            Self::Sky => "sky",
            Self::Flat => "flat",
            Self::Dark => "dark",
            Self::Stripes => "stripes",
            Self::NearlyEmpty => "nearly_empty",
        }
    }
}

/// Picture `number` of a kind.
pub fn synthetic(kind: Synthetic, number: usize, seed: u64) -> Picture {
    let random = &mut Random::keyed(seed, &[kind.name(), &number.to_string()]);
    match kind {
        Synthetic::TextPage => page::text(random),
        Synthetic::Chat => page::chat(random),
        Synthetic::Chart => page::chart(random),
        Synthetic::Map => page::map(random),
        Synthetic::Table => page::table(random),
        Synthetic::LineDrawing => page::drawing(random),
        Synthetic::Sunset => nature::sunset(random),
        Synthetic::Sky => nature::sky(random),
        Synthetic::Flat => nature::flat(random),
        Synthetic::Dark => nature::dark(random),
        Synthetic::Stripes => nature::stripes(random),
        Synthetic::NearlyEmpty => nature::nearly_empty(random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gives_distinct_pictures_again_and_again() {
        for kind in Synthetic::ALL {
            let (a, b) = (synthetic(kind, 0, 1), synthetic(kind, 1, 1));
            assert_ne!(a, b, "{kind:?}");
            assert_eq!(a, synthetic(kind, 0, 1), "{kind:?}");
        }
    }

    #[test]
    fn templates_keep_the_content() {
        let picture = Picture::from_fn(120, 90, |x, y| [x as u8, y as u8, 200]);
        for template in Template::ALL {
            let out = template.apply(&picture, "id", 1);
            assert_ne!(out, picture, "{template:?}");
            assert_eq!(out, template.apply(&picture, "id", 1));
            template.apply(&Picture::new(1, 1, [3; 3]), "id", 1);
        }
    }
}
