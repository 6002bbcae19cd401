//! The declarations of a file and of a package, and what can be folded.

use cbuild_diag::Span;
use cbuild_syntax::ast::{ExprKind, File, Item, ItemKind, TypeBody};
use lsp_types::{
    DocumentSymbol, FoldingRange, FoldingRangeKind, Location, OneOf, SymbolKind, Uri,
    WorkspaceSymbol,
};

use crate::cursor::{roots, walk};
use crate::lines::Lines;
use crate::workspace::Workspace;

/// Most symbols of a package that one answer has.
const MAX_SYMBOLS: usize = 500;

/// The declarations of a file, in order.
pub(crate) fn document(workspace: &mut Workspace<'_>, uri: &Uri) -> Option<Vec<DocumentSymbol>> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let file = analysis.index.file(analysis.source(&document.place.key)?)?;
    Some(file.items.iter().filter_map(|item| symbol(item, &document.lines)).collect())
}

#[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
fn new(name: &str, kind: SymbolKind, whole: Span, at: Span, lines: &Lines) -> DocumentSymbol {
    // The protocol demands that the name is inside of the whole, and not empty.
    let whole = Span { start: whole.start.min(at.start), end: whole.end.max(at.end) };
    DocumentSymbol {
        name: if name.is_empty() { "?".to_owned() } else { name.to_owned() },
        detail: None,
        kind,
        tags: None,
        deprecated: None,
        range: lines.range(whole),
        selection_range: lines.range(at),
        children: None,
    }
}

fn symbol(item: &Item, lines: &Lines) -> Option<DocumentSymbol> {
    let (name, kind, at) = named(item)?;
    let mut found = new(&name, kind, item.span, at, lines);
    if let ItemKind::Type(def) = &item.kind
        && let TypeBody::Variants(cases) = &def.body
    {
        let cases = cases.iter().map(|case| {
            let at = case.name.span;
            new(&case.name.text, SymbolKind::ENUM_MEMBER, at, at, lines)
        });
        found.children = Some(cases.collect());
    }
    Some(found)
}

fn named(item: &Item) -> Option<(String, SymbolKind, Span)> {
    let found = match &item.kind {
        ItemKind::Import(_) => return None,
        ItemKind::Let(def) => (def.name.text.clone(), SymbolKind::CONSTANT, def.name.span),
        ItemKind::Fn(def) => (def.name.text.clone(), SymbolKind::FUNCTION, def.name.span),
        ItemKind::Type(def) => {
            let kind = match def.body {
                TypeBody::Variants(_) => SymbolKind::ENUM,
                _ => SymbolKind::CLASS,
            };
            (def.name.text.clone(), kind, def.name.span)
        }
        ItemKind::Protocol { name, .. } => (name.text.clone(), SymbolKind::INTERFACE, name.span),
        ItemKind::Test { name, .. } => (format!("test {name:?}"), SymbolKind::METHOD, item.span),
    };
    Some(found)
}

/// Declarations of the packages of all open documents whose names have the letters of `query` in order.
pub(crate) fn package(workspace: &mut Workspace<'_>, query: &str) -> Vec<WorkspaceSymbol> {
    let mut roots = std::collections::BTreeSet::new();
    for uri in workspace.open_documents() {
        roots.extend(workspace.document(&uri).map(|document| document.place.root.clone()));
    }
    let mut found = Vec::new();
    for root in roots {
        for key in workspace.outside.modules(&root) {
            let Some(text) = workspace.text(&root, &key) else { continue };
            let Some(uri) = workspace.uri(&root, &key) else { continue };
            let lines = Lines::new(&text);
            let (file, _) = cbuild_syntax::parse_file_only(cbuild_diag::SourceId(0), &text);
            for (name, kind, at) in file.items.iter().filter_map(named) {
                if matches(&name, query) {
                    let location = Location { uri: uri.clone(), range: lines.range(at) };
                    found.push(WorkspaceSymbol {
                        name,
                        kind,
                        tags: None,
                        container_name: Some(key.path.clone()),
                        location: OneOf::Left(location),
                        data: None,
                    });
                }
                if found.len() >= MAX_SYMBOLS {
                    return found;
                }
            }
        }
    }
    found
}

fn matches(name: &str, query: &str) -> bool {
    let mut letters = name.chars().map(|c| c.to_ascii_lowercase());
    query.chars().all(|wanted| letters.any(|letter| letter == wanted.to_ascii_lowercase()))
}

/// Items, records, lists and matches of more than one line, and runs of imports.
pub(crate) fn folding(workspace: &mut Workspace<'_>, uri: &Uri) -> Option<Vec<FoldingRange>> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let file = analysis.index.file(analysis.source(&document.place.key)?)?;
    let mut spans = Vec::new();
    for item in &file.items {
        spans.push((item.span, None));
        for root in roots(item) {
            walk(root, &mut |expr| {
                if let ExprKind::Record(_) | ExprKind::List(_) | ExprKind::Match { .. } = &expr.kind
                {
                    spans.push((expr.span, None));
                }
            });
        }
    }
    spans.extend(import_run(file).map(|span| (span, Some(FoldingRangeKind::Imports))));
    let mut ranges: Vec<FoldingRange> = spans
        .into_iter()
        .map(|(span, kind)| (document.lines.range(span), kind))
        .filter(|(range, _)| range.end.line > range.start.line)
        .map(|(range, kind)| FoldingRange {
            start_line: range.start.line,
            end_line: range.end.line,
            kind,
            ..FoldingRange::default()
        })
        .collect();
    ranges.sort_by_key(|range| (range.start_line, std::cmp::Reverse(range.end_line)));
    ranges.dedup_by_key(|range| range.start_line);
    Some(ranges)
}

fn import_run(file: &File) -> Option<Span> {
    let mut imports = file.items.iter().filter(|item| matches!(item.kind, ItemKind::Import(_)));
    let first = imports.next()?;
    let last = imports.next_back()?;
    Some(Span { start: first.span.start, end: last.span.end })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn letters_are_found_in_order() {
        assert!(matches("redis_image", "rimg"));
        assert!(matches("Redis", "redis"));
        assert!(!matches("redis", "sider"));
        assert!(matches("anything", ""));
    }
}
