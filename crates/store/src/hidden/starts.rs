//! Where compressed streams begin in a file, told while it is read for other reasons.

use std::io::{self, Read};
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Lzip,
    Lzma,
    Zlib,
    Zip,
}

/// Longest beginning by which a kind is told, with the first byte of content.
pub(super) const MAGIC: usize = 14;

/// Most starts that are noted of a file.
const MAX_STARTS: usize = 1 << 20;

/// Bytes that tell where a stream is, the kind, and the number of bytes that stand before them. Those of
/// zip stand in its last record.
const SIGNS: [(&[u8], Kind, u64); 6] = [
    (&[0x1f, 0x8b, 8], Kind::Gzip, 0),
    (b"1AY&SY", Kind::Bzip2, 4),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Kind::Xz, 0),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd, 0),
    (b"LZIP\x01", Kind::Lzip, 0),
    (b"PK\x05\x06", Kind::Zip, 0),
];

/// Bytes of the longest of [`SIGNS`], but one.
const CARRIED: usize = 5;

static FINDER: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(SIGNS.map(|(bytes, ..)| bytes)).ok());

impl Kind {
    /// The kind that a beginning tells, where chance is no other explanation.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => {
                Some(Self::Bzip2)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The second is a frame that a reader skips, with more frames behind it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'L', b'Z', b'I', b'P', 1, ..] => Some(Self::Lzip),
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            _ => None,
        }
    }

    /// The kind that a beginning may mean: it has no mark of its own.
    pub(super) fn perhaps(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [method, flags, ..]
                if method & 0x8f == 8
                    && flags & 0x20 == 0
                    && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0 =>
            {
                Some(Self::Zlib)
            }
            [properties @ 0..225, a, b, c, d, size @ .., 0] if size.len() == 8 => {
                let dictionary = u32::from_le_bytes([*a, *b, *c, *d]);
                let size = size.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
                // What all encoders write, by which `file` and xz tell it too.
                let is_usual = *properties % 9 + *properties / 9 % 5 <= 4
                    && (dictionary.is_power_of_two()
                        || (dictionary % 3 == 0 && (dictionary / 3).is_power_of_two())
                        || dictionary == u32::MAX);
                (is_usual && (size == u64::MAX || size < 1 << 38)).then_some(Self::Lzma)
            }
            _ => None,
        }
    }
}

/// Where a stream may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Where it begins; where its last record begins for zip.
    pub(super) offset: u64,
    pub(super) kind: Kind,
}

/// What was noted while a file was read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(super) starts: Vec<Start>,
    /// There were more.
    pub(super) is_full: bool,
    /// The last bytes, which may be the first ones of a sign.
    carried: Vec<u8>,
    length: u64,
}

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        if !self.carried.is_empty() {
            let (old, at) = (self.carried.len(), self.length - self.carried.len() as u64);
            let mut joint = std::mem::take(&mut self.carried);
            joint.extend_from_slice(&bytes[..bytes.len().min(CARRIED)]);
            self.find(&joint, at, |range| range.start < old && range.end > old);
            self.carried = joint;
            self.carried.truncate(old);
        }
        self.find(bytes, self.length, |_| true);
        self.length += bytes.len() as u64;
        self.carried.extend_from_slice(&bytes[bytes.len().saturating_sub(CARRIED)..]);
        self.carried.drain(..self.carried.len().saturating_sub(CARRIED));
    }

    fn find(&mut self, bytes: &[u8], at: u64, wanted: impl Fn(&std::ops::Range<usize>) -> bool) {
        let Some(finder) = FINDER.as_ref() else { return };
        for found in finder.find_iter(bytes).filter(|found| wanted(&found.range())) {
            let (_, kind, before) = SIGNS[found.pattern().as_usize()];
            let offset = (at + found.start() as u64).checked_sub(before);
            match offset {
                Some(_) if self.starts.len() == MAX_STARTS => self.is_full = true,
                Some(offset) => self.starts.push(Start { offset, kind }),
                None => {}
            }
        }
    }
}

/// A source of which is noted what was read.
pub(crate) struct Watched<'s, R> {
    inner: R,
    seen: &'s mut Seen,
}

impl<'s, R: Read> Watched<'s, R> {
    pub(crate) fn new(inner: R, seen: &'s mut Seen) -> Self {
        Self { inner, seen }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.seen.add(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_across_all_boundaries() {
        let mut bytes = b"some text".to_vec();
        let mut expected = Vec::new();
        for (sign, kind, before) in SIGNS {
            bytes.extend(b"1AYBZh9");
            expected.push(Start { offset: bytes.len() as u64 - before, kind });
            bytes.extend(sign);
        }
        for step in 1..bytes.len() {
            let mut seen = Seen::default();
            bytes.chunks(step).for_each(|chunk| seen.add(chunk));
            assert_eq!(seen.starts, expected, "{step} bytes at once");
        }
    }
}
