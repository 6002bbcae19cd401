//! Archives to trees.

use std::path::Path;

use crate::error::FetchError;
use crate::limits::Limits;

/// Unpacks an archive to `into`, which must not exist while its parent folder must.
///
/// The format is told by the bytes, never by a name. `label` stands for the archive in errors.
/// On an error there is nothing at `into`.
pub fn unpack(
    archive: &Path,
    into: &Path,
    strip: u32,
    label: &str,
    limits: &Limits,
) -> Result<(), FetchError> {
    let _ = (archive, into, strip, limits);
    Err(FetchError::UnknownFormat { archive: label.to_owned(), message: String::new() })
}
