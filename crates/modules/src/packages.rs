//! The table by which imports of modules from outside are resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::names::{ImportName, ModulePath, Version};

/// What `import ext.NAME` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// The root module itself, which a module may require as well.
    Root,
    /// A module of [`Packages::list`].
    Module(u32),
}

/// Everything that is selected for a root module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// The modules from outside, ordered by path.
    pub list: Vec<Package>,
    /// What the root's own files can import.
    pub root: BTreeMap<ImportName, Import>,
}

/// A module from outside, whose files are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its path.
    pub path: ModulePath,
    /// Its version; `None` for a local override.
    pub version: Option<Version>,
    /// Its top folder, canonical.
    pub folder: PathBuf,
    /// What its files can import.
    pub imports: BTreeMap<ImportName, Import>,
}

impl Packages {
    /// What the files of a module can import; `None` stands for the root.
    pub fn imports(&self, from: Option<u32>) -> Option<&BTreeMap<ImportName, Import>> {
        match from {
            None => Some(&self.root),
            Some(index) => self.get(index).map(|package| &package.imports),
        }
    }

    /// A module of the list.
    pub fn get(&self, index: u32) -> Option<&Package> {
        self.list.get(usize::try_from(index).ok()?)
    }
}

impl Package {
    /// `PATH@VERSION`, or for an override its path alone.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.path),
            None => self.path.to_string(),
        }
    }
}
