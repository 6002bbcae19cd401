//! Texts and scripts: escapes, holes and indentation.

use super::{Depth, Lower, Node, item::kids_value, kids};
use crate::ast::{Expr, TextPart};
use crate::grammar::Rule;

/// A piece of a text before its indentation is stripped.
enum Piece<'i> {
    /// As in the source.
    Raw(&'i str),
    /// What an escape stands for; never indentation or a line break of the source.
    Escape(char),
    /// The characters `#{`, written as an escape.
    HoleSign,
    Hole(Expr),
}

impl Lower<'_> {
    /// The parts of a `text` or `script` node.
    pub(super) fn text(&mut self, node: Node<'_>, depth: Depth) -> Vec<TextPart> {
        let block = node.as_str().trim_start_matches("sh").starts_with("\"\"\"");
        let mut pieces = Vec::with_capacity(kids(node).count());
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::escape => pieces.extend(self.escape(&kid).map(Piece::Escape)),
                Rule::script_escape => pieces.push(Piece::HoleSign),
                Rule::hole => {
                    let span = self.span(&kid);
                    let value = kids_value(kid).map(|kid| self.expr(kid, depth.inner()));
                    pieces.push(Piece::Hole(value.unwrap_or_else(|| super::broken(span))));
                }
                _ => pieces.push(Piece::Raw(kid.as_str())),
            }
        }
        if block { strip(pieces) } else { join(pieces) }
    }

    /// A text in a place that takes no holes.
    pub(super) fn plain_text(&mut self, node: Node<'_>) -> String {
        let span = self.span(&node);
        let mut text = String::new();
        let mut hole = false;
        for part in self.text(node, Depth::default()) {
            match part {
                TextPart::Text(part) => text.push_str(&part),
                TextPart::Hole(_) => hole = true,
            }
        }
        if hole {
            let message = "this text cannot have holes";
            let help = "write the text out, without `#{…}`";
            self.error("E0133", span, message, "expected plain text", help);
        }
        text
    }

    fn escape(&mut self, node: &Node<'_>) -> Option<char> {
        let text = node.as_str();
        let value = match text {
            "\\n" => Some('\n'),
            "\\t" => Some('\t'),
            "\\r" => Some('\r'),
            "\\\\" => Some('\\'),
            "\\\"" => Some('"'),
            "\\#" => Some('#'),
            _ => unicode(text),
        };
        if value.is_none() {
            let span = self.span(node);
            let (message, help) = if text.starts_with("\\u") {
                (
                    "this is not a Unicode character",
                    "write one to six hex digits in braces, such as `\\u{e9}`",
                )
            } else {
                (
                    "there is no such escape",
                    "escapes are \\n \\t \\r \\\\ \\\" \\# and \\u{…}; write \\\\ for a backslash",
                )
            };
            self.error("E0109", span, message, "unknown escape", help);
        }
        value
    }
}

fn unicode(text: &str) -> Option<char> {
    let digits = text.strip_prefix("\\u{")?.strip_suffix('}')?;
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// Appends plain text, joining it to plain text before it.
fn push(parts: &mut Vec<TextPart>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(TextPart::Text(last)) => last.push_str(text),
        _ => parts.push(TextPart::Text(text.to_owned())),
    }
}

fn push_piece(parts: &mut Vec<TextPart>, piece: Piece<'_>) {
    match piece {
        Piece::Raw(raw) => push(parts, raw),
        Piece::Escape(value) => push(parts, value.encode_utf8(&mut [0; 4])),
        Piece::HoleSign => push(parts, "#{"),
        Piece::Hole(expr) => parts.push(TextPart::Hole(expr)),
    }
}

fn join(pieces: Vec<Piece<'_>>) -> Vec<TextPart> {
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        push_piece(&mut parts, piece);
    }
    parts
}

/// A line of a multi-line text: its pieces, without the line break.
type Line<'i> = Vec<Piece<'i>>;

/// Strips the indentation of a multi-line text; see 01-lexis.md.
fn strip(pieces: Vec<Piece<'_>>) -> Vec<TextPart> {
    let mut lines = split(pieces);
    let last = lines.len() - 1;
    // A text that starts on the line of its opening quotes keeps that line as it is.
    let first = usize::from(!(last > 0 && is_blank(&lines[0])));
    let mut indent: Option<&str> = None;
    for (index, line) in lines.iter().enumerate().skip(if first == 0 { 1 } else { first }) {
        if is_blank(line) && index != last {
            continue;
        }
        let own = indentation(line);
        indent = Some(indent.map_or(own, |indent| common(indent, own)));
    }
    let indent = indent.unwrap_or_default().len();
    if first == 0 {
        lines.remove(0);
    }
    let last = lines.len() - 1;
    let mut parts = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        if index > 0 {
            push(&mut parts, "\n");
        }
        // Blank lines become empty, the line of the closing quotes included.
        if is_blank(&line) && (index > 0 || first == 0 || last > 0) {
            continue;
        }
        let keep_indent = index == 0 && first == 1;
        push_line(&mut parts, line, if keep_indent { 0 } else { indent });
    }
    parts
}

fn push_line(parts: &mut Vec<TextPart>, line: Line<'_>, indent: usize) {
    let mut pieces = line.into_iter();
    match pieces.next() {
        Some(Piece::Raw(raw)) => push(parts, raw.get(indent..).unwrap_or_default()),
        Some(piece) => push_piece(parts, piece),
        None => {}
    }
    for piece in pieces {
        push_piece(parts, piece);
    }
}

/// Splits raw text at its line breaks; `\r\n` counts as one.
fn split(pieces: Vec<Piece<'_>>) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut line: Line<'_> = Vec::new();
    for piece in pieces {
        let Piece::Raw(raw) = piece else {
            line.push(piece);
            continue;
        };
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('\n') {
            push_raw(&mut line, before.strip_suffix('\r').unwrap_or(before));
            lines.push(std::mem::take(&mut line));
            rest = after;
        }
        push_raw(&mut line, rest);
    }
    lines.push(line);
    lines
}

fn push_raw<'i>(line: &mut Line<'i>, raw: &'i str) {
    if !raw.is_empty() {
        line.push(Piece::Raw(raw));
    }
}

fn is_blank(line: &Line<'_>) -> bool {
    line.iter().all(|piece| matches!(piece, Piece::Raw(raw) if indent_len(raw) == raw.len()))
}

fn indentation<'i>(line: &Line<'i>) -> &'i str {
    match line.first() {
        Some(Piece::Raw(raw)) => &raw[..indent_len(raw)],
        _ => "",
    }
}

fn indent_len(raw: &str) -> usize {
    raw.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn common<'i>(left: &'i str, right: &str) -> &'i str {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    &left[..same]
}
