//! Two files byte by byte.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self as std_io, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cbuild_drv::Digest;
use cbuild_drv::digest::DIGEST_TEXT_LEN;

use crate::error::{Result, io};

/// Bytes that are read at once.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Bytes before the first difference, and from it on, that are kept.
const CONTEXT: (u64, usize) = (64, 192);

/// Largest file that is looked at as a whole, to tell another order from other content.
const MAX_WHOLE: u64 = 64 << 20;

/// The place around the first difference of two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Position of the first byte that differs.
    pub offset: u64,
    /// Position of the first byte of the two excerpts.
    pub start: u64,
    /// Bytes of the first file from `start` on.
    pub first: Vec<u8>,
    /// Bytes of the second file from `start` on.
    pub second: Vec<u8>,
    /// Length of each file.
    pub sizes: (u64, u64),
    /// Whether the files have the same lines in another order.
    pub reordered: bool,
    /// The first bytes of the first file, which tell its format.
    pub magic: Vec<u8>,
}

type Renamed<'a> = &'a [(Digest, Digest)];

/// Compares two files; `None` when they are equal.
pub(crate) fn compare(
    first: (&Path, Renamed<'_>),
    second: (&Path, Renamed<'_>),
) -> Result<Option<Excerpt>> {
    let (path_a, path_b) = (first.0, second.0);
    let mut a = Renaming::new(open(path_a)?, first.1);
    let mut b = Renaming::new(open(path_b)?, second.1);
    let (mut offset, mut sizes) = (0u64, (0u64, 0u64));
    let (mut buffer_a, mut buffer_b) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let got_a = fill(&mut a, &mut buffer_a).map_err(io("read", path_a))?;
        let got_b = fill(&mut b, &mut buffer_b).map_err(io("read", path_b))?;
        let both = got_a.min(got_b);
        let same = (0..both).find(|&at| buffer_a[at] != buffer_b[at]).unwrap_or(both);
        offset += same as u64;
        sizes = (sizes.0 + got_a as u64, sizes.1 + got_b as u64);
        if same < both || got_a != got_b {
            break;
        }
        if both == 0 {
            return Ok(None);
        }
    }
    let rest = |reader: &mut dyn Read, path: &Path| {
        std_io::copy(reader, &mut std_io::sink()).map_err(io("read", path))
    };
    sizes = (sizes.0 + rest(&mut a, path_a)?, sizes.1 + rest(&mut b, path_b)?);
    let start = offset.saturating_sub(CONTEXT.0);
    let mut magic = window(first, 0)?;
    magic.truncate(16);
    let excerpt = Excerpt {
        offset,
        start,
        first: window(first, start)?,
        second: window(second, start)?,
        sizes,
        reordered: sizes.0 == sizes.1 && sizes.0 <= MAX_WHOLE && same_lines(first, second)?,
        magic,
    };
    Ok(Some(excerpt))
}

/// Whether a file holds some bytes, at most [`CHUNK`] of them. The file is read to their end at most.
pub(crate) fn contains(path: &Path, wanted: &[u8]) -> Result<bool> {
    let mut file = open(path)?;
    let mut buffer = vec![0; CHUNK * 2];
    let mut kept = 0;
    loop {
        let read = fill(&mut file, &mut buffer[kept..]).map_err(io("read", path))?;
        let filled = kept + read;
        if memchr::memmem::find(&buffer[..filled], wanted).is_some() {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // What stands across the boundary is found with the next piece.
        let tail = filled.min(wanted.len().saturating_sub(1));
        buffer.copy_within(filled - tail..filled, 0);
        kept = tail;
    }
}

/// Compares two short texts; `None` when they are equal.
pub(crate) fn compare_texts(
    first: (&OsStr, Renamed<'_>),
    second: (&OsStr, Renamed<'_>),
) -> Option<Excerpt> {
    let read = |(text, renamed): (&OsStr, Renamed<'_>)| {
        let mut bytes = text.as_bytes().to_vec();
        rename(&mut bytes, renamed);
        bytes
    };
    let (first, second) = (read(first), read(second));
    let offset = first.iter().zip(&second).take_while(|(a, b)| a == b).count() as u64;
    let sizes = (first.len() as u64, second.len() as u64);
    let (start, reordered, magic) = (0, false, Vec::new());
    let excerpt = Excerpt { offset, start, first, second, sizes, reordered, magic };
    (excerpt.first != excerpt.second).then_some(excerpt)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(io("open", path))
}

fn window((path, renamed): (&Path, Renamed<'_>), start: u64) -> Result<Vec<u8>> {
    let mut reader = Renaming::new(open(path)?, renamed);
    let read = |error| io("read", path)(error);
    std_io::copy(&mut (&mut reader).take(start), &mut std_io::sink()).map_err(read)?;
    let (mut bytes, length) = (Vec::new(), CONTEXT.0 + CONTEXT.1 as u64);
    reader.take(length).read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}

fn same_lines(first: (&Path, Renamed<'_>), second: (&Path, Renamed<'_>)) -> Result<bool> {
    let read = |(path, renamed): (&Path, Renamed<'_>)| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = Renaming::new(open(path)?, renamed);
        reader.read_to_end(&mut bytes).map_err(io("read", path))?;
        Ok(bytes)
    };
    let (first, second) = (read(first)?, read(second)?);
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    let words = |bytes: &[u8]| {
        let mut words: Vec<Vec<u8>> =
            bytes.split(u8::is_ascii_whitespace).map(<[u8]>::to_vec).collect();
        words.sort();
        words
    };
    Ok(sorted(&first) == sorted(&second) || words(&first) == words(&second))
}

/// Reads until the buffer is full or the input ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std_io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std_io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Replaces digest texts in place.
fn rename(bytes: &mut [u8], renamed: Renamed<'_>) {
    for (from, to) in renamed {
        let (from, to) = (from.to_text(), to.to_text());
        let (from, to) = (from.as_bytes(), to.as_bytes());
        let mut at = 0;
        while at + DIGEST_TEXT_LEN <= bytes.len() {
            if bytes[at] == from[0] && &bytes[at..at + DIGEST_TEXT_LEN] == from {
                bytes[at..at + DIGEST_TEXT_LEN].copy_from_slice(to);
            }
            at += 1;
        }
    }
}

/// A reader that replaces digest texts. It holds back as many bytes as a digest text that has
/// begun may have, and works on whole buffers.
struct Renaming<'r, R> {
    inner: R,
    renamed: Renamed<'r>,
    buffer: Vec<u8>,
    given: usize,
    settled: usize,
    ended: bool,
}

impl<'r, R: Read> Renaming<'r, R> {
    fn new(inner: R, renamed: Renamed<'r>) -> Self {
        Self { inner, renamed, buffer: Vec::new(), given: 0, settled: 0, ended: false }
    }

    fn refill(&mut self) -> std_io::Result<()> {
        self.buffer.drain(..self.settled);
        self.given = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + CHUNK, 0);
        let read = fill(&mut self.inner, &mut self.buffer[kept..])?;
        self.buffer.truncate(kept + read);
        self.ended = read < CHUNK;
        rename(&mut self.buffer, self.renamed);
        let held = if self.ended { 0 } else { DIGEST_TEXT_LEN - 1 };
        self.settled = self.buffer.len().saturating_sub(held);
        Ok(())
    }
}

impl<R: Read> Read for Renaming<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> std_io::Result<usize> {
        if self.renamed.is_empty() {
            return self.inner.read(out);
        }
        while self.given == self.settled {
            if self.ended && self.settled == self.buffer.len() {
                return Ok(0);
            }
            self.refill()?;
        }
        let length = out.len().min(self.settled - self.given);
        out[..length].copy_from_slice(&self.buffer[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}
