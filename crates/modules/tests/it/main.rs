//! Modules seen from outside: the two files, selection, and whole workspaces with real repositories.
#![expect(clippy::disallowed_methods, reason = "the entries of folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lock;
mod manifest;
mod selection;
mod spec;
mod workspaces;
