//! Modules from outside of a package: what `cbuild.mod` requires, which versions are selected, what
//! `cbuild.lock` pins, and where their files are.
//!
//! The first half is pure: names and versions ([`ModulePath`], [`Version`]), the two files
//! ([`Manifest`], [`Lock`]), selection ([`select`]) and the comparison of the two files
//! ([`verify`]). The second half, [`Workspace`], fetches trees, keeps them in the store and gives the
//! table ([`Packages`]) by which imports are resolved.
//!
//! This crate deliberately knows nothing of the language: it never reads a `.cbuild` file.
#![forbid(unsafe_code)]

mod acquire;
pub mod codes;
mod edit;
mod error;
mod lock;
mod manifest;
mod names;
mod packages;
mod publish;
mod relock;
mod select;
mod source;
mod vendor;
mod verify;
mod workspace;

pub use acquire::Means;
pub use edit::{add_requirement, remove_requirement};
pub use error::{Error, TreeMismatch};
pub use lock::{Entry, Lock};
pub use manifest::{Manifest, Override, Requirement};
pub use names::{ImportName, ModulePath, ModuleVersion, NameError, Version};
pub use packages::{Import, Package, Packages};
pub use publish::Published;
pub use relock::LockChange;
pub use select::{Conflict, Provider, Roots, SelectError, Selected, Selection, select};
pub use source::{Pin, Source};
pub use verify::{Outdated, verify};
pub use workspace::Workspace;

/// File that marks the top folder of a module and says what it requires.
pub const MANIFEST_FILE: &str = "cbuild.mod";

/// File that pins what was selected for a root module.
pub const LOCK_FILE: &str = "cbuild.lock";

/// Folder with copies of the required modules, in the top folder of a root module.
pub const VENDOR_FOLDER: &str = "vendor";
