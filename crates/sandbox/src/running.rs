//! The caller's side of one sandbox: waiting for the helper's report.

use std::fs::File;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::diagnosis::{Facts, diagnose, is_policy_step};
use crate::error::{Error, Step};
use crate::launcher::{Idle, Launcher};
use crate::spec::SandboxSpec;
use crate::wire::{Outcome, Report};

/// Largest report in bytes that the caller reads.
const MAX_REPORT: u64 = 64 << 10;

/// How a builder ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended itself with this exit code.
    Exited(i32),
    /// A signal ended it, for instance `SIGSEGV`, or `SIGXFSZ` for [`Limits::file_size`](crate::Limits::file_size).
    Signaled(i32),
    /// It ran longer than [`Limits::wall`](crate::Limits::wall).
    TimedOut,
    /// It wrote nothing for longer than [`Limits::silence`](crate::Limits::silence).
    Silent,
    /// It wrote more than [`Limits::log_size`](crate::Limits::log_size).
    LogTooLarge,
    /// Its processes together had more memory than [`Limits::memory`](crate::Limits::memory).
    OutOfMemory,
    /// Its processes together used more processor time than [`Limits::cpu`](crate::Limits::cpu).
    OutOfCpu,
    /// It wrote more to disk than [`Limits::disk`](crate::Limits::disk).
    OutOfDisk,
    /// The caller asked for its end.
    Killed,
}

/// A builder that has ended, together with all processes that it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub status: Status,
    /// From the start of the helper to the end of the last process.
    pub wall: Duration,
    /// CPU time in user mode of all processes of the sandbox.
    pub cpu_user: Duration,
    /// CPU time in the kernel of all processes of the sandbox.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes of the largest single process.
    pub max_rss: u64,
    /// Whether the kernel enforced the limits of all processes together, in a control group of the
    /// sandbox's own. Otherwise they were looked at from outside alone.
    pub control_group: bool,
    /// Peak memory in bytes of all processes together; only with a control group, from Linux 5.19 on.
    pub memory_peak: Option<u64>,
}

impl Exit {
    /// Whether the builder ended itself with exit code 0.
    pub fn success(&self) -> bool {
        self.status == Status::Exited(0)
    }

    /// The limit that was hit, as a phrase, where that is certain.
    pub fn limit(&self) -> Option<&'static str> {
        match self.status {
            Status::TimedOut => Some("wall time"),
            Status::Silent => Some("time without output"),
            Status::LogTooLarge => Some("size of the log"),
            Status::OutOfMemory => Some("memory of all processes"),
            Status::OutOfDisk => Some("disk space"),
            Status::OutOfCpu => Some("processor time of all processes"),
            Status::Signaled(libc::SIGXFSZ) => Some("file size"),
            Status::Signaled(libc::SIGXCPU) => Some("CPU time of a process"),
            Status::Exited(_) | Status::Signaled(_) | Status::Killed => None,
        }
    }
}

/// A sandbox whose builder may still run. Dropping it kills the builder.
#[derive(Debug)]
pub struct Running {
    link: Arc<Link>,
    program: PathBuf,
    /// Where its helper waits for the next builder, and as whom.
    ids: (u32, u32),
    idle: Arc<Idle>,
    /// Of a sandbox that was started alone; it ends with it.
    launcher: Option<Launcher>,
}

/// The connection to the helper, as long as it serves this sandbox.
#[derive(Debug)]
struct Link {
    socket: Arc<UnixStream>,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Its end was asked for, and with it that of the helper.
    Killed,
    /// The report has been read; the helper may serve another sandbox by now.
    Ended,
}

impl Link {
    /// Moves on from [`Phase::Running`], with the lock held while `act` acts on that. What was
    /// killed has ended some time. Gives the phase before.
    fn leave(&self, to: Phase, act: impl FnOnce()) -> Phase {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *phase;
        if before == Phase::Running {
            act();
        }
        if before == Phase::Running || to == Phase::Ended {
            *phase = to;
        }
        before
    }
}

/// Ends a sandbox from another thread than the one that waits for it.
#[derive(Clone, Debug)]
pub struct Killer(Arc<Link>);

impl Killer {
    /// Asks for the end of all processes of the sandbox and returns at once. Does nothing if it
    /// has ended already.
    pub fn kill(&self) {
        // The helper sees the end of its input, exactly as it does when the caller dies. Closing
        // only this direction lets it still send its report.
        self.0.leave(Phase::Killed, || {
            let _ = self.0.socket.shutdown(Shutdown::Write);
        });
    }
}

