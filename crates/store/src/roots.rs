//! Roots: symbolic links that keep objects from being collected.
//!
//! `roots/<name>` either points to an object directly, or to a symbolic link elsewhere (such as
//! `result`) that does. The second kind ends when that link is removed or points elsewhere. What a link
//! leads to is known by the name of the object in its target, however the rest is spelled.
//! A regular file `roots/while-<digest>` keeps several objects while another file exists.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use cbuild_drv::{Digest, StorePath};

use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::layout::Layout;
use crate::store::Store;
use crate::types::{EndedRoot, Root};

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
        if link.parent() == Some(&self.layout.roots()) {
            return replace_link(&self.layout.object(path), &link);
        }
        let name = format!("link-{}", Digest::of(link.as_os_str().as_bytes()));
        let entry = self.layout.roots().join(name);
        // The entry first: where it cannot be made, no link shall stand that keeps nothing.
        replace_link(&link, &entry)?;
        replace_link(&self.layout.object(path), &link)?;
        // A collection may have taken the entry away, as its link was not there yet.
        if fs::symlink_metadata(&entry).is_err() {
            replace_link(&link, &entry)?;
        }
        Ok(())
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
        for Entry { place, roots, .. } in entries(&self.layout)? {
            if roots.iter().any(|root| root.link == link) {
                disk::remove_if_there(&place)?;
                if !is_set(&place) && read_link(&link)?.is_some() {
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
            entries(&self.layout)?.into_iter().flat_map(|entry| entry.roots).collect();
        roots.sort();
        Ok(roots)
    }
}

/// An entry of `roots/`.
pub(crate) struct Entry {
    /// Where the entry is.
    pub(crate) place: PathBuf,
    /// The living roots that it stands for.
    pub(crate) roots: Vec<Root>,
    /// Where there are none: what the entry was for, and why that is no root.
    pub(crate) ended: Option<EndedRoot>,
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

/// What a set keeps now, or its owner, as far as that is known, and why it keeps nothing.
fn read_set(place: &Path) -> Result<std::result::Result<Vec<Root>, EndedRoot>> {
    let unreadable = || EndedRoot {
        link: place.to_owned(),
        reason: "it is no list of objects that this cbuild understands".to_owned(),
    };
    match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_SET => {}
        _ => return Ok(Err(unreadable())),
    }
    let Some(bytes) = disk::read_if_there(place)? else { return Ok(Ok(Vec::new())) };
    let Some((owner, paths)) = decode_set(&bytes) else { return Ok(Err(unreadable())) };
    let gone = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    if fs::symlink_metadata(&owner).is_err_and(|error| gone.contains(&error.kind())) {
        return Ok(Err(EndedRoot { link: owner, reason: GONE.to_owned() }));
    }
    Ok(Ok(paths.into_iter().map(|path| Root { link: owner.clone(), path }).collect()))
}

fn decode_set(bytes: &[u8]) -> Option<(PathBuf, Vec<StorePath>)> {
    let mut rest = bytes;
    let mut paths = Vec::new();
    loop {
        if let Some(owner) = rest.strip_prefix(b"while ") {
            return Some((PathBuf::from(OsStr::from_bytes(owner)), paths));
        }
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        match StorePath::parse(line) {
            Ok(path) => paths.push(path),
            Err(_) if line == SET && paths.is_empty() => {}
            Err(_) => return None,
        }
        rest = &rest[end + 1..];
    }
}

const GONE: &str = "it is gone";

/// Deepest folder below `roots/` that is looked into.
const MAX_FOLDERS: usize = 16;

/// The entries of `roots/`, and of the folders in it.
pub(crate) fn entries(layout: &Layout) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    collect(layout, &layout.roots(), 0, &mut entries)?;
    Ok(entries)
}

