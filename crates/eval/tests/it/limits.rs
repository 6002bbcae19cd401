//! Depth, size and time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cbuild_eval::{Limits, MemoryLimit};

use crate::support::{check_items, fault, with_value};

const STD: &str = "import std";

#[test]
fn long_folds_and_loops_need_no_depth() {
    let sum = "std.list.fold(std.list.range(0, 1000000), 0, (sum, x) => sum + x)";
    check_items(STD, sum, "499999500000");
    let items = "fn go(n: Int, sum: Int) -> Int = if n == 0 then sum else go(n - 1, sum + n)";
    check_items(items, "go(300000, 0)", "45000150000");
    let lazily = "fn go(n: Int, unused: Int) -> Int = if n == 0 then 1 else go(n - 1, unused / n)";
    check_items(lazily, "go(10000, 5)", "1");
}

#[test]
fn deep_values_are_made_and_dropped() {
    let items = "import std\ntype Nest = End | Nest(Nest)";
    let deep = "match std.list.fold(std.list.range(0, 300000), End, (n, _) => Nest(n)) \
                { End => 0, Nest(_) => 1 }";
    check_items(items, deep, "1");
}

/// What is no nesting to a reader needs neither depth nor stack.
#[test]
fn long_chains_are_evaluated() {
    let items = "fn next(n: Int) -> Int = n + 1\nfn same(n) = n\nlet r = { a = 1 }";
    let many = |part: &str| part.repeat(10_000);
    for (chain, value) in [
        (format!("{}1", many("1 + ")), "10001"),
        (format!("{}true", many("true && ")), "true"),
        (format!("{}false", many("false || ")), "false"),
        (format!("{}true", many("1 < 2 && ")), "true"),
        (format!("({}1)", many("if r.a == 2 then 0 else ")), "1"),
        (format!("1{}", many(" |> next")), "10001"),
        (format!("1{}", many(" |> same")), "1"),
        (format!("(r{}).a", many(" with { a = r.a + 1 }")), "2"),
        (format!("{}true", many("!")), "true"),
        (format!("({}\"\" == \"\")", many("\"\" ++ ")), "true"),
        (format!("(\"{}\" == \"\")", many("#{r.a}")), "false"),
    ] {
        check_items(items, &chain, value);
    }
}

#[test]
fn a_large_map_is_built_step_by_step() {
    let count = "std.list.length(std.map.keys(std.list.fold(std.list.range(0, 20000), {}, \
                 (m: Map<Int>, x) => std.map.set(m, \"k#{x}\", x))))";
    check_items(STD, count, "20000");
}

#[test]
fn endless_recursion_is_stopped() {
    let error = fault("fn f(n: Int) -> Int = 1 + f(n + 1)", "f(0)");
    insta::assert_snapshot!(error);
    let lazy = fault("let xs = { next = { value = xs.next.value + 1 } }", "xs.next.value");
    assert!(lazy.starts_with("E0401"), "{lazy}");
}

#[test]
fn deep_values_are_not_printed() {
    let items = "import std\ntype Nest = End | Nest(Nest)";
    let error = fault(items, "std.list.fold(std.list.range(0, 100000), End, (n, _) => Nest(n))");
    assert!(error.starts_with("E0406"), "{error}");
    let items = "type Loop = | Again(List<Loop>)\nlet r: Loop = Again([r])";
    let endless = fault(items, "r");
    assert!(endless.starts_with("E0406"), "{endless}");
}

#[test]
fn deep_values_are_compared_within_the_depth() {
    let items = "import std\ntype Nest = End | Nest(Nest)\n\
        fn nest(depth: Int) -> Nest = std.list.fold(std.list.range(0, depth), End, (n, _) => Nest(n))";
    check_items(items, "nest(10000) == nest(10000)", "true");
    let error = fault(items, "nest(100000) == nest(100000)");
    assert!(error.starts_with("E0402"), "{error}");
}

