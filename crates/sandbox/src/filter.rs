//! The system-call filter of the builder.

use std::sync::OnceLock;

use crate::error::Error;

/// The compiled filters in the order of installation. Compiled once per process.
pub(crate) fn compiled() -> Result<Vec<Vec<u8>>, Error> {
    static COMPILED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    Ok(COMPILED.get_or_init(Vec::new).clone())
}
