//! The entries of a tar archive, one after the other, each with all that headers say of it.
//!
//! Blocks and fields are those of the `tar` crate. Its own walk is not used: it splits pax
//! records at line breaks, gives folders and links the content that their sizes promise, and
//! cannot be told otherwise.

use std::io::{self, Read};

use super::header::{BLOCK, Block};
use super::pax::{Said, check_global};
use super::sparse::{Segment, of_header};
use super::{invalid, rest};

/// Most bytes of headers (long names, pax records, maps of holes) before one entry's content.
const HEADER_BYTES: u64 = 8 << 20;

/// One entry.
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
}

/// What an entry is. Content follows in the archive as long as [`Members::left`] says.
pub(super) enum Kind {
    File {
        executable: bool,
    },
    /// A file that is zero but for the segments, which its content has one after the other.
    Holes {
        executable: bool,
        size: u64,
        segments: Vec<Segment>,
    },
    Folder,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    /// A device and the like.
    Special,
}

/// Reads the entries, and the content of the one that was met last.
pub(super) struct Members<R> {
    source: R,
    /// A block that was read to see what it is.
    ahead: Option<Block>,
    /// Bytes of content that were not read yet, and of the padding after them.
    left: u64,
    padding: u64,
    /// Bytes that headers may still have.
    allowance: u64,
    /// Whether the mark at the end may have been the content of the last entry.
    doubtful_end: bool,
}

/// What the headers before an entry's own say of it.
#[derive(Default)]
struct Before {
    pax: Option<Said>,
    long_name: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
}

impl<R: Read> Members<R> {
    /// Starts with an archive's first block.
    pub(super) fn new(first: Block, source: R) -> Self {
        let ahead = Some(first);
        Self { source, ahead, left: 0, padding: 0, allowance: 0, doubtful_end: false }
    }

