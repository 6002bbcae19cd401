//! Putting good objects in the place of damaged ones.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use cbuild_drv::StorePath;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::commit::stage;
use crate::disk;
use crate::durable::Durable;
use crate::error::{Error, IoContext, Result};
use crate::record;
use crate::store::Store;
use crate::transfer::{Identity, identify};
use crate::tree::{self, Node};

impl Store {
    /// Takes an object from another store and puts it in the place of a damaged or lost one, which
    /// the index knows. False when the other one does not have it, or has it damaged too.
    ///
    /// # Errors
    /// [`Error::NotInStore`] when the index does not know it; what the disk says.
    pub fn restore_from(&self, other: &Store, path: &StorePath) -> Result<bool> {
        let source = other.physical(path);
        if !disk::exists(&source)? {
            return Ok(false);
        }
        let known = self.index()?.info(path)?;
        let known = known.ok_or_else(|| Error::NotInStore { path: path.clone() })?;
        let scratch = self.scratch()?;
        let copy = scratch.path().join("object");
        match tree::ingest(&source, Some(&copy), &self.cancel) {
            Ok(_) => self.replace(path, &known.references, &copy),
            // The other store may be on a disk that is broken.
            Err(Error::Io { path: place, .. }) if place.starts_with(other.root()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a tree in the place of an object, atomically, if it is what the path says.
    pub(crate) fn replace(
        &self,
        path: &StorePath,
        references: &BTreeSet<StorePath>,
        tree: &Path,
    ) -> Result<bool> {
        let (info, node) = match identify(tree, path, references, &self.cancel)? {
            Identity::Wanted(info, node) => (info, node),
            Identity::OfFirstFormat | Identity::Other => return Ok(false),
        };
        let mut durable = Durable::default();
        tree::seal(tree, &node, &mut durable)?;
        let scratch = self.scratch()?;
        let sidecar = scratch.path().join("info");
        let sidecar = stage(sidecar, &record::encode_info(&info, true), &mut durable)?;
        durable.wait()?;
        let place = self.layout.object(path);
        let mut commit = self.commit()?;
        commit.begin([path], [])?;
        if disk::exists(&place)? {
            exchange(tree, &place, &self.layout.info(path))?;
        } else {
            fs::rename(tree, &place).at("move into the store", tree)?;
        }
        if matches!(node, Node::Directory(_)) {
            tree::seal_top(&place)?;
        }
        let target = self.layout.info(path);
        fs::rename(&sidecar, &target).at("write", &target)?;
        commit.index.note_damaged(path, false)?;
        commit.reconcile(&BTreeSet::from([path.clone()]), &BTreeSet::new())?;
        commit.end()?;
        Ok(true)
    }
}

/// Exchanges a tree and an object, whose sidecar is given, in one step; where the file system cannot, in
/// two, between which a kill costs the object: it is then built again.
pub(crate) fn exchange(new: &Path, old: &Path, record: &Path) -> Result<()> {
    if fs::symlink_metadata(old).at("look at", old)?.is_dir() {
        // Only who may write to a directory can move it to another parent.
        disk::unlock_dir(old)?;
    }
    if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    let mut aside = new.as_os_str().to_owned();
    aside.push("-old");
    match fs::rename(old, &aside) {
        // An overlay does not move what is in a lower layer. Without its sidecar, what is left after a
        // kill is no object.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            disk::remove_if_there(record)?;
            disk::remove_tree(old)?;
        }
        other => other.at("move out of the store", old)?,
    }
    fs::rename(new, old).at("move into the store", new)
}
