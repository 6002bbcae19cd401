//! `cbuild why`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use cbuild_build::{Builder, Known, Target};
use cbuild_drv::{ActionKey, Derivation, DrvId, Input, StorePath};
use cbuild_explain::{Hints, Side, chain, compare, explain_change, explain_pending, last_two};
use cbuild_store::{BuildEnding, Store};
use serde_json::json;

use super::build::lost;
use super::explanation;
use super::store::parse_path;
use super::utc;
use super::whereabouts::Whereabouts;
use crate::args::WhyCommand;
use crate::evaluation::{Evaluated, check, evaluate};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Answers a question.
pub(crate) fn run(session: &Session, command: WhyCommand) -> Result<(), Failure> {
    match command {
        WhyCommand::Depends { target, object } => depends(session, &target, &object),
        WhyCommand::Uncached { target } => uncached(session, &target),
        WhyCommand::Rebuilt { target } => rebuilt(session, &target),
        WhyCommand::Differs { first, second } => differs(session, &first, &second),
    }
}

/// The object that a store path or a target names.
fn object(session: &Session, store: &Store, text: &str) -> Result<StorePath, Failure> {
    let last = Path::new(text).file_name().and_then(|last| last.to_str());
    let is_object = last.is_some_and(|last| StorePath::parse(last).is_ok());
    match parse_path(store, text) {
        Ok(path) if store.info(&path)?.is_some() => return Ok(path),
        Ok(path) => return Err(cbuild_store::Error::NotInStore { path }.into()),
        Err(error) if is_object => return Err(error),
        Err(_) => {}
    }
    let evaluated = evaluate(session, store, &[text.to_owned()])?;
    let target = first_target(&evaluated)?;
    let known = known(session, store, &evaluated)?;
    let output = known.get(&target.drv).and_then(|known| known.outputs.get(&target.output));
    output.cloned().ok_or_else(|| {
        Problem::new(Exit::Failed, "E1043", format!("`{text}` is not built"))
            .help(format!("`cbuild build {text}` builds it"))
            .into()
    })
}

fn first_target(evaluated: &Evaluated) -> Result<Target, Failure> {
    let found = evaluated.targets.first().map(|found| found.target.clone());
    found.ok_or_else(|| lost("the target was lost"))
}

/// What is known of all that the targets need.
pub(super) fn known(
    session: &Session,
    store: &Store,
    evaluated: &Evaluated,
) -> Result<BTreeMap<DrvId, Known>, Failure> {
    let fetcher = session.fetcher()?;
    let options = session.build_options();
    let builder = Builder::new(store, &evaluated.graph, &fetcher, options, &|_| {});
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.clone()).collect();
    Ok(builder.known(&targets)?)
}

fn depends(session: &Session, target: &str, wanted: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let from = object(session, &store, target)?;
    let path = parse_path(&store, wanted).ok();
    let is_wanted = |found: &StorePath| match &path {
        Some(path) => found == path,
        None => {
            let name = found.name().as_str();
            let version = name.strip_prefix(wanted).and_then(|rest| rest.strip_prefix('-'));
            name == wanted || version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
        }
    };
    let Some(links) = chain(&store, &from, is_wanted)? else {
        let message = format!("`{}` does not refer to `{wanted}`, directly or not", from.name());
        return Err(Problem::new(Exit::Failed, "E1044", message)
            .help("what only a build needs is shown by `cbuild graph`")
            .into());
    };
    for (depth, link) in links.iter().enumerate() {
        let file = link.file.as_ref().map(|file| file.display().to_string());
        if session.options.json {
            output::json(&json!({"object": link.object.to_string(), "file": file}))?;
            continue;
        }
        let arrow = if depth == 0 { "" } else { "└─ " };
        let indent = "   ".repeat(depth.saturating_sub(1));
        output::line(&format!("{indent}{arrow}{}", link.object))?;
        if let Some(file) = file {
            let inside = if file.is_empty() { "the object itself".to_owned() } else { file };
            output::line(&format!("{}in {inside}", "   ".repeat(depth)))?;
        }
    }
    Ok(())
}

