//! Fixes that the editor can make: the edits that diagnostics carry.

use std::collections::BTreeMap;

use cbuild_diag::{Diagnostic, SourceId};
use cbuild_sema::Package;
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, DocumentChanges, OneOf,
    OptionalVersionedTextDocumentIdentifier, Range, TextDocumentEdit, TextEdit, Uri, WorkspaceEdit,
};

use crate::diagnostics::shown;
use crate::lines::Lines;
use crate::workspace::{Analysis, Workspace};

/// The fixes of what is wrong inside of a range.
pub(crate) fn actions(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    range: Range,
) -> Option<Vec<CodeActionOrCommand>> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let source = analysis.source(&document.place.key)?;
    let lines = document.lines.clone();
    let meets = |diagnostic: &Diagnostic| {
        diagnostic.labels.first().is_some_and(|label| {
            let at = lines.range(label.span);
            label.source == source && at.start <= range.end && range.start <= at.end
        })
    };
    let mut actions = Vec::new();
    for diagnostic in analysis.diagnostics.iter().filter(|d| !d.edits.is_empty() && meets(d)) {
        let Some(edit) = edit(workspace, &analysis, diagnostic) else { continue };
        let problem = shown(workspace, &analysis, diagnostic);
        actions.push(CodeActionOrCommand::CodeAction(CodeAction {
            title: title(&analysis, diagnostic),
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: problem.map(|problem| vec![problem]),
            edit: Some(edit),
            is_preferred: Some(true),
            ..CodeAction::default()
        }));
    }
    Some(actions)
}

/// What a fix does, in a line.
fn title(analysis: &Analysis, diagnostic: &Diagnostic) -> String {
    match diagnostic.edits.as_slice() {
        [only] if only.text.is_empty() => {
            format!("remove `{}`", analysis.text((only.source, only.span)).trim())
        }
        [only] if only.span.start < only.span.end => {
            format!("replace `{}` by `{}`", analysis.text((only.source, only.span)), only.text)
        }
        [only] => format!("insert `{}`", only.text.trim()),
        _ => diagnostic.help.clone().unwrap_or_else(|| "fix".to_owned()),
    }
}

fn edit(
    workspace: &mut Workspace<'_>,
    analysis: &Analysis,
    diagnostic: &Diagnostic,
) -> Option<WorkspaceEdit> {
    let mut by_source: BTreeMap<SourceId, Vec<TextEdit>> = BTreeMap::new();
    for edit in &diagnostic.edits {
        let range = Lines::new(analysis.sources.text(edit.source)).range(edit.span);
        by_source.entry(edit.source).or_default().push(TextEdit::new(range, edit.text.clone()));
    }
    let mut changes = Vec::new();
    for (source, edits) in by_source {
        let key = analysis.index.key(source)?;
        if key.package != Package::Root {
            // What is not the user's own is not changed.
            return None;
        }
        let uri = workspace.uri(&analysis.root, key)?;
        let version = workspace.document(&uri).map(|document| document.version);
        let text_document = OptionalVersionedTextDocumentIdentifier { uri, version };
        let edits = edits.into_iter().map(OneOf::Left).collect();
        changes.push(TextDocumentEdit { text_document, edits });
    }
    let document_changes = Some(DocumentChanges::Edits(changes));
    Some(WorkspaceEdit { document_changes, ..WorkspaceEdit::default() })
}
