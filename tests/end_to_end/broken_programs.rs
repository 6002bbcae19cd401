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

#[test]
fn of_many_errors_the_first_are_shown() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("main.cbuild");
    std::fs::write(&file, "let a = #\n".repeat(60)).unwrap();
    let path = file.to_str().unwrap();
    let done = cbuild(root.path(), ["check", path]).fails(2, "E0115");
    assert_eq!(done.stderr.matches("E0115\n").count(), 50);
    assert!(done.stderr.contains("10 more errors in `"), "{}", done.stderr);
    let done = cbuild(root.path(), ["check", "--json", path]).fails(2, "E0115");
    assert!(done.stderr.contains("\"more\":10"), "{}", done.stderr);
    let done = cbuild(root.path(), ["check", "--all-errors", path]).fails(2, "E0115");
    assert_eq!(done.stderr.matches("E0115\n").count(), 60);
    assert!(!done.stderr.contains("more errors"), "{}", done.stderr);
}

/// The drawing of labels ends at column 65,535.
#[test]
fn errors_in_long_lines_are_shown() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("main.cbuild");
    let text = format!("pub let default: Int = \"{}\" + nope\n", "x".repeat(70_000));
    std::fs::write(&file, text).unwrap();
    let done = cbuild(root.path(), ["check", file.to_str().unwrap()]).fails(2, "E0201");
    assert!(done.stderr.contains("main.cbuild:1:70029]"), "{}", done.stderr);
    assert!(done.stderr.len() < 4_000, "{} bytes", done.stderr.len());

    let json = root.path().join("wide.json");
    std::fs::write(&json, format!("{{\"a\":\"{}\",\"b\":true}}", "x".repeat(70_000))).unwrap();
    let text = "let r: { a: Str, b: Int } = decode<{ a: Str, b: Int }>(./wide.json)\n\
                pub let default: Int = r.b\n";
    std::fs::write(&file, text).unwrap();
    let done = cbuild(root.path(), ["eval", file.to_str().unwrap()]).fails(2, "E04");
    assert!(done.stderr.contains("wide.json:1:"), "{}", done.stderr);
}
