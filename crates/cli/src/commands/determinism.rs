//! `cbuild build --check`: the programs of targets are run once more, and the results compared.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use cbuild_build::{Again, Builder, PLAIN_PROCESSOR, Variation, plain_processor};
use cbuild_drv::{Action, Graph};
use cbuild_explain::{Hints, Side, compare};
use cbuild_store::Store;
use serde_json::json;

use super::build::realise;
use super::explanation;
use crate::args::CheckMode;
use crate::evaluation::{Buildable, evaluate};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Host name and user of an ordinary sandbox, and those of a varied one.
const HOST_NAMES: (&str, &str) = ("cbuild", "elsewhere");
const USERS: (u32, u32) = (1000, 1001);

/// The build folder of an ordinary sandbox, and that of a varied one.
const BUILD_FOLDERS: (&str, &str) = ("/build", "/build/moved");

/// Permission bits that new files of an ordinary build and of a varied one do not get.
const UMASKS: (u32, u32) = (0o022, 0o077);

/// Builds the targets, then their programs again, and compares.
pub(crate) fn check(session: &Session, targets: &[String], mode: CheckMode) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, targets)?;
    realise(session, &store, &evaluated)?;
    let fetcher = session.fetcher()?;
    let options = session.build_options();
    let vary = (mode == CheckMode::Vary).then(|| variation(options.cores));
    let mut hints = vary.as_ref().map_or_else(Hints::default, |vary| Hints {
        host_name: Some((HOST_NAMES.0.to_owned(), vary.host_name.clone())),
        user: Some((USERS.0, vary.user)),
        cores: vec![(options.cores.get(), vary.cores.get()), (processors(), 1)],
        build_folder: None,
        processor: Some(PLAIN_PROCESSOR.to_owned()),
        umask: Some((UMASKS.0, vary.umask)),
        times: None,
    });
    let builder = Builder::new(&store, &evaluated.graph, &fetcher, options, &|_| {});
    let programs: BTreeSet<_> =
        evaluated.targets.iter().flat_map(|found| builder.programs(&found.target)).collect();
    for found in &evaluated.targets {
        tell_what_runs_nothing(session, &builder, &evaluated.graph, found)?;
    }
    let mut unlike = Vec::new();
    for drv in &programs {
        let again = builder.again(drv, vary.as_ref())?;
        let (first, second) = BUILD_FOLDERS;
        hints.times.clone_from(&again.times);
        hints.build_folder = again.moved.then(|| (first.to_owned(), second.to_owned()));
        if vary.is_some() && !again.moved && !session.options.json {
            let name = &again.name;
            output::line(&format!("{name} is built in {first} only: the path was not varied"))?;
        }
        if compare_with_first(session, &store, &again, &hints)? > 0 {
            unlike.push(again.name.clone());
        }
    }
    if unlike.is_empty() {
        return Ok(());
    }
    Err(not_reproducible(&unlike).into())
}

/// Says why there is nothing to run again for a target that no program makes.
fn tell_what_runs_nothing(
    session: &Session,
    builder: &Builder<'_>,
    graph: &Graph,
    found: &Buildable,
) -> Result<(), Failure> {
    let drv = found.target.drv;
    if !builder.programs(&found.target).is_empty() {
        return Ok(());
    }
    let Some(step) = graph.get(&drv) else { return Ok(()) };
    let (kind, reason) = match &step.action {
        Action::Exec(_) => return Ok(()),
        Action::Fetch(fetch) => (
            "fetch",
            format!(
                "a download, which its hash fixes: no other bytes than those of {} are taken",
                fetch.hash
            ),
        ),
        Action::Assemble(_) => {
            ("assemble", "composed by cbuild itself, of nothing that a program made".to_owned())
        }
    };
    if session.options.json {
        return output::json(&json!({
            "name": step.name.to_string(),
            "output": found.target.output.as_str(),
            "kind": kind,
            "run": false,
            "reason": reason,
        }));
    }
    output::line(&format!("{} is not run again: it is {reason}", step.name))
}

fn not_reproducible(names: &[String]) -> Problem {
    let message = format!("not reproducible: {}", names.join(", "));
    Problem::new(Exit::Failed, "E1040", message)
        .help("the second results were dropped; remove the causes from the scripts or sources")
}

fn variation(cores: NonZeroUsize) -> Variation {
    let other = if cores.get() > 1 { 1 } else { 2 };
    Variation {
        host_name: HOST_NAMES.1.to_owned(),
        user: USERS.1,
        umask: UMASKS.1,
        cores: NonZeroUsize::new(other).unwrap_or(NonZeroUsize::MIN),
        one_processor: true,
        // Without it there is nothing that a builder could depend on.
        cpu_info: plain_processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        build_folder: BUILD_FOLDERS.1.into(),
        reversed: true,
        inputs_moved: true,
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Prints the differences of all outputs and returns their number.
fn compare_with_first(
    session: &Session,
    store: &Store,
    again: &Again,
    hints: &Hints,
) -> Result<usize, Failure> {
    let mut number = 0;
    for (output, path, second) in &again.outputs {
        let first = Side::new(&store.physical(path));
        let second = Side { path: second.clone(), renamed: again.renamed.clone() };
        let differences = compare(&first, &second, hints)?;
        number += differences.len();
        if session.options.json {
            output::json(&json!({
                "name": again.name,
                "output": output.as_str(),
                "path": path.to_string(),
                "path_varied": again.moved,
                "same": differences.is_empty(),
                "differences": explanation::differences_to_json(&differences, hints),
            }))?;
        } else if differences.is_empty() {
            output::line(&format!("same {}", path.name()))?;
        } else {
            output::line(&format!("{} differs in:", path.name()))?;
            explanation::print_differences(&differences, hints)?;
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_reproducible() {
        insta::assert_snapshot!(
            Failure::from(not_reproducible(&["redis-7.0.15".to_owned()])).text()
        );
    }
}
