//! The corpus of broken programs in `tests/broken`. The first line of each file names the code
//! that it must give; a file without such a line is there to be imported by others.

use std::collections::BTreeSet;

use cbuild_diag::Sources;
use cbuild_sema::{Checked, ModuleKey, check};

use crate::files::{Files, REAL_STD, render, repository};

/// File name and text of each program, with the whole folder as a package.
fn corpus() -> Files {
    let mut files = Files::with_std(REAL_STD);
    for entry in std::fs::read_dir(repository().join("tests/broken")).expect("the corpus is there")
    {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if name.ends_with(".cbuild") {
            files.root.insert(name, std::fs::read_to_string(&path).expect("readable"));
        }
    }
    files
}

fn expected(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix("// expect: ").map(str::trim)
}

/// What is wrong with the answer, if anything.
fn objection(code: &str, sources: &Sources, checked: &Checked) -> Option<String> {
    let shown = render(sources, &checked.diagnostics);
    let phase = &code[..code.len().min(3)];
    if !matches!(phase, "E01" | "E02" | "E03") {
        return checked.has_errors().then(|| format!("must check:\n{shown}"));
    }
    if !checked.has_errors() {
        return Some(format!("gives nothing, not {code}"));
    }
    if checked.diagnostics.iter().any(|d| d.code != code) {
        return Some(format!("not only {code}:\n{shown}"));
    }
    let located = checked.diagnostics.iter().filter_map(|d| d.labels.first()).all(|label| {
        let inside = label.span.end as usize <= sources.text(label.source).len();
        inside && !sources.name(label.source).starts_with("std/")
    });
    (!located).then(|| format!("not located in the program:\n{shown}"))
}

#[test]
fn each_broken_program_gives_its_code() {
    let mut files = corpus();
    let mut codes = BTreeSet::new();
    let mut objections = Vec::new();
    for (name, text) in files.root.clone() {
        let Some(code) = expected(&text) else { continue };
        let mut sources = Sources::default();
        let checked = check(&mut sources, &mut files, &ModuleKey::root(name.as_str()));
        if let Some(objection) = objection(code, &sources, &checked) {
            objections.push(format!("{name}: {objection}"));
        }
        codes.insert(code.to_owned());
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    assert!(files.root.len() >= 34, "{} programs", files.root.len());
    assert!(codes.len() >= 30, "{codes:?}");
}

/// Broken programs are cut at every place, too: whatever is left must be checked without a panic.
#[test]
fn no_prefix_of_a_broken_program_panics() {
    let mut files = corpus();
    for (name, text) in files.root.clone() {
        for end in (0..text.len()).step_by(13).filter(|end| text.is_char_boundary(*end)) {
            files.root.insert(name.clone(), text[..end].to_owned());
            let mut sources = Sources::default();
            let checked = check(&mut sources, &mut files, &ModuleKey::root(name.as_str()));
            for diagnostic in &checked.diagnostics {
                assert!(!diagnostic.labels.is_empty());
            }
        }
        files.root.insert(name, text);
    }
}
