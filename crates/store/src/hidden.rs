//! Finds digest texts in what compressed files hold: gzip, bzip2, xz, zstd and zip (hence jar, wheel).
//!
//! A file is taken for a compressed one by its first bytes alone. What it holds is unpacked as a
//! stream and never kept. A file that unpacks to too much is looked at as far as [`Allowance`] goes;
//! one that cannot be unpacked, as far as it can. Knows nothing of trees, nor what a hit means.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::os::unix::fs::FileExt;

use liblzma::stream::{CONCATENATED, Stream};
use zip::{CompressionMethod, ZipArchive};

use crate::scan::{Pattern, Scanner};

/// Most bytes that are unpacked of one file, and of all files of an object together.
const MAX_OF_FILE: u64 = 256 << 20;
const MAX_OF_ALL: u64 = 1 << 30;

/// Most bytes that a file may unpack to for each of its own, beyond [`SMALL`]. Text is packed to a
/// tenth, logs to a hundredth.
const MAX_RATIO: u64 = 200;

/// What any file may unpack to, in bytes.
const SMALL: u64 = 1 << 20;

/// Deepest nesting of compressed files in compressed files.
const MAX_NESTING: u32 = 3;

/// Longest zip file inside of another compressed file that is looked into, in bytes: its directory
/// is at its end, so it has to be in memory.
const MAX_INNER_ZIP: u64 = 32 << 20;

/// Most memory that an xz stream may ask for, in bytes.
const XZ_MEMORY: u64 = 128 << 20;

/// Longest beginning by which a kind is told.
const MAGIC: usize = 10;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Zip,
}

impl Kind {
    fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => {
                Some(Self::Bzip2)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            _ => None,
        }
    }
}

/// How many bytes may still be unpacked for an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance(u64);

impl Default for Allowance {
    fn default() -> Self {
        Self(MAX_OF_ALL)
    }
}

/// Looks into a file if it is a compressed one, and tells of each digest text in it.
///
/// # Errors
/// What the scanner says itself. That the file cannot be read or unpacked is none.
pub(crate) fn look_inside(
    file: &mut File,
    length: u64,
    scanner: &mut Scanner<'_>,
    allowance: &mut Allowance,
    on_match: &mut dyn FnMut(Pattern),
) -> io::Result<()> {
    let mut beginning = [0; MAGIC];
    let read = file.read_at(&mut beginning, 0).unwrap_or_default();
    let Some(kind) = Kind::of(&beginning[..read]) else { return Ok(()) };
    if file.rewind().is_err() {
        return Ok(());
    }
    let most = length.saturating_mul(MAX_RATIO).clamp(SMALL, MAX_OF_FILE).min(allowance.0);
    let left = Cell::new(most);
    let mut search = Search { scanner, left: &left, on_match };
    let source = BufReader::new(file);
    let done = match kind {
        Kind::Zip => search.zip(source, 0),
        _ => search.packed(kind, source, 0),
    };
    allowance.0 -= most - left.get();
    done
}

/// Bytes that were unpacked, as long as more may be. An error of the decoder ends them.
struct Unpacked<'l, R> {
    inner: R,
    left: &'l Cell<u64>,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most]).unwrap_or_default();
        // A layer below may have taken its own share of what was left meanwhile.
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

struct Search<'a, 's, 'p> {
    scanner: &'s mut Scanner<'p>,
    left: &'a Cell<u64>,
    on_match: &'a mut dyn FnMut(Pattern),
}

