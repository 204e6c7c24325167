//! JPEG, straight to luma: the hash needs no colour, and the decoder can leave the colour planes alone.
//!
//! Pictures stored as red, green and blue, or in inks (CMYK, YCCK), are decoded to RGB: their first plane is no luma.
//! Sequential pictures, nearly all there are, have a decoder of their own that hands over rows ([`baseline`]); the others,
//! and all that are broken, go to `zune-jpeg`.

mod baseline;
mod header;

use ::image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::baseline::Baseline;
use self::header::Header;
use super::rows::{Sink, Streamed, begin};
use super::{check, orient};
use crate::error::{Error, Result};
use crate::hash::{Format, PixelBuf};
use crate::limits::Limits;
use crate::simd::Level;

/// Decodes a JPEG as it is stored, and tells how it must be turned.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(PixelBuf, Orientation)> {
    let header = Header::of(bytes);
    if let Some((width, height)) = header.size {
        check(limits, width, height, header.bytes_a_pixel() + 3, bytes.len())?;
        let (width, height) = (width as usize, height as usize);
        if let Some(baseline) = fitting(&header, bytes, width * height, limits) {
            let mut data = Vec::with_capacity(width * height);
            if baseline.rows(Level::current(), |row| data.extend_from_slice(row)).is_some() {
                return Ok((PixelBuf::new(data, width, height, Format::Luma8)?, orient::of_exif(header.exif)));
            }
        }
    }
    general(bytes, &header, limits)
}

/// Hands over a JPEG while it is decoded, a band of blocks at a time.
pub(super) fn stream<S: Sink>(bytes: &[u8], limits: &Limits, want: S::Want) -> Result<Streamed<S>> {
    let header = Header::of(bytes);
    let Some((width, height)) = header.size else { return Ok(Streamed::Declined) };
    // The pixels are never held, so only the encoded bytes count.
    check(limits, width, height, header.bytes_a_pixel(), bytes.len())?;
    let upright = orient::of_exif(header.exif) == Orientation::NoTransforms;
    let baseline = if upright { fitting(&header, bytes, 0, limits) } else { None };
    let Some(baseline) = baseline else { return Ok(Streamed::Declined) };
    let Some(mut sink) = begin::<S>(want, width, height, Format::Luma8, bytes, limits)? else {
        return Ok(Streamed::Nothing);
    };
    let mut taken = Ok(());
    let whole = baseline.rows(Level::current(), |row| {
        if taken.is_ok() {
            taken = sink.row(row);
        }
    });
    taken?;
    Ok(whole.map_or(Streamed::Declined, |()| Streamed::Whole(sink)))
}

/// Our own decoder, if the picture is of its kind and there is room for it beside the file and the `result`.
fn fitting(header: &Header<'_>, bytes: &[u8], result: usize, limits: &Limits) -> Option<Baseline> {
    Baseline::new(header, bytes, limits.memory.saturating_sub((bytes.len() + result) as u64))
}

/// Decodes what is not sequential, not luma first, or not whole.
fn general(bytes: &[u8], header: &Header<'_>, limits: &Limits) -> Result<(PixelBuf, Orientation)> {
    let side = limits.side as usize;
    let options = DecoderOptions::default()
        .set_max_width(side)
        .set_max_height(side)
        // What breaks off is refused unless the whole picture is there: strict decoding tells.
        .set_strict_mode(!header.ends);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| broken(error, limits))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::decode("JPEG without a size"))?;
    check(limits, width as u32, height as u32, header.bytes_a_pixel() + 3, bytes.len())?;

    let (space, format) = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) if header.first_plane_is_full => (ColorSpace::Luma, Format::Luma8),
        Some(ColorSpace::Luma) => (ColorSpace::Luma, Format::Luma8),
        _ => (ColorSpace::RGB, Format::Rgb8),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut data = vec![0; width * height * format.bytes()];
    decoder.decode_into(&mut data).map_err(|error| broken(error, limits))?;
    let orientation = orient::of_exif(decoder.exif().map(Vec::as_slice));
    Ok((PixelBuf::new(data, width, height, format)?, orientation))
}

