//! File trees on disk: reading, normalising, rewriting and sealing them.
//!
//! Everything below the top is opened relative to its directory's descriptor and without
//! following symbolic links, so neither a link nor a long path leads out of the tree.

mod ingest;
mod rewrite;
mod seal;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cbuild_drv::{Digest, Tree};
use rustix::fs::{CWD, Mode, OFlags, Timespec, Timestamps, open, openat};

use crate::error::{Error, IoContext, Result};
use crate::hidden::LeftOut;
use crate::scan::WINDOW;

pub(crate) use ingest::ingest;
pub(crate) use rewrite::{rewrite, zeroed};
pub(crate) use seal::{restore, seal, seal_top};
pub(crate) use walk::{Purpose, Walk, walk, walk_metered};
use walk::{drop_attributes, kind_name};

/// Deepest nesting of directories in an object.
pub(crate) const MAX_DEPTH: usize = 256;

/// Longest path inside an object in bytes. The kernel takes paths of 4095 bytes, and the folder of the
/// store and the name of the object stand before it.
pub(crate) const MAX_PATH: usize = 3072;

/// Bytes of a path inside an object that are shown when it is too long.
const SHOWN_PATH: usize = 60;

/// Refuses a path, the first `top` bytes of which lead to the object, if the rest is too long.
fn check_length(path: &Path, top: usize) -> Result<()> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len().saturating_sub(top + 1) <= MAX_PATH {
        return Ok(());
    }
    let shown = OsStr::from_bytes(&bytes[..top + 1 + SHOWN_PATH]);
    Err(Error::LongPath { path: shown.into(), limit: MAX_PATH })
}

/// Modification time of everything in the store, in seconds since 1970.
const MTIME: i64 = 1;

/// Permissions of directories and executable files, and of other files.
const MODE_EXECUTABLE: u32 = 0o555;
const MODE_PLAIN: u32 = 0o444;

/// Place in a file or link target where an own output's digest text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) offset: u64,
    pub(crate) own: usize,
}

/// A tree as it was found on disk.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A regular file; `content` is its digest with the own output's digest text as zero bytes.
    /// One that was `rewritten`, or will be, is not in its final state before it is sealed.
    File { executable: bool, size: u64, content: Digest, hits: Vec<Hit>, rewritten: bool },
    /// A symbolic link with its target as it stands on disk.
    Symlink { target: Vec<u8>, hits: Vec<Hit> },
    /// A directory.
    Directory(BTreeMap<Vec<u8>, Node>),
}

impl Node {
    /// The tree's digest with the own digest text of output `own` as zero bytes.
    pub(crate) fn digest(&self, own: usize) -> Digest {
        self.to_tree(own).digest()
    }

    /// The tree with the own digest text of output `own` as zero bytes, and where it stood.
    pub(crate) fn to_tree(&self, own: usize) -> Tree {
        match self {
            Self::File { executable, size, content, hits, .. } => Tree::File {
                executable: *executable,
                size: *size,
                content: *content,
                own: places(hits, own),
            },
            Self::Symlink { target, hits } => {
                Tree::Symlink { target: zeroed(target, hits, own), own: places(hits, own) }
            }
            Self::Directory(children) => Tree::Directory(
                children.iter().map(|(name, child)| (name.clone(), child.to_tree(own))).collect(),
            ),
        }
    }

    /// Number of files and directories.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Directory(children) => 1 + children.values().map(Self::count).sum::<usize>(),
            _ => 1,
        }
    }

    /// The own outputs that occur, each with the first file (relative path) that names it.
    pub(crate) fn own_hits(&self) -> BTreeMap<usize, PathBuf> {
        let mut found = BTreeMap::new();
        self.collect_hits(&mut PathBuf::new(), &mut found);
        found
    }

    fn collect_hits(&self, at: &mut PathBuf, found: &mut BTreeMap<usize, PathBuf>) {
        match self {
            Self::File { hits, .. } | Self::Symlink { hits, .. } => {
                for hit in hits {
                    found.entry(hit.own).or_insert_with(|| at.clone());
                }
            }
            Self::Directory(children) => {
                for (name, child) in children {
                    at.push(OsStr::from_bytes(name));
                    child.collect_hits(at, found);
                    at.pop();
                }
            }
        }
    }
}

/// Where the digest text of one output stands; a file is read from its beginning, so ascending.
fn places(hits: &[Hit], own: usize) -> Vec<u64> {
    hits.iter().filter(|hit| hit.own == own).map(|hit| hit.offset).collect()
}

/// What reading a tree has found.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// The tree.
    pub(crate) node: Node,
    /// Positions of the candidates that occur.
    pub(crate) candidates: BTreeSet<usize>,
    /// Sum of the lengths of regular files, in bytes.
    pub(crate) size: u64,
    /// Files that hold the digest text of an own output in compressed form, with the output.
    pub(crate) hidden: Vec<(PathBuf, usize)>,
    /// Files that were not searched to their end, with the reason.
    pub(crate) left_out: Vec<(PathBuf, LeftOut)>,
    /// First file whose permissions or times are not the store's.
    pub(crate) touched: Option<PathBuf>,
}

pub(crate) fn store_times() -> Timestamps {
    let time = Timespec { tv_sec: MTIME, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn mode_of(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { MODE_EXECUTABLE } else { MODE_PLAIN })
}

/// Gives the top of a tree as a name in its opened parent folder.
fn at_top<T>(top: &Path, step: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<T>) -> Result<T> {
    let (Some(parent), Some(name)) = (top.parent(), top.file_name()) else {
        return step(CWD, top.as_os_str());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(parent, flags, Mode::empty()).at("open the folder", parent)?;
    step(dir.as_fd(), name)
}

fn open_file(dir: BorrowedFd<'_>, name: &OsStr, access: OFlags) -> rustix::io::Result<File> {
    // Without NONBLOCK, a FIFO that took the file's place would block for ever.
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    openat(dir, name, flags, Mode::empty()).map(File::from)
}

pub(crate) fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Overwrites the hits of one output in a short text.
fn patch(text: &mut [u8], hits: &[Hit], own: usize, replacement: &[u8; WINDOW]) {
    for hit in hits.iter().filter(|hit| hit.own == own) {
        if let Ok(offset) = usize::try_from(hit.offset) {
            text[offset..offset + WINDOW].copy_from_slice(replacement);
        }
    }
}

/// A path that follows a walk through a tree, for error messages.
struct Place(PathBuf);

impl Place {
    fn path(&self) -> &Path {
        &self.0
    }
}
