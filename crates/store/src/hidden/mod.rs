//! Finds digest texts in what compressed files hold.
//!
//! Streams of gzip, bzip2, xz, zstd and lzip, and zip archives, are found wherever they begin in a file,
//! by marks that are looked for while it is read for other reasons; zlib and lzma, which have none, at
//! its beginning. What they hold is unpacked as a stream and never kept. A file that unpacks to too much
//! is looked at as far as [`Allowance`] goes; one that cannot be unpacked, as far as it can; both are
//! told. Knows nothing of trees, nor what a hit means.

mod starts;
mod unpack;

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use zip::{CompressionMethod, ZipArchive};

use crate::scan::{Pattern, Scanner, is_in};
use starts::{Kind, MAGIC, Start};
pub(crate) use starts::{Seen, Watched};
use unpack::{Ahead, Joined, Left, Limited, lzma_start};

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

/// What comes out of bytes that are no stream, by chance, is shorter.
const CHANCE: u64 = 4096;

/// Marks that turn out to be none, in one file, before it is given up.
const MAX_FAILURES: usize = 1 << 14;

/// The same of last records of zip that looked as they should: the search for each reads the file.
const MAX_WRONG_ARCHIVES: usize = 16;

/// Bytes of a tar archive's header, and where its mark stands in it (POSIX.1-2017, pax).
const TAR_BLOCK: usize = 512;
const TAR_MARK: Range<usize> = 257..262;

/// Flag of an entry whose stream has a mark at its end (APPNOTE.TXT, section 4.4.4, bit 1).
const END_MARK: u16 = 1 << 1;

/// What the directory of a zip archive begins with.
const DIRECTORY: &[u8; 4] = b"PK\x01\x02";

/// Bytes of the last record of a zip archive without its comment.
const LAST_RECORD: u64 = 22;

/// How many bytes may still be unpacked for an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance(u64);

impl Default for Allowance {
    fn default() -> Self {
        Self(MAX_OF_ALL)
    }
}

/// Why not all that a file holds was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It unpacks to more than is looked at.
    Length,
    /// Compressed files are in compressed files in it, deeper than is looked at.
    Nesting,
    /// It is damaged or cut off, or asks for too much memory.
    Broken,
    /// A member of a zip archive is encrypted.
    Encrypted,
    /// A member of a zip archive is compressed with a method that is not known here.
    Method(u16),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("it unpacks to more than is searched"),
            Self::Nesting => f.write_str("there are compressed files in compressed files in it"),
            Self::Broken => f.write_str("it cannot be unpacked to its end"),
            Self::Encrypted => f.write_str("a member of it is encrypted"),
            Self::Method(number) => {
                write!(f, "a member of it is compressed with method {number} of zip")
            }
        }
    }
}

/// What was seen of the compressed parts of a file.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    /// Parts of the file that carry a checksum of what they hold, so that nothing may be changed in
    /// them.
    pub(crate) sealed: Vec<Range<u64>>,
    /// Why something was not searched.
    pub(crate) left_out: Option<LeftOut>,
}

impl Inside {
    /// Whether a digest text at a place is in such a part.
    pub(crate) fn is_sealed(&self, offset: u64) -> bool {
        is_in(&self.sealed, offset)
    }
}

/// Looks into the compressed parts of a file, and tells of each digest text in them. `seen` was noted
/// while the file was read.
///
/// # Errors
/// What the scanner says itself. That the file cannot be read or unpacked is none.
pub(crate) fn look_inside(
    file: &File,
    length: u64,
    seen: Seen,
    scanner: &mut Scanner<'_>,
    allowance: &mut Allowance,
    on_match: &mut dyn FnMut(Pattern),
) -> io::Result<Inside> {
    let mut beginning = [0; MAGIC];
    let read = file.read_at(&mut beginning, 0).unwrap_or_default();
    let beginning = &beginning[..read];
    let is_told = || Kind::of(beginning).or_else(|| Kind::perhaps(beginning)).is_some();
    if seen.starts.is_empty() && !is_told() {
        return Ok(Inside::default());
    }
    let most = length.saturating_mul(MAX_RATIO).clamp(SMALL, MAX_OF_FILE).min(allowance.0);
    let left = Left { bytes: Cell::new(most), is_cut: Cell::new(false) };
    let mut search = Search {
        scanner,
        left: &left,
        on_match,
        inside: Inside::default(),
        packed: Vec::new(),
        failures: 0,
        wrong_archives: 0,
    };
    let source = Part { file, at: 0, end: length };
    let done = search.file(source, &seen, beginning);
    allowance.0 -= most - left.bytes.get();
    if left.is_cut.get() || seen.is_full {
        search.leave_out(LeftOut::Length);
    }
    let inside = search.inside;
    done.map(|()| inside)
}

