//! Tar archives: v7, ustar, GNU and pax.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::rc::Rc;

use tar::{Archive, Entry, EntryType, Header};

use super::sparse::SparseHeader;
use super::tree::TreeWriter;
use crate::error::{FetchError, UnsafeReason};

/// Most bytes of headers (long names, pax records, maps of holes) before one entry's content.
const HEADER_BYTES: u64 = 8 << 20;

/// Bytes of a header.
const BLOCK: usize = 512;
/// Place of a header's checksum.
const CHECKSUM: Range<usize> = 148..156;

/// Reads an archive into the tree, to its end, so that checksums of the compression are checked.
pub(super) fn read(mut source: impl Read, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let start = first_block(&mut source, tree)?;
    let allowance = Rc::new(Cell::new(HEADER_BYTES));
    let source = Cursor::new(start).chain(source);
    let mut source = Metered { source, allowance: allowance.clone() };
    let mut archive = Archive::new(&mut source);
    let mut entries = archive.entries().map_err(|error| tree.corrupt_after_last(&error))?;
    loop {
        allowance.set(HEADER_BYTES);
        let Some(next) = entries.next() else { break };
        let mut found = next.map_err(|error| tree.corrupt_after_last(&error))?;
        // What follows is counted by the tree against its own limits.
        allowance.set(u64::MAX);
        entry(&mut found, tree)?;
    }
    rest(&mut source, tree)
}

/// The first block, which must be a header or the mark of an archive without entries.
fn first_block(source: &mut impl Read, tree: &TreeWriter<'_>) -> Result<Vec<u8>, FetchError> {
    let mut block = Vec::new();
    let read = source.take(BLOCK as u64).read_to_end(&mut block);
    read.map_err(|error| tree.corrupt_after_last(&error))?;
    if block.len() < BLOCK {
        return Err(tree.unknown("it is shorter than one block of a tar archive"));
    }
    let header = Header::from_byte_slice(&block);
    // The sum counts its own field as spaces.
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let field: u32 = block[CHECKSUM].iter().map(|&byte| u32::from(byte)).sum();
    let sum = sum - field + u32::from(b' ') * 8;
    if sum != u32::from(b' ') * 8 && header.cksum().ok() != Some(sum) {
        return Err(tree.unknown("its first block is no tar header"));
    }
    Ok(block)
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
