//! What holds for every text.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads the real sources and measures its own time"
)]

mod pieces;

use cbuild_diag::SourceId;
use cbuild_syntax::{MAX_NESTING, Parse, SyntaxNode, parse, parse_expr, parse_file_only};
use pieces::{floor, token};
use proptest::prelude::*;

const SKETCH: &str = include_str!("sources/sketch.cbuild");
const WIDE: &str = include_str!("sources/wide.cbuild");

/// Parses and checks what must hold whatever the text is.
fn checked(text: &str) -> Parse {
    let parsed = parse(SourceId(0), text);
    assert_eq!(parsed.tree.text().to_string(), text, "the tree holds the text");
    let (file, diagnostics) = parse_file_only(SourceId(0), text);
    assert_eq!(format!("{file:?}"), format!("{:?}", parsed.file), "one lowering");
    assert_eq!(diagnostics, parsed.diagnostics);
    if has_errors(&parsed.tree) {
        assert!(!parsed.diagnostics.is_empty(), "an error node without a diagnostic:\n{text}");
    }
    for diagnostic in &parsed.diagnostics {
        for label in &diagnostic.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(text.get(start..end).is_some(), "{diagnostic} has the span {start}..{end}");
        }
    }
    parsed
}

fn has_errors(tree: &SyntaxNode) -> bool {
    tree.descendants_with_tokens().any(|element| element.kind().is_error())
}

fn sound(text: &str) {
    let parsed = checked(text);
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|found| found.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?} in\n{text}");
    assert!(!has_errors(&parsed.tree), "in\n{text}");
}

#[test]
fn real_sources_are_sound() {
    sound(SKETCH);
    sound(WIDE);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let mut count = 0;
    for folder in ["stdlib", "examples"] {
        count += sound_folder(&std::path::Path::new(root).join(folder));
    }
    assert!(count > 10, "the standard library was found");
}

