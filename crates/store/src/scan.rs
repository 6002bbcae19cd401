//! Finds digest texts in streams of bytes.
//!
//! A window of 52 bytes slides over the data. It is looked at from its end: a byte outside the
//! alphabet rules out every window that holds it, so in most data 52 bytes are skipped at once.
//! Bytes that are known to be in the alphabet are not looked at again, so each byte is looked
//! at twice at most, whatever the data.

use std::collections::BTreeMap;
use std::io::{self, Read};

use cbuild_drv::Digest;
use cbuild_drv::digest::DIGEST_TEXT_LEN;

/// Length of a digest text, in bytes.
pub(crate) const WINDOW: usize = DIGEST_TEXT_LEN;

const CHUNK: usize = 256 * 1024;

const ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let symbols = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut i = 0;
    while i < symbols.len() {
        table[symbols[i] as usize] = true;
        i += 1;
    }
    table
};

/// What a digest text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// An object that may be referred to, by its position in the caller's list.
    Candidate(usize),
    /// An output of the action at hand, by its position.
    Own(usize),
}

/// The digest texts to look for.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    texts: BTreeMap<[u8; WINDOW], Pattern>,
}

impl Patterns {
    /// Looks for a digest; an own one wins over a candidate.
    pub(crate) fn add(&mut self, digest: &Digest, pattern: Pattern) {
        let known = self.texts.entry(text_of(digest)).or_insert(pattern);
        *known = (*known).max(pattern);
    }

    /// The matches in a short text, with their offsets. After an own match the search goes on
    /// behind it, because it will be overwritten; candidates may overlap.
    pub(crate) fn find(&self, bytes: &[u8], mut on_match: impl FnMut(usize, Pattern)) {
        let mut position = Position::default();
        while let Some((at, pattern)) = self.next(bytes, &mut position) {
            on_match(at, pattern);
        }
    }

    fn next(&self, bytes: &[u8], position: &mut Position) -> Option<(usize, Pattern)> {
        while position.start + WINDOW <= bytes.len() {
            let start = position.start;
            let end = start + WINDOW;
            let unseen = position.good.max(start);
            if let Some(bad) = bytes[unseen..end].iter().rposition(|&b| !ALPHABET[usize::from(b)]) {
                position.start = unseen + bad + 1;
                position.good = position.start.max(end);
                continue;
            }
            position.good = end;
            let found = self.texts.get(&bytes[start..end]).copied();
            position.start += if matches!(found, Some(Pattern::Own(_))) { WINDOW } else { 1 };
            if let Some(pattern) = found {
                return Some((start, pattern));
            }
        }
        None
    }
}

/// Start of the next window, and the end of the bytes after it that are known to be in the
/// alphabet. After a skip to just behind a bad byte, the rest of that window is known as well.
#[derive(Default)]
struct Position {
    start: usize,
    good: usize,
}

/// The text of a digest as an array.
pub(crate) fn text_of(digest: &Digest) -> [u8; WINDOW] {
    let mut text = [0; WINDOW];
    text.copy_from_slice(digest.to_text().as_bytes());
    text
}

/// Reads streams, finds patterns and hashes what was read.
pub(crate) struct Scanner<'p> {
    patterns: &'p Patterns,
    /// The own output whose digest text is hashed as zero bytes.
    zeroed: usize,
    buffer: Vec<u8>,
}

impl<'p> Scanner<'p> {
    pub(crate) fn new(patterns: &'p Patterns, zeroed: usize) -> Self {
        Self { patterns, zeroed, buffer: Vec::new() }
    }

    /// Reads to the end; gives the length and the BLAKE3 digest of the bytes with the zeroed
    /// output's digest text replaced by zero bytes.
    pub(crate) fn stream(
        &mut self,
        reader: &mut impl Read,
        mut on_match: impl FnMut(u64, Pattern),
    ) -> io::Result<(u64, Digest)> {
        self.buffer.resize(CHUNK, 0);
        let mut hasher = blake3::Hasher::new();
        let (mut done, mut filled) = (0u64, 0usize);
        let mut position = Position::default();
        loop {
            let read = match reader.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            filled += read;
            while let Some((at, pattern)) =
                self.patterns.next(&self.buffer[..filled], &mut position)
            {
                on_match(done + at as u64, pattern);
                if pattern == Pattern::Own(self.zeroed) {
                    self.buffer[at..at + WINDOW].fill(0);
                }
            }
            // The last bytes may be the beginning of a match that the next read completes.
            let settled = if read == 0 { filled } else { position.start.min(filled) };
            if read != 0 && filled < self.buffer.len() / 2 {
                continue;
            }
            hasher.update(&self.buffer[..settled]);
            self.buffer.copy_within(settled..filled, 0);
            done += settled as u64;
            filled -= settled;
            position.start -= settled.min(position.start);
            position.good = position.good.saturating_sub(settled);
            if read == 0 {
                return Ok((done, Digest(*hasher.finalize().as_bytes())));
            }
        }
    }
}
