//! The pixels of a decoded frame: its luma plane as it lies in memory, or RGB of what has none.

use ffmpeg_next as ffmpeg;

use ffmpeg::software::scaling;
use ffmpeg::{ffi, frame};

use crate::error::{Error, Result};
use crate::hash::{Format, Pixels};
use crate::image::flatten::over_white;

/// The luma of a picture that has one, and whether it is full range whatever the stream says; `None` for RGB, palettes and the like.
pub(super) fn luma<'a>(picture: &'a frame::Video, scratch: &'a mut Vec<u8>) -> Result<Option<(Pixels<'a>, bool)>> {
    let Some(descriptor) = picture.format().descriptor() else { return Ok(None) };
    // SAFETY: descriptors are constants of the library; a frame that was received owns its planes while it is borrowed.
    let (descriptor, raw) = unsafe { (&*descriptor.as_ptr(), &*picture.as_ptr()) };
    let unusual = ffi::AV_PIX_FMT_FLAG_RGB
        | ffi::AV_PIX_FMT_FLAG_PAL
        | ffi::AV_PIX_FMT_FLAG_BE
        | ffi::AV_PIX_FMT_FLAG_BITSTREAM
        | ffi::AV_PIX_FMT_FLAG_HWACCEL
        | ffi::AV_PIX_FMT_FLAG_FLOAT
        | ffi::AV_PIX_FMT_FLAG_ALPHA;
    let component = &descriptor.comp[0];
    let (Ok(plane), Ok(step)) = (usize::try_from(component.plane), usize::try_from(component.step)) else {
        return Ok(None);
    };
    if descriptor.flags & u64::from(unusual as u32) != 0 || plane >= 4 || !(8..=16).contains(&component.depth) {
        return Ok(None);
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (data, Ok(stride)) = (raw.data[plane], usize::try_from(raw.linesize[plane])) else { return Ok(None) };
    if data.is_null() || width == 0 || height == 0 || stride < width * step {
        return Ok(None);
    }
    let length = stride * (height - 1) + width * step;
    // SAFETY: FFmpeg allocates `height` rows of `stride` bytes for this plane, each with at least `width * step` bytes
    // (checked against a positive stride above); the frame is borrowed for as long as the slice.
    let bytes = unsafe { std::slice::from_raw_parts(data, length) };
    let grey_or_jpeg =
        descriptor.nb_components <= 2 || picture.format().descriptor().is_some_and(|d| d.name().starts_with("yuvj"));
    if step == 1 && component.depth == 8 && component.shift == 0 {
        return Ok(Some((Pixels::luma(bytes, width, height, stride)?, grey_or_jpeg)));
    }
    let offset = usize::try_from(component.offset).unwrap_or(0);
    scratch.clear();
    scratch.reserve(width * height);
    for row in bytes.chunks(stride) {
        let row = &row[..width * step];
        if component.depth == 8 {
            scratch.extend(row.chunks_exact(step).map(|pixel| pixel.get(offset).copied().unwrap_or(0)));
        } else {
            let down = (component.shift + component.depth - 8).clamp(0, 15);
            scratch.extend(row.chunks_exact(step).map(|pixel| match pixel.get(offset..offset + 2) {
                Some(two) => (u16::from_le_bytes([two[0], two[1]]) >> down) as u8,
                None => 0,
            }));
        }
    }
    Ok(Some((Pixels::luma(scratch, width, height, width)?, grey_or_jpeg)))
}

/// What turns pictures of one format and size into RGB, the picture it writes to, and its pixels over white.
pub(super) type Converter = (scaling::Context, frame::Video, (ffmpeg::format::Pixel, u32, u32), Vec<u8>);

/// Whether what is behind such a picture shows through it.
fn has_alpha(format: ffmpeg::format::Pixel) -> bool {
    // SAFETY: descriptors are constants of the library.
    let flags = format.descriptor().map_or(0, |descriptor| unsafe { (*descriptor.as_ptr()).flags });
    flags & u64::from(ffi::AV_PIX_FMT_FLAG_ALPHA as u32) != 0
}

/// Any other picture as RGB, over white where it is not opaque.
pub(super) fn convert<'a>(picture: &frame::Video, converter: &'a mut Option<Converter>) -> Result<Pixels<'a>> {
    let key = (picture.format(), picture.width(), picture.height());
    let through = has_alpha(key.0);
    if converter.as_ref().is_none_or(|(_, _, had, _)| *had != key) {
        let rgb = if through { ffmpeg::format::Pixel::RGBA } else { ffmpeg::format::Pixel::RGB24 };
        let context = scaling::Context::get(key.0, key.1, key.2, rgb, key.1, key.2, scaling::Flags::POINT)
            .map_err(|_| Error::unsupported(format!("pixels of the kind {:?}", key.0)))?;
        *converter = Some((context, frame::Video::empty(), key, Vec::new()));
    }
    let Some((context, out, _, flat)) = converter else { return Err(Error::decode("pixels cannot be converted")) };
    context.run(picture, out).map_err(|error| Error::decode(format!("pixels cannot be converted: {error}")))?;
    if through {
        let (wide, high) = (key.1 as usize, key.2 as usize);
        flat.clear();
        for row in out.data(0).chunks(out.stride(0).max(1)).take(high) {
            let pixels = row.get(..wide * 4).unwrap_or_default().chunks_exact(4);
            pixels.for_each(|pixel| flat.extend(pixel[..3].iter().map(|&value| over_white(value, pixel[3]))));
        }
        return Pixels::new(flat, wide, high, wide * 3, Format::Rgb8);
    }
    Pixels::new(out.data(0), key.1 as usize, key.2 as usize, out.stride(0), Format::Rgb8)
}
