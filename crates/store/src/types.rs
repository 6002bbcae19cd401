//! The plain values that go in and out of the store.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use cbuild_drv::{ActionKey, Digest, Name, OutputName, StorePath};

/// What the store knows of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object.
    pub path: StorePath,
    /// Digest of its tree, with its own digest text replaced by zero bytes.
    pub tree: Digest,
    /// Whether its own digest text occurs in it.
    pub self_reference: bool,
    /// The other objects whose digest text occurs in it.
    pub references: BTreeSet<StorePath>,
    /// Sum of the lengths of its regular files, in bytes.
    pub size: u64,
    /// When it was registered, in seconds since 1970 (UTC).
    pub registered_at: i64,
}

/// One output that a build has made and that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltOutput {
    /// Which output of the action.
    pub output: OutputName,
    /// Name of the object it becomes.
    pub name: Name,
    /// Where its tree is now, on the store's file system; it is changed and moved away.
    pub physical: PathBuf,
    /// The path that the builder was told; its digest text is rewritten to the final one.
    pub scratch: StorePath,
}

/// What a program took of the machine, with all processes that it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildUsage {
    /// Processor time in milliseconds, in user mode and in the kernel.
    pub cpu_ms: u64,
    /// Peak memory in bytes.
    pub memory: u64,
    /// Whose peak that is.
    pub memory_of: MemoryOf,
}

/// Of what a [`BuildUsage`] tells the peak of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOf {
    /// Of all processes together with `/tmp`, as their control group counted.
    All,
    /// Of the largest single process, where there was no control group.
    LargestProcess,
}

/// How a build ended, for the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildEnding {
    /// The program exited with a status, or there was none to run; 0 is success.
    Exited(i32),
    /// Something else failed, or a limit was met.
    Failed,
    /// The program was ended by a signal of this number.
    Signaled(i32),
    /// A signal of this number ended the command that carried the build out.
    Stopped(i32),
}

impl BuildEnding {
    /// What is added to a signal to tell it from an exit status, as a negative number in the index.
    const SIGNALED: i32 = 1000;
    const STOPPED: i32 = 2000;

    /// As one number, which the index keeps.
    pub(crate) fn to_number(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Failed => -1,
            Self::Signaled(signal) => -Self::SIGNALED - signal,
            Self::Stopped(signal) => -Self::STOPPED - signal,
        }
    }

    /// The opposite of [`Self::to_number`].
    pub(crate) fn from_number(number: i32) -> Self {
        match number.saturating_neg() {
            negative if negative <= 0 => Self::Exited(number),
            negative if negative < Self::SIGNALED => Self::Failed,
            negative if negative < Self::STOPPED => Self::Signaled(negative - Self::SIGNALED),
            negative => Self::Stopped(negative - Self::STOPPED),
        }
    }

    /// Whether it gave what was wanted.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    /// Whether it did not, and not because somebody ended the command.
    pub fn is_failure(self) -> bool {
        !self.is_success() && !matches!(self, Self::Stopped(_))
    }
}

/// One finished (or failed) build, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// What was done.
    pub key: ActionKey,
    /// Name of the derivation; durations are looked up by it.
    pub name: String,
    /// Start, in seconds since 1970 (UTC).
    pub started: i64,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub ending: BuildEnding,
    /// Where the log is, if one was kept.
    pub log: Option<PathBuf>,
    /// What it took; `None` for what is no program, and for builds that were recorded before this was.
    pub usage: Option<BuildUsage>,
    /// Top folder of the package whose target it was built for; `None` where that is not known.
    pub origin: Option<PathBuf>,
}

impl BuildRecord {
    /// Whether it can have been for the package in a folder; only two known folders can tell it apart.
    pub fn may_be_for(&self, origin: Option<&Path>) -> bool {
        self.origin.as_deref().zip(origin).is_none_or(|(built_for, asked)| built_for == asked)
    }
}