fn collect(layout: &Layout, folder: &Path, depth: usize, entries: &mut Vec<Entry>) -> Result<()> {
    for name in disk::list(folder)? {
        let place = folder.join(&name);
        let found = match read_link(&place)? {
            Some(target) => {
                // A relative target begins where the link is.
                let target = folder.join(target);
                follow_entry(layout, &place, target)?.map(|root| vec![root])
            }
            None if is_set(&place) => read_set(&place)?,
            None if depth < MAX_FOLDERS && place.is_dir() => {
                collect(layout, &place, depth + 1, entries)?;
                continue;
            }
            None => continue,
        };
        let (roots, ended) = match found {
            Ok(roots) => (roots, None),
            Err(ended) => (Vec::new(), Some(ended)),
        };
        entries.push(Entry { place, roots, ended });
    }
    Ok(())
}

/// The root that an entry stands for: itself, or the link that it points to.
fn follow_entry(
    layout: &Layout,
    entry: &Path,
    target: PathBuf,
) -> Result<std::result::Result<Root, EndedRoot>> {
    if let Some((path, links)) = leads_to(layout, &target)? {
        let link = if links == 0 { entry.to_owned() } else { absolute(&target).unwrap_or(target) };
        return Ok(Ok(Root { link, path }));
    }
    let reason = match read_link(&target)? {
        Some(elsewhere) => {
            format!("it points to `{}`, which is no object of this store", elsewhere.display())
        }
        None if disk::exists(&target).unwrap_or(false) => "it is no link any more".to_owned(),
        None => GONE.to_owned(),
    };
    Ok(Err(EndedRoot { link: target, reason }))
}

/// Longest chain of links that is followed; the kernel's limit.
const MAX_LINKS: usize = 40;

/// The object of this store that a path leads to, the object itself or something in it, and the number of
/// links that were followed. The store may be spelled in any way, or be mounted elsewhere; where it was
/// moved, only the name of the object counts.
pub(crate) fn leads_to(layout: &Layout, path: &Path) -> Result<Option<(StorePath, usize)>> {
    let (mut at, mut by_name) = (path.to_owned(), None);
    for links in 0..MAX_LINKS {
        match named_in(layout, &at)? {
            Some((object, true)) => return Ok(Some((object, links))),
            // Folders that hold a link may be called anything.
            Some((object, false)) if links > 0 || is_in_store(&at, &object) => {
                by_name = Some((object, links));
            }
            _ => {}
        }
        let Some(target) = read_link(&at)? else { break };
        // A relative target begins where the link is; an absolute one takes its place.
        at = at.parent().unwrap_or(Path::new("/")).join(target);
    }
    // A folder in between may be a link.
    if let Ok(found) = path.canonicalize()
        && let Some((object, true)) = named_in(layout, &found)?
    {
        return Ok(Some((object, 1)));
    }
    Ok(by_name)
}

/// The first object that a component of a path names, and whether it is in the folder of this store's
/// objects. One that is elsewhere counts if this store has it as well.
fn named_in(layout: &Layout, path: &Path) -> Result<Option<(StorePath, bool)>> {
    let (mut before, mut elsewhere) = (PathBuf::new(), None);
    for part in path.components() {
        let object = part.as_os_str().to_str().and_then(|name| StorePath::parse(name).ok());
        if let Some(object) = object {
            if is_objects(layout, &before) {
                return Ok(Some((object, true)));
            }
            if elsewhere.is_none() && disk::exists(&layout.object(&object))? {
                elsewhere = Some((object, false));
            }
        }
        before.push(part);
    }
    Ok(elsewhere)
}

/// Whether a folder is that of this store's objects.
fn is_objects(layout: &Layout, folder: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let objects = layout.objects();
    folder == objects
        || folder == Path::new(cbuild_drv::STORE_DIR)
        || identity(folder).is_some_and(|found| identity(&objects) == Some(found))
}

/// Whether the component that names an object stands below one that is called as the folder of objects.
fn is_in_store(path: &Path, object: &StorePath) -> bool {
    let name = object.base_name();
    path.ancestors().any(|part| {
        part.ends_with(&name) && part.parent().is_some_and(|folder| folder.ends_with("store"))
    })
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
