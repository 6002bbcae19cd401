//! Carrying a known action out once more without registering what it gives: to compare it with the
//! first result, and to look into the sandbox of one that failed.

use std::ffi::OsString;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cbuild_drv::{Action, ActionKey, Derivation, Digest, DrvId, OutputName, StorePath};
use cbuild_sandbox::{SandboxSpec, Status, Tmp};
use cbuild_store::Scratch;

use crate::error::{ExitClass, RunError, StepError};
use crate::exec::{self, Bounds, Prepared};
use crate::resolve::Outputs;
use crate::step::{Workshop, host_system};
use crate::vary::{self, Variation};
use crate::{BuildFailure, Builder, Target, clock, log, shell};

/// Time between two looks at the cancel flag.
const TICK: Duration = Duration::from_millis(50);

/// Seconds between the end of a build and its repetition. Archives of the zip format count in steps of two.
const APART: i64 = 2;

/// Where a shell in a sandbox finds what the user types.
const INPUT: &str = "/cbuild/input";

/// A second result, which lives as long as this value.
#[derive(Debug)]
pub struct Again {
    /// Name of the derivation.
    pub name: String,
    /// The first result's object and the second result's tree, for each output.
    pub outputs: Vec<(OutputName, StorePath, PathBuf)>,
    /// Digests of the paths that the second result was built under, each with that of the object.
    pub renamed: Vec<(Digest, Digest)>,
    /// Whether the build folder was another one than `/build`.
    pub moved: bool,
    /// When the first result and the second one were built, in seconds since 1970, as far as that is recorded.
    pub times: Option<(Range<u64>, Range<u64>)>,
    _scratch: Scratch,
}

/// A visit to the sandbox of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// A shell, by its path inside the sandbox. With `None` the nearest one is taken: `/bin/sh`, the
    /// step's own program, or one of an input.
    pub shell: Option<PathBuf>,
    /// A command to run instead of an interactive shell; its first word is looked up in `PATH`.
    pub command: Vec<OsString>,
    /// Whether the shell writes prompts, where it has no terminal of its own.
    pub prompts: bool,
}

/// What a visit needs of the outside.
pub struct Terminal<'t> {
    /// Where the builder's and the shell's output goes.
    pub output: File,
    /// Told how the builder ended and which shell it is, before that starts.
    pub ended: &'t mut dyn FnMut(&str, &Path),
    /// When given, the shell gets a terminal of its own, made inside the sandbox. This is called with
    /// its other end, and returns when there is nothing to be read from that any more.
    pub attach: Option<&'t mut dyn FnMut(OwnedFd)>,
}

impl Builder<'_> {
    /// Carries out a program's action again, in a sandbox of its own. The derivation has been
    /// built before. A builder that fails in another folder than `/build` is tried there after all.
    ///
    /// # Errors
    /// When it was not, or when it fails this time.
    pub fn again(&self, drv: &DrvId, vary: Option<&Variation>) -> Result<Again, RunError> {
        let subject = Subject::of(self, drv)?;
        let made = subject.make_again(self, vary);
        made.map_err(|error| subject.failure(error))
    }

    /// Runs a step and then, in the same sandbox with all that it left, a shell or a command.
    /// Gives the exit status of that. Nothing is registered and no log is kept.
    ///
    /// # Errors
    /// When something that the step needs is not built, or the shell cannot be started.
    pub fn visit(
        &self,
        drv: &DrvId,
        visit: &Visit,
        terminal: Terminal<'_>,
    ) -> Result<i32, RunError> {
        let subject = Subject::of(self, drv)?;
        let visited = subject.visit(self, visit, terminal);
        visited.map_err(|error| subject.failure(error))
    }
}

/// A program's action whose inputs are known.
struct Subject {
    drv: DrvId,
    key: ActionKey,
    derivation: Derivation<StorePath>,
    outputs: Outputs,
}

impl Subject {
    fn of(builder: &Builder<'_>, drv: &DrvId) -> Result<Self, RunError> {
        let node = builder.graph.get(drv).ok_or(StepError::NotInGraph { drv: *drv })?;
        let output = node.outputs.first().cloned().unwrap_or_else(OutputName::out);
        let known = builder.known(&[Target { drv: *drv, output }])?.remove(drv);
        let known = known.ok_or(StepError::NotInGraph { drv: *drv })?;
        let (key, derivation) =
            known.resolved.ok_or(StepError::NotBuilt { name: node.name.clone() })?;
        Ok(Self { drv: *drv, key, derivation, outputs: known.outputs })
    }

