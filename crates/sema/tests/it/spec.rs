//! The examples of chapters 3 and 4 of the specification: what `cbuild` marks has no diagnostic, what
//! `cbuild-error CODE LINE:COLUMN` marks has only such ones, the first at this place, and for what
//! `cbuild-types` marks, lines `=> NAME: TYPE` say what is inferred.

use std::fmt::Write;

use cbuild_diag::{Diagnostic, Sources};
use cbuild_sema::{Memory, ModuleKey, check, check_for_editor};

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

/// What is otherwise than the block says.
fn differs(block: &Block) -> Option<String> {
    let (kind, expected) = block.mark.split_once(' ').unwrap_or((&block.mark, ""));
    let found = match kind {
        "text" => return None,
        "cbuild-types" => return inferred(&block.text),
        "cbuild" | "cbuild-error" => diagnostics(&block.text),
        _ => return Some(format!("unknown mark `{}`", block.mark)),
    };
    (found != expected).then_some(found)
}

/// Nothing, or the place of the first diagnostic behind the code of all of them. It begins with the name
/// of the file if that is another one.
fn diagnostics(text: &str) -> String {
    let mut sources = Sources::default();
    let checked = check(&mut sources, &mut files(text, REAL_STD), &ModuleKey::root("main.cbuild"));
    let Some(first) = checked.diagnostics.first() else { return String::new() };
    if checked.diagnostics.iter().any(|d| d.code != first.code) {
        return render(&sources, &checked.diagnostics);
    }
    format!("{} {}", first.code, place(&sources, first))
}

fn place(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let label = &diagnostic.labels[0];
    let (line, column) = sources.line_column(label.source, label.span.start as usize);
    match sources.name(label.source) {
        "main.cbuild" => format!("{line}:{column}"),
        file => format!("{file}:{line}:{column}"),
    }
}

/// What the lines `=> NAME: TYPE` of a block say otherwise than the checker.
fn inferred(text: &str) -> Option<String> {
    let (types, items): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("=> "));
    let mut sources = Sources::default();
    let mut files = files(&items.join("\n"), REAL_STD);
    let main = ModuleKey::root("main.cbuild");
    let (diagnostics, index) = check_for_editor(
        &mut sources,
        &mut files,
        &mut Memory::default(),
        std::slice::from_ref(&main),
        &|key| *key == main,
    );
    if !diagnostics.is_empty() {
        return Some(render(&sources, &diagnostics));
    }
    let source = index.sources().find(|source| index.key(*source) == Some(&main))?;
    let symbols = index.symbols_in(source);
    let mut differs = String::new();
    for line in types {
        let (name, ty) = line[3..].split_once(": ").expect("a name and a type");
        let symbol = symbols.iter().find(|(_, symbol)| symbol.name == name);
        let found = symbol.and_then(|(_, symbol)| symbol.ty.as_deref());
        if found != Some(ty) {
            let _ = writeln!(differs, "{name}: {found:?}");
        }
    }
    (!differs.is_empty()).then_some(differs)
}

fn run(chapter: &str) -> usize {
    let blocks = blocks(chapter);
    let mut otherwise = String::new();
    for block in &blocks {
        if let Some(found) = differs(block) {
            let _ = writeln!(otherwise, "{chapter}:{}: {found}", block.line);
        }
    }
    assert!(otherwise.is_empty(), "otherwise than said:\n{otherwise}");
    blocks.iter().filter(|block| block.mark != "text").count()
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
