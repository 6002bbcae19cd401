//! After `cbuild fetch` a target builds without any network.

use std::process::Command;

use crate::harness::{cbuild, run};

#[test]
fn a_fetched_image_builds_in_a_network_namespace_without_interfaces() {
    let root = tempfile::tempdir().unwrap();
    cbuild(root.path(), ["fetch", "examples/hello:image", "examples/redis:image"]).ok();
    let offline = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).arg(env!("CARGO_BIN_EXE_cbuild"));
        command.current_dir(crate::harness::repository());
        command.arg("--root").arg(root.path()).arg("--offline").args(args);
        run(&mut command)
    };
    let done = offline(&["build", "examples/redis:image"]).ok();
    assert!(done.stderr.contains("built redis-7.0.15"), "{}", done.stderr);
    offline(&["build", "examples/hello:image"]).ok();
    // What was not fetched is refused, and the message says why.
    offline(&["build", "std:lua"]).fails(4, "E0703");
}
