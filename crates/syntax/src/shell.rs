//! Where a place of a shell script stands: in a command, within quotes, a comment, a here-document.
//!
//! The text is read character by character with the quoting rules of bash (which are those of POSIX,
//! XCU 2.2 and 2.3, and `$'…'`). Nothing is expanded or run, and nothing is refused: a text that is no
//! script is read as far as it looks like one.

use std::collections::VecDeque;

/// Words after which a command is still expected.
const BEFORE_COMMANDS: [&str; 11] =
    ["if", "then", "else", "elif", "do", "while", "until", "time", "coproc", "!", "{"];

/// Stands in [`Words::word`] for what is quoted, escaped or expanded.
const OPAQUE: char = '"';

/// The word that is being read, and what is expected of it.
#[derive(Debug)]
pub struct Words {
    /// What was read of the word; quoted and expanded parts are [`OPAQUE`].
    pub word: String,
    /// The delimiter that stands right before the word.
    pub before: char,
    /// Whether the name of a command, an assignment or a reserved word would stand here.
    pub command: bool,
    /// Whether the last word was `time`, or an option of it.
    pub timed: bool,
    /// Whether this is within `[[ … ]]`.
    test: bool,
    /// Whether the word is the target of a redirection.
    target: bool,
}

impl Words {
    fn new(before: char) -> Self {
        Self {
            word: String::new(),
            before,
            command: true,
            timed: false,
            test: false,
            target: false,
        }
    }

    /// Whether nothing was read since an opening parenthesis.
    fn is_new(&self) -> bool {
        self.before == '(' && self.word.is_empty() && self.command
    }
}

/// What encloses a place.
#[derive(Debug)]
enum Frame {
    /// Commands, up to a closing character if there is one.
    Commands { words: Words, close: Option<char>, fresh: bool },
    /// `'…'`, or `$'…'` in which a backslash escapes.
    Single { escapes: bool },
    /// `"…"`.
    Double,
    /// `${…}`.
    Parameter,
    /// `((…))`, with the number of open parentheses.
    Arithmetic(usize),
    /// From `#` to the end of the line.
    Comment,
    /// The bodies of here-documents that begin on one line, and the line read so far.
    Documents { ahead: VecDeque<Document>, line: String },
}

/// The end of a here-document.
#[derive(Debug)]
struct Document {
    delimiter: String,
    /// Whether tabs in front of the delimiter count for nothing (`<<-`).
    tabs: bool,
}

/// Reads a script from its start.
#[derive(Debug)]
pub struct Scanner {
    /// Outermost first; the first is never left.
    frames: Vec<Frame>,
    /// Whether a backslash stands right before.
    escaped: bool,
    /// Whether a `$` with its meaning stands right before.
    dollar: bool,
    /// Here-documents whose bodies begin with the next line.
    documents: VecDeque<Document>,
    /// The source of the delimiter that is being read, and whether tabs count for nothing.
    delimiter: Option<(String, bool)>,
}

impl Default for Scanner {
    fn default() -> Self {
        let words = Words::new('\n');
        Self {
            frames: vec![Frame::Commands { words, close: None, fresh: false }],
            escaped: false,
            dollar: false,
            documents: VecDeque::new(),
            delimiter: None,
        }
    }
}

