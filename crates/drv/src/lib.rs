//! The pure nouns of the build side: digests, store paths, file trees, derivations, the
//! derivation graph, image specifications, and their canonical encodings.
//!
//! This crate is the waist of cbuild: the language crates produce these values, the build
//! crates consume them. It knows nothing of source text, of a file system, of a network,
//! of a clock or of processes; every function is a pure function of its arguments.
//!
//! Each hashed encoding is written by hand ([`encoding`]), starts with a domain string that
//! carries its version, and has golden digests in its tests. The byte layout is specified
//! in `lang-spec/derivations.md`.
#![forbid(unsafe_code)]

pub mod assemble;
pub mod derivation;
pub mod digest;
pub mod encoding;
pub mod graph;
pub mod hash;
pub mod image;
pub mod name;
pub mod record;
pub mod store_path;
pub mod template;
pub mod texts;
pub mod tree;

pub use assemble::{Assemble, FileEntry, Layer};
pub use derivation::{
    Action, ActionKey, Derivation, DrvId, Exec, Fetch, FetchKind, Input, StepLimits,
};
pub use digest::Digest;
pub use graph::Graph;
pub use hash::{ContentHash, HashAlgorithm};
pub use name::{MAX_NAME_LEN, Name, NameError, OutputName, System};
pub use record::RecordError;
pub use store_path::{STORE_DIR, StorePath};
pub use template::{Segment, Template};
pub use texts::Texts;
pub use tree::Tree;
