//! What the parts of a failing test came to.
//!
//! A failing test is evaluated once more with code that notes the values of the expressions that
//! the checker marked (`ir::Expr::Watch`). Nothing is evaluated that the test itself does not
//! need, apart from the parts of values that are shown, and those within limits.

use cbuild_diag::{Diagnostic, SourceId, Sources, Span};
use cbuild_sema::ir::{Expr, GlobalBody, GlobalId, Watched};
use cbuild_syntax::ast::BinaryOp;

use crate::brief;
use crate::codes;
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::Value;

/// Most values that are noted of one test.
const MAX_NOTED: usize = 400;
/// Most values that are shown of one test.
const MAX_SHOWN: usize = 24;
/// Most characters of an expression that are shown.
const MAX_EXPRESSION: usize = 60;

/// Why a test failed, as far as the values of its parts tell.
#[derive(Debug)]
pub struct Observation {
    /// Where the test's file is in the table of sources.
    pub source: SourceId,
    /// The smallest part of the claim that is false (or that ended in an error).
    pub claim: Span,
    /// Values of the parts, in source order.
    pub values: Vec<Observed>,
    /// Where the two sides of a comparison differ first, if they are not plain numbers or short texts.
    pub difference: Option<Difference>,
}

/// The value of a part of a test.
#[derive(Debug)]
pub struct Observed {
    /// Which part.
    pub span: Span,
    /// What it came to.
    pub outcome: Outcome,
}

/// What an expression came to.
#[derive(Debug)]
pub enum Outcome {
    /// A value in the language's notation, on one line, shortened if it is long.
    Value(String),
    /// An evaluation error.
    Error {
        /// Code such as `E0404`.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// The first difference of two values.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Way to the part that differs, such as `[3].name`; empty for the whole values.
    pub path: String,
    /// What the left side has there.
    pub left: String,
    /// What the right side has there.
    pub right: String,
}

/// Values noted while a test is evaluated again.
#[derive(Default)]
pub(crate) struct Notes {
    entries: Vec<Note>,
    open: bool,
    failed: bool,
}

struct Note {
    place: Place,
    watched: Watched,
    outcome: Result<Value, (&'static str, String)>,
}

impl Notes {
    /// Notes the first value of an expression; of an error only the innermost expression.
    pub(crate) fn take(&mut self, place: Place, watched: Watched, result: &Result<Value, Fault>) {
        let known = self.entries.iter().any(|note| note.place == place);
        if !self.open || known || self.entries.len() >= MAX_NOTED {
            return;
        }
        let outcome = match result {
            Ok(value) => Ok(value.clone()),
            Err(_) if self.failed => return,
            Err(fault) => {
                self.failed = true;
                Err((fault.diagnostic.code, fault.diagnostic.message.clone()))
            }
        };
        self.entries.push(Note { place, watched, outcome });
    }

