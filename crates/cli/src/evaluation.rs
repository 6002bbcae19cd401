//! From target names to derivations: load, check, evaluate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cbuild_build::Target;
use cbuild_diag::{Diagnostic, Severity, Sources};
use cbuild_drv::{Graph, StorePath};
use cbuild_eval::{Evaluator, Limits, MemoryLimit, Value};
use cbuild_sema::ir::Export;
use cbuild_sema::{Bodies, Checked, Memory, ModuleKey, check_with};
use cbuild_store::Store;

use crate::failure::{Exit, Failure, Problem, report_diagnostic};
use crate::outside::{FileLoader, LazyStore, StoreWorld};
use crate::recall::{Outcome, Purpose, Recall};
use crate::session::Session;
use crate::target::{self, Entry, TargetName};

/// Kind of the cached results of checks.
const CHECKED: &str = "check";

/// A target that can be built.
#[derive(Clone, Debug)]
pub(crate) struct Buildable {
    /// As the user wrote it.
    pub(crate) text: String,
    /// What to build.
    pub(crate) target: Target,
    /// Whether the output is an image document.
    pub(crate) image: bool,
}

/// What an evaluation gave.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// All derivations.
    pub(crate) graph: Graph,
    /// The targets in the order in which they were given.
    pub(crate) targets: Vec<Buildable>,
    /// Files that were decoded, by the names that are shown, with their texts.
    pub(crate) decoded: Vec<(String, String)>,
}

impl Evaluated {
    /// The top folder of the package that all targets belong to; `None` for several, and for the standard
    /// library.
    pub(crate) fn origin(&self) -> Option<PathBuf> {
        let folders: Option<BTreeSet<PathBuf>> = self
            .targets
            .iter()
            .map(|found| target::parse(&found.text).ok().map(|name| name.entry.package_root))
            .collect();
        let folders = folders.filter(|folders| folders.len() == 1)?;
        folders.into_iter().next().filter(|folder| !folder.as_os_str().is_empty())
    }
}

/// Loads and checks a module; warnings are reported, errors end the command.
pub(crate) fn check(session: &Session, entry: &Entry) -> Result<(Checked, Sources), Failure> {
    let (checked, sources, _) = check_telling(session, entry)?;
    Ok((checked, sources))
}

/// As [`check`]; also tells whether there was nothing to report.
pub(crate) fn check_telling(
    session: &Session,
    entry: &Entry,
) -> Result<(Checked, Sources, bool), Failure> {
    let mut sources = Sources::default();
    let mut loader = FileLoader::new(session.places(&entry.package_root)?);
    let checked = cbuild_sema::check(&mut sources, &mut loader, &entry.module);
    let silent = checked.diagnostics.is_empty();
    let (checked, sources) = accept(session, checked, sources)?;
    Ok((checked, sources, silent))
}

/// Checks modules of one package, and what they reach, as far as it is not known from earlier checks
/// that there is nothing wrong with them.
pub(crate) fn check_changed(
    session: &Session,
    package_root: &Path,
    modules: &[ModuleKey],
) -> Result<(Checked, Sources), Failure> {
    let (cache, key) = (session.cache(), package_root.as_os_str().as_encoded_bytes());
    let known = cache.as_ref().and_then(|cache| cache.get(CHECKED, key));
    let mut memory = known.and_then(|bytes| Memory::from_bytes(&bytes)).unwrap_or_default();
    let mut sources = Sources::default();
    let mut loader = FileLoader::new(session.places(package_root)?);
    let checked = check_with(&mut sources, &mut loader, &mut memory, modules, Bodies::Changed);
    if let Some((cache, bytes)) = cache.zip(memory.to_bytes()) {
        cache.put(CHECKED, key, &bytes);
    }
    Ok((checked, sources))
}

/// Reports warnings; turns errors into the command's failure.
pub(crate) fn accept(
    session: &Session,
    mut checked: Checked,
    sources: Sources,
) -> Result<(Checked, Sources), Failure> {
    let diagnostics = std::mem::take(&mut checked.diagnostics);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::Source { diagnostics, sources: Box::new(sources) });
    }
    for warning in &diagnostics {
        report_diagnostic(warning, &sources, session.manner());
    }
    Ok((checked, sources))
}

/// Limits of an evaluation that the user can stop.
pub(crate) fn limits(session: &Session) -> Limits {
    let given = session.options.max_eval_memory;
    let memory = given
        .or_else(crate::statistics::default_limit)
        .map(|bytes| MemoryLimit { bytes, used: crate::statistics::used_memory });
    Limits { memory, cancel: Some(Arc::clone(&session.cancel)), ..Limits::default() }
}

