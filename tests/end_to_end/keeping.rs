//! The commands that look after a store: moving closures, repair, collection, history.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{assert_clean, cbuild, module, shared_root};

/// Overwrites a file of the store, as a broken disk or a careless root would.
fn damage(file: &Path) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(file, "something else").unwrap();
}

#[test]
fn a_store_is_moved_repaired_and_cleaned_up() {
    let module =
        module("import std\n\npub let file: Package = std.tree.text_file(\"motd\", sh\"hello\")\n");
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = format!("{}:file", module.path().display());
    let physical = cbuild(one.path(), ["build", &target]).ok().path();
    let path = format!("/cbuild/store/{}", physical.file_name().unwrap().to_str().unwrap());

    let file = module.path().join("motd.export");
    let file = file.to_str().unwrap();
    cbuild(one.path(), ["store", "export", &path, "-o", file]).ok();
    let done = cbuild(two.path(), ["store", "import", file]).ok();
    assert_eq!(done.stdout, "imported 1 objects, 5 B; 0 were there\n");
    let moved = two.path().join("store").join(physical.file_name().unwrap());
    assert_eq!(std::fs::read_to_string(moved).unwrap(), "hello");

    // By building, from an export, and from another store.
    let two_root = two.path().to_str().unwrap();
    for (from, how) in
        [(None, "built again"), (Some(file), "taken from"), (Some(two_root), "taken from")]
    {
        damage(&physical);
        cbuild(one.path(), ["store", "verify"]).fails(1, "E1028");
        let repair = ["store", "repair"]
            .into_iter()
            .chain(from.into_iter().flat_map(|from| ["--from", from]));
        let done = cbuild(one.path(), repair).ok();
        assert!(done.stdout.contains(&format!("{path}: {how}")), "{}", done.stdout);
        assert!(
            done.stdout.ends_with("clean: 1 objects came back, 0 are gone\n"),
            "{}",
            done.stdout
        );
        assert_eq!(std::fs::read_to_string(&physical).unwrap(), "hello");
    }

    let gc =
        |options: &[&str]| cbuild(one.path(), ["store", "gc"].iter().chain(options)).ok().stdout;
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    assert!(
        gc(&["--dry-run"]).starts_with(&format!("{path}\nwould delete 1 objects, 5 B; 0 stay\n"))
    );
    assert_eq!(first_line(gc(&["--older-than", "1h"])), "deleted 0 objects, 0 B; 1 stay");
    assert_eq!(first_line(gc(&["--max-size", "1G"])), "deleted 0 objects, 0 B; 1 stay");
    assert!(physical.exists());
    assert_eq!(first_line(gc(&["--max-size", "1"])), "deleted 1 objects, 5 B; 0 stay");
    assert!(!physical.exists());
    assert_clean(one.path());
}

#[test]
fn the_history_tells_what_a_build_took() {
    let name = format!("took-{}", std::process::id());
    let module = module(&format!(
        r##"
import std

pub let default: Package = std.build.derivation {{
  name = "{name}",
  root = std.c_toolchain,
  program = sh"/bin/bash",
  args = [sh"-c", sh"x=$(seq 4000000); echo ${{#x}}; echo made > $out"],
}}
"##
    ));
    let target = module.path().to_str().unwrap();
    let done = cbuild(&shared_root(), ["--json", "build", target]).ok();
    let mut events = done.stderr.lines().filter_map(|line| serde_json::from_str(line).ok());
    let of =
        |event: &serde_json::Value| event["event"] == "finished" && event["name"] == name.as_str();
    let finished = events.find(of).unwrap();
    let history = cbuild(&shared_root(), ["--json", "store", "history", &name]).ok().stdout;
    let record: serde_json::Value = serde_json::from_str(&history).unwrap();
    let log = cbuild(&shared_root(), ["--json", "log", target]).ok().stdout;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    for (cpu, memory, of) in [
        (&finished["cpu_ms"], &finished["memory"], &finished["memory_of"]),
        (&record["cpu_ms"], &record["memory"], &record["memory_of"]),
        (&log["cpu_ms"], &log["memory"], &log["memory_of"]),
    ] {
        assert!((1..600_000).contains(&cpu.as_u64().unwrap()), "{cpu}");
        assert!((30_000_000..4_000_000_000).contains(&memory.as_u64().unwrap()), "{memory}");
        assert!(of == "all" || of == "largest-process", "{of}");
    }
    assert_eq!((&record["name"], &record["status"]), (&name.as_str().into(), &0.into()));
    let text = cbuild(&shared_root(), ["store", "history", &name]).ok().stdout;
    assert!(text.contains(" s cpu, ") && text.contains(" MiB"), "{text}");
}
