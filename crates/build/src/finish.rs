//! The end of steps: moving what workers have made into the store, several steps at a time.
//!
//! Waiting until data is on disk takes longer than a small build, and takes hardly longer for many
//! files than for one. So workers do not wait: they hand over what they have made and go on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::StepError;
use crate::resolve::Outputs;
use crate::step::{Done, Failed, Made, Rest, Workshop};

/// Most steps that are finished at a time, so that the first of them does not wait for long.
const MAX_GROUP: usize = 64;

/// When nothing has come for so long, the finisher has time for other things.
const PAUSE: Duration = Duration::from_millis(5);

/// Most steps that wait. Beyond, workers wait too, because what waits takes space on disk.
const MAX_WAITING: usize = 256;

/// Steps on their way from workers to the finisher.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    is_closed: bool,
}

impl<T> Handover<T> {
    pub(crate) fn new() -> Self {
        let state = State { waiting: Vec::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands one over; waits while too many are waiting.
    pub(crate) fn put(&self, item: T) {
        let mut state = self.lock();
        while state.waiting.len() >= MAX_WAITING && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.push(item);
        self.changed.notify_all();
    }

    /// All that wait, but not too many; waits for the first. `None` after the end. When nothing has
    /// come for a while, `idle` is called, once.
    pub(crate) fn take(&self, idle: impl FnOnce()) -> Option<Vec<T>> {
        let mut state = self.lock();
        let mut idle = Some(idle);
        while state.waiting.is_empty() {
            if state.is_closed {
                return None;
            }
            let pause = if idle.is_some() { PAUSE } else { Duration::MAX };
            let waited = self.changed.wait_timeout(state, pause);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out()
                && state.waiting.is_empty()
                && let Some(idle) = idle.take()
            {
                drop(state);
                idle();
                state = self.lock();
            }
        }
        let count = state.waiting.len().min(MAX_GROUP);
        let group = state.waiting.drain(..count).collect();
        self.changed.notify_all();
        Some(group)
    }

    /// Says that nothing more will come, or that nobody takes any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

impl Workshop<'_> {
    /// Moves what several steps have made into the store. The answers are in their order.
    pub(crate) fn finish(&self, group: Vec<Made>) -> Vec<Result<Done, Box<Failed>>> {
        let (mut registrations, mut rests) = (Vec::new(), Vec::new());
        for Made { registration, rest } in group {
            registrations.push(registration);
            rests.push(rest);
        }
        let results = self.builder.store.complete(&registrations);
        // What was not moved in goes before the locks do.
        drop(registrations);
        let both = rests.into_iter().zip(results);
        both.map(|(rest, result)| self.finish_one(rest, result.map_err(StepError::from))).collect()
    }

    fn finish_one(
        &self,
        rest: Rest,
        result: Result<Outputs, StepError>,
    ) -> Result<Done, Box<Failed>> {
        let outputs = result.and_then(|outputs| {
            let missing = rest.names.iter().find(|name| !outputs.contains_key(*name));
            match missing {
                None => Ok(outputs),
                Some(name) => {
                    let (outputs, log) = (vec![name.clone()], crate::LogEnd::default());
                    Err(StepError::OutputMissing { outputs, log })
                }
            }
        });
        let Rest { record, outcome, place, closure, lock, .. } = rest;
        self.places.give_back(self.builder.store, place, &closure);
        let (key, usage) = (record.key, record.usage);
        let done = match outputs {
            Ok(outputs) => Ok(Done { outputs, outcome, usage }),
            Err(error) => {
                Err(Box::new(Failed { key: Some(key), error: self.note_failure(record, error) }))
            }
        };
        drop(lock);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_taken_together_and_in_order() {
        let handover = Handover::new();
        (0..100).for_each(|number| handover.put(number));
        assert_eq!(handover.take(|| ()), Some((0..64).collect()));
        handover.put(100);
        handover.close();
        assert_eq!(handover.take(|| ()), Some((64..=100).collect()));
        assert_eq!(handover.take(|| ()), None);
    }

    #[test]
    fn nobody_waits_for_a_finisher_that_is_gone() {
        let handover = Handover::new();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..MAX_WAITING * 2).for_each(|number| handover.put(number)));
            assert!(handover.take(|| ()).is_some());
            handover.close();
        });
        let mut left = 0;
        while let Some(group) = handover.take(|| ()) {
            left += group.len();
        }
        assert!(left > MAX_WAITING, "all were handed over: {left}");
    }
}
