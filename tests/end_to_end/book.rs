//! The commands of the book's chapters run, in order, as a reader would type them.
//!
//! Blocks of the chapter: `LANG file=NAME` writes a file, `sh` runs a command (`sh fails=N` expects that exit
//! code), and `output` says what the command before it printed, on standard output, or on standard error when it
//! was to fail. A line `…` stands for any number of lines, and `…` within a line for any text.

use std::path::Path;
use std::process::Command;

use crate::harness::{Done, repository, run, shared_root};

pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) text: String,
}

pub(crate) fn blocks(chapter: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in chapter.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

fn matches(pattern: &[&str], lines: &[&str]) -> bool {
    match pattern.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others)),
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('…') else {
        return pattern == line;
    };
    line.strip_prefix(head).is_some_and(|rest| {
        (0..=rest.len()).any(|at| rest.is_char_boundary(at) && line_matches(tail, &rest[at..]))
    })
}

fn run_in(folder: &Path, command: &str) -> Done {
    let program = Path::new(env!("CARGO_BIN_EXE_cbuild")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", command]).current_dir(folder);
    run(shell.env("PATH", path).env("CBUILD_ROOT", shared_root()).env("NO_COLOR", "1"))
}

#[test]
fn the_tutorial_works_as_written() {
    assert!(run_chapter("tutorial.md") >= 5);
}

#[test]
fn the_chapter_on_the_language_works_as_written() {
    assert!(run_chapter("language.md") >= 8);
}

#[test]
fn the_chapter_on_modules_works_as_written() {
    assert!(run_chapter("modules.md") >= 8);
}

#[test]
fn the_chapter_on_writing_works_as_written() {
    assert!(run_chapter("writing.md") >= 4);
}

/// Runs a chapter's blocks in a new folder, and returns the number of commands.
fn run_chapter(name: &str) -> usize {
    let chapter = std::fs::read_to_string(repository().join("book/src").join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut last: Option<Done> = None;
    let mut commands = 0;
    for Block { info, text } in blocks(&chapter) {
        let words: Vec<&str> = info.split(' ').collect();
        if let Some(name) = words.iter().find_map(|word| word.strip_prefix("file=")) {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        } else if words[0] == "sh" {
            let wanted = words.iter().find_map(|word| word.strip_prefix("fails=")).unwrap_or("0");
            let done = run_in(folder.path(), &text);
            assert_eq!(done.code.unwrap().to_string(), wanted, "{text}\n{done:?}");
            last = Some(done);
            commands += 1;
        } else if words[0] == "output" {
            let done = last.as_ref().unwrap();
            let printed = if done.code == Some(0) { &done.stdout } else { &done.stderr };
            let (pattern, lines): (Vec<_>, Vec<_>) =
                (text.lines().collect(), printed.lines().collect());
            assert!(matches(&pattern, &lines), "expected\n{text}\nfound\n{printed}");
        }
    }
    commands
}
