//! One layer: store objects and folders as a compressed tar stream, hashed on the way.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cbuild_drv::{STORE_DIR, StorePath};
use cbuild_store::{Entry, Store, Visitor};
use flate2::{Compression as Level, GzBuilder};

use crate::archive::{Attributes, TarWriter};
use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::OciError;
use crate::pack::Compression;
use crate::skeleton::Folders;

/// Level of gzip, its highest.
const GZIP_LEVEL: u32 = 9;

/// Level of Zstandard, the highest that needs no extra memory for unpacking.
const ZSTD_LEVEL: i32 = 19;

/// The contents of one layer, in the order in which they are written.
pub(crate) struct LayerContents<'a> {
    /// Where the objects are.
    pub(crate) store: &'a Store,
    /// Folders that come before the objects.
    pub(crate) before: &'a Folders,
    /// The objects.
    pub(crate) objects: &'a BTreeSet<StorePath>,
    /// Folders that come after the objects.
    pub(crate) after: &'a Folders,
}

/// What a layer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenLayer {
    /// Digest of the blob, as compressed.
    pub(crate) digest: Sha256Digest,
    /// Length of the blob in bytes.
    pub(crate) size: u64,
    /// Digest of the tar stream.
    pub(crate) diff_id: Sha256Digest,
    /// Length of the tar stream in bytes.
    pub(crate) uncompressed_size: u64,
}

/// Writes the layer to `sink`; `target` names the sink in errors.
pub(crate) fn write_layer(
    contents: &LayerContents<'_>,
    compression: Compression,
    sink: &mut dyn Write,
    target: &Path,
) -> Result<WrittenLayer, OciError> {
    let failed = || OciError::writing(target);
    let blob = HashingWriter::new(sink);
    let (blob, diff_id, uncompressed_size) = match compression {
        Compression::None => {
            let (blob, diff_id, size) = write_tar(contents, blob, target)?;
            (blob, diff_id, size)
        }
        Compression::Gzip => {
            // No name and no time; 255 says "unknown operating system".
            let header = GzBuilder::new().mtime(0).operating_system(255);
            let encoder = header.write(blob, Level::new(GZIP_LEVEL));
            let (encoder, diff_id, size) = write_tar(contents, encoder, target)?;
            (encoder.finish().map_err(failed())?, diff_id, size)
        }
        Compression::Zstd => {
            let encoder = zstd::Encoder::new(blob, ZSTD_LEVEL).map_err(failed())?;
            let (encoder, diff_id, size) = write_tar(contents, encoder, target)?;
            (encoder.finish().map_err(failed())?, diff_id, size)
        }
    };
    let (_, digest, size) = blob.finish();
    Ok(WrittenLayer { digest, size, diff_id, uncompressed_size })
}

/// Writes the tar stream and returns the sink, the stream's digest, and its length.
fn write_tar<W: Write>(
    contents: &LayerContents<'_>,
    sink: W,
    target: &Path,
) -> Result<(W, Sha256Digest, u64), OciError> {
    let mut tar = TarWriter::new(HashingWriter::new(sink));
    for (path, attributes) in contents.before {
        tar.directory(path.as_bytes(), *attributes).map_err(OciError::writing(target))?;
    }
    for path in contents.objects {
        append_object(&mut tar, contents.store, path, target)?;
    }
    for (path, attributes) in contents.after {
        tar.directory(path.as_bytes(), *attributes).map_err(OciError::writing(target))?;
    }
    Ok(tar.finish().map_err(OciError::writing(target))?.finish())
}

/// Appends the files of one object, each folder followed by its entries in byte order.
fn append_object<W: Write>(
    tar: &mut TarWriter<W>,
    store: &Store,
    path: &StorePath,
    target: &Path,
) -> Result<(), OciError> {
    let base = format!("{}/{}", STORE_DIR.trim_start_matches('/'), path.base_name());
    let mut entries = Entries { tar, base, target, length: 0 };
    store.read_object(path, &mut entries).map_err(OciError::damaged(&store.physical(path)))
}

/// Writes the entries of an object as they are read.
struct Entries<'t, W> {
    tar: &'t mut TarWriter<W>,
    /// Name of the object in the archive.
    base: String,
    target: &'t Path,
    /// Of the file that was begun last.
    length: u64,
}

impl<W: Write> Visitor for Entries<'_, W> {
    type Error = OciError;

    fn entry(&mut self, inside: &Path, entry: Entry<'_>) -> Result<(), OciError> {
        let mut name = self.base.clone().into_bytes();
        if !inside.as_os_str().is_empty() {
            name.push(b'/');
            name.extend_from_slice(inside.as_os_str().as_bytes());
        }
        match entry {
            Entry::Folder(_) => self.tar.directory(&name, Attributes::root(0o555)),
            Entry::Link(link) => self.tar.symlink(&name, link),
            Entry::File { executable, length } => {
                self.length = length;
                let attributes = Attributes::root(if executable { 0o555 } else { 0o444 });
                self.tar.begin_file(&name, attributes, length)
            }
        }
        .map_err(OciError::writing(self.target))
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), OciError> {
        self.tar.content().write_all(bytes).map_err(OciError::writing(self.target))
    }

    fn end_of_file(&mut self) -> Result<(), OciError> {
        self.tar.end_file(self.length).map_err(OciError::writing(self.target))
    }
}
