//! Matches with many arms, and with too many combinations.

use crate::files::{check_source, codes};

#[track_caller]
fn assert_codes(source: &str, expected: &[&str]) {
    let (_, checked) = check_source(source);
    assert_eq!(codes(&checked), expected);
}

/// As many arms as asked for, with something in each of them.
fn arms(count: usize, arm: impl Fn(usize) -> String) -> String {
    (0..count).map(arm).collect::<Vec<_>>().join(", ")
}

/// Of each pair of parts an arm asks that both are true, which leaves three ways for each pair above.
fn combinations(pairs: usize) -> String {
    let params = vec!["Bool"; 2 * pairs].join(", ");
    let arm = |index: usize| {
        let pattern = |part: usize| if part / 2 == index { "true" } else { "_" };
        let patterns: Vec<&str> = (0..2 * pairs).map(pattern).collect();
        format!("T({}) => {index}", patterns.join(", "))
    };
    let arms = arms(pairs, arm);
    format!("type T = | T({params})\nfn f(t: T) -> Int = match t {{ {arms}, _ => 0 }}")
}

#[test]
fn thousands_of_arms_are_checked_one_by_one() {
    let numbers = arms(3_000, |n| format!("{n} => {n}"));
    assert_codes(&format!("fn f(n: Int) -> Int = match n {{ {numbers}, _ => 0 }}"), &[]);
    assert_codes(&format!("fn f(n: Int) -> Int = match n {{ {numbers} }}"), &["E0311"]);
    let again = format!("fn f(n: Int) -> Int = match n {{ {numbers}, 7 => 1, _ => 0 }}");
    assert_codes(&again, &["E0312"]);
    let texts = arms(3_000, |n| format!("Some(\"{n}\") => {n}"));
    let texts =
        format!("fn f(t: Option<Str>) -> Int = match t {{ {texts}, Some(_) => 1, None => 0 }}");
    assert_codes(&texts, &[]);
    let cases = (0..3_000).map(|n| format!("C{n}(Int)")).collect::<Vec<_>>().join(" | ");
    let named = |count| arms(count, |n| format!("C{n}(x) => x"));
    let cases = format!("type C = {cases}\nfn f(c: C) -> Int = match c");
    assert_codes(&format!("{cases} {{ {} }}", named(3_000)), &[]);
    assert_codes(&format!("{cases} {{ {} }}", named(2_999)), &["E0311"]);
}

#[test]
fn too_many_combinations_are_refused() {
    assert_codes(&combinations(6), &[]);
    assert_codes(&combinations(20), &["E0309"]);
}
