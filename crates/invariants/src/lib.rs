//! What holds for every input of the language and of the decoders, as functions that panic when it
//! does not.
//!
//! Each function takes an input and checks one phase on it: [`parse`], [`check`], [`format`],
//! [`evaluate`], [`decode`], [`generated`] for programs that must be accepted,
//! [`record`], [`archive`] and [`module_files`] for what comes from disks and from others. The fuzz targets
//! in `fuzz/` call them for as long as somebody lets them; the tests of this crate call them on the
//! sources of the repository, on inputs that once failed, and on some thousand mutations of those
//! ([`mutation`]). A panic is a finding, never an answer.
//!
//! This crate deliberately knows nothing of stores, builds and the command line, and nothing that
//! ships uses it.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how this crate reports, and it reads the sources of the repository"
)]

mod decoding;
mod evaluation;
mod language;
pub mod mutation;
mod outside;
mod package;
mod programs;
mod records;

pub use crate::decoding::decode;
pub use crate::evaluation::{evaluate, generated, spoiled};
pub use crate::language::{check, format, format_commented, parse};
pub use crate::outside::{archive, module_files};
pub use crate::package::{repository_sources, specified_sources};
pub use crate::programs::{program, spoiled_program};
pub use crate::records::record;
