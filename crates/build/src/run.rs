//! A run: threads that work through the steps that targets need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cbuild_drv::{Derivation, DrvId, Input, Name};

use crate::clock;
use crate::error::{BuildFailure, ExitClass, RunError, StepError};
use crate::event::{Event, Kind, Outlined, SHOWN_WAITING};
use crate::finish::Handover;
use crate::queue::{Item, Lane, Queue};
use crate::resolve::{Outputs, resolve};
use crate::step::{Done, Failed, Made, Worked, Workshop};
use crate::walk::{Step, Walk, walk};
use crate::{Builder, Plan, PlannedStep, Target};

/// Expected duration of a step of which no earlier one is recorded.
const UNKNOWN_DURATION: Duration = Duration::from_secs(1);

/// Time between two looks at the cancel flag and at logs.
const TICK: Duration = Duration::from_millis(50);

/// Does the steps of the accepted kinds that the targets need. Returns what is known afterwards.
pub(crate) fn run(
    builder: &Builder<'_>,
    targets: &[Target],
    accepts: impl Fn(Kind) -> bool,
) -> Result<BTreeMap<DrvId, Outputs>, RunError> {
    let workshop = Workshop::new(builder);
    let Walk { mut steps, known } = survey(&workshop, targets)?;
    let kind = |step: &Step| builder.graph.get(&step.drv).map(|node| Kind::of(&node.action));
    if !steps.iter().filter_map(kind).all(&accepts) {
        // Only downloads are picked out of a walk, and those need nothing.
        steps.retain(|step| step.needs.is_empty() && kind(step).is_some_and(&accepts));
    }
    if steps.is_empty() {
        (builder.events)(Event::Planned { total: 0, expected: None });
        return Ok(known);
    }
    let has = |wanted| steps.iter().filter_map(kind).any(|kind| kind == wanted);
    // The evaluation is over; what follows takes small pieces of memory in many threads.
    cbuild_sandbox::give_up_huge_pages();
    if has(Kind::Fetch) && has(Kind::Exec) {
        // Nobody should wait for downloads to hear afterwards that nothing can be built here.
        let probed = cbuild_sandbox::probe().map_err(cbuild_sandbox::Error::from);
        probed.map_err(StepError::from)?;
    } else if has(Kind::Exec) {
        // It gets ready while the first step is looked up and laid out.
        workshop.launcher.warm_up();
    }
    let run = Run::new(&workshop, steps, known)?;
    (builder.events)(Event::Planned { total: run.steps.len(), expected: run.expected() });
    (builder.events)(Event::Outline { steps: run.outline() });
    let result = run.work_through();
    // Its processes end while the rest is put away.
    workshop.launcher.retire();
    workshop.records.write_all(builder.store);
    result
}

/// What [`run`] would do.
pub(crate) fn plan(builder: &Builder<'_>, targets: &[Target]) -> Result<Plan, RunError> {
    let workshop = Workshop::new(builder);
    let Walk { steps, mut known } = survey(&workshop, targets)?;
    let mut plan = Plan::default();
    for step in &steps {
        let node = node(builder, &step.drv)?;
        let resolved = resolve(node, |drv, output| known.get(drv)?.get(output).cloned());
        let certain = resolved.is_ok();
        if let Ok(resolved) = resolved {
            let outputs = workshop.look_up(&resolved.action_key(), &node.outputs)?;
            if step.wanted.iter().all(|name| outputs.contains_key(name)) {
                known.insert(step.drv, outputs);
                continue;
            }
        }
        plan.steps.push(PlannedStep {
            drv: step.drv,
            name: node.name.clone(),
            kind: Kind::of(&node.action),
            certain,
            last_duration: last_duration(builder, node)?,
        });
    }
    Ok(plan)
}

/// Walks the graph down to the outputs that earlier runs remembered and that are there still.
fn survey(workshop: &Workshop<'_>, targets: &[Target]) -> Result<Walk, StepError> {
    walk(workshop.builder.graph, targets, |drv| {
        let mut outputs = workshop.builder.store.outputs_of(drv)?.unwrap_or_default();
        workshop.keep(&mut outputs)?;
        Ok(outputs)
    })
}

fn node<'a>(builder: &Builder<'a>, drv: &DrvId) -> Result<&'a Derivation<Input>, StepError> {
    builder.graph.get(drv).ok_or(StepError::NotInGraph { drv: *drv })
}

fn last_duration(
    builder: &Builder<'_>,
    node: &Derivation<Input>,
) -> Result<Option<Duration>, StepError> {
    Ok(builder.store.last_duration(node.name.as_str())?.map(Duration::from_millis))
}

struct Run<'a> {
    workshop: &'a Workshop<'a>,
    steps: Vec<Planned<'a>>,
    state: Mutex<State>,
    /// Told when a step may have become ready, or none will any more.
    changed: Condvar,
    /// Told when the last worker is gone.
    over: Condvar,
    made: Handover<(usize, Instant, Made)>,
}

