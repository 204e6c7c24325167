//! Sixteen floats in a 512-bit register.

use std::arch::x86_64::*;

use crate::simd::generic;

/// 16 lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes(__m512);

impl generic::Vector<16> for Lanes {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait says.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn over(self, _count: Self, inverse: Self, rest: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_fmadd_ps(self.0, inverse.0, _mm512_mul_ps(self.0, rest.0))) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 16]) -> [Self; 16] {
        // SAFETY: as the trait says.
        unsafe {
            // Four by four within the quarters of the registers, then the quarters themselves.
            let mut quads = [_mm512_setzero_ps(); 16];
            for g in (0..16).step_by(4) {
                let low =
                    [_mm512_unpacklo_ps(rows[g].0, rows[g + 1].0), _mm512_unpacklo_ps(rows[g + 2].0, rows[g + 3].0)];
                let high =
                    [_mm512_unpackhi_ps(rows[g].0, rows[g + 1].0), _mm512_unpackhi_ps(rows[g + 2].0, rows[g + 3].0)];
                quads[g] = _mm512_shuffle_ps::<0x44>(low[0], low[1]);
                quads[g + 1] = _mm512_shuffle_ps::<0xee>(low[0], low[1]);
                quads[g + 2] = _mm512_shuffle_ps::<0x44>(high[0], high[1]);
                quads[g + 3] = _mm512_shuffle_ps::<0xee>(high[0], high[1]);
            }
            let mut out = rows;
            for c in 0..4 {
                let even = [
                    _mm512_shuffle_f32x4::<0x88>(quads[c], quads[c + 4]),
                    _mm512_shuffle_f32x4::<0x88>(quads[c + 8], quads[c + 12]),
                ];
                let odd = [
                    _mm512_shuffle_f32x4::<0xdd>(quads[c], quads[c + 4]),
                    _mm512_shuffle_f32x4::<0xdd>(quads[c + 8], quads[c + 12]),
                ];
                out[c] = Self(_mm512_shuffle_f32x4::<0x88>(even[0], even[1]));
                out[c + 4] = Self(_mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]));
                out[c + 8] = Self(_mm512_shuffle_f32x4::<0xdd>(even[0], even[1]));
                out[c + 12] = Self(_mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1]));
            }
            out
        }
    }
}

/// 32 whole numbers.
#[derive(Clone, Copy)]
pub(super) struct Words(__m512i);

impl generic::Words for Words {
    #[inline(always)]
    unsafe fn nothing() -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_cvtepu8_epi16(_mm256_loadu_si256(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u16) {
        // SAFETY: as the trait says.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_add_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_sub_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn shifted_4(self, next: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_alignr_epi64::<1>(next.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn shifted_8(self, next: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_alignr_epi64::<2>(next.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn shifted_16(self, next: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm512_alignr_epi64::<4>(next.0, self.0)) }
    }
}
