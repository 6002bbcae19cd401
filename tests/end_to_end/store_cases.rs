//! The scripts of `tests/cases/store`: what went wrong with a store once, on disks and in hands of all kinds.
//!
//! Each runs in a folder and with mounts of its own, and ends with 0 if all is as it should be.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::repository;

/// Runs a script; `CBUILD` names the program.
fn run(script: &str) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = repository().join("tests/cases/store").join(script);
    let is_root = rustix::process::geteuid().is_root();
    // Other users than oneself are there for root alone.
    let spaces: &[&str] = if is_root { &[] } else { &["--user", "--map-root-user"] };
    let output = Command::new("unshare")
        .args(spaces)
        .args(["--mount", "sh", "-eux"])
        .arg(&path)
        .current_dir(folder.path())
        .env("CBUILD", env!("CARGO_BIN_EXE_cbuild"))
        .env("CBUILD_CACHE", folder.path().join("cache"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, trace) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}: {}\n{out}\n{trace}", output.status);
}

macro_rules! cases {
    ($($name:ident => $script:literal,)*) => {
        $(#[test] fn $name() { run($script) })*

        /// No script is forgotten.
        #[test]
        fn each_script_is_a_test() {
            let mut known = vec![$($script.to_owned()),*];
            let folder = Path::new("tests/cases/store");
            let listed = std::fs::read_dir(repository().join(folder)).unwrap();
            let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
            let mut found: Vec<String> = listed.map(|entry| name(entry.unwrap())).collect();
            known.sort();
            found.retain(|name| name.ends_with(".sh"));
            found.sort();
            assert_eq!(known, found);
        }
    };
}

cases! {
    a_root_keeps_its_object_however_the_store_is_spelled => "gc-roots-path.sh",
    what_processes_use_stays => "running.sh",
    equal_files_are_linked_by_two_at_once => "optimise-twice.sh",
    a_store_in_a_lower_layer_can_be_changed => "overlay.sh",
    a_full_disk_loses_nothing => "full-disk.sh",
    a_store_is_not_copied_into_itself => "store-inside.sh",
    a_read_only_store_can_be_read => "read-only.sh",
    objects_of_others_stop_nothing => "other-owner.sh",
    a_lost_version_is_written_again => "lost-version.sh",
    damaged_objects_are_made_anew => "damaged.sh",
}
