//! The pages of `book/src/errors` on the language (E01 to E04): the wrong example of each gives its
//! code, with a place and a fix, the right one gives nothing; source and message of each are in a
//! snapshot. For a code whose page has no example, the message is made here in another way.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and read the pages in the repository"
)]

mod messages;
mod otherwise;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_diag::{Diagnostic, RenderOptions, SourceId, Sources, render};
use cbuild_drv::{Digest, StorePath};
use cbuild_eval::{Evaluator, Limits, World};
use cbuild_sema::ir::Export;
use cbuild_sema::{LoadError, Loader, ModuleKey, Package, check};

/// A program with the files beside it.
#[derive(Default)]
struct Example {
    files: BTreeMap<String, String>,
    /// Whether `default` is evaluated, not only checked.
    eval: bool,
}

const MAIN: &str = "main.cbuild";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Loader for Example {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.package {
            Package::Std => std::fs::read_to_string(repository().join("stdlib").join(&key.path))
                .map_err(|_| LoadError::NotFound),
            _ => self.files.get(&key.path).cloned().ok_or(LoadError::NotFound),
        }
    }
}

impl World for Example {
    fn import_source(&mut self, _: SourceId, path: &str) -> Result<StorePath, String> {
        let (_, bytes) = self.read_source(SourceId(0), path)?;
        let name = path.rsplit('/').next().unwrap();
        Ok(StorePath::parse(&format!("{}-{name}", Digest::of(&bytes))).unwrap())
    }

    fn read_source(&mut self, _: SourceId, path: &str) -> Result<(String, Vec<u8>), String> {
        let name = path.trim_start_matches("./");
        let text = self.files.get(name).ok_or("there is no such file or folder")?;
        Ok((name.to_owned(), text.clone().into_bytes()))
    }
}

impl Example {
    /// The example in a part of a page, whose fences are marked as `tests/end_to_end` reads them.
    fn read(markdown: &str, code: Option<&str>) -> Option<Self> {
        let mut example = Self::default();
        let wanted = code.map_or("cbuild".to_owned(), |code| format!("cbuild-error {code}"));
        let (mut name, mut inside) = (String::new(), false);
        for line in markdown.lines() {
            match line.strip_prefix("```") {
                Some(_) if inside => inside = false,
                Some(mark) => {
                    inside = true;
                    name = match mark.split_once("file=") {
                        Some((_, name)) => name.to_owned(),
                        None => {
                            example.eval = mark == format!("{wanted} eval");
                            assert!(example.eval || mark == wanted, "`{mark}` is not `{wanted}`");
                            MAIN.to_owned()
                        }
                    };
                    example.files.insert(name.clone(), String::new());
                }
                None if inside => *example.files.get_mut(&name).unwrap() += &format!("{line}\n"),
                None => {}
            }
        }
        example.files.contains_key(MAIN).then_some(example)
    }

    /// All diagnostics, with the texts that they point into.
    fn run(&mut self) -> (Sources, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let checked = check(&mut sources, self, &ModuleKey::root(MAIN));
        let mut found = checked.diagnostics.clone();
        if !checked.has_errors() && self.eval {
            let entry = &checked.program.modules[checked.entry.0 as usize];
            let Some(Export::Value { global, .. }) = entry.exports.get("default") else {
                panic!("nothing is evaluated");
            };
            let limits = Limits { depth: 1000, ..Limits::default() };
            let mut evaluator = Evaluator::new(&checked.program, self, limits);
            let shown = evaluator.global(*global).and_then(|value| evaluator.show(&value));
            for file in evaluator.decoded() {
                sources.put(file.id, file.name.clone(), file.text.clone());
            }
            found.extend(shown.err());
        }
        (sources, found)
    }

    fn shown(&self) -> String {
        let mut text = String::new();
        for (name, file) in &self.files {
            if self.files.len() > 1 {
                text += &format!("//- {name}\n");
            }
            text += file;
        }
        text
    }
}

/// What is missing in an answer, and the answer for a snapshot.
fn answer(code: &str, sources: &Sources, found: &[Diagnostic]) -> (Vec<String>, String) {
    let mut missing = Vec::new();
    let mut drawn = String::new();
    if found.is_empty() {
        missing.push(format!("{code}: nothing is reported"));
    }
    for diagnostic in found {
        let text = render(sources, diagnostic, RenderOptions::plain());
        if diagnostic.code != code {
            missing.push(format!("{code}: gives {text}"));
        }
        if diagnostic.labels.is_empty() || diagnostic.labels.iter().any(|l| l.text.is_empty()) {
            missing.push(format!("{code}: no place, or nothing is said of it: {text}"));
        }
        if diagnostic.help.is_none() {
            missing.push(format!("{code}: no fix: {text}"));
        }
        drawn += "--------\n";
        drawn += &text;
    }
    (missing, drawn)
}

fn snapshot(code: &str, source: &str, drawn: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(code, format!("{}\n{drawn}", source.trim_end()));
    });
}

/// The pages of the language, by code.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(repository().join("book/src/errors")).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if code.as_str() < "E05" {
            pages.insert(code, std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(pages.len() > 90, "{} pages", pages.len());
    pages
}

#[test]
fn each_example_does_what_its_page_says() {
    let mut wrong = Vec::new();
    let mut without = BTreeSet::new();
    for (code, page) in pages() {
        let (bad, good) = page.split_once("\nRight:\n").unwrap_or((&page, ""));
        let Some(mut example) = Example::read(bad, Some(&code)) else {
            without.insert(code);
            continue;
        };
        let (sources, found) = example.run();
        let (missing, drawn) = answer(&code, &sources, &found);
        wrong.extend(missing);
        snapshot(&code, &example.shown(), &drawn);
        let Some(mut example) = Example::read(good, None) else {
            wrong.push(format!("{code}: there is no right example"));
            continue;
        };
        let (sources, found) = example.run();
        for diagnostic in &found {
            let text = render(&sources, diagnostic, RenderOptions::plain());
            wrong.push(format!("{code}: the right example gives {text}"));
        }
    }
    for (code, source, sources, found) in otherwise::all() {
        assert!(without.remove(code), "{code} has an example on its page");
        let (missing, drawn) = answer(code, &sources, &[found]);
        wrong.extend(missing);
        snapshot(code, source, &drawn);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unreachable: Vec<&str> = otherwise::UNREACHABLE.to_vec();
    assert_eq!(Vec::from_iter(&without), unreachable, "codes without any example");
}

/// No error hides another one: neither one of types that of syntax, nor the other way round.
#[test]
fn all_errors_of_a_file_are_told_at_once() {
    let source = "let port: Int = \"80\"\n\n\
        let list = [1, 2\n\n\
        fn twice(n: Int) -> Int = n + tru\n\n\
        let same = if port then 1 else 2\n\n\
        let name: Str = { a = 1 }.b\n";
    let mut example =
        Example { files: BTreeMap::from([(MAIN.to_owned(), source.to_owned())]), eval: false };
    let (_, found) = example.run();
    let codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["E0301", "E0106", "E0201", "E0301", "E0308"]);
}
