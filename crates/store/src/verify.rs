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
use crate::live;
use crate::reconcile::{actions_on_disk, names_on_disk};
use crate::record;
use crate::scan::{Pattern, Patterns};
use crate::store::Store;
use crate::tree::{self, Purpose, Walk};
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
        live::sweep(&self.layout)?;
        self.settle_old()?;
        let mut report = VerifyReport::default();
        let snapshot = self.commit()?.snapshot(options)?;
        report.problems = snapshot.problems;
        let mut bad = BTreeSet::new();
        for (info, Checked { found, is_there }) in self.verify_all(&snapshot.indexed)? {
            let path = &info.path;
            if is_there {
                report.checked += 1;
                report.bytes += info.size;
            }
            // What is not in the index any more was collected in the meantime.
            if found.is_empty() || !self.index()?.has(path)? {
                continue;
            }
            if found.iter().any(|kind| !matches!(kind, ProblemKind::Touched(_))) {
                bad.insert(path.clone());
            } else if options.repair {
                tree::restore(&self.layout.object(path), &self.cancel)?;
            }
            let place = self.layout.object(path);
            report
                .problems
                .extend(found.into_iter().map(|kind| Problem { path: place.clone(), kind }));
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
            report.dropped = self.repair(&bad, &report.problems)?;
        }
        report.damaged = bad;
        Ok(report)
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
                let checked = self.verify_object(info, indexed);
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

    fn verify_object(
        &self,
        info: &ObjectInfo,
        indexed: &BTreeMap<StorePath, ObjectInfo>,
    ) -> Result<Checked> {
        let place = self.layout.object(&info.path);
        if !disk::exists(&place)? {
            return Ok(Checked { found: vec![ProblemKind::Missing], is_there: false });
        }
        let mut found = Vec::new();
        match content(&place, &info.path, &self.cancel) {
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => found.push(ProblemKind::Damaged(error.to_string())),
            Ok(content) => {
                if let Some(text) = content.contradiction(info) {
                    found.push(ProblemKind::Damaged(text));
                } else if let Some(file) = content.touched {
                    found.push(ProblemKind::Touched(file));
                }
            }
        }
        match self.recorded(&info.path) {
            Ok(recorded) if recorded == *info => {}
            Ok(_) => found.push(ProblemKind::Index("index and sidecar differ".into())),
            Err(error) => found.push(ProblemKind::Record(error.to_string())),
        }
        let absent = info.references.iter().filter(|r| !indexed.contains_key(r));
        for reference in absent {
            if !self.index()?.has(reference)? {
                found.push(ProblemKind::ReferenceMissing(reference.clone()));
            }
        }
        Ok(Checked { found, is_there: true })
    }

    fn recorded(&self, path: &StorePath) -> Result<ObjectInfo> {
        let place = self.layout.info(path);
        let bytes = fs::read(&place).at("read", &place)?;
        let (info, _) = record::decode_info(&place, &bytes)?;
        if info.path != *path {
            let detail = "it is the sidecar of another object".into();
            return Err(Error::RecordDamaged { path: place, detail });
        }
        Ok(info)
    }

    /// Drops bad objects with their referrers, moves foreign files away, mends the index.
    fn repair(&self, bad: &BTreeSet<StorePath>, problems: &[Problem]) -> Result<Vec<StorePath>> {
        let trash = self.scratch()?;
        let mut commit = self.commit()?;
        let mut dropped = Vec::new();
        for path in bad {
            for referrer in commit.index.referrers(path)?.into_iter().rev() {
                if !dropped.contains(&referrer) {
                    dropped.push(referrer);
                }
            }
        }
        commit.remove(&dropped, trash.path())?;
        for problem in problems.iter().filter(|p| p.kind == ProblemKind::Foreign) {
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
        fs::rename(from, &target).at("move aside", from)
    }
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
    /// How the content contradicts the object's path or record, in words; `None` where it fits.
    pub(crate) fn contradiction(&self, info: &ObjectInfo) -> Option<String> {
        let path_of = |tree| {
            let name = info.path.name();
            StorePath::of_content(name, &tree, self.self_reference, &info.references)
        };
        let tree = self.tree.digest();
        let actual = path_of(tree);
        if actual != info.path {
            return Some(match path_of(self.tree.digest_without_places()) == info.path {
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

/// Reads and hashes what is at an object's place.
///
/// # Errors
/// [`Error::Cancelled`] says nothing of the content.
pub(crate) fn content(place: &Path, path: &StorePath, cancel: &Cancel) -> Result<Content> {
    let mut patterns = Patterns::default();
    patterns.add(path.digest(), Pattern::Own(0));
    let walk = Walk { patterns: &patterns, own: 0, purpose: Purpose::Read, cancel };
    let scanned = tree::walk(place, &walk)?;
    let self_reference = scanned.node.own_hits().contains_key(&0);
    let touched = scanned.touched.map(|file| file.display().to_string());
    Ok(Content { tree: scanned.node.to_tree(0), self_reference, touched })
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
