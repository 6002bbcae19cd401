//! The content-addressed store: files on disk, an SQLite index over them, roots and garbage
//! collection, verification.
//!
//! The files are the truth and the index can be made anew from them. The formats are specified
//! in `lang-spec/07-store.md`. This crate depends on `cbuild-drv` alone and knows nothing of
//! source text, evaluation, networks, sandboxes or images; it runs no program. It is
//! synchronous: callers bring their own threads ([`Store`] is `Sync`).
//!
//! Read on in this order: `store` (look-ups), `register` (from a build's outputs to objects),
//! `tree` and `scan` (reading, rewriting), `commit` and `reconcile` (atomic change, recovery),
//! `live` and `gc` (what is kept), `verify`, `upgrade`.
#![forbid(unsafe_code)]

mod actions;
mod cancel;
mod checkpoint;
mod clock;
mod commit;
mod disk;
mod durable;
mod error;
mod fault;
mod gc;
mod graph;
mod hidden;
mod import;
mod index;
mod layout;
mod leftovers;
mod live;
mod lock;
mod meter;
mod optimise;
mod reading;
mod reconcile;
mod record;
mod register;
mod reserve;
mod restore;
mod roots;
mod running;
mod scan;
mod settle;
mod store;
mod trace;
mod transfer;
mod tree;
mod types;
mod upgrade;
mod verify;

pub use cancel::{Cancel, Stopping};
pub use error::{CycleLink, Error, Result};
pub use hidden::LeftOut;
pub use live::Scratch;
pub use lock::ActionLock;
pub use meter::Watch;
pub use reading::{Entry, Visitor};
pub use register::{HiddenPath, Registration, Unsearched};
pub use store::Store;
pub use types::{
    BuildEnding, BuildRecord, BuildUsage, BuiltOutput, EndedRoot, GcOptions, GcReport,
    ImportReport, MemoryOf, ObjectInfo, OptimiseReport, Problem, ProblemKind, Root, TransferReport,
    VerifyOptions, VerifyReport,
};
pub use upgrade::Upgrade;
