//! Reading the Huffman codes of a JPEG and the bits behind them. A table of the next [`LOOK`] bits gives, for nearly
//! every code, its run, its value and its length in one look.

use super::{Vector, idct};

/// Bits that the table is asked with. Longer codes are rare, and a wider table would crowd the first-level cache.
const LOOK: u32 = 11;
/// A run that ends the block.
const END: u8 = 64;
/// The order in which coefficients are written: their positions in a block, column after column (see [`idct`]).
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34, 41, 48, 56, 49, 42,
    35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54,
    61, 62, 55, 63,
];

/// A table as it is written: how many codes there are of each length 1..=16, and their symbols.
#[derive(Debug, Clone)]
pub(crate) struct CodeLengths<'a> {
    pub(crate) counts: &'a [u8; 16],
    pub(crate) symbols: &'a [u8],
}

/// What the next bits mean.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    /// The coefficient, or the difference of the constant one.
    value: i16,
    /// Zeros before it, or [`END`]. In an entry with a `length` of 0, the length of the code alone, or 0 for a longer one.
    run: u8,
    /// Bits to go on by, value included.
    length: u8,
}

/// A table for decoding.
pub(crate) struct Table {
    fast: Box<[Code; 1 << LOOK]>,
    /// For each length, the first code past those of that length, left-aligned in 16 bits, and what to add to a code to
    /// come to its symbol.
    limits: [u32; 17],
    offsets: [i32; 17],
    symbols: [u8; 256],
    /// Constants have no runs.
    constants: bool,
}

impl Table {
    /// `None` if the lengths are of no prefix code.
    pub(crate) fn new(lengths: &CodeLengths<'_>, constants: bool) -> Option<Self> {
        let mut table = Self {
            fast: Box::new([Code::default(); 1 << LOOK]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            constants,
        };
        table.symbols.get_mut(..lengths.symbols.len())?.copy_from_slice(lengths.symbols);
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = usize::from(lengths.counts[length as usize - 1]);
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in &lengths.symbols[index..index + count] {
                if length <= LOOK {
                    table.enter(code, length, symbol);
                }
                code += 1;
            }
            index += count;
            if code > 1 << length {
                return None;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Fills the entries of the table that begin with a code.
    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let Some(first) = code.checked_shl(LOOK - length).filter(|&first| first < 1 << LOOK) else { return };
        for low in 0..1u32 << (LOOK - length) {
            let (run, size) = self.split(symbol);
            let Some(entry) = self.fast.get_mut((first + low) as usize) else { return };
            *entry = if length + size <= LOOK {
                let extra = low >> (LOOK - length - size);
                Code { value: extend(extra, size), run, length: (length + size) as u8 }
            } else {
                Code { value: symbol.into(), run: length as u8, length: 0 }
            };
        }
    }

    /// The run of a symbol and how many bits its value has.
    fn split(&self, symbol: u8) -> (u8, u32) {
        match symbol {
            _ if self.constants => (0, symbol.into()),
            0xF0 => (15, 0),
            _ if symbol & 15 == 0 => (END, 0),
            _ => (symbol >> 4, (symbol & 15).into()),
        }
    }

    /// What stands behind the table: long codes, and values that reach beyond it, in the next 32 bits. `None` if the bits
    /// are no code. Takes and gives copies, so that the reader's bits can stay in registers.
    #[cold]
    #[inline(never)]
    fn slow(&self, next: u32, entry: Code) -> Option<Code> {
        let (length, symbol) = match entry.run {
            0 => {
                let next = next >> 16;
                let length = (LOOK as usize..=16).find(|&length| next < self.limits[length])?;
                let at = (next >> (16 - length)) as i32 + self.offsets[length];
                (length as u32, *self.symbols.get(usize::try_from(at).ok()?)?)
            }
            length => (length.into(), entry.value as u8),
        };
        let (run, size) = self.split(symbol);
        if size > 15 {
            return None;
        }
        let extra = if size == 0 { 0 } else { next << length >> (32 - size) };
        Some(Code { value: extend(extra, size), run, length: (length + size) as u8 })
    }

    /// The next code and its value. Takes at most [`LOOK`] bits, or up to 31 and fills again.
    #[inline(always)]
    fn next(&self, bits: &mut Bits<'_>) -> Option<Code> {
        let mut code = self.fast[bits.peek(LOOK) as usize & ((1 << LOOK) - 1)];
        if code.length == 0 {
            code = self.slow(bits.peek(32), code)?;
            bits.skip(code.length.into());
            bits.fill();
        } else {
            bits.skip(code.length.into());
        }
        Some(code)
    }

    /// Reads over the coefficients after the constant. `None` if the bits are no coefficients.
    #[inline(always)]
    fn pass(&self, bits: &mut Bits<'_>) -> Option<()> {
        let mut at = 1usize;
        while at <= 63 {
            // A code at a time: most colour blocks end early.
            bits.fill();
            let code = self.next(bits)?;
            at += usize::from(code.run) + 1;
            if at > 64 {
                return (code.run == END).then_some(());
            }
        }
        Some(())
    }
}

/// What the next bits mean, two codes at a time.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    values: [i16; 2],
    runs: [u8; 2],
    /// Coefficients that the pair goes on by where the block does not end in it.
    step: u8,
    /// As in [`Code`].
    length: u8,
}

/// A table of the coefficients after the constant that gives two of them in one look where both fit: half as many steps,
/// each of which has to wait for the one before.
pub(crate) struct Pairs {
    fast: Box<[Pair; 1 << LOOK]>,
    table: Table,
}

impl Pairs {
    pub(crate) fn new(table: Table) -> Self {
        let mut fast = Box::new([Pair::default(); 1 << LOOK]);
        for (bits, pair) in fast.iter_mut().enumerate() {
            let first = table.fast[bits];
            let second = table.fast[bits << first.length & ((1 << LOOK) - 1)];
            let both = first.length != 0 && first.run != END && second.length != 0;
            *pair = if both && u32::from(first.length + second.length) <= LOOK {
                Pair {
                    values: [first.value, second.value],
                    runs: [first.run, second.run],
                    step: first.run.saturating_add(second.run).saturating_add(2),
                    length: first.length + second.length,
                }
            } else {
                // Nothing is laid where the next coefficient will be.
                let step = first.run.saturating_add(1);
                Pair { values: [first.value, 0], runs: [first.run, 0], step, length: first.length }
            };
        }
        Self { fast, table }
    }

