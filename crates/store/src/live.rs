//! What a running process holds: its mark of life, its temporary roots and its scratch folders.
//!
//! The mark is a locked file `locks/live/<id>`; the lock dies with the process, whatever kills
//! it, and then everything of that id can be swept. The file's lines are temporary roots.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cbuild_drv::StorePath;
use rustix::fs::fstat;

use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::layout::Layout;

/// First line of a mark, with its format version.
const MAGIC: &str = "cbuild-live 1\n";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A process's (strictly: a `Store` value's) mark of life.
#[derive(Debug)]
pub(crate) struct Live {
    mark: PathBuf,
    file: File,
    tmp: PathBuf,
    scratches: AtomicU64,
    /// What the file lists already.
    roots: Mutex<BTreeSet<StorePath>>,
}

impl Live {
    /// Makes and locks a new mark, and the folder for scratch space.
    pub(crate) fn start(layout: &Layout) -> Result<Self> {
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let id = format!("{}-{count}", std::process::id());
            let mark = layout.live().join(&id);
            let opened = OpenOptions::new().append(true).create_new(true).open(&mark);
            let mut file = match opened {
                // Left behind by a dead process of the same number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                other => other.at("create", &mark)?,
            };
            // A sweeper that looks at the new file right now may hold its lock and remove it.
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &mark, error)),
                Ok(()) => {}
            }
            if fstat(&file).at("look at", &mark)?.st_nlink == 0 {
                continue;
            }
            let tmp = layout.tmp().join(&id);
            match disk::create_private_dir(&tmp) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    disk::remove_if_there(&mark)?;
                    continue;
                }
                other => other.at("create the folder", &tmp)?,
            }
            let written = file.write_all(MAGIC.as_bytes());
            let (scratches, roots) = (AtomicU64::new(0), Mutex::default());
            let live = Self { mark, file, tmp, scratches, roots };
            written.at("write", &live.mark)?;
            return Ok(live);
        }
    }

    /// Adds temporary roots. Call it with the commit lock held, see `Store::protect`.
    pub(crate) fn add_roots<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<()> {
        // A poisoned set lists what was written at least, or is merely written again.
        let mut known = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&StorePath> = paths.into_iter().filter(|p| !known.contains(p)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let lines: String = new.iter().map(|path| path.base_name() + "\n").collect();
        (&self.file).write_all(lines.as_bytes()).at("write", &self.mark)?;
        known.extend(new.into_iter().cloned());
        Ok(())
    }

    fn fresh(&self) -> PathBuf {
        self.tmp.join(self.scratches.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later process: the lock ends with the file.
        let _ = disk::remove_tree(&self.tmp);
        let _ = fs::remove_file(&self.mark);
    }
}

/// A fresh folder on the store's file system; removed on drop, and swept by a later process
/// when this one is killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _live: Arc<Live>,
}

impl Scratch {
    pub(crate) fn new(live: Arc<Live>) -> Result<Self> {
        let path = live.fresh();
        fs::create_dir(&path).at("create the folder", &path)?;
        Ok(Self { path, _live: live })
    }

    /// The folder. It is empty at first and its parent is closed to other users.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later process.
        let _ = disk::remove_tree(&self.path);
    }
}

/// Names for a few new files on the store's file system, which are removed on drop where they have
/// not been moved away. Cheaper than a folder.
#[derive(Debug)]
pub(crate) struct Staging {
    prefix: PathBuf,
    names: Vec<String>,
    _live: Arc<Live>,
}

