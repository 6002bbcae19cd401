//! The text around a syntax error.

use super::Habit;
use crate::words::{is_name, is_word_byte};

/// A place in a source, and the code of the error that is told of it.
pub(super) struct Place<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) code: &'static str,
}

impl<'t> Place<'t> {
    /// The text from the place on.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The text in front of the place, without the blanks at its end.
    pub(super) fn before(&self) -> &'t str {
        self.text[..self.at].trim_end_matches([' ', '\t'])
    }

    /// The word in front of the place, and its first byte.
    pub(super) fn word_before(&self) -> (usize, &'t str) {
        last_word(self.before())
    }

    /// Whether a word stands at the place.
    pub(super) fn is_word(&self, word: &str) -> bool {
        let rest = self.rest();
        rest.starts_with(word) && !rest.as_bytes().get(word.len()).is_some_and(|b| is_word_byte(*b))
    }

    /// The byte behind the line of a byte.
    pub(super) fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |len| at + len)
    }

    /// What is left of the line of the place.
    pub(super) fn line_rest(&self) -> &'t str {
        &self.text[self.at..self.line_end(self.at)]
    }

    /// Where the expression in front of a byte starts on its line, as far as brackets and signs tell;
    /// `None` where a text is in the way.
    pub(super) fn expression_start(&self, end: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let line = self.text[..end].rfind('\n').map_or(0, |at| at + 1);
        let mut open = 0_usize;
        let mut at = end;
        while at > line {
            match bytes[at - 1] {
                b')' | b']' | b'}' => open += 1,
                b'(' | b'[' | b'{' if open == 0 => break,
                b'(' | b'[' | b'{' => open -= 1,
                b',' if open == 0 => break,
                b'"' | b'\'' | b'`' => return None,
                b'=' if open == 0 && !is_comparison(bytes, at - 1) => break,
                b'>' if open == 0 && at > line + 1 && bytes[at - 2] == b'=' => break,
                _ => {}
            }
            at -= 1;
        }
        let blank = self.text[at..end].len() - self.text[at..end].trim_start().len();
        Some(at + blank).filter(|start| *start < end)
    }

    /// A form whose error is about some bytes, with all that is left of the line.
    pub(super) fn habit(
        &self,
        span: (usize, usize),
        message: impl Into<String>,
        label: &'static str,
        help: impl Into<String>,
    ) -> Habit {
        let until = self.line_end(span.1.max(self.at));
        let (message, help) = (message.into(), help.into());
        Habit { message, label, help, span, until, edits: Vec::new() }
    }
}

impl Habit {
    /// Adds a change: the bytes that are replaced, and by what.
    pub(super) fn edit(mut self, start: usize, end: usize, text: impl Into<String>) -> Self {
        self.edits.push((start, end, text.into()));
        self
    }
}

/// Whether the `=` at a byte is part of `==`, `!=`, `<=` or `>=`.
fn is_comparison(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| bytes[at]);
    matches!(before, Some(b'=' | b'!' | b'<' | b'>')) || bytes.get(at + 1) == Some(&b'=')
}

/// The word that a text ends with, and its first byte.
pub(super) fn last_word(text: &str) -> (usize, &str) {
    let len = text.bytes().rev().take_while(|byte| is_word_byte(*byte)).count();
    let start = text.len() - len;
    (start, &text[start..])
}

/// The word that a text starts with.
pub(super) fn first_word(text: &str) -> &str {
    &text[..text.bytes().take_while(|byte| is_word_byte(*byte)).count()]
}

/// Names with commas between them, as they are to be written in parentheses.
pub(super) fn names(text: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    names.iter().all(|name| is_name(name)).then_some(names)
}

/// The byte of the bracket that closes the one at `open`; texts are not looked into.
pub(super) fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'"' => return None,
            _ => {}
        }
    }
    None
}
