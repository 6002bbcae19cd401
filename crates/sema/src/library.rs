//! The standard library, as far as a program needs it.
//!
//! Most programs use little of the library. When the [`Loader`] vouches for its soundness, only those
//! modules of it are read whose names a program mentions, and of these only the bodies are looked into
//! that the program reaches. What is left out cannot change what a program means: a name that was left
//! out and is used all the same is an error, and after any error the whole library is read instead, so
//! that messages and suggestions are always those of a whole check.

use std::collections::BTreeSet;
use std::rc::Rc;

use cbuild_diag::{SourceId, Sources, Span};
use cbuild_syntax::ast;

use crate::checker::Checker;
use crate::ir::GlobalId;
use crate::modules::{Graph, GraphLoader, LIBRARY, ModIdx};
use crate::{Loader, Memory, ModuleKey, Package};

/// The file that `import std` means.
pub(crate) const MAIN: &str = "main.cbuild";

/// The file whose public names are in scope everywhere.
pub(crate) const PRELUDE: &str = "prelude.cbuild";

/// A program with the parts of the library that it mentions.
pub(crate) struct Cut {
    /// The library's modules, then the program's own.
    pub(crate) graph: Graph,
    pub(crate) prelude: ModIdx,
    /// What `import std` leads to, if anything imports it.
    pub(crate) main: Option<ModIdx>,
    /// The modules that were asked for, in their order.
    pub(crate) entries: Vec<ModIdx>,
    /// Number of the library's modules.
    pub(crate) library: usize,
}

/// Loads modules and what they reach; a lone expression also imports the library. `None` if something is
/// wrong with them, or if they hand the library on under names that only an evaluation knows.
pub(crate) fn load(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
    expression: Option<&str>,
) -> Option<Cut> {
    if !loader.library_is_sound() || entries.iter().any(|entry| entry.package == Package::Std) {
        return None;
    }
    let mut own = GraphLoader::new(sources, loader, memory, false);
    own.put_library_off();
    let entries = entries.iter().map(|entry| own.load(entry)).collect::<Result<Vec<_>, _>>();
    let (entries, own) = (entries.ok()?, own.finish());
    if !own.diagnostics.is_empty() || own.modules.iter().any(|module| hands_on(&module.file)) {
        return None;
    }
    let imported = own.modules.iter().any(|module| module.imports.contains(&Some(LIBRARY)));
    let mentioned = if imported || expression.is_some() {
        let own = own.modules.iter().map(|module| sources.text(module.source));
        Some(mentioned(own.chain(expression), loader, memory)?)
    } else {
        None
    };
    let mut library = GraphLoader::new(sources, loader, memory, false);
    let prelude = library.load(&ModuleKey::std(PRELUDE)).ok()?;
    let main = match mentioned {
        Some(file) => Some(library.load_as(&ModuleKey::std(MAIN), Rc::new(file)).ok()?),
        None => None,
    };
    let library = library.finish();
    let sound = library.diagnostics.is_empty();
    let count = library.modules.len();
    let entries = entries.into_iter().map(|entry| entry + count).collect();
    let graph = join(library, own, main);
    sound.then_some(Cut { graph, prelude, main, entries, library: count })
}

/// Whether a file has a public import of the library.
fn hands_on(file: &ast::File) -> bool {
    file.items.iter().any(|item| match &item.kind {
        ast::ItemKind::Import(import) => {
            let library = |path: &[ast::Ident]| path.len() == 1 && path[0].text == "std";
            item.public
                && matches!(&import.source, ast::ImportSource::Module(path) if library(path))
        }
        _ => false,
    })
}

/// The modules of the library, and behind them those of a program that import it.
fn join(library: Graph, own: Graph, main: Option<ModIdx>) -> Graph {
    let count = library.modules.len();
    let mut graph = library;
    for mut module in own.modules {
        for target in &mut module.imports {
            *target = match *target {
                Some(LIBRARY) => main,
                other => other.map(|index| index + count),
            };
        }
        graph.modules.push(module);
    }
    graph
}

/// The library's main file without the items that no text mentions.
fn mentioned<'t>(
    texts: impl Iterator<Item = &'t str>,
    loader: &mut dyn Loader,
    memory: &mut Memory,
) -> Option<ast::File> {
    let key = ModuleKey::std(MAIN);
    let text = loader.load(&key).ok()?;
    // The file is sound, so that no message points into this source.
    let (file, problems) = memory.parse(&key, SourceId(0), &text);
    if !problems.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> = file.items.iter().filter_map(name).collect();
    let mut wanted = BTreeSet::new();
    for text in texts {
        collect(text, &names, Before::Dot, &mut wanted);
    }
    let mut kept = vec![false; file.items.len()];
    loop {
        let mut more = false;
        for (kept, item) in kept.iter_mut().zip(&file.items) {
            if *kept || name(item).is_some_and(|name| !wanted.contains(name)) {
                continue;
            }
            (*kept, more) = (true, true);
            // What an item names in its own file needs no dot in front.
            collect(piece(&text, item.span), &names, Before::Anything, &mut wanted);
        }
        if !more {
            break;
        }
    }
    let items = file.items.iter().zip(kept).filter(|(_, kept)| *kept);
    let items = items.map(|(item, _)| item.clone()).collect();
    Some(ast::File { doc: String::new(), items })
}

/// The name by which an item can be left out.
fn name(item: &ast::Item) -> Option<&str> {
    match &item.kind {
        ast::ItemKind::Import(import) => Some(&import.name.text),
        ast::ItemKind::Let(def) => Some(&def.name.text),
        _ => None,
    }
}

fn piece(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).unwrap_or(text)
}

/// What must stand in front of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Dot,
    Anything,
}

/// Collects those of some names that a text has as words.
fn collect<'n>(
    text: &str,
    names: &BTreeSet<&'n str>,
    before: Before,
    found: &mut BTreeSet<&'n str>,
) {
    let bytes = text.as_bytes();
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < bytes.len() && found.len() < names.len() {
        let Some(start) = (at..bytes.len()).find(|index| in_word(&bytes[*index])) else { return };
        let end = (start..bytes.len()).find(|index| !in_word(&bytes[*index]));
        let end = end.unwrap_or(bytes.len());
        let dotted = || bytes[..start].trim_ascii_end().ends_with(b".");
        if (before == Before::Anything || dotted())
            && let Some(name) = names.get(&text[start..end])
        {
            found.insert(name);
        }
        at = end;
    }
}

impl Checker<'_> {
    /// Notes that a program refers to a global, whose body is then needed.
    pub(crate) fn refer(&mut self, id: GlobalId) -> GlobalId {
        let global = self.global(id);
        if global.module < self.library && global.body.is_none() {
            self.reached.push(id);
        }
        id
    }

    /// Checks the bodies of the library's globals that were referred to, and of those that they refer to.
    pub(crate) fn check_reached(&mut self) {
        while let Some(id) = self.reached.pop() {
            if self.global(id).body.is_none() {
                self.module = self.global(id).module;
                self.check_group(&[id]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_whole_words_behind_a_dot() {
        let names = BTreeSet::from(["list", "map", "text"]);
        let found = |text, before| {
            let mut found = BTreeSet::new();
            collect(text, &names, before, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(found("std.list.map(x)", Before::Dot), ["list", "map"]);
        assert_eq!(found("std.lists, list, std .\n  text", Before::Dot), ["text"]);
        assert_eq!(found("ä.list", Before::Dot), ["list"]);
        assert_eq!(found("list my_map text_", Before::Anything), ["list"]);
        assert_eq!(found("", Before::Anything), Vec::<&str>::new());
    }
}