    fn value(&self, span: Span) -> Option<&Value> {
        let note = self.entries.iter().find(|note| note.place.span == span)?;
        note.outcome.as_ref().ok()
    }
}

/// Evaluates a failing test again and tells what its parts came to.
pub(crate) fn observe(machine: &mut Machine<'_>, id: GlobalId) -> Option<Observation> {
    let global = machine.program.globals.get(id.0 as usize)?;
    let GlobalBody::Expr(body) = &global.body else { return None };
    machine.notes = Notes { open: true, ..Notes::default() };
    // That it fails is known; what is of interest was noted on the way.
    let _ = machine.watch_global(id.0);
    let mut notes = std::mem::take(&mut machine.notes);
    notes
        .entries
        .sort_by_key(|note| (note.place.span.start, std::cmp::Reverse(note.place.span.end)));
    let found = Claim::find(body, global.span, &notes);
    let values = notes.entries.iter().filter(|note| found.tells(note)).map(|note| {
        let outcome = match &note.outcome {
            Ok(value) => Outcome::Value(brief::show(machine, value)),
            Err((code, message)) => Outcome::Error { code, message: message.clone() },
        };
        Observed { span: note.place.span, outcome }
    });
    let values = values.collect();
    let difference = found.sides.and_then(|(left, right)| {
        let (left, right) = (notes.value(left)?.clone(), notes.value(right)?.clone());
        brief::difference(machine, &left, &right)
    });
    Some(Observation { source: global.source, claim: found.span, values, difference })
}

/// The part of a test that decides.
struct Claim {
    span: Span,
    /// Spans of conjunctions around it, which are false because it is.
    around: Vec<Span>,
    /// Spans of operands that came out true before it.
    granted: Vec<Span>,
    /// The spans of the two sides, if it is a comparison for equality.
    sides: Option<(Span, Span)>,
}

impl Claim {
    fn find(mut expr: &Expr, span: Span, notes: &Notes) -> Self {
        let mut claim = Self { span, around: Vec::new(), granted: Vec::new(), sides: None };
        loop {
            expr = match expr {
                Expr::Watch(inner, span, _) => {
                    claim.around.push(claim.span);
                    claim.span = *span;
                    inner
                }
                Expr::Let(_, body) => body,
                Expr::Binary(BinaryOp::And, left, right, _) => match truth(left, notes) {
                    Some(true) => {
                        claim.granted.extend(watched_span(left));
                        right
                    }
                    _ => left,
                },
                Expr::If(condition, yes, no) => match truth(condition, notes) {
                    Some(true) => yes,
                    Some(false) => no,
                    None => return claim,
                },
                Expr::Binary(BinaryOp::Eq, left, right, _) => {
                    claim.sides = watched_span(left).zip(watched_span(right));
                    return claim;
                }
                _ => return claim,
            };
        }
    }

    /// Whether the value of a part is of interest, the claim being told apart.
    fn tells(&self, note: &Note) -> bool {
        let span = note.place.span;
        let inside =
            |outer: &Span| outer.start <= span.start && span.end <= outer.end && *outer != span;
        let function = matches!(note.outcome, Ok(Value::Function(_) | Value::Extern(_)));
        let told = note.outcome.is_ok() && (span == self.span || self.around.contains(&span));
        note.watched == Watched::Shown && !function && !told && !self.granted.iter().any(inside)
    }
}

fn watched_span(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::Watch(_, span, _) => Some(*span),
        _ => None,
    }
}

fn truth(expr: &Expr, notes: &Notes) -> Option<bool> {
    match expr {
        Expr::Bool(truth) => Some(*truth),
        _ => match notes.value(watched_span(expr)?)? {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        },
    }
}

impl Observation {
    /// The values as sentences for a diagnostic, such as "`a.name` is "zlib"".
    pub fn notes(&self, sources: &Sources) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        if let Some(difference) = &self.difference {
            let Difference { path, left, right } = difference;
            let path = path.trim_start();
            let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            notes.push(format!("the sides differ{at}: left {left}, right {right}"));
        }
        for value in self.values.iter().take(MAX_SHOWN) {
            let text = self.expression(value, sources);
            let note = match &value.outcome {
                Outcome::Value(shown) => format!("`{text}` is {shown}"),
                Outcome::Error { code, message } => {
                    format!("`{text}` fails with {code}: {message}")
                }
            };
            // The same variable in several places is told once.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        let more = self.values.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            notes.push(format!("… and {more} more values"));
        }
        notes
    }

    /// The text of a part on one line, shortened if it is long.
    pub fn expression(&self, value: &Observed, sources: &Sources) -> String {
        let text = sources.text(self.source);
        let (start, end) = (value.span.start as usize, value.span.end as usize);
        let words: Vec<&str> = text.get(start..end).unwrap_or("?").split_whitespace().collect();
        brief::cut(words.join(" "), MAX_EXPRESSION)
    }

    /// What is to be said of a test whose claim is false.
    pub fn diagnostic(&self, test: &str, sources: &Sources) -> Diagnostic {
        let message = format!("the test \"{test}\" does not hold");
        let mut diagnostic =
            Diagnostic::error(codes::TEST, self.source, self.claim, message, "this is false");
        diagnostic.notes = self.notes(sources).into();
        diagnostic.help = codes::usual_fix(codes::TEST).map(str::to_owned);
        diagnostic
    }
}
