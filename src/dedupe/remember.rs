//! What an earlier run found among the very same files, so that a run over folders in which nothing has changed compares
//! nothing: it lists, and tells again.
//!
//! Kept in the cache of fingerprints, one entry a choice and first file, so that the next run over a changed folder takes
//! its place. It counts only while every file that was listed has the place, size and time of change that it had, by which
//! fingerprints are known as well; files that could not be read are tried again each time.

use std::collections::HashMap;
use std::path::Path;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};

use super::gather::{Named, Shape, media};
use super::plan::{Group, Member, Role, Why};
use super::{Choice, Found};
use crate::error::{Error, Result};
use crate::scan::{Cache, Digest, Key, fingerprint_cached, ordered};

/// Raised whenever the same fingerprints may give other groups than before, or are kept in another way.
const VERSION: u8 = 2;
/// The longest entry.
const MAX_BYTES: usize = 256 << 20;

/// What is kept; files are numbers in the order of the listing.
#[derive(bincode::Encode, bincode::Decode)]
struct Kept {
    /// The digest of all that was listed.
    listed: [u8; 32],
    groups: Vec<(Why, Vec<KeptMember>)>,
    plain: Vec<u32>,
    failed: Vec<u32>,
    pairs: u64,
}

#[derive(bincode::Encode, bincode::Decode)]
struct KeptMember {
    file: u32,
    role: Role,
    distance: Option<u32>,
    identical: bool,
    film: bool,
    size: (u32, u32),
    duration: f64,
}

/// Where what is found among these files is kept.
pub(super) struct Memory<'a> {
    named: &'a [Named<'a>],
    choice: &'a Choice,
    cache: &'a Cache,
    key: Key,
    listed: [u8; 32],
}

fn config() -> Configuration<LittleEndian, Fixint, Limit<MAX_BYTES>> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_BYTES>()
}

impl<'a> Memory<'a> {
    /// `None` where nothing can be remembered: without a cache, with one that goes by what files hold, where the file
    /// system does not say when a file was changed, or for no files at all.
    pub(super) fn of(named: &'a [Named<'a>], choice: &'a Choice) -> Option<Self> {
        let cache = choice.cache.as_deref().filter(|cache| !cache.is_by_checksum())?;
        let mut digest = Digest::new(&media(choice, 1), b"groups");
        digest.part(&[VERSION, choice.turned.into()]);
        digest.part(&choice.max_distance.to_le_bytes());
        digest.part(&choice.share.to_bits().to_le_bytes());
        digest.place(named.iter().find(|named| named.item.found.is_ok())?.item)?;
        let key = digest.key();
        for named in named {
            // the path as it was given decides between files that are alike in all else
            digest.part(named.item.path.as_os_str().as_encoded_bytes());
            digest.part(&[named.item.found.is_ok().into(), named.reference.into()]);
            if named.item.found.is_ok() {
                digest.place(named.item)?;
            }
            digest.part(&(named.links.len() as u64).to_le_bytes());
            named.links.iter().for_each(|link| digest.part(link.as_os_str().as_encoded_bytes()));
        }
        Some(Self { named, choice, cache, key, listed: digest.key().0 })
    }

    /// What was found, if it still holds.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn recall(&self) -> Result<Option<Found>> {
        let decode = |bytes: &[u8]| {
            let listed = bytes.get(..32)?;
            let whole = || bincode::decode_from_slice::<Kept, _>(bytes, config()).ok();
            (listed == self.listed).then(whole)?.map(|(kept, _)| kept)
        };
        let Some(kept) = self.cache.read(&self.key, decode) else { return Ok(None) };
        let Some(mut found) = self.found(&kept) else { return Ok(None) };
        let again: Option<Vec<&Named<'_>>> = kept.failed.iter().map(|&at| self.named.get(at as usize)).collect();
        let Some(again) = again else { return Ok(None) };
        if !again.is_empty() {
            let media = media(self.choice, again.len());
            let mut cured = false;
            ordered(
                &self.choice.parallel,
                &again,
                |named| fingerprint_cached(named.item, &media, Some(self.cache)).err(),
                |_, _| Ok::<_, Error>(()),
                |named, error| {
                    match error {
                        Some(Error::Cancelled) => return Err(Error::Cancelled),
                        Some(error) if !matches!(error, Error::TooLittleDetail { .. }) => {
                            found.failed.push((named.item.path.clone(), (&error).into()));
                        }
                        _ => cured = true,
                    }
                    Ok(())
                },
            )?;
            if cured {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    fn found(&self, kept: &Kept) -> Option<Found> {
        let named = |at: u32| self.named.get(at as usize);
        let member = |kept: &KeptMember| {
            let kind = if kept.film { "video" } else { "image" };
            let shape = Shape { kind, width: kept.size.0, height: kept.size.1, duration: kept.duration };
            let (role, distance, identical) = (kept.role, kept.distance, kept.identical);
            Some(Member { file: named(kept.file)?.info(&shape), role, distance, identical })
        };
        let group = |(number, (why, members)): (usize, &(Why, Vec<KeptMember>))| {
            let members = members.iter().map(member).collect::<Option<_>>()?;
            Some(Group { members, why: *why, first: number })
        };
        Some(Found {
            groups: kept.groups.iter().enumerate().map(group).collect::<Option<_>>()?,
            failed: Vec::new(),
            plain: kept.plain.iter().map(|&at| Some(named(at)?.item.path.clone())).collect::<Option<_>>()?,
            pairs: kept.pairs,
        })
    }

    /// Keeps what was found.
    pub(super) fn keep(&self, found: &Found) {
        let number: HashMap<&Path, u32> = (0..).zip(self.named).map(|(at, named)| (&*named.item.path, at)).collect();
        let member = |member: &Member| {
            let file = &member.file;
            Some(KeptMember {
                file: *number.get(&*file.path)?,
                role: member.role,
                distance: member.distance,
                identical: member.identical,
                film: file.kind == "video",
                size: (file.width, file.height),
                duration: file.duration,
            })
        };
        let group = |group: &Group| Some((group.why, group.members.iter().map(member).collect::<Option<_>>()?));
        let numbers = |paths: &mut dyn Iterator<Item = &Path>| -> Option<Vec<u32>> {
            paths.map(|path| number.get(path).copied()).collect()
        };
        let kept = || {
            Some(Kept {
                listed: self.listed,
                groups: found.groups.iter().map(group).collect::<Option<_>>()?,
                plain: numbers(&mut found.plain.iter().map(|path| &**path))?,
                failed: numbers(&mut found.failed.iter().map(|(path, _)| &**path))?,
                pairs: found.pairs,
            })
        };
        if let Some(kept) = kept()
            && let Ok(bytes) = bincode::encode_to_vec(&kept, config())
            && bytes.len() <= MAX_BYTES
        {
            self.cache.put_bytes(self.key, &bytes);
        }
    }
}
