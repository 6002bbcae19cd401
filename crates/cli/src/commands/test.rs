//! `cbuild test`.

use std::path::{Path, PathBuf};

use cbuild_diag::{Diagnostic, SourceId, Sources, without_secrets};
use cbuild_eval::{Difference, Evaluator, Observation, Observed, Outcome, Value};
use cbuild_sema::{Loader, Memory, ModuleKey};
use serde_json::json;

use super::check;
use crate::evaluation::{self, accept, limits, with_decoded};
use crate::failure::{Exit, Failure, Problem, report_diagnostic};
use crate::output;
use crate::outside::{FileLoader, LazyStore, StoreWorld};
use crate::session::{Session, shown};
use crate::standard_library;
use crate::target::{self, Entry};

/// The files to test, and their modules. `std` alone, where no such file is, is the standard library.
fn entries(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Entry)>, Failure> {
    let std = Path::new("std");
    if paths != [std] || std.exists() {
        return check::entries(paths);
    }
    let here = target::working_folder()?;
    let entry = |path: &str| {
        let entry = Entry { package_root: here.clone(), module: ModuleKey::std(path) };
        (std.join(path), entry)
    };
    Ok(standard_library::modules().map(entry).collect())
}

/// A test that failed: its position, its result, and what its parts came to.
type Failed = (usize, Result<bool, Diagnostic>, Option<Observation>);

/// Writes a line for each test of a file, and before it why it failed.
fn report(
    session: &Session,
    file: &Path,
    lines: &[(String, bool)],
    failures: Vec<Failed>,
    sources: &Sources,
) -> Result<(), Failure> {
    let mut failures = failures.into_iter().peekable();
    for (at, (name, ok)) in lines.iter().enumerate() {
        let failure = failures.next_if(|failure| failure.0 == at);
        let mut line = json!({"file": shown(file), "test": name, "ok": ok});
        if let Some((_, result, observation)) = failure {
            values(&mut line, observation.as_ref(), sources);
            if let Some(diagnostic) = diagnostic(name, result, observation.as_ref(), sources) {
                report_diagnostic(&diagnostic, sources, session.manner());
            }
        }
        if session.options.json {
            output::json(&line)?;
            continue;
        }
        let ending = if *ok { "ok" } else { "FAILED" };
        output::line(&cbuild_diag::clean(&format!("{ending} {}: {name}", shown(file))))?;
    }
    Ok(())
}

/// Why a test failed, for people.
fn diagnostic(
    name: &str,
    result: Result<bool, Diagnostic>,
    observation: Option<&Observation>,
    sources: &Sources,
) -> Option<Diagnostic> {
    match (result, observation) {
        (Ok(_), observation) => Some(observation?.diagnostic(name, sources)),
        (Err(diagnostic), None) => Some(diagnostic),
        (Err(mut diagnostic), Some(observation)) => {
            diagnostic.notes.extend(observation.notes(sources));
            Some(diagnostic)
        }
    }
}

/// What the parts of a failed test came to, for programs: the fields `values` and `difference`.
fn values(line: &mut serde_json::Value, found: Option<&Observation>, sources: &Sources) {
    let Some(found) = found else { return };
    let value = |value: &Observed| {
        let (row, column) = sources.line_column(found.source, value.span.start as usize);
        let mut shown = json!({
            "expression": without_secrets(found.expression(value, sources)),
            "line": row,
            "column": column,
        });
        match &value.outcome {
            Outcome::Value(text) => shown["value"] = json!(without_secrets(text.clone())),
            Outcome::Error { code, message } => {
                shown["error"] = json!({"code": code, "message": message});
            }
        }
        shown
    };
    line["values"] = found.values.iter().map(value).collect();
    if let Some(Difference { path, left, right }) = &found.difference {
        line["difference"] = json!({"path": path, "left": left, "right": right});
    }
}