struct Planned<'a> {
    step: Step,
    node: &'a Derivation<Input>,
    last_duration: Option<Duration>,
    /// Steps that wait for it: the first names, and the number of all.
    waiting: (Vec<Name>, usize),
}

struct State {
    queue: Queue,
    known: BTreeMap<DrvId, Outputs>,
    failures: Vec<BuildFailure>,
    skipped: Vec<usize>,
    workers: usize,
}

impl<'a> Run<'a> {
    fn new(
        workshop: &'a Workshop<'a>,
        steps: Vec<Step>,
        known: BTreeMap<DrvId, Outputs>,
    ) -> Result<Self, StepError> {
        let builder = workshop.builder;
        let mut planned = Vec::with_capacity(steps.len());
        for step in steps {
            let node = node(builder, &step.drv)?;
            let (last_duration, waiting) = (last_duration(builder, node)?, (Vec::new(), 0));
            planned.push(Planned { step, node, last_duration, waiting });
        }
        note_waiting(&mut planned);
        let items: Vec<Item> = planned.iter().map(Planned::item).collect();
        let (failures, skipped) = (Vec::new(), Vec::new());
        let state = State { queue: Queue::new(&items), known, failures, skipped, workers: 0 };
        let (changed, over) = (Condvar::new(), Condvar::new());
        let (state, made) = (Mutex::new(state), Handover::new());
        Ok(Self { workshop, steps: planned, state, changed, over, made })
    }

    /// An estimate of the whole time; `None` when no duration is recorded.
    fn expected(&self) -> Option<Duration> {
        self.steps.iter().find_map(|planned| planned.last_duration)?;
        let jobs = u32::try_from(self.workshop.builder.options.jobs.get()).unwrap_or(u32::MAX);
        let of = |planned: &Planned<'_>| planned.item().expected;
        let local = self.steps.iter().filter(|planned| planned.item().lane == Lane::Local);
        let shared = local.map(of).sum::<Duration>() / jobs;
        Some(shared.max(self.lock().queue.longest_path()))
    }

    fn outline(&self) -> Vec<Outlined> {
        let queue = &self.lock().queue;
        let outlined = |(index, planned): (usize, &Planned<'_>)| Outlined {
            drv: planned.step.drv,
            name: planned.node.name.clone(),
            above: queue.most_urgent_user(index),
        };
        self.steps.iter().enumerate().map(outlined).collect()
    }

    fn work_through(self) -> Result<BTreeMap<DrvId, Outputs>, RunError> {
        let options = &self.workshop.builder.options;
        let count = |lane, limit: usize| {
            limit.min(self.steps.iter().filter(|planned| planned.item().lane == lane).count())
        };
        let local = count(Lane::Local, options.jobs.get());
        let network = count(Lane::Network, options.fetch_jobs.get());
        self.lock().workers = local + network;
        std::thread::scope(|scope| {
            for _ in 0..local {
                scope.spawn(|| self.worker(Lane::Local));
            }
            for _ in 0..network {
                scope.spawn(|| self.worker(Lane::Network));
            }
            scope.spawn(|| self.finisher());
            self.watch();
        });
        let name = |index: &usize| self.steps[*index].node.name.clone();
        let cancelled = options.cancel.load(Ordering::SeqCst);
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let is_over = state.queue.is_over();
        if is_over && state.failures.is_empty() {
            return Ok(state.known);
        }
        if !is_over && (cancelled || state.failures.is_empty()) {
            return Err(RunError::Cancelled);
        }
        let skipped = state.skipped.iter().map(name).collect();
        Err(RunError::Steps { failures: state.failures, skipped })
    }

    /// Looks after the run while others work: cancels it on demand, and passes on logs.
    fn watch(&self) {
        let options = &self.workshop.builder.options;
        let mut state = self.lock();
        while state.workers > 0 {
            let waited = self.over.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if options.cancel.load(Ordering::SeqCst) && !self.workshop.is_stopped() {
                drop(state);
                self.workshop.halt();
                self.wake();
                state = self.lock();
            }
            if options.log_lines {
                drop(state);
                self.workshop.follow_logs();
                state = self.lock();
            }
        }
    }

    fn worker(&self, lane: Lane) {
        let _leave = Leave(self);
        while let Some((index, inputs)) = self.take(lane) {
            let Planned { step, node, last_duration, waiting } = &self.steps[index];
            let (drv, name, events) = (step.drv, &node.name, self.workshop.builder.events);
            let (kind, last_duration) = (Kind::of(&node.action), *last_duration);
            let (waiting, waiting_total) = waiting.clone();
            let name = name.clone();
            events(Event::Started { drv, name, kind, last_duration, waiting, waiting_total });
            let started = clock::now();
            match self.workshop.step(&drv, node, &step.wanted, &inputs) {
                Ok(Worked::Done(done)) => self.done(index, started, done),
                Ok(Worked::Made(made)) => self.made.put((index, started, *made)),
                Err(failed) => self.failed(index, *failed),
            }
            self.wake();
            self.workshop.places.remove_discarded();
        }
    }

