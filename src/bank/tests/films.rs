//! What a store does with films.

use super::*;

#[test]
fn a_reference_of_a_film_keeps_pdq_where_the_index_has_it() {
    // A covering frame every 0.25 s, a mean and a window every second, each with both hashes.
    let frame = |at: u64, role: Role, view: View, seed: u64| FrameHash {
        time: at as f64 * 0.25 + 1e-5,
        role,
        view,
        hash: Some(hash(seed)),
        quality: 90,
        stability: 0.93,
        orientations: None,
        detail: Some(DetailHash { hash: hash(seed + 5000), orientations: None }),
        plain: at.is_multiple_of(5),
    };
    let frames = (0..80).flat_map(|at| {
        let cover = frame(at, Role::Cover, View::Full, at);
        let parts = [(View::Full, 1000), (View::Window(Window::centred(90)), 2000)];
        let parts = parts.map(|(view, more)| frame(at, Role::Window, view, at + more));
        [cover].into_iter().chain(parts.into_iter().filter(move |_| at % 4 == 3))
    });
    let given = VideoFingerprint::of_frames(20.0, frames.collect());
    let (_folder, store) = fresh();
    let added = store.add(&removed("film"), &Fingerprint::Video(given.clone())).unwrap();
    let Some(Fingerprint::Video(kept)) = store.fingerprint("removed", "film").unwrap() else { unreachable!() };
    assert_eq!(kept.frames.len(), 80 + 10 + 10, "means and windows every two seconds");
    assert!(kept.frames.iter().all(|frame| frame.detail.is_some() && (frame.time * 1000.0).fract() == 0.0));
    let known: Vec<&FrameHash> = kept.frames.iter().filter(|frame| frame.hash.is_some()).collect();
    assert!(known.len() == 40 && known.iter().all(|frame| frame.role == Role::Cover));
    assert_eq!(added.hashes as usize, 100 + 40);
    assert_eq!(store.verify().unwrap().problems.len(), 0);
    // By itself, by one plain hash, and what was written and read again.
    let ask = |store: &Store| {
        let verdict = store.ask(&Fingerprint::Video(given.clone())).unwrap();
        assert_eq!((verdict.outcome, verdict.matches[0].distance), (Outcome::Match, 0));
        let [a, b] = [verdict.matches[0].segments[0].query, verdict.matches[0].segments[0].reference];
        assert!(a[0] < 0.5 && a[1] > 19.5 && b[0] < 0.5 && b[1] > 19.5, "{verdict:?}");
        assert_eq!(store.ask_hash(&bent(hash(40), 9)).unwrap().matches.len(), 1);
        assert_eq!(store.ask_hash(&hash(41)).unwrap().outcome, Outcome::NoMatch, "too soon after the one before");
    };
    ask(&store);
    let mut list = Vec::new();
    store.export(&mut list, &lists::ExportOptions::new(lists::Format::JsonLines)).unwrap();
    let (_folder, other) = fresh();
    other
        .import(list.as_slice(), &lists::ImportOptions::new(lists::Format::JsonLines, "removed"), |_, added| {
            assert!(added.is_ok(), "{added:?}");
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(other.fingerprint("removed", "film").unwrap(), Some(Fingerprint::Video(kept)));
    ask(&other);
}

#[test]
fn a_still_finds_its_film_at_the_instant_and_a_film_its_still() {
    let (_folder, store) = fresh();
    store.add(&removed("film"), &film(100..160)).unwrap();
    let verdict = store.ask_hash(&bent(hash(142), 9)).unwrap();
    assert_eq!(verdict.outcome, Outcome::Match);
    let segment = &verdict.matches[0].segments[0];
    assert_eq!((segment.query, segment.reference, segment.hits), ([0.0; 2], [42.0; 2], 1));
    assert_eq!(verdict.matches[0].distance, 9);
    store.add_hash(&removed("still"), hash(7), None).unwrap();
    let verdict = store.ask(&film([1, 2, 7, 7, 3])).unwrap();
    assert_eq!(verdict.matches.len(), 1);
    assert_eq!(verdict.matches[0].segments[0].query, [2.0, 3.0]);
}

#[test]
fn a_clip_finds_its_film_with_the_interval() {
    let (_folder, store) = fresh();
    store.add(&removed("film"), &film(100..160)).unwrap();
    store.add(&removed("other"), &film(200..260)).unwrap();
    let verdict = store.ask(&film(120..130)).unwrap();
    assert_eq!((verdict.outcome, verdict.matches.len()), (Outcome::Match, 1));
    let segment = &verdict.matches[0].segments[0];
    assert_eq!(verdict.matches[0].reference, "film");
    assert!((segment.reference[0] - 20.0).abs() <= 1.0 && (segment.reference[1] - 29.0).abs() <= 1.5, "{segment:?}");
    assert!(segment.hits >= 9 && (segment.speed - 1.0).abs() < 0.05, "{segment:?}");
}

/// Two films that share their title sequence and nothing else: a segment, but no copy.
#[test]
fn a_bank_may_ask_for_more_than_a_shared_title_sequence() {
    let (_folder, store) = fresh();
    let episode = |first: u64| film((900..910).chain(first..first + 50));
    store.add(&removed("first"), &episode(100)).unwrap();
    let verdict = store.ask(&episode(200)).unwrap();
    assert_eq!((verdict.outcome, verdict.matches.len()), (Outcome::Match, 1), "a true segment");
    let found = &verdict.matches[0];
    let coverage = found.coverage.unwrap();
    assert!(coverage.query > 0.1 && coverage.query < 0.25 && coverage.reference < 0.25, "{coverage:?}");

    store.set_bank(&BankConfig::new("removed").min_coverage(0.4)).unwrap();
    let verdict = store.ask(&episode(200)).unwrap();
    assert_eq!((verdict.outcome, verdict.matches[0].near), (Outcome::Near, true));
    // A clip of it covers its own whole, and inside something longer the whole reference is covered.
    let clip = store.ask(&film(120..140)).unwrap();
    let coverage = clip.matches[0].coverage.unwrap();
    assert!(clip.outcome == Outcome::Match && coverage.query > 0.8 && coverage.reference < 0.5, "{coverage:?}");
    let around = store.ask(&film((1000..1200).chain(900..910).chain(100..150))).unwrap();
    let coverage = around.matches[0].coverage.unwrap();
    assert!(around.outcome == Outcome::Match && coverage.reference > 0.8 && coverage.query < 0.4, "{coverage:?}");
    // The same once more, found through a still: what it covers is said, and asked of nobody.
    let still = store.ask_hash(&hash(120)).unwrap();
    let coverage = still.matches[0].coverage.unwrap();
    assert!(still.outcome == Outcome::Match && coverage.query == 1.0 && coverage.reference == 0.0, "{coverage:?}");
}

#[test]
fn a_new_reference_finds_the_uploads_from_before() {
    let (folder, store) = fresh();
    let turned = picture(1, |x, y| (63 - y, x));
    assert!(store.remember("u1", "mallory", &turned).unwrap());
    assert!(!store.remember("u1", "mallory", &turned).unwrap());
    assert!(store.remember("u2", "alice", &picture(2, |x, y| (x, y))).unwrap());
    assert!(store.remember("u3", "mallory", &film(100..120)).unwrap());
    store.add(&removed("old"), &picture(2, |x, y| (x, y))).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let since = transaction::now();
    store.add(&removed("new"), &picture(1, |x, y| (x, y))).unwrap();
    store.add(&removed("film"), &film(90..130)).unwrap();
    let retro = |store: &Store, since| {
        let mut found = Vec::new();
        let keep = |one| {
            found.push(one);
            Ok(())
        };
        store.retro(since, keep).unwrap();
        found
    };
    let found = retro(&store, since);
    let names: Vec<_> = found.iter().map(|f| (f.remembered.upload.as_str(), f.found.reference.as_str())).collect();
    assert_eq!(names, [("u1", "new"), ("u3", "film")]);
    assert_eq!((found[0].remembered.uploader.as_str(), found[0].found.transform.name()), ("mallory", "rotate90"));
    assert_eq!(found[0].found.bank, "removed");
    let segment = &found[1].found.segments[0];
    assert!(segment.query[0] < 1.5 && (segment.reference[0] - 10.0).abs() < 1.5, "{segment:?}");
    assert_eq!(retro(&store, 0).len(), 3);
    store.refuse(&Upload::Id("u1"), "removed", "new").unwrap();
    assert!(store.forget("u3").unwrap());
    assert!(retro(&store, since).is_empty());
    drop(store);
    let reader = Store::open_reader(folder.path().join("s")).unwrap();
    assert_eq!(retro(&reader, 0).len(), 1);
    assert!(matches!(reader.remember("u4", "", &turned), Err(Error::Option { .. })));
}

/// What a film shows at a time: every three seconds something else, into which it turns bit by bit.
fn shown(film: u64, time: f64) -> Hash {
    let [mut from, to] = [0, 1].map(|next| hash(film * 1000 + (time / 3.0) as u64 + next));
    let turned = ((time / 3.0).fract() * 256.0) as usize;
    for bit in (0..turned).map(|k| k * 37 % 256) {
        from.0[bit / 8] = from.0[bit / 8] & !(1 << (bit % 8)) | to.0[bit / 8] & 1 << (bit % 8);
    }
    from
}

/// A frame every second and a mean every second and a half, upside down if `flipped`.
fn drawn(seconds: u64, flipped: bool, at: impl Fn(f64) -> (u64, f64)) -> Fingerprint {
    let mark = |time: f64, role: Role| {
        let (film, at) = at(time);
        let upright = shown(film, at);
        let mut hash = upright;
        if flipped {
            hash.0.iter_mut().enumerate().filter(|(at, _)| at % 4 < 2).for_each(|(_, byte)| *byte = !*byte);
        }
        // In the other orientations it is like nothing.
        let other = |turn: u64| self::hash(77_000_000 + (time * 4.0) as u64 * 8 + turn);
        let back = if flipped { upright } else { other(4) };
        let orientations = Some(Box::new(Orientations::new(hash, other(2), back, other(5))));
        let detail = Some(DetailHash { hash, orientations: orientations.clone() });
        FrameHash {
            time,
            role,
            view: View::Full,
            hash: Some(hash),
            quality: 90,
            stability: 1.0,
            orientations,
            detail,
            plain: false,
        }
    };
    let frames = (0..seconds).map(|k| mark(k as f64, Role::Cover));
    let means = (0..seconds * 2 / 3).map(|k| mark(0.75 + k as f64 * 1.5, Role::Window));
    Fingerprint::Video(VideoFingerprint::of_frames(seconds as f64, frames.chain(means).collect()))
}

#[test]
fn an_upload_from_before_matches_as_it_would_if_it_were_asked_now() {
    // Seconds 8 to 18 are seconds 10 to 20 of the reference, which does not cut there.
    let edited = |t: f64| if (8.0..18.0).contains(&t) { (1, t + 2.0) } else { (2, t) };
    for flipped in [false, true] {
        let (_folder, store) = fresh();
        let upload = drawn(26, flipped, edited);
        store.remember("u", "", &upload).unwrap();
        store.add(&removed("film"), &drawn(30, false, |t| (1, t))).unwrap();
        let asked = store.ask(&upload).unwrap().matches.remove(0);
        let mut found = Vec::new();
        let keep = |one: Retro| {
            found.push(one.found);
            Ok(())
        };
        store.retro(0, keep).unwrap();
        let ([now], [before]) = (&asked.segments[..], &found[0].segments[..]) else { panic!("{asked:?} {found:?}") };
        let near = |a: [f64; 2], b: [f64; 2], by: f64| a.iter().zip(b).all(|(a, b)| (a - b).abs() < by);
        assert!(near(now.query, [8.0, 18.0], 0.05) && near(now.reference, [10.0, 20.0], 0.3), "{now:?}");
        let alike = near(before.query, now.query, 0.05) && near(before.reference, now.reference, 0.05);
        assert!(alike, "{before:?} {now:?}");
        let laid = |found: &Match| (found.transform.name(), found.inverted, found.segments[0].transform);
        assert_eq!((laid(&found[0]), before.speed), (laid(&asked), now.speed));
        assert_eq!(asked.transform.name(), if flipped { "flip_x" } else { "original" });
        assert_eq!((found[0].coverage, &found[0].query_view), (asked.coverage, &asked.query_view));
    }
}
