//! Verification: does the store hold what its names say?

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cbuild_drv::{Digest, StorePath, Tree};

use crate::cancel::Cancel;
use crate::commit::Commit;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::layout::{Format, Layout};
use crate::leftovers::LINK;
use crate::reconcile::{actions_on_disk, names_on_disk};
use crate::record;
use crate::scan::{Pattern, Patterns};
use crate::store::Store;
use crate::tree::{self, Node, Purpose, Walk};
use crate::types::{ObjectInfo, Problem, ProblemKind, VerifyOptions, VerifyReport};

/// What the index and the folders held at one moment.
struct Snapshot {
    indexed: BTreeMap<StorePath, ObjectInfo>,
    problems: Vec<Problem>,
}

/// What was found of one object.
struct Checked {
    found: Vec<ProblemKind>,
    is_there: bool,
}

impl Store {
    /// Reads objects and compares them with their paths, their records and the index.
    ///
    /// With `repair`, damaged or missing objects and all that refer to them are dropped (they
    /// can be built again), changed permissions are restored, foreign files are moved to
    /// `<root>/foreign`, and the index is brought in line. The report tells what was found before.
    ///
    /// # Errors
    /// [`Error::IndexDamaged`] when SQLite finds its file damaged; IO errors of the folders. An
    /// object that cannot be read is a problem in the report and no error.
    pub fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        self.sweep()?;
        let mut report = VerifyReport::default();
        let (snapshot, noted) = {
            let mut commit = self.commit()?;
            if !self.is_read_only() {
                // An earlier version has left it; who makes one holds the lock.
                disk::remove_if_there(&self.layout.objects().join(LINK))?;
            }
            (commit.snapshot(options)?, commit.index.damaged()?)
        };
        report.problems = snapshot.problems;
        let mut suspects = Vec::new();
        for (info, Checked { found, is_there }) in self.verify_all(&snapshot.indexed)? {
            if is_there {
                report.checked += 1;
                report.bytes += info.size;
            }
            if !found.is_empty() || noted.contains(&info.path) {
                suspects.push(&info.path);
            }
        }
        for path in suspects {
            self.look_again(path, options.repair, &mut report)?;
        }
        if let Some(only) = &options.only {
            let absent = only.iter().filter(|path| !snapshot.indexed.contains_key(path));
            report.problems.extend(absent.map(|path| Problem {
                path: self.layout.object(path),
                kind: ProblemKind::Missing,
            }));
        }
        report.problems.sort();
        report.problems.dedup();
        if options.repair && !report.problems.is_empty() {
            report.dropped = self.repair(&report.damaged)?;
        }
        Ok(report)
    }

    /// Looks at an object again under the commit lock: what was found without it may have been the work
    /// of another process, which is over now. Notes what is damaged, so that nothing is built from it.
    fn look_again(&self, path: &StorePath, repair: bool, report: &mut VerifyReport) -> Result<()> {
        let mut commit = self.commit()?;
        // What is not in the index any more was collected in the meantime.
        let Some(info) = commit.index.info(path)? else { return Ok(()) };
        let place = self.layout.object(path);
        let look = |commit: &mut Commit<'_>| {
            let mut is_known = |path: &StorePath| commit.index.has(path);
            verify_object(self, &info, &mut is_known)
        };
        let mut found = look(&mut commit)?.found;
        if !found.is_empty() && !self.is_read_only() && commit.mend_links(&info)? {
            found = look(&mut commit)?.found;
        }
        let is_damaged = found.iter().any(|kind| !matches!(kind, ProblemKind::Touched(_)));
        if !self.is_read_only() {
            match commit.index.note_damaged(path, is_damaged) {
                // What is found is told all the same.
                Err(Error::DiskFull { .. }) if !repair => {}
                noted => noted?,
            }
        }
        if is_damaged {
            report.damaged.insert(path.clone());
        } else if repair && !found.is_empty() {
            commit.begin_mending(path)?;
            tree::restore(&place, &self.cancel)?;
            commit.end()?;
        }
        let problem = |kind| Problem { path: place.clone(), kind };
        report.problems.extend(found.into_iter().map(problem));
        Ok(())
    }

    /// Notes an object as damaged if that is so when it is looked at under the commit lock.
    pub(crate) fn note_damage(&self, path: &StorePath) -> Result<()> {
        self.look_again(path, false, &mut VerifyReport::default())
    }

    /// Looks at each object, on all processors. The answers are ordered by path.
    fn verify_all<'s>(
        &self,
        indexed: &'s BTreeMap<StorePath, ObjectInfo>,
    ) -> Result<Vec<(&'s ObjectInfo, Checked)>> {
        // One thread reads an object, so the largest must not be left for the end.
        let mut objects: Vec<&ObjectInfo> = indexed.values().collect();
        objects.sort_by_key(|info| Reverse(info.size));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(info) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut is_known =
                    |path: &StorePath| Ok(indexed.contains_key(path) || self.index()?.has(path)?);
                let checked = verify_object(self, info, &mut is_known);
                if checked.is_err() {
                    // The others need not go on.
                    next.store(objects.len(), Ordering::Relaxed);
                }
                done.push((*info, checked?));
            }
            Ok(done)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut all = std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..threads.min(objects.len())).map(|_| scope.spawn(work)).collect();
            let mut all = work()?;
            for other in others {
                match other.join() {
                    Ok(done) => all.extend(done?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok::<_, Error>(all)
        })?;
        all.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        Ok(all)
    }

    /// Drops those of the objects that are still known to be damaged, with their referrers; moves
    /// foreign files away, and mends the index. What is foreign is looked up again.
    fn repair(&self, bad: &BTreeSet<StorePath>) -> Result<Vec<StorePath>> {
        let trash = self.scratch()?;
        let mut commit = self.commit()?;
        let mut dropped = Vec::new();
        for path in bad {
            // Another process may have put a good one in its place.
            if !commit.index.is_damaged(path)? {
                continue;
            }
            for referrer in commit.index.referrers(path)?.into_iter().rev() {
                if !dropped.contains(&referrer) {
                    dropped.push(referrer);
                }
            }
        }
        commit.remove(&dropped, trash.path())?;
        let indexed = commit.index.objects()?.into_iter().map(|info| (info.path.clone(), info));
        let mut problems = Vec::new();
        commit.check_folders(&indexed.collect(), &mut problems)?;
        for problem in problems.iter().filter(|problem| problem.kind == ProblemKind::Foreign) {
            self.move_foreign(&problem.path)?;
        }
        commit.reconcile_all()?;
        Ok(dropped)
    }

    fn move_foreign(&self, from: &Path) -> Result<()> {
        let (folder, Some(name)) = (self.layout.foreign(), from.file_name()) else {
            return Ok(());
        };
        fs::create_dir_all(&folder).at("create the folder", &folder)?;
        let mut target = folder.join(name);
        let mut number = 0u32;
        while disk::exists(&target)? {
            number += 1;
            target = folder.join(format!("{number}-{}", name.to_string_lossy()));
        }
        disk::move_tree(from, &target)
    }
}

