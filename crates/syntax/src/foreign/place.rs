//! The tokens around a syntax error.

use std::ops::Range;

use super::tokens::{Kind, Token};
use super::{Habit, Std};
use crate::words::{is_name, is_reserved, is_word_byte};

/// Tokens that are looked at for one form, at most.
const MAX_TOKENS: usize = 400;

/// A place in an item, and the code of the error that is told of it. Tokens are named by their index.
pub(super) struct Place<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: &'t [Token],
    /// The first byte of the error.
    pub(super) at: usize,
    /// The token at the error, or the first one behind it.
    pub(super) i: usize,
    pub(super) code: &'static str,
    /// Whether the text is one expression, so that one stands at its start.
    pub(super) expression: bool,
    /// How the standard library is called here, if it can be.
    pub(super) std: Option<Std<'t>>,
}

impl<'t> Place<'t> {
    /// A token's text; empty where there is none.
    pub(super) fn tok(&self, i: usize) -> &'t str {
        self.tokens.get(i).map_or("", |token| &self.text[token.start..token.end])
    }

    /// The text of the token before another one.
    pub(super) fn before(&self, i: usize) -> &'t str {
        i.checked_sub(1).map_or("", |before| self.tok(before))
    }

    /// Whether a token is the first one of an expression that is a text of its own.
    pub(super) fn begins(&self, i: usize) -> bool {
        self.expression && i == 0
    }

    /// The text of the token at the error.
    pub(super) fn here(&self) -> &'t str {
        self.tok(self.i)
    }

    pub(super) fn kind(&self, i: usize) -> Option<Kind> {
        self.tokens.get(i).map(|token| token.kind)
    }

    /// The bracket that is open around a token.
    pub(super) fn outer(&self, i: usize) -> Option<usize> {
        match self.tokens.get(i) {
            Some(token) => token.outer,
            None => self.tokens.iter().rposition(|token| {
                token.kind == Kind::Open && token.partner.is_none() && token.outer.is_none()
            }),
        }
    }

    /// The other bracket of a pair.
    pub(super) fn partner(&self, i: usize) -> Option<usize> {
        self.tokens.get(i)?.partner
    }

    pub(super) fn start(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(self.text.len(), |token| token.start)
    }

    pub(super) fn end(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(self.text.len(), |token| token.end)
    }

    /// The source of tokens, without what is around them.
    pub(super) fn source(&self, range: Range<usize>) -> &'t str {
        match range.is_empty() {
            true => "",
            false => &self.text[self.start(range.start)..self.end(range.end - 1)],
        }
    }

    /// Whether nothing stands between a token and the one in front of it.
    pub(super) fn joined(&self, i: usize) -> bool {
        i > 0 && i < self.tokens.len() && self.tokens[i - 1].end == self.tokens[i].start
    }

    pub(super) fn is_name(&self, i: usize) -> bool {
        is_name(self.tok(i))
    }

    /// The byte behind the line of a byte.
    pub(super) fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |len| at + len)
    }

    /// Tokens from one on that stand inside of the same bracket, up to where that closes.
    pub(super) fn level(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let outer = self.outer(from);
        let mut next = from;
        std::iter::from_fn(move || {
            let i = next;
            let token = self.tokens.get(i)?;
            if token.kind == Kind::Close || token.outer != outer {
                return None;
            }
            next = token.partner.unwrap_or(i) + 1;
            Some(i)
        })
        .take(MAX_TOKENS)
    }

    /// Tokens in front of one that stand inside of the same bracket, nearest first.
    pub(super) fn level_back(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let mut next = from;
        std::iter::from_fn(move || {
            let i = next.checked_sub(1)?;
            let token = self.tokens.get(i)?;
            next = match token.kind {
                Kind::Open => return None,
                Kind::Close => token.partner?,
                _ => i,
            };
            Some(next)
        })
        .take(MAX_TOKENS)
    }

    /// The first token of some text from one on, inside of the same bracket.
    pub(super) fn find(&self, from: usize, what: &str) -> Option<usize> {
        self.level(from).find(|i| self.tok(*i) == what)
    }

    /// The first token of the operand, with its fields and calls, that ends in front of a token.
    pub(super) fn operand_start(&self, behind: usize) -> Option<usize> {
        let mut i = behind.checked_sub(1)?;
        for _ in 0..MAX_TOKENS {
            match self.kind(i)? {
                Kind::Close => i = self.partner(i)?,
                Kind::Word if !is_reserved(self.tok(i).as_bytes()) => {}
                Kind::Text => {}
                _ => return None,
            }
            if self.before(i) == "." {
                i = i.checked_sub(2)?;
            } else if self.kind(i) == Some(Kind::Open) && self.joined(i) && self.ends_value(i - 1) {
                i -= 1;
            } else {
                return Some(i);
            }
        }
        None
    }

    /// Whether a token can be the end of a value.
    pub(super) fn ends_value(&self, i: usize) -> bool {
        match self.kind(i) {
            Some(Kind::Word) => !is_reserved(self.tok(i).as_bytes()),
            Some(Kind::Close | Kind::Text) => true,
            _ => false,
        }
    }

    /// The token behind the operand that starts at one.
    pub(super) fn operand_end(&self, from: usize) -> Option<usize> {
        let mut i = from;
        while matches!(self.tok(i), "-" | "!") {
            i += 1;
        }
        i = match self.kind(i)? {
            Kind::Open => self.partner(i)? + 1,
            Kind::Text => i + 1,
            Kind::Word if !is_reserved(self.tok(i).as_bytes()) => i + 1,
            Kind::Word if matches!(self.tok(i), "true" | "false") => i + 1,
            _ => return None,
        };
        for _ in 0..MAX_TOKENS {
            if self.tok(i) == "." && self.kind(i + 1) == Some(Kind::Word) {
                i += 2;
            } else if self.joined(i) && self.kind(i) == Some(Kind::Open) {
                i = self.partner(i)? + 1;
            } else {
                return Some(i);
            }
        }
        None
    }

    /// The first token of the expression in front of a token.
    pub(super) fn expr_start(&self, behind: usize) -> Option<usize> {
        let stops = |i: &usize| {
            matches!(
                self.tok(*i),
                "," | ";"
                    | "="
                    | "=>"
                    | "->"
                    | ":"
                    | "in"
                    | "then"
                    | "else"
                    | "if"
                    | "let"
                    | "match"
            )
        };
        let first = self.level_back(behind).take_while(|i| !stops(i)).last()?;
        (behind - first < MAX_TOKENS).then_some(first)
    }

    /// The token behind the expression that starts at one.
    pub(super) fn expr_end(&self, from: usize) -> usize {
        let next = |i: &usize| {
            let word = self.kind(*i) == Some(Kind::Word);
            let binding = *i > from && word && matches!(self.tok(*i + 1), "=");
            binding || matches!(self.tok(*i), "," | ";" | "then" | "else" | "in")
        };
        let mut end = from;
        for i in self.level(from) {
            if next(&i) {
                return i;
            }
            end = self.partner(i).unwrap_or(i) + 1;
        }
        end
    }

    /// Whether a word stands in some tokens, at any level.
    pub(super) fn mentions(&self, range: Range<usize>, word: &str) -> bool {
        range.take(MAX_TOKENS).any(|i| self.tok(i) == word)
    }

    /// Names with commas between them.
    pub(super) fn names(&self, range: Range<usize>) -> Option<Vec<&'t str>> {
        let mut names = Vec::new();
        for (at, i) in range.enumerate() {
            match at % 2 {
                0 if self.is_name(i) => names.push(self.tok(i)),
                1 if self.tok(i) == "," => {}
                _ => return None,
            }
        }
        Some(names)
    }

    /// The one expression between brackets, without a `return` in front and a `;` behind it; `None` where
    /// there is something else.
    pub(super) fn only_expression(&self, open: usize) -> Option<Range<usize>> {
        let close = self.partner(open)?;
        let from = open + 1 + usize::from(self.tok(open + 1) == "return");
        let to = close - usize::from(close > from && self.tok(close - 1) == ";");
        let plain = |i: usize| !matches!(self.tok(i), ";" | "," | "let" | "=" | ":" | "return");
        let plain = to > from && self.level(from).take_while(|i| *i < to).all(plain);
        plain.then_some(from..to)
    }

    /// How a function of the standard library is called here.
    pub(super) fn library(&self, function: &str) -> String {
        format!("{}.{function}", self.std.as_ref().map_or("std", |std| std.name))
    }

    /// A form whose error is about some bytes; what follows on their line follows from it.
    pub(super) fn habit(
        &self,
        span: (usize, usize),
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Habit {
        // What is missing is missed where the line ends.
        let until = self.line_end(span.1.max(self.at)) + 1;
        let told = Some((message.into(), label.into(), help.into(), span));
        Habit { told, until, also: Vec::new(), edits: Vec::new(), std: false, of_comments: false }
    }

    /// A form for which the message is right as it is, and only the change is to be added.
    pub(super) fn change(&self) -> Habit {
        let until = self.at + 1;
        Habit {
            told: None,
            until,
            also: Vec::new(),
            edits: Vec::new(),
            std: false,
            of_comments: false,
        }
    }
}

impl Habit {
    /// Adds a change: the bytes that are replaced, and by what.
    pub(super) fn edit(mut self, start: usize, end: usize, text: impl Into<String>) -> Self {
        self.edits.push((start, end, text.into()));
        self
    }

    /// Says that the change calls the standard library.
    pub(super) fn calls_std(self) -> Self {
        Self { std: true, ..self }
    }

    /// Says that the change is one of what is a comment.
    pub(super) fn of_comments(self) -> Self {
        Self { of_comments: true, ..self }
    }

    /// Says up to which byte errors only follow.
    pub(super) fn until(self, byte: usize) -> Self {
        Self { until: self.until.max(byte), ..self }
    }

    /// Leaves the change out where it is not certain.
    pub(super) fn only_if(mut self, certain: bool) -> Self {
        if !certain {
            self.edits.clear();
        }
        self
    }
}

/// The word that a text starts with.
pub(super) fn first_word(text: &str) -> &str {
    &text[..text.bytes().take_while(|byte| is_word_byte(*byte)).count()]
}
