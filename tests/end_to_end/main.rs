//! End-to-end tests: the real `cbuild` on real input, in real sandboxes, with real container runtimes.
//!
//! Each test runs the program as a user would. They are slow, so what a library test can show is
//! shown there; these prove the whole path. Outputs are shared between tests through one store in the
//! target folder, except where a test is about an empty store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop where it stands")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the machine: its processes, its clock, its environment"
)]

mod attacks;
mod bad_input;
mod book;
mod broken_programs;
mod command_line;
mod crash;
mod doc;
mod early_cutoff;
mod explain;
mod explained_codes;
mod fmt;
mod harness;
mod images;
mod interrupts;
mod isolation;
mod keeping;
mod lsp;
mod modules;
mod network;
mod offline;
mod outputs;
mod packages;
mod programs;
mod progress;
mod recall;
mod repl;
mod reproducible;
#[path = "../../crates/fetch/tests/server/mod.rs"]
mod server;
mod soak;
mod store_cases;
mod streams;
