//! Waiting until data is on disk, for many files at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{fsync, syncfs};

use crate::error::{IoContext, Result};

/// Up to so many files and directories each is synchronised by itself; beyond, the whole file
/// system is, which also waits for what others have written.
const MAX_EACH: usize = 64;

/// Threads that wait at once. The file system joins concurrent waits into one journal commit,
/// so ten files cost little more than one (0.2 ms on an idle disk, 6 ms on a busy one).
const THREADS: usize = 8;

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
        if self.whole {
            return self.files.iter().try_for_each(|(f, path)| syncfs(f).at("synchronise", path));
        }
        let share = self.files.len().div_ceil(THREADS).max(1);
        std::thread::scope(|scope| {
            let mut shares = self.files.chunks(share);
            let own = shares.next().unwrap_or_default();
            let waiting: Vec<_> = shares.map(|files| scope.spawn(|| sync_each(files))).collect();
            let mut result = sync_each(own);
            for thread in waiting {
                // A panic cannot happen in `sync_each`; if it did, nothing is known to be on disk.
                let other = thread.join().unwrap_or_else(|_| {
                    let error = std::io::Error::other("a thread has panicked");
                    Err(error).at("synchronise", Path::new("."))
                });
                result = result.and(other);
            }
            result
        })
    }
}

fn sync_each(files: &[(File, PathBuf)]) -> Result<()> {
    files.iter().try_for_each(|(file, path)| fsync(file).at("synchronise", path))
}
