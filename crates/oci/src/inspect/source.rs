//! Where the parts of an image are read from: a folder, or an archive with an index of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tar::EntryType;

use crate::archive::BLOCK;
use crate::digest::Sha256Digest;
use crate::error::OciError;
use crate::inspect::MAX_DOCUMENT;
use crate::pack::Format;

/// Most entries of an archive.
const MAX_ENTRIES: usize = 1 << 16;

/// Longest name of an archive entry, in bytes.
const MAX_NAME: usize = 4096;

/// The parts of an image by name, such as `index.json` or `blobs/sha256/…`.
pub(super) struct Source {
    path: PathBuf,
    parts: Parts,
}

enum Parts {
    Folder,
    Archive(File, Index),
}

/// What an archive holds.
#[derive(Default)]
struct Index {
    /// Offset and length of the content of each file.
    files: BTreeMap<String, (u64, u64)>,
    /// Symbolic links and the entries they point to; docker writes them for layers that
    /// several images share.
    links: BTreeMap<String, String>,
}

impl Index {
    fn find(&self, name: &str) -> Option<(u64, u64)> {
        self.files.get(name).or_else(|| self.files.get(self.links.get(name)?)).copied()
    }
}

impl Source {
    /// Opens a folder or an archive; all of an archive's headers are read and checked.
    pub(super) fn open(path: &Path) -> Result<Self, OciError> {
        let metadata = fs::metadata(path).map_err(OciError::reading(path))?;
        let parts = if metadata.is_dir() {
            Parts::Folder
        } else if metadata.is_file() {
            let file = File::open(path).map_err(OciError::reading(path))?;
            let index = index(path, &file, metadata.len())?;
            Parts::Archive(file, index)
        } else {
            return Err(unknown(path, "it is neither a file nor a folder"));
        };
        Ok(Self { path: path.to_owned(), parts })
    }

    /// Tells the formats apart by the files that mark them.
    pub(super) fn format(&self) -> Result<Format, OciError> {
        match &self.parts {
            Parts::Folder if self.size("oci-layout")?.is_some() => Ok(Format::Oci),
            Parts::Folder => Err(unknown(&self.path, "the folder has no file `oci-layout`")),
            Parts::Archive(_, index) if index.files.contains_key("oci-layout") => {
                Ok(Format::OciArchive)
            }
            Parts::Archive(_, index) if index.files.contains_key("manifest.json") => {
                Ok(Format::DockerArchive)
            }
            Parts::Archive(..) => {
                Err(unknown(&self.path, "the archive has neither `oci-layout` nor `manifest.json`"))
            }
        }
    }

    /// Length of a part in bytes; `None` when it is not there.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, OciError> {
        match &self.parts {
            Parts::Archive(_, index) => Ok(index.find(name).map(|(_, size)| size)),
            Parts::Folder => {
                let path = self.path.join(name);
                // Only regular files: opening a pipe would wait for ever.
                match fs::metadata(&path) {
                    Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(OciError::Read { path, source }),
                }
            }
        }
    }

    /// Reader over a part that exists.
    pub(super) fn reader(&mut self, name: &str) -> Result<Box<dyn Read + '_>, OciError> {
        match &mut self.parts {
            Parts::Folder => {
                let path = self.path.join(name);
                let file = File::open(&path).map_err(OciError::reading(&path))?;
                Ok(Box::new(file))
            }
            Parts::Archive(file, index) => {
                let (offset, size) = index.find(name).unwrap_or_default();
                file.seek(SeekFrom::Start(offset)).map_err(OciError::reading(&self.path))?;
                Ok(Box::new(file.take(size)))
            }
        }
    }

    /// The bytes of a document, at most [`MAX_DOCUMENT`].
    pub(super) fn document(&mut self, name: &str, named_by: &str) -> Result<Vec<u8>, OciError> {
        let size = self.size(name)?.ok_or_else(|| self.missing(name, named_by))?;
        if size > MAX_DOCUMENT {
            return Err(self.too_large(name, "4 MiB".to_owned()));
        }
        let path = self.path.clone();
        let mut bytes = Vec::new();
        self.reader(name)?
            .take(MAX_DOCUMENT)
            .read_to_end(&mut bytes)
            .map_err(OciError::reading(&path))?;
        Ok(bytes)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Parses the document `part`.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        part: &str,
        bytes: &[u8],
    ) -> Result<T, OciError> {
        serde_json::from_slice(bytes).map_err(|error| self.malformed(part, error.to_string()))
    }

    /// Parses a digest that `part` names.
    pub(super) fn digest(&self, part: &str, text: &str) -> Result<Sha256Digest, OciError> {
        Sha256Digest::parse(text).ok_or_else(|| self.unsupported(part, "digest", text))
    }

    pub(super) fn missing(&self, blob: &str, named_by: &str) -> OciError {
        OciError::MissingBlob {
            path: self.path.clone(),
            blob: blob.to_owned(),
            named_by: named_by.to_owned(),
        }
    }

    pub(super) fn malformed(&self, part: &str, reason: String) -> OciError {
        OciError::Malformed { path: self.path.clone(), part: part.to_owned(), reason }
    }

    pub(super) fn unsupported(&self, part: &str, what: &'static str, found: &str) -> OciError {
        let found = found.to_owned();
        OciError::Unsupported { path: self.path.clone(), part: part.to_owned(), what, found }
    }

    pub(super) fn too_large(&self, part: &str, limit: String) -> OciError {
        OciError::TooLarge { path: self.path.clone(), part: part.to_owned(), limit }
    }
}