/// Compares an object with its path, its sidecar and what the index has.
fn verify_object(
    store: &Store,
    info: &ObjectInfo,
    is_known: &mut dyn FnMut(&StorePath) -> Result<bool>,
) -> Result<Checked> {
    let layout = &store.layout;
    let place = layout.object(&info.path);
    if !disk::exists(&place)? {
        return Ok(Checked { found: vec![ProblemKind::Missing], is_there: false });
    }
    let mut found = Vec::new();
    match content(&place, &info.path, None, &store.cancel) {
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        Err(error) if is_of_the_process(&error) => return Err(error),
        Err(error) => found.push(ProblemKind::Damaged(error.to_string())),
        Ok(content) => match content.contradiction(info, store.format()) {
            Some(text) => found.push(ProblemKind::Damaged(text)),
            None => found.extend(content.touched.map(ProblemKind::Touched)),
        },
    }
    match recorded(layout, &info.path) {
        Ok(recorded) if recorded == *info => {}
        Ok(_) => found.push(ProblemKind::Index("index and sidecar differ".into())),
        Err(error) => found.push(ProblemKind::Record(error.to_string())),
    }
    for reference in &info.references {
        if !is_known(reference)? {
            found.push(ProblemKind::ReferenceMissing(reference.clone()));
        }
    }
    Ok(Checked { found, is_there: true })
}

