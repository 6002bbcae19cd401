//! Maps from text to lazy values: persistent balanced trees, so that adding an entry shares the rest.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use crate::burial;
use crate::value::Slot;

/// A map from text, ordered by the bytes of its keys.
#[derive(Clone, Default)]
pub struct Map(Option<Rc<Node>>);

/// A node of an AVL tree: the heights of the two sides differ by one at most.
struct Node {
    key: Rc<String>,
    value: Slot,
    left: Map,
    right: Map,
    len: usize,
    height: u8,
}

impl Map {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.len)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Builds a map from entries; of entries with the same key the last one stays.
    pub(crate) fn from_entries(mut entries: Vec<(Rc<String>, Slot)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            // The sort is stable and the reversal puts the later of two equal keys first.
            entries.reverse();
            entries = crate::sorting::by_text(entries);
            entries.dedup_by(|later, kept| later.0 == kept.0);
        }
        Self::from_sorted(entries)
    }

    /// Builds a map from entries in ascending order of keys that all differ.
    pub(crate) fn from_sorted(entries: Vec<(Rc<String>, Slot)>) -> Self {
        let len = entries.len();
        Self::balanced(&mut entries.into_iter(), len)
    }

    fn balanced(entries: &mut impl Iterator<Item = (Rc<String>, Slot)>, len: usize) -> Self {
        if len == 0 {
            return Self(None);
        }
        let left = Self::balanced(entries, len / 2);
        let Some((key, value)) = entries.next() else { return left };
        let right = Self::balanced(entries, len - len / 2 - 1);
        Self::node(key, value, left, right)
    }

    fn node(key: Rc<String>, value: Slot, left: Self, right: Self) -> Self {
        let len = left.len() + right.len() + 1;
        let height = left.height().max(right.height()) + 1;
        Self(Some(Rc::new(Node { key, value, left, right, len, height })))
    }

    fn height(&self) -> u8 {
        self.0.as_ref().map_or(0, |node| node.height)
    }

    /// The slot of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Slot> {
        let mut map = self;
        while let Some(node) = map.0.as_deref() {
            match key.cmp(node.key.as_str()) {
                Ordering::Less => map = &node.left,
                Ordering::Greater => map = &node.right,
                Ordering::Equal => return Some(&node.value),
            }
        }
        None
    }

    /// The map with one entry added or replaced.
    pub(crate) fn insert(&self, key: Rc<String>, value: Slot) -> Self {
        let Some(node) = self.0.as_deref() else {
            return Self::node(key, value, Self(None), Self(None));
        };
        match key.cmp(&node.key) {
            Ordering::Less => node.rebuilt(node.left.insert(key, value), node.right.clone()),
            Ordering::Greater => node.rebuilt(node.left.clone(), node.right.insert(key, value)),
            Ordering::Equal => Self::node(key, value, node.left.clone(), node.right.clone()),
        }
    }

    /// Both maps; where both have a key the entry of `other` stays.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        if other.len().saturating_mul(16) < self.len() {
            return other
                .iter()
                .fold(self.clone(), |map, (key, value)| map.insert(key.clone(), value.clone()));
        }
        let mut merged = Vec::with_capacity(self.len() + other.len());
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(b.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let first = if order.is_le() { left.next() } else { None };
            let second = if order.is_ge() { right.next() } else { None };
            merged.extend(second.or(first).map(|(key, value)| (key.clone(), value.clone())));
        }
        Self::from_sorted(merged)
    }

    /// The map with another value for each key, made in ascending order of the keys.
    pub(crate) fn with_values(&self, make: &mut impl FnMut(&Slot) -> Slot) -> Self {
        let Some(node) = self.0.as_deref() else { return Self(None) };
        let left = node.left.with_values(make);
        let value = make(&node.value);
        let right = node.right.with_values(make);
        Self::node(node.key.clone(), value, left, right)
    }

    /// All entries in ascending order of their keys.
    pub(crate) fn iter(&self) -> Iter<'_> {
        let mut iter = Iter { ahead: Vec::new() };
        iter.descend(self);
        iter
    }
}

