//! Files that come from outside of a package: archives, and the files of modules.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use cbuild_diag::{SourceId, Sources};
use cbuild_fetch::{Limits, unpack};
use cbuild_modules::{Lock, Manifest};

/// Most bytes and entries that an archive may have here.
const BYTES: u64 = 1 << 20;
const ENTRIES: u64 = 1000;

/// An archive is refused, and nothing of it stays, or it becomes a tree of plain files, folders and
/// links. Nothing is written beside that tree.
pub fn archive(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let (file, into) = (place.path().join("archive"), place.path().join("tree"));
    fs::write(&file, bytes).unwrap();
    let limits = Limits { unpacked_bytes: BYTES, entries: ENTRIES, ..Limits::default() };
    match unpack(&file, &into, 0, "the archive", &limits) {
        Ok(()) => plain(&into),
        Err(error) => {
            assert!(error.code().starts_with("E07"), "{error}");
            assert!(fs::symlink_metadata(&into).is_err(), "part of a refused archive is there");
        }
    }
    let mut beside: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    beside.retain(|name| name != "archive" && name != "tree");
    assert!(beside.is_empty(), "{beside:?} is beside the tree");
}

fn plain(path: &Path) {
    let data = fs::symlink_metadata(path).unwrap();
    let kind = data.file_type();
    let special =
        kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device();
    assert!(!special, "{path:?} is no file, folder or link");
    assert!(kind.is_symlink() || data.permissions().mode() & 0o7000 == 0, "{path:?} is privileged");
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            plain(&entry.unwrap().path());
        }
    }
}

/// A text as `cbuild.mod` and as `cbuild.lock`: problems have codes, places in the text and fixes, and a
/// lock that is read without one is what its text says.
pub fn module_files(text: &str) {
    let mut sources = Sources::default();
    let source: SourceId = sources.add("module", text);
    let (manifest, mut problems) = Manifest::parse(source, text);
    assert!(manifest.is_some() || !problems.is_empty(), "neither a manifest nor a problem");
    let (lock, in_lock) = Lock::parse(source, text);
    if in_lock.is_empty() {
        let again = lock.to_text();
        let (read, none) = Lock::parse(source, &again);
        assert_eq!((read, none), (lock, vec![]), "a lock is not what it was written as");
    }
    problems.extend(in_lock);
    for problem in problems {
        assert!(problem.help.is_some(), "{} has no fix", problem.code);
        for label in &problem.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(start <= end && end <= text.len(), "{} points outside", problem.code);
        }
    }
}
