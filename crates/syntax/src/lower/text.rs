//! Texts and scripts: escapes, holes and indentation.

use cbuild_diag::Diagnostic;

use super::{Depth, Lower, Node, item::kids_value, kids};
use crate::ast::{Expr, TextPart};
use crate::grammar::Rule;
use crate::shell::Scanner;

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

    /// The parts of a `script` node. A backslash that looks like an escape of a text and is none is
    /// warned of, once.
    pub(super) fn script(&mut self, node: Node<'_>, depth: Depth) -> Vec<TextPart> {
        if node.as_str().contains('\\')
            && let Some((at, letter, quoted)) = lost_escape(&node)
        {
            let span = self.range(at, at + 1 + letter.len_utf8());
            let help = match letter {
                _ if quoted => {
                    "a text that no shell reads, such as that of a file, is `std.script.raw(\"…\\n\")`"
                }
                'n' => {
                    "write a script of several lines between `sh\"\"\"` and `\"\"\"`; put quotes around what a program reads, such as `printf 'a\\n'`"
                }
                _ => "put quotes around what a program reads, such as `grep '\\d'`",
            };
            let message = if quoted {
                format!("`\\{letter}` in a script is a backslash and `{letter}`")
            } else {
                format!("the shell makes `{letter}` of `\\{letter}` outside of quotes")
            };
            let diagnostic =
                Diagnostic::warning("E0160", self.source, span, message, "no escape in a script");
            self.diagnostics.push(diagnostic.help(help));
        }
        self.text(node, depth)
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

/// The first backslash of a script, with the letter behind it, that a shell drops, or that stands in quotes
/// which are not closed, so that no shell reads the text.
fn lost_escape(node: &Node<'_>) -> Option<(usize, char, bool)> {
    let mut script = Vec::with_capacity(node.as_str().len());
    for kid in kids(*node) {
        let text = match kid.as_rule() {
            Rule::script_escape => "#{",
            Rule::hole => "x",
            _ => kid.as_str(),
        };
        script.extend(text.char_indices().map(|(at, c)| (kid.start() + at, c)));
    }
    let mut scanner = Scanner::default();
    let mut in_quotes = None;
    let letter = |at: usize| script.get(at).map(|(_, c)| *c).filter(char::is_ascii_alphanumeric);
    for (index, (at, c)) in script.iter().enumerate() {
        if let Some(found) = letter(index + 1).filter(|_| *c == '\\' && !scanner.escaped()) {
            let begins =
                scanner.words().is_some_and(|words| words.command && words.word.is_empty());
            // `\rm` is the program itself, and no function or alias of its name.
            let name = begins && letter(index + 2).is_some();
            if scanner.is_bare() && !name {
                return Some((*at, found, false));
            }
            if scanner.is_quoted() && matches!(found, 'n' | 't' | 'r') {
                in_quotes = in_quotes.or(Some((*at, found)));
            }
        }
        scanner.read(c.encode_utf8(&mut [0; 4]));
    }
    let (at, letter) = in_quotes.filter(|_| scanner.is_quoted())?;
    Some((at, letter, true))
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
