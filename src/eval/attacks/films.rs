//! What uploaders do to films. Each attack is one small function that says what the `ffmpeg` command is to do and what is
//! true of the result; to add one, write a line in [`films`].

use super::super::film::{Clip, Edit};
use super::super::font;
use super::super::picture::{BLACK, Picture, WHITE};
use super::super::random::Random;

/// The kind of an attack on a film; figures are given for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum FilmGroup {
    Codec,
    Colour,
    Orientation,
    Time,
    Border,
    Overlay,
    Crop,
    Screen,
    Cutting,
    Chain,
    Still,
}

impl FilmGroup {
    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Colour => "colour",
            Self::Orientation => "orientation",
            Self::Time => "time",
            Self::Border => "border",
            Self::Overlay => "overlay",
            Self::Crop => "crop",
            Self::Screen => "screen",
            Self::Cutting => "cutting",
            Self::Chain => "chain",
            Self::Still => "still",
        }
    }
}

/// What an attack may draw on beside the clip itself.
#[derive(Debug)]
pub struct FilmContext<'a> {
    /// Random numbers of this clip and this attack.
    pub random: Random,
    /// Unrelated films that are in no list, for what stands around a copy. May be empty.
    pub fillers: &'a [Clip],
    /// Other references, for compilations. May be empty.
    pub references: &'a [Clip],
}

impl FilmContext<'_> {
    fn filler(&mut self, not: &Clip) -> Option<Clip> {
        let others: Vec<&Clip> = self.fillers.iter().filter(|clip| clip.name != not.name).collect();
        if others.is_empty() { None } else { Some((*self.random.pick(&others)).clone()) }
    }
}

type Function = dyn Fn(&Clip, &mut FilmContext<'_>) -> Edit + Send + Sync;

/// A named way to alter a film.
pub struct FilmAttack {
    /// Its name in reports and in the seed: letters, digits and `_`.
    pub name: String,
    /// Its kind.
    pub group: FilmGroup,
    /// Whether it needs an unrelated film.
    filled: bool,
    edit: Box<Function>,
}

impl FilmAttack {
    /// An attack of one's own.
    pub fn new(
        name: impl Into<String>,
        group: FilmGroup,
        edit: impl Fn(&Clip, &mut FilmContext<'_>) -> Edit + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), group, filled: false, edit: Box::new(edit) }
    }

    /// The same as one that cannot be made without an unrelated film.
    #[must_use]
    pub fn with_filler(self) -> Self {
        Self { filled: true, ..self }
    }

    /// Whether there is what it needs to be made of this clip; [`Self::edit`] encodes the clip anew where there is not.
    pub fn possible(&self, clip: &Clip, fillers: &[Clip]) -> bool {
        !self.filled || fillers.iter().any(|filler| filler.name != clip.name)
    }

    /// What is to be done to a clip.
    pub fn edit(&self, clip: &Clip, seed: u64, fillers: &[Clip], references: &[Clip]) -> Edit {
        let random = Random::keyed(seed, &[&clip.name, &self.name]);
        (self.edit)(clip, &mut FilmContext { random, fillers, references })
    }
}

impl std::fmt::Debug for FilmAttack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FilmAttack({}, {:?})", self.name, self.group)
    }
}

/// Ends every filter whose sides might come out odd, which H.264 does not take.
const EVEN: &str = "scale=trunc(iw/2)*2:trunc(ih/2)*2,setsar=1";

