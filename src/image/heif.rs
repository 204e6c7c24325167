//! HEIC and AVIF: the boxes of an ISO image file (ISO/IEC 23008-12) read here, the coded pictures in it decoded by FFmpeg.
//!
//! Debian 12's FFmpeg reads neither tiled files, as telephones write them, nor their turns. So the primary picture is
//! looked up, its tiles are strung together as a plain HEVC or AV1 stream, and the decoded tiles are laid out and turned
//! as the file says. Depth maps, thumbnails, alpha planes and clean apertures are not looked at.

use std::collections::HashMap;

use ::image::metadata::Orientation;

use super::{check, orient};
use crate::error::{Error, Result};
use crate::hash::PixelBuf;
use crate::limits::Limits;
use crate::video;

/// More tiles than any camera writes.
const MAX_TILES: usize = 4096;
/// More than any camera writes of items, of places where they lie, and of properties. A box of few bytes may claim very many.
const MAX_ITEMS: usize = 4 * MAX_TILES;
const MAX_EXTENTS: usize = 4 * MAX_TILES;
const MAX_PROPERTIES: usize = 4 * MAX_TILES;
/// More properties than an item has.
const MAX_OF_ITEM: usize = 255;

/// Decodes the primary picture, upright.
pub(super) fn decode(bytes: &[u8], name: &'static str, limits: &Limits) -> Result<PixelBuf> {
    let file = File::read(bytes).ok_or_else(|| Error::decode(format!("{name}: its boxes make no sense")))?;
    let layout =
        file.layout().ok_or_else(|| Error::decode(format!("{name}: without a primary picture that is whole")))?;
    // Luma of tiles and of the whole, and what the codec keeps; the tiles as a stream, of which FFmpeg has a copy.
    let held = bytes.len() + 2 * layout.coded(&file).min(longest(bytes));
    check(limits, layout.width, layout.height, 8, held)?;
    let stream = layout.stream(&file).ok_or_else(|| {
        Error::unsupported(format!(
            "{name}: pictures that are coded otherwise than as HEVC or AV1, or in too many tiles"
        ))
    })?;
    let picture = layout.paint(stream, name, limits)?;
    orient::upright(picture, layout.turn)
}

