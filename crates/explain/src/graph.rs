//! Graphs of derivations for readers: as a tree of text, DOT, JSON and a page.

mod dot;
mod page;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{Action, Derivation, DrvId, Graph, Input};
use serde::Serialize;

pub use dot::to_dot;
pub use page::to_html;
pub use tree::to_text;

/// The part of a graph that targets need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct View {
    /// The derivations; what one needs stands before it.
    pub nodes: Vec<Node>,
    /// Positions of the targets.
    pub targets: Vec<usize>,
}

/// A derivation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its identity.
    pub drv: String,
    /// Its name.
    pub name: String,
    /// `build`, `fetch` or `assemble`.
    pub kind: &'static str,
    /// Sum of the sizes of its outputs in bytes, where they are known and in the store.
    pub bytes: Option<u64>,
    /// Positions of the derivations that it needs, ascending.
    pub needs: Vec<usize>,
    /// Objects of the store that it needs besides, such as sources.
    pub sources: Vec<String>,
}

/// Takes what the targets need out of a graph; `bytes` tells the size of a derivation's outputs.
///
/// # Errors
/// Those of `bytes`.
pub fn view<E>(
    graph: &Graph,
    targets: &[DrvId],
    mut bytes: impl FnMut(&DrvId) -> Result<Option<u64>, E>,
) -> Result<View, E> {
    let mut view = View::default();
    let mut places: BTreeMap<DrvId, usize> = BTreeMap::new();
    let mut open: Vec<(DrvId, bool)> = targets.iter().rev().map(|drv| (*drv, false)).collect();
    while let Some((drv, entered)) = open.pop() {
        let Some(derivation) = graph.get(&drv).filter(|_| !places.contains_key(&drv)) else {
            continue;
        };
        if !entered {
            open.push((drv, true));
            open.extend(makers(derivation).into_iter().rev().map(|drv| (drv, false)));
            continue;
        }
        let needs: BTreeSet<usize> =
            makers(derivation).iter().filter_map(|drv| places.get(drv).copied()).collect();
        places.insert(drv, view.nodes.len());
        view.nodes.push(Node {
            drv: drv.to_string(),
            name: derivation.name.to_string(),
            kind: kind(&derivation.action),
            bytes: bytes(&drv)?,
            needs: needs.into_iter().collect(),
            sources: sources(derivation),
        });
    }
    let found = targets.iter().filter_map(|drv| places.get(drv).copied());
    view.targets = found.collect::<BTreeSet<_>>().into_iter().collect();
    Ok(view)
}

fn makers(derivation: &Derivation<Input>) -> BTreeSet<DrvId> {
    let makers = derivation.references().into_iter().filter_map(|input| match input {
        Input::Output { drv, .. } => Some(drv),
        Input::Object(_) => None,
    });
    makers.collect()
}

fn sources(derivation: &Derivation<Input>) -> Vec<String> {
    let sources = derivation.references().into_iter().filter_map(|input| match input {
        Input::Object(path) => Some(path.to_string()),
        Input::Output { .. } => None,
    });
    sources.collect()
}

fn kind<R>(action: &Action<R>) -> &'static str {
    match action {
        Action::Exec(_) => "build",
        Action::Fetch(_) => "fetch",
        Action::Assemble(_) => "assemble",
    }
}

/// A size for readers, in powers of 1024.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut unit, mut tenths) = (bytes, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    if unit == 0 { format!("{whole} B") } else { format!("{whole}.{tenths} {}", UNITS[unit]) }
}

#[cfg(test)]
pub(crate) mod tests {
    use cbuild_drv::{Assemble, Layer, Name, OutputName, System};

    use super::*;

    fn add(graph: &mut Graph, name: &str, inputs: &[DrvId]) -> DrvId {
        let layer = |drv: &DrvId| Layer {
            source: Input::Output { drv: *drv, output: OutputName::out() },
            from: String::new(),
            into: String::new(),
        };
        graph.add(Derivation {
            name: Name::new(name).unwrap(),
            system: System::new("any").unwrap(),
            outputs: BTreeSet::from([OutputName::out()]),
            action: Action::Assemble(Assemble {
                layers: inputs.iter().map(layer).collect(),
                exclude: Vec::new(),
                links: BTreeMap::new(),
                files: BTreeMap::new(),
                directories: BTreeSet::new(),
            }),
        })
    }

    /// `top` needs `left` and `right`, which both need `base`; `other` is needed by nothing.
    pub(crate) fn diamond() -> View {
        let mut graph = Graph::default();
        let base = add(&mut graph, "base", &[]);
        add(&mut graph, "other", &[]);
        let (left, right) = (add(&mut graph, "left", &[base]), add(&mut graph, "right", &[base]));
        let top = add(&mut graph, "top", &[left, right]);
        let size = |drv: &DrvId| Ok::<_, std::convert::Infallible>((*drv == base).then_some(2048));
        match view(&graph, &[top], size) {
            Ok(view) => view,
        }
    }

    #[test]
    fn a_view_has_what_is_needed_in_order() {
        let view = diamond();
        assert_eq!(view.nodes.len(), 4);
        assert_eq!((view.nodes[0].name.as_str(), view.nodes[0].bytes), ("base", Some(2048)));
        assert_eq!((view.nodes[3].name.as_str(), &view.targets[..]), ("top", &[3][..]));
        assert_eq!(view.nodes[3].needs, [1, 2]);
        assert_eq!((human(1023), human(1536)), ("1023 B".to_owned(), "1.5 KiB".to_owned()));
    }
}