impl Staging {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self { prefix: live.fresh(), names: Vec::new(), _live: live }
    }

    /// A path that no other file has.
    pub(crate) fn place(&mut self, name: &str) -> PathBuf {
        self.names.push(name.to_owned());
        self.path(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.prefix.clone().into_os_string();
        path.push(format!("-{name}"));
        PathBuf::from(path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        for name in &self.names {
            // What cannot be removed now is swept by a later process.
            let _ = fs::remove_file(self.path(name));
        }
    }
}

/// Temporary roots of all living processes.
pub(crate) fn temporary_roots(layout: &Layout) -> Result<BTreeSet<StorePath>> {
    let mut roots = BTreeSet::new();
    for name in disk::list(&layout.live())? {
        let mark = layout.live().join(name);
        let mut file = match File::open(&mark) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.at("read", &mark)?,
        };
        if is_dead(&file, &mark)? {
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).at("read", &mark)?;
        roots.extend(text.lines().skip(1).filter_map(|line| StorePath::parse(line).ok()));
    }
    Ok(roots)
}

/// Whether a process uses the store, as far as marks of life tell.
pub(crate) fn is_anybody_there(layout: &Layout) -> Result<bool> {
    for name in disk::list(&layout.live())? {
        let mark = layout.live().join(name);
        let file = match File::open(&mark) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.at("read", &mark)?,
        };
        if !is_dead(&file, &mark)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the owner of a mark is gone; then the lock is held through `file`.
fn is_dead(file: &File, mark: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", mark, error)),
    }
}

/// Removes what dead processes have left in `tmp` and `locks`. What another user's has left stays.
pub(crate) fn sweep(layout: &Layout) -> Result<()> {
    let unless_foreign = |swept: Result<()>| match swept {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => Ok(()),
        // Without space for a mark, what has none waits for another time.
        Err(Error::DiskFull { .. }) => Ok(()),
        swept => swept,
    };
    for name in disk::list(&layout.live())? {
        unless_foreign(sweep_mark(layout, &name))?;
    }
    // A scratch folder is made after its mark, so one without a mark has no owner any more;
    // the mark of a new owner of the same id would have been refused.
    for name in disk::list(&layout.tmp())? {
        let remove = |file: Option<File>| match file {
            Some(file) => remove_if_dead(layout, &name, &file),
            None => Ok(()),
        };
        unless_foreign(mark_anew(layout, &name).and_then(remove))?;
    }
    Ok(())
}

fn sweep_mark(layout: &Layout, name: &OsStr) -> Result<()> {
    let mark = layout.live().join(name);
    match File::open(&mark) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => remove_if_dead(layout, name, &other.at("read", &mark)?),
    }
}

/// Makes the mark of a folder that has none.
fn mark_anew(layout: &Layout, name: &OsStr) -> Result<Option<File>> {
    let mark = layout.live().join(name);
    match OpenOptions::new().append(true).create_new(true).open(&mark) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        other => other.at("create", &mark).map(Some),
    }
}

/// Removes a mark and its folder if their owner is gone. Not if the file is not the mark any more:
/// another sweeper was faster then, and a new owner may have taken the name since.
fn remove_if_dead(layout: &Layout, name: &OsStr, file: &File) -> Result<()> {
    let mark = layout.live().join(name);
    if is_dead(file, &mark)? && fstat(file).at("look at", &mark)?.st_nlink > 0 {
        disk::remove_tree(&layout.tmp().join(name))?;
        disk::remove_if_there(&mark)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_slow_sweeper_leaves_a_new_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(folder.path()).unwrap();
        let name = OsStr::new("7-0");
        let (mark, tmp) = (layout.live().join(name), layout.tmp().join(name));
        fs::create_dir(&tmp).unwrap();
        let slow = mark_anew(&layout, name).unwrap().unwrap();
        assert!(mark_anew(&layout, name).unwrap().is_none());
        // Another sweeper does all of it, and a new process takes the name.
        sweep(&layout).unwrap();
        assert!(!mark.exists() && !tmp.exists());
        let owner = mark_anew(&layout, name).unwrap().unwrap();
        owner.lock().unwrap();
        fs::create_dir(&tmp).unwrap();
        remove_if_dead(&layout, name, &slow).unwrap();
        assert!(mark.exists() && tmp.exists());
        drop(owner);
        sweep(&layout).unwrap();
        assert!(!mark.exists() && !tmp.exists());
    }
}