fn unknown(path: &Path, reason: &str) -> OciError {
    OciError::UnknownFormat { path: path.to_owned(), reason: reason.to_owned() }
}

/// Reads all headers of an archive of `length` bytes.
fn index(path: &Path, file: &File, length: u64) -> Result<Index, OciError> {
    let broken = |reason: String| OciError::BrokenArchive { path: path.to_owned(), reason };
    let mut index = Index::default();
    let mut archive = tar::Archive::new(file);
    let mut count = 0;
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(OciError::reading(path))? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(_) if count == 0 => return Err(unknown(path, not_a_tar(file))),
            Err(error) => return Err(broken(error.to_string())),
        };
        count += 1;
        if count > MAX_ENTRIES {
            let limit = format!("{MAX_ENTRIES} entries");
            return Err(OciError::TooLarge {
                path: path.to_owned(),
                part: "archive".into(),
                limit,
            });
        }
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // The `tar` crate falls back to the short name where it cannot split the records.
        if entry.header().entry_type() != EntryType::XGlobalHeader {
            let mut records = entry.pax_extensions().map_err(|e| broken(e.to_string()))?;
            if records.iter_mut().flatten().any(|record| record.is_err()) {
                return Err(broken(format!("the extended header of `{shown}` is malformed")));
            }
        }
        let (start, size) = (entry.raw_file_position(), entry.size());
        let content_end = start.checked_add(size).filter(|end| *end <= length);
        end = content_end.ok_or_else(|| broken(format!("it ends inside of `{shown}`")))?;
        add_entry(&mut index, &entry).map_err(|reason| OciError::UnsafeEntry {
            path: path.to_owned(),
            entry: shown.chars().take(200).collect(),
            reason,
        })?;
    }
    if count > 0 && end.next_multiple_of(BLOCK) + BLOCK > length {
        return Err(broken("it ends without the mark at the end of an archive".to_owned()));
    }
    Ok(index)
}

/// Adds one entry; an error says why it is refused.
fn add_entry(index: &mut Index, entry: &tar::Entry<'_, &File>) -> Result<(), &'static str> {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let name = checked_name(&entry.path_bytes())?;
    if kind == EntryType::Directory {
        return Ok(());
    }
    if name.is_empty() || index.files.contains_key(&name) || index.links.contains_key(&name) {
        return Err("which occurs twice or has no name");
    }
    match kind {
        EntryType::Regular => {
            index.files.insert(name, (entry.raw_file_position(), entry.size()));
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default();
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = link_target(folder, &target)?;
            index.links.insert(name, target);
        }
        _ => return Err("which is neither a file, a folder nor a symbolic link"),
    }
    Ok(())
}

/// The entry that a link in `folder` points to.
fn link_target(folder: &str, target: &[u8]) -> Result<String, &'static str> {
    let target = std::str::from_utf8(target).map_err(|_| "whose target is not UTF-8")?;
    if target.starts_with('/') || target.len() > MAX_NAME {
        return Err("which is a link out of the archive");
    }
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or("which is a link out of the archive")?),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A better reason than "not a tar archive" for what people do pass.
fn not_a_tar(mut file: &File) -> &'static str {
    let mut magic = [0; 4];
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut magic));
    match magic {
        _ if read.is_err() => "it is too short for a tar archive",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] => "it is compressed; uncompress it first",
        _ => "it is not a tar archive",
    }
}

/// The entry's name without `./`; an error says why it is refused.
fn checked_name(bytes: &[u8]) -> Result<String, &'static str> {
    if bytes.len() > MAX_NAME {
        return Err("whose name is too long");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "whose name is not UTF-8")?;
    if text.starts_with('/') {
        return Err("whose name is absolute");
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("whose name leads out of the archive"),
            part if part.contains('\0') => return Err("whose name holds a NUL"),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{checked_name, link_target};

    #[test]
    fn names_cannot_leave_the_archive() {
        assert_eq!(checked_name(b"./blobs//sha256/a").unwrap(), "blobs/sha256/a");
        assert_eq!(checked_name(b"./").unwrap(), "");
        for bad in [b"/etc/passwd".as_slice(), b"a/../b", b"..", b"a\0b", b"\xff"] {
            assert!(checked_name(bad).is_err(), "{bad:?}");
        }
    }
    #[test]
    fn links_cannot_leave_the_archive() {
        assert_eq!(link_target("a/b", b"../c/./d").unwrap(), "a/c/d");
        assert_eq!(link_target("", b"c").unwrap(), "c");
        for bad in [b"/etc/passwd".as_slice(), b"../../../x", b"\xff"] {
            assert!(link_target("a/b", bad).is_err(), "{bad:?}");
        }
    }
}
