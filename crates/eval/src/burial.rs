//! Dropping of deep values.
//!
//! A value a million levels deep must not need a million stack frames to be freed. Down to a fixed
//! depth parts are dropped where they are; below that they are put aside and dropped one after the
//! other by the outermost drop.

use std::cell::{Cell, RefCell};

use crate::value::Slot;

/// Nesting of drops that is done on the stack.
const DEEPEST: u32 = 128;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PUT_ASIDE: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

/// Drops slots, now or when the outermost drop is done.
pub(crate) fn bury(slots: impl IntoIterator<Item = Slot>) {
    // At the end of a thread its variables may be gone; then the ordinary drop must do.
    let Ok(depth) = DEPTH.try_with(Cell::get) else { return };
    if depth >= DEEPEST {
        let _ = PUT_ASIDE.try_with(|aside| aside.borrow_mut().extend(slots));
        return;
    }
    DEPTH.set(depth + 1);
    drop(slots);
    if depth == 0 {
        while let Some(slot) = PUT_ASIDE.with(|aside| aside.borrow_mut().pop()) {
            drop(slot);
        }
    }
    DEPTH.set(depth);
}
