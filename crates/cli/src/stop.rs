//! How a command ends when it is asked to: by Ctrl-C, a polite kill, or a terminal that is closed.
//!
//! The signal sets a flag, which operations look at where they can end in order. What does not look within
//! [`GRACE`] (a long computation, a read or a lock that is waited for, a pipe that nobody empties, the drop of
//! a large value) is ended with the process: the store is made so that a process may end at any moment, and
//! the next one clears away what is left. It knows nothing of what commands do.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{Exit, Failure, Problem};

/// Time that operations get to end in order.
const GRACE: Duration = Duration::from_millis(500);

/// Time between two looks at a thread that waits for the disk.
const LOOK: Duration = Duration::from_millis(10);

/// Code of a stop of which no operation says that it was ended.
pub(crate) const CODE: &str = "E1081";

/// What the signals of this process lead to.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The command's words, for the message.
    command: String,
    json: bool,
    flag: Arc<AtomicBool>,
    /// The signal; 0 before one has come.
    signal: Arc<AtomicUsize>,
    /// Whether Ctrl-C ends what was typed last, and not the process.
    is_prompt: AtomicBool,
    /// How the user's terminal was before its meaning of keys was changed.
    terminal: Mutex<Option<Termios>>,
}

impl Stop {
    pub(crate) fn new(command: String, json: bool) -> Arc<Self> {
        Arc::new(Self {
            command,
            json,
            flag: Arc::default(),
            signal: Arc::default(),
            is_prompt: AtomicBool::new(false),
            terminal: Mutex::default(),
        })
    }

    /// Lets signals end this process. Under `nohup` a closed terminal ends nothing.
    pub(crate) fn on_signals(self: &Arc<Self>) -> Result<(), Failure> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| deaf(&error))?;
        let hang_up = (!ignores(SIGHUP)).then_some(SIGHUP);
        let is_deaf = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGTERM].into_iter().chain(hang_up) {
            self.register(signal, &theirs, &is_deaf).map_err(|error| deaf(&error))?;
        }
        is_deaf.store(false, Ordering::SeqCst);
        let stop = Arc::clone(self);
        let watch = std::thread::Builder::new().name("stop".to_owned());
        watch.spawn(move || stop.watch(ours)).map_err(|error| deaf(&error))?;
        Ok(())
    }

    fn register(
        &self,
        signal: i32,
        wake: &UnixStream,
        is_deaf: &Arc<AtomicBool>,
    ) -> std::io::Result<()> {
        use signal_hook::{flag, low_level};
        // The first registration takes the usual effect away, and a signal that comes before the last
        // one would set a flag that nobody looks at.
        flag::register_conditional_default(signal, Arc::clone(is_deaf))?;
        // The first signal asks; a second one, while the first is not served yet, ends at once.
        flag::register_conditional_shutdown(
            signal,
            Exit::Cancelled as i32,
            Arc::clone(&self.flag),
        )?;
        let number = usize::try_from(signal).unwrap_or_default();
        flag::register_usize(signal, Arc::clone(&self.signal), number)?;
        flag::register(signal, Arc::clone(&self.flag))?;
        low_level::pipe::register(signal, wake.try_clone()?)?;
        Ok(())
    }

    /// Waits for signals, and ends the process where the first one is not heard.
    fn watch(&self, mut wake: UnixStream) {
        let mut byte = [0];
        while wake.read_exact(&mut byte).is_ok() {
            if self.is_prompt.load(Ordering::SeqCst) && self.is_interrupt() {
                continue;
            }
            std::thread::sleep(GRACE);
            self.end_now();
        }
    }

    fn end_now(&self) {
        let terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &*terminal
            && is_in_front()
        {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
        let why = is_held_by_the_kernel().then_some(
            "the kernel still writes to the disk, and the process is gone when that is done",
        );
        tell_if_read(&self.problem(CODE, why).said(self.json));
        signal_hook::low_level::exit(Exit::Cancelled as i32);
    }

    /// What operations look at.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Whether a signal has come that ends the process.
    pub(crate) fn is_asked(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// Number of the signal that has come; 0 before one has.
    pub(crate) fn signal(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.signal)
    }

    fn is_interrupt(&self) -> bool {
        self.signal.load(Ordering::SeqCst) == SIGINT.unsigned_abs() as usize
    }

    /// From now on Ctrl-C ends an input at a prompt. The terminal is put in order when something else ends
    /// the process meanwhile.
    pub(crate) fn begin_prompt(&self) {
        self.is_prompt.store(true, Ordering::SeqCst);
        self.keep_terminal(tcgetattr(std::io::stdin()).ok());
    }

    /// Lets the next input of a prompt run after Ctrl-C has ended one; false when the process is to end.
    pub(crate) fn serve_next(&self) -> bool {
        if self.is_asked() && !self.is_interrupt() {
            return false;
        }
        self.flag.store(false, Ordering::SeqCst);
        true
    }

    /// How the terminal is left when the process is ended; `None` when it is as it was.
    pub(crate) fn keep_terminal(&self, before: Option<Termios>) {
        *self.terminal.lock().unwrap_or_else(PoisonError::into_inner) = before;
    }

    /// The end of the command in one line.
    pub(crate) fn problem(&self, code: &'static str, more: Option<&str>) -> Problem {
        let signal = name_of(self.signal.load(Ordering::SeqCst));
        let more = more.unwrap_or("nothing half-done is left");
        let message = format!("`{}` was stopped by {signal}; {more}", self.command);
        Problem::new(Exit::Cancelled, code, message)
    }
}

