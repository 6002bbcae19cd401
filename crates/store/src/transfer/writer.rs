//! Writing the file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{DIRECTORY, DOMAIN, END, FILE, OBJECT, SYMLINK};
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::types::ObjectInfo;

/// Bytes that are copied at once.
const CHUNK: usize = 256 << 10;

pub(super) struct Writer<'w> {
    to: &'w mut dyn Write,
    /// Of all bytes so far.
    sum: blake3::Hasher,
    objects: u64,
    buffer: Vec<u8>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Result<Self> {
        let (sum, buffer) = (blake3::Hasher::new(), vec![0; CHUNK]);
        let mut writer = Self { to, sum, objects: 0, buffer };
        writer.bytes(DOMAIN)?;
        Ok(writer)
    }

    pub(super) fn object(&mut self, info: &ObjectInfo, place: &Path) -> Result<()> {
        self.objects += 1;
        self.put(&[OBJECT])?;
        self.bytes(info.path.base_name().as_bytes())?;
        self.int(info.references.len() as u64)?;
        for reference in &info.references {
            self.bytes(reference.base_name().as_bytes())?;
        }
        self.tree(place)
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

    /// Objects are at most so deep that recursion is fine.
    fn tree(&mut self, place: &Path) -> Result<()> {
        let metadata = fs::symlink_metadata(place).at("look at", place)?;
        if metadata.is_symlink() {
            let target = fs::read_link(place).at("read the link", place)?;
            self.put(&[SYMLINK])?;
            return self.bytes(target.as_os_str().as_bytes());
        }
        if !metadata.is_dir() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            self.put(&[FILE, u8::from(executable)])?;
            self.int(metadata.len())?;
            return self.content(place, metadata.len());
        }
        let names = disk::list(place)?;
        self.put(&[DIRECTORY])?;
        self.int(names.len() as u64)?;
        for name in names {
            self.bytes(name.as_bytes())?;
            self.tree(&place.join(name))?;
        }
        Ok(())
    }

    fn content(&mut self, place: &Path, length: u64) -> Result<()> {
        let mut file = File::open(place).at("open", place)?.take(length);
        let mut left = length;
        let mut buffer = std::mem::take(&mut self.buffer);
        let copied = loop {
            match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(Error::io("read", place, error)),
                Ok(0) => break Ok(()),
                Ok(read) => {
                    left -= read as u64;
                    if let Err(error) = self.put(&buffer[..read]) {
                        break Err(error);
                    }
                }
            }
        };
        self.buffer = buffer;
        copied?;
        match left {
            0 => Ok(()),
            _ => {
                let detail = format!("`{}` became shorter while it was read", place.display());
                Err(Error::Transfer { detail })
            }
        }
    }
}
