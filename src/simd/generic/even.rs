//! Plain code that each level compiles with its own instructions: local contrast evened out, the median of coefficients,
//! and bytes added to sums.

/// What a blur along one axis of 64 samples takes.
pub(crate) struct Smoothing {
    /// The weight of the centre, which is 1, and of the samples on both sides of it.
    pub(crate) weights: [f32; REACH + 1],
    /// One over the sum of the weights that lie inside the picture, for each place on the axis.
    pub(crate) scales: [f32; SIDE],
    /// Added to the local deviation.
    pub(crate) floor: f32,
}

/// Samples to either side that a blur sees.
pub(crate) const REACH: usize = 18;
const SIDE: usize = 64;
const CELLS: usize = SIDE * SIDE;
/// Columns whose sums are held in registers.
const LANES: usize = 32;

/// Samples less their local mean, over their local deviation plus the floor, times 40.
#[inline(always)]
pub(crate) fn even(samples: &[f32; CELLS], smoothing: &Smoothing, out: &mut [f32; CELLS]) {
    // Centred first: squares of small numbers keep more of single precision, and the negative has the same squares.
    let mut centred = [0.0f32; CELLS];
    let mut squared = [0.0f32; CELLS];
    for ((centred, squared), sample) in centred.iter_mut().zip(&mut squared).zip(samples) {
        *centred = sample - 127.5;
        *squared = *centred * *centred;
    }
    let (mut mean, mut square) = ([0.0f32; CELLS], [0.0f32; CELLS]);
    blur(&centred, smoothing, &mut mean);
    blur(&squared, smoothing, &mut square);
    for (((out, centred), mean), square) in out.iter_mut().zip(&centred).zip(&mean).zip(&square) {
        let deviation = (square - mean * mean).max(0.0).sqrt();
        *out = 40.0 * (centred - mean) / (deviation + smoothing.floor);
    }
}

/// A Gaussian whose weights are shared out among the samples inside the picture: down the columns, then along the rows.
/// Both sides of a centre are added first, so that the picture turned round has the same sums; what lies outside is 0.
#[inline(always)]
fn blur(input: &[f32; CELLS], smoothing: &Smoothing, out: &mut [f32; CELLS]) {
    const NOTHING: [f32; SIDE] = [0.0; SIDE];
    let rows = input.as_chunks::<SIDE>().0;
    for (y, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let mut padded = [0.0f32; SIDE + 2 * REACH];
        for from in (0..SIDE).step_by(LANES) {
            let mut sums = [0.0f32; LANES];
            sums.copy_from_slice(&rows[y][from..from + LANES]);
            for (distance, weight) in smoothing.weights.iter().enumerate().skip(1) {
                let above = y.checked_sub(distance).map_or(&NOTHING, |at| &rows[at]);
                let below = rows.get(y + distance).unwrap_or(&NOTHING);
                let (above, below) = (&above[from..from + LANES], &below[from..from + LANES]);
                for ((sum, above), below) in sums.iter_mut().zip(above).zip(below) {
                    *sum += weight * (above + below);
                }
            }
            for (padded, sum) in padded[REACH + from..].iter_mut().zip(&sums) {
                *padded = sum * smoothing.scales[y];
            }
        }
        for from in (0..SIDE).step_by(LANES) {
            let mut sums = [0.0f32; LANES];
            sums.copy_from_slice(&padded[REACH + from..][..LANES]);
            for (distance, weight) in smoothing.weights.iter().enumerate().skip(1) {
                let left = &padded[REACH + from - distance..][..LANES];
                let right = &padded[REACH + from + distance..][..LANES];
                for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
                    *sum += weight * (left + right);
                }
            }
            for ((out, sum), scale) in out[from..].iter_mut().zip(&sums).zip(&smoothing.scales[from..]) {
                *out = sum * scale;
            }
        }
    }
}

/// The 128th smallest, in the order of [`f32::total_cmp`]: bit by bit the largest number that at most 127 are below.
/// Counting the whole array for each bit compiles to vectors without a branch, six times as fast as selecting.
#[inline(always)]
pub(crate) fn median(values: &[f32; 256]) -> f32 {
    // Integers in the same order as the numbers, and back.
    let turned = |bits: i32| bits ^ ((bits >> 31) as u32 >> 1) as i32;
    let keys = values.map(|value| turned(value.to_bits() as i32));
    let mut found = i32::MIN;
    for bit in (0..32).rev() {
        let candidate = found ^ (1i32 << bit);
        let below: i32 = keys.iter().map(|&key| i32::from(key < candidate)).sum();
        if below <= 127 {
            found = candidate;
        }
    }
    f32::from_bits(turned(found) as u32)
}

/// Adds a row of bytes to sums, which the caller keeps from overflowing.
#[inline(always)]
pub(crate) fn add_bytes(sums: &mut [u16], row: &[u8]) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(u16::from(value));
    }
}