/// Every attack on films, group by group.
pub fn films() -> Vec<FilmAttack> {
    use FilmGroup::*;
    let filter = |name: &str, group, filter: &str| {
        let filter = format!("{filter},{EVEN}");
        FilmAttack::new(name, group, move |clip, _| Edit::of(clip, filter.clone()))
    };
    let speed = |name: &str, speed: f64| {
        FilmAttack::new(name, Time, move |clip, _| {
            Edit::of(clip, format!("setpts=PTS/{speed},{EVEN}")).shows(0.0, clip.seconds, speed)
        })
    };
    let part = |name: &str, part: fn(f64) -> [f64; 2]| FilmAttack::new(name, Time, move |clip, _| cut(clip, part, ""));
    vec![
        filter("reencode", Codec, "null"),
        FilmAttack::new("bitrate_low", Codec, |clip, _| {
            Edit::of(clip, EVEN).encoder("-c:v libx264 -preset superfast -crf 38", "mp4")
        }),
        filter("rescale_half", Codec, "scale=iw/2:ih/2"),
        filter("fps_12", Codec, "fps=12"),
        FilmAttack::new("gif", Codec, |clip, _| Edit::of(clip, "fps=8,scale=240:-2").encoder("", "gif")),
        filter("grey", Colour, "hue=s=0"),
        filter("inverted", Colour, "negate"),
        filter("brighter", Colour, "eq=brightness=0.15"),
        filter("gamma", Colour, "eq=gamma=1.6"),
        filter("mirror", Orientation, "hflip"),
        filter("quarter_turn", Orientation, "transpose=1"),
        part("trim_037", |seconds| [0.37, seconds]),
        part("trim_2", |seconds| [2.0, seconds]),
        part("middle_third", |seconds| [seconds / 3.0, seconds * 2.0 / 3.0]),
        speed("speed_050", 0.5),
        speed("speed_080", 0.8),
        speed("speed_110", 1.1),
        speed("speed_125", 1.25),
        speed("speed_200", 2.0),
        FilmAttack::new("reversed", Time, |clip, _| {
            Edit::of(clip, format!("reverse,{EVEN}")).shows(0.0, clip.seconds, -1.0)
        }),
        filter("letterbox", Border, "pad=iw:ih*1.33:0:(oh-ih)/2"),
        filter("pillarbox", Border, "pad=iw*1.33:ih:(ow-iw)/2:0"),
        filter("border", Border, "pad=iw*1.16:ih*1.16:(ow-iw)/2:(oh-ih)/2:0x2060a0"),
        FilmAttack::new("bars_blurred", Border, |clip, _| bars_blurred(clip)),
        FilmAttack::new("caption_bar_12", Border, |clip, c| caption_bar(clip, c, 0.12)),
        FilmAttack::new("caption_bar_25", Border, |clip, c| caption_bar(clip, c, 0.25)),
        FilmAttack::new("logo", Overlay, |clip, c| {
            let size = even(f64::from(clip.width) * 0.14);
            let corner = *c.random.pick(&["8:8", "W-w-8:8", "8:H-h-8", "W-w-8:H-h-8"]);
            overlaid(clip, sign(size, size, &mut c.random), corner)
        }),
        FilmAttack::new("banner_12", Overlay, |clip, c| banner(clip, c, 0.12)),
        FilmAttack::new("banner_25", Overlay, |clip, c| banner(clip, c, 0.25)),
        filter("crop_5", Crop, "crop=iw*0.95:ih*0.95"),
        filter("crop_10", Crop, "crop=iw*0.90:ih*0.90"),
        filter("crop_20", Crop, "crop=iw*0.80:ih*0.80"),
        FilmAttack::new("crop_side_10", Crop, |clip, c| {
            let crop = *c.random.pick(&[
                "crop=iw*0.9:ih:0:0",
                "crop=iw*0.9:ih:iw*0.1:0",
                "crop=iw:ih*0.9:0:0",
                "crop=iw:ih*0.9:0:ih*0.1",
            ]);
            Edit::of(clip, format!("{crop},{EVEN}"))
        }),
        filter("crop_9_to_16", Crop, "crop=min(iw\\,ih*9/16):ih"),
        FilmAttack::new("on_screen", Screen, |clip, c| {
            let (w, h) = clip.scaled(0.6);
            let screen = background(clip.scaled(1.0), &mut c.random);
            let (x, y) = place(&mut c.random, clip, (w, h));
            let mut edit = Edit::of(clip, "null");
            edit.set_filter(format!("[0:v]scale={w}:{h}[small];[1:v][small]overlay={x}:{y}:shortest=1,{EVEN}[out]"));
            edit.picture(screen)
        }),
        FilmAttack::new("on_film", Screen, |clip, c| {
            let Some(other) = c.filler(clip) else { return Edit::of(clip, EVEN) };
            let ((w, h), (wide, high)) = (clip.scaled(0.6), clip.scaled(1.0));
            let (x, y) = place(&mut c.random, clip, (w, h));
            let mut edit = Edit::of(clip, "null");
            edit.set_filter(format!(
                "[0:v]scale={w}:{h}[small];[1:v]scale={wide}:{high}[large];[large][small]overlay={x}:{y}:shortest=1,{EVEN}[out]"
            ));
            edit.film_with(&other, "-stream_loop -1")
        })
        .with_filler(),
        FilmAttack::new("static_introduction", Cutting, |clip, c| {
            let (w, h) = clip.scaled(1.0);
            let card = background((w, h), &mut c.random);
            let same = format!("scale={w}:{h},setsar=1,fps=25,format=yuv420p");
            let graph =
                format!("[0:v]{same}[a];[1:v]trim=duration=4,setpts=PTS-STARTPTS,{same}[b];[b][a]concat=n=2:v=1[out]");
            let whole = [0.0, clip.seconds];
            Edit::graph(graph).film(clip).picture(card).part(clip, [4.0, 4.0 + clip.seconds], whole)
        }),
        FilmAttack::new("inside_longer", Cutting, |clip, c| {
            let (Some(before), Some(after)) = (c.filler(clip), c.filler(clip)) else { return Edit::of(clip, EVEN) };
            let lead = before.seconds.min(12.0);
            let whole = [0.0, clip.seconds];
            joined(clip, &[(&before, 12.0), (clip, f64::INFINITY), (&after, 12.0)]).part(
                clip,
                [lead, lead + clip.seconds],
                whole,
            )
        })
        .with_filler(),
        FilmAttack::new("compilation", Cutting, |clip, c| {
            let others: Vec<&Clip> = c.references.iter().filter(|other| other.name != clip.name).collect();
            let mut parts = vec![(clip, 8.0)];
            if !others.is_empty() {
                let first = c.random.below(others.len());
                parts.push((others[first], 8.0));
                if others.len() > 1 {
                    parts.push((others[(first + 1 + c.random.below(others.len() - 1)) % others.len()], 8.0));
                }
            }
            let mut edit = joined(clip, &parts);
            let mut at = 0.0;
            for (clip, most) in parts {
                let length = clip.seconds.min(most);
                edit = edit.part(clip, [at, at + length], [0.0, length]);
                at += length;
            }
            edit
        }),
        FilmAttack::new("trim_mirror_letterbox", Chain, |clip, _| {
            cut(clip, |seconds| [1.3, seconds], "hflip,pad=iw:ih*1.25:0:(oh-ih)/2,")
        }),
        FilmAttack::new("crop_caption_speed", Chain, |clip, c| {
            let (w, h) = clip.scaled(0.95);
            let bar = even(f64::from(h) * 0.12);
            let caption = lettered(w, bar, &mut c.random, WHITE, BLACK);
            let mut edit = Edit::of(clip, "null").shows(0.0, clip.seconds, 1.1);
            edit.set_filter(format!(
                "[0:v]crop=iw*0.95:ih*0.95,scale={w}:{h},setpts=PTS/1.1,pad={w}:{}:0:{bar}[film];\
                 [film][1:v]overlay=0:0:shortest=1,{EVEN}[out]",
                h + bar
            ));
            edit.picture(caption)
        }),
        FilmAttack::new("single_still", Still, |clip, c| {
            let at = clip.seconds * c.random.range(0.2, 0.8);
            let mut edit = Edit::of(clip, "null").encoder("-frames:v 1 -q:v 5", "jpg");
            edit.truth[0].query = [0.0; 2];
            edit.truth[0].reference = [at, at];
            edit.set_filter(format!("[0:v]trim=start={at:.3},{EVEN}[out]"));
            edit
        }),
    ]
}

