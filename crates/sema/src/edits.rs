//! Changes that fixes make, as they fit into the program: how the library is called there, and what a field
//! without a value of its own needs.

use std::collections::BTreeSet;

use cbuild_diag::{Diagnostic, Edit, SourceId, Span};
use cbuild_syntax::ast::{self, ImportSource, ItemKind};

use crate::checker::Checker;
use crate::modules::Loaded;

/// How a module calls the standard library.
enum Library {
    /// By this name.
    Called(String),
    /// Not yet; this is where the import can be added.
    Missing(u32),
    /// It cannot: the name is taken, or there is no place for an import.
    Unknown,
}

/// Lets the changes of fixes call the library by the name that it has, and adds its import where it has none.
/// An error that was found twice is told once.
pub(crate) fn fit(diagnostics: &mut Vec<Diagnostic>, modules: &[Loaded]) {
    let mut seen: BTreeSet<(&'static str, SourceId, Span, String)> = BTreeSet::new();
    diagnostics.retain(|diagnostic| {
        diagnostic.labels.first().is_none_or(|label| {
            let message = diagnostic.message.clone();
            seen.insert((diagnostic.code, label.source, label.span, message))
        })
    });
    for diagnostic in diagnostics {
        let calls = |edit: &&Edit| edit.text.contains("std.");
        // Those of syntax errors are right.
        let Some(edit) = diagnostic.edits.iter().find(calls) else { continue };
        if diagnostic.code.starts_with("E01") {
            continue;
        }
        let source = edit.source;
        let Some(module) = modules.iter().find(|module| module.source == source) else { continue };
        match library(module) {
            Library::Called(name) if name == "std" => {}
            Library::Called(name) => {
                for edit in &mut diagnostic.edits {
                    edit.text = edit.text.replace("std.", &format!("{name}."));
                }
            }
            Library::Missing(at) => {
                let text = "import std\n".to_owned();
                diagnostic.edits.push(Edit { source, span: Span { start: at, end: at }, text });
            }
            Library::Unknown => diagnostic.edits.clear(),
        }
    }
}

fn library(module: &Loaded) -> Library {
    let items = &module.file.items;
    for item in items {
        let ItemKind::Import(import) = &item.kind else { continue };
        match &import.source {
            ImportSource::Module(path) if path.len() == 1 && path[0].text == "std" => {
                return Library::Called(import.name.text.clone());
            }
            _ if import.name.text == "std" => return Library::Unknown,
            _ => {}
        }
    }
    let named = |item: &ast::Item| match &item.kind {
        ItemKind::Let(def) => def.name.text == "std",
        ItemKind::Fn(def) => def.name.text == "std",
        _ => false,
    };
    if items.iter().any(named) {
        return Library::Unknown;
    }
    place_for_import(items).map_or(Library::Unknown, Library::Missing)
}

/// Where an import can be put in front: that of the first import, or of the first item if no comment
/// belongs to it.
pub(crate) fn place_for_import(items: &[ast::Item]) -> Option<u32> {
    let import = items.iter().find(|item| matches!(item.kind, ItemKind::Import(_)));
    let first = items.first().filter(|item| item.doc.is_empty());
    Some(import.or(first)?.span.start)
}

impl Checker<'_> {
    /// Lets the changes of a field's value, reported since `before`, keep the name of the field: `{ a }` is
    /// `{ a = a }`.
    pub(crate) fn keep_field_name(&mut self, before: usize, field: &ast::FieldValue) {
        let name = &field.name;
        if name.span != field.value.span {
            return;
        }
        let source = self.source();
        for problem in &mut self.diagnostics[before..] {
            let within =
                |edit: &&mut Edit| edit.source == source && edit.span.start == name.span.start;
            if let Some(edit) = problem.edits.iter_mut().find(within) {
                edit.text = format!("{} = {}", name.text, edit.text);
            }
        }
    }
}