/// A reader over the bytes of a box.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of `n` bytes, 0..=8.
    fn number(&mut self, n: usize) -> Option<u64> {
        Some(self.take(n)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// The version and flags of a full box.
    fn version(&mut self) -> Option<(u8, u64)> {
        Some((self.byte()?, self.number(3)?))
    }

    /// The next box: its kind and content.
    fn next_box(&mut self) -> Option<([u8; 4], Cursor<'a>)> {
        let mut head = *self;
        let size = head.number(4)?;
        let kind = head.take(4)?.try_into().ok()?;
        let (size, header) = match size {
            0 => (self.0.len() as u64, 8),
            1 => (head.number(8)?, 16),
            size => (size, 8),
        };
        let whole = self.take(usize::try_from(size).ok()?)?;
        Some((kind, Cursor(whole.get(header..)?)))
    }
}

#[derive(Default)]
struct Item {
    kind: [u8; 4],
    /// In the file or, if `inside`, in the `idat` box: offset and length.
    extents: Vec<(usize, usize)>,
    inside: bool,
    properties: Vec<usize>,
    tiles: Vec<u32>,
}

struct File<'a> {
    bytes: &'a [u8],
    idat: &'a [u8],
    primary: u32,
    items: HashMap<u32, Item>,
    /// How many there are of all items.
    extents: usize,
    properties: Vec<([u8; 4], Cursor<'a>)>,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut top = Cursor(bytes);
        let mut meta = loop {
            match top.next_box()? {
                (kind, content) if &kind == b"meta" => break content,
                _ => {}
            }
        };
        meta.version()?;
        let (items, properties) = (HashMap::new(), Vec::new());
        let mut file = Self { bytes, idat: &[], primary: 0, items, extents: 0, properties };
        while let Some((kind, mut content)) = meta.next_box() {
            match &kind {
                b"pitm" => {
                    let size = if content.version()?.0 == 0 { 2 } else { 4 };
                    file.primary = content.number(size)? as u32;
                }
                b"iinf" => file.kinds(content)?,
                b"iloc" => file.places(content)?,
                b"iprp" => file.describe(content)?,
                b"iref" => file.references(content)?,
                b"idat" => file.idat = content.0,
                _ => {}
            }
        }
        Some(file)
    }

    /// The item of that number, as yet without anything if it is new.
    fn item(&mut self, id: u32) -> Option<&mut Item> {
        let room = self.items.len() < MAX_ITEMS || self.items.contains_key(&id);
        room.then(|| self.items.entry(id).or_default())
    }

    fn kinds(&mut self, mut content: Cursor<'a>) -> Option<()> {
        let size = if content.version()?.0 == 0 { 2 } else { 4 };
        content.number(size)?;
        while let Some((kind, mut entry)) = content.next_box() {
            let version = entry.version()?.0;
            if &kind == b"infe" && version >= 2 {
                let id = entry.number(if version == 2 { 2 } else { 4 })? as u32;
                entry.number(2)?;
                self.item(id)?.kind = entry.take(4)?.try_into().ok()?;
            }
        }
        Some(())
    }

    fn places(&mut self, mut content: Cursor<'a>) -> Option<()> {
        let version = content.version()?.0;
        let sizes = content.number(2)? as usize;
        let (offset, length, base, index) = (sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15);
        if [offset, length, base, index].iter().any(|&size| size > 8) {
            return None;
        }
        let wide = if version < 2 { 2 } else { 4 };
        for _ in 0..content.number(wide)? {
            let id = content.number(wide)? as u32;
            let method = if version == 0 { 0 } else { content.number(2)? & 15 };
            content.number(2)?;
            let start = content.number(base)?;
            let count = content.number(2)? as usize;
            self.extents += count;
            // Extents without place and length are all the same one, and take no room in the file.
            if self.extents > MAX_EXTENTS || (count > 1 && offset == 0 && length == 0) {
                return None;
            }
            let mut extents = Vec::new();
            for _ in 0..count {
                if version > 0 {
                    content.number(index)?;
                }
                let at = start.checked_add(content.number(offset)?)?;
                extents.push((usize::try_from(at).ok()?, usize::try_from(content.number(length)?).ok()?));
            }
            let item = self.item(id)?;
            (item.extents, item.inside) = (extents, method == 1);
            if method > 1 {
                item.extents.clear();
            }
        }
        Some(())
    }

    fn describe(&mut self, mut content: Cursor<'a>) -> Option<()> {
        while let Some((kind, mut inner)) = content.next_box() {
            if &kind == b"ipco" {
                while let Some(property) = inner.next_box() {
                    if self.properties.len() == MAX_PROPERTIES {
                        return None;
                    }
                    self.properties.push(property);
                }
            } else if &kind == b"ipma" {
                let (version, flags) = inner.version()?;
                for _ in 0..inner.number(4)? {
                    let id = inner.number(if version == 0 { 2 } else { 4 })? as u32;
                    for _ in 0..inner.byte()? {
                        let index = if flags & 1 == 1 { inner.number(2)? & 0x7FFF } else { inner.number(1)? & 0x7F };
                        if let Some(index) = (index as usize).checked_sub(1) {
                            let properties = &mut self.item(id)?.properties;
                            if properties.len() == MAX_OF_ITEM {
                                return None;
                            }
                            properties.push(index);
                        }
                    }
                }
            }
        }
        Some(())
    }

    fn references(&mut self, mut content: Cursor<'a>) -> Option<()> {
        let wide = if content.version()?.0 == 0 { 2 } else { 4 };
        while let Some((kind, mut inner)) = content.next_box() {
            let from = inner.number(wide)? as u32;
            let count = inner.number(2)?;
            if &kind == b"dimg" {
                let tiles = (0..count).map(|_| inner.number(wide).map(|id| id as u32)).collect::<Option<_>>()?;
                self.item(from)?.tiles = tiles;
            }
        }
        Some(())
    }

    fn property(&self, item: &Item, wanted: &[u8; 4]) -> Option<Cursor<'a>> {
        let all = item.properties.iter().filter_map(|&at| self.properties.get(at));
        all.into_iter().find(|(kind, _)| kind == wanted).map(|&(_, content)| content)
    }

    /// The length of an item's data; what its extents claim.
    fn length(&self, item: &Item) -> usize {
        let from = if item.inside { self.idat } else { self.bytes };
        let lengths =
            item.extents.iter().map(|&(at, length)| if length == 0 { from.len().saturating_sub(at) } else { length });
        lengths.fold(0, usize::saturating_add)
    }

    fn data(&self, item: &Item) -> Option<Vec<u8>> {
        let from = if item.inside { self.idat } else { self.bytes };
        let mut data = Vec::new();
        for &(at, length) in &item.extents {
            let end = if length == 0 { from.len() } else { at.checked_add(length)? };
            data.extend_from_slice(from.get(at..end)?);
            if data.len() > from.len() {
                return None;
            }
        }
        Some(data)
    }

    /// How the primary picture is put together.
    fn layout(&self) -> Option<Layout> {
        let item = self.items.get(&self.primary)?;
        let mut layout = Layout {
            tiles: vec![self.primary],
            columns: 1,
            rows: 1,
            width: 0,
            height: 0,
            turn: Orientation::NoTransforms,
        };
        if &item.kind == b"grid" {
            let data = self.data(item)?;
            let mut grid = Cursor(&data);
            grid.byte()?;
            let wide = if grid.byte()? & 1 == 1 { 4 } else { 2 };
            (layout.rows, layout.columns) = (usize::from(grid.byte()?) + 1, usize::from(grid.byte()?) + 1);
            (layout.width, layout.height) = (grid.number(wide)? as u32, grid.number(wide)? as u32);
            layout.tiles.clone_from(&item.tiles);
            if layout.tiles.len() != layout.rows * layout.columns {
                return None;
            }
        } else {
            let mut size = self.property(item, b"ispe")?;
            size.version()?;
            (layout.width, layout.height) = (size.number(4)? as u32, size.number(4)? as u32);
        }
        for (kind, mut content) in item.properties.iter().filter_map(|&at| self.properties.get(at).copied()) {
            let next = match (&kind, content.byte()) {
                (b"irot", Some(quarters)) => match quarters & 3 {
                    1 => Orientation::Rotate270,
                    2 => Orientation::Rotate180,
                    3 => Orientation::Rotate90,
                    _ => Orientation::NoTransforms,
                },
                (b"imir", Some(axis)) => match axis & 1 {
                    0 => Orientation::FlipVertical,
                    _ => Orientation::FlipHorizontal,
                },
                _ => continue,
            };
            layout.turn = orient::both(layout.turn, next);
        }
        Some(layout)
    }
}

