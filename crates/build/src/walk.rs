//! Which derivations of a graph have to be looked at for some targets.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{Derivation, DrvId, Graph, Input, OutputName};

use crate::Target;
use crate::error::StepError;
use crate::resolve::Outputs;

/// A derivation whose wanted outputs are not all known and present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The derivation.
    pub(crate) drv: DrvId,
    /// The outputs that a target or another step needs.
    pub(crate) wanted: BTreeSet<OutputName>,
    /// Indices of the steps that have to be done before; each is smaller than this step's own.
    pub(crate) needs: BTreeSet<usize>,
}

/// Result of [`walk`].
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// What is to do; what a step needs stands before it.
    pub(crate) steps: Vec<Step>,
    /// Outputs that are known and present, of the derivations that were met.
    pub(crate) known: BTreeMap<DrvId, Outputs>,
}

/// Walks from the targets down to what is known. `present` gives the outputs of a derivation that
/// an earlier run recorded and that are in the store still; what lies below an answer is not
/// looked at.
pub(crate) fn walk(
    graph: &Graph,
    targets: &[Target],
    mut present: impl FnMut(&DrvId) -> Result<Outputs, StepError>,
) -> Result<Walk, StepError> {
    let mut walk = Walk::default();
    let mut places = BTreeMap::new();
    let mut open = Vec::new();
    for target in targets {
        open.push(Visit::Look(target.drv, target.output.clone()));
    }
    open.reverse();
    let mut wanted: BTreeMap<DrvId, BTreeSet<OutputName>> = BTreeMap::new();
    while let Some(visit) = open.pop() {
        match visit {
            Visit::Look(drv, output) => {
                let derivation = output_of(graph, &drv, &output)?;
                if let std::collections::btree_map::Entry::Vacant(entry) = walk.known.entry(drv) {
                    entry.insert(present(&drv)?);
                }
                if walk.known.get(&drv).is_some_and(|outputs| outputs.contains_key(&output)) {
                    continue;
                }
                let first = !wanted.contains_key(&drv);
                wanted.entry(drv).or_default().insert(output);
                if first {
                    open.push(Visit::Leave(drv));
                    open.extend(outputs_needed(derivation).map(|(d, o)| Visit::Look(d, o)));
                }
            }
            Visit::Leave(drv) => {
                let derivation = graph.get(&drv).ok_or(StepError::NotInGraph { drv })?;
                let needs = outputs_needed(derivation)
                    .filter_map(|(input, _)| places.get(&input).copied())
                    .collect();
                places.insert(drv, walk.steps.len());
                walk.steps.push(Step { drv, wanted: BTreeSet::new(), needs });
            }
        }
    }
    for step in &mut walk.steps {
        step.wanted = wanted.remove(&step.drv).unwrap_or_default();
    }
    Ok(walk)
}

enum Visit {
    Look(DrvId, OutputName),
    Leave(DrvId),
}

fn outputs_needed(derivation: &Derivation<Input>) -> impl Iterator<Item = (DrvId, OutputName)> {
    derivation.references().into_iter().filter_map(|input| match input {
        Input::Output { drv, output } => Some((drv, output)),
        Input::Object(_) => None,
    })
}

fn output_of<'a>(
    graph: &'a Graph,
    drv: &DrvId,
    output: &OutputName,
) -> Result<&'a Derivation<Input>, StepError> {
    let derivation = graph.get(drv).ok_or(StepError::NotInGraph { drv: *drv })?;
    if derivation.outputs.contains(output) {
        return Ok(derivation);
    }
    Err(StepError::NoSuchOutput {
        name: derivation.name.clone(),
        output: output.clone(),
        present: derivation.outputs.iter().map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use cbuild_drv::{Action, Assemble, Digest, Layer, Name, StorePath, System};

    use super::*;

    /// A node that has a layer of each of the given inputs.
    fn add(graph: &mut Graph, name: &str, inputs: &[DrvId]) -> DrvId {
        let layer = |drv: &DrvId| Layer {
            source: Input::Output { drv: *drv, output: OutputName::out() },
            from: String::new(),
            into: String::new(),
        };
        graph.add(Derivation {
            name: Name::new(name).unwrap(),
            system: System::new("x86_64-linux").unwrap(),
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

    fn output(name: &str) -> Outputs {
        let digest = Digest::of(name.as_bytes());
        let path =
            StorePath::of_content(&Name::new(name).unwrap(), &digest, false, &BTreeSet::new());
        Outputs::from([(OutputName::out(), path)])
    }

    fn names(graph: &Graph, walk: &Walk) -> Vec<String> {
        walk.steps.iter().map(|step| graph.get(&step.drv).unwrap().name.to_string()).collect()
    }

    #[test]
    fn what_is_needed_stands_before_and_only_once() {
        let mut graph = Graph::default();
        let base = add(&mut graph, "base", &[]);
        let (left, right) = (add(&mut graph, "left", &[base]), add(&mut graph, "right", &[base]));
        let top = add(&mut graph, "top", &[left, right]);
        let targets = [Target::out(top), Target::out(base)];
        let walk = walk(&graph, &targets, |_| Ok(Outputs::new())).unwrap();
        let names = names(&graph, &walk);
        assert_eq!((names.len(), names[0].as_str(), names[3].as_str()), (4, "base", "top"));
        for (index, step) in walk.steps.iter().enumerate() {
            assert!(step.needs.iter().all(|&need| need < index));
            assert!(step.wanted.contains(&OutputName::out()));
        }
        assert_eq!(walk.steps[3].needs, BTreeSet::from([1, 2]));
    }

    #[test]
    fn nothing_is_looked_at_below_what_is_present() {
        let mut graph = Graph::default();
        let below = add(&mut graph, "below", &[]);
        let middle = add(&mut graph, "middle", &[below]);
        let top = add(&mut graph, "top", &[middle]);
        let mut asked = Vec::new();
        let walk = walk(&graph, &[Target::out(top)], |drv| {
            asked.push(*drv);
            Ok(if *drv == middle { output("middle") } else { Outputs::new() })
        })
        .unwrap();
        assert_eq!(names(&graph, &walk), ["top"]);
        assert_eq!(asked, [top, middle]);
        assert_eq!(walk.known[&middle], output("middle"));
    }

    #[test]
    fn a_graph_that_is_not_closed_is_refused() {
        let mut graph = Graph::default();
        let absent = DrvId(Digest::of(b"absent"));
        let top = add(&mut graph, "top", &[absent]);
        let error = walk(&graph, &[Target::out(top)], |_| Ok(Outputs::new())).unwrap_err();
        assert_eq!(error.code(), "E0520");
        let output = OutputName::new("dev").unwrap();
        let error =
            walk(&graph, &[Target { drv: top, output }], |_| Ok(Outputs::new())).unwrap_err();
        assert_eq!(error.code(), "E0521");
        assert!(error.help().unwrap().contains("`out`"));
    }

    #[test]
    fn a_deep_graph_needs_no_deep_stack() {
        let mut graph = Graph::default();
        let mut last = add(&mut graph, "n", &[]);
        for number in 0..20_000 {
            last = add(&mut graph, &format!("n{number}"), &[last]);
        }
        let walk = walk(&graph, &[Target::out(last)], |_| Ok(Outputs::new())).unwrap();
        assert_eq!(walk.steps.len(), 20_001);
    }
}
