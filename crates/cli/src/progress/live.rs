//! The live tree of a build: takes events at any rate and draws a few times a second at most.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cbuild_build::Event;
use console::Term;
use indicatif::ProgressDrawTarget;

use super::running::{Running, Steps, now};
use super::screen::Screen;
use super::tree::{Row, Tree};
use super::write_line;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// Lines of a terminal that are not used for the tree: what was built last stays in sight.
const SPARE_ROWS: usize = 4;

/// Most lines of the tree, however high the terminal is.
const MAX_ROWS: usize = 30;

/// Size of a terminal that does not tell its own.
const USUAL_SIZE: (usize, usize) = (24, 80);

/// A display on standard error. A thread draws, from the first event that tells of work until the end.
#[derive(Default)]
pub(super) struct Live {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when the display ends.
    ended: Condvar,
}

/// What there is to show.
#[derive(Default)]
struct State {
    tree: Tree,
    running: Steps,
    done: usize,
    total: usize,
    expected: Option<Duration>,
    started: Option<Instant>,
    /// Lines that are to stay and are not yet on the screen.
    stay: Vec<String>,
    ended: bool,
}

impl Live {
    /// Takes an event, with the line that it leaves on the screen.
    pub(super) fn show(&self, event: &Event, line: Option<String>) {
        let is_over = {
            let mut state = self.shared.lock();
            state.stay.extend(line);
            state.take(event);
            state.total > 0 && state.done >= state.total
        };
        match event {
            Event::Planned { total, .. } if *total > 0 => self.begin(),
            _ if is_over => self.end(),
            _ => {}
        }
        self.leave_lines_of_the_idle();
    }

    /// Writes what is to stay when nothing is live.
    fn leave_lines_of_the_idle(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let lines = std::mem::take(&mut self.shared.lock().stay);
            lines.iter().for_each(|line| write_line(line));
        }
    }

    fn begin(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            self.shared.lock().ended = false;
            let shared = Arc::clone(&self.shared);
            *thread = Some(std::thread::spawn(move || shared.draw_until_end()));
        }
    }

    /// Removes the live lines; returns when all that is to stay is on the screen.
    pub(super) fn end(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.lock().ended = true;
            self.shared.ended.notify_all();
            // A thread that panicked has told so itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_until_end(&self) {
        let mut screen = Screen::new(ProgressDrawTarget::stderr());
        loop {
            let state = self.lock();
            let waited = self.ended.wait_timeout_while(state, FRAME, |state| !state.ended);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let (rows, columns) = size();
            let ended = state.ended;
            let stay = std::mem::take(&mut state.stay);
            let live = state.lines(now(), rows);
            drop(state);
            screen.draw(&stay, &live, columns);
            if ended {
                return screen.end();
            }
        }
    }
}

impl State {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Planned { total, expected } => {
                let (total, expected, started) = (*total, *expected, Some(now()));
                let stay = std::mem::take(&mut self.stay);
                *self = Self { total, expected, started, stay, ..Self::default() };
            }
            Event::Outline { steps } => self.tree = Tree::new(steps.clone()),
            Event::Finished { .. } | Event::Failed { .. } | Event::Skipped { .. } => self.done += 1,
            Event::Started { .. }
            | Event::Elsewhere { .. }
            | Event::FetchProgress { .. }
            | Event::Reading { .. }
            | Event::HiddenPath { .. }
            | Event::Unsearched { .. }
            | Event::WrongBytes { .. }
            | Event::Log { .. } => {}
        }
        self.running.take(event);
    }

    /// The tree and the line about the whole.
    fn lines(&self, now: Instant, rows: usize) -> Vec<String> {
        let row = |one: &Running| Row { place: self.tree.place(&one.drv), text: one.text(now) };
        let running: Vec<Row> = self.running.all().map(row).collect();
        let most = rows.saturating_sub(SPARE_ROWS).clamp(1, MAX_ROWS);
        let mut lines = self.tree.lines(&running, most);
        let Some(started) = self.started else { return lines };
        let taken = now.saturating_duration_since(started);
        let left = self.expected.unwrap_or_default().saturating_sub(taken).as_secs();
        let left = if left > 0 { format!(", about {left} s left") } else { String::new() };
        let whole = format!("{} of {} steps done", self.done, self.total);
        lines.push(format!("{} s: {whole}{left}", taken.as_secs()));
        lines
    }
}

/// Rows and columns of the terminal that standard error is.
fn size() -> (usize, usize) {
    let size = Term::stderr().size_checked();
    size.map_or(USUAL_SIZE, |(rows, columns)| (usize::from(rows), usize::from(columns)))
}

#[cfg(test)]
mod tests {
    use cbuild_build::{Kind, Outcome, Outlined};
    use cbuild_drv::{Digest, DrvId, Name};

    use super::*;

    #[test]
    fn events_make_a_tree_with_times_and_an_estimate() {
        let id = |name: &str| DrvId(Digest::of(name.as_bytes()));
        let name = |name: &str| Name::new(name).unwrap();
        let mut state = State::default();
        state.take(&Event::Planned { total: 3, expected: Some(Duration::from_secs(60)) });
        let step = |text: &str, above| Outlined { drv: id(text), name: name(text), above };
        let steps = vec![step("a", Some(2)), step("b", Some(2)), step("top", None)];
        state.take(&Event::Outline { steps });
        let start = |text: &str, kind, last_duration| Event::Started {
            drv: id(text),
            name: name(text),
            kind,
            last_duration,
            waiting: Vec::new(),
            waiting_total: 1,
        };
        state.take(&start("a", Kind::Exec, Some(Duration::from_millis(9_500))));
        state.take(&start("b", Kind::Fetch, None));
        state.take(&Event::FetchProgress { drv: id("b"), bytes: 1 << 20, total: Some(1 << 21) });
        let elsewhere = |waits| Event::Elsewhere { drv: id("a"), name: name("a"), waits };
        state.take(&elsewhere(true));
        let later = now() + Duration::from_millis(7_500);
        assert_eq!(
            state.lines(later, 24)[1],
            "├─ building a 7 s (last time 9.5 s) · by another process"
        );
        state.take(&elsewhere(false));
        assert_eq!(
            state.lines(later, 24),
            [
                "top",
                "├─ building a 7 s (last time 9.5 s)",
                "└─ fetching b 7 s · 1.00 MiB of 2.00 MiB",
                "7 s: 0 of 3 steps done, about 52 s left",
            ]
        );
        let (duration, outcome) = (Duration::from_secs(8), Outcome::Built);
        state.take(&Event::Finished {
            drv: id("a"),
            name: name("a"),
            duration,
            outcome,
            usage: None,
        });
        let lines = state.lines(later + Duration::from_secs(90), 5);
        assert_eq!(lines, ["fetching b 97 s · 1.00 MiB of 2.00 MiB", "97 s: 1 of 3 steps done"]);
    }
}
