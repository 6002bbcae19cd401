//! The open store and its look-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use cbuild_drv::{ActionKey, DrvId, OutputName, StorePath};

use crate::cancel::Cancel;
use crate::commit::Commit;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::index::{self, Index};
use crate::layout::{Format, Layout, is_unwritable};
use crate::live::{self, Live, Scratch, Staging};
use crate::reconcile::has_caught_up;
use crate::reserve;
use crate::roots;
use crate::types::{BuildRecord, ObjectInfo};
use crate::upgrade::{Begun, Upgrade};

/// An open store. Cheap to open, safe to share between threads; many processes may use one store.
#[derive(Debug)]
pub struct Store {
    pub(crate) layout: Layout,
    index: Mutex<Index>,
    pub(crate) commit_lock: File,
    live: Mutex<Option<Arc<Live>>>,
    upgrade: Option<Upgrade>,
    pub(crate) cancel: Cancel,
    is_read_only: bool,
    format: Format,
}

impl Store {
    /// Opens the store at a folder, making it when the folder is empty or absent. One of the first
    /// format is brought to the present one, see [`Store::upgrade`]; where nothing can be written, it
    /// is read as it is.
    ///
    /// # Errors
    /// [`Error::Version`] for a store of a newer cbuild, [`Error::NotAStore`] for a folder with
    /// other things, [`Error::InUse`] for a store of the first format that is being used,
    /// [`Error::IndexDamaged`] when SQLite's file is unusable.
    pub fn open(root: &Path) -> Result<Self> {
        let layout = Layout::prepare(root)?;
        let (commit_lock, is_read_only) = open_commit_lock(&layout)?;
        if is_read_only {
            let index = Index::open_to_read(&layout.index())?;
            return Self::finish(layout, commit_lock, index, None, true);
        }
        let begun = begin_upgrade(&layout, &commit_lock)?;
        let index = Index::open(&layout, &commit_lock)?;
        Self::finish(layout, commit_lock, index, begun, false)
    }

    /// Makes the index anew from the files, and then moves the old one aside
    /// (`index.sqlite.damaged-N`). Works when that is damaged; if it fails, the old one is where it was.
    /// What only the index knows, the build history, is lost, but for what was found to be damaged: that
    /// is taken over where the old one can be read.
    pub fn rebuild_index(root: &Path) -> Result<Self> {
        let layout = Layout::prepare(root)?;
        let (commit_lock, is_read_only) = open_commit_lock(&layout)?;
        if is_read_only {
            return Err(Error::unwritable("write", &layout.index()));
        }
        let begun = begin_upgrade(&layout, &commit_lock)?;
        rebuild(&layout, &commit_lock)?;
        let index = Index::open(&layout, &commit_lock)?;
        Self::finish(layout, commit_lock, index, begun, false)
    }

    /// Brings index and files in line where something may have happened to them.
    fn finish(
        layout: Layout,
        commit_lock: File,
        index: Index,
        begun: Option<Begun>,
        is_read_only: bool,
    ) -> Result<Self> {
        // Where nothing can be written, an older one stays.
        let format = match is_read_only {
            true => layout.format()?.unwrap_or(Format::Present),
            false => Format::Present,
        };
        let (index, live, cancel) = (Mutex::new(index), Mutex::new(None), Cancel::default());
        let mut store =
            Self { layout, index, commit_lock, live, upgrade: None, cancel, is_read_only, format };
        if is_read_only {
            return Ok(store);
        }
        if !has_caught_up(&mut *store.index()?)? {
            // Another process may have been quicker.
            store.commit()?.catch_up()?;
            reserve::keep(&store.layout);
        } else if store.commit_lock.metadata().at("look at", &store.layout.commit_lock())?.len() > 0
        {
            // Either another process is at work, or one was killed; then this finishes its work.
            drop(store.commit()?);
        }
        if let Some(begun) = begun {
            store.upgrade = begun.end(&store)?;
        }
        Ok(store)
    }

    /// What was moved out of the store when this value was opened, because it was of the first
    /// format. Whoever opens a store for a user has to tell.
    pub fn upgrade(&self) -> Option<&Upgrade> {
        self.upgrade.as_ref()
    }

    /// Lets the caller end operations that can take long; they fail with [`Error::Cancelled`] then, and
    /// leave nothing half-done.
    #[must_use]
    pub fn stopped_by(mut self, cancel: impl Into<Cancel>) -> Self {
        self.cancel = cancel.into();
        self
    }

