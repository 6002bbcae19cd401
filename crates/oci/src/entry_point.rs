//! Whether the image can start at all: its program is looked up as the image will see it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cbuild_drv::image::FieldError;
use cbuild_drv::{STORE_DIR, StorePath};

use crate::contents::Contents;
use crate::error::OciError;
use crate::platform::Platform;

/// Symbolic links that are followed for one path, as in the Linux kernel.
const MAX_LINKS: usize = 40;

/// Bytes of an interpreter line that the Linux kernel reads.
const MAX_INTERPRETER_LINE: u64 = 256;

/// Scripts whose interpreter is a script, which the Linux kernel follows.
const MAX_INTERPRETERS: usize = 4;

/// Refuses a command that cannot start or is for another platform, and a working directory that is not
/// there.
pub(crate) fn check(contents: &Contents, platform: &Platform) -> Result<(), OciError> {
    let refuse = |program: &str, reason: String| OciError::EntryPoint {
        program: program.to_owned(),
        reason,
    };
    let words = &contents.document.cmd;
    let Some(program) = words.first() else {
        return Err(refuse("", "is empty: the image has no command".to_owned()));
    };
    let physical = executable(contents, program.as_bytes()).map_err(|r| refuse(program, r))?;
    if let Some(interpreter) = interpreter(&physical).map_err(OciError::reading(&physical))? {
        let shown = String::from_utf8_lossy(&interpreter).into_owned();
        executable(contents, &interpreter)
            .map_err(|r| refuse(program, format!("needs the interpreter `{shown}`, which {r}")))?;
    }
    // Words that follow may be programs too, which the first one starts.
    words.iter().try_for_each(|word| check_platform(contents, platform, word))?;
    check_workdir(contents)
}

fn check_workdir(contents: &Contents) -> Result<(), OciError> {
    let workdir = &contents.document.workdir;
    let in_store = workdir.starts_with("/cbuild/") && workdir != STORE_DIR;
    if in_store && !resolve(contents, workdir.as_bytes()).is_ok_and(|(_, meta)| meta.is_dir()) {
        let reason = "there is no such folder in the image's closure";
        let fix = "name a folder of a package of the image, or one outside /cbuild";
        return Err(FieldError::new("workdir", workdir, reason, fix).into());
    }
    Ok(())
}

/// Refuses a program of another platform that a word of the command names, itself or by the first lines of
/// scripts. A word that names no program is no concern of this.
fn check_platform(contents: &Contents, platform: &Platform, word: &str) -> Result<(), OciError> {
    let mut path = word.as_bytes().to_vec();
    for _ in 0..=MAX_INTERPRETERS {
        let Ok(physical) = executable(contents, &path) else { break };
        if let Some(found) = platform.other(&physical).map_err(OciError::reading(&physical))? {
            let file = String::from_utf8_lossy(&path).into_owned();
            return Err(OciError::Architecture {
                file,
                found,
                wanted: contents.document.system.clone(),
            });
        }
        match interpreter(&physical).map_err(OciError::reading(&physical))? {
            Some(interpreter) => path = interpreter,
            None => break,
        }
    }
    Ok(())
}

/// The file on the host behind the program `path` of the image.
fn executable(contents: &Contents, path: &[u8]) -> Result<PathBuf, String> {
    let (physical, metadata) = resolve(contents, path)?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.permissions().mode() & 0o100 == 0 {
        return Err("is not executable".to_owned());
    }
    Ok(physical)
}

/// The interpreter that a script names in its first line.
fn interpreter(physical: &std::path::Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut start = Vec::new();
    File::open(physical)?.take(MAX_INTERPRETER_LINE).read_to_end(&mut start)?;
    let Some(line) = start.strip_prefix(b"#!") else { return Ok(None) };
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
    let word = line.split(|b| matches!(b, b' ' | b'\t')).find(|word| !word.is_empty());
    Ok(word.map(<[u8]>::to_vec))
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = OsString> {
    path.split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(|part| OsString::from_vec(part.to_vec()))
}

/// Follows `path` inside the image to a file on the host, or says why there is none.
fn resolve(contents: &Contents, path: &[u8]) -> Result<(PathBuf, Metadata), String> {
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
