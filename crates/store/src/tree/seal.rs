//! The last step before a tree is moved into the store: final permissions, times and durability.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, chmodat, fchmod, futimens, utimensat};

use super::{
    MODE_EXECUTABLE, Node, Place, Purpose, Walk, at_top, mode_of, open_dir, open_file, store_times,
    walk,
};
use crate::cancel::Cancel;
use crate::durable::Durable;
use crate::error::{IoContext, Result};
use crate::scan::Patterns;

/// Sets permissions and times, and notes what has to reach the disk.
///
/// The top directory stays writable, because only then can it be moved; [`seal_top`] ends that.
pub(crate) fn seal(top: &Path, node: &Node, durable: &mut Durable) -> Result<()> {
    let each = durable.takes_each(node.count());
    let mut sealer = Sealer { each, all: false, durable, place: Place(top.to_owned()) };
    at_top(top, |dir, name| {
        sealer.entry(dir, name, node, true)?;
        if !each {
            let parent = File::open(top.parent().unwrap_or(top)).at("open", top)?;
            sealer.durable.add_whole(parent, top);
        }
        Ok(())
    })
}

/// Makes the top of an object that has been moved into the store read-only.
pub(crate) fn seal_top(top: &Path) -> Result<()> {
    at_top(top, |dir, name| {
        chmodat(dir, name, Mode::from_raw_mode(MODE_EXECUTABLE), AtFlags::empty())
            .at("change the permissions of", top)
    })
}

/// Sets permissions and times of an object in the store again. No file is exchanged: a kill in between
/// leaves nothing foreign in the object.
pub(crate) fn restore(top: &Path, cancel: &Cancel) -> Result<()> {
    let patterns = Patterns::default();
    let purpose = Purpose::Read;
    let found = walk(top, &Walk { patterns: &patterns, own: 0, purpose, cancel })?;
    let mut durable = Durable::default();
    let each = durable.takes_each(found.node.count());
    let mut sealer =
        Sealer { each, all: true, durable: &mut durable, place: Place(top.to_owned()) };
    at_top(top, |dir, name| sealer.entry(dir, name, &found.node, true))?;
    if !each {
        let parent = File::open(top.parent().unwrap_or(top)).at("open", top)?;
        durable.add_whole(parent, top);
    }
    durable.wait()?;
    match found.node {
        Node::Directory(_) => seal_top(top),
        _ => Ok(()),
    }
}

struct Sealer<'d> {
    /// Whether files are brought to the disk one by one.
    each: bool,
    /// Whether files may have other permissions and times than when they were copied.
    all: bool,
    durable: &'d mut Durable,
    place: Place,
}

impl Sealer<'_> {
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        node: &Node,
        is_top: bool,
    ) -> Result<()> {
        match node {
            Node::File { executable, rewritten, .. } => {
                if !rewritten && !self.each && !self.all {
                    return Ok(());
                }
                let file = open_file(dir, name, OFlags::RDONLY).at("open", self.place.path())?;
                self.finish(file, mode_of(*executable))
            }
            Node::Symlink { .. } => utimensat(dir, name, &store_times(), AtFlags::SYMLINK_NOFOLLOW)
                .at("set the time of", self.place.path()),
            Node::Directory(children) => {
                let fd = open_dir(dir, name).at("open", self.place.path())?;
                for (name, child) in children {
                    let name = OsStr::from_bytes(name);
                    self.place.0.push(name);
                    self.entry(fd.as_fd(), name, child, false)?;
                    self.place.0.pop();
                }
                let mode = if is_top { 0o755 } else { MODE_EXECUTABLE };
                self.finish(File::from(fd), Mode::from_raw_mode(mode))
            }
        }
    }

    fn finish(&mut self, file: File, mode: Mode) -> Result<()> {
        let path = self.place.path();
        fchmod(&file, mode).at("change the permissions of", path)?;
        futimens(&file, &store_times()).at("set the time of", path)?;
        if self.each {
            self.durable.add(file, path);
        }
        Ok(())
    }
}
