//! The index of names that the search looks through.

use cbuild_syntax::ast;
use serde_json::{Value, json};

use crate::builtin;
use crate::library::{Library, Module};
use crate::markdown::summary;

/// Most characters of a summary in the index.
const MAX_SUMMARY: usize = 110;

/// The script that holds the index: rows of name, kind, module, address and summary.
pub(crate) fn script(library: &Library) -> String {
    let mut rows: Vec<Value> = Vec::new();
    for module in library.modules() {
        let about = summary(&module.file.doc, MAX_SUMMARY);
        rows.push(json!([module.name, "module", "", module.page, about]));
        if module.name == "std.prelude" {
            for (name, _, about) in builtin::TYPES {
                let place = format!("{}#{name}", module.page);
                rows.push(json!([name, "type", module.name, place, summary(about, MAX_SUMMARY)]));
            }
        }
        for item in module.file.items.iter().filter(|item| item.public) {
            items(module, item, &mut rows);
        }
    }
    format!("window.cbuildIndex = {};\n", Value::Array(rows))
}

fn items(module: &Module, item: &ast::Item, rows: &mut Vec<Value>) {
    let Some((name, kind)) = name_and_kind(item) else { return };
    let place = format!("{}#{name}", module.page);
    rows.push(json!([name, kind, module.name, place, summary(&item.doc, MAX_SUMMARY)]));
    if let ast::ItemKind::Type(ast::TypeItem { body: ast::TypeBody::Variants(cases), .. }) =
        &item.kind
    {
        for case in cases {
            let about = summary(&case.doc, MAX_SUMMARY);
            rows.push(json!([case.name.text, "case", module.name, place, about]));
        }
    }
}

/// The name of an item that has an entry of its own, and what it is.
pub(crate) fn name_and_kind(item: &ast::Item) -> Option<(&str, &'static str)> {
    match &item.kind {
        ast::ItemKind::Let(def) => Some((&def.name.text, "value")),
        ast::ItemKind::Fn(def) => Some((&def.name.text, "function")),
        ast::ItemKind::Type(def) => Some((&def.name.text, "type")),
        ast::ItemKind::Protocol { name, .. } => Some((&name.text, "protocol")),
        ast::ItemKind::Import(_) | ast::ItemKind::Test { .. } => None,
    }
}
