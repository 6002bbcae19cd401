//! Zip archives, and so wheels.

use std::fs::File;
use std::io::{self, BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::tree::TreeWriter;
use crate::error::{FetchError, UnsafeReason};

/// File type bits of a Unix mode, and the types that are known here.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// Reads an archive into the tree, in the order of its directory.
pub(super) fn read(file: File, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let corrupt =
        |tree: &TreeWriter<'_>, error: ZipError| tree.corrupt_after_last(&io::Error::from(error));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| corrupt(tree, e))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| corrupt(tree, e))?;
        let name = entry.name().map_err(|e| corrupt(tree, e))?.into_owned().into_bytes();
        // Archives from systems without modes have none of these bits.
        let mode = entry.unix_mode().unwrap_or(0);
        match mode & TYPE {
            _ if name.ends_with(b"/") => tree.directory(&name)?,
            DIRECTORY => tree.directory(&name)?,
            SYMLINK => {
                let target = target(&mut entry, tree)?;
                tree.symlink(&name, &target)?;
            }
            0 | REGULAR => {
                let (executable, size) = (mode & 0o100 != 0, entry.size());
                tree.file(&name, executable, size, &mut entry)?;
                end(&mut entry, tree)?;
            }
            _ => return Err(tree.refused(&name, UnsafeReason::Special)),
        }
    }
    Ok(())
}

/// The target of a link, which is its content; one byte more than allowed is enough to refuse it.
fn target(entry: &mut impl Read, tree: &TreeWriter<'_>) -> Result<Vec<u8>, FetchError> {
    let mut target = Vec::new();
    let most = tree.limits().name_bytes as u64 + 1;
    entry.take(most).read_to_end(&mut target).map_err(|e| tree.corrupt_after_last(&e))?;
    Ok(target)
}

/// Reads to the end of an entry, where its checksum is compared.
fn end(entry: &mut impl Read, tree: &TreeWriter<'_>) -> Result<(), FetchError> {
    let mut more = [0];
    match entry.read(&mut more) {
        Ok(0) => Ok(()),
        Ok(_) => {
            let message = "it holds more bytes than its directory says";
            Err(tree.corrupt_after_last(&io::Error::new(io::ErrorKind::InvalidData, message)))
        }
        Err(error) => Err(tree.corrupt_after_last(&error)),
    }
}
