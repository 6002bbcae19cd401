//! The examples of the specification: `lang-spec/05-evaluation.md` and `06-standard-library.md`.
//!
//! In a block marked `cbuild-eval`, the lines of an expression are followed by `=> value` or
//! `=> error CODE`. A block marked `cbuild-items` holds the items that the following ones see.

use crate::support::show;

/// Runs all examples of a chapter and returns how many there were.
fn run(chapter: &str) -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lang-spec/");
    #[expect(clippy::disallowed_methods, reason = "tests read the specification")]
    let text = std::fs::read_to_string(format!("{folder}{chapter}")).unwrap();
    let (mut kind, mut items, mut expr, mut count) = ("", String::new(), String::new(), 0);
    for (at, line) in text.lines().enumerate() {
        if let Some(mark) = line.strip_prefix("```") {
            assert!(expr.trim().is_empty(), "{chapter}:{}: no `=>` after {expr}", at + 1);
            kind = if kind.is_empty() && !mark.is_empty() { mark } else { "" };
            if kind == "cbuild-items" {
                items.clear();
            }
        } else if kind == "cbuild-items" {
            items = items + line + "\n";
        } else if kind == "cbuild-eval" {
            match line.strip_prefix("=> ") {
                None => expr = expr + line + "\n",
                Some(expected) => {
                    example(&items, &expr, expected, &format!("{chapter}:{}", at + 1));
                    expr.clear();
                    count += 1;
                }
            }
        }
    }
    count
}

fn example(items: &str, expr: &str, expected: &str, place: &str) {
    let found = show(items, expr);
    match (expected.strip_prefix("error "), found) {
        (None, Ok(shown)) => assert_eq!(shown, expected, "{place}: {expr}"),
        (Some(code), Err(error)) => {
            assert!(error.starts_with(code), "{place}: {expr} fails otherwise:\n{error}");
        }
        (None, Err(error)) => panic!("{place}: {expr} fails:\n{error}"),
        (Some(_), Ok(shown)) => panic!("{place}: {expr} gives {shown}"),
    }
}

#[test]
fn evaluation() {
    assert!(run("05-evaluation.md") > 30);
}

#[test]
fn standard_library() {
    assert!(run("06-standard-library.md") > 40);
}
