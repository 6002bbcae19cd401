//! The scheduler: for each derivation that targets need, resolve its inputs, look its action up,
//! and where it is unknown, download, compose or run it and register the outputs.
//!
//! What it does is specified in `lang-spec/08-derivations.md`. It depends on `cbuild-drv`,
//! `cbuild-store`, `cbuild-fetch` and `cbuild-sandbox`. It deliberately knows nothing of source
//! text and evaluation (a [`cbuild_drv::Graph`] comes in), of terminals (an [`Event`] goes out)
//! and of images. It is synchronous; a run brings its own threads and ends them.
#![forbid(unsafe_code)]

mod again;
mod assemble;
mod clock;
mod error;
mod event;
mod exec;
mod finish;
mod forbidden;
mod known;
mod log;
mod place;
mod plain;
mod queue;
mod records;
mod resolve;
mod run;
mod shell;
mod step;
mod tokens;
mod vary;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use cbuild_drv::{DrvId, Graph, Name, OutputName, StepLimits, StorePath};
use cbuild_fetch::Fetcher;
use cbuild_store::Store;

pub use again::{Again, Terminal, Visit};
pub use assemble::AssembleError;
pub use error::{BuildFailure, Ending, ExitClass, LimitHit, LogEnd, RunError, StepError};
pub use event::{Event, Kind, NOTICED, Outcome, Outlined, SHOWN_WAITING};
pub use known::Known;
pub use log::{LOG_TAIL_LINES, read_log};
pub use plain::plain;
pub use resolve::Outputs;
pub use vary::{PLAIN_PROCESSOR, Variation, plain_processor};

/// An output of a derivation that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The derivation.
    pub drv: DrvId,
    /// The output.
    pub output: OutputName,
}

impl Target {
    /// The output `out` of a derivation.
    pub fn out(drv: DrvId) -> Self {
        Self { drv, output: OutputName::out() }
    }
}

/// How to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// Programs and assemblies that run at the same time. What programs start in parallel, by the job
    /// server that they find in `MAKEFLAGS`, counts as well.
    pub jobs: NonZeroUsize,
    /// Downloads that run at the same time, besides.
    pub fetch_jobs: NonZeroUsize,
    /// Processors that one builder may use; it finds the number in `CBUILD_CORES`.
    pub cores: NonZeroUsize,
    /// Where builders are stopped, unless a step has limits of its own.
    pub limits: StepLimits,
    /// Whether steps that do not depend on a failed one are still done.
    pub keep_going: bool,
    /// Whether [`Event::Log`] is sent.
    pub log_lines: bool,
    /// Set by the caller to end the run: running builders are killed and nothing of them is kept.
    pub cancel: Arc<AtomicBool>,
    /// Number of the signal because of which `cancel` is set, for the history; 0 for none.
    pub signal: Arc<AtomicUsize>,
    /// Top folder of the package whose targets are built, for the history.
    pub origin: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            // One more than there are processors: a step also waits for the disk and for the kernel
            // to make and unmake namespaces, so that processors would stand still.
            jobs: processors.saturating_add(1),
            fetch_jobs: NonZeroUsize::MIN.saturating_add(7),
            cores: processors,
            limits: StepLimits::default(),
            keep_going: false,
            log_lines: false,
            cancel: Arc::default(),
            signal: Arc::default(),
            origin: None,
        }
    }
}

/// A step of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// The derivation.
    pub drv: DrvId,
    /// Its name.
    pub name: Name,
    /// What kind of work it is.
    pub kind: Kind,
    /// Whether it will run for certain; otherwise it depends on what steps below turn out to give.
    pub certain: bool,
    /// How long a step of this name took last time.
    pub last_duration: Option<Duration>,
}

/// What a build would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps; what a step needs stands before it. Steps whose result is known are left out.
    pub steps: Vec<PlannedStep>,
}

/// Builds targets of one graph into one store.
pub struct Builder<'a> {
    pub(crate) store: &'a Store,
    pub(crate) graph: &'a Graph,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) options: Options,
    pub(crate) events: &'a (dyn Fn(Event) + Sync),
}

impl<'a> Builder<'a> {
    /// Puts the parts together; nothing is done yet. `events` is called from several threads.
    pub fn new(
        store: &'a Store,
        graph: &'a Graph,
        fetcher: &'a Fetcher,
        options: Options,
        events: &'a (dyn Fn(Event) + Sync),
    ) -> Self {
        Self { store, graph, fetcher, options, events }
    }

    /// Makes the targets be in the store, and keeps them from collection while the store is open.
    pub fn build(&self, targets: &[Target]) -> Result<BTreeMap<Target, StorePath>, RunError> {
        let outcome = run::run(self, targets, |_| true)?;
        let mut paths = BTreeMap::new();
        for target in targets {
            let path = outcome.get(&target.drv).and_then(|outputs| outputs.get(&target.output));
            let path = path.ok_or(StepError::NotInGraph { drv: target.drv })?;
            paths.insert(target.clone(), path.clone());
        }
        Ok(paths)
    }

    /// What [`Self::build`] would do. Nothing is changed.
    pub fn plan(&self, targets: &[Target]) -> Result<Plan, RunError> {
        run::plan(self, targets)
    }

    /// Downloads all that is missing and that a build of the targets can need, so that a later
    /// build works without a network. Returns the objects that were fetched.
    pub fn fetch_only(&self, targets: &[Target]) -> Result<BTreeSet<StorePath>, RunError> {
        let known = run::run(self, targets, |kind| kind == Kind::Fetch)?;
        let is_fetch = |drv: &DrvId| {
            self.graph.get(drv).is_some_and(|node| Kind::of(&node.action) == Kind::Fetch)
        };
        let fetched = known.into_iter().filter(|(drv, _)| is_fetch(drv));
        Ok(fetched.flat_map(|(_, outputs)| outputs.into_values()).collect())
    }
}
