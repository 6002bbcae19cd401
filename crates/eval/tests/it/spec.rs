//! The examples of the specification: `lang-spec/05-evaluation.md` and `06-standard-library.md`.
//!
//! In a block marked `cbuild-eval`, the lines of an expression are followed by `=> value` or
//! `=> error CODE`. A block marked `cbuild-items` holds the items that the following ones see, and one
//! marked `cbuild-file NAME` a file that they can decode.

use std::collections::BTreeMap;

use crate::support::show_with_files;

/// What the examples of a chapter see.
#[derive(Default)]
struct Around {
    items: String,
    /// By path literal.
    files: BTreeMap<String, Vec<u8>>,
}

/// Runs all examples of a chapter and returns how many there were.
fn run(chapter: &str) -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lang-spec/");
    #[expect(clippy::disallowed_methods, reason = "tests read the specification")]
    let text = std::fs::read_to_string(format!("{folder}{chapter}")).unwrap();
    let (mut kind, mut expr, mut count) = ("", String::new(), 0);
    let mut around = Around::default();
    for (at, line) in text.lines().enumerate() {
        if let Some(mark) = line.strip_prefix("```") {
            assert!(expr.trim().is_empty(), "{chapter}:{}: no `=>` after {expr}", at + 1);
            kind = if kind.is_empty() && !mark.is_empty() { mark } else { "" };
            match kind.strip_prefix("cbuild-file ") {
                Some(name) => drop(around.files.insert(format!("./{name}"), Vec::new())),
                None if kind == "cbuild-items" => around.items.clear(),
                None => {}
            }
        } else if kind == "cbuild-items" {
            around.items += &format!("{line}\n");
        } else if let Some(name) = kind.strip_prefix("cbuild-file ") {
            let file = around.files.get_mut(&format!("./{name}")).unwrap();
            file.extend_from_slice(format!("{line}\n").as_bytes());
        } else if kind == "cbuild-eval" {
            match line.strip_prefix("=> ") {
                None => expr = expr + line + "\n",
                Some(expected) => {
                    example(&around, &expr, expected, &format!("{chapter}:{}", at + 1));
                    expr.clear();
                    count += 1;
                }
            }
        }
    }
    count
}

fn example(around: &Around, expr: &str, expected: &str, place: &str) {
    let found = show_with_files(&around.items, expr, &around.files);
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
    assert!(run("05-evaluation.md") > 45);
}

#[test]
fn standard_library() {
    assert!(run("06-standard-library.md") > 90);
}

/// Chapter 6 names every public function of the library.
#[test]
fn every_function_is_specified() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    #[expect(clippy::disallowed_methods, reason = "tests read the specification and the library")]
    let read = |path: &str| std::fs::read_to_string(format!("{folder}{path}")).unwrap();
    let chapter = read("lang-spec/06-standard-library.md");
    let mut count = 0;
    for module in [
        "build", "fetch", "list", "map", "oci", "option", "path", "prelude", "script", "system",
        "text", "tree", "version",
    ] {
        for line in read(&format!("stdlib/{module}.cbuild")).lines() {
            let function = ["pub fn ", "pub extern fn "].iter().find_map(|p| line.strip_prefix(p));
            let Some(rest) = function else { continue };
            let name = rest.split(['(', '<']).next().unwrap();
            // In a table, in a list, or in an example.
            let forms = [
                format!("`{name}`"),
                format!("`{name}("),
                format!("`{name} {{"),
                format!("std.{module}.{name}"),
            ];
            let named = forms.iter().any(|form| chapter.contains(form.as_str()));
            assert!(named, "`{module}.{name}` is not in lang-spec/06-standard-library.md");
            count += 1;
        }
    }
    assert!(count > 90, "{count} functions");
}
