//! The private format between caller, helper and init.
//!
//! All three are the same executable, but a caller may outlive an upgrade of the file on disk, so
//! every message starts with a version. Integers are little-endian; a byte string is its length as
//! `u32` and its bytes. Paths need not be UTF-8, which is why this is not a text format.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{SetupFailure, Step};
use crate::spec::{Bind, Limits, SandboxSpec, Tmp};

/// Version of all messages. Changes with every change of this file's format.
pub(crate) const VERSION: u32 = 5;

/// Largest specification in bytes that the helper reads.
pub(crate) const MAX_REQUEST: usize = 64 << 20;

/// Longest path in a failure message, so that the message fits into one atomic pipe write.
const MAX_FAILURE_PATH: usize = 3072;

/// What the caller asks of the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// What to run.
    pub(crate) spec: SandboxSpec,
    /// Stop after the set-up instead of executing the program.
    pub(crate) probe: bool,
    /// The compiled system-call filter.
    pub(crate) filter: Vec<u8>,
}

/// What the helper answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The builder ran and ended.
    Ended(Ended),
    /// It never ran.
    Failed(SetupFailure),
    /// Init was killed by something else than the helper.
    InitLost(i32),
    /// The builder's output could not be written to the log; `errno`.
    LogFailed(i32),
}

/// How the builder ended and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) wall: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) max_rss: u64,
    /// What the kernel counted for the sandbox's own control group, if it had one.
    pub(crate) group: Option<Counted>,
}

/// Counters of a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Most bytes of memory of all processes at one time.
    pub(crate) memory: Option<u64>,
}

/// How the builder ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    Silent,
    LogTooLarge,
    Cancelled,
    OutOfMemory,
    OutOfDisk,
    OutOfCpu,
}

/// What init tells the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InitReport {
    /// A step failed.
    Failed(SetupFailure),
    /// The builder exited with this code.
    Exited(i32),
    /// The builder was ended by this signal.
    Signaled(i32),
}

/// The bytes are not a message of this version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let spec = &self.spec;
        out.option(spec.root.as_ref(), |out, root| out.os(root.as_os_str()));
        out.list(&spec.binds, |out, bind| {
            out.os(bind.source.as_os_str());
            out.os(bind.target.as_os_str());
            out.u8(u8::from(bind.writable));
        });
        match &spec.tmp {
            Tmp::Private { size } => {
                out.u8(0);
                out.u64(*size);
            }
            Tmp::Host(path) => {
                out.u8(1);
                out.os(path.as_os_str());
            }
        }
        out.os(spec.program.as_os_str());
        out.list(&spec.args, |out, arg| out.os(arg));
        out.list(&spec.env, |out, (name, value)| {
            out.os(name);
            out.os(value);
        });
        out.os(spec.cwd.as_os_str());
        out.os(OsStr::new(&spec.host_name));
        out.u32(spec.uid);
        out.u32(spec.gid);
        out.u32(spec.umask);
        out.list(&spec.descriptors, |out, number| out.u32(*number));
        out.u8(u8::from(spec.terminal));
        out.u8(u8::from(spec.one_processor));
        out.option(spec.cpu_info.as_ref(), |out, path| out.os(path.as_os_str()));
        encode_limits(&mut out, &spec.limits);
        out.u8(u8::from(self.probe));
        out.bytes(&self.filter);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes)?;
        let spec = SandboxSpec {
            root: input.option(|input| input.path())?,
            binds: input.list(|input| {
                Ok(Bind { source: input.path()?, target: input.path()?, writable: input.bool()? })
            })?,
            tmp: match input.u8()? {
                0 => Tmp::Private { size: input.u64()? },
                1 => Tmp::Host(input.path()?),
                _ => return Err(Malformed),
            },
            program: input.path()?,
            args: input.list(Reader::os)?,
            env: input.list(|input| Ok((input.os()?, input.os()?)))?,
            cwd: input.path()?,
            host_name: input.os()?.into_string().map_err(|_| Malformed)?,
            uid: input.u32()?,
            gid: input.u32()?,
            umask: input.u32()?,
            descriptors: input.list(Reader::u32)?,
            terminal: input.bool()?,
            one_processor: input.bool()?,
            cpu_info: input.option(|input| input.path())?,
            limits: decode_limits(&mut input)?,
        };
        let probe = input.bool()?;
        let filter = input.bytes()?.to_vec();
        input.end()?;
        Ok(Request { spec, probe, filter })
    }
}

fn encode_limits(out: &mut Writer, limits: &Limits) {
    for duration in [limits.wall, limits.silence, limits.cpu] {
        out.option(duration.as_ref(), |out, duration| out.duration(*duration));
    }
    for number in [
        limits.log_size,
        limits.processes,
        limits.memory,
        limits.disk,
        limits.address_space,
        limits.file_size,
        limits.cpu_seconds,
    ] {
        out.option(number.as_ref(), |out, number| out.u64(*number));
    }
    out.option(limits.processors.as_ref(), |out, number| out.u32(*number));
    out.u64(limits.open_files);
}

