//! The tests that the standard library holds in the language itself.

use std::path::PathBuf;

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Limits};
use cbuild_sema::{ModuleKey, check};

use crate::support::{Files, TestWorld, describe};

/// Runs the tests of one module of the library; returns how many there are.
fn run(file: &str) -> usize {
    let (mut sources, mut files) = (Sources::default(), Files(Default::default()));
    let checked = check(&mut sources, &mut files, &ModuleKey::std(file));
    let problems: Vec<String> =
        checked.diagnostics.iter().map(|problem| describe(problem, &sources)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let mut world = TestWorld::default();
    let mut evaluator = Evaluator::new(&checked.program, &mut world, Limits::default());
    let results = evaluator.run_tests(checked.entry);
    for (name, result) in &results {
        match result {
            Ok(true) => {}
            Ok(false) => panic!("{file}: {name}: false"),
            Err(diagnostic) => panic!("{file}: {name}: {}", describe(diagnostic, &sources)),
        }
    }
    results.len()
}

#[test]
fn the_tests_of_the_library_hold() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stdlib");
    #[expect(clippy::disallowed_methods, reason = "tests read the real library")]
    let entries = std::fs::read_dir(folder).unwrap();
    let mut count = 0;
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".cbuild") {
            count += run(&name);
        }
    }
    assert!(count >= 40, "only {count} tests");
}

#[test]
fn the_tests_of_the_overlay_example_hold() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/overlay/main.cbuild");
    #[expect(clippy::disallowed_methods, reason = "tests read the examples")]
    let text = std::fs::read_to_string(file).unwrap();
    let mut files = Files([("main.cbuild".to_owned(), text)].into());
    let mut sources = Sources::default();
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    assert!(!checked.has_errors());
    let mut world = TestWorld::default();
    let mut evaluator = Evaluator::new(&checked.program, &mut world, Limits::default());
    let results = evaluator.run_tests(checked.entry);
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|(_, result)| matches!(result, Ok(true))), "{results:?}");
}
