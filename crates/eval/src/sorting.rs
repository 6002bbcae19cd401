//! Sorting by keys that are known beforehand.
//!
//! Texts lie scattered in memory, so that comparing them is mostly waiting. The first bytes in which
//! any of them differ are therefore laid beside the items, and most comparisons see them alone.

use std::rc::Rc;

use cbuild_syntax::ast::BinaryOp;

use crate::code::{LambdaCode, Node, Ref};

/// What a function of two items that compares the same key of both says of their order.
pub(crate) struct KeyOrder<'c> {
    /// The key of either item, with one of the parameters in it.
    pub(crate) key: &'c Node,
    pub(crate) descending: bool,
}

/// The order, if the function is of the form `(x, y) => x.key < y.key`: then each key needs to be
/// evaluated only once, and the comparisons are no calls.
pub(crate) fn key_order(code: &LambdaCode) -> Option<KeyOrder<'_>> {
    if (code.params, code.frame) != (2, 2) || !code.defaults.is_empty() {
        return None;
    }
    let Node::Binary(op, operands, _) = &code.body else { return None };
    let [key, other] = &**operands;
    let first_is_left = mirrored(key, other)? == 0;
    match op {
        BinaryOp::Lt => Some(KeyOrder { key, descending: !first_is_left }),
        BinaryOp::Gt => Some(KeyOrder { key, descending: first_is_left }),
        _ => None,
    }
}

/// The parameter in `left`, if `right` is the same expression of the other one.
fn mirrored(left: &Node, right: &Node) -> Option<u32> {
    match (left, right) {
        (Node::Var(Ref::Local(a)), Node::Var(Ref::Local(b))) if a != b => Some(*a),
        (Node::Field(a), Node::Field(b)) if a.name == b.name => mirrored(&a.base, &b.base),
        _ => None,
    }
}

/// Items in ascending order of their texts, by bytes; equal ones keep their order.
pub(crate) fn by_text<T>(items: Vec<(Rc<String>, T)>) -> Vec<(Rc<String>, T)> {
    keyed_by_text(items).into_iter().map(|(_, item)| item).collect()
}

/// The sorted items, each with the first bytes in which any of them differ.
fn keyed_by_text<T>(items: Vec<(Rc<String>, T)>) -> Vec<(u64, (Rc<String>, T))> {
    let shared = items.first().map_or(0, |(first, _)| {
        items.iter().fold(first.len(), |shared, (text, _)| shared_bytes(&first[..], text, shared))
    });
    let mut keyed: Vec<(u64, (Rc<String>, T))> =
        items.into_iter().map(|item| (leading(&item.0.as_bytes()[shared..]), item)).collect();
    keyed.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.0.cmp(&y.0)));
    keyed
}

/// Items in ascending order of their texts, by bytes; of those with the same text the last one stays.
pub(crate) fn last_by_text<T>(mut items: Vec<(Rc<String>, T)>) -> Vec<(Rc<String>, T)> {
    // The sort is stable and the reversal puts the later of two equal texts first.
    items.reverse();
    let mut keyed = keyed_by_text(items);
    keyed.dedup_by(|(a, x), (b, y)| a == b && x.0 == y.0);
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// How many leading bytes two texts share, at most `limit`.
pub(crate) fn shared_bytes(first: &str, second: &str, limit: usize) -> usize {
    let pairs = first.bytes().zip(second.bytes()).take(limit);
    pairs.take_while(|(a, b)| a == b).count()
}

/// The first eight bytes as a number that orders as they do; short texts are filled with zeros.
pub(crate) fn leading(bytes: &[u8]) -> u64 {
    let mut padded = [0; 8];
    let taken = bytes.len().min(8);
    padded[..taken].copy_from_slice(&bytes[..taken]);
    u64::from_be_bytes(padded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_stable_order_of_the_texts(
            texts in proptest::collection::vec("(key-)?[a-c\\x00é]{0,12}", 0..80),
        ) {
            let items: Vec<_> = texts.iter().map(|text| Rc::new(text.clone())).zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(by_text(items), expected);
        }
    }
}
