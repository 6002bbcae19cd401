//! What holds for every text that the formatter prints.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads real sources")]

#[path = "programs/mod.rs"]
mod programs;

use std::path::{Path, PathBuf};

use cbuild_diag::SourceId;
use cbuild_syntax::{FormatError, SyntaxKind, SyntaxNode, format, parse};
use proptest::prelude::*;

const SKETCH: &str = include_str!("sources/sketch.cbuild");
const WIDE: &str = include_str!("sources/wide.cbuild");

/// The lowered syntax as text, without its places.
fn meaning(text: &str) -> String {
    let parsed = parse(SourceId(0), text);
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|found| found.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?} in\n{text}");
    let shown = std::format!("{:?}", parsed.file);
    let mut parts = shown.split("Span { start: ");
    let mut meaning = parts.next().unwrap().to_owned();
    for part in parts {
        meaning.push_str(part.split_once(" }").unwrap().1);
    }
    meaning
}

fn comments(tree: &SyntaxNode) -> Vec<String> {
    tree.descendants_with_tokens()
        .filter(|element| element.kind() == SyntaxKind::Comment)
        .map(|comment| comment.to_string().trim_end().to_owned())
        .collect()
}

/// Formats, and checks what must hold whatever the text is.
fn formatted(text: &str) -> String {
    let printed = match format(SourceId(0), text) {
        Ok(printed) => printed,
        Err(FormatError::Changed(printed)) => panic!("changed\n{text}\nto\n{printed}"),
        Err(FormatError::Broken(found)) => panic!("{found:?} in\n{text}"),
    };
    assert_eq!(meaning(text), meaning(&printed), "{text}\nbecame\n{printed}");
    let (before, after) = (parse(SourceId(0), text).tree, parse(SourceId(0), &printed).tree);
    assert_eq!(comments(&before), comments(&after), "{text}\nbecame\n{printed}");
    let again = format(SourceId(0), &printed).unwrap();
    assert!(
        printed == again,
        "formatting twice is not once, of\n{text}\nwhich gives\n{printed}\nthen\n{again}"
    );
    for element in after.descendants_with_tokens() {
        if element.kind() == SyntaxKind::Whitespace {
            let space = element.to_string();
            let tidy = !space.contains(['\t', '\r'])
                && !space.contains(" \n")
                && !space.contains("\n\n\n");
            let in_hole = element.parent().is_some_and(|parent| {
                parent.ancestors().any(|node| node.kind() == SyntaxKind::Hole)
            });
            assert!(tidy || in_hole, "untidy white space {space:?} in\n{printed}");
        }
    }
    assert!(printed.is_empty() || printed.ends_with('\n') && !printed.ends_with("\n\n"));
    printed
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            sources(&path, found);
        } else if name.ends_with(".cbuild") {
            found.push(path);
        }
    }
}

#[test]
fn all_sources_of_the_repository() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut files);
    let (mut sound, mut broken) = (0, 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if !parse(SourceId(0), &text).diagnostics.iter().any(|found| found.is_error()) {
            let printed = formatted(&text);
            // These are kept formatted.
            let kept = ["/stdlib/", "/examples/", "/tests/crash/"];
            let shown = file.to_str().unwrap();
            if kept.iter().any(|folder| shown.contains(folder)) {
                assert_eq!(printed, text, "run `cbuild fmt {shown}`");
            }
            sound += 1;
        } else {
            assert!(matches!(format(SourceId(0), &text), Err(FormatError::Broken(_))));
            broken += 1;
        }
    }
    assert!(sound > 60 && broken > 10, "{sound} and {broken} files");
}

/// The blocks of a chapter: what follows the fence, and the text.
fn blocks(chapter: &str) -> Vec<(&str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in chapter.lines() {
        match line.strip_prefix("```") {
            Some(info) if !open => blocks.push((info, String::new())),
            None if open => {
                let text = &mut blocks.last_mut().unwrap().1;
                text.push_str(line);
                text.push('\n');
                continue;
            }
            _ => {}
        }
        open ^= line.starts_with("```");
    }
    blocks
}

#[test]
fn specification() {
    let blocks = blocks(include_str!("../../../lang-spec/11-formatting.md"));
    let mut count = 0;
    let mut before = None;
    for (info, text) in blocks {
        match info {
            "cbuild-before" => before = Some(text),
            "cbuild-after" => assert_eq!(formatted(&before.take().unwrap()), text),
            "cbuild-formatted" => assert_eq!(formatted(&text), text),
            other => panic!("unknown kind of block `{other}`"),
        }
        count += 1;
    }
    assert!(count > 20 && before.is_none());
}

#[test]
fn layout() {
    insta::assert_snapshot!("layout_sketch", formatted(SKETCH));
    insta::assert_snapshot!("layout_wide", formatted(WIDE));
}

