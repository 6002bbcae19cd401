//! Items.

use cbuild_diag::Span;

use super::{Depth, Lower, Node, is_name, kids};
use crate::ast::{
    File, Fn, Ident, Import, ImportSource, Item, ItemKind, Let, Param, TypeBody, TypeItem,
    VariantCase,
};
use crate::docs;
use crate::grammar::Rule;

impl Lower<'_> {
    /// Lowers the items of a `file` node onto `file`. `text` is the whole source, `end` the end of
    /// the last item in it: comments before that document something else.
    pub(crate) fn file(&mut self, node: Node<'_>, text: &str, end: &mut usize, file: &mut File) {
        for item in kids(node).filter(|kid| kid.as_rule() == Rule::item) {
            let span = self.span(&item);
            let doc = docs::before(text, *end, span.start as usize);
            *end = span.end as usize;
            self.refused = false;
            file.items.extend(self.item(item, doc, text));
        }
    }

    fn item(&mut self, node: Node<'_>, doc: String, text: &str) -> Option<Item> {
        let start = node.start();
        let mut public = None;
        for kid in kids(node) {
            if kid.as_rule() == Rule::kw_pub {
                public = Some(self.span(&kid));
                continue;
            }
            let span = self.range(start, kid.end());
            let kind = self.item_kind(kid, text)?;
            if let (Some(at), ItemKind::Test { .. }) = (public, &kind) {
                let message = "a test cannot be `pub`";
                self.error("E0137", at, message, "not allowed here", "remove `pub`");
            }
            return Some(Item { doc, public: public.is_some(), span, kind });
        }
        None
    }

    fn item_kind(&mut self, node: Node<'_>, text: &str) -> Option<ItemKind> {
        match node.as_rule() {
            Rule::import_item => self.import(node).map(ItemKind::Import),
            Rule::let_item => Some(ItemKind::Let(self.binding(node, Depth::default()))),
            Rule::fn_item | Rule::extern_fn => self.function(node).map(ItemKind::Fn),
            Rule::type_item | Rule::extern_type => Some(ItemKind::Type(self.type_item(node, text))),
            Rule::protocol_item => Some(self.protocol(node)),
            Rule::test_item => Some(self.test(node)),
            _ => None,
        }
    }

    fn import(&mut self, node: Node<'_>) -> Option<Import> {
        let mut parts = kids(node);
        let target = parts.next()?;
        let alias = parts.next().and_then(|kid| kids_value(kid)).map(|kid| self.ident(&kid));
        let span = self.span(&target);
        if target.as_rule() == Rule::path {
            let path = target.as_str().to_owned();
            let name = alias.unwrap_or_else(|| self.name_of_path(&path, span));
            return Some(Import { source: ImportSource::File { path, span }, name });
        }
        let path: Vec<Ident> = super::each(target, |kid| self.ident(&kid));
        let name = alias.or_else(|| path.last().cloned())?;
        Some(Import { source: ImportSource::Module(path), name })
    }

    /// The name that an import of a file gets without `as`.
    fn name_of_path(&mut self, path: &str, span: Span) -> Ident {
        let last = path.rsplit('/').next().unwrap_or_default();
        let stem = last.split('.').next().unwrap_or_default();
        if !crate::words::is_name(stem) {
            self.error(
                "E0118",
                span,
                "this import needs a name",
                format!("`{stem}` cannot be a name"),
                "add `as` and a name, such as `as lib`",
            );
        }
        Ident { text: stem.to_owned(), span }
    }

    /// A `let` item or a binding of a `let … in`.
    pub(super) fn binding(&mut self, node: Node<'_>, depth: Depth) -> Let {
        let at = self.span(&node);
        let mut name = None;
        let mut ty = None;
        let mut value = None;
        for kid in kids(node) {
            match kid.as_rule() {
                rule if is_name(rule) => name = Some(self.ident(&kid)),
                Rule::annotation => ty = Some(self.annotation(kid, depth.inner())),
                _ => value = Some(self.expr(kid, depth.inner())),
            }
        }
        Let {
            name: name.unwrap_or(Ident { text: String::new(), span: at }),
            ty,
            value: value.unwrap_or_else(|| super::broken(at)),
        }
    }

    fn function(&mut self, node: Node<'_>) -> Option<Fn> {
        let at = self.span(&node);
        let is_extern = node.as_rule() == Rule::extern_fn;
        let mut name = None;
        let (mut generics, mut params) = (Vec::new(), Vec::new());
        let mut result = None;
        let mut body = None;
        for kid in kids(node) {
            match kid.as_rule() {
                rule if is_name(rule) => name = Some(self.ident(&kid)),
                Rule::generics => generics = self.generics(kid),
                Rule::params => params = self.params(kid, true, Depth::default()),
                Rule::result => result = Some(self.annotation(kid, Depth::default())),
                _ => body = Some(self.expr(kid, Depth::default())),
            }
        }
        let body = if is_extern { None } else { body.or_else(|| Some(super::broken(at))) };
        Some(Fn { name: name?, generics, params, result, body })
    }

    fn generics(&mut self, node: Node<'_>) -> Vec<Ident> {
        super::each(node, |kid| self.ident(&kid))
    }

    /// Parameters of a function, or of a lambda, which has no defaults.
    pub(super) fn params(&mut self, node: Node<'_>, defaults: bool, depth: Depth) -> Vec<Param> {
        let mut params = Vec::with_capacity(kids(node).count());
        let nodes = kids(node).filter(|kid| kid.as_rule() == Rule::param);
        params.extend(nodes.filter_map(|kid| self.param(kid, defaults, depth)));
        params
    }

    fn param(&mut self, node: Node<'_>, defaults: bool, depth: Depth) -> Option<Param> {
        let mut name = None;
        let mut ty = None;
        let mut default = None;
        for kid in kids(node) {
            match kid.as_rule() {
                rule if is_name(rule) => name = Some(self.ident(&kid)),
                Rule::annotation => ty = Some(self.annotation(kid, depth)),
                Rule::default => {
                    if !defaults {
                        let message = "a parameter of a lambda cannot have a default";
                        let help = "define a function with `fn`, or remove the default";
                        let span = self.span(&kid);
                        self.error("E0136", span, message, "default value", help);
                    }
                    default = kids_value(kid).map(|kid| self.expr(kid, depth));
                }
                _ => {}
            }
        }
        Some(Param { name: name?, ty, default: default.filter(|_| defaults) })
    }

    fn type_item(&mut self, node: Node<'_>, text: &str) -> TypeItem {
        let at = self.span(&node);
        let is_extern = node.as_rule() == Rule::extern_type;
        let mut name = None;
        let mut generics = Vec::new();
        let mut body = None;
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::missing_type => {}
                rule if is_name(rule) => name = Some(self.ident(&kid)),
                Rule::generics => generics = self.generics(kid),
                Rule::variants => {
                    body = Some(TypeBody::Variants(self.variants(kid, at.start as usize, text)))
                }
                _ => body = Some(TypeBody::Alias(self.ty(kid, Depth::default()))),
            }
        }
        let body = match body {
            Some(body) => body,
            None if is_extern => TypeBody::Extern,
            None => TypeBody::Alias(super::types::broken(at)),
        };
        let name = name.unwrap_or(Ident { text: String::new(), span: at });
        TypeItem { name, generics, body }
    }

    fn variants(&mut self, node: Node<'_>, from: usize, text: &str) -> Vec<VariantCase> {
        let mut end = from;
        let mut cases = Vec::with_capacity(kids(node).count());
        for kid in kids(node) {
            let span = self.span(&kid);
            let doc = docs::before(text, end, span.start as usize);
            end = span.end as usize;
            let mut name = None;
            let mut fields = Vec::new();
            for part in kids(kid) {
                match part.as_rule() {
                    Rule::type_parens => fields = self.types(part, Depth::default()),
                    _ => name = Some(self.ident(&part)),
                }
            }
            cases.extend(name.map(|name| VariantCase { doc, name, fields }));
        }
        cases
    }

    fn protocol(&mut self, node: Node<'_>) -> ItemKind {
        let at = self.span(&node);
        let mut name = Ident { text: String::new(), span: at };
        let mut identity = String::new();
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::text => identity = self.plain_text(kid),
                _ => name = self.ident(&kid),
            }
        }
        ItemKind::Protocol { name, identity }
    }

    fn test(&mut self, node: Node<'_>) -> ItemKind {
        let at = self.span(&node);
        let mut name = String::new();
        let mut body = None;
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::text => name = self.plain_text(kid),
                _ => body = kids_value(kid).map(|kid| self.expr(kid, Depth::default())),
            }
        }
        ItemKind::Test { name, body: body.unwrap_or_else(|| super::broken(at)) }
    }
}

/// The one value inside of a bracket or after a `=`.
pub(super) fn kids_value(node: Node<'_>) -> Option<Node<'_>> {
    kids(node).next()
}