struct Layout {
    tiles: Vec<u32>,
    columns: usize,
    rows: usize,
    width: u32,
    height: u32,
    /// All that the file says, as one: however many there are, the picture is turned once.
    turn: Orientation,
}

/// The longest stream that a file may be made into: tiles that share their bytes over and over would be a bomb.
fn longest(bytes: &[u8]) -> usize {
    bytes.len().saturating_mul(4).saturating_add(1 << 20)
}

impl Layout {
    /// The length of all tiles as they are coded.
    fn coded(&self, file: &File<'_>) -> usize {
        let lengths = self.tiles.iter().filter_map(|id| file.items.get(id)).map(|item| file.length(item));
        lengths.fold(0, usize::saturating_add)
    }

    /// All tiles as one plain stream of the codec.
    fn stream(&self, file: &File<'_>) -> Option<Vec<u8>> {
        let mut stream = Vec::new();
        if self.tiles.len() > MAX_TILES {
            return None;
        }
        for id in &self.tiles {
            let item = file.items.get(id)?;
            let data = file.data(item)?;
            match &item.kind {
                b"hvc1" => hevc(file.property(item, b"hvcC")?, &data, &mut stream)?,
                b"av01" => av1(file.property(item, b"av1C")?.0.get(4..)?, &data, &mut stream)?,
                _ => return None,
            }
            if stream.len() > longest(file.bytes) {
                return None;
            }
        }
        Some(stream)
    }

