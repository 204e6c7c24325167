//! What the markers of a JPEG say up to its first scan, read before any decoder allocates.

use crate::simd::CodeLengths;

/// One component of the frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors.
    pub(super) across: u8,
    pub(super) down: u8,
    pub(super) quantisation: u8,
}

/// The markers; what is absent or cut off is left at its default.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub(super) size: Option<(u32, u32)>,
    /// The code of the frame's marker: 0xC0 and 0xC1 are sequential, 0xC2 is progressive.
    pub(super) process: u8,
    pub(super) precision: u8,
    pub(super) components: Vec<Component>,
    /// The first component is sampled as finely as any other, so it is a picture of its own.
    pub(super) first_plane_is_full: bool,
    /// There is an end-of-image marker after the first scan.
    pub(super) ends: bool,
    /// Steps in zigzag order.
    pub(super) quantisation: [Option<[u16; 64]>; 4],
    /// Tables for the constant and for the other coefficients.
    pub(super) codes: [[Option<CodeLengths<'a>>; 4]; 2],
    pub(super) restart_interval: usize,
    pub(super) exif: Option<&'a [u8]>,
    /// The transform that an Adobe marker names.
    pub(super) adobe: Option<u8>,
    /// The head of the first scan, and where its entropy-coded bytes begin.
    pub(super) scan: &'a [u8],
    pub(super) data_at: usize,
}

impl<'a> Header<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut header = Self { first_plane_is_full: true, ..Self::default() };
        let mut at = 2;
        while let Some(&[marker, code, high, low]) = bytes.get(at..at + 4).and_then(|m| m.first_chunk()) {
            if marker != 0xFF || matches!(code, 0 | 0xFF | 0xD0..=0xD8) {
                at += 1;
                continue;
            }
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            let body = bytes.get(at + 4..end.min(bytes.len())).unwrap_or_default();
            match code {
                0xC4 => header.huffman(body),
                0xC0..=0xCF if !matches!(code, 0xC8 | 0xCC) => header.frame(body, code),
                0xDB => header.steps(body),
                0xDD => {
                    if let Some(&[high, low]) = body.first_chunk() {
                        header.restart_interval = u16::from_be_bytes([high, low]).into();
                    }
                }
                0xE1 if body.starts_with(b"Exif\0\0") => header.exif = Some(&body[6..]),
                0xEE if body.starts_with(b"Adobe") => header.adobe = body.get(11).copied(),
                0xD9 => break,
                0xDA => {
                    // From the end, where it nearly always stands.
                    header.ends = bytes[at..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
                    (header.scan, header.data_at) = (body, end);
                    break;
                }
                _ => {}
            }
            at = end;
        }
        header
    }

    fn frame(&mut self, frame: &[u8], code: u8) {
        let Some(&[precision, h1, h0, w1, w0, components]) = frame.first_chunk() else { return };
        self.size = Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
        (self.process, self.precision) = (code, precision);
        let component = |c: &[u8; 3]| Component { id: c[0], across: c[1] >> 4, down: c[1] & 15, quantisation: c[2] };
        self.components = frame[6..].as_chunks::<3>().0.iter().take(components.into()).map(component).collect();
        // A component that is cut off is one that no decoder finds either.
        self.components.resize(components.into(), Component::default());
        if let Some((first, others)) = self.components.split_first() {
            self.first_plane_is_full = others.iter().all(|c| c.across <= first.across && c.down <= first.down);
        }
    }

    fn steps(&mut self, mut body: &[u8]) {
        while let Some((&kind, rest)) = body.split_first() {
            let wide = kind >> 4 != 0;
            let Some((steps, rest)) = rest.split_at_checked(if wide { 128 } else { 64 }) else { return };
            if let Some(table) = self.quantisation.get_mut(usize::from(kind & 15)) {
                *table = Some(std::array::from_fn(|i| match wide {
                    true => u16::from_be_bytes([steps[2 * i], steps[2 * i + 1]]),
                    false => steps[i].into(),
                }));
            }
            body = rest;
        }
    }

    fn huffman(&mut self, mut body: &'a [u8]) {
        while let Some((&kind, rest)) = body.split_first() {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else { return };
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((symbols, rest)) = rest.split_at_checked(total) else { return };
            let tables = self.codes.get_mut(usize::from(kind >> 4));
            if let Some(table) = tables.and_then(|tables| tables.get_mut(usize::from(kind & 15))) {
                *table = Some(CodeLengths { counts, symbols });
            }
            body = rest;
        }
    }

    pub(super) fn progressive(&self) -> bool {
        !matches!(self.process, 0 | 0xC0 | 0xC1)
    }

    /// The first scan holds all components, so that the picture can be made while it is read.
    fn whole_in_first_scan(&self) -> bool {
        self.scan.first().is_some_and(|&count| usize::from(count) == self.components.len())
    }

    /// Memory that decoding takes beside the result: pictures that are progressive, or come a component after the other, are held
    /// as coefficients until they are whole.
    pub(super) fn bytes_a_pixel(&self) -> u64 {
        if !self.progressive() && self.whole_in_first_scan() {
            return 0;
        }
        // Where luma is sampled twice as finely down as along, `zune-jpeg` sets aside twice the rows.
        let tall = self.components.first().is_some_and(|first| first.down > first.across);
        2 * self.components.len().max(1) as u64 * if tall { 2 } else { 1 }
    }
}
