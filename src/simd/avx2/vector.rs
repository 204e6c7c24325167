//! Eight floats in a 256-bit register.

use std::arch::x86_64::*;

use crate::simd::generic;

/// 8 lanes.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Lanes(__m256);

impl generic::Vector<8> for Lanes {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait says.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn over(self, _count: Self, inverse: Self, rest: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe { Self(_mm256_fmadd_ps(self.0, inverse.0, _mm256_mul_ps(self.0, rest.0))) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 8]) -> [Self; 8] {
        // SAFETY: as the trait says.
        unsafe {
            // Four by four within the halves of the registers, then the halves themselves.
            let mut quads = [_mm256_setzero_ps(); 8];
            for g in (0..8).step_by(4) {
                let low =
                    [_mm256_unpacklo_ps(rows[g].0, rows[g + 1].0), _mm256_unpacklo_ps(rows[g + 2].0, rows[g + 3].0)];
                let high =
                    [_mm256_unpackhi_ps(rows[g].0, rows[g + 1].0), _mm256_unpackhi_ps(rows[g + 2].0, rows[g + 3].0)];
                quads[g] = _mm256_shuffle_ps::<0x44>(low[0], low[1]);
                quads[g + 1] = _mm256_shuffle_ps::<0xee>(low[0], low[1]);
                quads[g + 2] = _mm256_shuffle_ps::<0x44>(high[0], high[1]);
                quads[g + 3] = _mm256_shuffle_ps::<0xee>(high[0], high[1]);
            }
            let mut out = rows;
            for c in 0..4 {
                out[c] = Self(_mm256_permute2f128_ps::<0x20>(quads[c], quads[c + 4]));
                out[c + 4] = Self(_mm256_permute2f128_ps::<0x31>(quads[c], quads[c + 4]));
            }
            out
        }
    }
}

/// 32 whole numbers in two registers.
#[derive(Clone, Copy)]
pub(super) struct Words([__m256i; 2]);

impl generic::Words for Words {
    #[inline(always)]
    unsafe fn nothing() -> Self {
        // SAFETY: as the trait says (here and below).
        unsafe { Self([_mm256_setzero_si256(); 2]) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as the trait says.
        unsafe {
            Self([
                _mm256_cvtepu8_epi16(_mm_loadu_si128(from.cast())),
                _mm256_cvtepu8_epi16(_mm_loadu_si128(from.add(16).cast())),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u16) {
        // SAFETY: as the trait says.
        unsafe {
            _mm256_storeu_si256(to.cast(), self.0[0]);
            _mm256_storeu_si256(to.add(16).cast(), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        // SAFETY: as the trait says.
        unsafe { Self([_mm256_add_epi16(a[0], b[0]), _mm256_add_epi16(a[1], b[1])]) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        // SAFETY: as the trait says.
        unsafe { Self([_mm256_sub_epi16(a[0], b[0]), _mm256_sub_epi16(a[1], b[1])]) }
    }

    #[inline(always)]
    unsafe fn shifted_4(self, next: Self) -> Self {
        // SAFETY: as the trait says.
        unsafe {
            let halves = self.shifted_8(next).0;
            Self([_mm256_alignr_epi8::<8>(halves[0], self.0[0]), _mm256_alignr_epi8::<8>(halves[1], self.0[1])])
        }
    }

    #[inline(always)]
    unsafe fn shifted_8(self, next: Self) -> Self {
        let (a, b) = (self.0, next.0);
        // SAFETY: as the trait says.
        unsafe { Self([_mm256_permute2x128_si256::<0x21>(a[0], a[1]), _mm256_permute2x128_si256::<0x21>(a[1], b[0])]) }
    }

    #[inline(always)]
    unsafe fn shifted_16(self, next: Self) -> Self {
        Self([self.0[1], next.0[0]])
    }
}
