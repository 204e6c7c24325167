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

/// 32 whole numbers in four registers.
#[derive(Clone, Copy)]
pub(super) struct Words([uint16x8_t; 4]);

impl generic::Words for Words {
    #[inline(always)]
    unsafe fn nothing() -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self([vdupq_n_u16(0); 4]) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as the trait says.
        let eight = |k: usize| unsafe { vmovl_u8(vld1_u8(from.add(8 * k))) };
        Self([eight(0), eight(1), eight(2), eight(3)])
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u16) {
        for (k, &eight) in self.0.iter().enumerate() {
            // SAFETY: as the trait says.
            unsafe { vst1q_u16(to.add(8 * k), eight) }
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        // SAFETY: as the trait says.
        let sum = |k: usize| unsafe { vaddq_u16(a[k], b[k]) };
        Self([sum(0), sum(1), sum(2), sum(3)])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        // SAFETY: as the trait says.
        let difference = |k: usize| unsafe { vsubq_u16(a[k], b[k]) };
        Self([difference(0), difference(1), difference(2), difference(3)])
    }

    #[inline(always)]
    unsafe fn shifted_4(self, next: Self) -> Self {
        // SAFETY: as the trait says.
        let shifted = |low, high| unsafe { vextq_u16::<4>(low, high) };
        let [a, b, c, d] = self.0;
        Self([shifted(a, b), shifted(b, c), shifted(c, d), shifted(d, next.0[0])])
    }

    #[inline(always)]
    unsafe fn shifted_8(self, next: Self) -> Self {
        let [_, b, c, d] = self.0;
        Self([b, c, d, next.0[0]])
    }

    #[inline(always)]
    unsafe fn shifted_16(self, next: Self) -> Self {
        let ([_, _, c, d], [e, f, _, _]) = (self.0, next.0);
        Self([c, d, e, f])
    }
}
