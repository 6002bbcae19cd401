//! `cbuild build` and `cbuild fetch`.

use std::path::{Path, PathBuf};

use cbuild_build::{Builder, Kind};
use cbuild_drv::StorePath;
use cbuild_store::Store;
use serde_json::json;

use crate::evaluation::{Buildable, Evaluated, built_before, evaluate};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::progress::Display;
use crate::session::Session;

/// Builds the targets and prints where their outputs are.
pub(crate) fn build(
    session: &Session,
    targets: &[String],
    out_link: Option<&Path>,
    dry_run: bool,
) -> Result<(), Failure> {
    let store = session.store()?;
    if let Some(link) = out_link {
        let mut links = (0..targets.len()).map(|position| numbered(link, position));
        links.try_for_each(free)?;
    }
    if dry_run {
        return print_plan(session, &store, &evaluate(session, &store, targets)?);
    }
    let (built, failure) = built_as_far_as_wanted(session, &store, targets)?;
    for (position, (target, path)) in built.iter().enumerate() {
        let Some(path) = path else { continue };
        if let Some(link) = out_link {
            store.add_root(&numbered(link, position), path)?;
        }
        let physical = store.physical(path);
        if session.options.json {
            output::json(&json!({
                "target": target.text,
                "path": path.to_string(),
                "physical": physical.display().to_string(),
            }))?;
        } else {
            output::line(&physical.display().to_string())?;
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Targets, each with its output if it has one.
type Built = Vec<(Buildable, Option<StorePath>)>;

/// Builds targets. With `--keep-going` those that could be built are given beside the failure of others.
fn built_as_far_as_wanted(
    session: &Session,
    store: &Store,
    targets: &[String],
) -> Result<(Built, Option<Failure>), Failure> {
    if let Some(built) = remembered(session, store, targets, |_| Ok(()))? {
        return Ok((built.into_iter().map(|(target, path)| (target, Some(path))).collect(), None));
    }
    let evaluated = evaluate(session, store, targets)?;
    let failure = match realise(session, store, &evaluated) {
        Ok(paths) => {
            let paths = paths.into_iter().map(Some);
            return Ok((evaluated.targets.into_iter().zip(paths).collect(), None));
        }
        Err(failure) if failure.exit() == Exit::Failed && session.options.keep_going => failure,
        Err(failure) => return Err(failure),
    };
    let known = super::why::known(session, store, &evaluated)?;
    let output = |found: &Buildable| {
        known.get(&found.target.drv)?.outputs.get(&found.target.output).cloned()
    };
    let built = evaluated.targets.into_iter().map(|found| {
        let path = output(&found);
        (found, path)
    });
    Ok((built.collect(), Some(failure)))
}

/// The targets and their outputs, which are built if they are not in the store; nothing is evaluated if
/// that was done before and its outcome is there. `allowed` looks at each target before it is built.
pub(crate) fn built_if(
    session: &Session,
    store: &Store,
    targets: &[String],
    allowed: impl Fn(&Buildable) -> Result<(), Failure>,
) -> Result<Vec<(Buildable, StorePath)>, Failure> {
    if let Some(built) = remembered(session, store, targets, &allowed)? {
        return Ok(built);
    }
    let evaluated = evaluate(session, store, targets)?;
    evaluated.targets.iter().try_for_each(allowed)?;
    let paths = realise(session, store, &evaluated)?;
    Ok(evaluated.targets.into_iter().zip(paths).collect())
}

/// What was evaluated and built before, with the same inputs.
fn remembered(
    session: &Session,
    store: &Store,
    targets: &[String],
    allowed: impl Fn(&Buildable) -> Result<(), Failure>,
) -> Result<Option<Vec<(Buildable, StorePath)>>, Failure> {
    let Some(built) = built_before(session, store, targets)? else { return Ok(None) };
    built.iter().try_for_each(|(found, _)| allowed(found))?;
    Display::new(session).show(&cbuild_build::Event::Planned { total: 0, expected: None });
    Ok(Some(built))
}

/// Builds what an evaluation gave; the paths are in the order of its targets.
pub(crate) fn realise(
    session: &Session,
    store: &Store,
    evaluated: &Evaluated,
) -> Result<Vec<StorePath>, Failure> {
    let fetcher = session.fetcher()?;
    let display = Display::new(session);
    let show = |event| display.show(&event);
    let mut options = session.build_options();
    options.log_lines = session.options.verbose;
    options.origin = evaluated.origin();
    let builder = Builder::new(store, &evaluated.graph, &fetcher, options, &show);
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.clone()).collect();
    let built = builder.build(&targets)?;
    targets
        .iter()
        .map(|target| {
            built.get(target).cloned().ok_or_else(|| lost("the scheduler left a target out"))
        })
        .collect()
}

/// Something that was asked for is in no answer.
pub(super) fn lost(what: &str) -> Failure {
    Problem::defect("E1099", what).into()
}

/// Refuses before the build what no root can replace after it.
fn free(link: PathBuf) -> Result<(), cbuild_store::Error> {
    match link.symlink_metadata() {
        Ok(found) if !found.is_symlink() => Err(cbuild_store::Error::RootTaken { path: link }),
        _ => Ok(()),
    }
}

/// The link of the first target has the given name, those of others get `-2`, `-3` ….
fn numbered(link: &Path, position: usize) -> PathBuf {
    if position == 0 {
        return link.to_owned();
    }
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{}", position + 1));
    link.with_file_name(name)
}

fn print_plan(session: &Session, store: &Store, evaluated: &Evaluated) -> Result<(), Failure> {
    let fetcher = session.fetcher()?;
    let builder = Builder::new(store, &evaluated.graph, &fetcher, session.build_options(), &|_| {});
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.clone()).collect();
    let steps = builder.plan(&targets)?.steps;
    if steps.is_empty() {
        output::note(session, "nothing to do: all that the targets need is in the store");
    }
    for step in steps {
        let verb = match step.kind {
            Kind::Exec => "build",
            Kind::Fetch => "fetch",
            Kind::Assemble => "assemble",
        };
        if session.options.json {
            output::json(&json!({
                "action": verb,
                "name": step.name.as_str(),
                "drv": step.drv.to_string(),
                "certain": step.certain,
                "last_duration_ms": step.last_duration.map(|d| d.as_millis() as u64),
            }))?;
        } else {
            let doubt = if step.certain { "" } else { " (if its inputs change)" };
            output::line(&format!("{verb} {}{doubt}", step.name))?;
        }
    }
    Ok(())
}

/// Downloads all that the targets need.
pub(crate) fn fetch(session: &Session, targets: &[String]) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, targets)?;
    let fetcher = session.fetcher()?;
    let display = Display::new(session);
    let show = |event| display.show(&event);
    let options = session.build_options();
    let builder = Builder::new(&store, &evaluated.graph, &fetcher, options, &show);
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.clone()).collect();
    for path in builder.fetch_only(&targets)? {
        let physical = store.physical(&path).display().to_string();
        if session.options.json {
            output::json(&json!({"path": path.to_string(), "physical": physical}))?;
        } else if session.options.verbose {
            output::line(&physical)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::lost;

    #[test]
    fn a_lost_target_is_a_defect() {
        insta::assert_snapshot!(lost("the scheduler left a target out").text());
    }
}
