//! What programs are lowered to, lone expressions, and how large a program may be.

use cbuild_diag::Sources;
use cbuild_sema::ir::{Arg, Export, Expr, GlobalBody, TextPart};
use cbuild_sema::{Checked, ModuleKey, check, check_expr};

use crate::files::{REAL_STD, SMALL_STD, check_source, files, render};

/// The lowered value of a global by its readable name.
fn body<'c>(checked: &'c Checked, name: &str) -> &'c Expr {
    let global = checked.program.globals.iter().find(|g| g.name == name).expect("it is there");
    match &global.body {
        GlobalBody::Expr(expr) => expr,
        GlobalBody::Extern { .. } => panic!("{name} is extern"),
    }
}

fn must_check(source: &str) -> Checked {
    let (sources, checked) = check_source(source);
    assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
    checked
}

/// A lowered expression in a short notation, with names instead of numbers.
fn show(checked: &Checked, expr: &Expr) -> String {
    let symbol = |s: &cbuild_sema::ir::Symbol| checked.program.symbols[s.0 as usize].to_string();
    let all = |items: &[Expr]| {
        items.iter().map(|item| show(checked, item)).collect::<Vec<_>>().join(", ")
    };
    let fields = |items: &[(cbuild_sema::ir::Symbol, Expr)]| {
        let shown =
            items.iter().map(|(name, e)| format!("{} = {}", symbol(name), show(checked, e)));
        shown.collect::<Vec<_>>().join(", ")
    };
    match expr {
        Expr::Int(value) => value.to_string(),
        Expr::Str(text) => format!("{text:?}"),
        Expr::Local(local) => format!("${}", local.0),
        Expr::Global(id) => checked.program.globals[id.0 as usize].name.clone(),
        Expr::List(items) => format!("[{}]", all(items)),
        Expr::Construct(name, payload) if payload.is_empty() => symbol(name),
        Expr::Construct(name, payload) => format!("{}({})", symbol(name), all(payload)),
        Expr::Record(items) => format!("{{{}}}", fields(items)),
        Expr::With(base, items) => format!("{} with {{{}}}", show(checked, base), fields(items)),
        Expr::Map(items) => {
            let shown = items.iter().map(|(key, e)| format!("{key:?}: {}", show(checked, e)));
            format!("map({})", shown.collect::<Vec<_>>().join(", "))
        }
        Expr::Call(callee, args, _) => {
            let args = args.iter().map(|arg| match arg {
                Arg::Value(value) => show(checked, value),
                Arg::Default => "default".to_owned(),
            });
            format!("{}({})", show(checked, callee), args.collect::<Vec<_>>().join(", "))
        }
        Expr::Lambda(params, body) => {
            let params: Vec<String> = params.iter().map(|p| format!("${}", p.local.0)).collect();
            format!("({}) => {}", params.join(", "), show(checked, body))
        }
        Expr::Watch(inner, ..) => show(checked, inner),
        other => format!("{other:?}"),
    }
}

fn lowers_to(source: &str, expected: &str) {
    let checked = must_check(source);
    assert_eq!(show(&checked, body(&checked, "x")), expected);
}

#[test]
fn records_are_completed_and_sorted() {
    let types = "type R = { b?: Int, a: Int = 7, c: Str, d?: Str }\n";
    lowers_to(
        &format!("{types}pub let x: R = {{ c = \"\", b = 1 }}"),
        "{a = default of `a`, b = Some(1), c = \"\", d = None}",
    );
    lowers_to(
        &format!("{types}pub let x: R = {{ c = \"\", b = None, d = Some(\"y\"), a = 2 }}"),
        "{a = 2, b = None, c = \"\", d = Some(\"y\")}",
    );
    lowers_to("let x = { z = 1, a = 2 }", "{a = 2, z = 1}");
}

#[test]
fn maps_are_made_from_records_and_sorted() {
    lowers_to("pub let x: Map<Int> = { b = 1, \"a b\" = 2 }", "map(\"a b\": 2, \"b\": 1)");
    lowers_to("pub let x: { m: Map<Int> } = { m = {} }", "{m = map()}");
}

#[test]
fn arguments_are_positional_and_defaults_explicit() {
    let item = "fn f(a: Int, b: Int = 2, c: Int = 3) -> Int = a\n";
    lowers_to(&format!("{item}let x = f(c = 9, a = 1)"), "f(1, default, 9)");
    lowers_to(&format!("{item}let x = 1 |> f(5)"), "f(1, 5, default)");
}

#[test]
fn constructors_are_applied_or_wrapped() {
    lowers_to("let x = Some(1)", "Some(1)");
    lowers_to("pub let x: (Int) -> Option<Int> = Some", "($0) => Some($0)");
}

#[test]
fn plain_text_has_no_parts_and_holes_do() {
    lowers_to("let x = \"plain\"", "\"plain\"");
    let checked = must_check("let x = \"a#{1}b\"");
    let Expr::Interpolate(parts, _) = body(&checked, "x") else { panic!("holes are kept") };
    assert!(matches!(parts.as_slice(), [TextPart::Text(_), TextPart::Hole(_), TextPart::Text(_)]));
}

