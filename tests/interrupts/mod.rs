//! Every command, stopped by a signal at random moments: each ends soon, says so, and leaves the store and
//! the folders of the user as they should be.
//!
//! `cargo xtask interrupts` runs it as long as wanted, the end-to-end tests in a short form. It knows
//! cbuild's command line and the folders of a store, and nothing of cbuild's inside.
#![allow(clippy::disallowed_methods, reason = "it looks at the machine: its processes, its clock")]

mod lateness;
mod modules;
mod subjects;
mod world;

use std::fmt;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lateness::Lateness;
use subjects::{SUBJECTS, Subject};
use world::World;

use crate::soak::harness::random::Random;

/// A sentence that says what is wrong.
type Result<T = ()> = std::result::Result<T, String>;

/// The signals that end a command, by their numbers on Linux.
const SIGNALS: [(i32, &str); 3] = [(2, "INT"), (15, "TERM"), (1, "HUP")];

/// Exit code of a command that was stopped.
const STOPPED: i32 = 130;

/// Longest part of a command in which it is stopped; some would go on for hours.
const LONGEST: Duration = Duration::from_secs(2);

/// When a process that was asked to end counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Stops between two looks at the whole store.
const LOOK: u32 = 20;

/// What to do.
pub(crate) struct Plan {
    /// The program.
    pub(crate) program: PathBuf,
    /// An empty folder for stores and sources.
    pub(crate) folder: PathBuf,
    /// Moments at which each command is stopped.
    pub(crate) moments: u32,
    /// How soon each must have ended, apart from the time that the machine was late.
    pub(crate) limit: Duration,
    /// How large the work is: number of objects, of functions, of files.
    pub(crate) size: u32,
    /// How many objects a collection has to delete.
    pub(crate) garbage: u32,
    /// What the random moments come from.
    pub(crate) seed: u64,
    /// Only commands whose name contains this.
    pub(crate) only: String,
}

/// How a command has ended.
#[derive(Debug)]
pub(crate) struct Report {
    /// The command's words.
    pub(crate) name: &'static str,
    /// How long each took from the signal to its end, in ascending order.
    pub(crate) heard: Vec<Duration>,
    /// How late the machine was in the worst case.
    pub(crate) late: Duration,
    /// Runs that had ended before their moment came.
    pub(crate) too_late: u32,
    /// Runs that said that the kernel still writes, which count for no limit.
    pub(crate) held: u32,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: usize| {
            let last = self.heard.len().saturating_sub(1);
            self.heard.get(last * share / 100).map_or(0, Duration::as_millis)
        };
        write!(
            f,
            "{:<28} {:>4} stopped  median {:>4} ms  95 % {:>4} ms  worst {:>5} ms  (machine late {:>4} ms; {} by the kernel, {} had ended)",
            self.name,
            self.heard.len(),
            at(50),
            at(95),
            at(100),
            self.late.as_millis(),
            self.held,
            self.too_late
        )
    }
}

/// Stops every command; `told` hears of each when it is done. An error names what was not right.
pub(crate) fn run(plan: &Plan, mut told: impl FnMut(&Report)) -> Result<u32> {
    let world = World::make(plan)?;
    let lateness = Lateness::start();
    let mut random = Random::new(plan.seed);
    let mut stopped = 0;
    for subject in SUBJECTS.iter().filter(|subject| subject.name.contains(&plan.only)) {
        let report = stop_often(plan, &world, subject, &lateness, &mut random)
            .map_err(|error| format!("{}: {error}", subject.name))?;
        stopped += u32::try_from(report.heard.len()).unwrap_or_default();
        told(&report);
    }
    Ok(stopped)
}

