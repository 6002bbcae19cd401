//! One layer: store objects and folders as a compressed tar stream, hashed on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cbuild_drv::{STORE_DIR, StorePath};
use cbuild_store::Cancel;
use flate2::{Compression as Level, GzBuilder};
use walkdir::{DirEntry, WalkDir};

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
    /// Folders that come before the objects.
    pub(crate) before: &'a Folders,
    /// Objects and where their files are.
    pub(crate) objects: Vec<(&'a StorePath, &'a Path)>,
    /// Folders that come after the objects.
    pub(crate) after: &'a Folders,
    /// Ends the writing early.
    pub(crate) cancel: &'a Cancel,
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
    for (path, physical) in &contents.objects {
        append_object(&mut tar, (path, physical), target, contents.cancel)?;
    }
    for (path, attributes) in contents.after {
        tar.directory(path.as_bytes(), *attributes).map_err(OciError::writing(target))?;
    }
    Ok(tar.finish().map_err(OciError::writing(target))?.finish())
}

/// Appends the files of one object, each folder followed by its entries in byte order.
fn append_object<W: Write>(
    tar: &mut TarWriter<W>,
    (path, physical): (&StorePath, &Path),
    target: &Path,
    cancel: &Cancel,
) -> Result<(), OciError> {
    let base = format!("{}/{}", STORE_DIR.trim_start_matches('/'), path.base_name());
    for entry in WalkDir::new(physical).follow_links(false).sort_by_file_name() {
        let entry = entry.map_err(|error| OciError::Read {
            path: error.path().unwrap_or(physical).to_owned(),
            source: error.into(),
        })?;
        let mut name = base.clone().into_bytes();
        let inner = entry.path().strip_prefix(physical).unwrap_or(Path::new(""));
        if !inner.as_os_str().is_empty() {
            name.push(b'/');
            name.extend_from_slice(inner.as_os_str().as_bytes());
        }
        append_entry(tar, &entry, &name, target, cancel)?;
    }
    Ok(())
}

fn append_entry<W: Write>(
    tar: &mut TarWriter<W>,
    entry: &DirEntry,
    name: &[u8],
    target: &Path,
    cancel: &Cancel,
) -> Result<(), OciError> {
    let path = entry.path();
    let kind = entry.file_type();
    if kind.is_dir() {
        return tar.directory(name, Attributes::root(0o555)).map_err(OciError::writing(target));
    }
    if kind.is_symlink() {
        let link = path.read_link().map_err(OciError::reading(path))?;
        return tar.symlink(name, link.as_os_str().as_bytes()).map_err(OciError::writing(target));
    }
    if !kind.is_file() {
        return Err(OciError::DamagedObject {
            path: path.to_owned(),
            reason: "it is neither a file, a folder nor a symbolic link".to_owned(),
        });
    }
    let file = File::open(path).map_err(OciError::reading(path))?;
    let metadata = file.metadata().map_err(OciError::reading(path))?;
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let attributes = Attributes::root(if executable { 0o555 } else { 0o444 });
    let size = metadata.len();
    tar.begin_file(name, attributes, size).map_err(OciError::writing(target))?;
    copy_exactly(&mut cancel.stopping(file), size, tar.content(), path, target)?;
    tar.end_file(size).map_err(OciError::writing(target))
}

/// Copies `size` bytes, telling apart whether reading or writing failed.
fn copy_exactly(
    file: &mut impl Read,
    size: u64,
    out: &mut impl Write,
    path: &Path,
    target: &Path,
) -> Result<(), OciError> {
    let mut buffer = vec![0; 128 << 10];
    let mut left = size;
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match file.read(&mut buffer[..wanted]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(OciError::reading(path))?,
        };
        if count == 0 {
            return Err(OciError::DamagedObject {
                path: path.to_owned(),
                reason: "it became shorter while it was read".to_owned(),
            });
        }
        out.write_all(&buffer[..count]).map_err(OciError::writing(target))?;
        left -= count as u64;
    }
    Ok(())
}
