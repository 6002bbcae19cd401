//! What expressions, texts and documentation are lowered to.

use cbuild_diag::SourceId;
use cbuild_syntax::ast::{Expr, ExprKind, ImportSource, ItemKind, TextPart, TypeBody, TypeKind};
use cbuild_syntax::{parse, parse_expr};

fn lowered(text: &str) -> Expr {
    let (expr, diagnostics) = parse_expr(SourceId(0), text);
    let errors: Vec<_> = diagnostics.iter().filter(|found| found.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?} in {text}");
    expr
}

/// An expression with all its parentheses.
fn shown(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Name(name) => name.text.clone(),
        ExprKind::Path(path) => path.clone(),
        ExprKind::Field(of, name) => format!("{}.{}", shown(of), name.text),
        ExprKind::Call { callee, args } => {
            let args: Vec<String> = args
                .iter()
                .map(|arg| match &arg.name {
                    Some(name) => format!("{}={}", name.text, shown(&arg.value)),
                    None => shown(&arg.value),
                })
                .collect();
            format!("{}({})", shown(callee), args.join(", "))
        }
        ExprKind::Binary(op, left, right) => format!("({} {op:?} {})", shown(left), shown(right)),
        ExprKind::Unary(op, of) => format!("({op:?} {})", shown(of)),
        ExprKind::With(of, fields) => format!("({} with {})", shown(of), fields.len()),
        ExprKind::Record(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name.text.as_str()).collect();
            format!("{{{}}}", names.join(" "))
        }
        ExprKind::Lambda { params, body } => format!("(\\{} {})", params.len(), shown(body)),
        ExprKind::If(c, a, b) => format!("(if {} {} {})", shown(c), shown(a), shown(b)),
        ExprKind::Let { bindings, body } => format!("(let {} {})", bindings.len(), shown(body)),
        ExprKind::Match { scrutinee, arms } => {
            format!("(match {} {})", shown(scrutinee), arms.len())
        }
        ExprKind::Text(parts) | ExprKind::Script(parts) => parts
            .iter()
            .map(|part| match part {
                TextPart::Text(text) => text.clone(),
                TextPart::Hole(hole) => format!("<{}>", shown(hole)),
            })
            .collect(),
        other => format!("{other:?}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(&lowered(text)), *expected, "in {text}");
    }
}

#[test]
fn operators_bind_in_order() {
    check(&[
        ("a + b * c", "(a Add (b Mul c))"),
        ("a - b - c", "((a Sub b) Sub c)"),
        ("a ++ b + c", "(a Concat (b Add c))"),
        ("a ++ b == c && d || e", "((((a Concat b) Eq c) And d) Or e)"),
        ("!a == b", "((Not a) Eq b)"),
        ("-a.b + 1", "((Neg a.b) Add 1)"),
        ("-1", "-1"),
        ("- 1 + 2", "(-1 Add 2)"),
        ("--1", "(Neg -1)"),
        ("(a < b) == c", "((a Lt b) Eq c)"),
        ("a |> f with { x = 1 }", "(f(a) with 1)"),
        ("a + b with { x } with { y }", "(((a Add b) with 1) with 1)"),
        ("a || b |> f", "f((a Or b))"),
    ]);
}

#[test]
fn a_pipe_gives_the_first_argument() {
    check(&[
        ("a |> f", "f(a)"),
        ("a |> m.f(b, c = d)", "m.f(a, b, c=d)"),
        ("a |> f |> g(1)", "g(f(a), 1)"),
        ("a |> f { x = 1 }", "f(a, {x})"),
        ("a |> (f(b))", "f(b)(a)"),
        ("a |> (x => x)", "(\\1 x)(a)"),
    ]);
}

#[test]
fn heads_take_all_that_follows() {
    check(&[
        ("x => y => x + y", "(\\1 (\\1 (x Add y)))"),
        ("if a then b else c ++ d", "(if a b (c Concat d))"),
        ("if a then b else if c then d else e", "(if a b (if c d e))"),
        ("let a = 1 b = 2 in a |> f", "(let 2 f(a))"),
        ("() => 1", "(\\0 1)"),
        ("match f { a => 1 }", "(match f 1)"),
        ("match f(x) { a => 1, b => 2 } ++ c", "((match f(x) 2) Concat c)"),
        ("f { a = 1 }.b", "f({a}).b"),
        ("{ a, \"b/c\" = 1, PATH = 2 }", "{a b/c PATH}"),
        ("./a/../b", "./b"),
    ]);
}

