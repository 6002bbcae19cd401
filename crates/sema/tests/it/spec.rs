//! The examples of chapters 3 and 4 of the specification.

use cbuild_diag::Sources;
use cbuild_sema::{ModuleKey, check};

use crate::files::{REAL_STD, files, render, repository};

/// A fenced block: the line it starts on, what follows its backticks, and its text.
struct Block {
    line: usize,
    mark: String,
    text: String,
}

fn blocks(chapter: &str) -> Vec<Block> {
    let path = repository().join("lang-spec").join(chapter);
    let text = std::fs::read_to_string(path).expect("the chapter is there");
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(mark), None) => {
                open = Some(Block { line: index + 1, mark: mark.to_owned(), text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{chapter}: a block is not closed");
    found
}

fn run(chapter: &str) -> usize {
    let mut count = 0;
    for block in blocks(chapter) {
        let expected = match block.mark.split_once(' ') {
            None if block.mark == "cbuild" => None,
            Some(("cbuild-error", code)) => Some(code.to_owned()),
            _ => {
                assert_eq!(block.mark, "text", "{chapter}:{}: unknown mark", block.line);
                continue;
            }
        };
        let mut sources = Sources::default();
        let mut files = files(&block.text, REAL_STD);
        let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
        let shown = render(&sources, &checked.diagnostics);
        let place = format!("{chapter}:{}", block.line);
        match expected {
            None => assert!(checked.diagnostics.is_empty(), "{place}:\n{shown}"),
            Some(code) => {
                assert!(checked.has_errors(), "{place}: no error");
                assert!(checked.diagnostics.iter().all(|d| d.code == code), "{place}:\n{shown}");
            }
        }
        count += 1;
    }
    count
}

#[test]
fn examples_of_chapter_3_hold() {
    assert!(run("03-names-and-modules.md") >= 15);
}

#[test]
fn examples_of_chapter_4_hold() {
    assert!(run("04-types.md") >= 25);
}

/// Chapters 3 and 4 name every code that the checker gives.
#[test]
fn every_code_is_specified() {
    let text: String = ["03-names-and-modules.md", "04-types.md"]
        .map(|name| {
            std::fs::read_to_string(repository().join("lang-spec").join(name)).expect("readable")
        })
        .concat();
    for (code, explanation) in cbuild_sema::codes::ALL {
        assert!(text.contains(code), "{code} ({explanation}) is not in the specification");
        assert_eq!(cbuild_sema::codes::explain(code), Some(*explanation));
    }
}
