//! Which modules need not be looked into again, and how little of a file is read then.
//!
//! What is wrong with the bodies of a module follows from its own text, from its name (which says
//! whether it may use what only the standard library may), and from what the modules declare that it
//! reaches by its imports, the prelude among them. A digest of all that is the module's
//! circumstances. Bodies of other modules have no part in it, since what others see of a module says
//! its type.

use std::collections::BTreeSet;
use std::rc::Rc;

use cbuild_diag::{SourceId, Sources};
use cbuild_syntax::{Outline, ast};

use crate::Checked;
use crate::driver::Depth;
use crate::memory::Memory;
use crate::modules::{Graph, ModIdx, ModuleKey};
use crate::record::{Digest, Record};

/// The imports of a file, if the memory has its outline.
pub(crate) fn imports(
    memory: &mut Memory,
    key: &ModuleKey,
    source: SourceId,
    text: &str,
) -> Option<ast::File> {
    let digest = blake3::hash(text.as_bytes()).into();
    let outline = memory.outline(key, &digest)?;
    cbuild_syntax::parse_imports(source, text, outline)
}

/// Puts the outline of a file into the memory, if there is nothing wrong with its syntax.
pub(crate) fn outline(memory: &mut Memory, key: &ModuleKey, text: &str, file: Option<&ast::File>) {
    let record = file.map(|file| {
        let outline = Outline::of(file);
        let mut declarations = blake3::Hasher::new();
        for piece in outline.declarations(file, text) {
            field(&mut declarations, piece.as_bytes());
        }
        let text = blake3::hash(text.as_bytes()).into();
        Record { text, declarations: declarations.finalize().into(), outline, sound: None }
    });
    memory.keep(key, record);
}

fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

/// Reads as much of each file as its depth needs.
pub(crate) fn complete(
    graph: &mut Graph,
    depths: &[Depth],
    sources: &Sources,
    memory: &mut Memory,
) {
    for (module, depth) in graph.modules.iter_mut().zip(depths) {
        if !module.imports_only || *depth == Depth::Loaded {
            continue;
        }
        let text = sources.text(module.source);
        let declared = memory.record(&module.key).filter(|_| *depth == Depth::Declared);
        let declared = declared.and_then(|record| {
            cbuild_syntax::parse_declarations(module.source, text, &record.outline)
        });
        module.imports_only = false;
        module.file = match declared {
            Some(file) => Rc::new(file),
            None => {
                let (file, problems) = memory.parse(&module.key, module.source, text);
                graph.diagnostics.extend(problems);
                file
            }
        };
    }
}

/// What the memory says of the modules of a graph.
pub(crate) struct Unchanged {
    modules: Vec<(ModuleKey, SourceId)>,
    /// Circumstances of each module; `None` if something is wrong with it for certain.
    circumstances: Vec<Option<Digest>>,
    changed: Vec<bool>,
}

impl Unchanged {
    pub(crate) fn new(graph: &Graph, memory: &Memory, prelude: Option<ModIdx>) -> Self {
        let count = graph.modules.len();
        let mut reached: Vec<Option<Digest>> = Vec::with_capacity(count);
        let mut circumstances = Vec::with_capacity(count);
        let mut changed = Vec::with_capacity(count);
        for (index, module) in graph.modules.iter().enumerate() {
            // What the prelude itself imports comes before it, and does not depend on it.
            let prelude = prelude.filter(|prelude| *prelude < index).map(Some);
            let targets = module.imports.iter().copied().chain(prelude);
            let below = targets
                .map(|target| reached.get(target?).copied().flatten())
                .collect::<Option<Vec<Digest>>>();
            let known = memory.record(&module.key).zip(below);
            let own = known.map(|(record, below)| {
                let digest = |kind: &str, own: &Digest| {
                    let mut hasher = blake3::Hasher::new();
                    field(&mut hasher, kind.as_bytes());
                    field(&mut hasher, format!("{:?}", module.key).as_bytes());
                    hasher.update(own);
                    below.iter().for_each(|digest| {
                        hasher.update(digest);
                    });
                    Digest::from(hasher.finalize())
                };
                (record, digest("bodies", &record.text), digest("names", &record.declarations))
            });
            changed.push(own.is_none_or(|(record, bodies, _)| record.sound != Some(bodies)));
            circumstances.push(own.map(|(_, bodies, _)| bodies));
            reached.push(own.map(|(.., names)| names));
        }
        let modules = graph.modules.iter().map(|m| (m.key.clone(), m.source)).collect();
        Self { modules, circumstances, changed }
    }

    /// The modules that must be looked into.
    pub(crate) fn changed(&self) -> &[bool] {
        &self.changed
    }

    /// Puts what a check found into the memory.
    pub(crate) fn remember(&self, memory: &mut Memory, checked: &Checked) {
        let diagnostics = &checked.diagnostics;
        let unplaced = diagnostics.iter().any(|diagnostic| diagnostic.labels.is_empty());
        let labels: BTreeSet<SourceId> =
            diagnostics.iter().flat_map(|d| &d.labels).map(|label| label.source).collect();
        for (index, (key, source)) in self.modules.iter().enumerate() {
            let Some(record) = memory.record(key).filter(|_| self.changed[index]) else { continue };
            let faulty = unplaced || labels.contains(source);
            let sound = self.circumstances[index].filter(|_| !faulty);
            let record = Record { sound, ..record.clone() };
            memory.keep(key, Some(record));
        }
    }
}
