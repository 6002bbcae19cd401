//! Items as the reader calls them: their headers, with types that link to where they are declared.

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, TypeKind};

use crate::code::{Class, Code};
use crate::library::{Library, Module, relative};

/// Characters up to which a signature stays on one line.
const WIDTH: usize = 84;
/// Most characters of a default value.
const MAX_DEFAULT: usize = 60;

/// Writes signatures of one module, for one page.
pub(crate) struct Signatures<'l> {
    pub(crate) library: &'l Library,
    pub(crate) module: &'l Module,
    /// Page that the links start from.
    pub(crate) page: &'l str,
}

impl Signatures<'_> {
    /// The header of an item.
    pub(crate) fn item(&self, item: &ast::Item) -> Code {
        let short = self.laid_out(item, false);
        if short.plain.chars().count() <= WIDTH && !short.plain.contains('\n') {
            return short;
        }
        self.laid_out(item, true)
    }

    fn laid_out(&self, item: &ast::Item, broken: bool) -> Code {
        let mut writer = Writer { signatures: self, code: Code::default(), broken };
        match &item.kind {
            ast::ItemKind::Let(def) => {
                writer.head("let", &def.name);
                if let Some(ty) = &def.ty {
                    writer.code.plain(": ");
                    writer.ty(ty, 0);
                }
            }
            ast::ItemKind::Fn(def) => writer.function(def),
            ast::ItemKind::Type(def) => writer.type_item(def),
            ast::ItemKind::Protocol { name, identity } => {
                writer.head("protocol", name);
                writer.code.plain(" = ");
                writer.code.piece(Class::Text, &format!("\"{identity}\""));
            }
            ast::ItemKind::Import(import) => writer.head("import", &import.name),
            ast::ItemKind::Test { name, .. } => {
                writer.code.piece(Class::Keyword, "test");
                writer.code.plain(&format!(" {name:?}"));
            }
        }
        writer.code
    }

    /// A case of a variant type with its payload.
    pub(crate) fn case(&self, case: &ast::VariantCase) -> Code {
        let mut writer = Writer { signatures: self, code: Code::default(), broken: false };
        writer.case(case);
        writer.code
    }
}

struct Writer<'s, 'l> {
    signatures: &'s Signatures<'l>,
    code: Code,
    broken: bool,
}

impl Writer<'_, '_> {
    fn head(&mut self, keyword: &str, name: &ast::Ident) {
        self.code.piece(Class::Keyword, keyword);
        self.code.plain(" ");
        self.code.piece(Class::Name, &name.text);
    }

