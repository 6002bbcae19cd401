//! Bringing a store of the first format to the present one.
//!
//! The first format hashed an object that holds its own digest without saying where, so that two
//! trees could have one path. All other objects have the paths that they had. Those that hold their
//! own digest, and what refers to them, are moved out of the store to `format-1` below its root, and
//! their realisations are forgotten: they are made again when they are needed. A collection deletes
//! what was moved. A kill in between is no harm: the version file says what was begun, and the next
//! process goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use rustix::fs::syncfs;

use crate::cancel::Cancel;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::layout::{Format, Layout};
use crate::live;
use crate::reconcile::names_on_disk;
use crate::record;
use crate::store::Store;
use crate::types::ObjectInfo;
use crate::verify::content;

/// What was done with a store of the first format when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Number of objects that were moved out of the store.
    pub moved: usize,
    /// The folder that they are in.
    pub folder: PathBuf,
}

impl fmt::Display for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = match self.moved {
            1 => "1 object that holds its".to_owned(),
            moved => format!("{moved} objects that hold their"),
        };
        write!(
            f,
            "the store was brought to format 2: {objects} own path, or what refers to one, will be \
             made anew under another path when it is needed; until the next `cbuild store gc` the \
             old ones are in `{}`",
            self.folder.display()
        )
    }
}

/// A change of the format that was begun; others wait for it while the value lives.
pub(crate) struct Begun {
    _lock: File,
}

impl Begun {
    /// Moves out what is not of the present format; `None` where the store is of that already.
    pub(crate) fn new(layout: &Layout, commit_lock: &File) -> Result<Option<Self>> {
        let lock = File::open(layout.root()).at("open", layout.root())?;
        lock.lock().at("lock", layout.root())?;
        let format = layout.format()?;
        if format == Some(Format::Present) {
            return Ok(None);
        }
        // From here on no older cbuild opens the store.
        layout.set_format(Format::Between)?;
        if live::is_anybody_there(layout)? {
            if format == Some(Format::First) {
                layout.set_format(Format::First)?;
            }
            return Err(Error::InUse { path: layout.root().to_owned() });
        }
        let path = layout.commit_lock();
        commit_lock.lock().at("lock", &path)?;
        let moved = move_out(layout);
        commit_lock.unlock().at("unlock", &path)?;
        moved.map(|()| Some(Self { _lock: lock }))
    }

    /// Makes index and realisations forget what is gone, and notes that all is done.
    pub(crate) fn end(self, store: &Store) -> Result<Option<Upgrade>> {
        store.commit()?.reconcile_all()?;
        let layout = &store.layout;
        let root = File::open(layout.root()).at("open", layout.root())?;
        syncfs(&root).at("synchronise", layout.root())?;
        layout.set_format(Format::Present)?;
        let folder = layout.first_format();
        let moved = disk::list(&folder.join("store"))?.len();
        Ok((moved > 0).then_some(Upgrade { moved, folder }))
    }
}

fn move_out(layout: &Layout) -> Result<()> {
    let doomed = doomed(layout)?;
    if doomed.is_empty() {
        return Ok(());
    }
    let (trees, infos) = (layout.first_format().join("store"), layout.first_format().join("info"));
    for folder in [&trees, &infos] {
        fs::create_dir_all(folder).at("create the folder", folder)?;
    }
    for path in &doomed {
        let base = path.base_name();
        move_tree(&layout.object(path), &trees.join(&base))?;
        let (from, to) = (layout.info(path), infos.join(&base));
        fs::rename(&from, &to).at("move out of the store", &from)?;
    }
    Ok(())
}

/// Moves an object, if it is there, and leaves it its permissions.
fn move_tree(from: &Path, to: &Path) -> Result<()> {
    if !disk::exists(from)? {
        return Ok(());
    }
    let permissions = fs::symlink_metadata(from).at("look at", from)?.permissions();
    let is_directory = fs::symlink_metadata(from).at("look at", from)?.is_dir();
    if is_directory {
        // Only who may write to a directory can move it to another parent.
        disk::unlock_dir(from)?;
    }
    disk::move_tree(from, to)?;
    if is_directory {
        let mode = Permissions::from_mode(permissions.mode() & 0o7777);
        fs::set_permissions(to, mode).at("change the permissions of", to)?;
    }
    Ok(())
}

/// The objects that hold their own digest and all that refers to them, referrers first, so that
/// what is left after a kill is still found by the rest.
fn doomed(layout: &Layout) -> Result<Vec<StorePath>> {
    let mut referrers: BTreeMap<StorePath, Vec<StorePath>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for path in names_on_disk(layout)? {
        let Some(info) = recorded(layout, &path)? else { continue };
        for reference in info.references {
            referrers.entry(reference).or_default().push(path.clone());
        }
        if info.self_reference {
            waiting.push(path);
        }
    }
    let (mut ordered, mut placed) = (Vec::new(), BTreeSet::new());
    while let Some(path) = waiting.last().cloned() {
        let above = referrers.get(&path).map_or(&[][..], Vec::as_slice);
        let before = waiting.len();
        if !placed.contains(&path) {
            waiting.extend(above.iter().filter(|referrer| !placed.contains(*referrer)).cloned());
        }
        if waiting.len() == before {
            waiting.pop();
            if placed.insert(path.clone()) {
                ordered.push(path);
            }
        }
    }
    Ok(ordered)
}

/// Of which format a store is that does not say so: an object that holds its own digest tells, and without
/// one there is no difference.
pub(crate) fn format_of(layout: &Layout) -> Result<Format> {
    for path in names_on_disk(layout)? {
        let Some(info) = recorded(layout, &path)?.filter(|info| info.self_reference) else {
            continue;
        };
        let found = content(&layout.object(&path), &path, None, &Cancel::default());
        // A damaged one tells nothing.
        match found.map(|found| {
            (found.contradiction(&info, Format::Present), found.is_of_first_format(&info))
        }) {
            Ok((None, _)) => return Ok(Format::Present),
            Ok((Some(_), true)) => return Ok(Format::First),
            _ => {}
        }
    }
    Ok(Format::Present)
}

/// The sidecar of an object. What is damaged is left to the reconciliation, which removes it.
fn recorded(layout: &Layout, path: &StorePath) -> Result<Option<ObjectInfo>> {
    let place = layout.info(path);
    let Some(bytes) = disk::read_if_there(&place)? else { return Ok(None) };
    match record::decode_info(&place, &bytes) {
        Ok((info, _)) => Ok((info.path == *path).then_some(info)),
        Err(Error::RecordDamaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes what was moved out, and tells how many bytes that frees.
pub(crate) fn discard(layout: &Layout, dry_run: bool) -> Result<u64> {
    let folder = layout.first_format();
    let mut freed = 0;
    for name in disk::list(&folder.join("info"))? {
        let place = folder.join("info").join(name);
        let bytes = disk::read_if_there(&place)?.unwrap_or_default();
        freed += record::decode_info(&place, &bytes).map_or(0, |(info, _)| info.size);
    }
    if !dry_run {
        disk::remove_tree(&folder)?;
    }
    Ok(freed)
}
