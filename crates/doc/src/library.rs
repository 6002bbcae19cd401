//! Which modules are documented, how they are called, and where their pages are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cbuild_diag::SourceId;
use cbuild_sema::{LoadError, Loader, ModuleKey, Package};
use cbuild_syntax::ast;

use crate::builtin;

/// Most modules that are read.
const MAX_MODULES: usize = 20_000;

/// A module, as far as its documentation needs it.
#[derive(Debug)]
pub struct Module {
    /// Which module.
    pub key: ModuleKey,
    /// Name for the reader: `std.list`, or the path of a file of the package.
    pub name: String,
    /// Path of its page, relative to the folder of all pages.
    pub page: String,
    pub(crate) text: String,
    pub(crate) file: ast::File,
    /// What its import items mean, by the names that they are bound to.
    pub(crate) imports: BTreeMap<String, ModuleKey>,
    /// Whether it has a page.
    pub(crate) shown: bool,
}

/// An import of a documented package that leads to no module that can be read: what comes from there has no
/// place that could be linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingImport {
    /// The module that imports.
    pub from: ModuleKey,
    /// Line of the import in its file, counted from 1.
    pub line: usize,
    /// What is imported, as it is written there.
    pub wanted: String,
}

/// The modules of one documentation.
#[derive(Debug, Default)]
pub struct Library {
    /// Title of the whole.
    pub title: String,
    modules: BTreeMap<ModuleKey, Module>,
}

impl Library {
    /// Reads the given modules, the standard library, and all that they import. Pages are for the given
    /// modules, and for those of the standard library and of other packages that can be reached by
    /// public imports.
    ///
    /// # Errors
    /// The first of the given modules that cannot be read.
    pub fn load(
        title: &str,
        loader: &mut dyn Loader,
        given: &[ModuleKey],
    ) -> Result<Self, (ModuleKey, LoadError)> {
        let mut library = Self { title: title.to_owned(), modules: BTreeMap::new() };
        let std = ModuleKey::std("main.cbuild");
        let prelude = ModuleKey::std("prelude.cbuild");
        let wanted: BTreeSet<ModuleKey> = given.iter().cloned().collect();
        let mut queue: VecDeque<ModuleKey> = given.iter().cloned().collect();
        queue.extend([std.clone(), prelude.clone()]);
        while let Some(key) = queue.pop_front() {
            if library.modules.contains_key(&key) || library.modules.len() >= MAX_MODULES {
                continue;
            }
            match read(loader, &key) {
                Ok(module) => {
                    queue.extend(module.imports.values().cloned());
                    library.modules.insert(key, module);
                }
                // What imports it is in `missing_imports`.
                Err(error) if wanted.contains(&key) => return Err((key, error)),
                Err(_) => {}
            }
        }
        for key in given {
            library.show(key, key.path.trim_end_matches(".cbuild").to_owned());
        }
        library.show_public(&std, "std");
        library.show(&prelude, "std.prelude".to_owned());
        library.show_externals();
        Ok(library)
    }