#[test]
fn whatever_nests_or_chains_is_formatted() {
    // Some of these open two brackets.
    let depth = cbuild_syntax::MAX_NESTING / 2 - 1;
    for (open, end, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{ a = ", "1", "}"),
        ("f(", "1", ")"),
        ("f(b, ", "1", ")"),
        ("\"#{", "a", "}\""),
        ("\"#{\n", "a", "}\""),
        ("x => (", "x", ")"),
        ("match a { b => ", "1", "}"),
    ] {
        formatted(&std::format!("let a = {}{end}{}\n", open.repeat(depth), close.repeat(depth)));
    }

    let hugs = std::format!("{}\n1{}", "f(b, [{ a = ".repeat(depth / 2), "}])".repeat(depth / 2));
    formatted(&std::format!("let a = {hugs}\n"));
    for chain in ["if b then 1 else ", "x => ", "a ++ ", "[a] ++ ", "let b = 1 in "] {
        formatted(&std::format!("let a = {}1\n", chain.repeat(60)));
    }
    formatted(&std::format!("let a = b{}\n", " |> f(1, { a = 2 })".repeat(100)));
    formatted(&std::format!("type A = {}B\n", "(B, C) -> ".repeat(50)));
}

/// Prints the tokens of a program with other white space between them.
fn respaced(text: &str, gaps: &[usize]) -> String {
    const GAPS: [&str; 12] = [
        " ",
        " ",
        " ",
        "",
        "\n",
        "\n\n",
        "\n\n\n  ",
        "\t",
        " // a\n",
        "\n// b\n",
        "\n\n// c\n\n",
        "\n  /// d\n",
    ];
    let tree = parse(SourceId(0), text).tree;
    let mut out = String::new();
    let mut next = gaps.iter().cycle();
    let literal = |token: &cbuild_syntax::SyntaxToken| {
        token
            .parent_ancestors()
            .any(|node| matches!(node.kind(), SyntaxKind::Text | SyntaxKind::Script))
    };
    let mut inside = false;
    let tokens = tree.descendants_with_tokens().filter_map(|element| element.into_token());
    for token in tokens {
        let now = literal(&token);
        if now && inside {
            out.push_str(token.text());
        } else if !token.kind().is_trivia() {
            let gap = GAPS[*next.next().unwrap() % GAPS.len()];
            // Without white space tokens could grow together.
            let apart = |c: char| !(c.is_alphanumeric() || "_+-=<>|&!/.\"\\:".contains(c));
            let may_touch = out.ends_with(apart) && token.text().starts_with(apart);
            // The parts of these hold together.
            let kind = token.parent().map(|parent| parent.kind());
            let whole = matches!(
                kind,
                Some(
                    SyntaxKind::TypeNamed | SyntaxKind::PatternConstructor | SyntaxKind::PatternInt
                )
            );
            if !whole || !(token.text() == "." || out.ends_with(['.', '-'])) {
                out.push_str(if gap.is_empty() && !may_touch { " " } else { gap });
            }
            out.push_str(token.text());
        }
        inside = now;
    }
    out.push('\n');
    out
}

/// The items of the test sources, and both sources as a whole.
fn items() -> Vec<&'static str> {
    let items = [WIDE, SKETCH].into_iter().flat_map(|source| {
        let items = parse(SourceId(0), source).file.items;
        items.into_iter().map(|item| &source[item.span.start as usize..item.span.end as usize])
    });
    items.chain([WIDE, SKETCH]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_white_space_and_comments(
        item in any::<prop::sample::Index>(),
        gaps in prop::collection::vec(0usize..12, 1..100),
    ) {
        let items = items();
        formatted(&respaced(items[item.index(items.len())], &gaps));
    }

    #[test]
    fn any_white_space(
        item in any::<prop::sample::Index>(),
        gaps in prop::collection::vec(0usize..8, 1..100),
    ) {
        let items = items();
        formatted(&respaced(items[item.index(items.len())], &gaps));
    }

    #[test]
    fn any_program(program in programs::program()) {
        formatted(&program);
    }

    #[test]
    fn any_program_with_any_white_space(
        program in programs::program(),
        gaps in prop::collection::vec(0usize..12, 1..100),
    ) {
        formatted(&respaced(&program, &gaps));
    }

    /// How something is laid out depends on line breaks of the source in few places; where the
    /// source has none, white space means nothing.
    #[test]
    fn one_line_is_one_style(
        program in programs::program(),
        gaps in prop::collection::vec(0usize..4, 1..100),
    ) {
        let program = formatted(&program);
        if parse(SourceId(0), &program).file.items.len() == 1 && !program.contains("\"\"\"") {
            let one = respaced(&program, &[0]);
            let other = respaced(&program, &gaps);
            prop_assert_eq!(formatted(&one), formatted(&other));
        }
    }
}