#[test]
fn texts_are_stripped() {
    check(&[
        (r#""a\tb\u{41}\#{c}#{d}#e""#, "a\tbA#{c}<d>#e"),
        ("\"\"\"\n    a\n      b\n    \"\"\"", "a\n  b\n"),
        ("\"\"\"\n    a\n    b\"\"\"", "a\nb"),
        ("\"\"\"\n    a\n  \"\"\"", "  a\n"),
        ("\"\"\"\n  a\n\n \n  b\n  \"\"\"", "a\n\n\nb\n"),
        ("\"\"\"a\n    b\n    c\n    \"\"\"", "a\nb\nc\n"),
        ("\"\"\"a\"\"\"", "a"),
        ("\"\"\"\n\"\"\"", ""),
        ("\"\"\"\n  #{a}\n    #{b}\n  \"\"\"", "<a>\n  <b>\n"),
        ("\"\"\"\n  a\\n  b\n  \"\"\"", "a\n  b\n"),
        ("\"\"\"\n  \\tx\n    y\n  \"\"\"", "\tx\n  y\n"),
        ("\"\"\"\n\ta\n\t b\n\t\"\"\"", "a\n b\n"),
        ("\"\"\"\r\n  a\r\n  b\r\n  \"\"\"", "a\nb\n"),
        ("\"\"\"\n  say \"a\" \"\"\"", "say \"a\" "),
        ("\"\"\"\n  \"a\"\"\"\"", "\"a\""),
        ("sh\"\"\"\n  a \\\n    \\n \\#{b} $c\n  \"\"\"", "a \\\n  \\n #{b} $c\n"),
        ("sh\"a\\b\"", "a\\b"),
    ]);
}

#[test]
fn documentation_belongs_to_the_next_thing() {
    let text = "//! The file.\n//!\n//! More.\n\n/// Not this.\n\n// nor this\n/// One.\n///  Two.\n\
                let a = 1 /// no\nlet b = \"\"\"\n/// x\"\"\"\nlet c = 1\n\n//// no\ntype T =\n  /// First.\n  \
                | A\n  /// Second.\n  | B(Int)\n";
    let file = parse(SourceId(0), text).file;
    assert_eq!(file.doc, "The file.\n\nMore.");
    let docs: Vec<&str> = file.items.iter().map(|item| item.doc.as_str()).collect();
    assert_eq!(docs, ["One.\n Two.", "", "", ""]);
    let ItemKind::Type(item) = &file.items[3].kind else { panic!("a type is expected") };
    let TypeBody::Variants(cases) = &item.body else { panic!("variants are expected") };
    let docs: Vec<&str> = cases.iter().map(|case| case.doc.as_str()).collect();
    assert_eq!(docs, ["First.", "Second."]);
}

#[test]
fn imports_have_a_name() {
    let text =
        "import std\nimport a.b\nimport a.b as c\nimport ./x/y.cbuild\nimport ../z.cbuild as w\n";
    let file = parse(SourceId(0), text).file;
    let names: Vec<String> = file
        .items
        .iter()
        .map(|item| match &item.kind {
            ItemKind::Import(import) => {
                let source = match &import.source {
                    ImportSource::Module(path) => path.len().to_string(),
                    ImportSource::File { path, .. } => path.clone(),
                };
                format!("{source} {}", import.name.text)
            }
            _ => String::new(),
        })
        .collect();
    assert_eq!(names, ["1 std", "2 b", "2 c", "./x/y.cbuild y", "../z.cbuild w"]);
}

#[test]
fn function_types_join_to_the_right() {
    let file = parse(SourceId(0), "type F = (A, B) -> (C) -> (D)\n").file;
    let ItemKind::Type(item) = &file.items[0].kind else { panic!("a type is expected") };
    let TypeBody::Alias(ty) = &item.body else { panic!("an alias is expected") };
    let TypeKind::Function(params, result) = &ty.kind else { panic!("a function is expected") };
    assert_eq!(params.len(), 2);
    let TypeKind::Function(params, result) = &result.kind else { panic!("a function is expected") };
    assert_eq!(params.len(), 1);
    assert!(matches!(&result.kind, TypeKind::Named { .. }));
}

#[test]
fn spans_are_exact() {
    let text = "  f( a ) // end\n";
    let expr = lowered(text);
    assert_eq!(&text[expr.span.start as usize..expr.span.end as usize], "f( a )");
    let text = "let a = 1 // x\n\n/// y\nlet b = a\n";
    let file = parse(SourceId(0), text).file;
    let span = file.items[0].span;
    assert_eq!(&text[span.start as usize..span.end as usize], "let a = 1");
}
