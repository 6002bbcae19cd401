//! Questions about the source that decide how it is laid out.

use rowan::NodeOrToken;

use super::brackets::{Embrace, listed};
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
                listed(last).is_some_and(|list| hug_last(&list.elements).is_some())
            }
            _ => false,
        },
        SyntaxKind::Expr => is_braced_value(&Value::of(element)),
        _ => is_bracket(element),
    }
}

/// As [`is_braced`], of an expression taken apart.
pub(super) fn is_braced_value(value: &Value) -> bool {
    value.heads().iter().all(|head| head.kind() == SyntaxKind::LambdaHead)
        && chain(value.operands()).is_braced()
}

/// How one of some arguments can break while the others stay on one line.
pub(super) fn hug_last(elements: &[(Option<Element>, Element)]) -> Option<Embrace> {
    let ((_, last), others) = elements.split_last()?;
    let positional = |element: &Element| match element {
        NodeOrToken::Node(node) if node.kind() == SyntaxKind::Arg && !is_named(node) => {
            kids(node).into_iter().next()
        }
        _ => None,
    };
    let last = positional(last)?;
    if let [(_, first), (_, _), ..] = elements
        && positional(first).is_some_and(|first| is_bracket(&first) && !is_tall(&first))
        && elements[1..].iter().all(|(_, other)| positional(other).is_some_and(|it| is_path(&it)))
    {
        return Some(Embrace::First);
    }
    // Where other arguments are as large, or named, each gets its own line.
    if !others.iter().all(|(_, other)| positional(other).is_some_and(|it| !is_braced(&it))) {
        return None;
    }
    if is_braced(&last) {
        return Some(Embrace::Braced);
    }
    let value = Value::of(&last);
    let body = value.heads().iter().find(|head| head.kind() != SyntaxKind::LambdaHead);
    let is_lambda = value.heads().first().is_some_and(|head| head.kind() == SyntaxKind::LambdaHead);
    (is_lambda && body.is_some()).then_some(Embrace::Lambda)
}

/// Whether an expression is a name, perhaps with fields.
fn is_path(element: &Element) -> bool {
    match element {
        NodeOrToken::Token(token) => token.kind() == SyntaxKind::Name,
        NodeOrToken::Node(node) => {
            let part =
                |part: &Element| matches!(part.kind(), SyntaxKind::Name | SyntaxKind::FieldAccess);
            node.kind() == SyntaxKind::Postfix && kids(node).iter().all(part)
        }
    }
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

/// Whether a value that does not fit behind a `=` stays there even if it fits on the next line: it
/// is known by its brackets, and is not a call.
pub(super) fn stays(element: &Element) -> bool {
    let NodeOrToken::Node(node) = element else { return false };
    match node.kind() {
        SyntaxKind::Postfix => {
            kids(node).last().is_some_and(|last| last.kind() == SyntaxKind::Record)
        }
        _ => true,
    }
}
