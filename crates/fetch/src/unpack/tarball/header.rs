//! One header block: its checksum, its numbers and its names.

use std::io;
use std::ops::Range;

use tar::Header;

use super::invalid;

/// Bytes of a block.
pub(in crate::unpack) const BLOCK: usize = 512;

/// Places of fields.
const MODE: Range<usize> = 100..108;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
const FLAG: usize = 156;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_MARK: Range<usize> = 508..512;

/// A block of 512 bytes.
#[derive(Clone)]
pub(super) struct Block(Box<[u8; BLOCK]>);

impl Block {
    pub(super) fn new(bytes: [u8; BLOCK]) -> Self {
        Self(Box::new(bytes))
    }

    /// Whether it is the mark at the end of an archive.
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    /// Whether it has the checksum of a header. Old programs added the bytes up as signed ones.
    pub(super) fn is_header(&self) -> bool {
        let Ok(wanted) = number(&self.0[CHECKSUM]) else { return false };
        // The sum counts its own field as spaces.
        let spaces = u64::from(b' ') * CHECKSUM.len() as u64;
        let others = || self.0[..CHECKSUM.start].iter().chain(&self.0[CHECKSUM.end..]);
        let unsigned = spaces + others().map(|&byte| u64::from(byte)).sum::<u64>();
        let signed: i64 = others().map(|&byte| i64::from(byte.cast_signed())).sum();
        wanted == unsigned || i64::try_from(wanted).ok() == Some(signed + spaces.cast_signed())
    }

    /// The block as the `tar` crate's header.
    pub(super) fn header(&self) -> &Header {
        Header::from_byte_slice(self.0.as_slice())
    }

    /// The type of the entry.
    pub(super) fn flag(&self) -> u8 {
        self.0[FLAG]
    }

    /// Bytes of content.
    pub(super) fn size(&self) -> io::Result<u64> {
        number(&self.0[SIZE])
    }

    /// Whether the owner may execute the entry.
    pub(super) fn executable(&self) -> io::Result<bool> {
        Ok(number(&self.0[MODE])? & 0o100 != 0)
    }

    /// The name in this header alone.
    pub(super) fn name(&self) -> Vec<u8> {
        // Archives of `star` have times where others have the end of the prefix.
        if self.0[STAR_MARK] == *b"tar\0" && self.header().as_ustar().is_some() {
            let until_zero = |field: &[u8]| field.split(|&b| b == 0).next().unwrap_or(&[]).to_vec();
            let (prefix, name) = (until_zero(&self.0[STAR_PREFIX]), until_zero(&self.0[..100]));
            return if prefix.is_empty() { name } else { [&prefix[..], b"/", &name].concat() };
        }
        self.header().path_bytes().into_owned()
    }

    /// The target of a link in this header alone.
    pub(super) fn target(&self) -> Vec<u8> {
        self.header().link_name_bytes().unwrap_or_default().into_owned()
    }
}

/// A number: octal digits with spaces and zeros around, or GNU's binary form. A field without
/// digits is 0, as GNU tar writes it for the size of a label.
pub(super) fn number(field: &[u8]) -> io::Result<u64> {
    let bad = || invalid("a number in its header is malformed");
    match field {
        [0x80, rest @ ..] => {
            let (high, low) =
                rest.split_at_checked(rest.len().saturating_sub(8)).ok_or_else(bad)?;
            if high.iter().any(|&byte| byte != 0) {
                return Err(invalid("a number in its header is too large"));
            }
            Ok(low.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
        }
        [first, ..] if first & 0x80 != 0 => Err(invalid("a number in its header is negative")),
        _ => {
            let blank = |byte: &u8| matches!(byte, b' ' | 0);
            let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
            let digits = &field[start..];
            let end = digits.iter().position(blank).unwrap_or(digits.len());
            let octal = |sum: u64, &byte: &u8| match byte {
                b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
                _ => None,
            };
            digits[..end].iter().try_fold(0, octal).ok_or_else(bad)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let read = |field: &[u8]| number(field).ok();
        assert_eq!(read(b"0000644\0"), Some(0o644));
        assert_eq!(read(b"   644 \0"), Some(0o644));
        assert_eq!(read(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(read(b"        "), Some(0));
        assert_eq!(read(b"777777777777"), Some(0o777_777_777_777));
        assert_eq!(read(b"\x80\0\0\0\x01\0\0\0\0\0\0\x02"), Some((1 << 56) + 2));
        assert_eq!(read(b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), None);
        assert_eq!(read(b"\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(read(b"-1\0\0\0\0\0\0"), None);
        assert_eq!(read(b"649\0\0\0\0\0"), None);
    }

    #[test]
    fn checksums_of_signed_bytes() {
        let mut bytes = [0; BLOCK];
        bytes[0] = 0xff;
        bytes[CHECKSUM].copy_from_slice(b"000377\0 ");
        assert!(Block::new(bytes).is_header());
        bytes[CHECKSUM].copy_from_slice(b"001377\0 ");
        assert!(!Block::new(bytes).is_header());
        bytes[CHECKSUM].copy_from_slice(b"000777\0 ");
        assert!(Block::new(bytes).is_header());
    }
}
