//! Which modules there are: keys, the loader seam, and the import graph.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use cbuild_diag::{Diagnostic, SourceId, Sources, Span};
use cbuild_syntax::ast;

use crate::codes;
use crate::memory::Memory;
use crate::suggest::meant;
use crate::unchanged;

/// The package a module belongs to. File imports never leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Package {
    /// The package whose targets are asked for.
    Root,
    /// The standard library, which is part of cbuild.
    Std,
    /// A package from outside, by its index in the caller's table of packages.
    External(u32),
}

/// Identity of a module: one file of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleKey {
    /// The package.
    pub package: Package,
    /// Path relative to the package's root, normalised: segments joined by `/`, none of them
    /// empty, `.` or `..`; such as `lib/zlib.cbuild`.
    pub path: String,
}

impl ModuleKey {
    /// A module of the root package.
    pub fn root(path: impl Into<String>) -> Self {
        Self { package: Package::Root, path: path.into() }
    }

    /// A module of the standard library.
    pub fn std(path: impl Into<String>) -> Self {
        Self { package: Package::Std, path: path.into() }
    }

    /// The key that `path` names when it is written in this module; `None` if it leaves the package.
    pub fn relative(&self, path: &str) -> Option<Self> {
        let mut segments: Vec<&str> = self.path.split('/').collect();
        segments.pop();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop()?;
                }
                name => segments.push(name),
            }
        }
        Some(Self { package: self.package, path: segments.join("/") })
    }

    /// File name without its extension, such as `zlib`.
    pub fn stem(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or(&self.path);
        file.strip_suffix(".cbuild").unwrap_or(file)
    }
}

impl fmt::Display for ModuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.package {
            Package::Root => f.write_str(&self.path),
            Package::Std => write!(f, "std/{}", self.path),
            Package::External(index) => write!(f, "package {index}, {}", self.path),
        }
    }
}

/// Why a module's text could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    NotFound,
    /// There is one, but it cannot be read; the text says why.
    Unreadable(String),
}

/// Where the texts of modules come from. This is all that checking sees of the outside.
pub trait Loader {
    /// The text of a module file.
    ///
    /// # Errors
    /// [`LoadError`], if the file is missing or cannot be read as UTF-8 text.
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError>;

    /// The name under which diagnostics show the file.
    fn shown_name(&self, key: &ModuleKey) -> String {
        key.to_string()
    }

    /// Whether nothing is wrong with the standard library for certain, as when it is part of the program
    /// and was tested with it. Checks then read as little of it as they need.
    fn library_is_sound(&self) -> bool {
        false
    }

    /// The module that `import NAME` means in the files of package `from`; `name` is dotted, such
    /// as `ext.tls`. `None` when the package does not know it. `std` is never asked for.
    fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        let _ = (from, name);
        None
    }

    /// Every name that [`Loader::resolve`] knows for a package, for suggestions.
    fn importable(&self, from: Package) -> Vec<String> {
        let _ = from;
        Vec::new()
    }
}

/// Index of a loaded module.
pub(crate) type ModIdx = usize;

/// Stands for the standard library's main module while that is put off.
pub(crate) const LIBRARY: ModIdx = ModIdx::MAX;

/// What an import item is bound to; `None` after a problem that was already reported.
pub(crate) type ImportTarget = Option<ModIdx>;

/// A parsed module.
pub(crate) struct Loaded {
    pub(crate) key: ModuleKey,
    pub(crate) source: SourceId,
    pub(crate) file: Rc<ast::File>,
    /// Whether `file` holds only the imports, since nothing else was needed so far.
    pub(crate) imports_only: bool,
    /// Targets of the file's import items, in source order.
    pub(crate) imports: Vec<ImportTarget>,
}

/// Every module that was reached, dependencies first.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) modules: Vec<Loaded>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Progress of one module.
enum State {
    /// Being loaded: meeting it again is a cycle. Holds the position in the stack.
    Loading(usize),
    Done(ModIdx),
    Failed(LoadError),
}

/// Loads modules depth first.
pub(crate) struct GraphLoader<'a> {
    sources: &'a mut Sources,
    loader: &'a mut dyn Loader,
    memory: &'a mut Memory,
    /// Whether files that the memory knows are only read as far as needed.
    selective: bool,
    /// Whether imports of the standard library lead to [`LIBRARY`].
    without_library: bool,
    states: BTreeMap<ModuleKey, State>,
    stack: Vec<Open>,
    graph: Graph,
}

/// A module whose imports are being followed.
struct Open {
    key: ModuleKey,
    source: SourceId,
    file: Rc<ast::File>,
    imports_only: bool,
    imports: Vec<ImportTarget>,
    /// Index of the next item to look at.
    next: usize,
}

impl<'a> GraphLoader<'a> {
    pub(crate) fn new(
        sources: &'a mut Sources,
        loader: &'a mut dyn Loader,
        memory: &'a mut Memory,
        selective: bool,
    ) -> Self {
        Self {
            sources,
            loader,
            memory,
            selective,
            without_library: false,
            states: BTreeMap::new(),
            stack: Vec::new(),
            graph: Graph::default(),
        }
    }