impl Node {
    /// The node with other sides, one of which may be higher than the other by two.
    fn rebuilt(&self, left: Map, right: Map) -> Map {
        let (key, value) = (self.key.clone(), self.value.clone());
        if left.height() > right.height() + 1
            && let Some(l) = left.0.as_deref()
        {
            if l.left.height() >= l.right.height() {
                return l.with(l.left.clone(), Map::node(key, value, l.right.clone(), right));
            }
            if let Some(middle) = l.right.0.as_deref() {
                let lower = l.with(l.left.clone(), middle.left.clone());
                return middle.with(lower, Map::node(key, value, middle.right.clone(), right));
            }
        }
        if right.height() > left.height() + 1
            && let Some(r) = right.0.as_deref()
        {
            if r.right.height() >= r.left.height() {
                return r.with(Map::node(key, value, left, r.left.clone()), r.right.clone());
            }
            if let Some(middle) = r.left.0.as_deref() {
                let upper = r.with(middle.right.clone(), r.right.clone());
                return middle.with(Map::node(key, value, left, middle.left.clone()), upper);
            }
        }
        Map::node(key, value, left, right)
    }

    fn with(&self, left: Map, right: Map) -> Map {
        Map::node(self.key.clone(), self.value.clone(), left, right)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.value.is_flat() {
            burial::bury([std::mem::replace(&mut self.value, Slot::Missing)]);
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} entries)", self.len())
    }
}

/// Iterator over the entries of a [`Map`].
pub(crate) struct Iter<'a> {
    ahead: Vec<&'a Node>,
}

impl<'a> Iter<'a> {
    fn descend(&mut self, mut map: &'a Map) {
        while let Some(node) = map.0.as_deref() {
            self.ahead.push(node);
            map = &node.left;
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Rc<String>, &'a Slot);

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.ahead.pop()?;
        self.descend(&node.right);
        Some((&node.key, &node.value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::value::Value;

    fn pairs(map: &Map) -> Vec<(String, i64)> {
        let number = |slot: &Slot| match slot {
            Slot::Ready(Value::Int(number)) => *number,
            other => panic!("not a number: {other:?}"),
        };
        map.iter().map(|(key, slot)| ((**key).clone(), number(slot))).collect()
    }

    fn assert_balanced(map: &Map) {
        if let Some(node) = map.0.as_deref() {
            assert!(node.left.height().abs_diff(node.right.height()) <= 1);
            assert_balanced(&node.left);
            assert_balanced(&node.right);
        }
    }

    fn entries(of: &[(String, i64)]) -> Vec<(Rc<String>, Slot)> {
        of.iter().map(|(k, v)| (Rc::new(k.clone()), Slot::Ready(Value::Int(*v)))).collect()
    }

    proptest! {
        #[test]
        fn it_behaves_like_the_standard_map(
            first in proptest::collection::vec(("[a-f]{0,3}", any::<i64>()), 0..60),
            second in proptest::collection::vec(("[a-f]{0,3}", any::<i64>()), 0..60),
        ) {
            let mut inserted = Map::default();
            for (key, slot) in entries(&first) {
                inserted = inserted.insert(key, slot);
                assert_balanced(&inserted);
            }
            let mut expected: BTreeMap<String, i64> = first.iter().cloned().collect();
            prop_assert_eq!(pairs(&inserted), expected.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(pairs(&Map::from_entries(entries(&first))), pairs(&inserted));
            let merged = inserted.merge(&Map::from_entries(entries(&second)));
            expected.extend(second.iter().cloned());
            prop_assert_eq!(pairs(&merged.with_values(&mut Slot::clone)), pairs(&merged));
            prop_assert_eq!(merged.len(), expected.len());
            prop_assert_eq!(pairs(&merged), expected.into_iter().collect::<Vec<_>>());
            assert_balanced(&merged);
        }
    }
}
