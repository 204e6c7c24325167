//! What a run keeps so that one that was stopped goes on, and a second one is nearly free: a file for each picture,
//! named by the digest of all that its figures depend on.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How the figures are made: raised whenever the same files, attacks and settings may give other figures than before.
/// How fingerprints are made is named by [`crate::fingerprint::RECIPE`], which is part of every key as well.
const RECIPE: u32 = 4;

/// The folder of kept results.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// The name of one result.
#[derive(Debug, Clone)]
pub(super) struct Key(blake3::Hasher);

impl Key {
    /// A key that depends on the recipes, and on the settings of matching.
    pub(super) fn new() -> Self {
        let windows = crate::fingerprint::ViewSet::Thorough.windows();
        let asked = crate::fingerprint::ViewSet::Standard.windows();
        let (radius, limit) = (crate::matching::DETAIL_RADIUS, crate::matching::PDQ_LIMIT);
        let mut key = Self(blake3::Hasher::new());
        key.add(format_args!("{RECIPE} {} {windows:?} {asked:?} {radius} {limit}", crate::fingerprint::RECIPE));
        key
    }

    /// Lets the key depend on something more.
    pub(super) fn add(&mut self, what: impl std::fmt::Display) {
        let what = what.to_string();
        self.0.update(&(what.len() as u64).to_le_bytes());
        self.0.update(what.as_bytes());
    }

    /// This key, and something more.
    pub(super) fn with(&self, what: impl std::fmt::Display) -> Self {
        let mut key = self.clone();
        key.add(what);
        key
    }

    fn name(&self) -> String {
        self.0.finalize().to_hex()[..32].to_string()
    }
}

impl Cache {
    /// A folder that is made if it is not there.
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        Ok(Self { folder })
    }

    /// A path beside the results.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What was kept under a key, or else what `make` makes, which is kept.
    pub(super) fn get<T>(&self, key: &Key, make: impl FnOnce() -> Result<T>) -> Result<T>
    where
        T: bincode::Encode + bincode::Decode<()>,
    {
        let config = bincode::config::standard().with_limit::<{ 64 << 20 }>();
        let path = self.folder.join(key.name());
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok((kept, used)) = bincode::decode_from_slice(&bytes, config)
            && used == bytes.len()
        {
            return Ok(kept);
        }
        let made = make()?;
        if let Ok(bytes) = bincode::encode_to_vec(&made, config) {
            // A cache that cannot be written costs time, nothing else.
            let _ = write(&path, &bytes);
        }
        Ok(made)
    }
}

/// Under its name only when it is whole.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension(format!("part-{}", std::process::id()));
    std::fs::write(&draft, bytes)?;
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_under_its_key_only_and_damage_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache")).unwrap();
        let key = Key::new().with("a");
        assert_eq!(cache.get(&key, || Ok(7u32)).unwrap(), 7);
        assert_eq!(cache.get(&key, || Ok(8u32)).unwrap(), 7);
        assert_eq!(cache.get(&Key::new().with("b"), || Ok(8u32)).unwrap(), 8);
        assert_ne!(Key::new().with("a").with("b").name(), Key::new().with("ab").name());
        std::fs::write(cache.folder.join(key.name()), b"\xff\xff\xff\xff\xff\xff").unwrap();
        assert_eq!(cache.get(&key, || Ok(9u32)).unwrap(), 9);
        assert!(cache.get(&Key::new().with("c"), || Err::<u32, _>(Error::Cancelled)).is_err());
        assert_eq!(cache.get(&Key::new().with("c"), || Ok(1u32)).unwrap(), 1);
    }
}
