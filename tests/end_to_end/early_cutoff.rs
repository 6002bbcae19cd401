//! A change that does not alter a dependency's output rebuilds that dependency and nothing above it.

use crate::harness::{cbuild, copy_of, shared_root};

#[test]
fn a_comment_in_a_dependencys_script_rebuilds_the_dependency_alone() {
    let root = shared_root();
    let example = copy_of("examples/zpipe");
    let target = example.path().to_str().unwrap();
    let before = cbuild(&root, ["build", target]).ok();

    let file = example.path().join("main.cbuild");
    let text = std::fs::read_to_string(&file).unwrap();
    // The comment differs in each run of the test, because the store is kept between runs.
    let unique = format!("# Changed by process {}.", std::process::id());
    let changed =
        text.replace("# This comment is part of the script, hence of the derivation.", &unique);
    assert_ne!(text, changed);
    std::fs::write(&file, changed).unwrap();

    let after = cbuild(&root, ["--verbose", "build", target]).ok();
    assert_eq!(before.stdout, after.stdout);
    let built: Vec<&str> = after.stderr.lines().filter(|line| line.starts_with("built ")).collect();
    assert_eq!(built.len(), 1, "{}", after.stderr);
    assert!(built[0].starts_with("built zlib-1.2.13.dfsg in "), "{}", after.stderr);
    assert!(after.stderr.contains("unchanged zpipe-1.2.13"), "{}", after.stderr);
}
