//! Media that are broken, lying or hostile get a typed error with their name, at once, and open nothing else.

#![allow(clippy::unwrap_used)] // a test stops where it finds something else

mod mutants;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use refrain::{Error, Fingerprint, Media, Options, Result, fingerprint};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).unwrap()
}

/// The same medium as a file and as bytes must get the same answer; a hang is a failure, not an endless test.
fn ask(folder: &Path, name: &str, bytes: &[u8]) -> Result<Fingerprint> {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    let from_file = ask_file(&path);
    let from_bytes = fingerprint(Media::bytes(bytes).named(&path), &Options::default());
    assert_eq!(word(&from_file), word(&from_bytes), "{name}");
    if let Err(error) = &from_bytes {
        assert!(error.to_string().starts_with(&*path.to_string_lossy()), "{name}: {error}");
    }
    from_file
}

fn ask_file(path: &Path) -> Result<Fingerprint> {
    let (send, receive) = mpsc::channel();
    let owned = path.to_path_buf();
    std::thread::spawn(move || send.send(fingerprint(Media::file(owned), &Options::default())));
    let answer = receive.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| panic!("{path:?} hangs"));
    if let Err(error) = &answer {
        assert!(error.to_string().starts_with(&*path.to_string_lossy()), "{path:?}: {error}");
    }
    answer
}

fn word(answer: &Result<Fingerprint>) -> String {
    match answer {
        Ok(fingerprint) => fingerprint.kind().into(),
        Err(error) => error.code().into(),
    }
}

