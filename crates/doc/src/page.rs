//! Pages: one for each module, and one in front.

use std::collections::BTreeMap;
use std::fmt::Write;

use cbuild_sema::{ModuleKey, Package};
use cbuild_syntax::ast;

use crate::builtin;
use crate::html::escape;
use crate::library::{Library, Module, relative};
use crate::markdown::{render, summary_html};
use crate::search::{self, name_and_kind};
use crate::signature::Signatures;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// The files of the documentation by path, relative to their common folder.
pub fn pages(library: &Library) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([
        ("style.css".to_owned(), STYLE.to_owned()),
        ("page.js".to_owned(), SCRIPT.to_owned()),
        ("index.js".to_owned(), search::script(library)),
        ("index.html".to_owned(), front(library)),
    ]);
    for module in library.modules() {
        files.insert(module.page.clone(), page(library, module));
    }
    files
}

/// The kinds of items in the order in which a page shows them.
const SECTIONS: [(&str, &str, &str); 4] = [
    ("type", "Types", "types"),
    ("protocol", "Protocols", "protocols"),
    ("value", "Values", "values"),
    ("function", "Functions", "functions"),
];

/// The frame of every page.
struct Frame<'l> {
    library: &'l Library,
    /// Path of the page.
    page: &'l str,
    title: &'l str,
    /// Module that the page is about.
    module: Option<&'l Module>,
}

impl Frame<'_> {
    fn render(&self, main: &str, aside: &str) -> String {
        let up = |to: &str| relative(self.page, to);
        let title = escape(self.title);
        let whole = escape(&self.library.title);
        let tab = if title == whole { title.clone() } else { format!("{title} · {whole}") };
        let (style, index, script, front) =
            (up("style.css"), up("index.js"), up("page.js"), up("index.html"));
        format!(
            "<!doctype html>\n<html lang=\"en\" data-up=\"{up}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{tab}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"{style}\">\n\
             <script src=\"{index}\" defer></script>\n<script src=\"{script}\" defer></script>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">To the text</a>\n\
             <header class=\"top\">\n<a class=\"brand\" href=\"{front}\">{whole}</a>\n\
             <div class=\"find\" role=\"search\"><input id=\"search\" type=\"search\" autocomplete=\"off\" \
             spellcheck=\"false\" placeholder=\"Search names and texts\" aria-label=\"Search\" role=\"combobox\" \
             aria-expanded=\"false\" aria-controls=\"results\" aria-autocomplete=\"list\">\
             <kbd>/</kbd><ul id=\"results\" role=\"listbox\" hidden></ul></div>\n\
             <button id=\"theme\" type=\"button\" aria-label=\"Change between light and dark\" title=\"Light or dark\">◐</button>\n\
             </header>\n<div class=\"columns\">\n<nav class=\"modules\" aria-label=\"Modules\">{modules}</nav>\n\
             <main id=\"main\">\n{main}</main>\n<aside aria-label=\"On this page\">{aside}</aside>\n</div>\n</body>\n</html>\n",
            up = up(""),
            modules = self.modules(),
        )
    }

    /// The list of all modules.
    fn modules(&self) -> String {
        let mut out = String::new();
        let mut heading = None;
        for module in self.library.modules() {
            let group = group(&module.key);
            if heading != Some(group) {
                if heading.is_some() {
                    out.push_str("</ul>");
                }
                let _ = write!(out, "<h2>{group}</h2><ul>");
                heading = Some(group);
            }
            let current = match self.module {
                Some(shown) if shown.key == module.key => " aria-current=\"page\"",
                _ => "",
            };
            let (href, name) = (relative(self.page, &module.page), escape(&module.name));
            let _ = write!(out, "<li><a href=\"{href}\"{current}>{name}</a></li>");
        }
        if heading.is_some() {
            out.push_str("</ul>");
        }
        out
    }
}

fn group(key: &ModuleKey) -> &'static str {
    match key.package {
        Package::Root => "This module",
        Package::Std => "Standard library",
        _ => "Other modules",
    }
}

/// The page in front: what there is.
fn front(library: &Library) -> String {
    let page = "index.html";
    let mut main = format!("<h1>{}</h1>\n", escape(&library.title));
    let own = library.modules().find(|module| is_main(module));
    if let Some(module) = own.or_else(|| library.modules().find(|m| m.name == "std")) {
        let _ = writeln!(
            main,
            "<div class=\"doc\">{}</div>",
            render(&module.file.doc, library, module, page)
        );
    }
    let mut heading = None;
    for module in library.modules() {
        let group = group(&module.key);
        if heading != Some(group) {
            if heading.is_some() {
                main.push_str("</dl>\n");
            }
            let _ = write!(main, "<h2>{group}</h2>\n<dl class=\"overview\">");
            heading = Some(group);
        }
        let (href, name) = (&module.page, escape(&module.name));
        let about = summary_html(&module.file.doc);
        let _ = writeln!(main, "<dt><a href=\"{href}\">{name}</a></dt><dd>{about}</dd>");
    }
    if heading.is_some() {
        main.push_str("</dl>\n");
    }
    Frame { library, page, title: &library.title, module: None }.render(&main, "")
}