#[test]
fn texts_and_lists_cannot_grow_without_bound() {
    let items = "import std\nfn grow(n: Int, t: Str) -> Str = if n == 0 then t else grow(n - 1, t ++ t)\n\
        fn more(n: Int, t: List<Int>) -> List<Int> = if n == 0 then t else more(n - 1, t ++ t)";
    let limits = || Limits { items: 1 << 10, text: 1 << 10, ..Limits::default() };
    for (expr, code) in [
        ("std.text.length(grow(10, \"x\"))", None),
        ("std.text.length(grow(11, \"x\"))", Some("E0406")),
        ("std.list.length(more(10, [1]))", None),
        ("std.list.length(more(11, [1]))", Some("E0406")),
        ("std.list.length(std.list.flatten([more(10, [1]), [1]]))", Some("E0406")),
        ("\"#{grow(10, \"x\")}#{grow(10, \"x\")}\" == \"\"", Some("E0406")),
        ("std.text.replace(grow(10, \"x\"), \"x\", \"xx\") == \"\"", Some("E0406")),
        ("std.text.join([grow(10, \"x\"), \"x\"], \"\") == \"\"", Some("E0406")),
        ("(sh\"#{grow(10, \"x\")}\" ++ sh\"y\") == sh\"\"", Some("E0406")),
    ] {
        let result = with_value(items, expr, limits(), |evaluator, value| evaluator.show(&value));
        let found = result.err();
        assert_eq!(found.as_ref().map(|error| &error[..5]), code, "{expr}: {found:?}");
    }
}

#[test]
fn an_endless_loop_can_be_cancelled() {
    let limits = Limits { cancel: Some(Arc::new(AtomicBool::new(true))), ..Limits::default() };
    let items = "fn go(n: Int) -> Int = go(n + 1)";
    let error = with_value(items, "go(0)", limits, |evaluator, value| evaluator.show(&value));
    assert!(error.unwrap_err().starts_with("E0407"));
}

#[test]
fn the_memory_is_looked_at_in_loops_and_before_large_values() {
    let allowed = |bytes| {
        let memory = Some(MemoryLimit { bytes, used: || 1 << 20 });
        Limits { memory, ..Limits::default() }
    };
    let items = "import std\nfn go(n: Int) -> Int = if n == 0 then 0 else go(n - 1)";
    let run =
        |expr, limits| with_value(items, expr, limits, |evaluator, value| evaluator.show(&value));
    assert_eq!(run("go(300000)", allowed(1 << 20)).unwrap(), "0");
    assert!(run("go(300000)", allowed((1 << 20) - 1)).unwrap_err().starts_with("E0417"));
    let large = "std.list.length(std.list.range(0, 200000))";
    assert_eq!(run(large, allowed(8 << 20)).unwrap(), "200000");
    assert!(run(large, allowed(2 << 20)).unwrap_err().starts_with("E0417"));
}

#[test]
fn an_evaluation_is_counted() {
    let items = "import std\nfn fib(n: Int) -> Int = if n < 2 then n else fib(n - 1) + fib(n - 2)\n\
        fn lazy(n: Int) -> List<Int> = [fib(n), fib(n + 1)]";
    let count = |expr| {
        let counted = |evaluator: &mut cbuild_eval::Evaluator<'_>, value: cbuild_eval::Value| {
            evaluator.show(&value).map(|_| evaluator.stats())
        };
        with_value(items, expr, Limits::default(), counted).unwrap()
    };
    let fib = count("fib(10)");
    assert_eq!((fib.calls, fib.suspended, fib.derivations), (177, 0, 0));
    let lazy = count("lazy(1)");
    assert_eq!((lazy.suspended, lazy.resumed), (2, 2));
    assert_eq!(count("std.list.range(0, 1000)").largest, 1000);
    assert_eq!(count("std.tree.text_file(\"motd\", sh\"hello\")").derivations, 1);
}

