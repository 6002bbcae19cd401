//! `cbuild check` on a generated package set of 100,000 lines: whole processes, with nothing remembered, with
//! nothing changed, and with one file changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::packages::{FILES, generate};
use super::{median, row};
use crate::Result;
use crate::command::build_cbuild;

/// Measures; each figure is the median of `runs` processes.
pub(crate) fn run(runs: usize) -> Result {
    let program = match std::env::var_os("CBUILD") {
        Some(program) => PathBuf::from(program),
        None => build_cbuild()?,
    };
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let folder = scratch.path().join("set");
    let lines = generate(&folder)?;
    println!("{lines} lines in {} files", FILES + 1);
    println!("{:<52} {:>12}", "measurement", "median");
    let runs = runs.max(1);
    let check = |cache: &str| check(&program, scratch.path(), cache);
    let cold = (0..runs).map(|run| check(&format!("cold-{run}"))).collect::<Result<_>>()?;
    row("nothing remembered (bar 2 s)", median(cold));
    check("warm")?;
    row("nothing changed", median((0..runs).map(|_| check("warm")).collect::<Result<_>>()?));
    for (title, file) in [
        ("one body changed, in the middle (bar 100 ms)", "p250.cbuild"),
        ("one body changed, which nearly all others reach", "p0.cbuild"),
        ("one body changed, which reaches nearly all", "p499.cbuild"),
    ] {
        let path = folder.join(file);
        let times = (0..runs).map(|run| {
            change_a_body(&path, run)?;
            check("warm")
        });
        row(title, median(times.collect::<Result<_>>()?));
    }
    Ok(())
}

/// Makes the last body of a file differ from what it ever was.
fn change_a_body(path: &Path, run: usize) -> Result {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let at = text.rfind("size = ").ok_or("the generated file has no body")?;
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    let changed = format!("{}size = recipe.jobs * {},{}", &text[..at], 1000 + run, &text[end..]);
    std::fs::write(path, changed).map_err(failed)
}

fn check(program: &Path, scratch: &Path, cache: &str) -> Result<Duration> {
    let mut command = Command::new(program);
    command.args(["--quiet", "check"]).arg(scratch.join("set")).stderr(Stdio::piped());
    command.env("CBUILD_ROOT", scratch.join("root")).env("XDG_CACHE_HOME", scratch.join(cache));
    let start = Instant::now();
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let time = start.elapsed();
    if output.status.success() {
        return Ok(time);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
