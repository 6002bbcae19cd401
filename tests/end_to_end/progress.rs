//! What a build shows while it runs: on a terminal, of which a model tells what is on it, and as JSON.

use std::process::Command;

use crate::harness::{STEP, cbuild, module, repository, run, shared_root};

/// Two steps that take a while, one after the other. The mark makes them new.
fn chain(name: &str, mark: &str) -> tempfile::TempDir {
    module(&format!(
        r##"
import std

{STEP}

let lib: Package = step("{name}-lib", sh"sleep 2; echo {mark} > $out")
pub let default: Package = step("{name}-top", sh"sleep 2; cat #{{lib}} > $out")
"##
    ))
}

/// Builds on a terminal of 30 rows and 150 columns and waits for the texts, one after the other. Gives all
/// that the terminal got.
fn watch(folder: &tempfile::TempDir, texts: &[&str]) -> String {
    let steps: Vec<[&str; 2]> = texts.iter().map(|text| ["see", *text]).collect();
    let mut command = Command::new("python3");
    command.current_dir(repository()).env("CBUILD_ROOT", shared_root()).env("TERM", "xterm");
    command.args(["tests/end_to_end/terminal.py", &serde_json::json!(steps).to_string()]);
    command.args(["sh", "-c", "stty rows 30 cols 150; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_cbuild")).arg("build").arg(folder.path());
    run(&mut command).ok().stdout
}

/// The rows that a terminal shows when it got this.
fn screen(shown: &str) -> Vec<String> {
    let mut terminal = vt100::Parser::new(30.try_into().unwrap(), 150.try_into().unwrap(), 0);
    terminal.process(shown.as_bytes());
    let rows = terminal.screen().rows(0, 150).map(|row| row.trim_end().to_owned());
    rows.filter(|row| !row.is_empty()).collect()
}

#[test]
fn a_terminal_shows_what_runs_waits_and_is_left() {
    let name = format!("watched-{}", std::process::id());
    let (lib, top) = (format!("└─ building {name}-lib"), format!("building {name}-top"));
    let (lib_built, top_built) = (format!("built {name}-lib in "), format!("built {name}-top in "));
    let texts = [&lib, "0 of 2 steps done", &lib_built, &top, "1 of 2 steps done", &top_built];
    let shown = watch(&chain(&name, "one"), &texts);
    let first = shown.find(&lib_built).and_then(|at| shown[..at].rfind("0 of 2 steps done"));
    let rows = screen(&shown[..first.unwrap() + "0 of 2 steps done".len()]);
    let [.., target, below, whole] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(target, &format!("{name}-top"));
    assert!(below.starts_with(&lib) && whole.ends_with(" s: 0 of 2 steps done"), "{rows:?}");
    let rows = screen(&shown);
    let left = |text: &str| rows.iter().filter(|row| row.starts_with(text)).count();
    assert_eq!((left(&lib_built), left(&top_built)), (1, 1), "{rows:?}");
    assert!(!rows.iter().any(|row| row.contains("building") || row.contains("steps done")));

    let again = chain(&name, "two");
    let lib = format!("{lib} (last time ");
    watch(&again, &[&lib, "0 of 2 steps done, about ", " s left", "1 of 2 steps done, about "]);
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