fn even(length: f64) -> u32 {
    ((length / 2.0).round() as u32 * 2).max(4)
}

/// A part of the clip, by its length, through a filter that ends in a comma.
fn cut(clip: &Clip, part: fn(f64) -> [f64; 2], filter: &str) -> Edit {
    let [from, to] = part(clip.seconds);
    Edit::of(clip, format!("trim={from:.4}:{to:.4},setpts=PTS-STARTPTS,{filter}{EVEN}")).shows(from, to, 1.0)
}

/// Clips one after another, each at most so many seconds, in the frame of one of them.
fn joined(frame: &Clip, parts: &[(&Clip, f64)]) -> Edit {
    let (w, h) = frame.scaled(1.0);
    let mut graph = String::new();
    for (at, (clip, most)) in parts.iter().enumerate() {
        let length = clip.seconds.min(*most);
        graph.push_str(&format!(
            "[{at}:v]trim=duration={length:.4},setpts=PTS-STARTPTS,scale={w}:{h}:force_original_aspect_ratio=decrease,\
             pad={w}:{h}:(ow-iw)/2:(oh-ih)/2,setsar=1,fps=25,format=yuv420p[p{at}];"
        ));
    }
    (0..parts.len()).for_each(|at| graph.push_str(&format!("[p{at}]")));
    graph.push_str(&format!("concat=n={}:v=1[out]", parts.len()));
    parts.iter().fold(Edit::graph(graph), |edit, (clip, _)| edit.film(clip))
}

