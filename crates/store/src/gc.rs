//! Garbage collection.
//!
//! Objects are deleted in batches. For each batch the roots are read anew under the commit lock:
//! temporary roots first and lasting ones second, because a process makes its lasting root while
//! its temporary one still stands. Referrers go before what they refer to, so every object that
//! is in the store at any moment has its closure there.

use std::collections::{BTreeSet, VecDeque};
use std::os::unix::fs::MetadataExt;

use cbuild_drv::{ActionKey, Digest, StorePath};

use crate::clock;
use crate::commit::Commit;
use crate::disk;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::layout::Layout;
use crate::live;
use crate::reserve;
use crate::roots;
use crate::running;
use crate::store::Store;
use crate::types::{GcOptions, GcReport};
use crate::upgrade;

/// Objects that are taken out in one hold of the commit lock; others wait so long.
const BATCH: usize = 256;

impl Store {
    /// Deletes objects that neither a root nor a living process keeps, and, where all of them may
    /// go, the logs and records of actions that neither a realisation nor the history names, and
    /// what [`Store::upgrade`] tells of.
    ///
    /// Runs beside builds of other processes: what they have given to [`Store::protect`], and
    /// what they have registered, stays. What this `Store` value protects stays as well.
    pub fn gc(&self, options: GcOptions) -> Result<GcReport> {
        let swept = self.sweep().and_then(|()| self.sweep_links());
        match swept {
            // What takes space comes after what gives it back.
            Ok(()) | Err(Error::DiskFull { .. }) => {}
            Err(error) => return Err(error),
        }
        let report = match self.collect(options) {
            // Deleting takes some space first: a mark of life, and pages of the index.
            Err(Error::DiskFull { .. }) => {
                reserve::spend(&self.layout)?;
                self.collect(options)
            }
            other => other,
        };
        if !self.is_read_only() {
            reserve::keep(&self.layout);
        }
        report
    }

    fn collect(&self, options: GcOptions) -> Result<GcReport> {
        let mut kept = {
            let mut commit = self.commit()?;
            let mut kept = Kept::new(commit.index.graph()?);
            kept.refresh(&mut commit)?;
            kept
        };
        kept.keep_running();
        kept.keep_young(options.older_than);
        let foreign = kept.keep_foreign(&self.layout);
        let limit = kept.limit(&options);
        let doomed = kept.graph.referrers_first(&kept.marks);
        let kept_now = kept.graph.nodes().len() - doomed.len();
        let mut report = GcReport { kept: kept_now, foreign, ..GcReport::default() };
        if options.dry_run {
            kept.would_delete(&doomed, limit, &mut report);
        } else {
            self.delete(&mut kept, doomed.into(), limit, &mut report)?;
        }
        self.end_roots(options.dry_run, &mut report)?;
        if options.stop_after.is_none() && options.max_size.is_none() {
            self.collect_records(&options, &mut report)?;
            report.freed += upgrade::discard(&self.layout, options.dry_run)?;
        }
        Ok(report)
    }

    fn delete(
        &self,
        kept: &mut Kept,
        mut waiting: VecDeque<usize>,
        limit: u64,
        report: &mut GcReport,
    ) -> Result<()> {
        while !waiting.is_empty() {
            if report.freed >= limit {
                report.kept += waiting.len();
                return Ok(());
            }
            // Between two batches, everything that went is gone and everything else is there.
            self.cancel.check()?;
            let trash = self.scratch()?;
            let mut commit = self.commit()?;
            kept.refresh(&mut commit)?;
            let (mut dead, mut set) = (Vec::new(), BTreeSet::new());
            for position in waiting.drain(..waiting.len().min(BATCH)) {
                let node = &kept.graph.nodes()[position];
                if report.freed >= limit
                    || kept.marks[position]
                    || !commit.index.has(&node.path)?
                    // Something that was registered since the collection began.
                    || !commit.index.direct_referrers(&node.path)?.is_subset(&set)
                {
                    report.kept += 1;
                    continue;
                }
                report.freed += node.size;
                dead.push(node.path.clone());
                set.insert(node.path.clone());
            }
            commit.remove(&dead, trash.path())?;
            drop(commit);
            disk::remove_tree_unless(trash.path(), &self.cancel)?;
            report.deleted.extend(dead);
        }
        Ok(())
    }

    /// Forgets the entries that keep nothing any more.
    fn end_roots(&self, dry_run: bool, report: &mut GcReport) -> Result<()> {
        for entry in roots::entries(&self.layout)? {
            if entry.roots.is_empty() && !dry_run {
                disk::remove_if_there(&entry.place)?;
            }
            report.ended.extend(entry.ended);
        }
        Ok(())
    }