impl Scanner {
    /// Whether the place is outside of all quotes, or within `$(…)` in them.
    pub fn is_bare(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Commands { .. }))
    }

    /// Whether quotes were opened and not closed.
    pub fn is_quoted(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame, Frame::Single { .. } | Frame::Double))
    }

    /// The word that the place is in, unless it is within quotes or anything else that is no command.
    pub fn words(&self) -> Option<&Words> {
        match self.frames.last() {
            Some(Frame::Commands { words, .. }) if self.delimiter.is_none() => Some(words),
            _ => None,
        }
    }

    /// Whether the place is within `[[ … ]]`, whose operators and patterns are known by their quotes.
    pub fn is_test(&self) -> bool {
        self.frames.iter().any(|frame| match frame {
            Frame::Commands { words, .. } => words.test,
            _ => false,
        })
    }

    /// Whether a backslash stands right before the place and takes its next character.
    pub fn escaped(&self) -> bool {
        self.escaped
    }

    /// Whether a `$` stands right before the place and takes what follows as a name.
    pub fn dollar(&self) -> bool {
        self.dollar
    }

    /// Reads on.
    pub fn read(&mut self, text: &str) {
        text.chars().for_each(|c| self.step(c));
    }

    fn step(&mut self, c: char) {
        if let Some((delimiter, _)) = &mut self.delimiter {
            delimiter.push(c);
        }
        let escaped = std::mem::take(&mut self.escaped);
        let dollar = std::mem::take(&mut self.dollar);
        match self.frames.last_mut() {
            Some(Frame::Commands { .. }) => self.command(c, escaped, dollar),
            Some(Frame::Single { escapes }) => match c {
                '\\' if *escapes && !escaped => self.escaped = true,
                '\'' if !escaped => self.close(),
                _ => {}
            },
            Some(Frame::Double) => match c {
                '"' if !escaped => self.close(),
                _ => self.expansion(c, escaped, dollar),
            },
            Some(Frame::Parameter) => self.parameter(c, escaped, dollar),
            Some(Frame::Arithmetic(open)) => {
                match c {
                    '(' => *open += 1,
                    ')' => *open -= 1,
                    _ => {}
                }
                if *open == 0 {
                    self.close();
                }
            }
            Some(Frame::Comment) if c == '\n' => {
                self.frames.pop();
                self.command(c, false, false);
            }
            Some(Frame::Documents { .. }) => self.document(c),
            Some(Frame::Comment) | None => {}
        }
    }

    /// A character outside of all quotes.
    fn command(&mut self, c: char, escaped: bool, dollar: bool) {
        let Some(Frame::Commands { words, close, fresh }) = self.frames.last_mut() else { return };
        let fresh = std::mem::take(fresh);
        if escaped {
            if c != '\n' {
                words.word.push(OPAQUE);
            }
            return;
        }
        match c {
            _ if Some(c) == *close => self.close(),
            '(' if fresh => {
                self.frames.pop();
                self.frames.push(Frame::Arithmetic(2));
            }
            '(' if !dollar => {
                let fresh = words.command && words.word.is_empty();
                self.end_word(c);
                self.open_commands(')', fresh);
            }
            '#' if words.word.is_empty() => self.frames.push(Frame::Comment),
            '\'' => self.frames.push(Frame::Single { escapes: dollar }),
            '"' => self.frames.push(Frame::Double),
            '<' | '>' => self.redirection(c),
            ' ' | '\t' => self.end_word(c),
            '\n' | ';' | '&' | '|' | ')' => {
                // `&` of `>&2` and `|` of `>|file` belong to the redirection.
                let redirection = words.target && words.word.is_empty() && matches!(c, '&' | '|');
                if !redirection {
                    self.end_command(c);
                }
            }
            _ => self.expansion(c, false, dollar),
        }
    }

    /// A character where `$`, backquotes and backslashes have their meanings.
    fn expansion(&mut self, c: char, escaped: bool, dollar: bool) {
        match c {
            _ if escaped => {}
            '\\' => self.escaped = true,
            '`' => match self.frames.last() {
                Some(Frame::Commands { close: Some('`'), .. }) => self.close(),
                _ => self.open_commands('`', false),
            },
            '(' if dollar => self.open_commands(')', true),
            '{' if dollar => self.frames.push(Frame::Parameter),
            _ => {
                self.dollar = c == '$' && !dollar;
                if let Some(Frame::Commands { words, .. }) = self.frames.last_mut() {
                    words.word.push(c);
                }
            }
        }
    }

    fn parameter(&mut self, c: char, escaped: bool, dollar: bool) {
        let quoted = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Double => Some(true),
            Frame::Commands { .. } => Some(false),
            _ => None,
        });
        match c {
            '}' if !escaped => self.close(),
            '"' if !escaped => self.frames.push(Frame::Double),
            '\'' if !escaped && quoted != Some(true) => {
                self.frames.push(Frame::Single { escapes: dollar });
            }
            _ => self.expansion(c, escaped, dollar),
        }
    }

    fn document(&mut self, c: char) {
        let Some(Frame::Documents { ahead, line }) = self.frames.last_mut() else { return };
        if c != '\n' {
            line.push(c);
            return;
        }
        let ends = ahead.front().is_some_and(|document| {
            let line = if document.tabs { line.trim_start_matches('\t') } else { &**line };
            line == document.delimiter
        });
        line.clear();
        if ends {
            ahead.pop_front();
        }
        if ahead.is_empty() {
            self.frames.pop();
        }
    }

    fn open_commands(&mut self, close: char, fresh: bool) {
        let words = Words::new('(');
        self.frames.push(Frame::Commands { words, close: Some(close), fresh });
    }

    /// Leaves the innermost frame, which was a part of a word.
    fn close(&mut self) {
        let inner = if self.frames.len() > 1 { self.frames.pop() } else { None };
        // What follows `name()` is a command again.
        let function = matches!(
            inner,
            Some(Frame::Commands { words, close: Some(')'), .. }) if words.is_new()
        );
        if let Some(Frame::Commands { words, .. }) = self.frames.last_mut() {
            match function {
                true => words.command = true,
                false => words.word.push(OPAQUE),
            }
        }
    }

    fn redirection(&mut self, c: char) {
        let Some(Frame::Commands { words, .. }) = self.frames.last_mut() else { return };
        let doubled = c == '<' && words.before == '<' && words.word.is_empty() && words.target;
        // A third `<` makes it a here-string, which has no body.
        let third = matches!(&self.delimiter, Some((source, false)) if source == "<");
        if third {
            self.delimiter = None;
        }
        if !words.word.is_empty() && words.word.bytes().all(|b| b.is_ascii_digit()) {
            words.word.clear();
        }
        self.end_word(c);
        if doubled && !third {
            self.delimiter = Some(Default::default());
        }
        if let Some(Frame::Commands { words, .. }) = self.frames.last_mut() {
            words.target = true;
        }
    }

    /// Ends the word, if there is one, before a delimiter.
    fn end_word(&mut self, before: char) {
        if !self.end_delimiter(before) {
            return;
        }
        let Some(Frame::Commands { words, .. }) = self.frames.last_mut() else { return };
        words.before = before;
        let word = std::mem::take(&mut words.word);
        if word.is_empty() {
            return;
        }
        if std::mem::take(&mut words.target) {
            return;
        }
        if words.command {
            words.test = word == "[[";
            words.timed = word == "time" || words.timed && word.starts_with('-');
            words.command = words.timed
                || BEFORE_COMMANDS.contains(&word.as_str())
                || assigned_name(&word).is_some();
        } else if word == "]]" {
            words.test = false;
        }
    }

    /// Ends the delimiter of a here-document that is being read; `false` if it has yet to begin.
    fn end_delimiter(&mut self, before: char) -> bool {
        let Some((source, tabs)) = &mut self.delimiter else { return true };
        source.pop();
        if let Some(rest) = source.strip_prefix('-').filter(|_| !*tabs) {
            (*tabs, *source) = (true, rest.to_owned());
        }
        if source.is_empty() && matches!(before, ' ' | '\t') {
            return false;
        }
        let delimiter: String = source.chars().filter(|c| !"'\"\\".contains(*c)).collect();
        self.documents.push_back(Document { delimiter, tabs: *tabs });
        self.delimiter = None;
        true
    }

    fn end_command(&mut self, c: char) {
        self.end_word(c);
        if let Some(Frame::Commands { words, .. }) = self.frames.last_mut() {
            // What `&&` and line breaks divide in `[[ … ]]` is no command.
            let test = words.test;
            *words = Words { test, command: !test, ..Words::new(c) };
        }
        if c == '\n' && !self.documents.is_empty() {
            let ahead = std::mem::take(&mut self.documents);
            self.frames.push(Frame::Documents { ahead, line: String::new() });
        }
    }
}

/// The name that a word assigns to: what stands before its `=`, or its `+=`.
pub fn assigned_name(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let plain = name.strip_suffix('+').unwrap_or(name);
    let plain = plain.split_once('[').map_or(plain, |(plain, _)| plain);
    let head = plain.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    (head && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some(name)
}
