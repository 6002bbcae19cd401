//! What a build shows while it runs: a live tree on a terminal, plain lines elsewhere, JSON events for machines.

mod live;
mod plain;
mod running;
mod screen;
mod tree;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cbuild_build::{Event, Kind, Outcome};
use cbuild_drv::{DrvId, Name};
use serde_json::json;

use self::live::Live;
use self::plain::Plain;

use crate::commands::{memory_of, taken};
use crate::session::Session;

/// Receives events from the scheduler's threads and shows them on standard error.
pub(crate) struct Display {
    mode: Mode,
    verbose: bool,
    /// Names of the steps that run, where their logs are shown.
    names: Mutex<BTreeMap<DrvId, Name>>,
}

enum Mode {
    Quiet,
    Plain(Plain),
    Json,
    Terminal(Live),
}

impl Display {
    /// Chooses the mode from the options and from what standard error is.
    pub(crate) fn new(session: &Session) -> Self {
        let options = &session.options;
        let mode = if options.quiet {
            Mode::Quiet
        } else if options.json {
            Mode::Json
        } else if std::io::stderr().is_terminal() && can_move_its_cursor() {
            Mode::Terminal(Live::default())
        } else {
            Mode::Plain(Plain::default())
        };
        Self { mode, verbose: options.verbose, names: Mutex::default() }
    }

    /// Shows one event.
    pub(crate) fn show(&self, event: &Event) {
        if self.verbose {
            self.note_name(event);
        }
        match &self.mode {
            Mode::Quiet => {}
            Mode::Json => {
                if let Some(event) = to_json(event) {
                    write_line(&event.to_string());
                }
            }
            Mode::Plain(plain) => plain.show(event, self.finished_line(event)),
            Mode::Terminal(live) => live.show(event, self.finished_line(event)),
        }
    }

    fn note_name(&self, event: &Event) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { drv, name, .. } => drop(names.insert(*drv, name.clone())),
            Event::Finished { drv, .. } | Event::Failed { drv, .. } => drop(names.remove(drv)),
            _ => {}
        }
    }

    /// Takes what is live from the screen, so that something else can write there. The same happens
    /// when the last step is done, and at the end of this value's life.
    pub(crate) fn end(&self) {
        if let Mode::Terminal(live) = &self.mode {
            live.end();
        }
    }

    /// The line that stays on the screen for an event, if there is one.
    fn finished_line(&self, event: &Event) -> Option<String> {
        match event {
            Event::Finished { name, duration, outcome, usage, .. } => {
                let mut time = seconds(*duration);
                if let Some(usage) = usage.filter(|_| self.verbose) {
                    time = format!("{time} ({})", taken(&usage));
                }
                match outcome {
                    Outcome::Built => Some(format!("built {name} in {time}")),
                    Outcome::Fetched => Some(format!("fetched {name} in {time}")),
                    Outcome::Assembled => Some(format!("assembled {name} in {time}")),
                    Outcome::Shared => Some(format!("took over {name} from another process")),
                    Outcome::CutOff => {
                        self.verbose.then(|| format!("unchanged {name}: same inputs by content"))
                    }
                }
            }
            // The live lines say it as long as it is so.
            Event::Elsewhere { name, waits: true, .. } => (!matches!(self.mode, Mode::Terminal(_)))
                .then(|| format!("waiting for another process, which is at {name}")),
            Event::WrongBytes { name, wrong, .. } => Some(format!("warning: for {name}, {wrong}")),
            Event::HiddenPath { name, hidden, .. } => Some(warning(HIDDEN_PATH, name, hidden)),
            Event::Unsearched { name, unsearched, .. } => {
                Some(warning(UNSEARCHED, name, unsearched))
            }
            Event::Failed { name, code, reason, .. } => {
                Some(format!("failed {name} ({code}): {}", cbuild_diag::clean(reason)))
            }
            Event::Skipped { name, .. } => self.verbose.then(|| format!("skipped {name}")),
            Event::Log { drv, line } => self.verbose.then(|| {
                // Lines of steps that run at the same time come mixed.
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                let name = names.get(drv).map(|name| format!("{name} ")).unwrap_or_default();
                format!("{name}| {line}")
            }),
            _ => None,
        }
    }
}

/// Code of the warning about a path that stayed in a compressed file.
const HIDDEN_PATH: &str = "E0621";

/// Code of the warning about a compressed file that was not searched to its end.
const UNSEARCHED: &str = "E0622";

fn warning(code: &str, name: &Name, what: &impl std::fmt::Display) -> String {
    format!("warning[{code}]: {name}: {what}")
}

/// A terminal without a type, or with one that says so, shows every byte one after the other.
fn can_move_its_cursor() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the terminal's type is known to the command line"
    )]
    std::env::var_os("TERM").is_some_and(|kind| !kind.is_empty() && kind != "dumb")
}

fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Exec => "building",
        Kind::Fetch => "fetching",
        Kind::Assemble => "assembling",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn write_line(line: &str) {
    // A closed standard error is no reason to stop the build.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// `None` for what machines learn otherwise: each step that starts names those that wait for it.
fn to_json(event: &Event) -> Option<serde_json::Value> {
    let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Some(match event {
        Event::Outline { .. } => return None,
        Event::Planned { total, expected } => json!({
            "event": "planned", "total": total, "expected_ms": expected.as_ref().map(millis),
        }),
        Event::Started { drv, name, kind, last_duration, waiting, waiting_total } => json!({
            "event": "started", "drv": drv.to_string(), "name": name.as_str(), "kind": verb(*kind),
            "last_duration_ms": last_duration.as_ref().map(millis),
            "waiting": waiting.iter().map(Name::as_str).collect::<Vec<_>>(),
            "waiting_total": waiting_total,
        }),
        Event::Elsewhere { drv, name, waits } => json!({
            "event": "elsewhere", "drv": drv.to_string(), "name": name.to_string(), "waits": waits,
        }),
        Event::Log { drv, line } => json!({"event": "log", "drv": drv.to_string(), "line": line}),
        Event::FetchProgress { drv, bytes, total } => json!({
            "event": "fetch-progress", "drv": drv.to_string(), "bytes": bytes, "total": total,
        }),
        Event::WrongBytes { drv, name, wrong } => json!({
            "event": "wrong-bytes", "drv": drv.to_string(), "name": name.as_str(), "url": wrong.url,
            "wanted": wrong.wanted.to_string(), "got": wrong.got.to_string(),
        }),
        Event::Reading { drv, name, bytes } => json!({
            "event": "reading", "drv": drv.to_string(), "name": name.as_str(), "bytes": bytes,
        }),
        Event::Unsearched { drv, name, unsearched } => json!({
            "event": "warning", "code": UNSEARCHED, "drv": drv.to_string(), "name": name.as_str(),
            "message": unsearched.to_string(), "output": unsearched.output.as_str(),
            "file": unsearched.file.display().to_string(),
        }),
        Event::HiddenPath { drv, name, hidden } => json!({
            "event": "warning", "code": HIDDEN_PATH, "drv": drv.to_string(), "name": name.as_str(),
            "message": hidden.to_string(), "output": hidden.output.as_str(),
            "file": hidden.file.display().to_string(), "names": hidden.names.as_str(),
        }),
        Event::Finished { drv, name, duration, outcome, usage } => json!({
            "event": "finished", "drv": drv.to_string(), "name": name.as_str(),
            "duration_ms": millis(duration), "outcome": format!("{outcome:?}").to_lowercase(),
            "cpu_ms": usage.map(|usage| usage.cpu_ms), "memory": usage.map(|usage| usage.memory),
            "memory_of": usage.map(|usage| memory_of(usage.memory_of)),
        }),
        Event::Failed { drv, name, code, reason } => json!({
            "event": "failed", "drv": drv.to_string(), "name": name.as_str(), "code": code,
            "reason": reason,
        }),
        Event::Skipped { drv, name } => {
            json!({"event": "skipped", "drv": drv.to_string(), "name": name.as_str()})
        }
    })
}

#[cfg(test)]
mod tests {
    use cbuild_drv::{Digest, OutputName};
    use cbuild_store::{HiddenPath, LeftOut, Unsearched};

    use super::*;

    #[test]
    fn a_path_in_a_compressed_file_is_warned_of() {
        let output = |name: &str| OutputName::new(name).unwrap();
        let (drv, name) = (DrvId(Digest::of(b"x")), Name::new("tool-1.0").unwrap());
        let hidden = |file: &str, names: &str| HiddenPath {
            output: output("out"),
            file: file.into(),
            names: output(names),
        };
        let all = [hidden("share/man/tool.1.gz", "out"), hidden("", "dev")];
        let lines = all.clone().map(|hidden| warning(HIDDEN_PATH, &name, &hidden));
        let [hidden, _] = all;
        let json = to_json(&Event::HiddenPath { drv, name, hidden }).unwrap();
        insta::assert_snapshot!(format!("{}\n{json:#}", lines.join("\n")));
    }

    #[test]
    fn a_file_that_was_not_searched_is_warned_of() {
        let output = OutputName::new("out").unwrap();
        let (drv, name) = (DrvId(Digest::of(b"x")), Name::new("tool-1.0").unwrap());
        let one =
            |file: &str, reason| Unsearched { output: output.clone(), file: file.into(), reason };
        let all = [
            one("share/zeros.gz", LeftOut::Length),
            one("share/deep.xz", LeftOut::Nesting),
            one("test/cut.zst", LeftOut::Broken),
            one("lib/secret.jar", LeftOut::Encrypted),
            one("", LeftOut::Method(98)),
        ];
        let lines = all.clone().map(|unsearched| warning(UNSEARCHED, &name, &unsearched));
        let [unsearched, ..] = all;
        let json = to_json(&Event::Unsearched { drv, name, unsearched }).unwrap();
        insta::assert_snapshot!(format!("{}\n{json:#}", lines.join("\n")));
    }
}