impl Search<'_, '_, '_> {
    /// Unpacks a stream. A decoder that cannot be made means that there is nothing to see.
    fn packed(&mut self, kind: Kind, source: impl BufRead, nesting: u32) -> io::Result<()> {
        match kind {
            Kind::Gzip => self.unpacked(flate2::bufread::MultiGzDecoder::new(source), nesting),
            Kind::Bzip2 => self.unpacked(bzip2::bufread::MultiBzDecoder::new(source), nesting),
            Kind::Xz => match Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED) {
                Ok(stream) => {
                    let decoder = liblzma::bufread::XzDecoder::new_stream(source, stream);
                    self.unpacked(decoder, nesting)
                }
                Err(_) => Ok(()),
            },
            Kind::Zstd => match zstd::Decoder::with_buffer(source) {
                Ok(decoder) => self.unpacked(decoder, nesting),
                Err(_) => Ok(()),
            },
            Kind::Zip => {
                let mut bytes = Vec::new();
                let whole = source.take(MAX_INNER_ZIP).read_to_end(&mut bytes).is_ok();
                if whole { self.zip(Cursor::new(bytes), nesting) } else { Ok(()) }
            }
        }
    }

    /// Searches what comes out of a decoder, and unpacks it again if it is compressed itself.
    fn unpacked(&mut self, decoder: impl Read, nesting: u32) -> io::Result<()> {
        let left = self.left;
        let mut source = BufReader::new(Unpacked { inner: decoder, left });
        let kind = Kind::of(source.fill_buf().unwrap_or_default());
        match kind {
            Some(kind) if nesting < MAX_NESTING => {
                // The nesting of types has to end.
                let source: &mut dyn BufRead = &mut source;
                self.packed(kind, source, nesting + 1)
            }
            _ => {
                let on_match = &mut *self.on_match;
                self.scanner.stream(&mut source, |_, pattern| on_match(pattern)).map(drop)
            }
        }
    }

    /// Unpacks each member. One that is only stored was seen in the file itself, unless it is
    /// compressed itself.
    fn zip(&mut self, source: impl Read + Seek, nesting: u32) -> io::Result<()> {
        let Ok(mut archive) = ZipArchive::new(source) else { return Ok(()) };
        for number in 0..archive.len() {
            if self.left.get() == 0 {
                return Ok(());
            }
            let Ok(member) = archive.by_index(number) else { continue };
            let is_stored = member.compression() == CompressionMethod::Stored;
            let left = self.left;
            let mut source = BufReader::new(Unpacked { inner: member, left });
            if is_stored && Kind::of(source.fill_buf().unwrap_or_default()).is_none() {
                continue;
            }
            let source: &mut dyn Read = &mut source;
            self.unpacked(source, nesting)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use cbuild_drv::Digest;

    use super::*;
    use crate::scan::Patterns;

    fn text() -> Vec<u8> {
        format!("see /cbuild/store/{}-x here", Digest::of(b"x")).into_bytes()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn zip(bytes: &[u8], method: CompressionMethod) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for name in ["META-INF/first", "second"] {
            writer.start_file(name, options).unwrap();
            writer.write_all(if name == "second" { bytes } else { b"first" }).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        zip(bytes, CompressionMethod::Deflated)
    }

    /// Number of hits, and bytes that may still be unpacked.
    fn look(bytes: &[u8]) -> (usize, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut patterns = Patterns::default();
        patterns.add(&Digest::of(b"x"), Pattern::Candidate(0));
        let cancel = crate::cancel::Cancel::default();
        let mut scanner = Scanner::new(&patterns, 0, &cancel);
        let (mut found, mut allowance) = (0, Allowance::default());
        let length = bytes.len() as u64;
        look_inside(&mut file, length, &mut scanner, &mut allowance, &mut |_| found += 1).unwrap();
        (found, allowance.0)
    }

    #[test]
    fn each_kind_is_looked_into() {
        let packers = [gzip, bzip2, xz, zstd, deflated];
        for (number, pack) in packers.iter().enumerate() {
            assert_eq!(look(&pack(&text())).0, 1, "kind {number}");
            assert_eq!(look(&[pack(b"some "), pack(&text())].concat()).0, 1, "second {number}");
            for (other, again) in packers.iter().enumerate() {
                assert_eq!(look(&again(&pack(&text()))).0, 1, "kind {number} in {other}");
            }
        }
        let stored = zip(&gzip(&text()), CompressionMethod::Stored);
        assert_eq!(look(&stored).0, 1);
        // The search in the file itself sees these.
        assert_eq!(look(&zip(&text(), CompressionMethod::Stored)).0, 0);
        assert_eq!(look(&text()), (0, MAX_OF_ALL));
    }

    #[test]
    fn nesting_ends() {
        let mut bytes = text();
        for _ in 0..=MAX_NESTING {
            bytes = gzip(&bytes);
        }
        assert_eq!(look(&bytes).0, 1);
        assert_eq!(look(&gzip(&bytes)).0, 0);
    }

    #[test]
    fn bombs_are_left_alone() {
        let zeros = vec![0; 64 << 20];
        for pack in [gzip, bzip2, xz, zstd, deflated] {
            let bomb = pack(&[zeros.as_slice(), &text()].concat());
            let (found, left) = look(&bomb);
            let most = (bomb.len() as u64 * MAX_RATIO).max(SMALL);
            assert!(most < zeros.len() as u64, "it is no bomb: {} bytes", bomb.len());
            assert_eq!((found, MAX_OF_ALL - left), (0, most));
            assert_eq!(look(&gzip(&bomb)).0, 0);
        }
    }

    #[test]
    fn damage_is_no_error() {
        for pack in [gzip, bzip2, xz, zstd, deflated] {
            let whole = pack(&text().repeat(50));
            for length in (0..whole.len()).step_by(7) {
                look(&whole[..length]);
                let mut changed = whole.clone();
                changed[length] ^= 0x55;
                look(&changed);
            }
        }
    }
}
