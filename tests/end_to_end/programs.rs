//! Every program that the repository shows is built, and not only checked: the examples, the blocks of the
//! book, of the pages on error codes and of README, and the examples in the library's comments. They are
//! found by walking, so that none can be forgotten.
//!
//! A block that is meant to fail says so: `cbuild-error CODE`, or `fails` behind the file's name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::book::{Block, blocks};
use crate::harness::{Done, cbuild, repository, run, shared_root};

/// Files with an ending in a folder of the repository and below, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(repository().join(folder)).sort_by_file_name();
    let paths = walk.into_iter().map(|entry| entry.unwrap().into_path());
    let found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    assert!(!found.is_empty(), "{folder}");
    found
}

/// Names of the public packages and images of a program.
fn buildable(text: &str) -> Vec<(&str, bool)> {
    let item = |line: &'_ str| -> Option<(usize, usize, bool)> {
        let rest = line.strip_prefix("pub let ")?;
        let (name, annotation) = rest.split_once(": ")?;
        let image = annotation.starts_with("Image<");
        let package = annotation.starts_with("Package ") || annotation.starts_with("Overridable<");
        (image || package).then_some((8, 8 + name.len(), image))
    };
    text.lines().filter_map(|line| item(line).map(|(a, b, image)| (&line[a..b], image))).collect()
}

/// Builds all that a program makes, and packs its images. Returns the number of these things.
#[track_caller]
fn build_all(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let place = path.to_str().unwrap();
    let found = buildable(&text);
    for (name, image) in &found {
        let target = format!("{place}:{name}");
        if !*image {
            cbuild(&shared_root(), ["build", &target]).ok();
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("image");
        let out = out.to_str().unwrap();
        cbuild(&shared_root(), ["image", "export", &target, "-o", out, "--format", "oci"]).ok();
    }
    found.len()
}

#[test]
fn every_example_is_built() {
    for path in files("examples", "cbuild") {
        assert!(build_all(&path) > 0, "{}: nothing to build", path.display());
    }
}

/// The programs of a page that are not meant to fail, each beside the files before it.
fn build_page(markdown: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut programs = Vec::new();
    for Block { info, text } in blocks(markdown) {
        let words: Vec<&str> = info.split(' ').collect();
        let named = words.iter().find_map(|word| word.strip_prefix("file="));
        let path = folder.path().join(named.unwrap_or("main.cbuild"));
        if words[0] == "cbuild" && !words.contains(&"fails") {
            programs.push((path, text));
        } else if named.is_some() {
            write(&path, &text);
        }
    }
    // A later program may have the name of an earlier one, as a chapter goes on.
    programs
        .iter()
        .map(|(path, text)| {
            write(path, text);
            build_all(path)
        })
        .sum()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_program_of_the_book_is_built() {
    let mut built = build_page(&std::fs::read_to_string(repository().join("README.md")).unwrap());
    assert!(built > 0, "README.md");
    for page in files("book/src", "md") {
        built += build_page(&std::fs::read_to_string(page).unwrap());
    }
    assert!(built >= 6, "{built}");
}

/// What the library's examples take for granted.
const AROUND: &str = r#"import std

let app = std.redis
let pages = std.zlib_source
let port = 80
let package: Overridable<std.cc.Recipe> = overridable({
  name = "zlib",
  version = "1.3.1",
  src = std.zlib_source,
  script = sh"touch $out",
}, std.cc.build)
"#;

/// The examples of a comment that are no tests, without their margin.
fn examples(text: &str) -> Vec<String> {
    let docs: String = text.lines().filter_map(|line| line.trim_start().strip_prefix("///")).fold(
        String::new(),
        |mut docs, line| {
            let _ = writeln!(docs, "{}", line.strip_prefix(' ').unwrap_or(line));
            docs
        },
    );
    blocks(&docs)
        .into_iter()
        .filter(|block| block.info == "cbuild")
        .map(|block| block.text)
        .collect()
}

fn ask(file: &Path, input: &str) -> Done {
    let script = format!("\"$0\" repl \"$1\" <<'END'\n{input}\nEND");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_cbuild")]).arg(file);
    run(shell.env("CBUILD_ROOT", shared_root()).env("NO_COLOR", "1")).ok()
}

#[test]
fn every_example_of_the_library_is_built() {
    let mut built = 0;
    for path in files("stdlib", "cbuild") {
        for example in examples(&std::fs::read_to_string(&path).unwrap()) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("main.cbuild");
            std::fs::write(&file, format!("{AROUND}\nlet example =\n{example}\n")).unwrap();
            let kind = ask(&file, ":type example").stdout;
            let makes = ["Package", "Image<", "Overridable<"].iter().any(|t| kind.starts_with(t));
            ask(&file, if makes { ":build example" } else { "example" });
            built += usize::from(makes);
        }
    }
    assert!(built >= 7, "{built}");
}

/// A chapter whose commands run is in a test of its own; one with files but without such a test is not.
#[test]
fn every_chapter_with_files_is_run() {
    let source = std::fs::read_to_string(repository().join("tests/end_to_end/book.rs")).unwrap();
    for page in std::fs::read_dir(repository().join("book/src")).unwrap() {
        let page = page.unwrap().path();
        if !page.is_file() || !std::fs::read_to_string(&page).unwrap().contains(" file=") {
            continue;
        }
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(source.contains(&format!("run_chapter(\"{name}\")")), "{name} is not run");
    }
}