/// A file from its beginning to some place.
#[derive(Clone, Copy)]
struct Part<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Whether there is a last record of a zip archive at a place, as far as a look at it tells (APPNOTE.TXT,
/// section 4.3.16), and then the length of the comment behind it.
fn last_record_of_zip(file: Part<'_>, place: u64) -> Option<u64> {
    let mut record = [0; LAST_RECORD as usize];
    file.file.read_exact_at(&mut record, place).ok()?;
    let short = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
    let long = |at: usize| u64::from(short(at)) | u64::from(short(at + 2)) << 16;
    let (here, all, length, offset) = (short(8), short(10), long(12), long(16));
    if (short(4), short(6)) != (0, 0) || here != all {
        return None;
    }
    // Numbers that do not fit are in a record before this one.
    let large = u64::from(u32::MAX);
    let is_large = all == u16::MAX || length == large || offset == large;
    if !is_large && all > 0 {
        let mut sign = [0; DIRECTORY.len()];
        file.file.read_exact_at(&mut sign, place.checked_sub(length)?).ok()?;
        if sign != *DIRECTORY {
            return None;
        }
    }
    Some(short(20).into())
}

fn is_tar(beginning: &[u8]) -> bool {
    beginning.get(TAR_MARK) == Some(b"ustar".as_slice())
}

struct Search<'a, 's, 'p> {
    scanner: &'s mut Scanner<'p>,
    left: &'a Left,
    on_match: &'a mut dyn FnMut(Pattern),
    inside: Inside,
    /// Compressed members of archives.
    packed: Vec<Range<u64>>,
    /// Marks that were none, and those of zip that looked like some.
    failures: usize,
    wrong_archives: usize,
}

