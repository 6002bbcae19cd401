//! Maps from text to lazy values: persistent trees with wide leaves, so that adding an entry shares
//! the rest and an entry needs little more than its key and its value.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use crate::sorting;
use crate::value::{Slot, Slots};

/// Most entries of a leaf.
const LEAF: usize = 32;
/// Most children of an inner node.
const FAN: usize = 32;

/// Keys in ascending order, shared by the maps that differ in their values alone.
type Keys = Rc<[Rc<String>]>;

/// A map from text, ordered by the bytes of its keys.
#[derive(Clone, Default)]
pub struct Map(Option<Rc<Node>>);

/// A node of a tree whose leaves all have the same depth; none is empty.
enum Node {
    /// Entries in ascending order.
    Leaf(Keys, Slots),
    /// Children in ascending order.
    Inner(Box<Inner>),
}

struct Inner {
    signs: Rc<Signs>,
    children: Box<[Rc<Node>]>,
    /// Number of entries below.
    len: usize,
}

/// Where the children of an inner node begin. Texts lie scattered in memory, so that most comparisons
/// see only some of their bytes, which lie together here.
struct Signs {
    /// The first key of each child.
    firsts: Box<[Rc<String>]>,
    /// The bytes that the keys begin with: so many of the first key.
    shared: usize,
    /// Of each key the next bytes.
    heads: Box<[u64]>,
}

impl Signs {
    fn new(firsts: Box<[Rc<String>]>) -> Self {
        let shared = match &*firsts {
            // They are in order, so that what these share is shared by all between them.
            [first, .., last] => sorting::shared_bytes(first, last, first.len()),
            _ => 0,
        };
        let heads = firsts.iter().map(|key| sorting::leading(&key.as_bytes()[shared..])).collect();
        Self { firsts, shared, heads }
    }

    /// The child that a key belongs to.
    fn child_of(&self, key: &str) -> usize {
        let (start, end) = key.as_bytes().split_at(self.shared.min(key.len()));
        match start.cmp(&self.firsts[0].as_bytes()[..self.shared]) {
            Ordering::Less => 0,
            Ordering::Greater => self.firsts.len() - 1,
            Ordering::Equal => {
                let head = sorting::leading(end);
                let from = self.heads.partition_point(|known| *known < head);
                let equal = self.heads[from..].partition_point(|known| *known == head);
                let among = &self.firsts[from..from + equal];
                (from + among.partition_point(|known| known.as_str() <= key)).saturating_sub(1)
            }
        }
    }
}

impl Map {
    /// Where the entries are in memory; 0 if there are none.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |root| Rc::as_ptr(root).addr())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.len())
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Builds a map from entries; of entries with the same key the last one stays.
    pub(crate) fn from_entries(mut entries: Vec<(Rc<String>, Slot)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries = sorting::last_by_text(entries);
        }
        let mut made = Builder::default();
        entries.into_iter().for_each(|(key, value)| made.push(key, value));
        made.finish()
    }

    /// The slot of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Slot> {
        let mut node = self.0.as_deref()?;
        loop {
            match node {
                Node::Inner(inner) => node = &inner.children[inner.signs.child_of(key)],
                Node::Leaf(keys, values) => return Some(&values[position(keys, key).ok()?]),
            }
        }
    }

    /// The map with one entry added or replaced.
    pub(crate) fn insert(&self, key: Rc<String>, value: Slot) -> Self {
        let Some(root) = &self.0 else {
            return Self(Some(Rc::new(Node::Leaf([key].into(), Slots::from_iter([value])))));
        };
        let (first, second) = root.insert(key, value);
        let Some(second) = second else { return Self(Some(first)) };
        Self(Some(Node::inner(vec![first, second])))
    }

    /// Both maps; where both have a key the entry of `other` stays. Leaves of one map between whose
    /// keys the other one has none are shared.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        if other.len().saturating_mul(16) < self.len() {
            return other
                .iter()
                .fold(self.clone(), |map, (key, value)| map.insert(key.clone(), value.clone()));
        }
        let mut made = Builder::default();
        let (mut left, mut right) = (Cursor::new(self), Cursor::new(other));
        while let (Some(a), Some(b)) = (left.key(), right.key()) {
            if left.whole().is_some_and(|last| last < b) {
                left.skip().into_iter().for_each(|leaf| made.share(leaf));
                continue;
            }
            if right.whole().is_some_and(|last| last < a) {
                right.skip().into_iter().for_each(|leaf| made.share(leaf));
                continue;
            }
            let order = a.cmp(b);
            let first = if order.is_le() { left.next() } else { None };
            let second = if order.is_ge() { right.next() } else { None };
            if let Some((key, value)) = second.or(first) {
                made.push(key.clone(), value.clone());
            }
        }
        left.rest(&mut made);
        right.rest(&mut made);
        made.finish()
    }

    /// The map with another value for each key, made in ascending order of the keys.
    pub(crate) fn with_values(&self, make: &mut impl FnMut(&Slot) -> Slot) -> Self {
        Self(self.0.as_ref().map(|root| Rc::new(root.with_values(make))))
    }

    /// All entries in ascending order of their keys.
    pub(crate) fn iter(&self) -> Iter<'_> {
        let mut iter = Iter { ahead: Vec::new(), leaf: [].iter().zip(&[]) };
        if let Some(root) = &self.0 {
            iter.descend(root);
        }
        iter
    }
}

