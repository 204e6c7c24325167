//! Four floats in a 128-bit register.

use std::arch::aarch64::*;

use crate::simd::generic;

/// 4 lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes(float32x4_t);

impl generic::Vector<4> for Lanes {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self(vdupq_n_f32(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vld1q_f32(from)) }
    }

    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vcvtq_f32_u32(vmovl_u16(vld1_u16(from)))) }
    }

    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vcvtq_f32_s32(vmovl_s16(vld1_s16(from)))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait says.
        unsafe { vst1q_f32(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vaddq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vsubq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vmulq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn over(self, _count: Self, inverse: Self, rest: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vfmaq_f32(vmulq_f32(self.0, rest.0), self.0, inverse.0)) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 4]) -> [Self; 4] {
        // SAFETY: as the trait says.
        unsafe {
            let [a, b, c, d] = rows.map(|row| row.0);
            let wide = |v| vreinterpretq_f64_f32(v);
            let (ab, cd) = ((vtrn1q_f32(a, b), vtrn2q_f32(a, b)), (vtrn1q_f32(c, d), vtrn2q_f32(c, d)));
            [
                Self(vreinterpretq_f32_f64(vtrn1q_f64(wide(ab.0), wide(cd.0)))),
                Self(vreinterpretq_f32_f64(vtrn1q_f64(wide(ab.1), wide(cd.1)))),
                Self(vreinterpretq_f32_f64(vtrn2q_f64(wide(ab.0), wide(cd.0)))),
                Self(vreinterpretq_f32_f64(vtrn2q_f64(wide(ab.1), wide(cd.1)))),
            ]
        }
    }
}

/// 8 whole numbers.
#[derive(Clone, Copy)]
pub(super) struct Words(uint16x8_t);

impl generic::Words for Words {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const u16) -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self(vld1q_u16(from)) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vmovl_u8(vld1_u8(from))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u16) {
        // SAFETY: as the trait says.
        unsafe { vst1q_u16(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(vaddq_u16(self.0, other.0)) }
    }
}
