//! Decompression, told by the first bytes.

use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Most memory that an xz, lzma or lzip stream may ask for: eight times what `xz -9` needs.
pub(super) const XZ_MEMORY: u64 = 512 << 20;

/// The decompressed bytes; the bytes as they are when they are not compressed.
///
/// Files of several streams one after the other are decoded whole, and padding is passed over, as
/// the programs do it: zeros after gzip and bzip2, zeros in groups of four after xz (section 2.2 of
/// its format), and skippable frames of Zstandard (RFC 8878, section 3.1.2).
pub(super) fn decoded<'a>(mut source: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let lzma = |source, stream: Result<Stream, liblzma::stream::Error>| {
        io::Result::Ok(Box::new(XzDecoder::new_stream(source, stream?)))
    };
    Ok(match source.fill_buf()? {
        [0x1f, 0x8b, ..] => {
            Box::new(Streams::new(0x1f, source, GzDecoder::new, GzDecoder::into_inner))
        }
        [b'B', b'Z', b'h', ..] => {
            Box::new(Streams::new(b'B', source, BzDecoder::new, BzDecoder::into_inner))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma(source, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED))?
        }
        [b'L', b'Z', b'I', b'P', ..] => {
            lzma(source, Stream::new_lzip_decoder(XZ_MEMORY, CONCATENATED))?
        }
        start if is_lzma(start) => lzma(source, Stream::new_lzma_decoder(XZ_MEMORY))?,
        // The second form is a frame to skip, which parallel compressors put first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(zstd::Decoder::with_buffer(source)?)
        }
        _ => Box::new(source),
    })
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
        _ => return None,
    })
}

/// Streams of one kind one after the other, and zeros after the last one: tapes and some servers
/// fill their last block.
struct Streams<R, D> {
    /// First byte of a stream.
    mark: u8,
    stream: Option<D>,
    open: fn(R) -> D,
    close: fn(D) -> R,
}

impl<R, D> Streams<R, D> {
    fn new(mark: u8, source: R, open: fn(R) -> D, close: fn(D) -> R) -> Self {
        Self { mark, stream: Some(open(source)), open, close }
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
                    Some(first) if *first == self.mark => self.stream = Some((self.open)(source)),
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
