//! Which copy of a group to keep, and the plan for a person: as JSON, or as a shell script to read first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::gather::{Gathered, Print};
use super::{Choice, FileInfo};
use crate::error::Result;
use crate::report::words;

/// What is proposed for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The best copy.
    Keep,
    /// It lies in a reference folder, so it stays whatever it is.
    Reference,
    /// It could go.
    Remove,
}

/// Why a copy is the best of its group: the first of these that told them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// It lies in a reference folder.
    Reference,
    /// It has more pixels.
    Resolution,
    /// It spends more bytes on them, a film on each second.
    Bitrate,
    /// It is older.
    Age,
    /// Nothing told them apart but the name.
    Name,
}

/// A file of a group.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// The file.
    pub file: FileInfo,
    /// What is proposed.
    pub role: Role,
    /// How far it is from the best copy, if both have hashes that can be compared one to one.
    pub distance: Option<u32>,
    /// Whether it holds the very same bytes as the best copy.
    pub identical: bool,
}

/// Files that are copies of one another, the best one first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The best copy first, then references, then the others from better to worse.
    pub members: Vec<Member>,
    /// Why the first one is.
    pub why: Why,
    /// The place of its first file in the listing.
    pub(super) first: usize,
}

impl Group {
    /// The bytes that would be free.
    pub fn removable(&self) -> u64 {
        self.members.iter().filter(|member| member.role == Role::Remove).map(|member| member.file.bytes).sum()
    }
}

/// What decides, the most important first; larger is better.
fn rank(file: &FileInfo) -> (bool, u64, u64, i128) {
    let pixels = u64::from(file.width) * u64::from(file.height);
    let rate = if file.duration > 0.0 { (file.bytes as f64 / file.duration) as u64 } else { file.bytes };
    let age = file.modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (file.reference, pixels, rate, age.map_or(i128::MIN, |age| -(age.as_nanos() as i128)))
}

/// Puts the files of a group in order.
pub(super) fn arrange(cluster: &[usize], gathered: &Gathered, choice: &Choice) -> Result<Group> {
    choice.parallel.cancel.check()?;
    let mut order = cluster.to_vec();
    let info = |at: usize| &gathered.files[at].info;
    order.sort_by(|&a, &b| {
        rank(info(b)).cmp(&rank(info(a))).then_with(|| {
            let name = |at: usize| (info(at).path.as_os_str().len(), &info(at).path);
            name(a).cmp(&name(b))
        })
    });
    let (best, second) = (rank(info(order[0])), rank(info(order[1])));
    let why = match () {
        () if best.0 != second.0 || best.0 => Why::Reference,
        () if best.1 != second.1 => Why::Resolution,
        () if best.2 != second.2 => Why::Bitrate,
        () if best.3 != second.3 => Why::Age,
        () => Why::Name,
    };
    let keep = order[0];
    let mut sum = None;
    let members = order.iter().map(|&at| {
        let file = info(at).clone();
        let role = match () {
            () if at == keep => Role::Keep,
            () if file.reference => Role::Reference,
            () => Role::Remove,
        };
        // only files of one length can be the same, and most are not: no file is read for nothing
        let mut same = || {
            let sum = sum.get_or_insert_with(|| checksum(&info(keep).path).ok());
            sum.is_some() && checksum(&file.path).ok() == *sum
        };
        let identical = at == keep || file.bytes == info(keep).bytes && same();
        Member { role, distance: distance(&gathered.files[keep].print, &gathered.files[at].print), identical, file }
    });
    Ok(Group { members: members.collect(), why, first: cluster[0] })
}

/// The smallest distance between two stills in any orientation that is known.
fn distance(a: &Print, b: &Print) -> Option<u32> {
    let (Print::Still { hash, orientations, .. }, Print::Still { hash: other, .. }) = (a, b) else { return None };
    let turned = orientations.iter().flat_map(|known| known.all());
    let all = turned.flat_map(|turned| [turned.distance(other), 256 - turned.distance(other)]);
    Some(all.fold(hash.distance(other), u32::min))
}

/// Groups of files with too little detail that hold the very same bytes.
pub(super) fn same_bytes(gathered: &Gathered, choice: &Choice) -> Result<Vec<Group>> {
    let mut by_size: HashMap<u64, Vec<usize>> = HashMap::new();
    for at in gathered.plain() {
        by_size.entry(gathered.files[at].info.bytes).or_default().push(at);
    }
    let mut groups = Vec::new();
    for alike in by_size.into_values().filter(|alike| alike.len() > 1) {
        let mut by_sum: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        for at in alike {
            choice.parallel.cancel.check()?;
            if let Ok(sum) = checksum(&gathered.files[at].info.path) {
                by_sum.entry(sum).or_default().push(at);
            }
        }
        for same in by_sum.into_values().filter(|same| same.len() > 1) {
            groups.push(arrange(&same, gathered, choice)?);
        }
    }
    Ok(groups)
}

