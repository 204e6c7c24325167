//! Films that must not match although they have something in common: one channel's lower third and sign, or the same
//! few seconds before the content.

use super::super::attacks::films::{lower_third, sign};
use super::super::font;
use super::super::picture::{BLACK, Picture, WHITE};
use super::super::random::Random;
use super::edit::{Clip, Edit};

/// What unrelated films have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FilmTemplate {
    /// The same lower third, an eighth of the picture high, and the same sign.
    LowerThird12,
    /// The same lower third, a quarter of the picture high, and the same sign.
    LowerThird25,
    /// Slides of the same design with other words on each.
    Slides,
    /// Six seconds of black first.
    Black,
    /// Six seconds of colour bars first.
    Bars,
    /// The same six numbers first, a second each.
    Countdown,
    /// The same picture for six seconds first.
    StaticScene,
    /// The same title sequence of four screens first: a true segment, told apart from a copy by its coverage.
    TitleSequence,
}

/// Seconds of what comes first.
pub(crate) const LEAD: f64 = 6.0;

impl FilmTemplate {
    /// All templates.
    pub const ALL: [Self; 8] = [
        Self::LowerThird12,
        Self::LowerThird25,
        Self::Slides,
        Self::Black,
        Self::Bars,
        Self::Countdown,
        Self::StaticScene,
        Self::TitleSequence,
    ];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowerThird12 => "lower_third_12",
            Self::LowerThird25 => "lower_third_25",
            Self::Slides => "slides",
            Self::Black => "black",
            Self::Bars => "bars",
            Self::Countdown => "countdown",
            Self::StaticScene => "static_scene",
            Self::TitleSequence => "title_sequence",
        }
    }

    /// Whether what such films share is a segment that should be found.
    pub const fn is_segment(self) -> bool {
        matches!(self, Self::TitleSequence)
    }

    /// The film of a clip in the template.
    pub fn edit(self, clip: &Clip, seed: u64) -> Edit {
        let random = &mut Random::keyed(seed, &[self.name()]);
        let (w, h) = clip.scaled(1.0);
        let third = |share: f64, random: &mut Random| {
            let strip = lower_third(w, ((f64::from(h) * share / 2.0).round() as u32 * 2).max(8), random);
            let size = (w / 7) & !1;
            Edit::graph(format!(
                "[0:v]scale={w}:{h}[s];[s][1:v]overlay=0:H-h:shortest=1[x];[x][2:v]overlay=W-w-8:8:shortest=1[out]"
            ))
            .film(clip)
            .picture(strip)
            .picture(sign(size, size, random))
        };
        match self {
            Self::LowerThird12 => third(0.12, random),
            Self::LowerThird25 => third(0.25, random),
            Self::Slides => {
                let words = &mut Random::keyed(seed, &[self.name(), &clip.name]);
                after((640, 360), (0..5).map(|_| slide(words)).collect(), 2.5, None)
            }
            Self::Black => lead(clip, &format!("color=c=black:s={w}x{h}:r=25:d={LEAD}")),
            Self::Bars => lead(clip, &format!("smptebars=s={w}x{h}:r=25:d={LEAD}")),
            Self::Countdown => {
                let numbers = (0..6).map(|i| number(&(6 - i).to_string()));
                after((w, h), numbers.collect(), LEAD / 6.0, Some(clip))
            }
            Self::StaticScene => after((w, h), vec![scene(random)], LEAD, Some(clip)),
            Self::TitleSequence => {
                let screens = (0..4).map(|_| title(random)).collect();
                after((w, h), screens, LEAD / 4.0, Some(clip))
            }
        }
    }
}

fn lead(clip: &Clip, source: &str) -> Edit {
    let (w, h) = clip.scaled(1.0);
    Edit::graph(format!(
        "{source},setsar=1,format=yuv420p[l];[0:v]scale={w}:{h},setsar=1,fps=25,format=yuv420p[c];[l][c]concat=n=2:v=1[out]"
    ))
    .film(clip)
}

/// Pictures for so many seconds each, then perhaps a clip.
fn after((w, h): (u32, u32), pictures: Vec<Picture>, each: f64, clip: Option<&Clip>) -> Edit {
    let same = format!("scale={w}:{h},setsar=1,fps=25,format=yuv420p");
    let mut graph = String::new();
    for at in 0..pictures.len() {
        graph.push_str(&format!("[{at}:v]trim=duration={each},setpts=PTS-STARTPTS,{same}[p{at}];"));
    }
    if clip.is_some() {
        graph.push_str(&format!("[{0}:v]{same}[p{0}];", pictures.len()));
    }
    let count = pictures.len() + usize::from(clip.is_some());
    (0..count).for_each(|at| graph.push_str(&format!("[p{at}]")));
    graph.push_str(&format!("concat=n={count}:v=1[out]"));
    let edit = pictures.into_iter().fold(Edit::graph(graph), Edit::picture);
    clip.iter().fold(edit, |edit, clip| edit.film(clip))
}

fn slide(random: &mut Random) -> Picture {
    let mut out = Picture::new(640, 360, [250, 250, 246]);
    out.fill(0, 0, 640, 54, [28, 60, 110]);
    font::write(&mut out, &font::words(random, 3), 24.0, 16.0, 24.0, WHITE, 1.0);
    for line in 0..4 {
        let y = 90.0 + 56.0 * f64::from(line);
        out.disc(40.0, y + 8.0, 6.0, [28, 60, 110], 1.0);
        font::write(&mut out, &font::words(random, 4), 64.0, y, 18.0, BLACK, 1.0);
    }
    out.fill(0, 336, 640, 24, [220, 220, 220]);
    font::write(&mut out, "INSTITUTE OF MEASURES", 20.0, 342.0, 12.0, BLACK, 1.0);
    out
}

fn number(text: &str) -> Picture {
    let mut out = Picture::new(640, 360, [60; 3]);
    out.disc(320.0, 180.0, 150.0, [230; 3], 1.0);
    out.disc(320.0, 180.0, 140.0, [60; 3], 1.0);
    font::write(&mut out, text, 320.0 - font::width(text, 180.0) / 2.0, 90.0, 180.0, WHITE, 1.0);
    out
}

fn scene(random: &mut Random) -> Picture {
    let mut out =
        Picture::from_fn(640, 360, |x, y| [(90 + y / 4) as u8, (120 + x / 8) as u8, (200 - y / 3).max(20) as u8]);
    for _ in 0..14 {
        let (x, y) = (random.range(0.0, 640.0), random.range(120.0, 360.0));
        out.disc(x, y, random.range(10.0, 60.0), [60, 110, 50].map(|v| v + random.below(90) as u8), 1.0);
    }
    out
}

fn title(random: &mut Random) -> Picture {
    let mut out = scene(random);
    font::write(&mut out, &font::words(random, 2), 90.0, 60.0, 40.0, WHITE, 1.0);
    font::write(&mut out, &font::words(random, 3), 120.0, 130.0, 22.0, [250, 220, 90], 1.0);
    out
}
