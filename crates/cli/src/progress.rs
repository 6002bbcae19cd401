//! What a build shows while it runs: a few live lines on a terminal, plain lines elsewhere, JSON events for machines.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cbuild_build::{Event, Kind, Outcome};
use cbuild_drv::{DrvId, Name};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::commands::memory_of;
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
    /// The last line: how far the whole is.
    whole: Option<ProgressBar>,
    expected: Option<Duration>,
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
                whole: None,
                expected: None,
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
            Event::Planned { total, expected } if *total > 0 => terminal.plan(*total, *expected),
            Event::Started { drv, name, kind, last_duration, waiting, waiting_total } => {
                let bar = ProgressBar::new_spinner().with_style(terminal.line.clone());
                let bar = match &terminal.whole {
                    Some(whole) => terminal.bars.insert_before(whole, bar),
                    None => terminal.bars.add(bar),
                };
                let last =
                    last_duration.map_or(String::new(), |d| format!(" (last time {})", seconds(d)));
                let then = waits(waiting, *waiting_total);
                bar.set_message(format!("{} {name}{last}{then}", verb(*kind)));
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
                terminal.step_is_over();
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

impl Terminal {
    /// Shows a last line with the number of steps and the estimate.
    fn plan(&mut self, total: usize, expected: Option<Duration>) {
        self.expected = expected;
        let style = ProgressStyle::with_template("  {elapsed:>4} {pos} of {len} steps done{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let whole = self.bars.add(ProgressBar::new(total as u64).with_style(style));
        whole.enable_steady_tick(Duration::from_millis(200));
        self.whole = Some(whole);
        self.estimate();
    }

    fn step_is_over(&mut self) {
        let Some(whole) = &self.whole else { return };
        whole.inc(1);
        if whole.length() == Some(whole.position()) {
            whole.finish_and_clear();
        }
        self.estimate();
    }

    /// Says how long it still takes, as long as the estimate holds.
    fn estimate(&self) {
        let (Some(whole), Some(expected)) = (&self.whole, self.expected) else { return };
        let left = expected.saturating_sub(whole.elapsed());
        let text = match left.as_secs() {
            0 => String::new(),
            seconds => format!(", about {seconds} s left"),
        };
        whole.set_message(text);
    }
}

/// What waits for a step, for the end of its line.
fn waits(waiting: &[Name], total: usize) -> String {
    if waiting.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = waiting.iter().map(Name::as_str).collect();
    let more = match total.saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(" → {}{more}", names.join(", "))
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
        Event::Planned { total, expected } => json!({
            "event": "planned", "total": total, "expected_ms": expected.as_ref().map(millis),
        }),
        Event::Started { drv, name, kind, last_duration, waiting, waiting_total } => json!({
            "event": "started", "drv": drv.to_string(), "name": name.as_str(), "kind": verb(*kind),
            "last_duration_ms": last_duration.as_ref().map(millis),
            "waiting": waiting.iter().map(Name::as_str).collect::<Vec<_>>(),
            "waiting_total": waiting_total,
        }),
        Event::Log { drv, line } => json!({"event": "log", "drv": drv.to_string(), "line": line}),
        Event::FetchProgress { drv, bytes, total } => json!({
            "event": "fetch-progress", "drv": drv.to_string(), "bytes": bytes, "total": total,
        }),
        Event::Finished { drv, name, duration, outcome, usage } => json!({
            "event": "finished", "drv": drv.to_string(), "name": name.as_str(),
            "duration_ms": millis(duration), "outcome": format!("{outcome:?}").to_lowercase(),
            "cpu_ms": usage.map(|usage| usage.cpu_ms), "memory": usage.map(|usage| usage.memory),
            "memory_of": usage.map(|usage| memory_of(usage.memory_of)),
        }),
        Event::Failed { drv, name, code } => json!({
            "event": "failed", "drv": drv.to_string(), "name": name.as_str(), "code": code,
        }),
        Event::Skipped { drv, name } => {
            json!({"event": "skipped", "drv": drv.to_string(), "name": name.as_str()})
        }
    }
}