    fn generics(&mut self, generics: &[ast::Ident]) {
        if generics.is_empty() {
            return;
        }
        self.code.plain("<");
        for (at, name) in generics.iter().enumerate() {
            self.comma(at);
            self.code.piece(Class::Variable, &name.text);
        }
        self.code.plain(">");
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.code.plain(", ");
        }
    }

    fn function(&mut self, def: &ast::Fn) {
        self.head("fn", &def.name);
        self.generics(&def.generics);
        self.code.plain("(");
        let broken = self.broken && !def.params.is_empty();
        for (at, param) in def.params.iter().enumerate() {
            match broken {
                true => self.code.plain("\n  "),
                false => self.comma(at),
            }
            self.code.plain(&param.name.text);
            if let Some(ty) = &param.ty {
                self.code.plain(": ");
                self.ty(ty, 1);
            }
            self.default(param.default.as_ref());
            if broken {
                self.code.plain(",");
            }
        }
        self.code.plain(if broken { "\n)" } else { ")" });
        if let Some(result) = &def.result {
            self.code.plain(" -> ");
            self.ty(result, 0);
        }
    }

    fn default(&mut self, value: Option<&ast::Expr>) {
        let Some(value) = value else { return };
        let text = self.source(value.span).to_owned();
        self.code.plain(" = ");
        let short = text.chars().count() <= MAX_DEFAULT && !text.contains('\n');
        if short {
            let highlighted = crate::highlight::highlight(&text);
            self.code.html.push_str(&highlighted.html);
            self.code.plain.push_str(&highlighted.plain);
        } else {
            self.code.plain("…");
        }
    }

    fn source(&self, span: Span) -> &str {
        let text = &self.signatures.module.text;
        text.get(span.start as usize..span.end as usize).unwrap_or("…").trim()
    }

    fn type_item(&mut self, def: &ast::TypeItem) {
        let keyword = match def.body {
            ast::TypeBody::Extern => "extern type",
            _ => "type",
        };
        self.head(keyword, &def.name);
        self.generics(&def.generics);
        match &def.body {
            ast::TypeBody::Extern => {}
            ast::TypeBody::Alias(ty) => {
                self.code.plain(" = ");
                self.ty(ty, 0);
            }
            ast::TypeBody::Variants(cases) => {
                self.code.plain(if self.broken { " =" } else { " = " });
                for (at, case) in cases.iter().enumerate() {
                    if self.broken {
                        self.code.plain("\n  | ");
                    } else if at > 0 || cases.len() == 1 {
                        self.code.plain(if at > 0 { " | " } else { "| " });
                    }
                    self.case(case);
                }
            }
        }
    }

    fn case(&mut self, case: &ast::VariantCase) {
        self.code.piece(Class::Type, &case.name.text);
        if case.fields.is_empty() {
            return;
        }
        self.code.plain("(");
        for (at, ty) in case.fields.iter().enumerate() {
            self.comma(at);
            self.ty(ty, 1);
        }
        self.code.plain(")");
    }

    /// A type; only the outermost record is ever broken into lines.
    fn ty(&mut self, ty: &ast::Type, depth: usize) {
        match &ty.kind {
            TypeKind::Error => self.code.plain("?"),
            TypeKind::Named { path, args } => self.named(path, args, depth),
            TypeKind::Function(params, result) => {
                self.code.plain("(");
                for (at, param) in params.iter().enumerate() {
                    self.comma(at);
                    self.ty(param, depth + 1);
                }
                self.code.plain(") -> ");
                self.ty(result, depth + 1);
            }
            TypeKind::Record { fields, rest } if fields.is_empty() && rest.is_none() => {
                self.code.plain("{}");
            }
            TypeKind::Record { fields, rest } => self.record(fields, rest.as_ref(), depth),
        }
    }

    fn record(&mut self, fields: &[ast::FieldType], rest: Option<&ast::Ident>, depth: usize) {
        let broken = self.broken && depth == 0;
        self.code.plain(if broken { "{" } else { "{ " });
        for (at, field) in fields.iter().enumerate() {
            match broken {
                true => self.code.plain("\n  "),
                false => self.comma(at),
            }
            self.code.plain(&field.name.text);
            self.code.plain(if field.optional { "?: " } else { ": " });
            self.ty(&field.ty, depth + 1);
            self.default(field.default.as_ref());
            if broken {
                self.code.plain(",");
            }
        }
        if let Some(rest) = rest {
            self.code.plain(if broken { "\n  | " } else { " | " });
            self.code.piece(Class::Variable, &rest.text);
        }
        self.code.plain(if broken { "\n}" } else { " }" });
    }

    fn named(&mut self, path: &[ast::Ident], args: &[ast::Type], depth: usize) {
        let Some((last, modules)) = path.split_last() else { return };
        for module in modules {
            self.code.plain(&module.text);
            self.code.plain(".");
        }
        let Signatures { library, module, page } = *self.signatures;
        let variable =
            modules.is_empty() && last.text.starts_with(|c: char| c.is_ascii_lowercase());
        match library.type_place(module, path) {
            _ if variable => self.code.piece(Class::Variable, &last.text),
            Some(place) => self.code.link(Class::Type, &last.text, &relative(page, &place)),
            None => self.code.piece(Class::Type, &last.text),
        }
        if args.is_empty() {
            return;
        }
        self.code.plain("<");
        for (at, arg) in args.iter().enumerate() {
            self.comma(at);
            self.ty(arg, depth + 1);
        }
        self.code.plain(">");
    }
}
