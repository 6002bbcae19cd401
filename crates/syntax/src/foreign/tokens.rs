//! The tokens of an item, as far as they help to understand what is wrong with it.
//!
//! They hold what other languages write too, such as `'text'` and `/* comment */`. Brackets know their
//! partners, so that no form takes one that belongs to something else.

use crate::words::is_word_byte;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a reserved word or a number.
    Word,
    /// `"…"`, `"""…"""`, and scripts.
    Text,
    /// `'…'`, `''…''` and `` `…` ``.
    Quote,
    /// `/* … */`
    Comment,
    Open,
    Close,
    Sign,
}

/// A token, and how it stands to the brackets.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// The innermost bracket that is open around it, by index.
    pub(super) outer: Option<usize>,
    /// For a bracket: the other one.
    pub(super) partner: Option<usize>,
}

/// Signs of several characters, longest first.
const SIGNS: [&str; 21] = [
    "===", "!==", "...", "=>", "==", "!=", "<=", ">=", "<>", "->", "|>", "||", "&&", "++", "::",
    ":=", "??", "?.", "..", "--", "<-",
];

/// Texts nest in holes of texts up to this depth.
const MAX_TEXTS: usize = 16;

/// The tokens of a part of a text.
pub(super) fn tokens(text: &str, start: usize, end: usize) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = start;
    while let Some((from, to, kind)) = next(&text[..end], at) {
        let index = tokens.len();
        let mut partner = None;
        if kind == Kind::Close {
            // A bracket that closes another kind than the last is a mistake of its own.
            partner = open.last().copied().filter(|last| closes(text, tokens[*last].start, from));
            if let Some(first) = partner {
                open.pop();
                tokens[first].partner = Some(index);
            }
        }
        let outer = open.last().copied();
        tokens.push(Token { start: from, end: to, kind, outer, partner });
        if kind == Kind::Open {
            open.push(index);
        }
        at = to;
    }
    tokens
}

fn closes(text: &str, open: usize, close: usize) -> bool {
    let pair = (text.as_bytes()[open], text.as_bytes()[close]);
    matches!(pair, (b'(', b')') | (b'[', b']') | (b'{', b'}'))
}

/// The comments of a text, in its order.
pub(super) fn comments(text: &str) -> Vec<&str> {
    let mut comments = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (start, end, kind) = next(text, at).unwrap_or((text.len(), text.len(), Kind::Sign));
        let lines = text[at..start].lines().map(str::trim);
        comments.extend(lines.filter(|line| !line.is_empty()));
        if kind == Kind::Comment {
            comments.push(&text[start..end]);
        }
        at = end;
    }
    comments
}

/// The innermost hole of a text around a byte: where what stands in it starts and ends.
pub(super) fn hole(text: &str, tokens: &[Token], at: usize) -> Option<(usize, usize)> {
    let token = &tokens[tokens.partition_point(|token| token.end <= at)..].first()?;
    let mut around = (token.kind == Kind::Text && token.start < at)
        .then(|| hole_in(text, (token.start, token.end), at))??;
    for _ in 0..MAX_TEXTS {
        let inner = self::tokens(text, around.0, around.1);
        let next = inner.iter().find(|token| token.start < at && at < token.end);
        let next = next.filter(|token| token.kind == Kind::Text);
        match next.and_then(|token| hole_in(text, (token.start, token.end), at)) {
            Some(found) => around = found,
            None => break,
        }
    }
    Some(around)
}

/// The hole around a byte of the text that stands in some bytes.
fn hole_in(text: &str, (start, end): (usize, usize), byte: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes().get(..end)?;
    let script = text[start..].starts_with("sh");
    let mut at = start;
    while at < byte {
        match &bytes[at..] {
            [b'\\', b'#', b'{', ..] => at += 3,
            [b'\\', next, ..] if !script && *next != b'\n' => at += 2,
            [b'#', b'{', ..] => {
                let from = at + 2;
                let len = hole_len(&text[from..end], 0);
                let closed = len > 0 && bytes[from + len - 1] == b'}';
                let to = from + len - usize::from(closed);
                if (from..=to).contains(&byte) {
                    return Some((from, to));
                }
                at = from + len;
            }
            _ => at += 1,
        }
    }
    None
}

/// The first token from a byte on: where it starts and ends, and what it is.
fn next(text: &str, at: usize) -> Option<(usize, usize, Kind)> {
    let mut at = at;
    loop {
        at += text[at..].len() - text[at..].trim_ascii_start().len();
        if !text[at..].starts_with("//") {
            break;
        }
        at = text[at..].find('\n').map_or(text.len(), |len| at + len);
    }
    let rest = &text[at..];
    let first = rest.chars().next()?;
    let (len, kind) = match first {
        '(' | '[' | '{' => (1, Kind::Open),
        ')' | ']' | '}' => (1, Kind::Close),
        '"' => (text_len(rest, false, 0), Kind::Text),
        '\'' => (quote_len(rest), Kind::Quote),
        '`' => (rest[1..].find('`').map_or(1, |len| len + 2), Kind::Quote),
        _ if rest.starts_with("/*") => {
            (rest.find("*/").map_or(rest.len(), |len| len + 2), Kind::Comment)
        }
        _ if rest.starts_with("sh\"") => (2 + text_len(&rest[2..], true, 0), Kind::Text),
        _ if rest.starts_with("./") || rest.starts_with("../") => (path_len(rest), Kind::Word),
        c if c.is_ascii() && is_word_byte(c as u8) => (word_len(rest), Kind::Word),
        c => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (sign.map_or(c.len_utf8(), |sign| sign.len()), Kind::Sign)
        }
    };
    Some((at, at + len, kind))
}

