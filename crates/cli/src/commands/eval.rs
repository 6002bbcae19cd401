//! `cbuild eval`.

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Value};
use cbuild_sema::Checked;

use crate::evaluation::{accept, check, limits, located, value_of, with_decoded};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::outside::{FileLoader, StoreWorld};
use crate::session::Session;
use crate::target::{self, Entry};

/// Prints the value of a target, or of an expression in the scope of a target's file.
pub(crate) fn eval(
    session: &Session,
    target: Option<&str>,
    expression: Option<&str>,
) -> Result<(), Failure> {
    match (target, expression) {
        (scope, Some(text)) => expression_value(session, scope, text),
        (Some(target), None) => {
            let name = target::parse(target)?;
            let (checked, sources) = check(session, &name.entry)?;
            print(session, &name.entry, &checked, sources, |evaluator, checked| {
                value_of(evaluator, checked, &name)
            })
        }
        (None, None) => Err(Problem::new(Exit::Input, "E1022", "nothing to evaluate")
            .help("give a target, or an expression with `-e`")
            .into()),
    }
}

fn expression_value(session: &Session, scope: Option<&str>, text: &str) -> Result<(), Failure> {
    let entry = scope.map(|target| target::parse(target).map(|name| name.entry)).transpose()?;
    let here = match &entry {
        Some(entry) => entry.package_root.clone(),
        None => std::path::Path::new(".").canonicalize().map_err(|error| {
            Problem::new(Exit::Environment, "E1023", format!("the working folder is gone: {error}"))
        })?,
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
    print(session, &entry, &checked, sources, |evaluator, _| Ok(evaluator.global(found.value)))
}

type Found = Result<Result<Value, cbuild_diag::Diagnostic>, Failure>;

fn print(
    session: &Session,
    entry: &Entry,
    checked: &Checked,
    sources: Sources,
    find: impl FnOnce(&mut Evaluator<'_>, &Checked) -> Found,
) -> Result<(), Failure> {
    let store = session.store()?;
    let mut world = StoreWorld::new(&store, session.places(&entry.package_root)?, &checked.keys);
    let mut evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
    let text = find(&mut evaluator, checked)?.and_then(|value| {
        if session.options.json {
            evaluator.to_json(&value).map(|value| value.to_string())
        } else {
            evaluator.show(&value)
        }
    });
    match text {
        Ok(text) => output::line(&text),
        Err(diagnostic) => Err(located(diagnostic, with_decoded(sources, &evaluator))),
    }
}
