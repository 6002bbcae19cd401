//! Colours for source text, by its lossless tree.

use cbuild_diag::SourceId;
use cbuild_syntax::{SyntaxKind, SyntaxNode};

use crate::code::{Class, Code};

/// Largest source text that is coloured, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Source text with colours. Expressions are coloured as well as files.
pub(crate) fn highlight(text: &str) -> Code {
    let mut code = Code::default();
    if text.len() > MAX_BYTES {
        code.plain(text);
        return code;
    }
    // As an item: the grammar of files has no lone expressions.
    let before = "let it = ";
    let as_file = cbuild_syntax::parse(SourceId(0), text);
    if !as_file.diagnostics.iter().any(cbuild_diag::Diagnostic::is_error) {
        pieces(&as_file.tree, 0, &mut code);
    } else {
        let wrapped = format!("{before}{text}");
        pieces(&cbuild_syntax::parse(SourceId(0), &wrapped).tree, before.len(), &mut code);
    }
    code
}

fn pieces(tree: &SyntaxNode, skip: usize, code: &mut Code) {
    for element in tree.descendants_with_tokens() {
        let Some(token) = element.into_token() else { continue };
        if usize::from(token.text_range().start()) < skip {
            continue;
        }
        match class(token.kind(), token.text()) {
            Some(class) => code.piece(class, token.text()),
            None => code.plain(token.text()),
        }
    }
}

fn class(kind: SyntaxKind, text: &str) -> Option<Class> {
    Some(match kind {
        SyntaxKind::Keyword | SyntaxKind::KwPub => Class::Keyword,
        SyntaxKind::Comment => Class::Comment,
        SyntaxKind::Int | SyntaxKind::Bool => Class::Number,
        SyntaxKind::Quote
        | SyntaxKind::LineText
        | SyntaxKind::BlockText
        | SyntaxKind::Escape
        | SyntaxKind::ScriptEscape
        | SyntaxKind::Path
        | SyntaxKind::Hash => Class::Text,
        SyntaxKind::TypeName => Class::Type,
        SyntaxKind::Name if text.starts_with(|c: char| c.is_ascii_uppercase()) => Class::Type,
        _ => return None,
    })
}
