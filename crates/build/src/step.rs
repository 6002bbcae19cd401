//! One step: look its action up, and where it is unknown, do it and register what it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use cbuild_drv::{Action, ActionKey, Derivation, DrvId, Fetch, Input, Name, OutputName, StorePath};
use cbuild_fetch::Progress;
use cbuild_sandbox::{Exit, Killer, Launcher};
use cbuild_store::{
    ActionLock, BuildEnding, BuildRecord, BuildUsage, BuiltOutput, MemoryOf, Registration, Watch,
};
use rustix::io::Errno;

use crate::Builder;
use crate::assemble::assemble;
use crate::clock;
use crate::error::{Ending, ExitClass, StepError};
use crate::event::{Event, Kind, NOTICED, Outcome};
use crate::exec;
use crate::forbidden;
use crate::log::{self, Follower};
use crate::place::{Place, Places};
use crate::records::{self, Records};
use crate::resolve::{Outputs, resolve};
use crate::tokens::{Lease, Tokens};

/// Shortest and longest time between two looks at an action that another process does.
const LOCK_POLL: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// Smallest number of bytes between two progress events of one download.
const PROGRESS_BYTES: u64 = 256 * 1024;

/// What the steps of one run share.
pub(crate) struct Workshop<'a> {
    pub(crate) builder: &'a Builder<'a>,
    /// Set when no step may go on: the caller cancelled, or a step failed.
    pub(crate) stop: AtomicBool,
    /// Builders that run now. `stop` is set under this lock, so that no builder is missed.
    running: Mutex<BTreeMap<DrvId, Active>>,
    /// Closures of inputs: many steps share a root, whose closure is looked up once.
    closures: Mutex<BTreeMap<StorePath, BTreeSet<StorePath>>>,
    /// Folders for builders.
    pub(crate) places: Places,
    /// Starts the sandboxes of all steps. Dropped after the folders, see [`Launcher::retire`].
    pub(crate) launcher: Launcher,
    /// What was carried out, for explanations.
    pub(crate) records: Records,
    /// What builders may do at the same time, together. Made when the first one runs.
    tokens: OnceLock<Tokens>,
}

struct Active {
    killer: Killer,
    follower: Option<Follower>,
}

/// A step's result.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outputs: Outputs,
    pub(crate) outcome: Outcome,
    /// What a program took.
    pub(crate) usage: Option<BuildUsage>,
}

/// How far a worker brings a step.
#[derive(Debug)]
pub(crate) enum Worked {
    /// There was nothing to make.
    Done(Done),
    /// What was made has to be moved into the store.
    Made(Box<Made>),
}

/// Outputs that wait for [`Workshop::finish`].
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) registration: Registration,
    pub(crate) rest: Rest,
}

/// What else there is of a step that has been made.
#[derive(Debug)]
pub(crate) struct Rest {
    /// The outputs that the derivation has.
    pub(crate) names: BTreeSet<OutputName>,
    pub(crate) record: BuildRecord,
    pub(crate) outcome: Outcome,
    pub(crate) place: Place,
    pub(crate) closure: BTreeSet<StorePath>,
    /// Held until others can find the realisation.
    pub(crate) lock: ActionLock,
}

/// What a worker has made of an action.
struct Product {
    registration: Registration,
    place: Place,
    closure: BTreeSet<StorePath>,
}

/// A step's failure, with the action where it was known.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) key: Option<ActionKey>,
    pub(crate) error: StepError,
}

impl<'a> Workshop<'a> {
    pub(crate) fn new(builder: &'a Builder<'a>) -> Self {
        let (running, closures) = (Mutex::default(), Mutex::default());
        let (stop, launcher) = (AtomicBool::new(false), Launcher::new());
        Self {
            builder,
            stop,
            running,
            closures,
            launcher,
            places: Places::default(),
            records: Records::default(),
            tokens: OnceLock::new(),
        }
    }

