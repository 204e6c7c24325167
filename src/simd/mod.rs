//! The only folder that names instructions of one kind of processor, and the only place that chooses among them.
//!
//! Every kernel is written once, in `generic`, over the few operations of `Vector`; the folders `scalar`, `avx2`,
//! `avx512` and `neon` implement those operations and stamp the kernels out. A lane is a column, a row or a picture and
//! never a part of one sum, so all levels give the same bits (`generic` says how division stays exact). The level is
//! found once per process and taken once per batch of work; the environment variable `REFRAIN_SIMD` can only lower it.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod distance;
mod generic;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

pub(crate) use generic::{
    BATCH, Bits, Block, CodeLengths, Columns, Counts, Down, Entering, KEPT, MAX_WINDOW, Pairs, REACH, Rest, RowSums,
    Rows, Smoothing, Table, Units, ZIGZAG, delay, reciprocal, scaled,
};

use std::fmt;
use std::sync::LazyLock;

use crate::hash::Format;

/// A set of instructions that the kernels were built for, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// What the compiler makes of plain code for the target's baseline.
    Scalar,
    /// 128-bit vectors of 64-bit ARM.
    Neon,
    /// 256-bit vectors of x86-64, with fused multiply-add (used for exact division only) and BMI.
    Avx2,
    /// 512-bit vectors of x86-64: AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Level {
    /// The word that `REFRAIN_SIMD` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The levels that this processor can run, the lowest first; `REFRAIN_SIMD` is not asked.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Scalar];
        #[cfg(target_arch = "aarch64")]
        levels.push(Self::Neon); // part of the baseline
        #[cfg(target_arch = "x86_64")]
        {
            let bits = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && bits {
                levels.push(Self::Avx2);
                let wide = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl");
                if wide {
                    levels.push(Self::Avx512);
                }
            }
        }
        levels
    }

    /// The level in use: the highest available one, or the lower one that `REFRAIN_SIMD` names. A word that it does not
    /// know, or a level that the processor lacks, leaves the highest available one.
    pub fn current() -> Self {
        static CURRENT: LazyLock<Level> =
            LazyLock::new(|| choose(&Level::available(), std::env::var("REFRAIN_SIMD").ok().as_deref()));
        *CURRENT
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn choose(available: &[Level], asked: Option<&str>) -> Level {
    let wanted = |level: &&Level| asked.is_some_and(|word| word.trim().eq_ignore_ascii_case(level.name()));
    let highest = available.last().copied().unwrap_or(Level::Scalar);
    available.iter().find(wanted).copied().unwrap_or(highest)
}

/// The kernels of one level. Each function is safe to call: a table of a level is only handed out where it runs.
pub(crate) struct Kernels {
    pub(crate) level: Level,
    /// Luma of a row of pixels in any format; fills the whole of the output.
    pub(crate) luma: fn(Format, &[u8], &mut [f32]),
    /// The sums of the boxes along one row of eight-bit luma.
    pub(crate) row_sums: fn(&mut RowSums<'_>),
    /// The box filter along [`BATCH`] rows of luma in floats.
    pub(crate) rows: fn(&mut Rows<'_>),
    /// The box filter down the columns and then along the rows, for [`BATCH`] rows.
    pub(crate) columns: fn(&mut Columns<'_>),
    /// The last box filter, down the columns that are kept.
    pub(crate) down: fn(&mut Down<'_>),
    /// The 16x16 coefficients of 64x64 samples.
    pub(crate) dct: fn(&[f32; 4096], &DctMatrix, &mut [f32; 256]),
    /// Decodes consecutive units of a JPEG's scan; whether they are what a JPEG may hold.
    pub(crate) units: fn(&mut Units<'_, '_>) -> bool,
    /// The sum that PDQ's quality is made of.
    pub(crate) steps: fn(&[f32; 4096]) -> i32,
    /// The local contrast of 64x64 samples evened out, for the detail hash.
    pub(crate) even: fn(&[f32; 4096], &Smoothing, &mut [f32; 4096]),
    /// The 128th smallest of 256 numbers, in the order of [`f32::total_cmp`].
    pub(crate) median: fn(&[f32; 256]) -> f32,
    /// Adds a row of bytes to sums that have room for it.
    pub(crate) add_bytes: fn(&mut [u16], &[u8]),
}

/// PDQ's cosine matrix and its transpose.
pub(crate) struct DctMatrix {
    pub(crate) rows: [[f32; 64]; 16],
    pub(crate) columns: [[f32; 16]; 64],
}

/// The kernels of `level`, or of the highest level below it that this processor can run.
pub(crate) fn kernels(level: Level) -> &'static Kernels {
    let runs = Level::available().into_iter().rfind(|&has| has <= level).unwrap_or(Level::Scalar);
    match runs {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => &avx2::KERNELS,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => &neon::KERNELS,
        _ => &scalar::KERNELS,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_environment_only_lowers() {
        let both = [Level::Scalar, Level::Avx2];
        for (asked, want) in [
            (None, Level::Avx2),
            (Some("scalar"), Level::Scalar),
            (Some(" AVX2 "), Level::Avx2),
            (Some("avx512"), Level::Avx2),
            (Some("neon"), Level::Avx2),
            (Some("fast"), Level::Avx2),
        ] {
            assert_eq!(choose(&both, asked), want, "{asked:?}");
        }
        assert_eq!(choose(&[Level::Scalar], Some("avx512")), Level::Scalar);
    }

    fn division_is_exact(level: Level, counts: std::ops::Range<u32>, step: usize) -> bool {
        // SAFETY: the callers go through the available levels only.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => avx512::division_is_exact(counts, step),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => avx2::division_is_exact(counts, step),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => neon::division_is_exact(counts, step),
                _ => scalar::division_is_exact(counts, step),
            }
        }
    }

    /// The pixels of a JPEG block at a level.
    pub(super) fn idct(level: Level, block: &[i16; 64], steps: &[f32; 64], out: &mut [u8], stride: usize) {
        // SAFETY: the callers go through the available levels only.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => avx512::idct(block, steps, out, stride),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => avx2::idct(block, steps, out, stride),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => neon::idct(block, steps, out, stride),
                _ => scalar::idct(block, steps, out, stride),
            }
        }
    }

    #[test]
    fn division_is_exact_for_a_sample() {
        for level in Level::available() {
            assert!(division_is_exact(level, 1..MAX_WINDOW as u32 + 1, 1023), "{level}");
            println!("level {level}");
        }
    }

    /// Every significand for every odd count; an even count is an odd one with another exponent. Takes half a minute a
    /// level: `cargo test --release division_is_exact -- --ignored`.
    #[test]
    #[ignore = "half a minute a level: cargo test --release division_is_exact -- --ignored"]
    fn division_is_exact_always() {
        for level in Level::available() {
            for count in (1..MAX_WINDOW as u32).step_by(2) {
                assert!(division_is_exact(level, count..count + 1, 1), "{level} {count}");
            }
            println!("level {level}");
        }
    }

    #[test]
    fn a_table_is_that_of_the_level_asked_for() {
        for level in Level::available() {
            assert_eq!(kernels(level).level, level);
        }
        assert!(kernels(Level::Avx512).level <= Level::Avx512);
    }
}
