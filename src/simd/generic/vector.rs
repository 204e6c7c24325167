//! What a level has to offer: a handful of operations on `N` floats.

/// `N` single-precision floats in a register.
///
/// # Safety
/// Of every method: the processor runs the level's instructions, the caller is compiled with them enabled, and a pointer
/// leads to `N` readable or writable values (of any alignment).
pub(crate) trait Vector<const N: usize>: Copy {
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Loads `N` integers as floats.
    unsafe fn load_u16(from: *const u16) -> Self;
    /// Loads `N` signed integers as floats.
    unsafe fn load_i16(from: *const i16) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self / count`, correctly rounded. `inverse` and `rest` are the two parts of [`reciprocal`](super::reciprocal), and
    /// `count` is a whole number of at most [`MAX_WINDOW`](super::MAX_WINDOW) (any number at the scalar level).
    unsafe fn over(self, count: Self, inverse: Self, rest: Self) -> Self;
    /// Rows to columns.
    unsafe fn transpose(rows: [Self; N]) -> [Self; N];
}

/// 32 sixteen-bit whole numbers, in one register or several; sums and differences wrap.
///
/// # Safety
/// As for [`Vector`].
pub(crate) trait Words: Copy {
    /// Zeros.
    unsafe fn nothing() -> Self;
    /// Loads bytes.
    unsafe fn load_u8(from: *const u8) -> Self;
    unsafe fn store(self, to: *mut u16);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// All but the first four, and then the first four of `next`.
    unsafe fn shifted_4(self, next: Self) -> Self;
    /// All but the first eight, and then the first eight of `next`.
    unsafe fn shifted_8(self, next: Self) -> Self;
    /// The latter half, and then the first half of `next`.
    unsafe fn shifted_16(self, next: Self) -> Self;
}