fn is_main(module: &Module) -> bool {
    module.key == ModuleKey::root("main.cbuild")
}

/// The page of a module.
fn page(library: &Library, module: &Module) -> String {
    let signatures = Signatures { library, module, page: &module.page };
    let mut main =
        format!("<h1><span class=\"kind\">module</span> {}</h1>\n", escape(&module.name));
    let doc = render(&module.file.doc, library, module, &module.page);
    let _ = writeln!(main, "<div class=\"doc\">{doc}</div>");
    let mut aside = String::new();
    modules_inside(library, module, &mut main);
    if module.name == "std.prelude" {
        builtin_types(library, module, &mut main, &mut aside);
    }
    for (kind, title, anchor) in SECTIONS {
        let items = module.file.items.iter().filter(|item| item.public);
        let items: Vec<(&str, &ast::Item)> = items
            .filter_map(|item| Some((name_and_kind(item)?, item)))
            .filter(|((_, found), _)| *found == kind)
            .map(|((name, _), item)| (name, item))
            .collect();
        if items.is_empty() {
            continue;
        }
        let _ = writeln!(main, "<h2 id=\"-{anchor}\">{title}</h2>");
        let _ = write!(aside, "<h2>{title}</h2><ul>");
        for (name, item) in items {
            entry(&signatures, name, item, &mut main);
            let _ = write!(aside, "<li><a href=\"#{name}\">{name}</a></li>");
        }
        aside.push_str("</ul>");
    }
    Frame { library, page: &module.page, title: &module.name, module: Some(module) }
        .render(&main, &aside)
}

fn entry(signatures: &Signatures<'_>, name: &str, item: &ast::Item, out: &mut String) {
    let Signatures { library, module, page } = *signatures;
    let signature = signatures.item(item).html;
    let _ = writeln!(
        out,
        "<section class=\"item\" id=\"{name}\">\n<h3 class=\"visually-hidden\">{name}</h3>\n\
         <pre class=\"signature\"><a class=\"anchor\" href=\"#{name}\" aria-label=\"Link to {name}\">§</a><code>{signature}</code></pre>"
    );
    let doc = render(&item.doc, library, module, page);
    let _ = writeln!(out, "<div class=\"doc\">{doc}</div>");
    if let ast::ItemKind::Type(ast::TypeItem { body: ast::TypeBody::Variants(cases), .. }) =
        &item.kind
        && cases.iter().any(|case| !case.doc.is_empty())
    {
        out.push_str("<dl class=\"cases\">");
        for case in cases {
            let shown = signatures.case(case).html;
            let doc = render(&case.doc, library, module, page);
            let _ = write!(out, "<dt><code>{shown}</code></dt><dd>{doc}</dd>");
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</section>\n");
}

/// The modules that a module passes on, with their names in it.
pub(crate) fn reexports<'l>(
    library: &'l Library,
    module: &'l Module,
) -> impl Iterator<Item = (&'l str, &'l Module)> {
    module.file.items.iter().filter(|item| item.public).filter_map(|item| {
        let ast::ItemKind::Import(import) = &item.kind else { return None };
        let name = import.name.text.as_str();
        let target = library.module(module.imports.get(name)?)?;
        target.shown.then_some((name, target))
    })
}

fn modules_inside(library: &Library, module: &Module, out: &mut String) {
    let inside: Vec<(&str, &Module)> = reexports(library, module).collect();
    if inside.is_empty() {
        return;
    }
    out.push_str("<h2 id=\"-modules\">Modules</h2>\n<dl class=\"overview\">");
    for (name, target) in inside {
        let href = relative(&module.page, &target.page);
        let about = summary_html(&target.file.doc);
        let _ = writeln!(out, "<dt><a href=\"{href}\">{}</a></dt><dd>{about}</dd>", escape(name));
    }
    out.push_str("</dl>\n");
}

fn builtin_types(library: &Library, module: &Module, out: &mut String, aside: &mut String) {
    out.push_str("<h2 id=\"-built-in\">Types of the language</h2>\n");
    aside.push_str("<h2>Types of the language</h2><ul>");
    for (name, header, about) in builtin::TYPES {
        let doc = render(about, library, module, &module.page);
        let _ = writeln!(
            out,
            "<section class=\"item\" id=\"{name}\">\n<h3 class=\"visually-hidden\">{name}</h3>\n\
             <pre class=\"signature\"><a class=\"anchor\" href=\"#{name}\" aria-label=\"Link to {name}\">§</a>\
             <code><span class=\"ty\">{}</span></code></pre>\n<div class=\"doc\">{doc}</div>\n</section>",
            escape(header)
        );
        let _ = write!(aside, "<li><a href=\"#{name}\">{name}</a></li>");
    }
    aside.push_str("</ul>");
}
