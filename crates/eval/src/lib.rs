//! Evaluator of the typed core, emitting derivations.
//!
//! It runs a [`cbuild_sema::ir::Program`] lazily and collects the derivations that the program
//! describes in a [`cbuild_drv::Graph`]. The core of a global is compiled to a tree with resolved
//! slots when it is first needed (`compile`), and the tree is walked (`interpret`) on an explicit
//! stack of frames (`machine`). See [`Evaluator`].
//!
//! It knows nothing of source text, of types, of a store or of a file system: whatever comes from
//! outside comes through the one trait [`World`]. It reads no clock and no environment variable, so
//! the same program and the same world give the same values and the same derivation identities.
#![forbid(unsafe_code)]

mod brief;
mod burial;
mod code;
pub mod codes;
mod compile;
mod decode;
mod equality;
mod evaluator;
mod externs;
mod fault;
mod forcing;
mod holes;
mod interpret;
mod layout;
mod machine;
mod map;
mod observe;
mod operators;
mod order;
mod parts;
mod placeholder;
mod print;
mod quoting;
mod rope;
mod shapes;
mod sorting;
mod stack;
mod stats;
mod strictness;
mod uses;
mod value;
mod words;
mod wordwise;
mod world;

pub use decode::{
    Datum, DecodedFile, FileFormat, Located, MAX_BYTES as MAX_DECODED_BYTES, Malformed,
};
pub use evaluator::{Evaluator, Target};
pub use externs::{Extern, all as externs};
pub use observe::{Difference, Observation, Observed, Outcome};
pub use stats::{MemoryLimit, Stats};
pub use value::Value;
pub use world::{Limits, World};
