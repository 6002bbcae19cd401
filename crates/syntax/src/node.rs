//! The parse of a text: its nodes in source order, in one list.
//!
//! Both parsers give this form, so that what follows them cannot tell them apart: [`crate::direct`]
//! writes it, and the pairs of pest are turned into it.

use pest::iterators::Pair;

use crate::grammar::Rule;

/// A node as it is stored: its rule, its bytes, and where the nodes below it end in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) rule: Rule,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of the first node behind it that is not below it.
    pub(crate) next: u32,
}

/// A node of a parse with what is below it.
#[derive(Clone, Copy)]
pub(crate) struct Node<'i> {
    /// The text of the whole piece.
    text: &'i str,
    entry: Entry,
    /// The nodes below it, at its own index plus one and on.
    below: &'i [Entry],
    index: u32,
}

impl<'i> Node<'i> {
    /// The first node of a list, which all others are below.
    pub(crate) fn root(text: &'i str, entries: &'i [Entry]) -> Option<Self> {
        let (entry, below) = entries.split_first()?;
        Some(Self { text, entry: *entry, below, index: 0 })
    }

    pub(crate) fn as_rule(&self) -> Rule {
        self.entry.rule
    }

    /// Its first byte in the piece.
    pub(crate) fn start(&self) -> usize {
        self.entry.start as usize
    }

    /// The byte behind its last one.
    pub(crate) fn end(&self) -> usize {
        self.entry.end as usize
    }

    pub(crate) fn as_str(&self) -> &'i str {
        &self.text[self.start()..self.end()]
    }

    /// The nodes directly below it.
    pub(crate) fn children(&self) -> Children<'i> {
        Children { text: self.text, rest: self.below, index: self.index + 1 }
    }
}

/// The nodes directly below a node, in source order.
#[derive(Clone, Copy)]
pub(crate) struct Children<'i> {
    text: &'i str,
    rest: &'i [Entry],
    index: u32,
}

impl<'i> Iterator for Children<'i> {
    type Item = Node<'i>;

    fn next(&mut self) -> Option<Node<'i>> {
        let (entry, rest) = self.rest.split_first()?;
        let (below, rest) = rest.split_at((entry.next - self.index - 1) as usize);
        let node = Node { text: self.text, entry: *entry, below, index: self.index };
        self.rest = rest;
        self.index = entry.next;
        Some(node)
    }
}

/// The list of the nodes of a parse of pest.
pub(crate) fn flatten(root: Pair<'_, Rule>) -> Vec<Entry> {
    let mut entries = Vec::new();
    // What is open: the index of a node and its children that are still to come. Depth is bounded
    // by the nesting that the parser allows, but a list is as simple as a recursion.
    let mut open = Vec::new();
    push(root, &mut entries, &mut open);
    while let Some((index, kids)) = open.last_mut() {
        match kids.next() {
            Some(kid) => push(kid, &mut entries, &mut open),
            None => {
                let end = entries.len() as u32;
                entries[*index].next = end;
                open.pop();
            }
        }
    }
    entries
}

fn push<'i>(
    pair: Pair<'i, Rule>,
    entries: &mut Vec<Entry>,
    open: &mut Vec<(usize, pest::iterators::Pairs<'i, Rule>)>,
) {
    let span = pair.as_span();
    // Sources are limited to `MAX_SOURCE_BYTES`, so the numbers fit.
    let (start, end) = (span.start() as u32, span.end() as u32);
    let entry = Entry { rule: pair.as_rule(), start, end, next: 0 };
    open.push((entries.len(), pair.into_inner()));
    entries.push(entry);
}
