//! Where an image is written: a folder or an archive that appears at its target in one step.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tar::EntryType;
use tempfile::{NamedTempFile, TempDir};

use crate::archive::{Attributes, BLOCK, header_block, padding};
use crate::error::OciError;

/// An image that is being written beside its target.
///
/// Dropped before [`Destination::place`], it leaves nothing behind.
pub(crate) struct Destination {
    target: PathBuf,
    staging: Staging,
}

enum Staging {
    Folder(TempDir),
    Archive(NamedTempFile),
}

impl Destination {
    /// A folder that will replace `target`, which must be absent, empty or an OCI layout.
    pub(crate) fn folder(target: &Path) -> Result<Self, OciError> {
        let target = resolved(target);
        check_replaceable_folder(&target)?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix(&target))
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(parent(&target))
            .map_err(OciError::writing(&target))?;
        Ok(Self { target, staging: Staging::Folder(staging) })
    }

    /// An archive that will replace `target`, which must be absent or a regular file.
    pub(crate) fn archive(target: &Path) -> Result<Self, OciError> {
        let target = resolved(target);
        if target.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(OciError::TargetExists { path: target, wanted: "a regular file" });
        }
        let staging = tempfile::Builder::new()
            .prefix(&prefix(&target))
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(parent(&target))
            .map_err(OciError::writing(&target))?;
        Ok(Self { target, staging: Staging::Archive(staging) })
    }

    /// The final place, for messages.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Makes a folder inside the image's files; its parent was made before.
    pub(crate) fn make_folder(&mut self, name: &str) -> Result<(), OciError> {
        let failed = OciError::writing(&self.target);
        match &mut self.staging {
            Staging::Folder(staging) => fs::create_dir(staging.path().join(name)),
            Staging::Archive(file) => file.write_all(&header_block(
                EntryType::Directory,
                format!("{name}/").as_bytes(),
                b"",
                Attributes::root(0o755),
                0,
            )),
        }
        .map_err(failed)
    }

    /// Writes a file whose name is only known once its content is: `produce` writes the
    /// content and returns a value, from which `name` makes the name.
    pub(crate) fn stream<T>(
        &mut self,
        produce: impl FnOnce(&mut dyn Write) -> Result<T, OciError>,
        name: impl FnOnce(&T) -> String,
    ) -> Result<T, OciError> {
        let failed = || OciError::writing(&self.target);
        match &mut self.staging {
            Staging::Folder(staging) => {
                let partial = staging.path().join("partial");
                let mut out = BufWriter::new(File::create_new(&partial).map_err(failed())?);
                let value = produce(&mut out)?;
                let file = out.into_inner().map_err(|error| failed()(error.into_error()))?;
                file.sync_all().map_err(failed())?;
                fs::rename(&partial, staging.path().join(name(&value))).map_err(failed())?;
                Ok(value)
            }
            Staging::Archive(archive) => {
                let file = archive.as_file_mut();
                let start = file.stream_position().map_err(failed())?;
                file.write_all(&[0; BLOCK as usize]).map_err(failed())?;
                let mut out = BufWriter::new(&mut *file);
                let value = produce(&mut out)?;
                out.into_inner().map_err(|error| failed()(error.into_error()))?;
                end_entry(file, start, &name(&value)).map_err(failed())?;
                Ok(value)
            }
        }
    }

    /// Writes a file.
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), OciError> {
        let target = self.target.clone();
        let produce =
            |out: &mut dyn Write| out.write_all(bytes).map_err(OciError::writing(&target));
        self.stream(produce, |()| name.to_owned())
    }

    /// Puts what was written at the target.
    pub(crate) fn place(self) -> Result<(), OciError> {
        let failed = || OciError::writing(&self.target);
        match self.staging {
            Staging::Folder(staging) => place_folder(staging, &self.target).map_err(failed()),
            Staging::Archive(mut staging) => {
                staging.write_all(&[0; 2 * BLOCK as usize]).map_err(failed())?;
                staging.as_file().sync_all().map_err(failed())?;
                staging.persist(&self.target).map_err(|error| failed()(error.error))?;
                Ok(())
            }
        }
    }
}

/// Fills the last block of an entry and writes the header that was left out at `start`.
fn end_entry(file: &mut File, start: u64, name: &str) -> io::Result<()> {
    let end = file.stream_position()?;
    let size = end - start - BLOCK;
    file.write_all(&[0; BLOCK as usize][..padding(size)])?;
    let next = file.stream_position()?;
    file.seek(SeekFrom::Start(start))?;
    let attributes = Attributes::root(0o644);
    file.write_all(&header_block(EntryType::Regular, name.as_bytes(), b"", attributes, size))?;
    file.seek(SeekFrom::Start(next))?;
    Ok(())
}

/// The target itself when `target` is a symbolic link to it.
fn resolved(target: &Path) -> PathBuf {
    match target.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => target.canonicalize().ok(),
        _ => None,
    }
    .unwrap_or_else(|| target.to_owned())
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Hidden, and shortened so that the whole name stays below the 255 bytes of a file name.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{}.", name.chars().take(40).collect::<String>())
}

