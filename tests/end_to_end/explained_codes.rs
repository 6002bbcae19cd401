//! Every code has an explanation, and the examples of the explanations do what they claim.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::{Done, cbuild, repository};

/// A block of an explanation.
struct Block {
    /// What follows the fence.
    mark: String,
    text: String,
}

/// An example: a program with the files beside it.
#[derive(Default)]
struct Example {
    main: String,
    files: BTreeMap<String, String>,
    /// Whether the value `default` is evaluated, not only checked.
    eval: bool,
}

struct Explained {
    wrong: Option<Example>,
    right: Option<Example>,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in markdown.lines() {
        match line.strip_prefix("```") {
            Some(mark) => {
                open = !open;
                if open {
                    blocks.push(Block { mark: mark.to_owned(), text: String::new() });
                }
            }
            None if open => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None => {}
        }
    }
    blocks
}

fn example(markdown: &str, code: Option<&str>) -> Option<Example> {
    let mut example = Example::default();
    for Block { mark, text } in blocks(markdown) {
        if let Some((_, name)) = mark.split_once("file=") {
            example.files.insert(name.to_owned(), text);
            continue;
        }
        let wanted = code.map_or("cbuild".to_owned(), |code| format!("cbuild-error {code}"));
        example.eval = mark == format!("{wanted} eval");
        assert!(example.eval || mark == wanted, "`{mark}` is not `{wanted}`");
        assert!(example.main.is_empty(), "one program an example");
        example.main = text;
    }
    (!example.main.is_empty()).then_some(example)
}

fn explained() -> BTreeMap<String, Explained> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(repository().join("book/src/errors")).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let (wrong, right) = match text.split_once("\nRight:\n") {
            Some((wrong, right)) => (example(wrong, Some(&code)), example(right, None)),
            None => (example(&text, Some(&code)), None),
        };
        all.insert(code, Explained { wrong, right, text });
    }
    all
}

fn write(folder: &Path, example: &Example) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in &example.files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::write(folder.join("main.cbuild"), &example.main).unwrap();
}

/// Codes in the order of the message, without repetition.
fn codes(done: &Done) -> Vec<String> {
    let lines = done.stderr.lines().filter_map(|line| {
        let line = line.split_once("\"code\":\"")?.1;
        Some(line.split('"').next()?.to_owned())
    });
    let mut codes: Vec<String> = lines.filter(|code| code != "E1017").collect();
    codes.dedup();
    codes
}

fn run(folder: &Path, example: &Example) -> Done {
    write(folder, example);
    let root = folder.parent().unwrap().join("root");
    let path = folder.to_str().unwrap();
    let check = cbuild(&root, ["--json", "check", path]);
    if check.code != Some(0) || !example.eval {
        return check;
    }
    cbuild(&root, ["--json", "eval", path])
}

#[test]
fn wrong_examples_give_their_code_and_right_ones_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut count, mut failed) = (0, String::new());
    for (code, Explained { wrong, right, text }) in explained() {
        if let Some(wrong) = &wrong {
            let done = run(&folder.path().join(format!("{code}-wrong")), wrong);
            if codes(&done) != [code.as_str()] {
                failed += &format!("the wrong example of {code} gives\n{}\n", done.stderr);
            }
            count += 1;
        }
        if let Some(right) = &right {
            let done = run(&folder.path().join(format!("{code}-right")), right);
            if done.code != Some(0) || !codes(&done).is_empty() {
                failed += &format!("the right example of {code} gives\n{}\n", done.stderr);
            }
        }
        if code.as_str() < "E05" {
            let told = text.contains("There is no example: ");
            assert_eq!(wrong.is_some(), right.is_some(), "{code} has both examples");
            assert_ne!(wrong.is_some(), told, "{code} has examples, or says why not");
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(count > 75, "{count} examples");
}

fn sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for piece in text.split('"') {
                let digits = piece.strip_prefix('E').unwrap_or_default();
                if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    found.insert(piece.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_code_is_explained_and_every_explanation_has_a_code() {
    let mut used = BTreeSet::new();
    for entry in std::fs::read_dir(repository().join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut used);
    }
    // The tests of the guessing of codes name some that do not exist.
    let guessed = ["E3001", "E0391"].map(str::to_owned);
    used.retain(|code| !guessed.contains(code));
    let explained: BTreeSet<String> = explained().into_keys().collect();
    let missing: Vec<&String> = used.difference(&explained).collect();
    let unused: Vec<&String> = explained.difference(&used).collect();
    assert!(missing.is_empty(), "write book/src/errors/CODE.md for {missing:?}");
    assert!(unused.is_empty(), "no source gives {unused:?}");

    let page = std::fs::read_to_string(repository().join("book/src/errors.md")).unwrap();
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("{{#include errors/")?.strip_suffix(".md}}"))
        .collect();
    assert_eq!(listed, explained.iter().map(String::as_str).collect::<Vec<_>>(), "errors.md");
}

#[test]
fn the_command_prints_explanations() {
    let root = tempfile::tempdir().unwrap();
    let done = cbuild(root.path(), ["explain", "e0301"]).ok();
    assert!(done.stdout.starts_with("E0301: A value of one type"), "{}", done.stdout);
    assert!(done.stdout.contains("\n    let port: Int = \"80\"\n"), "{}", done.stdout);
    assert!(!done.stdout.contains("```"), "{}", done.stdout);
    let all = cbuild(root.path(), ["explain"]).ok();
    assert!(all.stdout.lines().count() > 200 && all.stdout.contains("E0301  A value"));
    let json = cbuild(root.path(), ["--json", "explain", "E0301"]).ok();
    assert!(json.stdout.starts_with("{\"code\":\"E0301\",\"title\":\"A value"), "{}", json.stdout);
    let unknown = cbuild(root.path(), ["explain", "E3001"]).fails(2, "E1053");
    assert!(unknown.stderr.contains("did you mean E0301?"), "{}", unknown.stderr);
    cbuild(root.path(), ["explain", "hello"]).fails(2, "E1053");
}
