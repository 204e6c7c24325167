//! Every level against the oracle: the values before the bits are taken, bit pattern by bit pattern.

use super::*;
use crate::hash::Format;

const FORMATS: [Format; 6] = [Format::Luma8, Format::Luma16, Format::Rgb8, Format::Bgr8, Format::Rgba8, Format::Bgra8];

/// Small numbers from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ self.0 >> 29) >> 17
    }

    fn within(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + self.next() as usize % (range.end() - range.start() + 1)
    }

    /// Bytes of one of several characters: noise, extremes, flat, smooth.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let kind = self.next() % 5;
        let flat = self.next() as u8;
        let pace = self.next() % 50 + 1;
        (0..length as u64)
            .map(|i| match kind {
                0 => self.next() as u8,
                1 => (self.next() as u8 & 1) * 255,
                2 => flat,
                3 => 255,
                _ => (i / pace) as u8 ^ (self.next() as u8 & 7),
            })
            .collect()
    }
}

fn levels() -> Vec<Level> {
    let levels = Level::available();
    println!("levels: {}", levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(", "));
    levels
}

fn agree(hashers: &mut [(Level, Hasher)], pixels: &Pixels<'_>) {
    let samples = oracle::samples(pixels);
    let whole = samples.as_ref().map(|samples| oracle::dihedral(samples));
    for (level, hasher) in hashers {
        let bits = |samples: &[f32; SIDE * SIDE]| samples.map(f32::to_bits);
        let same = hasher.samples(pixels).map(bits) == samples.as_deref().map(bits);
        assert!(same, "samples at {level}: {pixels:?}");
        assert_eq!(hasher.dihedral(pixels), whole, "{level}: {pixels:?}");
        if pixels.width() < 300 {
            let single =
                whole.map(|all| Hashed { hash: all.hashes[0], quality: all.quality, stability: all.stability });
            assert_eq!(hasher.hash(pixels), single, "{level}: {pixels:?}");
        }
    }
}

fn hashers() -> Vec<(Level, Hasher)> {
    levels().into_iter().map(|level| (level, Hasher::at(level))).collect()
}

#[test]
fn random_sizes_layouts_strides_and_alignments() {
    let mut random = Random(1);
    let mut hashers = hashers();
    let pictures = if cfg!(miri) { 6 } else { 400 };
    let mut largest = 0;
    for turn in 0..pictures {
        let most = if cfg!(miri) {
            40
        } else if turn % 50 == 0 {
            2000
        } else if turn % 5 == 0 {
            600
        } else {
            200
        };
        let (width, height) = (random.within(5..=most), random.within(5..=most));
        let format = FORMATS[turn % FORMATS.len()];
        let stride = width * format.bytes() + random.within(0..=70);
        let offset = random.within(0..=63);
        let data = random.bytes(offset + stride * height);
        agree(&mut hashers, &Pixels::new(&data[offset..], width, height, stride, format).unwrap());
        largest = largest.max(width.max(height));
    }
    println!("{pictures} pictures, the largest side {largest}");
    assert!(cfg!(miri) || largest > 1500);
}

#[test]
fn sides_at_every_boundary() {
    let mut random = Random(2);
    let mut hashers = hashers();
    let sides: &[usize] = if cfg!(miri) {
        &[5, 33, 130]
    } else {
        &[5, 6, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 130, 255, 256, 257, 384, 385, 511, 513]
    };
    for &width in sides {
        for &height in sides {
            let format = FORMATS[random.within(0..=5)];
            let data = random.bytes(width * height * format.bytes());
            agree(&mut hashers, &Pixels::new(&data, width, height, width * format.bytes(), format).unwrap());
        }
    }
}

