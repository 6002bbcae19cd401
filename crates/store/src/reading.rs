//! Reading an object for who passes its bytes on: it is hashed on the way, so that nothing damaged is
//! passed on as if it were whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;

use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::scan::{Pattern, Patterns, Scanner};
use crate::store::Store;
use crate::tree::{Hit, MAX_DEPTH, Node};
use crate::types::ObjectInfo;
use crate::verify::Content;

/// An entry of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'e> {
    /// A folder, with the number of what is directly in it.
    Folder(usize),
    /// A symbolic link, with its target.
    Link(&'e [u8]),
    /// A regular file, of which so many bytes follow.
    File {
        /// Whether it can be started.
        executable: bool,
        /// Its length in bytes.
        length: u64,
    },
}

/// Takes an object as it is read: each folder before what is in it, that in byte order of the names.
pub trait Visitor {
    /// Why it cannot take more.
    type Error: From<Error>;

    /// An entry begins; `inside` is its path in the object, and empty for the object itself.
    ///
    /// # Errors
    /// End the reading.
    fn entry(&mut self, inside: &Path, entry: Entry<'_>) -> std::result::Result<(), Self::Error>;

    /// The next bytes of the file that began last.
    ///
    /// # Errors
    /// End the reading.
    fn content(&mut self, bytes: &[u8]) -> std::result::Result<(), Self::Error>;

    /// The file that began last is at its end.
    ///
    /// # Errors
    /// End the reading.
    fn end_of_file(&mut self) -> std::result::Result<(), Self::Error> {
        Ok(())
    }
}

impl Store {
    /// Reads an object and compares it with its path. What the visitor was given is good only if this
    /// succeeds; it has been given all by then.
    ///
    /// # Errors
    /// [`Error::NotInStore`]; [`Error::Spoilt`] for an object that is not what its path says, which is noted
    /// as after a verification; what reading gives; the visitor's own.
    pub fn read_object<V: Visitor>(
        &self,
        path: &StorePath,
        visitor: &mut V,
    ) -> std::result::Result<(), V::Error> {
        let info = self.index()?.info(path)?;
        let info = info.ok_or_else(|| Error::NotInStore { path: path.clone() })?;
        let mut patterns = Patterns::default();
        patterns.add(path.digest(), Pattern::Own(0));
        let scanner = Scanner::new(&patterns, 0, &self.cancel);
        let mut reading = Reading { patterns: &patterns, scanner, visitor, inside: PathBuf::new() };
        let node = reading.node(&self.layout.object(path), 0)?;
        Ok(self.compare(&info, &node)?)
    }

    fn compare(&self, info: &ObjectInfo, node: &Node) -> Result<()> {
        if Content::of(node).contradiction(info, self.format()).is_none() {
            return Ok(());
        }
        // Looked at once more and noted, so that the next build makes it again. That it cannot be noted
        // changes nothing of what was found.
        drop(self.note_damage(&info.path));
        Err(Error::Spoilt { path: info.path.clone() })
    }
}

struct Reading<'r, 'p, V> {
    patterns: &'p Patterns,
    scanner: Scanner<'p>,
    visitor: &'r mut V,
    inside: PathBuf,
}

impl<V: Visitor> Reading<'_, '_, V> {
    fn node(&mut self, place: &Path, depth: usize) -> std::result::Result<Node, V::Error> {
        let metadata = fs::symlink_metadata(place).at("look at", place)?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            return self.link(place);
        }
        if kind.is_file() {
            return self.file(place, &metadata);
        }
        if !kind.is_dir() {
            return Err(Error::FileKind { path: place.to_owned(), kind: "special file" }.into());
        }
        if depth >= MAX_DEPTH {
            return Err(Error::TooDeep { path: place.to_owned(), limit: MAX_DEPTH }.into());
        }
        let names = disk::list(place)?;
        self.visitor.entry(&self.inside, Entry::Folder(names.len()))?;
        let mut children = BTreeMap::new();
        for name in names {
            self.inside.push(&name);
            let child = self.node(&place.join(&name), depth + 1)?;
            self.inside.pop();
            children.insert(OsStr::as_bytes(&name).to_vec(), child);
        }
        Ok(Node::Directory(children))
    }

    fn link(&mut self, place: &Path) -> std::result::Result<Node, V::Error> {
        let target = fs::read_link(place).at("read the link", place)?;
        let target = target.as_os_str().as_bytes().to_vec();
        self.visitor.entry(&self.inside, Entry::Link(&target))?;
        let mut hits = Vec::new();
        self.patterns.find(&target, |offset, _| hits.push(Hit { offset: offset as u64, own: 0 }));
        Ok(Node::Symlink { target, hits })
    }

    fn file(
        &mut self,
        place: &Path,
        metadata: &fs::Metadata,
    ) -> std::result::Result<Node, V::Error> {
        let (executable, length) = (metadata.permissions().mode() & 0o100 != 0, metadata.len());
        self.visitor.entry(&self.inside, Entry::File { executable, length })?;
        let file = File::open(place).at("open", place)?;
        let visitor = &mut *self.visitor;
        let mut passing = Passing { file, left: length, visitor, failed: None };
        let mut hits = Vec::new();
        let on_match = |offset, _| hits.push(Hit { offset, own: 0 });
        let read = self.scanner.stream(&mut passing, on_match);
        if let Some(error) = passing.failed {
            return Err(error);
        }
        let (size, content) = read.at("read", place)?;
        if passing.left > 0 {
            // Who takes it counts on the length.
            let detail = format!("`{}` became shorter while it was read", place.display());
            return Err(Error::Transfer { detail }.into());
        }
        self.visitor.end_of_file()?;
        Ok(Node::File { executable, size, content, hits, rewritten: false })
    }
}

/// Passes on what is read, up to the length that was told.
struct Passing<'v, V: Visitor> {
    file: File,
    left: u64,
    visitor: &'v mut V,
    failed: Option<V::Error>,
}

impl<V: Visitor> Read for Passing<'_, V> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        self.left -= read as u64;
        if read > 0
            && let Err(error) = self.visitor.content(&buffer[..read])
        {
            self.failed = Some(error);
            return Err(io::Error::other("what is read is not taken"));
        }
        Ok(read)
    }
}