/// Whether an error says that this process has no more means, and nothing of the object.
fn is_of_the_process(error: &Error) -> bool {
    use rustix::io::Errno;
    let Error::Io { source, .. } = error else { return false };
    let lacking = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    lacking.iter().any(|errno| source.raw_os_error() == Some(errno.raw_os_error()))
}

fn recorded(layout: &Layout, path: &StorePath) -> Result<ObjectInfo> {
    let place = layout.info(path);
    let bytes = fs::read(&place).at("read", &place)?;
    let (info, _) = record::decode_info(&place, &bytes)?;
    if info.path != *path {
        let detail = "it is the sidecar of another object".into();
        return Err(Error::RecordDamaged { path: place, detail });
    }
    Ok(info)
}

/// What is at an object's place.
pub(crate) struct Content {
    /// The tree modulo the object's own digest.
    tree: Tree,
    /// Whether the own digest occurs.
    self_reference: bool,
    /// The first file whose permissions or times were changed.
    touched: Option<String>,
}

impl Content {
    /// The content of a tree in which the own digest is that of output 0.
    pub(crate) fn of(node: &Node) -> Self {
        let self_reference = node.own_hits().contains_key(&0);
        Self { tree: node.to_tree(0), self_reference, touched: None }
    }

    fn path(&self, info: &ObjectInfo, tree: Digest) -> StorePath {
        StorePath::of_content(info.path.name(), &tree, self.self_reference, &info.references)
    }

    /// Whether the content has the path in the store's first format.
    pub(crate) fn is_of_first_format(&self, info: &ObjectInfo) -> bool {
        self.path(info, self.tree.digest_without_places()) == info.path
    }

    /// How the content contradicts the object's path or record, in words; `None` where it fits. In a
    /// store that is of the first format still, paths of that fit too.
    pub(crate) fn contradiction(&self, info: &ObjectInfo, format: Format) -> Option<String> {
        let is_old = self.is_of_first_format(info);
        let tree = match format != Format::Present && is_old {
            true => self.tree.digest_without_places(),
            false => self.tree.digest(),
        };
        let actual = self.path(info, tree);
        if actual != info.path {
            return Some(match is_old {
                true => "its path is of the store's first format, which does not fix the content \
                         of an object that holds its own digest"
                    .into(),
                false => format!("the content belongs to {}", actual.base_name()),
            });
        }
        let recorded = (info.tree, info.self_reference);
        (recorded != (tree, self.self_reference)).then(|| "its record names another tree".into())
    }
}

/// Reads and hashes what is at an object's place, as if the files and folders of one name were not there.
///
/// # Errors
/// [`Error::Cancelled`] says nothing of the content.
pub(crate) fn content(
    place: &Path,
    path: &StorePath,
    without: Option<&str>,
    cancel: &Cancel,
) -> Result<Content> {
    let mut patterns = Patterns::default();
    patterns.add(path.digest(), Pattern::Own(0));
    let walk = Walk { patterns: &patterns, own: 0, purpose: Purpose::Read, cancel };
    let mut scanned = tree::walk(place, &walk)?;
    if let Some(name) = without {
        leave_out(&mut scanned.node, name);
    }
    let touched = scanned.touched.map(|file| file.display().to_string());
    Ok(Content { touched, ..Content::of(&scanned.node) })
}

fn leave_out(node: &mut Node, name: &str) {
    if let Node::Directory(children) = node {
        children.remove(name.as_bytes());
        children.values_mut().for_each(|child| leave_out(child, name));
    }
}