    fn paint(&self, stream: Vec<u8>, name: &str, limits: &Limits) -> Result<PixelBuf> {
        let (width, height) = (self.width as usize, self.height as usize);
        let (mut seen, mut canvas, mut tile_size) = (0, Vec::new(), None);
        let mut kind = None;
        video::pictures(stream, limits, |tile| {
            let format = *kind.get_or_insert(tile.format());
            let (tile_width, tile_height) = *tile_size.get_or_insert((tile.width(), tile.height()));
            if (tile.width(), tile.height(), tile.format()) != (tile_width, tile_height, format) {
                return Err(Error::decode(format!("{name}: tiles of different sizes or kinds")));
            }
            // Coded pictures are whole multiples of the codec's blocks, but never smaller than what is shown.
            if tile_width * self.columns < width || tile_height * self.rows < height {
                return Err(Error::decode(format!("{name}: tiles that do not cover the picture")));
            }
            // None lies outside of it either: each costs as much as it is large.
            if tile_width * (self.columns - 1) >= width || tile_height * (self.rows - 1) >= height {
                return Err(Error::decode(format!("{name}: tiles of which nothing is shown")));
            }
            let n = format.bytes();
            canvas.resize(width * height * n, 255);
            let (left, top) = (seen % self.columns * tile_width, seen / self.columns * tile_height);
            let wide = tile_width.min(width.saturating_sub(left)) * n;
            for y in 0..tile_height.min(height.saturating_sub(top)) {
                let at = ((top + y) * width + left) * n;
                if wide > 0 {
                    canvas[at..at + wide].copy_from_slice(&tile.as_pixels().row(y)[..wide]);
                }
            }
            seen += 1;
            Ok(seen < self.tiles.len())
        })?;
        match kind {
            Some(format) if seen == self.tiles.len() => PixelBuf::new(canvas, width, height, format),
            _ => Err(Error::decode(format!("{name}: {seen} of {} tiles can be decoded", self.tiles.len()))),
        }
    }
}

/// The parameter sets of `hvcC` and the units of `data`, each behind a start code.
fn hevc(mut config: Cursor<'_>, data: &[u8], stream: &mut Vec<u8>) -> Option<()> {
    let mut unit = |bytes: &[u8]| {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(bytes);
    };
    let length = usize::from(config.take(22)?[21] & 3) + 1;
    for _ in 0..config.byte()? {
        config.byte()?;
        for _ in 0..config.number(2)? {
            let size = config.number(2)? as usize;
            unit(config.take(size)?);
        }
    }
    let mut data = Cursor(data);
    while !data.0.is_empty() {
        let size = data.number(length)? as usize;
        unit(data.take(size)?);
    }
    Some(())
}

