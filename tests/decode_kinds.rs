//! One small picture in every kind of file (`tests/media/`): all of them hash alike, laid upright, under the decoding rules.

#![allow(clippy::unwrap_used)] // a test stops where it finds something else

use std::path::{Path, PathBuf};

use refrain::hash::{Format, Hash, PixelBuf, pdq};
use refrain::image::{Decoded, decode};
use refrain::{Error, Fingerprint, Limits, Media, Options, fingerprint};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)
}

fn still(name: &str) -> PixelBuf {
    match decode(&std::fs::read(path(name)).unwrap(), &Limits::default()) {
        Ok(Decoded::Still(picture)) => picture,
        other => panic!("{name}: {other:?}"),
    }
}

fn hash_of(picture: &PixelBuf) -> Hash {
    pdq::hash(&picture.as_pixels()).unwrap().hash
}

/// Whether an error says that it is FFmpeg or a decoder in it that is missing, and not that something is wrong with the file.
fn is_missing(error: &Error) -> bool {
    let Error::Unsupported { detail, .. } = error else { return false };
    let missing = ["this build has no FFmpeg", "FFmpeg cannot be loaded", "films coded as"];
    missing.iter().any(|words| detail.contains(words))
}

#[test]
fn every_kind_of_file_shows_the_same_picture() {
    let original = hash_of(&still("rgb.png"));
    let kinds = [
        ("baseline.jpg", Format::Luma8, 10),
        ("progressive.jpg", Format::Luma8, 10),
        ("sub444.jpg", Format::Luma8, 10),
        ("grey.jpg", Format::Luma8, 10),
        ("restarts.jpg", Format::Luma8, 10),
        ("cmyk.jpg", Format::Rgb8, 10),
        ("rgb-stored.jpg", Format::Rgb8, 10),
        ("lossy.webp", Format::Rgb8, 10),
        ("lzw.tif", Format::Rgb8, 0),
        ("jpeg.tif", Format::Rgb8, 10),
        ("cmyk.tif", Format::Rgb8, 10),
        ("plain.bmp", Format::Rgb8, 0),
        ("palette.bmp", Format::Rgb8, 16),
        ("palette.png", Format::Rgb8, 16),
        ("turned-6.png", Format::Rgb8, 0),
        ("turned-6.tif", Format::Rgb8, 0),
        ("turned-6.webp", Format::Rgb8, 10),
    ];
    let mut wrong = Vec::new();
    for (name, format, bound) in kinds {
        let mut picture = still(name);
        if name.starts_with("turned-6") {
            assert_eq!((picture.width(), picture.height()), (120, 160), "{name}");
            picture = quarter_back(&picture);
        }
        let distance = hash_of(&picture).distance(&original);
        println!("{distance:3} {name} {picture:?}");
        if distance > bound || picture.format() != format {
            wrong.push((name, distance, picture.format()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A quarter turn counter-clockwise.
fn quarter_back(picture: &PixelBuf) -> PixelBuf {
    let (pixels, n) = (picture.as_pixels(), picture.format().bytes());
    let mut data = Vec::new();
    for x in (0..pixels.width()).rev() {
        for y in 0..pixels.height() {
            data.extend_from_slice(&pixels.row(y)[x * n..][..n]);
        }
    }
    PixelBuf::new(data, pixels.height(), pixels.width(), picture.format()).unwrap()
}

#[test]
fn a_page_of_ink_stays_black_on_white() {
    // Bi-level fax compression: were ink taken for paper, the distance would be above 192.
    let picture = still("one-bit.tif");
    let distance = hash_of(&picture).distance(&hash_of(&still("rgb.png")));
    assert!(distance <= 64, "{distance}");
}

#[test]
fn alpha_shows_white_through() {
    let opaque = still("rgb.png");
    for (name, slack) in [("alpha.png", 1), ("alpha.webp", 60)] {
        let picture = still(name);
        assert_eq!(picture.format(), Format::Rgb8, "{name}");
        // Alpha grows to the right by two a pixel: the left edge is white, the right edge is the picture.
        let (pixels, plain) = (picture.as_pixels(), opaque.as_pixels());
        for y in 0..120 {
            assert_eq!(pixels.row(y)[..3], [255; 3], "{name}, row {y}");
            for c in 0..3 {
                let (got, want) = (i32::from(pixels.row(y)[159 * 3 + c]), i32::from(plain.row(y)[159 * 3 + c]));
                assert!((got - want).abs() <= slack, "{name}, row {y}: {got} {want}");
            }
        }
    }
}

#[test]
fn sixteen_bits_of_grey_are_kept() {
    let samples: Vec<u16> = (0..64 * 48).map(|i| (i * 21) as u16).collect();
    let picture = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(64, 48, samples.clone()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let Ok(Decoded::Still(got)) = decode(bytes.get_ref(), &Limits::default()) else { panic!("a still") };
    assert_eq!(got.format(), Format::Luma16);
    assert_eq!(got.into_data(), samples.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
}

/// A picture hashed while its rows come has the hash of the decoded picture, whatever its kind.
#[test]
fn hashing_rows_as_they_come_changes_nothing() {
    let mut seen = 0;
    let folders =
        ["tests/media", "../shared/conformance/pdq/synthetic", "../shared/conformance/pdq/modes", "fixtures/uploads"];
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let Ok(entries) = folder.read_dir() else {
            println!("skipped: {} is not there", folder.display());
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Ok(Decoded::Still(picture)) = decode(&bytes, &Limits::default()) {
                let streamed = refrain::image::hash(&bytes, &Limits::default()).unwrap();
                assert_eq!(streamed, pdq::dihedral(&picture.as_pixels()), "{}", path.display());
                seen += usize::from(path.extension().is_some_and(|end| end == "png"));
            }
        }
    }
    assert!(seen >= 7, "{seen} PNGs");
    // A PNG that is far larger than the memory it may take.
    let large = image::GrayImage::from_fn(3000, 4000, |x, y| image::Luma([(x * y / 977) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    large.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let mut limits = Limits::default();
    limits.memory = bytes.get_ref().len() as u64 + 1_000_000;
    assert!(matches!(decode(bytes.get_ref(), &limits), Err(Error::Limit { limit: "memory", .. })));
    let streamed = refrain::image::hash(bytes.get_ref(), &limits).unwrap();
    let whole = refrain::hash::Pixels::luma(large.as_raw(), 3000, 4000, 3000).unwrap();
    assert_eq!(streamed, pdq::dihedral(&whole));
}

#[test]
fn exif_turns_jpegs() {
    for (tag, size) in [(3, (80, 60)), (5, (60, 80)), (8, (60, 80))] {
        let picture = still(&format!("turned-{tag}.jpg"));
        assert_eq!((picture.width(), picture.height()), size, "tag {tag}");
    }
}

#[test]
fn animations_are_short_films() {
    for (name, frames, duration) in [("moving.webp", 6, 0.72), ("moving.png", 4, 0.6)] {
        let bytes = std::fs::read(path(name)).unwrap();
        let Ok(Decoded::Animation(animation)) = decode(&bytes, &Limits::default()) else { panic!("{name}") };
        assert_eq!((animation.width(), animation.height()), (80, 60));
        let mut times = Vec::new();
        let played = animation
            .frames(|time, duration, pixels| {
                assert_eq!((pixels.width(), pixels.height()), (80, 60));
                times.push((time, duration));
                Ok(())
            })
            .unwrap();
        assert_eq!(played.frames, frames, "{name}");
        assert!((played.duration - duration).abs() < 1e-9, "{name}: {played:?}");
        assert_eq!(played.cut_short, None);
        assert!(times.windows(2).all(|pair| (pair[0].0 + pair[0].1 - pair[1].0).abs() < 1e-9));
        let film = fingerprint(Media::file(path(name)), &Options::default()).unwrap();
        assert!(matches!(film, Fingerprint::Video(_)), "{name}");
    }
    // One frame only is a still.
    assert_eq!(still("transparent.gif").format(), Format::Rgb8);
}

#[test]
fn what_breaks_off_between_frames_counts_so_far() {
    let bytes = std::fs::read(path("moving.webp")).unwrap();
    let cut = &bytes[..bytes.len() * 3 / 4];
    match decode(cut, &Limits::default()) {
        Ok(Decoded::Animation(animation)) => {
            let played = animation.frames(|_, _, _| Ok(())).unwrap();
            assert!(played.frames >= 2 && played.cut_short.is_some(), "{played:?}");
        }
        Err(Error::Decode { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// Kinds that `image` lacks: through FFmpeg where it can, else a clear word on what is missing.
#[test]
fn other_stills_decode_or_say_what_is_missing() {
    let original = hash_of(&still("rgb.png"));
    for name in ["still.avif", "still.heic", "tiled.heic", "still.jxl", "still.jp2", "still.ppm", "still.qoi"] {
        match fingerprint(Media::file(path(name)), &Options::default()) {
            Ok(Fingerprint::Image(image)) => {
                let distance = image.views[0].hash.distance(&original);
                println!("{distance:3} {name} {}x{}", image.width, image.height);
                assert!(distance <= 10, "{name}: {distance}");
                assert_eq!((image.width, image.height), (160, 120), "{name}");
            }
            Err(error) if is_missing(&error) => println!("{error}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// HEIC and AVIF files say in boxes of their own how they must be turned and mirrored: stored as the EXIF tag of the same
/// number would have it, they come out as the original.
#[test]
fn turns_of_avif_are_applied() {
    let original = still("rgb.png");
    let (pixels, n) = (original.as_pixels(), original.format().bytes());
    let at = |x: usize, y: usize| &pixels.row(y)[x * n..][..n];
    let transposed: Vec<u8> = (0..160).flat_map(|x| (0..120).flat_map(move |y| at(x, y)).copied()).collect();
    let transverse: Vec<u8> =
        (0..160).rev().flat_map(|x| (0..120).rev().flat_map(move |y| at(x, y)).copied()).collect();
    for (name, data) in [("turned-5.avif", transposed), ("turned-7.avif", transverse)] {
        let expected = PixelBuf::new(data, 120, 160, original.format()).unwrap();
        match decode(&std::fs::read(path(name)).unwrap(), &Limits::default()) {
            Ok(Decoded::Still(picture)) => {
                assert_eq!((picture.width(), picture.height()), (120, 160), "{name}");
                let distance = hash_of(&picture).distance(&hash_of(&expected));
                assert!(distance <= 10, "{name}: {distance}");
            }
            Err(error) if is_missing(&error) => println!("{name}: {error}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A film that calls itself a still in its brands is a film to every player, and so it is here.
#[test]
fn a_film_with_the_brand_of_a_still_is_a_film() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed/aquarium.mp4");
    let film = std::fs::read(path).unwrap();
    assert_eq!(&film[4..8], b"ftyp");
    let size = u32::from_be_bytes(film[..4].try_into().unwrap()) as usize;
    let seen = |film: &[u8]| match fingerprint(Media::bytes(film), &Options::default()) {
        Ok(fingerprint @ Fingerprint::Video(_)) => Some(fingerprint),
        Err(error) if is_missing(&error) => None,
        other => panic!("{other:?}"),
    };
    let expected = seen(&film);
    for at in (8..size).step_by(4) {
        let mut branded = film.clone();
        branded[at..at + 4].copy_from_slice(b"avif");
        match at {
            // FFmpeg 5.1 looks for a still where the first brand says so, and that is an error, not a still.
            8 => assert!(
                matches!(fingerprint(Media::bytes(&branded), &Options::default()), Err(Error::Decode { .. }))
                    || seen(&branded) == expected
            ),
            _ => assert!(seen(&branded) == expected, "a brand at {at}"),
        }
    }
}

/// Three frames of 40x30 pixels, a tenth of a second each, and where the second one begins.
fn gif_of_three() -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for at in 0..3u32 {
        let picture =
            image::RgbaImage::from_fn(40, 30, |x, y| image::Rgba([(x * 6) as u8, (y * 8) as u8, (at * 90) as u8, 255]));
        let delay = image::Delay::from_numer_denom_ms(100, 1);
        encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    let control = [0x21, 0xF9, 4];
    let starts: Vec<usize> = (0..bytes.len() - 3).filter(|&at| bytes[at..at + 3] == control).collect();
    assert_eq!(starts.len(), 3);
    (bytes, starts[1])
}

/// How many frames an animation delivers, and why there are no more.
fn played(bytes: &[u8]) -> (u64, Option<String>) {
    match decode(bytes, &Limits::default()) {
        Ok(Decoded::Animation(animation)) => {
            let played = animation.frames(|_, _, _| Ok(())).unwrap();
            (played.frames, played.cut_short)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn extensions_that_nobody_knows_do_not_end_a_gif() {
    let (plain, second) = gif_of_three();
    assert_eq!(played(&plain), (3, None));
    for extension in [&b"!B\0"[..], b"!\xCE\x04abcd\x02ef\0"] {
        let odd = [&plain[..second], extension, &plain[second..]].concat();
        assert_eq!(played(&odd), (3, None));
        assert_eq!(
            fingerprint(Media::bytes(&odd), &Options::default()).unwrap(),
            fingerprint(Media::bytes(&plain), &Options::default()).unwrap()
        );
    }
}

/// What means to move but breaks off after its first frame is no still that passes without a word.
#[test]
fn a_broken_second_frame_is_told() {
    let (gif, second) = gif_of_three();
    let mut apng = std::fs::read(path("moving.png")).unwrap();
    let data = apng.windows(4).position(|kind| kind == b"fdAT").unwrap();
    apng[data + 20] ^= 0xFF;
    let mut webp = std::fs::read(path("moving.webp")).unwrap();
    let frames: Vec<usize> = (0..webp.len() - 4).filter(|&at| &webp[at..at + 4] == b"ANMF").collect();
    // The kind of the picture in the second frame.
    webp[frames[1] + 24] = b'X';
    let mut cases = vec![("GIF", gif[..second + 60].to_vec()), ("PNG", apng.clone()), ("WebP", webp)];
    // The default picture is no frame of this one: not even the first frame is whole.
    let control = apng.windows(4).position(|kind| kind == b"fcTL").unwrap() - 4;
    let animation = apng.windows(4).position(|kind| kind == b"acTL").unwrap();
    apng.drain(control..control + 38);
    apng[animation + 7] -= 1;
    let sum = crc32fast::hash(&apng[animation..animation + 12]);
    apng[animation + 12..animation + 16].copy_from_slice(&sum.to_be_bytes());
    cases.push(("PNG", apng));
    for (format, bytes) in cases {
        let (frames, told) = played(&bytes);
        assert_eq!(frames, 1, "{format}: {told:?}");
        assert!(told.as_ref().is_some_and(|told| told.starts_with(format)), "{format}: {told:?}");
        match fingerprint(Media::bytes(&bytes), &Options::default()) {
            Ok(Fingerprint::Video(film)) => assert_eq!(film.warnings, Vec::from_iter(told), "{format}"),
            other => panic!("{format}: {other:?}"),
        }
    }
    // What breaks off before a second picture begins is a still.
    assert!(matches!(decode(&gif[..second], &Limits::default()), Ok(Decoded::Still(_))));
}

#[test]
fn frames_that_are_held_beside_each_other_count_as_memory() {
    let (gif, _) = gif_of_three();
    for (bytes, pixels, most) in [(gif, 40 * 30, 16), (std::fs::read(path("moving.png")).unwrap(), 80 * 60, 24)] {
        let mut limits = Limits::default();
        limits.memory = bytes.len() as u64 + pixels * most;
        assert!(matches!(decode(&bytes, &limits), Ok(Decoded::Animation(_))));
        limits.memory -= 1;
        assert!(matches!(decode(&bytes, &limits), Err(Error::Limit { limit: "memory", .. })));
    }
    // A picture that FFmpeg reads is held as a copy of a copy.
    let bytes = std::fs::read(path("still.ppm")).unwrap();
    let mut limits = Limits::default();
    limits.memory = bytes.len() as u64 * 3 - 1;
    assert!(matches!(decode(&bytes, &limits), Err(Error::Limit { limit: "memory", .. })));
}

/// A TIFF of one strip with a palette of greys, which `image` does not read, and an orientation.
fn palette_tiff(picture: &PixelBuf, orientation: u16) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let pixels = picture.as_pixels();
    let samples: Vec<u8> = (0..height).flat_map(|y| pixels.row(y).iter().copied()).collect();
    let entries = 11u16;
    let palette_at = 8 + 2 + 12 * u32::from(entries) + 4;
    let samples_at = palette_at + 3 * 256 * 2;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(entries.to_le_bytes());
    for (tag, kind, count, value) in [
        (256u16, 4u16, 1u32, width as u32),
        (257, 4, 1, height as u32),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 3),
        (273, 4, 1, samples_at),
        (274, 3, 1, orientation.into()),
        (277, 3, 1, 1),
        (278, 4, 1, height as u32),
        (279, 4, 1, samples.len() as u32),
        (320, 3, 768, palette_at),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend((0..3).flat_map(|_| 0..256u32).flat_map(|v| (v as u16 * 257).to_le_bytes()));
    bytes.extend(samples);
    bytes
}

#[test]
fn tiffs_that_only_ffmpeg_reads_are_laid_upright() {
    let original = still("grey.jpg");
    assert_eq!(original.format(), Format::Luma8);
    for (orientation, size) in [(1, (160, 120)), (6, (120, 160))] {
        let bytes = palette_tiff(&original, orientation);
        match decode(&bytes, &Limits::default()) {
            Ok(Decoded::Still(picture)) => {
                assert_eq!((picture.width(), picture.height()), size, "{orientation}");
                let picture = if orientation == 6 { quarter_back(&picture) } else { picture };
                let distance = hash_of(&picture).distance(&hash_of(&original));
                assert!(distance <= 10, "{orientation}: {distance}");
            }
            // Without FFmpeg, the word is that of the decoder that was asked first.
            Err(error @ Error::Unsupported { .. }) if cfg!(not(feature = "video")) => println!("{error}"),
            other => panic!("{orientation}: {other:?}"),
        }
        // A limit that is met on the second way is told.
        let mut limits = Limits::default();
        limits.memory = bytes.len() as u64 * 2;
        assert!(matches!(decode(&bytes, &limits), Err(Error::Limit { limit: "memory", .. })));
    }
}
