//! Checks that look into some modules only, and checks that remember.

use std::rc::Rc;

use cbuild_diag::Sources;
use cbuild_sema::{Bodies, Checked, Memory, ModuleKey, check_with};

use crate::files::{Files, REAL_STD, SMALL_STD, check_source, codes, files, repository};

fn checked(files: &mut Files, memory: &mut Memory, entry: &str, bodies: Bodies<'_>) -> Checked {
    let entry = ModuleKey::root(entry);
    check_with(&mut Sources::default(), files, memory, &[entry], bodies)
}

/// The codes when only the bodies of one file are looked into.
fn codes_of(source: &str, file: &str) -> Vec<&'static str> {
    let chosen = |key: &ModuleKey| *key == ModuleKey::root(file);
    let mut files = files(source, SMALL_STD);
    codes(&checked(&mut files, &mut Memory::default(), "main.cbuild", Bodies::Only(&chosen)))
}

const TWO: &str = r#"
//- lib.cbuild
pub type Box<a> = { content: List<a> = empty }
let empty = []
pub fn twice(n: Int) -> Int = "no number"
let hidden = twice("not that either")
test "never looked at" { 1 }
//- main.cbuild
import ./lib.cbuild
pub let four: Int = lib.twice(2)
pub let box: lib.Box<Int> = {}
pub let wrong: Str = lib.twice(2)
"#;

#[test]
fn bodies_are_checked_where_they_are_chosen() {
    assert_eq!(codes_of(TWO, "main.cbuild"), ["E0301"]);
    assert_eq!(codes_of(TWO, "lib.cbuild"), ["E0301", "E0301", "E0301"]);
    assert_eq!(codes_of(TWO, "other.cbuild"), Vec::<&str>::new());
    assert_eq!(codes(&check_source(TWO).1).len(), 4);
}

#[test]
fn what_a_declared_module_declares_wrongly_is_reported() {
    let source =
        "//- lib.cbuild\npub fn f(a: Nothing) -> Int = 1\n//- main.cbuild\nimport ./lib.cbuild\n";
    assert_eq!(codes_of(source, "main.cbuild"), ["E0202"]);
}

#[test]
fn a_public_value_without_its_type_is_inferred_all_the_same() {
    let source = "
//- lib.cbuild
let inner = 1
pub let outer = inner
//- main.cbuild
import ./lib.cbuild
pub let wrong: Str = lib.outer
";
    let found = codes_of(source, "main.cbuild");
    assert!(found.contains(&"E0301"), "{found:?}");
}

