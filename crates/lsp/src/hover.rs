//! What is shown of a name or an expression: its declaration, its type, its documentation.

use cbuild_diag::Span;
use cbuild_sema::index::{Kind, Place, Symbol};
use cbuild_syntax::ast::{Item, ItemKind};
use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position, Uri};

use crate::workspace::{Analysis, Workspace};

/// Lines of a type's declaration that are shown.
const MAX_LINES: usize = 24;

/// What is known of the place under the pointer.
pub(crate) fn hover(workspace: &mut Workspace<'_>, uri: &Uri, position: Position) -> Option<Hover> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let source = analysis.source(&document.place.key)?;
    let (span, text) = match analysis.index.symbol_at(source, offset) {
        Some((span, symbol)) => (span, describe(&analysis, &symbol, (source, span))),
        None => {
            let (span, ty) = analysis.index.type_at(source, offset)?;
            (span, code(&ty))
        }
    };
    let contents = MarkupContent { kind: MarkupKind::Markdown, value: text };
    let range = Some(document.lines.range(span));
    Some(Hover { contents: HoverContents::Markup(contents), range })
}

fn code(text: &str) -> String {
    format!("```cbuild\n{text}\n```")
}

/// Declaration and documentation of a symbol as Markdown; `at` is the name as used.
pub(crate) fn describe(analysis: &Analysis, symbol: &Symbol, at: Place) -> String {
    let documentation = analysis.index.documentation(symbol);
    let mut text = code(&declaration(analysis, symbol, at));
    if !documentation.text.is_empty() {
        text.push_str("\n\n");
        text.push_str(&documentation.text);
    }
    text
}

/// One declaration as a reader writes it.
pub(crate) fn declaration(analysis: &Analysis, symbol: &Symbol, at: Place) -> String {
    let name = match symbol.name.as_str() {
        "" => symbol.declared.map_or_else(|| analysis.text(at), |place| analysis.text(place)),
        name => name,
    };
    let typed = |prefix: &str| match &symbol.ty {
        Some(ty) => format!("{prefix}{name}: {ty}"),
        None => format!("{prefix}{name}"),
    };
    let item = symbol.declared.and_then(|place| item_of(analysis, place).map(|item| (place, item)));
    match (symbol.kind, item) {
        (Kind::Function, Some(((source, _), item))) => {
            let header = header(analysis, source, item);
            // What is not written is inferred.
            let all = matches!(&item.kind, ItemKind::Fn(def) if def.result.is_some()
                && def.params.iter().all(|param| param.ty.is_some()));
            if all { header } else { typed("fn ") }
        }
        (Kind::Value, Some((_, item))) => typed(if item.public { "pub let " } else { "let " }),
        (Kind::Type | Kind::Protocol, Some(((source, _), item))) => whole(analysis, source, item),
        (Kind::Module, _) => match symbol.module {
            Some(module) => format!("import {} // {name}", analysis.sources.name(module)),
            None => format!("import {name}"),
        },
        (Kind::Type, None) => format!("type {name}"),
        (Kind::Parameter, _) => typed("(parameter) "),
        (Kind::Field, _) => typed("(field) "),
        _ => typed(""),
    }
}

/// The item that declares what is named at a place.
pub(crate) fn item_of(analysis: &Analysis, (source, span): Place) -> Option<&Item> {
    let file = analysis.index.file(source)?;
    file.items.iter().find(|item| name_of(item).is_some_and(|name| name == span))
}

/// Where the name of an item stands.
pub(crate) fn name_of(item: &Item) -> Option<Span> {
    match &item.kind {
        ItemKind::Let(def) => Some(def.name.span),
        ItemKind::Fn(def) => Some(def.name.span),
        ItemKind::Type(def) => Some(def.name.span),
        ItemKind::Protocol { name, .. } => Some(name.span),
        ItemKind::Import(import) => Some(import.name.span),
        ItemKind::Test { .. } => None,
    }
}

/// The text of a function up to its body.
fn header(analysis: &Analysis, source: cbuild_diag::SourceId, item: &Item) -> String {
    let end = match &item.kind {
        ItemKind::Fn(def) => def.body.as_ref().map_or(item.span.end, |body| body.span.start),
        _ => item.span.end,
    };
    let text = analysis.text((source, Span { start: item.span.start, end })).trim_end();
    text.strip_suffix('=').unwrap_or(text).trim_end().to_owned()
}

fn whole(analysis: &Analysis, source: cbuild_diag::SourceId, item: &Item) -> String {
    let text = analysis.text((source, item.span)).trim_end();
    let mut lines: Vec<&str> = text.lines().take(MAX_LINES + 1).collect();
    if lines.len() > MAX_LINES {
        lines[MAX_LINES] = "…";
    }
    lines.join("\n")
}