fn word_len(rest: &str) -> usize {
    let len = rest.bytes().take_while(|byte| is_word_byte(*byte)).count();
    let hash = matches!(&rest[..len], "sha256" | "sha512" | "blake3");
    if !hash || !rest[len..].starts_with('-') {
        return len;
    }
    let digest = |byte: &u8| is_word_byte(*byte) || b"+/=-".contains(byte);
    len + rest[len..].bytes().take_while(digest).count()
}

fn path_len(rest: &str) -> usize {
    let len = rest.bytes().take_while(|b| is_word_byte(*b) || b".+-/".contains(b)).count();
    rest[..len].find("//").unwrap_or(len)
}

/// The length of a text that starts with a quote; an open one ends with its line.
fn text_len(rest: &str, script: bool, depth: usize) -> usize {
    let block = rest.starts_with("\"\"\"");
    let bytes = rest.as_bytes();
    let mut at = if block { 3 } else { 1 };
    while at < bytes.len() {
        match &bytes[at..] {
            [b'\\', b'#', b'{', ..] => at += 3,
            [b'\\', next, ..] if !script && *next != b'\n' => at += 2,
            [b'#', b'{', ..] if depth < MAX_TEXTS => at += 2 + hole_len(&rest[at + 2..], depth),
            [b'"', b'"', b'"', b'"', ..] if block => at += 1,
            [b'"', b'"', b'"', ..] if block => return at + 3,
            [b'"', ..] if !block => return at + 1,
            [b'\n', ..] if !block => return at,
            _ => at += 1,
        }
    }
    floor(rest, at)
}

/// The length of a hole behind its opening bracket, with the closing one; an open one ends with its line.
fn hole_len(rest: &str, depth: usize) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += text_len(&rest[at..], false, depth + 1),
            b'}' if open == 0 => return at + 1,
            b'}' => (open, at) = (open - 1, at + 1),
            b'{' => (open, at) = (open + 1, at + 1),
            b'\n' => return at,
            _ => at += 1,
        }
    }
    at
}

/// The length of a text in single quotes, or of the quote alone if that closes nowhere.
fn quote_len(rest: &str) -> usize {
    if let Some(nix) = nix_text(rest) {
        return nix.len() + 4;
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return 1,
            '\'' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    1
}

/// What is between the quotes of a text of Nix, `''…''`, with which a text starts. Two quotes with
/// nothing behind them that a text could start with are an empty text of another language.
pub(super) fn nix_text(rest: &str) -> Option<&str> {
    let inside = rest.strip_prefix("''")?;
    if inside.starts_with([',', ')', ']', '}', ';', '\'', ' ']) || inside.is_empty() {
        return None;
    }
    let mut from = 0;
    while let Some(at) = inside[from..].find("''").map(|at| from + at) {
        // `'''`, `''$` and `''\` stand for something else than the end.
        if !inside[at + 2..].starts_with(['\'', '$', '\\']) {
            return Some(&inside[..at]);
        }
        from = at + 3;
    }
    None
}

fn floor(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokens};

    fn shown(text: &str) -> Vec<&str> {
        tokens(text, 0, text.len()).iter().map(|token| &text[token.start..token.end]).collect()
    }

    #[test]
    fn texts_and_signs_are_whole() {
        let text = "f(\"a #{b(\"}\")}\", sh\"\\d\") === './x' // c\n''\n a ''$ ''";
        let expected =
            ["f", "(", "\"a #{b(\"}\")}\"", ",", "sh\"\\d\"", ")", "===", "'./x'", "''\n a ''$ ''"];
        assert_eq!(shown(text), expected);
        assert_eq!(shown("'it''s' ''"), ["'it'", "'s'", "''"]);
        assert_eq!(shown("\"a\nb /* c"), ["\"a", "b", "/* c"]);
        assert_eq!(shown("\"\\ü"), ["\"\\ü"]);
    }

    #[test]
    fn brackets_know_each_other() {
        let found = tokens("(a [b) c]", 0, 9);
        assert_eq!(found[0].partner, None);
        assert_eq!(found[6].kind, Kind::Close);
        assert_eq!(found[2].partner, Some(6));
        assert_eq!((found[1].outer, found[3].outer), (Some(0), Some(2)));
    }
}
