//! Whether two texts mean the same.

use cbuild_diag::Diagnostic;

use crate::{Parse, SyntaxKind};

/// Whether the items are equal but for their places, and the comments are the same.
pub(super) fn same(left: &Parse, right: &Parse) -> bool {
    let (left_items, right_items) = (&left.file.items, &right.file.items);
    !right.diagnostics.iter().any(Diagnostic::is_error)
        && left.file.doc == right.file.doc
        && left_items.len() == right_items.len()
        && comments(left) == comments(right)
        // One item at a time, so that little memory is used.
        && left_items.iter().zip(right_items).all(|(left, right)| shown(left) == shown(right))
}

fn comments(parsed: &Parse) -> Vec<String> {
    let tokens = parsed.tree.descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    let comments = tokens.filter(|token| token.kind() == SyntaxKind::Comment);
    comments.map(|comment| comment.text().trim_end().to_owned()).collect()
}

/// Lowered syntax as text, without its places.
fn shown(item: &impl std::fmt::Debug) -> String {
    let shown = format!("{item:?}");
    let mut rest = shown.as_str();
    let mut text = String::with_capacity(shown.len());
    while let Some((before, span)) = rest.split_once("Span { start: ") {
        text.push_str(before);
        rest = span.split_once(" }").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}
