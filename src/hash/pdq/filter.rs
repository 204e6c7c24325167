//! The box filter of PDQ over a stream of rows.
//!
//! The four passes run one behind the other: a row is added up along its length as it comes; every sixteen rows the
//! averages of these sums enter a ring that holds one box height of rows, the columns advance by sixteen steps, their
//! averages go on along the rows, 64 of which are kept, and down the 64 columns, 64 of which are kept again. Memory is
//! the ring and little else: about `4 * width * (height / 128 + 10)` bytes, or 16 more rows where the first pass runs in
//! floats.

use std::ops::{Deref, DerefMut};

use super::SIDE;
use crate::hash::Format;
use crate::simd::{self, BATCH, Columns, Counts, Down, Entering, KEPT, Kernels, Level, MAX_WINDOW, RowSums, Rows};

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
    /// The averages of the first pass: the rows in the box and no more where `row_sums` holds those that enter it. Where
    /// the first pass runs in floats also a batch of new rows, and behind all one of zeros.
    ring: Buffer<f32>,
    /// A batch of rows between the first pass and their averages, where that adds up whole numbers.
    row_sums: Buffer<u16>,
    sums_stride: usize,
    bytes: Buffer<u8>,
    /// Up to a batch of rows before the first pass, where that runs in floats.
    luma: Buffer<f32>,
    /// How many values the box of the first pass holds, and the parts of the reciprocal: of each column where that pass
    /// adds up whole numbers, of each step otherwise.
    counts: [Buffer<f32>; 3],
    sums: Buffer<f32>,
    delay: Buffer<f32>,
    kept: [usize; KEPT + 1],
    places: [u8; KEPT],
    kept_counts: [[f32; KEPT]; 3],
    kept_sums: Box<Lines<[f32; KEPT * BATCH]>>,
    kept_rows: Box<Lines<[f32; BATCH * KEPT]>>,
    pushed: usize,
    /// Rows that are through the first pass, and steps that the second has done.
    averaged: usize,
    stepped: usize,
    last: Last,
    samples: Box<[f32; SIDE * SIDE]>,
}