/// The position of a key, or where it would be.
fn position(keys: &[Rc<String>], key: &str) -> Result<usize, usize> {
    keys.binary_search_by(|known| known.as_str().cmp(key))
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(keys, _) => keys.len(),
            Self::Inner(inner) => inner.len,
        }
    }

    fn first(&self) -> &Rc<String> {
        match self {
            Self::Leaf(keys, _) => &keys[0],
            Self::Inner(inner) => &inner.signs.firsts[0],
        }
    }

    fn inner(children: Vec<Rc<Node>>) -> Rc<Self> {
        let signs = Signs::new(children.iter().map(|child| child.first().clone()).collect());
        let len = children.iter().map(|child| child.len()).sum();
        let inner = Inner { signs: Rc::new(signs), children: children.into(), len };
        Rc::new(Self::Inner(Box::new(inner)))
    }

    /// The node with an entry added or replaced; two nodes if it became too wide.
    fn insert(&self, key: Rc<String>, value: Slot) -> (Rc<Self>, Option<Rc<Self>>) {
        match self {
            Self::Leaf(keys, values) => match position(keys, &key) {
                Ok(at) => {
                    let mut values = values.to_vec();
                    values[at] = value;
                    (Rc::new(Self::Leaf(keys.clone(), values.into())), None)
                }
                Err(at) => {
                    let values = with(values, at, value);
                    let (values, after) = split(values, LEAF, at);
                    let (keys, keys_after) = split(with(keys, at, key), LEAF, at);
                    let leaf = |keys: Vec<_>, values: Vec<Slot>| {
                        Rc::new(Self::Leaf(keys.into(), values.into()))
                    };
                    (leaf(keys, values), after.zip(keys_after).map(|(v, k)| leaf(k, v)))
                }
            },
            Self::Inner(inner) => {
                let at = inner.signs.child_of(&key);
                let (child, next) = inner.children[at].insert(key, value);
                let mut children = inner.children.to_vec();
                let same_first = Rc::ptr_eq(child.first(), &inner.signs.firsts[at]);
                let len = inner.len - children[at].len() + child.len();
                children[at] = child;
                if next.is_none() && same_first {
                    let (signs, children) = (inner.signs.clone(), children.into());
                    return (Rc::new(Self::Inner(Box::new(Inner { signs, children, len }))), None);
                }
                if let Some(next) = next {
                    children.insert(at + 1, next);
                }
                let (children, after) = split(children, FAN, at + 1);
                (Self::inner(children), after.map(Self::inner))
            }
        }
    }

    fn with_values(&self, make: &mut impl FnMut(&Slot) -> Slot) -> Self {
        match self {
            Self::Leaf(keys, values) => Self::Leaf(keys.clone(), values.iter().map(make).collect()),
            Self::Inner(inner) => {
                let children = inner.children.iter();
                let children = children.map(|child| Rc::new(child.with_values(make))).collect();
                let (signs, len) = (inner.signs.clone(), inner.len);
                Self::Inner(Box::new(Inner { signs, children, len }))
            }
        }
    }
}

