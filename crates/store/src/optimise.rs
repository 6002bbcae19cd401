//! Storing equal files once: later ones become hard links to the first.
//!
//! Files of the store never change, and equal ones have equal permissions and times, so two objects
//! can share one. The directories in between are made writable for a moment, under the commit
//! lock and with the object's name in it: after a kill the next holder puts them in order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cbuild_drv::{Digest, StorePath};
use rustix::fs::{Mode, fchmod, futimens};

use crate::cancel::Cancel;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::live;
use crate::store::Store;
use crate::tree::{self, MAX_DEPTH};
use crate::types::OptimiseReport;

/// Name of a new link before it takes the file's; an object that has it itself stays as it is.
const FRESH: &str = ".cbuild-link-new";

/// Permissions that let the owner change a directory.
const OPEN: u32 = 0o755;

/// A file of an object.
struct Found {
    size: u64,
    executable: bool,
    inode: u64,
    /// Position of the object.
    object: usize,
    /// Path inside the object; empty where that is a file itself.
    inside: PathBuf,
}

impl Store {
    /// Stores equal files once. Memory grows with the number of files, at about 150 bytes each.
    ///
    /// Runs beside builds and collections; an object that goes meanwhile is left out.
    pub fn optimise(&self, dry_run: bool) -> Result<OptimiseReport> {
        live::sweep(&self.layout)?;
        let objects: Vec<StorePath> = self.objects()?.into_iter().map(|info| info.path).collect();
        let mut files = Vec::new();
        for (position, path) in objects.iter().enumerate() {
            // One that was collected meanwhile has no files.
            let top = self.layout.object(path);
            let before = files.len();
            self.cancel.check()?;
            if !collect(&top, &mut PathBuf::new(), position, 0, &mut files)? {
                files.truncate(before);
            }
        }
        files.sort_by_key(|file| (file.size, file.executable, file.inode, file.object));
        let mut report = OptimiseReport::default();
        let place = |file: &Found| {
            let top = self.layout.object(&objects[file.object]);
            // Joining nothing would add a slash, and with it ask for a directory.
            if file.inside.as_os_str().is_empty() { top } else { top.join(&file.inside) }
        };
        // For each object the files that change, with what they become links to.
        let mut plan: BTreeMap<usize, Vec<(&Found, &Found)>> = BTreeMap::new();
        for group in files.chunk_by(|a, b| (a.size, a.executable) == (b.size, b.executable)) {
            if group.first().map(|file| file.inode) == group.last().map(|file| file.inode) {
                continue;
            }
            let mut first: BTreeMap<Digest, &Found> = BTreeMap::new();
            let mut known: Option<(u64, Digest)> = None;
            for file in group {
                let digest = match known {
                    Some((inode, digest)) if inode == file.inode => digest,
                    _ => match hash(&place(file), &self.cancel)? {
                        Some(digest) => digest,
                        None => continue,
                    },
                };
                known = Some((file.inode, digest));
                let leader = *first.entry(digest).or_insert(file);
                if leader.inode != file.inode {
                    plan.entry(file.object).or_default().push((file, leader));
                }
            }
        }
        for (object, changes) in plan {
            self.cancel.check()?;
            self.link(&objects[object], &changes, &place, dry_run, &mut report)?;
        }
        Ok(report)
    }

    /// Replaces files of one object.
    fn link(
        &self,
        object: &StorePath,
        changes: &[(&Found, &Found)],
        place: &impl Fn(&Found) -> PathBuf,
        dry_run: bool,
        report: &mut OptimiseReport,
    ) -> Result<()> {
        let mut commit = self.commit()?;
        if !commit.index.has(object)? {
            return Ok(());
        }
        if !dry_run {
            commit.begin_mending(object)?;
        }
        for (file, leader) in changes {
            if dry_run || link_one(&place(leader), &place(file), self.layout.objects().as_path())? {
                report.files += 1;
                report.bytes += file.size;
            }
        }
        if dry_run { Ok(()) } else { commit.end() }
    }
}

