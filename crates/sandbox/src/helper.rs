//! The helper: the single-threaded process between caller and sandbox, one for each that runs.
//!
//! It talks to the caller through one socket. A request comes in through it and the report
//! goes out; then it waits for the next one. When the caller closes its writing side, or dies in whatever way,
//! the helper sees the end of its input and kills the sandbox. That is more than
//! `PR_SET_PDEATHSIG` could do, which follows the helper's parent, the [zygote](crate::zygote).

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal};

use crate::base::Bases;
use crate::error::{At, SetupFailure, Step};
use crate::group::{Group, Place};
use crate::init::{self, Surroundings};
use crate::launcher::MAX_SENT;
use crate::network::Network;
use crate::privileges;
use crate::spec::{Limits, SandboxSpec};
use crate::sys::{self, Executable, Stack, Terms};
use crate::usage::Usage;
use crate::wire::{Ended, InitReport, MAX_REQUEST, Outcome, Report, Request};

/// Parts of a log that are copied before the helper looks at anything else: the default size of a pipe
/// twice, so that it is emptied in one go unless the builder writes meanwhile.
const MAX_COPIES: u32 = 8;

/// Most bytes that init sends: two messages of at most one pipe buffer page each.
const MAX_INIT_REPORT: u64 = 8192;

#[expect(clippy::disallowed_methods, reason = "wall time and silence are measured to limit them")]
fn now() -> Instant {
    Instant::now()
}

/// Runs sandboxes, one after the other: reads a request from `caller`, copies what the builder
/// writes to the log that came with it, and sends the report. Returns when the caller has gone or
/// has cancelled a builder.
///
/// # Errors
///
/// When the caller is gone in the middle of something, so that nobody can be told anything.
pub(crate) fn serve(caller: &UnixStream, gives: &Gives<'_>) -> io::Result<()> {
    let mut home = None;
    while let Some(mut given) = receive_descriptors(caller)? {
        let started = now();
        let log = given.remove(0);
        rustix::stdio::dup2_stdout(&log)?;
        rustix::stdio::dup2_stderr(&log)?;
        drop(log);
        let report = match read_request(caller) {
            Ok(request) => {
                let spec = &request.spec;
                Executable::new(&spec.program, &spec.args, &spec.env)
                    .at(Step::Execute, &spec.program)
                    .and_then(|executable| {
                        let errand = Errand { request: &request, executable, given, gives };
                        run(&errand, &mut home, caller, started)
                    })
                    .unwrap_or_else(Report::Failed)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                Report::Failed(SetupFailure::new(Step::ReadSpec, "", errno))
            }
        };
        crate::running::send_all(caller, &framed(&report))?;
        // The log belongs to the caller again, as well as the disk that it takes.
        let null = File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        // While nobody waits. A failure is told with the next request.
        if let Some(home) = &mut home {
            home.renew();
        }
    }
    Ok(())
}

/// Says that there can be no helper, in its stead.
pub(crate) fn refuse(caller: &UnixStream, errno: Errno) {
    let report = Report::Failed(SetupFailure::new(Step::Init, "", errno));
    // A caller that is gone needs no answer.
    let _ = crate::running::send_all(caller, &framed(&report));
}

/// A report with its length before it.
fn framed(report: &Report) -> Vec<u8> {
    let report = report.encode();
    let mut bytes = (report.len() as u64).to_le_bytes().to_vec();
    bytes.extend(report);
    bytes
}

/// The log of the next builder and what it gets besides, which come with the first byte; `None` when
/// no request comes.
fn receive_descriptors(caller: &UnixStream) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SENT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut bytes = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(caller, &mut bytes, &mut control, flags) {
            Err(Errno::INTR) => {}
            // It closed its end before it read all that this one sent.
            Err(Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut given = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            given.extend(rights);
        }
    }
    if given.is_empty() { Err(Errno::PROTO.into()) } else { Ok(Some(given)) }
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

/// The namespaces that all sandboxes of one helper have, one sandbox at a time.
struct Home {
    /// The user and group that its user namespace knows.
    ids: (u32, u32),
    /// Whether the user on the host is root.
    root_on_host: bool,
    /// What the file trees of its sandboxes have in common.
    bases: Bases,
    /// For inits, which borrow this process's memory.
    stack: Stack,
    /// For builders, which borrow it until they execute their program.
    builder_stack: RefCell<Stack>,
    /// Where an init says that it has done with this memory.
    settled: OwnedFd,
    network: Network,
    broken: Option<Errno>,
}

impl Home {
    /// Makes the network namespace fit for the next builder.
    fn renew(&mut self) {
        if self.broken.is_none() {
            self.broken = self.network.renew().err();
        }
    }
}

