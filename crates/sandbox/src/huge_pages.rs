//! Who has huge pages: a builder as many as cbuild was given, and cbuild's own processes as few as
//! possible.
//!
//! With small pieces of memory here and there, in the heaps of several threads or of short-lived
//! processes, the kernel clears two mebibytes for a few kilobytes that are used. In a virtual
//! machine, whose host has to find that memory first, each can take milliseconds.

use std::sync::{Mutex, PoisonError};

use crate::sys;

/// Whether this process has given up huge pages that builders are to have. The kernel's setting
/// belongs to the whole process, so only one thread at a time may change it.
static GIVEN_UP: Mutex<bool> = Mutex::new(false);

/// Lets this process do without huge pages from now on. Memory that it has stays as it is, and
/// builders of sandboxes are not concerned; other programs that it executes inherit it.
pub fn give_up_huge_pages() {
    let mut given_up = GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if sys::may_have_huge_pages() {
        sys::set_huge_pages(false);
        *given_up = true;
    }
}

/// Runs `start`, which executes a program, so that the program has no huge pages. `start` is told
/// whether builders are to have them.
pub(crate) fn without_huge_pages<T>(start: impl FnOnce(bool) -> T) -> T {
    let given_up = GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner);
    let has_some = sys::may_have_huge_pages();
    if has_some {
        sys::set_huge_pages(false);
    }
    let result = start(has_some || *given_up);
    if has_some {
        sys::set_huge_pages(true);
    }
    result
}