    /// From now on the standard library is not loaded.
    pub(crate) fn put_library_off(&mut self) {
        self.without_library = true;
    }

    /// As [`GraphLoader::load`] for a module of which only some items count, and what these reach.
    pub(crate) fn load_as(
        &mut self,
        key: &ModuleKey,
        file: Rc<ast::File>,
    ) -> Result<ModIdx, LoadError> {
        let text = self.loader.load(key)?;
        let source = self.sources.add(self.loader.shown_name(key), text);
        self.push(key, source, file, false);
        self.load_open(key)
    }

    /// Loads a module and what it reaches. The walk keeps its own stack, so that a long chain of
    /// imports needs no deep recursion.
    pub(crate) fn load(&mut self, key: &ModuleKey) -> Result<ModIdx, LoadError> {
        if let Some(State::Done(index)) = self.states.get(key) {
            return Ok(*index);
        }
        self.open(key)?;
        self.load_open(key)
    }

    /// Follows the imports of the open modules, of which the lowest has this key.
    fn load_open(&mut self, key: &ModuleKey) -> Result<ModIdx, LoadError> {
        while let Some(top) = self.stack.last_mut() {
            let Some(item) = top.file.items.get(top.next) else {
                self.close();
                continue;
            };
            let ast::ItemKind::Import(import) = &item.kind else {
                top.next += 1;
                continue;
            };
            let import = import.clone();
            if let Some(target) = self.follow(&import) {
                let top = self.stack.len() - 1;
                self.stack[top].imports.push(target);
                self.stack[top].next += 1;
            }
        }
        match self.states.get(key) {
            Some(State::Done(index)) => Ok(*index),
            Some(State::Failed(error)) => Err(error.clone()),
            _ => Err(LoadError::NotFound),
        }
    }

    /// Adds a text that is no file, such as the expression of `eval -e`.
    pub(crate) fn add_text(&mut self, shown: &str, text: &str) -> SourceId {
        self.sources.add(shown, text)
    }

    pub(crate) fn shown_name(&self, key: &ModuleKey) -> String {
        self.loader.shown_name(key)
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.graph.diagnostics.push(diagnostic);
    }

    pub(crate) fn finish(self) -> Graph {
        self.graph
    }

    fn open(&mut self, key: &ModuleKey) -> Result<(), LoadError> {
        let text = match self.loader.load(key) {
            Ok(text) => text,
            Err(error) => {
                self.states.insert(key.clone(), State::Failed(error.clone()));
                return Err(error);
            }
        };
        let source = self.sources.add(self.loader.shown_name(key), text.as_str());
        let known = self.selective.then(|| unchanged::imports(self.memory, key, source, &text));
        let imports_only = matches!(known, Some(Some(_)));
        let file = match known.flatten() {
            Some(file) => Rc::new(file),
            None => {
                let (file, problems) = self.memory.parse(key, source, &text);
                if self.selective {
                    let sound = problems.is_empty().then_some(&*file);
                    unchanged::outline(self.memory, key, &text, sound);
                }
                self.graph.diagnostics.extend(problems);
                file
            }
        };
        self.push(key, source, file, imports_only);
        Ok(())
    }

    fn push(&mut self, key: &ModuleKey, source: SourceId, file: Rc<ast::File>, imports_only: bool) {
        self.states.insert(key.clone(), State::Loading(self.stack.len()));
        let (key, imports) = (key.clone(), Vec::new());
        self.stack.push(Open { key, source, file, imports_only, imports, next: 0 });
    }

    fn close(&mut self) {
        let Some(open) = self.stack.pop() else { return };
        let Open { key, source, file, imports_only, imports, .. } = open;
        self.states.insert(key.clone(), State::Done(self.graph.modules.len()));
        self.graph.modules.push(Loaded { key, source, file, imports_only, imports });
    }

    /// The target of an import of the topmost module; `None` when a module was opened that must be
    /// finished first, after which the import is looked at again.
    fn follow(&mut self, import: &ast::Import) -> Option<ImportTarget> {
        let (key, span) = match self.target_key(import) {
            Ok(found) => found,
            Err(problem) => {
                self.report(*problem);
                return Some(None);
            }
        };
        if self.without_library && key.package == Package::Std {
            return Some(Some(LIBRARY));
        }
        match self.states.get(&key) {
            Some(State::Done(index)) => return Some(Some(*index)),
            Some(State::Loading(position)) => {
                let cycle = self.cycle(*position, span);
                self.report(cycle);
                return Some(None);
            }
            Some(State::Failed(_)) => return Some(None),
            None => {}
        }
        match self.open(&key) {
            Ok(()) => None,
            Err(error) => {
                let problem = self.unloadable(&key, span, &error);
                self.report(problem);
                Some(None)
            }
        }
    }

