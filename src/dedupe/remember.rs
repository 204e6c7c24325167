//! What an earlier run found among the very same files, so that a run over folders in which nothing has changed compares
//! nothing: it lists, and tells again.
//!
//! Kept in the cache of fingerprints, one entry a choice and first file, so that the next run over a changed folder takes
//! its place. It counts only while every file that was listed has the place, size and time of change that it had, by which
//! fingerprints are known as well; files that could not be read are tried again each time.

use std::collections::HashMap;
use std::path::Path;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use rayon::prelude::*;

use super::gather::{Named, Shape, media};
use super::plan::{Group, Member, Role, Why};
use super::{Choice, Found};
use crate::error::{Error, Result};
use crate::scan::{Cache, Digest, Key, fingerprint_cached, name_within, ordered};

/// Raised whenever the same fingerprints may give other groups than before, or are kept in another way.
const VERSION: u8 = 5;
/// So many files, or members of groups, are worth a thread's while.
const PART: usize = 1024;
/// The longest entry.
const MAX_BYTES: usize = 256 << 20;

/// What is kept; files are numbers in the order of the listing.
#[derive(bincode::Encode, bincode::Decode)]
struct Kept {
    /// The digest of all that was listed.
    listed: [u8; 32],
    /// Why, and how many members.
    groups: Vec<(Why, u32)>,
    /// Those of all groups, one after the other.
    members: Vec<KeptMember>,
    plain: Vec<u32>,
    warned: Vec<(u32, Vec<String>)>,
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

/// The digest of some of the files: all that the outcome depends on.
fn listed(named: &[Named<'_>], choice: &Choice) -> Option<[u8; 32]> {
    let mut digest = Digest::new(&media(choice, 1), b"listed");
    let mut folder = Path::new("");
    for named in named {
        let path = &named.item.path;
        // the path as it was given decides between files that are alike in all else
        match name_within(path, folder) {
            Some(name) => digest.part(name), // all else is as with the file before
            None => {
                digest.part(b"/");
                digest.part(path.as_os_str().as_encoded_bytes());
                folder = match digest.folder(named.item) {
                    Some(()) => path.parent().unwrap_or(Path::new("")),
                    None if named.item.found.is_ok() => return None,
                    None => Path::new(""),
                };
            }
        }
        digest.part(&[named.item.found.is_ok().into(), named.reference.into()]);
        if named.item.found.is_ok() {
            digest.state(named.item)?;
        }
        digest.part(&(named.links.len() as u64).to_le_bytes());
        named.links.iter().for_each(|link| digest.part(link.as_os_str().as_encoded_bytes()));
    }
    Some(digest.key().0)
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
        let parts: Option<Vec<[u8; 32]>> = named.par_chunks(PART).map(|part| listed(part, choice)).collect();
        parts?.iter().for_each(|part| digest.part(part));
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
        let known = |&at: &u32| (at as usize) < self.named.len();
        let warned = kept.warned.iter().map(|(at, _)| at);
        if !kept.members.iter().map(|member| &member.file).chain(&kept.plain).chain(warned).all(known) {
            return None;
        }
        let warnings: HashMap<u32, &Vec<String>> = kept.warned.iter().map(|(at, warnings)| (*at, warnings)).collect();
        let member = |kept: &KeptMember| {
            let kind = if kept.film { "video" } else { "image" };
            let warnings = warnings.get(&kept.file).copied().cloned().unwrap_or_default();
            let shape = Shape { kind, width: kept.size.0, height: kept.size.1, duration: kept.duration, warnings };
            let (role, distance, identical) = (kept.role, kept.distance, kept.identical);
            Member { file: self.named[kept.file as usize].info(shape), role, distance, identical }
        };
        let mut rest = &kept.members[..];
        let mut split = |&(why, count): &(Why, u32)| {
            let (members, others) = rest.split_at_checked(count as usize)?;
            rest = others;
            Some((why, members))
        };
        let groups: Option<Vec<(Why, &[KeptMember])>> = kept.groups.iter().map(&mut split).collect();
        let group = |(first, &(why, members)): (usize, &(Why, &[KeptMember]))| Group {
            members: members.iter().map(member).collect(),
            why,
            first,
        };
        Some(Found {
            groups: groups?.par_iter().with_min_len(PART).enumerate().map(group).collect(),
            failed: Vec::new(),
            plain: kept.plain.iter().map(|&at| self.named[at as usize].item.path.clone()).collect(),
            warned: (kept.warned.iter())
                .map(|(at, warnings)| (self.named[*at as usize].item.path.clone(), warnings.clone()))
                .collect(),
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
        let group = |group: &Group| Some((group.why, u32::try_from(group.members.len()).ok()?));
        let members = || found.groups.iter().flat_map(|group| &group.members);
        let numbers = |paths: &mut dyn Iterator<Item = &Path>| -> Option<Vec<u32>> {
            paths.map(|path| number.get(path).copied()).collect()
        };
        let kept = || {
            Some(Kept {
                listed: self.listed,
                groups: found.groups.iter().map(group).collect::<Option<_>>()?,
                members: members().map(member).collect::<Option<_>>()?,
                plain: numbers(&mut found.plain.iter().map(|path| &**path))?,
                warned: (found.warned.iter())
                    .map(|(path, warnings)| Some((*number.get(&**path)?, warnings.clone())))
                    .collect::<Option<_>>()?,
                failed: numbers(&mut found.failed.iter().map(|(path, _)| &**path))?,
                pairs: found.pairs,
            })
        };
        if let Some(kept) = kept()
            && let Ok(bytes) = bincode::encode_to_vec(&kept, config())
            && bytes.len() <= MAX_BYTES
        {
            self.cache.put_bytes(self.key, bytes);
        }
    }
}
