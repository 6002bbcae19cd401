//! The outside of an evaluation: the files of the modules, and the limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cbuild_diag::SourceId;
use cbuild_drv::StorePath;

use crate::stats::MemoryLimit;

/// What an evaluation may ask of the outside.
pub trait World {
    /// Adds a file or folder of a module to the store and returns its object.
    ///
    /// `path` is normalised, relative to the folder of the file `source`, starts with `./` or `../`
    /// and does not leave the package (the parser and the checker saw to that; an implementation
    /// checks it again, since it alone knows where the package ends). The error is one sentence for
    /// the user, without a final full stop.
    fn import_source(&mut self, source: SourceId, path: &str) -> Result<StorePath, String>;

    /// Reads a file of a module, for `decode`. Returns its name as shown to the user, and its bytes,
    /// of which a file over [`crate::MAX_DECODED_BYTES`] may be cut off at one more than that.
    ///
    /// `path` and errors are as with [`World::import_source`].
    fn read_source(&mut self, source: SourceId, path: &str) -> Result<(String, Vec<u8>), String>;
}

/// Bounds on one evaluation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most calls and lazy values that may be under evaluation inside one another (`E0402`).
    pub depth: u32,
    /// Most items of a list and entries of a map (`E0406`).
    pub items: usize,
    /// Most bytes of a text or script (`E0406`).
    pub text: usize,
    /// Most bytes of a printed value (`E0406`).
    pub printed: usize,
    /// Most calls and lazy values that are evaluated in all, give or take a few thousand (`E0407`);
    /// what is made counts by its size. `None` for any number.
    pub steps: Option<u64>,
    /// Most memory of the whole process (`E0417`); without it there is no limit.
    pub memory: Option<MemoryLimit>,
    /// Set from another thread or a signal handler to stop the evaluation (`E0407`). It is looked at
    /// every few thousand calls.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 50_000,
            items: 1 << 24,
            text: 1 << 28,
            printed: 1 << 28,
            steps: None,
            memory: None,
            cancel: None,
        }
    }
}
