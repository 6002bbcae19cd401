//! Renaming: all uses change together, and nothing else comes to mean something else.

use std::collections::BTreeMap;

use cbuild_diag::{Diagnostic, Span};
use cbuild_sema::index::{Kind, Place};
use cbuild_sema::{ModuleKey, Package};
use cbuild_syntax::ast::{ExprKind, ItemKind};
use lsp_types::{
    DocumentChanges, OneOf, OptionalVersionedTextDocumentIdentifier, Position, Range,
    TextDocumentEdit, TextEdit, Uri, WorkspaceEdit,
};

use crate::cursor::{roots, walk};
use crate::lines::Lines;
use crate::navigate::{Found, find};
use crate::workspace::{Analysis, Workspace};

/// Why something cannot be renamed, for the user.
type Refusal = String;

/// The name under the pointer, if it can be renamed.
pub(crate) fn prepare(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
) -> Result<Option<Range>, Refusal> {
    let Some(analysis) = workspace.analysis(uri) else { return Ok(None) };
    let Some(document) = workspace.document(uri) else { return Ok(None) };
    let offset = document.lines.offset(&document.text, position);
    let Some(source) = analysis.source(&document.place.key) else { return Ok(None) };
    let Some((span, symbol)) = analysis.index.symbol_at(source, offset) else { return Ok(None) };
    may_change(&analysis, &symbol.name, symbol.declared)?;
    Ok(Some(document.lines.range(span)))
}

fn may_change(analysis: &Analysis, name: &str, declared: Option<Place>) -> Result<(), Refusal> {
    let package =
        declared.and_then(|(source, _)| analysis.index.key(source)).map(|key| key.package);
    match package {
        Some(Package::Root) => Ok(()),
        None => Err(format!("`{name}` is not declared in this package")),
        Some(Package::Std) => Err(format!("`{name}` belongs to the standard library")),
        Some(_) => Err(format!("`{name}` belongs to another package")),
    }
}

/// The edits that give what is under the pointer another name.
pub(crate) fn rename(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
    new: &str,
) -> Result<Option<WorkspaceEdit>, Refusal> {
    // Built-in names are declared nowhere, which only this look-up sees.
    prepare(workspace, uri, position)?;
    let Some(found) = find(workspace, uri, position) else { return Ok(None) };
    may_change(&found.analysis, &found.name, Some(found.declared))?;
    well_formed(&found, new)?;
    if new == found.name {
        return Ok(None);
    }
    let edits = edits(&found, new);
    refuse_clashes(workspace, &found, &edits, new)?;
    let mut changes = Vec::new();
    for (key, edits) in &edits {
        let Some(source) = found.analysis.source(key) else { continue };
        let Some(uri) = workspace.uri(&found.analysis.root, key) else { continue };
        let lines = Lines::new(found.analysis.sources.text(source));
        let version = workspace.document(&uri).map(|document| document.version);
        let text_document = OptionalVersionedTextDocumentIdentifier { uri, version };
        let edits = edits
            .iter()
            .map(|(span, text)| OneOf::Left(TextEdit::new(lines.range(*span), text.clone())));
        changes.push(TextDocumentEdit { text_document, edits: edits.collect() });
    }
    let document_changes = Some(DocumentChanges::Edits(changes));
    Ok(Some(WorkspaceEdit { document_changes, ..WorkspaceEdit::default() }))
}

fn well_formed(found: &Found, new: &str) -> Result<(), Refusal> {
    let mut characters = new.chars();
    let first = characters.next();
    let rest = characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !rest || !first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
        return Err(format!("`{new}` is not a name"));
    }
    let upper = first.is_some_and(|c| c.is_ascii_uppercase());
    let was_upper = found.name.starts_with(|c: char| c.is_ascii_uppercase());
    match (was_upper, upper) {
        (true, false) => Err(format!("`{new}` must begin with a capital letter")),
        (false, true) => Err(format!("`{new}` must begin with a small letter")),
        _ => Ok(()),
    }
}

type Edits = BTreeMap<ModuleKey, Vec<(Span, String)>>;

fn edits(found: &Found, new: &str) -> Edits {
    let mut edits = Edits::new();
    for place in &found.uses {
        let Some(key) = found.analysis.index.key(place.0) else { continue };
        if key.package == Package::Root {
            edits.entry(key.clone()).or_default().push(edit(found, *place, new));
        }
    }
    edits
}

