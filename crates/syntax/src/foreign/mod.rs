//! What people write who come from another language, and the words that help them.
//!
//! It works on the text around a syntax error: where that is a known form of Nix, Python, JavaScript or
//! Rust, the error says how the same is written here, with the change where that is known, and the
//! errors that only follow from it are left out. It accepts nothing; that is the grammar's to say.

mod braces;
mod forms;
mod place;

use cbuild_diag::{Diagnostic, Edit, Label, Severity, SourceId, Span};

use self::place::Place;

/// A form of another language.
struct Habit {
    message: String,
    label: &'static str,
    help: String,
    /// The bytes that the error is about.
    span: (usize, usize),
    /// Errors up to this byte only follow.
    until: usize,
    edits: Vec<(usize, usize, String)>,
}

/// Forms by how they are recognised; the first that fits counts.
const FORMS: [fn(&Place<'_>) -> Option<Habit>; 22] = [
    forms::lambda_word,
    braces::lambda_of_fields,
    forms::lambda_colon,
    forms::lambda_arrow,
    forms::or,
    forms::and,
    forms::not,
    forms::elif,
    forms::returned,
    forms::strict_equality,
    forms::unequal,
    forms::with_scope,
    forms::double_colon,
    forms::hash_comment,
    forms::final_semicolon,
    forms::condition,
    braces::branches,
    braces::inherit,
    braces::index,
    braces::comprehension,
    braces::spread,
    braces::text_prefix,
];

/// Forms that are wide enough to have a rule of their own.
const WIDE: [fn(&Place<'_>) -> Option<Habit>; 4] =
    [braces::backticks, braces::quotes, braces::bindings, braces::separators];

/// The diagnostics of a source, in its order, in which the known forms are told as such.
pub(crate) fn explain(source: SourceId, text: &str, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut explained = Vec::with_capacity(found.len());
    let mut silent = 0;
    for diagnostic in found {
        let Some(at) = diagnostic.labels.first().map(|label| label.span.start as usize) else {
            explained.push(diagnostic);
            continue;
        };
        if at < silent {
            continue;
        }
        if diagnostic.severity == Severity::Warning {
            explained.push(diagnostic);
            continue;
        }
        let place = Place { text, at, code: diagnostic.code };
        let known = FORMS.iter().chain(&WIDE).find_map(|form| form(&place));
        explained.push(match known {
            Some(habit) => {
                silent = habit.until;
                told(source, diagnostic, habit)
            }
            None => diagnostic,
        });
    }
    explained
}

fn told(source: SourceId, diagnostic: Diagnostic, habit: Habit) -> Diagnostic {
    let span = |(start, end): (usize, usize)| Span { start: start as u32, end: end as u32 };
    let edits = habit.edits.into_iter().map(|(start, end, text)| Edit {
        source,
        span: span((start, end)),
        text,
    });
    Diagnostic {
        message: habit.message,
        labels: vec![Label { source, span: span(habit.span), text: habit.label.to_owned() }],
        help: Some(habit.help),
        edits: edits.collect(),
        ..diagnostic
    }
}
