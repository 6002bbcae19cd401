//! One way to run source text, so that the tests need not know the interfaces.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use cbuild_diag::{Diagnostic, Severity, SourceId, Sources};
use cbuild_drv::{Derivation, Digest, Graph, Input, StorePath};
use cbuild_eval::{Evaluator, Limits, Target, Value, World};
use cbuild_sema::{CheckedExpr, LoadError, Loader, ModuleKey, Package, check_expr};

/// The main file of the tested package.
pub(crate) const MAIN: &str = "main.cbuild";

/// Root modules from memory, the standard library from its folder.
pub(crate) struct Files(pub(crate) BTreeMap<String, String>);

impl Loader for Files {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.package {
            Package::Std => {
                let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stdlib");
                #[expect(clippy::disallowed_methods, reason = "tests read the real library")]
                std::fs::read_to_string(path.join(&key.path)).map_err(|_| LoadError::NotFound)
            }
            _ => self.0.get(&key.path).cloned().ok_or(LoadError::NotFound),
        }
    }

    /// Another test checks all of it; here only what is used is read, as in cbuild itself.
    fn library_is_sound(&self) -> bool {
        true
    }
}

/// A world in which every path but `./missing` exists.
#[derive(Default)]
pub(crate) struct TestWorld {
    /// Texts of files that can be decoded, by path.
    pub(crate) texts: BTreeMap<String, Vec<u8>>,
    pub(crate) imports: Vec<(SourceId, String)>,
}

impl World for TestWorld {
    fn read_source(&mut self, _: SourceId, path: &str) -> Result<(String, Vec<u8>), String> {
        let found = self.texts.get(path).cloned().ok_or("there is no such file or folder")?;
        Ok((path.trim_start_matches("./").to_owned(), found))
    }

    fn import_source(&mut self, source: SourceId, path: &str) -> Result<StorePath, String> {
        if path == "./missing" {
            return Err("there is no such file".to_owned());
        }
        self.imports.push((source, path.to_owned()));
        let name = path.rsplit('/').next().unwrap();
        let digest = Digest::of(path.as_bytes());
        Ok(StorePath::parse(&format!("{digest}-{name}")).unwrap())
    }
}

/// A checked expression in the scope of a module with the given items.
pub(crate) fn checked(items: &str, expr: &str) -> (CheckedExpr, Sources) {
    let mut files = Files(BTreeMap::from([(MAIN.to_owned(), items.to_owned())]));
    let mut sources = Sources::default();
    let scope = ModuleKey::root(MAIN);
    let result = check_expr(&mut sources, &mut files, Some(&scope), expr);
    let errors = |d: &&Diagnostic| d.severity == Severity::Error;
    let errors: Vec<String> =
        result.checked.diagnostics.iter().filter(errors).map(|d| describe(d, &sources)).collect();
    assert!(errors.is_empty(), "`{expr}` does not check:\n{}", errors.join("\n"));
    (result, sources)
}

/// Evaluates an expression and hands evaluator and value to a function.
pub(crate) fn with_value<T>(
    items: &str,
    expr: &str,
    limits: Limits,
    use_it: impl FnOnce(&mut Evaluator<'_>, Value) -> Result<T, Diagnostic>,
) -> Result<T, String> {
    with_value_in(TestWorld::default(), items, expr, limits, use_it, describe)
}

fn with_value_in<T>(
    mut world: TestWorld,
    items: &str,
    expr: &str,
    limits: Limits,
    use_it: impl FnOnce(&mut Evaluator<'_>, Value) -> Result<T, Diagnostic>,
    tell: fn(&Diagnostic, &Sources) -> String,
) -> Result<T, String> {
    let (checked, mut sources) = checked(items, expr);
    let mut evaluator = Evaluator::new(&checked.checked.program, &mut world, limits);
    let result = evaluator.global(checked.value).and_then(|value| use_it(&mut evaluator, value));
    for file in evaluator.decoded() {
        sources.put(file.id, file.name.clone(), file.text.clone());
    }
    result.map_err(|diagnostic| tell(&diagnostic, &sources))
}

/// The value as shown to a reader, or the error.
pub(crate) fn show(items: &str, expr: &str) -> Result<String, String> {
    with_value(items, expr, Limits::default(), |evaluator, value| evaluator.show(&value))
}

/// As [`show`], where these files can be decoded. Of an error, code and place: line and column in the
/// expression, behind its name in any other file.
pub(crate) fn show_with_files(
    items: &str,
    expr: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<String, String> {
    let world = TestWorld { texts: files.clone(), ..TestWorld::default() };
    let use_it = |evaluator: &mut Evaluator<'_>, value: Value| evaluator.show(&value);
    with_value_in(world, items, expr, Limits::default(), use_it, code_and_place)
}

fn code_and_place(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let label = &diagnostic.labels[0];
    let (line, column) = sources.line_column(label.source, label.span.start as usize);
    let file = match sources.name(label.source) {
        "(expression)" => String::new(),
        file => format!("{file}:"),
    };
    format!("{} {file}{line}:{column}", diagnostic.code)
}

/// Asserts what an expression evaluates to.
#[track_caller]
pub(crate) fn check_eval(expr: &str, expected: &str) {
    check_items("", expr, expected);
}

/// Asserts what an expression evaluates to in the scope of some items.
#[track_caller]
pub(crate) fn check_items(items: &str, expr: &str, expected: &str) {
    match show(items, expr) {
        Ok(shown) => assert_eq!(shown, expected, "`{expr}`"),
        Err(error) => panic!("`{expr}` fails:\n{error}"),
    }
}

/// The error of an expression, in plain lines that are made for snapshots.
#[track_caller]
pub(crate) fn fault(items: &str, expr: &str) -> String {
    match show(items, expr) {
        Ok(shown) => panic!("`{expr}` gives {shown}"),
        Err(error) => error,
    }
}

/// Asserts the code of an expression's error.
#[track_caller]
pub(crate) fn check_fault(expr: &str, code: &str) {
    let error = fault("", expr);
    assert!(error.starts_with(code), "`{expr}` fails otherwise:\n{error}");
}

/// The target of an expression, its derivation, and the graph.
#[track_caller]
pub(crate) fn derivation(items: &str, expr: &str) -> (Target, Derivation<Input>, Graph) {
    let built = with_value(items, expr, Limits::default(), |evaluator, value| {
        let target = evaluator.buildable(&value).unwrap();
        Ok((target, evaluator.graph().clone()))
    });
    let (target, graph) = built.unwrap();
    let derivation = graph.get(&target.drv).unwrap().clone();
    (target, derivation, graph)
}

/// Code, message, labels with the text that they point at, notes and fix.
pub(crate) fn describe(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut text = format!("{}: {}\n", diagnostic.code, diagnostic.message);
    for label in &diagnostic.labels {
        let (start, end) = (label.span.start as usize, label.span.end as usize);
        let source = sources.text(label.source);
        let at = source.get(start..end).unwrap_or("(outside)").lines().next().unwrap_or("");
        let _ = writeln!(text, "  at {}: `{at}`: {}", sources.name(label.source), label.text);
    }
    for note in &diagnostic.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}