    fn failure(&self, error: StepError) -> RunError {
        if error.exit_class() == ExitClass::Cancelled {
            return RunError::Cancelled;
        }
        let (drv, name, key) = (self.drv, self.derivation.name.clone(), Some(self.key));
        let failure = BuildFailure { drv, name, key, error };
        RunError::Steps { failures: vec![failure], skipped: Vec::new() }
    }

    fn prepare(
        &self,
        workshop: &Workshop<'_>,
        scratch: &Path,
        bounds: Bounds,
    ) -> Result<Prepared, StepError> {
        let Action::Exec(exec) = &self.derivation.action else {
            return Err(StepError::NotAProgram { name: self.derivation.name.clone() });
        };
        let host = host_system();
        if self.derivation.system.as_str() != host {
            let wanted = self.derivation.system.to_string();
            return Err(StepError::System { wanted, host });
        }
        let closure = workshop.closure(&self.derivation.references())?;
        let paths = exec::scratch_paths(&self.derivation, &self.key);
        exec::prepare(workshop.builder.store, exec, paths, &closure, scratch, bounds)
    }

    fn make_again(
        &self,
        builder: &Builder<'_>,
        vary: Option<&Variation>,
    ) -> Result<Again, StepError> {
        let Some(vary) = vary else { return self.attempt(builder, None) };
        match self.attempt(builder, Some((vary, true))) {
            // The programs that it runs may know `/build`, which is what builders are promised.
            Err(StepError::Builder { .. }) => self.attempt(builder, Some((vary, false))),
            other => other,
        }
    }

    /// One second build; the flag says whether its folder is another one.
    fn attempt(
        &self,
        builder: &Builder<'_>,
        vary: Option<(&Variation, bool)>,
    ) -> Result<Again, StepError> {
        let workshop = Workshop::new(builder);
        let first: Vec<StorePath> = self.outputs.values().cloned().collect();
        let gone = builder.store.protect(&first)?;
        if gone.len() + self.derivation.outputs.len() > self.outputs.len() {
            return Err(StepError::NotBuilt { name: self.derivation.name.clone() });
        }
        let scratch = builder.store.scratch()?;
        let mut bounds = Bounds::of(&builder.options);
        bounds.cores = vary.map_or(bounds.cores, |(vary, _)| vary.cores);
        let mut prepared = self.prepare(&workshop, scratch.path(), bounds)?;
        if let Some((vary, moved)) = vary {
            vary::apply(vary, moved, &mut prepared, &self.derivation)?;
        }
        let first_time = self.let_time_pass(builder)?;
        let started = clock::unix_seconds();
        let exit = attended(&workshop, || workshop.run_sandbox(&self.drv, &prepared))?;
        let closure = workshop.closure(&self.derivation.references())?;
        let built = prepared.outputs(&exit, &closure, || log::end(&prepared.log, None))?;
        let (mut outputs, mut renamed) = (Vec::new(), Vec::new());
        for output in built {
            let Some(first) = self.outputs.get(&output.output) else { continue };
            renamed.push((*output.scratch.digest(), *first.digest()));
            outputs.push((output.output, first.clone(), output.physical));
        }
        let (name, moved) =
            (self.derivation.name.to_string(), vary.is_some_and(|(_, moved)| moved));
        let second_time = seconds(started, clock::unix_seconds());
        let times = first_time.map(|first_time| (first_time, second_time));
        Ok(Again { name, outputs, renamed, moved, times, _scratch: scratch })
    }

    /// Waits until the first build is so long ago that a result with a time in it differs: a program that
    /// runs twice within one second writes the same time twice. Gives the time of the first build.
    fn let_time_pass(&self, builder: &Builder<'_>) -> Result<Option<Range<u64>>, StepError> {
        let records = builder.store.builds(Some(self.derivation.name.as_str()), u32::MAX)?;
        let Some(first) = records.iter().find(|record| record.key == self.key) else {
            return Ok(None);
        };
        let end = first.started + i64::try_from(first.duration_ms.div_ceil(1000)).unwrap_or(0);
        // Waiting makes sense after the end only; before it stands a clock that was set back.
        while (end..end + APART).contains(&clock::unix_seconds()) {
            if builder.options.cancel.load(Ordering::SeqCst) {
                return Err(StepError::Cancelled);
            }
            std::thread::sleep(TICK);
        }
        Ok(Some(seconds(first.started, end)))
    }

