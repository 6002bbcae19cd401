//! `cbuild doc` in a real browser.

use std::path::Path;
use std::process::Command;

use crate::harness::{cbuild, module, run, shared_root};

const LIBRARY: &str = "//! A library.\n\nimport std\n\n/// Greets politely.\n\
                       pub fn greet(name: Str, times: Int = 1) -> Script = sh\"echo #{name} #{times}\"\n";

/// What a browser makes of a page, after its scripts have run.
fn rendered(page: &Path, query: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.env("HOME", profile.path()).arg(format!("file://{}{query}", page.display()));
    run(&mut command).ok().stdout
}

#[test]
fn the_search_works_from_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = module(LIBRARY);
    let pages = folder.path().join("pages");
    let source = folder.path().to_str().unwrap();
    let done = cbuild(root.path(), ["doc", source, "-o", pages.to_str().unwrap()]).ok();
    assert!(done.stdout.trim_end().ends_with("pages/index.html"), "{}", done.stdout);

    let front = rendered(&pages.join("index.html"), "?search=polite");
    assert!(front.contains("<span class=\"from\">main.</span>greet"), "{front}");
    assert!(front.contains("href=\"module/main.html#greet\""), "{front}");
    let inner = rendered(&pages.join("std/list.html"), "?search=list.map");
    assert!(inner.contains("<li id=\"result-0\" role=\"option\" aria-selected=\"true\"><a href=\"../std/list.html#map\""), "{inner}");
    let nothing = rendered(&pages.join("index.html"), "?search=xyzzy");
    assert!(nothing.contains("Nothing has this name"), "{nothing}");
}

#[test]
fn data_and_the_standard_library() {
    let root = tempfile::tempdir().unwrap();
    let done = cbuild(root.path(), ["--json", "doc", "std"]).ok();
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let modules = document["modules"].as_array().unwrap();
    assert!(modules.iter().any(|module| module["name"] == "std.list"), "{modules:?}");
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("file");
    std::fs::write(&wrong, "").unwrap();
    let wrong = wrong.join("doc");
    cbuild(root.path(), ["doc", "std", "-o", wrong.to_str().unwrap()]).fails(3, "E1071");
}

#[test]
fn failing_tests_and_examples_tell_values() {
    let root = tempfile::tempdir().unwrap();
    let folder = module(
        "/// Doubles.\n///\n/// ```cbuild test\n/// double(2) == 4\n/// ```\n///\n/// ```cbuild test\n\
         /// double(3) == 7\n/// ```\n///\n/// ```cbuild test\n/// double(3)\n/// ```\n\
         pub fn double(n: Int) -> Int = n * 2\nlet three = 3\ntest \"six\" { double(three) == 7 }\n",
    );
    let path = folder.path().to_str().unwrap();
    let done = cbuild(root.path(), ["test", path]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("E1068"), "{}", done.stderr);
    let text = folder.path().join("main.cbuild");
    let fixed = std::fs::read_to_string(&text).unwrap().replace("/// double(3)\n", "/// true\n");
    std::fs::write(&text, fixed).unwrap();
    let done = cbuild(root.path(), ["test", path]).fails(1, "E0416");
    assert!(done.stderr.contains("note: `double(three)` is 6"), "{}", done.stderr);
    assert!(done.stderr.contains("note: `double(3)` is 6"), "{}", done.stderr);
    assert!(done.stdout.ends_with("2 passed, 2 failed\n"), "{}", done.stdout);
    let done = cbuild(root.path(), ["--json", "test", path]).fails(1, "E0416");
    let first: serde_json::Value =
        serde_json::from_str(done.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["values"][0]["expression"], "double(three)");
    assert_eq!(first["values"][0]["value"], "6");
    assert_eq!(first["values"][0]["line"], 16);
}

#[test]
fn imports_that_lead_nowhere_are_told() {
    let folder = module(
        "import std\nimport ./gone.cbuild as gone\nimport ext.other\n\n/// One.\npub let x: Int = gone.y\n",
    );
    let (at, pages) = (folder.path().display().to_string(), folder.path().join("pages"));
    let done = cbuild(&shared_root(), ["doc", &at, "-o", pages.to_str().unwrap()]).ok();
    insta::assert_snapshot!(done.stderr.replace(&at, "PACKAGE"));
    assert!(pages.join("module/main.html").is_file());
}
