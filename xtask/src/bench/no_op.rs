//! `cbuild build` of a graph of 10,101 derivations when all of it is built: whole processes, with what earlier
//! ones remembered of the evaluation and without.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::language::{Summary, measure, summary};
use crate::Result;
use crate::command::build_cbuild;

/// A hundred groups of a hundred files each, and a file that refers to all groups.
const GRAPH: &str = r##"import std

fn file(group: Int, index: Int) -> Package =
  std.tree.text_file("file-#{group}-#{index}", sh"#{group} #{index}")

fn group(group: Int) -> Package =
  let files = std.list.map(std.list.range(0, 100), index => file(group, index)) in
  std.tree.text_file("group-#{group}", sh"#{files}")

pub let default: Package =
  std.tree.text_file("all", sh"#{std.list.map(std.list.range(0, 100), group)}")
"##;

/// Measures; each figure is the median of `runs` processes, or the greatest memory.
pub(crate) fn run(runs: usize) -> Result {
    let program = match std::env::var_os("CBUILD") {
        Some(program) => PathBuf::from(program),
        None => build_cbuild()?,
    };
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let folder = scratch.path().join("graph");
    let file = folder.join("main.cbuild");
    std::fs::create_dir(&folder)
        .and_then(|()| std::fs::write(&file, GRAPH))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let build = |more: &[&str]| build(&program, scratch.path(), more);
    eprintln!("xtask: building the graph");
    let output = build(&[])?.1;
    println!("{:<44} {:>10} {:>12} {:>10}", "measurement", "wall", "processor", "memory");
    for (title, more) in [
        ("nothing changed (bar 50 ms)", &[][..]),
        ("nothing changed, evaluated again", &["--no-cache"]),
    ] {
        let mut costs = Vec::new();
        for _ in 0..runs.max(1) {
            let (cost, text) = build(more)?;
            if text != output {
                return Err(format!("{title}: the output is {text} instead of {output}"));
            }
            costs.push(cost);
        }
        let Summary { wall, processor, memory } = summary(costs);
        println!("{title:<44} {wall:>7.1} ms {processor:>9.1} ms {memory:>7.1} MB");
    }
    Ok(())
}

fn build(program: &Path, scratch: &Path, more: &[&str]) -> Result<(super::language::Cost, String)> {
    let mut command = Command::new(program);
    command.arg("--root").arg(scratch.join("root")).arg("--cache").arg(scratch.join("cache"));
    command.arg("--quiet").args(more).arg("build").arg(scratch.join("graph"));
    measure(command)
}
