//! Writing `cbuild.lock`: selection over real modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::acquire::{self, acquire};
use crate::error::Error;
use crate::lock::{Entry, Lock};
use crate::manifest::Requirement;
use crate::names::{ModulePath, ModuleVersion, Version};
use crate::select::{Provider, SelectError, select};
use crate::source::{Pin, Source};
use crate::workspace::{Workspace, expect_tree, read_manifest};
use crate::{LOCK_FILE, MANIFEST_FILE};

/// What a new lock changed, ordered by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockChange {
    /// Each module whose pinned version changed, with the version before and after.
    pub versions: BTreeMap<ModulePath, (Option<Version>, Option<Version>)>,
    /// Whether the file's text changed at all.
    pub changed: bool,
    /// Number of modules that are pinned now.
    pub modules: usize,
}

impl Workspace<'_> {
    /// Selects versions, fetches what was selected, and writes `cbuild.lock` if it changes. What the
    /// old lock pins stays pinned to the same files as long as version and source stay the same.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Fetch`], [`Error::WrongModule`], [`Error::WrongTree`] and others.
    pub fn lock(&self) -> Result<LockChange, Error> {
        let old = self.lock_file()?;
        let new = self.relock(old.as_ref())?;
        let text = new.to_text();
        let file = self.root.join(LOCK_FILE);
        let changed = old.as_ref().map(Lock::to_text) != Some(text.clone());
        // Without requirements no file is needed; an existing one is emptied rather than removed.
        if changed && (old.is_some() || !new.entries.is_empty()) {
            write(&file, &text)?;
        }
        Ok(difference(&old.unwrap_or_default(), &new, changed))
    }

    /// Like [`Workspace::lock`], and then writes the text of `cbuild.mod` that this was opened with.
    ///
    /// # Errors
    /// As there; `cbuild.mod` is only written when the new lock is.
    pub fn lock_and_save(&self) -> Result<LockChange, Error> {
        let change = self.lock()?;
        write(&self.root.join(MANIFEST_FILE), &self.text)?;
        Ok(change)
    }

    fn relock(&self, old: Option<&Lock>) -> Result<Lock, Error> {
        let mut fetched = Fetched { workspace: self, old, trees: BTreeMap::new() };
        let selection = select(&self.roots(), &mut fetched).map_err(|error| match error {
            SelectError::Provider(error) => error,
            SelectError::Conflict(conflict) => Error::Conflict(conflict),
            SelectError::TooMany => Error::TooMany,
        })?;
        let mut lock = Lock::default();
        for (path, selected) in selection.modules {
            // Each selected version was looked at on the way; it is looked up again at no cost.
            let (entry_tree, pin) = fetched.get(&selected.module, &selected.source)?;
            let entry = Entry {
                version: selected.module.version,
                tree: entry_tree,
                source: selected.source,
                pin,
                by: selected.by,
            };
            lock.entries.insert(path, entry);
        }
        Ok(lock)
    }
}

/// Gives requirements by fetching modules.
struct Fetched<'a> {
    workspace: &'a Workspace<'a>,
    old: Option<&'a Lock>,
    trees: BTreeMap<ModuleVersion, (cbuild_drv::Digest, Pin, PathBuf)>,
}

impl Fetched<'_> {
    fn get(
        &mut self,
        module: &ModuleVersion,
        source: &Source,
    ) -> Result<(cbuild_drv::Digest, Pin), Error> {
        if let Some((tree, pin, _)) = self.trees.get(module) {
            return Ok((*tree, pin.clone()));
        }
        let old = self.old.and_then(|lock| lock.entries.get(&module.path));
        let kept = old.filter(|old| old.version == module.version && old.source == *source);
        let means = self.workspace.means;
        let found = match kept {
            Some(entry) => {
                let stored = acquire::stored(means.store, module, &entry.tree)?;
                let folder = match stored {
                    Some(folder) => folder,
                    None => self.pinned_anew(module, entry)?,
                };
                (entry.tree, entry.pin.clone(), folder)
            }
            None => {
                let acquired = acquire(means, module, source, None)?;
                (acquired.tree, acquired.pin, acquired.folder)
            }
        };
        let known = (found.0, found.1.clone());
        self.trees.insert(module.clone(), found);
        Ok(known)
    }

    /// Fetches what the old lock pins; a vendored copy is not looked at, since it may be stale.
    fn pinned_anew(&self, module: &ModuleVersion, entry: &Entry) -> Result<PathBuf, Error> {
        let means = self.workspace.means;
        let acquired = acquire(means, module, &entry.source, Some(&entry.pin))?;
        expect_tree(module, entry, &acquired)?;
        Ok(acquired.folder)
    }
}

impl Provider for Fetched<'_> {
    type Error = Error;

    fn requirements(
        &mut self,
        module: &ModuleVersion,
        source: &Source,
    ) -> Result<BTreeMap<ModulePath, Requirement>, Error> {
        self.get(module, source)?;
        let Some((_, _, folder)) = self.trees.get(module) else { return Ok(BTreeMap::new()) };
        Ok(read_manifest(folder, module, source)?.require)
    }
}

fn difference(old: &Lock, new: &Lock, changed: bool) -> LockChange {
    let mut versions = BTreeMap::new();
    for path in old.entries.keys().chain(new.entries.keys()) {
        let version = |lock: &Lock| lock.entries.get(path).map(|entry| entry.version.clone());
        let (before, after) = (version(old), version(new));
        if before != after {
            versions.insert(path.clone(), (before, after));
        }
    }
    LockChange { versions, changed, modules: new.entries.len() }
}

/// Replaces a file in one step, so that no half-written one is ever seen.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), Error> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(format!(".{}.part", std::process::id()));
    let partial = PathBuf::from(partial);
    let done = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, file));
    if done.is_err() {
        // The error that is being reported matters more than one of tidying up after it.
        let _ = std::fs::remove_file(&partial);
    }
    done.map_err(Error::io("write", file))
}