/// The edit at one use. A field in its short form gets its long one, and an import that has no `as` gets one.
fn edit(found: &Found, place: Place, new: &str) -> (Span, String) {
    let (source, span) = place;
    let old = &found.name;
    if found.symbol.kind == Kind::Module && place == found.declared {
        let unnamed = found.analysis.index.file(source).is_some_and(|file| {
            file.items.iter().any(|item| match &item.kind {
                ItemKind::Import(import) => {
                    import.name.span == span
                        && item.span.end <= span.end
                        && !found.analysis.text((source, item.span)).contains(" as ")
                }
                _ => false,
            })
        });
        if unnamed {
            return (Span { start: span.end, end: span.end }, format!(" as {new}"));
        }
    }
    match (is_short_field(&found.analysis, place), found.symbol.kind) {
        (true, Kind::Field) => (span, format!("{new} = {old}")),
        (true, _) => (span, format!("{old} = {new}")),
        _ => (span, new.to_owned()),
    }
}

fn is_short_field(analysis: &Analysis, (source, span): Place) -> bool {
    let Some(file) = analysis.index.file(source) else { return false };
    let mut found = false;
    for root in file.items.iter().flat_map(roots) {
        walk(root, &mut |expr| {
            if let ExprKind::Record(fields) | ExprKind::With(_, fields) = &expr.kind {
                found |= fields.iter().any(|f| f.name.span == span && f.value.span == span);
            }
        });
    }
    found
}

/// Checks the program as it would be: every use must mean the declaration still, and no other name may.
fn refuse_clashes(
    workspace: &mut Workspace<'_>,
    found: &Found,
    edits: &Edits,
    new: &str,
) -> Result<(), Refusal> {
    let mut texts = BTreeMap::new();
    for (key, edits) in edits {
        let Some(source) = found.analysis.source(key) else { continue };
        texts.insert(key.clone(), applied(found.analysis.sources.text(source), edits));
    }
    let after = workspace.check(&found.analysis.root, &found.modules, &texts);
    let clash = || format!("`{new}` means something else here already");
    let home = found.analysis.index.key(found.declared.0).ok_or_else(clash)?;
    let source = after.source(home).ok_or_else(clash)?;
    let none = Vec::new();
    let declared = moved(found.declared.1, edits.get(home).unwrap_or(&none), new);
    let uses = after.index.uses_of((source, declared)).len();
    let problems = |diagnostics: &[Diagnostic]| diagnostics.len();
    if uses != found.uses.len()
        || problems(&after.diagnostics) > problems(&found.analysis.diagnostics)
    {
        return Err(clash());
    }
    Ok(())
}

/// A text with edits, which do not overlap.
fn applied(text: &str, edits: &[(Span, String)]) -> String {
    let mut sorted: Vec<&(Span, String)> = edits.iter().collect();
    sorted.sort_by_key(|(span, _)| *span);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, new) in sorted {
        out.push_str(text.get(at..span.start as usize).unwrap_or_default());
        out.push_str(new);
        at = span.end as usize;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Where the declared name is after the edits.
fn moved(declared: Span, edits: &[(Span, String)], new: &str) -> Span {
    let mut start = i64::from(declared.start);
    for (span, text) in edits.iter().filter(|(span, _)| span.start < declared.start) {
        let grown = i64::try_from(text.len()).unwrap_or(0) - i64::from(span.end - span.start);
        start += grown;
    }
    let own = edits.iter().find(|(span, _)| *span == declared);
    let start = u32::try_from(start).unwrap_or(0);
    match own {
        Some(_) => Span { start, end: start + u32::try_from(new.len()).unwrap_or(0) },
        // An import that got its `as`: the name stands behind it.
        None => {
            let start = start + (declared.end - declared.start) + 4;
            Span { start, end: start + u32::try_from(new.len()).unwrap_or(0) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_applied_from_left_to_right() {
        let span = |start, end| Span { start, end };
        let edits = vec![(span(6, 7), "long".to_owned()), (span(0, 1), "bc".to_owned())];
        assert_eq!(applied("a and b.", &edits), "bc and long.");
        assert_eq!(moved(span(6, 7), &edits, "long"), span(7, 11));
    }
}
