//! Names coloured by what they stand for, and the types of local names as hints.

use cbuild_sema::index::Kind;
use cbuild_syntax::ast::{ExprKind, ItemKind};
use lsp_types::{
    InlayHint, InlayHintKind, InlayHintLabel, Range, SemanticToken, SemanticTokenType,
    SemanticTokens, Uri,
};

use crate::cursor::{roots, walk};
use crate::workspace::Workspace;

/// Characters after which a hint is too long to be one.
const MAX_HINT: usize = 60;

/// The kinds of tokens, in the order of their numbers.
pub(crate) const LEGEND: &[SemanticTokenType] = &[
    SemanticTokenType::VARIABLE,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::TYPE,
    SemanticTokenType::INTERFACE,
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::PROPERTY,
];

fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Value | Kind::Local => 0,
        Kind::Function => 1,
        Kind::Constructor => 2,
        Kind::Type => 3,
        Kind::Protocol => 4,
        Kind::Module => 5,
        Kind::Parameter => 6,
        Kind::Field => 7,
    }
}

/// All names of a document.
pub(crate) fn tokens(workspace: &mut Workspace<'_>, uri: &Uri) -> Option<SemanticTokens> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let source = analysis.source(&document.place.key)?;
    let (mut line, mut column) = (0, 0);
    let mut data = Vec::new();
    for (span, symbol) in analysis.index.symbols_in(source) {
        let range = document.lines.range(span);
        let before =
            range.start.line < line || range.start.line == line && range.start.character < column;
        if range.start.line != range.end.line || range.start == range.end || before {
            continue;
        }
        let delta_line = range.start.line - line;
        let from = if delta_line == 0 { column } else { 0 };
        data.push(SemanticToken {
            delta_line,
            delta_start: range.start.character - from,
            length: range.end.character - range.start.character,
            token_type: number(symbol.kind),
            token_modifiers_bitset: 0,
        });
        (line, column) = (range.start.line, range.start.character);
    }
    Some(SemanticTokens { result_id: None, data })
}

/// Types of local names that have no annotation.
pub(crate) fn hints(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    range: Range,
) -> Option<Vec<InlayHint>> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let source = analysis.source(&document.place.key)?;
    let mut annotated = std::collections::BTreeSet::new();
    for item in &analysis.index.file(source)?.items {
        if let ItemKind::Fn(def) = &item.kind {
            let typed = def.params.iter().filter(|param| param.ty.is_some());
            annotated.extend(typed.map(|param| param.name.span));
        }
        for root in roots(item) {
            walk(root, &mut |expr| match &expr.kind {
                ExprKind::Let { bindings, .. } => {
                    let typed = bindings.iter().filter(|binding| binding.ty.is_some());
                    annotated.extend(typed.map(|binding| binding.name.span));
                }
                ExprKind::Lambda { params, .. } => {
                    let typed = params.iter().filter(|param| param.ty.is_some());
                    annotated.extend(typed.map(|param| param.name.span));
                }
                _ => {}
            });
        }
    }
    let hints = analysis.index.locals_in(source).filter_map(|(span, _, ty)| {
        let at = document.lines.range(span);
        let shown = !annotated.contains(&span)
            && ty.len() <= MAX_HINT
            && !ty.contains(['?', '_'])
            && range.start <= at.start
            && at.end <= range.end;
        shown.then(|| InlayHint {
            position: at.end,
            label: InlayHintLabel::String(format!(": {ty}")),
            kind: Some(InlayHintKind::TYPE),
            text_edits: None,
            tooltip: None,
            padding_left: None,
            padding_right: None,
            data: None,
        })
    });
    Some(hints.collect())
}
