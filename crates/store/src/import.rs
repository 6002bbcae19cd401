//! Taking source files and folders into the store.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cbuild_drv::{Digest, Name, StorePath};

use crate::clock;
use crate::commit::{Pending, stage};
use crate::durable::Durable;
use crate::error::{Error, IoContext, Result};
use crate::record;
use crate::store::Store;
use crate::tree::{self, Node};
use crate::types::ObjectInfo;

impl Store {
    /// Copies a source file or folder into the store; its content is not scanned for references.
    ///
    /// The source is only read, and only hashed when it was added before and is as it was then.
    /// A symbolic link is taken as a link, also at the top. The object is protected while this
    /// `Store` value lives.
    ///
    /// All processors take part. A folder with many files is not waited for until it is on the
    /// disk: should the system stop before, the object is dropped at the next start.
    pub fn add_tree(&self, source: &Path, name: &Name) -> Result<StorePath> {
        let source = std::path::absolute(source).at("find", source)?;
        self.refuse_own(&source)?;
        let hint = hint_of(&source, name);
        // Where nothing can be written, only what is there can be had.
        if self.is_read_only() || self.may_be_known(&hint)? {
            let (node, _) = tree::ingest(&source, None, &self.cancel)?;
            let path = StorePath::of_content(name, &node.digest(0), false, &BTreeSet::new());
            if self.protect(std::slice::from_ref(&path))?.is_empty() {
                return Ok(path);
            }
        }
        let scratch = self.scratch()?;
        let copy = scratch.path().join("tree");
        let (node, size) = tree::ingest(&source, Some(&copy), &self.cancel)?;
        let path = self.register_copy(&copy, &node, size, name, scratch.path())?;
        self.index()?.set_meta(&hint, &path.base_name())?;
        Ok(path)
    }

    /// Refuses a folder that holds the store: its copy would hold its copy.
    fn refuse_own(&self, source: &Path) -> Result<()> {
        let identity = |path: &Path| {
            let found = fs::symlink_metadata(path).ok()?;
            found.is_dir().then(|| (found.dev(), found.ino()))
        };
        let Some(wanted) = identity(source) else { return Ok(()) };
        let root = self.root().canonicalize().at("find", self.root())?;
        if root.ancestors().any(|folder| identity(folder) == Some(wanted)) {
            return Err(Error::StoreInside { path: source.to_owned(), root });
        }
        Ok(())
    }

    /// Whether the same source was added before and is still in the store. Only then is it likely
    /// that hashing it is enough.
    fn may_be_known(&self, hint: &str) -> Result<bool> {
        let known = self.index()?.meta(hint)?;
        let Some(path) = known.and_then(|base| StorePath::parse(&base).ok()) else {
            return Ok(false);
        };
        self.index()?.has(&path)
    }

    /// Moves a tree without references in, which has been copied to the scratch place.
    fn register_copy(
        &self,
        copy: &Path,
        node: &Node,
        size: u64,
        name: &Name,
        scratch: &Path,
    ) -> Result<StorePath> {
        let tree = node.digest(0);
        let path = StorePath::of_content(name, &tree, false, &BTreeSet::new());
        if self.protect(std::slice::from_ref(&path))?.is_empty() {
            return Ok(path);
        }
        let info = ObjectInfo {
            path: path.clone(),
            tree,
            self_reference: false,
            references: BTreeSet::new(),
            size,
            registered_at: clock::unix_now(),
        };
        let mut durable = Durable::default();
        let settled = durable.takes_each(node.count() + 1);
        tree::seal(copy, node, &mut durable)?;
        let record = record::encode_info(&info, settled);
        let record = stage(scratch.join("info"), &record, &mut durable)?;
        if settled {
            durable.wait()?;
        }
        let is_directory = matches!(node, Node::Directory(_));
        let physical = copy.to_owned();
        let pending = Pending { info, physical, record, is_directory, settled };
        self.commit()?.add(&[&pending], &[], &[])?;
        Ok(path)
    }
}

/// Key under which the index remembers what a source became.
fn hint_of(source: &Path, name: &Name) -> String {
    use std::os::unix::ffi::OsStrExt;
    format!("source {} {name}", Digest::of(source.as_os_str().as_bytes()))
}
