//! Examples in documentation comments that are tests: code blocks marked `cbuild test`.

use cbuild_syntax::ast;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// Mark of a code block that holds an expression of type `Bool`, which must be true.
const MARK: &str = "cbuild test";

/// An example of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The item that it documents; empty for the module itself.
    pub item: String,
    /// Its number among the examples of the item, from 1.
    pub number: usize,
    /// The expression.
    pub text: String,
}

/// The examples of a file that are tests, in source order.
pub fn examples(file: &ast::File) -> Vec<Example> {
    let mut found = of_doc("", &file.doc);
    for item in &file.items {
        let name = match &item.kind {
            ast::ItemKind::Let(def) => &def.name.text,
            ast::ItemKind::Fn(def) => &def.name.text,
            ast::ItemKind::Type(def) => &def.name.text,
            ast::ItemKind::Protocol { name, .. } => &name.text,
            ast::ItemKind::Import(import) => &import.name.text,
            ast::ItemKind::Test { .. } => continue,
        };
        found.extend(of_doc(name, &item.doc));
    }
    found
}

fn of_doc(item: &str, doc: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for event in Parser::new(doc) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(mark))) if &*mark == MARK => {
                open = Some(String::new());
            }
            Event::Text(text) => {
                if let Some(block) = &mut open {
                    block.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some(text) = open.take() {
                    let number = found.len() + 1;
                    found.push(Example { item: item.to_owned(), number, text });
                }
            }
            _ => {}
        }
    }
    found
}