    /// Reads the coefficients after the constant into a block of zeros; whether any came. `None` if the bits are no
    /// coefficients.
    #[inline(always)]
    fn read(&self, bits: &mut Bits<'_>, block: &mut [i16; 64]) -> Option<bool> {
        let mut at = 1usize;
        loop {
            bits.fill();
            // One filling, 56 bits, lasts for two pairs and a long code.
            if let Some(any) = self.two(bits, block, &mut at)? {
                return Some(any);
            }
            if let Some(any) = self.two(bits, block, &mut at)? {
                return Some(any);
            }
            if let Some(any) = self.two(bits, block, &mut at)? {
                return Some(any);
            }
        }
    }

    /// Reads one or two coefficients; `Some` when the block is at its end.
    #[inline(always)]
    fn two(&self, bits: &mut Bits<'_>, block: &mut [i16; 64], at: &mut usize) -> Option<Option<bool>> {
        let before = *bits;
        let mut pair = self.fast[bits.peek(LOOK) as usize & ((1 << LOOK) - 1)];
        if pair.length == 0 {
            let code = self.table.next(bits)?;
            pair = Pair { values: [code.value, 0], runs: [code.run, 0], step: code.run.saturating_add(1), length: 0 };
        } else {
            bits.skip(pair.length.into());
        }
        let first = *at + usize::from(pair.runs[0]);
        if first > 63 {
            return (pair.runs[0] == END).then_some(Some(*at > 1));
        }
        block[usize::from(ZIGZAG[first]) & 63] = pair.values[0];
        let second = first + 1 + usize::from(pair.runs[1]);
        if second > 63 {
            if first < 63 {
                return (pair.runs[1] == END).then_some(Some(true));
            }
            // The block is full: what follows the first code belongs to the next one.
            if pair.length != 0 {
                *bits = before;
                self.table.next(bits)?;
            }
            return Some(Some(true));
        }
        block[usize::from(ZIGZAG[second]) & 63] = pair.values[1];
        *at += usize::from(pair.step);
        Some((*at > 63).then_some(true))
    }
}

/// One block of a unit of the scan.
pub(crate) struct Block<'a> {
    /// The table of its constant.
    pub(crate) constants: &'a Table,
    /// The table of its other coefficients.
    pub(crate) rest: Rest<'a>,
}

/// What becomes of a block.
pub(crate) enum Rest<'a> {
    /// It is read over.
    Passed(&'a Table),
    /// Its pixels go to this place in a band, seen from the first of the unit.
    Decoded(&'a Pairs, usize),
}

/// Consecutive units of a scan.
pub(crate) struct Units<'a, 'b> {
    pub(crate) bits: Bits<'b>,
    pub(crate) blocks: &'a [Block<'a>],
    /// The constant coefficient of the last block with pixels.
    pub(crate) constant: i16,
    /// As [`scaled`](super::scaled) gives them.
    pub(crate) steps: &'a [f32; 64],
    /// The pixels, from those of the first unit, in rows of `stride`.
    pub(crate) band: &'a mut [u8],
    pub(crate) stride: usize,
    /// How many units, and how many pixels lie from one to the next.
    pub(crate) count: usize,
    pub(crate) width: usize,
}

