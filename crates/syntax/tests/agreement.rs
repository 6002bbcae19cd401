//! The quick parser and the one made from the normative grammar agree on every text: on what is in
//! the language, on the tree, on the lowered syntax and on each diagnostic.
//!
//! Besides, builds with debug assertions compare the nodes that both find, so that the tests of
//! every crate of the workspace are tests of this too.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads the real sources and may panic"
)]

mod pieces;

use std::path::Path;

use cbuild_diag::SourceId;
use cbuild_syntax::{SyntaxNode, parse, parse_by_grammar};
use pieces::{floor, token};
use proptest::prelude::*;

const SKETCH: &str = include_str!("sources/sketch.cbuild");
const WIDE: &str = include_str!("sources/wide.cbuild");

/// Kinds and ranges of all nodes and tokens, in source order.
fn shape(tree: &SyntaxNode) -> Vec<String> {
    let elements = tree.descendants_with_tokens();
    elements.map(|element| format!("{:?} {:?}", element.kind(), element.text_range())).collect()
}

/// Checks that both parsers agree; whether the text is in the language as far as the grammar goes.
fn agree(text: &str) -> bool {
    let (quick, grammar) = (parse(SourceId(0), text), parse_by_grammar(SourceId(0), text));
    assert_eq!(shape(&quick.tree), shape(&grammar.tree), "the tree of\n{text}");
    assert_eq!(quick.diagnostics, grammar.diagnostics, "the diagnostics of\n{text}");
    assert_eq!(format!("{:?}", quick.file), format!("{:?}", grammar.file), "lowered from\n{text}");
    !quick.tree.descendants_with_tokens().any(|element| element.kind().is_error())
}

/// All sources below a folder, whether they are in the language or not.
fn agree_on_folder(folder: &Path) -> usize {
    let mut count = 0;
    let Ok(entries) = folder.read_dir() else { return 0 };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            count += agree_on_folder(&path);
        } else if path.extension().is_some_and(|extension| extension == "cbuild") {
            agree(&std::fs::read_to_string(&path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn on_all_sources_of_the_repository() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let folders = ["stdlib", "examples", "tests", "benches", "editors", "crates"];
    let count: usize = folders.iter().map(|folder| agree_on_folder(&root.join(folder))).sum();
    assert!(count > 30, "the sources were found, not only {count}");
}

#[test]
fn on_the_examples_of_the_specification() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../lang-spec"));
    let (mut count, mut sound) = (0, 0);
    for path in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let markdown = std::fs::read_to_string(&path).unwrap();
        // Each second part stands between fences, behind what follows the fence on its line.
        for block in markdown.split("\n```").skip(1).step_by(2) {
            let (_, text) = block.split_once('\n').unwrap_or_default();
            sound += usize::from(agree(text));
            count += 1;
        }
    }
    assert!(count > 60 && sound > 20, "{sound} of {count} examples are in the language");
}

#[test]
fn on_the_edges_of_tokens() {
    let digest = "a".repeat(20);
    for (text, sound) in [
        (format!("md5-{digest}"), true),
        (format!("md5-{}", &digest[1..]), true),
        ("sha256-".to_owned(), true),
        ("1.a".to_owned(), true),
        ("1.5.6x.y".to_owned(), true),
        ("1 . a".to_owned(), true),
        ("(.)".to_owned(), true),
        ("[..,../a/..]".to_owned(), true),
        (".//b".to_owned(), true),
        ("./a//b".to_owned(), true),
        ("a ./b".to_owned(), false),
        ("a../b".to_owned(), false),
        (".a".to_owned(), false),
        ("\"\\u{12\"".to_owned(), true),
        ("\"\\ü\\\r\"".to_owned(), true),
        ("\"\\\n\"".to_owned(), false),
        ("\"\"\"\\\n\"\"\"".to_owned(), true),
        ("\"\"\"a\"\"\"\"".to_owned(), true),
        ("\"\"\"\"\"\"\"\"".to_owned(), true),
        ("\"\"\"a\"\"".to_owned(), false),
        ("sh\"\\\\#{a}\\#\"".to_owned(), true),
        ("sh \"a\"".to_owned(), false),
        ("a = = b".to_owned(), false),
        ("- - !a".to_owned(), true),
        ("a->b".to_owned(), false),
        ("a-b".to_owned(), true),
        ("a // b".to_owned(), true),
        ("a\0".to_owned(), false),
        ("{ a-b = 1 }".to_owned(), false),
        ("let a-b = 1 in a".to_owned(), false),
        ("(x,) => _".to_owned(), true),
        ("(match) => 1".to_owned(), false),
    ] {
        assert_eq!(agree(&format!("let a = {text}")), sound, "{text}");
    }
}

