//! The language server: what an editor asks of `.cbuild` files, answered over the Language Server Protocol.
//!
//! [`serve`] talks to one editor. The answers come from the index that checking leaves ([`cbuild_sema::index`])
//! and from the lowered syntax; each is computed on the newest text, which may be broken anywhere. Where
//! files and packages are is an [`Outside`]'s business: this crate opens no file, starts no process, and
//! evaluates and builds nothing.
#![forbid(unsafe_code)]

mod actions;
mod complete;
mod cursor;
mod diagnostics;
mod hover;
mod lines;
mod navigate;
mod outline;
mod rename;
mod server;
mod signature;
#[cfg(test)]
mod tests;
mod tokens;
mod workspace;

use std::path::{Path, PathBuf};

use cbuild_sema::{LoadError, ModuleKey, Package};

pub use crate::server::{ServeError, serve};

/// A file as a module of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// Top folder of the package.
    pub root: PathBuf,
    /// The module.
    pub key: ModuleKey,
}

/// Where files and packages are. Files that an editor has open are not asked for.
pub trait Outside {
    /// The module that a file is; `None` if it cannot be one.
    fn place(&mut self, file: &Path) -> Option<FilePlace>;

    /// The text of a module, for a check of the package at `root`.
    ///
    /// # Errors
    /// [`LoadError`], if the file is missing or cannot be read as UTF-8 text.
    fn load(&mut self, root: &Path, key: &ModuleKey) -> Result<String, LoadError>;

    /// The name under which messages show a module.
    fn shown_name(&self, root: &Path, key: &ModuleKey) -> String;

    /// The module that `import NAME` means in a package.
    fn resolve(&self, root: &Path, from: Package, name: &str) -> Option<ModuleKey>;

    /// Every name that [`Outside::resolve`] knows for a package.
    fn importable(&self, root: &Path, from: Package) -> Vec<String>;

    /// A file in which a reader finds a module, of the standard library too.
    fn file(&mut self, root: &Path, key: &ModuleKey) -> Option<PathBuf>;

    /// All modules of the package at `root` itself, in order.
    fn modules(&mut self, root: &Path) -> Vec<ModuleKey>;

    /// What is in a folder of the package at `root`: names in order, those of folders with a `/` behind.
    fn entries(&mut self, root: &Path, folder: &str) -> Vec<String>;

    /// Files may have changed: what was remembered of them is looked at again.
    fn changed(&mut self);
}
