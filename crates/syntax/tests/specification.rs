//! Runs the examples of the specification: what `cbuild` marks has no diagnostic, what
//! `cbuild-error CODE LINE:COLUMN` marks has this one alone, at this place.

use std::fmt::Write;

use cbuild_diag::Sources;
use cbuild_syntax::parse;

/// A fenced block: what follows the fence on its line, its first line, its text.
struct Block {
    info: String,
    line: usize,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let info = info.trim().to_owned();
                open = Some(Block { info, line: index + 2, text: String::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn run(name: &str, markdown: &str) {
    let blocks = blocks(markdown);
    assert!(blocks.len() > 10, "{name} has examples");
    let mut otherwise = String::new();
    for block in blocks {
        let mut sources = Sources::default();
        let source = sources.add(name, &*block.text);
        let found: Vec<String> = parse(source, &block.text)
            .diagnostics
            .iter()
            .map(|found| {
                let start = found.labels[0].span.start as usize;
                let (line, column) = sources.line_column(source, start);
                format!("{} {line}:{column}", found.code)
            })
            .collect();
        let expected = match block.info.split_once(' ') {
            None if block.info == "cbuild" => vec![],
            Some(("cbuild-error", expected)) => vec![expected.to_owned()],
            _ => panic!("{name}:{}: unknown kind of block `{}`", block.line, block.info),
        };
        if found != expected {
            let _ = writeln!(otherwise, "{name}:{}: {found:?}", block.line);
        }
    }
    assert!(otherwise.is_empty(), "other diagnostics:\n{otherwise}");
}

#[test]
fn lexis() {
    run("01-lexis.md", include_str!("../../../lang-spec/01-lexis.md"));
}

#[test]
fn grammar() {
    run("02-grammar.md", include_str!("../../../lang-spec/02-grammar.md"));
}
