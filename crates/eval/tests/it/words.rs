//! Functions of numbers and truth values alone mean the same as all others.
//!
//! Each function stands here twice: once so that it qualifies for code whose variables are plain
//! words, and once with one more parameter that nobody needs, with which it does not qualify.

use cbuild_eval::{Limits, Stats};

use crate::support::{check_items, with_value};

/// The items and the expression with and without the parameter that nobody needs.
fn both(items: &str, expr: &str) -> [(String, String); 2] {
    let written = |param: &str, arg: &str| {
        (items.replace("{P}", param).replace("{A}", arg), expr.replace("{A}", arg))
    };
    [written("", ""), written(", idle: Int", ", 1 / 0")]
}

fn run(items: &str, expr: &str, depth: u32) -> Result<(String, Stats), String> {
    let limits = Limits { depth, ..Limits::default() };
    with_value(items, expr, limits, |evaluator, value| {
        evaluator.show(&value).map(|shown| (shown, evaluator.stats()))
    })
}

#[track_caller]
fn check(items: &str, expr: &str, expected: &str) {
    let [words, general] = both(items, expr).map(|(items, expr)| run(&items, &expr, 1000));
    let ((shown, words), (other, general)) = (words.unwrap(), general.unwrap());
    assert_eq!((shown.as_str(), other.as_str()), (expected, expected));
    assert_eq!(words.calls, general.calls, "{items}");
    assert_eq!(words.deepest, general.deepest, "{items}");
}

const FIB: &str = "fn fib(n: Int{P}) -> Int = if n < 2 then n else fib(n - 1{A}) + fib(n - 2{A})";
const LOOP: &str =
    "fn go(n: Int, even: Bool{P}) -> Bool = if n == 0 then even else go(n - 1, !even{A})";
const STEP: &str = "fn wrap(n: Int{P}) -> Int = let doubled = n * 2 in if doubled > 9 then doubled - 10 else doubled\n\
     fn twice(n: Int{P}) -> Int = wrap(n{A}) + wrap(wrap(n{A}){A})\n\
     fn last(n: Int{P}) -> Int = if n > 100 then n else twice(n{A})";
const NAMED: &str = "\
     fn name(n: Int{P}) -> Int = match n { 0 => 10, 1 => -3, other => other % 4 }\n\
     fn truth(t: Bool{P}) -> Int = match t { true => 1, false => 0 }\n\
     fn same(a: Bool, b: Bool{P}) -> Bool = (a == b || !a) && (b || a != b)";

#[test]
fn results_and_counts_are_those_of_general_code() {
    check(FIB, "fib(15{A})", "610");
    check(LOOP, "go(100001, true{A})", "false");
    check(STEP, "[last(3{A}), last(7{A}), last(101{A})]", "[8, 12, 101]");
    check(NAMED, "[name(0{A}), name(1{A}), name(7{A})]", "[10, -3, 3]");
    check(NAMED, "[truth(true{A}), truth(false{A})]", "[1, 0]");
    check(
        NAMED,
        "[same(true, true{A}), same(true, false{A}), same(false, true{A})]",
        "[true, false, true]",
    );
}

#[test]
fn globals_that_are_literals_are_known() {
    let items = "let limit: Int = 3\nlet on: Bool = true\nlet far: Int = limit * 2\n\
         fn cut(n: Int) -> Int = if on && n > limit then limit else n\n\
         fn near(n: Int) -> Int = if n > far then cut(n) else n";
    check_items(items, "[cut(2), cut(4), near(5), near(7)]", "[2, 3, 5, 3]");
}

#[test]
fn arguments_may_be_lazy() {
    let items = "import std\nfn half(n: Int) -> Int = if n % 2 == 0 then n / 2 else half(n + 1)\n\
         fn slow(n: Int) -> Int = std.list.fold([n], 0, (a, b) => a + b)";
    check_items(items, "std.list.map(std.list.map([1, 4, 7], slow), half)", "[1, 2, 4]");
    check_items(items, "std.list.fold(std.list.map([1, 4], slow), 0, (a, b) => half(a) + b)", "5");
}

#[test]
fn what_is_not_needed_is_not_evaluated() {
    let items = "fn pick(first: Bool, a: Int, b: Int) -> Int = if first then a else b\n\
         fn zero(n: Int) -> Int = let unused = 1 / n in if n == 0 then 0 else unused";
    check_items(items, "[pick(true, 1, 1 / 0), zero(0)]", "[1, 0]");
}

#[test]
fn a_function_may_have_many_variables() {
    let items = "fn sum(a: Int, b: Int, c: Int, d: Int, e: Int, f: Int, g: Int, h: Int, i: Int) -> Int = \
                 a + b + c + d + e + f + g + h + i\n\
                 fn eight(a: Int, b: Int, c: Int, d: Int, e: Int, f: Int, g: Int, h: Int) -> Int = \
                 if a == 0 then b + c + d + e + f + g + h else eight(a - 1, c, d, e, f, g, h, b)";
    check_items(
        items,
        "[sum(1, 2, 3, 4, 5, 6, 7, 8, 9), eight(3, 1, 2, 3, 4, 5, 6, 7)]",
        "[45, 28]",
    );
}

/// The error without the parts of the source that only one of the two has.
fn error(items: &str, expr: &str) -> [String; 2] {
    both(items, expr).map(|(items, expr)| {
        let error = run(&items, &expr, 100).unwrap_err();
        error.replace(", idle", "").replace(", 1 / 0", "")
    })
}

#[test]
fn errors_and_traces_are_those_of_general_code() {
    let inner = "fn inner(n: Int{P}) -> Int = 10 / n\n\
                 fn outer(n: Int{P}) -> Int = 1 + inner(n - 3{A})\n\
                 fn tail(n: Int{P}) -> Int = if n > 5 then 0 else inner(n{A})\n\
                 fn down(n: Int{P}) -> Int = 1 + down(n + 1{A})\n\
                 fn large(n: Int{P}) -> Int = if n < 0 then -n else large(n * 2{A})";
    for (expr, code) in [
        ("outer(3{A})", "E0404"),
        ("tail(0{A})", "E0404"),
        ("down(0{A})", "E0402"),
        ("large(9{A})", "E0403"),
        ("large(-9223372036854775807 - 1{A})", "E0403"),
    ] {
        let [words, general] = error(inner, expr);
        assert_eq!(words, general);
        assert!(words.starts_with(code), "{words}");
    }
}