    /// What [`Store::stopped_by`] has set, for those who work on the store's files.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether the store can only be read: it is on a read-only disk, or another user's.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The format of the paths.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The index, opened anew where another process has made a new one.
    pub(crate) fn index(&self) -> Result<MutexGuard<'_, Index>> {
        // A panic in another thread cannot leave a transaction open: it is rolled back on unwind.
        let mut index = self.index.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !self.is_read_only {
            index.follow()?;
        }
        Ok(index)
    }

    /// Removes what dead processes have left, and waits for what has been written for long. What another
    /// user's process has left cannot be removed, and is no reason to stop.
    pub(crate) fn sweep(&self) -> Result<()> {
        if self.is_read_only {
            return Ok(());
        }
        live::sweep(&self.layout)?;
        match self.settle_old() {
            // There is time until the disk has room.
            Err(Error::DiskFull { .. }) => Ok(()),
            settled => settled,
        }
    }

    /// The mark of life of this value, made at first use. Dead processes are swept up before.
    pub(crate) fn live(&self) -> Result<Arc<Live>> {
        let mut live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(live) = &*live {
            return Ok(Arc::clone(live));
        }
        if self.is_read_only {
            return Err(Error::unwritable("write to", &self.layout.live()));
        }
        let started = match Live::start(&self.layout) {
            Err(Error::DiskFull { .. }) if reserve::share(&self.layout) => {
                Live::start(&self.layout)
            }
            other => other,
        };
        let started = Arc::new(started?);
        *live = Some(Arc::clone(&started));
        drop(live);
        // What another user's process has left cannot be removed, and is no reason to stop; nor
        // is a disk that cannot be waited for now.
        let _ = live::sweep(&self.layout);
        let _ = self.settle_old();
        Ok(started)
    }

    /// The store's root folder, absolute.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// The folder of the objects on the host, `<root>/store`.
    pub fn store_dir(&self) -> PathBuf {
        self.layout.objects()
    }

    /// Where an object is on the host, whether it exists or not.
    pub fn physical(&self, path: &StorePath) -> PathBuf {
        self.layout.object(path)
    }

    /// What is known of an object; `None` when it is not in the store.
    ///
    /// A concurrent collection may delete it right after, unless it is rooted or was given to
    /// [`Store::protect`] before.
    pub fn info(&self, path: &StorePath) -> Result<Option<ObjectInfo>> {
        if !disk::exists(&self.layout.object(path))? {
            return Ok(None);
        }
        self.index()?.info(path)
    }

    /// All objects, ordered by path.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.index()?.objects()
    }

    /// What an action's output was realised as; see [`Store::info`] on concurrent collections.
    pub fn realisation(&self, key: &ActionKey, output: &OutputName) -> Result<Option<StorePath>> {
        let mut outputs = self.index()?.realisations(key)?;
        let Some(path) = outputs.remove(output) else { return Ok(None) };
        Ok(self.is_usable(std::slice::from_ref(&path))?.then_some(path))
    }

    /// The objects and all that they refer to, directly or not.
    ///
    /// # Errors
    /// [`Error::NotInStore`] for a start that is absent.
    pub fn closure(&self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        if let [path] = paths {
            let reached = self.index()?.closure(path)?;
            return closure_of(path, reached);
        }
        let mut index = self.index()?;
        let mut closure = BTreeSet::new();
        for path in paths {
            if closure.contains(path) {
                continue;
            }
            let reached = index.closure(path)?;
            if reached.is_empty() {
                return Err(Error::NotInStore { path: path.clone() });
            }
            closure.extend(reached);
        }
        Ok(closure)
    }

    /// What [`Store::closure`] says of each of the objects, for a fraction of its cost.
    ///
    /// # Errors
    /// [`Error::NotInStore`] for the first one that is absent.
    pub fn closures(&self, paths: &[StorePath]) -> Result<Vec<BTreeSet<StorePath>>> {
        let closures = self.index()?.closures(paths)?;
        paths.iter().zip(closures).map(|(path, reached)| closure_of(path, reached)).collect()
    }

    /// A fresh folder for a build or download, on the store's file system.
    pub fn scratch(&self) -> Result<Scratch> {
        Scratch::new(self.live()?)
    }

    pub(crate) fn staging(&self) -> Result<Staging> {
        Ok(Staging::new(self.live()?))
    }

    /// Keeps objects and their closures from collection while this `Store` value lives.
    ///
    /// Returns those that are not in the store, or that are of no use because they are known to be
    /// damaged: a look-up made before is only certain when its path is not among them. A store that
    /// can only be read keeps nothing; nothing is deleted there.
    pub fn protect(&self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        let live = if self.is_read_only { None } else { Some(self.live()?) };
        // A collection deletes under the same lock and reads the temporary roots anew each time:
        // either it sees these, or the objects are seen to be gone here.
        let mut commit = self.commit()?;
        if let Some(live) = live {
            live.add_roots(paths)?;
        }
        let mut missing = commit.index.absent(paths)?;
        for path in paths {
            if !missing.contains(path) && !disk::exists(&self.layout.object(path))? {
                missing.insert(path.clone());
            }
        }
        missing.extend(commit.index.spoilt(paths)?);
        Ok(missing)
    }

    /// Remembered outputs of an unresolved derivation; `None` unless all are in the store.
    pub fn outputs_of(&self, drv: &DrvId) -> Result<Option<BTreeMap<OutputName, StorePath>>> {
        let outputs = self.index()?.memo(drv)?;
        let paths: Vec<StorePath> = outputs.values().cloned().collect();
        Ok((!paths.is_empty() && self.is_usable(&paths)?).then_some(outputs))
    }

    /// Whether objects of the index are on the disk, and none is known to be damaged.
    fn is_usable(&self, paths: &[StorePath]) -> Result<bool> {
        for path in paths {
            if !disk::exists(&self.layout.object(path))? {
                return Ok(false);
            }
        }
        Ok(self.index()?.spoilt(paths)?.is_empty())
    }

    /// Which object of this store a path leads to: the object itself or something in it, however the
    /// path is spelled. It need not exist as it is spelled, as after the store was moved.
    ///
    /// # Errors
    /// What the disk says of a symbolic link in the path.
    pub fn object_at(&self, path: &Path) -> Result<Option<StorePath>> {
        Ok(roots::leads_to(&self.layout, path)?.map(|(object, _)| object))
    }

    /// Remembers what a derivation was realised as; forgotten when one of the objects is deleted. A store
    /// that can only be read remembers nothing.
    pub fn remember(&self, drv: &DrvId, outputs: &BTreeMap<OutputName, StorePath>) -> Result<()> {
        if self.is_read_only {
            return Ok(());
        }
        self.index()?.remember(drv, outputs)
    }

    /// Adds a build to the history; for each name the latest 50 are kept.
    pub fn record_build(&self, record: &BuildRecord) -> Result<()> {
        self.index()?.add_build(record)
    }

    /// Duration in milliseconds of the latest successful build of a derivation of that name.
    pub fn last_duration(&self, name: &str) -> Result<Option<u64>> {
        self.index()?.last_duration(name)
    }

    /// The latest builds of a name (or of all with `None`), newest first.
    pub fn builds(&self, name: Option<&str>, limit: u32) -> Result<Vec<BuildRecord>> {
        self.index()?.builds(name, limit)
    }

    /// Where the zstd-compressed log of an action belongs; the folder exists.
    pub fn log_path(&self, key: &ActionKey) -> PathBuf {
        self.layout.log(key)
    }
}

