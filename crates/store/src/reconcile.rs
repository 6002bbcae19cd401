//! Bringing records and index in line with the objects on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

use cbuild_drv::{ActionKey, Digest, OutputName, StorePath};

use crate::cancel::Cancel;
use crate::commit::Commit;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::index::{self, Index};
use crate::layout::{Format, Layout};
use crate::leftovers;
use crate::live::{Live, Scratch};
use crate::record;
use crate::tree;
use crate::types::ObjectInfo;
use crate::verify::content;

/// Where the index notes which start of the system it has seen.
const BOOT: &str = "boot";

/// Identity of the running system; a change means that unsynchronised writes may be lost.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Whether the index has seen the running system.
pub(crate) fn has_caught_up(index: &mut Index) -> Result<bool> {
    let boot = boot_id();
    // Without /proc nobody knows, and then it may be another one each time.
    Ok(!boot.is_empty() && index.meta(BOOT)?.is_some_and(|known| known == boot))
}

/// An object's state on disk.
enum Found {
    /// Object and record are there and fit each other; the flag tells whether it is settled.
    Whole(ObjectInfo, bool),
    /// Nothing, or something that cannot be used.
    Broken,
}

fn look(layout: &Layout, path: &StorePath) -> Result<Found> {
    let object = layout.object(path);
    let metadata = match std::fs::symlink_metadata(&object) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Broken),
        other => other.at("look at", &object)?,
    };
    let record = layout.info(path);
    let Some(bytes) = disk::read_if_there(&record)? else { return Ok(Found::Broken) };
    match record::decode_info(&record, &bytes) {
        Ok((info, settled)) if info.path == *path => {
            if !settled && !content_fits(layout, &info) {
                return Ok(Found::Broken);
            }
            if metadata.is_dir() && metadata.mode() & 0o7777 != 0o555 {
                tree::seal_top(&object)?;
            }
            Ok(Found::Whole(info, settled))
        }
        Ok(_) | Err(Error::RecordDamaged { .. }) => Ok(Found::Broken),
        Err(error) => Err(error),
    }
}

/// Whether an object has the content that its path says, apart from links that an earlier version has left,
/// which are taken away later. What cannot be read does not fit.
fn content_fits(layout: &Layout, info: &ObjectInfo) -> bool {
    content_fits_without(layout, info, None)
        || content_fits_without(layout, info, Some(leftovers::LINK))
}

fn content_fits_without(layout: &Layout, info: &ObjectInfo, without: Option<&str>) -> bool {
    // A stop must not make it look broken.
    content(&layout.object(&info.path), &info.path, without, &Cancel::default())
        .is_ok_and(|found| found.contradiction(info, Format::Present).is_none())
}

/// The names in `store` and `info` that are store paths.
pub(crate) fn names_on_disk(layout: &Layout) -> Result<BTreeSet<StorePath>> {
    let mut names = BTreeSet::new();
    for folder in [layout.objects(), layout.infos()] {
        let listed = disk::list(&folder)?;
        names.extend(listed.iter().filter_map(|n| StorePath::parse(n.to_str()?).ok()));
    }
    Ok(names)
}

/// The actions that have a realisation file.
pub(crate) fn actions_on_disk(layout: &Layout) -> Result<BTreeSet<ActionKey>> {
    let listed = disk::list(&layout.realisations())?;
    Ok(listed.iter().filter_map(|n| Digest::parse(n.to_str()?).ok().map(ActionKey)).collect())
}

