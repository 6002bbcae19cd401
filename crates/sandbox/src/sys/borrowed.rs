//! Processes that have their parent's memory for a while, instead of a copy of it.
//!
//! There are two kinds. A builder has init's memory until it executes its program, and init is stopped
//! until then. An init has the helper's memory while it prepares a sandbox, and the helper is not
//! stopped; but all that it does meanwhile stands in this file, and takes no memory. What init does
//! afterwards stands here as well, and uses nothing but its own stack. So neither can see the
//! other's changes at a bad moment, whatever the callers do.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use super::{Fork, NAMESPACES, Reaped, exit, fork_into_namespaces, last_error, wait_with_usage};
use crate::wire::{self, ENDING};

/// Exit code of processes whose end nobody asks about: what counts goes through a pipe.
const DONE: i32 = 0;

/// Exit code of a helper that cannot report anything.
const LOST: i32 = 125;

/// Size of a stack in bytes.
const SIZE: usize = 256 << 10;

/// Bytes below it that nobody may touch, so that a stack that is too small ends its process. A
/// multiple of the size of pages on every machine.
const GUARD: usize = 64 << 10;

/// A stack for processes that borrow this one's memory, one at a time.
pub(crate) struct Stack {
    start: *mut libc::c_void,
    /// Who uses it.
    user: Option<Pid>,
}

impl Stack {
    /// A new one. Its pages take memory only when they are used.
    pub(crate) fn new() -> Result<Self, Errno> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at a place that the kernel chooses; its lower part is not used yet when
        // it is closed.
        unsafe {
            let start = libc::mmap(std::ptr::null_mut(), GUARD + SIZE, access, flags, -1, 0);
            if start == libc::MAP_FAILED {
                return Err(last_error());
            }
            let stack = Stack { start, user: None };
            match libc::mprotect(start, GUARD, libc::PROT_NONE) {
                0 => Ok(stack),
                _ => Err(last_error()),
            }
        }
    }

    /// The upper end, which is as aligned as pages are; an error while somebody uses it.
    fn top(&self) -> Result<*mut libc::c_void, Errno> {
        match self.user {
            // SAFETY: the end of the mapping.
            None => Ok(unsafe { self.start.byte_add(GUARD + SIZE) }),
            Some(_) => Err(Errno::BUSY),
        }
    }

    /// Waits for the end of its user.
    pub(crate) fn wait(&mut self) -> Result<Reaped, Errno> {
        let reaped = wait_with_usage(self.user.ok_or(Errno::CHILD)?)?;
        self.user = None;
        Ok(reaped)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.user.is_none() {
            // SAFETY: the mapping is this value's own, and no process runs on it.
            unsafe { libc::munmap(self.start, GUARD + SIZE) };
        }
    }
}

/// What an init does: first it prepares a builder and then it waits for its end.
pub(crate) struct Init<'a> {
    /// Descriptors of the parent that init must not keep open.
    pub(crate) closed: [BorrowedFd<'a>; 2],
    /// Gives the builder, if there is one. Runs as the new process.
    pub(crate) prepare: &'a mut dyn FnMut() -> Option<Pid>,
    /// Where the builder's end is reported.
    pub(crate) report: BorrowedFd<'a>,
}

impl Init<'_> {
    /// Runs as the new process.
    fn run(&mut self, settled: Option<BorrowedFd<'_>>) {
        for descriptor in self.closed {
            // SAFETY: this process has copies of the parent's descriptors, and no value is dropped in
            // it that owns one of these.
            unsafe { libc::close(descriptor.as_raw_fd()) };
        }
        let builder = (self.prepare)();
        let report = self.report;
        if let Some(settled) = settled {
            write_all(settled, &1_u64.to_ne_bytes());
        }
        // From here on nothing is used that is not on this process's stack.
        if let Some(ending) = builder.and_then(reap_until) {
            write_all(report, &ending);
        }
    }
}

/// What a helper does while an init borrows its memory. That memory may be half changed when an init is
/// killed, so the helper ends as well then, and all that it says is made before.
pub(crate) struct Terms<'a> {
    /// Where init says that it has done with the memory that it borrows.
    pub(crate) settled: BorrowedFd<'a>,
    /// Whose end, or word, is the end of the sandbox.
    pub(crate) caller: &'a UnixStream,
    /// What is said then.
    pub(crate) cancelled: &'a [u8],
    /// How long it may take, and what is said when it takes longer.
    pub(crate) wall: Option<Timespec>,
    pub(crate) timed_out: &'a [u8],
}

/// As [`fork_into_namespaces`], and the child has this process's memory, without a copy, until it has
/// prepared its builder. This process waits for that, or ends.
pub(crate) fn start_with_borrowed_memory(
    stack: &mut Stack,
    init: &mut Init<'_>,
    terms: &Terms<'_>,
) -> Result<Pid, Errno> {
    let top = stack.top()?;
    let flags = libc::CLONE_VM | NAMESPACES | libc::SIGCHLD;
    let mut child = || {
        init.run(Some(terms.settled));
        DONE
    };
    let mut child: BorrowedChild<'_> = &mut child;
    // SAFETY: this process has a single thread, and does not return from here before the child has
    // said that it uses only its stack, which stays until the child was waited for. Meanwhile this
    // process takes no memory and changes none but its own stack. What both write besides is the
    // number of the last error of the C library, which neither reads here without having failed.
    match unsafe { libc::clone(enter, top, flags, (&raw mut child).cast()) } {
        id if id > 0 => {
            let id = Pid::from_raw(id).ok_or(Errno::IO)?;
            stack.user = Some(id);
            terms.until_settled(id);
            Ok(id)
        }
        _ => Err(last_error()),
    }
}