/// Each module of the standard library, looked into alone, is as sound as all at once.
#[test]
fn modules_of_the_standard_library_need_no_bodies_of_others() {
    let mut names: Vec<String> = std::fs::read_dir(repository().join(REAL_STD))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".cbuild"))
        .collect();
    names.sort();
    let (mut files, mut memory) = (files("import std", REAL_STD), Memory::default());
    for name in names {
        let chosen = |key: &ModuleKey| *key == ModuleKey::std(name.as_str());
        let checked = checked(&mut files, &mut memory, "main.cbuild", Bodies::Only(&chosen));
        assert_eq!(codes(&checked), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn several_entries_are_checked_at_once_and_can_be_found() {
    let source = "//- a.cbuild\nlet x: Int = \"\"\n//- b.cbuild\nlet y: Int = 1\n";
    let entries = [ModuleKey::root("b.cbuild"), ModuleKey::root("a.cbuild")];
    let mut files = files(source, SMALL_STD);
    let found = check_with(
        &mut Sources::default(),
        &mut files,
        &mut Memory::default(),
        &entries,
        Bodies::All,
    );
    assert_eq!(codes(&found), ["E0301"]);
    assert_eq!(found.modules[&entries[0]], found.entry);
    assert_ne!(found.modules[&entries[1]], found.entry);
}

#[test]
fn an_unchanged_file_is_not_parsed_again() {
    let mut files = files(TWO, SMALL_STD);
    let mut memory = Memory::default();
    checked(&mut files, &mut memory, "main.cbuild", Bodies::All);
    let (main, lib) = (ModuleKey::root("main.cbuild"), ModuleKey::root("lib.cbuild"));
    let before = [Rc::clone(memory.file(&main).unwrap()), Rc::clone(memory.file(&lib).unwrap())];
    files.root.insert("main.cbuild".to_owned(), "import ./lib.cbuild\n".to_owned());
    let after = checked(&mut files, &mut memory, "main.cbuild", Bodies::All);
    assert!(!Rc::ptr_eq(&before[0], memory.file(&main).unwrap()));
    assert!(Rc::ptr_eq(&before[1], memory.file(&lib).unwrap()));
    assert_eq!(codes(&after).len(), 3);
}

/// What a check of `main.cbuild` that remembers looks into, by file name, and what it reports.
fn changed(files: &mut Files, memory: &mut Memory) -> (Vec<String>, Vec<&'static str>) {
    let checked = checked(files, memory, "main.cbuild", Bodies::Changed);
    let all = crate::partial::checked(files, &mut Memory::default(), "main.cbuild", Bodies::All);
    assert_eq!(codes(&checked), codes(&all));
    let mut names: Vec<String> = checked.looked_into.iter().map(|key| key.path.clone()).collect();
    names.sort();
    (names, codes(&checked))
}

const CHAIN: &str = r#"
//- a.cbuild
pub type T = { n: Int = 1 }
pub fn f(t: T) -> Int = t.n + 1
//- b.cbuild
import ./a.cbuild
pub fn g(t: a.T) -> Int = a.f(t)
//- main.cbuild
import ./b.cbuild
pub let x: Int = b.g({})
"#;

#[test]
fn only_what_changed_is_looked_into() {
    let (mut files, mut memory) = (files(CHAIN, SMALL_STD), Memory::default());
    let (first, found) = changed(&mut files, &mut memory);
    assert!(first.len() > 3, "{first:?}");
    assert_eq!(found, Vec::<&str>::new());
    let mut next = |path: &str, from: &str, to: &str| {
        let text = files.root.get_mut(path).unwrap();
        assert!(text.contains(from), "{text}");
        *text = text.replace(from, to);
        let (names, found) = changed(&mut files, &mut memory);
        // Another process goes on from here, and knows as much.
        if let Some(bytes) = memory.to_bytes() {
            memory = Memory::from_bytes(&bytes).unwrap();
        }
        (names.join(" "), !found.is_empty())
    };
    let is = |names: &str, wrong: bool| (names.to_owned(), wrong);
    assert_eq!(next("a.cbuild", "t.n", "t.n"), is("", false));
    // A body: the module alone.
    assert_eq!(next("a.cbuild", "t.n + 1", "t.n + 2"), is("a.cbuild", false));
    assert_eq!(next("a.cbuild", "t.n + 2", "t.m"), is("a.cbuild", true));
    // What is wrong is said again.
    assert_eq!(next("a.cbuild", "t.m", "t.m"), is("a.cbuild", true));
    assert_eq!(next("b.cbuild", "a.f(t)", "a.f(t) + 0"), is("a.cbuild b.cbuild", true));
    assert_eq!(next("a.cbuild", "t.m", "t.n"), is("a.cbuild", false));
    // Comments and empty lines between items are nothing to others; within an item they are.
    assert_eq!(next("a.cbuild", "pub fn f", "\n// f\n\n/// F.\npub fn f"), is("a.cbuild", false));
    assert_eq!(next("a.cbuild", "/// F.", "/// G."), is("a.cbuild", false));
    let all = "a.cbuild b.cbuild main.cbuild";
    assert_eq!(next("a.cbuild", "(t: T)", "(\n// t\nt: T)"), is(all, false));
    // A type: all that reach the module, even through another one.
    assert_eq!(next("a.cbuild", "n: Int = 1", "n: Int"), is(all, true));
    // That error also pointed to the type.
    let both = "a.cbuild main.cbuild";
    assert_eq!(next("main.cbuild", "{}", "{ n = 2 }"), is(both, false));
    assert_eq!(next("main.cbuild", "pub let", "// a\npub let"), is("main.cbuild", false));
    assert_eq!(next("main.cbuild", "./b.cbuild", "./c.cbuild"), is("main.cbuild", true));
    assert_eq!(next("main.cbuild", "./c.cbuild", "./c.cbuild"), is("main.cbuild", true));
    assert_eq!(next("main.cbuild", "./c.cbuild", "./b.cbuild"), is("main.cbuild", false));
    assert_eq!(next("b.cbuild", "pub fn g(", "pub fn ("), is("b.cbuild main.cbuild", true));
}

#[test]
fn other_bytes_are_no_memory() {
    assert!(Memory::from_bytes(b"").is_none());
    assert!(Memory::from_bytes(b"cbuild checked modules 2\nx").is_none());
    assert!(Memory::from_bytes(b"cbuild checked modules 2\n").is_some());
}
