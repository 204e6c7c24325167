//! Laying a picture upright: the orientation that a camera wrote beside the pixels is applied to the pixels, so that
//! the hash is exactly that of the upright picture.

use ::image::metadata::Orientation;

use crate::error::Result;
use crate::hash::PixelBuf;

/// The side of the squares in which a picture is transposed, so that reads and writes both stay in the cache.
const BLOCK: usize = 32;

/// The orientation that an EXIF block asks for, with or without the `Exif\0\0` that some containers put before it;
/// upright if there is none that makes sense.
pub(super) fn of_exif(block: Option<&[u8]>) -> Orientation {
    block
        .map(|block| block.strip_prefix(b"Exif\0\0").unwrap_or(block))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

/// The picture laid upright.
pub(super) fn upright(picture: PixelBuf, orientation: Orientation) -> Result<PixelBuf> {
    if orientation == Orientation::NoTransforms {
        return Ok(picture);
    }
    let (width, height, format) = (picture.width(), picture.height(), picture.format());
    let data = picture.into_data();
    let data = match format.bytes() {
        1 => turn::<1>(data, width, height, orientation),
        2 => turn::<2>(data, width, height, orientation),
        3 => turn::<3>(data, width, height, orientation),
        _ => turn::<4>(data, width, height, orientation),
    };
    if transposes(orientation) {
        PixelBuf::new(data, height, width, format)
    } else {
        PixelBuf::new(data, width, height, format)
    }
}

/// The one orientation that does what `first` and then `second` do.
pub(super) fn both(first: Orientation, second: Orientation) -> Orientation {
    let [(first_swaps, mut along, mut down), (swaps, then_along, then_down)] = [first, second].map(steps);
    // A flip before width and height change places is one of the other side after it.
    if swaps {
        (along, down) = (down, along);
    }
    let steps_of_both = (first_swaps != swaps, along != then_along, down != then_down);
    (1..=8).filter_map(Orientation::from_exif).find(|&one| steps(one) == steps_of_both).unwrap_or(second)
}

/// Whether an orientation transposes the main diagonal, and whether it then flips the picture along its rows and down its columns.
fn steps(orientation: Orientation) -> (bool, bool, bool) {
    match orientation {
        Orientation::NoTransforms => (false, false, false),
        Orientation::FlipHorizontal => (false, true, false),
        Orientation::FlipVertical => (false, false, true),
        Orientation::Rotate180 => (false, true, true),
        Orientation::Rotate90FlipH => (true, false, false),
        Orientation::Rotate90 => (true, true, false),
        Orientation::Rotate270 => (true, false, true),
        Orientation::Rotate270FlipH => (true, true, true),
    }
}

/// Whether width and height change places.
pub(super) fn transposes(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

fn turn<const N: usize>(mut data: Vec<u8>, width: usize, height: usize, orientation: Orientation) -> Vec<u8> {
    if width == 0 || height == 0 {
        return data;
    }
    if transposes(orientation) {
        data = transpose::<N>(&data, width, height);
    }
    let width = if transposes(orientation) { height } else { width };
    let pixels = data.as_chunks_mut::<N>().0;
    match orientation {
        // The first transposes the main diagonal away and needs no more; the others differ from it by flips.
        Orientation::NoTransforms | Orientation::Rotate90FlipH => {}
        Orientation::Rotate180 | Orientation::Rotate270FlipH => pixels.reverse(),
        Orientation::FlipHorizontal | Orientation::Rotate90 => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
        Orientation::FlipVertical | Orientation::Rotate270 => {
            let rows = pixels.len() / width;
            for y in 0..rows / 2 {
                let (upper, lower) = pixels.split_at_mut((rows - 1 - y) * width);
                upper[y * width..][..width].swap_with_slice(&mut lower[..width]);
            }
        }
    }
    data
}

fn transpose<const N: usize>(data: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = vec![0; data.len()];
    let (from, to) = (data.as_chunks::<N>().0, out.as_chunks_mut::<N>().0);
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for x in left..width.min(left + BLOCK) {
                let column = &mut to[x * height..][..height];
                for y in top..height.min(top + BLOCK) {
                    column[y] = from[y * width + x];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Format;
    use ::image::{DynamicImage, GrayImage, RgbImage};

    #[test]
    fn turns_as_the_image_crate_does() {
        for (width, height) in [(1, 1), (1, 7), (5, 3), (33, 70), (64, 32)] {
            let bytes: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
            for tag in 1..=8 {
                let orientation = Orientation::from_exif(tag).unwrap();
                let mut expected = DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, bytes.clone()).unwrap());
                expected.apply_orientation(orientation);
                let picture = PixelBuf::new(bytes.clone(), width as usize, height as usize, Format::Rgb8).unwrap();
                let got = upright(picture, orientation).unwrap();
                assert_eq!((got.width(), got.height()), (expected.width() as usize, expected.height() as usize));
                assert_eq!(got.into_data(), expected.into_bytes(), "tag {tag}, {width}x{height}");

                let grey = bytes[..(width * height) as usize].to_vec();
                let mut expected = DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, grey.clone()).unwrap());
                expected.apply_orientation(orientation);
                let picture = PixelBuf::new(grey, width as usize, height as usize, Format::Luma8).unwrap();
                assert_eq!(upright(picture, orientation).unwrap().into_data(), expected.into_bytes());
            }
        }
    }

    #[test]
    fn two_turns_are_one() {
        let all = || (1..=8).filter_map(Orientation::from_exif);
        let picture = || PixelBuf::new((0..15).collect(), 5, 3, Format::Luma8).unwrap();
        for (first, second) in all().flat_map(|first| all().map(move |second| (first, second))) {
            let expected = upright(upright(picture(), first).unwrap(), second).unwrap();
            let got = upright(picture(), both(first, second)).unwrap();
            assert_eq!((got.width(), got.height()), (expected.width(), expected.height()), "{first:?}, {second:?}");
            assert_eq!(got.into_data(), expected.into_data(), "{first:?}, {second:?}");
        }
    }

    #[test]
    fn senseless_exif_is_upright() {
        assert_eq!(of_exif(None), Orientation::NoTransforms);
        assert_eq!(of_exif(Some(b"Exif\0\0II*\0\xff\xff\xff\xff")), Orientation::NoTransforms);
        let tag = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        assert_eq!(of_exif(Some(tag)), Orientation::Rotate90);
        assert_eq!(of_exif(Some(&[b"Exif\0\0", &tag[..]].concat())), Orientation::Rotate90);
    }
}