/// The outputs of targets that are in the store already, when nothing has changed since an earlier
/// evaluation. They are kept from collection while the store is open. `None` when something must be
/// evaluated or built.
pub(crate) fn built_before(
    session: &Session,
    store: &Store,
    targets: &[String],
) -> Result<Option<Vec<(Buildable, StorePath)>>, Failure> {
    let Some(recall) = Recall::new(session, Purpose::Build) else { return Ok(None) };
    let lazy = LazyStore::of(session, store);
    let mut found = Vec::with_capacity(targets.len());
    for text in targets {
        let name = target::parse(text)?;
        let known = recall.find(&lazy, &name).and_then(|known| known.buildable(text));
        let Some(known) = known else { return Ok(None) };
        let outputs = store.outputs_of(&known.target.drv)?.unwrap_or_default();
        let Some(path) = outputs.get(&known.target.output) else { return Ok(None) };
        if !store.protect(std::slice::from_ref(path))?.is_empty() {
            return Ok(None);
        }
        found.push((known, path.clone()));
    }
    Ok(Some(found))
}

/// Evaluates targets to derivations. Sources that they name are added to the store.
pub(crate) fn evaluate(
    session: &Session,
    store: &Store,
    targets: &[String],
) -> Result<Evaluated, Failure> {
    let mut evaluated = Evaluated::default();
    let store = LazyStore::of(session, store);
    let recall = Recall::new(session, Purpose::Build);
    for text in targets {
        let name = target::parse(text)?;
        let (checked, sources, silent) = check_telling(session, &name.entry)?;
        let mut world =
            StoreWorld::new(&store, session.places(&name.entry.package_root)?, &checked.keys);
        let mut evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
        let value = match value_of(&mut evaluator, &checked, &name)? {
            Ok(value) => value,
            Err(diagnostic) => return Err(located(diagnostic, with_decoded(sources, &evaluator))),
        };
        let Some(found) = evaluator.buildable(&value) else {
            return Err(not_buildable(&name, &value));
        };
        let target = Target { drv: found.drv, output: found.output };
        let decoded = evaluator.decoded().iter();
        evaluated.decoded.extend(decoded.map(|file| (file.name.clone(), file.text.clone())));
        evaluated.graph.extend(evaluator.into_graph());
        if let Some(recall) = recall.as_ref().filter(|_| silent) {
            let outcome = Outcome::new(&target, found.image, None);
            recall.keep(&name, (&checked, &sources), &world.into_reads(), outcome);
        }
        evaluated.targets.push(Buildable { text: text.clone(), target, image: found.image });
    }
    Ok(evaluated)
}

/// An evaluation error with the texts it points into.
pub(crate) fn located(diagnostic: Diagnostic, sources: Sources) -> Failure {
    Failure::Source { diagnostics: vec![diagnostic], sources: Box::new(sources) }
}

/// The sources of a program and the files that its evaluation has decoded.
pub(crate) fn with_decoded(mut sources: Sources, evaluator: &Evaluator<'_>) -> Sources {
    for file in evaluator.decoded() {
        sources.put(file.id, file.name.clone(), file.text.clone());
    }
    sources
}

/// The value of a target's name. The outer error is about the name, the inner one about the evaluation.
pub(crate) fn value_of(
    evaluator: &mut Evaluator<'_>,
    checked: &Checked,
    name: &TargetName,
) -> Result<Result<Value, Diagnostic>, Failure> {
    let mut module = checked.entry;
    for (position, part) in name.name.iter().enumerate() {
        let exports = &checked.program.modules[module.0 as usize].exports;
        match exports.get(part) {
            Some(Export::Module(inner)) => module = *inner,
            Some(Export::Value { global, .. }) => {
                let value = evaluator.global(*global);
                let fields = &name.name[position + 1..];
                return Ok(value.and_then(|value| {
                    fields.iter().try_fold(value, |value, field| evaluator.field(&value, field))
                }));
            }
            None => {
                let known: Vec<&str> = exports.keys().map(String::as_str).collect();
                return Err(no_such_name(name, part, &known));
            }
        }
    }
    Err(Problem::new(Exit::Input, "E1015", format!("`{}` is a module, not a value", name.text))
        .help("add the name of something in it, dotted")
        .into())
}

fn no_such_name(target: &TargetName, part: &str, known: &[&str]) -> Failure {
    let message = format!("`{}` has no public name `{part}`", target.text);
    let help = cbuild_sema::did_you_mean(part, known.iter().copied()).unwrap_or_else(|| {
        if known.is_empty() {
            "declare it with `pub let`".to_owned()
        } else {
            format!("public names are {}", known.join(", "))
        }
    });
    Problem::new(Exit::Input, "E1014", message).help(help).into()
}

fn not_buildable(name: &TargetName, value: &Value) -> Failure {
    let message = format!("`{}` is {}, which cannot be built", name.text, value.kind());
    Problem::new(Exit::Input, "E1016", message)
        .help("build a Package or an Image; `cbuild eval` prints other values")
        .into()
}