    /// Bytes of content of the present entry that were not read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next entry; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        self.skip()?;
        self.allowance = HEADER_BYTES;
        let mut before = Before::default();
        loop {
            let Some(block) = self.header()? else {
                return if before.is_empty() {
                    Ok(None)
                } else {
                    Err(invalid("the entry that its last headers describe is not there"))
                };
            };
            match block.flag() {
                b'x' | b'X' => set(&mut before.pax, Said::read(&self.body(&block)?)?)?,
                b'L' => set(&mut before.long_name, text(self.body(&block)?))?,
                b'K' => set(&mut before.long_target, text(self.body(&block)?))?,
                b'g' => check_global(&self.body(&block)?)?,
                // A volume's label, and an access list of Solaris.
                b'V' | b'A' => drop(self.body(&block)?),
                _ => return self.member(&block, before).map(Some),
            }
        }
    }

    /// Reads what follows the end, at most `limit` bytes, so that checksums of the compression
    /// are checked.
    pub(super) fn rest(&mut self, limit: u64) -> io::Result<()> {
        let only_zeros = rest(&mut self.source, limit)?;
        if self.doubtful_end && !only_zeros {
            return Err(invalid(
                "its last entry has content that it should not have, or something follows the end",
            ));
        }
        Ok(())
    }

    fn member(&mut self, block: &Block, before: Before) -> io::Result<Member> {
        let pax = before.pax.unwrap_or_default();
        let name = pax.name.or(before.long_name).unwrap_or_else(|| block.name());
        let target = || pax.target.or(before.long_target).unwrap_or_else(|| block.target());
        let stored = || pax.size.map_or_else(|| block.size(), Ok);
        let kind = match block.flag() {
            // Archives older than ustar mark a folder by a slash at the end of its name alone.
            0 | b'0' | b'7' if name.ends_with(b"/") => {
                self.doubtful_content(stored()?)?;
                Kind::Folder
            }
            0 | b'0' | b'7' => {
                self.content(stored()?)?;
                let executable = block.executable()?;
                if pax.sparse.is_sparse() {
                    let (size, segments) = pax.sparse.segments(self.left, self)?;
                    let name = pax.sparse.name.unwrap_or(name);
                    return Ok(Member { name, kind: Kind::Holes { executable, size, segments } });
                }
                Kind::File { executable }
            }
            b'S' => {
                let executable = block.executable()?;
                let stored = stored()?;
                let (size, segments) = of_header(block.header(), stored, || self.block())?;
                self.content(stored)?;
                Kind::Holes { executable, size, segments }
            }
            b'1' => {
                let stored = stored()?;
                self.doubtful_content(stored)?;
                Kind::HardLink(target())
            }
            b'2' => Kind::Symlink(target()),
            b'5' => {
                self.doubtful_content(stored()?)?;
                Kind::Folder
            }
            // A folder with a list of its entries, for incremental backups.
            b'D' => {
                self.content(stored()?)?;
                Kind::Folder
            }
            _ => Kind::Special,
        };
        Ok(Member { name, kind })
    }

    /// Lets so many bytes of content follow.
    fn content(&mut self, size: u64) -> io::Result<()> {
        let whole = size.checked_next_multiple_of(BLOCK as u64);
        let whole = whole.ok_or_else(|| invalid("its size is too large"))?;
        (self.left, self.padding) = (size, whole - size);
        Ok(())
    }

    /// Folders and hard links have no content in most archives, whatever their size says, and have
    /// it in others: what follows tells.
    fn doubtful_content(&mut self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        let Some(block) = self.block()? else { return Ok(()) };
        if block.is_zero() || block.is_header() {
            self.doubtful_end = block.is_zero();
            self.ahead = Some(block);
            return Ok(());
        }
        self.content(size.max(BLOCK as u64))?;
        self.left -= BLOCK as u64;
        Ok(())
    }

    /// The next header; `None` at the end, which is two blocks of zeros, or one at the end of the
    /// file. Programs differ in what they make of one before others: most stop there, and lose
    /// what follows.
    fn header(&mut self) -> io::Result<Option<Block>> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block.is_zero() {
            return match self.block()? {
                Some(next) if !next.is_zero() => {
                    Err(invalid("a lone block of zeros stands before other blocks"))
                }
                _ => Ok(None),
            };
        }
        if block.is_header() {
            Ok(Some(block))
        } else {
            Err(invalid("the checksum of a header is wrong"))
        }
    }

    /// The next block; `None` where the archive ends.
    fn block(&mut self) -> io::Result<Option<Block>> {
        if let Some(block) = self.ahead.take() {
            return Ok(Some(block));
        }
        self.spend(BLOCK as u64)?;
        let mut bytes = [0; BLOCK];
        let mut read = 0;
        while read < BLOCK {
            match self.source.read(&mut bytes[read..]) {
                Ok(0) if bytes.iter().all(|&byte| byte == 0) => return Ok(None),
                Ok(0) => return Err(ended("it ends inside of a header")),
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Block::new(bytes)))
    }

    /// The content of a header that describes others.
    fn body(&mut self, block: &Block) -> io::Result<Vec<u8>> {
        let size = block.size()?;
        self.spend(size)?;
        self.content(size)?;
        let mut body = Vec::new();
        self.read_to_end(&mut body)?;
        self.skip()?;
        Ok(body)
    }

    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        let left = self.allowance.checked_sub(bytes);
        self.allowance = left.ok_or_else(|| invalid("its headers are too long"))?;
        Ok(())
    }

    /// Passes over what is left of an entry and over its padding.
    fn skip(&mut self) -> io::Result<()> {
        let bytes = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink())?;
        if skipped < bytes { Err(ended("it ends inside of an entry")) } else { Ok(()) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let read = self.source.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Before {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_target.is_none()
    }
}

/// Sets what only one header of its kind may say of an entry.
fn set<T>(place: &mut Option<T>, value: T) -> io::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid("two headers of one kind describe the same entry")),
    }
}

/// A long name without the zeros after it.
fn text(mut body: Vec<u8>) -> Vec<u8> {
    let end = body.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    body.truncate(end);
    body
}

fn ended(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, message.to_owned())
}
