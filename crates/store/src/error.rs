//! What can go wrong in the store, with stable codes and remedies.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use rustix::fs::StatVfsMountFlags;
use rustix::process::geteuid;
use thiserror::Error;

use crate::cancel;

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the store; see [`Error::code`] and [`Error::help`].
#[derive(Debug, Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file system, or the user's quota of it, is full.
    #[error("no space left while trying to {doing} `{}`", path.display())]
    DiskFull {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The SQLite file is not a database, or its pages contradict each other.
    #[error("the store's index `{}` is damaged: {detail}", path.display())]
    IndexDamaged {
        /// The SQLite file.
        path: PathBuf,
        /// SQLite's own words.
        detail: String,
    },
    /// SQLite failed for another reason.
    #[error("the store's index `{}` cannot be used: {source}", path.display())]
    Index {
        /// The SQLite file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The store, or a file in it, was written by a newer cbuild.
    #[error("`{}` has format version {found}; this cbuild knows no version above {known}", path.display())]
    Version {
        /// The file that names the version.
        path: PathBuf,
        /// The version it names.
        found: String,
        /// The version this program knows.
        known: u32,
    },
    /// The file that names the store's version says something else.
    #[error("`{}` is damaged: it names no version, but says `{}`", path.display(), found.escape_debug())]
    VersionDamaged {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        found: String,
    },
    /// The folder holds something that is not a store.
    #[error("`{}` is not empty and is not a cbuild store", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A FIFO, socket or device in a tree.
    #[error("`{}` is a {kind}; store objects hold regular files, directories and symbolic links only", path.display())]
    FileKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A tree is nested too deeply.
    #[error("`{}` is nested deeper than {limit} directories", path.display())]
    TooDeep {
        /// The directory at which the limit was met.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A path inside a tree is too long.
    #[error("`{}…` is a path of more than {limit} bytes inside its tree", path.display())]
    LongPath {
        /// The beginning of the path.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A builder did not make one of its outputs.
    #[error("the output `{output}` was not made: `{}` does not exist", path.display())]
    OutputMissing {
        /// Name of the output.
        output: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// Outputs of one derivation refer to each other in a circle.
    #[error("the outputs refer to each other in a circle: {}", describe_cycle(files))]
    OutputCycle {
        /// The links of the circle.
        files: Vec<CycleLink>,
    },
    /// A file name holds the path an output was built under, which changes when it is registered.
    #[error("the name of `{}` holds the digest of the output's own path, which is not final", path.display())]
    ScratchInName {
        /// The file or directory.
        path: PathBuf,
    },
    /// An object to be registered refers to one that is not (or no longer) in the store.
    #[error("`{referrer}` refers to `{reference}`, which is not in the store")]
    ReferenceMissing {
        /// Base name of the referring object.
        referrer: String,
        /// The absent object.
        reference: StorePath,
    },
    /// An object that was asked for is not in the store.
    #[error("`{path}` is not in the store")]
    NotInStore {
        /// The object.
        path: StorePath,
    },
    /// A root link would replace something that is no symbolic link.
    #[error("`{}` exists and is not a symbolic link", path.display())]
    RootTaken {
        /// The would-be link.
        path: PathBuf,
    },
    /// A sidecar or realisation file is unreadable.
    #[error("the record `{}` is damaged: {detail}", path.display())]
    RecordDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The tree to register is on another file system than the store.
    #[error("`{}` is not on the store's file system, so it cannot be moved in atomically", path.display())]
    OtherFileSystem {
        /// The tree.
        path: PathBuf,
    },
    /// The caller asked to stop; nothing half-done is in the store.
    #[error("stopped; nothing half-done is in the store")]
    Cancelled,
    /// A source folder holds the store that it is to be copied into.
    #[error("`{}` holds the store `{}`, which cannot be copied into itself", path.display(), root.display())]
    StoreInside {
        /// The source folder.
        path: PathBuf,
        /// The store's root.
        root: PathBuf,
    },
    /// Something would have to be written on a file system that can only be read.
    #[error("cannot {doing} `{}`: the file system is read-only", path.display())]
    ReadOnly {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Something would have to be written that another user has.
    #[error("cannot {doing} `{}`: it belongs to {owner}, who does not let you write there", path.display())]
    Foreign {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Its owner, in words.
        owner: String,
    },
    /// An object that a verification has found to be damaged.
    #[error("`{path}` is damaged, or refers to something that is")]
    Spoilt {
        /// The object.
        path: StorePath,
    },
    /// The files of an action's outputs are too long together.
    #[error("with `{}`, the files of the outputs are longer than {} MiB together; holes count", path.display(), limit >> 20)]
    TooLong {
        /// The file with which the limit was met.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// An export cannot be written or read; nothing wrong was registered.
    #[error("the export cannot be used: {detail}")]
    Transfer {
        /// What is wrong, and where in the file.
        detail: String,
    },
    /// An object of an export holds its own digest, and its path is of the store's first format.
    #[error("the export is of an older cbuild, whose path for `{}` does not fix where the object holds its own digest", path.base_name())]
    FirstFormat {
        /// The object.
        path: StorePath,
    },
    /// A store of the first format cannot be brought to the present one now.
    #[error("`{}` is a store of format 1, which an older cbuild is using right now", path.display())]
    InUse {
        /// The store's root.
        path: PathBuf,
    },
}

/// One output's file that refers to another output of the same derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleLink {
    /// The output that holds the file.
    pub from: String,
    /// The output that the file refers to.
    pub to: String,
    /// The file, relative to the output; empty when the output is a single file.
    pub file: PathBuf,
}

fn describe_cycle(files: &[CycleLink]) -> String {
    let link = |l: &CycleLink| format!("`{}` of `{}` names `{}`", l.file.display(), l.from, l.to);
    files.iter().map(link).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The stable code, `E06xx`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "E0601",
            Self::DiskFull { .. } => "E0602",
            Self::IndexDamaged { .. } => "E0603",
            Self::Index { .. } => "E0604",
            Self::Version { .. } => "E0605",
            Self::NotAStore { .. } => "E0606",
            Self::FileKind { .. } => "E0607",
            Self::TooDeep { .. } | Self::LongPath { .. } => "E0608",
            Self::OutputMissing { .. } => "E0609",
            Self::OutputCycle { .. } => "E0610",
            Self::ScratchInName { .. } => "E0611",
            Self::ReferenceMissing { .. } => "E0612",
            Self::NotInStore { .. } => "E0613",
            Self::RootTaken { .. } => "E0614",
            Self::RecordDamaged { .. } => "E0615",
            Self::OtherFileSystem { .. } => "E0616",
            Self::Transfer { .. } => "E0617",
            Self::TooLong { .. } => "E0620",
            Self::FirstFormat { .. } => "E0618",
            Self::InUse { .. } => "E0619",
            Self::Cancelled => "E1081",
            Self::StoreInside { .. } => "E0625",
            Self::ReadOnly { .. } => "E0626",
            Self::Spoilt { .. } => "E0627",
            Self::Foreign { .. } => "E0628",
            Self::VersionDamaged { .. } => "E0629",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "use a store root that you own: `--root FOLDER` or the variable CBUILD_ROOT".into()
            }
            Self::Io { .. } => {
                "check that the path can be read and written, or use another store: `--root FOLDER`".into()
            }
            Self::DiskFull { .. } => {
                "free some space, for example with `cbuild store gc`, and run the command again; nothing was registered".into()
            }
            Self::IndexDamaged { .. } => {
                "run `cbuild store verify --rebuild-index`: it makes a new index from the files on disk; no object is lost".into()
            }
            Self::Index { .. } => {
                "if another program holds the file, wait for it; otherwise run `cbuild store verify --rebuild-index`".into()
            }
            Self::Version { path, .. } if path.extension().is_some_and(|end| end == "sqlite") => {
                "use the cbuild that wrote it, or run `cbuild store verify --rebuild-index`: it makes an index of this version from \
                 the files on disk, and moves the other one aside with its build history"
                    .into()
            }
            Self::Version { .. } => "use the cbuild that wrote it, or another `--root`".into(),
            Self::NotAStore { .. } => "choose an empty or new folder with `--root`".into(),
            Self::FileKind { .. } => "remove the file at the end of the build, or leave it out of the source folder".into(),
            Self::TooDeep { .. } => "check for a directory that contains copies of itself".into(),
            Self::LongPath { .. } => {
                "no program could open it by its whole path: give shorter names, or nest folders less".into()
            }
            Self::OutputMissing { output, .. } => {
                format!("let the builder create the path in `${output}`, or take the output out of `outputs`")
            }
            Self::OutputCycle { .. } => {
                "move one of the files to the other output, or take the path out of it".into()
            }
            Self::ScratchInName { .. } => {
                "let the builder use a name that does not depend on the output's path".into()
            }
            Self::ReferenceMissing { .. } => {
                "build again: the object was deleted or is damaged; `cbuild store verify` tells which".into()
            }
            Self::Cancelled => return None,
            Self::NotInStore { .. } => "build it first; `cbuild store ls` shows what there is".into(),
            Self::RootTaken { .. } => "give another name with `-o`, or move the file away".into(),
            Self::RecordDamaged { .. } => "run `cbuild store verify --repair`".into(),
            Self::OtherFileSystem { .. } => {
                "build in a folder made by the store, below the store's root".into()
            }
            Self::StoreInside { .. } => {
                "name a folder that the store is not in, or put the store elsewhere: `--root FOLDER` or the variable CBUILD_ROOT".into()
            }
            Self::ReadOnly { .. } => {
                "what is in the store can be read, but this needs to write: mount it writable, or use another `--root`".into()
            }
            Self::Foreign { owner, .. } => format!(
                "what is in the store can be read, but this needs to write: run it as {owner}, let them give you the right to write, or use a \
                 store of your own: `--root FOLDER` or the variable CBUILD_ROOT"
            ),
            Self::VersionDamaged { .. } => {
                "remove this file: the next command finds out the version from what the store holds, and writes it anew".into()
            }
            Self::Spoilt { .. } => {
                "run `cbuild store repair`, or build it again: that puts a good one in its place".into()
            }
            Self::Transfer { .. } => {
                "write it again with `cbuild store export`, and compare the files' lengths after copying".into()
            }
            Self::TooLong { .. } => {
                "all of it would be read and hashed, also what is a hole: make less of it, or allow more with `limits.disk` of the step \
                 or `--max-disk`"
                    .into()
            }
            Self::FirstFormat { .. } => {
                "build the object again with this cbuild, and write the export with `cbuild store export`".into()
            }
            Self::InUse { .. } => {
                "run the command again when that process has ended: the store is then brought to the present format".into()
            }
        })
    }

    /// An error for something that cannot be written, with the reason that the disk gives: its file
    /// system is read-only, or it is another user's.
    pub(crate) fn unwritable(doing: &'static str, path: &Path) -> Self {
        let there = path.ancestors().find(|place| place.symlink_metadata().is_ok());
        let there = there.unwrap_or(path);
        let flags = rustix::fs::statvfs(there).map(|found| found.f_flag);
        if flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY)) {
            return Self::ReadOnly { doing, path: path.to_owned() };
        }
        match there.symlink_metadata() {
            Ok(found) if found.uid() != geteuid().as_raw() => {
                Self::Foreign { doing, path: path.to_owned(), owner: user(found.uid()) }
            }
            _ => Self::io(doing, path, io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Makes an error of an IO error; a full disk becomes [`Error::DiskFull`], and a stop
    /// [`Error::Cancelled`].
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        if cancel::is_stop(&source) {
            return Self::Cancelled;
        }
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { doing, path }
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { doing, path },
            _ => Self::Io { doing, path, source },
        }
    }
}

/// A user in words, with the name that the system's list of users has.
fn user(id: u32) -> String {
    let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.map_or_else(|| format!("user {id}"), |name| format!("`{name}` (user {id})"))
}

/// Attaches the place and the purpose to an IO error.
pub(crate) trait IoContext<T> {
    /// `doing` is a verb phrase that reads well before the path.
    fn at(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(doing, path, source))
    }
}

impl<T> IoContext<T> for rustix::io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|errno| Error::io(doing, path, errno.into()))
    }
}
