//! Writing the file.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{DIRECTORY, DOMAIN, END, FILE, OBJECT, SYMLINK};
use crate::error::{Error, IoContext, Result};
use crate::reading::{Entry, Visitor};
use crate::types::ObjectInfo;

pub(super) struct Writer<'w> {
    to: &'w mut dyn Write,
    /// Of all bytes so far.
    sum: blake3::Hasher,
    objects: u64,
}

impl<'w> Writer<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Result<Self> {
        let mut writer = Self { to, sum: blake3::Hasher::new(), objects: 0 };
        writer.bytes(DOMAIN)?;
        Ok(writer)
    }

    /// Writes what stands before an object's tree, which is written as it is read.
    pub(super) fn head(&mut self, info: &ObjectInfo) -> Result<()> {
        self.objects += 1;
        self.put(&[OBJECT])?;
        self.bytes(info.path.base_name().as_bytes())?;
        self.int(info.references.len() as u64)?;
        for reference in &info.references {
            self.bytes(reference.base_name().as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<()> {
        self.put(&[END])?;
        self.int(self.objects)?;
        let sum = *self.sum.finalize().as_bytes();
        self.put(&sum)?;
        self.to.flush().at("write", Path::new("the export"))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes).at("write", Path::new("the export"))
    }

    fn int(&mut self, value: u64) -> Result<()> {
        self.put(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.int(bytes.len() as u64)?;
        self.put(bytes)
    }
}

impl Visitor for Writer<'_> {
    type Error = Error;

    fn entry(&mut self, inside: &Path, entry: Entry<'_>) -> Result<()> {
        // The object itself has no name here.
        if let Some(name) = inside.file_name() {
            self.bytes(name.as_bytes())?;
        }
        match entry {
            Entry::Link(target) => {
                self.put(&[SYMLINK])?;
                self.bytes(target)
            }
            Entry::File { executable, length } => {
                self.put(&[FILE, u8::from(executable)])?;
                self.int(length)
            }
            Entry::Folder(count) => {
                self.put(&[DIRECTORY])?;
                self.int(count as u64)
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes)
    }
}
