//! `cbuild log`.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;

use cbuild_build::{Known, plain};
use cbuild_drv::ActionKey;
use cbuild_store::{BuildEnding, BuildRecord};
use serde_json::json;

use super::why::known;
use super::{how, memory_of, signal_of, status_of, stopped_by};
use crate::evaluation::evaluate;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Prints the log of the newest build of the target's derivation. Where that could not be built because
/// something that it needs failed, the log of that. The place of a log, as errors and the history show
/// it, may stand for a target.
pub(crate) fn log(session: &Session, target: &str) -> Result<(), Failure> {
    let place = Path::new(target);
    if target.ends_with(KEPT) && place.is_file() {
        let text = read(place)?;
        return if session.options.json {
            output::json(&json!({"log": text}))
        } else {
            print_text(&text)
        };
    }
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let wanted = evaluated.targets.first().map(|found| found.target.drv);
    let drv = wanted.and_then(|drv| evaluated.graph.get(&drv));
    let name = drv.map(|drv| drv.name.to_string()).unwrap_or_default();
    let known = known(session, &store, &evaluated)?;
    let key_of = |known: &Known| known.resolved.as_ref().map(|(key, _)| *key);
    let key = wanted.and_then(|drv| key_of(known.get(&drv)?));
    let needed: BTreeSet<ActionKey> = known.values().filter_map(key_of).collect();
    let records = store.builds(None, u32::MAX)?;
    let Some((record, path)) = choose(&records, key, &name, &needed) else {
        return Err(none(&name).into());
    };
    let text = read(path)?;
    if record.name != name {
        let failed = &record.name;
        let note = format!("{name} was not built: this is the log of {failed}, which failed");
        output::note(session, &note);
    }
    if text.is_empty() {
        output::note(session, "the log is empty");
    }
    if let BuildEnding::Signaled(_) | BuildEnding::Stopped(_) = record.ending {
        output::note(session, &format!("the build was {}", how(record.ending)));
    }
    print(session, record, &text)
}

/// How the place of a kept log ends.
const KEPT: &str = ".log.zst";

/// The record, with the place of its log, that tells most about a target: of its own action; otherwise
/// of a step that failed last time, and is `needed` for it; otherwise of its name. Other targets may have
/// a derivation of the same name; before an action's first build one of them is better than nothing.
fn choose<'r>(
    records: &'r [BuildRecord],
    key: Option<ActionKey>,
    name: &str,
    needed: &BTreeSet<ActionKey>,
) -> Option<(&'r BuildRecord, &'r Path)> {
    let logged = |of: &dyn Fn(&BuildRecord) -> bool| {
        let found = records.iter().filter(|record| of(record));
        found.filter_map(|record| Some((record, record.log.as_deref()?))).next()
    };
    // Records are ordered from the newest on: only the first of an action tells how it is.
    let mut seen = BTreeSet::new();
    let latest: Vec<bool> = records.iter().map(|record| seen.insert(record.key)).collect();
    let failed = || {
        let last = records.iter().zip(&latest).filter(|(_, latest)| **latest);
        let failed =
            last.filter(|(record, _)| needed.contains(&record.key) && record.ending.is_failure());
        failed.filter_map(|(record, _)| Some((record, record.log.as_deref()?))).next()
    };
    logged(&|record| Some(record.key) == key)
        .or_else(|| if key.is_none() { failed() } else { None })
        .or_else(|| logged(&|record| record.name == name))
}

fn none(name: &str) -> Problem {
    Problem::new(Exit::Failed, "E1025", format!("there is no log of `{name}`"))
        .help("only programs that ran here and wrote something have logs; downloads and compositions have none")
}

fn read(path: &Path) -> Result<String, Failure> {
    cbuild_build::read_log(path).map_err(|error| unreadable(path, &error).into())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let message = format!("cannot read the log `{}`: {error}", path.display());
    Problem::new(Exit::Environment, "E1026", message)
        .help("build again with `--check`: a step that runs writes its log anew")
}

fn print(session: &Session, record: &BuildRecord, text: &str) -> Result<(), Failure> {
    if session.options.json {
        return output::json(&json!({
            "name": record.name,
            "started": record.started,
            "duration_ms": record.duration_ms,
            "status": status_of(record.ending),
            "signal": signal_of(record.ending),
            "stopped_by": stopped_by(record.ending),
            "cpu_ms": record.usage.map(|usage| usage.cpu_ms),
            "memory": record.usage.map(|usage| usage.memory),
            "memory_of": record.usage.map(|usage| memory_of(usage.memory_of)),
            "log": text,
        }));
    }
    print_text(text)
}

fn print_text(text: &str) -> Result<(), Failure> {
    // What goes into a file or to another program is as the builder wrote it.
    let is_shown = std::io::stdout().is_terminal();
    let shown = |line: &str| if is_shown { output::line(&plain(line)) } else { output::line(line) };
    text.lines().try_for_each(shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cbuild_drv::Digest;

    use super::*;

    fn record(name: &str, key: u8, status: i32, log: bool) -> BuildRecord {
        BuildRecord {
            key: ActionKey(Digest::of(&[key])),
            name: name.to_owned(),
            started: 0,
            duration_ms: 0,
            ending: BuildEnding::Exited(status),
            log: log.then(|| format!("/{name}-{key}").into()),
            usage: None,
            origin: None,
        }
    }

    #[test]
    fn the_log_that_tells_most_is_chosen() {
        let key = |key: u8| ActionKey(Digest::of(&[key]));
        let records = [
            record("lib", 1, 0, true),
            record("gen", 2, 3, true),
            record("lib", 1, 4, true),
            record("app", 9, 0, true),
            record("app", 8, 0, false),
        ];
        let needed = BTreeSet::from([key(1), key(2)]);
        let chosen = |own: Option<u8>, needed: &BTreeSet<ActionKey>| {
            let found = choose(&records, own.map(key), "app", needed);
            found.map(|(record, path)| (record.name.clone(), path.display().to_string()))
        };
        let expect = |name: &str, path: &str| Some((name.to_owned(), path.to_owned()));
        assert_eq!(chosen(Some(9), &needed), expect("app", "/app-9"));
        // `lib` failed before, and was built since; `gen` is what keeps `app` from being built.
        assert_eq!(chosen(None, &needed), expect("gen", "/gen-2"));
        assert_eq!(chosen(None, &BTreeSet::from([key(1)])), expect("app", "/app-9"));
        assert_eq!(chosen(Some(8), &needed), expect("app", "/app-9"), "an empty log");
        assert_eq!(choose(&records[..1], None, "app", &needed), None);
    }

    #[test]
    fn a_log_that_cannot_be_read() {
        let path = Path::new("/dev/null/log.zst");
        let error = cbuild_build::read_log(path).unwrap_err();
        insta::assert_snapshot!(Failure::from(unreadable(path, &error)).text());
    }
}