/// What was reached from an object, which is nothing at all when the object is absent.
fn closure_of(path: &StorePath, mut reached: Vec<StorePath>) -> Result<BTreeSet<StorePath>> {
    if reached.is_empty() {
        return Err(Error::NotInStore { path: path.clone() });
    }
    // A set is made fastest from what is sorted.
    reached.sort_unstable();
    Ok(reached.into_iter().collect())
}

/// Begins to bring a store of the first format to the present one.
fn begin_upgrade(layout: &Layout, commit_lock: &File) -> Result<Option<Begun>> {
    match layout.format()? {
        Some(Format::First | Format::Between) => Begun::new(layout, commit_lock),
        Some(Format::Present) | None => Ok(None),
    }
}

/// Opens the file of the lock. The flag tells that nothing can be written in the store.
fn open_commit_lock(layout: &Layout) -> Result<(File, bool)> {
    let path = layout.commit_lock();
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    match opened {
        Err(error) if is_unwritable(&error) => match File::open(&path) {
            Ok(file) => Ok((file, true)),
            Err(_) => Err(Error::unwritable("open", &path)),
        },
        opened => Ok((opened.at("open", &path)?, false)),
    }
}

/// Makes a new index in scratch space, and puts it in the place of the old one when it is whole.
fn rebuild(layout: &Layout, commit_lock: &File) -> Result<()> {
    let _ = live::sweep(layout);
    let scratch = Scratch::new(Live::start(layout)?.into())?;
    let place = scratch.path().join("index.sqlite");
    let index = Mutex::new(Index::make(&place)?);
    let guard = index.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut commit = Commit::take(layout, guard, commit_lock)?;
    commit.catch_up()?;
    commit.recover()?;
    for path in Index::damaged_of(layout) {
        if commit.index.has(&path)? {
            commit.index.note_damaged(&path, true)?;
        }
    }
    commit.index.close_log()?;
    // Whoever opens the index would otherwise take the one file from the old and another from the new.
    let _alone = index::hold_alone(layout)?;
    move_index_aside(layout)?;
    let target = layout.index();
    fs::rename(&place, &target).at("write", &target)
}

fn move_index_aside(layout: &Layout) -> Result<()> {
    let index = layout.index();
    let aside = |number: u32, suffix: &str| {
        let name = format!("index.sqlite.damaged-{number}{suffix}");
        layout.root().join(name)
    };
    let mut number = 1;
    while disk::exists(&aside(number, ""))? {
        number += 1;
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut from = index.clone().into_os_string();
        from.push(suffix);
        let from = PathBuf::from(from);
        if disk::exists(&from)? {
            fs::rename(&from, aside(number, suffix)).at("move aside", &from)?;
        }
    }
    Ok(())
}
