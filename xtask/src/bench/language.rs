//! The evaluator beside that of Nix 2.8, on the pairs of programs in `benches/language`.
//!
//! Each pair `NAME.cbuild` and `NAME.nix` does the same work; what they print must be the same, apart
//! from store paths. Whole processes run alternately; the table shows the median wall time, the median
//! processor time and the greatest peak memory, and their ratios.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::Result;
use crate::command::{build_cbuild, repository};

/// The pair that instantiates derivations, which Nix can do in two ways.
const DERIVATIONS: &str = "derivations";

/// What one process took.
pub(super) struct Cost {
    wall: Duration,
    processor: Duration,
    /// Greatest resident memory, in bytes.
    memory: u64,
}

/// What several runs of one program took: medians of the times, and the greatest memory.
pub(super) struct Summary {
    /// Milliseconds.
    pub(super) wall: f64,
    /// Milliseconds.
    pub(super) processor: f64,
    /// Megabytes.
    pub(super) memory: f64,
}

/// Measures every pair whose name contains `part`, with `runs` runs of each program, and prints a table.
pub(crate) fn run(runs: usize, part: &str) -> Result {
    let program = build_cbuild()?;
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let version = Command::new("nix-instantiate").arg("--version").output();
    let version = version.map_err(|error| {
        format!("nix-instantiate: {error}; install the peer with `apt-get install nix-bin`")
    })?;
    println!("peer: {}", String::from_utf8_lossy(&version.stdout).trim());
    println!("| program | wall | Nix | ratio | processor | Nix | ratio | memory | Nix | ratio |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for name in names()?.iter().filter(|name| name.contains(part)) {
        let ours = || cbuild_eval(&program, scratch.path(), name);
        compare(name, runs, ours, || nix_eval(scratch.path(), name))?;
        if name == DERIVATIONS {
            let title = format!("{name}, Nix writing them");
            compare(&title, runs, ours, || nix_instantiate(scratch.path(), name))?;
        }
    }
    Ok(())
}

/// The names of the pairs, in order.
fn names() -> Result<Vec<String>> {
    let folder = folder();
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let file = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        names.extend(file.strip_suffix(".cbuild").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn folder() -> PathBuf {
    repository().join("benches/language")
}

fn cbuild_eval(program: &Path, scratch: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(scratch.join("cbuild-root")).args(["eval", "--json", "--no-cache"]);
    command.arg(folder().join(format!("{name}.cbuild")));
    command
}

fn nix_eval(scratch: &Path, name: &str) -> Command {
    let mut command = Command::new("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--store"]).arg(scratch.join("nix-root"));
    command.arg(folder().join(format!("{name}.nix")));
    command
}

/// Instantiates with a store that has none of the derivations yet.
fn nix_instantiate(scratch: &Path, name: &str) -> Command {
    let root = scratch.join("nix-fresh");
    // A store of an earlier run; it may be missing, and what is left of it shows in the next step.
    let _ = std::fs::remove_dir_all(&root);
    let mut command = Command::new("nix-instantiate");
    command.args(["--option", "build-users-group", "", "--store"]).arg(root);
    command.arg(folder().join(format!("{name}.nix")));
    command
}

fn compare(
    title: &str,
    runs: usize,
    ours: impl Fn() -> Command,
    theirs: impl Fn() -> Command,
) -> Result {
    let (mut mine, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let (cost, text) = measure(ours())?;
        let (peer, expected) = measure(theirs())?;
        same(title, &text, &expected)?;
        mine.push(cost);
        peers.push(peer);
    }
    let (a, b) = (summary(mine), summary(peers));
    println!(
        "| {title} | {:.1} ms | {:.1} ms | {:.3} | {:.1} ms | {:.1} ms | {:.3} | {:.1} MB | {:.1} MB | {:.3} |",
        a.wall,
        b.wall,
        a.wall / b.wall,
        a.processor,
        b.processor,
        a.processor / b.processor,
        a.memory,
        b.memory,
        a.memory / b.memory,
    );
    Ok(())
}

/// Refuses different results. Store paths and identities of derivations differ by design.
fn same(title: &str, ours: &str, theirs: &str) -> Result {
    if title.starts_with(DERIVATIONS) {
        let (ours, theirs) = (ours.contains("\"drv\":"), theirs.contains("-all"));
        return if ours && theirs { Ok(()) } else { Err(format!("{title}: no derivation")) };
    }
    if ours.trim() == theirs.trim() {
        return Ok(());
    }
    Err(format!("{title}: the results differ\ncbuild: {ours}\nNix: {theirs}"))
}

/// Runs a program to its end.
pub(super) fn measure(mut command: Command) -> Result<(Cost, String)> {
    let failed = |error: std::io::Error| format!("{command:?}: {error}");
    let output = tempfile::NamedTempFile::new().map_err(failed)?;
    let errors = tempfile::NamedTempFile::new().map_err(failed)?;
    let (out, err) = (output.reopen().map_err(failed)?, errors.reopen().map_err(failed)?);
    let failed = |error: std::io::Error| error.to_string();
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let start = Instant::now();
    let child: Child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let ended = child.wait4().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = start.elapsed();
    let text = std::fs::read_to_string(output.path()).map_err(failed)?;
    if !ended.status.success() {
        let errors = std::fs::read_to_string(errors.path()).map_err(failed)?;
        return Err(format!("{command:?}: {errors}"));
    }
    let processor = ended.rusage.utime + ended.rusage.stime;
    Ok((Cost { wall, processor, memory: ended.rusage.maxrss }, text))
}

pub(super) fn summary(costs: Vec<Cost>) -> Summary {
    let median = |of: fn(&Cost) -> Duration| {
        let mut times: Vec<Duration> = costs.iter().map(of).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or(0);
    Summary {
        wall: median(|cost| cost.wall),
        processor: median(|cost| cost.processor),
        memory: memory as f64 / 1e6,
    }
}