/// The same with a copy of this process's memory. It is not waited for then.
pub(crate) fn start_with_copied_memory(init: &mut Init<'_>) -> Result<Pid, Errno> {
    match fork_into_namespaces()? {
        Fork::Child => {
            init.run(None);
            exit(DONE)
        }
        Fork::Parent(id) => Ok(id),
    }
}

impl Terms<'_> {
    /// Returns when init has done with the memory that it borrows. Takes no memory and gives none back.
    fn until_settled(&self, init: Pid) {
        // Where it cannot be had, init's end is not noticed before the caller's.
        let end = rustix::process::pidfd_open(init, PidfdFlags::empty()).ok();
        let end = end.as_ref().map_or(self.caller.as_fd(), AsFd::as_fd);
        loop {
            let mut watched = [
                PollFd::from_borrowed_fd(self.settled, PollFlags::IN),
                PollFd::from_borrowed_fd(self.caller.as_fd(), PollFlags::IN | PollFlags::RDHUP),
                PollFd::from_borrowed_fd(end, PollFlags::IN),
            ];
            let found = poll(&mut watched, self.wall.as_ref());
            let [is_settled, is_cancelled, has_ended] =
                [0, 1, 2].map(|at: usize| !watched[at].revents().is_empty());
            let answer = match found {
                Ok(_) if is_settled => {
                    let mut count = [0; 8];
                    let _ = rustix::io::read(self.settled, &mut count);
                    return;
                }
                Err(Errno::INTR) => continue,
                // The caller sends nothing after its request: whatever comes means that it wants the end.
                Ok(_) if is_cancelled => self.cancelled,
                Ok(0) => self.timed_out,
                // Killed by somebody else; the caller sees a helper without a report.
                Ok(_) if has_ended => exit(LOST),
                _ => exit(LOST),
            };
            let _ = rustix::process::kill_process(init, Signal::KILL);
            let _ = wait_with_usage(init);
            let _ = crate::running::send_all(self.caller, answer);
            exit(0);
        }
    }
}

/// Reaps everything until the builder itself has ended; gives the report of that. Takes no memory.
fn reap_until(builder: Pid) -> Option<[u8; ENDING]> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == builder => {
                if let Some(code) = status.exit_status() {
                    return Some(wire::encode_ending(true, code));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Some(wire::encode_ending(false, signal));
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            // There is no child, which cannot be; the helper then has no report.
            Err(_) => return None,
        }
    }
}

/// Writes to somebody who cannot be told anything else when it is gone. Takes no memory.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// What a process with borrowed memory runs; gives its exit code.
type BorrowedChild<'c> = &'c mut dyn FnMut() -> i32;

extern "C" fn enter(child: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is that of a variable which lives until this process has left this memory
    // or does not use it any more.
    let child = unsafe { &mut *child.cast::<BorrowedChild<'_>>() };
    child()
}

/// Starts a process that has this one's memory until it executes a program or ends, and waits for
/// that. Copying the memory would cost more than anything else that such a process does. All else
/// is its own: descriptors, working directory, limits and signal actions.
///
/// `child` gives the exit code where it returns.
pub(crate) fn fork_with_borrowed_memory(
    stack: &mut Stack,
    child: &mut dyn FnMut() -> i32,
) -> Result<Pid, Errno> {
    let mut child: BorrowedChild<'_> = child;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: this process has a single thread, which the kernel stops while the child uses its
    // memory, as after vfork. The child has a stack of its own, which outlives it, and does not
    // unwind out of `enter`: a panic there ends it.
    match unsafe { libc::clone(enter, stack.top()?, flags, (&raw mut child).cast()) } {
        id if id > 0 => Pid::from_raw(id).ok_or(Errno::IO),
        _ => Err(last_error()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Recursion that the compiler cannot turn into a loop.
    fn deep(levels: usize) -> usize {
        let page = std::hint::black_box([levels; 512]);
        if levels == 0 { 0 } else { deep(levels - 1) + page[levels % 512] }
    }

    /// In a process of its own, because the other tests are threads of this one.
    fn in_a_process(run: impl FnOnce() -> i32) -> Reaped {
        match super::super::fork().unwrap() {
            Fork::Child => exit(run()),
            Fork::Parent(id) => wait_with_usage(id).unwrap(),
        }
    }

    #[test]
    fn a_stack_that_is_too_small_ends_its_process_alone() {
        let reaped = in_a_process(|| {
            let mut stack = Stack::new().unwrap();
            let mut run = |levels| {
                let child = fork_with_borrowed_memory(&mut stack, &mut || {
                    std::hint::black_box(deep(levels));
                    7
                });
                wait_with_usage(child.unwrap()).unwrap().status
            };
            let (good, bad, again) = (run(10), run(1000), run(10));
            i32::from((good >> 8, bad & 0x7f, again >> 8) == (7, libc::SIGSEGV, 7))
        });
        assert_eq!(reaped.status >> 8, 1);
    }

    #[test]
    fn a_stack_has_one_user() {
        let mut stack = Stack::new().unwrap();
        assert!(stack.top().is_ok());
        stack.user = Some(rustix::process::getpid());
        assert_eq!(stack.top().unwrap_err(), Errno::BUSY);
        assert_eq!(stack.wait().unwrap_err(), Errno::CHILD);
        stack.user = None;
        assert_eq!(stack.wait().unwrap_err(), Errno::CHILD);
    }
}
