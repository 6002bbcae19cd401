//! The steps that run now, each with what is said about it.
//!
//! Knows events and texts only: no terminal and no thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cbuild_build::Event;
use cbuild_drv::DrvId;
use indicatif::HumanBytes;

use super::{seconds, verb};

/// The steps that run, in the order in which they began.
#[derive(Default)]
pub(super) struct Steps(VecDeque<Running>);

/// One of them.
pub(super) struct Running {
    pub(super) drv: DrvId,
    pub(super) started: Instant,
    head: String,
    /// How long it took last time.
    last: Option<Duration>,
    /// What a download has brought or how much is hashed so far, or that another process does it.
    more: String,
}

impl Steps {
    /// Takes in what an event says of steps that begin, go on and end.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Started { drv, name, kind, last_duration, .. } => self.0.push_back(Running {
                drv: *drv,
                head: format!("{} {name}", verb(*kind)),
                last: *last_duration,
                more: String::new(),
                started: now(),
            }),
            Event::Elsewhere { drv, waits, .. } => {
                let more = if *waits { " · by another process" } else { "" };
                self.note(drv, more.to_owned());
            }
            Event::FetchProgress { drv, bytes, total } => {
                let of = total.map_or(String::new(), |all| format!(" of {}", HumanBytes(all)));
                self.note(drv, format!(" · {}{of}", HumanBytes(*bytes)));
            }
            Event::Reading { drv, bytes, .. } => {
                self.note(drv, format!(" · hashed {}", HumanBytes(*bytes)));
            }
            Event::Finished { drv, .. }
            | Event::Failed { drv, .. }
            | Event::Skipped { drv, .. } => self.0.retain(|one| one.drv != *drv),
            Event::Planned { .. }
            | Event::Outline { .. }
            | Event::WrongBytes { .. }
            | Event::HiddenPath { .. }
            | Event::Unsearched { .. }
            | Event::Log { .. } => {}
        }
    }

    fn note(&mut self, drv: &DrvId, more: String) {
        if let Some(running) = self.0.iter_mut().find(|one| one.drv == *drv) {
            running.more = more;
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Running> {
        self.0.iter()
    }
}

impl Running {
    /// What it is, since when, and how long it took last time. Whole seconds: a line that changes ten
    /// times a second draws the eye to what matters least.
    pub(super) fn text(&self, now: Instant) -> String {
        let taken = now.saturating_duration_since(self.started).as_secs();
        let taken = if taken > 0 { format!(" {taken} s") } else { String::new() };
        let last =
            self.last.map_or(String::new(), |last| format!(" (last time {})", seconds(last)));
        format!("{}{taken}{last}{}", self.head, self.more)
    }
}

#[expect(clippy::disallowed_methods, reason = "the display shows how long steps have been running")]
pub(super) fn now() -> Instant {
    Instant::now()
}
