//! A store under load: processes that build overlapping graphs, are killed at random moments, run
//! beside collections and all other work on the store, and meet full disks. Afterwards nothing may be
//! lost, torn or left behind.
//!
//! `cargo xtask soak` runs it as long as wanted, the end-to-end tests in a short form. It knows
//! cbuild's command line and the folders of a store, and nothing of cbuild's inside.
#![allow(clippy::disallowed_methods, reason = "it looks at the machine: its processes, its clock")]

mod full_disk;
pub(crate) mod graph;
pub(crate) mod leftovers;
mod mix;
pub(crate) mod random;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use leftovers::wait_until_nothing_is_left;
use random::Random;

/// A sentence that says what is wrong.
type Result<T = ()> = std::result::Result<T, String>;

/// How much to do.
pub(crate) struct Plan {
    /// The program.
    pub(crate) program: PathBuf,
    /// An empty folder for the store and the sources.
    pub(crate) folder: PathBuf,
    /// Processes to kill.
    pub(crate) kills: u32,
    /// How long processes build without being killed.
    pub(crate) load: Duration,
    /// How long processes do everything that can be done with a store, some of them being killed.
    pub(crate) mix: Duration,
    /// Processes that build at the same time.
    pub(crate) processes: u32,
    /// Amounts of free space with which to build.
    pub(crate) full_disk: u32,
    /// What the random moments come from.
    pub(crate) seed: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Processes that were killed while they ran.
    pub(crate) killed: u32,
    /// Processes that had ended before their moment came.
    pub(crate) too_late: u32,
    /// Builds that ended well, those after a kill included.
    pub(crate) built: u32,
    /// Collections that ran beside.
    pub(crate) collections: u32,
    /// What the processes that do everything came to.
    pub(crate) mixed: mix::Mixed,
    /// Builds that failed for want of space, and then succeeded with more.
    pub(crate) out_of_space: u32,
}

/// Runs a plan; an error names what was lost, torn or left.
pub(crate) fn run(plan: &Plan) -> Result<Report> {
    let mut soak = Soak::prepare(plan)?;
    soak.kills()?;
    soak.load()?;
    soak.finish()?;
    soak.mix()?;
    if plan.full_disk > 0 {
        soak.report.out_of_space = full_disk::run(plan, &soak.root)?;
    }
    Ok(soak.report)
}

struct Soak<'p> {
    plan: &'p Plan,
    root: PathBuf,
    /// What makes this round's graph differ from all before.
    epoch: u32,
    random: Random,
    report: Report,
}

impl<'p> Soak<'p> {
    /// Fetches the shell of all steps and roots it, so that collections leave it.
    fn prepare(plan: &'p Plan) -> Result<Self> {
        let root = plan.folder.join("root");
        let random = Random::new(plan.seed);
        let soak = Self { plan, root, epoch: 0, random, report: Report::default() };
        let shell = format!("{}:busybox", soak.source(0)?.display());
        let link = plan.folder.join("busybox");
        let mut command = command(plan, &soak.root, &["build", &shell, "-o"]);
        finish_well(command.arg(&link).spawn(), "fetch the shell")?;
        Ok(soak)
    }