/// The items with one more.
fn with<T: Clone>(items: &[T], at: usize, item: T) -> Vec<T> {
    let mut more = Vec::with_capacity(items.len() + 1);
    more.extend_from_slice(&items[..at]);
    more.push(item);
    more.extend_from_slice(&items[at..]);
    more
}

/// The items, in two parts if there are too many. Where the last one is new, as when keys come in
/// order, the first part stays full.
fn split<T>(mut items: Vec<T>, most: usize, new: usize) -> (Vec<T>, Option<Vec<T>>) {
    if items.len() <= most {
        return (items, None);
    }
    let after = items.split_off(if new == most { most } else { most / 2 });
    (items, Some(after))
}

/// Makes a map of entries and leaves that come in ascending order.
#[derive(Default)]
struct Builder {
    keys: Vec<Rc<String>>,
    values: Vec<Slot>,
    leaves: Vec<Rc<Node>>,
}

impl Builder {
    fn push(&mut self, key: Rc<String>, value: Slot) {
        if self.keys.len() == LEAF {
            self.close();
        }
        self.keys.push(key);
        self.values.push(value);
    }

    fn share(&mut self, leaf: Rc<Node>) {
        self.close();
        self.leaves.push(leaf);
    }

    fn close(&mut self) {
        if !self.keys.is_empty() {
            let (keys, values) = (self.keys.drain(..).collect(), self.values.drain(..).collect());
            self.leaves.push(Rc::new(Node::Leaf(keys, values)));
        }
    }

    fn finish(mut self) -> Map {
        self.close();
        let mut level = self.leaves;
        while level.len() > 1 {
            // Nodes of about the same width, so that the last one is no lone child.
            let width = level.len().div_ceil(level.len().div_ceil(FAN));
            let mut upper = Vec::with_capacity(level.len().div_ceil(width));
            let mut ahead = level.into_iter().peekable();
            while ahead.peek().is_some() {
                upper.push(Node::inner(ahead.by_ref().take(width).collect()));
            }
            level = upper;
        }
        Map(level.pop())
    }
}

/// A place between two entries of a map.
struct Cursor<'m> {
    leaves: Vec<&'m Rc<Node>>,
    leaf: usize,
    at: usize,
}

impl<'m> Cursor<'m> {
    fn new(map: &'m Map) -> Self {
        let mut leaves: Vec<&Rc<Node>> = map.0.iter().collect();
        while let Some(Node::Inner(..)) = leaves.first().map(|node| &***node) {
            let children = leaves.iter().map(|node| match &***node {
                Node::Inner(inner) => &inner.children[..],
                Node::Leaf(..) => &[],
            });
            leaves = children.flatten().collect();
        }
        Self { leaves, leaf: 0, at: 0 }
    }

    fn parts(&self) -> Option<(&'m [Rc<String>], &'m [Slot])> {
        match &***self.leaves.get(self.leaf)? {
            Node::Leaf(keys, values) => Some((keys, values)),
            Node::Inner(..) => None,
        }
    }

