//! How a value stands in a script: as it is where that means the same, else quoted.
//!
//! Within quotes, comments, here-documents and arithmetic no quoting is right for every value; there a
//! value is written as if it stood alone.

use cbuild_drv::{Input, Segment};
use cbuild_syntax::shell::{Scanner, Words, assigned_name};

/// Words that a shell reads as its own somewhere. They are quoted everywhere: where that is, is not the same
/// in all shells.
const RESERVED: [&str; 17] = [
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for",
    "select", "function", "time", "coproc", "in",
];

/// A part of a script: plain script, or the value of a hole.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    Script(&'a Segment<Input>),
    Value(&'a Segment<Input>),
}

/// Calls a function with the segments of a script, values quoted for the places where they stand.
pub(crate) fn write(pieces: &[Piece<'_>], visit: &mut impl FnMut(&Segment<Input>)) {
    let mut scanner = Scanner::default();
    let alone = pieces.iter().all(|piece| is_one_word(*piece));
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Script(segment) => {
                read(&mut scanner, segment);
                visit(segment);
            }
            Piece::Value(Segment::Text(value)) => {
                let place = Place { scanner: &scanner, rest: &pieces[at + 1..], alone };
                let text = place.text(value);
                scanner.read(&text);
                visit(&Segment::Text(text));
            }
            Piece::Value(segment) => {
                let home = scanner.words().is_some_and(|words| after_tilde(&words.word));
                let quote = || Segment::Text("'".to_owned());
                if home {
                    visit(&quote());
                }
                read(&mut scanner, segment);
                visit(segment);
                if home {
                    visit(&quote());
                }
            }
        }
    }
}

fn read(scanner: &mut Scanner, segment: &Segment<Input>) {
    match segment {
        Segment::Text(text) => scanner.read(text),
        // A path of the store: plain characters.
        Segment::Reference(_) | Segment::Output(_) => scanner.read("/x"),
    }
}

/// Whether a piece does not divide words, so that what consists of such pieces has only one.
fn is_one_word(piece: Piece<'_>) -> bool {
    match piece {
        Piece::Script(Segment::Text(text)) => !text.contains(is_delimiter),
        Piece::Script(_) | Piece::Value(_) => true,
    }
}

fn is_delimiter(c: char) -> bool {
    " \t\n;&|()<>".contains(c)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a text consists of characters that no shell reads as more than themselves, wherever they
/// stand alone.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| is_name(c) || "@%+=:,./-".contains(c))
}

/// A text in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text as one word of the shell that stands alone.
fn word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether what follows would be a part of `~name`.
fn after_tilde(prefix: &str) -> bool {
    prefix.rfind('~').is_some_and(|at| !prefix[at..].contains('/'))
}

/// Whether a parenthesis of a kind was opened in a word and not closed.
fn is_open(prefix: &str, open: char, close: char) -> bool {
    prefix.rfind(open).is_some_and(|at| !prefix[at..].contains(close))
}

/// Whether a word so far ends with a variable, whose name would go on.
fn is_variable(prefix: &str) -> bool {
    let before = prefix.trim_end_matches(is_name);
    let name = &prefix[before.len()..];
    before.ends_with('$') && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether a value would be more than its characters within the brackets of a pattern. What begins a
/// list or follows a comma may begin with a minus.
fn is_range(value: &str, prefix: &str) -> bool {
    let item = prefix.ends_with(['[', ',']);
    let tail = if item { value.strip_prefix('-').unwrap_or(value) } else { value };
    tail.contains('-') || prefix.ends_with('[') && value.starts_with(['.', ':', '='])
}

/// The place of a value.
struct Place<'a> {
    scanner: &'a Scanner,
    /// What follows.
    rest: &'a [Piece<'a>],
    /// Whether the whole script is one word, which is then an argument or another text and no command.
    alone: bool,
}