fn sound_folder(folder: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += sound_folder(&path);
        } else if path.extension().is_some_and(|extension| extension == "cbuild") {
            sound(&std::fs::read_to_string(&path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn an_error_stays_in_its_item() {
    let items: Vec<&str> = WIDE.split("\n\n").filter(|item| item.contains("let ")).collect();
    let after = "\n\npub let after: Int = 1\n";
    for item in items {
        for cut in (0..item.len()).filter(|at| item.is_char_boundary(*at)) {
            let parsed = checked(&format!("{}{after}", &item[..cut]));
            let last = parsed.file.items.last().map(|item| format!("{:?}", item.kind));
            let found = last.is_some_and(|last| last.contains("\"after\""));
            assert!(found, "the item after this was lost:\n{}", &item[..cut]);
        }
    }
}

#[test]
fn deep_texts_end_with_a_diagnostic() {
    let deep = 100_000;
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("f(", ")"),
        ("if ", ""),
        ("let a = ", ""),
        ("\"#{", "}\""),
        ("match ", ""),
        ("(x) => (", ")"),
        ("sh\"\"\"#{", ""),
    ] {
        let open_only = format!("let a = {}", open.repeat(deep));
        let both = format!("{open_only}1{}", close.repeat(deep));
        for text in [open_only, both] {
            let parsed = checked(&text);
            assert_eq!(parsed.diagnostics[0].code, "E0102", "{open}");
        }
    }
}

/// Chains that are no nesting: what is repeated, and what ends them.
const CHAINS: [(&str, &str); 9] = [
    ("- ", "1"),
    ("!", "a"),
    ("a ++ ", "b"),
    ("a + ", "b"),
    ("a && ", "b"),
    ("a |> ", "b"),
    ("a < 1 || ", "b"),
    ("\"#{a}\" ++ ", "b"),
    ("if a then b else ", "c"),
];

#[test]
fn long_chains_are_parsed_and_formatted() {
    let long = 10_000;
    let ahead = CHAINS.map(|(chain, end)| format!("let a = {}{end}\n", chain.repeat(long)));
    let behind = [".a", "(1)", " with { a = 1 }", ".a(1)"];
    let behind = behind.map(|chain| format!("let a = f{}\n", chain.repeat(long)));
    for text in ahead.iter().chain(&behind) {
        let parsed = cbuild_syntax::parse(SourceId(0), text);
        assert!(parsed.diagnostics.is_empty(), "{}", &text[..40]);
        let formatted = cbuild_syntax::format(SourceId(0), text);
        assert!(formatted.is_ok(), "{}", &text[..40]);
    }
}

/// The limits are those that the specification names, to the one.
#[test]
fn a_chain_may_have_as_many_links_as_is_said() {
    let most = cbuild_syntax::MAX_LINKS;
    let ahead = ["a + ", "!", "if a then b else "].map(|chain| (chain, "a", ""));
    let behind = [".a", " with { a = 1 }"].map(|chain| (chain, "", "f"));
    for (chain, end, start) in ahead.into_iter().chain(behind) {
        for (links, right) in [(most, true), (most + 1, false)] {
            let item = format!("let a = {start}{}{end}\n", chain.repeat(links));
            let (_, diagnostics) = parse_file_only(SourceId(0), &item);
            assert_eq!(diagnostics.is_empty(), right, "{links} times {chain}");
        }
    }
}

#[test]
fn longer_chains_end_with_one_diagnostic_an_item() {
    let long = cbuild_syntax::MAX_LINKS + 1;
    for (chain, end, long) in [
        ("a + ", "b", long),
        ("if a then b else ", "c", long),
        ("x => ", "x", 300),
        ("let a = 1 in ", "a", 300),
    ] {
        let item = format!("let a = {}{end}\n", chain.repeat(long));
        let (_, diagnostics) = parse_file_only(SourceId(0), &format!("{item}let b = 1\n"));
        let codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["E0102"], "{chain}");
    }
    for (start, chain) in [("type A = ", "(B) -> "), ("let a: ", "() -> ")] {
        let parsed = checked(&format!("{start}{}C", chain.repeat(20_000)));
        assert_eq!(parsed.diagnostics[0].code, "E0102", "{chain}");
    }
}

#[test]
fn what_is_allowed_to_nest_is_parsed() {
    let depth = MAX_NESTING - 2;
    for (open, end, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{ a = ", "1", "}"),
        ("f(", "1", ")"),
        ("\"#{", "a", "}\""),
        ("(x) => (", "x", ")"),
        ("(f(", "x", "))"),
    ] {
        let depth = if open.len() == 3 { depth / 2 } else { depth };
        sound(&format!("let a = {}{end}{}\n", open.repeat(depth), close.repeat(depth)));
    }
    let types = depth - 1;
    sound(&format!("type A = {}B{}\n", "(".repeat(types), ")".repeat(types)));
    sound(&format!("type A = {}B{}\n", "{ a: ".repeat(types), "}".repeat(types)));
    sound(&format!("type A = {}B{}\n", "List<".repeat(types), ">".repeat(types)));
    let patterns = format!("{}x{}", "Some(".repeat(types), ")".repeat(types));
    sound(&format!("let a = match b {{ {patterns} => x }}\n"));
    sound(&format!("let a = {}1\n", "if b then 1 else ".repeat(200)));
}

/// Texts on which a parser that tries again from an earlier place takes exponential time.
#[test]
fn no_text_takes_long() {
    let count = 40;
    let mut texts: Vec<String> = Vec::new();
    for part in [
        "(x, ",
        "(x: ",
        "(x: (",
        "[a [",
        "{ a {",
        "f { a = ",
        "f(a = ",
        "(@",
        "@(",
        "@[(",
        "a(b {",
        "match a { b => ",
        "\"#{@",
        "if (",
        "let a = (",
        "sh\"#{@(",
        "< (",
        "(a) -> (",
        "x => (",
    ] {
        texts.push(format!("let a = {}", part.repeat(count)));
        texts.push(format!("let a = f({}\nlet b = 1\n", part.repeat(count)));
        texts.push(format!("@ {}", part.repeat(count)));
    }
    for part in ["(", "{ a: ", "List<", "{ a: T = ", "(A, (", "| A("] {
        texts.push(format!("type A = {}", part.repeat(count)));
        texts.push(format!("type A = B({}", part.repeat(count)));
    }
    for part in ["- ", "! ", "@ ", "( ", "\"", "\\", "//", "a-", "if ", ", ", "= ", "} ", "#{ "] {
        texts.push(part.repeat(20_000));
        texts.push(format!("let a = b {}", part.repeat(20_000)));
        texts.push(format!("let a = [b {}", part.repeat(20_000)));
    }
    let start = std::time::Instant::now();
    for text in &texts {
        checked(text);
        let head: String = text.chars().take(40).collect();
        assert!(start.elapsed().as_secs() < 120, "this takes too long: {head}");
    }
}

#[test]
fn a_source_that_is_too_large_is_refused() {
    let parsed = checked(&" ".repeat(cbuild_syntax::MAX_SOURCE_BYTES + 1));
    assert_eq!(parsed.diagnostics[0].code, "E0101");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed(text in "\\PC{0,200}") {
        checked(&text);
        parse_expr(SourceId(0), &text);
    }

    #[test]
    fn any_tokens_are_parsed(tokens in prop::collection::vec(token(), 0..60)) {
        let text = tokens.concat();
        checked(&text);
        parse_expr(SourceId(0), &text);
    }

    #[test]
    fn broken_programs_are_parsed(
        wide in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        length in 0usize..30,
        tokens in prop::collection::vec(token(), 0..4),
    ) {
        let program = if wide { WIDE } else { SKETCH };
        let start = floor(program, cut.index(program.len()));
        let end = floor(program, (start + length).min(program.len())).max(start);
        checked(&format!("{}{}{}", &program[..start], tokens.concat(), &program[end..]));
    }
}