/// A picture over the whole of the clip.
fn overlaid(clip: &Clip, picture: Picture, at: &str) -> Edit {
    let mut edit = Edit::of(clip, "null");
    edit.set_filter(format!("[0:v][1:v]overlay={at}:shortest=1,{EVEN}[out]"));
    edit.picture(picture)
}

/// An opaque strip with words at the foot of the picture, over it.
fn banner(clip: &Clip, context: &mut FilmContext<'_>, share: f64) -> Edit {
    let (w, h) = clip.scaled(1.0);
    let strip = lower_third(w, even(f64::from(h) * share), &mut context.random);
    overlaid(clip, strip, "0:H-h")
}

/// A strip with words outside the picture, above it.
fn caption_bar(clip: &Clip, context: &mut FilmContext<'_>, share: f64) -> Edit {
    let (w, h) = clip.scaled(1.0);
    let bar = even(f64::from(h) * share);
    let caption = lettered(w, bar, &mut context.random, WHITE, BLACK);
    let mut edit = Edit::of(clip, "null");
    edit.set_filter(format!(
        "[0:v]scale={w}:{h},pad={w}:{}:0:{bar}[film];[film][1:v]overlay=0:0:shortest=1,{EVEN}[out]",
        h + bar
    ));
    edit.picture(caption)
}

/// The bars that players make of the film itself, enlarged, blurred and darkened.
fn bars_blurred(clip: &Clip) -> Edit {
    let (w, h) = clip.scaled(1.0);
    let wide = even(f64::from(w) * 1.5);
    let mut edit = Edit::of(clip, "null");
    edit.set_filter(format!(
        "[0:v]split[a][b];[a]scale={}:{},boxblur=4:2,scale={wide}:{h},eq=brightness=-0.1[back];\
         [back][b]overlay=(W-w)/2:0,{EVEN}[out]",
        even(f64::from(wide) / 8.0),
        even(f64::from(h) / 8.0),
    ));
    edit
}

/// Words on a plain ground.
fn lettered(width: u32, height: u32, random: &mut Random, back: [u8; 3], ink: [u8; 3]) -> Picture {
    let mut out = Picture::new(width as usize, height as usize, back);
    let letters = f64::from(height) * 0.4;
    let mut text = font::words(random, 1);
    loop {
        let longer = format!("{text} {}", font::words(random, 1));
        if font::width(&longer, letters) > 0.92 * f64::from(width) {
            break;
        }
        text = longer;
    }
    let x = (f64::from(width) - font::width(&text, letters)) / 2.0;
    font::write(&mut out, &text, x.max(0.0), f64::from(height) * 0.3, letters, ink, 1.0);
    out
}

/// A news channel's lower third.
pub(crate) fn lower_third(width: u32, height: u32, random: &mut Random) -> Picture {
    const NAVY: [u8; 3] = [16, 32, 84];
    const RED: [u8; 3] = [196, 24, 36];
    let (w, h) = (f64::from(width), f64::from(height));
    let mut out = Picture::new(width as usize, height as usize, NAVY);
    out.fill(0, 0, (w * 0.2) as usize, height as usize, RED);
    font::write(&mut out, "LIVE", w * 0.03, h * 0.3, h * 0.36, WHITE, 1.0);
    font::write(&mut out, &font::words(random, 4), w * 0.23, h * 0.12, h * 0.3, WHITE, 1.0);
    font::write(&mut out, &font::words(random, 8), w * 0.23, h * 0.6, h * 0.2, [190, 200, 230], 1.0);
    out
}

