//! Garbage collection.
//!
//! Objects are deleted in batches. For each batch the roots are read anew under the commit lock:
//! temporary roots first and lasting ones second, because a process makes its lasting root while
//! its temporary one still stands. Referrers go before what they refer to, so every object that
//! is in the store at any moment has its closure there.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::StorePath;

use crate::commit::Commit;
use crate::disk;
use crate::error::{Error, Result};
use crate::live;
use crate::reserve;
use crate::roots;
use crate::store::Store;
use crate::types::{GcOptions, GcReport, ObjectInfo};

/// Objects that are taken out in one hold of the commit lock; others wait so long.
const BATCH: usize = 64;

impl Store {
    /// Deletes objects that neither a root nor a living process keeps.
    ///
    /// Runs beside builds of other processes: what they have given to [`Store::protect`], and
    /// what they have registered, stays. What this `Store` value protects stays as well.
    pub fn gc(&self, options: GcOptions) -> Result<GcReport> {
        live::sweep(&self.layout)?;
        let report = match self.collect(options) {
            // Deleting takes some space first: a mark of life, and pages of the index.
            Err(Error::DiskFull { .. }) => {
                reserve::spend(&self.layout)?;
                self.collect(options)
            }
            other => other,
        };
        reserve::keep(&self.layout);
        report
    }

    fn collect(&self, options: GcOptions) -> Result<GcReport> {
        let mut report = GcReport::default();
        let doomed = {
            let mut commit = self.commit()?;
            let keep = commit.kept()?;
            let objects = commit.index.objects()?;
            report.kept = keep.len();
            referrers_first(objects, &keep)
        };
        if options.dry_run {
            for info in doomed {
                if options.stop_after.is_some_and(|limit| report.freed >= limit) {
                    report.kept += 1;
                    continue;
                }
                report.freed += info.size;
                report.deleted.push(info.path);
            }
            return Ok(report);
        }
        let mut waiting = doomed.into_iter().peekable();
        while waiting.peek().is_some() {
            let batch: Vec<ObjectInfo> = waiting.by_ref().take(BATCH).collect();
            let trash = self.scratch()?;
            let mut commit = self.commit()?;
            let keep = commit.kept()?;
            let mut dead = Vec::new();
            for info in batch {
                let enough = options.stop_after.is_some_and(|limit| report.freed >= limit);
                if enough || keep.contains(&info.path) || !commit.index.has(&info.path)? {
                    report.kept += 1;
                    continue;
                }
                report.freed += info.size;
                dead.push(info.path);
            }
            commit.remove(&dead, trash.path())?;
            drop(commit);
            disk::remove_tree(trash.path())?;
            report.deleted.extend(dead);
        }
        self.drop_dead_roots()?;
        Ok(report)
    }

    fn drop_dead_roots(&self) -> Result<()> {
        for (entry, root) in roots::entries(&self.layout)? {
            if root.is_none() {
                disk::remove_if_there(&entry)?;
            }
        }
        Ok(())
    }
}

impl Commit<'_> {
    /// The closure of all roots, as of now.
    fn kept(&mut self) -> Result<BTreeSet<StorePath>> {
        let mut starts = live::temporary_roots(self.layout)?;
        let lasting = roots::entries(self.layout)?;
        starts.extend(lasting.into_iter().filter_map(|(_, root)| Some(root?.path)));
        let mut keep = BTreeSet::new();
        for start in starts {
            if !keep.contains(&start) {
                keep.extend(self.index.closure(&start)?);
            }
        }
        Ok(keep)
    }
}

/// The objects that are not kept, each before those that it refers to.
fn referrers_first(objects: Vec<ObjectInfo>, keep: &BTreeSet<StorePath>) -> Vec<ObjectInfo> {
    let mut dead: BTreeMap<StorePath, ObjectInfo> = objects
        .into_iter()
        .filter(|info| !keep.contains(&info.path))
        .map(|info| (info.path.clone(), info))
        .collect();
    let mut referrers: BTreeMap<StorePath, usize> = BTreeMap::new();
    for info in dead.values() {
        for reference in info.references.iter().filter(|r| dead.contains_key(r)) {
            *referrers.entry(reference.clone()).or_default() += 1;
        }
    }
    let mut ready: Vec<StorePath> =
        dead.keys().rev().filter(|path| !referrers.contains_key(path)).cloned().collect();
    let mut ordered = Vec::with_capacity(dead.len());
    while let Some(info) = ready.pop().and_then(|path| dead.remove(&path)) {
        for reference in &info.references {
            if let Some(count) = referrers.get_mut(reference) {
                *count -= 1;
                if *count == 0 {
                    ready.push(reference.clone());
                }
            }
        }
        ordered.push(info);
    }
    ordered
}
