//! How many errors of one source are shown.
//!
//! A reader mends the first errors first; thousands of them hide these and take minutes to draw.

use std::collections::BTreeMap;

use crate::{Diagnostic, Severity, SourceId};

/// Errors of one source that are shown unless all are asked for.
pub const MAX_SHOWN_ERRORS: usize = 50;

/// What is shown of many diagnostics.
#[derive(Debug)]
pub struct Shown<'d> {
    /// Those that are shown, in their order.
    pub shown: Vec<&'d Diagnostic>,
    /// How many errors of which source are not.
    pub hidden: BTreeMap<SourceId, usize>,
}

/// The first `most` errors of each source, and all warnings. Errors without a place are always shown.
pub fn limited(diagnostics: &[Diagnostic], most: usize) -> Shown<'_> {
    let mut counts: BTreeMap<SourceId, usize> = BTreeMap::new();
    let mut hidden: BTreeMap<SourceId, usize> = BTreeMap::new();
    let mut shown = Vec::new();
    for diagnostic in diagnostics {
        if let (Severity::Error, Some(label)) = (diagnostic.severity, diagnostic.labels.first()) {
            let count = counts.entry(label.source).or_default();
            *count += 1;
            if *count > most {
                *hidden.entry(label.source).or_default() += 1;
                continue;
            }
        }
        shown.push(diagnostic);
    }
    Shown { shown, hidden }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn each_source_shows_its_first_errors_and_all_warnings() {
        let error = |source, start| {
            let span = Span { start, end: start + 1 };
            Diagnostic::error("E0104", SourceId(source), span, "wrong", "here")
        };
        let warning = Diagnostic { severity: Severity::Warning, ..error(0, 9) };
        let placeless = Diagnostic { labels: Vec::new(), ..error(0, 0) };
        let all = [error(0, 0), error(1, 0), error(0, 1), error(0, 2), warning, placeless];
        let Shown { shown, hidden } = limited(&all, 1);
        let starts: Vec<_> = shown.iter().map(|d| d.labels.first().map(|l| l.span.start)).collect();
        assert_eq!(starts, [Some(0), Some(0), Some(9), None]);
        assert_eq!(hidden, BTreeMap::from([(SourceId(0), 2)]));
    }
}
