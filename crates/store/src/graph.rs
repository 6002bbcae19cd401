//! The objects of the index and what refers to what, in memory and by position: what a collection
//! decides on. A store of 500,000 objects takes about 100 MB here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use cbuild_drv::StorePath;

/// All objects at one moment.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The objects, ascending by path.
    nodes: Vec<Node>,
    /// For each object where its references begin in `edges`, and the end of the last ones.
    starts: Vec<usize>,
    /// Positions of what is referred to.
    edges: Vec<usize>,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its row in the index.
    pub(crate) id: i64,
    /// The object.
    pub(crate) path: StorePath,
    /// Length of its files, in bytes.
    pub(crate) size: u64,
    /// When it was registered, in seconds since 1970.
    pub(crate) registered: i64,
}

impl Graph {
    /// Puts objects and the pairs (referrer, reference) of their rows together.
    pub(crate) fn new(mut nodes: Vec<Node>, rows: &[(i64, i64)]) -> Self {
        nodes.sort_by(|a, b| a.path.cmp(&b.path));
        let at: HashMap<i64, usize> =
            nodes.iter().enumerate().map(|(position, node)| (node.id, position)).collect();
        let known = |(from, to): &(i64, i64)| Some((*at.get(from)?, *at.get(to)?));
        let mut pairs: Vec<(usize, usize)> = rows.iter().filter_map(known).collect();
        pairs.sort_unstable();
        let mut starts = Vec::with_capacity(nodes.len() + 1);
        let mut next = 0;
        for position in 0..=nodes.len() {
            while pairs.get(next).is_some_and(|(from, _)| *from < position) {
                next += 1;
            }
            starts.push(next);
        }
        let edges = pairs.into_iter().map(|(_, to)| to).collect();
        Self { nodes, starts, edges }
    }

    /// The objects, ascending by path.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Position of an object.
    pub(crate) fn find(&self, path: &StorePath) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.path.cmp(path)).ok()
    }

    fn references(&self, position: usize) -> &[usize] {
        &self.edges[self.starts[position]..self.starts[position + 1]]
    }

    /// Marks an object and all that it refers to.
    pub(crate) fn mark(&self, start: usize, marks: &mut [bool]) {
        let mut waiting = vec![start];
        while let Some(position) = waiting.pop() {
            if !std::mem::replace(&mut marks[position], true) {
                let unmarked = |to: &&usize| !marks[**to];
                waiting.extend(self.references(position).iter().filter(unmarked));
            }
        }
    }

    /// Positions of the unmarked objects, each before those that it refers to; among those that
    /// could be next, the one that was registered first.
    pub(crate) fn referrers_first(&self, marks: &[bool]) -> Vec<usize> {
        let dead = || (0..self.nodes.len()).filter(|position| !marks[*position]);
        let mut referrers = vec![0usize; self.nodes.len()];
        for position in dead() {
            // What a dead object refers to may be alive; then its count does not matter.
            self.references(position).iter().for_each(|to| referrers[*to] += 1);
        }
        let key = |position: usize| Reverse((self.nodes[position].registered, position));
        let mut ready: BinaryHeap<Reverse<(i64, usize)>> =
            dead().filter(|position| referrers[*position] == 0).map(key).collect();
        let mut ordered = Vec::new();
        while let Some(Reverse((_, position))) = ready.pop() {
            ordered.push(position);
            for to in self.references(position) {
                referrers[*to] -= 1;
                if referrers[*to] == 0 && !marks[*to] {
                    ready.push(key(*to));
                }
            }
        }
        ordered
    }

    /// Sum of the sizes of all objects, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.nodes.iter().map(|node| node.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cbuild_drv::{Digest, Name};
    use proptest::prelude::*;

    use super::*;

    fn node(number: usize) -> Node {
        let tree = Digest::of(&number.to_le_bytes());
        let name = Name::new("object").unwrap();
        let path = StorePath::of_content(&name, &tree, false, &BTreeSet::new());
        Node { id: number as i64 * 3, path, size: number as u64, registered: number as i64 }
    }

    /// References go to smaller numbers alone, as those of objects do.
    fn edges() -> impl Strategy<Value = Vec<(usize, usize)>> {
        proptest::collection::vec((1usize..30, any::<prop::sample::Index>()), 0..80).prop_map(
            |pairs| {
                let pairs: BTreeSet<_> =
                    pairs.into_iter().map(|(from, to)| (from, to.index(from))).collect();
                pairs.into_iter().collect()
            },
        )
    }

    /// All that is reached, the slow way.
    fn closure(edges: &[(usize, usize)], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reached = starts.clone();
        loop {
            let more: BTreeSet<usize> = edges
                .iter()
                .filter(|(from, _)| reached.contains(from))
                .map(|(_, to)| *to)
                .collect();
            if more.is_subset(&reached) {
                return reached;
            }
            reached.extend(more);
        }
    }

    proptest! {
        #[test]
        fn marks_the_closure_and_orders_the_rest(
            edges in edges(), starts in proptest::collection::btree_set(0usize..30, 0..6)
        ) {
            let rows: Vec<_> = edges.iter().map(|(a, b)| (*a as i64 * 3, *b as i64 * 3)).collect();
            let graph = Graph::new((0..30).map(node).collect(), &rows);
            let number = |position: usize| graph.nodes()[position].size as usize;
            let mut marks = vec![false; 30];
            let positions = starts.iter().filter_map(|start| graph.find(&node(*start).path));
            positions.for_each(|at| graph.mark(at, &mut marks));
            let marked = (0..30).filter(|position| marks[*position]).map(number).collect();
            let expected: BTreeSet<usize> = closure(&edges, &starts);
            prop_assert_eq!(&expected, &marked);
            let ordered: Vec<usize> =
                graph.referrers_first(&marks).into_iter().map(number).collect();
            prop_assert_eq!(ordered.len(), 30 - expected.len());
            let place = |n: usize| ordered.iter().position(|other| *other == n);
            for (from, to) in &edges {
                if let (Some(from), Some(to)) = (place(*from), place(*to)) {
                    prop_assert!(from < to);
                }
            }
        }
    }

    #[test]
    fn the_oldest_go_first() {
        let graph = Graph::new((0..5).map(node).collect(), &[(0, 12)]);
        let ordered = graph.referrers_first(&[false; 5]);
        let numbers: Vec<u64> = ordered.iter().map(|at| graph.nodes()[*at].size).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        let graph = Graph::new((0..5).map(node).collect(), &[(12, 0)]);
        let ordered = graph.referrers_first(&[false; 5]);
        let numbers: Vec<u64> = ordered.iter().map(|at| graph.nodes()[*at].size).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 0]);
    }
}
