//! Each code of the book is in a snapshot, which shows it as the user sees it: as a diagnostic, as
//! `error[CODE]`, or in the JSON form.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and read the repository"
)]

use std::collections::BTreeSet;
use std::path::Path;

/// Folders of results, which may hold copies of what is in the repository.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

/// The codes that the snapshots below a folder show.
fn shown(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !SKIPPED.contains(&name) && !path.is_symlink() {
            shown(&path, found);
        } else if name.ends_with(".snap") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(text.lines().filter_map(code).map(str::to_owned));
        }
    }
}

/// The code that a line of a message is about.
fn code(line: &str) -> Option<&str> {
    let line = line.trim();
    let marks = ["error[", "warning[", "{\"severity\":\"error\",\"code\":\""];
    let marked = marks.iter().find_map(|mark| line.strip_prefix(mark)?.get(..5));
    let code = marked.unwrap_or(line);
    let digits = code.strip_prefix('E')?;
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

#[test]
fn each_code_has_a_snapshot() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = BTreeSet::new();
    for folder in ["crates", "tests"] {
        shown(&repository.join(folder), &mut found);
    }
    let pages = std::fs::read_dir(repository.join("book/src/errors")).unwrap();
    let mut missing: BTreeSet<String> = pages
        .map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(missing.len() > 250, "{} pages", missing.len());
    missing.retain(|code| !found.contains(code));
    assert!(missing.is_empty(), "no snapshot shows {missing:?}");
}

#[test]
fn a_code_counts_where_it_is_shown() {
    assert_eq!(code("E0301"), Some("E0301"));
    assert_eq!(code("error[E1021]: 1 of 1 tests failed"), Some("E1021"));
    assert_eq!(code("{\"severity\":\"error\",\"code\":\"E1000\",\"message\":"), Some("E1000"));
    assert_eq!(code("E0301 is not given"), None);
    assert_eq!(code("help: see E0301"), None);
    assert_eq!(code("E03é"), None);
}
