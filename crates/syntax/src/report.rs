//! What is said about the error nodes of a parse.
//!
//! One mistake gives one diagnostic: of several things missing at one place only the first is
//! named, and skipped text is only named when nothing was said about what stands before it.

use cbuild_diag::{Diagnostic, SourceId, Span};

use crate::grammar::Rule;
use crate::messages;
use crate::node::Node;
use crate::source::{self, is_error, is_junk};

/// A token of the source, for messages.
pub(crate) struct Found {
    /// Its bytes, in the source.
    pub(crate) span: Span,
    /// How it is called: the token in backquotes, or "the end of the file".
    pub(crate) name: String,
    /// The token itself.
    pub(crate) text: String,
    /// Whether it is on the line on which it was looked for.
    pub(crate) same_line: bool,
}

/// Reports the error nodes below a node, in source order.
pub(crate) struct Report<'a> {
    pub(crate) source: SourceId,
    /// The whole source text.
    text: &'a str,
    /// Where the piece starts in the source.
    pub(crate) base: u32,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Where the last error was, in the piece.
    last: Option<usize>,
}

/// An error node with what surrounds it.
pub(crate) struct Place<'n, 'i> {
    pub(crate) node: &'n Node<'i>,
    pub(crate) parent: &'n Node<'i>,
    /// The sibling in front of it.
    pub(crate) before: Option<&'n Node<'i>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        source: SourceId,
        text: &'a str,
        piece: &source::Piece<'_>,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        // Sources are limited to `MAX_SOURCE_BYTES`, so the number fits.
        Self { source, text, base: piece.base as u32, diagnostics, last: None }
    }

    /// Reports what is below `parent`.
    pub(crate) fn walk(&mut self, parent: &Node<'_>) {
        let mut before: Option<Node<'_>> = None;
        for node in parent.children() {
            let rule = node.as_rule();
            if is_error(rule) {
                let place = Place { node: &node, parent, before: before.as_ref() };
                self.error(&place);
                // What was skipped is not looked into.
                if is_junk(rule) {
                    before = Some(node);
                    continue;
                }
            }
            self.walk(&node);
            before = Some(node);
        }
    }

    fn error(&mut self, place: &Place<'_, '_>) {
        let at = place.node.start();
        if self.last == Some(at) || self.is_consequence(place) {
            return;
        }
        self.last = Some(at);
        let diagnostic = messages::message(self, place);
        self.diagnostics.push(diagnostic);
    }

    /// Whether skipped text follows something that was already said to be wrong.
    fn is_consequence(&self, place: &Place<'_, '_>) -> bool {
        if !is_junk(place.node.as_rule()) || place.parent.as_rule() == Rule::file {
            return false;
        }
        let since = place.before.unwrap_or(place.parent).start();
        self.last.is_some_and(|last| last >= since)
    }

    /// A range of the piece as a span of the source.
    pub(crate) fn range(&self, start: usize, end: usize) -> Span {
        Span { start: self.base + start as u32, end: self.base + end as u32 }
    }

    /// A span of the first line of a node.
    pub(crate) fn first_line(&self, node: &Node<'_>) -> Span {
        let start = node.start();
        let len = node.as_str().find('\n').unwrap_or(node.as_str().len());
        self.range(start, start + node.as_str()[..len].trim_end().len())
    }

    /// The token at or after a byte of the piece.
    pub(crate) fn found(&self, at: usize) -> Found {
        // What is there instead may stand in the next piece.
        let at = self.base as usize + at;
        let start = skip_trivia(self.text, at);
        let same_line = !self.text[at..start].contains('\n');
        let text = token(&self.text[start..]);
        let name =
            if text.is_empty() { "the end of the file".to_owned() } else { format!("`{text}`") };
        let span = Span { start: start as u32, end: (start + text.len()) as u32 };
        let same_line = same_line && !text.is_empty();
        Found { span, name, text: text.to_owned(), same_line }
    }
}

/// The first byte from `at` that is neither white space nor in a comment.
fn skip_trivia(text: &str, at: usize) -> usize {
    let mut at = at;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_ascii_start().len();
        let rest = &text[at..];
        if !rest.starts_with("//") {
            return at;
        }
        at += rest.find('\n').unwrap_or(rest.len());
    }
}

/// The first token of a text, as people would see it.
fn token(text: &str) -> &str {
    let word = text.bytes().take_while(|byte| crate::words::is_word_byte(*byte)).count();
    if word > 0 {
        return &text[..word];
    }
    const SIGNS: [&str; 16] = [
        "\"\"\"", "=>", "==", "->", "|>", "||", "&&", "++", "!=", "<=", ">=", "#{", "../", "./",
        ":=", "::",
    ];
    if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        return &text[..sign.len()];
    }
    let len = text.chars().next().map_or(0, char::len_utf8);
    &text[..len]
}