    fn target_key(&self, import: &ast::Import) -> Result<(ModuleKey, Span), Box<Diagnostic>> {
        let top = &self.stack[self.stack.len() - 1];
        match &import.source {
            ast::ImportSource::Module(path) => {
                let span = path_span(path);
                if let [only] = path.as_slice()
                    && only.text == "std"
                {
                    return Ok((ModuleKey::std("main.cbuild"), span));
                }
                let name: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
                let name = name.join(".");
                if let Some(key) = self.loader.resolve(top.key.package, &name) {
                    return Ok((key, span));
                }
                Err(Box::new(self.unknown_module(&name, span)))
            }
            ast::ImportSource::File { path, span } => match top.key.relative(path) {
                Some(key) => Ok((key, *span)),
                None => Err(Box::new(
                    Diagnostic::error(
                        codes::IMPORT_LEAVES_PACKAGE,
                        top.source,
                        *span,
                        format!("`{path}` lies outside this package"),
                        "leads above the package's root",
                    )
                    .note("a package is the folder that is built from; it can only read its own files")
                    .help("move the file into the package, or build from a folder above"),
                )),
            },
        }
    }

    fn unknown_module(&self, name: &str, span: Span) -> Diagnostic {
        let top = &self.stack[self.stack.len() - 1];
        let known = self.loader.importable(top.key.package);
        let inside = known.iter().find(|known| {
            name.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        let last = name.rsplit('.').next().unwrap_or(name);
        let mut replacement = None;
        let help = if name.starts_with("std.") {
            "write `import std`, and then use its parts as `std.list`".to_owned()
        } else if let Some(known) = inside {
            let short = known.rsplit('.').next().unwrap_or(known);
            format!("write `import {known}`, and then use its public names as `{short}.{last}`")
        } else if let Some(near) = meant(name, known.iter().map(String::as_str)) {
            replacement = near.replacement;
            near.text
        } else if name.starts_with("ext.") {
            format!("require a module with the name `{last}` in cbuild.mod: `cbuild mod add`")
        } else {
            format!("import a file of this package: `import ./{last}.cbuild`")
        };
        let message = format!("there is no module `{name}`");
        let mut found =
            Diagnostic::error(codes::UNKNOWN_MODULE, top.source, span, message, "not found")
                .help(help);
        if let Some(replacement) = replacement {
            found = found.edit(top.source, span, replacement);
        }
        if known.is_empty() {
            return found;
        }
        found.note(format!("this package can import std, {}", known.join(", ")))
    }

    /// A module as it is named in a chain of imports.
    fn name_in_chain(&self, key: &ModuleKey) -> String {
        match key.package {
            Package::External(_) => self.loader.shown_name(key),
            _ => key.to_string(),
        }
    }

    fn cycle(&self, position: usize, span: Span) -> Diagnostic {
        let names: Vec<String> = self.stack[position..]
            .iter()
            .map(|open| format!("`{}`", self.name_in_chain(&open.key)))
            .collect();
        let top = &self.stack[self.stack.len() - 1];
        let mut chain = names.join(" imports ");
        chain.push_str(&format!(" imports {}", names[0]));
        Diagnostic::error(
            codes::IMPORT_CYCLE,
            top.source,
            span,
            "modules import each other in a cycle",
            "this import closes the cycle",
        )
        .note(chain)
        .help("move what both need into a module of its own")
    }

    fn unloadable(&self, key: &ModuleKey, span: Span, error: &LoadError) -> Diagnostic {
        let source = self.stack[self.stack.len() - 1].source;
        let shown = self.loader.shown_name(key);
        match error {
            LoadError::NotFound => Diagnostic::error(
                codes::MISSING_FILE,
                source,
                span,
                format!("there is no file `{shown}`"),
                "imported here",
            )
            .help("check the path; it is relative to the folder of this file"),
            LoadError::Unreadable(why) => Diagnostic::error(
                codes::UNREADABLE_FILE,
                source,
                span,
                format!("cannot read `{shown}`: {why}"),
                "imported here",
            ),
        }
    }
}

/// The span from the first to the last segment of a dotted path.
pub(crate) fn path_span(path: &[ast::Ident]) -> Span {
    match (path.first(), path.last()) {
        (Some(first), Some(last)) => Span { start: first.span.start, end: last.span.end },
        _ => Span::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleKey;

    #[test]
    fn relative_paths_are_normalised_and_stay_inside() {
        let key = ModuleKey::root("lib/net/main.cbuild");
        let path = |text: &str| key.relative(text).map(|k| k.path);
        assert_eq!(path("./a.cbuild").as_deref(), Some("lib/net/a.cbuild"));
        assert_eq!(path("../b.cbuild").as_deref(), Some("lib/b.cbuild"));
        assert_eq!(path("../.././c/./d.cbuild").as_deref(), Some("c/d.cbuild"));
        assert_eq!(path("../../../e.cbuild"), None);
        assert_eq!(key.stem(), "main");
    }
}