#[test]
fn locals_are_numbered_within_their_global() {
    let checked = must_check("fn f(a: Int, b: Int) -> Int = let c = a in (d => d + b + c)(1)");
    let global = checked.program.globals.iter().find(|g| g.name == "f").expect("there");
    assert_eq!(global.locals, 4);
}

#[test]
fn extern_functions_are_known_by_stem_and_name() {
    let checked = must_check("import std");
    let map = checked.program.globals.iter().find(|g| g.name == "std.list.map").expect("there");
    assert!(matches!(&map.body, GlobalBody::Extern { name, arity: 2 } if name == "list.map"));
}

#[test]
fn a_module_exports_what_is_public_with_its_type() {
    let checked = must_check(
        "pub import std as library\ntype R = { a: Int }\npub fn f<t>(x: t, r: R) -> List<t> = [x]
let hidden = 1\ntest \"one\" { true }",
    );
    let module = &checked.program.modules[checked.entry.0 as usize];
    let names: Vec<&str> = module.exports.keys().map(String::as_str).collect();
    assert_eq!(names, ["f", "library"]);
    assert!(matches!(&module.exports["f"], Export::Value { ty, .. } if ty == "(t, R) -> List<t>"));
    assert!(matches!(module.exports["library"], Export::Module(_)));
    assert_eq!(module.tests.len(), 1);
    assert_eq!(checked.keys[&module.source], ModuleKey::root("main.cbuild"));
}

#[test]
fn a_lone_expression_sees_its_scope_and_std() {
    let mut sources = Sources::default();
    let mut files = files("let hidden = 41", SMALL_STD);
    let key = ModuleKey::root("main.cbuild");
    let text = "[hidden + 1, std.list.length([1])]";
    let found = check_expr(&mut sources, &mut files, Some(&key), text);
    assert!(
        found.checked.diagnostics.is_empty(),
        "{}",
        render(&sources, &found.checked.diagnostics)
    );
    assert_eq!(found.ty, "List<Int>");
    let without = check_expr(&mut sources, &mut files, None, "hidden");
    assert_eq!(without.checked.diagnostics[0].code, "E0201");
    let polymorphic = check_expr(&mut sources, &mut files, None, "x => x");
    assert_eq!(polymorphic.ty, "(a) -> a");
}

#[test]
fn a_lone_expression_with_a_scope_that_is_missing_says_so() {
    let mut sources = Sources::default();
    let mut files = files("", SMALL_STD);
    let key = ModuleKey::root("nothing.cbuild");
    let found = check_expr(&mut sources, &mut files, Some(&key), "1");
    assert_eq!(found.checked.diagnostics[0].code, "E0205");
}

#[test]
fn checking_is_deterministic() {
    let source =
        "import std\npub let x: Script = sh\"#{std.list.map([1], n => n + 1)}\"\nlet y = zzz";
    let shown = || {
        let (sources, checked) = check_source(source);
        format!("{:?}{}", checked.program, render(&sources, &checked.diagnostics))
    };
    assert_eq!(shown(), shown());
}

#[test]
fn long_chains_of_operators_are_checked() {
    for (operand, operator, ty) in [
        ("1", "+", "Int"),
        ("\"a\"", "++", "Str"),
        ("true", "&&", "Bool"),
        ("[1]", "++", "List<Int>"),
    ] {
        let chain = vec![operand; 2_000].join(&format!(" {operator} "));
        must_check(&format!("pub let x: {ty} = {chain}"));
    }
}

#[test]
fn types_that_grow_exponentially_are_refused_or_checked_but_never_hang() {
    let mut source = "let x0 = { a = 1, b = 2 }\n".to_owned();
    for index in 1..60 {
        let before = index - 1;
        source.push_str(&format!("let x{index} = {{ a = x{before}, b = x{before} }}\n"));
    }
    let (_, checked) = check_source(&source);
    assert!(checked.diagnostics.is_empty());
    let (_, checked) = check_source(&format!("{source}pub let y: Int = x59"));
    assert_eq!(checked.diagnostics[0].code, "E0301");
    let mut aliases = "type T0<a> = { x: a, y: List<a> }\n".to_owned();
    for index in 1..40 {
        let before = index - 1;
        aliases.push_str(&format!("type T{index}<a> = T{before}<T{before}<a>>\n"));
    }
    let (_, checked) = check_source(&aliases);
    assert!(checked.diagnostics.iter().all(|d| d.code == "E0309"));
}

#[test]
fn two_thousand_lines_check_quickly() {
    let mut source = "import std\ntype R = { name: Str, size: Int = 1, tag?: Str }\n".to_owned();
    for index in 0..1_000 {
        source.push_str(&format!(
            "fn f{index}(r: R, xs: List<Int>) -> R =
  if std.list.length(xs) > {index} then r with {{ size = {index} }} else {{ name = \"n#{{r.size}}\" }}\n"
        ));
    }
    let mut sources = Sources::default();
    let mut files = files(&source, REAL_STD);
    let start = std::time::Instant::now();
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    let taken = start.elapsed();
    assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
    // Generous, because it is an unoptimised build on a busy machine; a quadratic check takes longer.
    assert!(taken.as_secs() < 10, "{taken:?}");
}
