//! Whether a lock fits what is required, told without the network.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::lock::Lock;
use crate::manifest::Requirement;
use crate::names::{ModulePath, ModuleVersion, Version};
use crate::select::Roots;

/// One thing in which a lock does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Outdated {
    /// A required module has no entry.
    #[error("`{path}` is required{}, and cbuild.lock does not have it", asked(by.as_ref()))]
    Missing {
        /// The module.
        path: ModulePath,
        /// Who requires it; `None` is the root or an override.
        by: Option<ModuleVersion>,
    },
    /// A lower version is pinned than one that is required.
    #[error("`{path}` is required at {wanted}{}, and cbuild.lock has {locked}", asked(by.as_ref()))]
    TooLow {
        /// The module.
        path: ModulePath,
        /// What is pinned.
        locked: Version,
        /// What is required.
        wanted: Version,
        /// Who requires it.
        by: Option<ModuleVersion>,
    },
    /// The root names another source for the version that is pinned.
    #[error("`{0}` comes from another source than cbuild.lock has")]
    Source(ModulePath),
    /// Nothing requires an entry.
    #[error("cbuild.lock has `{0}`, which nothing requires")]
    Unused(ModulePath),
    /// Nothing asks for so high a version.
    #[error("cbuild.lock has `{0}`, but nothing requires that version")]
    TooHigh(ModuleVersion),
}

fn asked(by: Option<&ModuleVersion>) -> String {
    by.map(|by| format!(" by `{by}`")).unwrap_or_default()
}

impl Outdated {
    /// The module that it is about.
    pub fn path(&self) -> &ModulePath {
        match self {
            Self::Missing { path, .. } | Self::TooLow { path, .. } => path,
            Self::Source(path) | Self::Unused(path) => path,
            Self::TooHigh(module) => &module.path,
        }
    }
}

/// What a lock lacks for the requirements of the root and of overrides alone.
pub(crate) fn verify_roots(roots: &Roots<'_>, lock: &Lock) -> Vec<Outdated> {
    let mut found = Vec::new();
    short(roots, None, roots.requirements, lock, &mut found);
    for requirements in roots.overrides.values() {
        short(roots, None, requirements, lock, &mut found);
    }
    for (path, requirement) in roots.requirements {
        if let Some(entry) = lock.entries.get(path)
            && entry.version == requirement.version
            && entry.source != requirement.source
            && !roots.overrides.contains_key(path)
        {
            found.push(Outdated::Source(path.clone()));
        }
    }
    found
}

/// Compares a lock with all requirements; `known` has those of each pinned module. An empty answer
/// means: every requirement is met, every entry is needed, and no version is higher than asked for.
pub fn verify(
    roots: &Roots<'_>,
    lock: &Lock,
    known: &BTreeMap<ModulePath, BTreeMap<ModulePath, Requirement>>,
) -> Vec<Outdated> {
    let mut found = verify_roots(roots, lock);
    let mut reached: BTreeSet<&ModulePath> = BTreeSet::new();
    let mut stated: BTreeSet<(&ModulePath, &Version)> = BTreeSet::new();
    let mut waiting = vec![roots.requirements];
    waiting.extend(roots.overrides.values());
    while let Some(requirements) = waiting.pop() {
        for (path, requirement) in requirements {
            stated.insert((path, &requirement.version));
            let Some(entry) = lock.entries.get(path).filter(|_| !is_fixed(roots, path)) else {
                continue;
            };
            if let (true, Some(own)) = (reached.insert(path), known.get(path)) {
                let by = ModuleVersion { path: path.clone(), version: entry.version.clone() };
                short(roots, Some(&by), own, lock, &mut found);
                waiting.push(own);
            }
        }
    }
    for (path, entry) in &lock.entries {
        if !reached.contains(path) {
            found.push(Outdated::Unused(path.clone()));
        } else if !stated.contains(&(path, &entry.version)) && !superseded(lock, entry.by.as_ref())
        {
            let version = entry.version.clone();
            found.push(Outdated::TooHigh(ModuleVersion { path: path.clone(), version }));
        }
    }
    found
}

fn is_fixed(roots: &Roots<'_>, path: &ModulePath) -> bool {
    path == roots.module || roots.overrides.contains_key(path)
}

/// Whether an entry's `by` can be right: it names a version that another one stands in for, or a
/// module that fell out because of such.
fn superseded(lock: &Lock, by: Option<&ModuleVersion>) -> bool {
    by.is_some_and(|by| lock.entries.get(&by.path).is_none_or(|entry| entry.version > by.version))
}

fn short(
    roots: &Roots<'_>,
    by: Option<&ModuleVersion>,
    requirements: &BTreeMap<ModulePath, Requirement>,
    lock: &Lock,
    found: &mut Vec<Outdated>,
) {
    for (path, requirement) in requirements {
        if is_fixed(roots, path) {
            continue;
        }
        let (path, by) = (path.clone(), by.cloned());
        match lock.entries.get(&path) {
            None => found.push(Outdated::Missing { path, by }),
            Some(entry) if entry.version < requirement.version => {
                let (locked, wanted) = (entry.version.clone(), requirement.version.clone());
                found.push(Outdated::TooLow { path, locked, wanted, by });
            }
            Some(_) => {}
        }
    }
}
