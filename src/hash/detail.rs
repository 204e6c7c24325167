//! The detail hash: PDQ's DCT and median over luma whose local contrast was evened out first.
//!
//! PDQ rests on the broad distribution of light, which unrelated pictures in one template (a news lower third, a caption
//! card, the frame of an application) share. Here the local mean is subtracted and the rest divided by the local
//! deviation, so that every part of the picture has the same say, flat bars have none, and two pictures agree only if
//! their contents do. It works on the 64x64 samples that PDQ takes, so it has the same orientations and the same
//! complement for the negative picture, and films get it from samples averaged over time.

use std::sync::LazyLock;

use super::pdq::{self, Dihedral, SIDE};
use super::{Hash, Pixels};
use crate::simd::{self, Level, REACH, Smoothing};

/// The reach of the local mean and deviation: standard deviation of the Gaussian, in samples (64 a side).
pub const SIGMA: f64 = 6.0;
/// Grey levels that are added to the local deviation, so that noise in flat parts stays small.
pub const FLOOR: f32 = 6.0;

/// The least [spread](Dihedral::spread) of a window's detail hash: of windows of photographs one in a hundred is below, of
/// stripes and tables nine in ten (docs/recall.md).
pub const MIN_SPREAD: f32 = 0.31;
/// The least quality of a window's detail hash: of windows of photographs one in a hundred is below, of a few discs on a
/// plain ground nine in ten.
pub const MIN_QUALITY: u8 = 60;

static SMOOTHING: LazyLock<Smoothing> = LazyLock::new(|| {
    let weights: [f32; REACH + 1] = std::array::from_fn(|i| (-((i * i) as f64) / (2.0 * SIGMA * SIGMA)).exp() as f32);
    let scales = std::array::from_fn(|at| {
        let mut total = weights[0];
        for (distance, &weight) in weights.iter().enumerate().skip(1) {
            total += match (at >= distance, at + distance < SIDE) {
                (true, true) => 2.0 * weight,
                (false, false) => 0.0,
                _ => weight,
            };
        }
        1.0 / total
    });
    Smoothing { weights, scales, floor: FLOOR }
});

/// The detail hash of a picture in all eight orientations, or `None` if a side is below [`pdq::MIN_SIDE`].
///
/// `quality` and `stability` are those of the evened-out samples (quality taken at 40 grey levels a deviation).
pub fn dihedral(pixels: &Pixels<'_>) -> Option<Dihedral> {
    pdq::samples(pixels).map(|samples| dihedral_of_samples(&samples))
}

/// The detail hash of the picture as it lies, or `None` if a side is below [`pdq::MIN_SIDE`].
pub fn hash(pixels: &Pixels<'_>) -> Option<Hash> {
    dihedral(pixels).map(|all| all.hashes[0])
}

/// All eight orientations from samples as [`pdq::samples`] takes them.
pub fn dihedral_of_samples(samples: &[f32; SIDE * SIDE]) -> Dihedral {
    pdq::dihedral_of_samples(&normalised(samples))
}

/// Samples less their local mean, over their local deviation plus [`FLOOR`], times 40.
fn normalised(samples: &[f32; SIDE * SIDE]) -> [f32; SIDE * SIDE] {
    let mut out = [0.0; SIDE * SIDE];
    (simd::kernels(Level::current()).even)(samples, &SMOOTHING, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::pdq::Transform;

    fn scene(x: usize, y: usize) -> f32 {
        let (x, y) = (x as f32, y as f32);
        127.0 + 50.0 * (x * 0.31 + y * 0.07).sin() + 40.0 * (y * 0.43 - x * 0.11).cos() + 20.0 * (x * y * 0.011).sin()
    }

    fn samples(at: impl Fn(usize, usize) -> f32) -> [f32; SIDE * SIDE] {
        std::array::from_fn(|i| at(i % SIDE, i / SIDE))
    }

    #[test]
    fn orientations_are_those_of_turned_samples() {
        let all = dihedral_of_samples(&samples(scene));
        let last = SIDE - 1;
        let check = |transform: Transform, turned: [f32; SIDE * SIDE]| {
            let distance = all.hashes[transform as usize].distance(&dihedral_of_samples(&turned).hashes[0]);
            assert!(distance <= 2, "{transform:?}: {distance}");
        };
        check(Transform::FlipY, samples(|x, y| scene(last - x, y)));
        check(Transform::FlipX, samples(|x, y| scene(x, last - y)));
        check(Transform::Rotate180, samples(|x, y| scene(last - x, last - y)));
        check(Transform::Rotate90, samples(|x, y| scene(last - y, x)));
        check(Transform::FlipPlus1, samples(|x, y| scene(y, x)));
    }

    #[test]
    fn negative_is_the_complement() {
        let (a, b) = (dihedral_of_samples(&samples(scene)), dihedral_of_samples(&samples(|x, y| 255.0 - scene(x, y))));
        assert!(a.hashes[0].complement().distance(&b.hashes[0]) <= 2);
    }

    #[test]
    fn contrast_and_brightness_do_not_matter_and_a_flat_picture_has_no_quality() {
        let (a, b) = (
            dihedral_of_samples(&samples(scene)),
            dihedral_of_samples(&samples(|x, y| 60.0 + 0.5 * scene(x, y) + x as f32 * 0.6)),
        );
        assert!(a.hashes[0].distance(&b.hashes[0]) <= 24, "{}", a.hashes[0].distance(&b.hashes[0]));
        assert_eq!(dihedral_of_samples(&[99.0; SIDE * SIDE]).quality, 0);
    }

    /// Mean and deviation as their definition says, in double precision; and every level to the last bit.
    #[test]
    fn local_contrast_is_evened_out_alike_on_every_level() {
        let noisy = |x: usize, y: usize| scene(x, y) + ((x * 7 + y * 13) % 11) as f32;
        let samples = samples(noisy);
        let weight = |d: usize| (-((d * d) as f64) / (2.0 * SIGMA * SIGMA)).exp();
        let mut found = vec![];
        for level in Level::available() {
            let mut out = [0.0; SIDE * SIDE];
            (simd::kernels(level).even)(&samples, &SMOOTHING, &mut out);
            found.push(out.map(f32::to_bits));
            for (x, y) in [(0, 0), (63, 0), (5, 40), (31, 32), (63, 63), (20, 62)] {
                let (mut sum, mut square, mut total) = (0.0, 0.0, 0.0);
                for v in 0..SIDE {
                    for u in 0..SIDE {
                        if u.abs_diff(x) <= REACH && v.abs_diff(y) <= REACH {
                            let (w, value) = (
                                weight(u.abs_diff(x)) * weight(v.abs_diff(y)),
                                f64::from(samples[v * SIDE + u]) - 127.5,
                            );
                            sum += w * value;
                            square += w * value * value;
                            total += w;
                        }
                    }
                }
                let (mean, square) = (sum / total, square / total);
                let centre = f64::from(samples[y * SIDE + x]) - 127.5;
                let expected = 40.0 * (centre - mean) / ((square - mean * mean).sqrt() + f64::from(FLOOR));
                let got = f64::from(out[y * SIDE + x]);
                assert!((got - expected).abs() < 0.01, "{level} at {x}, {y}: {got} for {expected}");
            }
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
