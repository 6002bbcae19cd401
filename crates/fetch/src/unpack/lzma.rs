//! Entries of zip archives that are compressed with LZMA or xz, which the `zip` crate reads only
//! with a library that nothing else here needs.

use std::io::{self, BufReader, Cursor, Read};

use flate2::Crc;
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;

use super::decode::XZ_MEMORY;

/// Flag of an entry whose stream has a mark at its end (APPNOTE.TXT, section 4.4.4, bit 1).
const END_MARK: u16 = 1 << 1;
/// Bytes of LZMA's properties.
const PROPERTIES: usize = 5;

/// Which of the two.
#[derive(Clone, Copy)]
pub(super) enum OfLzma {
    Lzma,
    Xz,
}

impl OfLzma {
    /// The decoded bytes of an entry, with their checksum compared at the end. `size` and `flags`
    /// are those of the directory.
    pub(super) fn decoded<'a>(
        self,
        mut source: impl Read + 'a,
        size: u64,
        flags: u16,
        crc: u32,
    ) -> io::Result<impl Read + 'a> {
        let (start, stream) = match self {
            Self::Xz => (Vec::new(), Stream::new_stream_decoder(XZ_MEMORY, 0)?),
            Self::Lzma => {
                let size = if flags & END_MARK != 0 { u64::MAX } else { size };
                (lzma_start(&mut source, size)?, Stream::new_lzma_decoder(XZ_MEMORY)?)
            }
        };
        let source = BufReader::new(Cursor::new(start).chain(source));
        let content = XzDecoder::new_stream(source, stream);
        Ok(Checked { content, sum: Crc::new(), wanted: crc })
    }
}

/// The start that a file of `lzma` has, in place of the one in a zip archive (APPNOTE.TXT, section
/// 5.8.8): the properties and the size.
fn lzma_start(source: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    source.read_exact(&mut header)?;
    if usize::from(u16::from_le_bytes([header[2], header[3]])) != PROPERTIES {
        let message = "its LZMA properties are malformed";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut start = vec![0; PROPERTIES];
    source.read_exact(&mut start)?;
    start.extend_from_slice(&size.to_le_bytes());
    Ok(start)
}

/// Compares the checksum of what was read at its end.
struct Checked<R> {
    content: R,
    sum: Crc,
    wanted: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.sum.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.sum.sum() != self.wanted {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        Ok(read)
    }
}
