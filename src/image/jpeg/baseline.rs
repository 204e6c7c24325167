//! The luma of a sequential JPEG of one scan, a band of blocks at a time: the colour planes are read over, not decoded.
//!
//! Nearly all photographs are of this kind, and decoding is nine tenths of what hashing one costs. Whatever is unusual
//! or looks broken is declined, and the general decoder settles what it is.

use super::header::Header;
use crate::simd::{self, Bits, Block, Level, Pairs, Rest, Table, Units, ZIGZAG};

/// A JPEG that can be decoded here.
pub(super) struct Baseline {
    width: usize,
    height: usize,
    /// Blocks of luma in a unit of the scan, along and down.
    across: usize,
    down: usize,
    luma: (Table, Pairs),
    others: Vec<Other>,
    steps: [f32; 64],
    /// Units between restarts; all of them if there are none.
    interval: usize,
    /// The entropy-coded bytes without stuffing, and where each interval ends in them.
    data: Vec<u8>,
    ends: Vec<usize>,
}

/// Blocks of other components that follow those of luma in a unit.
struct Other {
    constants: Table,
    rest: Table,
    blocks: usize,
}

impl Baseline {
    /// `None` if the picture is not of the usual kind, or would take more than `room` bytes of memory beside the result.
    pub(super) fn new(header: &Header<'_>, bytes: &[u8], room: u64) -> Option<Self> {
        let (width, height) = header.size.filter(|&(width, height)| width > 0 && height > 0)?;
        let components = &header.components;
        let colour = match components.as_slice() {
            [_] => false,
            // Without a word from Adobe, three components named after colours are colours.
            [r, g, b] if [r.id, g.id, b.id] == *b"RGB" || !matches!(header.adobe, None | Some(1)) => return None,
            [_, _, _] => true,
            _ => return None,
        };
        let sequential = matches!(header.process, 0xC0 | 0xC1) && header.precision == 8;
        if !sequential || !header.first_plane_is_full || !header.ends {
            return None;
        }
        // The scan names all components in their order, and their tables; the rest of its head is fixed.
        let (&count, names) = header.scan.split_first()?;
        let (names, tail) = names.split_at_checked(components.len() * 2)?;
        if usize::from(count) != components.len() || tail != [0, 63, 0] {
            return None;
        }
        let mut places = Vec::new();
        for (component, name) in components.iter().zip(names.as_chunks::<2>().0) {
            let place = (usize::from(name[1] >> 4), usize::from(name[1] & 15));
            let sampled = (1..=4).contains(&component.across) && (1..=4).contains(&component.down);
            if name[0] != component.id || place.0 > 3 || place.1 > 3 || !sampled {
                return None;
            }
            places.push(place);
        }
        let table = |kind: usize, place: usize| Table::new(header.codes[kind][place].as_ref()?, kind == 0);
        let luma =
            places.first().and_then(|&(constants, rest)| Some((table(0, constants)?, Pairs::new(table(1, rest)?))))?;
        // The two colour components nearly always share their tables.
        let mut others: Vec<((usize, usize), Other)> = Vec::new();
        for (component, &place) in components[1..].iter().zip(&places[1..]) {
            let blocks = usize::from(component.across) * usize::from(component.down);
            match others.last_mut() {
                Some((last, other)) if *last == place => other.blocks += blocks,
                _ => {
                    others.push((place, Other { constants: table(0, place.0)?, rest: table(1, place.1)?, blocks }));
                }
            }
        }
        let others: Vec<Other> = others.into_iter().map(|(_, other)| other).collect();
        // A scan of one component goes block by block, whatever its sampling factors say.
        let first = components.first()?;
        let (across, down) = if colour { (first.across.into(), first.down.into()) } else { (1, 1) };
        if colour && across * down + others.iter().map(|other| other.blocks).sum::<usize>() > 10 {
            return None;
        }
        let zigzag = header.quantisation.get(usize::from(first.quantisation))?.as_ref()?;
        let mut steps = [0; 64];
        for (step, &at) in zigzag.iter().zip(&ZIGZAG) {
            steps[usize::from(at)] = *step;
        }

        let (width, height) = (width as usize, height as usize);
        let units = width.div_ceil(8 * across) * height.div_ceil(8 * down);
        let interval = if header.restart_interval == 0 { units } else { header.restart_interval };
        let (coded, intervals) = (bytes.get(header.data_at..)?, units.div_ceil(interval));
        // The bytes without stuffing, the ends of intervals, each of which takes two bytes and is soon one of a list that
        // grows, and a band of blocks.
        let lists = 3 * size_of::<usize>() * intervals.min(coded.len() / 2 + 1);
        let band = width.next_multiple_of(8 * across) * 8 * down;
        if (coded.len() + lists + band) as u64 > room {
            return None;
        }
        let (data, ends) = unstuff(coded, intervals)?;
        let steps = simd::scaled(&steps);
        Some(Self { width, height, across, down, luma, others, steps, interval, data, ends })
    }

