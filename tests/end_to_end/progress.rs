//! What a build shows while it runs: on a terminal, and as JSON.

use std::process::Command;

use crate::harness::{cbuild, module, repository, run, shared_root};

/// Two steps that take a while, one after the other. The mark makes them new.
fn chain(name: &str, mark: &str) -> tempfile::TempDir {
    module(&format!(
        r##"
import std

fn step(name: Str, script: Script) -> Package = std.build.derivation {{
  name = name,
  root = std.c_toolchain,
  program = sh"/bin/sh",
  args = [sh"-c", script],
}}

let lib: Package = step("{name}-lib", sh"sleep 2; echo {mark} > $out")
pub let default: Package = step("{name}-top", sh"sleep 2; cat #{{lib}} > $out")
"##
    ))
}

/// Builds on a terminal and waits for the texts, one after the other.
fn watch(folder: &tempfile::TempDir, texts: &[&str]) {
    let steps: Vec<[&str; 2]> = texts.iter().map(|text| ["see", *text]).collect();
    let mut command = Command::new("python3");
    command.current_dir(repository()).env("CBUILD_ROOT", shared_root());
    command.args(["tests/end_to_end/terminal.py", &serde_json::json!(steps).to_string()]);
    command.args(["sh", "-c", "stty rows 30 cols 150; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_cbuild")).arg("build").arg(folder.path());
    run(&mut command).ok();
}

#[test]
fn a_terminal_shows_what_runs_waits_and_is_left() {
    let name = format!("watched-{}", std::process::id());
    let lib = format!("building {name}-lib → {name}-top");
    let top = format!("building {name}-top");
    let built = format!("built {name}-lib in ");
    watch(&chain(&name, "one"), &["0 of 2 steps done", &lib, &built, "1 of 2 steps done", &top]);
    let again = chain(&name, "two");
    let lib = format!("building {name}-lib (last time ");
    watch(&again, &["0 of 2 steps done, about ", &lib, " s left", "1 of 2 steps done, about "]);
    let third = chain(&name, "three");
    let target = third.path().display().to_string();
    let done = cbuild(&shared_root(), ["--json", "build", &target]).ok();
    let events: Vec<serde_json::Value> =
        done.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |kind: &str| events.iter().find(|event| event["event"] == kind).unwrap();
    assert!(of("planned")["expected_ms"].as_u64().unwrap() >= 4000, "{}", done.stderr);
    assert_eq!(of("started")["waiting"], serde_json::json!([format!("{name}-top")]));
    assert!(of("started")["last_duration_ms"].as_u64().unwrap() >= 2000, "{}", done.stderr);
}