/// One sandbox that is to be run.
pub(crate) struct Errand<'a> {
    pub(crate) request: &'a Request,
    /// The builder's program.
    pub(crate) executable: Executable,
    /// What the builder gets besides standard output, in the order of the specification.
    pub(crate) given: Vec<OwnedFd>,
    pub(crate) gives: &'a Gives<'a>,
}

/// What the zygote gives to all its sandboxes.
pub(crate) struct Gives<'a> {
    /// Where control groups can be made.
    pub(crate) place: Option<&'a Place>,
    /// Whether builders may have huge pages.
    pub(crate) huge_pages: bool,
}

/// Enters the namespaces, starts init and watches it to its end.
fn run(
    errand: &Errand<'_>,
    home: &mut Option<Home>,
    caller: &UnixStream,
    started: Instant,
) -> Result<Report, SetupFailure> {
    let spec = &errand.request.spec;
    let home = match home {
        Some(home) => home,
        None => home.insert(enter_namespaces(spec)?),
    };
    let broken = home.broken.or((home.ids != (spec.uid, spec.gid)).then_some(Errno::PROTO));
    if let Some(errno) = broken {
        return Err(SetupFailure::new(Step::Namespaces, "", errno));
    }
    let base = match home.bases.prepare(spec) {
        Ok(base) => base,
        Err(failure) => {
            home.broken = Some(Errno::from_raw_os_error(failure.errno));
            return Err(failure);
        }
    };
    let (from_init, to_helper) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at(Step::Init, "")?;
    let (output, to_log) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at(Step::Init, "")?;
    let group = errand.gives.place.and_then(|place| place.group(&spec.limits));
    let around = Surroundings {
        base,
        group: group.as_ref(),
        root_on_host: home.root_on_host,
        helper: to_helper.as_fd(),
        log: to_log.as_fd(),
        stack: &home.builder_stack,
    };
    let mut prepare = || init::main(errand, &around);
    let mut main = sys::Init {
        closed: [from_init.as_fd(), output.as_fd()],
        prepare: &mut prepare,
        report: to_helper.as_fd(),
    };
    let init = if group.is_none() {
        let (cancelled, timed_out) = early_answers(&spec.limits);
        let terms = Terms {
            settled: home.settled.as_fd(),
            caller,
            cancelled: &cancelled,
            wall: spec.limits.wall.map(timespec),
            timed_out: &timed_out,
        };
        let id = sys::start_with_borrowed_memory(&mut home.stack, &mut main, &terms);
        Init { id: id.at(Step::Namespaces, "")?, stack: Some(&mut home.stack), is_over: false }
    } else {
        // The kernel kills all that share memory with a process of a group that has too little of it.
        let id = sys::start_with_copied_memory(&mut main).at(Step::Namespaces, "")?;
        Init { id, stack: None, is_over: false }
    };
    drop((to_helper, to_log));
    // Only this end: reading must not wait when the builder has nothing to say.
    rustix::io::ioctl_fionbio(&output, true).at(Step::Init, "")?;
    let usage = Usage::new(init.id, spec, started);
    let watch = Watch::new(caller, &spec.limits, started, output, usage, group);
    watch.until_end(init, from_init)
}

/// A running init. Dropping it kills it and waits for its end.
struct Init<'s> {
    id: Pid,
    /// What it runs on, unless it has memory of its own.
    stack: Option<&'s mut Stack>,
    is_over: bool,
}

impl Init<'_> {
    fn kill(&self) {
        // An error means that it has just ended by itself.
        let _ = rustix::process::kill_process(self.id, Signal::KILL);
    }

    fn wait(&mut self) -> Result<sys::Reaped, Errno> {
        self.is_over = true;
        match &mut self.stack {
            Some(stack) => stack.wait(),
            None => sys::wait_with_usage(self.id),
        }
    }
}

impl Drop for Init<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.kill();
            let _ = self.wait();
        }
    }
}