    fn padded_width(&self) -> usize {
        self.width.next_multiple_of(8 * self.across)
    }

    /// Hands over the rows from the top, one after another. `None` if the picture is not whole after all; then the rows
    /// so far are to be thrown away.
    pub(super) fn rows(&self, level: Level, mut row: impl FnMut(&[u8])) -> Option<()> {
        let kernels = simd::kernels(level);
        let (stride, width) = (self.padded_width(), 8 * self.across);
        let mut band = vec![0u8; stride * 8 * self.down];
        let mut blocks = Vec::new();
        for i in 0..self.across * self.down {
            let at = i / self.across * 8 * stride + i % self.across * 8;
            blocks.push(Block { constants: &self.luma.0, rest: Rest::Decoded(&self.luma.1, at) });
        }
        for other in &self.others {
            let block = || Block { constants: &other.constants, rest: Rest::Passed(&other.rest) };
            blocks.extend(std::iter::repeat_with(block).take(other.blocks));
        }

        // Units to come in this interval between restarts, its bits, and the last constant.
        let (mut left, mut bits, mut constant) = (0, Bits::new(&[]), 0);
        let (mut start, mut ends) = (0, self.ends.iter());
        for top in (0..self.height).step_by(8 * self.down) {
            let mut at = 0;
            while at < stride {
                if left == 0 {
                    if bits.overran() {
                        return None;
                    }
                    let end = *ends.next()?;
                    (left, bits, constant) = (self.interval, Bits::new(self.data.get(start..end)?), 0);
                    start = end;
                }
                let count = left.min((stride - at) / width);
                let (blocks, steps, band) = (blocks.as_slice(), &self.steps, band.get_mut(at..)?);
                let mut work = Units { bits, blocks, constant, steps, band, stride, count, width };
                if !(kernels.units)(&mut work) {
                    return None;
                }
                (bits, constant) = (work.bits, work.constant);
                left -= count;
                at += count * width;
            }
            for pixels in band.chunks_exact(stride).take(self.height - top) {
                row(&pixels[..self.width]);
            }
        }
        (!bits.overran()).then_some(())
    }
}

/// The entropy-coded bytes up to the next marker, without the zeros stuffed behind each 0xFF and without restart
/// markers, and the end of each of the `intervals` that these part. `None` if there are more or fewer.
fn unstuff(coded: &[u8], intervals: usize) -> Option<(Vec<u8>, Vec<usize>)> {
    let (mut data, mut ends) = (Vec::with_capacity(coded.len()), Vec::new());
    let mut from = 0;
    for at in memchr::memchr_iter(0xFF, coded) {
        if at < from {
            continue;
        }
        match *coded.get(at + 1)? {
            0 => {
                data.extend_from_slice(&coded[from..=at]);
                from = at + 2;
            }
            // Fill bytes before a marker.
            0xFF => {
                data.extend_from_slice(&coded[from..at]);
                from = at + 1;
            }
            code @ 0xD0..=0xD7 => {
                if usize::from(code & 7) != ends.len() % 8 || ends.len() + 1 >= intervals {
                    return None;
                }
                data.extend_from_slice(&coded[from..at]);
                ends.push(data.len());
                from = at + 2;
            }
            0xD9 => {
                data.extend_from_slice(&coded[from..at]);
                ends.push(data.len());
                return (ends.len() == intervals).then_some((data, ends));
            }
            _ => return None,
        }
    }
    None
}
