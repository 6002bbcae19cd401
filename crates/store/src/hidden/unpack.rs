//! Unpacking as a stream: what comes out of one decoder after the other.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use liblzma::stream::Stream;

use super::starts::{Kind, MAGIC};

/// Most memory that an xz, lzma or lzip stream may ask for, in bytes.
const XZ_MEMORY: u64 = 128 << 20;

/// Bytes that are read ahead.
const AHEAD: usize = 64 << 10;

/// A buffered source that can be looked at some bytes ahead, whatever is in the buffer.
pub(super) struct Ahead<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
}

impl<R: Read> Ahead<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; AHEAD], at: 0, filled: 0 }
    }

    /// The next bytes; fewer than asked for at the end, or where reading fails.
    pub(super) fn peek(&mut self, wanted: usize) -> &[u8] {
        if self.filled - self.at < wanted {
            self.buffer.copy_within(self.at..self.filled, 0);
            (self.filled, self.at) = (self.filled - self.at, 0);
            while self.filled < wanted {
                match self.inner.read(&mut self.buffer[self.filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                    Ok(read) => self.filled += read,
                }
            }
        }
        &self.buffer[self.at..self.filled]
    }

    /// The source, and how many bytes were read from it and not used.
    pub(super) fn into_parts(self) -> (R, u64) {
        (self.inner, (self.filled - self.at) as u64)
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let read = ready.len().min(buffer.len());
        buffer[..read].copy_from_slice(&ready[..read]);
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.filled {
            (self.at, self.filled) = (0, 0);
            self.filled = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.filled);
    }
}

/// The decoder of one stream; it leaves what follows the stream.
enum Decoder<B: BufRead> {
    Gzip(flate2::bufread::GzDecoder<B>),
    Zlib(flate2::bufread::ZlibDecoder<B>),
    Bzip2(bzip2::bufread::BzDecoder<B>),
    Xz(liblzma::bufread::XzDecoder<B>),
    Zstd(zstd::Decoder<'static, B>),
}

impl<B: BufRead> Decoder<B> {
    /// `None` where no decoder can be made, for lack of memory.
    fn new(kind: Kind, source: B) -> Option<Self> {
        let xz = |source, stream: Result<Stream, _>| {
            Some(Self::Xz(liblzma::bufread::XzDecoder::new_stream(source, stream.ok()?)))
        };
        match kind {
            Kind::Gzip => Some(Self::Gzip(flate2::bufread::GzDecoder::new(source))),
            Kind::Zlib => Some(Self::Zlib(flate2::bufread::ZlibDecoder::new(source))),
            Kind::Bzip2 => Some(Self::Bzip2(bzip2::bufread::BzDecoder::new(source))),
            Kind::Xz => xz(source, Stream::new_stream_decoder(XZ_MEMORY, 0)),
            Kind::Lzip => xz(source, Stream::new_lzip_decoder(XZ_MEMORY, 0)),
            Kind::Lzma => xz(source, Stream::new_lzma_decoder(XZ_MEMORY)),
            Kind::Zstd => {
                zstd::Decoder::with_buffer(source).ok().map(|one| Self::Zstd(one.single_frame()))
            }
            Kind::Zip => None,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zlib(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }

    fn into_inner(self) -> B {
        match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zlib(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

enum State<R: Read> {
    At(Box<Decoder<Ahead<R>>>),
    /// At the end, or at what cannot be decoded; the source is absent where no decoder could be made.
    Ended(Option<Ahead<R>>),
}

/// What streams of one kind that follow each other hold, as one. It ends where they end, or where a
/// decoder fails, and never with an error.
pub(super) struct Joined<R: Read> {
    kind: Kind,
    state: State<R>,
    is_broken: bool,
    /// Number of bytes that came out.
    pub(super) length: u64,
}

impl<R: Read> Joined<R> {
    pub(super) fn new(kind: Kind, source: Ahead<R>) -> Self {
        let (state, is_broken) = Self::next(kind, source);
        Self { kind, state, is_broken, length: 0 }
    }

    fn next(kind: Kind, source: Ahead<R>) -> (State<R>, bool) {
        match Decoder::new(kind, source) {
            Some(decoder) => (State::At(Box::new(decoder)), false),
            None => (State::Ended(None), true),
        }
    }

    /// What follows the streams, and whether they are whole.
    pub(super) fn end(self) -> (Option<Ahead<R>>, bool) {
        let source = match self.state {
            State::At(decoder) => Some(decoder.into_inner()),
            State::Ended(source) => source,
        };
        (source, !self.is_broken)
    }
}

impl<R: Read> Read for Joined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let State::At(decoder) = &mut self.state else { return Ok(0) };
            match decoder.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(read) if read > 0 || buffer.is_empty() => {
                    self.length += read as u64;
                    return Ok(read);
                }
                Ok(_) => {}
                Err(_) => self.is_broken = true,
            }
            let State::At(decoder) = std::mem::replace(&mut self.state, State::Ended(None)) else {
                return Ok(0);
            };
            let mut source = decoder.into_inner();
            let goes_on = !self.is_broken && Kind::of(source.peek(MAGIC)) == Some(self.kind);
            if !goes_on {
                self.state = State::Ended(Some(source));
                return Ok(0);
            }
            (self.state, self.is_broken) = Self::next(self.kind, source);
        }
    }
}

/// How many bytes may still be unpacked of a file, and whether there were more.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) bytes: Cell<u64>,
    pub(super) is_cut: Cell<bool>,
}

/// Bytes that were unpacked, as long as more may be.
pub(super) struct Limited<'l, R> {
    pub(super) inner: R,
    pub(super) left: &'l Left,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { inner, left } = self;
        if left.bytes.get() == 0 && !buffer.is_empty() {
            // Whether the end is here, too, only reading tells.
            if !left.is_cut.get() && inner.read(&mut buffer[..1]).unwrap_or_default() > 0 {
                left.is_cut.set(true);
            }
            return Ok(0);
        }
        let most = usize::try_from(left.bytes.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = inner.read(&mut buffer[..most]).unwrap_or_default();
        // A layer below may have taken its own share of what was left meanwhile.
        left.bytes.set(left.bytes.get().saturating_sub(read as u64));
        Ok(read)
    }
}

/// Bytes of LZMA's properties.
const PROPERTIES: usize = 5;

/// The start that a file of `lzma` has, in place of the one in a zip archive (APPNOTE.TXT, section
/// 5.8.8): the properties and the size. `None` where it is malformed.
pub(super) fn lzma_start(source: &mut impl Read, size: Option<u64>) -> Option<Vec<u8>> {
    let mut header = [0; 4 + PROPERTIES];
    source.read_exact(&mut header).ok()?;
    if usize::from(u16::from_le_bytes([header[2], header[3]])) != PROPERTIES {
        return None;
    }
    let size = size.unwrap_or(u64::MAX).to_le_bytes();
    Some([&header[4..], &size].concat())
}
