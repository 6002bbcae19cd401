//! Passes what the user types to a terminal inside a sandbox, and what that shows to the user.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use crate::stop::Stop;

/// Time between two looks at the size of the user's terminal.
const SIZE_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// The user's terminal without its own meaning of keys, as long as this lives.
struct Raw<'s> {
    before: Option<Termios>,
    stop: &'s Stop,
}

impl<'s> Raw<'s> {
    fn new(stop: &'s Stop) -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        stop.keep_terminal(before.clone());
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // A terminal that cannot be changed is used as it is.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &raw);
        }
        Self { before, stop }
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, before);
        }
        self.stop.keep_terminal(None);
    }
}

/// Connects standard input and output, which are a terminal, with `inner`, until everything that
/// could write there has ended.
pub(crate) fn attach(inner: &OwnedFd, stop: &Stop) {
    let _raw = Raw::new(stop);
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let mut input = Some(stdin.as_fd());
    loop {
        if let Ok(size) = tcgetwinsize(&stdout)
            && tcgetwinsize(inner).ok() != Some(size)
        {
            let _ = tcsetwinsize(inner, size);
        }
        let mut watched = vec![PollFd::new(inner, PollFlags::IN)];
        watched.extend(input.as_ref().map(|input| PollFd::new(input, PollFlags::IN)));
        match poll(&mut watched, Some(&SIZE_INTERVAL)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let happened: Vec<bool> = watched.iter().map(|one| !one.revents().is_empty()).collect();
        // Output first: what was shown before a key is then seen before it.
        if happened[0] && !copy(inner.as_fd(), stdout.as_fd()) {
            return;
        }
        if let Some(from) = input
            && happened.get(1) == Some(&true)
            && !copy(from, inner.as_fd())
        {
            input = None;
        }
    }
}

/// Copies what is there; false at the end, or when one side is gone.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 4096];
    let mut rest = match rustix::io::read(from, &mut buffer) {
        Ok(0) => return false,
        Ok(length) => &buffer[..length],
        Err(Errno::INTR | Errno::AGAIN) => return true,
        // EIO tells that nobody has the inner terminal any more.
        Err(_) => return false,
    };
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(length) => rest = &rest[length..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
