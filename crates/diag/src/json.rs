//! Diagnostics as data for other programs.

use serde::Serialize;

use crate::secrets::hide;
use crate::{Diagnostic, Label, Severity, Sources};

/// The JSON form of a diagnostic, as `cbuild --json` prints it. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonDiagnostic {
    /// Stable code such as `E0312`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// One sentence: what is wrong.
    pub message: String,
    /// The primary place; `null` if there is none.
    pub place: Option<JsonPlace>,
    /// Other places.
    pub related: Vec<JsonPlace>,
    /// Facts that help to understand.
    pub notes: Vec<String>,
    /// One concrete fix, or `null`.
    pub help: Option<String>,
}

/// A place in a source, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonPlace {
    /// Name of the source, as shown to people.
    pub file: String,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in Unicode scalar values.
    pub column: usize,
    /// First byte, from 0.
    pub start: usize,
    /// First byte after the place.
    pub end: usize,
    /// What is said of it.
    pub label: String,
}

/// The JSON form of a diagnostic.
pub fn to_json(sources: &Sources, diagnostic: &Diagnostic) -> JsonDiagnostic {
    let mut places = diagnostic.labels.iter().map(|label| place(sources, label));
    JsonDiagnostic {
        code: diagnostic.code.to_owned(),
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: hide(diagnostic.message.clone()),
        place: places.next(),
        related: places.collect(),
        notes: diagnostic.notes.iter().cloned().map(hide).collect(),
        help: diagnostic.help.clone().map(hide),
    }
}

fn place(sources: &Sources, label: &Label) -> JsonPlace {
    let (start, end) = sources.clamp(label.source, label.span);
    let (line, column) = sources.line_column(label.source, start);
    JsonPlace {
        file: sources.name(label.source).to_owned(),
        line,
        column,
        start,
        end,
        label: hide(label.text.clone()),
    }
}
