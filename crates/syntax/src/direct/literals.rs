//! Numbers, paths, hashes, texts and scripts.

use super::bytes::{BLANK, DIGEST, DIGIT, TEXT, WORD, is};
use super::{Parsed, Parser, Refused};
use crate::grammar::Rule;

impl Parser<'_> {
    /// Where the number that starts at a place ends.
    pub(super) fn int_end(&self, at: usize) -> usize {
        let mut end = self.run(at, WORD);
        while self.byte(end) == b'.' && is(self.byte(end + 1), DIGIT) {
            end = self.run(end + 1, WORD);
        }
        end
    }

    /// Where the path at a place ends, if there is one.
    pub(super) fn path_end(&self, at: usize) -> Option<usize> {
        if self.byte(at) != b'.' {
            return None;
        }
        let dots = if self.byte(at + 1) == b'.' { 2 } else { 1 };
        let mut end = at + dots;
        if self.byte(end) != b'/' {
            let next = self.byte(end);
            let ends = is(next, BLANK) || matches!(next, b',' | b')' | b']' | b'}');
            return ends.then_some(end);
        }
        end += 1;
        loop {
            match self.byte(end) {
                b'.' | b'+' | b'-' => end += 1,
                b'/' if self.byte(end + 1) != b'/' => end += 1,
                byte if is(byte, WORD) => end += 1,
                _ => return Some(end),
            }
        }
    }

    /// Where the hash ends whose algorithm is the word between two places, if it is one.
    pub(super) fn hash_end(&self, start: usize, word_end: usize) -> Option<usize> {
        if self.byte(word_end) != b'-' {
            return None;
        }
        let least = match &self.bytes[start..word_end] {
            b"sha256" | b"sha512" | b"blake3" => 0,
            b"md5" | b"sha1" | b"sha384" | b"sha224" => 20,
            _ => return None,
        };
        let end = self.run(word_end + 1, DIGEST);
        (end - word_end > least).then_some(end)
    }

    /// `text`, directly at the current byte.
    pub(super) fn text(&mut self) -> Parsed {
        let open = self.open(Rule::text);
        self.quoted(false)?;
        self.close(open)
    }

    /// `script`, directly at the current byte.
    pub(super) fn script(&mut self) -> Parsed {
        let open = self.open(Rule::script);
        self.at += b"sh".len();
        self.quoted(true)?;
        self.close(open)
    }

    fn quoted(&mut self, script: bool) -> Parsed {
        if self.looking_at(self.at, b"\"\"\"") {
            self.at += 3;
            while !self.block_end() {
                self.text_part(script, true)?;
            }
            return Ok(());
        }
        self.at += 1;
        while self.byte(self.at) != b'"' {
            self.text_part(script, false)?;
        }
        self.at += 1;
        Ok(())
    }

    /// Takes the quotes that close a multi-line text; of more than three the last three do.
    fn block_end(&mut self) -> bool {
        let closed = self.looking_at(self.at, b"\"\"\"") && !self.looking_at(self.at, b"\"\"\"\"");
        if closed {
            self.at += 3;
        }
        closed
    }

    fn text_part(&mut self, script: bool, block: bool) -> Parsed {
        let start = self.at;
        let Some(first) = self.bytes.get(start) else { return Err(Refused::Syntax) };
        match first {
            b'"' => self.token(Rule::quote_sign, start, start + 1),
            b'#' if self.byte(start + 1) == b'{' => return self.nested(Self::hole),
            b'#' => self.token(Rule::hash_sign, start, start + 1),
            b'\\' if !script => self.token(Rule::escape, start, self.escape_end(start)),
            b'\\' if self.looking_at(start, b"\\#{") => {
                self.token(Rule::script_escape, start, start + 3);
            }
            b'\\' => self.token(Rule::backslash, start, start + 1),
            b'\n' if !block => return Err(Refused::Syntax),
            _ => {
                let (rule, stop) =
                    if block { (Rule::block_text, 0) } else { (Rule::line_text, b'\n') };
                let rest = self.bytes[start..].iter();
                let plain = |byte: &&u8| is(**byte, TEXT) && (block || **byte != stop);
                self.token(rule, start, start + rest.take_while(plain).count());
            }
        }
        Ok(())
    }

    /// Where the escape of a text ends; `\` at the end of a line or of the source stands alone.
    fn escape_end(&self, start: usize) -> usize {
        if self.looking_at(start, b"\\u{") {
            let end = self.run(start + 3, WORD);
            if self.byte(end) == b'}' {
                return end + 1;
            }
        }
        match self.bytes.get(start + 1) {
            None | Some(b'\n') => start + 1,
            // The escaped character may take more than one byte.
            Some(first) => start + 1 + char_len(*first),
        }
    }

    fn hole(&mut self) -> Parsed {
        let open = self.open(Rule::hole);
        self.at += 2;
        self.value()?;
        self.expect(b"}")?;
        self.close(open)
    }
}

/// The length of a character of UTF-8 by its first byte.
fn char_len(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}
