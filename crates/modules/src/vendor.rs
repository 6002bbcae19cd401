//! Copies of the pinned modules below `vendor/`, from which they are then read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cbuild_store::Cancel;

use crate::error::Error;
use crate::names::{ModulePath, ModuleVersion};
use crate::workspace::Workspace;
use crate::{MANIFEST_FILE, VENDOR_FOLDER};

/// Deepest nesting of folders that is copied.
const MAX_DEPTH: usize = 256;

/// The vendored copy of a module, if there is one.
pub(crate) fn folder_of(root: &Path, path: &ModulePath) -> Option<PathBuf> {
    let folder = root.join(VENDOR_FOLDER).join(path.as_str());
    folder.join(MANIFEST_FILE).is_file().then_some(folder)
}

impl Workspace<'_> {
    /// Replaces `vendor/` by copies of all pinned modules, and returns their folders. With nothing to
    /// copy, the folder is removed.
    ///
    /// # Errors
    /// As of [`Workspace::load`]; [`Error::Io`].
    pub fn vendor(&self) -> Result<Vec<PathBuf>, Error> {
        let vendor = self.root.join(VENDOR_FOLDER);
        let aside = self.root.join(format!("{VENDOR_FOLDER}.{}.part", std::process::id()));
        let old = self.root.join(format!("{VENDOR_FOLDER}.{}.old", std::process::id()));
        // The old copies must not be what the new ones are made from: they may have been changed.
        let moved = vendor.symlink_metadata().is_ok();
        if moved {
            fs::rename(&vendor, &old).map_err(Error::io("move", &vendor))?;
        }
        let made = self.copies(&aside);
        let placed = made.and_then(|folders| {
            if !folders.is_empty() {
                fs::rename(&aside, &vendor).map_err(Error::io("write", &vendor))?;
            }
            Ok(folders)
        });
        if placed.is_err() {
            let _ = fs::remove_dir_all(&aside);
            if moved {
                fs::rename(&old, &vendor).map_err(Error::io("move back", &vendor))?;
            }
        } else if moved {
            fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        }
        let folders = placed?;
        Ok(folders.iter().map(|path| vendor.join(path.as_str())).collect())
    }

    fn copies(&self, to: &Path) -> Result<Vec<ModulePath>, Error> {
        self.load()?;
        let lock = self.lock_file()?.unwrap_or_default();
        let mut made = Vec::new();
        for (path, entry) in &lock.entries {
            let module = ModuleVersion { path: path.clone(), version: entry.version.clone() };
            let from = self.pinned(&module, entry)?;
            let target = to.join(path.as_str());
            if let Some(above) = target.parent() {
                fs::create_dir_all(above).map_err(Error::io("create", above))?;
            }
            copy(&from, &target, 0, &|_| true, self.means.store.cancel())?;
            made.push(path.clone());
        }
        Ok(made)
    }
}

/// Copies a tree: kinds, contents and executable bits. `wanted` decides on the entries at the top;
/// `cancel` is looked at before each.
#[expect(clippy::disallowed_methods, reason = "the order in which files are copied shows nowhere")]
pub(crate) fn copy(
    from: &Path,
    to: &Path,
    depth: usize,
    wanted: &dyn Fn(&str) -> bool,
    cancel: &Cancel,
) -> Result<(), Error> {
    cancel.check()?;
    let failed = || Error::io("read", from);
    let metadata = fs::symlink_metadata(from).map_err(failed())?;
    if metadata.is_symlink() {
        let target = fs::read_link(from).map_err(failed())?;
        return symlink(target, to).map_err(Error::io("create", to));
    }
    if metadata.is_file() {
        let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        return fs::copy(from, to)
            .and_then(|_| fs::set_permissions(to, Permissions::from_mode(mode)))
            .map_err(Error::io("write", to));
    }
    if !metadata.is_dir() || depth > MAX_DEPTH {
        let why =
            if depth > MAX_DEPTH { "it is nested too deeply" } else { "it is a special file" };
        return Err(failed()(std::io::Error::other(why)));
    }
    fs::create_dir(to).map_err(Error::io("create", to))?;
    for entry in fs::read_dir(from).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        if depth > 0 || name.to_str().is_none_or(wanted) {
            copy(&from.join(&name), &to.join(&name), depth + 1, wanted, cancel)?;
        }
    }
    Ok(())
}
