//! What is wrong with a document, as the editor shows it.

use cbuild_diag::{Diagnostic, MAX_SHOWN_ERRORS, Severity, limited};
use lsp_types::{
    DiagnosticRelatedInformation, DiagnosticSeverity, NumberOrString, PublishDiagnosticsParams, Uri,
};

use crate::workspace::{Analysis, Workspace};

/// What is wrong with an open document.
pub(crate) fn of(workspace: &mut Workspace<'_>, uri: &Uri) -> Option<PublishDiagnosticsParams> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let (key, version) = (document.place.key.clone(), document.version);
    let source = analysis.source(&key)?;
    // An editor with thousands of errors is of no use either.
    let limited = limited(&analysis.diagnostics, MAX_SHOWN_ERRORS);
    let own = limited
        .shown
        .into_iter()
        .filter(|diagnostic| diagnostic.labels.first().is_some_and(|label| label.source == source));
    let mut diagnostics: Vec<lsp_types::Diagnostic> =
        own.filter_map(|diagnostic| shown(workspace, &analysis, diagnostic)).collect();
    if let (Some(count), Some(last)) = (limited.hidden.get(&source), diagnostics.last()) {
        diagnostics.push(lsp_types::Diagnostic {
            range: last.range,
            severity: Some(DiagnosticSeverity::INFORMATION),
            source: Some("cbuild".to_owned()),
            message: format!("{count} more errors in this file"),
            ..lsp_types::Diagnostic::default()
        });
    }
    Some(PublishDiagnosticsParams { uri: uri.clone(), diagnostics, version: Some(version) })
}

/// A diagnostic in the protocol's form.
pub(crate) fn shown(
    workspace: &mut Workspace<'_>,
    analysis: &Analysis,
    diagnostic: &Diagnostic,
) -> Option<lsp_types::Diagnostic> {
    let (primary, others) = diagnostic.labels.split_first()?;
    let range = workspace.location(analysis, (primary.source, primary.span))?.range;
    let mut message = diagnostic.message.clone();
    if !primary.text.is_empty() && !message.contains(&primary.text) {
        message.push_str(&format!(": {}", primary.text));
    }
    for note in &diagnostic.notes {
        message.push_str(&format!("\nnote: {note}"));
    }
    if let Some(help) = &diagnostic.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let mut related = Vec::new();
    for label in others {
        if let Some(location) = workspace.location(analysis, (label.source, label.span)) {
            related.push(DiagnosticRelatedInformation { location, message: label.text.clone() });
        }
    }
    Some(lsp_types::Diagnostic {
        range,
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(diagnostic.code.to_owned())),
        source: Some("cbuild".to_owned()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        ..lsp_types::Diagnostic::default()
    })
}
