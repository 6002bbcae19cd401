//! The functions of the standard library that are written in Rust.

use std::collections::BTreeMap;

use crate::support::{check_eval, check_items, fault};

const STD: &str = "import std";

#[track_caller]
fn check(expr: &str, expected: &str) {
    check_items(STD, expr, expected);
}

#[test]
fn lists() {
    check("std.list.map([1, 2], x => x * 2)", "[2, 4]");
    check("std.list.length(std.list.map([1, 2], x => abort(\"lazy\")))", "2");
    check("std.list.filter([1, 2, 3, 4], x => x % 2 == 0)", "[2, 4]");
    check("std.list.fold([1, 2, 3], 10, (sum, x) => sum - x)", "4");
    check("std.list.fold([], 10, (sum, x) => abort(\"no\"))", "10");
    check("std.list.flatten([[1], [], [2, 3]])", "[1, 2, 3]");
    check("std.list.contains([[1], [2]], [2])", "true");
    check("std.list.contains([], 2)", "false");
    check("[std.list.first([1, 2]), std.list.first([])]", "[Some(1), None]");
    check(
        "[std.list.at([7, 8], 1), std.list.at([7], 1), std.list.at([7], -1)]",
        "[Some(8), None, None]",
    );
    check("std.list.range(-1, 3)", "[-1, 0, 1, 2]");
    check("std.list.range(3, 1)", "[]");
    check("std.list.sort_by([\"b\", \"a\", \"B\"], x => x)", "[\"B\", \"a\", \"b\"]");
    check("std.list.reverse([1, 2, 3])", "[3, 2, 1]");
    check("[std.list.any([1, 2], x => x > 1), std.list.all([1, 2], x => x > 1)]", "[true, false]");
    check("[std.list.any([], x => true), std.list.all([], x => false)]", "[false, true]");
    // With keys and without, lazy in what is not compared.
    check(
        "std.list.sort([{ k = 2, v = 1 }, { k = 1, v = 2 }], (x, y) => x.k < y.k)",
        "[{ k = 1, v = 2 }, { k = 2, v = 1 }]",
    );
    check(
        "std.list.length(std.list.sort([{ k = 2, v = abort(\"lazy\") }, { k = 1, v = 2 }], (x, y) => y.k > x.k))",
        "2",
    );
    check("std.list.sort([3, 1, 2], (x, y) => x > y)", "[3, 2, 1]");
    check("std.list.sort([3, 1, 2], (x, y) => -x < -y)", "[3, 2, 1]");
    assert!(fault(STD, "std.list.sort([1, 1 / 0], (x, y) => x < y)").starts_with("E0404"));
    check("std.list.unique([{ a = 1 }, { a = 2 }, { a = 1 }])", "[{ a = 1 }, { a = 2 }]");
    check("std.list.length(std.list.unique([abort(\"lazy\")]))", "1");
    // Small values are made at once, what is in them is not evaluated.
    check("std.list.length(std.list.map([1, 0], x => { a = 1 / x, b = abort(\"lazy\") }))", "2");
    assert!(fault(STD, "std.list.range(0, 9223372036854775807)").starts_with("E0406"));
}

