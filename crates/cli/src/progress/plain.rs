//! Lines about steps that run, for where standard error is no terminal: one when a step begins, and one
//! every half minute while it goes on.
//!
//! The lines about steps that have ended are written by whoever shows the events.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cbuild_build::Event;
use cbuild_drv::DrvId;

use super::running::{Steps, now};
use super::write_line;

/// A step that ends sooner is told by the line about its end alone: of a thousand steps that turn out
/// to be done there shall not be a thousand lines.
const NOTICED: Duration = Duration::from_millis(100);

/// Time between two lines about one step.
const PERIOD: Duration = Duration::from_secs(30);

/// Writes the lines, from the first step until the end of this value's life.
#[derive(Default)]
pub(super) struct Plain {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when a step begins, and at the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    steps: Steps,
    /// When the next line about a step is due.
    due: BTreeMap<DrvId, Instant>,
    ended: bool,
}

impl Plain {
    /// Takes an event, with the line that it leaves.
    pub(super) fn show(&self, event: &Event, line: Option<String>) {
        let mut state = self.shared.lock();
        state.take(event);
        // Under the lock, so that no step is said to go on after the line about its end.
        line.iter().for_each(|line| write_line(line));
        drop(state);
        if matches!(event, Event::Started { .. }) {
            self.shared.changed.notify_all();
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let shared = &self.shared;
            thread.get_or_insert_with(|| {
                let shared = Arc::clone(shared);
                std::thread::spawn(move || shared.write_until_end())
            });
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A thread that panicked has told so itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_end(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = now();
            state.lines(now).iter().for_each(|line| write_line(line));
            let next = state.due.values().min().map(|due| due.saturating_duration_since(now));
            let waited = self.changed.wait_timeout(state, next.unwrap_or(PERIOD));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn take(&mut self, event: &Event) {
        self.steps.take(event);
        match event {
            Event::Started { drv, .. } => drop(self.due.insert(*drv, now() + NOTICED)),
            Event::Finished { drv, .. }
            | Event::Failed { drv, .. }
            | Event::Skipped { drv, .. } => drop(self.due.remove(drv)),
            _ => {}
        }
    }

    /// The lines that are due.
    fn lines(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for step in self.steps.all() {
            let Some(due) = self.due.get_mut(&step.drv).filter(|due| **due <= now) else {
                continue;
            };
            lines.push(step.text(now));
            *due = step.started + PERIOD;
            while *due <= now {
                *due += PERIOD;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cbuild_build::{Kind, Outcome};
    use cbuild_drv::{Digest, Name};

    use super::*;

    fn id(name: &str) -> DrvId {
        DrvId(Digest::of(name.as_bytes()))
    }

    fn start(text: &str) -> Event {
        Event::Started {
            drv: id(text),
            name: Name::new(text).unwrap(),
            kind: Kind::Exec,
            last_duration: Some(Duration::from_secs(41)),
            waiting: Vec::new(),
            waiting_total: 0,
        }
    }

    #[test]
    fn a_step_is_told_when_it_begins_and_every_half_minute() {
        let mut state = State::default();
        state.take(&start("a"));
        let at = |millis| now() + Duration::from_millis(millis);
        let none: [&str; 0] = [];
        assert_eq!(state.lines(at(0)), none);
        assert_eq!(state.lines(at(200)), ["building a (last time 41.0 s)"]);
        assert_eq!(state.lines(at(20_000)), none);
        assert_eq!(state.lines(at(30_500)), ["building a 30 s (last time 41.0 s)"]);
        assert_eq!(state.lines(at(31_000)), none);
        state.take(&Event::FetchProgress { drv: id("a"), bytes: 1 << 20, total: None });
        assert_eq!(state.lines(at(125_000)), ["building a 125 s (last time 41.0 s) · 1.00 MiB"]);
        assert_eq!(state.lines(at(126_000)), none);
        state.take(&Event::Reading { drv: id("a"), name: Name::new("a").unwrap(), bytes: 3 << 30 });
        let line = "building a 150 s (last time 41.0 s) · hashed 3.00 GiB";
        assert_eq!(state.lines(at(150_500)), [line]);
    }

    #[test]
    fn a_step_that_has_ended_is_not_told() {
        let mut state = State::default();
        state.take(&start("a"));
        state.take(&Event::Finished {
            drv: id("a"),
            name: Name::new("a").unwrap(),
            duration: Duration::from_millis(3),
            outcome: Outcome::CutOff,
            usage: None,
        });
        assert!(state.lines(now() + Duration::from_secs(60)).is_empty());
    }
}
