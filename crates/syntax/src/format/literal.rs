//! Texts and scripts. What is in them stays; their lines are indented anew, which does not change
//! their value, see `lang-spec/01-lexis.md`.

use std::rc::Rc;

use rowan::NodeOrToken;

use super::builder::{Builder, Element, kids};
use super::doc::{Block, Doc};
use super::operators::Hang;
use super::print::{Mode, print};
use crate::{SyntaxKind, SyntaxNode};

/// A line of a literal.
#[derive(Default)]
struct Line {
    text: String,
    /// How many of its first bytes are blanks and tabs of the source.
    indent: usize,
    /// Whether there is nothing else in it.
    blank: bool,
}

impl<'s> Builder<'s> {
    /// A text or script.
    pub(super) fn literal(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let element = NodeOrToken::Node(node.clone());
        let lead = self.lead(super::builder::start(&element));
        let parts: Vec<Element> = node.children_with_tokens().collect();
        let [open, inside @ .., close] = parts.as_slice() else {
            // The quotes of an empty literal are one token.
            return [lead, Doc::Text(self.source(&element))].into();
        };
        let (open, close) = (self.source(open), self.source(close));
        let lines = self.lines(inside);
        let block = if open.ends_with("\"\"\"") && lines.len() > 1 {
            reindented(open, close, lines)
        } else {
            let line: String = lines.into_iter().map(|line| line.text).collect();
            let text = format!("{open}{line}{close}");
            let mut lines = text.split('\n').map(str::to_owned);
            let first = lines.next().unwrap_or_default();
            Block { first, rest: lines.collect(), indented: false }
        };
        [lead, Doc::Block(Rc::new(block))].into()
    }

    /// The lines of a literal with the holes in them printed.
    fn lines(&mut self, parts: &[Element]) -> Vec<Line> {
        let mut lines = vec![Line { blank: true, ..Line::default() }];
        for part in parts {
            match part {
                NodeOrToken::Node(hole) => {
                    let hole = self.hole(hole);
                    if let Some(line) = lines.last_mut() {
                        line.text.push_str(&hole);
                        line.blank = false;
                    }
                }
                NodeOrToken::Token(token) => {
                    let raw =
                        !matches!(token.kind(), SyntaxKind::Escape | SyntaxKind::ScriptEscape);
                    append(&mut lines, self.source(part), raw);
                }
            }
        }
        lines
    }

    /// A hole, on one line. One that has several lines in the source is left as it is.
    fn hole(&mut self, node: &SyntaxNode) -> String {
        let element = NodeOrToken::Node(node.clone());
        let source = self.source(&element);
        let parts = kids(node);
        let [open, value, close] = parts.as_slice() else { return source.to_owned() };
        if source.contains('\n') {
            self.forget(&element);
            return source.to_owned();
        }
        let (open, close) = (self.word(open), self.word(close));
        print(&[open, self.expr(value, Hang::Level), close].into(), Mode::Flat)
    }
}

/// Appends a piece of source. Only what is not an escape can be indentation.
fn append(lines: &mut Vec<Line>, source: &str, raw: bool) {
    let mut pieces = source.split('\n').peekable();
    while let Some(piece) = pieces.next() {
        let ended = pieces.peek().is_some();
        let piece = if ended { piece.strip_suffix('\r').unwrap_or(piece) } else { piece };
        if let Some(line) = lines.last_mut() {
            let blanks = piece.len() - piece.trim_start_matches([' ', '\t']).len();
            if line.text.is_empty() && raw {
                line.indent = blanks;
            }
            line.blank &= raw && blanks == piece.len();
            line.text.push_str(piece);
        }
        if ended {
            lines.push(Line { blank: true, ..Line::default() });
        }
    }
}

/// A literal of several lines without the indentation that its lines have in common.
fn reindented(open: &str, close: &str, lines: Vec<Line>) -> Block {
    let last = lines.len() - 1;
    let mut indent: Option<&str> = None;
    for (index, line) in lines.iter().enumerate().skip(1) {
        if !line.blank || index == last {
            let own = &line.text[..line.indent];
            indent = Some(indent.map_or(own, |indent| common(indent, own)));
        }
    }
    let indent = indent.unwrap_or_default().len();
    let mut lines = lines.into_iter().enumerate().map(|(index, line)| {
        let text = match line.blank {
            true => "",
            // The first line is not indented, hence kept as it is.
            false if index == 0 => &line.text,
            false => &line.text[indent..],
        };
        // A line break takes one carriage return with it.
        let end = if index < last && text.ends_with('\r') { "\r" } else { "" };
        let close = if index == last { close } else { "" };
        format!("{text}{end}{close}")
    });
    let first = format!("{open}{}", lines.next().unwrap_or_default());
    Block { first, rest: lines.collect(), indented: true }
}

fn common<'t>(left: &'t str, right: &str) -> &'t str {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    &left[..same]
}
