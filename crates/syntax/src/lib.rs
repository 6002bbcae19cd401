//! Grammar, lossless tree and lowered syntax of the cbuild language.

pub mod ast;
