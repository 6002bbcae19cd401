//! The documentation as data for other programs.

use cbuild_syntax::ast;
use serde_json::{Value, json};

use crate::examples::examples;
use crate::library::{Library, Module};
use crate::search::name_and_kind;
use crate::signature::Signatures;

/// The documentation as one document. Fields are only ever added.
pub fn json(library: &Library) -> Value {
    let modules: Vec<Value> = library.modules().map(|found| module(library, found)).collect();
    json!({ "title": library.title, "modules": modules })
}

fn module(library: &Library, module: &Module) -> Value {
    let signatures = Signatures { library, module, page: "" };
    let items = module.file.items.iter().filter(|item| item.public);
    let items: Vec<Value> = items.filter_map(|found| item(&signatures, found)).collect();
    let reexported: Vec<Value> = crate::page::reexports(library, module)
        .map(|(name, target)| json!({ "name": name, "module": target.name }))
        .collect();
    let examples: Vec<Value> = examples(&module.file)
        .into_iter()
        .map(|example| json!({ "item": example.item, "text": example.text }))
        .collect();
    json!({
        "name": module.name,
        "file": module.key.to_string(),
        "page": module.page,
        "doc": module.file.doc,
        "modules": reexported,
        "items": items,
        "examples": examples,
    })
}

fn item(signatures: &Signatures<'_>, item: &ast::Item) -> Option<Value> {
    let (name, kind) = name_and_kind(item)?;
    let before = signatures.module.text.get(..item.span.start as usize).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let mut value = json!({
        "name": name,
        "kind": kind,
        "signature": signatures.item(item).plain,
        "doc": item.doc,
        "line": line,
    });
    if let ast::ItemKind::Type(ast::TypeItem { body: ast::TypeBody::Variants(cases), .. }) =
        &item.kind
    {
        let case = |case: &ast::VariantCase| {
            json!({
                "name": case.name.text,
                "signature": signatures.case(case).plain,
                "doc": case.doc,
            })
        };
        value["cases"] = cases.iter().map(case).collect();
    }
    Some(value)
}
