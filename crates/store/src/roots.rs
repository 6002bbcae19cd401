//! Roots: symbolic links that keep objects from being collected.
//!
//! `roots/<name>` either points to an object directly, or to a symbolic link elsewhere (such as
//! `result`) that does. The second kind ends when that link is removed or points elsewhere.

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

    /// All living roots, ordered by link. Links that are gone or point elsewhere are left out.
    pub fn roots(&self) -> Result<Vec<Root>> {
        let mut roots: Vec<Root> =
            entries(&self.layout)?.into_iter().filter_map(|(_, root)| root).collect();
        roots.sort();
        Ok(roots)
    }
}

/// The entries of `roots/`, each with the root that it stands for, if that lives.
pub(crate) fn entries(layout: &Layout) -> Result<Vec<(PathBuf, Option<Root>)>> {
    let mut entries = Vec::new();
    for name in disk::list(&layout.roots())? {
        let entry = layout.roots().join(name);
        let Some(target) = read_link(&entry)? else { continue };
        let root = match object_of(layout, &target) {
            Some(path) => Some(Root { link: entry.clone(), path }),
            None => read_link(&target)?
                .and_then(|place| object_of(layout, &place))
                .map(|path| Root { link: target, path }),
        };
        entries.push((entry, root));
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