#[test]
fn appending_in_a_loop_copies_nothing() {
    let items = "import std\nfn go(n: Int, all: List<Int>) -> List<Int> = if n == 0 then all else go(n - 1, all ++ [n])\n\
        fn twice(n: Int, all: List<Int>) -> List<Int> = if n == 0 then all ++ all else twice(n - 1, all ++ [n])";
    for (expr, length, copied) in [
        (
            "std.list.length(std.list.fold(std.list.range(0, 3000), [], (all, n) => all ++ [n]))",
            "3000",
            0,
        ),
        ("std.list.length(go(3000, []))", "3000", 0),
        // The list that the caller holds stays as it is.
        (
            "let some = [1, 2] in std.list.length(go(10, some)) + std.list.length(go(20, some))",
            "34",
            4,
        ),
        ("std.list.length(twice(3, [0]))", "8", 10),
    ] {
        let counted = with_value(items, expr, Limits::default(), |evaluator, value| {
            evaluator.show(&value).map(|shown| (shown, evaluator.stats().copied))
        });
        assert_eq!(counted.unwrap(), (length.to_owned(), copied), "{expr}");
    }
}

#[test]
fn a_failed_value_can_be_asked_for_again() {
    let items = "import std\nlet deep: Int = std.list.fold(std.list.range(0, 3), 0, (n, _) => n + 1)\n\
                 let broken: Int = 1 / 0";
    let limits = Limits::default();
    let twice = with_value(items, "{ broken, deep }", limits, |evaluator, value| {
        let first = evaluator.field(&value, "broken").unwrap_err();
        let second = evaluator.field(&value, "broken").unwrap_err();
        assert_eq!(first.code, "E0404");
        assert_eq!(first.code, second.code);
        let deep = evaluator.field(&value, "deep")?;
        evaluator.show(&deep)
    });
    assert_eq!(twice.unwrap(), "3");
}

#[test]
fn long_and_nested_source_is_compiled_and_run() {
    let sum = vec!["1"; 200].join(" + ");
    check_items("", &sum, "200");
    let chain = (0..100).map(|n| format!("if {n} + 1 == 100 then {n} else ")).collect::<String>();
    check_items("", &format!("{chain}0"), "99");
    let lets = (1..400).map(|n| format!("x{n} = x{} + 1\n", n - 1)).collect::<String>();
    check_items("", &format!("let x0 = 0\n{lets} in x399"), "399");
    let nested = format!("{}1{}", "(".repeat(60), " + 1)".repeat(60));
    check_items("", &nested, "61");
}

#[test]
fn shared_data_is_compared_part_by_part() {
    let items = "import std\ntype T = L | N(T, T)\n\
        fn tree(last: T) -> T = std.list.fold(std.list.range(0, 60), last, (t, i) => N(t, t))\n\
        let a = tree(L)\nlet b = tree(L)\nlet c = tree(N(L, L))\n\
        fn lists(n: Int) -> List<List<List<Int>>> = std.list.repeat(std.list.repeat([1], n), n)\n\
        type R = | R({ x: Option<R>, y: List<R>, z: Map<R> })\n\
        let r = std.list.fold(std.list.range(0, 60), R({ x = None, y = [], z = {} }), \
        (r, i) => R({ x = Some(r), y = [r, r], z = { k = r } }))\n\
        let s = std.list.fold(std.list.range(0, 60), R({ x = None, y = [], z = {} }), \
        (r, i) => R({ x = Some(r), y = [r, r], z = { k = r } }))";
    check_items(
        items,
        "[a == a, a == b, b == c, a == N(a, b), N(a, b) == N(b, a)]",
        "[true, true, false, false, true]",
    );
    check_items(items, "[r == r, r == s, std.list.contains([s], r)]", "[true, true, true]");
    check_items(items, "std.list.length(std.list.unique([a, b, c, a]))", "2");
    check_items(items, "lists(300) == lists(300)", "true");
    // A value that holds itself is itself.
    let circle = "type Loop = | Again(List<Loop>)\nlet r: Loop = Again([r])";
    check_items(circle, "r == r", "true");
}

