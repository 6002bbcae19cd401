//! How much disk space folders take that a hostile builder changes meanwhile.
//!
//! Names are looked up from the folder that was opened last, never through a symlink and never by way
//! of `..`, so that no change leads out of the folders, and no path is too long for the kernel.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

/// Unit of the number of blocks of a file, and the least that anything takes: an empty file has no
/// block, but a place in the file system's table of files, and a name.
const BLOCK: u64 = 512;

/// Names of at most 255 bytes that can follow each other in one path.
const MAX_NAMES: usize = 15;

/// Deepest folder that is looked into. Nobody needs that; what is deeper counts as too much.
const MAX_DEPTH: usize = 4096;

/// A folder that waits to be looked into.
struct Waiting {
    /// An opened folder above.
    above: Rc<OwnedFd>,
    /// The names below that.
    names: PathBuf,
    /// The number of those names, and of all.
    count: usize,
    depth: usize,
}

/// Bytes that folders take on disk; stops counting beyond `enough`. What vanishes meanwhile or
/// cannot be read counts nothing.
pub(crate) fn taken(folders: &[PathBuf], enough: u64) -> u64 {
    let mut open = Vec::new();
    for folder in folders {
        if let Ok(top) = rustix::fs::openat(CWD, folder, FOLDER, Mode::empty()) {
            open.push(Waiting { above: Rc::new(top), names: ".".into(), count: 1, depth: 1 });
        }
    }
    let mut bytes = 0_u64;
    while let Some(folder) = open.pop() {
        bytes = bytes.saturating_add(folder.look_into(&mut open));
        if bytes > enough {
            break;
        }
    }
    bytes
}

/// Whether a number of a device is that of a file system with one of the folders.
pub(crate) fn devices(folders: &[PathBuf]) -> Vec<u64> {
    folders.iter().filter_map(|folder| Some(rustix::fs::stat(folder).ok()?.st_dev)).collect()
}

/// The space of a file; one with several names counts in parts.
pub(crate) fn space(file: &Stat) -> u64 {
    let whole = u64::try_from(file.st_blocks).unwrap_or(0).saturating_mul(BLOCK).max(BLOCK);
    match FileType::from_raw_mode(file.st_mode) {
        FileType::Directory => whole,
        _ => whole / u64::from(file.st_nlink as u32).max(1),
    }
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

impl Waiting {
    /// The space of what is in it; the folders among that are added to those that wait.
    fn look_into(self, waiting: &mut Vec<Waiting>) -> u64 {
        if self.depth > MAX_DEPTH {
            return u64::MAX;
        }
        let inside =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(&*self.above, &self.names, FOLDER, Mode::empty(), inside);
        let Ok(opened) = opened.map(Rc::new) else { return 0 };
        let Ok(entries) = Dir::read_from(&*opened) else { return 0 };
        let mut bytes = 0_u64;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let found = rustix::fs::statat(&*opened, name, AtFlags::SYMLINK_NOFOLLOW);
            let Ok(found) = found else { continue };
            bytes = bytes.saturating_add(space(&found));
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                waiting.push(self.below(&opened, name.to_bytes()));
            }
        }
        bytes
    }

    /// A folder in this one, which is opened.
    fn below(&self, opened: &Rc<OwnedFd>, name: &[u8]) -> Waiting {
        let name = Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
        let depth = self.depth + 1;
        match self.count < MAX_NAMES {
            true => {
                let (above, names) = (Rc::clone(&self.above), self.names.join(name));
                Waiting { above, names, count: self.count + 1, depth }
            }
            false => Waiting { above: Rc::clone(opened), names: name.to_owned(), count: 1, depth },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_counted_once_for_all_names() {
        let folder = tempfile::tempdir().unwrap();
        let place = [folder.path().to_owned()];
        let empty = taken(&place, u64::MAX);
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/file"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(folder.path().join("a/file"), folder.path().join("name")).unwrap();
        let found = taken(&place, u64::MAX) - empty;
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&found), "{found}");
        assert_eq!(taken(&[folder.path().join("none")], 0), 0);
    }

    #[test]
    fn links_lead_nowhere_and_depth_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = [folder.path().join("in")];
        fs::create_dir(&place[0]).unwrap();
        fs::write(folder.path().join("big"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("..", place[0].join("up")).unwrap();
        assert!(taken(&place, u64::MAX) < 64 << 10);
        let mut at = rustix::fs::openat(CWD, &place[0], FOLDER, Mode::empty()).unwrap();
        for _ in 0..100 {
            rustix::fs::mkdirat(&at, "n".repeat(200), Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "n".repeat(200), FOLDER, Mode::empty()).unwrap();
        }
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let file = rustix::fs::openat(&at, "file", flags, Mode::RWXU).unwrap();
        std::io::Write::write_all(&mut fs::File::from(file), &vec![1; 1 << 20]).unwrap();
        assert!(taken(&place, u64::MAX) > 1 << 20);
    }
}
