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

/// The reach of the local mean and deviation: standard deviation of the Gaussian, in samples (64 a side).
pub const SIGMA: f64 = 6.0;
/// Grey levels that are added to the local deviation, so that noise in flat parts stays small.
pub const FLOOR: f32 = 6.0;

const REACH: usize = 18;

static WEIGHTS: LazyLock<[f32; REACH + 1]> =
    LazyLock::new(|| std::array::from_fn(|i| (-((i * i) as f64) / (2.0 * SIGMA * SIGMA)).exp() as f32));

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
    // Centred first: squares of small numbers keep more of single precision, and the negative has the same squares.
    let centred = samples.map(|v| v - 127.5);
    let mean = blurred(&centred);
    let square = blurred(&centred.map(|v| v * v));
    std::array::from_fn(|i| {
        let deviation = (square[i] - mean[i] * mean[i]).max(0.0).sqrt();
        40.0 * (centred[i] - mean[i]) / (deviation + FLOOR)
    })
}

/// A Gaussian whose weights are shared out among the samples inside the picture.
fn blurred(input: &[f32; SIDE * SIDE]) -> [f32; SIDE * SIDE] {
    let mut across = [0.0f32; SIDE * SIDE];
    // Along columns whole rows at a time, then the same on the transposed picture: sums in one order on every machine.
    columns(input, &mut across);
    let mut turned = [0.0f32; SIDE * SIDE];
    columns(&transposed(&across), &mut turned);
    transposed(&turned)
}

fn columns(input: &[f32; SIDE * SIDE], output: &mut [f32; SIDE * SIDE]) {
    let weights = &*WEIGHTS;
    for y in 0..SIDE {
        let row = &mut output[y * SIDE..][..SIDE];
        row.copy_from_slice(&input[y * SIDE..][..SIDE]);
        let mut total = weights[0];
        for (distance, &weight) in weights.iter().enumerate().skip(1) {
            // Both sides of the centre at once, so that the picture upside down has the same sums.
            let (above, below) = (y.checked_sub(distance), Some(y + distance).filter(|&at| at < SIDE));
            match (above, below) {
                (Some(a), Some(b)) => {
                    total += 2.0 * weight;
                    let (a, b) = (&input[a * SIDE..][..SIDE], &input[b * SIDE..][..SIDE]);
                    row.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out += weight * (a + b));
                }
                (Some(one), None) | (None, Some(one)) => {
                    total += weight;
                    let one = &input[one * SIDE..][..SIDE];
                    row.iter_mut().zip(one).for_each(|(out, v)| *out += weight * v);
                }
                (None, None) => {}
            }
        }
        let scale = 1.0 / total;
        row.iter_mut().for_each(|v| *v *= scale);
    }
}

fn transposed(input: &[f32; SIDE * SIDE]) -> [f32; SIDE * SIDE] {
    std::array::from_fn(|i| input[(i % SIDE) * SIDE + i / SIDE])
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

    #[test]
    fn a_blur_of_a_constant_is_the_constant() {
        assert!(blurred(&[7.0; SIDE * SIDE]).iter().all(|v| (v - 7.0).abs() < 1e-4));
    }
}
