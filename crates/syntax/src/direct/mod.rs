//! A parser, written by hand, of the texts that are in the language.
//!
//! It follows the rules of `lang-spec/cbuild.pest` one by one, without those for errors, and gives
//! the nodes that the parser made from that grammar gives. Where a rule for an error would match it
//! refuses the text, and the parser made from the grammar decides; so the grammar stays the only
//! source of recovery and diagnostics. Builds with debug assertions compare the two parsers on
//! every text (see [`crate::source`]), so that neither can drift from the other unnoticed.
//!
//! It reads bytes without a separate lexer, as the grammar does: what a byte means depends on the
//! rule that reads it. All bytes that it decides on are ASCII, so that spans never split a
//! character.

mod bytes;
mod exprs;
mod items;
mod literals;
mod types;

use cbuild_diag::Span;

use self::bytes::{BLANK, LOWER, UPPER, WORD, is};
use crate::grammar::Rule;
use crate::node::Entry;
use crate::words::is_reserved;

/// How deep rules may nest before this parser leaves a text to the other one. It stays well below
/// [`crate::MAX_NESTING`], so that a text that it accepts is never one that nests too deeply.
const MAX_DEPTH: u32 = 48;

/// Why a text is left to the parser made from the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not in the language.
    Syntax,
    /// It may be in the language: it nests deeper than [`MAX_DEPTH`], or uses the name `decode` in
    /// a way that takes more than one try to read.
    Unsure,
}

type Parsed = Result<(), Refused>;

/// The nodes of a file that is in the language.
pub(crate) fn file(text: &str) -> Result<Vec<Entry>, Refused> {
    // Dense programs have a node for each four bytes.
    file_without(text, &[], text.len() / 4 + 8)
}

/// As [`file`], without the nodes of the bodies of items that fill one of the ranges exactly. Ranges
/// are in source order.
pub(crate) fn file_without(
    text: &str,
    bodies: &[Span],
    capacity: usize,
) -> Result<Vec<Entry>, Refused> {
    let entries = Vec::with_capacity(capacity);
    let bytes = text.as_bytes();
    let mut parser = Parser { bytes, bodies, at: 0, entries, depth: 0, skipped: (usize::MAX, 0) };
    parser.file()?;
    Ok(parser.entries)
}

struct Parser<'i> {
    bytes: &'i [u8],
    /// Bodies that are left out, from the next one on.
    bodies: &'i [Span],
    /// The byte behind the last token.
    at: usize,
    entries: Vec<Entry>,
    depth: u32,
    /// The last run of white space and comments: where it was asked for and where it ends.
    skipped: (usize, usize),
}

/// A node that is not closed yet: its index.
struct Open(usize);