#[test]
fn texts() {
    check(r##"std.text.join(["a", "b", "c"], ", ")"##, r##""a, b, c""##);
    check(r##"std.text.split("a,b,,c", ",")"##, r##"["a", "b", "", "c"]"##);
    check(r##"std.text.replace("a-b-c", "-", "+")"##, r##""a+b+c""##);
    check(
        r##"[std.text.starts_with("abc", "ab"), std.text.ends_with("abc", "ab")]"##,
        "[true, false]",
    );
    check(r##"std.text.contains("abc", "bc")"##, "true");
    check(r##"std.text.length("häß😀")"##, "4");
    check(r##"std.text.trim("  a b \n")"##, r##""a b""##);
    check(r##"[std.text.lower("AbÄ"), std.text.upper("aBä")]"##, r##"["abÄ", "ABä"]"##);
    check(
        r##"std.list.map(["12", "-3", "+1", "x", ""], std.text.to_int)"##,
        "[Some(12), Some(-3), None, None, None]",
    );
    check("std.text.from_int(-5)", r##""-5""##);
    assert!(fault(STD, r##"std.text.split("a", "")"##).starts_with("E0410"));
    assert!(fault(STD, r##"std.text.replace("a", "", "b")"##).starts_with("E0410"));
}

#[test]
fn maps() {
    let items = "import std\nlet m: Map<Int> = { b = 2, a = 1 }";
    check_items(items, "m", r##"{ "a" = 1, "b" = 2 }"##);
    check_items(items, r##"[std.map.get(m, "a"), std.map.get(m, "c")]"##, "[Some(1), None]");
    check_items(items, r##"std.map.keys(std.map.set(m, "aa", 3))"##, r##"["a", "aa", "b"]"##);
    check_items(
        items,
        r##"std.map.merge(m, std.map.set(m, "a", 9))"##,
        r##"{ "a" = 9, "b" = 2 }"##,
    );
    check_items(
        items,
        "std.map.to_list(m) |> std.list.map(e => \"#{e.key}#{e.value}\")",
        r##"["a1", "b2"]"##,
    );
    check_items(items, "std.map.from_list(std.map.to_list(m)) == m", "true");
    check_items(items, "std.map.map_values(m, x => x + 1)", r##"{ "a" = 2, "b" = 3 }"##);
    let twice = r##"std.map.from_list([{ key = "k", value = 1 }, { key = "k", value = 2 }])"##;
    check_items(items, twice, r##"{ "k" = 2 }"##);
}

#[test]
fn options() {
    check("[std.option.is_some(Some(1)), std.option.is_some(None)]", "[true, false]");
    check("[std.option.or_else(Some(1), 2), std.option.or_else(None, 2)]", "[1, 2]");
}

#[test]
fn scripts() {
    check(r##"std.script.raw("a b; $c")"##, r##"sh"a b; $c""##);
    check(r##"std.script.join([sh"a", sh"b"], " && ")"##, r##"sh"a && b""##);
}

#[test]
fn extern_functions_are_values() {
    check(r##"std.list.map([" a ", "b"], std.text.trim)"##, r##"["a", "b"]"##);
    check_eval("abort", "<function>");
}

/// Every `extern fn` of the library, by `<file stem>.<name>`, with its number of parameters.
fn declared() -> BTreeMap<String, usize> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stdlib");
    let mut found = BTreeMap::new();
    #[expect(clippy::disallowed_methods, reason = "tests read the real library")]
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "cbuild") {
            continue;
        }
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        #[expect(clippy::disallowed_methods, reason = "tests read the real library")]
        let text = std::fs::read_to_string(&path).unwrap();
        let parse = cbuild_syntax::parse(cbuild_diag::SourceId(0), &text);
        for item in parse.file.items {
            if let cbuild_syntax::ast::ItemKind::Fn(function) = item.kind
                && function.body.is_none()
            {
                found.insert(format!("{stem}.{}", function.name.text), function.params.len());
            }
        }
    }
    found
}

#[test]
fn the_library_declares_exactly_the_supplied_functions() {
    let supplied: BTreeMap<String, usize> =
        cbuild_eval::externs().map(|found| (found.name().to_owned(), found.arity())).collect();
    assert_eq!(declared(), supplied);
}

#[test]
fn library_functions_evaluate_what_they_need_alone() {
    for (expr, expected) in [
        ("std.list.fold([1], abort(\"unused\"), (n, item) => item)", "1"),
        ("std.list.fold([1, 2], abort(\"unused\"), (n, item) => item)", "2"),
        ("std.list.length(std.list.map([1, 2], abort(\"unused\")))", "2"),
        ("std.list.length(std.list.map([], abort(\"unused\")))", "0"),
        ("std.list.filter([], abort(\"unused\"))", "[]"),
        ("std.list.sort_by([\"a\"], abort(\"unused\"))", "[\"a\"]"),
        ("std.list.sort([1], abort(\"unused\"))", "[1]"),
        ("std.list.any([], abort(\"unused\"))", "false"),
        ("std.list.all([], abort(\"unused\"))", "true"),
        ("std.list.contains([], abort(\"unused\"))", "false"),
        ("std.list.length([abort(\"unused\"), 1])", "2"),
        ("std.list.length(std.list.reverse([abort(\"unused\"), 1]))", "2"),
        ("std.list.length(std.list.flatten([[abort(\"unused\")], [1]]))", "2"),
        ("std.map.size(std.map.map_values({ a = 1 }, abort(\"unused\")))", "1"),
        ("std.map.size(std.map.set({}, \"a\", abort(\"unused\")))", "1"),
        ("std.map.get_or({ a = 1 }, \"a\", abort(\"unused\"))", "1"),
        (
            "std.map.keys(std.map.from_list([{ key = \"a\", value = abort(\"unused\") }]))",
            "[\"a\"]",
        ),
        ("(let add = (n) => (x) => x + n in std.list.map([1, 2], add(3)))", "[4, 5]"),
        ("std.list.map([1, 2], if true then ((x) => x * 2) else abort(\"unused\"))", "[2, 4]"),
    ] {
        check_items("import std", expr, expected);
    }
    let error = crate::support::fault(
        "import std",
        "std.list.fold([], abort(\"used\"), (n, item) => item)",
    );
    assert!(error.starts_with("E0405"), "{error}");
    let error = crate::support::fault("import std", "std.list.map([1], abort(\"used\"))");
    assert!(error.starts_with("E0405"), "{error}");
}