/// Asks about every case and compares with the words that are allowed for it, separated by bars.
fn expect(cases: &[(&str, Vec<u8>, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, bytes, allowed) in cases {
        let answer = ask(folder.path(), name, bytes);
        let detail = answer.as_ref().err().map(Error::to_string).unwrap_or_default();
        println!("{:18} {} {detail}", word(&answer), name);
        // Without FFmpeg there are no films, and what is no still of a known kind might be one.
        let no_films = !cfg!(feature = "video") && word(&answer) == "unsupported";
        if !no_films && !allowed.split('|').any(|allowed| allowed == word(&answer)) {
            wrong.push(format!("{name}: {} instead of {allowed}: {detail}", word(&answer)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn empty_and_truncated() {
    let mut cases = vec![("empty.jpg", Vec::new(), "decode"), ("empty.mp4", Vec::new(), "decode")];
    for name in [
        "baseline.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "rgb.png",
        "alpha.png",
        "lossy.webp",
        "lzw.tif",
        "plain.bmp",
        "transparent.gif",
    ] {
        let bytes = sample(name);
        for parts in [1, 5, 8] {
            let cut = bytes[..bytes.len() * parts / 10].to_vec();
            cases.push((name, cut, "decode"));
        }
        for length in [1, 2, 3, 7, 11, 12, 17, 25, 40] {
            cases.push((name, bytes[..length].to_vec(), "decode"));
        }
    }
    for name in ["removed/aquarium.mp4", "uploads/trip-grey.webm", "uploads/best-of.mkv"] {
        let bytes = fixture(name);
        let plain = name.split('/').nth(1).unwrap();
        cases.push((plain, bytes[..40].to_vec(), "decode"));
        cases.push((plain, bytes[..bytes.len() / 200].to_vec(), "decode"));
        // Half a film is half a film, not an error: what is there may be enough to know it by.
        cases.push((plain, bytes[..bytes.len() / 2].to_vec(), "video"));
    }
    expect(&cases);
}

#[test]
fn a_lost_end_marker_is_no_truncation() {
    let bytes = sample("baseline.jpg");
    assert!(bytes.ends_with(&[0xFF, 0xD9]));
    let gif = sample("transparent.gif");
    expect(&[
        ("no-end.jpg", bytes[..bytes.len() - 2].to_vec(), "image"),
        ("junk-after.jpg", [&bytes[..], &[0xAB; 5000]].concat(), "image"),
        ("no-trailer.gif", gif[..gif.len() - 1].to_vec(), "image"),
    ]);
}

#[test]
fn names_do_not_matter() {
    expect(&[
        ("picture.mp4", sample("rgb.png"), "image"),
        ("picture.txt", sample("baseline.jpg"), "image"),
        ("picture.jpg", sample("lossy.webp"), "image"),
        ("film.jpg", fixture("removed/aquarium.mp4"), "video"),
        ("film.png", fixture("uploads/trip-grey.webm"), "video"),
        ("film", fixture("uploads/best-of.mkv"), "video"),
        ("moving.jpg", sample("moving.webp"), "video"),
    ]);
}

/// A PNG chunk with its checksum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
}

fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &head),
        &chunk(b"IDAT", &[0x78, 0x9C, 0x63, 0, 0]),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

fn tiff_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 100),
    ];
    bytes.extend(9u16.to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

fn bmp_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = sample("plain.bmp");
    bytes[18..22].copy_from_slice(&width.to_le_bytes());
    bytes[22..26].copy_from_slice(&height.to_le_bytes());
    bytes
}

fn jpeg_claiming(name: &str, width: u16, height: u16) -> Vec<u8> {
    let mut bytes = sample(name);
    let at = bytes.windows(2).position(|w| w == [0xFF, 0xC0] || w == [0xFF, 0xC2]).unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn huge_claims_meet_the_limits_before_memory_is_asked_for() {
    let mut gif = sample("transparent.gif");
    gif[6..10].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    let mut webp = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x5f\xea\0\x5f\xea\0".to_vec();
    webp.extend(b"ANIM\x06\0\0\0\0\0\0\0\0\0ANMF\x10\0\0\0");
    webp.resize(0x48, 0);
    let mut qoi = b"qoif\0\0\xEA\x60\0\0\xEA\x60\x03\0".to_vec();
    qoi.resize(500, 0);
    expect(&[
        ("side.png", png_claiming(60_000, 60_000), "limit"),
        ("most.png", png_claiming(0x7FFF_FFFF, 0x7FFF_FFFF), "limit"),
        ("pixels.png", png_claiming(30_000, 30_000), "limit"),
        ("none.png", png_claiming(0, 7), "decode"),
        ("side.jpg", jpeg_claiming("baseline.jpg", 60_000, 60_000), "limit"),
        ("progressive.jpg", jpeg_claiming("progressive.jpg", 60_000, 60_000), "limit"),
        ("memory.jpg", jpeg_claiming("progressive.jpg", 16_000, 12_000), "limit"),
        ("cmyk.jpg", jpeg_claiming("cmyk.jpg", 60_000, 60_000), "limit"),
        ("none.jpg", jpeg_claiming("baseline.jpg", 0, 0), "decode"),
        ("side.gif", gif, "limit"),
        ("side.webp", webp, "limit|decode"),
        ("side.tif", tiff_claiming(60_000, 60_000), "limit"),
        ("most.tif", tiff_claiming(u32::MAX, u32::MAX), "limit"),
        ("side.bmp", bmp_claiming(60_000, 60_000), "limit"),
        ("upside-down.bmp", bmp_claiming(60_000, (-60_000i32) as u32), "limit"),
        ("side.qoi", qoi, "limit|decode|unsupported"),
        ("side.ppm", b"P6\n60000 60000\n255\nabc".to_vec(), "limit|decode|unsupported"),
    ]);
}

#[test]
fn tight_limits_are_told_apart() {
    let mut options = Options::default();
    let bytes = sample("rgb.png");
    let mut told = |change: fn(&mut refrain::Limits)| {
        options.limits = refrain::Limits::default();
        change(&mut options.limits);
        match fingerprint(Media::bytes(&bytes), &options) {
            Err(Error::Limit { limit, .. }) => limit,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(|limits| limits.bytes = 1000), "bytes");
    assert_eq!(told(|limits| limits.side = 159), "side");
    assert_eq!(told(|limits| limits.pixels = 160 * 120 - 1), "pixels");
    assert_eq!(told(|limits| limits.memory = 100_000), "memory");
    let film = sample("moving.webp");
    options.limits = refrain::Limits::default();
    options.limits.frames = 3;
    match fingerprint(Media::bytes(&film), &options) {
        Err(Error::Limit { limit: "frames", max: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_to_see() {
    let mut wav =
        b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\x10\0\0".to_vec();
    wav.extend((0..4096u32).map(|i| (i * 37 % 251) as u8));
    let tiny = |side: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::GrayImage::from_fn(side, side, |x, y| image::Luma([(x * 50 + y) as u8]))
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    };
    expect(&[
        ("no-frame.gif", b"GIF89a\x10\0\x10\0\0\0\0;".to_vec(), "decode"),
        ("no-frame.y4m", b"YUV4MPEG2 W320 H240 F24:1 Ip A1:1\n".to_vec(), "decode"),
        ("no-frame.webp", b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0\0\0".to_vec(), "decode"),
        ("no-frame.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isommp42\0\0\0\x08moov".to_vec(), "decode"),
        ("no-frame.png", [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IEND", &[])].concat(), "decode"),
        ("sound.wav", wav.clone(), "unsupported"),
        ("sound.mp4", wav, "unsupported"),
        ("one.png", tiny(1), "too_little_detail"),
        ("four.png", tiny(4), "too_little_detail"),
        ("five.png", tiny(5), "image"),
    ]);
}

#[test]
fn junk_is_told_in_words() {
    let noise: Vec<u8> = (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    expect(&[
        ("drawing.svg", b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///etc/passwd\"/></svg>".to_vec(), "unsupported"),
        ("page.jpg", b"<!DOCTYPE html><html><img src=x onerror=alert(1)></html>".to_vec(), "unsupported"),
        ("archive.jpg", b"PK\x03\x04\x14\0\0\0\x08\0aaaaaaaaaaaaaaaa".to_vec(), "unsupported"),
        ("paper.jpg", b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n1 0 obj".to_vec(), "unsupported"),
        ("text.jpg", b"this is no picture at all, sorry".to_vec(), "decode"),
        ("noise.mp4", noise, "decode"),
        ("zeros.mp4", vec![0; 100_000], "decode"),
        ("ones.jpg", vec![0xFF; 10_000], "decode"),
        ("program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(), "decode"),
        ("script.png", b"#!/bin/sh\nreboot\n".to_vec(), "decode"),
    ]);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_opened() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let io = |path: PathBuf| match ask_file(&path) {
        Err(Error::Io { source, .. }) => println!("{}: {source}", path.display()),
        other => panic!("{path:?}: {other:?}"),
    };
    io(at("absent.jpg"));
    fs::create_dir(at("folder.jpg")).unwrap();
    io(at("folder.jpg"));
    symlink(at("loop-b"), at("loop-a")).unwrap();
    symlink(at("loop-a"), at("loop-b")).unwrap();
    io(at("loop-a"));
    symlink(at("nowhere"), at("dangling.jpg")).unwrap();
    io(at("dangling.jpg"));
    let _listener = UnixListener::bind(at("socket.jpg")).unwrap();
    io(at("socket.jpg"));
    for device in ["/dev/zero", "/dev/null", "/dev/tty"] {
        io(PathBuf::from(device));
        let link = at(&format!("link-{}", device.rsplit('/').next().unwrap()));
        symlink(device, &link).unwrap();
        io(link);
    }
    match std::process::Command::new("mkfifo").arg(at("pipe.jpg")).status() {
        Ok(status) if status.success() => io(at("pipe.jpg")),
        _ => println!("skipped: no mkfifo command, so no pipe"),
    }
    // A link to a regular file is fine.
    fs::write(at("real.png"), sample("rgb.png")).unwrap();
    symlink(at("real.png"), at("link.png")).unwrap();
    assert_eq!(word(&ask_file(&at("link.png"))), "image");

    fs::write(at("secret.png"), sample("rgb.png")).unwrap();
    fs::set_permissions(at("secret.png"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(at("secret.png")).is_ok() {
        println!("skipped: file permissions, since this user may read everything");
    } else {
        io(at("secret.png"));
    }
}

/// Files that tell a player to open others. Each names a whole film, a pipe that nobody writes to, and an address: were
/// the film opened, there would be a fingerprint; were the pipe opened, no answer; were the address, a connection.
#[test]
fn files_that_name_others_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    fs::write(&film, fixture("removed/aquarium.mp4")).unwrap();
    let pipe = folder.path().join("pipe.ts");
    let piped = std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    if !piped {
        println!("skipped: no mkfifo command, so no pipe as a canary");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let targets = [
        film.display().to_string(),
        "film.mp4".into(),
        format!("file://{}", film.display()),
        format!("file:{}", film.display()),
        pipe.display().to_string(),
        format!("http://127.0.0.1:{port}/film.mp4"),
        format!("tcp://127.0.0.1:{port}"),
        format!("rtmp://127.0.0.1:{port}/a/b"),
        format!("subfile,,start,0,end,0,,:{}", film.display()),
        format!("concat:{}|{}", film.display(), film.display()),
        format!("cache:http://127.0.0.1:{port}/film.mp4"),
    ];
    type Script = (&'static str, fn(&str) -> String);
    let scripts: [Script; 12] = [
        ("list.m3u8", |t| {
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:8,\n{t}\n#EXT-X-ENDLIST\n")
        }),
        ("key.m3u8", |t| format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{t}\"\n#EXTINF:8,\n{t}\n#EXT-X-ENDLIST\n")),
        ("master.m3u8", |t| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\n{t}\n")),
        ("bom.mp4", |t| format!("\u{feff}\n #EXTM3U\n#EXTINF:8,\n{t}\n")),
        ("script.ffconcat", |t| format!("ffconcat version 1.0\nfile '{t}'\n")),
        ("script.mp4", |t| format!("file '{t}'\n")),
        ("list.pls", |t| format!("[playlist]\nFile1={t}\nNumberOfEntries=1\n")),
        ("manifest.mpd", |t| {
            format!(
                "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period><BaseURL>{t}</BaseURL></Period></MPD>"
            )
        }),
        ("stream.sdp", |t| {
            format!(
                "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\na=control:{t}\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
            )
        }),
        ("drawing.svg", |t| {
            format!("<svg xmlns:xlink=\"http://www.w3.org/1999/xlink\"><image xlink:href=\"{t}\"/></svg>")
        }),
        ("link.strm", |t| t.to_string()),
        ("shortcut.asx", |t| format!("<asx version=\"3.0\"><entry><ref href=\"{t}\"/></entry></asx>")),
    ];
    let mut asked = 0;
    for (name, script) in scripts {
        for target in &targets {
            let answer = ask(folder.path(), name, script(target).as_bytes());
            let code = word(&answer);
            assert!(matches!(&*code, "unsupported" | "decode"), "{name} with {target}: {code}");
            asked += 1;
        }
    }
    assert_eq!(asked, scripts.len() * targets.len());
    std::thread::sleep(Duration::from_millis(100));
    match listener.accept() {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        other => panic!("somebody called: {other:?}"),
    }
}

/// Random damage to every kind of file: an answer or a typed error, never a panic, within tight limits.
/// `REFRAIN_MUTANTS=seed,count` asks for others and more of them.
#[test]
fn thousands_of_mutants() {
    let wish = std::env::var("REFRAIN_MUTANTS").ok();
    let wish = wish.as_deref().and_then(|wish| wish.split_once(','));
    let (seed, count) = wish.map_or((2_026, 6_000), |(seed, count)| (seed.parse().unwrap(), count.parse().unwrap()));
    let report = mutants::run(seed, count);
    println!("{report:#?}");
    assert_eq!(report.asked, count);
    assert!(report.strange.is_empty(), "{:#?}", report.strange);
    // Most damage is found out or does no harm; a run that refuses everything has tested nothing.
    assert!(report.fine * 10 > count && report.refused * 10 > count, "{report:#?}");
}
