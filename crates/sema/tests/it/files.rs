//! A package in memory with a standard library from a folder, and a plain rendering of diagnostics.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use cbuild_diag::{Diagnostic, Sources};
use cbuild_sema::{
    Bodies, Checked, LoadError, Loader, Memory, ModuleKey, Package, check, check_with,
};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files of the root package by path, and the folder of the standard library.
pub(crate) struct Files {
    pub(crate) root: BTreeMap<String, String>,
    pub(crate) std: PathBuf,
}

impl Files {
    /// No files yet; `std` relative to the root of the repository.
    pub(crate) fn with_std(std: &str) -> Self {
        Self { root: BTreeMap::new(), std: repository().join(std) }
    }
}

/// The small standard library that tests use.
pub(crate) const SMALL_STD: &str = "crates/sema/tests/it/std";

/// The real one.
pub(crate) const REAL_STD: &str = "stdlib";

impl Loader for Files {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.package {
            Package::Root => self.root.get(&key.path).cloned().ok_or(LoadError::NotFound),
            _ => std::fs::read_to_string(self.std.join(&key.path)).map_err(|_| LoadError::NotFound),
        }
    }
}

/// Files whose standard library is said to be sound, so that only what is used of it is read.
pub(crate) struct Sound(pub(crate) Files);

impl Loader for Sound {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        self.0.load(key)
    }

    fn library_is_sound(&self) -> bool {
        true
    }
}

/// Reads `main.cbuild`, or several files introduced by lines such as `//- lib.cbuild`.
pub(crate) fn files(source: &str, std: &str) -> Files {
    let mut files = Files::with_std(std);
    let mut name = "main.cbuild".to_owned();
    let mut text = String::new();
    for line in source.lines() {
        if let Some(next) = line.strip_prefix("//- ") {
            if !text.is_empty() {
                files.root.insert(name, std::mem::take(&mut text));
            }
            name = next.trim().to_owned();
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    files.root.insert(name, text);
    files
}

/// Checks the files of `source`; the entry is `main.cbuild`.
pub(crate) fn check_source(source: &str) -> (Sources, Checked) {
    let mut sources = Sources::default();
    let checked =
        check(&mut sources, &mut files(source, SMALL_STD), &ModuleKey::root("main.cbuild"));
    let shown = render(&sources, &checked.diagnostics);
    remembering_changes_nothing(source, &shown);
    reading_less_of_the_library_changes_nothing(source, &shown);
    (sources, checked)
}

fn reading_less_of_the_library_changes_nothing(source: &str, expected: &str) {
    let mut sources = Sources::default();
    let mut files = Sound(files(source, SMALL_STD));
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    assert_eq!(render(&sources, &checked.diagnostics), expected, "with less of the library");
}

/// Checks that remember what earlier ones found say the same.
fn remembering_changes_nothing(source: &str, expected: &str) {
    let mut memory = Memory::default();
    for round in 0..3 {
        let (mut sources, mut files) = (Sources::default(), files(source, SMALL_STD));
        let entry = [ModuleKey::root("main.cbuild")];
        let checked = check_with(&mut sources, &mut files, &mut memory, &entry, Bodies::Changed);
        assert_eq!(render(&sources, &checked.diagnostics), expected, "round {round} of\n{source}");
        if round > 0 {
            let clean = checked.looked_into.iter().all(|key| {
                checked.diagnostics.iter().any(|d| {
                    d.labels.iter().any(|label| checked.keys.get(&label.source) == Some(key))
                }) || expected.contains("E02")
            });
            assert!(clean, "round {round} looks into {:?} of\n{source}", checked.looked_into);
        }
        if round == 1 {
            // The last round is that of another process.
            let bytes = memory.to_bytes().expect("few modules fit");
            memory = Memory::from_bytes(&bytes).expect("what was written is read");
        }
    }
}

/// The codes of all diagnostics, in order.
pub(crate) fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.diagnostics.iter().map(|d| d.code).collect()
}

/// All diagnostics as text, each label under the line that it points at.
pub(crate) fn render(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(out, "{}: {}", diagnostic.code, diagnostic.message);
        for label in &diagnostic.labels {
            let text = sources.text(label.source);
            let start = (label.span.start as usize).min(text.len());
            let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
            let number = text[..start].matches('\n').count() + 1;
            let name = sources.name(label.source);
            let _ = writeln!(out, "  {name}:{number} | {}", &text[line_start..line_end]);
            let length = (label.span.end as usize).min(line_end).saturating_sub(start).max(1);
            let indent = name.len() + number.to_string().len() + 6 + (start - line_start);
            let _ = writeln!(out, "{}{} {}", " ".repeat(indent), "^".repeat(length), label.text);
        }
        for note in &diagnostic.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    out
}
