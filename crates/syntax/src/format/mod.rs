//! The formatter: one style for all sources, specified in `lang-spec/11-formatting.md`.
//!
//! It prints the lossless tree anew. Comments and single empty lines are kept, all other white
//! space is the formatter's. What it prints is parsed again, and given out only if it means the
//! same. It knows nothing of files; broken sources it refuses.

mod brackets;
mod branch;
mod builder;
mod doc;
mod expr;
mod file;
mod item;
mod literal;
mod operators;
mod output;
mod print;
mod same;
mod shape;
mod trivia;
mod types;
mod value;

use cbuild_diag::{Diagnostic, SourceId};

/// Columns of a line, counted in Unicode scalar values.
pub(crate) const WIDTH: usize = 100;

/// Blanks of one step of indentation.
const INDENT: usize = 2;

/// Why a source is not formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// It is not in the language; these are its errors.
    Broken(Vec<Diagnostic>),
    /// What was printed does not mean the same: a defect of the formatter. The text is kept as it
    /// is, and this is what was printed.
    Changed(String),
}

/// Formats a source file.
///
/// # Errors
///
/// When the source has syntax errors, which say where.
pub fn format(source: SourceId, text: &str) -> Result<String, FormatError> {
    let parsed = crate::parse(source, text);
    if parsed.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(FormatError::Broken(parsed.diagnostics));
    }
    let printed = file::file(text, &parsed.tree);
    if printed != text {
        let again = crate::parse(source, &printed);
        if !same::same(&parsed, &again) {
            return Err(FormatError::Changed(printed));
        }
    }
    Ok(printed)
}