    /// Does one step, except for moving what it makes into the store. `inputs` are the outputs of
    /// the derivations that it refers to.
    pub(crate) fn step(
        &self,
        drv: &DrvId,
        derivation: &Derivation<Input>,
        wanted: &BTreeSet<OutputName>,
        inputs: &BTreeMap<DrvId, Outputs>,
    ) -> Result<Worked, Box<Failed>> {
        let resolved =
            resolve(derivation, |drv, output| inputs.get(drv)?.get(output).cloned()).map_err(
                |unknown| Failed { key: None, error: StepError::NotInGraph { drv: unknown.drv } },
            )?;
        let key = resolved.action_key();
        let worked = self.action(drv, &resolved, &key, wanted);
        match &worked {
            Ok(Worked::Done(_)) => {}
            Ok(Worked::Made(_)) => self.records.add(self.builder.store, key, resolved),
            Err(_) => records::write(self.builder.store, &key, &resolved),
        }
        let worked = worked.and_then(|worked| {
            if let Worked::Done(done) = &worked {
                self.builder.store.remember(drv, &done.outputs)?;
            }
            Ok(worked)
        });
        worked.map_err(|error| Box::new(Failed { key: Some(key), error }))
    }

    fn action(
        &self,
        drv: &DrvId,
        derivation: &Derivation<StorePath>,
        key: &ActionKey,
        wanted: &BTreeSet<OutputName>,
    ) -> Result<Worked, StepError> {
        let is_done = |outputs: &Outputs| wanted.iter().all(|name| outputs.contains_key(name));
        let outputs = self.look_up(key, &derivation.outputs)?;
        if is_done(&outputs) {
            return Ok(Worked::Done(Done { outputs, outcome: Outcome::CutOff, usage: None }));
        }
        let (lock, waited) = self.lock(drv, &derivation.name, key)?;
        let outputs = self.look_up(key, &derivation.outputs)?;
        if is_done(&outputs) {
            let outcome = if waited { Outcome::Shared } else { Outcome::CutOff };
            return Ok(Worked::Done(Done { outputs, outcome, usage: None }));
        }
        self.make_and_record(drv, derivation, key, lock).map(|made| Worked::Made(Box::new(made)))
    }

    /// Carries an action out, with a note for the build history, unless it was cancelled.
    fn make_and_record(
        &self,
        drv: &DrvId,
        derivation: &Derivation<StorePath>,
        key: &ActionKey,
        lock: ActionLock,
    ) -> Result<Made, StepError> {
        if self.is_stopped() {
            return Err(StepError::Cancelled);
        }
        let store = self.builder.store;
        let (started, clock) = (clock::unix_seconds(), clock::now());
        let mut usage = None;
        let made = self.make(drv, derivation, key, &mut usage);
        let mut record = BuildRecord {
            key: *key,
            name: derivation.name.to_string(),
            started,
            duration_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            ending: BuildEnding::Exited(0),
            log: None,
            usage,
            origin: self.builder.options.origin.clone(),
        };
        let Product { registration, place, closure } = match made {
            Ok(product) => product,
            Err(error) => return Err(self.note_failure(record, error)),
        };
        let outcome = match Kind::of(&derivation.action) {
            Kind::Exec => Outcome::Built,
            Kind::Fetch => Outcome::Fetched,
            Kind::Assemble => Outcome::Assembled,
        };
        record.log = (outcome == Outcome::Built).then(|| store.log_path(key));
        let registration = registration.with_notes(*drv, record.clone());
        let names = derivation.outputs.clone();
        Ok(Made { registration, rest: Rest { names, record, outcome, place, closure, lock } })
    }

    /// Notes a failure in the build history and passes it on: it says more than that of its note.
    pub(crate) fn note_failure(&self, mut record: BuildRecord, error: StepError) -> StepError {
        let store = self.builder.store;
        if error.exit_class() == ExitClass::Cancelled {
            let signal = self.builder.options.signal.load(Ordering::SeqCst);
            let Some(signal) = i32::try_from(signal).ok().filter(|signal| *signal > 0) else {
                // Another step has failed, which says enough.
                return error;
            };
            record.ending = BuildEnding::Stopped(signal);
            record.log = Some(store.log_path(&record.key)).filter(|log| log.exists());
        } else {
            record.ending = match &error {
                StepError::Builder { ending: Ending::Status(status), .. } => {
                    BuildEnding::Exited(*status)
                }
                StepError::Builder { ending: Ending::Signal(signal), .. } => {
                    BuildEnding::Signaled(*signal)
                }
                _ => BuildEnding::Failed,
            };
            record.log = error.log().and_then(|log| log.path.clone());
        }
        let _ = store.record_build(&record);
        error
    }

