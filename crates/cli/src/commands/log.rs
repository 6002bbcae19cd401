//! `cbuild log`.

use cbuild_store::BuildRecord;
use serde_json::json;

use super::memory_of;
use super::why::known;
use crate::evaluation::evaluate;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Prints the log of the newest build of the target's derivation.
pub(crate) fn log(session: &Session, target: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let wanted = evaluated.targets.first().map(|found| found.target.drv);
    let drv = wanted.and_then(|drv| evaluated.graph.get(&drv));
    let name = drv.map(|drv| drv.name.to_string()).unwrap_or_default();
    let known = known(session, &store, &evaluated)?;
    let resolved = wanted.and_then(|drv| known.get(&drv)?.resolved.as_ref());
    let key = resolved.map(|(key, _)| *key);
    let records = store.builds(Some(&name), u32::MAX)?;
    // Other targets may have a derivation of the same name; only where the target's own action
    // has no log, such as before its first build, one of them is better than nothing.
    let logged = |of: &dyn Fn(&BuildRecord) -> bool| {
        records.iter().filter(|r| of(r)).find_map(|r| r.log.as_deref().map(|path| (r, path)))
    };
    let logged = logged(&|r| Some(r.key) == key).or_else(|| logged(&|_| true));
    let Some((record, path)) = logged else {
        let message = format!("there is no log of `{name}`");
        return Err(Problem::new(Exit::Failed, "E1025", message)
            .help("only programs that ran here have logs; downloads and compositions have none")
            .into());
    };
    let text = cbuild_build::read_log(path).map_err(|error| unreadable(path, &error))?;
    print(session, record, &text)
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Problem {
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
            "status": record.status,
            "cpu_ms": record.usage.map(|usage| usage.cpu_ms),
            "memory": record.usage.map(|usage| usage.memory),
            "memory_of": record.usage.map(|usage| memory_of(usage.memory_of)),
            "log": text,
        }));
    }
    text.lines().try_for_each(output::line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::*;

    #[test]
    fn a_log_that_cannot_be_read() {
        let path = Path::new("/dev/null/log.zst");
        let error = cbuild_build::read_log(path).unwrap_err();
        insta::assert_snapshot!(Failure::from(unreadable(path, &error)).text());
    }
}