/// A signal by its name.
fn name_of(signal: usize) -> &'static str {
    match i32::try_from(signal) {
        Ok(SIGINT) => "Ctrl-C (SIGINT)",
        Ok(SIGHUP) => "SIGHUP, as when its terminal is closed",
        Ok(SIGTERM) => "SIGTERM",
        _ => "a signal",
    }
}

/// Whether this process may change its terminal: one in the background would be stopped.
fn is_in_front() -> bool {
    tcgetpgrp(std::io::stdin()).ok() == Some(rustix::process::getpgrp())
}

/// Writes to standard error, past its lock, if that can be done without waiting for a reader.
fn tell_if_read(text: &str) {
    let out = std::io::stderr();
    let mut watched = [PollFd::new(&out, PollFlags::OUT)];
    if !matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1)) {
        return;
    }
    // What stands in the line already is progress.
    let begin = if isatty(&out) { "\r\x1b[K" } else { "" };
    let _ = rustix::io::write(out.as_fd(), format!("{begin}{text}").as_bytes());
}

/// Whether a thread of this process waits in the kernel for the disk and cannot be ended before that has
/// written, as during `syncfs`. What Linux does not tell counts as no.
fn is_held_by_the_kernel() -> bool {
    let held = held_threads();
    if held.is_empty() {
        return false;
    }
    std::thread::sleep(LOOK);
    held_threads().iter().any(|thread| held.contains(thread))
}

#[expect(clippy::disallowed_methods, reason = "the order of threads does not matter")]
fn held_threads() -> Vec<std::ffi::OsString> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let names = threads.filter_map(|thread| Some(thread.ok()?.file_name()));
    names.filter(|name| is_held(&Path::new("/proc/self/task").join(name))).collect()
}

fn is_held(thread: &Path) -> bool {
    let status = std::fs::read_to_string(thread.join("stat")).unwrap_or_default();
    // The name before may hold anything.
    status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D'))
}

/// Whether the program that started this one wants a signal to be ignored. What Linux does not tell
/// counts as no.
fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_ignored(&status, signal)
}

/// Looks a signal up in the text of `/proc/self/status`, where bit 0 is signal 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

fn deaf(error: &std::io::Error) -> Problem {
    Problem::new(Exit::Environment, "E1002", format!("cannot wait for signals: {error}"))
        .help("a system-call filter may forbid it; run cbuild outside of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let status =
            "Name:\tcbuild\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let ignored: Vec<i32> = (1..=64).filter(|signal| is_ignored(status, *signal)).collect();
        assert_eq!(ignored, [SIGHUP, signal_hook::consts::SIGPIPE]);
        assert!(!is_ignored("", 1) && !is_ignored("SigIgn: none", 1));
    }

    #[test]
    fn a_signal_that_cannot_be_waited_for() {
        let failure = Failure::from(deaf(&std::io::Error::from_raw_os_error(1)));
        insta::assert_snapshot!(failure.text());
    }

    #[test]
    fn the_end_is_told_in_one_line() {
        let stop = Stop::new("cbuild store gc".to_owned(), false);
        for (signal, name) in [(0, "none"), (SIGINT, "int"), (SIGTERM, "term"), (SIGHUP, "hup")] {
            stop.signal.store(signal.unsigned_abs() as usize, Ordering::SeqCst);
            insta::assert_snapshot!(
                format!("stopped_by_{name}"),
                stop.problem(CODE, None).said(false)
            );
        }
    }

    #[test]
    fn at_a_prompt_only_ctrl_c_is_served() {
        let stop = Stop::new(String::new(), false);
        assert!(stop.serve_next());
        for (signal, is_served) in [(SIGINT, true), (SIGTERM, false)] {
            stop.signal.store(signal.unsigned_abs() as usize, Ordering::SeqCst);
            stop.flag.store(true, Ordering::SeqCst);
            assert_eq!(stop.serve_next(), is_served);
            assert_eq!(stop.is_asked(), !is_served);
        }
    }
}
