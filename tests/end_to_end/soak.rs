//! The short form of `cargo xtask soak`.

use std::path::Path;
use std::time::Duration;

#[path = "../soak/mod.rs"]
pub(crate) mod harness;

#[test]
fn a_store_under_load_stays_whole() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let report = harness::run(&harness::Plan {
        program: Path::new(env!("CARGO_BIN_EXE_cbuild")).to_owned(),
        folder: folder.path().to_owned(),
        kills: 12,
        load: Duration::from_secs(3),
        mix: Duration::from_secs(20),
        processes: 4,
        full_disk: 4,
        seed: u64::from(std::process::id()),
    })
    .unwrap();
    assert!(report.killed >= 12 && report.built > 0 && report.collections > 0, "{report:?}");
    assert!(report.mixed.done > 0 && report.mixed.killed > 0, "{report:?}");
    assert!(report.out_of_space > 0, "{report:?}");
}
