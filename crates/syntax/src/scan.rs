//! A quick look at a text before it is parsed: how deep it nests and where items start.
//!
//! It knows brackets, texts, comments and the words that make the grammar recurse without a
//! bracket (`if`, `let`, `match`). It is exact for texts that are in the language.

use crate::MAX_NESTING;
use crate::words::{BYTE_ORDER_MARK, is_word_byte};

/// What the look found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where items seem to start: an item word at the first column, outside of texts.
    pub(crate) starts: Vec<usize>,
    /// Where the nesting first exceeds [`MAX_NESTING`], for each run of text between two starts.
    pub(crate) too_deep: Vec<usize>,
    /// Whether a multi-line text is not closed at the end.
    pub(crate) open_text: bool,
    /// Where comments start on the line of a value that stands in front of them.
    pub(crate) after_values: Vec<usize>,
}

/// Something that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Bracket,
    If,
    Let,
    Match,
    Line { script: bool },
    Block { script: bool },
}

/// Scans a text. If a multi-line text is never closed the scan is done again, ending such texts
/// where an item seems to start.
pub(crate) fn scan(text: &str) -> Scan {
    let scan = Scanner::run(text, false);
    if scan.open_text { Scanner::run(text, true) } else { scan }
}

/// Whether brackets or multi-line texts are open at the end of a text, so that more must follow.
pub(crate) fn is_open(text: &str) -> bool {
    let mut scanner = Scanner::new(text, false);
    while scanner.at < scanner.bytes.len() {
        scanner.step();
    }
    scanner.stack.iter().any(|frame| matches!(frame, Frame::Bracket | Frame::Block { .. }))
}