/// A frame of an IVF file, which FFmpeg tells by its first bytes: the sequence header that may stand in `av1C`, and `data`.
fn av1(config: &[u8], data: &[u8], stream: &mut Vec<u8>) -> Option<()> {
    if stream.is_empty() {
        stream.extend_from_slice(b"DKIF\0\0\x20\0AV01");
        stream.extend_from_slice(&[0; 20]);
        stream[16] = 25;
        stream[20] = 1;
    }
    let size = u32::try_from(config.len() + data.len()).ok()?;
    stream.extend_from_slice(&size.to_le_bytes());
    stream.extend_from_slice(&[0; 8]);
    stream.extend_from_slice(config);
    stream.extend_from_slice(data);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn full(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
        boxed(kind, &[&[0; 4], &content.concat()[..]].concat())
    }

    /// A file whose primary picture is item 1, of 3x2 pixels, with these properties and this association.
    fn file(properties: &[Vec<u8>], association: &[u8], more: &[Vec<u8>]) -> Vec<u8> {
        let size = full(b"ispe", &[&3u32.to_be_bytes(), &2u32.to_be_bytes()]);
        let container = boxed(b"ipco", &[&[size][..], properties].concat().concat());
        let properties = boxed(b"iprp", &[container, full(b"ipma", &[association])].concat());
        let kind = full(b"iinf", &[&[0, 1], &boxed(b"infe", b"\x02\0\0\0\0\x01\0\0av01")]);
        let meta = [full(b"pitm", &[&[0, 1]]), kind, properties, more.concat()].concat();
        [boxed(b"ftyp", b"avif\0\0\0\0"), full(b"meta", &[&meta])].concat()
    }

    #[test]
    fn all_turns_are_one() {
        let turns = [boxed(b"irot", &[1]), boxed(b"imir", &[1])];
        let turn = |list: &[u8]| {
            let association = [&[0, 0, 0, 1, 0, 1, list.len() as u8][..], list].concat();
            let bytes = file(&turns, &association, &[]);
            File::read(&bytes).and_then(|file| file.layout()).map(|layout| layout.turn)
        };
        assert_eq!(turn(&[1]), Some(Orientation::NoTransforms));
        assert_eq!(turn(&[1, 2]), Some(Orientation::Rotate270));
        assert_eq!(turn(&[1, 3]), Some(Orientation::FlipHorizontal));
        assert_eq!(turn(&[1, 2, 3]), Some(orient::both(Orientation::Rotate270, Orientation::FlipHorizontal)));
        assert_eq!(turn(&[1, 2, 2, 2, 2]), Some(Orientation::NoTransforms));
        assert_eq!(turn(&[&[1][..], &[2; 249]].concat()), Some(Orientation::Rotate270));
    }

    #[test]
    fn few_bytes_do_not_make_many_things() {
        let one = [0, 0, 0, 1, 0, 1, 1, 1];
        let read = |more: &[Vec<u8>]| File::read(&file(&[], &one, more)).map(|file| (file.items.len(), file.extents));
        // Sizes of offset and length, items with their number, reference and count of extents.
        let places = |sizes: u8, items: u16, extents: u16, room: usize| {
            let item = |id: u16| [&id.to_be_bytes()[..], &[0, 0], &extents.to_be_bytes(), &vec![0; room]].concat();
            let items = [&items.to_be_bytes()[..], &(0..items).flat_map(item).collect::<Vec<_>>()].concat();
            full(b"iloc", &[&[sizes, 0], &items])
        };
        assert_eq!(read(&[]), Some((1, 0)));
        assert_eq!(read(&[places(0x44, 2, 3, 24)]), Some((2, 6)));
        assert_eq!(read(&[places(0, 2, 1, 0)]), Some((2, 2)));
        assert_eq!(read(&[places(0, 2, 2, 0)]), None, "extents that take no room");
        assert_eq!(read(&[places(0x10, 2, 60_000, 60_000)]), None, "extents without end");
        assert_eq!(read(&vec![places(0x10, 1, 2, 2); MAX_EXTENTS / 2 + 1]), None, "extents in many boxes");
        assert_eq!(read(&[places(0, MAX_ITEMS as u16 + 1, 0, 0)]), None, "items without end");
        let often = [&2u32.to_be_bytes()[..], &[0, 1, 200], &[1; 200], &[0, 1, 200], &[1; 200]].concat();
        assert!(File::read(&file(&[], &often, &[])).is_none(), "properties of one item without end");
        let properties = vec![boxed(b"free", &[]); MAX_PROPERTIES];
        assert!(File::read(&file(&properties, &one, &[])).is_none(), "properties without end");
    }
}