impl Commit<'_> {
    fn snapshot(&mut self, options: &VerifyOptions) -> Result<Snapshot> {
        self.index.check_pages()?;
        let objects = self.index.objects()?;
        let mut indexed: BTreeMap<StorePath, ObjectInfo> =
            objects.into_iter().map(|info| (info.path.clone(), info)).collect();
        let mut problems = Vec::new();
        match &options.only {
            Some(only) => indexed.retain(|path, _| only.contains(path)),
            None => {
                self.check_folders(&indexed, &mut problems)?;
                self.check_realisations(&mut problems)?;
            }
        }
        Ok(Snapshot { indexed, problems })
    }

    fn check_folders(
        &self,
        indexed: &BTreeMap<StorePath, ObjectInfo>,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        for folder in [self.layout.objects(), self.layout.infos(), self.layout.realisations()] {
            for name in disk::list(&folder)? {
                let text = name.to_str().unwrap_or_default();
                let known = match folder == self.layout.realisations() {
                    true => text == ".new" || Digest::parse(text).is_ok(),
                    false => StorePath::parse(text).is_ok(),
                };
                if !known {
                    problems.push(Problem { path: folder.join(name), kind: ProblemKind::Foreign });
                }
            }
        }
        for path in names_on_disk(self.layout)?.into_iter().filter(|p| !indexed.contains_key(p)) {
            let (object, record) = (self.layout.object(&path), self.layout.info(&path));
            let problem = match (disk::exists(&object)?, disk::exists(&record)?) {
                (true, true) => {
                    Problem { path: object, kind: ProblemKind::Index("it is not indexed".into()) }
                }
                (true, false) => Problem { path: object, kind: ProblemKind::Foreign },
                _ => Problem { path: record, kind: ProblemKind::Record("no object".into()) },
            };
            problems.push(problem);
        }
        Ok(())
    }

    fn check_realisations(&mut self, problems: &mut Vec<Problem>) -> Result<()> {
        let mut keys = actions_on_disk(self.layout)?;
        keys.extend(self.index.realised_actions()?);
        for key in keys {
            let path = self.layout.realisation(&key);
            let indexed = self.index.realisations(&key)?;
            let kind = match disk::read_if_there(&path)? {
                None => Some(ProblemKind::Record("the realisation file is absent".into())),
                Some(bytes) => match record::decode_realisation(&path, &key, &bytes) {
                    Err(error) => Some(ProblemKind::Record(error.to_string())),
                    Ok(recorded) if recorded != indexed => {
                        Some(ProblemKind::Index("index and realisation file differ".into()))
                    }
                    Ok(_) => None,
                },
            };
            problems.extend(kind.map(|kind| Problem { path, kind }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use cbuild_drv::Name;

    use super::*;

    /// The path that an older program gave to an object that holds its own digest fits in a store that is
    /// of that format still, and in no other.
    #[test]
    fn a_path_of_the_first_format() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("own");
        let (name, none) = (Name::new("own").unwrap(), BTreeSet::new());
        let write = |path: &StorePath| std::fs::write(&place, format!("in {path}")).unwrap();
        let look = |path| content(&place, path, None, &Cancel::default()).unwrap();
        let first = StorePath::of_content(&name, &Digest::of(b"any"), true, &none);
        write(&first);
        let tree = look(&first).tree.digest_without_places();
        let path = StorePath::of_content(&name, &tree, true, &none);
        write(&path);
        let info = ObjectInfo {
            path: path.clone(),
            tree,
            self_reference: true,
            references: none,
            size: 0,
            registered_at: 0,
        };
        assert_eq!(look(&path).contradiction(&info, Format::First), None);
        let text = look(&path).contradiction(&info, Format::Present).unwrap();
        assert!(text.contains("first format"), "{text}");
        std::fs::write(&place, format!("at {path}")).unwrap();
        let text = look(&path).contradiction(&info, Format::First).unwrap();
        assert!(text.contains("belongs to"), "{text}");
    }
}
