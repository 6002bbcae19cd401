//! The short form of `cargo xtask interrupts`.

use std::path::Path;
use std::time::Duration;

#[path = "../interrupts/mod.rs"]
mod harness;

#[test]
fn every_command_ends_when_it_is_asked_to() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plan = harness::Plan {
        program: Path::new(env!("CARGO_BIN_EXE_cbuild")).to_owned(),
        folder: folder.path().to_owned(),
        moments: 1,
        // The tests share the machine; without an answer to signals it would be minutes.
        limit: Duration::from_secs(10),
        size: 200,
        garbage: 200,
        seed: u64::from(std::process::id()),
        only: String::new(),
    };
    let stopped = harness::run(&plan, |_| ()).unwrap();
    assert!(stopped > 20, "{stopped} were stopped");
}
