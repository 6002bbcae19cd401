//! A folder as the layer of an artifact: a tar archive, compressed with Zstandard, that depends on
//! nothing but the folder's content.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tar::{Builder, EntryType, Header};

use crate::error::FetchError;
use crate::unpack::is_set;

/// Compression of layers; they are small, and packed once for many readers.
const LEVEL: i32 = 19;

/// Writes the content of `folder` to the new file `to`: names sorted, no times, no owners, and of
/// the modes only the owner's executable bit.
///
/// # Errors
/// [`FetchError::Io`], also for what is no file, folder or symbolic link; [`FetchError::Cancelled`]
/// soon after the flag is set.
pub fn pack_layer(folder: &Path, to: &Path, cancel: Option<&AtomicBool>) -> Result<(), FetchError> {
    let packed = pack(folder, to, cancel);
    packed.map_err(|error| if is_set(cancel) { FetchError::Cancelled } else { error })
}

fn pack(folder: &Path, to: &Path, cancel: Option<&AtomicBool>) -> Result<(), FetchError> {
    let failed = || FetchError::io("write", to);
    let file = File::create(to).map_err(failed())?;
    let encoder = zstd::Encoder::new(file, LEVEL).map_err(failed())?;
    let mut archive = Builder::new(encoder);
    let mut waiting = children(folder)?;
    while let Some((name, path)) = waiting.pop_first() {
        if is_set(cancel) {
            return Err(FetchError::Cancelled);
        }
        let metadata = fs::symlink_metadata(&path).map_err(FetchError::io("look at", &path))?;
        if metadata.is_dir() {
            append(
                &mut archive,
                EntryType::Directory,
                0o755,
                &name,
                Exact::new(io::empty(), 0, None),
            )
            .map_err(failed())?;
            waiting
                .extend(children(&path)?.into_iter().map(|(child, path)| (name.join(child), path)));
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(FetchError::io("read", &path))?;
            let mut header = header(EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, &name, &target).map_err(failed())?;
        } else if metadata.is_file() {
            let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            let content = File::open(&path).map_err(FetchError::io("read", &path))?;
            let content = Exact::new(content, metadata.len(), cancel);
            append(&mut archive, EntryType::Regular, mode, &name, content).map_err(failed())?;
        } else {
            let odd = io::Error::other("it is neither a file nor a folder nor a link");
            return Err(FetchError::io("pack", &path)(odd));
        }
    }
    let encoder = archive.into_inner().map_err(failed())?;
    encoder.finish().and_then(|file| file.sync_all()).map_err(failed())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append(
    archive: &mut Builder<impl io::Write>,
    kind: EntryType,
    mode: u32,
    name: &Path,
    mut exact: Exact<'_, impl io::Read>,
) -> io::Result<()> {
    // A file that changes while it is read must not shift what follows it.
    archive.append_data(&mut header(kind, mode, exact.left), name, &mut exact)?;
    if exact.left == 0 { Ok(()) } else { Err(io::Error::other("a file shrank while it was read")) }
}

/// Reads at most as many bytes as were announced, until the caller cancels, and knows how many are
/// missing.
struct Exact<'c, R> {
    content: R,
    left: u64,
    cancel: Option<&'c AtomicBool>,
}

impl<'c, R> Exact<'c, R> {
    fn new(content: R, left: u64, cancel: Option<&'c AtomicBool>) -> Self {
        Self { content, left, cancel }
    }
}

impl<R: io::Read> io::Read for Exact<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if is_set(self.cancel) {
            return Err(io::Error::other("cancelled"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.content.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Names and paths of a folder's entries, ordered by name.
#[expect(clippy::disallowed_methods, reason = "the entries go to an ordered map")]
fn children(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, FetchError> {
    let failed = || FetchError::io("read", folder);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        found.insert(PathBuf::from(entry.file_name()), entry.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::limits::Limits;
    use crate::unpack::unpack;

    #[test]
    fn what_is_packed_comes_out_and_depends_on_content_alone() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, order: &[&str]| {
            let top = folder.path().join(name);
            for file in order {
                let file = top.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, file.file_name().unwrap().as_encoded_bytes()).unwrap();
            }
            fs::set_permissions(top.join("b/run"), fs::Permissions::from_mode(0o700)).unwrap();
            symlink("run", top.join("b/link")).unwrap();
            let packed = folder.path().join(format!("{name}.tar.zst"));
            pack_layer(&top, &packed, None).unwrap();
            packed
        };
        let long = format!("deep/{}/{}", "d".repeat(120), "f".repeat(120));
        let one = make("one", &["a", "b/run", "b.c", &long]);
        let two = make("two", &[&long, "b.c", "b/run", "a"]);
        assert_eq!(fs::read(&one).unwrap(), fs::read(two).unwrap());
        let out = folder.path().join("out");
        unpack(&one, &out, 0, "one", &Limits::default()).unwrap();
        assert_eq!(fs::read_link(out.join("b/link")).unwrap(), Path::new("run"));
        assert_eq!(fs::read_to_string(out.join("b.c")).unwrap(), "b.c");
        assert!(out.join(long).is_file());
        let mode = fs::metadata(out.join("b/run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o100, 0o100);
    }

    #[test]
    fn packing_ends_when_the_caller_cancels() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("tree");
        fs::create_dir(&top).unwrap();
        fs::write(top.join("file"), "text").unwrap();
        let flag = AtomicBool::new(true);
        let error = pack_layer(&top, &folder.path().join("layer"), Some(&flag)).unwrap_err();
        assert!(matches!(error, FetchError::Cancelled), "{error}");
        let mut exact = Exact::new(&b"text"[..], 4, Some(&flag));
        assert!(io::Read::read(&mut exact, &mut [0; 4]).is_err());
    }
}
