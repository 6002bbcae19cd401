//! Files with holes: where the stored bytes belong.
//!
//! The older GNU kind has its map in the header and in blocks after it, the pax kinds have it in
//! records (versions 0.0 and 0.1) or before the content (version 1.0).

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, Header};

use super::header::{Block, number as field};
use super::invalid;
use super::pax::decimal;

/// A run of stored bytes and its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Place in the file.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) length: u64,
}

/// What the pax header says of a file with holes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SparseHeader {
    /// The file's own name; the entry's is another one.
    pub(super) name: Option<Vec<u8>>,
    /// The file's length.
    pub(super) size: Option<u64>,
    /// Offset and length by turns, of version 0.0 or 0.1.
    pub(super) map: Option<Vec<u64>>,
    /// Version 1: the map precedes the bytes.
    pub(super) map_in_data: bool,
}

/// Most segments of one file.
const MOST_SEGMENTS: u64 = 1 << 20;

impl SparseHeader {
    /// Takes one record of a pax header; others than `GNU.sparse.…` are passed over.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        match key {
            b"GNU.sparse.name" => self.name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.size = Some(number(value)?),
            b"GNU.sparse.map" => {
                let numbers = value.split(|&byte| byte == b',').filter(|text| !text.is_empty());
                self.map = Some(numbers.map(number).collect::<io::Result<_>>()?);
            }
            b"GNU.sparse.major" => self.map_in_data = value == b"1",
            // Each pair of these two adds a segment.
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let map = self.map.get_or_insert_default();
                if map.len().is_multiple_of(2) != (key == b"GNU.sparse.offset") {
                    return Err(invalid("its map of holes is out of order"));
                }
                map.push(number(value)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the entry is a file with holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.map.is_some() || self.map_in_data
    }

    /// Length and segments of the file; reads the map from `content` where it is there.
    /// `stored` is the number of bytes that the archive holds for the entry.
    pub(super) fn segments(
        &self,
        stored: u64,
        content: &mut dyn Read,
    ) -> io::Result<(u64, Vec<Segment>)> {
        let size = self.size.ok_or_else(|| invalid("a file with holes has no length"))?;
        if self.map_in_data {
            let (numbers, before) = map_in_data(content)?;
            let stored = stored.checked_sub(before);
            let stored = stored.ok_or_else(|| invalid("its map of holes is not whole"))?;
            return Ok((size, checked(&numbers, size, stored)?));
        }
        let numbers = self.map.as_deref().unwrap_or_default();
        Ok((size, checked(numbers, size, stored)?))
    }
}

/// Length and segments of a file of the older GNU kind; `more` reads the next block.
pub(super) fn of_header(
    header: &Header,
    stored: u64,
    mut more: impl FnMut() -> io::Result<Option<Block>>,
) -> io::Result<(u64, Vec<Segment>)> {
    let gnu = header.as_gnu().ok_or_else(|| invalid("a file with holes has no map of them"))?;
    let mut numbers = Vec::new();
    let mut add = |sparse: &[tar::GnuSparseHeader]| {
        for part in sparse.iter().filter(|part| !part.is_empty()) {
            numbers.extend([field(&part.offset)?, field(&part.numbytes)?]);
        }
        io::Result::Ok(())
    };
    add(&gnu.sparse)?;
    let mut again = gnu.is_extended();
    while again {
        let cut = || invalid("its map of holes is not whole");
        let block = more()?.ok_or_else(cut)?;
        let mut map = GnuExtSparseHeader::new();
        map.as_mut_bytes().copy_from_slice(block.header().as_bytes());
        add(map.sparse())?;
        again = map.is_extended();
    }
    let size = field(&gnu.realsize)?;
    Ok((size, checked(&numbers, size, stored)?))
}

/// The segments of a map, in order, within the file, and as long as what is stored.
fn checked(numbers: &[u64], size: u64, stored: u64) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::with_capacity(numbers.len() / 2);
    let (mut end, mut sum) = (0, 0_u64);
    for pair in numbers.chunks(2) {
        let &[offset, length] = pair else { return Err(invalid("its map of holes is odd")) };
        let after = offset.checked_add(length).filter(|after| *after <= size);
        let after = after.ok_or_else(|| invalid("its map of holes goes beyond its length"))?;
        if offset < end {
            return Err(invalid("its map of holes is out of order"));
        }
        (end, sum) = (after, sum.saturating_add(length));
        segments.push(Segment { offset, length });
    }
    if sum != stored {
        return Err(invalid("its map of holes does not fit the bytes that are stored"));
    }
    Ok(segments)
}

/// Reads `count`, then `count` pairs, each number on its line, padded to whole blocks.
fn map_in_data(content: &mut dyn Read) -> io::Result<(Vec<u64>, u64)> {
    let (mut numbers, mut wanted, mut blocks) = (Vec::new(), None, 0);
    let mut line = String::new();
    while wanted.is_none_or(|wanted| (numbers.len() as u64) < wanted) {
        let mut block = [0; 512];
        content.read_exact(&mut block)?;
        blocks += 1;
        for byte in block {
            match byte {
                b'\n' if wanted.is_none() => {
                    let count = number(line.as_bytes())?;
                    if count > MOST_SEGMENTS {
                        return Err(invalid("it has too many holes"));
                    }
                    wanted = Some(count * 2);
                    line.clear();
                }
                b'\n' => {
                    numbers.push(number(line.as_bytes())?);
                    line.clear();
                }
                b'0'..=b'9' if line.len() < 20 => line.push(char::from(byte)),
                _ => {
                    if wanted.is_some_and(|wanted| numbers.len() as u64 >= wanted) {
                        break;
                    }
                    return Err(invalid("its map of holes has something else than numbers"));
                }
            }
            if wanted.is_some_and(|wanted| numbers.len() as u64 >= wanted) {
                break;
            }
        }
    }
    Ok((numbers, blocks * 512))
}

fn number(text: &[u8]) -> io::Result<u64> {
    decimal(text).ok_or_else(|| invalid("its map of holes has something else than numbers"))
}
