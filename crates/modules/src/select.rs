//! Minimal version selection: of all versions that anything asks for, the highest of each module.
//!
//! The graph has one node for each version of a module that some reachable node requires. Each node's
//! requirements count, also those of versions that are not selected in the end; this is what makes
//! the result independent of the order in which the graph is walked. A module that only
//! such versions require is left out at the end, since nothing imports it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::manifest::Requirement;
use crate::names::{ModulePath, ModuleVersion};
use crate::source::Source;

/// Most versions of modules that are looked at.
pub(crate) const MAX_NODES: usize = 10_000;

/// Gives the requirements of versions of modules.
pub trait Provider {
    /// Why they cannot be had.
    type Error;

    /// What this version requires; `source` says where it is.
    ///
    /// # Errors
    /// Whatever went wrong on the way.
    fn requirements(
        &mut self,
        module: &ModuleVersion,
        source: &Source,
    ) -> Result<BTreeMap<ModulePath, Requirement>, Self::Error>;
}

/// What is given to a selection.
#[derive(Clone, Debug)]
pub struct Roots<'a> {
    /// The root module; it satisfies every requirement of itself.
    pub module: &'a ModulePath,
    /// What it requires.
    pub requirements: &'a BTreeMap<ModulePath, Requirement>,
    /// Modules that local folders stand for, with what those require. They have no version.
    pub overrides: &'a BTreeMap<ModulePath, BTreeMap<ModulePath, Requirement>>,
}

/// The outcome: one version a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// What was selected; overridden modules and the root are not in it.
    pub modules: BTreeMap<ModulePath, Selected>,
}

/// What was selected of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The version.
    pub module: ModuleVersion,
    /// Where it is.
    pub source: Source,
    /// See [`crate::Entry::by`].
    pub by: Option<ModuleVersion>,
}

/// Two modules that name different sources for the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The thing.
    pub module: ModuleVersion,
    /// Each source with one that names it (`None` is the root or an override).
    pub sources: BTreeMap<Source, Option<ModuleVersion>>,
}

/// Why nothing was selected.
#[derive(Debug, Error)]
pub enum SelectError<E> {
    /// Requirements could not be had.
    #[error(transparent)]
    Provider(E),
    /// Nobody can say which source is right.
    #[error("there are different sources for {}", .0.module)]
    Conflict(Box<Conflict>),
    /// More versions than the limit.
    #[error("more than {MAX_NODES} versions of modules are required")]
    TooMany,
}

/// Selects one version of each module that `roots` reach.
///
/// # Errors
/// [`SelectError`].
pub fn select<P: Provider>(
    roots: &Roots<'_>,
    provider: &mut P,
) -> Result<Selection, SelectError<P::Error>> {
    let mut walk = Walk::new(roots);
    walk.require(None, roots.requirements);
    for requirements in roots.overrides.values() {
        walk.require(None, requirements);
    }
    while let Some((module, source)) = walk.next()? {
        let found = provider.requirements(&module, &source).map_err(SelectError::Provider)?;
        // It is known before its requirements are looked at: it may require itself.
        walk.known.insert(module.clone(), found.clone());
        walk.require(Some(&module), &found);
    }
    walk.conflict()?;
    Ok(walk.finish())
}

/// A node's requirements.
type Requirements = BTreeMap<ModulePath, Requirement>;

struct Walk<'a> {
    roots: &'a Roots<'a>,
    /// Everything that is required: its sources, each with the smallest that names it.
    sources: BTreeMap<ModuleVersion, BTreeMap<Source, Option<ModuleVersion>>>,
    /// Who requires it; `None` is the root or an override.
    askers: BTreeMap<ModuleVersion, BTreeSet<Option<ModuleVersion>>>,
    waiting: BTreeSet<ModuleVersion>,
    known: BTreeMap<ModuleVersion, Requirements>,
}

impl<'a> Walk<'a> {
    fn new(roots: &'a Roots<'a>) -> Self {
        Self {
            roots,
            sources: BTreeMap::new(),
            askers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            known: BTreeMap::new(),
        }
    }

    fn require(&mut self, asker: Option<&ModuleVersion>, requirements: &Requirements) {
        for (path, requirement) in requirements {
            if self.is_fixed(path) {
                continue;
            }
            let module = ModuleVersion { path: path.clone(), version: requirement.version.clone() };
            let named = self.sources.entry(module.clone()).or_default();
            let by = named.entry(requirement.source.clone()).or_insert_with(|| asker.cloned());
            if asker < by.as_ref() {
                *by = asker.cloned();
            }
            self.askers.entry(module.clone()).or_default().insert(asker.cloned());
            if !self.known.contains_key(&module) {
                self.waiting.insert(module);
            }
        }
    }

    /// Whether a module has no version to select: the root itself, and overridden ones.
    fn is_fixed(&self, path: &ModulePath) -> bool {
        path == self.roots.module || self.roots.overrides.contains_key(path)
    }

    /// The next node to look at, and its source.
    fn next<E>(&mut self) -> Result<Option<(ModuleVersion, Source)>, SelectError<E>> {
        if self.sources.len() > MAX_NODES {
            return Err(SelectError::TooMany);
        }
        let Some(module) = self.waiting.pop_first() else { return Ok(None) };
        // If it is in conflict, any source will do: the error comes when all is known.
        let source = self.source(&module);
        Ok(source.map(|source| (module, source)))
    }

    /// The source of a node: that of the root if it names one, else the smallest.
    fn source(&self, module: &ModuleVersion) -> Option<Source> {
        let by_root = self.roots.requirements.get(&module.path);
        let by_root = by_root.filter(|requirement| requirement.version == module.version);
        let smallest = || self.sources.get(module)?.keys().next();
        by_root.map(|requirement| &requirement.source).or_else(smallest).cloned()
    }

    fn conflict<E>(&self) -> Result<(), SelectError<E>> {
        for (module, sources) in &self.sources {
            let by_root = self.roots.requirements.get(&module.path);
            let decided = by_root.is_some_and(|requirement| requirement.version == module.version);
            if sources.len() > 1 && !decided {
                let conflict = Conflict { module: module.clone(), sources: sources.clone() };
                return Err(SelectError::Conflict(Box::new(conflict)));
            }
        }
        Ok(())
    }

    fn finish(self) -> Selection {
        // Versions of one module follow each other in ascending order.
        let highest: BTreeMap<&ModulePath, &ModuleVersion> =
            self.sources.keys().map(|module| (&module.path, module)).collect();
        let mut reached: BTreeSet<&ModuleVersion> = BTreeSet::new();
        let mut waiting: Vec<&ModulePath> = self.roots.requirements.keys().collect();
        waiting.extend(self.roots.overrides.values().flat_map(BTreeMap::keys));
        while let Some(path) = waiting.pop() {
            let Some(module) = highest.get(path) else { continue };
            if reached.insert(module) {
                waiting.extend(self.known.get(module).into_iter().flat_map(BTreeMap::keys));
            }
        }
        let selected = reached.iter().filter_map(|module| {
            let askers = self.askers.get(*module)?;
            let counts = |asker: &Option<ModuleVersion>| {
                asker.as_ref().is_none_or(|asker| reached.contains(asker))
            };
            let by = if askers.iter().any(counts) { None } else { askers.first()?.clone() };
            let source = self.source(module)?;
            Some((module.path.clone(), Selected { module: (*module).clone(), source, by }))
        });
        Selection { modules: selected.collect() }
    }
}