#[test]
fn printed_values_have_a_limit_in_bytes() {
    let items = "import std\ntype Nest = End | Nest(List<Nest>)\n\
        let large = std.text.repeat(\"x\", 10000)\n\
        fn texts(n: Int) -> List<Str> = std.list.repeat(large, n)\n\
        let wide = Nest(std.list.repeat(End, 5000))\n\
        let deep = std.list.fold(std.list.range(0, 200), wide, (n, i) => Nest([n]))";
    let printed = |expr: &str, json: bool| {
        let limits = Limits { printed: 1_000_000, ..Limits::default() };
        with_value(items, expr, limits, |evaluator, value| match json {
            true => evaluator.to_json(&value).map(|json| json.to_string()),
            false => evaluator.show(&value),
        })
    };
    // Names, keys and indentation count as well.
    for (expr, json) in [
        ("texts(101)", false),
        ("texts(101)", true),
        // What JSON escapes takes six bytes.
        ("std.list.repeat(std.text.repeat(\"\\u{1}\", 10000), 17)", true),
        ("std.script.raw(std.text.repeat(\"\\u{1}\", 170000))", true),
        ("{ a = texts(50), b = texts(51) }", true),
        ("std.script.raw(std.text.repeat(large, 101))", false),
        ("std.map.from_list([{ key = std.text.repeat(large, 101), value = 1 }])", true),
        ("deep", false),
    ] {
        let error = printed(expr, json).unwrap_err();
        assert!(error.starts_with("E0406") && error.contains("1000000 bytes"), "{error}");
    }
    assert_eq!(printed("texts(90)", false).unwrap().lines().count(), 92);
    assert!(printed("std.list.repeat(std.text.repeat(\"\\u{1}\", 10000), 16)", true).is_ok());
    assert_eq!(Limits::default().printed, 1 << 28);
}

#[test]
fn a_hundred_thousand_changes_need_neither_depth_nor_long() {
    let items = "import std\ntype Recipe = { name: Str, n: Int, flags: List<Str> }\n\
        let base: Overridable<Recipe> = overridable({ name = \"a\", n = 0, flags = [] }, \
        (r) => std.tree.text_file(r.name, sh\"#{r.n}\"))\n\
        fn times<a>(n: Int, from: a, step: (a, Int) -> a) -> a = std.list.fold(std.list.range(0, n), from, step)";
    let many = "times(100000, base, (p, i) => p |> override((r) => r with { n = r.n + 1 }))";
    check_items(items, &format!("({many}).recipe.n"), "100000");
    check_items(items, &format!("({many}).name"), "\"a\"");
    let record = "times(100000, { n = 0, m = 1 }, (r, i) => r with { n = r.n + 1 })";
    check_items(items, record, "{ m = 1, n = 100000 }");
    check_items(items, "std.list.length(times(100000, [], (l, i) => l ++ [i]))", "100000");
    let set = "members(times(100000, set((f) => { a = 1, b = 2 }), (s, i) => s |> extend((f, p) => { a = p.a + 1 })))";
    check_items(items, set, "{ a = 100001, b = 2 }");
    let nested = "times(100000, (x) => x, (f, i) => (x) => f(x) + 1)(0)";
    assert!(fault(items, nested).starts_with("E0402"));
    // A change that is not needed is not made, however many there are.
    let unneeded = "times(1000, base |> override((r) => abort(\"not needed\")), \
        (p, i) => if i == 900 then p |> override((r) => { name = \"b\", n = 1, flags = [] }) else p |> override((r) => r with { n = r.n + 1 }))";
    check_items(items, &format!("({unneeded}).recipe"), "{ flags = [], n = 100, name = \"b\" }");
    check_items(
        items,
        "let p = abort(\"not needed\") |> override((r) => r) in std.list.length([p])",
        "1",
    );
    let failing = "times(5000, base |> override((r) => abort(\"needed\")), (p, i) => p |> override((r) => r with { n = r.n + 1 }))";
    assert!(fault(items, &format!("({failing}).recipe.n")).starts_with("E0405"));
}

