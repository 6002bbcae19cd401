//! Documentation of modules: from `///` comments and signatures to static pages with search, and to
//! JSON.
//!
//! [`Library::load`] reads the modules that are to be documented and those that their types come
//! from; [`pages`] renders them to files by path. The pages work from a folder without a server and
//! ask for nothing from outside. The same modules give the same bytes.
//!
//! It knows nothing of inferred types, of evaluation or of a file system: texts come from a
//! [`cbuild_sema::Loader`], and what is public says its type.
#![forbid(unsafe_code)]

mod builtin;
mod code;
mod examples;
mod highlight;
mod html;
mod json;
mod library;
mod markdown;
mod page;
mod search;
mod signature;

pub use examples::{Example, examples};
pub use json::json;
pub use library::{Library, MissingImport, Module};
pub use page::pages;
