//! What the grammar accepts and a reader is misled by: characters that turn the direction of writing,
//! which are refused, and comments that look like what `//` is in Nix or Python, which give a warning.

use cbuild_diag::{Diagnostic, SourceId, Span, turns_direction};

use crate::grammar::Rule;
use crate::words::{RESERVED, is_word_byte};
use crate::{parse_expr, scan, syntax_errors};

/// Most comments of a text that are looked at closely.
const MOST: usize = 50;

/// Longest comment that is taken for an expression, in bytes.
const LONGEST: usize = 200;

/// What is to be said of a text, whatever its grammar says.
pub(crate) fn report(source: SourceId, text: &str, rule: Rule, diagnostics: &mut Vec<Diagnostic>) {
    // Texts of other alphabets are rare, and so are comments like these.
    if !text.is_ascii() {
        diagnostics.extend(turned(source, text));
    }
    if ends_of_lines(text).any(|at| Operand::at(text, at).is_some()) {
        diagnostics.extend(operators(source, text, rule));
    }
}

/// The first character of each line that turns the direction of writing.
fn turned(source: SourceId, text: &str) -> impl Iterator<Item = Diagnostic> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let base = start;
        start += line.len();
        let (at, c) = line.char_indices().find(|(_, c)| turns_direction(*c))?;
        let (at, number) = ((base + at) as u32, u32::from(c));
        let span = Span { start: at, end: at + c.len_utf8() as u32 };
        let message = "this character turns the direction of writing";
        let label = format!("U+{number:04X}, which is not seen");
        let help = format!("remove it, or write `\\u{{{number:x}}}` in a text");
        Some(Diagnostic::error("E0142", source, span, message, label).help(help))
    })
}

/// Each `//` on lines that have something in front of it, those in texts included.
fn ends_of_lines(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices("//").filter_map(|(at, _)| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        (!text[line..at].trim().is_empty()).then_some(at)
    })
}

/// The comment that starts at a place, without its mark.
fn comment_at(text: &str, at: usize) -> &str {
    text[at + 2..].lines().next().unwrap_or_default().trim()
}

/// What a comment would be behind an operator, by its looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Record,
    Number,
    Other,
}

impl Operand {
    /// By the comment that starts at a place; an empty one goes on with a record on the next line.
    fn at(text: &str, at: usize) -> Option<Self> {
        let comment = comment_at(text, at);
        if !comment.is_empty() {
            return Self::of(comment);
        }
        let next = text[at..].lines().nth(1).map(str::trim_start);
        next.is_some_and(|next| next.starts_with('{')).then_some(Self::Record)
    }

    fn of(comment: &str) -> Option<Self> {
        let first = comment.bytes().next()?;
        let short = comment.len() <= LONGEST && !comment.contains("//");
        let plain = |b: u8| is_word_byte(b) || b == b'.';
        match first {
            b'{' => is_record(comment).then_some(Self::Record),
            b'r' if rec(comment).is_some_and(is_record) => Some(Self::Record),
            b'0'..=b'9' if is_sum(comment) => Some(Self::Number),
            _ if !short => None,
            b'(' if comment.ends_with(')') => Some(Self::Other),
            b'i' if comment.starts_with("if ") => Some(Self::Other),
            b'a'..=b'z' | b'_' if comment.bytes().all(plain) || comment.ends_with(')') => {
                Some(Self::Other)
            }
            _ => None,
        }
    }
}

/// Whether a comment is a record by its looks, or the start of one.
fn is_record(comment: &str) -> bool {
    let inside = comment[1..].trim_start();
    comment.starts_with('{')
        && (inside.is_empty()
            || inside == "}"
            || inside.starts_with("inherit ")
            || comment.contains('='))
}

/// What stands behind `rec`.
fn rec(comment: &str) -> Option<&str> {
    comment.strip_prefix("rec").map(str::trim_start).filter(|rest| rest.starts_with('{'))
}

/// Whether a comment is a number or a sum that starts with one; brackets may close behind it.
fn is_sum(comment: &str) -> bool {
    let inside = comment.trim_end_matches([')', ']', '}', ',', ' ']);
    inside.split_ascii_whitespace().enumerate().all(|(at, word)| match at % 2 {
        0 => word.bytes().all(|b| b.is_ascii_digit()),
        _ => matches!(word, "+" | "-" | "*" | "/"),
    })
}

