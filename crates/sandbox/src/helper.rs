//! The helper: the single-threaded process between caller and sandbox, one for each.
//!
//! It talks to the caller through one socket. The request comes in through it and the report
//! goes out. When the caller closes its writing side, or dies in whatever way,
//! the helper sees the end of its input and kills the sandbox. That is more than
//! `PR_SET_PDEATHSIG` could do, which follows the helper's parent, the [zygote](crate::zygote).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal};

use crate::error::{At, SetupFailure, Step};
use crate::init;
use crate::spec::{Limits, SandboxSpec};
use crate::sys::{self, Fork};
use crate::wire::{Ended, InitReport, MAX_REQUEST, Outcome, Report, Request};

/// Most bytes that init sends: two messages of at most one pipe buffer page each.
const MAX_INIT_REPORT: u64 = 8192;

#[expect(clippy::disallowed_methods, reason = "wall time and silence are measured to limit them")]
fn now() -> Instant {
    Instant::now()
}

/// Runs one sandbox: reads the request from `caller`, copies what the builder writes to standard
/// output, and sends the report.
///
/// # Errors
///
/// When the caller is gone, so that nobody can be told anything.
pub(crate) fn serve(caller: &UnixStream) -> io::Result<()> {
    let started = now();
    let report = match read_request(caller) {
        Ok(request) => run(&request, caller, started).unwrap_or_else(Report::Failed),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
        Err(error) => {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Report::Failed(SetupFailure::new(Step::ReadSpec, "", errno))
        }
    };
    crate::running::send_all(caller, &report.encode())
}

fn read_request(mut caller: &UnixStream) -> io::Result<Request> {
    let mut length = [0; 8];
    caller.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_REQUEST {
        return Err(Errno::TOOBIG.into());
    }
    let mut bytes = vec![0; length];
    caller.read_exact(&mut bytes)?;
    Request::decode(&bytes).map_err(|_| Errno::PROTO.into())
}

/// Enters the namespaces, starts init and watches it to its end.
fn run(request: &Request, caller: &UnixStream, started: Instant) -> Result<Report, SetupFailure> {
    let root_on_host = enter_namespaces(&request.spec)?;
    let (from_init, to_helper) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at(Step::Init, "")?;
    let (output, to_log) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at(Step::Init, "")?;
    match sys::fork().at(Step::Init, "")? {
        Fork::Child => {
            drop((from_init, output));
            init::main(request, to_helper, to_log, root_on_host)
        }
        Fork::Parent(init) => {
            drop((to_helper, to_log));
            // Only this end: reading must not wait when the builder has nothing to say.
            rustix::io::ioctl_fionbio(&output, true).at(Step::Init, "")?;
            Watch::new(caller, &request.spec.limits, started, output).until_end(init, from_init)
        }
    }
}

/// Returns whether the caller is root, in the eyes of its own user namespace.
fn enter_namespaces(spec: &SandboxSpec) -> Result<bool, SetupFailure> {
    let uid = rustix::process::geteuid();
    let gid = rustix::process::getegid();
    if uid.is_root() {
        // Other groups of root would give access to files of those groups. An ordinary user has
        // no right to drop groups, and root in a container may have none either.
        let _ = rustix::thread::set_thread_groups(&[]);
    }
    sys::unshare_all().at(Step::Namespaces, "")?;
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{} {} 1\n", spec.uid, uid.as_raw())),
        ("/proc/self/gid_map", format!("{} {} 1\n", spec.gid, gid.as_raw())),
    ];
    for (path, content) in maps {
        fs::write(path, content).at(Step::IdMap, path)?;
    }
    Ok(uid.is_root())
}

/// What the helper looks at while the sandbox runs.
struct Watch<'a> {
    caller: &'a UnixStream,
    limits: &'a Limits,
    started: Instant,
    log: Log,
    /// Why init was killed by us.
    reason: Option<Outcome>,
}

impl<'a> Watch<'a> {
    fn new(caller: &'a UnixStream, limits: &'a Limits, started: Instant, output: OwnedFd) -> Self {
        let log = Log::new(output, limits.log_size);
        Watch { caller, limits, started, log, reason: None }
    }

