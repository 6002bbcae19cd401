//! Decompression, told by the first bytes.

use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use super::tarball::BLOCK;

/// Most memory that an xz, lzma or lzip stream may ask for: eight times what `xz -9` needs.
pub(super) const XZ_MEMORY: u64 = 512 << 20;

/// The decompressed bytes; the bytes as they are when they are not compressed.
///
/// Files of several streams one after the other are decoded whole, and padding is passed over, as
/// the programs do it: zeros after gzip, bzip2, lzip and lzma, zeros in groups of four after xz
/// (section 2.2 of its format), and skippable frames of Zstandard (RFC 8878, section 3.1.2).
pub(super) fn decoded<'a>(mut source: impl BufRead + 'a) -> io::Result<Decoded<'a>> {
    let bytes: Box<dyn Read + 'a> = match source.fill_buf()? {
        [0x1f, 0x8b, ..] => {
            let open = |source| Ok(GzDecoder::new(source));
            Box::new(Streams::new(Some(0x1f), source, open, GzDecoder::into_inner)?)
        }
        [b'B', b'Z', b'h', ..] => {
            let open = |source| Ok(BzDecoder::new(source));
            Box::new(Streams::new(Some(b'B'), source, open, BzDecoder::into_inner)?)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(source, stream))
        }
        // With more than one member, the library would pass over whatever follows.
        [b'L', b'Z', b'I', b'P', ..] => {
            let open =
                |source| Ok(XzDecoder::new_stream(source, Stream::new_lzip_decoder(XZ_MEMORY, 0)?));
            Box::new(Streams::new(Some(b'L'), source, open, XzDecoder::into_inner)?)
        }
        start if is_lzma(start) => {
            let open =
                |source| Ok(XzDecoder::new_stream(source, Stream::new_lzma_decoder(XZ_MEMORY)?));
            Box::new(Streams::new(None, source, open, XzDecoder::into_inner)?)
        }
        // The second form is a frame to skip, which parallel compressors put first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(zstd::Decoder::with_buffer(source)?)
        }
        _ => return Ok(Decoded { bytes: Box::new(source), is_compressed: false }),
    };
    Ok(Decoded { bytes, is_compressed: true })
}

/// Bytes that were compressed, or not.
pub(super) struct Decoded<'a> {
    pub(super) bytes: Box<dyn Read + 'a>,
    pub(super) is_compressed: bool,
}

/// Whether bytes start as a file of `lzma` does, which has no mark: its usual properties, the size
/// of its dictionary, and a size that is unknown or below 1 TiB.
fn is_lzma(start: &[u8]) -> bool {
    let [0x5d, 0, 0, low, high, size @ ..] = start else { return false };
    let Some((size, [0, ..])) = size.split_at_checked(8) else { return false };
    (*low != 0 || *high != 0) && (size == [0xff; 8] || size[5..] == [0; 3])
}

/// Name of a format that is known and not read, told by the first bytes.
pub(super) fn other_format(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [0x1f, 0x9d, ..] => "compressed with `compress` (`.Z`)",
        [0x1f, 0x1e, ..] => "compressed with `pack` (`.z`)",
        [0x04, 0x22, 0x4d, 0x18, ..] => "compressed with LZ4",
        [0x89, b'L', b'Z', b'O', ..] => "compressed with LZO",
        [b'L', b'R', b'Z', b'I', ..] => "compressed with `lrzip`",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => "a RAR archive",
        [b'M', b'S', b'C', b'F', 0, 0, 0, 0, ..] => "a cabinet (CAB)",
        [b'x', b'a', b'r', b'!', ..] => "a XAR archive",
        [0xed, 0xab, 0xee, 0xdb, ..] => "an RPM package",
        [b'0', b'7', b'0', b'7', b'0', b'1' | b'2' | b'7', ..] | [0xc7, 0x71, ..] => {
            "a cpio archive"
        }
        [b'P', b'K', 7, 8, ..] => "a zip archive in several parts",
        [b'Q', b'F', b'I', 0xfb, ..] => "a disk image (qcow2)",
        [b'h', b's', b'q', b's', ..] => "a squashfs image",
        _ => return image(start),
    })
}

/// Name of a format that is read, but not within a compression, told by the first bytes.
pub(super) fn inner_format(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [0x1f, 0x8b, ..] => "compressed with gzip once more",
        [b'B', b'Z', b'h', ..] => "compressed with bzip2 once more",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "compressed with xz once more",
        [b'L', b'Z', b'I', b'P', ..] => "compressed with lzip once more",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed with Zstandard once more",
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => "a zip archive",
        start if start.starts_with(b"!<arch>\n") => "an `ar` archive, as a Debian package is",
        _ => return None,
    })
}

/// Whether bytes start as an HTML page does, which servers send in place of a file.
pub(super) fn is_page(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let has =
        |mark: &[u8]| start.get(..mark.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(mark));
    has(b"<!doctype html") || has(b"<html")
}

/// Bytes from the start in which every mark of an image stands.
pub(super) const IMAGE_MARKS: usize = 0x1_0048;

/// Name of a disk's image, told by the marks in its first [`IMAGE_MARKS`] bytes.
fn image(start: &[u8]) -> Option<&'static str> {
    let has = |at: usize, mark: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let marks: [(usize, &[u8], &'static str); 7] = [
        (0x8001, b"CD001", "an ISO 9660 image"),
        (0x8001, b"BEA01", "a UDF image"),
        (0x1_0040, b"_BHRfS_M", "an image of a btrfs file system"),
        (0x438, &[0x53, 0xef], "an image of an ext file system"),
        (0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "an EROFS image"),
        (BLOCK, b"EFI PART", "an image of a disk"),
        (BLOCK - 2, &[0x55, 0xaa], "an image of a disk"),
    ];
    marks.into_iter().find(|(at, mark, _)| has(*at, mark)).map(|(.., name)| name)
}

/// Streams of one kind one after the other, and zeros after the last one: tapes and some servers
/// fill their last block.
struct Streams<R, D> {
    /// First byte of a stream; without one there is one stream.
    mark: Option<u8>,
    stream: Option<D>,
    open: fn(R) -> io::Result<D>,
    close: fn(D) -> R,
}

impl<R, D> Streams<R, D> {
    fn new(
        mark: Option<u8>,
        source: R,
        open: fn(R) -> io::Result<D>,
        close: fn(D) -> R,
    ) -> io::Result<Self> {
        Ok(Self { mark, stream: Some(open(source)?), open, close })
    }
}

impl<R: BufRead, D: Read> Read for Streams<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stream) = &mut self.stream {
            let read = stream.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if let Some(ended) = self.stream.take() {
                let mut source = (self.close)(ended);
                match source.fill_buf()?.first() {
                    Some(first) if Some(*first) == self.mark => {
                        self.stream = Some((self.open)(source)?);
                    }
                    _ => only_zeros(source)?,
                }
            }
        }
        Ok(0)
    }
}

fn only_zeros(mut source: impl BufRead) -> io::Result<()> {
    loop {
        let rest = source.fill_buf()?;
        if rest.is_empty() {
            return Ok(());
        }
        if rest.iter().any(|&byte| byte != 0) {
            let message = "something else than zeros follows the end of the compressed bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let length = rest.len();
        source.consume(length);
    }
}
