//! Explanations: why an object refers to another one, what changed between two builds, where two
//! trees differ and what may be the cause, and graphs of derivations for readers.
//!
//! Everything here looks at plain data and at a store, and changes neither. This crate knows nothing
//! of source text, and nothing of how builds are run; it gives values, and the command line shows
//! them. The one text that it writes itself is that of graphs.
#![forbid(unsafe_code)]

mod cause;
mod change;
mod compare;
mod content;
mod depends;
mod error;
pub mod graph;
mod lines;
mod processor;
mod rebuilt;
mod umask;

pub use cause::{Cause, Hints};
pub use change::{Change, changes};
pub use compare::{Difference, DifferenceKind, Side, compare};
pub use content::Excerpt;
pub use depends::{Link, chain};
pub use error::{Error, Result};
pub use lines::{LineChange, line_changes};
pub use rebuilt::{
    Explained, Explanation, FileChange, Why, explain_change, explain_pending, last_two,
};
