//! `cbuild eval`.

use std::mem::ManuallyDrop;

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Value};
use cbuild_sema::Checked;

use crate::evaluation::{accept, check_telling, limits, located, value_of, with_decoded};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::outside::{FileLoader, LazyStore, StoreWorld};
use crate::recall::{Outcome, Purpose, Recall};
use crate::session::Session;
use crate::statistics::Phases;
use crate::target::{self, Entry, TargetName};

/// The phase up to a checked program.
const LOAD_AND_CHECK: &str = "load and check";

/// Prints the value of a target, or of an expression in the scope of a target's file.
pub(crate) fn eval(
    session: &Session,
    target: Option<&str>,
    expression: Option<&str>,
    stats: bool,
) -> Result<(), Failure> {
    let mut phases = Phases::start();
    match (target, expression) {
        (scope, Some(text)) => expression_value(session, scope, text, stats),
        (Some(target), None) => {
            let name = target::parse(target)?;
            let purpose = Purpose::Print { json: session.options.json };
            // Statistics are those of an evaluation.
            let recall = Recall::new(session, purpose).filter(|_| !stats);
            let known = recall.as_ref().and_then(|r| r.find(&LazyStore::new(session), &name));
            if let Some(text) = known.and_then(|known| known.shown) {
                return output::line(&text);
            }
            let (checked, sources, silent) = check_telling(session, &name.entry)?;
            phases.end(LOAD_AND_CHECK);
            let keep = recall.filter(|_| silent).map(|recall| (recall, &name));
            let shown = Shown { entry: &name.entry, checked, sources, phases, stats, keep };
            print(session, shown, |evaluator, checked| value_of(evaluator, checked, &name))
        }
        (None, None) => Err(Problem::new(Exit::Input, "E1022", "nothing to evaluate")
            .help("give a target, or an expression with `-e`")
            .into()),
    }
}

fn expression_value(
    session: &Session,
    scope: Option<&str>,
    text: &str,
    stats: bool,
) -> Result<(), Failure> {
    let mut phases = Phases::start();
    let entry = scope.map(|target| target::parse(target).map(|name| name.entry)).transpose()?;
    let here = match &entry {
        Some(entry) => entry.package_root.clone(),
        None => target::working_folder()?,
    };
    let mut sources = Sources::default();
    let mut loader = FileLoader::new(session.places(&here)?);
    let module = entry.as_ref().map(|entry| &entry.module);
    let found = cbuild_sema::check_expr(&mut sources, &mut loader, module, text);
    let (checked, sources) = accept(session, found.checked, sources)?;
    let entry = entry.unwrap_or(Entry {
        package_root: here,
        module: cbuild_sema::ModuleKey::root("main.cbuild"),
    });
    phases.end(LOAD_AND_CHECK);
    let shown = Shown { entry: &entry, checked, sources, phases, stats, keep: None };
    print(session, shown, |evaluator, _| Ok(evaluator.global(found.value)))
}

type Found = Result<Result<Value, cbuild_diag::Diagnostic>, Failure>;

/// What is to be shown, and how long it took so far.
struct Shown<'e> {
    entry: &'e Entry,
    checked: Checked,
    sources: Sources,
    phases: Phases,
    /// Whether to tell times, counts and memory.
    stats: bool,
    /// Where the text is to be kept if the value is something to build, and under which name. Other values
    /// may be printed for the time that they take.
    keep: Option<(Recall<'e>, &'e TargetName)>,
}

fn print(
    session: &Session,
    shown: Shown<'_>,
    find: impl FnOnce(&mut Evaluator<'_>, &Checked) -> Found,
) -> Result<(), Failure> {
    let Shown { entry, checked, sources, mut phases, stats, keep } = shown;
    // The process ends after this; to free each value and each part of the program takes long.
    let checked = ManuallyDrop::new(checked);
    let store = LazyStore::new(session);
    let mut world = StoreWorld::new(&store, session.places(&entry.package_root)?, &checked.keys);
    let evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
    let mut evaluator = ManuallyDrop::new(evaluator);
    let value = find(&mut evaluator, &checked)?.map(ManuallyDrop::new);
    phases.end("evaluate");
    let target = value.as_ref().ok().and_then(|value| evaluator.buildable(value));
    let text = value.and_then(|value| {
        if session.options.json {
            evaluator.to_json(&value).map(|value| value.to_string())
        } else {
            evaluator.show(&value)
        }
    });
    phases.end("evaluate the parts, and print");
    if stats {
        phases.report(&evaluator.stats(), session.options.json);
    }
    if let Some(failure) = store.failure() {
        return Err(failure);
    }
    let text =
        text.map_err(|diagnostic| located(diagnostic, with_decoded(sources.clone(), &evaluator)))?;
    output::line(&text)?;
    if let Some(((recall, name), found)) = keep.zip(target) {
        let target = cbuild_build::Target { drv: found.drv, output: found.output };
        let outcome = Outcome::new(&target, found.image, Some(text));
        recall.keep(name, (&checked, &sources), &world.into_reads(), outcome);
    }
    Ok(())
}
