//! Store closure to deterministic OCI images, and the reading of such images.
//!
//! [`pack`] turns one image object of the store (an
//! [`ImageDocument`](cbuild_drv::image::ImageDocument)) and its closure into an OCI layout
//! folder, the archive of one, or a docker archive. The bytes depend on the document, on the
//! closure and on the options alone. [`inspect`] reads any of the three formats back, from
//! anyone, and checks every digest. Both are specified in `lang-spec/09-images.md`.
//!
//! This crate knows nothing of the language, of how objects were built, of a network or of a
//! registry, and it never runs an image. It reads the store and writes only its target.
#![forbid(unsafe_code)]

mod archive;
mod canonical;
mod config;
mod contents;
mod destination;
mod digest;
mod elf;
mod entry_point;
mod env_words;
mod error;
mod grouping;
mod inspect;
mod layer;
mod lookup;
mod pack;
mod platform;
mod program;
mod settings;
mod skeleton;

pub use config::{CONTRACT_KEY, CONTRACT_VERSION, CREATED};
pub use digest::Sha256Digest;
pub use error::OciError;
pub use inspect::{ImageInfo, Inspection, LayerInfo, OtherInfo, RunConfig, inspect};
pub use pack::{
    Compression, DEFAULT_MAX_LAYERS, Format, ImageSummary, LayerSummary, PackOptions, pack,
};
