//! A film that was looked at in passing, and more closely here and there.

use super::{FrameHash, VideoFingerprint};
use crate::error::Result;
use crate::fingerprint::{Media, Options};
use crate::video::{self, Timeline};

/// What is known of a film that was not decoded whole.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(crate) struct Glance {
    /// A few of its frames.
    pub(crate) film: VideoFingerprint,
    /// Where its frames lie in the file, if stretches of it can be decoded by themselves.
    pub(crate) timeline: Option<Timeline>,
    /// Stretches that were decoded, apart and in order.
    dense: Vec<Dense>,
}

/// A stretch of which every frame was decoded.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
struct Dense {
    from: f64,
    /// Its hashes, at the times of the whole film; its duration is where it ends.
    film: VideoFingerprint,
}

impl Glance {
    /// A first look.
    #[cfg(any(feature = "video", test))]
    pub(crate) fn new(film: VideoFingerprint, timeline: Option<Timeline>) -> Self {
        Self { film, timeline, dense: Vec::new() }
    }

    /// Takes stretches out of the whole of the film.
    #[cfg(test)]
    pub(crate) fn take(&mut self, whole: &VideoFingerprint, wanted: &[[f64; 2]]) {
        self.dense.clear();
        for &[from, to] in wanted {
            let within = |frame: &&FrameHash| frame.time >= from && frame.time < to;
            let frames = whole.frames.iter().filter(within).cloned().collect();
            self.dense.push(Dense { from, film: VideoFingerprint::of_frames(to, frames) });
        }
    }

    /// Decodes what is not known yet of these stretches, which are apart and in order. Returns how many frames that took; `None` if the
    /// film cannot be decoded in parts.
    ///
    /// # Errors
    /// Those of decoding.
    pub(crate) fn look_closely(
        &mut self,
        media: &Media<'_>,
        options: &Options,
        wanted: &[[f64; 2]],
    ) -> Result<Option<u64>> {
        let Some(timeline) = &self.timeline else { return Ok(None) };
        let mut missing = Vec::new();
        for &[mut from, to] in wanted {
            for known in self.dense.iter().filter(|known| known.from < to) {
                if known.film.duration <= from {
                    continue;
                }
                if known.from > from {
                    missing.push([from, known.from]);
                }
                from = known.film.duration;
            }
            if from < to {
                missing.push([from, to]);
            }
        }
        if missing.is_empty() {
            return Ok(Some(0));
        }
        let Some(decoded) = video::stretches(media, options, timeline, &missing)? else { return Ok(None) };
        let mut frames = 0;
        for ([from, _], (film, count)) in missing.into_iter().zip(decoded) {
            self.dense.push(Dense { from, film });
            frames += count;
        }
        self.dense.sort_by(|a, b| a.from.total_cmp(&b.from));
        Ok(Some(frames))
    }

    /// The stretches that were decoded; those that meet are one.
    pub(crate) fn stretches(&self) -> Vec<[f64; 2]> {
        let mut stretches: Vec<[f64; 2]> = Vec::new();
        for known in &self.dense {
            match stretches.last_mut() {
                Some(last) if known.from <= last[1] => last[1] = known.film.duration,
                _ => stretches.push([known.from, known.film.duration]),
            }
        }
        stretches
    }

    /// The film as far as it is known: within what was decoded by all that a whole look has, elsewhere by a few frames.
    pub(crate) fn so_far(&self) -> VideoFingerprint {
        let known = |frame: &&FrameHash| {
            self.dense.iter().all(|known| frame.time < known.from || frame.time >= known.film.duration)
        };
        let mut frames: Vec<FrameHash> = self.film.frames.iter().filter(known).cloned().collect();
        frames.extend(self.dense.iter().flat_map(|known| known.film.frames.iter().cloned()));
        frames.sort_by(|a, b| a.time.total_cmp(&b.time));
        let duration = self.timeline.as_ref().map_or(self.film.duration, |timeline| timeline.end);
        VideoFingerprint { frames, duration, warnings: self.film.warnings.clone(), ..self.film }
    }
}
