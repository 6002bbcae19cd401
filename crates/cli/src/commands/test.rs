//! `cbuild test`.

use std::path::{Path, PathBuf};

use cbuild_eval::Evaluator;
use cbuild_sema::ModuleKey;
use serde_json::json;

use super::check::files;
use crate::evaluation::{check, limits, with_decoded};
use crate::failure::{Exit, Failure, Problem, report_diagnostic};
use crate::output;
use crate::outside::StoreWorld;
use crate::session::{Session, shown};
use crate::standard_library;
use crate::target::{self, Entry};

/// The files to test, and their modules. `std` alone, where no such file is, is the standard library.
fn entries(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Entry)>, Failure> {
    let std = Path::new("std");
    if paths != [std] || std.exists() {
        let files = files(paths)?.into_iter();
        return files.map(|file| target::find(&file).map(|entry| (file, entry))).collect();
    }
    let here = Path::new(".").canonicalize().map_err(|error| {
        Problem::new(Exit::Environment, "E1023", format!("the working folder is gone: {error}"))
    })?;
    let entry = |path: &str| {
        let entry = Entry { package_root: here.clone(), module: ModuleKey::std(path) };
        (std.join(path), entry)
    };
    Ok(standard_library::modules().map(entry).collect())
}

/// Runs the `test` blocks of all files; each result is a line.
pub(crate) fn test(session: &Session, paths: &[PathBuf]) -> Result<(), Failure> {
    let store = session.store()?;
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for (file, entry) in entries(paths)? {
        let (checked, sources) = check(session, &entry)?;
        let mut world =
            StoreWorld::new(&store, session.places(&entry.package_root)?, &checked.keys);
        let mut evaluator = Evaluator::new(&checked.program, &mut world, limits(session));
        let results = evaluator.run_tests(checked.entry);
        let sources = with_decoded(sources, &evaluator);
        for (name, result) in results {
            let ok = matches!(result, Ok(true));
            if let Err(diagnostic) = result {
                report_diagnostic(&diagnostic, &sources, session.options.json, session.color());
            }
            if ok {
                passed += 1
            } else {
                failed += 1
            }
            if session.options.json {
                output::json(&json!({"file": shown(&file), "test": name, "ok": ok}))?;
            } else {
                output::line(&format!(
                    "{} {}: {name}",
                    if ok { "ok" } else { "FAILED" },
                    shown(&file)
                ))?;
            }
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