impl Commit<'_> {
    /// Reconciles everything unless the index has been since the system was started.
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        if has_caught_up(&mut self.index)? {
            return Ok(());
        }
        let is_first = self.index.meta(BOOT)?.is_none();
        self.reconcile_all()?;
        if is_first && self.index.objects()?.is_empty() {
            self.no_links()?;
        }
        self.index.set_meta(BOOT, &boot_id())
    }

    /// Reconciles everything that the disk or the index names.
    pub(crate) fn reconcile_all(&mut self) -> Result<()> {
        let mut objects = names_on_disk(self.layout)?;
        objects.extend(self.index.objects()?.into_iter().map(|info| info.path));
        let mut actions = actions_on_disk(self.layout)?;
        actions.extend(self.index.realised_actions()?);
        self.reconcile(&objects, &actions)
    }

    /// Makes the index have exactly the given objects and actions that are whole on disk, and
    /// removes the remains of the others.
    pub(crate) fn reconcile(
        &mut self,
        objects: &BTreeSet<StorePath>,
        actions: &BTreeSet<ActionKey>,
    ) -> Result<()> {
        let (mut whole, mut broken) = (BTreeMap::new(), BTreeSet::new());
        let mut unsettled = BTreeSet::new();
        for path in objects {
            match look(self.layout, path)? {
                Found::Whole(info, settled) => {
                    if !settled {
                        unsettled.insert(path.clone());
                    }
                    whole.insert(path.clone(), info);
                }
                Found::Broken => {
                    broken.insert(path.clone());
                }
            }
        }
        // What refers to one that is gone for good is gone with it.
        for path in broken.clone() {
            broken.extend(self.index.referrers(&path)?);
        }
        whole.retain(|path, _| !broken.contains(path));
        let ordered = self.order_by_references(whole, &mut broken)?;
        // A good tree may have taken the place of a damaged one; the others stay noted.
        let noted = self.index.damaged()?;
        let is_sound = |info: &ObjectInfo| {
            noted.contains(&info.path) && content_fits_without(self.layout, info, None)
        };
        let sound: Vec<&ObjectInfo> = ordered.iter().filter(|info| is_sound(info)).collect();
        self.index.write(|transaction| {
            for info in sound {
                index::forget_damaged(transaction, &info.path)?;
            }
            for path in &broken {
                index::remove(transaction, path)?;
            }
            for info in &ordered {
                // The order puts references first, so none is missing.
                index::insert(transaction, info)?;
                if unsettled.contains(&info.path) {
                    index::note_unsettled(transaction, info)?;
                }
            }
            Ok(())
        })?;
        self.discard_all(&broken)?;
        self.reconcile_actions(actions)
    }

    /// Objects with references before referrers; those whose references are not there are broken.
    fn order_by_references(
        &mut self,
        mut whole: BTreeMap<StorePath, ObjectInfo>,
        broken: &mut BTreeSet<StorePath>,
    ) -> Result<Vec<ObjectInfo>> {
        let mut ordered = Vec::with_capacity(whole.len());
        let mut placed: BTreeSet<StorePath> = BTreeSet::new();
        loop {
            let mut ready = Vec::new();
            for (path, info) in &whole {
                let mut complete = true;
                for reference in &info.references {
                    let waits = broken.contains(reference) || whole.contains_key(reference);
                    complete &=
                        placed.contains(reference) || (!waits && self.index.has(reference)?);
                }
                if complete {
                    ready.push(path.clone());
                }
            }
            if ready.is_empty() {
                broken.extend(whole.into_keys());
                return Ok(ordered);
            }
            for path in ready {
                ordered.extend(whole.remove(&path));
                placed.insert(path);
            }
        }
    }

    fn discard_all(&self, broken: &BTreeSet<StorePath>) -> Result<()> {
        let mut remains = Vec::new();
        for path in broken {
            if disk::exists(&self.layout.object(path))? {
                remains.push(path);
            }
            disk::remove_if_there(&self.layout.info(path))?;
        }
        if remains.is_empty() {
            return Ok(());
        }
        let trash = Scratch::new(Live::start(self.layout)?.into())?;
        remains.into_iter().try_for_each(|path| self.discard(path, trash.path()))
    }

    fn reconcile_actions(&mut self, actions: &BTreeSet<ActionKey>) -> Result<()> {
        for key in actions {
            let path = self.layout.realisation(key);
            let read = disk::read_if_there(&path)?;
            let recorded: BTreeMap<OutputName, StorePath> = match read {
                None => BTreeMap::new(),
                Some(bytes) => match record::decode_realisation(&path, key, &bytes) {
                    Err(Error::RecordDamaged { .. }) => BTreeMap::new(),
                    other => other?,
                },
            };
            let mut outputs = recorded.clone();
            for object in recorded.values() {
                if !self.index.has(object)? {
                    outputs.retain(|_, path| path != object);
                }
            }
            self.index.write(|transaction| {
                // All objects were just seen in the index, under the exclusive lock.
                index::set_realisation(transaction, key, &outputs)
            })?;
            if outputs != recorded || outputs.is_empty() {
                self.rewrite_realisation(key)?;
            }
        }
        Ok(())
    }
}
