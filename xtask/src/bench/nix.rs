//! Runs of Nix 2.8 from Debian's `nix-bin`, with its sandbox on and a store of its own.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

const EXPRESSION: &str = r#"{ n, salt }:
let
  step = name: script: derivation {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  trivial = i: step "trivial-${toString i}" "echo ${salt} ${toString i} > $out";
in step "all" "echo ${toString (builtins.genList trivial n)} > $out"
"#;

/// Nix with a store of its own.
pub(crate) struct Nix {
    folder: PathBuf,
    salt: Cell<usize>,
}

impl Nix {
    /// Nix, if it is installed.
    pub(crate) fn find(scratch: &Path) -> Result<Option<Self>> {
        let version = Command::new("nix-build").arg("--version").stderr(Stdio::null()).output();
        let Ok(version) = version else { return Ok(None) };
        println!("peer: {}", String::from_utf8_lossy(&version.stdout).trim());
        let folder = scratch.join("nix");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = folder.join("trivial.nix");
        std::fs::write(&file, EXPRESSION).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(Some(Self { folder, salt: Cell::new(0) }))
    }

    /// Builds new independent derivations and one that refers to them all.
    pub(crate) fn independent(&self, shell: &Path, count: usize, jobs: usize) -> Result<Duration> {
        let salt = self.salt.replace(self.salt.get() + 1);
        let jobs = jobs.to_string();
        let mut command = Command::new("nix-build");
        command
            .current_dir(&self.folder)
            .args(["trivial.nix", "--no-out-link", "-j", &jobs])
            .args(["--arg", "n", &count.to_string(), "--argstr", "salt", &format!("run-{salt}")])
            .arg("--store")
            .arg(self.folder.join("root"))
            .args(["--option", "sandbox", "true", "--option", "sandbox-fallback", "false"])
            .args(["--option", "substitute", "false", "--option", "build-users-group", ""])
            .args(["--option", "sandbox-paths", &format!("/bin/sh={}", shell.display())]);
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let time = start.elapsed();
        if output.status.success() {
            return Ok(time);
        }
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
