//! What is known of a graph's derivations without building anything.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{ActionKey, Derivation, DrvId, StorePath};

use crate::error::{RunError, StepError};
use crate::resolve::{Outputs, resolve};
use crate::walk::walk;
use crate::{Builder, Target};

/// A derivation as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its resolved form and action key, when all that it needs is known.
    pub resolved: Option<(ActionKey, Derivation<StorePath>)>,
    /// Its outputs that are in the store.
    pub outputs: Outputs,
}

impl Builder<'_> {
    /// Looks at everything that the targets need, down to the bottom. Nothing is changed, and
    /// nothing is kept from collection.
    ///
    /// # Errors
    /// When the store cannot be read, or the graph lacks something.
    pub fn known(&self, targets: &[Target]) -> Result<BTreeMap<DrvId, Known>, RunError> {
        // Told that nothing is there, the walk goes over the whole graph, inputs first.
        let order = walk(self.graph, targets, |_| Ok(Outputs::new()))?.steps;
        let mut found: BTreeMap<DrvId, Known> = BTreeMap::new();
        for step in order {
            let node = self.graph.get(&step.drv).ok_or(StepError::NotInGraph { drv: step.drv })?;
            let resolved =
                resolve(node, |drv, output| found.get(drv)?.outputs.get(output).cloned());
            let resolved = resolved.ok().map(|resolved| (resolved.action_key(), resolved));
            let mut outputs =
                self.store.outputs_of(&step.drv).map_err(StepError::from)?.unwrap_or_default();
            if let Some((key, _)) = resolved.as_ref().filter(|_| outputs.is_empty()) {
                for name in &node.outputs {
                    let path = self.store.realisation(key, name).map_err(StepError::from)?;
                    outputs.extend(path.map(|path| (name.clone(), path)));
                }
            }
            found.insert(step.drv, Known { resolved, outputs });
        }
        Ok(found)
    }

    /// The programs that make a target: itself if it is one, or else the nearest ones that it is
    /// composed of.
    pub fn programs(&self, target: &Target) -> BTreeSet<DrvId> {
        let (mut open, mut seen, mut programs) =
            (vec![target.drv], BTreeSet::new(), BTreeSet::new());
        while let Some(drv) = open.pop() {
            let Some(node) = self.graph.get(&drv).filter(|_| seen.insert(drv)) else { continue };
            if matches!(node.action, cbuild_drv::Action::Exec(_)) {
                programs.insert(drv);
                continue;
            }
            open.extend(node.references().into_iter().filter_map(|input| match input {
                cbuild_drv::Input::Output { drv, .. } => Some(drv),
                cbuild_drv::Input::Object(_) => None,
            }));
        }
        programs
    }
}
