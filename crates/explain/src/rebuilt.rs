//! Why an action is another one than before, down to the source file or text that changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cbuild_drv::{ActionKey, Derivation, StorePath};
use cbuild_store::{BuildRecord, Store};

use crate::cause::Hints;
use crate::change::{Change, changes};
use crate::compare::{DifferenceKind, Side, compare};
use crate::error::Result;
use crate::lines::{LineChange, line_changes};

/// Deepest chain of inputs that is followed.
const MAX_DEPTH: usize = 1000;

/// Largest source file whose lines are compared, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// What two actions differ in, with the reasons of changed inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Name of the later action's derivation.
    pub name: String,
    /// The earlier action.
    pub before: ActionKey,
    /// The later action.
    pub after: ActionKey,
    /// What differs.
    pub whys: Vec<Why>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The difference itself.
    pub change: Change,
    /// For an input that is another object now: why it is.
    pub explanation: Option<Explanation>,
}

/// Why an input is another object now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It was built by another action.
    Built(Box<Explained>),
    /// It is a source of the package, and these files changed.
    Source(Vec<FileChange>),
    /// The same action gave two results, so it is not reproducible.
    NotReproducible(ActionKey),
    /// The explanation was given above already.
    Above,
    /// Nothing that could explain it is in the store any more; the text says what is missing.
    Unknown(&'static str),
}

/// A file of a source that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Relative path; empty where the source is a single file.
    pub path: PathBuf,
    /// What happened to it, as a verb in the past.
    pub verb: &'static str,
    /// The lines that changed, for a text that is on both sides.
    pub lines: Vec<LineChange>,
}

/// The last build of an action, and the last one before it of another action of the same name. Without
/// such a build of `own`, or without `own`, the last build of the name is taken. Builds of `others`, actions
/// that have the name by chance or for another variant, do not count, and neither do builds that are known to
/// have been for another package than that in the folder `origin`. `None` without any build.
pub fn last_two(
    store: &Store,
    name: &str,
    own: Option<ActionKey>,
    others: &BTreeSet<ActionKey>,
    origin: Option<&Path>,
) -> Result<Option<(BuildRecord, Option<BuildRecord>)>> {
    Ok(choose_two(store.builds(Some(name), u32::MAX)?, own, others, origin))
}

/// Chooses among builds, which are ordered from the newest on.
fn choose_two(
    mut builds: Vec<BuildRecord>,
    own: Option<ActionKey>,
    others: &BTreeSet<ActionKey>,
    origin: Option<&Path>,
) -> Option<(BuildRecord, Option<BuildRecord>)> {
    builds.retain(|build| {
        let is_other = others.contains(&build.key) || !build.may_be_for(origin);
        Some(build.key) == own || !is_other
    });
    let at = builds.iter().position(|build| Some(build.key) == own).unwrap_or(0);
    let mut builds = builds.into_iter().skip(at);
    let last = builds.next()?;
    let before = builds.find(|build| build.key != last.key);
    Some((last, before))
}

/// Compares two actions and follows their changed inputs. `None` when the record of one of them
/// is not in the store.
pub fn explain_change(
    store: &Store,
    before: &ActionKey,
    after: &ActionKey,
) -> Result<Option<Explained>> {
    Search { store, seen: BTreeSet::new() }.actions(before, after, 0)
}

/// Compares an action that was carried out with one that was not, as [`explain_change`] does.
pub fn explain_pending(
    store: &Store,
    before: &ActionKey,
    after: &Derivation<StorePath>,
) -> Result<Option<Explained>> {
    let Some(old) = store.action(before)? else { return Ok(None) };
    let mut search = Search { store, seen: BTreeSet::new() };
    search.compare((before, &old), (&after.action_key(), after), 0).map(Some)
}

struct Search<'s> {
    store: &'s Store,
    seen: BTreeSet<(StorePath, StorePath)>,
}

