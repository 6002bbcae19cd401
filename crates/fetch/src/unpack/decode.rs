//! Decompression, told by the first bytes.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Most memory that an xz stream may ask for: eight times what `xz -9` needs.
const XZ_MEMORY: u64 = 512 << 20;

/// The decompressed bytes; the bytes as they are when they are not compressed.
///
/// Files of several streams one after the other are decoded whole, as the programs do it.
pub(super) fn decoded<'a>(mut source: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match source.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(source)),
        [b'B', b'Z', b'h', ..] => Box::new(MultiBzDecoder::new(source)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(source, stream))
        }
        // The second form is a frame to skip, which parallel compressors put first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(zstd::Decoder::with_buffer(source)?)
        }
        _ => Box::new(source),
    })
}
