//! Which type parameters stand for records, wherever types are written, inferred or imported; and the
//! values of optional fields that are options themselves.

use cbuild_diag::Sources;
use cbuild_sema::{ModuleKey, check};

use crate::files::{REAL_STD, codes, files, render};

#[track_caller]
fn assert_codes(source: &str, expected: &[&str]) {
    let mut sources = Sources::default();
    let mut files = files(source, REAL_STD);
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    let shown = render(&sources, &checked.diagnostics);
    assert_eq!(codes(&checked), expected, "{source}\n{shown}");
}

/// Asserts that a program is refused with nothing but this code.
#[track_caller]
fn assert_refused(source: &str, code: &str) {
    let mut sources = Sources::default();
    let mut files = files(source, REAL_STD);
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    let found = codes(&checked);
    let shown = render(&sources, &checked.diagnostics);
    assert!(!found.is_empty() && found.iter().all(|found| *found == code), "{source}\n{shown}");
}

#[test]
fn types_of_records_take_records_alone() {
    for source in [
        "let s: Set<Int> = set((f) => 1)\npub let default: Int = members(s)",
        "pub fn f(s: Set<List<{}>>) -> Int = 1",
        "pub fn f(o: Overridable<Str>) -> Int = 1",
        "pub fn f(p: Part<(Int) -> Int>) -> Int = 1",
        "pub fn f(i: Image<Int, {}, {}>) -> Int = 1",
        "pub fn f() -> Int = let g = (s: Set<Int>) => 1 in 2",
        "pub fn f() -> Int = let s: Option<Set<Int>> = None in 2",
        "pub type V = | V(Set<Int>)",
        "pub type R = { set: Set<Map<Int>> }",
        "let s = set((f) => 1)",
        "let s = set((f) => [f])",
        "import std\npub let o: Package = overridable(1, (n) => std.tree.text_file(\"a\", sh\"#{n}\"))",
        "fn f(s) = members(s) + 1",
    ] {
        assert_refused(source, "E0322");
    }
}

#[test]
fn what_is_made_of_them_does_so_too() {
    for source in [
        // Aliases, variants and records, before and after their definition, and in a circle.
        "type A<a> = Set<a>\npub fn f(s: A<Int>) -> Int = 1",
        "type B<a> = A<a>\ntype A<a> = { set: Set<a> }\npub fn f(s: B<Int>) -> Int = 1",
        "type W<a> = | W(V<a>)\ntype V<a> = | V(Set<a>)\npub fn f(w: W<Int>) -> Int = 1",
        "type W<a> = | W(V<a>)\ntype V<a> = End | V(W<a>, Set<a>)\npub fn f(w: W<Int>) -> Int = 1",
        "pub type X = | X(W<Int>)\ntype W<a> = | W(V<a>)\ntype V<a> = | V((Set<a>) -> Int)",
        "type E<a> = { n: Int | a }\npub fn f(e: E<Int>) -> Int = 1",
        "type V<a> = | V({ n: Int | a })\npub fn f(e: V<Int>) -> Int = 1",
        "type V<a> = | V({ n: Int | a })\npub fn f(e: V<{ n: Str }>) -> Int = 1",
        "type W<a> = | W(V<a>)\ntype V<a> = | V({ n: Int | a })\npub fn f(e: W<{ n: Str }>) -> Int = 1",
        // Generic functions, annotated and not, and values of other files.
        "fn first<a>(s: Set<a>, t: a) -> a = t\npub fn f(s: Set<{}>) -> {} = first(s, 1)",
        "fn wrap(x) = set((_) => x)\nlet s = wrap(1)",
        "let wrap = let inner = (x) => set((_) => x) in inner\nlet s = wrap(1)",
        "//- main.cbuild\nimport ./a.cbuild\npub fn f(s: a.A<Int>) -> Int = 1\n//- a.cbuild\npub type A<a> = Set<a>",
        "//- main.cbuild\nimport ./a.cbuild\nlet s = a.wrap(1)\n//- a.cbuild\npub fn wrap<r>(x: r) -> Set<r> = set((_) => x)",
    ] {
        let code = if source.contains("first(s, 1)") { "E0301" } else { "E0322" };
        assert_refused(source, code);
    }
}

#[test]
fn a_type_parameter_is_a_record_only_if_its_signature_says_so() {
    for source in [
        "pub fn f<a>(make: (a) -> a) -> a = members(set(make))",
        "pub fn f<a>(x: a) -> Int = let s = set((_) => x) in 1",
    ] {
        assert_refused(source, "E0317");
    }
    for source in [
        "pub fn f<a>(x: a) -> Int = let g = (s: Set<a>) => 1 in 2",
        "pub fn f<a>(x: a) -> Int = let g = (s: { n: Int | a }) => 1 in 2",
        "pub fn f<a>(x: { b: Int | a }) -> Int = let g = (s: { n: Int | a }) => 1 in 2",
    ] {
        assert_refused(source, "E0322");
    }
}

#[test]
fn records_are_accepted_everywhere() {
    for source in [
        "pub fn f<r>(make: (r) -> r) -> Set<r> = set(make)",
        "pub fn f<r>(make: (r) -> r, and: (Set<r>) -> Int) -> r = members(set(make))",
        "type A<a> = Set<a>\npub fn f<r>(s: A<r>) -> r = members(s)",
        "type E<a> = { n: Int | a }\npub fn f<r>(e: E<r>) -> Int = e.n\npub let x: Int = f({ n = 1, m = 2 })",
        "type W<a> = | W(V<a>)\ntype V<a> = End | V(W<a>, Set<a>)\npub fn f(w: W<{ n: Int }>) -> Int = 1",
        "type V<a> = | V({ n: Int | a })\npub fn f<r>(v: V<r>) -> Int = match v { V(e) => e.n }\npub let x: Int = f(V({ n = 1 }))",
        "pub fn f() -> Int = let g: (Set<a>) -> a = (s) => members(s) in g(set((_) => { n = 1 })).n",
        "fn wrap(x) = set((_) => x)\npub let n: Int = wrap({ n = 1 }).n",
        "pub fn f(s: Set<{}>, o: Overridable<{}>) -> {} = members(s)",
        "pub fn f<r>(s: Set<{ n: Int | r }>) -> Int = s.n",
    ] {
        assert_codes(source, &[]);
    }
}

#[test]
fn an_optional_field_may_hold_an_option() {
    let rest = "type R = { b?: Option<Int> }\npub let r: R = ";
    for value in [
        "{ b = Some(1) }",
        "{ b = Some(Some(1)) }",
        "{ b = Some(None) }",
        "{ b = None }",
        "{}",
        "{ b = if true then Some(1) else None }",
        "let x: Option<Option<Int>> = None in { b = x }",
        "let x: Option<Int> = None in { b = x }",
        "{ b = Some(Some(1)) } with { b = Some(2) }",
    ] {
        let checks = if value.contains("with") { &["E0301"][..] } else { &[] };
        assert_codes(&format!("{rest}{value}"), checks);
    }
    assert_codes(&format!("{rest}{{ b = 1 }}"), &["E0301"]);
    assert_codes("type R = { b?: Option<{ n: Int = 1 }> }\npub let r: R = { b = Some({}) }", &[]);
    assert_codes(
        "type R = { b?: Option<Option<Int>> }\npub let r: List<R> = [{ b = Some(1) }, { b = Some(Some(1)) }, { b = Some(Some(Some(1))) }, { b = None }, { b = Some(None) }]",
        &["E0301"],
    );
    assert_codes("type R<a> = { b?: a }\npub let r: R<Option<Int>> = { b = Some(1) }", &[]);
}
