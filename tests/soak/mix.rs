//! Everything that changes or reads a store, at the same time and with kills at random moments: builds,
//! collections, storing equal files once, verifications with and without repair, new indices, imports,
//! and exports of images. Whatever fails without having been killed is a fault.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use super::{Result, Soak, command, finish_well, spawn};

/// One in so many processes is killed.
const KILLED: u64 = 4;

/// A killed process lives no longer than that.
const LONGEST: Duration = Duration::from_millis(1500);

/// Seconds after which a process hangs. The slowest waits for all others on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What processes do, as often as it stands here.
const OPERATIONS: [Operation; 10] = [
    Operation::Build,
    Operation::Build,
    Operation::Build,
    Operation::Collect,
    Operation::Optimise,
    Operation::Verify,
    Operation::Repair,
    Operation::NewIndex,
    Operation::Import,
    Operation::Image,
];

#[derive(Clone, Copy, Debug)]
enum Operation {
    Build,
    Collect,
    Optimise,
    Verify,
    Repair,
    NewIndex,
    Import,
    Image,
}

/// A running process.
struct Running {
    operation: Operation,
    child: Child,
    since: Instant,
    /// When it is killed.
    end: Option<Instant>,
}

/// How many processes ended in which way.
#[derive(Debug, Default)]
pub(crate) struct Mixed {
    /// Ended well.
    pub(crate) done: u32,
    /// Were killed.
    pub(crate) killed: u32,
}

impl Soak<'_> {
    /// Keeps as many processes at work as the plan says, each at whatever comes, until the time is over.
    pub(super) fn mix(&mut self) -> Result {
        if self.plan.mix.is_zero() {
            return Ok(());
        }
        let export = self.export()?;
        let end = Instant::now() + self.plan.mix;
        let slots = usize::try_from(self.plan.processes).unwrap_or(1);
        let mut running: Vec<Option<Running>> = (0..slots).map(|_| None).collect();
        while Instant::now() < end || running.iter().any(Option::is_some) {
            for (slot, process) in running.iter_mut().enumerate() {
                if process.is_none() && Instant::now() < end {
                    *process = Some(self.start(slot, &export)?);
                }
                if process.as_mut().map_or(Ok(false), |process| self.has_ended(process))? {
                    *process = None;
                }
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        self.verify()?;
        self.finish()
    }

    /// Writes a closure of two objects, of which the collections leave nothing.
    fn export(&self) -> Result<PathBuf> {
        let file = self.plan.folder.join("closure.export");
        let link = self.plan.folder.join("image");
        let target = format!("{}:image", self.source(0)?.display());
        let mut build = command(self.plan, &self.root, &["build", &target, "-o"]);
        finish_well(build.arg(&link).spawn(), "build the image")?;
        let mut export = command(self.plan, &self.root, &["store", "export"]);
        finish_well(export.arg(&link).arg("-o").arg(&file).spawn(), "export the image")?;
        std::fs::remove_file(&link).map_err(|error| format!("{}: {error}", link.display()))?;
        Ok(file)
    }

    fn start(&mut self, slot: usize, export: &Path) -> Result<Running> {
        let number = self.random.below(OPERATIONS.len());
        let operation = OPERATIONS[number];
        self.epoch += u32::from(self.random.next().is_multiple_of(20));
        let mut command = command(self.plan, &self.root, &[]);
        match operation {
            Operation::Build => {
                let process = u32::try_from(slot).unwrap_or(0);
                command.arg("build").arg(self.source(process)?)
            }
            Operation::Collect => command.args(["store", "gc"]),
            Operation::Optimise => command.args(["store", "optimise"]),
            Operation::Verify => command.args(["store", "verify"]),
            Operation::Repair => command.args(["store", "verify", "--repair"]),
            Operation::NewIndex => command.args(["store", "verify", "--rebuild-index"]),
            Operation::Import => command.args(["store", "import"]).arg(export),
            Operation::Image => {
                let process = u32::try_from(slot).unwrap_or(0);
                let mut target = self.source(process)?.into_os_string();
                target.push(":image");
                let file = self.plan.folder.join(format!("image-{slot}.tar"));
                command.args(["image", "export"]).arg(target).arg("-o").arg(file)
            }
        };
        let child = spawn(&mut command)?;
        let since = Instant::now();
        let is_killed = self.random.next().is_multiple_of(KILLED);
        let end = is_killed.then(|| since + self.random.moment(LONGEST));
        Ok(Running { operation, child, since, end })
    }

    /// Whether a process is over, which must be well unless it was killed.
    fn has_ended(&mut self, process: &mut Running) -> Result<bool> {
        let Running { operation, child, since, end } = process;
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => {
                self.report.mixed.done += 1;
                Ok(true)
            }
            Some(status) => {
                let said = super::said(child);
                Err(format!("{operation:?} beside others ended with {status}:\n{said}"))
            }
            None if end.is_some_and(|end| Instant::now() >= end) => {
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                self.report.mixed.killed += 1;
                Ok(true)
            }
            None if since.elapsed() > PATIENCE => Err(format!("{operation:?} hangs")),
            None => Ok(false),
        }
    }
}