impl Search<'_> {
    fn actions(
        &mut self,
        before: &ActionKey,
        after: &ActionKey,
        depth: usize,
    ) -> Result<Option<Explained>> {
        let (old, new) = (self.store.action(before)?, self.store.action(after)?);
        let (Some(old), Some(new)) = (old, new) else { return Ok(None) };
        self.compare((before, &old), (after, &new), depth).map(Some)
    }

    fn compare(
        &mut self,
        (before, old): (&ActionKey, &Derivation<StorePath>),
        (after, new): (&ActionKey, &Derivation<StorePath>),
        depth: usize,
    ) -> Result<Explained> {
        let mut whys = Vec::new();
        for change in changes(old, new) {
            let explanation = match &change {
                Change::Input { before: Some(old), after: Some(new) } => {
                    Some(self.input(old, new, depth + 1)?)
                }
                _ => None,
            };
            whys.push(Why { change, explanation });
        }
        let name = new.name.to_string();
        Ok(Explained { name, before: *before, after: *after, whys })
    }

    fn input(&mut self, old: &StorePath, new: &StorePath, depth: usize) -> Result<Explanation> {
        if depth > MAX_DEPTH {
            return Ok(Explanation::Unknown("the chain of inputs is too long"));
        }
        if !self.seen.insert((old.clone(), new.clone())) {
            return Ok(Explanation::Above);
        }
        let (old_makers, new_makers) = (self.store.makers(old)?, self.store.makers(new)?);
        if let Some(&both) = old_makers.intersection(&new_makers).next() {
            return Ok(Explanation::NotReproducible(both));
        }
        let after = match self.recorded(&new_makers)? {
            // What is there without an action that made it is a source, whatever was built under its name.
            None if self.store.info(new)?.is_none() => self.in_history(new, None)?,
            recorded => recorded,
        };
        let Some(after) = after else { return self.source(old, new) };
        let before = self.recorded(&old_makers)?.or(self.in_history(old, Some(after))?);
        let explained = match before {
            Some(before) if before != after => self.actions(&before, &after, depth)?,
            _ => None,
        };
        Ok(match explained {
            Some(explained) => Explanation::Built(Box::new(explained)),
            None => Explanation::Unknown("the record of its earlier build is gone"),
        })
    }

    /// One of the actions, the one that was carried out last if the history has it.
    fn recorded(&self, makers: &BTreeSet<ActionKey>) -> Result<Option<ActionKey>> {
        let mut found = None;
        for key in makers {
            let Some(action) = self.store.action(key)? else { continue };
            let builds = self.store.builds(Some(action.name.as_str()), u32::MAX)?;
            let started = builds.iter().find(|build| build.key == *key).map(|build| build.started);
            found = found.max(Some((started, *key)));
        }
        Ok(found.map(|(_, key)| key))
    }

    /// An object that was collected has no realisation any more; its name still has a history.
    fn in_history(&self, path: &StorePath, not: Option<ActionKey>) -> Result<Option<ActionKey>> {
        let builds = self.store.builds(Some(path.name().as_str()), u32::MAX)?;
        let mut keys =
            builds.into_iter().filter(|build| build.ending.is_success()).map(|build| build.key);
        Ok(keys.find(|key| Some(*key) != not))
    }

    fn source(&self, old: &StorePath, new: &StorePath) -> Result<Explanation> {
        if self.store.info(old)?.is_none() || self.store.info(new)?.is_none() {
            let missing =
                "the earlier source is no longer in the store, so its files cannot be compared";
            return Ok(Explanation::Unknown(missing));
        }
        let (old, new) = (self.store.physical(old), self.store.physical(new));
        let found = compare(&Side::new(&old), &Side::new(&new), &Hints::default())?;
        let changes = found.into_iter().map(|difference| {
            let path = difference.path;
            let (verb, lines) = match difference.kind {
                DifferenceKind::OnlySecond => ("added", Vec::new()),
                DifferenceKind::OnlyFirst => ("removed", Vec::new()),
                DifferenceKind::Content { .. } => {
                    ("changed", lines_of(&join(&old, &path), &join(&new, &path)))
                }
                DifferenceKind::Executable { .. } => ("changed in its executable bit", Vec::new()),
                DifferenceKind::Target { .. } | DifferenceKind::Kind { .. } => {
                    ("replaced", Vec::new())
                }
            };
            FileChange { path, verb, lines }
        });
        Ok(Explanation::Source(changes.collect()))
    }
}

fn join(top: &std::path::Path, path: &std::path::Path) -> PathBuf {
    // Joining an empty path would add a slash, which a file cannot have.
    if path.as_os_str().is_empty() { top.to_owned() } else { top.join(path) }
}

/// Lines that differ, when both files are texts of a bearable size.
fn lines_of(old: &std::path::Path, new: &std::path::Path) -> Vec<LineChange> {
    let read = |path: &std::path::Path| {
        let small = std::fs::metadata(path).ok().filter(|metadata| metadata.len() <= MAX_TEXT);
        small.and_then(|_| std::fs::read_to_string(path).ok())
    };
    match (read(old), read(new)) {
        (Some(old), Some(new)) if !old.contains('\0') => line_changes(&old, &new),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use cbuild_drv::Digest;
    use cbuild_store::BuildEnding;

    use super::*;

    fn key(key: u8) -> ActionKey {
        ActionKey(Digest::of(&[key]))
    }

    #[test]
    fn builds_of_other_variants_are_not_compared() {
        let record = |(number, started): (u8, i64)| BuildRecord {
            key: key(number),
            name: "zlib".to_owned(),
            started,
            duration_ms: 0,
            ending: BuildEnding::Exited(0),
            log: None,
            usage: None,
            origin: None,
        };
        let builds = [(9, 60), (3, 50), (3, 40), (9, 30), (2, 20), (1, 10)].map(record).to_vec();
        let chosen = |own: Option<u8>, others: &[u8]| {
            let others = others.iter().map(|number| key(*number)).collect();
            let found = choose_two(builds.clone(), own.map(key), &others, None);
            found.map(|(last, before)| (last.started, before.map(|before| before.started)))
        };
        let mut from_folders = builds.clone();
        from_folders[0].origin = Some("/b".into());
        from_folders[1].origin = Some("/a".into());
        let found = choose_two(from_folders, None, &BTreeSet::new(), Some(Path::new("/a")));
        let found = found.map(|(last, before)| (last.started, before.map(|before| before.started)));
        assert_eq!(found, Some((50, Some(30))), "those of another folder do not count");
        assert_eq!(chosen(None, &[]), Some((60, Some(50))));
        assert_eq!(chosen(Some(3), &[]), Some((50, Some(30))));
        assert_eq!(chosen(Some(3), &[9]), Some((50, Some(20))));
        assert_eq!(chosen(Some(3), &[3, 9]), Some((50, Some(20))));
        assert_eq!(chosen(Some(1), &[9]), Some((10, None)));
        assert_eq!(chosen(Some(7), &[9]), Some((50, Some(20))), "an action that never ran");
        assert_eq!(choose_two(Vec::new(), None, &BTreeSet::new(), None), None);
    }
}
