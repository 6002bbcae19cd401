//! The derivation graph that an evaluation produces.

use std::collections::BTreeMap;

use crate::derivation::{Derivation, DrvId, Input};

/// A set of derivations, closed under inputs: what a node refers to was added before it,
/// so the graph has no cycle by construction.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Boxed, since the tree keeps spare room for values.
    nodes: BTreeMap<DrvId, Box<Derivation<Input>>>,
}

impl Graph {
    /// Adds a derivation and returns its identity; adding an equal one again changes nothing.
    ///
    /// A fetch that differs only in its addresses has the same identity; the addresses are united.
    pub fn add(&mut self, derivation: Derivation<Input>) -> DrvId {
        use crate::derivation::Action;
        let id = derivation.id();
        match self.nodes.get_mut(&id).map(|known| &mut known.action) {
            None => {
                self.nodes.insert(id, Box::new(derivation));
            }
            Some(Action::Fetch(known)) => {
                if let Action::Fetch(fetch) = derivation.action {
                    for url in fetch.urls {
                        if !known.urls.contains(&url) {
                            known.urls.push(url);
                        }
                    }
                }
            }
            Some(_) => {}
        }
        id
    }

    /// Takes over all derivations of another graph.
    pub fn extend(&mut self, other: Self) {
        other.nodes.into_values().for_each(|derivation| {
            self.add(*derivation);
        });
    }

    /// The derivation of an identity.
    pub fn get(&self, id: &DrvId) -> Option<&Derivation<Input>> {
        self.nodes.get(id).map(|derivation| &**derivation)
    }

    /// All derivations, ordered by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&DrvId, &Derivation<Input>)> {
        self.nodes.iter().map(|(id, derivation)| (id, &**derivation))
    }

    /// Number of derivations.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
