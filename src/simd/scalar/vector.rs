//! Four floats in an array, in plain code: on the usual targets the compiler keeps them in one 128-bit register.

use crate::simd::generic;

/// Four lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes([f32; 4]);

impl Lanes {
    #[inline(always)]
    fn with(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.0, other.0);
        Self([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])])
    }
}

impl generic::Vector<4> for Lanes {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(from.cast::<[f32; 4]>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self([at(from, 0).into(), at(from, 1).into(), at(from, 2).into(), at(from, 3).into()]) }
    }

    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(from.cast::<[i16; 4]>().read_unaligned().map(f32::from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait says.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }

    /// Divides, since the baseline has no fused multiply-add, but for powers of two, whose reciprocals are exact.
    #[inline(always)]
    unsafe fn over(self, count: Self, inverse: Self, rest: Self) -> Self {
        if rest.0 == [0.0; 4] { self.with(inverse, |a, b| a * b) } else { self.with(count, |a, b| a / b) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 4]) -> [Self; 4] {
        let [a, b, c, d] = rows.map(|row| row.0);
        [
            Self([a[0], b[0], c[0], d[0]]),
            Self([a[1], b[1], c[1], d[1]]),
            Self([a[2], b[2], c[2], d[2]]),
            Self([a[3], b[3], c[3], d[3]]),
        ]
    }
}

/// One after the other: small numbers that are read as one large one are taken apart again by shifts.
#[inline(always)]
unsafe fn at<T: Copy>(from: *const T, k: usize) -> T {
    // SAFETY: as the trait says of `from` and the lanes after it.
    unsafe { from.add(k).read_unaligned() }
}
