//! Reading the file. It may come from anywhere: lengths are not trusted before the bytes are
//! there, names cannot leave the folder, and nesting is bounded.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cbuild_drv::StorePath;
use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};

use super::{DIRECTORY, DOMAIN, END, FILE, FIRST_DOMAIN, OBJECT, SYMLINK};
use crate::error::{Error, IoContext, Result};
use crate::tree::{MAX_DEPTH, open_dir};

/// Longest file name that Linux has, in bytes.
const MAX_NAME: u64 = 255;

/// Longest target of a link that Linux has, in bytes.
const MAX_TARGET: u64 = 4095;

/// Most references of an object: none of a real one has as many.
const MAX_REFERENCES: u64 = 1 << 20;

/// Bytes that are copied at once.
const CHUNK: usize = 256 << 10;

pub(super) struct Reader<'r> {
    from: &'r mut dyn Read,
    /// Of all bytes so far.
    sum: blake3::Hasher,
    /// Number of bytes so far.
    offset: u64,
    objects: u64,
    buffer: Vec<u8>,
}

/// What stands before an object's tree.
pub(super) struct Head {
    pub(super) path: StorePath,
    pub(super) references: BTreeSet<StorePath>,
}

/// Where a tree is written: a folder, the name in it, and the path for messages.
type Place<'a> = (BorrowedFd<'a>, &'a OsStr, &'a Path);

impl<'r> Reader<'r> {
    pub(super) fn new(from: &'r mut dyn Read) -> Result<Self> {
        let (sum, buffer) = (blake3::Hasher::new(), vec![0; CHUNK]);
        let mut reader = Self { from, sum, offset: 0, objects: 0, buffer };
        let domain = reader.bytes(DOMAIN.len() as u64, "kind").unwrap_or_default();
        if domain != DOMAIN && domain != FIRST_DOMAIN {
            let detail = "it is not an export that this version of cbuild reads".to_owned();
            return Err(Error::Transfer { detail });
        }
        Ok(reader)
    }

    /// The next object; `None` at the end, after the sum was compared.
    pub(super) fn head(&mut self) -> Result<Option<Head>> {
        match self.byte()? {
            OBJECT => {}
            END => return self.end().map(|()| None),
            other => return Err(self.bad(&format!("{other} is no kind of record"))),
        }
        self.objects += 1;
        let path = self.path()?;
        let count = self.int()?;
        if count > MAX_REFERENCES {
            return Err(self.bad("an object has too many references"));
        }
        let mut references = BTreeSet::new();
        for _ in 0..count {
            let reference = self.path()?;
            if reference == path || references.last().is_some_and(|last| *last >= reference) {
                return Err(self.bad("the references of an object are not in order"));
            }
            references.insert(reference);
        }
        Ok(Some(Head { path, references }))
    }

    fn end(&mut self) -> Result<()> {
        if self.int()? != self.objects {
            return Err(self.bad("the number of objects is wrong"));
        }
        let expected = *self.sum.finalize().as_bytes();
        let mut sum = [0; 32];
        self.exact(&mut sum)?;
        if sum != expected {
            return Err(self.bad("the sum does not fit the content"));
        }
        let more = self.from.read(&mut [0]).at("read", Path::new("the export"))?;
        if more != 0 {
            return Err(self.bad("something follows the end"));
        }
        Ok(())
    }

    /// Writes the tree that comes to a new name in a folder.
    pub(super) fn tree(&mut self, folder: impl AsFd, name: &OsStr, path: &Path) -> Result<()> {
        self.node(Some((folder.as_fd(), name, path)), 0)
    }

    /// Reads the tree that comes, and writes nothing.
    pub(super) fn skip_tree(&mut self) -> Result<()> {
        self.node(None, 0)
    }

    fn node(&mut self, to: Option<Place<'_>>, depth: usize) -> Result<()> {
        match self.byte()? {
            FILE => self.file(to),
            SYMLINK => {
                let target = self.bytes(MAX_TARGET, "target of a link")?;
                if target.is_empty() || target.contains(&0) {
                    return Err(self.bad("the target of a link is empty or has a zero byte"));
                }
                match to {
                    None => Ok(()),
                    Some((dir, name, path)) => {
                        symlinkat(OsStr::from_bytes(&target), dir, name).at("create the link", path)
                    }
                }
            }
            DIRECTORY if depth >= MAX_DEPTH => Err(self.bad("directories are nested too deeply")),
            DIRECTORY => self.directory(to, depth),
            other => Err(self.bad(&format!("{other} is no kind of file"))),
        }
    }

    fn file(&mut self, to: Option<Place<'_>>) -> Result<()> {
        let executable = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(self.bad("a flag is neither 0 nor 1")),
        };
        let length = self.int()?;
        let Some((dir, name, path)) = to else { return self.content(length, None) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = if executable { Mode::RWXU } else { Mode::RUSR | Mode::WUSR };
        let mut file = File::from(openat(dir, name, flags, mode).at("create", path)?);
        self.content(length, Some((&mut file, path)))
    }

    fn content(&mut self, length: u64, mut to: Option<(&mut File, &Path)>) -> Result<()> {
        let mut left = length;
        let mut buffer = std::mem::take(&mut self.buffer);
        while left > 0 {
            let share = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            self.exact(&mut buffer[..share])?;
            if let Some((file, path)) = &mut to {
                file.write_all(&buffer[..share]).at("write", path)?;
            }
            left -= share as u64;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn directory(&mut self, to: Option<Place<'_>>, depth: usize) -> Result<()> {
        let opened = match to {
            None => None,
            Some((dir, name, path)) => {
                mkdirat(dir, name, Mode::RWXU).at("create the folder", path)?;
                Some((open_dir(dir, name).at("open", path)?, path))
            }
        };
        let count = self.int()?;
        let mut last: Option<Vec<u8>> = None;
        for _ in 0..count {
            let name = self.bytes(MAX_NAME, "name")?;
            let bad = name.is_empty() || name == b"." || name == b"..";
            if bad || name.contains(&b'/') || name.contains(&0) {
                return Err(self.bad("a file has a name that it cannot have"));
            }
            if last.is_some_and(|last| last >= name) {
                return Err(self.bad("the names in a directory are not in order"));
            }
            match &opened {
                None => self.node(None, depth + 1)?,
                Some((dir, path)) => {
                    let text = OsStr::from_bytes(&name);
                    let path = path.join(text);
                    self.node(Some((dir.as_fd(), text, &path)), depth + 1)?;
                }
            }
            last = Some(name);
        }
        Ok(())
    }

    fn path(&mut self) -> Result<StorePath> {
        let bytes = self.bytes(MAX_NAME, "store path")?;
        let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains('/'));
        text.and_then(|text| StorePath::parse(text).ok())
            .ok_or_else(|| self.bad("a store path is none"))
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.exact(&mut byte)?;
        Ok(byte[0])
    }

    fn int(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn bytes(&mut self, most: u64, what: &str) -> Result<Vec<u8>> {
        let length = self.int()?;
        if length > most {
            return Err(self.bad(&format!("a {what} is too long")));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        match self.from.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.bad("it is cut off"))
            }
            other => {
                other.at("read", Path::new("the export"))?;
                self.sum.update(bytes);
                self.offset += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn bad(&self, what: &str) -> Error {
        Error::Transfer { detail: format!("{what} (near byte {})", self.offset) }
    }
}
