//! Benchmarks of the whole program, beside Nix 2.8 where it is installed (`apt-get install nix-bin`).
//!
//! Each figure is the median of several runs of whole processes; peers run alternately in the same
//! run, so that noise of the machine meets both. The book records the ratios.

mod cbuild;
mod check;
mod language;
mod lsp;
mod nix;
mod no_op;
mod packages;

use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::command::{build_cbuild, command, run as run_command};
use cbuild::Cbuild;
use nix::Nix;

/// Number of independent trivial derivations of the comparison.
const TRIVIAL: usize = 300;

/// What is measured; one file each.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Subject {
    /// Builds: a no-op, one derivation, many trivial derivations
    Build,
    /// Checking 100,000 lines, cold and after a change; CBUILD may name a program that is built
    Check,
    /// Evaluation of the programs in `benches/language`
    Language,
    /// The language server after an edit, on 100,000 lines; CBUILD may name a program that is built
    Lsp,
    /// Building a graph of 10,101 derivations again; CBUILD may name a program that is built
    NoOp,
    /// The store: adding trees beside `cp -r`, deciding a collection, closures
    Store,
}

/// Measures and prints a table.
pub(crate) fn run(subject: Subject, runs: usize, only: &str) -> Result {
    match subject {
        Subject::Build => builds(runs),
        Subject::Check => check::run(runs),
        Subject::Language => language::run(runs, only),
        Subject::Lsp => lsp::run(runs),
        Subject::NoOp => no_op::run(runs),
        Subject::Store => store(runs),
    }
}

/// The store is measured where its interface is known.
fn store(runs: usize) -> Result {
    let runs = runs.to_string();
    let words = ["bench", "--locked", "--package", "cbuild-store", "--bench", "bars", "--", &runs];
    run_command(command("cargo", &words))
}

fn builds(runs: usize) -> Result {
    let runs = runs.max(1);
    let program = build_cbuild()?;
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let cbuild = Cbuild::new(&program, scratch.path())?;
    println!("{:<52} {:>12}", "measurement", "median");

    cbuild.prepare_redis()?;
    let no_op = median((0..runs * 4).map(|_| cbuild.redis_again()).collect::<Result<_>>()?);
    row("build examples/redis again (no-op)", no_op);

    let warm = median((0..runs * 4).map(|_| cbuild.trivial_again()).collect::<Result<_>>()?);
    let one = median((0..runs * 4).map(|_| cbuild.one_more()).collect::<Result<_>>()?);
    row("build with nothing to do, one derivation", warm);
    row("the same with one derivation to run", one);
    row("added by one sandboxed derivation", one.saturating_sub(warm));

    compare_trivial(&cbuild, Nix::find(scratch.path())?, runs)
}

/// Nix is measured with as many jobs as processors and with one more, which is cbuild's default;
/// the ratio is to the faster of the two.
fn compare_trivial(cbuild: &Cbuild, nix: Option<Nix>, runs: usize) -> Result {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut ours = Vec::new();
    let mut theirs = [(processors, Vec::new()), (processors + 1, Vec::new())];
    for _ in 0..runs {
        settle()?;
        ours.push(cbuild.independent(TRIVIAL)?);
        let Some(nix) = &nix else { continue };
        for (jobs, times) in &mut theirs {
            settle()?;
            times.push(nix.independent(cbuild.shell(), TRIVIAL, *jobs)?);
        }
    }
    let ours = median(ours);
    row(&format!("{TRIVIAL} independent trivial derivations, cbuild"), ours);
    if nix.is_none() {
        println!("Nix is not installed: no comparison.");
        return Ok(());
    }
    let theirs = theirs.map(|(jobs, times)| {
        let time = median(times);
        row(&format!("the same, Nix, sandbox on, {jobs} jobs"), time);
        time
    });
    let ratio = ours.as_secs_f64() / theirs[0].min(theirs[1]).as_secs_f64();
    println!("{:<52} {ratio:>12.3}", "ratio cbuild / Nix");
    Ok(())
}

/// Lets the disk finish what the run before has left to it, so that no peer waits for the other's.
fn settle() -> Result {
    let status = Command::new("sync").status().map_err(|error| format!("sync: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("sync ended with {status}")) }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn row(label: &str, time: Duration) {
    println!("{label:<52} {:>9.1} ms", time.as_secs_f64() * 1000.0);
}