fn broken(error: DecodeErrors, limits: &Limits) -> Error {
    match error {
        DecodeErrors::LargeDimensions(got) => Error::limit("side", limits.side.into(), got as u64),
        DecodeErrors::Unsupported(scheme) => Error::unsupported(format!("JPEG of this kind: {scheme:?}")),
        error => Error::decode(format!("JPEG: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::codecs::jpeg::JpegEncoder;
    use ::image::{ExtendedColorType, ImageEncoder};

    /// Pictures with smooth parts, edges and grain.
    fn encoded(width: u32, height: u32, quality: u8, color: ExtendedColorType) -> Vec<u8> {
        let channels = if color == ExtendedColorType::L8 { 1 } else { 3 };
        let mut state = u64::from(width * 1000 + height);
        let pixels: Vec<u8> = (0..width * height * channels)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (x, y) = (i / channels % width, i / channels / width);
                let edge = if (x / 23 + y / 31) % 3 == 0 { 90 } else { 0 };
                (x / 3 + y / 2 + edge + ((state >> 40) % 30) as u32 * (x % 64 / 32)) as u8
            })
            .collect();
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).write_image(&pixels, width, height, color).unwrap();
        bytes
    }

    fn own(bytes: &[u8], level: Level) -> Option<Vec<u8>> {
        let header = Header::of(bytes);
        let mut data = Vec::new();
        Baseline::new(&header, bytes, u64::MAX)?.rows(level, |row| data.extend_from_slice(row))?;
        Some(data)
    }

    fn of_general(bytes: &[u8]) -> Result<Vec<u8>> {
        general(bytes, &Header::of(bytes), &Limits::default()).map(|(picture, _)| picture.into_data())
    }

    fn files() -> Vec<Vec<u8>> {
        let sizes = [(1, 1), (8, 8), (7, 9), (16, 17), (33, 64), (250, 121), (640, 3)];
        let mut files = Vec::new();
        for (width, height) in sizes {
            for quality in [3, 50, 85, 100] {
                for color in [ExtendedColorType::L8, ExtendedColorType::Rgb8] {
                    files.push(encoded(width, height, quality, color));
                }
            }
        }
        for name in ["baseline", "restarts", "sub444", "grey"] {
            let path = format!("{}/tests/media/{name}.jpg", env!("CARGO_MANIFEST_DIR"));
            files.push(std::fs::read(path).unwrap());
        }
        files
    }

    #[test]
    fn pixels_are_those_of_the_general_decoder() {
        for bytes in files() {
            let expected = of_general(&bytes).unwrap();
            let mut first = None;
            for level in Level::available() {
                let got = own(&bytes, level).expect("a sequential JPEG of one scan");
                assert_eq!(got.len(), expected.len());
                // That one rounds in integers; the mean tells a shift that the largest difference would hide.
                let apart: Vec<i32> = got.iter().zip(&expected).map(|(&a, &b)| i32::from(a) - i32::from(b)).collect();
                let most = apart.iter().map(|d| d.abs()).max().unwrap_or(0);
                let mean = apart.iter().sum::<i32>() as f64 / apart.len() as f64;
                assert!(most <= 2 && mean.abs() < 0.2, "{level}: {most} at most, {mean} in the mean of {}", got.len());
                assert_eq!(first.get_or_insert_with(|| got.clone()), &got, "{level}");
            }
        }
    }

    #[test]
    fn rows_as_they_come_hash_as_the_whole_picture() {
        for bytes in files() {
            let (picture, _) = decode(&bytes, &Limits::default()).unwrap();
            let whole = crate::hash::pdq::dihedral(&picture.as_pixels());
            assert_eq!(crate::image::hash(&bytes, &Limits::default()).unwrap(), whole);
        }
    }

    #[test]
    fn what_is_cut_or_damaged_is_the_general_decoders() {
        let mut state = 3u64;
        let mut declined = 0;
        for bytes in files().into_iter().filter(|bytes| bytes.len() > 700) {
            for round in 0..40 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % bytes.len();
                let mut damaged = bytes.clone();
                if round % 2 == 0 {
                    damaged.truncate(at);
                } else {
                    damaged[at] ^= 1 << (state >> 60 & 7);
                }
                // Whole pictures of the claimed size, or a word from the general decoder; never a panic.
                match own(&damaged, Level::current()) {
                    Some(data) => {
                        let (width, height) = Header::of(&damaged).size.unwrap();
                        assert_eq!(data.len(), width as usize * height as usize);
                        assert!(round % 2 == 1, "a picture that ends at {at} of {} bytes", bytes.len());
                    }
                    None => declined += 1,
                }
                let decoded = decode(&damaged, &Limits::default());
                assert_eq!(own(&damaged, Level::current()).is_some() || of_general(&damaged).is_ok(), decoded.is_ok());
            }
        }
        assert!(declined > 300, "{declined}");
    }

    #[test]
    fn what_must_be_held_until_it_is_whole_counts_as_memory() {
        let bytes = encoded(64, 64, 80, ExtendedColorType::Rgb8);
        let mut limits = Limits { memory: bytes.len() as u64 + 64 * 64 * 5, ..Limits::default() };
        assert!(general(&bytes, &Header::of(&bytes), &limits).is_ok());
        // A first scan of luma alone: all others are waited for.
        let scan = bytes.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
        let apart = [&bytes[..scan], b"\xFF\xDA\0\x08\x01", &bytes[scan + 5..scan + 7], &bytes[scan + 11..]].concat();
        assert_eq!(Header::of(&apart).bytes_a_pixel(), 6);
        assert!(matches!(decode(&apart, &limits), Err(Error::Limit { limit: "memory", .. })));
        limits.memory += 64 * 64 * 4;
        assert!(!matches!(decode(&apart, &limits), Err(Error::Limit { .. })));
        let mut tall = apart;
        let frame = tall.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
        tall[frame + 11] = 0x12;
        assert_eq!(Header::of(&tall).bytes_a_pixel(), 12);
    }

    #[test]
    fn the_copy_without_stuffing_counts_as_memory() {
        let bytes = encoded(64, 64, 100, ExtendedColorType::Rgb8);
        let header = Header::of(&bytes);
        // The coded bytes are many more than all the rest.
        let coded = bytes.len() - header.data_at;
        assert!(coded > 4000, "{coded}");
        assert!(Baseline::new(&header, &bytes, coded as u64 - 1).is_none());
        assert!(Baseline::new(&header, &bytes, coded as u64 + 64 * 16 + 100).is_some());
        // What follows the picture counts as well, since it is not known beforehand where that ends.
        let long = [&bytes[..], &[0; 100_000]].concat();
        assert!(Baseline::new(&Header::of(&long), &long, 50_000).is_none());
    }

    #[test]
    fn tables_that_lie_are_declined() {
        let bytes = encoded(64, 64, 80, ExtendedColorType::Rgb8);
        let table = bytes.windows(2).position(|marker| marker == [0xFF, 0xC4]).unwrap();
        let mut damaged = bytes.clone();
        damaged[table + 5..table + 21].fill(255);
        assert!(own(&damaged, Level::current()).is_none());
        // A table whose codes are more than there can be of their length.
        let mut damaged = bytes.clone();
        (damaged[table + 5], damaged[table + 6]) = (3, 0);
        assert!(own(&damaged, Level::current()).is_none());
        // A component without its table.
        let mut damaged = bytes;
        let scan = damaged.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
        damaged[scan + 6] = 0x33;
        assert!(own(&damaged, Level::current()).is_none());
    }
}
