//! Messages whose pages have no example: what gives them is large, takes long, or is no program.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cbuild_diag::{Diagnostic, Sources};
use cbuild_eval::{Evaluator, Limits, MemoryLimit, Value};
use cbuild_sema::{LoadError, Loader, ModuleKey, Package, check};

use crate::{Example, MAIN};

/// Codes that no input is known to give: the parser's emergency brake, which its crate shows.
pub(crate) const UNREACHABLE: &[&str] = &["E0103"];

/// Code, a source or what stands for it, and the message.
type Otherwise = (&'static str, &'static str, Sources, Diagnostic);

pub(crate) fn all() -> Vec<Otherwise> {
    let cancel = Limits { cancel: Some(Arc::new(AtomicBool::new(true))), ..Limits::default() };
    let memory = Some(MemoryLimit { bytes: 64 << 20, used: || 65 << 20 });
    let full = Limits { memory, ..Limits::default() };
    let small = Limits { items: 100, ..Limits::default() };
    let count = "fn count(n: Int) -> Int = count(n + 1)\npub let default: Int = count(0)\n";
    let range = "import std\npub let default: List<Int> = std.list.range(0, 101)\n";
    vec![
        too_large(),
        turned(),
        unreadable(),
        too_complex(),
        evaluated("E0406", range, small, |_, _| None),
        evaluated("E0407", count, cancel, |_, _| None),
        unchecked(),
        evaluated("E0417", count, full, |_, _| None),
        unknown_extern(),
        failing_test(),
        evaluated(
            "E0415",
            "pub let default: { port: Int } = { port = 1 }\n",
            Limits::default(),
            |e, value| e.field(&value, "prot").err(),
        ),
    ]
}

fn program(text: &str) -> Example {
    Example { files: [(MAIN.to_owned(), text.to_owned())].into(), eval: false }
}

fn only(
    code: &'static str,
    source: &'static str,
    sources: Sources,
    found: Vec<Diagnostic>,
) -> Otherwise {
    let [one] = <[Diagnostic; 1]>::try_from(found).unwrap();
    (code, source, sources, one)
}

fn too_large() -> Otherwise {
    let mut sources = Sources::default();
    let text = " ".repeat(cbuild_syntax::MAX_SOURCE_BYTES + 1);
    let id = sources.add(MAIN, "");
    let found = cbuild_syntax::parse(id, &text).diagnostics;
    only("E0101", "(4 MiB and a byte of blanks)", sources, found)
}

fn turned() -> Otherwise {
    let (sources, found) = program("let name = \"a\u{202e}b\"\n").run();
    only("E0142", "(a text with the character U+202E)", sources, found)
}

fn too_complex() -> Otherwise {
    // Each function doubles the type of the one before.
    let mut text = "let f0 = x => { a = x, b = x }\n".to_owned();
    for n in 1..40 {
        text += &format!("let f{n} = x => f{}(f{}(x))\n", n - 1, n - 1);
    }
    let (sources, found) = program(&text).run();
    let first = found.into_iter().take(1).collect();
    only("E0309", "(functions that double the type of each other)", sources, first)
}

/// The files of an example, one of which cannot be read.
struct Unreadable(Example);

impl Loader for Unreadable {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.path.as_str() {
            "folder.cbuild" => Err(LoadError::Unreadable("it is a folder".to_owned())),
            _ => self.0.load(key),
        }
    }
}

fn unreadable() -> Otherwise {
    let source = "import ./folder.cbuild\n";
    let mut sources = Sources::default();
    let mut files = Unreadable(program(source));
    let found = check(&mut sources, &mut files, &ModuleKey::root(MAIN)).diagnostics;
    only("E0217", source, sources, found)
}

/// The standard library with a function that the evaluator does not supply.
struct NewerLibrary(Example);

impl Loader for NewerLibrary {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match (key.package, key.path.as_str()) {
            (Package::Std, "main.cbuild") => Ok("pub extern fn newest(n: Int) -> Int\n".to_owned()),
            _ => self.0.load(key),
        }
    }
}

fn unknown_extern() -> Otherwise {
    let source = "import std\npub let default: Int = std.newest(1)\n";
    let mut sources = Sources::default();
    let mut files = NewerLibrary(program(source));
    let checked = check(&mut sources, &mut files, &ModuleKey::root(MAIN));
    let mut world = program(source);
    let mut evaluator = Evaluator::new(&checked.program, &mut world, Limits::default());
    let found = evaluator.export(checked.entry, &["default"]).err();
    only("E0414", source, sources, Vec::from_iter(found))
}

/// A program that the checker refuses, evaluated all the same: a defect of whoever does that.
fn unchecked() -> Otherwise {
    evaluated("E0413", "pub let default: Int = { a = 1 }.b + 1\n", Limits::default(), |_, _| None)
}

fn failing_test() -> Otherwise {
    let source = "let port: Int = 80\ntest \"the port\" { port + 1 == 80 }\n";
    let mut example = program(source);
    let mut sources = Sources::default();
    let checked = check(&mut sources, &mut example, &ModuleKey::root(MAIN));
    let mut evaluator = Evaluator::new(&checked.program, &mut example, Limits::default());
    assert_eq!(evaluator.run_tests(checked.entry), [("the port".to_owned(), Ok(false))]);
    let seen = evaluator.observe_test(checked.entry, 0).unwrap();
    let found = seen.diagnostic("the port", &sources);
    only("E0416", source, sources, vec![found])
}

fn evaluated(
    code: &'static str,
    source: &'static str,
    limits: Limits,
    then: impl FnOnce(&mut Evaluator<'_>, Value) -> Option<Diagnostic>,
) -> Otherwise {
    let mut example = program(source);
    let mut sources = Sources::default();
    let checked = check(&mut sources, &mut example, &ModuleKey::root(MAIN));
    let mut evaluator = Evaluator::new(&checked.program, &mut example, limits);
    let found = match evaluator.export(checked.entry, &["default"]) {
        Ok(value) => then(&mut evaluator, value),
        Err(fault) => Some(fault),
    };
    only(code, source, sources, Vec::from_iter(found))
}
