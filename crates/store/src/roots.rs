//! Roots: symbolic links that keep objects from being collected.
//!
//! `roots/<name>` either points to an object directly, or to a symbolic link elsewhere (such as
//! `result`) that does. The second kind ends when that link is removed or points elsewhere.
//! A regular file `roots/while-<digest>` keeps several objects while another file exists.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cbuild_drv::{Digest, StorePath};

use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::layout::Layout;
use crate::store::Store;
use crate::types::Root;

impl Store {
    /// Makes a symbolic link to an object (such as `result`) and registers it as a root.
    /// An existing symbolic link is replaced, anything else refused.
    ///
    /// # Errors
    /// [`Error::NotInStore`] and [`Error::RootTaken`].
    pub fn add_root(&self, link: &Path, path: &StorePath) -> Result<()> {
        // From here until the link is registered, the object is kept by this process.
        if !self.protect(std::slice::from_ref(path))?.is_empty() {
            return Err(Error::NotInStore { path: path.clone() });
        }
        let link = absolute(link)?;
        match fs::symlink_metadata(&link) {
            Ok(metadata) if !metadata.is_symlink() => return Err(Error::RootTaken { path: link }),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("look at", &link, error));
            }
            _ => {}
        }
        replace_link(&self.layout.object(path), &link)?;
        if link.parent() == Some(&self.layout.roots()) {
            return Ok(());
        }
        let name = format!("link-{}", Digest::of(link.as_os_str().as_bytes()));
        replace_link(&link, &self.layout.roots().join(name))
    }

    /// Keeps objects from collection while a file exists, such as the one that names them as
    /// required. Replaces what was kept for that file before; the same again costs one look.
    ///
    /// # Errors
    /// [`Error::NotInStore`].
    pub fn keep_while(&self, owner: &Path, paths: &BTreeSet<StorePath>) -> Result<()> {
        let owner = absolute(owner)?;
        let name = format!("while-{}", Digest::of(owner.as_os_str().as_bytes()));
        let place = self.layout.roots().join(name);
        let text = encode_set(&owner, paths);
        if disk::read_if_there(&place)?.is_some_and(|known| known == text) {
            return Ok(());
        }
        let all: Vec<StorePath> = paths.iter().cloned().collect();
        if let Some(path) = self.protect(&all)?.into_iter().next() {
            return Err(Error::NotInStore { path });
        }
        let mut staging = self.staging()?;
        let fresh = staging.place("roots");
        disk::write_durably(&fresh, &text)?;
        fs::rename(&fresh, &place).at("write", &place)
    }

    /// Ends a root: removes its entry in the store and, where that is a link to the store, the
    /// link itself. Gives what it kept; nothing when there is no such root.
    pub fn remove_root(&self, link: &Path) -> Result<Vec<Root>> {
        let link = absolute(link)?;
        let mut removed = Vec::new();
        for (entry, roots) in entries(&self.layout)? {
            if roots.iter().any(|root| root.link == link) {
                disk::remove_if_there(&entry)?;
                if !is_set(&entry) && read_link(&link)?.is_some() {
                    disk::remove_if_there(&link)?;
                }
                removed.extend(roots);
            }
        }
        Ok(removed)
    }

    /// All living roots, ordered by link. Links that are gone or point elsewhere are left out.
    pub fn roots(&self) -> Result<Vec<Root>> {
        let mut roots: Vec<Root> =
            entries(&self.layout)?.into_iter().flat_map(|(_, roots)| roots).collect();
        roots.sort();
        Ok(roots)
    }
}

/// First line of a set of roots, with its format version.
const SET: &str = "cbuild-roots 1";

/// Longest set of roots that is read, in bytes.
const MAX_SET: u64 = 64 << 20;

fn encode_set(owner: &Path, paths: &BTreeSet<StorePath>) -> Vec<u8> {
    let mut bytes = format!("{SET}\n").into_bytes();
    for path in paths {
        bytes.extend(format!("{}\n", path.base_name()).bytes());
    }
    // Last, because a path may hold any byte but zero, even a line's end.
    bytes.extend(b"while ");
    bytes.extend(owner.as_os_str().as_bytes());
    bytes
}

fn is_set(entry: &Path) -> bool {
    entry.file_name().is_some_and(|name| name.as_bytes().starts_with(b"while-"))
}

/// What a set keeps now: nothing when its owner is gone or it is not understood.
fn read_set(place: &Path) -> Result<Vec<Root>> {
    match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_SET => {}
        _ => return Ok(Vec::new()),
    }
    let Some(bytes) = disk::read_if_there(place)? else { return Ok(Vec::new()) };
    let mut rest = bytes.as_slice();
    let mut paths = Vec::new();
    let owner = loop {
        if let Some(owner) = rest.strip_prefix(b"while ") {
            break PathBuf::from(OsStr::from_bytes(owner));
        }
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let line = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        match StorePath::parse(line) {
            Ok(path) => paths.push(path),
            Err(_) if line == SET && paths.is_empty() => {}
            Err(_) => return Ok(Vec::new()),
        }
        rest = &rest[end + 1..];
    };
    let gone = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    if fs::symlink_metadata(&owner).is_err_and(|error| gone.contains(&error.kind())) {
        return Ok(Vec::new());
    }
    Ok(paths.into_iter().map(|path| Root { link: owner.clone(), path }).collect())
}

/// The entries of `roots/`, each with the living roots that it stands for.
pub(crate) fn entries(layout: &Layout) -> Result<Vec<(PathBuf, Vec<Root>)>> {
    let mut entries = Vec::new();
    for name in disk::list(&layout.roots())? {
        let entry = layout.roots().join(&name);
        let Some(target) = read_link(&entry)? else {
            if is_set(&entry) {
                entries.push((entry.clone(), read_set(&entry)?));
            }
            continue;
        };
        let root = match object_of(layout, &target) {
            Some(path) => Some(Root { link: entry.clone(), path }),
            None => read_link(&target)?
                .and_then(|place| object_of(layout, &place))
                .map(|path| Root { link: target, path }),
        };
        entries.push((entry, root.into_iter().collect()));
    }
    Ok(entries)
}

/// The object that a link target names: its top, or something inside it.
fn object_of(layout: &Layout, target: &Path) -> Option<StorePath> {
    let below = target
        .strip_prefix(layout.objects())
        .or_else(|_| target.strip_prefix(cbuild_drv::STORE_DIR))
        .ok()?;
    StorePath::parse(below.components().next()?.as_os_str().to_str()?).ok()
}

fn read_link(path: &Path) -> Result<Option<PathBuf>> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        // Absent, not a link, or below something that is not a folder any more.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("read the link", path, error)),
    }
}

/// The absolute path of a link, with its folder's symbolic links resolved.
fn absolute(link: &Path) -> Result<PathBuf> {
    let link = std::path::absolute(link).at("find", link)?;
    let (Some(folder), Some(name)) = (link.parent(), link.file_name()) else {
        return Err(Error::RootTaken { path: link });
    };
    Ok(folder.canonicalize().at("find", folder)?.join(name))
}

/// Puts a symbolic link in place, atomically.
fn replace_link(target: &Path, link: &Path) -> Result<()> {
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    disk::remove_if_there(&fresh)?;
    symlink(target, &fresh).at("create the link", &fresh)?;
    fs::rename(&fresh, link).at("create the link", link)
}