    /// The realisations of an action whose objects are there, kept from collection.
    pub(crate) fn look_up(
        &self,
        key: &ActionKey,
        names: &BTreeSet<OutputName>,
    ) -> Result<Outputs, StepError> {
        let store = self.builder.store;
        let mut outputs = Outputs::new();
        for name in names {
            if let Some(path) = store.realisation(key, name)? {
                outputs.insert(name.clone(), path);
            }
        }
        self.keep(&mut outputs)?;
        Ok(outputs)
    }

    /// Protects outputs, and takes out those that a collector was faster with.
    pub(crate) fn keep(&self, outputs: &mut Outputs) -> Result<(), StepError> {
        if outputs.is_empty() {
            return Ok(());
        }
        let paths: Vec<StorePath> = outputs.values().cloned().collect();
        let gone = self.builder.store.protect(&paths)?;
        outputs.retain(|_, path| !gone.contains(path));
        Ok(())
    }

    /// Holds the action; the flag says that another process had it before.
    fn lock(
        &self,
        drv: &DrvId,
        name: &Name,
        key: &ActionKey,
    ) -> Result<(ActionLock, bool), StepError> {
        let (mut pause, longest) = LOCK_POLL;
        // The sum of the pauses is near enough to the time to need no clock.
        let (mut waited, mut told) = (Duration::ZERO, false);
        let tell = |waits| {
            (self.builder.events)(Event::Elsewhere { drv: *drv, name: name.clone(), waits });
        };
        loop {
            if let Some(lock) = self.builder.store.try_lock_action(key)? {
                if told {
                    tell(false);
                }
                return Ok((lock, !waited.is_zero()));
            }
            waited += pause;
            if waited > NOTICED && !std::mem::replace(&mut told, true) {
                tell(true);
            }
            if self.is_stopped() {
                return Err(StepError::Cancelled);
            }
            // The wait can be long and must end when the run is cancelled, hence no blocking lock.
            std::thread::park_timeout(pause);
            pause = (pause * 2).min(longest);
        }
    }

    fn make(
        &self,
        drv: &DrvId,
        derivation: &Derivation<StorePath>,
        key: &ActionKey,
        usage: &mut Option<BuildUsage>,
    ) -> Result<Product, StepError> {
        let store = self.builder.store;
        let closure = match &derivation.action {
            Action::Fetch(_) => BTreeSet::new(),
            Action::Exec(_) | Action::Assemble(_) => self.closure(&derivation.references())?,
        };
        let mut place = self.places.take(store, &closure)?;
        let paths = exec::scratch_paths(derivation, key);
        let built = match &derivation.action {
            Action::Exec(_) => {
                place.set_used();
                self.exec(drv, derivation, key, (&closure, place.path()), usage)?
            }
            Action::Fetch(fetch) => in_process(paths, place.path(), |_, at| {
                self.fetch(drv, &derivation.name, fetch, at)
            })?,
            Action::Assemble(spec) => in_process(paths, place.path(), |own, at| {
                Ok(assemble(spec, &|path| store.physical(path), own, at)?)
            })?,
        };
        // This keeps what will be registered from collection.
        let registration = self.register(drv, derivation, key, built, &closure)?;
        Ok(Product { registration, place, closure })
    }

