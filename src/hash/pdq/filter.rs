//! The box filter of PDQ over a stream of rows.
//!
//! The four passes run one behind the other: a row is averaged along its length as it comes and laid into a ring that
//! holds one box height of rows; every sixteen rows the columns advance by sixteen steps, their averages go on along the
//! rows, 64 of which are kept, and down the 64 columns, 64 of which are kept again. Memory is the ring and little else:
//! about `4 * width * (height / 128 + 17)` bytes.

use std::ops::{Deref, DerefMut};

use super::SIDE;
use crate::hash::Format;
use crate::simd::{self, BATCH, CHUNK, Columns, KEPT, Kernels, Level, MAX_WINDOW, RowSums, Rows};

/// One direction of the filter.
#[derive(Clone, Copy, Default)]
struct Axis {
    length: usize,
    /// Values in the box.
    window: usize,
    /// Steps from a value entering the box until its average comes out.
    lag: usize,
}

impl Axis {
    fn new(length: usize) -> Self {
        let window = length.div_ceil(2 * SIDE);
        Self { length, window, lag: (window + 2) / 2 - 1 }
    }

    /// How many values the box holds at a step; 1 where nothing comes out any more.
    fn count(&self, step: usize) -> f32 {
        let entered = (step + 1).min(self.length);
        let left = (step + 1).saturating_sub(self.window).min(self.length);
        (entered - left).max(1) as f32
    }

    /// The position of a sample.
    fn sample(&self, index: usize) -> usize {
        (2 * index + 1) * self.length / (2 * SIDE)
    }

    fn steps(&self) -> usize {
        self.length + self.lag
    }
}

/// A filter and its memory, used for one picture after another.
pub(super) struct Filter {
    level: Level,
    kernels: &'static Kernels,
    format: Format,
    across: Axis,
    down: Axis,
    /// Steps along a row, in whole batches.
    padded: usize,
    /// Floats from one row of the ring to the next, and from there to its first average: whole vectors.
    stride: usize,
    margin: usize,
    slots: usize,
    /// The rows after the first pass, and behind them one of zeros.
    ring: Buffer<f32>,
    /// Up to a batch of rows before the first pass, where that runs in floats; none otherwise.
    luma: Buffer<f32>,
    scratch: [Buffer<u16>; 3],
    counts: Vec<f32>,
    sums: Buffer<f32>,
    delay: Buffer<f32>,
    kept: [u32; KEPT],
    kept_counts: [f32; KEPT],
    pushed: usize,
    /// Rows that are through the first pass, and steps that the second has done.
    averaged: usize,
    stepped: usize,
    last: Last,
    samples: Box<[f32; SIDE * SIDE]>,
}

/// The fourth pass: down the 64 columns that are left.
struct Last {
    sums: [f32; KEPT],
    ring: Vec<[f32; KEPT]>,
    step: usize,
    next: usize,
}

