//! Templates: everything around or over the content is the same for every picture, but for its words.

use crate::eval::font;
use crate::eval::picture::{BLACK, Picture, WHITE};
use crate::eval::random::Random;

/// What unrelated pictures of one publisher have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Template {
    /// A news channel's lower third of a quarter of the picture, and its logo.
    News,
    /// A telephone application's frame around a post.
    Phone,
    /// A card: large words on a plain ground above the picture, the publisher's line below.
    Card,
    /// A frame in the publisher's colours with its name.
    Branded,
    /// The publisher's name all over the picture.
    Watermark,
}

const NAVY: [u8; 3] = [16, 32, 84];
const RED: [u8; 3] = [196, 24, 36];

impl Template {
    /// All templates.
    pub const ALL: [Self; 5] = [Self::News, Self::Phone, Self::Card, Self::Branded, Self::Watermark];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Branded => "branded",
            Self::Watermark => "watermark",
        }
    }

    /// A picture in the template, 640 pixels wide. `id` names the picture in the seed of its words.
    pub fn apply(self, picture: &Picture, id: &str, seed: u64) -> Picture {
        let random = &mut Random::keyed(seed, &[self.name(), id]);
        match self {
            Self::News => news(picture, random),
            Self::Phone => phone(picture, random),
            Self::Card => card(picture, random),
            Self::Branded => branded(picture),
            Self::Watermark => watermark(picture),
        }
    }
}

fn news(picture: &Picture, random: &mut Random) -> Picture {
    let mut out = picture.cover(640, 360);
    out.fill(0, 270, 640, 90, NAVY);
    out.fill(0, 270, 640, 5, RED);
    out.fill(0, 275, 130, 85, RED);
    font::write(&mut out, "LIVE", 18.0, 300.0, 32.0, WHITE, 1.0);
    font::write(&mut out, &font::words(random, 4), 146.0, 288.0, 24.0, WHITE, 1.0);
    font::write(&mut out, &font::words(random, 9), 146.0, 328.0, 15.0, [190, 200, 230], 1.0);
    out.fill(540, 16, 84, 44, RED);
    font::write(&mut out, "N24", 552.0, 26.0, 24.0, WHITE, 1.0);
    out
}

fn phone(picture: &Picture, random: &mut Random) -> Picture {
    let mut out = Picture::new(640, 1136, [250; 3]);
    out.fill(0, 0, 640, 48, [32, 92, 160]);
    font::write(&mut out, "09.41", 20.0, 14.0, 20.0, WHITE, 1.0);
    out.fill(560, 14, 60, 20, WHITE);
    out.fill(0, 48, 640, 84, [40, 110, 190]);
    font::write(&mut out, "NETPOST", 30.0, 72.0, 34.0, WHITE, 1.0);
    out.disc(60.0, 190.0, 36.0, [150; 3], 1.0);
    font::write(&mut out, &font::words(random, 2), 112.0, 168.0, 22.0, BLACK, 1.0);
    font::write(&mut out, &font::words(random, 1), 112.0, 202.0, 16.0, [130; 3], 1.0);
    out.paste(&picture.cover(640, 480), 0, 250);
    for i in 0..3 {
        out.disc(60.0 + 80.0 * f64::from(i), 780.0, 24.0, [90; 3], 1.0);
        out.disc(60.0 + 80.0 * f64::from(i), 780.0, 17.0, [250; 3], 1.0);
    }
    font::paragraph(&mut out, random, [30.0, 830.0, 580.0, 150.0], 20.0, BLACK);
    out.fill(0, 1040, 640, 96, [235; 3]);
    for i in 0..5 {
        out.fill(46 + 124 * i, 1066, 46, 46, [80; 3]);
    }
    out
}

fn card(picture: &Picture, random: &mut Random) -> Picture {
    let mut out = Picture::new(640, 720, [252, 246, 226]);
    for i in 0..2 {
        let line = font::words(random, 4);
        font::write(&mut out, &line, 30.0, 40.0 + 56.0 * f64::from(i), 40.0, BLACK, 1.0);
    }
    out.paste(&picture.cover(580, 420), 30, 190);
    out.fill(0, 650, 640, 70, [230, 120, 30]);
    font::write(&mut out, "@DAILYCARD", 170.0, 668.0, 34.0, WHITE, 1.0);
    out
}

fn branded(picture: &Picture) -> Picture {
    let mut out =
        Picture::from_fn(640, 560, |x, y| if (x / 20 + y / 20) % 2 == 0 { [20, 120, 90] } else { [28, 140, 104] });
    out.paste(&picture.cover(540, 400), 50, 50);
    font::write(&mut out, "GREENSHOP.COM", 110.0, 480.0, 40.0, WHITE, 1.0);
    out.disc(580.0, 60.0, 46.0, [240, 200, 40], 1.0);
    font::write(&mut out, "NEW", 552.0, 48.0, 24.0, BLACK, 1.0);
    out
}

fn watermark(picture: &Picture) -> Picture {
    let mut out = picture.cover(640, 480);
    for row in 0..6 {
        for column in 0..4 {
            let x = f64::from(column) * 200.0 - f64::from(row % 2) * 90.0;
            font::write(&mut out, "STOCKPIX", x.max(0.0), 20.0 + f64::from(row) * 80.0, 24.0, WHITE, 0.45);
        }
    }
    out
}