fn stop_often(
    plan: &Plan,
    world: &World<'_>,
    subject: &Subject,
    lateness: &Lateness,
    random: &mut Random,
) -> Result<Report> {
    let (heard, late) = (Vec::new(), Duration::ZERO);
    let mut report = Report { name: subject.name, heard, late, too_late: 0, held: 0 };
    let mut longest = duration(world, subject)?;
    for run in 0..plan.moments * 3 {
        if report.heard.len() >= plan.moments as usize {
            break;
        }
        world.prepare(subject, run)?;
        let mut child = world.start(subject, run)?;
        let moment = random.moment(longest);
        if ended_within(&mut child, moment)? {
            report.too_late += 1;
            // It is quicker than the first time, when nothing was in memory.
            longest = longest * 9 / 10;
            finish(child, subject, None)?;
            continue;
        }
        let signal = SIGNALS[random.below(SIGNALS.len())];
        stop(plan, world, subject, child, signal, lateness, &mut report).map_err(|error| {
            format!("stop {run}, after {moment:?}, by SIG{}: {error}", signal.1)
        })?;
        world.look_around(subject)?;
        if run % LOOK == LOOK - 1 {
            world.verify(subject)?;
        }
    }
    world.verify(subject)?;
    report.heard.sort();
    Ok(report)
}

/// Time that the command takes when nobody stops it, as far as that is of interest.
fn duration(world: &World<'_>, subject: &Subject) -> Result<Duration> {
    world.prepare(subject, u32::MAX)?;
    let begin = Instant::now();
    let mut child = world.start(subject, u32::MAX)?;
    if ended_within(&mut child, LONGEST)? {
        let taken = begin.elapsed();
        finish(child, subject, None)?;
        return Ok(taken.max(Duration::from_millis(5)));
    }
    send(&child, "TERM")?;
    finish(child, subject, Some(SIGNALS[1]))?;
    Ok(LONGEST)
}

fn stop(
    plan: &Plan,
    world: &World<'_>,
    subject: &Subject,
    mut child: Child,
    signal: (i32, &str),
    lateness: &Lateness,
    report: &mut Report,
) -> Result {
    lateness.reset();
    let begin = Instant::now();
    send(&child, signal.1)?;
    if !ended_within(&mut child, STUCK)? {
        let state = world.describe(&child);
        child.kill().map_err(|error| error.to_string())?;
        return Err(format!("it has not ended within {} s: {state}", STUCK.as_secs()));
    }
    let (taken, late) = (begin.elapsed(), lateness.worst());
    let said = finish(child, subject, Some(signal))?;
    if said.contains("the kernel still writes") {
        report.held += 1;
    } else if taken.saturating_sub(late) > plan.limit {
        return Err(format!(
            "it took {taken:?}, and the machine was {late:?} late; it said: {said}"
        ));
    }
    report.heard.push(taken);
    report.late = report.late.max(late);
    Ok(())
}

fn send(child: &Child, signal: &str) -> Result {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal, &child.id().to_string()]);
    kill.status().map(drop).map_err(|error| format!("kill: {error}"))
}

fn ended_within(child: &mut Child, time: Duration) -> Result<bool> {
    let end = Instant::now() + time;
    loop {
        if child.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(left.min(Duration::from_millis(1)));
    }
}

/// What a process that has ended wrote to standard error. It must have ended well, or as one that was stopped.
fn finish(mut child: Child, subject: &Subject, signal: Option<(i32, &str)>) -> Result<String> {
    let status = child.wait().map_err(|error| error.to_string())?;
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        // Its children, if there were any, would keep this open.
        errors.read_to_string(&mut said).map_err(|error| error.to_string())?;
    }
    let is_stopped = |signal: (i32, &str)| {
        // A signal before the program is ready for it ends it as any other.
        status.signal() == Some(signal.0)
            || status.code() == Some(STOPPED) && said.lines().filter(is_end).count() == 1
    };
    match signal {
        Some(signal) if is_stopped(signal) => Ok(said),
        _ if subject.ends_well(status) => Ok(said),
        _ => {
            Err(format!("it ended with {status}: {}", said.chars().take(2000).collect::<String>()))
        }
    }
}

/// Whether a line says what was stopped.
fn is_end(line: &&str) -> bool {
    line.contains("` was stopped by ")
}

/// The command's exit codes that are right when nobody stops it.
impl Subject {
    fn ends_well(&self, status: ExitStatus) -> bool {
        status.code().is_some_and(|code| self.codes.contains(&code))
    }
}

/// A pipe that nobody reads, a file that is thrown away, or one that stays open.
fn streams(command: &mut Command, subject: &Subject) {
    command.stdin(if subject.listens { Stdio::piped() } else { Stdio::null() });
    command.stdout(if subject.is_unread { Stdio::piped() } else { Stdio::null() });
    command.stderr(Stdio::piped());
}