/// Blocks that are transformed together: their coefficients have left the store buffer by then, and the transforms of
/// several blocks overlap.
const GROUP: usize = 16;

/// Decodes the units; whether they are what a JPEG may hold.
#[inline(always)]
pub(crate) unsafe fn units<V: Vector<N>, const N: usize, const H: usize>(work: &mut Units<'_, '_>) -> bool {
    // SAFETY: the caller enables the instructions.
    unsafe { decode::<V, N, H>(work) }.is_some()
}

#[inline(always)]
unsafe fn decode<V: Vector<N>, const N: usize, const H: usize>(work: &mut Units<'_, '_>) -> Option<()> {
    let (mut blocks, mut places, mut filled) = ([[0i16; 64]; GROUP], [0usize; GROUP], 0);
    let mut bits = work.bits;
    for unit in 0..work.count {
        for of in work.blocks {
            bits.fill();
            let constant = of.constants.next(&mut bits)?.value;
            let (pairs, at) = match of.rest {
                Rest::Decoded(pairs, at) => (pairs, at),
                Rest::Passed(table) => {
                    table.pass(&mut bits)?;
                    continue;
                }
            };
            work.constant = work.constant.wrapping_add(constant);
            let (at, block) = (unit * work.width + at, &mut blocks[filled]);
            if pairs.read(&mut bits, block)? {
                block[0] = work.constant;
                places[filled] = at;
                filled += 1;
                if filled == GROUP {
                    // SAFETY: the caller enables the instructions.
                    unsafe { transform::<V, N, H>(work, &mut blocks, &places)? };
                    filled = 0;
                }
            } else {
                // The constant alone makes all pixels alike.
                let level = f32::from(work.constant) * work.steps[0] + 128.5;
                for eight in work.band.get_mut(at..)?.chunks_mut(work.stride).take(8) {
                    eight.get_mut(..8)?.fill(level.clamp(0.0, 255.0) as u8);
                }
            }
        }
    }
    // SAFETY: the caller enables the instructions.
    unsafe { transform::<V, N, H>(work, &mut blocks[..filled], &places)? };
    work.bits = bits;
    Some(())
}

/// The pixels of some blocks; leaves zeros in them.
#[inline(always)]
unsafe fn transform<V: Vector<N>, const N: usize, const H: usize>(
    work: &mut Units<'_, '_>,
    blocks: &mut [[i16; 64]],
    places: &[usize; GROUP],
) -> Option<()> {
    for (block, &at) in blocks.iter_mut().zip(places) {
        // SAFETY: the caller enables the instructions.
        unsafe { idct::<V, N, H>(block, work.steps, work.band.get_mut(at..)?, work.stride) };
        *block = [0; 64];
    }
    Some(())
}

/// A value of `size` bits: the upper half of their range is positive, the lower negative (ISO/IEC 10918-1, F.2.2.1).
fn extend(bits: u32, size: u32) -> i16 {
    let value = bits as i32;
    let positive = size == 0 || value >> (size - 1) != 0;
    (if positive { value } else { value - (1 << size) + 1 }) as i16
}

/// Bits that are held after filling, at least.
const FILLED: u32 = 56;

/// The last bytes from a place on, and zeros behind them.
#[cold]
#[inline(never)]
fn last(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    if let Some(rest) = data.get(at..) {
        bytes[..rest.len()].copy_from_slice(rest);
    }
    u64::from_be_bytes(bytes)
}

/// Bits from the left of a slice without stuffed bytes; zeros follow its end.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, held: 0 }
    }

    /// Holds at least [`FILLED`] bits.
    #[inline(always)]
    fn fill(&mut self) {
        let next = match self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(next) => u64::from_be_bytes(*next),
            None => last(self.data, self.at),
        };
        self.buffer |= next >> self.held;
        // `held` is at most 63.
        self.at += ((63 - self.held) >> 3) as usize;
        self.held |= FILLED;
    }

    /// The next 1..=32 bits.
    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.held = self.held.wrapping_sub(count);
    }

    /// Whether more bits were taken than there are.
    pub(crate) fn overran(&self) -> bool {
        self.at * 8 > self.data.len() * 8 + self.held as usize
    }
}
