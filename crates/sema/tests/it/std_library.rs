//! The standard library and the examples must check without a single diagnostic.

use cbuild_diag::Sources;
use cbuild_sema::{ModuleKey, check};

use crate::files::{Files, REAL_STD, files, render, repository};

fn must_check(files: &mut Files, entry: &ModuleKey) {
    let mut sources = Sources::default();
    let checked = check(&mut sources, files, entry);
    assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
    assert!(!checked.program.globals.is_empty());
}

#[test]
fn the_standard_library_checks() {
    must_check(&mut Files::with_std(REAL_STD), &ModuleKey::std("main.cbuild"));
}

#[test]
fn every_module_of_the_standard_library_is_reached_or_checks_alone() {
    let root = repository().join("stdlib");
    for folder in ["", "packages/", "toolchain/"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there");
        for entry in entries {
            let name = entry.expect("readable").file_name().into_string().expect("plain name");
            if name.ends_with(".cbuild") {
                must_check(
                    &mut Files::with_std(REAL_STD),
                    &ModuleKey::std(format!("{folder}{name}")),
                );
            }
        }
    }
}

#[test]
fn the_examples_check() {
    for entry in std::fs::read_dir(repository().join("examples")).expect("the folder is there") {
        let path = entry.expect("readable").path().join("main.cbuild");
        if let Ok(text) = std::fs::read_to_string(&path) {
            must_check(&mut files(&text, REAL_STD), &ModuleKey::root("main.cbuild"));
        }
    }
}