    /// Reads what was made into the store's form, and tells what the user has to know of it.
    fn register(
        &self,
        drv: &DrvId,
        derivation: &Derivation<StorePath>,
        key: &ActionKey,
        built: Vec<BuiltOutput>,
        closure: &BTreeSet<StorePath>,
    ) -> Result<Registration, StepError> {
        let (store, events) = (self.builder.store, self.builder.events);
        let (drv, name) = (*drv, &derivation.name);
        let progress = |bytes| events(Event::Reading { drv, name: name.clone(), bytes });
        let bounds = exec::Bounds::of(&self.builder.options);
        let max_length = Some(bounds.max_length(&derivation.action));
        let watch = Watch { max_length, progress: Some(&progress) };
        let registration = store.prepare_watched(key, built, closure, watch)?;
        let (hidden, unsearched) = (registration.hidden(), registration.unsearched());
        let warnings = hidden.iter().map(ToString::to_string);
        let warnings = warnings.chain(unsearched.iter().map(ToString::to_string));
        // A log that cannot be written is no reason to fail.
        let _ = log::add(store, key, warnings);
        for hidden in hidden.iter().cloned() {
            events(Event::HiddenPath { drv, name: name.clone(), hidden });
        }
        for unsearched in unsearched.iter().cloned() {
            events(Event::Unsearched { drv, name: name.clone(), unsearched });
        }
        Ok(registration)
    }

    fn fetch(&self, drv: &DrvId, name: &Name, fetch: &Fetch, at: &Path) -> Result<(), StepError> {
        let mut shown = 0;
        self.builder.fetcher.fetch(fetch, at, &mut |progress| match progress {
            Progress::Bytes { bytes, total, .. } => {
                let is_end = total == Some(bytes);
                if is_end || bytes < shown || bytes - shown >= PROGRESS_BYTES {
                    shown = bytes;
                    (self.builder.events)(Event::FetchProgress { drv: *drv, bytes, total });
                }
            }
            Progress::WrongBytes(wrong) => {
                let (drv, name, wrong) = (*drv, name.clone(), wrong.clone());
                (self.builder.events)(Event::WrongBytes { drv, name, wrong });
            }
        })?;
        Ok(())
    }

    fn exec(
        &self,
        drv: &DrvId,
        derivation: &Derivation<StorePath>,
        key: &ActionKey,
        (closure, scratch): (&BTreeSet<StorePath>, &Path),
        usage: &mut Option<BuildUsage>,
    ) -> Result<Vec<BuiltOutput>, StepError> {
        let Action::Exec(exec) = &derivation.action else {
            return Ok(Vec::new());
        };
        let host = host_system();
        if derivation.system.as_str() != host {
            return Err(StepError::System { wanted: derivation.system.to_string(), host });
        }
        let store = self.builder.store;
        let paths = exec::scratch_paths(derivation, key);
        let bounds = exec::Bounds::of(&self.builder.options);
        let prepared = exec::prepare(store, exec, paths, closure, scratch, bounds)?;
        let exit = self.run_sandbox(drv, &prepared)?;
        *usage = Some(used(&exit));
        // A log that cannot be kept, for example on a full disk, must not hide the builder's end.
        let kept = log::keep(store, key, &prepared.log).ok();
        let end = || log::end(&prepared.log, kept.clone());
        let built = prepared.outputs(&exit, closure, end)?;
        forbidden::check(store, &built, closure, &exec.forbidden, end)?;
        Ok(built)
    }

    pub(crate) fn run_sandbox(
        &self,
        drv: &DrvId,
        prepared: &exec::Prepared,
    ) -> Result<Exit, StepError> {
        let file = File::create(&prepared.log).map_err(StepError::io("create", &prepared.log))?;
        let follower = match self.builder.options.log_lines {
            true => Follower::new(*drv, &prepared.log).ok(),
            false => None,
        };
        let lease = self.lease()?;
        let running = self.launcher.spawn_with(&prepared.spec, file, &lease.descriptors())?;
        {
            let mut active = self.running.lock().unwrap_or_else(|broken| broken.into_inner());
            active.insert(*drv, Active { killer: running.killer(), follower });
            // A halt kills all that is in the list; one that came before this entry is seen here.
            if self.is_stopped() {
                running.kill();
            }
        }
        let exit = running.wait();
        lease.end();
        let mut active = self.running.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(Active { follower: Some(mut follower), .. }) = active.remove(drv) {
            follower.lines(true, self.builder.events);
        }
        Ok(exit?)
    }

