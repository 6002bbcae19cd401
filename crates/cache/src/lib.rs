//! A folder of results that can be found again, and that may vanish at any time.
//!
//! An entry is a file, named after the digest of the build of cbuild that wrote it, of the kind of
//! result and of a key, so that one build never reads what another one wrote. It begins with
//! [`MAGIC`] and the digest of all that it stands for; a damaged entry counts as absent and is
//! written anew. Entries are written to a file of their own and then renamed, so that several
//! processes can share a folder without locks: the last one wins. The folder is bounded
//! ([`MAX_BYTES`], [`MAX_ENTRIES`]): whenever an entry is added, those that were written longest ago go
//! first.
//!
//! Nothing here is an error for the caller. A folder that cannot be read or written is an empty
//! cache. What keys and results mean is the callers' business; this crate knows nothing of modules,
//! evaluations or stores.
#![forbid(unsafe_code)]

use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

/// First bytes of each entry; the number is the format's version.
pub const MAGIC: &[u8; 15] = b"cbuild cache 1\n";

/// Size of all entries together, in bytes, beyond which old ones are deleted.
pub const MAX_BYTES: u64 = 256 << 20;

/// Size of the largest entry, in bytes; a larger one is not kept.
pub const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// Number of entries beyond which old ones are deleted.
pub const MAX_ENTRIES: usize = 4096;

/// How old a file without a whole entry must be, in seconds, to count as left behind.
const ABANDONED_SECONDS: u64 = 3600;

/// Where results are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Identity of the build of cbuild.
    build: String,
}

impl Cache {
    /// The cache in a folder, which is made when it is needed. `build` tells builds of cbuild apart
    /// that may find different results for the same keys.
    pub fn new(folder: impl Into<PathBuf>, build: impl Into<String>) -> Self {
        Self { folder: folder.into(), build: build.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The result of a kind that was kept last under a key, if there is one.
    pub fn get(&self, kind: &str, key: &[u8]) -> Option<Vec<u8>> {
        let file = File::open(self.path(kind, key)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_ENTRY_BYTES).read_to_end(&mut bytes).ok()?;
        let head = MAGIC.len() + blake3::OUT_LEN;
        let (head, result) = bytes.split_at_checked(head)?;
        let whole = head == self.head(kind, key, result);
        whole.then(|| result.to_owned())
    }

    /// Keeps a result. What goes wrong is ignored: the result is then not found.
    pub fn put(&self, kind: &str, key: &[u8], result: &[u8]) {
        let head = self.head(kind, key, result);
        if (head.len() + result.len()) as u64 > MAX_ENTRY_BYTES {
            return;
        }
        let path = self.path(kind, key);
        // To look at all entries takes long when there are thousands, so that is left to new ones.
        let new = !path.exists();
        if self.write(&path, &[&head, result]).is_ok() && new {
            let _ = self.prune(MAX_BYTES, MAX_ENTRIES);
        }
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(&self.folder)?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = self.folder.join(format!("new-{}-{count}", std::process::id()));
        // A file that was left behind under this name belongs to no living process.
        let written = File::create(&new)
            .and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)));
        written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }

    fn path(&self, kind: &str, key: &[u8]) -> PathBuf {
        self.folder.join(format!("{kind}-{}", &self.digest(kind, key, &[]).to_hex()[..40]))
    }

    fn head(&self, kind: &str, key: &[u8], result: &[u8]) -> Vec<u8> {
        [&MAGIC[..], self.digest(kind, key, result).as_bytes()].concat()
    }

    fn digest(&self, kind: &str, key: &[u8], result: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [self.build.as_bytes(), kind.as_bytes(), key, result] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }

    /// Deletes what was written longest ago until both limits hold.
    fn prune(&self, bytes: u64, entries: usize) -> io::Result<()> {
        let mut known = listed(&self.folder)?;
        known.sort();
        let (mut total, mut count) = (known.iter().map(|entry| entry.1).sum::<u64>(), known.len());
        for (_, size, path) in known {
            if total <= bytes && count <= entries {
                break;
            }
            // Another process may have deleted it already.
            let _ = fs::remove_file(path);
            total -= size;
            count -= 1;
        }
        Ok(())
    }
}

/// Time of writing, size and path of each entry. What processes that were killed have left behind is
/// deleted.
#[expect(clippy::disallowed_methods, reason = "the caller sorts; ages are compared, not recorded")]
fn listed(folder: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let now = SystemTime::now();
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Some((time, size, path)) = entry.ok().and_then(|entry| described(&entry)) else {
            continue;
        };
        let unfinished =
            path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"new-"));
        if !unfinished {
            entries.push((time, size, path));
        } else if now.duration_since(time).is_ok_and(|age| age.as_secs() > ABANDONED_SECONDS) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(entries)
}

fn described(entry: &DirEntry) -> Option<(SystemTime, u64, PathBuf)> {
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some((metadata.modified().ok()?, metadata.len(), entry.path()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(cache: &Cache) -> Vec<PathBuf> {
        let mut found: Vec<_> = listed(&cache.folder).unwrap().into_iter().map(|e| e.2).collect();
        found.sort();
        found
    }

    #[test]
    fn what_is_kept_is_found_under_its_kind_key_and_build() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("a/b"), "one");
        assert_eq!(cache.get("kind", b"key"), None);
        cache.put("kind", b"key", b"result");
        assert_eq!(cache.get("kind", b"key").as_deref(), Some(&b"result"[..]));
        assert_eq!(cache.get("kind", b"other"), None);
        assert_eq!(cache.get("other", b"key"), None);
        let newer = Cache::new(folder.path().join("a/b"), "two");
        assert_eq!(newer.get("kind", b"key"), None);
        cache.put("kind", b"key", b"");
        assert_eq!(cache.get("kind", b"key").as_deref(), Some(&b""[..]));
        assert_eq!(names(&cache).len(), 1);
    }

    #[test]
    fn any_damage_counts_as_absence_and_is_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "build");
        cache.put("kind", b"key", b"result");
        let path = cache.path("kind", b"key");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get("kind", b"key"), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.get("kind", b"key"), None, "cut at {at}");
        }
        cache.put("kind", b"key", b"result");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn an_entry_of_another_key_is_not_taken_for_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "build");
        cache.put("kind", b"key", b"result");
        fs::rename(cache.path("kind", b"key"), cache.path("kind", b"other")).unwrap();
        assert_eq!(cache.get("kind", b"other"), None);
    }

    #[test]
    fn the_oldest_entries_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "build");
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for key in 0..6_u8 {
            cache.put("kind", &[key], &[key; 100]);
            let file = File::options().write(true).open(cache.path("kind", &[key])).unwrap();
            file.set_modified(start + Duration::from_secs(u64::from(key))).unwrap();
        }
        let kept = || (0..6).filter(|key| cache.get("kind", &[*key]).is_some()).collect::<Vec<_>>();
        cache.prune(MAX_BYTES, 4).unwrap();
        assert_eq!(kept(), [2, 3, 4, 5]);
        cache.prune(300, 4).unwrap();
        assert_eq!(kept(), [4, 5]);
    }

    #[test]
    fn leftovers_are_deleted_once_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "build");
        let (old, young) = (folder.path().join("new-1-0"), folder.path().join("new-2-0"));
        fs::write(&old, "x").unwrap();
        fs::write(&young, "x").unwrap();
        File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        cache.put("kind", b"key", b"result");
        assert!(!old.exists() && young.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = Cache::new(folder.path().join("file/cache"), "build");
        cache.put("kind", b"key", b"result");
        assert_eq!(cache.get("kind", b"key"), None);
    }
}
