//! Questions about the source that decide how it is laid out.

use rowan::NodeOrToken;

use super::brackets::listed;
use super::builder::{Element, kids};
use super::operators::chain;
use super::value::Value;
use crate::SyntaxKind;

/// Whether an expression is a list, record or literal of several lines, with something in it.
pub(super) fn is_bracket(element: &Element) -> bool {
    let NodeOrToken::Node(node) = element else { return false };
    match node.kind() {
        SyntaxKind::List | SyntaxKind::Record => listed(node).is_some_and(|list| !list.is_empty()),
        SyntaxKind::Text | SyntaxKind::Script => is_tall(element),
        _ => false,
    }
}

/// Whether an expression breaks well where it stands: its first line is short and ends with a
/// bracket, and its last line starts with the closing one.
pub(super) fn is_braced(element: &Element) -> bool {
    let NodeOrToken::Node(node) = element else { return false };
    match node.kind() {
        SyntaxKind::Match => true,
        SyntaxKind::Postfix => match kids(node).last() {
            Some(NodeOrToken::Node(last)) if last.kind() == SyntaxKind::Record => true,
            Some(NodeOrToken::Node(last)) if last.kind() == SyntaxKind::Args => {
                listed(last).is_some_and(|list| hug_last(&list.elements))
            }
            _ => false,
        },
        SyntaxKind::Expr => is_braced_value(&Value::of(element)),
        _ => is_bracket(element),
    }
}

/// As [`is_braced`], of an expression taken apart.
pub(super) fn is_braced_value(value: &Value) -> bool {
    match value.heads.split_first() {
        None => chain(&value.operands).is_braced(),
        Some((head, _)) if head.kind() == SyntaxKind::LambdaHead => is_braced_value(&value.tail()),
        Some(_) => false,
    }
}

/// Whether the last of some arguments can break while the others stay on one line.
pub(super) fn hug_last(elements: &[(Option<Element>, Element)]) -> bool {
    let Some(((_, last), others)) = elements.split_last() else { return false };
    if others.iter().any(|(_, other)| other.as_node().is_some_and(is_named)) {
        return false;
    }
    let inner = |element: &Element| match element {
        NodeOrToken::Node(node) if node.kind() == SyntaxKind::Arg => kids(node).into_iter().next(),
        _ => None,
    };
    let Some(last) = last.as_node().filter(|node| !is_named(node)) else { return false };
    let last = inner(&NodeOrToken::Node(last.clone()));
    last.as_ref().is_some_and(is_braced)
        && !others.iter().any(|(_, other)| inner(other).as_ref().is_some_and(is_braced))
}

fn is_named(node: &crate::SyntaxNode) -> bool {
    node.children().any(|kid| kid.kind() == SyntaxKind::ArgName)
}

/// Whether a literal of several lines stands in an element.
pub(super) fn has_tall(element: &Element) -> bool {
    match element {
        NodeOrToken::Node(node) => {
            is_tall(element) || node.children_with_tokens().any(|kid| has_tall(&kid))
        }
        NodeOrToken::Token(_) => false,
    }
}

/// Whether an element is a literal of several lines.
pub(super) fn is_tall(element: &Element) -> bool {
    let NodeOrToken::Node(node) = element else { return false };
    matches!(node.kind(), SyntaxKind::Text | SyntaxKind::Script) && node.text().contains_char('\n')
}
