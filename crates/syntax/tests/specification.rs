//! Runs the examples of the specification.

use cbuild_diag::SourceId;
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
    for block in blocks {
        let place = format!("{name}:{}", block.line);
        let parsed = parse(SourceId(0), &block.text);
        let codes: Vec<&str> = parsed.diagnostics.iter().map(|found| found.code).collect();
        match block.info.split_once(' ') {
            None if block.info == "cbuild" => assert_eq!(parsed.diagnostics, [], "{place}"),
            Some(("cbuild-error", code)) => assert_eq!(codes, [code], "{place}"),
            _ => panic!("{place}: unknown kind of block `{}`", block.info),
        }
    }
}

#[test]
fn lexis() {
    run("01-lexis.md", include_str!("../../../lang-spec/01-lexis.md"));
}

#[test]
fn grammar() {
    run("02-grammar.md", include_str!("../../../lang-spec/02-grammar.md"));
}