    /// The key of the next entry.
    fn key(&self) -> Option<&'m Rc<String>> {
        Some(&self.parts()?.0[self.at])
    }

    /// The last key of the leaf that begins here, if one does.
    fn whole(&self) -> Option<&'m Rc<String>> {
        if self.at == 0 { self.parts()?.0.last() } else { None }
    }

    /// The leaf here, going past it.
    fn skip(&mut self) -> Option<Rc<Node>> {
        let leaf = self.leaves.get(self.leaf)?;
        (self.leaf, self.at) = (self.leaf + 1, 0);
        Some(Rc::clone(leaf))
    }

    fn next(&mut self) -> Option<(&'m Rc<String>, &'m Slot)> {
        let (keys, values) = self.parts()?;
        let entry = (&keys[self.at], &values[self.at]);
        self.at += 1;
        if self.at == keys.len() {
            (self.leaf, self.at) = (self.leaf + 1, 0);
        }
        Some(entry)
    }

    /// Hands on all entries that are left.
    fn rest(mut self, made: &mut Builder) {
        while self.at > 0
            && let Some((key, value)) = self.next()
        {
            made.push(key.clone(), value.clone());
        }
        while let Some(leaf) = self.skip() {
            made.share(leaf);
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
    /// Nodes to the right of the way to the current leaf.
    ahead: Vec<std::slice::Iter<'a, Rc<Node>>>,
    leaf: Zip<'a>,
}

type Zip<'a> = std::iter::Zip<std::slice::Iter<'a, Rc<String>>, std::slice::Iter<'a, Slot>>;

impl<'a> Iter<'a> {
    fn descend(&mut self, mut node: &'a Node) {
        loop {
            match node {
                Node::Leaf(keys, values) => {
                    self.leaf = keys.iter().zip(values.iter());
                    return;
                }
                Node::Inner(inner) => {
                    let mut children = inner.children.iter();
                    let Some(first) = children.next() else { return };
                    self.ahead.push(children);
                    node = first;
                }
            }
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Rc<String>, &'a Slot);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Some(entry);
            }
            match self.ahead.last_mut()?.next() {
                Some(node) => self.descend(node),
                None => {
                    self.ahead.pop();
                }
            }
        }
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

    /// The height, after looking that all leaves have the same depth and nothing is too wide.
    fn assert_sound(map: &Map) {
        fn height(node: &Node) -> usize {
            assert!(node.len() > 0);
            let Node::Inner(inner) = node else {
                let Node::Leaf(keys, values) = node else { unreachable!() };
                assert_eq!(keys.len(), values.len());
                assert!(keys.len() <= LEAF);
                return 0;
            };
            let Inner { signs, children, len } = &**inner;
            let firsts = &signs.firsts;
            assert!(children.len() <= FAN && firsts.len() == children.len());
            assert_eq!(*len, children.iter().map(|child| child.len()).sum::<usize>());
            assert!(firsts.iter().zip(children).all(|(first, child)| first == child.first()));
            let heights: Vec<usize> = children.iter().map(|child| height(child)).collect();
            assert!(heights.iter().all(|height| *height == heights[0]));
            heights[0] + 1
        }
        if let Some(root) = &map.0 {
            height(root);
        }
    }

    fn entries(of: &[(String, i64)]) -> Vec<(Rc<String>, Slot)> {
        of.iter().map(|(k, v)| (Rc::new(k.clone()), Slot::Ready(Value::Int(*v)))).collect()
    }

    proptest! {
        #[test]
        fn it_behaves_like_the_standard_map(
            first in proptest::collection::vec(("[a-f]{0,3}", any::<i64>()), 0..300),
            second in proptest::collection::vec(("[a-f]{0,3}", any::<i64>()), 0..300),
        ) {
            let mut inserted = Map::default();
            for (key, slot) in entries(&first) {
                inserted = inserted.insert(key, slot);
                assert_sound(&inserted);
            }
            let mut expected: BTreeMap<String, i64> = first.iter().cloned().collect();
            prop_assert_eq!(pairs(&inserted), expected.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(pairs(&Map::from_entries(entries(&first))), pairs(&inserted));
            let merged = inserted.merge(&Map::from_entries(entries(&second)));
            expected.extend(second.iter().cloned());
            prop_assert_eq!(pairs(&merged.with_values(&mut Slot::clone)), pairs(&merged));
            prop_assert_eq!(merged.len(), expected.len());
            prop_assert_eq!(pairs(&merged), expected.into_iter().collect::<Vec<_>>());
            assert_sound(&merged);
        }
    }
}