#[test]
fn on_the_name_decode() {
    for (text, sound) in [
        ("decode<T>(./a)", true),
        ("decode <List<T>,> (./a).b { c }", true),
        ("decode", true),
        ("decode.a(decode)", true),
        ("decode < 1", true),
        ("decode < a", true),
        ("decode<a> b", true),
        ("decode<a>(b", false),
        ("decode<a(b)", false),
        ("decode<{ a: T = decode<U>(b) }>(c)", true),
        ("match decode<T>(./a) { T.A(x) => x, m.T.B => 1 }", true),
    ] {
        assert_eq!(agree(&format!("let a = {text}\n")), sound, "{text}");
    }
}

#[test]
fn on_every_cut_and_deletion() {
    for program in [SKETCH, WIDE] {
        for (at, removed) in program.char_indices().step_by(7) {
            agree(&program[..at]);
            agree(&format!("{}{}", &program[..at], &program[at + removed.len_utf8()..]));
        }
    }
}

/// Programs of the generators are in the language; small ones, so that many are tried.
fn name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "[a-z_][A-Za-z0-9_]{0,3}".prop_filter("reserved", |name| {
            !["as", "else", "fn", "if", "in", "let", "pub", "then", "true", "type", "with"]
                .contains(&name.as_str())
        }),
        Just("protocol".to_owned()),
        Just("test".to_owned()),
        Just("sh".to_owned()),
        Just("md5".to_owned()),
        Just("sha256".to_owned()),
        Just("lets".to_owned()),
        Just("decoded".to_owned()),
    ]
}

fn upper() -> impl Strategy<Value = String> + Clone {
    "[A-Z][A-Za-z0-9_]{0,3}"
}

/// What may stand between two tokens.
fn space() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec![" ", " ", " ", "\n", " \t", "\r\n", " // c \" {\n", "\n/// d\n  "])
}

fn text_literal() -> impl Strategy<Value = String> + Clone {
    let line = "([a-z $'/ü]|#|\\\\n|\\\\u\\{e9\\}|\\\\\"|\\\\#){0,6}";
    let block = "([a-z $'/ü\n]|#|\\\\n|\\\\#|\" ){0,8}";
    let script = "([a-z $'/ü]|# |\\\\n|\\\\#\\{){0,6}";
    prop_oneof![
        line.prop_map(|text| format!("\"{text}\"")),
        block.prop_map(|text| format!("\"\"\"{text}\"\"\"")),
        script.prop_map(|text| format!("sh\"{text}\"")),
        script.prop_map(|text| format!("sh\"\"\"\n  {text}\n  \"\"\"")),
    ]
}

fn ty() -> impl Strategy<Value = String> + Clone {
    let leaf =
        prop_oneof![name(), upper(), (name(), upper()).prop_map(|(a, b)| format!("{a}.{b}"))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            (upper(), list.clone(), space())
                .prop_map(|(name, args, s)| format!("{name}{s}<{}>", args.join(","))),
            (list, inner.clone(), space())
                .prop_map(|(args, to, s)| format!("({}){s}->{s}{to}", args.join(", "))),
            (name(), inner.clone(), name(), inner, space())
                .prop_map(|(a, b, c, d, s)| format!("{{{s}{a}: {b},{c}?{s}: {d} = 1 | {a}}}")),
        ]
    })
}

fn pattern() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![
        name(),
        upper(),
        Just("_".to_owned()),
        Just("-12".to_owned()),
        Just("true".to_owned()),
        Just("\"a\"".to_owned()),
        (name(), upper()).prop_map(|(a, b)| format!("{a}.{b}")),
        (upper(), upper()).prop_map(|(a, b)| format!("{a}.{b}")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (upper(), prop::collection::vec(inner, 0..3), space())
            .prop_map(|(name, args, s)| format!("{name}{s}({},{s})", args.join(",")))
            .prop_map(|text| text.replace("(,", "("))
    })
}

fn leaf() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        name(),
        upper(),
        text_literal(),
        "[0-9][0-9_a-f]{0,2}(\\.[0-9])?",
        prop::sample::select(vec![
            "true",
            "false",
            "[]",
            "{}",
            "./a/b-c.d ",
            "../x+y ",
            "(..)",
            "f()"
        ])
        .prop_map(str::to_owned),
        "sha256-[A-Za-z0-9+/=]{0,5}",
    ]
}