fn differs(session: &Session, first: &str, second: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let (a, b) = (object(session, &store, first)?, object(session, &store, second)?);
    // An object's own digest is in its path; where it names itself, that is no difference.
    let renamed = vec![(*b.digest(), *a.digest())];
    let sides = (Side::new(&store.physical(&a)), Side { path: store.physical(&b), renamed });
    let times = built_before(&store, &a)?.zip(built_before(&store, &b)?);
    let hints = Hints { times, ..Hints::default() };
    let differences = compare(&sides.0, &sides.1, &hints)?;
    if session.options.json {
        output::json(&json!({
            "first": a.to_string(),
            "second": b.to_string(),
            "differences": explanation::differences_to_json(&differences, &hints),
        }))?;
    } else {
        output::line(&format!("first   {a}"))?;
        output::line(&format!("second  {b}"))?;
        explanation::print_differences(&differences, &hints)?;
    }
    if differences.is_empty() {
        return if session.options.json {
            Ok(())
        } else {
            output::line("the two have the same content")
        };
    }
    Err(unlike(first, second).into())
}

/// As with `diff`, a difference is told by the exit code too, so that a script can act on it.
fn unlike(first: &str, second: &str) -> Problem {
    Problem::new(Exit::Failed, "E1047", format!("`{first}` and `{second}` differ"))
        .help("the files and the likely causes are listed on standard output")
}

/// When an object can have been built, in seconds since 1970: in the day before it was registered.
fn built_before(store: &Store, path: &StorePath) -> Result<Option<Range<u64>>, Failure> {
    let registered = store.info(path)?.and_then(|info| u64::try_from(info.registered_at).ok());
    Ok(registered.map(|end| end.saturating_sub(DAY)..end + 1))
}

fn gone(name: &str) -> Problem {
    let message = format!("the record of one of the last two builds of `{name}` is gone");
    Problem::new(Exit::Failed, "E1046", message)
        .help("builds record what they are from now on; ask again after the next one")
}

fn rebuilt(session: &Session, target: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let drv = first_target(&evaluated)?.drv;
    let name = evaluated.graph.get(&drv).map(|drv| drv.name.to_string()).unwrap_or_default();
    let (own, others) = own_and_others(&known(session, &store, &evaluated)?, &drv);
    let origin = evaluated.origin();
    let Some((last, before)) = last_two(&store, &name, own, &others, origin.as_deref())? else {
        let message = format!("`{name}` was never built in this store");
        return Err(Problem::new(Exit::Failed, "E1045", message)
            .help("`cbuild why uncached` tells what a build would do")
            .into());
    };
    let Some(before) = before else {
        let text = format!(
            "{name} was built once, or each time from the same inputs; there is nothing to compare"
        );
        return if session.options.json {
            output::json(&json!({"name": name, "after": last.key.to_string(), "before": null}))
        } else {
            output::line(&text)
        };
    };
    if own != Some(last.key) {
        output::note(session, "it has changed since its last build: see `cbuild why uncached`");
    }
    let Some(explained) = explain_change(&store, &before.key, &last.key)? else {
        return Err(gone(&name).into());
    };
    let places = whereabouts(session, target, &evaluated)?;
    let locate = |line: &str, before: &[&str]| places.find(line, before);
    if session.options.json {
        return output::json(&explanation::explained_to_json(&explained, &locate));
    }
    let (at, since) = (utc(last.started), utc(before.started));
    output::line(&format!("{name} was built again at {at} because, since the build of {since},"))?;
    explanation::print_explained(&explained, &locate, 1)
}

/// The action of a derivation as it is now, and those of the others that the target needs.
fn own_and_others(
    known: &BTreeMap<DrvId, Known>,
    drv: &DrvId,
) -> (Option<ActionKey>, BTreeSet<ActionKey>) {
    let key = |known: &Known| known.resolved.as_ref().map(|(key, _)| *key);
    let others = known.iter().filter(|(other, _)| *other != drv);
    (known.get(drv).and_then(key), others.filter_map(|(_, known)| key(known)).collect())
}

