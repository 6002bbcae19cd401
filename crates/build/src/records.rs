//! Records of actions that wait to be written.
//!
//! Only explanations read them, and nothing is lost but those when a run is killed. So a worker writes
//! them when it has nothing else to do, and not between two steps.

use std::sync::{Mutex, PoisonError};

use cbuild_drv::{ActionKey, Derivation, StorePath};
use cbuild_store::Store;

/// Most records that wait, because each takes memory.
const MAX_WAITING: usize = 1024;

/// Actions that were carried out, and whose records are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Vec<(ActionKey, Derivation<StorePath>)>>);

impl Records {
    /// Notes that an action was carried out.
    pub(crate) fn add(&self, store: &Store, key: ActionKey, derivation: Derivation<StorePath>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.push((key, derivation));
            return;
        }
        drop(waiting);
        write(store, &key, &derivation);
    }

    /// Writes all that wait; several threads can do so.
    pub(crate) fn write_all(&self, store: &Store) {
        let next = || self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some((key, derivation)) = next() {
            write(store, &key, &derivation);
        }
    }
}

/// Writes one at once.
pub(crate) fn write(store: &Store, key: &ActionKey, derivation: &Derivation<StorePath>) {
    // A build is not refused for want of an explanation.
    let _ = store.keep_action(key, derivation);
}
