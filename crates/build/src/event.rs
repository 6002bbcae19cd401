//! What a run tells its caller while it goes on.

use std::time::Duration;

use cbuild_drv::{Action, DrvId, Name};
use cbuild_fetch::WrongBytes;
use cbuild_store::{BuildUsage, HiddenPath, Unsearched};

/// What kind of work a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program in the sandbox.
    Exec,
    /// A download.
    Fetch,
    /// A composition of trees.
    Assemble,
}

impl Kind {
    /// The kind of an action.
    pub fn of<R>(action: &Action<R>) -> Self {
        match action {
            Action::Exec(_) => Self::Exec,
            Action::Fetch(_) => Self::Fetch,
            Action::Assemble(_) => Self::Assemble,
        }
    }
}

/// How a step came to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The program ran.
    Built,
    /// The bytes were downloaded.
    Fetched,
    /// The tree was composed.
    Assembled,
    /// Nothing was done: after resolution the action turned out to be one whose result is known.
    CutOff,
    /// Another process, or another step of this run, did the same action while this one waited for it.
    Shared,
}

/// A step of a run as part of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlined {
    /// The step.
    pub drv: DrvId,
    /// Its name.
    pub name: Name,
    /// Index of a step that waits for it: of several, the one with the longest chain of work above it.
    pub above: Option<usize>,
}

/// Shortest wait for somebody else's work that is told.
pub const NOTICED: Duration = Duration::from_millis(500);

/// Most names that [`Event::Started`] has of steps that wait.
pub const SHOWN_WAITING: usize = 3;

/// One event. Events of one step come in order; events of different steps interleave.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// First event of each run.
    Planned {
        /// Steps that are to be looked at; each will be started and finished, failed or skipped.
        total: usize,
        /// How long it will take by what is recorded of earlier builds: the longest chain of steps, or all
        /// steps shared among the jobs where that is longer. `None` when nothing is recorded.
        expected: Option<Duration>,
    },
    /// What waits for what, once after [`Event::Planned`] where there is anything to do.
    Outline {
        /// All steps; what a step needs stands before it.
        steps: Vec<Outlined>,
    },
    /// A step began to be worked on.
    Started {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// Its kind.
        kind: Kind,
        /// How long a step of this name took last time.
        last_duration: Option<Duration>,
        /// Names of steps that wait for this one, at most [`SHOWN_WAITING`].
        waiting: Vec<Name>,
        /// Number of steps that wait for this one directly.
        waiting_total: usize,
    },
    /// A step waits for somebody else who is doing the same: mostly another process. Told once the wait
    /// is longer than [`NOTICED`], and again when it is over and the step goes on itself.
    Elsewhere {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// Whether it waits now.
        waits: bool,
    },
    /// A line that a builder wrote; only with [`crate::Options::log_lines`].
    Log {
        /// The step.
        drv: DrvId,
        /// The line without its end, at most 4096 bytes; broken UTF-8 is replaced, and there is
        /// nothing in it that commands a terminal.
        line: String,
    },
    /// A download went on.
    FetchProgress {
        /// The step.
        drv: DrvId,
        /// Bytes that have arrived.
        bytes: u64,
        /// Bytes that are expected, where the server says so.
        total: Option<u64>,
    },
    /// A download is there, and an address that was tried before gave other bytes.
    WrongBytes {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// The address and both hashes.
        wrong: WrongBytes,
    },
    /// What a step has made is read into the store; told for large outputs alone.
    Reading {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// Bytes that were read of all its outputs: a multiple of [`cbuild_store::Watch::STEP`].
        bytes: u64,
    },
    /// A path under which an output was built stayed in a compressed file, where it leads nowhere.
    HiddenPath {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// The file, and whose path is in it.
        hidden: HiddenPath,
    },
    /// A compressed file was not searched for references to its end.
    Unsearched {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// The file, and why.
        unsearched: Unsearched,
    },
    /// A step is done.
    Finished {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// Wall time since its start.
        duration: Duration,
        /// How it came to its result.
        outcome: Outcome,
        /// What a program took that ran for it.
        usage: Option<BuildUsage>,
    },
    /// A step failed; the failure itself is in the run's result.
    Failed {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
        /// Code of the error.
        code: &'static str,
        /// The first line of the error's message.
        reason: String,
    },
    /// A step will not be looked at, because something that it needs failed.
    Skipped {
        /// The step.
        drv: DrvId,
        /// Its name.
        name: Name,
    },
}