#[expect(clippy::disallowed_methods, reason = "whether all names are known needs no order")]
fn check_replaceable_folder(target: &Path) -> Result<(), OciError> {
    let refuse = || OciError::TargetExists {
        path: target.to_owned(),
        wanted: "an empty folder or an OCI layout without other files",
    };
    let entries = match fs::read_dir(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(refuse()),
        other => other.map_err(OciError::reading(target))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(OciError::reading(target))?.file_name());
    }
    let known = |name: &std::ffi::OsString| {
        ["oci-layout", "index.json", "blobs"].iter().any(|known| name == known)
    };
    let is_layout = names.iter().any(|name| name == "oci-layout") && names.iter().all(known);
    if names.is_empty() || is_layout { Ok(()) } else { Err(refuse()) }
}

/// Renames the folder to `target`. An old target is exchanged with it in one step, and then
/// removed; on file systems that cannot exchange, it is moved aside first.
fn place_folder(staging: TempDir, target: &Path) -> io::Result<()> {
    File::open(staging.path())?.sync_all()?;
    if !target.exists() {
        fs::rename(staging.path(), target)?;
        let _moved = staging.keep();
        return File::open(parent(target))?.sync_all();
    }
    match renameat_with(CWD, staging.path(), CWD, target, RenameFlags::EXCHANGE) {
        // The temporary name now holds the old image.
        Ok(()) => staging.close(),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let aside = tempfile::Builder::new()
                .prefix(&prefix(target))
                .suffix(".old")
                .tempdir_in(parent(target))?;
            let old = aside.path().join("image");
            fs::rename(target, &old)?;
            if let Err(error) = fs::rename(staging.path(), target) {
                fs::rename(&old, target)?;
                return Err(error);
            }
            // Its content is at the target now; there is nothing left to remove.
            let _moved = staging.keep();
            aside.close()
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mut destination: Destination, files: &[(&str, &[u8])]) -> Result<(), OciError> {
        destination.make_folder("blobs")?;
        for (name, bytes) in files {
            destination.put(name, bytes)?;
        }
        destination.place()
    }

    #[expect(clippy::disallowed_methods, reason = "the names are sorted")]
    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_replaces_a_layout_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("image");
        let layout: [(&str, &[u8]); 2] = [("oci-layout", b"{}"), ("blobs/old", b"1")];
        write(Destination::folder(&target).unwrap(), &layout).unwrap();
        write(Destination::folder(&target).unwrap(), &[("oci-layout", b"{}")]).unwrap();
        assert_eq!(names(temporary.path()), ["image"]);
        assert_eq!(names(&target), ["blobs", "oci-layout"]);
        assert!(names(&target.join("blobs")).is_empty());

        fs::write(target.join("notes"), "mine").unwrap();
        let error = Destination::folder(&target).err().unwrap();
        assert_eq!(error.code(), "E0907");
        assert_eq!(names(&target), ["blobs", "notes", "oci-layout"]);
    }

    #[test]
    fn what_is_not_placed_leaves_no_trace() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("image");
        let mut folder = Destination::folder(&target).unwrap();
        folder.put("a", b"a").unwrap();
        let mut archive = Destination::archive(&target).unwrap();
        archive.put("a", b"a").unwrap();
        assert_eq!(names(temporary.path()).len(), 2);
        drop((folder, archive));
        assert!(names(temporary.path()).is_empty());
    }

    #[test]
    fn an_archive_is_a_readable_tar_and_replaces_files_only() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("image.tar");
        fs::write(&target, "old").unwrap();
        let long = vec![7; 1500];
        write(Destination::archive(&target).unwrap(), &[("a", b"x"), ("blobs/b", &long)]).unwrap();
        let mut archive = tar::Archive::new(File::open(&target).unwrap());
        let entries = archive.entries().unwrap().map(|e| {
            let e = e.unwrap();
            (e.path().unwrap().to_str().unwrap().to_owned(), e.size())
        });
        let entries: Vec<_> = entries.collect();
        let expected =
            [("blobs/".to_owned(), 0), ("a".to_owned(), 1), ("blobs/b".to_owned(), 1500)];
        assert_eq!(entries, expected);
        assert_eq!(names(temporary.path()), ["image.tar"]);

        fs::create_dir(temporary.path().join("folder")).unwrap();
        let error = Destination::archive(&temporary.path().join("folder")).err().unwrap();
        assert_eq!(error.code(), "E0907");
        let error = Destination::folder(&target).err().unwrap();
        assert_eq!(error.code(), "E0907");
    }

    #[test]
    fn a_missing_parent_is_an_error() {
        let temporary = tempfile::tempdir().unwrap();
        let error = Destination::archive(&temporary.path().join("no/image")).err().unwrap();
        assert_eq!(error.code(), "E0908");
    }
}
