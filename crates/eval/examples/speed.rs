//! Measures the evaluator: `cargo run --release -p cbuild-eval --example speed [PART OF A TITLE]`.
//!
//! Each line is a program, its value, the fastest of five evaluations and, in brackets, the time of
//! checking the program with the whole standard library. With the path of a `.cbuild` file, its
//! `default` is evaluated once, for profilers.
#![allow(clippy::disallowed_methods, reason = "it measures time and reads the library")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use cbuild_diag::{Severity, SourceId, Sources};
use cbuild_drv::StorePath;
use cbuild_eval::{Evaluator, Limits, World};
use cbuild_sema::{LoadError, Loader, ModuleKey, Package, check_expr};

/// The one of the program `cbuild`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAMS: &[(&str, &str, &str)] = &[
    (
        "naive fib(27)",
        "fn fib(n: Int) -> Int = if n < 2 then n else fib(n - 1) + fib(n - 2)",
        "fib(27)",
    ),
    (
        "naive fib(31)",
        "fn fib(n: Int) -> Int = if n < 2 then n else fib(n - 1) + fib(n - 2)",
        "fib(31)",
    ),
    (
        "fold over a million numbers",
        "import std",
        "std.list.fold(std.list.range(0, 1000000), 0, (sum, n) => sum + n)",
    ),
    (
        "map, filter and fold over a million",
        "import std",
        "std.list.range(0, 1000000) |> std.list.map(n => n * 3) |> std.list.filter(n => n % 2 == 0) \
         |> std.list.fold(0, (sum, n) => sum + n)",
    ),
    (
        "loop of a million steps",
        "fn go(n: Int, sum: Int) -> Int = if n == 0 then sum else go(n - 1, sum + n)",
        "go(1000000, 0)",
    ),
    (
        "map of 100,000 entries, one by one",
        "import std\nfn add(m: Map<Int>, n: Int) -> Map<Int> = std.map.set(m, \"key#{n}\", n)",
        "std.list.length(std.map.keys(std.list.fold(std.list.range(0, 100000), {}, add)))",
    ),
    (
        "a million records, updated and read",
        "import std",
        "std.list.fold(std.list.range(0, 1000000), { sum = 0, last = 0 }, \
         (r, n) => r with { sum = r.sum + n, last = n }).sum",
    ),
    (
        "100,000 lazy records in a list",
        "import std\nfn make(n: Int) -> { id: Int, name: Str } = { id = n, name = \"item #{n}\" }",
        "std.list.fold(std.list.map(std.list.range(0, 100000), make), 0, (sum, r) => sum + r.id)",
    ),
];

struct Files(String);

impl Loader for Files {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        if key.package != Package::Std {
            return Ok(self.0.clone());
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stdlib");
        std::fs::read_to_string(folder.join(&key.path)).map_err(|_| LoadError::NotFound)
    }
}

struct NoFiles;

impl World for NoFiles {
    fn read_source(&mut self, _: SourceId, path: &str) -> Result<(String, Vec<u8>), String> {
        Err(format!("there is no `{path}`"))
    }

    fn import_source(&mut self, _: SourceId, _: &str) -> Result<StorePath, String> {
        Err("there are no files here".to_owned())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted.ends_with(".cbuild") {
        return once(std::fs::read_to_string(&wanted)?);
    }
    for (title, items, expr) in PROGRAMS.iter().filter(|program| program.0.contains(&wanted)) {
        let (mut sources, mut files) = (Sources::default(), Files((*items).to_owned()));
        let start = Instant::now();
        let scope = ModuleKey::root("main.cbuild");
        let found = check_expr(&mut sources, &mut files, Some(&scope), expr);
        let checking = start.elapsed();
        let errors = &found.checked.diagnostics;
        if let Some(error) = errors.iter().find(|found| found.severity == Severity::Error) {
            return Err(error.to_string().into());
        }
        let (mut fastest, mut shown) = (Duration::MAX, String::new());
        for _ in 0..5 {
            let mut world = NoFiles;
            let start = Instant::now();
            let mut evaluator =
                Evaluator::new(&found.checked.program, &mut world, Limits::default());
            let value = evaluator.global(found.value).map_err(|error| error.to_string())?;
            shown = evaluator.show(&value).map_err(|error| error.to_string())?;
            drop((evaluator, value));
            fastest = fastest.min(start.elapsed());
        }
        println!("{title}: {shown} in {fastest:.1?} ({checking:.1?})");
    }
    Ok(())
}

/// Checks a module and evaluates its `default`, printing how long both took.
fn once(text: String) -> Result<(), Box<dyn Error>> {
    let (mut sources, mut files) = (Sources::default(), Files(text));
    let start = Instant::now();
    let checked = cbuild_sema::check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    if let Some(error) = checked.diagnostics.first() {
        return Err(error.to_string().into());
    }
    let checking = start.elapsed();
    let mut world = NoFiles;
    let start = Instant::now();
    let mut evaluator = Evaluator::new(&checked.program, &mut world, Limits::default());
    let value = evaluator.export(checked.entry, &["default"]).map_err(|error| error.to_string())?;
    let shown = evaluator.show(&value).map_err(|error| error.to_string())?;
    println!("{shown}\n{:.1?} after {checking:.1?}", start.elapsed());
    // As the program does: it ends here, and to free each value takes long.
    std::mem::forget((evaluator, value));
    Ok(())
}
