//! What a build shows while it runs: a few live lines on a terminal, plain lines elsewhere, JSON events for machines.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cbuild_build::{Event, Kind, Outcome};
use cbuild_drv::DrvId;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::session::Session;

/// Receives events from the scheduler's threads and shows them on standard error.
pub(crate) struct Display {
    mode: Mode,
    verbose: bool,
}

enum Mode {
    Quiet,
    Plain,
    Json,
    Terminal(Box<Mutex<Terminal>>),
}

struct Terminal {
    bars: MultiProgress,
    running: BTreeMap<DrvId, ProgressBar>,
    line: ProgressStyle,
}

impl Display {
    /// Chooses the mode from the options and from what standard error is.
    pub(crate) fn new(session: &Session) -> Self {
        let options = &session.options;
        let mode = if options.quiet {
            Mode::Quiet
        } else if options.json {
            Mode::Json
        } else if std::io::stderr().is_terminal() {
            Mode::Terminal(Box::new(Mutex::new(Terminal {
                bars: MultiProgress::new(),
                running: BTreeMap::new(),
                line: ProgressStyle::with_template("  {elapsed:>4} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            })))
        } else {
            Mode::Plain
        };
        Self { mode, verbose: options.verbose }
    }

    /// Shows one event.
    pub(crate) fn show(&self, event: &Event) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Json => write_line(&to_json(event).to_string()),
            Mode::Plain => {
                if let Some(line) = self.finished_line(event) {
                    write_line(&line);
                }
            }
            Mode::Terminal(terminal) => {
                let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
                self.draw(&mut terminal, event);
            }
        }
    }

    fn draw(&self, terminal: &mut Terminal, event: &Event) {
        match event {
            Event::Started { drv, name, kind, last_duration } => {
                let bar = terminal.bars.add(ProgressBar::new_spinner());
                bar.set_style(terminal.line.clone());
                let last =
                    last_duration.map_or(String::new(), |d| format!(" (last time {})", seconds(d)));
                bar.set_message(format!("{} {name}{last}", verb(*kind)));
                bar.enable_steady_tick(Duration::from_millis(200));
                terminal.running.insert(*drv, bar);
            }
            Event::FetchProgress { drv, bytes, total } => {
                if let Some(bar) = terminal.running.get(drv) {
                    let message = bar.message();
                    let head = message.split(" · ").next().unwrap_or_default();
                    let of =
                        total.map_or(String::new(), |total| format!(" of {}", HumanBytes(total)));
                    bar.set_message(format!("{head} · {}{of}", HumanBytes(*bytes)));
                }
            }
            Event::Finished { drv, .. }
            | Event::Failed { drv, .. }
            | Event::Skipped { drv, .. } => {
                if let Some(bar) = terminal.running.remove(drv) {
                    bar.finish_and_clear();
                    terminal.bars.remove(&bar);
                }
            }
            Event::Planned { .. } | Event::Log { .. } => {}
        }
        if let Some(line) = self.finished_line(event) {
            // A terminal that cannot be written to is no reason to stop the build.
            let _ = terminal.bars.println(line);
        }
    }

    /// The line that stays on the screen for an event, if there is one.
    fn finished_line(&self, event: &Event) -> Option<String> {
        match event {
            Event::Finished { name, duration, outcome, .. } => {
                let time = seconds(*duration);
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
            Event::Failed { name, code, .. } => Some(format!("failed {name} ({code})")),
            Event::Skipped { name, .. } => self.verbose.then(|| format!("skipped {name}")),
            Event::Log { line, .. } => self.verbose.then(|| format!("| {line}")),
            _ => None,
        }
    }
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

fn to_json(event: &Event) -> serde_json::Value {
    let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match event {
        Event::Planned { total } => json!({"event": "planned", "total": total}),
        Event::Started { drv, name, kind, last_duration } => json!({
            "event": "started", "drv": drv.to_string(), "name": name.as_str(), "kind": verb(*kind),
            "last_duration_ms": last_duration.as_ref().map(millis),
        }),
        Event::Log { drv, line } => json!({"event": "log", "drv": drv.to_string(), "line": line}),
        Event::FetchProgress { drv, bytes, total } => json!({
            "event": "fetch-progress", "drv": drv.to_string(), "bytes": bytes, "total": total,
        }),
        Event::Finished { drv, name, duration, outcome } => json!({
            "event": "finished", "drv": drv.to_string(), "name": name.as_str(),
            "duration_ms": millis(duration), "outcome": format!("{outcome:?}").to_lowercase(),
        }),
        Event::Failed { drv, name, code } => json!({
            "event": "failed", "drv": drv.to_string(), "name": name.as_str(), "code": code,
        }),
        Event::Skipped { drv, name } => {
            json!({"event": "skipped", "drv": drv.to_string(), "name": name.as_str()})
        }
    }
}