    /// Writes the module that a process builds and gives its folder.
    fn source(&self, process: u32) -> Result<PathBuf> {
        let folder = self.plan.folder.join(format!("source-{process}"));
        let text = graph::module(&format!("{}-{}", self.plan.seed, self.epoch), process);
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("main.cbuild"), text));
        written.map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    fn start_build(&self, process: u32) -> Result<Child> {
        let source = self.source(process)?;
        let target = source.to_string_lossy().into_owned();
        spawn(&mut command(self.plan, &self.root, &["build", &target]))
    }

    fn start_collection(&mut self) -> Result<Child> {
        self.report.collections += 1;
        spawn(&mut command(self.plan, &self.root, &["store", "gc"]))
    }

    /// Rounds in which all processes but one are killed, and sometimes a collection.
    fn kills(&mut self) -> Result {
        let mut longest = Duration::from_millis(500);
        let mut rounds = 0;
        if self.plan.kills == 0 {
            return Ok(());
        }
        while self.report.killed < self.plan.kills {
            self.epoch += 1;
            rounds += 1;
            let begin = Instant::now();
            let survivor = self.start_build(0)?;
            let mut victims = Vec::new();
            for process in 1..self.plan.processes.max(2) {
                let child = self.start_build(process)?;
                victims.push((child, begin + self.random.moment(longest)));
            }
            if self.random.next().is_multiple_of(3) {
                let child = self.start_collection()?;
                victims.push((child, begin + self.random.moment(longest)));
            }
            victims.sort_by_key(|(_, moment)| *moment);
            for (child, moment) in victims {
                self.kill_at(child, moment)?;
            }
            finish_well(Ok(survivor), "build beside processes that are killed")?;
            longest = begin.elapsed().max(Duration::from_millis(50));
            self.report.built += 1;
            if rounds % 8 == 0 {
                self.check_after_kills()?;
            }
            if rounds > self.plan.kills * 20 {
                return Err("the processes end before they can be killed".to_owned());
            }
        }
        self.check_after_kills()
    }

    fn kill_at(&mut self, mut child: Child, moment: Instant) -> Result {
        while Instant::now() < moment {
            if child.try_wait().map_err(|error| error.to_string())?.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        // A killed process has no exit code.
        let ended = child.try_wait().map_err(|error| error.to_string())?;
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
        match ended {
            None => self.report.killed += 1,
            Some(status) if status.success() => self.report.too_late += 1,
            Some(status) => return Err(format!("a process failed before it was killed: {status}")),
        }
        Ok(())
    }

    fn check_after_kills(&mut self) -> Result {
        // The next process sweeps up what the killed ones have left.
        let child = self.start_build(1)?;
        finish_well(Ok(child), "build after kills")?;
        self.report.built += 1;
        self.verify()?;
        wait_until_nothing_is_left(&self.root)
    }

    fn verify(&self) -> Result {
        let verified = output(&mut command(self.plan, &self.root, &["store", "verify"]))?;
        match verified.starts_with("clean:") {
            true => Ok(()),
            false => Err(format!("the store is not clean: {verified}")),
        }
    }

    /// All processes build until the time is over; each begins anew when it has ended.
    fn load(&mut self) -> Result {
        if self.plan.load.is_zero() {
            return Ok(());
        }
        let end = Instant::now() + self.plan.load;
        let mut running: Vec<(u32, Child)> = Vec::new();
        let mut collection: Option<Child> = None;
        let mut ended = 0;
        while Instant::now() < end {
            for process in 0..self.plan.processes {
                if running.iter().all(|(number, _)| *number != process) {
                    running.push((process, self.start_build(process)?));
                }
            }
            let mut still = Vec::new();
            for (process, mut child) in running {
                match child.try_wait().map_err(|error| error.to_string())? {
                    None => still.push((process, child)),
                    Some(_) => {
                        finish_well(Ok(child), "build beside others")?;
                        ended += 1;
                        self.report.built += 1;
                    }
                }
            }
            running = still;
            if ended >= self.plan.processes {
                // From now on all build another graph; some are still at the earlier one.
                ended = 0;
                self.epoch += 1;
                if let Some(child) = collection.take() {
                    finish_well(Ok(child), "collect beside builds")?;
                }
                collection = Some(self.start_collection()?);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        for (_, child) in running {
            finish_well(Ok(child), "build beside others")?;
            self.report.built += 1;
        }
        collection.map_or(Ok(()), |child| finish_well(Ok(child), "collect beside builds"))?;
        self.verify()
    }

    /// Nothing is left when all has ended, and what was lost is no more than what nobody keeps.
    fn finish(&mut self) -> Result {
        let child = self.start_collection()?;
        finish_well(Ok(child), "collect at the end")?;
        self.verify()?;
        wait_until_nothing_is_left(&self.root)?;
        for folder in ["tmp", "locks/live"] {
            let folder = self.root.join(folder);
            let left = std::fs::read_dir(&folder).map_err(|error| error.to_string())?.count();
            if left > 0 {
                return Err(format!("{} holds {left} files", folder.display()));
            }
        }
        let rooted = self.plan.folder.join("busybox/bin/busybox");
        match rooted.is_file() {
            true => Ok(()),
            false => Err(format!("the rooted {} is gone", rooted.display())),
        }
    }
}

/// cbuild, quiet and with what it says kept.
fn command(plan: &Plan, root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(&plan.program);
    command.arg("--quiet").arg("--root").arg(root).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| format!("{command:?}: {error}"))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}:\n{text}{errors}", output.status))
}

/// What a process that has ended wrote, which fits into pipes.
fn said(child: &mut Child) -> String {
    use std::io::Read;
    let mut text = Vec::new();
    // What cannot be read is missing in the message only.
    let _ = child.stdout.take().map(|mut out| out.read_to_end(&mut text));
    let _ = child.stderr.take().map(|mut out| out.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// Waits for a process, whose output fits into a pipe.
fn finish_well(child: std::io::Result<Child>, what: &str) -> Result {
    let output = child.and_then(Child::wait_with_output).map_err(|e| format!("{what}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what}: ended with {}:\n{errors}", output.status))
}
