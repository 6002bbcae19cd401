//! Resolution: references to outputs become the content-addressed paths that they turned out to be.

use std::collections::BTreeMap;

use cbuild_drv::{Derivation, DrvId, Input, OutputName, StorePath};

use crate::error::StepError;

/// Content-addressed paths of a derivation's outputs.
pub type Outputs = BTreeMap<OutputName, StorePath>;

/// An input whose content is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The derivation that makes it.
    pub(crate) drv: DrvId,
    /// The output.
    pub(crate) output: OutputName,
}

impl From<Unknown> for StepError {
    fn from(unknown: Unknown) -> Self {
        Self::NotInGraph { drv: unknown.drv }
    }
}

/// Replaces every input by its path; `known` answers for the outputs of other derivations.
pub(crate) fn resolve(
    derivation: &Derivation<Input>,
    mut known: impl FnMut(&DrvId, &OutputName) -> Option<StorePath>,
) -> Result<Derivation<StorePath>, Unknown> {
    derivation.try_map(&mut |input: &Input| match input {
        Input::Object(path) => Ok(path.clone()),
        Input::Output { drv, output } => {
            known(drv, output).ok_or_else(|| Unknown { drv: *drv, output: output.clone() })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cbuild_drv::{Action, Assemble, Digest, Layer, Name, System};

    use super::*;

    fn path(text: &str) -> StorePath {
        let name = Name::new(text).unwrap();
        StorePath::of_content(&name, &Digest::of(text.as_bytes()), false, &BTreeSet::new())
    }

    fn layered(source: Input) -> Derivation<Input> {
        Derivation {
            name: Name::new("tree").unwrap(),
            system: System::new("x86_64-linux").unwrap(),
            outputs: BTreeSet::from([OutputName::out()]),
            action: Action::Assemble(Assemble {
                layers: vec![Layer { source, from: String::new(), into: String::new() }],
                exclude: Vec::new(),
                links: BTreeMap::new(),
                files: BTreeMap::new(),
                directories: BTreeSet::new(),
            }),
        }
    }

    #[test]
    fn equal_content_of_different_makers_gives_one_action() {
        let maker = |text: &str| DrvId(Digest::of(text.as_bytes()));
        let from = |drv: DrvId| layered(Input::Output { drv, output: OutputName::out() });
        let (first, second) = (from(maker("a")), from(maker("b")));
        assert_ne!(first.id(), second.id());
        let key = |drv: &Derivation<Input>| {
            resolve(drv, |_, _| Some(path("lib"))).map(|resolved| resolved.action_key())
        };
        assert_eq!(key(&first), key(&second));
        let object = layered(Input::Object(path("lib")));
        assert_eq!(key(&first), key(&object));
    }

    #[test]
    fn an_unknown_input_is_named() {
        let drv = DrvId(Digest::of(b"x"));
        let node = layered(Input::Output { drv, output: OutputName::out() });
        let unknown = resolve(&node, |_, _| None).unwrap_err();
        assert_eq!(unknown, Unknown { drv, output: OutputName::out() });
    }
}
