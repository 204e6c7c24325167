//! Films that must not match although they have something in common: one channel's lower third and sign, or the same
//! few seconds before or after the content.

use super::super::attacks::films::{lower_third, sign};
use super::super::font;
use super::super::picture::{BLACK, Picture, WHITE};
use super::super::random::Random;
use super::cards;
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
    /// The same six numbers in a ring first, a second each.
    Countdown,
    /// A film leader of six seconds first: numbers, rings, a cross and a hand that goes round, with grain.
    CountdownLeader,
    /// White numbers on black first, from ten to nought.
    CountdownBlack,
    /// Black numbers on white first, from five to one.
    CountdownWhite,
    /// A clock first that counts twelve seconds, on a dark ground with a channel's sign.
    CountdownClock,
    /// The same three cards with words on black last.
    EndCards,
    /// The same two calls to subscribe last.
    Subscribe,
    /// The same picture for six seconds first.
    StaticScene,
    /// The same title sequence of four screens first: a true segment, told apart from a copy by its coverage.
    TitleSequence,
    /// The same fourteen pages of words on black first: a true segment, of which each page is plain.
    Pages,
}

/// Seconds of what comes first, of most templates.
const LEAD: f64 = 6.0;
/// Seconds of a page or a card.
const CARD: f64 = 2.0;

impl FilmTemplate {
    /// All templates.
    pub const ALL: [Self; 15] = [
        Self::LowerThird12,
        Self::LowerThird25,
        Self::Slides,
        Self::Black,
        Self::Bars,
        Self::Countdown,
        Self::CountdownLeader,
        Self::CountdownBlack,
        Self::CountdownWhite,
        Self::CountdownClock,
        Self::EndCards,
        Self::Subscribe,
        Self::StaticScene,
        Self::TitleSequence,
        Self::Pages,
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
            Self::CountdownLeader => "countdown_leader",
            Self::CountdownBlack => "countdown_black",
            Self::CountdownWhite => "countdown_white",
            Self::CountdownClock => "countdown_clock",
            Self::EndCards => "end_cards",
            Self::Subscribe => "subscribe",
            Self::StaticScene => "static_scene",
            Self::TitleSequence => "title_sequence",
            Self::Pages => "pages",
        }
    }

    /// Whether what such films share is a segment that should be found.
    pub const fn is_segment(self) -> bool {
        matches!(self, Self::TitleSequence | Self::Pages)
    }

    /// The stretch of the film of a clip that all films of the template have in common, in seconds.
    pub(super) fn shared(self, clip: &Clip) -> [f64; 2] {
        let first = |seconds| [0.0, seconds];
        let last = |seconds| [clip.seconds, clip.seconds + seconds];
        match self {
            Self::LowerThird12 | Self::LowerThird25 | Self::Slides => first(0.0),
            Self::CountdownBlack => first(11.0),
            Self::CountdownWhite => first(5.0),
            Self::CountdownClock => first(12.0),
            Self::Pages => first(14.0 * CARD),
            Self::EndCards => last(3.0 * CARD),
            Self::Subscribe => last(2.0 * CARD),
            _ => first(LEAD),
        }
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
                joined((640, 360), (0..5).map(|_| slide(words)).collect(), 2.5, "", None)
            }
            Self::Black => lead(clip, &format!("color=c=black:s={w}x{h}:r=25:d={LEAD}")),
            Self::Bars => lead(clip, &format!("smptebars=s={w}x{h}:r=25:d={LEAD}")),
            Self::Countdown => {
                let numbers = (1..=6).rev().map(|i| cards::number_in_ring(&i.to_string()));
                before(clip, numbers.collect(), 1.0, "")
            }
            Self::CountdownLeader => {
                let rounds = |i: u32| (0..4).map(move |k| cards::leader(&i.to_string(), f64::from(k) / 4.0));
                before(clip, (3..=8).rev().flat_map(rounds).collect(), 0.25, ",noise=alls=14:allf=t")
            }
            Self::CountdownBlack => {
                let numbers = (0..=10).rev().map(|i| cards::number(&i.to_string(), BLACK, WHITE));
                before(clip, numbers.collect(), 1.0, "")
            }
            Self::CountdownWhite => {
                let numbers = (1..=5).rev().map(|i| cards::number(&i.to_string(), WHITE, BLACK));
                before(clip, numbers.collect(), 1.0, "")
            }
            Self::CountdownClock => {
                let numbers = (1..=12).rev().map(|i| cards::clock(i, &mut random.clone()));
                before(clip, numbers.collect(), 1.0, "")
            }
            Self::EndCards => {
                let lines = [&["THANKS FOR WATCHING"][..], &["FILMED AND CUT BY", "THE SAME THREE PEOPLE"], &["2026"]];
                let texts = lines.map(|lines| lines.iter().map(|line| (*line).to_string()).collect::<Vec<_>>());
                behind(clip, texts.iter().map(|lines| cards::page(lines, 34.0, BLACK, WHITE)).collect())
            }
            Self::Subscribe => behind(clip, ["SUBSCRIBE", "LIKE AND SHARE"].map(cards::subscribe).to_vec()),
            Self::Pages => before(clip, (0..14).map(|_| cards::words(random)).collect(), CARD, ""),
            Self::StaticScene => before(clip, vec![scene(random)], LEAD, ""),
            Self::TitleSequence => {
                let screens = (0..4).map(|_| title(random)).collect();
                before(clip, screens, LEAD / 4.0, "")
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

/// Pictures for so many seconds each, through a filter, then a clip.
fn before(clip: &Clip, pictures: Vec<Picture>, each: f64, filter: &str) -> Edit {
    joined(clip.scaled(1.0), pictures, each, filter, Some((clip, false)))
}

/// A clip, then cards.
fn behind(clip: &Clip, pictures: Vec<Picture>) -> Edit {
    joined(clip.scaled(1.0), pictures, CARD, "", Some((clip, true)))
}

/// Pictures for so many seconds each, and perhaps a clip after them, or before them if it comes first.
fn joined((w, h): (u32, u32), pictures: Vec<Picture>, each: f64, filter: &str, clip: Option<(&Clip, bool)>) -> Edit {
    let same = format!("scale={w}:{h},setsar=1,fps=25,format=yuv420p");
    let mut graph = String::new();
    for at in 0..pictures.len() {
        graph.push_str(&format!("[{at}:v]trim=duration={each},setpts=PTS-STARTPTS,{same}{filter}[p{at}];"));
    }
    let mut order: Vec<usize> = (0..pictures.len()).collect();
    if let Some((_, first)) = clip {
        graph.push_str(&format!("[{0}:v]{same}[p{0}];", pictures.len()));
        order.insert(if first { 0 } else { order.len() }, pictures.len());
    }
    order.iter().for_each(|at| graph.push_str(&format!("[p{at}]")));
    graph.push_str(&format!("concat=n={}:v=1[out]", order.len()));
    let edit = pictures.into_iter().fold(Edit::graph(graph), Edit::picture);
    clip.iter().fold(edit, |edit, (clip, _)| edit.film(clip))
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