fn checksum(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, blake3::Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(*digest.finalize().as_bytes()),
            some => _ = digest.update(&buffer[..some]),
        }
    }
}

/// A group as other programs see it.
#[derive(serde::Serialize)]
struct GroupLine<'a> {
    group: usize,
    kind: Option<&'static str>,
    why: Why,
    removable_bytes: u64,
    files: Vec<MemberLine<'a>>,
}

/// A file of it.
#[derive(serde::Serialize)]
struct MemberLine<'a> {
    path: Cow<'a, str>,
    proposal: Role,
    identical: bool,
    distance: Option<u32>,
    width: u32,
    height: u32,
    bytes: u64,
    modified: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

impl Group {
    /// The group as other programs see it, to be written as JSON.
    pub fn line(&self, number: usize) -> impl serde::Serialize + '_ {
        GroupLine {
            group: number,
            kind: self.members.first().map(|member| member.file.kind),
            why: self.why,
            removable_bytes: self.removable(),
            files: self.members.iter().map(Member::line).collect(),
        }
    }
}

impl Member {
    fn line(&self) -> MemberLine<'_> {
        let file = &self.file;
        let milliseconds = |time: std::time::SystemTime| {
            time.duration_since(std::time::UNIX_EPOCH).ok().and_then(|time| u64::try_from(time.as_millis()).ok())
        };
        let path = file.path.to_string_lossy();
        let raw = || file.path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        MemberLine {
            raw: matches!(path, Cow::Owned(_)).then(raw),
            path,
            proposal: self.role,
            identical: self.identical,
            distance: self.distance,
            width: file.width,
            height: file.height,
            bytes: file.bytes,
            modified: file.modified.and_then(milliseconds),
            duration: (file.duration > 0.0).then(|| (file.duration * 1000.0).round() / 1000.0),
            links: file.links.iter().map(|link| link.to_string_lossy()).collect(),
            warnings: &file.warnings,
        }
    }
}

/// Writes the plan as a shell script that does nothing until the person who has read it says so.
///
/// # Errors
/// What writing says.
pub fn script(groups: &[Group], folder: &Path, mut out: impl Write) -> io::Result<()> {
    let files = groups.iter().flat_map(|group| &group.members).filter(|member| member.role == Role::Remove);
    let bytes: u64 = groups.iter().map(Group::removable).sum();
    writeln!(
        out,
        "#!/bin/sh\n# A plan by `refrain dedupe`: {} files could go, {bytes} bytes. Read it, take out what should stay,\n\
         # and only then run it as: sh THIS-FILE --remove\n\
         if [ \"${{1:-}}\" != --remove ]; then sed -n 2,3p \"$0\"; exit 1; fi",
        files.count()
    )?;
    out.write_all(b"cd -- ")?;
    quoted(folder, &mut out)?;
    out.write_all(b" || exit 1\n")?;
    for (number, group) in (1..).zip(groups) {
        let Some(keep) = group.members.first() else { continue };
        // a comment ends with its line, so no name may bring one along
        let name = |file: &FileInfo| words::printable(&file.path.to_string_lossy());
        writeln!(out, "\n# {number}: keep {} ({})", name(&keep.file), describe(&keep.file))?;
        for member in &group.members[1..] {
            if member.role == Role::Reference {
                writeln!(out, "# stays, as a reference: {}", name(&member.file))?;
                continue;
            }
            let same = if member.identical { ", the same bytes" } else { "" };
            let near = member.distance.map_or(String::new(), |distance| format!(", distance {distance}"));
            writeln!(out, "# {}{near}{same}", describe(&member.file))?;
            for path in std::iter::once(&member.file.path).chain(&member.file.links) {
                out.write_all(b"rm -- ")?;
                quoted(path, &mut out)?;
                out.write_all(b"\n")?;
            }
        }
    }
    out.flush()
}

fn describe(file: &FileInfo) -> String {
    let time = if file.duration > 0.0 { format!(", {:.1} s", file.duration) } else { String::new() };
    format!("{} x {}, {} bytes{time}", file.width, file.height, file.bytes)
}

/// A path in single quotes, within which a shell takes everything as it is; its bytes as they are.
fn quoted(path: &Path, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"'")?;
    for (at, part) in path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'\'').enumerate() {
        if at > 0 {
            out.write_all(b"'\\''")?;
        }
        out.write_all(part)?;
    }
    out.write_all(b"'")
}
