//! Archives to trees.

mod deb;
mod decode;
mod lzma;
mod tarball;
mod tree;
mod zipped;

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod samples;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::FetchError;
use crate::limits::Limits;
use decode::decoded;
pub(crate) use tree::{TreeWriter, shown};

/// Unpacks an archive to `into`, which must not exist while its parent folder must.
///
/// The format is told by the bytes, never by a name: tar (plain or compressed with gzip, bzip2,
/// xz, Zstandard, lzip or lzma), zip (so wheels too), Debian package (of which the data part is taken).
/// `strip` leading components of each name are dropped, and entries that have no more are left
/// out. Of the modes only the owner's executable bit is kept. `label` stands for the archive in
/// errors. The tree is made next to `into` with `.part-tree` added to its name, and
/// moved when it is whole: on an error there is nothing at `into`.
pub fn unpack(
    archive: &Path,
    into: &Path,
    strip: u32,
    label: &str,
    limits: &Limits,
) -> Result<(), FetchError> {
    unpack_unless(None, archive, into, strip, label, limits)
}

/// Like [`unpack`], and ends early with [`FetchError::Cancelled`] when the flag is set.
pub(crate) fn unpack_unless(
    cancel: Option<&AtomicBool>,
    archive: &Path,
    into: &Path,
    strip: u32,
    label: &str,
    limits: &Limits,
) -> Result<(), FetchError> {
    let partial = beside(into, ".part-tree");
    clear(&partial)?;
    let result = TreeWriter::create(&partial, strip, label, limits)
        .and_then(|tree| unpack_to(archive, cancel, tree.unless(cancel)))
        .map_err(|error| if is_set(cancel) { FetchError::Cancelled } else { error })
        .and_then(|()| fs::rename(&partial, into).map_err(FetchError::io("create", into)));
    if result.is_err() {
        // The error that is being reported matters more than one of tidying up after it.
        let _ = clear(&partial);
    }
    result
}

/// A name in the same folder.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes what an interrupted run left at a path that only this crate uses.
pub(crate) fn clear(path: &Path) -> Result<(), FetchError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    removed.map_err(FetchError::io("remove", path))
}

pub(crate) fn is_set(flag: Option<&AtomicBool>) -> bool {
    flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// A source that fails when the flag is set, whatever is being looked for in it.
struct Until<'a> {
    source: File,
    cancel: Option<&'a AtomicBool>,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if is_set(self.cancel) {
            return Err(io::Error::other("cancelled"));
        }
        self.source.read(buffer)
    }
}

fn unpack_to(
    archive: &Path,
    cancel: Option<&AtomicBool>,
    mut tree: TreeWriter<'_>,
) -> Result<(), FetchError> {
    let mut file = File::open(archive).map_err(FetchError::io("read", archive))?;
    let mut start = Vec::new();
    (&mut file).take(8).read_to_end(&mut start).map_err(FetchError::io("read", archive))?;
    file.rewind().map_err(FetchError::io("read", archive))?;
    match start.as_slice() {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => zipped::read(file, &mut tree)?,
        b"!<arch>\n" => deb::read(BufReader::new(Until { source: file, cancel }), &mut tree)?,
        _ => {
            let again = file.try_clone().map_err(FetchError::io("read", archive))?;
            let source = Until { source: file, cancel };
            let read = read_tar(BufReader::with_capacity(1 << 16, source), &mut tree);
            match read {
                Err(FetchError::UnknownFormat { .. }) if zipped::ends_as_zip(&again) => {
                    return Err(
                        tree.unknown("other bytes stand before the zip archive that it ends with")
                    );
                }
                read => read?,
            }
        }
    }
    tree.finish()
}

/// Reads a tar archive, compressed or not.
fn read_tar<'a>(source: impl BufRead + 'a, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let source = decoded(source).map_err(|error| tree.corrupt("at its start", &error))?;
    tarball::read(source, tree)
}
