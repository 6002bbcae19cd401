//! Evaluator of the typed core, emitting derivations.
//!
//! It runs a [`cbuild_sema::ir::Program`] lazily and collects the derivations that the program
//! describes in a [`cbuild_drv::Graph`]. The core is compiled to a tree with resolved slots when a
//! global is first needed; see [`Evaluator`].
//!
//! It knows nothing of source text, of types, of a store or of a file system: whatever comes from
//! outside comes through the one trait [`World`]. It reads no clock and no environment variable, so
//! the same program and the same world give the same values and the same derivation identities.

mod evaluator;
mod value;
mod world;

pub use evaluator::{Evaluator, Target};
pub use value::Value;
pub use world::{Limits, World};