/// Runs the examples in the documentation comments of a file: whether each holds.
fn examples(session: &Session, file: &Path, entry: &Entry) -> Result<Vec<bool>, Failure> {
    let mut loader = FileLoader::new(session.places(&entry.package_root)?);
    let text = loader.load(&entry.module).unwrap_or_default();
    // Parsing once more is cheap beside the evaluation; what is wrong was reported before.
    let (parsed, _) = cbuild_syntax::parse_file_only(SourceId(0), &text);
    let mut memory = Memory::default();
    let mut held = Vec::new();
    for example in cbuild_doc::examples(&parsed) {
        let of = if example.item.is_empty() { "the module" } else { &example.item };
        let name = match example.number {
            1 => format!("example of {of}"),
            number => format!("example {number} of {of}"),
        };
        match run_example(session, file, entry, (&name, &example.text), &mut memory) {
            Ok(ok) => held.push(ok),
            Err(failure @ Failure::Source { .. }) => {
                failure.report(session.manner());
                report(session, file, &[(name, false)], Vec::new(), &Sources::default())?;
                held.push(false);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(held)
}

/// Runs an example, given by its name and text, in the scope of its file.
fn run_example(
    session: &Session,
    file: &Path,
    entry: &Entry,
    (name, text): (&str, &str),
    memory: &mut Memory,
) -> Result<bool, Failure> {
    let mut sources = Sources::default();
    let mut loader = FileLoader::new(session.places(&entry.package_root)?);
    let scope = std::slice::from_ref(&entry.module);
    let found =
        cbuild_sema::check_expr_in(&mut sources, &mut loader, memory, scope, text.trim_end());
    let (checked, sources) = accept(session, found.checked, sources)?;
    if found.ty != "Bool" {
        let message = format!("the {name} is of type `{}`, not `Bool`", found.ty);
        return Err(Problem::new(Exit::Input, "E1068", message)
            .help("compare it with what it gives, or leave `test` out of the mark of its block")
            .into());
    }
    let store = session.store()?;
    let store = LazyStore::of(session, &store);
    let mut world = StoreWorld::new(&store, session.places(&entry.package_root)?, &checked.keys);
    let mut evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
    let result = evaluator.global(found.value).map(|value| matches!(value, Value::Bool(true)));
    let ok = matches!(result, Ok(true));
    let failures = if ok { Vec::new() } else { vec![(0, result, evaluator.observe(found.value))] };
    let sources = with_decoded(sources, &evaluator);
    report(session, file, &[(name.to_owned(), ok)], failures, &sources)?;
    Ok(ok)
}

/// Runs the `test` blocks and the examples of all files; each result is a line.
pub(crate) fn test(session: &Session, paths: &[PathBuf]) -> Result<(), Failure> {
    let store = session.store()?;
    let store = LazyStore::of(session, &store);
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for (file, entry) in entries(paths)? {
        let (checked, sources) = evaluation::check(session, &entry)?;
        let mut world =
            StoreWorld::new(&store, session.places(&entry.package_root)?, &checked.keys);
        let mut evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
        let results = evaluator.run_tests(checked.entry);
        let (mut failures, mut lines) = (Vec::new(), Vec::new());
        for (at, (name, result)) in results.into_iter().enumerate() {
            let ok = matches!(result, Ok(true));
            *(if ok { &mut passed } else { &mut failed }) += 1;
            if !ok {
                failures.push((lines.len(), result, evaluator.observe_test(checked.entry, at)));
            }
            lines.push((name, ok));
        }
        let sources = with_decoded(sources, &evaluator);
        report(session, &file, &lines, failures, &sources)?;
        for ok in examples(session, &file, &entry)? {
            *(if ok { &mut passed } else { &mut failed }) += 1;
        }
    }
    if !session.options.json {
        output::line(&format!("{passed} passed, {failed} failed"))?;
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Failed,
        "E1021",
        format!("{failed} of {} tests failed", passed + failed),
    )
    .into())
}
