//! Tests of the evaluator through real source text and the real standard library.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod decoding;
mod derivations;
mod externs;
mod faults;
mod images;
mod library;
mod limits;
mod model;
mod printing;
mod quoting;
mod sets;
mod spec;
mod support;
mod tests;
mod values;
mod words;