/// The fourth pass: down the 64 columns that are left.
struct Last {
    sums: Lines<[f32; KEPT]>,
    ring: Buffer<f32>,
    /// Where in `ring` the row lies that leaves the box.
    slot: usize,
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
            row_sums: Buffer::default(),
            sums_stride: 0,
            bytes: Buffer::default(),
            luma: Buffer::default(),
            counts: Default::default(),
            sums: Buffer::default(),
            delay: Buffer::default(),
            kept: [0; KEPT + 1],
            places: [0; KEPT],
            kept_counts: [[1.0; KEPT]; 3],
            kept_sums: Box::new(Lines([0.0; KEPT * BATCH])),
            kept_rows: Box::new(Lines([0.0; BATCH * KEPT])),
            pushed: 0,
            averaged: 0,
            stepped: 0,
            last: Last { sums: Lines([0.0; KEPT]), ring: Buffer::default(), slot: 0, step: 0, next: 0 },
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
        self.sums.refill(self.padded);
        self.delay.refill(simd::delay(across.window));
        let first = if self.sums_are_whole() {
            (self.margin, self.stride, self.slots) = (0, self.padded, down.window);
            self.ring.refill(self.slots * self.stride);
            self.sums_stride = self.padded.next_multiple_of(64);
            self.row_sums.refill(BATCH * self.sums_stride);
            self.bytes.refill(RowSums::room(width, across.window));
            across.lag
        } else {
            self.margin = across.lag.next_multiple_of(BATCH);
            self.stride = self.margin + self.padded;
            self.slots = (down.window + BATCH).min(height.next_multiple_of(BATCH));
            self.ring.refill((self.slots + 1) * self.stride);
            self.luma.refill(BATCH * self.padded);
            0
        };
        let [counts, inverses, rests] = &mut self.counts;
        for buffer in [&mut *counts, &mut *inverses, &mut *rests] {
            buffer.refill(self.padded);
        }
        let mut known = (0.0, [0.0; 2]);
        for (step, count) in counts.iter_mut().enumerate() {
            *count = across.count(first + step);
            if *count != known.0 {
                known = (*count, simd::reciprocal(*count));
            }
            [inverses[step], rests[step]] = known.1;
        }
        // Several samples of a narrow picture are one column.
        self.kept = [usize::MAX; KEPT + 1];
        let mut last = 0;
        for j in 0..KEPT {
            let step = across.sample(j) + across.lag;
            last += usize::from(j > 0 && self.kept[last] != step);
            (self.kept[last], self.places[j]) = (step, last as u8);
            let count = across.count(step);
            let [inverse, rest] = simd::reciprocal(count);
            for (of, value) in self.kept_counts.iter_mut().zip([count, inverse, rest]) {
                of[j] = value;
            }
        }
        self.last.sums = Lines([0.0; KEPT]);
        self.last.ring.refill(KEPT * down.window);
        (self.last.slot, self.last.step, self.last.next) = (0, 0, 0);
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
            (self.kernels.row_sums)(&mut RowSums {
                row,
                window: self.across.window,
                padded: &mut self.bytes,
                out: &mut self.row_sums[y % BATCH * self.sums_stride..][..self.sums_stride],
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
        let length = |buffers: &[Buffer<f32>]| buffers.iter().map(|buffer| buffer.len()).sum::<usize>();
        let floats = self.ring.len() + self.luma.len() + length(&self.counts) + self.sums.len() + self.delay.len();
        4 * floats + 2 * self.row_sums.len() + self.bytes.len() + 4 * self.last.ring.len() + 4 * SIDE * SIDE
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
            padded: self.padded,
            window: self.across.window,
            counts: counts(&self.counts),
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
        let (enter, leave);
        let entering = if self.sums_are_whole() {
            // What comes after the last row is zero. What enters takes the place of what leaves.
            let stale = down.length.saturating_sub(first).min(BATCH) * self.sums_stride;
            self.row_sums[stale..].fill(0);
            // Counted on, since divisions take long.
            let mut slot = first % self.slots;
            enter = std::array::from_fn(|_| {
                let at = slot * self.stride;
                slot = if slot + 1 == self.slots { 0 } else { slot + 1 };
                at
            });
            leave = enter;
            Some(Entering { sums: &self.row_sums, stride: self.sums_stride, counts: counts(&self.counts) })
        } else {
            let row = |step: Option<usize>| {
                let slot = step.filter(|&y| y < down.length).map_or(self.slots, |y| y % self.slots);
                slot * self.stride + self.margin
            };
            enter = std::array::from_fn(|k| row(Some(first + k)));
            leave = std::array::from_fn(|k| row((first + k).checked_sub(down.window)));
            None
        };
        (self.kernels.columns)(&mut Columns {
            ring: &mut self.ring,
            enter,
            leave,
            entering,
            counts: std::array::from_fn(|k| down.count(first + k)),
            sums: &mut self.sums,
            padded: self.padded,
            window: self.across.window,
            delay: &mut self.delay,
            kept: &self.kept,
            places: &self.places,
            kept_counts: self.kept_counts.each_ref(),
            kept_sums: &mut self.kept_sums.0,
            out: &mut self.kept_rows.0,
        });
        // Averages come out from step `down.lag` on.
        let [from, to] = [down.lag, down.steps()].map(|step| step.saturating_sub(first).min(BATCH));
        let rows = self.kept_rows.0.as_chunks::<KEPT>().0;
        self.last.push(self.kernels, &rows[from..to], down, &mut self.samples);
        self.stepped += BATCH;
        if self.stepped >= down.steps() {
            for from in (0..down.lag).step_by(BATCH) {
                let rows = &[[0.0; KEPT]; BATCH][..BATCH.min(down.lag - from)];
                self.last.push(self.kernels, rows, down, &mut self.samples);
            }
        }
    }
}

fn counts(buffers: &[Buffer<f32>; 3]) -> Counts<'_> {
    let [counts, inverses, rests] = buffers;
    Counts { counts, inverses, rests }
}

impl Last {
    fn push(&mut self, kernels: &Kernels, mut rows: &[[f32; KEPT]], down: Axis, samples: &mut [f32; SIDE * SIDE]) {
        let samples = samples.as_chunks_mut::<SIDE>().0;
        let wanted = |next: usize| if next < SIDE { down.sample(next) + down.lag } else { usize::MAX };
        while !rows.is_empty() {
            // Up to the next row whose averages are kept.
            let step = wanted(self.next);
            let (now, later) = rows.split_at(rows.len().min((step - self.step).saturating_add(1)));
            let last = self.step + now.len() - 1;
            let averages = (last == step).then(|| (down.count(step), &mut samples[self.next]));
            let found = averages.is_some();
            let (sums, ring, slot) = (&mut self.sums.0, self.ring.as_chunks_mut::<KEPT>().0, self.slot);
            (kernels.down)(&mut Down { sums, ring, slot, rows: now, averages });
            self.slot = (self.slot + now.len()) % down.window;
            self.next += usize::from(found);
            // Several samples of a low picture may be one row.
            while found && wanted(self.next) == step {
                samples[self.next] = samples[self.next - 1];
                self.next += 1;
            }
            (self.step, rows) = (last + 1, later);
        }
    }
}

/// What starts on a cache line, as a [`Buffer`] does.
#[repr(align(64))]
struct Lines<T>(T);

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