impl Search<'_, '_, '_> {
    /// The first reason is told.
    fn leave_out(&mut self, reason: LeftOut) {
        self.inside.left_out.get_or_insert(reason);
    }

    fn file(&mut self, file: Part<'_>, seen: &Seen, beginning: &[u8]) -> io::Result<()> {
        let (archives, streams): (Vec<Start>, Vec<Start>) =
            seen.starts.iter().partition(|start| start.kind == Kind::Zip);
        let mut is_closed = Kind::of(beginning) == Some(Kind::Zip);
        for Start { offset, .. } in archives {
            let found = self.may_go_on() && self.archive(file, offset)?;
            is_closed &= !found;
            self.failures += usize::from(!found);
        }
        if is_closed {
            self.leave_out(LeftOut::Broken);
        }
        self.packed.sort_by_key(|range| range.start);
        let mut done = 0;
        if let Some(kind) = Kind::perhaps(beginning) {
            done = self.stream(file, Start { offset: 0, kind })?.unwrap_or_default();
        }
        for start in streams {
            if start.offset < done || self.is_packed(start.offset) {
                continue;
            }
            if !self.may_go_on() {
                return Ok(());
            }
            match self.stream(file, start)? {
                Some(end) => done = end,
                None => self.failures += 1,
            }
        }
        Ok(())
    }

    fn may_go_on(&mut self) -> bool {
        if self.failures >= MAX_FAILURES {
            self.leave_out(LeftOut::Length);
        }
        self.failures < MAX_FAILURES && !self.left.is_cut.get()
    }

    /// Whether a place is in a member of an archive that was looked into.
    fn is_packed(&self, offset: u64) -> bool {
        let behind = self.packed.partition_point(|range| range.start <= offset);
        behind.checked_sub(1).is_some_and(|last| self.packed[last].contains(&offset))
    }

    /// Looks into the streams that begin at a place, and gives the place behind them, if there are any.
    fn stream(&mut self, file: Part<'_>, start: Start) -> io::Result<Option<u64>> {
        let Start { offset, kind } = start;
        let mut beginning = [0; MAGIC];
        let mut part = Part { at: offset, ..file };
        let read = part.read(&mut beginning).unwrap_or_default();
        let is_marked = Kind::of(&beginning[..read]) == Some(kind);
        if !is_marked && !matches!(kind, Kind::Zlib | Kind::Lzma) {
            return Ok(None);
        }
        let mut joined = Joined::new(kind, Ahead::new(Part { at: offset, ..file }));
        self.unpacked(&mut joined, 0)?;
        let length = joined.length;
        let (source, is_whole) = joined.end();
        // Marks stand in other files by chance, seldom at the beginning.
        if !is_whole && length < CHANCE && !(is_marked && offset == 0) {
            return Ok(None);
        }
        if !is_whole {
            self.leave_out(LeftOut::Broken);
        }
        let end = match source.map(Ahead::into_parts) {
            Some((part, kept)) if !self.left.is_cut.get() => part.at - kept,
            // Where it ends was not found out.
            _ => file.end,
        };
        self.inside.sealed.push(offset..end);
        Ok(Some(end))
    }

    /// Looks into a zip archive whose last record begins at a place; tells whether there is one.
    fn archive(&mut self, file: Part<'_>, last_record: u64) -> io::Result<bool> {
        let Some(comment) = last_record_of_zip(file, last_record) else { return Ok(false) };
        if self.wrong_archives == MAX_WRONG_ARCHIVES {
            self.leave_out(LeftOut::Length);
            return Ok(false);
        }
        let end = (last_record + LAST_RECORD + comment).min(file.end);
        match ZipArchive::new(BufReader::new(Part { end, ..file })) {
            Ok(archive) => self.members(archive, 0, true).map(|()| true),
            Err(_) => {
                self.wrong_archives += 1;
                self.leave_out(LeftOut::Broken);
                Ok(false)
            }
        }
    }

    /// Searches what comes out of a decoder.
    fn unpacked(&mut self, decoder: &mut dyn Read, nesting: u32) -> io::Result<()> {
        self.content(Ahead::new(Limited { inner: decoder, left: self.left }), nesting)
    }

    /// Searches what was unpacked, and unpacks it again if it is compressed itself.
    fn content<R: Read>(&mut self, mut source: Ahead<R>, nesting: u32) -> io::Result<()> {
        let kind = Kind::of(source.peek(MAGIC));
        match kind {
            Some(_) if nesting == MAX_NESTING => self.leave_out(LeftOut::Nesting),
            Some(Kind::Zip) => return self.inner_archive(&mut source, nesting + 1),
            Some(kind) => {
                // The nesting of types has to end.
                let inner: &mut dyn Read = &mut source;
                let mut joined = Joined::new(kind, Ahead::new(inner));
                self.unpacked(&mut joined, nesting + 1)?;
                let (rest, is_whole) = joined.end();
                if !is_whole && !self.left.is_cut.get() {
                    self.leave_out(LeftOut::Broken);
                }
                return rest.map_or(Ok(()), |mut rest| self.plain(&mut rest));
            }
            None if nesting < MAX_NESTING && is_tar(source.peek(TAR_BLOCK)) => {
                return self.tar_members(&mut source, nesting + 1);
            }
            None => {}
        }
        self.plain(&mut source)
    }

    /// Searches a tar archive: headers, members, and what follows them.
    fn tar_members(&mut self, source: &mut dyn Read, nesting: u32) -> io::Result<()> {
        let mut archive = tar::Archive::new(source);
        if let Ok(entries) = archive.entries() {
            // Long names are members of their own.
            for entry in entries.raw(true) {
                let Ok(mut entry) = entry else {
                    self.leave_out(LeftOut::Broken);
                    break;
                };
                let header = *entry.header().as_bytes();
                self.plain(&mut header.as_slice())?;
                let member: &mut dyn Read = &mut entry;
                self.content(Ahead::new(member), nesting)?;
            }
        }
        self.plain(archive.into_inner())
    }

    /// Searches bytes as they are.
    fn plain(&mut self, mut source: &mut dyn Read) -> io::Result<()> {
        let (scanner, on_match) = (&mut *self.scanner, &mut *self.on_match);
        scanner.stream(&mut source, |_, pattern| on_match(pattern)).map(drop)
    }

    /// Looks into a zip archive inside of something else, which has to be in memory.
    fn inner_archive(&mut self, source: &mut dyn Read, nesting: u32) -> io::Result<()> {
        let mut bytes = Vec::new();
        if source.take(MAX_INNER_ZIP + 1).read_to_end(&mut bytes).is_err() {
            self.leave_out(LeftOut::Broken);
        }
        self.plain(&mut bytes.as_slice())?;
        if bytes.len() as u64 > MAX_INNER_ZIP {
            self.leave_out(LeftOut::Length);
            return self.plain(source);
        }
        match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => self.members(archive, nesting, false),
            Err(_) => {
                self.leave_out(LeftOut::Broken);
                Ok(())
            }
        }
    }

    /// Unpacks each member. In an archive that is `outer`, a file itself or a part of it, stored members
    /// were seen with all else in the file.
    fn members(
        &mut self,
        mut archive: ZipArchive<impl Read + Seek>,
        nesting: u32,
        is_outer: bool,
    ) -> io::Result<()> {
        for number in 0..archive.len() {
            if self.left.is_cut.get() {
                return Ok(());
            }
            let Ok(mut member) = archive.by_index_raw(number) else {
                self.leave_out(LeftOut::Broken);
                continue;
            };
            if let Some(start) = member.data_start().filter(|_| is_outer) {
                let range = start..start + member.compressed_size();
                if member.compression() != CompressionMethod::Stored {
                    self.packed.push(range.clone());
                }
                self.inside.sealed.push(range);
            }
            if member.encrypted() {
                self.leave_out(LeftOut::Encrypted);
                continue;
            }
            #[expect(deprecated, reason = "nothing else tells the number of an unknown method")]
            match member.compression() {
                CompressionMethod::Stored if is_outer => {}
                CompressionMethod::Unsupported(14) => {
                    let has_mark = member.flags().as_u16() & END_MARK != 0;
                    let size = (!has_mark).then_some(member.size());
                    match lzma_start(&mut member, size) {
                        Some(start) => {
                            let source = Cursor::new(start).chain(member);
                            self.member(Kind::Lzma, source, nesting)?;
                        }
                        None => self.leave_out(LeftOut::Broken),
                    }
                }
                CompressionMethod::Unsupported(95) => self.member(Kind::Xz, member, nesting)?,
                CompressionMethod::Unsupported(number) => self.leave_out(LeftOut::Method(number)),
                _ => {
                    drop(member);
                    self.known_member(&mut archive, number, nesting)?;
                }
            }
        }
        Ok(())
    }

    /// A member that is decoded here.
    fn member(&mut self, kind: Kind, mut source: impl Read, nesting: u32) -> io::Result<()> {
        let source: &mut dyn Read = &mut source;
        let mut joined = Joined::new(kind, Ahead::new(source));
        self.unpacked(&mut joined, nesting)?;
        if !joined.end().1 && !self.left.is_cut.get() {
            self.leave_out(LeftOut::Broken);
        }
        Ok(())
    }

    /// A member that the `zip` crate decodes.
    fn known_member(
        &mut self,
        archive: &mut ZipArchive<impl Read + Seek>,
        number: usize,
        nesting: u32,
    ) -> io::Result<()> {
        let mut is_broken = true;
        if let Ok(inner) = archive.by_index(number) {
            let mut member = Ending { inner, is_broken: false };
            self.unpacked(&mut member, nesting)?;
            is_broken = member.is_broken;
        }
        if is_broken {
            self.leave_out(LeftOut::Broken);
        }
        Ok(())
    }
}

/// A source that ends where an error is.
struct Ending<R> {
    inner: R,
    is_broken: bool,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.is_broken = true;
                Ok(0)
            }
            read => read,
        }
    }
}

#[cfg(test)]
mod tests;
