//! End-to-end tests: the real `cbuild` on real input, in real sandboxes, with real container runtimes.
//!
//! Each test runs the program as a user would. They are slow, so what a library test can show is
//! shown there; these prove the whole path. Outputs are shared between tests through one store in the
//! target folder, except where a test is about an empty store.

mod bad_input;
mod book;
mod broken_programs;
mod crash;
mod early_cutoff;
mod harness;
mod images;
mod isolation;
mod offline;
mod packages;
mod reproducible;
