//! Changing the set of objects: one process at a time, and complete or undone after a kill.
//!
//! The lock file `locks/commit` holds the names that its holder is about to change. Whoever
//! takes the lock and finds names there knows that the holder was killed, and first brings the
//! records and the index in line with the objects for those names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use cbuild_drv::{ActionKey, Digest, OutputName, StorePath};

use crate::disk;
use crate::durable::Durable;
use crate::error::{Error, IoContext, Result};
use crate::index::Index;
use crate::layout::Layout;
use crate::register::Notes;
use crate::store::Store;
use crate::types::ObjectInfo;
use crate::{fault, index, record, restore, tree};

/// The right to change the store; ends with the value.
pub(crate) struct Commit<'s> {
    pub(crate) layout: &'s Layout,
    pub(crate) index: MutexGuard<'s, Index>,
    lock: &'s File,
}

/// An object that is ready to be moved in.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) info: ObjectInfo,
    /// The sealed tree.
    pub(crate) physical: PathBuf,
    /// Its sidecar, on disk.
    pub(crate) record: PathBuf,
    /// Whether the tree is a directory.
    pub(crate) is_directory: bool,
    /// Whether all of it is on the disk; see [`crate::settle`].
    pub(crate) settled: bool,
}

/// The realisations that are written together with objects.
#[derive(Debug)]
pub(crate) struct Realised {
    pub(crate) key: ActionKey,
    pub(crate) outputs: BTreeMap<OutputName, StorePath>,
    /// The realisation file.
    pub(crate) record: PathBuf,
}

impl Store {
    /// Takes the right to change the store, and finishes what a killed holder has begun. In a store
    /// that can only be read, nobody else changes anything meanwhile, and changes are refused.
    pub(crate) fn commit(&self) -> Result<Commit<'_>> {
        let index = self.index()?;
        let mut commit = Commit::take(&self.layout, index, &self.commit_lock)?;
        if self.is_read_only() {
            return Ok(commit);
        }
        if commit.index.is_replaced()? {
            commit.index.reopen()?;
            commit.catch_up()?;
        }
        commit.recover()?;
        Ok(commit)
    }
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        // An unlock of a locked file does not fail; if it did, the end of the process unlocks.
        let _ = self.lock.unlock();
    }
}

impl<'s> Commit<'s> {
    /// Takes the lock. Dropping the value gives it back.
    pub(crate) fn take(
        layout: &'s Layout,
        index: MutexGuard<'s, Index>,
        lock: &'s File,
    ) -> Result<Self> {
        lock.lock().at("lock", &layout.commit_lock())?;
        Ok(Self { layout, index, lock })
    }
}

