//! The content-addressed store: files on disk, an SQLite index over them, roots and garbage
//! collection, verification.
//!
//! The files are the truth and the index can be made anew from them. The formats are specified
//! in `lang-spec/07-store.md`. This crate depends on `cbuild-drv` alone and knows nothing of
//! source text, evaluation, networks, sandboxes or images; it runs no program. It is
//! synchronous: callers bring their own threads ([`Store`] is `Sync`).

mod error;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_drv::{ActionKey, DrvId, Name, OutputName, StorePath};

pub use error::{CycleLink, Error, Result};
pub use types::{
    BuildRecord, BuiltOutput, GcOptions, GcReport, ObjectInfo, Problem, ProblemKind, Root,
    VerifyOptions, VerifyReport,
};

/// An open store. Cheap to open, safe to share between threads; many processes may use one store.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// A fresh folder on the store's file system; removed on drop, and swept by a later process
/// when this one is killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Held while an action is carried out, so that no two processes do the same work.
#[derive(Debug)]
pub struct ActionLock {}

impl Store {
    /// Opens the store at a folder, making it when the folder is empty or absent.
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Self { root: root.to_owned() })
    }
    /// Makes the index anew from the files; the old one is moved aside. Works when it is damaged.
    pub fn rebuild_index(_root: &Path) -> Result<Self> {
        todo!()
    }
    /// The store's root folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The folder of the objects on the host, `<root>/store`.
    pub fn store_dir(&self) -> PathBuf {
        self.root.join("store")
    }
    /// Where an object is on the host, whether it exists or not.
    pub fn physical(&self, path: &StorePath) -> PathBuf {
        self.store_dir().join(path.base_name())
    }
    /// What is known of an object; `None` when it is not in the store.
    pub fn info(&self, _path: &StorePath) -> Result<Option<ObjectInfo>> {
        todo!()
    }
    /// All objects, ordered by path.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>> {
        todo!()
    }
    /// What an action's output was realised as.
    pub fn realisation(&self, _key: &ActionKey, _output: &OutputName) -> Result<Option<StorePath>> {
        todo!()
    }
    /// The objects and all that they refer to, directly or not. An absent start is an error.
    pub fn closure(&self, _paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        todo!()
    }
    /// A fresh folder for a build or download.
    pub fn scratch(&self) -> Result<Scratch> {
        todo!()
    }
    /// Copies a source file or folder into the store; its content is not scanned for references.
    pub fn add_tree(&self, _source: &Path, _name: &Name) -> Result<StorePath> {
        todo!()
    }
    /// Moves the outputs of an action into the store and records its realisations.
    ///
    /// If the action is realised already, the known paths are returned and the new trees ignored.
    pub fn register(
        &self,
        _key: &ActionKey,
        _outputs: Vec<BuiltOutput>,
        _candidates: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<OutputName, StorePath>> {
        todo!()
    }
    /// Waits until no other holder works on the action, then holds it.
    pub fn lock_action(&self, _key: &ActionKey) -> Result<ActionLock> {
        todo!()
    }
    /// Holds the action if nobody else does; `None` when somebody does.
    pub fn try_lock_action(&self, _key: &ActionKey) -> Result<Option<ActionLock>> {
        todo!()
    }
    /// Adds a build to the history.
    pub fn record_build(&self, _record: &BuildRecord) -> Result<()> {
        todo!()
    }
    /// Duration in milliseconds of the latest successful build of a derivation of that name.
    pub fn last_duration(&self, _name: &str) -> Result<Option<u64>> {
        todo!()
    }
    /// The latest builds of a name (or of all with `None`), newest first.
    pub fn builds(&self, _name: Option<&str>, _limit: u32) -> Result<Vec<BuildRecord>> {
        todo!()
    }
    /// Where the zstd-compressed log of an action belongs; the folder exists.
    pub fn log_path(&self, _key: &ActionKey) -> PathBuf {
        todo!()
    }
    /// Remembered outputs of an unresolved derivation, all of which are in the store.
    pub fn outputs_of(&self, _drv: &DrvId) -> Result<Option<BTreeMap<OutputName, StorePath>>> {
        todo!()
    }
    /// Remembers what a derivation was realised as; forgotten when one of the objects is deleted.
    pub fn remember(&self, _drv: &DrvId, _outputs: &BTreeMap<OutputName, StorePath>) -> Result<()> {
        todo!()
    }
    /// Keeps objects and their closures from collection while this `Store` value lives.
    /// Returns those that are not in the store; look-ups made before are only certain when it is empty.
    pub fn protect(&self, _paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        todo!()
    }
    /// Makes a symbolic link to an object (such as `result`) and registers it as a root.
    /// An existing symbolic link is replaced, anything else refused.
    pub fn add_root(&self, _link: &Path, _path: &StorePath) -> Result<()> {
        todo!()
    }
    /// All living roots, ordered by link.
    pub fn roots(&self) -> Result<Vec<Root>> {
        todo!()
    }
    /// Deletes objects that neither a root nor a living process keeps.
    pub fn gc(&self, _options: GcOptions) -> Result<GcReport> {
        todo!()
    }
    /// Reads objects and compares them with their paths, their records and the index.
    pub fn verify(&self, _options: &VerifyOptions) -> Result<VerifyReport> {
        todo!()
    }
}