/// What is said when a sandbox is cancelled, or takes too long, before its builder runs.
fn early_answers(limits: &Limits) -> (Vec<u8>, Vec<u8>) {
    let answer = |outcome, wall| {
        let (user, system, max_rss, group) = (Duration::ZERO, Duration::ZERO, 0, None);
        framed(&Report::Ended(Ended { outcome, wall, user, system, max_rss, group }))
    };
    let cancelled = answer(Outcome::Cancelled, Duration::ZERO);
    (cancelled, answer(Outcome::TimedOut, limits.wall.unwrap_or_default()))
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

fn enter_namespaces(spec: &SandboxSpec) -> Result<Home, SetupFailure> {
    let uid = rustix::process::geteuid();
    let gid = rustix::process::getegid();
    if uid.is_root() {
        // Other groups of root would give access to files of those groups. An ordinary user has
        // no right to drop groups, and root in a container may have none either.
        let _ = rustix::thread::set_thread_groups(&[]);
    }
    sys::unshare_user_and_network().at(Step::Namespaces, "")?;
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{} {} 1\n", spec.uid, uid.as_raw())),
        ("/proc/self/gid_map", format!("{} {} 1\n", spec.gid, gid.as_raw())),
    ];
    for (path, content) in maps {
        fs::write(path, content).at(Step::IdMap, path)?;
    }
    privileges::bound_capabilities()?;
    Ok(Home {
        ids: (spec.uid, spec.gid),
        root_on_host: uid.is_root(),
        bases: Bases::new(),
        stack: Stack::new().at(Step::Init, "")?,
        builder_stack: RefCell::new(Stack::new().at(Step::Init, "")?),
        settled: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).at(Step::Init, "")?,
        network: Network::new(),
        broken: None,
    })
}

/// What the helper looks at while the sandbox runs.
struct Watch<'a> {
    caller: &'a UnixStream,
    limits: &'a Limits,
    started: Instant,
    log: Log,
    usage: Usage,
    group: Option<Group>,
    /// Why init was killed by us.
    reason: Option<Outcome>,
}

impl<'a> Watch<'a> {
    fn new(
        caller: &'a UnixStream,
        limits: &'a Limits,
        started: Instant,
        output: OwnedFd,
        usage: Usage,
        group: Option<Group>,
    ) -> Self {
        let log = Log::new(output, limits.log_size);
        Watch { caller, limits, started, log, usage, group, reason: None }
    }

    /// Waits for init's end, killing it when a limit is hit or the caller is gone.
    fn until_end(mut self, mut init: Init<'_>, from_init: OwnedFd) -> Result<Report, SetupFailure> {
        // Init holds the writing end until it ends, so the end of this pipe is init's end.
        while !self.pipe_has_ended(&from_init)? {
            if self.reason.is_none() {
                self.reason = self.limit_hit();
            }
            if self.reason.is_some() || self.log.failed.is_some() {
                init.kill();
                break;
            }
        }
        let mut bytes = Vec::new();
        File::from(from_init).take(MAX_INIT_REPORT).read_to_end(&mut bytes).at(Step::Init, "")?;
        let reaped = init.wait().at(Step::Init, "")?;
        // All writers are dead; what they wrote last is still in the pipe.
        while !self.log.copy() {}
        if let Some(errno) = self.log.failed {
            return Ok(Report::LogFailed(errno.raw_os_error()));
        }
        let outcome = match (InitReport::decode_first(&bytes), self.reason) {
            (Ok(InitReport::Failed(failure)), _) => return Err(failure),
            _ if self.log.too_large => Outcome::LogTooLarge,
            _ if self.group.as_ref().is_some_and(Group::ran_out_of_memory) => Outcome::OutOfMemory,
            (Ok(_), _) if self.usage.at_end().is_some() => Outcome::OutOfDisk,
            (Ok(_), _)
                if self.limits.cpu.is_some_and(|most| self.processor_time(&reaped) > most) =>
            {
                Outcome::OutOfCpu
            }
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
            group: self.group.as_ref().and_then(Group::counted),
        }))
    }

    /// What all processes have used; a group counts those as well that nobody has waited for.
    fn processor_time(&self, reaped: &sys::Reaped) -> Duration {
        let grouped = self.group.as_ref().and_then(Group::processor_time).unwrap_or_default();
        (reaped.user + reaped.system).max(grouped)
    }

    /// Sleeps until something happens or a limit is due. True when init has closed its pipe.
    fn pipe_has_ended(&mut self, from_init: &OwnedFd) -> Result<bool, SetupFailure> {
        let timeout = self.until_next_limit().map(timespec);
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
        let look = self.usage.due().map(|due| due.saturating_duration_since(moment));
        [wall, silence, look].into_iter().flatten().min()
    }

    fn limit_hit(&mut self) -> Option<Outcome> {
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
            let group = self.group.as_ref();
            self.usage.look(now, || group.and_then(Group::processor_time))
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

    /// Copies what is waiting, but only so much: a builder that writes without end must not keep the
    /// helper from looking at anything else. False when there may be more.
    fn copy(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        for _ in 0..MAX_COPIES {
            if self.ended || self.too_large || self.failed.is_some() {
                return true;
            }
            match rustix::io::read(&self.output, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => self.write(&buffer[..length]),
                Err(Errno::INTR) => {}
                // EAGAIN, and nothing else is possible for a pipe.
                Err(_) => return true,
            }
        }
        false
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
