//! Reading layers from store objects, and writing the result.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::error::AssembleError;
use super::layout::{Node, Origin, follow_error};
use super::path::{Component, FollowError, MAX_DEPTH, Step, follow};

enum LookError {
    Follow(FollowError),
    Assemble(AssembleError),
}

impl From<FollowError> for LookError {
    fn from(error: FollowError) -> Self {
        Self::Follow(error)
    }
}

/// Reads what an object has at `from`, whose parents may be links that stay within the object.
/// `shown` names the object in messages.
pub(super) fn read_layer(
    object: &Path,
    from: &[Component],
    shown: &str,
    index: usize,
) -> Result<Node, AssembleError> {
    let at = |place: &[Component]| object.join(OsStr::from_bytes(&place.join(&b'/')));
    let place = follow::<LookError>(from, true, |place| {
        let path = at(place);
        match fs::read_link(&path) {
            Ok(target) => Ok(Step::Link(target.into_os_string().into_vec())),
            // EINVAL says that the path is no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Step::Other),
            Err(error) if missing(&error) => Err(LookError::Assemble(AssembleError::Missing {
                layer: shown.to_owned(),
                from: super::path::show(from),
            })),
            Err(error) => Err(LookError::Assemble(AssembleError::io("cannot read", path)(error))),
        }
    });
    let place = place.map_err(|error| match error {
        LookError::Follow(error) => follow_error(error, from, shown),
        LookError::Assemble(error) => error,
    })?;
    let path = if place.is_empty() { object.to_owned() } else { at(&place) };
    read(&path, Reader { object, shown, origin: Origin::Layer(index) }, 0)
}

fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    object: &'a Path,
    shown: &'a str,
    origin: Origin,
}

impl Reader<'_> {
    fn unsupported(&self, path: &Path, reason: &'static str) -> AssembleError {
        let place = path.strip_prefix(self.object).unwrap_or(path).display().to_string();
        AssembleError::Unsupported {
            place: format!("`{place}`"),
            layer: self.shown.to_owned(),
            reason,
        }
    }
}

fn read(path: &Path, reader: Reader<'_>, depth: usize) -> Result<Node, AssembleError> {
    let data = fs::symlink_metadata(path).map_err(AssembleError::io("cannot read", path))?;
    let kind = data.file_type();
    if kind.is_file() {
        let executable = data.permissions().mode() & 0o100 != 0;
        return Ok(Node::Stored { file: path.to_owned(), executable, origin: reader.origin });
    }
    if kind.is_symlink() {
        let target = fs::read_link(path).map_err(AssembleError::io("cannot read", path))?;
        return Ok(Node::Link(target.into_os_string().into_vec(), reader.origin));
    }
    if !kind.is_dir() {
        return Err(reader.unsupported(path, "it is neither a file, a directory nor a link"));
    }
    if depth > MAX_DEPTH {
        return Err(reader.unsupported(path, "it is nested too deeply"));
    }
    let mut children = BTreeMap::new();
    #[expect(clippy::disallowed_methods, reason = "the entries are collected into a sorted map")]
    let entries = fs::read_dir(path).map_err(AssembleError::io("cannot read", path))?;
    for entry in entries {
        let entry = entry.map_err(AssembleError::io("cannot read", path))?;
        let child = read(&entry.path(), reader, depth + 1)?;
        children.insert(entry.file_name().into_vec(), child);
    }
    Ok(Node::Directory(children, reader.origin))
}

/// Writes a tree to a path at which nothing is yet. Files of the store become hard links where
/// the file system allows it: their modes and times are those of every object, so nothing of
/// them will be changed.
pub(super) fn write(node: &Node, at: &Path) -> Result<(), AssembleError> {
    match node {
        Node::Directory(children, _) => {
            fs::create_dir(at).map_err(AssembleError::io("cannot create", at))?;
            let mut path = PathBuf::from(at);
            for (name, child) in children {
                path.push(OsStr::from_bytes(name));
                write(child, &path)?;
                path.pop();
            }
            Ok(())
        }
        Node::Link(target, _) => symlink(OsStr::from_bytes(target), at)
            .map_err(AssembleError::io("cannot create the link", at)),
        Node::Stored { file, .. } => link_or_copy(file, at),
        Node::Text { text, executable, .. } => {
            let mode = if *executable { 0o755 } else { 0o644 };
            let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(at);
            opened
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(AssembleError::io("cannot write", at))
        }
    }
}

/// A link fails across file systems, at the link limit of the file, and where the kernel protects
/// files of others; a copy is right in each case.
fn link_or_copy(file: &Path, at: &Path) -> Result<(), AssembleError> {
    if fs::hard_link(file, at).is_ok() {
        return Ok(());
    }
    fs::copy(file, at).map(drop).map_err(AssembleError::io("cannot copy to", at))
}