/// Lists the regular files that have a byte. False where the object has to stay as it is, because it
/// has the name that new links take.
fn collect(
    at: &Path,
    inside: &mut PathBuf,
    object: usize,
    depth: usize,
    files: &mut Vec<Found>,
) -> Result<bool> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep { path: at.to_owned(), limit: MAX_DEPTH });
    }
    let metadata = match fs::symlink_metadata(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other.at("look at", at)?,
    };
    if metadata.is_dir() {
        for name in disk::list(at)? {
            inside.push(&name);
            let usable =
                name != FRESH && collect(&at.join(&name), inside, object, depth + 1, files)?;
            inside.pop();
            if !usable {
                return Ok(false);
            }
        }
    } else if metadata.is_file() && metadata.len() > 0 {
        files.push(Found {
            size: metadata.len(),
            executable: metadata.mode() & 0o100 != 0,
            inode: metadata.ino(),
            object,
            inside: inside.clone(),
        });
    }
    Ok(true)
}

/// Digest of a file; nothing where it is gone.
fn hash(path: &Path, cancel: &Cancel) -> Result<Option<Digest>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.at("open", path)?,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(cancel.stopping(file)).at("read", path)?;
    Ok(Some(Digest(*hasher.finalize().as_bytes())))
}

/// Makes a file a link to another one. False where that one is gone, or has as many links as the
/// file system allows.
fn link_one(leader: &Path, file: &Path, objects: &Path) -> Result<bool> {
    let Some(folder) = file.parent() else { return Ok(false) };
    let fresh = folder.join(FRESH);
    if folder == objects {
        // The object is a file itself, and its folder stays as it is.
        return link_in(leader, file, &fresh);
    }
    let opened = File::open(folder).at("open", folder)?;
    fchmod(&opened, Mode::from_raw_mode(OPEN)).at("change the permissions of", folder)?;
    let linked = link_in(leader, file, &fresh);
    fchmod(&opened, Mode::from_raw_mode(0o555)).at("change the permissions of", folder)?;
    futimens(&opened, &tree::store_times()).at("set the time of", folder)?;
    linked
}

fn link_in(leader: &Path, file: &Path, fresh: &Path) -> Result<bool> {
    match fs::hard_link(leader, fresh) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::TooManyLinks
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::CrossesDevices
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(Error::io("link", file, error)),
    }
    let renamed = fs::rename(fresh, file).at("link", file);
    if renamed.is_err() {
        // The error says more than that of the clean-up.
        let _ = fs::remove_file(fresh);
    }
    renamed.map(|()| true)
}

/// Takes away what a kill has left in an object, and restores its directories.
pub(crate) fn mend(top: &Path) -> Result<()> {
    match fs::symlink_metadata(top) {
        Ok(metadata) if metadata.is_dir() => {}
        // A file itself: the new link lay beside it.
        _ => return top.parent().map_or(Ok(()), |f| disk::remove_if_there(&f.join(FRESH))),
    }
    let mut waiting = vec![top.to_owned()];
    while let Some(folder) = waiting.pop() {
        for name in disk::list(&folder)? {
            let path = folder.join(&name);
            let is_folder = fs::symlink_metadata(&path).at("look at", &path)?.is_dir();
            match is_folder {
                true => waiting.push(path),
                // Directories that hold one were left writable.
                false if name == FRESH => disk::remove_if_there(&path)?,
                false => {}
            }
        }
        let opened = File::open(&folder).at("open", &folder)?;
        let metadata = opened.metadata().at("look at", &folder)?;
        if metadata.mode() & 0o7777 != 0o555 || metadata.mtime() != 1 {
            fchmod(&opened, Mode::from_raw_mode(0o555)).at("change the permissions of", &folder)?;
            futimens(&opened, &tree::store_times()).at("set the time of", &folder)?;
        }
    }
    Ok(())
}
