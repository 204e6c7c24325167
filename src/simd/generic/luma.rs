//! Pixels to luma. Plain loops: the compiler vectorises them for the level that they are stamped out in.

use crate::hash::Format;

/// Writes the luma of as many pixels as `out` holds; a shorter `row` leaves the rest as it is.
#[inline(always)]
pub(crate) fn luma(format: Format, row: &[u8], out: &mut [f32]) {
    match format {
        Format::Luma8 => out.iter_mut().zip(row).for_each(|(out, &v)| *out = f32::from(v)),
        Format::Luma16 => {
            for (out, v) in out.iter_mut().zip(row.chunks_exact(2)) {
                *out = f32::from(u16::from_le_bytes([v[0], v[1]])) / 257.0;
            }
        }
        Format::Rgb8 => weighted::<3, 0, 2>(row, out),
        Format::Bgr8 => weighted::<3, 2, 0>(row, out),
        Format::Rgba8 => weighted::<4, 0, 2>(row, out),
        Format::Bgra8 => weighted::<4, 2, 0>(row, out),
    }
}

#[inline(always)]
fn weighted<const BYTES: usize, const RED: usize, const BLUE: usize>(row: &[u8], out: &mut [f32]) {
    for (out, v) in out.iter_mut().zip(row.as_chunks::<BYTES>().0) {
        *out = 0.299f32 * f32::from(v[RED]) + 0.587f32 * f32::from(v[1]) + 0.114f32 * f32::from(v[BLUE]);
    }
}