impl Place<'_> {
    /// The value as it is written here.
    fn text(&self, value: &str) -> String {
        let Some(words) = self.scanner.words() else { return word(value) };
        let mut rest = value.chars();
        if self.scanner.escaped() || self.scanner.dollar() {
            // Quotes would be escaped by the one and would make `$'…'` of the other.
            let Some(first) = rest.next() else { return String::new() };
            let rest = match rest.as_str() {
                "" => String::new(),
                rest => word(rest),
            };
            let escape = if self.scanner.dollar() { "\\" } else { "" };
            return format!("{escape}{first}{rest}");
        }
        match is_plain(value) && self.means_itself(value, words) {
            true => value.to_owned(),
            false => quoted(value),
        }
    }

    /// Whether a plain value means the same here with and without quotes.
    fn means_itself(&self, value: &str, words: &Words) -> bool {
        let prefix = words.word.as_str();
        let next = self.next();
        let broken = is_variable(prefix) && value.starts_with(is_name)
            || self.scanner.is_test()
            || self.has_tilde(prefix)
            || is_open(prefix, '{', '}') && self.expands(value, prefix)
            || is_open(prefix, '[', ']') && is_range(value, prefix)
            || next == Some('(') && value.ends_with(['@', '+', '='])
            || self.is_descriptor(value, words)
            || self.is_variable_of_descriptor(words);
        !broken && (self.alone || !self.is_own_word(value, words))
    }

    /// Whether the word has a `~` somewhere, which may become the name of a folder.
    fn has_tilde(&self, prefix: &str) -> bool {
        prefix.contains('~') || self.following().take_while(|c| !is_delimiter(*c)).any(|c| c == '~')
    }

    /// Whether the value would make braces around it expand.
    fn expands(&self, value: &str, prefix: &str) -> bool {
        value.contains(',')
            || value.contains("..")
            || value.starts_with('.') && prefix.ends_with('.')
            || value.ends_with('.') && self.next() == Some('.')
    }

    /// The character that follows.
    fn next(&self) -> Option<char> {
        self.following().next()
    }

    /// The characters that follow, as far as they are known.
    fn following(&self) -> impl Iterator<Item = char> {
        self.rest.iter().flat_map(|piece| {
            match piece {
                Piece::Script(Segment::Text(text)) => text.as_str(),
                Piece::Value(Segment::Text(text)) if is_plain(text) => text.as_str(),
                Piece::Value(Segment::Text(_)) => "'",
                Piece::Script(_) | Piece::Value(_) => "/",
            }
            .chars()
        })
    }

    /// Whether the word would be the number of a file that is redirected. Between `>` and `<` that would
    /// be an error, so there it is no script but the text of an XML element.
    fn is_descriptor(&self, value: &str, words: &Words) -> bool {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let after = self.following().find(|c| !c.is_ascii_digit());
        digits(&words.word)
            && digits(value)
            && matches!(after, Some('<' | '>'))
            && words.before != '>'
    }

    /// Whether the word would be the variable that gets the number of a file, as in `{name}>file`.
    fn is_variable_of_descriptor(&self, words: &Words) -> bool {
        let inside = words.word.strip_prefix('{').is_some_and(|name| name.chars().all(is_name));
        let mut after = self.following().skip_while(|c| is_name(*c));
        inside
            && after.next() == Some('}')
            && matches!(after.next(), Some('<' | '>'))
            && words.before != '>'
    }

    /// Whether the value would make the word a reserved word, an assignment, or an option of `time`.
    fn is_own_word(&self, value: &str, words: &Words) -> bool {
        let whole = format!("{}{value}", words.word);
        let ends = self.next().is_none_or(is_delimiter);
        let assigns = words.command
            && assigned_name(&whole).is_some_and(|name| name.len() >= words.word.len());
        ends && RESERVED.contains(&whole.as_str())
            || assigns
            || words.timed && whole.starts_with('-')
    }
}
