//! The not-a-match memory: pairs of upload and reference that a person has refused do not come back.

use crate::fingerprint::{Fingerprint, FrameHash, Role, View};
use crate::hash::Hash;

/// Uploads whose whole picture is this close to a refused one are taken for the same picture: what a re-encoding moves.
pub(crate) const SAME: u32 = 10;

/// An upload as a person refuses it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Upload<'a> {
    /// By the platform's name for it: it is given with the question as
    /// [`AskOptions::upload`](crate::bank::AskOptions::upload) if it comes again.
    Id(&'a str),
    /// By the hash of its whole picture: this and re-encoded copies of it (up to 10 bits away) are not matched again.
    Hash(Hash),
    /// By its fingerprint: a still as by its hash, a film only if it comes again as it was.
    Fingerprint(&'a Fingerprint),
}

/// What stands behind one refused pair.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(crate) struct Refusal {
    /// The log record that says by whom and when.
    pub(crate) sequence: u64,
    /// The hash of the upload's whole picture, if it was named by it.
    pub(crate) hash: Option<Hash>,
}

impl Upload<'_> {
    /// The key in the table, and the hash if near ones count as well.
    pub(crate) fn key(&self) -> (String, Option<Hash>) {
        match self {
            Self::Id(id) => (format!("id:{id}"), None),
            Self::Hash(hash) => (format!("hash:{hash}"), Some(*hash)),
            Self::Fingerprint(fingerprint) => match whole(fingerprint) {
                Some(hash) => Self::Hash(hash).key(),
                None => (format!("film:{}", digest(fingerprint)), None),
            },
        }
    }

    /// The name that goes into the log: never a hash.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Hash(_) | Self::Fingerprint(_) => "",
        }
    }
}

/// The hash of a still's whole picture.
pub(crate) fn whole(fingerprint: &Fingerprint) -> Option<Hash> {
    match fingerprint {
        Fingerprint::Image(image) => image.views.iter().find(|view| view.view == View::Full).map(|view| view.hash),
        Fingerprint::Video(_) => None,
    }
}

/// A short name for the hashes of a fingerprint; of a film, for those that are left when it is stored: whole frames, covering
/// ones if there are any, by the detail hash or by PDQ if that is all there is.
pub(crate) fn digest(fingerprint: &Fingerprint) -> String {
    let mut digest = blake3::Hasher::new();
    match fingerprint {
        Fingerprint::Image(image) => image.views.iter().for_each(|view| _ = digest.update(&view.hash.0)),
        Fingerprint::Video(video) => {
            let whole = |frame: &&FrameHash| frame.view == View::Full && frame.role != Role::Window;
            let covers = |frame: &&FrameHash| whole(frame) && frame.role == Role::Cover;
            let named: Vec<&FrameHash> = match video.frames.iter().find(covers).or(video.frames.iter().find(whole)) {
                Some(first) if first.role == Role::Cover => video.frames.iter().filter(covers).collect(),
                Some(_) => video.frames.iter().filter(whole).collect(),
                None => video.frames.iter().collect(),
            };
            let hashes =
                named.into_iter().filter_map(|frame| frame.detail.as_ref().map(|detail| detail.hash).or(frame.hash));
            hashes.for_each(|hash| _ = digest.update(&hash.0));
        }
    }
    digest.finalize().to_hex()[..32].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::thin::thinned;
    use crate::fingerprint::{VideoFingerprint, ViewSet};
    use crate::matching::by_pdq;

    fn frame(seed: u64, role: Role, view: View) -> FrameHash {
        let hash = |salt: u64| Hash::from_words([seed, salt, seed * 7 + salt, !seed]);
        FrameHash::of_hashes(seed as f64 / 9.0, role, view, hash(1), Some(hash(2)))
    }

    fn name(frames: Vec<FrameHash>) -> String {
        digest(&Fingerprint::Video(VideoFingerprint::of_frames(9.0, frames)))
    }

    #[test]
    fn a_film_has_one_name_before_and_after_it_is_stored() {
        let mixed = |at: u64| {
            let role = [Role::Window, Role::Cover, Role::Frame, Role::Keyframe][at as usize / 2 % 4];
            frame(at, role, if at.is_multiple_of(2) { View::Full } else { View::Content })
        };
        let keyframes =
            |at: u64| frame(at, Role::Keyframe, if at.is_multiple_of(2) { View::Full } else { View::Content });
        let clock = |at: u64| frame(at, [Role::Window, Role::Frame][at as usize % 2], View::Full);
        for films in
            [(0..80).map(mixed).collect::<Vec<_>>(), (0..80).map(keyframes).collect(), (0..80).map(clock).collect()]
        {
            let mut stored = VideoFingerprint::of_frames(9.0, thinned(&films, ViewSet::Standard)).into_reference();
            let known = by_pdq(&stored.frames);
            stored.frames.iter_mut().zip(known).filter(|(_, known)| !known).for_each(|(frame, _)| frame.hash = None);
            assert!(stored.frames.iter().any(|frame| frame.hash.is_none()));
            assert_eq!(name(stored.frames), name(films));
        }
        let bare = |seed| FrameHash { hash: None, ..frame(seed, Role::Frame, View::Full) };
        assert_ne!(name(vec![bare(1)]), name(vec![bare(2)]), "detail hashes alone are names as well");
    }
}
