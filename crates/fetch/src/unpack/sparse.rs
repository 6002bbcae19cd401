//! Files with holes in tar archives of the pax kind: where the stored bytes belong.
//!
//! The older GNU kind has its map in the header and is handled by the `tar` crate.

use std::io::{self, Read};

/// A run of stored bytes and its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Place in the file.
    pub(super) offset: u64,
    /// Number of bytes.
    pub(super) length: u64,
}

/// What the pax header says of a file with holes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SparseHeader {
    /// The file's own name; the entry's is another one.
    pub(super) name: Option<Vec<u8>>,
    /// The file's length.
    pub(super) size: Option<u64>,
    /// `offset,length,…` of version 0.1.
    pub(super) map: Option<String>,
    /// Version 1: the map precedes the bytes.
    pub(super) map_in_data: bool,
    /// Version 0.0, whose keys are repeated.
    pub(super) repeated: bool,
}

/// Most segments of one file.
const MOST_SEGMENTS: u64 = 1 << 20;

impl SparseHeader {
    /// Takes one record of a pax header; others than `GNU.sparse.…` are passed over.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) {
        let text = || std::str::from_utf8(value).ok();
        match key {
            b"GNU.sparse.name" => self.name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.size = text().and_then(|text| text.parse().ok());
            }
            b"GNU.sparse.map" => self.map = text().map(str::to_owned),
            b"GNU.sparse.major" => self.map_in_data = value == b"1",
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.repeated = true,
            _ => {}
        }
    }

    /// Whether the entry is a file with holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.map.is_some() || self.map_in_data || self.repeated
    }

    /// Length and segments of the file; reads the map from `content` where it is there.
    /// `stored` is the number of bytes that the archive holds for the entry.
    pub(super) fn segments(
        &self,
        stored: u64,
        content: &mut dyn Read,
    ) -> io::Result<(u64, Vec<Segment>)> {
        if self.repeated && self.map.is_none() {
            return Err(invalid("files with holes in pax format 0.0 are not read"));
        }
        let size = self.size.ok_or_else(|| invalid("a file with holes has no length"))?;
        let (numbers, before) = if self.map_in_data {
            map_in_data(content)?
        } else {
            let map = self.map.as_deref().unwrap_or_default();
            let numbers = map.split(',').filter(|text| !text.is_empty()).map(number);
            (numbers.collect::<io::Result<Vec<_>>>()?, 0)
        };
        let mut segments = Vec::new();
        let (mut end, mut sum) = (0, before);
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
        Ok((size, segments))
    }
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
                    let count = number(&line)?;
                    if count > MOST_SEGMENTS {
                        return Err(invalid("it has too many holes"));
                    }
                    wanted = Some(count * 2);
                    line.clear();
                }
                b'\n' => {
                    numbers.push(number(&line)?);
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

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| invalid("its map of holes has something else than numbers"))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}
