//! Every broken program of `tests/broken` is refused with its code and place, and exit code 2.

use crate::harness::{cbuild, repository};

#[test]
fn each_is_refused_with_its_code_and_place() {
    let root = tempfile::tempdir().unwrap();
    let folder = repository().join("tests/broken");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "cbuild"))
        .collect();
    files.sort();
    let mut seen = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let Some(code) = text.lines().next().and_then(|line| line.strip_prefix("// expect: "))
        else {
            continue;
        };
        let code = code.trim();
        let shown = format!("tests/broken/{}", file.file_name().unwrap().to_str().unwrap());
        let command = if code.starts_with("E04") { "eval" } else { "check" };
        let done = cbuild(root.path(), [command, &shown]).fails(2, code);
        // An import cycle may be shown in the other file of the cycle.
        assert!(done.stderr.contains("[tests/broken/"), "no place in:\n{}", done.stderr);
        assert!(done.stderr.contains("  help: "), "no fix in:\n{}", done.stderr);
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} broken programs");
}
