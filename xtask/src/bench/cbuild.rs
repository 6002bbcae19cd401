//! Runs of cbuild.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::command::repository;

/// Independent steps of one shell command; the shell is the one that Nix is given too.
const TRIVIAL: &str = include_str!("trivial.cbuild");

/// cbuild with a store of its own.
pub(crate) struct Cbuild {
    program: PathBuf,
    root: PathBuf,
    sources: PathBuf,
    shell: PathBuf,
    salt: Cell<usize>,
}

impl Cbuild {
    /// Makes an empty store and fetches the shell into it.
    pub(crate) fn new(program: &Path, scratch: &Path) -> Result<Self> {
        let (root, sources) = (scratch.join("cbuild-root"), scratch.join("source"));
        std::fs::create_dir_all(&sources).map_err(|e| format!("{}: {e}", sources.display()))?;
        let mut cbuild = Self {
            program: program.to_owned(),
            root,
            sources,
            shell: PathBuf::new(),
            salt: Cell::new(0),
        };
        cbuild.write(1)?;
        let tree = cbuild.build(&format!("{}:busybox", cbuild.sources.display()))?.1;
        cbuild.shell = PathBuf::from(tree.trim()).join("bin/busybox");
        Ok(cbuild)
    }

    /// The static shell's physical path.
    pub(crate) fn shell(&self) -> &Path {
        &self.shell
    }

    /// Builds the Redis example once.
    pub(crate) fn prepare_redis(&self) -> Result {
        self.build("examples/redis").map(drop)
    }

    /// Builds the Redis example when it is built already.
    pub(crate) fn redis_again(&self) -> Result<Duration> {
        Ok(self.build("examples/redis")?.0)
    }

    /// A warm build of one trivial derivation that needs nothing.
    pub(crate) fn trivial_again(&self) -> Result<Duration> {
        Ok(self.build(&format!("{}:default", self.sources.display()))?.0)
    }

    /// A warm build in which exactly one derivation must run: nobody asked for it before.
    pub(crate) fn one_more(&self) -> Result<Duration> {
        self.write(0)?;
        self.trivial_again()
    }

    /// Builds new independent derivations and one that refers to them all.
    pub(crate) fn independent(&self, count: usize) -> Result<Duration> {
        self.write(count)?;
        self.trivial_again()
    }

    fn write(&self, count: usize) -> Result {
        let salt = self.salt.replace(self.salt.get() + 1);
        let text = TRIVIAL
            .replace("SALT", &format!("run-{salt}"))
            .replace("COUNT", &count.to_string())
            // Without others to refer to, the last derivation itself must differ.
            .replace("sh\"echo #", &format!("sh\"echo {salt} #"));
        let file = self.sources.join("main.cbuild");
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn build(&self, target: &str) -> Result<(Duration, String)> {
        let mut command = Command::new(&self.program);
        command.current_dir(repository()).stderr(Stdio::piped());
        command.arg("--root").arg(&self.root).args(["--quiet", "build", target]);
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let time = start.elapsed();
        if output.status.success() {
            return Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