impl Parser<'_> {
    /// The byte at a place; 0, which is in no token, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn looking_at(&self, at: usize, text: &[u8]) -> bool {
        self.bytes.get(at..).is_some_and(|rest| rest.starts_with(text))
    }

    /// `s`: the first byte behind the white space and comments that follow the last token.
    fn next(&mut self) -> usize {
        let at = self.at;
        let byte = self.byte(at);
        if !is(byte, BLANK) && byte != b'/' {
            return at;
        }
        if self.skipped.0 != at {
            self.skipped = (at, self.skip(at));
        }
        self.skipped.1
    }

    fn skip(&self, mut at: usize) -> usize {
        loop {
            while is(self.byte(at), BLANK) {
                at += 1;
            }
            if !self.looking_at(at, b"//") {
                return at;
            }
            let rest = &self.bytes[at..];
            at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        }
    }

    /// The byte behind the run of bytes of a class.
    fn run(&self, mut at: usize, class: u8) -> usize {
        while is(self.byte(at), class) {
            at += 1;
        }
        at
    }

    fn word(&self, at: usize) -> &[u8] {
        &self.bytes[at..self.run(at, WORD)]
    }

    /// Goes to the next token, which begins a node.
    fn open_next(&mut self, rule: Rule) -> Open {
        self.at = self.next();
        self.open(rule)
    }

    fn open(&mut self, rule: Rule) -> Open {
        let index = self.entries.len();
        self.entries.push(Entry { rule, start: self.at as u32, end: 0, next: 0 });
        Open(index)
    }

    /// Ends a node at the last token.
    fn close(&mut self, open: Open) -> Parsed {
        let next = self.entries.len() as u32;
        let entry = &mut self.entries[open.0];
        entry.end = self.at as u32;
        entry.next = next;
        Ok(())
    }

    /// A node without inner structure, from `start` on.
    fn token(&mut self, rule: Rule, start: usize, end: usize) {
        let next = self.entries.len() as u32 + 1;
        self.entries.push(Entry { rule, start: start as u32, end: end as u32, next });
        self.at = end;
    }

    /// Runs a rule that may contain itself.
    fn nested(&mut self, rule: fn(&mut Self) -> Parsed) -> Parsed {
        if self.depth == MAX_DEPTH {
            return Err(Refused::Unsure);
        }
        self.depth += 1;
        let parsed = rule(self);
        self.depth -= 1;
        parsed
    }

    /// Takes a sign if it is the next token.
    fn take(&mut self, sign: &[u8]) -> bool {
        let at = self.next();
        let found = self.looking_at(at, sign);
        if found {
            self.at = at + sign.len();
        }
        found
    }

    fn expect(&mut self, sign: &[u8]) -> Parsed {
        if self.take(sign) { Ok(()) } else { Err(Refused::Syntax) }
    }

    /// Takes a reserved word if it is the next token.
    fn take_word(&mut self, word: &[u8]) -> bool {
        let at = self.next();
        let found = self.looking_at(at, word) && !is(self.byte(at + word.len()), WORD);
        if found {
            self.at = at + word.len();
        }
        found
    }

    fn expect_word(&mut self, word: &[u8]) -> Parsed {
        if self.take_word(word) { Ok(()) } else { Err(Refused::Syntax) }
    }

    /// `eq`, without taking it.
    fn is_eq(&self, at: usize) -> bool {
        self.byte(at) == b'=' && !matches!(self.byte(at + 1), b'=' | b'>')
    }

    /// `assign` of a text in the language.
    fn assign(&mut self) -> Parsed {
        let at = self.next();
        if !self.is_eq(at) {
            return Err(Refused::Syntax);
        }
        self.at = at + 1;
        Ok(())
    }

    /// Where the value name at a place ends, if there is one.
    fn value_name_end(&self, at: usize) -> Option<usize> {
        if !is(self.byte(at), LOWER) {
            return None;
        }
        let end = self.run(at + 1, WORD);
        (!is_reserved(&self.bytes[at..end])).then_some(end)
    }

    fn dash_tail(&self, at: usize) -> bool {
        self.byte(at) == b'-' && is(self.byte(at + 1), WORD)
    }

    /// `s ~ value_name`
    fn value_name(&mut self) -> Parsed {
        let at = self.next();
        let end = self.value_name_end(at).ok_or(Refused::Syntax)?;
        self.token(Rule::name, at, end);
        Ok(())
    }

    /// `s ~ def_name`
    fn def_name(&mut self) -> Parsed {
        self.value_name()?;
        if self.dash_tail(self.at) { Err(Refused::Syntax) } else { Ok(()) }
    }

    /// `s ~ def_type`
    fn def_type(&mut self) -> Parsed {
        let at = self.next();
        if !is(self.byte(at), UPPER) {
            return Err(Refused::Syntax);
        }
        let end = self.run(at, WORD);
        self.token(Rule::type_name, at, end);
        if self.dash_tail(end) { Err(Refused::Syntax) } else { Ok(()) }
    }

    /// Elements between brackets, of which the opening one was taken: commas between them, and one
    /// more after the last if there is any. An element that refuses the text is not tried again.
    fn elements(&mut self, close: u8, element: fn(&mut Self) -> Parsed) -> Parsed {
        loop {
            let at = self.next();
            if self.byte(at) == close {
                self.at = at + 1;
                return Ok(());
            }
            element(self)?;
            let at = self.next();
            match self.byte(at) {
                b',' => self.at = at + 1,
                byte if byte == close => {
                    self.at = at + 1;
                    return Ok(());
                }
                _ => return Err(Refused::Syntax),
            }
        }
    }
}