    /// Deletes the logs and records that nothing names any more. One whose action is being carried
    /// out stays: its lock is held.
    fn collect_records(&self, options: &GcOptions, report: &mut GcReport) -> Result<()> {
        let oldest = options.older_than.map(before);
        let named = {
            let mut index = self.index()?;
            if let (Some(oldest), false) = (oldest, options.dry_run) {
                index.forget_builds(oldest)?;
            }
            if !options.dry_run {
                index.forget_sources()?;
            }
            let mut named = index.realised_actions()?;
            named.extend(index.recorded_actions(oldest)?);
            named
        };
        for file in disk::list(&self.layout.logs())? {
            self.cancel.check()?;
            let key = file.to_str().and_then(|name| name.split_once('.')).map(|(key, _)| key);
            let Some(key) = key.and_then(|key| Digest::parse(key).ok()).map(ActionKey) else {
                continue;
            };
            let path = self.layout.logs().join(&file);
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let young = oldest.is_some_and(|oldest| metadata.mtime() > oldest);
            if young || named.contains(&key) {
                continue;
            }
            let Some(_lock) = self.try_lock_action(&key)? else { continue };
            // Whoever held the lock until now may have realised or recorded it.
            let mut index = self.index()?;
            if !index.realisations(&key)?.is_empty() || index.is_recorded(&key, oldest)? {
                continue;
            }
            report.records += 1;
            report.records_freed += metadata.len();
            if !options.dry_run {
                disk::remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

/// The time so many seconds ago, in seconds since 1970.
fn before(seconds: u64) -> i64 {
    clock::unix_now().saturating_sub_unsigned(seconds)
}

/// What a collection keeps: it only grows while the collection runs.
struct Kept {
    graph: Graph,
    marks: Vec<bool>,
    /// Roots whose closure is marked.
    seen: BTreeSet<StorePath>,
}

impl Kept {
    fn new(graph: Graph) -> Self {
        Self { marks: vec![false; graph.nodes().len()], graph, seen: BTreeSet::new() }
    }

    /// Marks what roots reach that were not there before.
    fn refresh(&mut self, commit: &mut Commit<'_>) -> Result<()> {
        let mut starts = live::temporary_roots(commit.layout)?;
        let lasting = roots::entries(commit.layout)?;
        starts.extend(lasting.into_iter().flat_map(|entry| entry.roots).map(|root| root.path));
        for start in starts {
            if self.seen.contains(&start) {
                continue;
            }
            if let Some(position) = self.graph.find(&start) {
                self.graph.mark(position, &mut self.marks);
                self.seen.insert(start);
                continue;
            }
            // Registered after the collection began; or not yet, and then it is looked at again.
            let closure = commit.index.closure(&start)?;
            for position in closure.iter().filter_map(|path| self.graph.find(path)) {
                self.marks[position] = true;
            }
            if !closure.is_empty() {
                self.seen.insert(start);
            }
        }
        Ok(())
    }

    /// Keeps what running processes use, of whatever store they have it.
    fn keep_running(&mut self) {
        let paths = self.graph.nodes().iter().enumerate().map(|(at, node)| (&node.path, at));
        for position in running::used(paths) {
            self.graph.mark(position, &mut self.marks);
        }
    }

    /// Keeps what this user cannot delete; gives the number of objects that would go otherwise.
    fn keep_foreign(&mut self, layout: &Layout) -> usize {
        let own = rustix::process::geteuid();
        if own.is_root() {
            return 0;
        }
        let marked = |marks: &[bool]| marks.iter().filter(|mark| **mark).count();
        let before = marked(&self.marks);
        for position in 0..self.marks.len() {
            let place = layout.object(&self.graph.nodes()[position].path);
            // Only the owner can change a directory so that it can be moved and emptied.
            let is_foreign = std::fs::symlink_metadata(place)
                .is_ok_and(|found| found.is_dir() && found.uid() != own.as_raw());
            if is_foreign && !self.marks[position] {
                self.graph.mark(position, &mut self.marks);
            }
        }
        marked(&self.marks) - before
    }

    fn keep_young(&mut self, older_than: Option<u64>) {
        let Some(oldest) = older_than.map(before) else { return };
        for position in 0..self.marks.len() {
            if self.graph.nodes()[position].registered > oldest {
                self.graph.mark(position, &mut self.marks);
            }
        }
    }

    /// Number of bytes to free; all that is dead where nobody asks for less.
    fn limit(&self, options: &GcOptions) -> u64 {
        let by_size = options.max_size.map(|most| self.graph.size().saturating_sub(most));
        [options.stop_after, by_size].into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    fn would_delete(&self, doomed: &[usize], limit: u64, report: &mut GcReport) {
        for position in doomed {
            let node = &self.graph.nodes()[*position];
            if report.freed >= limit {
                report.kept += 1;
                continue;
            }
            report.freed += node.size;
            report.deleted.push(node.path.clone());
        }
    }
}
