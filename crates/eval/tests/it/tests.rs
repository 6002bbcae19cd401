//! What is told of failing tests.

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Limits};
use cbuild_sema::{ModuleKey, check};
use insta::assert_snapshot;

use crate::support::{Files, MAIN, TestWorld, describe};

/// The reports of a module's tests that fail.
fn reports(text: &str) -> String {
    let mut files = Files([(MAIN.to_owned(), text.to_owned())].into());
    let mut sources = Sources::default();
    let checked = check(&mut sources, &mut files, &ModuleKey::root(MAIN));
    let problems: Vec<String> = checked.diagnostics.iter().map(|d| describe(d, &sources)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let mut world = TestWorld::default();
    let mut evaluator = Evaluator::new(&checked.program, &mut world, Limits::default());
    let mut all = String::new();
    for (at, (name, result)) in evaluator.run_tests(checked.entry).into_iter().enumerate() {
        if matches!(result, Ok(true)) {
            continue;
        }
        let found = evaluator.observe_test(checked.entry, at).unwrap();
        let report = match result {
            Ok(_) => found.diagnostic(&name, &sources),
            Err(mut fault) => {
                fault.notes.extend(found.notes(&sources));
                fault
            }
        };
        all.push_str(&describe(&report, &sources));
    }
    all
}

#[test]
fn operands_fields_and_calls() {
    assert_snapshot!(reports(
        r#"
        import std
        let a = { name = "zlib", version = "1.3", parts = [1, 2, 3] }
        let limit = 2
        test "field" { a.name == "openssl" }
        test "calls" { std.list.length(a.parts) + 1 < limit }
        test "negation" { !std.text.starts_with(a.name, "z") }
        test "chain" { limit + 1 * limit == limit * 3 - 1 }
        "#
    ));
}

#[test]
fn what_was_skipped_is_left_out() {
    assert_snapshot!(reports(
        r#"
        let yes = 1
        let no = 2
        test "first" { yes == 2 && abort("not reached") }
        test "second" { yes == 1 && no == 3 && abort("not reached") }
        test "either" { yes == 3 || no == 3 }
        test "branch" { if yes == 1 then no == 5 else abort("not reached") }
        test "lazy argument" { let f = (x: Int, y: Int) => x in f(yes, 1 / 0) == no }
        "#
    ));
}

#[test]
fn differences_of_large_values() {
    assert_snapshot!(reports(
        r#"
        import std
        let items = std.list.map(std.list.range(0, 500), (n) => { id = n, name = "item #{n}" })
        let long = std.text.join(std.list.map(std.list.range(0, 40), (n) => "line #{n}"), "\n")
        let m: Map<Int> = { a = 1, b = 2 }
        test "items" {
          items == std.list.map(items, (i) => if i.id == 300 then i with { name = "x" } else i)
        }
        test "length" { std.list.take(items, 1) == std.list.take(items, 2) }
        test "text" { long == std.text.replace(long, "line 21", "line twenty-one") }
        test "map" { m == { a = 1, c = 2 } }
        test "option" { Some({ n = 1 }) == Some({ n = 2 }) }
        test "literals" { [1, 2, 3] == [1, 5, 3] }
        "#
    ));
}

#[test]
fn errors_inside() {
    assert_snapshot!(reports(
        r#"
        let zero = 0
        fn inverse(n: Int) -> Int = 100 / n
        let broken = { good = 1, bad = inverse(zero) }
        test "in a call" { zero == 0 && inverse(zero) + 1 == 2 }
        test "in a part that is shown only" { broken.good == 2 }
        test "shown whole" { let r = broken in (r with { good = 3 }).good == 4 }
        let loop: Int = loop + 1
        test "cycle" { loop == 1 }
        "#
    ));
}

#[test]
fn long_claims_are_bounded() {
    let sum = vec!["n"; 250].join(" + ");
    let all = vec!["n == 1"; 60].join(" && ");
    let report = reports(&format!(
        "let n = 1\ntest \"sum\" {{ {sum} == 1 }}\ntest \"all\" {{ {all} && n == 2 }}"
    ));
    assert!(report.len() < 8_000, "{report}");
    assert!(report.contains("at main.cbuild: `n == 2`: this is false"), "{report}");
}

#[test]
fn watching_changes_no_result() {
    let text = r#"
        import std
        fn count(n: Int) -> Int = if n == 0 then 0 else count(n - 1)
        test "deep" { count(1000000) == 0 }
        test "recursive binding" { let f = (n: Int) => if n == 0 then 1 else n * f(n - 1) in f(5) == 120 }
        test "lazy binding" { let x = abort("never") y = 1 in y == 1 || x }
        test "named" { let m = { a = 1 } n = m with { a = 2 } in n.a == 2 && m.a == 1 }
    "#;
    assert_eq!(reports(text), "");
}
