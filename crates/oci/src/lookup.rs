//! Paths as the image will see them, and the files on the host behind them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cbuild_drv::{STORE_DIR, StorePath};

use crate::contents::Contents;

/// Symbolic links that are followed for one path, as in the Linux kernel.
const MAX_LINKS: usize = 40;

/// The file on the host behind the program `path` of the image.
pub(crate) fn executable(contents: &Contents, path: &[u8]) -> Result<PathBuf, String> {
    let (physical, metadata) = resolve(contents, path)?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.permissions().mode() & 0o100 == 0 {
        return Err("is not executable".to_owned());
    }
    Ok(physical)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = OsString> {
    path.split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(|part| OsString::from_vec(part.to_vec()))
}

/// Follows `path` inside the image to a file on the host, or says why there is none.
pub(crate) fn resolve(contents: &Contents, path: &[u8]) -> Result<(PathBuf, Metadata), String> {
    if path.first() != Some(&b'/') {
        return Err("is not an absolute path".to_owned());
    }
    let mut pending: VecDeque<OsString> = components(path).collect();
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = pending.pop_front() {
        if part == ".." {
            done.pop();
            continue;
        }
        done.push(part);
        let Some(physical) = physical(contents, &done)? else { continue };
        let metadata = physical.symlink_metadata().map_err(|_| missing())?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err("is a loop of symbolic links".to_owned());
            }
            let target = physical.read_link().map_err(|_| missing())?.into_os_string();
            done.pop();
            if target.as_bytes().first() == Some(&b'/') {
                done.clear();
            }
            components(target.as_bytes()).rev().for_each(|part| pending.push_front(part));
        }
    }
    let physical = physical(contents, &done)?.ok_or_else(missing)?;
    let metadata = physical.symlink_metadata().map_err(|_| missing())?;
    Ok((physical, metadata))
}

fn missing() -> String {
    "does not exist in the image".to_owned()
}

/// Host path of the image path `parts`; `None` for the folders above the store objects.
fn physical(contents: &Contents, parts: &[OsString]) -> Result<Option<PathBuf>, String> {
    let mut store = components(STORE_DIR.as_bytes());
    let mut parts = parts.iter();
    for expected in store.by_ref() {
        match parts.next() {
            None => return Ok(None),
            Some(part) if *part == expected => {}
            Some(_) => return Err(missing()),
        }
    }
    let Some(base) = parts.next() else { return Ok(None) };
    let object = base.to_str().and_then(|base| StorePath::parse(base).ok());
    let object = object.and_then(|path| contents.objects.get(&path)).ok_or_else(missing)?;
    let mut path = object.physical.clone();
    path.extend(parts.map(|part| -> &OsStr { part }));
    Ok(Some(path))
}
