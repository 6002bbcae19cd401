//! Folders in which builders work, used again where the last build left nothing in them.
//!
//! Making and removing files is what a small build spends most of its time on outside of the
//! sandbox. A folder is used again only when a builder could not tell it from a new one: it is
//! empty, its permissions are the usual ones, and it has not grown. Its times are set anew, because a
//! builder can choose them. What else a folder can have, attributes and flags, the sandbox refuses to set.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cbuild_drv::StorePath;
use cbuild_store::{Scratch, Store};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

/// The names below a place.
const STORE: &str = "store";
const BUILD: &str = "build";
const LOG: &str = "log";

/// Size in bytes of a folder that never held much, on file systems whose folders grow and do not
/// shrink. Those that count differently make every folder look used.
const FRESH_SIZE: u64 = 4096;

/// Places that wait for the next build.
#[derive(Debug, Default)]
pub(crate) struct Places {
    waiting: Mutex<Vec<Place>>,
    /// Those that cannot be used again. Removing one can take long, so the thread that gives one back
    /// leaves it to the workers.
    discarded: Mutex<Vec<Place>>,
    /// Whether objects are symlinks, as far as that was asked.
    links: Mutex<BTreeMap<StorePath, bool>>,
}

/// A scratch folder, in which folders of an earlier build may stand.
#[derive(Debug)]
pub(crate) struct Place {
    scratch: Scratch,
    is_used: bool,
    /// What stands in the folder of the store since the last build.
    mount_points: BTreeSet<OsString>,
}

impl Places {
    /// A place in which the only things are mount points of `closure`, an empty `build` folder and
    /// an empty log; or nothing at all.
    pub(crate) fn take(
        &self,
        store: &Store,
        closure: &BTreeSet<StorePath>,
    ) -> Result<Place, cbuild_store::Error> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(place) = waiting
            && place.keep_only(closure).is_ok()
        {
            return Ok(place);
        }
        Ok(Place { scratch: store.scratch()?, is_used: false, mount_points: BTreeSet::new() })
    }

    /// Removes waiting places until no more than `count` are left.
    pub(crate) fn keep_at_most(&self, count: usize) {
        loop {
            let surplus = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.len() <= count {
                    return;
                }
                // The one that was used last is the most likely to be at hand.
                waiting.remove(0)
            };
            // Others take places meanwhile.
            drop(surplus);
        }
    }

    /// Removes places that cannot be used again.
    pub(crate) fn remove_discarded(&self) {
        let next = || self.discarded.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The lock is free while one is removed, so that several workers can do so.
        while let Some(place) = next() {
            drop(place);
        }
    }

    /// Takes a place back after a build with the inputs of `closure`.
    pub(crate) fn give_back(&self, store: &Store, mut place: Place, closure: &BTreeSet<StorePath>) {
        let is_kept = place.is_used
            && !self.has_link(store, closure)
            && place.is_clean(closure).unwrap_or(false)
            && place.forget_times().is_ok();
        let list = if is_kept { &self.waiting } else { &self.discarded };
        list.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Whether an input is a symlink. Such a one is no mount point in the folder of the store: the
    /// builder may have put anything else in its place.
    fn has_link(&self, store: &Store, closure: &BTreeSet<StorePath>) -> bool {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        closure.iter().any(|path| {
            links.get(path).copied().unwrap_or_else(|| {
                // What cannot be looked at may be one.
                let found = fs::symlink_metadata(store.physical(path));
                let is_link = found.map_or(true, |found| found.is_symlink());
                links.insert(path.clone(), is_link);
                is_link
            })
        })
    }
}

impl Place {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Says that a builder has worked here, so that [`Places::give_back`] may keep the place.
    pub(crate) fn set_used(&mut self) {
        self.is_used = true;
    }

    fn is_clean(&mut self, closure: &BTreeSet<StorePath>) -> io::Result<bool> {
        let [store, build, log] = [STORE, BUILD, LOG].map(|name| self.path().join(name));
        if !is_fresh(&build)? || !names(&build)?.is_empty() || !is_fresh(&store)? || !empty(&log)? {
            return Ok(false);
        }
        let inputs: BTreeSet<OsString> =
            closure.iter().map(|path| path.base_name().into()).collect();
        self.mount_points = names(&store)?;
        Ok(self.mount_points.is_subset(&inputs))
    }

    /// Gives the folders that a builder could write to the times of new ones.
    fn forget_times(&self) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        for name in [STORE, BUILD] {
            let folder = self.path().join(name);
            utimensat(CWD, &folder, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Removes the mount points of other inputs. They are empty: inputs are read-only.
    fn keep_only(&self, closure: &BTreeSet<StorePath>) -> io::Result<()> {
        let store = self.path().join(STORE);
        let wanted: BTreeSet<OsString> =
            closure.iter().map(|path| path.base_name().into()).collect();
        for name in self.mount_points.difference(&wanted) {
            let path = store.join(name);
            match fs::symlink_metadata(&path)?.is_dir() {
                true => fs::remove_dir(&path)?,
                false => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }
}

fn is_fresh(folder: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(folder)?;
    Ok(metadata.is_dir() && metadata.mode() & 0o7777 == 0o755 && metadata.size() <= FRESH_SIZE)
}

/// Empties the log; it can be opened by its name, because it is a regular file of ours.
fn empty(log: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(log)?;
    if metadata.is_file() && metadata.size() > 0 {
        File::options().write(true).open(log)?.set_len(0)?;
    }
    Ok(metadata.is_file())
}

#[expect(clippy::disallowed_methods, reason = "the names are collected into a sorted set")]
fn names(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(PathBuf::from(folder))?.map(|entry| Ok(entry?.file_name())).collect()
}