impl Filter {
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            kernels: simd::kernels(level),
            format: Format::Luma8,
            across: Axis::default(),
            down: Axis::default(),
            padded: 0,
            stride: 0,
            margin: 0,
            slots: 0,
            ring: Buffer::default(),
            luma: Buffer::default(),
            scratch: Default::default(),
            counts: Vec::new(),
            sums: Buffer::default(),
            delay: Buffer::default(),
            kept: [0; KEPT],
            kept_counts: [1.0; KEPT],
            pushed: 0,
            averaged: 0,
            stepped: 0,
            last: Last { sums: [0.0; KEPT], ring: Vec::new(), step: 0, next: 0 },
            samples: Box::new([0.0; SIDE * SIDE]),
        }
    }

    pub(super) fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// Gets ready for a picture whose sides are at least 1.
    pub(super) fn start(&mut self, width: usize, height: usize, format: Format) {
        let (across, down) = (Axis::new(width), Axis::new(height));
        let wide = across.window.max(down.window) > MAX_WINDOW;
        self.kernels = simd::kernels(if wide { Level::Scalar } else { self.level });
        (self.format, self.across, self.down) = (format, across, down);
        (self.pushed, self.averaged, self.stepped) = (0, 0, 0);
        if self.unfiltered() {
            return;
        }
        self.padded = across.steps().next_multiple_of(BATCH);
        self.margin = across.lag.next_multiple_of(BATCH);
        self.stride = self.margin + self.padded;
        self.slots = (down.window + BATCH).min(height.next_multiple_of(BATCH));
        self.ring.refill((self.slots + 1) * self.stride);
        self.sums.refill(self.padded);
        self.delay.refill((across.window + CHUNK) * BATCH);
        if self.sums_are_whole() {
            for buffer in &mut self.scratch {
                buffer.refill(width.next_multiple_of(BATCH) + across.window + 32);
            }
        } else {
            self.luma.refill(BATCH * self.padded);
            self.counts.clear();
            self.counts.extend((0..self.padded).map(|step| across.count(step)));
        }
        for (j, (kept, count)) in self.kept.iter_mut().zip(&mut self.kept_counts).enumerate() {
            let step = across.sample(j) + across.lag;
            (*kept, *count) = (step as u32, across.count(step));
        }
        self.last.sums = [0.0; KEPT];
        self.last.ring.clear();
        self.last.ring.resize(down.window, [0.0; KEPT]);
        (self.last.step, self.last.next) = (0, 0);
    }

    /// Takes the next row: exactly `width` pixels, and no more rows than the height.
    pub(super) fn push(&mut self, row: &[u8]) {
        let (y, width) = (self.pushed, self.across.length);
        assert!(y < self.down.length && row.len() == width * self.format.bytes());
        self.pushed += 1;
        if self.unfiltered() {
            (self.kernels.luma)(self.format, row, &mut self.samples[y * SIDE..][..SIDE]);
            return;
        }
        if self.sums_are_whole() {
            let out = y % self.slots * self.stride + self.margin;
            (self.kernels.row_sums)(&mut RowSums {
                row,
                window: self.across.window,
                scratch: self.scratch.each_mut().map(|buffer| &mut **buffer),
                out: &mut self.ring[out..][..width.next_multiple_of(BATCH)],
            });
            self.averaged = self.pushed;
        } else {
            (self.kernels.luma)(self.format, row, &mut self.luma[y % BATCH * self.padded..][..width]);
            if self.pushed.is_multiple_of(BATCH) || self.pushed == self.down.length {
                self.average_rows();
            }
        }
        if self.averaged - self.stepped >= BATCH {
            self.advance();
        }
    }

    /// The samples, once all rows are in.
    pub(super) fn finish(&mut self) -> &[f32; SIDE * SIDE] {
        assert!(self.pushed == self.down.length);
        if !self.unfiltered() {
            while self.stepped < self.down.steps() {
                self.advance();
            }
        }
        &self.samples
    }

    pub(super) fn missing(&self) -> usize {
        self.down.length - self.pushed
    }

    pub(super) fn row_bytes(&self) -> usize {
        self.across.length * self.format.bytes()
    }

    /// Bytes of the buffers.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let floats = self.ring.len() + self.luma.len() + self.counts.len() + self.sums.len() + self.delay.len();
        4 * floats
            + 2 * self.scratch.iter().map(|buffer| buffer.len()).sum::<usize>()
            + 256 * self.last.ring.len()
            + 4 * SIDE * SIDE
    }

    fn unfiltered(&self) -> bool {
        (self.across.length, self.down.length) == (SIDE, SIDE)
    }

    /// Whether the first pass adds up whole numbers that fit sixteen bits.
    fn sums_are_whole(&self) -> bool {
        self.format == Format::Luma8 && self.across.window <= 257
    }

    /// The first pass in floats.
    fn average_rows(&mut self) {
        let first = self.averaged;
        // The average of the first position comes out at step `across.lag`.
        let at = |k: usize| (first + k) % self.slots * self.stride + self.margin - self.across.lag;
        (self.kernels.rows)(&mut Rows {
            input: &self.luma,
            stride: self.padded,
            padded: self.padded,
            window: self.across.window,
            counts: &self.counts,
            delay: &mut self.delay,
            out: &mut self.ring,
            at: std::array::from_fn(at),
        });
        for k in 0..BATCH {
            let start = at(k) + self.across.lag;
            self.ring[start + self.across.length..][..self.padded - self.across.length].fill(0.0);
        }
        self.averaged = self.pushed;
    }

    /// The second, third and fourth pass for the next batch of steps.
    fn advance(&mut self) {
        let (first, down) = (self.stepped, self.down);
        let row = |step: Option<usize>| {
            let slot = step.filter(|&y| y < down.length).map_or(self.slots, |y| y % self.slots);
            slot * self.stride + self.margin
        };
        let mut out = [0.0; BATCH * KEPT];
        (self.kernels.columns)(&mut Columns {
            ring: &self.ring,
            enter: std::array::from_fn(|k| row(Some(first + k))),
            leave: std::array::from_fn(|k| row((first + k).checked_sub(down.window))),
            counts: std::array::from_fn(|k| down.count(first + k)),
            sums: &mut self.sums,
            padded: self.padded,
            window: self.across.window,
            delay: &mut self.delay,
            kept: &self.kept,
            kept_counts: &self.kept_counts,
            out: &mut out,
        });
        for (k, row) in out.as_chunks::<KEPT>().0.iter().enumerate() {
            if (down.lag..down.steps()).contains(&(first + k)) {
                self.last.push(Some(row), down, &mut self.samples);
            }
        }
        self.stepped += BATCH;
        if self.stepped >= down.steps() {
            for _ in 0..down.lag {
                self.last.push(None, down, &mut self.samples);
            }
        }
    }
}

impl Last {
    fn push(&mut self, row: Option<&[f32; KEPT]>, down: Axis, samples: &mut [f32; SIDE * SIDE]) {
        let leaving = &mut self.ring[self.step % down.window];
        let entering = row.unwrap_or(&[0.0; KEPT]);
        for ((sum, leaving), &entering) in self.sums.iter_mut().zip(leaving.iter_mut()).zip(entering) {
            *sum += entering;
            *sum -= std::mem::replace(leaving, entering);
        }
        let count = down.count(self.step);
        while self.next < SIDE && down.sample(self.next) + down.lag == self.step {
            let out = &mut samples[self.next * SIDE..][..SIDE];
            out.iter_mut().zip(&self.sums).for_each(|(out, sum)| *out = sum / count);
            self.next += 1;
        }
        self.step += 1;
    }
}

/// Numbers that start on a cache line: vectors that straddle two lines cost half the speed.
#[derive(Default)]
struct Buffer<T> {
    data: Vec<T>,
    start: usize,
}

impl<T: Copy + Default> Buffer<T> {
    /// Makes it that many zeros.
    fn refill(&mut self, length: usize) {
        let line = 64 / size_of::<T>();
        self.data.clear();
        self.data.resize(length + line, T::default());
        self.start = self.data.as_ptr().align_offset(64).min(line);
        self.data.truncate(self.start + length);
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.start..]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..]
    }
}