/// However a change makes its recipe, a hundred thousand of them need no depth.
#[test]
fn changes_of_every_form_need_no_depth() {
    let items = "import std\ntype Recipe = { name: Str, n: Int, even: Bool, flags: List<Str> }\n\
        let base: Overridable<Recipe> = overridable({ name = \"a\", n = 0, even = true, flags = [] }, \
        (r) => std.tree.text_file(r.name, sh\"#{r.n}\"))\n\
        fn times(n: Int, step: (Recipe) -> Recipe) -> Overridable<Recipe> = \
        std.list.fold(std.list.range(0, n), base, (p, i) => p |> override(step))";
    for step in [
        "r with { n = r.n + 1 }",
        "{ name = r.name, n = r.n + 1, even = !r.even, flags = r.flags }",
        "let m = r.n + 1 in r with { n = m }",
        "if r.even then r with { n = r.n + 1 } else r with { n = r.n + 1, even = false }",
        "match r.n { 0 => r with { n = 1 }, _ => r with { n = r.n + 1 } }",
    ] {
        check_items(items, &format!("times(100000, (r) => {step}).recipe.n"), "100000");
    }
    // What is suspended needs a level for each change.
    let flags =
        "std.list.length(times(N, (r) => r with { flags = r.flags ++ [\"x\"] }).recipe.flags)";
    check_items(items, &flags.replace('N', "10000"), "10000");
    assert!(fault(items, &flags.replace('N', "100000")).starts_with("E0402"));
}

/// What is copied counts as steps, so that a loop which copies more and more meets the limit.
#[test]
fn copies_count_as_steps() {
    let items = "import std\nfn times<a>(n: Int, from: a, step: (a, Int) -> a) -> a = std.list.fold(std.list.range(0, n), from, step)\n\
        let many = std.list.range(0, 20000)\nlet keys: Map<Int> = std.map.from_list(std.list.map(many, (n) => { key = \"k#{n}\", value = n }))\n\
        let text = std.text.join(std.list.map(many, (n) => \"line\"), \"\")";
    let limits = |steps| Limits { steps: Some(steps), ..Limits::default() };
    let steps = |expr, most| {
        with_value(items, expr, limits(most), |evaluator, value| evaluator.show(&value))
    };
    for expr in [
        "std.list.length(times(20000, [], (xs, n) => [n] ++ xs))",
        "std.list.length(times(2000, many, (xs, n) => std.list.reverse(xs)))",
        "std.list.length(times(2000, many, (xs, n) => std.list.slice(xs, 0, 99999)))",
        "std.list.length(times(2000, many, (xs, n) => std.list.map(xs, (x) => x)))",
        "times(2000, 0, (sum, n) => sum + std.list.length(std.map.keys(keys)))",
        "times(2000, 0, (sum, n) => sum + std.list.length(std.map.to_list(keys)))",
        "std.map.size(times(2000, keys, (all, n) => std.map.map_values(all, (x) => x)))",
        "std.text.length(times(20000, text, (all, n) => \"x\" ++ all))",
        "std.text.length(times(20000, text, (all, n) => std.text.upper(all)))",
    ] {
        let error = steps(expr, 1_000_000).unwrap_err();
        assert!(error.starts_with("E0407"), "{expr}: {error}");
    }
    assert_eq!(
        steps("std.list.length(times(1000, [], (xs, n) => [n] ++ xs))", 1_000_000).unwrap(),
        "1000"
    );
}

/// Many arms over literals are looked up and not compared one by one.
#[test]
fn matches_of_many_literals() {
    let arms = |arm: &dyn Fn(usize) -> String| (0..8000).map(arm).collect::<Vec<_>>().join(", ");
    let texts = arms(&|n| format!("\"k{n}\" => {n}"));
    let numbers = arms(&|n| format!("{} => \"{n}\"", n * 7));
    let items = format!(
        "import std\nfn text(s: Str) -> Int = match s {{ {texts}, other => std.text.length(other) }}\n\
        fn number(n: Int) -> Str = match n {{ {numbers}, m => \"#{{m}}\" }}"
    );
    check_items(
        &items,
        "[text(\"k0\"), text(\"k7999\"), text(\"k1\"), text(\"\")]",
        "[0, 7999, 1, 0]",
    );
    check_items(
        &items,
        "[number(0), number(55993), number(1), number(-7)]",
        "[\"0\", \"7999\", \"1\", \"-7\"]",
    );
    let all =
        "std.list.fold(std.list.range(0, 100000), 0, (sum, n) => sum + text(\"k#{n % 8000}\"))";
    check_items(&items, all, "391950000");
}