    /// The right to run one builder, which is waited for.
    pub(crate) fn lease(&self) -> Result<Lease, StepError> {
        let failed =
            |errno: Errno| StepError::io("make a pipe for", Path::new("a builder"))(errno.into());
        let tokens = match self.tokens.get() {
            Some(tokens) => tokens,
            None => {
                let made = Tokens::new(self.builder.options.jobs.get()).map_err(failed)?;
                // Another worker may have been faster; its stock is the one.
                self.tokens.get_or_init(|| made)
            }
        };
        let lease = tokens.lease(|| self.is_stopped()).map_err(failed)?;
        lease.ok_or(StepError::Cancelled)
    }

    /// Says that the caller starts no builder for now, so that others may use its tokens.
    pub(crate) fn offer_tokens(&self) {
        if let Some(tokens) = self.tokens.get() {
            tokens.offer();
        }
    }

    /// What a worker does that has no step to do: it leaves its tokens to others, and does what would
    /// otherwise be done at the end, when everybody waits for it.
    pub(crate) fn rest(&self) {
        self.offer_tokens();
        self.records.write_all(self.builder.store);
        self.places.keep_at_most(self.builder.options.jobs.get());
    }

    pub(crate) fn closure(
        &self,
        paths: &BTreeSet<StorePath>,
    ) -> Result<BTreeSet<StorePath>, StepError> {
        let (mut all, mut unknown) = (Vec::new(), Vec::new());
        {
            let closures = self.closures.lock().unwrap_or_else(|broken| broken.into_inner());
            for path in paths {
                match closures.get(path) {
                    Some(closure) => all.extend(closure.iter().cloned()),
                    None => unknown.push(path.clone()),
                }
            }
        }
        for closure in self.look_up_closures(unknown)? {
            all.extend(closure);
        }
        // A set is made fastest from what is sorted.
        all.sort_unstable();
        Ok(all.into_iter().collect())
    }

    fn look_up_closures(
        &self,
        paths: Vec<StorePath>,
    ) -> Result<Vec<BTreeSet<StorePath>>, StepError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.builder.store;
        if let Some(path) = store.protect(&paths)?.pop_first() {
            return Err(StepError::InputMissing { path });
        }
        let found = store.closures(&paths)?;
        let mut closures = self.closures.lock().unwrap_or_else(|broken| broken.into_inner());
        closures.extend(paths.into_iter().zip(found.iter().cloned()));
        Ok(found)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Kills what runs and lets nothing new start.
    pub(crate) fn halt(&self) {
        let active = self.running.lock().unwrap_or_else(|broken| broken.into_inner());
        self.stop.store(true, Ordering::SeqCst);
        active.values().for_each(|active| active.killer.kill());
    }

    /// Passes on what running builders wrote.
    pub(crate) fn follow_logs(&self) {
        let mut active = self.running.lock().unwrap_or_else(|broken| broken.into_inner());
        for follower in active.values_mut().filter_map(|active| active.follower.as_mut()) {
            follower.lines(false, self.builder.events);
        }
    }
}

/// What a builder took, for the history.
fn used(exit: &Exit) -> BuildUsage {
    let cpu = exit.cpu_user + exit.cpu_system;
    let (memory, memory_of) = match exit.memory_peak {
        Some(all) => (all, MemoryOf::All),
        None => (exit.max_rss, MemoryOf::LargestProcess),
    };
    BuildUsage { cpu_ms: u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX), memory, memory_of }
}

/// This machine's platform, in the form of derivations.
pub(crate) fn host_system() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// Makes the one output of an action that needs no sandbox.
fn in_process(
    paths: Outputs,
    scratch: &Path,
    make: impl Fn(&StorePath, &Path) -> Result<(), StepError>,
) -> Result<Vec<BuiltOutput>, StepError> {
    let mut built = Vec::new();
    for (output, own) in paths {
        let physical = scratch.join(own.base_name());
        make(&own, &physical)?;
        built.push(BuiltOutput { output, name: own.name().clone(), physical, scratch: own });
    }
    Ok(built)
}
