//! What the grammar accepts and a reader is misled by: characters that turn the direction of writing,
//! which are refused, and comments where somebody means an update of a record, which give a warning.

use cbuild_diag::{Diagnostic, SourceId, Span, turns_direction};

use crate::scan;

/// What is to be said of a text, whatever its grammar says.
pub(crate) fn report(source: SourceId, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    // Texts of other alphabets are rare, and so are comments like these.
    if !text.is_ascii() {
        diagnostics.extend(turned(source, text));
    }
    if text.contains("// {") || text.contains("//{") {
        diagnostics.extend(updates(source, text));
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

/// Comments behind a value that look like the right side of Nix's `//`.
fn updates(source: SourceId, text: &str) -> impl Iterator<Item = Diagnostic> {
    let comments = scan::scan(text).after_values.into_iter();
    comments.filter(|at| is_record(&text[*at + 2..])).map(move |at| {
        let at = at as u32;
        let span = Span { start: at, end: at + 2 };
        let message = "`//` starts a comment; it does not change the record";
        Diagnostic::warning("E0143", source, span, message, "ignored from here on")
            .help("write `r with { field = value }`, or put the comment on a line of its own")
            .edit(source, span, "with")
    })
}

/// Whether a comment looks like a record.
fn is_record(comment: &str) -> bool {
    let line = comment.lines().next().unwrap_or_default().trim();
    line.strip_prefix('{').is_some_and(|inside| inside.is_empty() || inside.contains('='))
}
