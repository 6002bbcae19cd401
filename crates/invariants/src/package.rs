//! The package that an input is the main file of, and the sources of the repository.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cbuild_diag::{Diagnostic, Sources};
use cbuild_sema::{Bodies, Checked, LoadError, Loader, Memory, ModuleKey, Package};

/// The file that an input stands for.
pub(crate) const MAIN: &str = "main.cbuild";

/// What an input may import besides the standard library.
const LIBRARY: &str = "pub type Shape = Dot | Square(Int)\n\
    pub type Options = { name: Str, jobs: Int = 4, tag?: Str }\n\
    pub fn twice(n: Int) -> Int = n + n\n\
    pub let one: Int = 1\n\
    let hidden = 2\n";

static STD: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let root = repository().join("stdlib");
    let files = sources_below(&root);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(|path| (name(&path), read(&path))).collect()
});

/// The folder of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `.cbuild` files below a folder, sorted.
fn sources_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "cbuild") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The sources of the standard library, the examples and the tests, in one order.
pub fn repository_sources() -> Vec<String> {
    let folders = ["stdlib", "examples", "tests", "crates/syntax/tests"];
    let files = folders.iter().flat_map(|folder| sources_below(&repository().join(folder)));
    files.map(|path| read(&path)).collect()
}

/// The programs in the specification, and its expressions, each as a `let` behind the items that it
/// sees.
pub fn specified_sources() -> Vec<String> {
    let folder = repository().join("lang-spec");
    let mut chapters: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    chapters.sort();
    chapters.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    chapters.iter().flat_map(|path| blocks(&read(path))).collect()
}

fn blocks(markdown: &str) -> Vec<String> {
    let (mut mark, mut block, mut items) = (None, String::new(), String::new());
    let mut found = Vec::new();
    for line in markdown.lines() {
        let Some(fence) = line.strip_prefix("```") else {
            block = block + line + "\n";
            continue;
        };
        match mark.take() {
            None => mark = Some(fence),
            Some("cbuild-items") => items = block.clone(),
            Some("cbuild-eval") => found.push(expressions(&items, &block)),
            Some(mark) if mark.starts_with("cbuild") => found.push(block.clone()),
            Some(_) => {}
        }
        block.clear();
    }
    found
}

/// A program of the items and of a `let` for each expression.
fn expressions(items: &str, block: &str) -> String {
    let mut text =
        if items.contains("import std\n") { String::new() } else { "import std\n".to_owned() };
    text += items;
    let mut expr = String::new();
    let mut count = 0;
    for line in block.lines() {
        if line.starts_with("=> ") {
            text += &format!("let example{count} =\n  {}\n", expr.trim());
            expr.clear();
            count += 1;
        } else {
            expr = expr + line + "\n";
        }
    }
    text
}

struct Files<'a> {
    main: &'a str,
    /// Whether only what is used of the standard library is looked at, as in cbuild itself.
    sound: bool,
}

impl Loader for Files<'_> {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        let found = match (key.package, key.path.as_str()) {
            (Package::Std, path) => STD.get(path).cloned(),
            (_, MAIN) => Some(self.main.to_owned()),
            (_, "lib.cbuild") => Some(LIBRARY.to_owned()),
            _ => None,
        };
        found.ok_or(LoadError::NotFound)
    }

    fn library_is_sound(&self) -> bool {
        self.sound
    }
}

/// Checks a package whose main file is the text, with all of the standard library.
pub(crate) fn checked(text: &str) -> (Sources, Checked) {
    let (mut sources, mut files) = (Sources::default(), Files { main: text, sound: false });
    let checked = cbuild_sema::check(&mut sources, &mut files, &ModuleKey::root(MAIN));
    (sources, checked)
}

thread_local! {
    /// The parsed sources of the standard library, among others.
    static PARSED: RefCell<Memory> = RefCell::default();
}

/// As [`checked`], with what is used of the standard library alone.
pub(crate) fn checked_quickly(text: &str) -> (Sources, Checked) {
    let (mut sources, mut files) = (Sources::default(), Files { main: text, sound: true });
    let entries = [ModuleKey::root(MAIN)];
    let checked = PARSED.with_borrow_mut(|memory| {
        cbuild_sema::check_with(&mut sources, &mut files, memory, &entries, Bodies::All)
    });
    (sources, checked)
}

/// What an earlier process has left of a check of the standard library, which nothing is wrong with.
static KNOWN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut memory = Memory::default();
    let (_, checked) = checked_again("import std\n", &mut memory);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    memory.to_bytes().unwrap_or_default()
});

/// A memory that knows the standard library, as that of most checks.
pub(crate) fn memory() -> Memory {
    Memory::from_bytes(&KNOWN).unwrap_or_default()
}

/// Checks as [`checked`] does, but looks only into what the memory does not know.
pub(crate) fn checked_again(text: &str, memory: &mut Memory) -> (Sources, Checked) {
    let (mut sources, mut files) = (Sources::default(), Files { main: text, sound: false });
    let entries = [ModuleKey::root(MAIN)];
    let checked =
        cbuild_sema::check_with(&mut sources, &mut files, memory, &entries, Bodies::Changed);
    (sources, checked)
}

/// Checks what holds for every diagnostic: it has a known code and a fix, and its places are
/// in texts, between characters.
pub(crate) fn examine(sources: &Sources, diagnostic: &Diagnostic) {
    let code = diagnostic.code;
    assert!(cbuild_diag::explanation(code).is_some(), "{diagnostic}: the code is not explained");
    assert!(!diagnostic.labels.is_empty(), "{diagnostic}: no place");
    let fix = diagnostic.help.as_deref().unwrap_or_default();
    assert!(!fix.is_empty(), "{diagnostic}: no fix");
    for label in &diagnostic.labels {
        let span = label.span.start as usize..label.span.end as usize;
        let text = sources.text(label.source);
        assert!(text.get(span.clone()).is_some(), "{diagnostic}: the place {span:?} is outside");
        assert!(!label.text.is_empty(), "{diagnostic}: a place of which nothing is said");
    }
    let drawn = cbuild_diag::render(sources, diagnostic, cbuild_diag::RenderOptions::plain());
    assert!(drawn.contains(code), "{diagnostic}: drawn as\n{drawn}");
}