/// `{ a = 1; inherit b; }` and `rec { … }` of Nix as records are written here, if they end on their line.
fn from_nix(comment: &str) -> Option<String> {
    let set = rec(comment).unwrap_or(comment);
    let inside = set.strip_prefix('{')?.strip_suffix('}')?;
    // A `;` in a text stays.
    if inside.split(';').any(|field| field.matches('"').count() % 2 != 0) {
        return None;
    }
    let fields = inside.split(';').map(str::trim).filter(|field| !field.is_empty());
    let fields = fields.map(|field| match field.strip_prefix("inherit ") {
        Some(names) => names.split_ascii_whitespace().collect::<Vec<_>>().join(", "),
        None => field.to_owned(),
    });
    Some(format!("with {{ {} }}", fields.collect::<Vec<_>>().join(", ")))
}

/// Comments behind a value that look like the right side of an operator `//`.
fn operators(source: SourceId, text: &str, rule: Rule) -> Vec<Diagnostic> {
    let scan = scan::scan(text);
    let mut found = Vec::new();
    for at in scan.after_values.iter().copied().take(MOST) {
        let comment = comment_at(text, at);
        let Some(operand) = Operand::at(text, at) else { continue };
        // Items are looked at one by one, so that a long file takes no longer.
        let start = scan.starts.iter().rev().find(|start| **start <= at).map_or(0, |start| *start);
        let end = scan.starts.iter().find(|start| **start > at).map_or(text.len(), |end| *end);
        let fits = |behind: usize, new: &str| {
            let (before, after) = (&text[start..at], &text[behind..end]);
            let edited = syntax_errors(&format!("{before}{new}{after}"), rule);
            edited == 0 || edited < syntax_errors(&text[start..end], rule)
        };
        let line_end = at + text[at..].lines().next().map_or(0, |line| line.trim_end().len());
        let nix = from_nix(comment);
        let span = Span { start: at as u32, end: at as u32 + 2 };
        let warning = |message: &str, help: &str| {
            Diagnostic::warning("E0143", source, span, message, "ignored from here on").help(help)
        };
        let update = "`//` starts a comment; it does not change the record";
        let with = "write `r with { field = value }`, or put the comment on a line of its own";
        match operand {
            Operand::Record if !is_literal(&text[..at]) && fits(at + 2, "with") => {
                found.push(warning(update, with).edit(source, span, "with"));
            }
            // What is written as in Nix is written anew.
            Operand::Record
                if !is_literal(&text[..at])
                    && nix.as_ref().is_some_and(|new| fits(line_end, new)) =>
            {
                let rewritten = Span { start: span.start, end: line_end as u32 };
                found.push(warning(update, with).edit(source, rewritten, nix.unwrap_or_default()));
            }
            Operand::Number if fits(at + 2, "/") => {
                let message = "`//` starts a comment; it does not divide";
                let help = "write `/`, which divides whole numbers, or put the comment on a line of its own";
                found.push(warning(message, help).edit(source, span, "/"));
            }
            Operand::Other if !is_literal(&text[..at]) && is_known(comment, text) => {
                found.push(warning(update, with));
            }
            _ => {}
        }
    }
    found
}

/// Whether a text ends with a text or a number.
fn is_literal(before: &str) -> bool {
    let before = before.trim_end();
    let word = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let word = &before[word.map_or(0, |at| at + 1)..];
    before.ends_with('"') || word.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a comment is an expression of names that the text gives a meaning to.
fn is_known(comment: &str, text: &str) -> bool {
    let (_, problems) = parse_expr(SourceId(0), comment);
    let mut names = roots(comment).filter(|name| !RESERVED.contains(name)).peekable();
    problems.is_empty() && names.peek().is_some() && names.all(|name| binds(text, name))
}

/// The words of an expression that are neither fields nor types, with those of its texts.
fn roots(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter_map(move |(at, word)| {
        let first = word.bytes().next()?;
        let after = text[at + word.len()..].trim_start();
        let named = after.starts_with('=') && !after.starts_with("==");
        let field = text[..at].trim_end().ends_with('.');
        (!first.is_ascii_uppercase() && !first.is_ascii_digit() && !field && !named).then_some(word)
    })
}

/// Whether a name is declared somewhere, as far as the words around it tell.
fn binds(text: &str, name: &str) -> bool {
    words(text).filter(|(_, word)| *word == name).any(|(at, _)| {
        let before = text[..at].trim_end();
        let after = text[at + name.len()..].trim_start();
        ["let", "fn", "import", "as"].iter().any(|word| before.ends_with(word))
            || (before.ends_with(['(', ',']) && after.starts_with(':'))
            || after.starts_with("=>")
    })
}

/// The words of a text and where they start.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let start = text.as_ptr().addr();
    words.filter(|word| !word.is_empty()).map(move |word| (word.as_ptr().addr() - start, word))
}