    /// The modules that have a page: the package's own first, then by name.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        let mut shown: Vec<&Module> = self.modules.values().filter(|module| module.shown).collect();
        shown.sort_by_key(|module| (module.key.package, module.name != "main", &module.name));
        shown.into_iter()
    }

    /// The imports of the package's own modules that lead nowhere, by module and line.
    pub fn missing_imports(&self) -> Vec<MissingImport> {
        let mut missing = Vec::new();
        let own = self.modules.values().filter(|module| module.key.package == Package::Root);
        for (module, item) in
            own.flat_map(|module| module.file.items.iter().map(move |i| (module, i)))
        {
            let ast::ItemKind::Import(import) = &item.kind else { continue };
            let target = module.imports.get(&import.name.text);
            if target.is_some_and(|target| self.modules.contains_key(target)) {
                continue;
            }
            let wanted = match &import.source {
                ast::ImportSource::File { path, .. } => path.clone(),
                ast::ImportSource::Module(path) => {
                    path.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".")
                }
            };
            let before = module.text.get(..import.name.span.start as usize).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            missing.push(MissingImport { from: module.key.clone(), line, wanted });
        }
        missing
    }

    pub(crate) fn module(&self, key: &ModuleKey) -> Option<&Module> {
        self.modules.get(key)
    }

    fn show(&mut self, key: &ModuleKey, name: String) -> bool {
        let Some(module) = self.modules.get_mut(key).filter(|module| !module.shown) else {
            return false;
        };
        module.shown = true;
        module.page = match key.package {
            Package::Root => format!("module/{}.html", key.path.trim_end_matches(".cbuild")),
            _ => format!("{}.html", name.replace('.', "/")),
        };
        module.name = name;
        true
    }

    /// Shows a module and those that it imports publicly, by the names that users write.
    fn show_public(&mut self, key: &ModuleKey, name: &str) {
        let mut queue = VecDeque::from([(key.clone(), name.to_owned())]);
        while let Some((key, name)) = queue.pop_front() {
            if !self.show(&key, name.clone()) {
                continue;
            }
            let module = &self.modules[&key];
            for item in module.file.items.iter().filter(|item| item.public) {
                let ast::ItemKind::Import(import) = &item.kind else { continue };
                let Some(target) = module.imports.get(&import.name.text) else { continue };
                if target.package == key.package {
                    queue.push_back((target.clone(), format!("{name}.{}", import.name.text)));
                }
            }
        }
    }

    /// Shows the main modules of other packages that shown modules import.
    fn show_externals(&mut self) {
        let found: Vec<(ModuleKey, String)> = self
            .modules()
            .filter(|module| module.key.package == Package::Root)
            .flat_map(|module| module.imports.iter())
            .filter(|(_, key)| matches!(key.package, Package::External(_)))
            .map(|(name, key)| (key.clone(), format!("ext.{name}")))
            .collect();
        let mut taken = BTreeSet::new();
        for (key, name) in found {
            let name = match (taken.contains(&name), key.package) {
                (true, Package::External(index)) => format!("{name}.{index}"),
                _ => name,
            };
            taken.insert(name.clone());
            self.show_public(&key, &name);
        }
    }

    // ------------------------------------------------------------ names

    /// The page and anchor of a type, as seen from a module; `None` if it has none.
    pub(crate) fn type_place(&self, from: &Module, path: &[ast::Ident]) -> Option<String> {
        let (last, modules) = path.split_last()?;
        if modules.is_empty() {
            if declares(from, &last.text, true) {
                return self.anchor(from, &last.text);
            }
            let prelude = self.modules.get(&ModuleKey::std("prelude.cbuild"))?;
            let known = declares(prelude, &last.text, true) || builtin::is_builtin(&last.text);
            return known.then(|| self.anchor(prelude, &last.text)).flatten();
        }
        let names: Vec<&str> = modules.iter().map(|part| part.text.as_str()).collect();
        let module = self.follow(from, &names)?;
        declares(module, &last.text, true).then(|| self.anchor(module, &last.text)).flatten()
    }

    /// The page and anchor of anything that a dotted name in prose can mean.
    pub(crate) fn name_place(&self, from: &Module, name: &str) -> Option<String> {
        let parts: Vec<&str> = name.split('.').collect();
        let (last, modules) = parts.split_last()?;
        let starts_with_std = modules.first() == Some(&"std");
        let module = match modules {
            [] => from,
            _ => self.follow(from, modules).or_else(|| {
                let std = self.modules.get(&ModuleKey::std("main.cbuild"))?;
                starts_with_std.then(|| self.follow(std, &modules[1..])).flatten()
            })?,
        };
        if declares(module, last, false) {
            return self.anchor(module, last);
        }
        if let Some(inner) = self.follow(module, &[last]).filter(|inner| inner.shown) {
            return Some(inner.page.clone());
        }
        if !modules.is_empty() {
            return None;
        }
        let prelude = self.modules.get(&ModuleKey::std("prelude.cbuild"))?;
        let known = declares(prelude, last, false) || builtin::is_builtin(last);
        known.then(|| self.anchor(prelude, last)).flatten()
    }

    fn follow<'l>(&'l self, from: &'l Module, names: &[&str]) -> Option<&'l Module> {
        names.iter().try_fold(from, |module, name| self.modules.get(module.imports.get(*name)?))
    }

    fn anchor(&self, module: &Module, name: &str) -> Option<String> {
        module.shown.then(|| format!("{}#{name}", module.page))
    }
}

/// Whether a module has a public item of a name: a type, or anything but tests and imports.
fn declares(module: &Module, name: &str, only_types: bool) -> bool {
    module.file.items.iter().filter(|item| item.public).any(|item| match &item.kind {
        ast::ItemKind::Type(def) => def.name.text == name,
        ast::ItemKind::Protocol { name: declared, .. } => declared.text == name,
        ast::ItemKind::Let(def) => !only_types && def.name.text == name,
        ast::ItemKind::Fn(def) => !only_types && def.name.text == name,
        ast::ItemKind::Import(_) | ast::ItemKind::Test { .. } => false,
    })
}

fn read(loader: &mut dyn Loader, key: &ModuleKey) -> Result<Module, LoadError> {
    let text = loader.load(key)?;
    let (file, _) = cbuild_syntax::parse_file_only(SourceId(0), &text);
    let mut imports = BTreeMap::new();
    for item in &file.items {
        let ast::ItemKind::Import(import) = &item.kind else { continue };
        let target = match &import.source {
            ast::ImportSource::File { path, .. } => key.relative(path),
            ast::ImportSource::Module(path) => {
                let name: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
                match name.as_slice() {
                    ["std"] => Some(ModuleKey::std("main.cbuild")),
                    name => loader.resolve(key.package, &name.join(".")),
                }
            }
        };
        if let Some(target) = target {
            imports.insert(import.name.text.clone(), target);
        }
    }
    let (name, page) = (String::new(), String::new());
    Ok(Module { key: key.clone(), name, page, text, file, imports, shown: false })
}

/// The way from one page to another place, both relative to the folder of all pages.
pub(crate) fn relative(from_page: &str, to: &str) -> String {
    let depth = from_page.matches('/').count();
    format!("{}{to}", "../".repeat(depth))
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn ways_between_pages() {
        assert_eq!(relative("index.html", "std/list.html#map"), "std/list.html#map");
        assert_eq!(relative("std/list.html", "std/map.html"), "../std/map.html");
        assert_eq!(relative("module/a/b.html", "index.html"), "../../index.html");
    }
}
