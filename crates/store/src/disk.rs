//! Plain file operations that carry their path in every error.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::cancel::Cancel;
use crate::error::{Error, IoContext, Result};

/// Names in a folder, sorted; an absent folder has none.
#[expect(clippy::disallowed_methods, reason = "the names are sorted")]
pub(crate) fn list(folder: &Path) -> Result<Vec<OsString>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read the folder", folder, error)),
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.at("read the folder", folder)?;
    names.sort();
    Ok(names)
}

/// Whether something is there; a symbolic link is not followed.
pub(crate) fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// The bytes of a small file; `None` when it is absent.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Writes a new small file and waits until it is on disk.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    file.sync_data().at("write", path)
}

/// Removes a file if it is there.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner can look into.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Moves a tree to a place where nothing is. What an overlay has in a lower layer is moved file by file.
pub(crate) fn move_tree(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices && from.is_dir() => {}
        other => return other.at("move", from),
    }
    fs::create_dir(to).at("create the folder", to)?;
    unlock_if_locked(from)?;
    for name in list(from)? {
        move_tree(&from.join(&name), &to.join(&name))?;
    }
    fs::remove_dir(from).at("remove", from)
}

/// Removes a tree of any depth and with any permissions; an absent one is fine.
///
/// Nested directories are moved up to the top before they are emptied, so neither recursion nor
/// the length of a path grows with the depth that a builder has chosen.
pub(crate) fn remove_tree(top: &Path) -> Result<()> {
    remove_tree_unless(top, &Cancel::default())
}

/// As [`remove_tree`]; the caller can stop it, and then the rest stays.
pub(crate) fn remove_tree_unless(top: &Path, cancel: &Cancel) -> Result<()> {
    match fs::symlink_metadata(top) {
        Ok(metadata) if !metadata.is_dir() => return remove_if_there(top),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("look at", top, error)),
    }
    unlock_if_locked(top)?;
    let mut moved = 0u64;
    let mut waiting: Vec<PathBuf> = Vec::new();
    for (path, is_dir) in entries(top)? {
        cancel.check()?;
        if is_dir {
            waiting.push(path);
        } else {
            remove_if_there(&path)?;
        }
    }
    while let Some(folder) = waiting.pop() {
        unlock_if_locked(&folder)?;
        for (path, is_dir) in entries(&folder)? {
            cancel.check()?;
            if !is_dir {
                remove_if_there(&path)?;
                continue;
            }
            // Most directories that are removed here are empty: mount points of inputs.
            if fs::remove_dir(&path).is_ok() {
                continue;
            }
            // A directory can only be moved to another parent by one who may write to it.
            unlock_if_locked(&path)?;
            let target = loop {
                moved += 1;
                let target = top.join(format!(".removed-{moved}"));
                if !exists(&target)? {
                    break target;
                }
            };
            match fs::rename(&path, &target) {
                Ok(()) => waiting.push(target),
                // An overlay does not move what is in a lower layer.
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    remove_in_place(&path)?;
                }
                Err(error) => return Err(Error::io("remove", &path, error)),
            }
        }
        fs::remove_dir(&folder).at("remove", &folder)?;
    }
    fs::remove_dir(top).at("remove", top)
}

/// Removes a tree whose directories cannot be moved. They are those of an object, so that their paths
/// are not longer than the system takes.
fn remove_in_place(top: &Path) -> Result<()> {
    let mut waiting = vec![(top.to_owned(), false)];
    while let Some((folder, is_empty)) = waiting.pop() {
        if is_empty {
            fs::remove_dir(&folder).at("remove", &folder)?;
            continue;
        }
        unlock_if_locked(&folder)?;
        waiting.push((folder.clone(), true));
        for (path, is_dir) in entries(&folder)? {
            match is_dir {
                true => waiting.push((path, false)),
                false => remove_if_there(&path)?,
            }
        }
    }
    Ok(())
}

/// What is in a folder, in no order, and whether it is a directory; an absent folder has nothing.
#[expect(clippy::disallowed_methods, reason = "for what is done to all, in whatever order")]
pub(crate) fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let read = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))))
            .collect()
    });
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.at("read the folder", folder),
    }
}

/// Lets the owner list and change a directory. A look is much cheaper than a change, which the file
/// system has to write down.
fn unlock_if_locked(path: &Path) -> Result<()> {
    let mode = fs::symlink_metadata(path).at("look at", path)?.permissions().mode();
    if mode & 0o700 == 0o700 { Ok(()) } else { unlock_dir(path) }
}

/// Lets the owner list and change a directory.
pub(crate) fn unlock_dir(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700)).at("change the permissions of", path)
}
