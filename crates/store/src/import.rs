//! Taking source files and folders into the store.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use cbuild_drv::{Name, StorePath};
use std::collections::BTreeSet;

use crate::error::{Error, IoContext, Result};
use crate::scan::Patterns;
use crate::store::Store;
use crate::tree::{self, MAX_DEPTH, Purpose, Walk};

impl Store {
    /// Copies a source file or folder into the store; its content is not scanned for references.
    ///
    /// The source is only read, and only hashed when the same content is in the store already.
    /// A symbolic link is taken as a link, also at the top. The object is protected while this
    /// `Store` value lives.
    pub fn add_tree(&self, source: &Path, name: &Name) -> Result<StorePath> {
        let patterns = Patterns::default();
        let read = Walk { patterns: &patterns, own: 0, purpose: Purpose::Read };
        let known = tree::walk(source, &read)?.node.digest(0);
        let path = StorePath::of_content(name, &known, false, &BTreeSet::new());
        if self.protect(std::slice::from_ref(&path))?.is_empty() {
            return Ok(path);
        }
        let scratch = self.scratch()?;
        let copy = scratch.path().join("tree");
        copy_tree(source, &copy, 0)?;
        // The copy is hashed again: the source may have changed in between.
        self.register_plain(&copy, name, scratch.path())
    }
}

fn copy_tree(from: &Path, to: &Path, depth: usize) -> Result<()> {
    let metadata = fs::symlink_metadata(from).at("look at", from)?;
    if metadata.is_symlink() {
        let target = fs::read_link(from).at("read the link", from)?;
        return symlink(target, to).at("create the link", to);
    }
    if !metadata.is_dir() {
        return copy_file(from, to);
    }
    if depth >= MAX_DEPTH {
        return Err(Error::TooDeep { path: from.to_owned(), limit: MAX_DEPTH });
    }
    DirBuilder::new().mode(0o700).create(to).at("create the folder", to)?;
    for name in crate::disk::list(from)? {
        copy_tree(&from.join(&name), &to.join(&name), depth + 1)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::PermissionsExt;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    let opened = fs::OpenOptions::new().read(true).custom_flags(flags).open(from);
    let mut source = opened.at("open", from)?;
    let metadata = source.metadata().at("look at", from)?;
    if !metadata.is_file() {
        return Err(Error::FileKind { path: from.to_owned(), kind: "special file" });
    }
    let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o600 } else { 0o700 };
    let target = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to);
    let mut target = target.at("create", to)?;
    std::io::copy(&mut source, &mut target).at("write", to)?;
    Ok(())
}
