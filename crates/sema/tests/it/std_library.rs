//! The standard library and the examples must check without a single diagnostic.

use cbuild_diag::Sources;
use cbuild_sema::ir::GlobalBody;
use cbuild_sema::{Checked, ModuleKey, check, check_expr};

use crate::files::{Files, REAL_STD, Sound, files, render, repository};

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

/// Checks a program with what it needs of the library.
fn sparing(text: &str) -> Checked {
    let mut files = Sound(files(text, REAL_STD));
    check(&mut Sources::default(), &mut files, &ModuleKey::root("main.cbuild"))
}

/// The modules of the library that a program has.
fn library(checked: &Checked) -> Vec<&str> {
    let all = checked.modules.keys().filter(|key| key.package == cbuild_sema::Package::Std);
    all.map(|key| key.path.as_str()).collect()
}

#[test]
fn only_the_mentioned_parts_of_a_sound_library_are_read() {
    let read = |text| library(&sparing(text)).join(" ");
    assert_eq!(read("pub let x: Int = 1"), "prelude.cbuild");
    assert_eq!(read("import std\npub let list: Int = 1"), "main.cbuild prelude.cbuild");
    let one = "import std\npub let x: Int = std.list.length([1])";
    assert_eq!(read(one), "list.cbuild main.cbuild prelude.cbuild");
    assert!(read("import std\npub let x: Package = std.zlib").contains("packages/zlib.cbuild"));
    // All of it can be reached through a module that hands it on.
    assert!(read("pub import std").contains("packages/redis.cbuild"));
}

#[test]
fn only_the_reached_bodies_of_a_sound_library_are_looked_into() {
    let checked = sparing("import std\npub let x: Int = std.list.length([1])");
    assert!(checked.diagnostics.is_empty());
    let left_out = |name: &str| {
        let global = checked.program.globals.iter().find(|g| g.name == name).expect("declared");
        matches!(&global.body, GlobalBody::Extern { name, .. } if name == "(left out)")
    };
    assert!(!left_out("x") && !left_out("std.list.length"));
    assert!(left_out("std.list.map") && left_out("std.prelude.fix"));
}

#[test]
fn a_wrong_program_is_told_the_same_with_a_sound_library() {
    for text in [
        "import std\nlet x = std.lits.length([])",
        "import std\nlet x = std.list.lenght([])",
        "import std\nlet x: std.oci.Prt = 1",
        "import std\nlet x: Int = std.zlib",
        "import std\nimport ./gone.cbuild\nlet x = std.hello",
        "import std\nlet x = (",
        "let x = std",
    ] {
        let told = |sound| {
            let (mut sources, key) = (Sources::default(), ModuleKey::root("main.cbuild"));
            let mut whole = files(text, REAL_STD);
            let checked = match sound {
                true => check(&mut sources, &mut Sound(whole), &key),
                false => check(&mut sources, &mut whole, &key),
            };
            render(&sources, &checked.diagnostics)
        };
        assert!(!told(true).is_empty(), "{text}");
        assert_eq!(told(true), told(false), "{text}");
    }
}

#[test]
fn a_lone_expression_reads_what_it_mentions() {
    let check = |text| {
        let mut files = Sound(files("let hidden = 1", REAL_STD));
        let scope = ModuleKey::root("main.cbuild");
        check_expr(&mut Sources::default(), &mut files, Some(&scope), text)
    };
    let found = check("std.list.length([hidden])");
    assert_eq!((found.ty.as_str(), found.checked.diagnostics.len()), ("Int", 0));
    assert_eq!(library(&found.checked), ["list.cbuild", "main.cbuild", "prelude.cbuild"]);
    assert_eq!(check("std.lits").checked.diagnostics.len(), 1);
}
