//! Tar archives: v7, ustar, GNU and pax.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{Archive, Entry, EntryType};

use super::sparse::SparseHeader;
use super::tree::TreeWriter;
use crate::error::{FetchError, UnsafeReason};

/// Most bytes of headers (long names, pax records, maps of holes) before one entry's content.
const HEADER_BYTES: u64 = 8 << 20;

/// Reads an archive into the tree, to its end, so that checksums of the compression are checked.
pub(super) fn read(source: impl Read, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let allowance = Rc::new(Cell::new(HEADER_BYTES));
    let mut source = Metered { source, allowance: allowance.clone() };
    let mut archive = Archive::new(&mut source);
    let mut entries = archive.entries().map_err(|error| tree.corrupt("at its start", &error))?;
    loop {
        allowance.set(HEADER_BYTES);
        let Some(next) = entries.next() else { break };
        let mut found = next.map_err(|error| unreadable(tree, &error))?;
        // What follows is counted by the tree against its own limits.
        allowance.set(u64::MAX);
        entry(&mut found, tree)?;
    }
    drop(entries);
    rest(&mut source, tree)
}

fn unreadable(tree: &TreeWriter<'_>, error: &io::Error) -> FetchError {
    // A file that is no archive at all fails at its first header already.
    if tree.is_untouched() && error.to_string().contains("checksum") {
        return tree.unknown("its first block is no tar header");
    }
    tree.corrupt_after_last(error)
}

/// Reads what follows the end of the archive.
fn rest(source: &mut Metered<impl Read>, tree: &TreeWriter<'_>) -> Result<(), FetchError> {
    let mut buffer = [0; 1 << 14];
    source.allowance.set(tree.limits().unpacked_bytes);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(tree.corrupt_after_last(&error)),
        }
    }
}

fn entry<R: Read>(entry: &mut Entry<'_, R>, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let name = entry.path_bytes().into_owned();
    let kind = entry.header().entry_type();
    match kind {
        EntryType::XGlobalHeader | EntryType::XHeader => return Ok(()),
        // The label of a volume, which `tar -V` writes.
        _ if kind.as_byte() == b'V' => return Ok(()),
        EntryType::Directory => return tree.directory(&name),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            return match kind {
                EntryType::Symlink => tree.symlink(&name, &target),
                _ => tree.hard_link(&name, &target),
            };
        }
        _ => return Err(tree.refused(&name, UnsafeReason::Special)),
    }
    // Archives older than ustar mark a folder by a slash at the end of its name alone.
    if name.ends_with(b"/") {
        return tree.directory(&name);
    }
    let mode = entry.header().mode().map_err(|error| tree.corrupt_after_last(&error))?;
    let executable = mode & 0o100 != 0;
    let sparse = sparse_header(entry).map_err(|error| tree.corrupt_after_last(&error))?;
    let stored = entry.size();
    if !sparse.is_sparse() {
        return tree.file(&name, executable, stored, entry);
    }
    let map = sparse.segments(stored, entry);
    let (size, segments) = map.map_err(|error| tree.corrupt_after_last(&error))?;
    let name = sparse.name.unwrap_or(name);
    tree.sparse_file(&name, executable, size, &segments, entry)
}

fn sparse_header<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<SparseHeader> {
    let mut header = SparseHeader::default();
    if let Some(records) = entry.pax_extensions()? {
        for record in records {
            let record = record?;
            header.take(record.key_bytes(), record.value_bytes());
        }
    }
    Ok(header)
}

/// Passes on bytes up to an allowance, since headers are read into memory.
struct Metered<R> {
    source: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.get();
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its headers are too long"));
        }
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.source.read(&mut buffer[..room])?;
        self.allowance.set(left - read as u64);
        Ok(read)
    }
}