fn decode_limits(input: &mut Reader<'_>) -> Result<Limits, Malformed> {
    Ok(Limits {
        wall: input.option(Reader::duration)?,
        silence: input.option(Reader::duration)?,
        cpu: input.option(Reader::duration)?,
        log_size: input.option(Reader::u64)?,
        processes: input.option(Reader::u64)?,
        memory: input.option(Reader::u64)?,
        disk: input.option(Reader::u64)?,
        address_space: input.option(Reader::u64)?,
        file_size: input.option(Reader::u64)?,
        cpu_seconds: input.option(Reader::u64)?,
        processors: input.option(Reader::u32)?,
        open_files: input.u64()?,
    })
}

impl Report {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Report::Ended(ended) => {
                out.u8(1);
                let (kind, value) = match ended.outcome {
                    Outcome::Exited(code) => (0, code),
                    Outcome::Signaled(signal) => (1, signal),
                    Outcome::TimedOut => (2, 0),
                    Outcome::Silent => (3, 0),
                    Outcome::LogTooLarge => (4, 0),
                    Outcome::Cancelled => (5, 0),
                    Outcome::OutOfMemory => (6, 0),
                    Outcome::OutOfDisk => (7, 0),
                    Outcome::OutOfCpu => (8, 0),
                };
                out.u8(kind);
                out.i32(value);
                out.duration(ended.wall);
                out.duration(ended.user);
                out.duration(ended.system);
                out.u64(ended.max_rss);
                out.option(ended.group.as_ref(), |out, counted| {
                    out.option(counted.memory.as_ref(), |out, bytes| out.u64(*bytes));
                });
            }
            Report::Failed(failure) => {
                out.u8(2);
                out.failure(failure);
            }
            Report::InitLost(signal) => {
                out.u8(3);
                out.i32(*signal);
            }
            Report::LogFailed(errno) => {
                out.u8(4);
                out.i32(*errno);
            }
        }
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes)?;
        let report = match input.u8()? {
            1 => Report::Ended(Ended {
                outcome: decode_outcome(&mut input)?,
                wall: input.duration()?,
                user: input.duration()?,
                system: input.duration()?,
                max_rss: input.u64()?,
                group: input.option(|input| Ok(Counted { memory: input.option(Reader::u64)? }))?,
            }),
            2 => Report::Failed(input.failure()?),
            3 => Report::InitLost(input.i32()?),
            4 => Report::LogFailed(input.i32()?),
            _ => return Err(Malformed),
        };
        input.end()?;
        Ok(report)
    }
}

fn decode_outcome(input: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let kind = input.u8()?;
    let value = input.i32()?;
    match kind {
        0 => Ok(Outcome::Exited(value)),
        1 => Ok(Outcome::Signaled(value)),
        2 => Ok(Outcome::TimedOut),
        3 => Ok(Outcome::Silent),
        4 => Ok(Outcome::LogTooLarge),
        5 => Ok(Outcome::Cancelled),
        6 => Ok(Outcome::OutOfMemory),
        7 => Ok(Outcome::OutOfDisk),
        8 => Ok(Outcome::OutOfCpu),
        _ => Err(Malformed),
    }
}

impl InitReport {
    /// At most `PIPE_BUF` bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            InitReport::Failed(failure) => {
                out.u8(1);
                out.failure(failure);
            }
            InitReport::Exited(code) => {
                out.u8(2);
                out.i32(*code);
            }
            InitReport::Signaled(signal) => {
                out.u8(3);
                out.i32(*signal);
            }
        }
        out.0
    }

    /// The first message in `bytes`. A failed `execve` is reported by the builder's process before
    /// init reports how that process ended, so the first message is the one that counts.
    pub(crate) fn decode_first(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes)?;
        match input.u8()? {
            1 => Ok(InitReport::Failed(input.failure()?)),
            2 => Ok(InitReport::Exited(input.i32()?)),
            3 => Ok(InitReport::Signaled(input.i32()?)),
            _ => Err(Malformed),
        }
    }
}

/// Bytes of the report of a builder's end.
pub(crate) const ENDING: usize = 9;

/// As [`InitReport::encode`] of an exit code or else of a signal, without taking memory.
pub(crate) fn encode_ending(has_exited: bool, number: i32) -> [u8; ENDING] {
    let mut bytes = [0; ENDING];
    bytes[..4].copy_from_slice(&VERSION.to_le_bytes());
    bytes[4] = if has_exited { 2 } else { 3 };
    bytes[5..].copy_from_slice(&number.to_le_bytes());
    bytes
}

struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Writer(VERSION.to_le_bytes().to_vec())
    }

    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    /// Nanoseconds; more than 584 years are cut down to that.
    fn duration(&mut self, value: Duration) {
        self.u64(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A string of 4 GiB or more is cut; `SandboxSpec` never holds one that the kernel would take.
    fn bytes(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.0.extend(&value[..length as usize]);
    }

    fn os(&mut self, value: &OsStr) {
        self.bytes(value.as_bytes());
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.u64(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }

    fn failure(&mut self, failure: &SetupFailure) {
        self.u8(failure.step as u8);
        self.i32(failure.errno);
        let path = failure.path.as_os_str().as_bytes();
        self.bytes(&path[..path.len().min(MAX_FAILURE_PATH)]);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        if reader.u32()? == VERSION { Ok(reader) } else { Err(Malformed) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    fn duration(&mut self) -> Result<Duration, Malformed> {
        self.u64().map(Duration::from_nanos)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn os(&mut self) -> Result<OsString, Malformed> {
        self.bytes().map(|bytes| OsString::from_vec(bytes.to_vec()))
    }

    fn path(&mut self) -> Result<PathBuf, Malformed> {
        self.os().map(PathBuf::from)
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Reads element by element, so that a wrong length ends with the input and not with memory.
    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.u64()?;
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(read(self)?);
        }
        Ok(values)
    }

    fn failure(&mut self) -> Result<SetupFailure, Malformed> {
        Ok(SetupFailure {
            step: Step::from_number(self.u8()?).ok_or(Malformed)?,
            errno: self.i32()?,
            path: self.path()?,
        })
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let mut spec = SandboxSpec::new("/bin/sh")
            .bind_read_only("/etc/passwd", "/cbuild/store/x")
            .bind_writable("/var/tmp", "/build");
        spec.root = Some(PathBuf::from(OsString::from_vec(vec![b'/', 0xff])));
        spec.args = vec!["-c".into(), "true".into()];
        spec.env = vec![("A".into(), "1".into())];
        spec.limits.wall = Some(Duration::from_millis(1500));
        spec.limits.memory = Some(1 << 33);
        spec.limits.cpu = Some(Duration::from_secs(7));
        spec.limits.processors = Some(2);
        spec.descriptors = vec![198, 199];
        spec.terminal = true;
        spec.one_processor = true;
        spec.cpu_info = Some("/host/cpuinfo".into());
        spec.tmp = Tmp::Host("/tmp/x".into());
        Request { spec, probe: true, filter: vec![1, 2, 3] }
    }

    #[test]
    fn request_round_trips_and_every_cut_is_refused() {
        let bytes = request().encode();
        assert_eq!(Request::decode(&bytes), Ok(request()));
        for length in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..length]), Err(Malformed), "cut at {length}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = request().encode();
        bytes[0] ^= 1;
        assert_eq!(Request::decode(&bytes), Err(Malformed));
    }

    #[test]
    fn reports_round_trip() {
        let failure =
            SetupFailure { step: Step::BindSource, path: "/a b".into(), errno: libc::ENOENT };
        let ended = |outcome| {
            Report::Ended(Ended {
                outcome,
                wall: Duration::from_secs(3),
                user: Duration::from_micros(5),
                system: Duration::ZERO,
                max_rss: 1 << 40,
                group: Some(Counted { memory: Some(1 << 30) }),
            })
        };
        for report in [
            Report::Failed(failure.clone()),
            Report::InitLost(9),
            Report::LogFailed(libc::ENOSPC),
            ended(Outcome::Exited(3)),
            ended(Outcome::Signaled(11)),
            ended(Outcome::TimedOut),
            ended(Outcome::Silent),
            ended(Outcome::LogTooLarge),
            ended(Outcome::Cancelled),
            ended(Outcome::OutOfMemory),
            ended(Outcome::OutOfDisk),
            ended(Outcome::OutOfCpu),
        ] {
            assert_eq!(Report::decode(&report.encode()), Ok(report));
        }
        for report in [InitReport::Failed(failure), InitReport::Exited(1), InitReport::Signaled(6)]
        {
            let mut bytes = report.encode();
            bytes.extend(InitReport::Exited(127).encode());
            assert_eq!(InitReport::decode_first(&bytes), Ok(report));
        }
        assert_eq!(encode_ending(true, -1)[..], InitReport::Exited(-1).encode());
        assert_eq!(encode_ending(false, 9)[..], InitReport::Signaled(9).encode());
    }

    #[test]
    fn a_failure_fits_into_one_atomic_write() {
        let path = PathBuf::from("x".repeat(10_000));
        let failure = SetupFailure { step: Step::Create, path, errno: 1 };
        assert!(InitReport::Failed(failure).encode().len() <= 4096);
    }
}
