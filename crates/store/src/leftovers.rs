//! What interrupted work has left inside of objects, and how it goes without the object.
//!
//! Earlier versions made new links as `.cbuild-link-new` beside the file, and two of them at once left
//! such a link for good. Whether a file of that name is a leftover or belongs to the object, the object's
//! path tells: with one of the two, the content is what the path says.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use rustix::fs::{Mode, fchmod, futimens};

use crate::cancel::Cancel;
use crate::commit::Commit;
use crate::disk;
use crate::error::{IoContext, Result};
use crate::layout::Format;
use crate::store::Store;
use crate::tree;
use crate::types::ObjectInfo;
use crate::verify::content;

/// Name of a new link in earlier versions, before it took the file's.
pub(crate) const LINK: &str = ".cbuild-link-new";

/// Where the index notes that the store was searched for such links.
const SWEPT: &str = "links swept";

impl Store {
    /// Takes away, once in the life of an index, the links that an earlier version has left. It runs
    /// beside others; an object that goes meanwhile is left out.
    pub(crate) fn sweep_links(&self) -> Result<()> {
        if self.is_read_only() || self.index()?.meta(SWEPT)?.is_some() {
            return Ok(());
        }
        for info in self.objects()? {
            self.cancel.check()?;
            if links(&self.layout.object(&info.path))?.is_empty() {
                continue;
            }
            let mut commit = self.commit()?;
            if commit.index.has(&info.path)? {
                commit.mend_links(&info)?;
            }
        }
        let mut commit = self.commit()?;
        // Beside an object that is a file itself. Who makes one holds the lock.
        disk::remove_if_there(&self.layout.objects().join(LINK))?;
        commit.index.set_meta(SWEPT, "1")
    }
}

impl Commit<'_> {
    /// Says that no earlier version has worked in the store.
    pub(crate) fn no_links(&mut self) -> Result<()> {
        self.index.set_meta(SWEPT, "1")
    }

    /// Takes left links out of an object, if it is what its path says without them. Tells whether it is
    /// so now.
    pub(crate) fn mend_links(&mut self, info: &ObjectInfo) -> Result<bool> {
        let top = self.layout.object(&info.path);
        let found = links(&top)?;
        let fits = |without: Option<&str>| {
            let found = content(&top, &info.path, without, &Cancel::default());
            found.is_ok_and(|found| found.contradiction(info, Format::Present).is_none())
        };
        if found.is_empty() || fits(None) || !fits(Some(LINK)) {
            return Ok(false);
        }
        self.begin_mending(&info.path)?;
        for link in found {
            let folder = link.parent().unwrap_or(&top);
            let opened = File::open(folder).at("open", folder)?;
            fchmod(&opened, Mode::from_raw_mode(0o755)).at("change the permissions of", folder)?;
            disk::remove_if_there(&link)?;
        }
        close_folders(&top)?;
        self.end()?;
        Ok(true)
    }

    /// Puts an object in order in which a killed process has made links.
    pub(crate) fn mend(&mut self, path: &StorePath) -> Result<()> {
        let top = self.layout.object(path);
        disk::remove_if_there(&self.layout.objects().join(LINK))?;
        if !disk::exists(&top)? {
            return Ok(());
        }
        if let Some(info) = self.index.info(path)? {
            self.mend_links(&info)?;
        }
        close_folders(&top)
    }
}

/// The files with the name of a new link in a tree.
fn links(top: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    each_folder(top, &mut |folder, has_link| {
        if has_link {
            found.push(folder.join(LINK));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Gives the directories of an object their permissions and times.
fn close_folders(top: &Path) -> Result<()> {
    each_folder(top, &mut |folder, _| {
        let opened = File::open(folder).at("open", folder)?;
        let metadata = opened.metadata().at("look at", folder)?;
        if metadata.mode() & 0o7777 != 0o555 || metadata.mtime() != 1 {
            fchmod(&opened, Mode::from_raw_mode(0o555)).at("change the permissions of", folder)?;
            futimens(&opened, &tree::store_times()).at("set the time of", folder)?;
        }
        Ok(())
    })
}

type Step<'s> = &'s mut dyn FnMut(&Path, bool) -> Result<()>;

/// Goes through the directories of a tree, and tells of each whether a link was left in it. What
/// vanishes meanwhile is left out.
fn each_folder(top: &Path, step: Step<'_>) -> Result<()> {
    let mut waiting = vec![top.to_owned()];
    while let Some(folder) = waiting.pop() {
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        let entries = disk::entries(&folder)?;
        step(&folder, entries.iter().any(|(path, _)| path.ends_with(LINK)))?;
        waiting.extend(entries.into_iter().filter_map(|(path, is_dir)| is_dir.then_some(path)));
    }
    Ok(())
}
