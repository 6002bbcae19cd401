//! The examples of the specification: `lang-spec/05-evaluation.md`, `06-standard-library.md` and
//! `08-derivations.md`.
//!
//! In a block marked `cbuild-eval`, the lines of an expression are followed by `=> value` or
//! `=> error CODE PLACE`, where the place is a line and a column of the expression, or the name of a
//! file with these. A block marked `cbuild-items` holds the items that the following ones see, and one
//! marked `cbuild-file NAME` a file that they can decode. In a block marked `cbuild-encoding`, an expression is
//! followed by what the encoding of its derivation consists of.

use std::collections::BTreeMap;
use std::fmt::Write;

use cbuild_drv::Digest;

use crate::support::{derivation, show_with_files};

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
    let (mut around, mut otherwise) = (Around::default(), String::new());
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
                    if let Some(found) = differs(&around, &expr, expected) {
                        let _ = writeln!(otherwise, "{chapter}:{}: {found}", at + 1);
                    }
                    expr.clear();
                    count += 1;
                }
            }
        }
    }
    assert!(otherwise.is_empty(), "otherwise than said:\n{otherwise}");
    count
}

/// What an example gives, if that is not what it says.
fn differs(around: &Around, expr: &str, expected: &str) -> Option<String> {
    let found = match show_with_files(&around.items, expr, &around.files) {
        Ok(shown) => shown,
        Err(error) => format!("error {error}"),
    };
    (found != expected).then_some(found)
}

/// The bytes of an item of an encoding; what stands behind a colon is for the reader.
fn encoded(item: &str) -> Vec<u8> {
    let (kind, value) = item.split_once(' ').unwrap_or((item, ""));
    let number = |value: &str| value.split(':').next().unwrap().parse::<u8>().unwrap();
    match kind {
        "text" => [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat(),
        "count" => u64::from(number(value)).to_le_bytes().to_vec(),
        "tag" | "flag" => vec![number(value)],
        other => panic!("unknown item `{other}`"),
    }
}

#[test]
fn encodings() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lang-spec/08-derivations.md");
    #[expect(clippy::disallowed_methods, reason = "tests read the specification")]
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for block in text.split("```cbuild-encoding\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let (expr, items) = block.split_once("\n=> ").unwrap();
        let (items, id) = items.trim_end().split_once("\n=> id ").unwrap();
        let bytes: Vec<u8> = items.split("\n=> ").flat_map(encoded).collect();
        let (target, ..) = derivation("", expr);
        assert_eq!(Digest::of(&bytes), target.drv.0, "{expr}");
        assert_eq!(target.drv.to_string(), id, "{expr}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn derivations() {
    assert!(run("08-derivations.md") > 3);
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