#[test]
fn a_short_side_has_no_hash() {
    let mut hashers = hashers();
    for format in FORMATS {
        for (width, height) in
            [(0, 0), (1, 1), (4, 4), (4, 300), (300, 4), (1, 5), (5, 1), (2000, 1), (1, 2000), (0, 9)]
        {
            let data = vec![77; width * height * format.bytes()];
            let pixels = Pixels::new(&data, width, height, width * format.bytes(), format).unwrap();
            agree(&mut hashers, &pixels);
            assert!(hash(&pixels).is_none() && dihedral(&pixels).is_none() && samples(&pixels).is_none());
            assert!(Stream::new(width, height, format).is_none());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn long_and_thin_pictures() {
    let mut random = Random(3);
    let mut hashers = hashers();
    // 32,897 is the first width whose sums could leave sixteen bits, 131,073 the first past the proven division.
    for side in [32_896, 32_897, 131_073] {
        for (width, height) in [(side, 5), (6, side)] {
            for format in [Format::Luma8, Format::Rgb8] {
                let data = random.bytes(width * height * format.bytes());
                agree(&mut hashers, &Pixels::new(&data, width, height, width * format.bytes(), format).unwrap());
            }
        }
    }
    let white = vec![255; 32_896 * 20];
    agree(&mut hashers, &Pixels::luma(&white, 32_896, 20, 32_896).unwrap());
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_picture_of_twelve_megapixels_and_a_part_of_it() {
    let mut random = Random(4);
    let mut hashers = hashers();
    let data = random.bytes(4000 * 3000);
    let pixels = Pixels::luma(&data, 4000, 3000, 4000).unwrap();
    agree(&mut hashers, &pixels);
    let part = pixels.rect(1234, 567, 999, 1001).unwrap();
    agree(&mut hashers, &part);
    let copied: Vec<u8> = (0..part.height()).flat_map(|y| part.row(y).to_vec()).collect();
    assert_eq!(hash(&part), hash(&Pixels::luma(&copied, 999, 1001, 999).unwrap()));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn every_layout_equals_luma_made_first() {
    let mut random = Random(5);
    let (width, height) = (150, 70);
    let luma = random.bytes(width * height);
    let want = hash(&Pixels::luma(&luma, width, height, width).unwrap()).unwrap();
    // Sixteen bits are 257 times eight, and the luma plane of NV12 is luma as it is, whatever follows it.
    let wide: Vec<u8> = luma.iter().flat_map(|&v| (u16::from(v) * 257).to_le_bytes()).collect();
    assert_eq!(hash(&Pixels::new(&wide, width, height, width * 2, Format::Luma16).unwrap()).unwrap(), want);
    let nv12: Vec<u8> = luma.iter().copied().chain(random.bytes(width * height / 2)).collect();
    assert_eq!(hash(&Pixels::luma(&nv12, width, height, width).unwrap()).unwrap(), want);
    // Colours: the four layouts of the same picture.
    let rgb = random.bytes(width * height * 3);
    let of = |f: fn(&[u8]) -> Vec<u8>| rgb.chunks_exact(3).flat_map(f).collect::<Vec<u8>>();
    let want = hash(&Pixels::new(&rgb, width, height, width * 3, Format::Rgb8).unwrap());
    for (format, data) in [
        (Format::Bgr8, of(|v| vec![v[2], v[1], v[0]])),
        (Format::Rgba8, of(|v| vec![v[0], v[1], v[2], v[1]])),
        (Format::Bgra8, of(|v| vec![v[2], v[1], v[0], v[2]])),
    ] {
        assert_eq!(
            hash(&Pixels::new(&data, width, height, width * format.bytes(), format).unwrap()),
            want,
            "{format:?}"
        );
    }
}

#[test]
fn strides_that_lie_are_refused() {
    let data = vec![0; 1000];
    for (width, height, stride, format) in [
        (10, 10, 9, Format::Luma8),
        (10, 10, 29, Format::Rgb8),
        (10, 101, 10, Format::Luma8),
        (10, 3, usize::MAX, Format::Luma8),
        (usize::MAX, 2, usize::MAX, Format::Luma8),
        (usize::MAX, 1, 1, Format::Rgba8),
        (5, usize::MAX, 5, Format::Luma8),
        (1001, 1, 2000, Format::Luma8),
    ] {
        let got = Pixels::new(&data, width, height, stride, format);
        assert!(matches!(got, Err(crate::Error::Option { .. })), "{width}x{height} {stride} {format:?}");
    }
    // One row may be shorter than its stride, and the last row need not be padded.
    assert!(Pixels::new(&data, 1000, 1, 5000, Format::Luma8).is_ok());
    assert!(Pixels::new(&data, 40, 16, 64, Format::Luma8).is_ok());
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn rows_as_they_come_give_the_same_hash() {
    let mut random = Random(6);
    for (width, height) in [(64, 64), (5, 5), (200, 130), (131, 517)] {
        for format in FORMATS {
            let data = random.bytes(width * height * format.bytes());
            let pixels = Pixels::new(&data, width, height, width * format.bytes(), format).unwrap();
            let mut stream = Stream::new(width, height, format).unwrap();
            assert!(stream.push_row(&data[1..width * format.bytes()]).is_err(), "a short row");
            for y in 0..height {
                stream.push_row(pixels.row(y)).unwrap();
            }
            assert!(stream.push_row(pixels.row(0)).is_err(), "a row too many");
            assert_eq!(Some(stream.finish().unwrap()), hash(&pixels), "{pixels:?}");
        }
    }
    let mut stream = Stream::new(9, 9, Format::Luma8).unwrap();
    stream.push_row(&[0; 9]).unwrap();
    assert!(matches!(stream.finish_dihedral(), Err(crate::Error::Option { .. })));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn many_pictures_at_once_keep_their_order() {
    let mut random = Random(7);
    let data: Vec<Vec<u8>> = (0..40).map(|_| random.bytes(100 * 90)).collect();
    let mut pictures: Vec<_> = data.iter().map(|data| Pixels::luma(data, 100, 90, 100).unwrap()).collect();
    pictures.insert(20, Pixels::luma(&[], 0, 0, 0).unwrap());
    let want: Vec<_> = pictures.iter().map(hash).collect();
    assert_eq!(hash_all(&pictures), want);
    assert!(want[20].is_none() && want[21].is_some());
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn the_negative_has_the_complement() {
    let mut random = Random(8);
    let data: Vec<u8> = (0..150 * 100).map(|_| random.next() as u8).collect();
    let negative: Vec<u8> = data.iter().map(|v| 255 - v).collect();
    let [a, b] = [&data, &negative].map(|data| hash(&Pixels::luma(data, 150, 100, 150).unwrap()).unwrap().hash);
    assert!(a.distance(&b) >= 254, "{}", a.distance(&b));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn memory_for_a_hundred_megapixels_is_a_few_megabytes() {
    let mut filter = filter::Filter::new(Level::current());
    for (width, height, format, most) in
        [(10_000, 10_000, Format::Luma8, 5), (10_000, 10_000, Format::Rgb8, 6), (25_000, 4_000, Format::Luma8, 6)]
    {
        filter.start(width, height, format);
        println!("{width}x{height} {format:?}: {} bytes", filter.memory());
        assert!(filter.memory() < most << 20);
    }
}