    /// Brings what workers have made into the store, until no worker is left.
    fn finisher(&self) {
        let _leave = LeaveFinisher(self);
        let store = self.workshop.builder.store;
        let _ = store.expect_many(true);
        // What fails here is done by a later transaction.
        let checkpoint = || drop(store.checkpoint());
        while let Some(group) = self.made.take(checkpoint) {
            let (mut steps, mut made) = (Vec::new(), Vec::new());
            for (index, started, one) in group {
                steps.push((index, started));
                made.push(one);
            }
            for ((index, started), result) in steps.into_iter().zip(self.workshop.finish(made)) {
                match result {
                    Ok(done) => self.done(index, started, done),
                    Err(failed) => self.failed(index, *failed),
                }
            }
            self.wake();
        }
        checkpoint();
        let _ = store.expect_many(false);
    }

    fn done(&self, index: usize, started: Instant, done: Done) {
        let Planned { step, node, .. } = &self.steps[index];
        let (drv, name, duration) = (step.drv, node.name.clone(), started.elapsed());
        let Done { outputs, outcome, usage } = done;
        (self.workshop.builder.events)(Event::Finished { drv, name, duration, outcome, usage });
        let mut state = self.lock();
        state.known.insert(drv, outputs);
        state.queue.done(index);
    }

    /// The next step of a lane with the outputs of what it refers to; `None` at the run's end.
    fn take(&self, lane: Lane) -> Option<(usize, BTreeMap<DrvId, Outputs>)> {
        let mut state = self.lock();
        let mut is_resting = false;
        let index = loop {
            if self.workshop.is_stopped() || state.queue.is_over() {
                return None;
            }
            if let Some(index) = state.queue.next(lane) {
                break index;
            }
            if std::mem::replace(&mut is_resting, true) {
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // A step that becomes ready meanwhile is seen before the wait.
            drop(state);
            self.workshop.rest();
            state = self.lock();
        };
        let makers: BTreeSet<DrvId> = self.steps[index]
            .node
            .references()
            .into_iter()
            .filter_map(|input| match input {
                Input::Output { drv, .. } => Some(drv),
                Input::Object(_) => None,
            })
            .collect();
        let inputs =
            makers.into_iter().filter_map(|drv| Some((drv, state.known.get(&drv)?.clone())));
        Some((index, inputs.collect()))
    }

    fn failed(&self, index: usize, failed: Failed) {
        let Planned { step, node, .. } = &self.steps[index];
        let (drv, name, events) = (step.drv, node.name.clone(), self.workshop.builder.events);
        // What was stopped because something else failed or because of the user is no failure.
        if failed.error.exit_class() == ExitClass::Cancelled {
            return self.workshop.halt();
        }
        let reason = failed.error.to_string().lines().next().unwrap_or_default().to_owned();
        events(Event::Failed { drv, name: name.clone(), code: failed.error.code(), reason });
        let mut state = self.lock();
        let skipped = state.queue.failed(index);
        let Failed { key, error } = failed;
        state.failures.push(BuildFailure { drv, name, key, error });
        state.skipped.extend(&skipped);
        drop(state);
        for planned in skipped.iter().map(|&index| &self.steps[index]) {
            events(Event::Skipped { drv: planned.step.drv, name: planned.node.name.clone() });
        }
        if !self.workshop.builder.options.keep_going {
            self.workshop.halt();
        }
    }

    /// Lets all threads look at what has changed. Taking the lock makes sure that a thread which
    /// looked before the change is waiting by now.
    fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the watcher that a worker is gone. One that panics takes the others with it, since what
/// it had in hand will never be done.
struct Leave<'r, 'a>(&'r Run<'a>);

impl Drop for Leave<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.workshop.halt();
        }
        let workers = {
            let mut state = self.0.lock();
            state.workers -= 1;
            state.workers
        };
        if workers == 0 {
            self.0.made.close();
            self.0.over.notify_all();
        }
        self.0.workshop.offer_tokens();
        self.0.changed.notify_all();
    }
}

/// A finisher that panics takes the workers with it, which would wait for it otherwise.
struct LeaveFinisher<'r, 'a>(&'r Run<'a>);

impl Drop for LeaveFinisher<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.made.close();
            self.0.workshop.halt();
            self.0.wake();
        }
    }
}

/// Notes for each step which others wait for it.
fn note_waiting(planned: &mut [Planned<'_>]) {
    for index in 0..planned.len() {
        let name = planned[index].node.name.clone();
        for need in planned[index].step.needs.clone() {
            let (names, total) = &mut planned[need].waiting;
            *total += 1;
            if names.len() < SHOWN_WAITING {
                names.push(name.clone());
            }
        }
    }
}

impl Planned<'_> {
    fn item(&self) -> Item {
        let lane = match Kind::of(&self.node.action) {
            Kind::Fetch => Lane::Network,
            Kind::Exec | Kind::Assemble => Lane::Local,
        };
        let expected = self.last_duration.unwrap_or(UNKNOWN_DURATION);
        Item { lane, expected, needs: self.step.needs.clone() }
    }
}
