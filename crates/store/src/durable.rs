//! Waiting until data is on disk, for many files at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{fsync, syncfs};

use crate::error::{Error, IoContext, Result};

/// Up to so many files and directories each is synchronised by itself; beyond, the whole file
/// system is, which also waits for what others have written.
const MAX_EACH: usize = 64;

/// Threads that wait at once. The file system joins concurrent waits into one journal commit,
/// so ten files cost little more than one (0.2 ms on an idle disk, 6 ms on a busy one).
const THREADS: usize = 8;

/// Fewer files than that are not worth a thread.
const MIN_SHARE: usize = 4;

/// Files and directories that must be on disk before something is renamed.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    files: Vec<(File, PathBuf)>,
    whole: bool,
}

impl Durable {
    /// Whether trees of this number of entries are synchronised entry by entry.
    pub(crate) fn takes_each(&self, entries: usize) -> bool {
        !self.whole && self.files.len() + entries <= MAX_EACH
    }

    /// Adds one file or directory.
    pub(crate) fn add(&mut self, file: File, path: &Path) {
        self.files.push((file, path.to_owned()));
    }

    /// Adds everything on the file system of the given file.
    pub(crate) fn add_whole(&mut self, file: File, path: &Path) {
        self.files = vec![(file, path.to_owned())];
        self.whole = true;
    }

    /// Waits until all of it is on disk.
    pub(crate) fn wait(self) -> Result<()> {
        Self::wait_all(&[&self]).pop().unwrap_or(Ok(()))
    }

    /// Waits until all of several is on disk, and answers for each. A failure is told once: the
    /// system forgets it then, and waiting again would seem to succeed.
    pub(crate) fn wait_all(several: &[&Durable]) -> Vec<Result<()>> {
        if let Some((file, _)) = several.iter().find(|d| d.whole).and_then(|d| d.files.first()) {
            // They are all on the store's file system.
            let synced = syncfs(file);
            let path = |durable: &Durable| {
                durable.files.first().map_or_else(PathBuf::new, |(_, path)| path.clone())
            };
            return several.iter().map(|d| synced.at("synchronise", &path(d))).collect();
        }
        let mut results: Vec<Result<()>> = several.iter().map(|_| Ok(())).collect();
        let numbered = several.iter().enumerate();
        let files: Vec<Owned<'_>> =
            numbered.flat_map(|(owner, d)| d.files.iter().map(move |file| (owner, file))).collect();
        let share = files.len().div_ceil(THREADS).max(MIN_SHARE);
        std::thread::scope(|scope| {
            let mut shares = files.chunks(share);
            let own = shares.next().unwrap_or_default();
            let waiting: Vec<_> =
                shares.map(|files| (files, scope.spawn(|| sync_each(files)))).collect();
            let mut failures = sync_each(own);
            for (files, thread) in waiting {
                failures.extend(thread.join().unwrap_or_else(|_| panicked(files)));
            }
            for (owner, error) in failures {
                results[owner] = Err(error);
            }
        });
        results
    }
}

/// A file, and the position of what it belongs to.
type Owned<'d> = (usize, &'d (File, PathBuf));

fn sync_each(files: &[Owned<'_>]) -> Vec<(usize, Error)> {
    let sync = |(owner, (file, path)): &Owned<'_>| {
        let failure = fsync(file).at("synchronise", path).err()?;
        Some((*owner, failure))
    };
    files.iter().filter_map(sync).collect()
}

/// A panic cannot happen in `sync_each`; if it did, nothing is known to be on disk.
fn panicked(files: &[Owned<'_>]) -> Vec<(usize, Error)> {
    let failure = |(owner, (_, path)): &Owned<'_>| {
        (*owner, Error::io("synchronise", path, std::io::Error::other("a thread has panicked")))
    };
    files.iter().map(failure).collect()
}
