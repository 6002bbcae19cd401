//! Storing equal files once: later ones become hard links to the first.
//!
//! Files of the store never change, and equal ones have equal permissions and times, so two objects
//! can share one. What is to be linked is found without a lock, and looked at again under the commit
//! lock: meanwhile another process may have linked, replaced or deleted it. A new link is made in
//! scratch space and moved onto the file, so that nothing foreign is ever in an object. The directories
//! are made writable for a moment, with the object's name in the lock: after a kill the next holder
//! puts them in order.

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
use crate::store::Store;
use crate::tree::{self, MAX_DEPTH};
use crate::types::OptimiseReport;

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
        self.sweep()?;
        self.sweep_links()?;
        let objects: Vec<StorePath> = self.objects()?.into_iter().map(|info| info.path).collect();
        let mut files = Vec::new();
        for (position, path) in objects.iter().enumerate() {
            // One that was collected meanwhile has no files.
            self.cancel.check()?;
            collect(&self.layout.object(path), &mut PathBuf::new(), position, 0, &mut files)?;
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
        if dry_run {
            report.files += changes.len();
            report.bytes += changes.iter().map(|(file, _)| file.size).sum::<u64>();
            return Ok(());
        }
        let mut staging = self.staging()?;
        let fresh = staging.place("link");
        let mut commit = self.commit()?;
        if !commit.index.has(object)? {
            return Ok(());
        }
        commit.begin_mending(object)?;
        for (file, leader) in changes {
            let places = [place(leader), place(file)];
            let [from, to] = [(&*places[0], leader.inode), (&*places[1], file.inode)];
            if link_one(from, to, &fresh, &self.layout.objects())? {
                report.files += 1;
                report.bytes += file.size;
            }
        }
        commit.end()
    }
}

/// Lists the regular files that have a byte.
fn collect(
    at: &Path,
    inside: &mut PathBuf,
    object: usize,
    depth: usize,
    files: &mut Vec<Found>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep { path: at.to_owned(), limit: MAX_DEPTH });
    }
    let metadata = match fs::symlink_metadata(at) {
        // One that was collected meanwhile has no files.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.at("look at", at)?,
    };
    if metadata.is_dir() {
        for name in disk::list(at)? {
            inside.push(&name);
            let listed = collect(&at.join(&name), inside, object, depth + 1, files);
            inside.pop();
            listed?;
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
    Ok(())
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

/// Makes a file a link to another one, each given with its inode as it was read, by way of a new name
/// in scratch space. False where one of them is another file by now, or the first has as many links as
/// the file system allows.
fn link_one(
    leader: (&Path, u64),
    file: (&Path, u64),
    fresh: &Path,
    objects: &Path,
) -> Result<bool> {
    disk::remove_if_there(fresh)?;
    let Some(folder) = file.0.parent() else { return Ok(false) };
    match fs::hard_link(leader.0, fresh) {
        Ok(()) => {}
        Err(error) if is_no_link(error.kind()) => return Ok(false),
        Err(error) => return Err(Error::io("link", file.0, error)),
    }
    // A rename onto another name of the same inode does nothing and reports success.
    let is_still = |(path, inode): (&Path, u64)| inode_of(path).map(|now| now == Some(inode));
    if leader.1 == file.1 || !is_still((fresh, leader.1))? || !is_still(file)? {
        disk::remove_if_there(fresh)?;
        return Ok(false);
    }
    if folder == objects {
        // The object is a file itself, and its folder stays as it is.
        return move_onto(fresh, file.0);
    }
    let opened = File::open(folder).at("open", folder)?;
    fchmod(&opened, Mode::from_raw_mode(OPEN)).at("change the permissions of", folder)?;
    let linked = move_onto(fresh, file.0);
    fchmod(&opened, Mode::from_raw_mode(0o555)).at("change the permissions of", folder)?;
    futimens(&opened, &tree::store_times()).at("set the time of", folder)?;
    linked
}

/// Whether an error says that this file cannot be linked, and nothing of others.
fn is_no_link(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{CrossesDevices, NotFound, TooManyLinks};
    matches!(kind, NotFound | TooManyLinks | CrossesDevices)
}

fn inode_of(path: &Path) -> Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other.at("look at", path)?.ino())),
    }
}

fn move_onto(fresh: &Path, file: &Path) -> Result<bool> {
    match fs::rename(fresh, file) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            disk::remove_if_there(fresh)?;
            Ok(false)
        }
        other => other.at("link", file).map(|()| true),
    }
}
