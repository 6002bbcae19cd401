//! What other languages write: one error each, and changes that mend it.

use cbuild_diag::{Diagnostic, Sources};

/// Errors of a text.
fn errors(text: &str) -> Vec<Diagnostic> {
    let id = Sources::default().add("main.cbuild", text);
    let found = cbuild_syntax::parse(id, text).diagnostics;
    found.into_iter().filter(Diagnostic::is_error).collect()
}

/// A text after the change that an error offers.
fn mended(text: &str, error: &Diagnostic) -> String {
    let mut edits = error.edits.to_vec();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    let mut text = text.to_owned();
    for edit in edits {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    text
}

const SURE: &[(&str, &str)] = &[
    ("x: x + 1", "x => x + 1"),
    ("x: y: x + y", "x => y => x + y"),
    ("(x: x + 1)(2)", "(x => x + 1)(2)"),
    ("{ a, b }: a + b", "(a, b) => a + b"),
    ("lambda x, y: x + y", "(x, y) => x + y"),
    ("lambda: 1", "() => 1"),
    ("(x) -> x", "(x) => x"),
    ("(x, y) -> x", "(x, y) => x"),
    ("\\x -> x", "x => x"),
    ("\\x y -> x", "(x, y) => x"),
    ("|x| x", "x => x"),
    ("|x, y| x", "(x, y) => x"),
    ("fn(x) -> x", "(x) => x"),
    ("fn(x) { x }", "(x) => x"),
    ("fn(x) x", "(x) => x"),
    ("a or b", "a || b"),
    ("a and b", "a && b"),
    ("not a", "!a"),
    ("r.b or 2", "std.option.or_else(r.b, 2)"),
    ("r.b ?? c", "std.option.or_else(r.b, c)"),
    ("r.b ?: c", "std.option.or_else(r.b, c)"),
    ("xs | std.list.length", "xs |> std.list.length"),
    ("a === 1", "a == 1"),
    ("a !== 1", "a != 1"),
    ("a <> 1", "a != 1"),
    ("std::list", "std.list"),
    ("std::list::length(xs)", "std.list.length(xs)"),
    ("\"abc\"[0]", "std.list.at(std.text.chars(\"abc\"), 0)"),
    ("{ ...r, a = 2 }.a", "(r with { a = 2 }).a"),
    ("{ r | a = 2 }.a", "(r with { a = 2 }).a"),
    (
        "SHA256-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
        "sha256-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
    ),
    ("c ? 1 : 2", "if c then 1 else 2"),
    ("c?1:2", "if c then 1 else 2"),
    ("if c { 1 } else { 2 }", "if c then 1 else 2"),
    ("if a == b {\n  1\n} else {\n  2\n}", "if a == b then 1 else 2"),
    ("if a { 1 } else if b { 2 } else { 3 }", "if a then 1 else if b then 2 else 3"),
    ("if a { return 1; } else { return 2; }", "if a then 1 else 2"),
    ("if c then 1 elif d then 2 else 3", "if c then 1 else if d then 2 else 3"),
    ("{ inherit b c; }", "{ b, c }"),
    ("{ inherit (r) b; c = 1 }", "{ b = r.b, c = 1 }"),
    ("let inherit (r) b; in b", "let b = r.b in b"),
    ("let inherit (r) b c; in b", "let b = r.b c = r.c in b"),
    ("xs[0]", "std.list.at(xs, 0)"),
    ("f(x)[i + 1]", "std.list.at(f(x), i + 1)"),
    ("r.xs[0]", "std.list.at(r.xs, 0)"),
    ("[x * 2 for x in xs]", "std.list.map(xs, x => x * 2)"),
    ("[x * 2 for x in f([1])]", "std.list.map(f([1]), x => x * 2)"),
    ("[f([1], x) for x in xs]", "std.list.map(xs, x => f([1], x))"),
    ("[x for x in xs if x > 1]", "std.list.filter(xs, x => x > 1)"),
    ("[x * 2 for x in xs if x > 1]", "std.list.map(std.list.filter(xs, x => x > 1), x => x * 2)"),
    ("{ ...r, a = 2 }", "r with { a = 2 }"),
    ("{ ...r, a: 2 }", "r with { a = 2 }"),
    ("{ ...r, \"a\": 2, b: 3 }", "r with { \"a\" = 2, b = 3 }"),
    ("{ ...r }", "r"),
    ("{ r | a = 2 }", "r with { a = 2 }"),
    ("{ r with a = 2 }", "r with { a = 2 }"),
    ("{ \"a\": 1, \"b\": 2 }", "{ \"a\" = 1, \"b\" = 2 }"),
    ("[...xs, 1]", "xs ++ [1]"),
    ("[1, ...xs]", "[1] ++ xs"),
    ("f\"{n} and {m}\"", "\"#{n} and #{m}\""),
    ("f\"{{{n}}}\"", "\"{#{n}}\""),
    ("f\"#{n}\"", "\"##{n}\""),
    ("f\"\"\"a{n}\"\"\"", "\"\"\"a#{n}\"\"\""),
    ("r\"\\d\"", "\"\\\\d\""),
    ("b\"x\"", "\"x\""),
    ("`${n}`", "\"#{n}\""),
    ("`a`", "\"a\""),
    ("'x'", "\"x\""),
    ("'a \"b\"'", "\"a \\\"b\\\"\""),
    ("''foo''", "\"foo\""),
    ("''a ${b} \\ c''", "\"a #{b} \\\\ c\""),
    ("''\n  x ${y}\n''", "\"\"\"\n  x #{y}\n\"\"\""),
    ("let b = 1; c = 2; in b + c", "let b = 1 c = 2 in b + c"),
    ("{ b = 1; c = 2; }", "{ b = 1, c = 2, }"),
    ("[1; 2]", "[1, 2]"),
    ("f(1; 2)", "f(1, 2)"),
    ("https://example.org/a-b?c=1", "\"https://example.org/a-b?c=1\""),
    ("{ return x }", "x"),
    ("return x", "x"),
    (
        "sha256:8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
        "sha256-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
    ),
    (
        "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
        "sha256-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
    ),
    ("match m { Some(x) -> x, None -> 0 }", "match m { Some(x) => x, None => 0 }"),
];

const UNSURE: &[&str] = &[
    "[a, x for x in xs]",
    "[x + y for x in xs for y in ys]",
    "[a if b else c for x in xs]",
    "(x for x in xs)",
    "{ x for x in xs }",
    "[x for (x, y) in xs]",
    "[1] ++ xs for x in xs]",
    "{ a, b ? 2 }: a + b",
    "args@{ a, ... }: a",
    "{ a, ... }@args: a",
    "{ a, ... }: a",
    "lambda x=1: x",
    "'it''s'",
    "'a' 'b'",
    "'it\\'s'",
    "'''a'''",
    "''",
    "f('', '')",
    "f\"{x:>10}\"",
    "f\"{x!r}\"",
    "f\"{d['a']}\"",
    "f\"{d[\"a\"]}\"",
    "fr\"{n}\\d\"",
    "f\"\"\"\n{a}\n\"\"\"",
    "u\"a\"",
    "{ a = 1, ...r }",
    "{ ...r, ...s }",
    "[...xs, 1, ...ys]",
    "{ r | a: Int }",
    "c ? d ? 1 : 2 : 3",
    "r ? a",
    "match n { 0 | 1 => 1, _ => 2 }",
    "match n { Some(x) | None => 1, _ => 2 }",
    "'\\d'",
    "'a\\x41'",
    "'a\nb'",
    "c ? \"a\" : \"b\"",
    "f(1)?",
    "r.a or r.b",
    "a ?? b ?? c",
    "xs[1:]",
    "xs[1..2]",
    "r[\"a\"]",
    "xs[]",
    "xs[1, 2]",
    "{ let b = 1; b + 1 }",
    "[let b = 1; c = 2; in b; 3]",
    "f(1; 2) + (let a = 1 in a)",
    "case x of\n  Just y -> y\n  Nothing -> 0",
    "case x { Some(y) -> y None -> 0 }",
    "if c { 1 }",
    "if c { let x = 1; x } else { 2 }",
    "if c { f(x) } else { g(y) }",
    "if c {\n  // one\n  1 // two\n} else {\n  2\n}",
    "if c { a } else { b }",
    "if c then { a } else { b }",
    "1 /* c */",
    "1 /* c */ + 2",
    "1 -- c d",
    "1 # c",
    "inherit (f x) a;",
    "{ inherit (f(x)) a; }",
    "{ inherit; }",
    "with std; list",
    "x not in xs",
    "not (a)",
    "`a\\n`",
    "`#{a}`",
    "|x: Int| x",
    "fn(x: Int) -> Int { x }",
    "function(x) { return x }",
    "md5:abc",
    "sha256:abc",
    "f(x: 1)",
    "f(a, x: x + 1)",
    "{ name: \"zlib\", version = \"1\" }",
    "{ a = { b: 1; c: 2; }; }",
    "r?.a",
    "x => { return x; }",
    "match m { Some(x) => { return x }, None => 0 }",
    "{ f = x: x; g = 1; }",
    "{ a = 1; b = [1 2]; }",
    "sha256-abc",
    "m[\"a\"] ?? 1",
    "!a ?? b",
    "1 + a ?? b",
    "\\(x, y) -> x",
    "f(\\x -> x, 1)",
    "let f = x: x; in f 1",
    "let a = [1; 2]; in a",
    "xs[i][j]",
    "do { 1 }",
    "a && not b",
    "if a and b then 1 else 2",
    "[x, y: y]",
    "f(fn(x) { x + 1 }, 2)",
];

const ITEMS: &[&str] = &[
    "let a: List[Int] = []",
    "fn f(xs: List[Int]) -> Map[List[Str]] = xs",
    "type A = { xs: List[Int] }",
    "const a = 1",
    "var a = 1;",
    "def f(x):\n  return x",
    "function f(x) { return x }",
    "def f(x) = x",
    "fn f(x: Int) -> Int { x }",
    "fn f(x: Int) -> Int { return x; }",
    "fn f(x: Int) { let a = 1; a }",
    "-- a comment\nlet a = 1",
    "/* a\n * b\n */\nlet a = 1",
    "/** a */\nlet a = 1",
    "# a\nlet a = 1",
    "#!/usr/bin/env cbuild\nlet a = 1",
    "let inherit (x) a;",
    "let inherit (x) a; in a",
    "let a = 1; b = 2; in a",
    "let a = 1;\nlet b = 2;",
    "type A = { name = Str, b = Int }",
    "fn f(x: Int) -> Int =\n  if x == 1 {\n    2\n  } else {\n    3\n  }",
    "fn f<r>(c: { name: Str, ..r }) -> Str = c.name",
    "let a = xs[0]\nlet b = ys[0]",
    "{ pkgs, lib }: pkgs",
    "class A:\n  pass",
    "use std::list",
    "from std import list",
    "#include <a>",
    "export let a = 1",
    "let mut a = 1",
    "let a := 1",
    "a = 1",
];

/// What may stand around an expression.
const FRAMES: [&str; 8] = [
    "import std\nlet a = X\nlet z = [let q = 1 in q]\n",
    "import std\nlet a = f(X, 1)\nlet z = { k = [1], l = (2) }\n",
    "import std\nlet a = f([1], X)\n",
    "import std\nlet a = { k = X, l = [1] }\nlet b = 2\n",
    "import std\nlet a = [[1], X, 2]\n",
    "import std\nlet a = let p = \"[\" q = X in q\n",
    "import std\nfn f(x: Int) -> Int =\n  // a { comment\n  X\n\ntest \"in\" { true }\n",
    "import std\nlet a = (X)\n",
];

/// Each form gives one error, whose change leaves nothing wrong, wherever it stands.
#[test]
fn changes_mend() {
    let mut failures = String::new();
    for (wrong, right) in SURE {
        for frame in FRAMES {
            let (wrong, right) = (frame.replace('X', wrong), frame.replace('X', right));
            let found = errors(&wrong);
            let got = found.first().map(|error| mended(&wrong, error)).unwrap_or_default();
            if found.len() != 1 || got != right || !errors(&right).is_empty() {
                failures += &format!(
                    "{wrong}{found:?}
{got}-- {:?}

",
                    errors(&right)
                );
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// No change brings an error about: what is wrong afterwards was wrong before, or stands behind it.
#[test]
fn changes_break_nothing() {
    let expressions = UNSURE.iter().chain(SURE.iter().map(|(wrong, _)| wrong));
    let framed = expressions
        .flat_map(|wrong| FRAMES.map(|frame| frame.replace('X', wrong)))
        .chain(ITEMS.iter().map(|item| format!("import std\n{item}\n")));
    let mut failures = String::new();
    for wrong in framed {
        let before = errors(&wrong);
        for error in before.iter().filter(|error| !error.edits.is_empty()) {
            let mended = mended(&wrong, error);
            let last = error.edits.iter().map(|edit| edit.span.end).max().unwrap_or_default();
            let behind = (wrong.len() - last as usize, mended.len());
            let first = error.edits.iter().map(|edit| edit.span.start).min().unwrap_or_default();
            for new in errors(&mended) {
                let at = new.labels[0].span.start as usize;
                let same = |old: &Diagnostic| old.code == new.code && old.message == new.message;
                let fine = at + behind.0 >= behind.1
                    || before.iter().any(|old| !std::ptr::eq(old, error) && same(old))
                    || at < first as usize && before.iter().any(same);
                if !fine {
                    failures += &format!("{wrong}-- {error:?}\n-- {mended}-- {new:?}\n\n");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The forms are known in the holes of texts, too.
#[test]
fn holes_are_mended() {
    for (wrong, right) in [
        ("c ? 1 : 2", "if c then 1 else 2"),
        ("r.b or 2", "std.option.or_else(r.b, 2)"),
        ("xs[0]", "std.list.at(xs, 0)"),
        ("not c", "!c"),
        ("x: x", "x => x"),
        ("n === 1", "n == 1"),
        ("n <> 1", "n != 1"),
        ("[x * 2 for x in xs]", "std.list.map(xs, x => x * 2)"),
    ] {
        let frames = [
            "\"a #{X} b\"",
            "\"#{X}\"",
            "\"\"\"\n  #{X}\n\"\"\"",
            "sh\"a #{X}\"",
            "\"#{\"#{X}\"}\"",
        ];
        for frame in frames {
            let framed = |text: &str| format!("import std\nlet a = {}\n", frame.replace('X', text));
            let wrong = framed(wrong);
            assert_eq!(errors(&wrong).len(), 1, "{wrong}");
            assert_eq!(first_change(&wrong), framed(right));
        }
    }
}

/// Comments of a text, by a plain look at its lines.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find("// c").map(|at| line[at..].trim_end())).collect()
}

/// No change loses a comment, or lets one take in more, wherever it stands in a form.
#[test]
fn changes_keep_comments() {
    let expressions = SURE.iter().map(|(wrong, _)| *wrong).chain(UNSURE.iter().copied());
    let items = ITEMS.iter().map(|item| format!("import std\n{item}\n"));
    let wrong = expressions.map(|wrong| format!("import std\nlet a = {wrong}\n")).chain(items);
    let (mut failures, mut kept) = (String::new(), 0);
    for wrong in wrong {
        // A comment in front of the form belongs to something else.
        let from = wrong.find(" = ").map_or(0, |at| at + 3);
        for (at, _) in wrong.match_indices([' ', '[', '{', ';']).filter(|(at, _)| *at >= from) {
            let commented = format!("{} // c\n{}", &wrong[..=at], &wrong[at + 1..]);
            for error in errors(&commented).iter().filter(|error| !error.edits.is_empty()) {
                let mended = mended(&commented, error);
                kept += 1;
                let told = ["a comment ", "an address "];
                let exempt = told.iter().any(|told| error.message.starts_with(told));
                if !exempt && comments(&mended) != comments(&commented) {
                    failures += &format!("{commented}-- {mended}\n");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(kept > 100, "{kept}");
}

/// The errors of a text, and the text after the change of the first one.
fn first_change(text: &str) -> String {
    let found = errors(text);
    found.first().map(|error| mended(text, error)).unwrap_or_default()
}

#[test]
fn items_are_mended() {
    for (wrong, right) in [
        ("let a = 1;\n", "let a = 1\n"),
        ("let a := 1\n", "let a = 1\n"),
        ("const a = 1\n", "let a = 1\n"),
        ("def f(x) = x\n", "fn f(x) = x\n"),
        ("let a: Map[List[Int]] = b\n", "let a: Map<List<Int>> = b\n"),
        ("type A = { name = Str }\n", "type A = { name: Str }\n"),
        ("let a: Int[] = []\n", "let a: List<Int> = []\n"),
        (
            "import std\nfn f(s: Str) -> Option<Str> = s[0]\n",
            "import std\nfn f(s: Str) -> Option<Str> = std.list.at(std.text.chars(s), 0)\n",
        ),
        ("fn f(x: Int) -> Int { x }\n", "fn f(x: Int) -> Int = x\n"),
        ("fn f(x: Int) -> Int { return x; }\n", "fn f(x: Int) -> Int = x\n"),
        ("# a\nlet a = 1\n", "// a\nlet a = 1\n"),
        ("-- a\nlet a = 1\n", "// a\nlet a = 1\n"),
        ("let a = 1 -- b c\n", "let a = 1 // b c\n"),
        ("let a = 1 /* b */\n", "let a = 1 // b\n"),
        ("/**\n * a\n */\nlet a = 1\n", "//\n// a\nlet a = 1\n"),
        ("let a = 0x1f\n", "let a = 31\n"),
        (
            "let a = if b {\n  // c\n  1 // d\n} else {\n  2\n}\n",
            "let a = if b then\n  // c\n  1 // d\n else 2\n",
        ),
    ] {
        assert_eq!(first_change(wrong), right);
        assert!(errors(right).is_empty(), "{right}");
    }
}

/// A change that calls the standard library imports it, by the name that it has.
#[test]
fn the_library_is_imported() {
    for (wrong, right) in [
        ("let a = xs[0]\n", "import std\nlet a = std.list.at(xs, 0)\n"),
        ("import std as s\nlet a = xs[0]\n", "import std as s\nlet a = s.list.at(xs, 0)\n"),
        (
            "pub import std // c\nlet a = r.b or 2\n",
            "pub import std // c\nlet a = std.option.or_else(r.b, 2)\n",
        ),
        (
            "//! Top.\n\nlet b = 1\nimport ./a.cbuild\nlet a = xs[0]\n",
            "//! Top.\n\nlet b = 1\nimport std\nimport ./a.cbuild\nlet a = std.list.at(xs, 0)\n",
        ),
        // A comment belongs to the first item, or the name is taken.
        ("/// Doc.\nlet a = xs[0]\n", "/// Doc.\nlet a = xs[0]\n"),
        (
            "import ./my.cbuild as std\nlet a = xs[0]\n",
            "import ./my.cbuild as std\nlet a = xs[0]\n",
        ),
        ("let std = 1\nlet a = xs[0]\n", "let std = 1\nlet a = xs[0]\n"),
    ] {
        assert_eq!(first_change(wrong), right);
    }
}

/// Where it is not certain what is meant, the message stands alone.
#[test]
fn nothing_is_changed_when_unsure() {
    for (wrong, message) in [
        ("[x + y for x in xs for y in ys]", "a list is made of another one with functions"),
        ("[x if y else z for x in xs]", "a list is made of another one with functions"),
        ("{ a, b ? 2 }: a + b", "the parameters of a function stand in parentheses"),
        ("args@{ a, ... }: a", "the parameters of a function stand in parentheses"),
        ("'it''s'", "texts stand in double quotes"),
        ("f\"{x:>10}\"", "a text has no prefix `f`"),
        ("f\"{d['a']}\"", "a text has no prefix `f`"),
        ("f\"{d[\"a\"]}\"", "a text has no prefix `f`"),
        ("fr\"{n}\\d\"", "a text has no prefix `fr`"),
        ("{ a = 1, ...r }", "a record is changed with `with`"),
        ("r.a or r.b", "a default for an absent value is not given with `or`"),
        ("1 + a ?? b", "a default for an absent value is not given with `??`"),
        ("xs[1:]", "a part of a list is not taken with brackets"),
        ("r[\"a\"]", "a field is not taken with brackets"),
        ("fn(x: Int) -> Int { x }", "a function without a name is written with `=>`, without `fn`"),
        ("|x: Int| x", "the parameters of a function stand in parentheses, not in `|…|`"),
        ("if c { let x = 1; x } else { 2 }", "the branches of an `if` have no braces"),
        ("c ? d ? 1 : 2 : 3", "a condition is written `if … then … else …`"),
        ("r ? a", "`?` does not ask whether there is a field"),
        ("x not in xs", "whether a list has an item is asked with a function"),
        ("sha256:abc", "a hash is written with `-` behind its kind"),
        ("with std; list", "`with` does not bring names into scope"),
        ("case x of\n  Just y -> y", "a value is told apart with `match`, not with `case`"),
        ("1 /* b */ + 2", "a comment goes from `//` to the end of its line"),
    ] {
        let found = errors(&format!("import std\nlet a = {wrong}\n"));
        let shown: Vec<&str> = found.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(shown, [message], "{wrong}");
        assert!(found[0].edits.is_empty(), "{wrong}: {:?}", found[0].edits);
    }
}

/// Very many errors, in one item or in many. Where each looks at the whole text, this takes minutes.
#[test]
fn many_errors_are_all_read() {
    let items: String = (0..5_000).map(|n| format!("let a{n} = x or [y for y in z]\n")).collect();
    assert!(errors(&items).len() >= 5_000);
    let list = format!("let a = [\n{}]\n", "  { a = 1; b = x or y },\n".repeat(5_000));
    assert!(errors(&list).len() >= 5_000);
}