fn uncached(session: &Session, target: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let fetcher = session.fetcher()?;
    let options = session.build_options();
    let builder = Builder::new(&store, &evaluated.graph, &fetcher, options, &|_| {});
    let plan = builder.plan(&[first_target(&evaluated)?])?;
    if plan.steps.is_empty() && !session.options.json {
        return output::line("nothing: all that the target needs is in the store");
    }
    let known = known(session, &store, &evaluated)?;
    let places = whereabouts(session, target, &evaluated)?;
    let locate = |line: &str, before: &[&str]| places.find(line, before);
    let keys = known.values().filter_map(|known| known.resolved.as_ref());
    let current: BTreeSet<ActionKey> = keys.map(|(key, _)| *key).collect();
    let origin = evaluated.origin();
    let planned: BTreeMap<DrvId, String> =
        plan.steps.iter().map(|step| (step.drv, step.name.to_string())).collect();
    for step in &plan.steps {
        let resolved = known.get(&step.drv).and_then(|known| known.resolved.as_ref());
        match resolved.filter(|_| step.certain) {
            Some((key, derivation)) => {
                certain(
                    session,
                    &store,
                    (key, derivation),
                    (&current, origin.as_deref()),
                    &locate,
                )?;
            }
            None => {
                let waits = waits_for(&evaluated, &step.drv, &planned);
                let (name, reason) = (step.name.as_str(), "depends on what others will give");
                if session.options.json {
                    output::json(&json!({"name": name, "reason": reason, "waits": waits}))?;
                } else {
                    let waits = waits.join(", ");
                    output::line(&format!("{name}: depends on what {waits} will give"))?;
                }
            }
        }
    }
    Ok(())
}

/// Says why a step will run whose inputs are known. What the target needs now, `current`, is nothing that it
/// was built from before, and what was built for a package in another folder than `origin` is no earlier build.
fn certain(
    session: &Session,
    store: &Store,
    (key, derivation): (&ActionKey, &Derivation<StorePath>),
    (current, origin): (&BTreeSet<ActionKey>, Option<&Path>),
    locate: explanation::Locate<'_>,
) -> Result<(), Failure> {
    let name = derivation.name.as_str();
    let mut record = store.builds(Some(name), u32::MAX)?;
    record.retain(|build| build.key == *key || build.may_be_for(origin));
    let before =
        record.iter().map(|build| build.key).find(|other| other != key && !current.contains(other));
    let last = record.iter().find(|build| build.key == *key).map(|build| build.ending);
    let reason = match (last, before) {
        (Some(ending), _) if ending.is_success() => "its result is no longer in the store",
        (Some(BuildEnding::Stopped(_)), _) => "its last build was stopped",
        (Some(_), _) => "its last build failed",
        (None, Some(_)) => "its inputs are not those of the last build",
        (None, None) => "it was never built in this store",
    };
    let explained = match (last, before) {
        (None, Some(before)) => explain_pending(store, &before, derivation)?,
        _ => None,
    };
    if session.options.json {
        return output::json(&json!({
            "name": name, "action": key.to_string(), "reason": reason,
            "changes": explained.map(|e| explanation::explained_to_json(&e, locate)),
        }));
    }
    output::line(&format!("{name}: {reason}"))?;
    explained.map_or(Ok(()), |explained| explanation::print_explained(&explained, locate, 1))
}

fn waits_for(evaluated: &Evaluated, drv: &DrvId, planned: &BTreeMap<DrvId, String>) -> Vec<String> {
    let inputs = evaluated.graph.get(drv).map(|node| node.references()).unwrap_or_default();
    let mut names: Vec<String> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Output { drv, .. } => planned.get(drv).cloned(),
            Input::Object(_) => None,
        })
        .collect();
    names.dedup();
    names
}

/// Where the texts of a target come from.
fn whereabouts(
    session: &Session,
    target: &str,
    evaluated: &Evaluated,
) -> Result<Whereabouts, Failure> {
    let (checked, sources) = check(session, &crate::target::parse(target)?.entry)?;
    Ok(Whereabouts::of(&checked, &sources, evaluated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_gone() {
        insta::assert_snapshot!(Failure::from(gone("redis-7.0.15")).text());
    }

    #[test]
    fn what_differs() {
        insta::assert_snapshot!(Failure::from(unlike(".:first", ".:second")).text());
    }
}
