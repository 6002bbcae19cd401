//! Checking one layer: the digest of the stored bytes and of the uncompressed stream.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;

use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::OciError;
use crate::inspect::source::Source;
use crate::pack::Compression;

/// Most uncompressed bytes that are read from one file or folder, against compression bombs.
const MAX_UNCOMPRESSED: u64 = 64 << 30;

/// Largest window of a Zstandard stream, as a power of two: 128 MiB.
const MAX_ZSTD_WINDOW: u32 = 27;

/// What a layer turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckedLayer {
    pub(super) digest: Sha256Digest,
    pub(super) size: u64,
    pub(super) diff_id: Sha256Digest,
    pub(super) uncompressed_size: u64,
}

/// Reads layers, each once however often it is named.
#[derive(Default)]
pub(super) struct LayerReader {
    known: BTreeMap<String, CheckedLayer>,
    uncompressed: u64,
}

/// Passes bytes on, and hashes those that were read.
struct HashingReader<R> {
    inner: R,
    hash: HashingWriter<io::Sink>,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.write_all(&buffer[..count])?;
        Ok(count)
    }
}

impl LayerReader {
    /// Reads the part `name`; `compression` is sniffed when it is not given.
    ///
    /// A stream that does not uncompress is reported as wrong content when `promised` is not
    /// its digest, and as malformed otherwise.
    pub(super) fn read(
        &mut self,
        source: &mut Source,
        name: &str,
        compression: Option<Compression>,
        promised: Option<Sha256Digest>,
    ) -> Result<CheckedLayer, OciError> {
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let left = MAX_UNCOMPRESSED - self.uncompressed;
        let path = source.path().to_owned();
        let inner = source.reader(name)?;
        let hash = HashingWriter::new(io::sink());
        let mut raw = BufReader::with_capacity(128 << 10, HashingReader { inner, hash });
        let compression = match compression {
            Some(compression) => compression,
            None => sniff(raw.fill_buf().map_err(OciError::reading(&path))?),
        };
        let mut plain = HashingWriter::new(io::sink());
        let result = uncompress(&mut raw, compression, &mut plain, left);
        io::copy(&mut raw, &mut io::sink()).map_err(OciError::reading(&path))?;
        let (_, digest, size) = raw.into_inner().hash.finish();
        let (_, diff_id, uncompressed_size) = plain.finish();
        if let Some(promised) = promised.filter(|promised| *promised != digest) {
            return Err(OciError::wrong_digest(&path, name, promised, digest));
        }
        result.map_err(|error| source.malformed(name, error.to_string()))?;
        if uncompressed_size > left {
            return Err(source.too_large(name, "64 GiB of uncompressed layers".to_owned()));
        }
        self.uncompressed += uncompressed_size;
        let layer = CheckedLayer { digest, size, diff_id, uncompressed_size };
        self.known.insert(name.to_owned(), layer);
        Ok(layer)
    }
}

fn sniff(start: &[u8]) -> Compression {
    match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Copies the uncompressed stream, and stops one byte after `limit`.
fn uncompress(
    raw: &mut impl BufRead,
    compression: Compression,
    plain: &mut impl Write,
    limit: u64,
) -> io::Result<()> {
    let limit = limit + 1;
    match compression {
        Compression::None => io::copy(&mut raw.take(limit), plain)?,
        Compression::Gzip => io::copy(&mut MultiGzDecoder::new(raw).take(limit), plain)?,
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(raw)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            io::copy(&mut decoder.take(limit), plain)?
        }
    };
    Ok(())
}
