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