    /// Waits for init's end, killing it when a limit is hit or the caller is gone.
    fn until_end(mut self, init: Pid, from_init: OwnedFd) -> Result<Report, SetupFailure> {
        // Init holds the writing end until it ends, so the end of this pipe is init's end.
        while !self.pipe_has_ended(&from_init)? {
            self.reason = self.reason.or_else(|| self.limit_hit());
            if self.reason.is_some() || self.log.failed.is_some() {
                // An error means that init has just ended by itself.
                let _ = rustix::process::kill_process(init, Signal::KILL);
                break;
            }
        }
        let mut bytes = Vec::new();
        File::from(from_init).take(MAX_INIT_REPORT).read_to_end(&mut bytes).at(Step::Init, "")?;
        let reaped = sys::wait_with_usage(init).at(Step::Init, "")?;
        // All writers are dead; what they wrote last is still in the pipe.
        self.log.copy();
        if let Some(errno) = self.log.failed {
            return Ok(Report::LogFailed(errno.raw_os_error()));
        }
        let outcome = match (InitReport::decode_first(&bytes), self.reason) {
            (Ok(InitReport::Failed(failure)), _) => return Err(failure),
            _ if self.log.too_large => Outcome::LogTooLarge,
            (Ok(InitReport::Exited(code)), _) => Outcome::Exited(code),
            (Ok(InitReport::Signaled(signal)), _) => Outcome::Signaled(signal),
            (Err(_), Some(reason)) => reason,
            (Err(_), None) => return Ok(Report::InitLost(reaped.status & 0x7f)),
        };
        Ok(Report::Ended(Ended {
            outcome,
            wall: self.started.elapsed(),
            user: reaped.user,
            system: reaped.system,
            max_rss: reaped.max_rss,
        }))
    }

    /// Sleeps until something happens or a limit is due. True when init has closed its pipe.
    fn pipe_has_ended(&mut self, from_init: &OwnedFd) -> Result<bool, SetupFailure> {
        let timeout = self.until_next_limit().map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        // Without any event asked for, the pipe shows its end only, and not that data is waiting.
        let mut watched = vec![
            PollFd::from_borrowed_fd(from_init.as_fd(), PollFlags::empty()),
            PollFd::from_borrowed_fd(self.caller.as_fd(), PollFlags::IN | PollFlags::RDHUP),
        ];
        if !self.log.ended {
            watched.push(PollFd::from_borrowed_fd(self.log.output.as_fd(), PollFlags::IN));
        }
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(SetupFailure::new(Step::Init, "", errno)),
        }
        let happened: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        // The caller sends nothing after its request: whatever comes means that it wants the end.
        if happened[1] {
            self.reason = Some(Outcome::Cancelled);
        }
        if happened.get(2) == Some(&true) {
            self.log.copy();
        }
        Ok(happened[0])
    }

    fn until_next_limit(&self) -> Option<Duration> {
        let moment = now();
        let due = |start: Instant, limit: Duration| {
            start.checked_add(limit).map(|end| end.saturating_duration_since(moment))
        };
        let wall = self.limits.wall.and_then(|limit| due(self.started, limit));
        let silence = self.limits.silence.and_then(|limit| due(self.log.changed, limit));
        [wall, silence].into_iter().flatten().min()
    }

    fn limit_hit(&self) -> Option<Outcome> {
        let over = |start: Instant, limit: Option<Duration>| {
            limit.is_some_and(|limit| start.elapsed() >= limit)
        };
        if over(self.started, self.limits.wall) {
            Some(Outcome::TimedOut)
        } else if over(self.log.changed, self.limits.silence) {
            Some(Outcome::Silent)
        } else if self.log.too_large {
            Some(Outcome::LogTooLarge)
        } else {
            None
        }
    }
}

/// Copies what the builder writes to the log, which is this process's standard output.
///
/// The builder itself has a pipe and not the file: build scripts write to `/dev/stderr`, and
/// opening that would truncate a file.
struct Log {
    output: OwnedFd,
    /// Bytes that may still be written.
    left: u64,
    too_large: bool,
    /// When the builder last wrote something.
    changed: Instant,
    /// No process has the writing end any more.
    ended: bool,
    /// The log could not be written.
    failed: Option<Errno>,
}

impl Log {
    fn new(output: OwnedFd, limit: Option<u64>) -> Self {
        Log {
            output,
            left: limit.unwrap_or(u64::MAX),
            too_large: false,
            changed: now(),
            ended: false,
            failed: None,
        }
    }

    /// Copies all that is waiting.
    fn copy(&mut self) {
        let mut buffer = [0; 16 << 10];
        while !self.ended && !self.too_large && self.failed.is_none() {
            match rustix::io::read(&self.output, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => self.write(&buffer[..length]),
                Err(Errno::INTR) => {}
                // EAGAIN, and nothing else is possible for a pipe.
                Err(_) => return,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.changed = now();
        let allowed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.too_large = allowed < bytes.len();
        self.left -= allowed as u64;
        if let Err(error) = io::Write::write_all(&mut Descriptor(io::stdout()), &bytes[..allowed]) {
            self.failed = Some(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
    }
}

/// A descriptor without the buffer and lock of its owner.
struct Descriptor(io::Stdout);

impl io::Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
