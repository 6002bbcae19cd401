//! `cbuild build --check`: the programs of targets are run once more, and the results compared.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use cbuild_build::{Again, Builder, Variation};
use cbuild_explain::{Hints, Side, compare};
use cbuild_store::Store;
use serde_json::json;

use super::build::realise;
use super::explanation;
use crate::args::CheckMode;
use crate::evaluation::evaluate;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Host name and user of an ordinary sandbox, and those of a varied one.
const HOST_NAMES: (&str, &str) = ("cbuild", "elsewhere");
const USERS: (u32, u32) = (1000, 1001);

/// Permission bits that new files of a varied build do not get.
const UMASK: u32 = 0o077;

/// Builds the targets, then their programs again, and compares.
pub(crate) fn check(session: &Session, targets: &[String], mode: CheckMode) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, targets)?;
    realise(session, &store, &evaluated)?;
    let fetcher = session.fetcher()?;
    let options = session.build_options();
    let vary = (mode == CheckMode::Vary).then(|| variation(options.cores));
    let hints = vary.as_ref().map_or_else(Hints::default, |vary| Hints {
        host_name: Some((HOST_NAMES.0.to_owned(), vary.host_name.clone())),
        user: Some((USERS.0, vary.user)),
        cores: Some((options.cores.get(), vary.cores.get())),
    });
    let builder = Builder::new(&store, &evaluated.graph, &fetcher, options, &|_| {});
    let programs: BTreeSet<_> =
        evaluated.targets.iter().flat_map(|found| builder.programs(&found.target)).collect();
    let mut unlike = Vec::new();
    for drv in &programs {
        let again = builder.again(drv, vary.as_ref())?;
        if compare_with_first(session, &store, &again, &hints)? > 0 {
            unlike.push(again.name.clone());
        }
    }
    if unlike.is_empty() {
        return Ok(());
    }
    Err(not_reproducible(&unlike).into())
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
        umask: UMASK,
        cores: NonZeroUsize::new(other).unwrap_or(NonZeroUsize::MIN),
        reversed: true,
    }
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
                "same": differences.is_empty(),
                "differences": explanation::differences_to_json(&differences),
            }))?;
        } else if differences.is_empty() {
            output::line(&format!("same {}", path.name()))?;
        } else {
            output::line(&format!("{} differs in:", path.name()))?;
            explanation::print_differences(&differences)?;
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
