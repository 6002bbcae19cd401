//! How late the machine is: a busy one lets every process wait, also one that does nothing wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time for which the measuring thread sleeps.
const NAP: Duration = Duration::from_millis(2);

/// A thread that sleeps again and again, and sees how late it wakes.
pub(super) struct Lateness {
    /// Sum of what it was late since the last reset, in microseconds.
    late: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Lateness {
    pub(super) fn start() -> Self {
        let (late, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (noted, ended) = (Arc::clone(&late), Arc::clone(&over));
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(NAP);
                let beyond = begin.elapsed().saturating_sub(2 * NAP);
                noted.fetch_add(u64::try_from(beyond.as_micros()).unwrap_or(0), Ordering::Relaxed);
            }
        });
        Self { late, over }
    }

    pub(super) fn reset(&self) {
        self.late.store(0, Ordering::Relaxed);
    }

    /// Time for which a process that was ready did not run since the last reset.
    pub(super) fn worst(&self) -> Duration {
        Duration::from_micros(self.late.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
