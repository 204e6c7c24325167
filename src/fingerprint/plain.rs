//! Whether a picture is plain: a number, a few words, a sign on an even ground. Unrelated films share such pictures, as a
//! countdown, and each of them differs from the next as much as scenes do.
//!
//! Most of a plain picture is flat, and where it is not there are edges; what films are made of has more soft steps than
//! sharp ones, however even its ground is. The figures behind the bounds are in `docs/design-video.md`.

use crate::hash::pdq::SIDE;

const CELLS: usize = SIDE * SIDE;
/// Steps between neighbours below so many levels are none.
const FLAT: f32 = 3.0;
/// At least this share of the picture is flat.
const MOSTLY: f32 = 0.6;
/// Steps of at least this share of the largest are sharp, where the largest hundredth of them is left out,
const SHARP: f32 = 0.25;
/// and of at least so many levels.
const LEAST_SHARP: f32 = 8.0;
/// The sides of the blocks among which the smoothest tells how much grain there is.
const BLOCK: usize = 8;
/// Blocks with a mean step below this are bars, or drawn, and tell nothing of grain.
const DEAD: f32 = 0.15;
/// So many times the mean step of the smoothest block is grain,
const GRAIN: f32 = 2.5;
/// but never more levels than these.
const MOST_GRAIN: f32 = 5.0;

/// Whether these samples of luma show a plain picture; true of one that shows nothing at all.
pub(crate) fn is_plain(samples: &[f32; CELLS]) -> bool {
    let mut steps = [0.0f32; CELLS];
    let mut blocks = [0.0f32; CELLS / BLOCK / BLOCK];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let at = y * SIDE + x;
            let to = |next: bool, by: usize| if next { (samples[at] - samples[at + by]).abs() } else { 0.0 };
            let (right, down) = (to(x + 1 < SIDE, 1), to(y + 1 < SIDE, SIDE));
            steps[at] = right.max(down);
            blocks[y / BLOCK * (SIDE / BLOCK) + x / BLOCK] += (right + down) / 2.0;
        }
    }
    let means = blocks.iter().map(|sum| sum / (BLOCK * BLOCK) as f32);
    let smoothest = means.filter(|&mean| mean >= DEAD).min_by(f32::total_cmp).unwrap_or(0.0);
    let grain = (GRAIN * smoothest).min(MOST_GRAIN);
    steps.iter_mut().for_each(|step| *step = (*step - grain).max(0.0));
    let (_, &mut large, _) = steps.select_nth_unstable_by(CELLS - CELLS / 100, f32::total_cmp);
    let sharp = (SHARP * large).max(LEAST_SHARP);
    let count = |from: f32, to: f32| steps.iter().filter(|&&step| step >= from && step < to).count();
    let (flat, soft, sharp) = (count(0.0, FLAT), count(FLAT, sharp), count(sharp, f32::INFINITY));
    flat as f32 >= MOSTLY * CELLS as f32 && soft <= sharp
}

#[cfg(test)]
mod tests {
    use super::*;

    type Samples = Box<[f32; CELLS]>;

    fn drawn(at: impl Fn(f32, f32) -> f32) -> Samples {
        let mut samples = Box::new([0.0; CELLS]);
        for (at_cell, sample) in samples.iter_mut().enumerate() {
            // The mean of four by four points, as of the pixels under a cell.
            let (x, y) = ((at_cell % SIDE) as f32, (at_cell / SIDE) as f32);
            let points = (0..16u8).map(|k| at(x + f32::from(k % 4) / 4.0 + 0.125, y + f32::from(k / 4) / 4.0 + 0.125));
            *sample = points.sum::<f32>() / 16.0;
        }
        samples
    }

    /// A ring with a number in it, which is two bars.
    fn number(ground: f32, ink: f32) -> Samples {
        drawn(|x, y| {
            let ring = ((x - 32.0).hypot(y - 32.0) - 24.0).abs() < 1.0;
            let bars = (20.0..44.0).contains(&y) && ((26.0..29.0).contains(&x) || (34.0..37.0).contains(&x));
            if ring || bars { ink } else { ground }
        })
    }

    /// Waves of all lengths, as photographs have.
    fn scene(contrast: f32, seed: f32) -> Samples {
        drawn(|x, y| {
            let waves = (1..12).map(|k| {
                let (u, v) = ((seed + k as f32 * 2.4).sin() * k as f32, (seed + k as f32 * 1.7).cos() * k as f32);
                ((u * x + v * y) / 12.0 + seed * k as f32).sin() / (1.0 + u.hypot(v))
            });
            110.0 + contrast * waves.sum::<f32>()
        })
    }

    /// With noise of this size, the same each time.
    fn grainy(mut samples: Samples, size: f32) -> Samples {
        let mut state = 7u32;
        for sample in samples.iter_mut() {
            let mut uniform = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            };
            // The sum of three is near enough to a normal one, with a deviation of a half.
            *sample = (*sample + 2.0 * size * (uniform() + uniform() + uniform())).clamp(0.0, 255.0);
        }
        samples
    }

    #[test]
    fn numbers_on_an_even_ground_are_plain_on_any_ground() {
        for (ground, ink) in [(0.0, 255.0), (255.0, 0.0), (60.0, 230.0), (190.0, 30.0)] {
            assert!(is_plain(&number(ground, ink)), "{ground} {ink}");
            assert!(is_plain(&grainy(number(ground, ink), 1.5)), "grain on {ground} {ink}");
            let mut shaded = number(ground, ink);
            shaded.iter_mut().enumerate().for_each(|(at, sample)| *sample *= 1.0 - (at / SIDE) as f32 / 150.0);
            assert!(is_plain(&shaded), "darker below {ground} {ink}");
        }
        assert!(is_plain(&[0.0; CELLS]) && is_plain(&[99.0; CELLS]));
    }

    #[test]
    fn scenes_are_not_plain_however_even_or_dark_they_are() {
        for seed in [1.0, 2.0, 3.0, 4.0] {
            assert!(!is_plain(&scene(20.0, seed)), "{seed} in fog");
            for contrast in [60.0, 140.0] {
                assert!(!is_plain(&scene(contrast, seed)), "{seed} {contrast}");
                assert!(!is_plain(&grainy(scene(contrast, seed), 1.5)), "{seed} {contrast} with grain");
                // Between bars, most of the picture is flat.
                let mut barred = scene(contrast, seed);
                barred[..CELLS * 3 / 10].fill(0.0);
                barred[CELLS * 7 / 10..].fill(0.0);
                assert!(!is_plain(&barred), "{seed} {contrast} between bars");
            }
        }
        assert!(!is_plain(&grainy(Box::new([128.0; CELLS]), 30.0)), "noise");
    }
}