impl Running {
    pub(crate) fn new(
        socket: Arc<UnixStream>,
        program: PathBuf,
        ids: (u32, u32),
        idle: Arc<Idle>,
    ) -> Self {
        let link = Arc::new(Link { socket, phase: Mutex::new(Phase::Running) });
        Running { link, program, ids, idle, launcher: None }
    }

    /// Waits for the builder's end. No process of the sandbox is left afterwards.
    ///
    /// # Errors
    ///
    /// When the builder never ran or its end is unknown; see [`Error`].
    pub fn wait(self) -> Result<Exit, Error> {
        let report = self.read_report().map_err(Error::Helper)?;
        if report.is_empty() {
            return Err(Error::HelperLost("it was killed or could not be started".to_owned()));
        }
        match Report::decode(&report).map_err(|_| Error::Protocol)? {
            Report::Ended(ended) => Ok(Exit {
                status: match ended.outcome {
                    Outcome::Exited(code) => Status::Exited(code),
                    Outcome::Signaled(signal) => Status::Signaled(signal),
                    Outcome::TimedOut => Status::TimedOut,
                    Outcome::Silent => Status::Silent,
                    Outcome::LogTooLarge => Status::LogTooLarge,
                    Outcome::Cancelled => Status::Killed,
                    Outcome::OutOfMemory => Status::OutOfMemory,
                    Outcome::OutOfDisk => Status::OutOfDisk,
                    Outcome::OutOfCpu => Status::OutOfCpu,
                },
                wall: ended.wall,
                cpu_user: ended.user,
                cpu_system: ended.system,
                max_rss: ended.max_rss,
                control_group: ended.group.is_some(),
                memory_peak: ended.group.and_then(|counted| counted.memory),
            }),
            Report::Failed(failure) if failure.step == Step::Execute => {
                Err(Error::Program { program: self.program.clone(), errno: failure.errno })
            }
            Report::Failed(failure) if is_policy_step(&failure) => {
                Err(Error::Unavailable(diagnose(&Facts::gather(failure))))
            }
            Report::Failed(failure) => Err(Error::Setup(failure)),
            Report::LogFailed(errno) => Err(Error::Log(io::Error::from_raw_os_error(errno))),
            Report::InitLost(signal) => {
                Err(Error::HelperLost(format!("its first process got signal {signal}")))
            }
        }
    }

    /// Asks for the end of all processes and returns at once; [`wait`](Self::wait) then gives
    /// [`Status::Killed`], unless the builder ended before.
    pub fn kill(&self) {
        self.killer().kill();
    }

    /// A handle for ending the sandbox while another thread waits.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.link))
    }

    /// Waits for the report; empty when the helper ended without one. A helper that has sent a
    /// whole one and was not told to end is free for the next sandbox.
    fn read_report(&self) -> io::Result<Vec<u8>> {
        let report = read_framed(&self.link.socket);
        let whole = report.as_ref().is_ok_and(|report| !report.is_empty());
        self.link.leave(Phase::Ended, || {
            if whole {
                self.idle.put(self.ids, Arc::clone(&self.link.socket));
            }
        });
        report
    }
}

/// One report with its length before it.
fn read_framed(mut socket: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    match socket.read_exact(&mut length) {
        // The helper's end is gone and has not even read the request, or has not answered it.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
            ) =>
        {
            return Ok(Vec::new());
        }
        read => read?,
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_REPORT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut report = Vec::new();
    socket.take(length).read_to_end(&mut report)?;
    Ok(report)
}

/// Readable when [`Running::wait`] would return without waiting, for use with `poll`.
impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `wait` this does nothing.
        let phase = self.link.leave(Phase::Killed, || {
            let _ = self.link.socket.shutdown(Shutdown::Write);
        });
        if phase != Phase::Ended {
            // The end of the report is the end of all processes of the sandbox.
            let _ = read_framed(&self.link.socket);
        }
    }
}

/// Starts one builder with a [`Launcher`] of its own; see [`Launcher::spawn`].
///
/// # Errors
///
/// As [`Launcher::spawn`].
pub fn spawn(spec: &SandboxSpec, log: File) -> Result<Running, Error> {
    let launcher = Launcher::new();
    let mut running = launcher.spawn(spec, log)?;
    running.launcher = Some(launcher);
    Ok(running)
}

/// Writes everything, and never raises `SIGPIPE`.
pub(crate) fn send_all(socket: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