/// Whether a text starts with a word that items begin with.
pub(crate) fn begins_item(text: &str) -> bool {
    Scanner::new(text, false).item_word().is_some()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Frame>,
    /// Whether item words at the first column end multi-line texts.
    cut: bool,
    /// Whether the last token can end an expression.
    ends_value: bool,
    /// Whether that token stands on this line.
    on_line: bool,
    /// Whether too deep nesting was noted since the last start.
    noted: bool,
    scan: Scan,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, cut: bool) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at: 0,
            stack: Vec::new(),
            cut,
            ends_value: false,
            on_line: false,
            noted: false,
            scan: Scan::default(),
        }
    }

    fn run(text: &'a str, cut: bool) -> Scan {
        let mut scanner = Self::new(text, cut);
        while scanner.at < scanner.bytes.len() {
            scanner.step();
        }
        scanner.scan.open_text =
            scanner.stack.iter().any(|frame| matches!(frame, Frame::Block { .. }));
        scanner.scan
    }

    fn step(&mut self) {
        let at = self.at;
        self.token();
        // All but white space and comments is part of a token.
        if let Some(byte) = self.bytes.get(at)
            && !byte.is_ascii_whitespace()
            && !self.bytes[at..].starts_with(b"//")
        {
            self.on_line = true;
        }
    }

    fn token(&mut self) {
        match self.stack.last() {
            Some(Frame::Line { script }) => self.line(*script),
            Some(Frame::Block { script }) => self.block(*script),
            _ => self.code(),
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn at_line_start(&self) -> bool {
        let mark = BYTE_ORDER_MARK.len();
        self.at == 0
            || self.bytes[self.at - 1] == b'\n'
            || self.at == mark && self.bytes.starts_with(BYTE_ORDER_MARK.as_bytes())
    }

    fn push(&mut self, frame: Frame) {
        self.stack.push(frame);
        if self.stack.len() > MAX_NESTING && !self.noted {
            self.noted = true;
            self.scan.too_deep.push(self.at);
        }
    }

    /// One step inside of a text on one line.
    fn line(&mut self, script: bool) {
        match self.rest() {
            [b'"' | b'\n', ..] => {
                self.stack.pop();
                self.ends_value = true;
                self.at += 1;
            }
            rest => self.text_step(rest, script),
        }
    }

    /// One step inside of a multi-line text.
    fn block(&mut self, script: bool) {
        if self.cut && self.at_line_start() && self.item_word().is_some() {
            self.stack.clear();
            return;
        }
        match self.rest() {
            // Of four or more quotes the last three close the text.
            [b'"', b'"', b'"', b'"', ..] => self.at += 1,
            [b'"', b'"', b'"', ..] => {
                self.stack.pop();
                self.ends_value = true;
                self.at += 3;
            }
            rest => self.text_step(rest, script),
        }
    }

    fn text_step(&mut self, rest: &[u8], script: bool) {
        match rest {
            [b'\\', b'#', b'{', ..] => self.at += 3,
            [b'\\', next, ..] if !script && *next != b'\n' => self.at += 2,
            [b'#', b'{', ..] => {
                self.at += 2;
                self.ends_value = false;
                self.push(Frame::Bracket);
            }
            _ => self.at += 1,
        }
    }

    fn code(&mut self) {
        match self.rest() {
            [b'\n', ..] => {
                self.on_line = false;
                self.at += 1;
            }
            [b' ' | b'\t' | b'\r', ..] => self.at += 1,
            [b'/', b'/', ..] => {
                if self.ends_value && self.on_line {
                    self.scan.after_values.push(self.at);
                }
                let end = self.rest().iter().position(|byte| *byte == b'\n');
                self.at += end.unwrap_or(self.rest().len());
            }
            [b'"', ..] => self.open_text(false),
            [first, ..] if is_word_byte(*first) => self.word(),
            [b'(' | b'[' | b'{', ..] => self.open(),
            [b')' | b']' | b'}', ..] => self.close(),
            [b',' | b';', ..] => {
                self.leave(&[]);
                self.other();
            }
            _ => self.other(),
        }
    }

    fn other(&mut self) {
        self.ends_value = false;
        self.at += 1;
    }

    fn open_text(&mut self, script: bool) {
        if self.rest().starts_with(b"\"\"\"") {
            self.at += 3;
            self.push(Frame::Block { script });
        } else {
            self.at += 1;
            self.push(Frame::Line { script });
        }
    }

    fn open(&mut self) {
        // The arms of a `match` are inside of it, and its own nesting ends with them.
        if self.rest()[0] == b'{' && self.stack.last() == Some(&Frame::Match) {
            self.stack.pop();
        }
        self.push(Frame::Bracket);
        self.other();
    }

    fn close(&mut self) {
        self.leave(&[]);
        if self.stack.last() == Some(&Frame::Bracket) {
            self.stack.pop();
        }
        self.at += 1;
        self.ends_value = true;
    }

    /// Pops what is open without a bracket, up to and including the first of `until`.
    fn leave(&mut self, until: &[Frame]) {
        while let Some(frame @ (Frame::If | Frame::Let | Frame::Match)) = self.stack.last() {
            let last = until.contains(frame);
            self.stack.pop();
            if last {
                return;
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        if self.at_line_start() && self.item_word().is_some() {
            self.scan.starts.push(start);
            // After too deep nesting the text is cut here, whatever is open.
            if std::mem::take(&mut self.noted) {
                self.stack.clear();
            }
        }
        let len = self.rest().iter().take_while(|byte| is_word_byte(**byte)).count();
        let word = &self.bytes[start..start + len];
        self.at += len;
        let ended = std::mem::replace(&mut self.ends_value, false);
        match word {
            b"sh" if self.rest().first() == Some(&b'"') => self.open_text(true),
            b"sha256" | b"sha512" | b"blake3" if self.rest().first() == Some(&b'-') => {
                let digest = |byte: &&u8| is_word_byte(**byte) || b"+/=-".contains(*byte);
                self.at += self.rest().iter().take_while(digest).count();
                self.ends_value = true;
            }
            b"if" => self.push(Frame::If),
            b"match" => self.push(Frame::Match),
            b"else" => self.leave(&[Frame::If]),
            b"in" => self.leave(&[Frame::Let]),
            b"let" => {
                // Nothing but an item can follow a value with `let`.
                if ended {
                    self.leave(&[]);
                }
                self.push(Frame::Let);
            }
            b"pub" | b"fn" | b"type" | b"import" | b"extern" => self.leave(&[]),
            b"then" | b"with" | b"as" => {}
            _ => self.ends_value = true,
        }
    }

    /// The item word that stands here, if what follows it looks like an item.
    fn item_word(&self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let len = rest.iter().take_while(|byte| is_word_byte(**byte)).count();
        let (word, rest) = rest.split_at(len);
        let next = rest.iter().find(|byte| **byte != b' ')?;
        let spaced = rest.first() == Some(&b' ');
        let fits = match word {
            b"pub" | b"extern" | b"fn" | b"type" | b"let" => is_word_byte(*next),
            b"import" => is_word_byte(*next) || *next == b'.',
            b"protocol" => is_word_byte(*next),
            b"test" => *next == b'"',
            _ => false,
        };
        (fits && spaced).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::scan;
    use crate::MAX_NESTING;

    fn too_deep(text: &str) -> bool {
        !scan(text).too_deep.is_empty()
    }

    #[test]
    fn nesting_is_measured() {
        assert!(!too_deep(&"(".repeat(MAX_NESTING)));
        assert!(too_deep(&"(".repeat(MAX_NESTING + 1)));
        assert!(too_deep(&"if ".repeat(MAX_NESTING + 1)));
        assert!(too_deep(&"let a = ".repeat(MAX_NESTING + 1)));
        assert!(too_deep(&"match ".repeat(MAX_NESTING + 1)));
        assert!(too_deep(&"\"#{".repeat(MAX_NESTING + 1)));
    }

    #[test]
    fn what_is_closed_does_not_count() {
        assert!(!too_deep(&"let a = 1\n".repeat(1000)));
        assert!(!too_deep(&"pub let a = if b then c else d\n".repeat(1000)));
        assert!(!too_deep(&format!("let a = {}0", "if b then c else ".repeat(1000))));
        assert!(!too_deep(&"f(let a = 1 in match a { 1 => \"#{a}\" })\n".repeat(1000)));
    }

    #[test]
    fn item_starts_are_found_outside_of_texts() {
        let text = "let a = \"\"\"\nlet x = 1\n\"\"\"\n// let\nlet b = 1\n let c = 2\nfn f() = 1\n";
        let starts: Vec<&str> = scan(text).starts.iter().map(|at| &text[*at..*at + 5]).collect();
        assert_eq!(starts, ["let a", "let b", "fn f("]);
    }

    #[test]
    fn an_open_text_ends_at_the_next_item() {
        let text = "let a = \"\"\"\n  some text\n\npub let b = 1\n";
        assert_eq!(scan(text).starts, [0, 25]);
    }
}