/// A link that keeps an object and its closure from being collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The symbolic link, wherever it is.
    pub link: PathBuf,
    /// The object it names.
    pub path: StorePath,
}

/// An entry of the roots that keeps nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedRoot {
    /// The link or file that kept something, as far as that is known.
    pub link: PathBuf,
    /// Why it does not any more, as a sentence without its end.
    pub reason: String,
}

/// What to collect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcOptions {
    /// Only tell what would be deleted.
    pub dry_run: bool,
    /// Stop when at least this many bytes were freed; `None` deletes all that is dead.
    pub stop_after: Option<u64>,
    /// Stop when the objects that stay have at most this many bytes; the ones that were registered
    /// first go first, as far as nothing refers to them.
    pub max_size: Option<u64>,
    /// Keep what was registered, or logged, less than so many seconds ago, with all it refers to.
    pub older_than: Option<u64>,
}

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The deleted objects (with `dry_run`: those that would be), referrers before what they refer to.
    pub deleted: Vec<StorePath>,
    /// Sum of their sizes, in bytes.
    pub freed: u64,
    /// Number of objects that stay.
    pub kept: usize,
    /// Number of objects that stay because they, or what refers to them, belong to another user.
    pub foreign: usize,
    /// Roots that have ended and are forgotten (with `dry_run`: that would be).
    pub ended: Vec<EndedRoot>,
    /// Number of deleted logs and records of actions.
    pub records: usize,
    /// Sum of their sizes, in bytes.
    pub records_freed: u64,
}

/// What was written to an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferReport {
    /// Number of objects.
    pub objects: usize,
    /// Sum of their sizes, in bytes.
    pub bytes: u64,
}

/// What was read from an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The objects that are new in the store.
    pub added: Vec<StorePath>,
    /// The damaged objects that were replaced.
    pub replaced: Vec<StorePath>,
    /// Number of objects that were there already.
    pub known: usize,
    /// Sum of the sizes of the new ones, in bytes.
    pub bytes: u64,
}

/// What storing equal files once has saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptimiseReport {
    /// Number of files that became links to an equal one.
    pub files: usize,
    /// Sum of their lengths, in bytes.
    pub bytes: u64,
}

/// What to verify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The objects to check; `None` checks all, and what else lies in the store.
    pub only: Option<BTreeSet<StorePath>>,
    /// Drop damaged objects and the ones that refer to them, and move foreign files away.
    pub repair: bool,
}

/// What verification found; clean when `problems` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Number of objects that were read.
    pub checked: usize,
    /// Number of bytes that were hashed.
    pub bytes: u64,
    /// What is wrong, ordered by path.
    pub problems: Vec<Problem>,
    /// The objects that are damaged or lost, without those that refer to them.
    pub damaged: BTreeSet<StorePath>,
    /// With `repair`: the objects that were dropped.
    pub dropped: Vec<StorePath>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub kind: ProblemKind,
}

/// What is wrong with a file or object of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The index has the object, the disk has not.
    Missing,
    /// The content is not what the path's digest says, or cannot be read; the text says what was found.
    Damaged(String),
    /// Permissions or times were changed; the text names the first such file.
    Touched(String),
    /// A file that no object or record of the store is.
    Foreign,
    /// The object's sidecar or a realisation file is absent, unreadable or contradicts the path.
    Record(String),
    /// The index contradicts the files.
    Index(String),
    /// The object refers to one that is not in the store.
    ReferenceMissing(StorePath),
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is in the index and not on the disk"),
            Self::Damaged(found) => write!(f, "is damaged: {found}"),
            Self::Touched(file) => write!(f, "permissions or times were changed: {file}"),
            Self::Foreign => f.write_str("does not belong to the store"),
            Self::Record(what) => write!(f, "its record is wrong: {what}"),
            Self::Index(what) => write!(f, "the index contradicts the files: {what}"),
            Self::ReferenceMissing(path) => {
                write!(f, "refers to {path}, which is not in the store")
            }
        }
    }
}
