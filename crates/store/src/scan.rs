//! Finds digest texts in streams of bytes.
//!
//! A window of 52 bytes slides over the data. It is looked at from its end: a byte outside the
//! alphabet rules out every window that holds it, so in most data 52 bytes are skipped at once.
//! Bytes that are known to be in the alphabet are not looked at again, so each byte is looked
//! at twice at most, whatever the data.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

use cbuild_drv::Digest;
use cbuild_drv::digest::DIGEST_TEXT_LEN;

use crate::cancel::Cancel;

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

/// Whether a digest text at an offset touches one of the ranges.
pub(crate) fn is_in(ranges: &[Range<u64>], offset: u64) -> bool {
    let end = offset + WINDOW as u64;
    ranges.iter().any(|range| range.start < end && offset < range.end)
}

/// Reads streams, finds patterns and hashes what was read.
pub(crate) struct Scanner<'p> {
    patterns: &'p Patterns,
    cancel: &'p Cancel,
    /// The own output whose digest text is hashed as zero bytes.
    zeroed: usize,
    buffer: Vec<u8>,
    chunk: usize,
    /// Parts of what is read in which own digest texts stay as they are.
    sealed: Vec<Range<u64>>,
}

impl<'p> Scanner<'p> {
    pub(crate) fn new(patterns: &'p Patterns, zeroed: usize, cancel: &'p Cancel) -> Self {
        Self { patterns, cancel, zeroed, buffer: Vec::new(), chunk: CHUNK, sealed: Vec::new() }
    }

    /// As [`Self::stream`], but own digest texts that touch one of the parts are neither told nor
    /// replaced.
    pub(crate) fn stream_sealed(
        &mut self,
        reader: &mut impl Read,
        sealed: Vec<Range<u64>>,
        on_match: impl FnMut(u64, Pattern),
    ) -> io::Result<(u64, Digest)> {
        self.sealed = sealed;
        let read = self.stream(reader, on_match);
        self.sealed.clear();
        read
    }

    /// Reads to the end; gives the length and the BLAKE3 digest of the bytes with the zeroed
    /// output's digest text replaced by zero bytes.
    pub(crate) fn stream(
        &mut self,
        reader: &mut impl Read,
        mut on_match: impl FnMut(u64, Pattern),
    ) -> io::Result<(u64, Digest)> {
        self.buffer.resize(self.chunk, 0);
        let mut hasher = blake3::Hasher::new();
        let (mut done, mut filled) = (0u64, 0usize);
        let mut position = Position::default();
        loop {
            self.cancel.check_io()?;
            let read = match reader.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            filled += read;
            while let Some((at, pattern)) =
                self.patterns.next(&self.buffer[..filled], &mut position)
            {
                let offset = done + at as u64;
                if matches!(pattern, Pattern::Own(_)) && is_in(&self.sealed, offset) {
                    continue;
                }
                on_match(offset, pattern);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::of(&[number])
    }

    /// Three candidates and two own outputs.
    fn patterns() -> Patterns {
        let mut patterns = Patterns::default();
        (0..3).for_each(|n| patterns.add(&digest(n as u8), Pattern::Candidate(n)));
        (0..2).for_each(|n| patterns.add(&digest(100 + n as u8), Pattern::Own(n)));
        patterns
    }

    /// A reader that gives at most `step` bytes at once.
    struct Steps<'b>(&'b [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    /// Every window is compared with every pattern.
    fn slow(bytes: &[u8]) -> (Vec<(u64, Pattern)>, Digest) {
        let patterns = patterns();
        let (mut found, mut zeroed, mut at) = (Vec::new(), bytes.to_vec(), 0);
        while at + WINDOW <= bytes.len() {
            let pattern = patterns.texts.get(&bytes[at..at + WINDOW]).copied();
            found.extend(pattern.map(|pattern| (at as u64, pattern)));
            if pattern == Some(Pattern::Own(0)) {
                zeroed[at..at + WINDOW].fill(0);
            }
            at += if matches!(pattern, Some(Pattern::Own(_))) { WINDOW } else { 1 };
        }
        (found, Digest::of(&zeroed))
    }

    fn check(bytes: &[u8], chunk: usize, step: usize) {
        let patterns = patterns();
        let cancel = Cancel::default();
        let mut scanner = Scanner::new(&patterns, 0, &cancel);
        scanner.chunk = chunk;
        let mut found = Vec::new();
        let read = scanner.stream(&mut Steps(bytes, step), |at, p| found.push((at, p))).unwrap();
        let (expected, digest) = slow(bytes);
        assert_eq!(found, expected);
        assert_eq!(read, (bytes.len() as u64, digest));
    }

    /// Data that is hard to skip: digests, parts of digests, runs inside and outside the alphabet.
    fn data() -> impl Strategy<Value = Vec<u8>> {
        let whole = (0u8..5).prop_map(|n| {
            let number = if n < 3 { n } else { 97 + n };
            digest(number).to_text().into_bytes()
        });
        let part = (whole.clone(), 0..WINDOW, 0..WINDOW)
            .prop_map(|(text, from, to)| text[from.min(to)..from.max(to)].to_vec());
        let piece = prop_oneof![
            3 => whole,
            2 => part,
            1 => proptest::collection::vec(any::<u8>(), 0..80),
            1 => proptest::collection::vec(proptest::sample::select(b"az27-/".to_vec()), 0..120),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn finds_what_a_slow_search_finds(
            bytes in data(), chunk in 2 * WINDOW..400usize, step in 1..500usize
        ) {
            check(&bytes, chunk, step);
        }

        #[test]
        fn finds_in_link_targets(bytes in data()) {
            let mut found = Vec::new();
            patterns().find(&bytes, |at, pattern| found.push((at as u64, pattern)));
            prop_assert_eq!(found, slow(&bytes).0);
        }
    }

    #[test]
    fn finds_at_every_position_around_a_boundary() {
        for before in 0..3 * WINDOW {
            let mut bytes = vec![b'a'; before];
            bytes.extend(digest(100).to_text().bytes());
            bytes.extend(digest(1).to_text().bytes());
            bytes.extend(b"\n");
            check(&bytes, 2 * WINDOW, usize::MAX);
            check(&bytes, 2 * WINDOW, 7);
        }
    }

    #[test]
    fn an_own_digest_wins_over_a_candidate() {
        let mut patterns = Patterns::default();
        patterns.add(&digest(1), Pattern::Own(0));
        patterns.add(&digest(1), Pattern::Candidate(0));
        let mut found = Vec::new();
        patterns.find(digest(1).to_text().as_bytes(), |_, pattern| found.push(pattern));
        assert_eq!(found, [Pattern::Own(0)]);
    }
}
