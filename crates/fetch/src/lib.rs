//! Hashed fetchers, unpackers and mirrors; trees from git and artifacts from registries.
//!
//! A download is named by the hash of its bytes ([`cbuild_drv::Fetch`]). [`Fetcher`] tries its
//! addresses in order, checks the hash before anything else sees the bytes, and unpacks archives
//! into a scratch folder without ever following a symbolic link. [`Mirrors`] is the user's table
//! behind `mirror://NAME/path`; [`detect`] fills it from what the host's own package clients use.
//!
//! This crate deliberately knows nothing of the store (it writes where it is told), of the
//! scheduler and of the language. All limits on bad input are in [`Limits`]. The network runtime
//! stays inside: the interface is blocking, and nothing is set up before the first download.
#![forbid(unsafe_code)]

mod address;
mod content;
mod download;
mod error;
mod fetcher;
mod git;
mod limits;
mod mirrors;
mod netrc;
mod redact;
mod registry;
mod resolve;
mod transport;
mod unpack;

pub use error::{Attempt, Cause, FetchError, HashMismatch, UnsafeReason, WrongBytes};
pub use fetcher::{Fetcher, MirrorSource, Options, Progress};
pub use git::is_git_commit;
pub use limits::{Limits, Retry};
pub use mirrors::detect::{Detection, Finding, detect, detect_unless};
pub use mirrors::{Mirrors, default_mirrors_path};
pub use netrc::NetrcFile;
pub use redact::{shown_address, shown_text};
pub use registry::{Artifact, RegistryReference, pack_layer};
pub use unpack::unpack;
