//! `cbuild store verify` and `cbuild store repair`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_build::{Builder, Target};
use cbuild_drv::{Action, Derivation, Graph, Input, StorePath};
use cbuild_store::{Store, VerifyOptions};
use serde_json::json;

use super::transfer::{open, unreadable};
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::progress::Display;
use crate::session::{Session, told};

/// Reads everything again and tells what is wrong.
pub(super) fn verify(session: &Session, rebuild_index: bool, repair: bool) -> Result<(), Failure> {
    let root = session.root()?;
    let store = told(match rebuild_index {
        true => Store::rebuild_index(&root)?,
        false => Store::open(&root)?,
    });
    let store = store.stopped_by(session.stop.flag());
    let report = store.verify(&VerifyOptions { only: None, repair })?;
    for problem in &report.problems {
        if session.options.json {
            output::json(&json!({
                "path": problem.path.display().to_string(),
                "problem": problem.kind.to_string(),
            }))?;
        } else {
            output::line(&format!("{}: {}", problem.path.display(), problem.kind))?;
        }
    }
    if report.is_clean() {
        let bytes = indicatif::HumanBytes(report.bytes);
        return if session.options.json {
            output::json(&json!({"objects": report.checked, "bytes": report.bytes, "clean": true}))
        } else {
            output::line(&format!("clean: {} objects, {bytes}", report.checked))
        };
    }
    let (problems, objects) = (report.problems.len(), report.checked);
    let message = format!("{} in {}", counted(problems, "problem"), counted(objects, "object"));
    let help = if repair {
        format!("dropped: {}; verify again", counted(report.dropped.len(), "object"))
    } else {
        "`cbuild store repair` brings back what is damaged, or drops it so that it is built again"
            .to_owned()
    };
    Err(Problem::new(Exit::Failed, "E1028", message).help(help).into())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What became of a damaged object.
struct Outcome {
    path: StorePath,
    how: String,
    is_back: bool,
}

/// Brings damaged objects back: from other stores and exports, then by building them again. What
/// cannot be brought back is dropped, with what refers to it, so that later builds make it.
pub(super) fn repair(session: &Session, from: &[PathBuf]) -> Result<(), Failure> {
    from.iter().try_for_each(|place| check_place(place))?;
    let store = session.store()?;
    let mut left = store.verify(&VerifyOptions::default())?.damaged;
    let mut outcomes = Vec::new();
    for place in from {
        let back = take_from(&store, place, &left)?;
        for path in &back {
            let how = format!("taken from {}", place.display());
            outcomes.push(Outcome { path: path.clone(), how, is_back: true });
        }
        left.retain(|path| !back.contains(path));
    }
    let makers = makers(&store)?;
    let dropped = store.verify(&VerifyOptions { only: None, repair: true })?.dropped;
    outcomes.extend(build_all_again(session, &store, dropped, &makers));
    let report = store.verify(&VerifyOptions::default())?;
    for outcome in &outcomes {
        let (path, how) = (outcome.path.to_string(), &outcome.how);
        if session.options.json {
            output::json(&json!({"path": path, "back": outcome.is_back, "how": how}))?;
        } else {
            output::line(&format!("{path}: {how}"))?;
        }
    }
    if !report.is_clean() {
        let message =
            format!("left after the repair: {}", counted(report.problems.len(), "problem"));
        return Err(Problem::new(Exit::Failed, "E1028", message)
            .help("`cbuild store verify` tells which")
            .into());
    }
    let back = outcomes.iter().filter(|outcome| outcome.is_back).count();
    if session.options.json {
        return output::json(&json!({"back": back, "dropped": outcomes.len() - back}));
    }
    output::line(&format!("clean: {back} objects came back, {} are gone", outcomes.len() - back))
}

/// Refuses a place that nothing can be taken from, also when nothing is damaged.
fn check_place(place: &Path) -> Result<(), Failure> {
    if place == Path::new("-") {
        return Ok(());
    }
    // A pipe cannot be opened twice, so that it is only looked at.
    let found = place.metadata().map_err(|error| {
        unreadable(place, &error)
            .help("give the root of another store, or the file that `cbuild store export` wrote")
    })?;
    if found.is_dir() && !place.join("version").is_file() {
        // Opening would make a store of an empty folder.
        return Err(cbuild_store::Error::NotAStore { path: place.to_owned() }.into());
    }
    Ok(())
}

/// Puts the good objects of another place where the damaged ones are.
fn take_from(
    store: &Store,
    place: &Path,
    damaged: &BTreeSet<StorePath>,
) -> Result<BTreeSet<StorePath>, Failure> {
    if damaged.is_empty() {
        return Ok(BTreeSet::new());
    }
    if !place.is_dir() {
        let report = store.import(&mut *open(place)?, damaged)?;
        return Ok(report.replaced.into_iter().collect());
    }
    let other = told(Store::open(place)?.stopped_by(store.cancel().clone()));
    let mut back = BTreeSet::new();
    for path in damaged {
        if store.restore_from(&other, path)? {
            back.insert(path.clone());
        }
    }
    Ok(back)
}

type Makers = BTreeMap<StorePath, Derivation<StorePath>>;

/// For each object an action that gives it, as far as one was kept that needs no address.
fn makers(store: &Store) -> Result<Makers, Failure> {
    let mut makers = Makers::new();
    for info in store.objects()? {
        for key in store.makers(&info.path)? {
            match store.action(&key)? {
                Some(action) if !matches!(action.action, Action::Fetch(_)) => {
                    makers.insert(info.path.clone(), action);
                    break;
                }
                _ => {}
            }
        }
    }
    Ok(makers)
}

/// Builds dropped objects again, each when its inputs are there.
fn build_all_again(
    session: &Session,
    store: &Store,
    dropped: Vec<StorePath>,
    makers: &Makers,
) -> Vec<Outcome> {
    let is_there = |path: &StorePath| store.info(path).is_ok_and(|info| info.is_some());
    let mut outcomes = Vec::new();
    let mut waiting = dropped;
    loop {
        let before = waiting.len();
        let mut later = Vec::new();
        for path in waiting {
            let ready = makers.get(&path).filter(|action| action.references().iter().all(is_there));
            match ready {
                None if !is_there(&path) => later.push(path),
                ready => outcomes.push(build_again(session, store, path, ready)),
            }
        }
        waiting = later;
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    let gone = |path| {
        let how = "dropped; the next build that needs it fetches, adds or builds it".to_owned();
        Outcome { path, how, is_back: false }
    };
    outcomes.extend(waiting.into_iter().map(gone));
    outcomes
}

/// Builds one object again; without an action, another output of the same action came with it.
fn build_again(
    session: &Session,
    store: &Store,
    path: StorePath,
    action: Option<&Derivation<StorePath>>,
) -> Outcome {
    let built = action.map_or(Ok(()), |action| rebuild(session, store, action));
    let is_back = store.info(&path).is_ok_and(|info| info.is_some());
    let how = match (built, is_back) {
        (_, true) => "built again",
        (Ok(()), false) => "dropped; a second build gave something else",
        (Err(_), false) => "dropped; building it again failed",
    };
    Outcome { path, how: how.to_owned(), is_back }
}

/// Carries an action out whose inputs are objects.
fn rebuild(
    session: &Session,
    store: &Store,
    action: &Derivation<StorePath>,
) -> Result<(), Failure> {
    let unresolved: Result<Derivation<Input>, std::convert::Infallible> =
        action.try_map(&mut |path: &StorePath| Ok(Input::Object(path.clone())));
    let Ok(unresolved) = unresolved;
    let output = unresolved.outputs.first().cloned();
    let mut graph = Graph::default();
    let drv = graph.add(unresolved);
    let output = output.unwrap_or_else(cbuild_drv::OutputName::out);
    let fetcher = session.fetcher()?;
    let display = Display::new(session);
    let show = |event| display.show(&event);
    let builder = Builder::new(store, &graph, &fetcher, session.build_options(), &show);
    builder.build(&[Target { drv, output }])?;
    Ok(())
}