/// A sign with three letters.
pub(crate) fn sign(width: u32, height: u32, random: &mut Random) -> Picture {
    let colour = *random.pick(&[[220, 30, 40], [30, 60, 200], [250, 200, 20], [20, 160, 80]]);
    let mut out = Picture::new(width as usize, height as usize, colour);
    let letters = f64::from(height) * 0.34;
    let text: String = font::words(random, 1).chars().take(3).collect();
    let x = (f64::from(width) - font::width(&text, letters)) / 2.0;
    font::write(&mut out, &text, x.max(0.0), (f64::from(height) - letters) / 2.0, letters, WHITE, 1.0);
    out
}

/// A desktop with windows, or a title card.
fn background((width, height): (u32, u32), random: &mut Random) -> Picture {
    let top = [random.range(20.0, 120.0), random.range(20.0, 120.0), random.range(60.0, 160.0)];
    let mut out = Picture::from_fn(width as usize, height as usize, |_, y| {
        top.map(|v| (v + 80.0 * y as f64 / f64::from(height)) as u8)
    });
    for _ in 0..5 {
        let (w, h) = (f64::from(width) * random.range(0.1, 0.3), f64::from(height) * random.range(0.1, 0.25));
        let (x, y) = (random.range(0.0, f64::from(width) - w), random.range(0.0, f64::from(height) - h));
        out.fill(x as usize, y as usize, w as usize, h as usize, [230; 3]);
        font::write(&mut out, &font::words(random, 2), x + 4.0, y + 4.0, (h * 0.2).max(6.0), BLACK, 1.0);
    }
    out
}

/// Where a smaller picture goes: in the middle or near a corner.
fn place(random: &mut Random, clip: &Clip, (w, h): (u32, u32)) -> (u32, u32) {
    let (wide, high) = clip.scaled(1.0);
    let (x, y) = (wide.saturating_sub(w), high.saturating_sub(h));
    let share = *random.pick(&[(0.5, 0.5), (0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)]);
    ((f64::from(x) * share.0) as u32, (f64::from(y) * share.1) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::data::Split;

    fn clip(name: &str, seconds: f64) -> Clip {
        Clip {
            name: name.into(),
            path: name.into(),
            split: Split::Reference,
            digest: name.into(),
            seconds,
            width: 320,
            height: 180,
        }
    }

    #[test]
    fn every_attack_has_a_name_a_truth_and_the_same_key_each_time() {
        let (a, others) = (clip("a", 9.0), [clip("b", 6.0), clip("c", 12.0)]);
        let all = films();
        assert!(all.len() >= 39, "{}", all.len());
        for (i, attack) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.name != attack.name), "{} twice", attack.name);
            let edit = attack.edit(&a, 1, &others, &others);
            assert_eq!(edit.key(), attack.edit(&a, 1, &others, &others).key(), "{}", attack.name);
            assert!(!edit.truth.is_empty() && edit.truth.iter().any(|part| part.clip == "a"), "{}", attack.name);
            for part in &edit.truth {
                assert!(part.query[0] <= part.query[1] && part.reference[0] <= part.reference[1], "{}", attack.name);
            }
            // Without other films something is made all the same.
            assert!(!attack.edit(&a, 1, &[], &[]).truth.is_empty(), "{}", attack.name);
        }
    }

    #[test]
    fn attacks_that_are_possible_give_films_of_their_own() {
        let a = clip("a", 9.0);
        for fillers in [&[][..], std::slice::from_ref(&a), &[clip("b", 6.0)]] {
            let possible: Vec<FilmAttack> = films().into_iter().filter(|attack| attack.possible(&a, fillers)).collect();
            let alone = fillers.iter().all(|filler| filler.name == "a");
            assert_eq!(possible.len(), films().len() - if alone { 2 } else { 0 });
            let mut keys: Vec<String> = possible.iter().map(|attack| attack.edit(&a, 1, fillers, &[]).key()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), possible.len());
        }
    }
}