impl Commit<'_> {
    fn intent(&self) -> Result<String> {
        let path = self.layout.commit_lock();
        let length = self.lock.metadata().at("look at", &path)?.size();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.lock.read_exact_at(&mut bytes, 0).at("read", &path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn recover(&mut self) -> Result<()> {
        let intent = self.intent()?;
        if intent.is_empty() {
            return Ok(());
        }
        let (mut objects, mut actions) = (BTreeSet::new(), BTreeSet::new());
        let mut mended = BTreeSet::new();
        for line in intent.lines() {
            match line.split_once(' ') {
                Some(("object", base)) => objects.extend(StorePath::parse(base).ok()),
                Some(("mend", base)) => mended.extend(StorePath::parse(base).ok()),
                Some(("action", key)) => actions.extend(Digest::parse(key).ok().map(ActionKey)),
                // A line that was cut off names nothing that was changed.
                _ => {}
            }
        }
        for path in mended {
            self.mend(&path)?;
        }
        self.reconcile(&objects, &actions)?;
        self.end()
    }

    /// Notes that directories of an object are about to be writable for a while. The note is on the
    /// disk before that: when the power goes, an object with a foreign name in it must not stay, which
    /// nothing but a verification would notice.
    pub(crate) fn begin_mending(&mut self, object: &StorePath) -> Result<()> {
        let line = format!("mend {}\n", object.base_name());
        let path = self.layout.commit_lock();
        self.lock.write_all_at(line.as_bytes(), 0).at("write", &path)?;
        self.lock.sync_data().at("write", &path)
    }

    /// Notes what is about to change.
    pub(crate) fn begin<'p>(
        &mut self,
        objects: impl IntoIterator<Item = &'p StorePath>,
        actions: impl IntoIterator<Item = &'p ActionKey>,
    ) -> Result<()> {
        let mut text = String::new();
        for object in objects {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "object {}", object.base_name());
        }
        for action in actions {
            let _ = writeln!(text, "action {action}");
        }
        let path = self.layout.commit_lock();
        let written = self.lock.write_all_at(text.as_bytes(), 0).at("write", &path);
        if written.is_err() {
            self.end()?;
        }
        written
    }

    /// Notes that nothing is under way.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.lock.set_len(0).at("write", &self.layout.commit_lock())
    }

    /// Moves objects in, with their records, and makes the index know them: all or none.
    pub(crate) fn add(
        &mut self,
        pending: &[&Pending],
        realised: &[&Realised],
        notes: &[(&Notes, BTreeMap<OutputName, StorePath>)],
    ) -> Result<()> {
        self.check_references(pending, realised)?;
        let mut new: Vec<&Pending> = Vec::new();
        let mut seen = BTreeSet::new();
        for object in pending {
            // Two actions of a group may have made the same object.
            let path = &object.info.path;
            if seen.insert(path) && (!self.is_there(path)? || self.index.is_damaged(path)?) {
                new.push(object);
            }
        }
        self.begin(new.iter().map(|p| &p.info.path), realised.iter().map(|r| &r.key))?;
        let added = self.add_noted(&new, realised, notes);
        if added.is_err() {
            // Moving back needs no space on a disk that is full. If it fails all the same, the
            // note stays and the next holder of the lock makes things whole.
            for object in new {
                if self.move_back(object).is_err() {
                    return added;
                }
            }
        }
        self.end().and(added)
    }

    fn add_noted(
        &mut self,
        new: &[&Pending],
        realised: &[&Realised],
        notes: &[(&Notes, BTreeMap<OutputName, StorePath>)],
    ) -> Result<()> {
        for object in new {
            self.move_in(object)?;
        }
        fault::point("before index");
        self.index.write(|transaction| {
            for object in new {
                index::insert(transaction, &object.info)?;
                index::forget_damaged(transaction, &object.info.path)?;
                if !object.settled {
                    index::note_unsettled(transaction, &object.info)?;
                }
            }
            for realised in realised {
                index::set_realisation(transaction, &realised.key, &realised.outputs)?;
            }
            notes
                .iter()
                .try_for_each(|(notes, outputs)| index::set_notes(transaction, notes, outputs))
        })?;
        fault::point("after index");
        for realised in realised {
            let target = self.layout.realisation(&realised.key);
            if let Err(error) = fs::rename(&realised.record, &target).at("write", &target) {
                self.recover()?;
                return Err(error);
            }
            fault::point("between realisations");
        }
        fault::point("after realisation");
        Ok(())
    }

    /// Whether an object is in the store as it should be; remains of it are cleared away. One
    /// that was lost from the disk stays in the index, because others may refer to it.
    fn is_there(&mut self, path: &StorePath) -> Result<bool> {
        if !disk::exists(&self.layout.object(path))? {
            return Ok(false);
        }
        if !self.index.has(path)? {
            self.reconcile(&BTreeSet::from([path.clone()]), &BTreeSet::new())?;
            return self.index.has(path);
        }
        Ok(true)
    }

    /// The right to change the store is exclusive, so what was not there before is not now.
    fn move_in(&self, object: &Pending) -> Result<()> {
        let target = self.layout.object(&object.info.path);
        let record = self.layout.info(&object.info.path);
        let move_record = || fs::rename(&object.record, &record).at("write", &record);
        fault::point("before sidecar");
        if disk::exists(&target)? {
            // It was found to be damaged.
            restore::exchange(&object.physical, &target, &record)?;
            move_record()?;
        } else {
            move_record()?;
            fault::point("before object");
            move_tree_in(object, &target)?;
        }
        fault::point("before seal");
        if object.is_directory {
            tree::seal_top(&target)?;
        }
        Ok(())
    }

    fn move_back(&mut self, object: &Pending) -> Result<()> {
        if self.index.has(&object.info.path)? {
            return Ok(());
        }
        let target = self.layout.object(&object.info.path);
        if disk::exists(&target)? {
            if object.is_directory {
                disk::unlock_dir(&target)?;
            }
            fs::rename(&target, &object.physical).at("move out of the store", &target)?;
        }
        // The sidecar goes back too: what came in a group is tried again alone.
        let record = self.layout.info(&object.info.path);
        match fs::rename(&record, &object.record) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("move out of the store", &record, error))
            }
            _ => Ok(()),
        }
    }

    fn check_references(&mut self, pending: &[&Pending], realised: &[&Realised]) -> Result<()> {
        let new: BTreeSet<&StorePath> = pending.iter().map(|p| &p.info.path).collect();
        let references = pending.iter().flat_map(|p| &p.info.references);
        let outputs = realised.iter().flat_map(|r| r.outputs.values());
        let others: BTreeSet<&StorePath> =
            references.chain(outputs).filter(|path| !new.contains(path)).collect();
        let others: Vec<StorePath> = others.into_iter().cloned().collect();
        let absent = match others.is_empty() {
            true => BTreeSet::new(),
            false => self.index.absent(&others)?,
        };
        let Some(reference) = absent.into_iter().next() else { return Ok(()) };
        let object = pending.iter().find(|p| p.info.references.contains(&reference));
        let action = realised.iter().find(|r| r.outputs.values().any(|path| *path == reference));
        let referrer = match (object, action) {
            (Some(object), _) => object.info.path.base_name(),
            (None, Some(action)) => action.key.to_string(),
            (None, None) => String::new(),
        };
        Err(Error::ReferenceMissing { referrer, reference })
    }

    /// Removes objects from index and records, and moves their trees into `trash`. The caller
    /// names them with referrers first, and nothing that stays refers to them.
    pub(crate) fn remove(&mut self, paths: &[StorePath], trash: &Path) -> Result<()> {
        let mut actions = BTreeSet::new();
        for path in paths {
            actions.extend(self.index.actions_of(path)?);
        }
        self.begin(paths, &actions)?;
        self.index.write(|transaction| {
            paths.iter().try_for_each(|path| index::remove(transaction, path))
        })?;
        fault::point("after unindexing");
        for key in &actions {
            self.rewrite_realisation(key)?;
        }
        for path in paths {
            self.discard(path, trash)?;
        }
        self.end()
    }

    /// Takes an object and its sidecar out of the store.
    pub(crate) fn discard(&self, path: &StorePath, trash: &Path) -> Result<()> {
        let (object, record) = (self.layout.object(path), self.layout.info(path));
        if let Ok(metadata) = fs::symlink_metadata(&object) {
            if metadata.is_dir() {
                // A directory can only be moved to another parent by one who may write to it.
                disk::unlock_dir(&object)?;
            }
            fault::point("before discard");
            match fs::rename(&object, trash.join(path.base_name())) {
                // An overlay does not move what is in a lower layer. Without its sidecar, what is left
                // after a kill is no object.
                Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
                    disk::remove_if_there(&record)?;
                    disk::remove_tree(&object)?;
                }
                other => other.at("remove", &object)?,
            }
        }
        disk::remove_if_there(&record)
    }

    /// Makes a realisation file say what the index says.
    pub(crate) fn rewrite_realisation(&mut self, key: &ActionKey) -> Result<()> {
        let path = self.layout.realisation(key);
        let outputs = self.index.realisations(key)?;
        if outputs.is_empty() {
            return disk::remove_if_there(&path);
        }
        let fresh = self.layout.new_realisation();
        disk::remove_if_there(&fresh)?;
        disk::write_durably(&fresh, &record::encode_realisation(key, &outputs))?;
        fs::rename(&fresh, &path).at("write", &path)
    }
}

fn move_tree_in(object: &Pending, target: &Path) -> Result<()> {
    fs::rename(&object.physical, target).map_err(|error| match error.kind() {
        std::io::ErrorKind::CrossesDevices => {
            Error::OtherFileSystem { path: object.physical.clone() }
        }
        _ => Error::io("move into the store", &object.physical, error),
    })
}

/// Writes a record where its owner can move it from, and notes that it has to reach the disk.
pub(crate) fn stage(path: PathBuf, bytes: &[u8], durable: &mut Durable) -> Result<PathBuf> {
    let mut file = File::create_new(&path).at("create", &path)?;
    file.write_all(bytes).at("write", &path)?;
    if durable.takes_each(1) {
        durable.add(file, &path);
    } else {
        durable.add_whole(file, &path);
    }
    Ok(path)
}