    fn visit(
        &self,
        builder: &Builder<'_>,
        visit: &Visit,
        terminal: Terminal<'_>,
    ) -> Result<i32, StepError> {
        let workshop = Workshop::new(builder);
        let scratch = builder.store.scratch()?;
        let mut prepared = self.prepare(&workshop, scratch.path(), Bounds::of(&builder.options))?;
        // A private `/tmp` would be gone with the builder.
        prepared.spec.tmp = Tmp::Host(exec::folder(scratch.path(), "tmp")?);
        let exit = attended(&workshop, || workshop.run_sandbox(&self.drv, &prepared))?;
        if exit.status == Status::Killed {
            return Err(StepError::Cancelled);
        }
        let ended = exec::ending(&exit, &prepared.spec);
        let how = ended.map_or("the builder succeeded".to_owned(), |ending| ending.to_string());
        let shell = visit.shell.clone().or_else(|| shell::find(&prepared.spec));
        let shell = shell.ok_or(StepError::NoShell)?;
        (terminal.ended)(&how, &shell);
        let has_terminal = terminal.attach.is_some();
        let spec = visited(prepared.spec, visit, &shell, scratch.path(), has_terminal)?;
        let lease = workshop.lease()?;
        let exit = attended(&workshop, || {
            let (ours, theirs) = UnixStream::pair()
                .map_err(StepError::io("make a socket for", Path::new("a terminal")))?;
            let mut given = lease.descriptors().to_vec();
            given.extend(spec.terminal.then_some(theirs.as_fd()));
            let running = workshop.launcher.spawn_with(&spec, terminal.output, &given)?;
            drop(theirs);
            let killer = running.killer();
            let talk = || {
                if let Some(attach) = terminal.attach
                    && let Ok(end) = cbuild_sandbox::receive_terminal(&ours)
                {
                    attach(end);
                }
                running.wait()
            };
            Ok(until_stopped(&workshop, move || killer.kill(), talk)?)
        })?;
        match exit.status {
            Status::Exited(status) => Ok(status),
            Status::Signaled(signal) => Ok(128 + signal),
            _ => Err(StepError::Cancelled),
        }
    }
}

/// From one second to another, both of them included.
fn seconds(from: i64, to: i64) -> Range<u64> {
    let second = |number: i64| u64::try_from(number).unwrap_or(0);
    second(from)..second(to) + 1
}

/// The sandbox of a builder with a shell in the builder's place.
fn visited(
    mut spec: SandboxSpec,
    visit: &Visit,
    shell: &Path,
    scratch: &Path,
    has_terminal: bool,
) -> Result<SandboxSpec, StepError> {
    spec.terminal = has_terminal;
    spec.limits = cbuild_sandbox::Limits::default();
    let mut script = OsString::from("exec \"$@\"");
    spec.args = visit.command.clone();
    let own = shell::arguments(shell);
    if visit.command.is_empty() {
        spec.args.clone_from(&own);
    }
    if visit.command.is_empty() && has_terminal {
        script = "exec \"$0\" \"$@\" -i".into();
    } else if visit.command.is_empty() {
        let pipe = scratch.join("input");
        make_pipe(&pipe).map_err(StepError::io("create the pipe", &pipe))?;
        let interactive = if visit.prompts { " -i" } else { "" };
        script = format!("exec \"$0\" \"$@\"{interactive} <").into();
        script.push(INPUT);
        spec = spec.bind_read_only(&pipe, INPUT);
        pass_input(pipe);
    }
    let words = ["-c".into(), script, shell.as_os_str().to_owned()];
    spec.args.splice(0..0, own.into_iter().chain(words));
    spec.program = shell.to_owned();
    Ok(spec)
}

/// Does something that [`Workshop::halt`] can end, and ends it when the caller cancels.
fn attended<T>(
    workshop: &Workshop<'_>,
    work: impl FnOnce() -> Result<T, StepError>,
) -> Result<T, StepError> {
    until_stopped(workshop, || workshop.halt(), work)
}

/// Calls `stop` once when the caller cancels while `work` goes on.
fn until_stopped<T>(
    workshop: &Workshop<'_>,
    stop: impl FnOnce() + Send,
    work: impl FnOnce() -> T,
) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                if workshop.builder.options.cancel.load(Ordering::SeqCst) {
                    return stop();
                }
                std::thread::park_timeout(TICK);
            }
        });
        // Also when the work panics: the watcher would wait for its end for ever.
        let _end = End(&done, watcher.thread().clone());
        work()
    })
}

/// Tells a watcher that there is nothing to watch any more.
struct End<'d>(&'d AtomicBool, std::thread::Thread);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.unpark();
    }
}

fn make_pipe(place: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    Ok(mknodat(CWD, place, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

/// Copies this process's input into a pipe. Nobody waits for the thread: the shell may end while
/// it waits for a key.
fn pass_input(pipe: PathBuf) {
    std::thread::spawn(move || {
        // Opening waits for the shell, which opens the other end; when it closes that, writing fails.
        let Ok(mut into) = File::options().write(true).open(pipe) else { return };
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut into);
    });
}