/// An operator, and an expression in parentheses where it must be one operand.
fn expr() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", " / ", "%", "++", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "|>",
        ]);
        let list = prop::collection::vec(inner.clone(), 0..4);
        let pair = (inner.clone(), inner.clone(), space());
        let named = (name(), inner.clone(), space());
        prop_oneof![
            (pair.clone(), operator).prop_map(|((a, b, s), op)| format!("({a}){s}{op}{s}!({b})")),
            (list.clone(), space()).prop_map(|(list, s)| format!("[{}{s}]", list.join(","))),
            (name(), list, named.clone()).prop_map(|(f, list, (name, value, s))| {
                let list: String = list.iter().map(|arg| format!("{arg},")).collect();
                format!("{f}{s}({list}{name}{s}={s}{value}{s},)")
            }),
            (name(), named.clone(), upper()).prop_map(|(f, (a, b, s), c)| format!(
                "{f}.{c}{s}{{{a}={b},\"k\"{s}={b},{c}={f}}}.{a}"
            )),
            named.clone().prop_map(|(a, b, s)| format!("({b}){s}with{s}{{ {a} = {b}, {a} }}")),
            (named.clone(), inner.clone(), ty()).prop_map(|((a, b, s), body, ty)| {
                format!("(let{s}{a}: {ty} = {b}{s}x = {a}\nin {body})")
            }),
            (pair.clone(), inner.clone())
                .prop_map(|((a, b, s), c)| format!("(if {a}{s}then {b}{s}else {c})")),
            (named, ty()).prop_map(|((a, b, s), ty)| format!("(({a}{s}: {ty},) => {b})")),
            (name(), inner.clone(), space()).prop_map(|(a, b, s)| format!("({a}{s}=>{s}{b})")),
            (ty(), inner.clone(), space())
                .prop_map(|(t, a, s)| format!("decode{s}<{t},>{s}({a}){s}{{ {s} }}")),
            (name(), pattern(), inner.clone(), pattern(), inner.clone(), space()).prop_map(
                |(a, p, x, q, y, s)| format!("match {a}({x}){s}{{ {p} => {x},{s}{q}{s}=> {y}, }}")
            ),
            (inner, space())
                .prop_map(|(a, s)| format!("\"a#{{{s}{a}{s}}}b\"").replace("sh\"\"\"", "\"\"\"")),
        ]
    })
}

fn item() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (name(), ty(), expr(), space())
            .prop_map(|(a, ty, e, s)| format!("pub{s}let {a}{s}: {ty}{s}={s}{e}")),
        2 => (name(), name(), ty(), expr(), ty(), space()).prop_map(|(f, a, t, d, r, s)| format!(
            "fn {f}{s}<{a},>({a}: {t}{s}= {d}, x){s}-> {r} = {a}"
        )),
        1 => (upper(), name(), ty(), ty(), space())
            .prop_map(|(n, a, x, y, s)| format!("type {n}<{a}> = {n}({x},{s}{y}){s}| B | C({y})")),
        1 => (upper(), ty()).prop_map(|(n, t)| format!("type {n} = {t}")),
        1 => (upper(), name(), expr(), space()).prop_map(|(n, a, e, s)| format!(
            "protocol {n}{s}= \"x\"\nextern fn {a}(){s}test{s}\"t\" {{ {e} }}\nextern{s}type {n}<{a}>"
        )),
        1 => (name(), name(), space())
            .prop_map(|(a, b, s)| format!("import {a}{s}.{s}{b} as {a}\nimport ./{a}.cbuild{s}as {b}")),
    ]
}

fn program() -> impl Strategy<Value = String> {
    (prop::collection::vec(item(), 1..4), space())
        .prop_map(|(items, space)| items.join("\n") + space)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn on_generated_programs(text in program()) {
        prop_assert!(agree(&text), "a generated program is in the language:\n{}", text);
    }

    #[test]
    fn on_changed_programs(
        text in program(),
        at in any::<prop::sample::Index>(),
        length in 0usize..6,
        tokens in prop::collection::vec(token(), 0..3),
    ) {
        let start = floor(&text, at.index(text.len()));
        let end = floor(&text, (start + length).min(text.len())).max(start);
        agree(&format!("{}{}{}", &text[..start], tokens.concat(), &text[end..]));
    }

    #[test]
    fn on_changed_sources(
        wide in any::<bool>(),
        at in any::<prop::sample::Index>(),
        length in 0usize..6,
        tokens in prop::collection::vec(token(), 0..3),
    ) {
        let text = if wide { WIDE } else { SKETCH };
        let start = floor(text, at.index(text.len()));
        let end = floor(text, (start + length).min(text.len())).max(start);
        agree(&format!("{}{}{}", &text[..start], tokens.concat(), &text[end..]));
    }

    #[test]
    fn on_any_tokens(tokens in prop::collection::vec(token(), 0..30)) {
        agree(&tokens.concat());
    }

    #[test]
    fn on_few_tokens_behind_a_start(tokens in prop::collection::vec(token(), 0..5)) {
        agree(&format!("let a = {}", tokens.concat()));
    }

    #[test]
    fn on_any_characters(text in "\\PC{0,80}") {
        agree(&text);
    }
}
