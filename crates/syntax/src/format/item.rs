//! Items.

use std::rc::Rc;

use rowan::NodeOrToken;

use super::brackets::{Brackets, listed};
use super::builder::{Builder, Element, is_sign, kids, start};
use super::doc::{self, Doc, GAP, SPACE, Style};
use super::operators::Hang;
use super::shape;
use crate::{SyntaxKind, SyntaxNode};

impl<'s> Builder<'s> {
    /// An item, with `pub` in front.
    pub(super) fn item(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let mut docs = Vec::new();
        for part in kids(node) {
            match &part {
                NodeOrToken::Node(node) => docs.push(self.declaration(node)),
                NodeOrToken::Token(_) => docs.extend([self.word(&part), GAP]),
            }
        }
        docs.into()
    }

    fn declaration(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let parts = kids(node);
        let mut docs = Vec::new();
        let mut assigned = false;
        for (index, part) in parts.iter().enumerate() {
            let attached = matches!(
                part.kind(),
                SyntaxKind::Generics | SyntaxKind::Params | SyntaxKind::Annotation
            );
            if index > 0 && !attached && !assigned {
                docs.push(GAP);
            }
            docs.push(match part {
                NodeOrToken::Node(variants) if variants.kind() == SyntaxKind::Variants => {
                    self.variants(variants)
                }
                _ if assigned => self.assigned(node, part),
                NodeOrToken::Node(inner) => self.part(inner),
                NodeOrToken::Token(_) => self.word(part),
            });
            assigned |= is_sign(part, "=");
        }
        docs.into()
    }

    /// What follows the `=` of an item.
    fn assigned(&mut self, item: &SyntaxNode, value: &Element) -> Doc<'s> {
        if item.kind() != SyntaxKind::TypeItem {
            return self.rhs(value);
        }
        let at = start(value);
        let style = if value.to_string().starts_with('{') { Style::Stay } else { Style::Next };
        if self.has_comments(at) {
            let suffixes = self.suffixes(at);
            let own = self.own_lines(at, false);
            return [suffixes, Doc::indent([doc::FORCED, own, self.ty(value)].into())].into();
        }
        Doc::Value(Rc::new(doc::Value { content: self.ty(value), style }))
    }

    /// A part of an item in front of its `=`.
    fn part(&mut self, node: &SyntaxNode) -> Doc<'s> {
        match node.kind() {
            SyntaxKind::Generics => self.generics(node),
            SyntaxKind::Params => self.params(node),
            SyntaxKind::Annotation => self.annotation(node),
            // Parameters rather break than the type of the result.
            SyntaxKind::Result => Doc::tight(self.annotation(node)),
            SyntaxKind::ModulePath => {
                kids(node).iter().map(|part| self.word(part)).collect::<Vec<_>>().into()
            }
            SyntaxKind::ImportAs => {
                let parts = kids(node);
                let [word, name] = parts.as_slice() else { return Doc::Nil };
                [self.word(word), GAP, self.word(name)].into()
            }
            SyntaxKind::TestBody => self.test_body(node),
            _ => self.expr(&NodeOrToken::Node(node.clone()), Hang::Indented),
        }
    }

    fn test_body(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let parts = kids(node);
        let [open, value, close] = parts.as_slice() else { return Doc::Nil };
        let broken = self.starts_line(start(value)) || shape::has_tall(value);
        let open = self.word(open);
        let line = self.before(start(value), SPACE);
        let own = self.own_lines(start(value), false);
        let value = self.expr(value, Hang::Level);
        let suffixes = self.suffixes(start(close));
        let last = self.last_lines(start(close), true);
        let inside = Doc::indent([line, own, value, suffixes, last].into());
        let close = self.word(close);
        Doc::group([open, inside, SPACE, close].into(), broken)
    }

    /// The cases of a variant type, with the white space after the `=`.
    fn variants(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let cases = kids(node);
        let broken = self.starts_line(start(&NodeOrToken::Node(node.clone())));
        let mut docs = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let at = start(case);
            docs.push(self.before(at, SPACE));
            let blank = index > 0 && self.starts_blank(at);
            let own = self.own_lines(at, index > 0);
            if blank && own.is_nil() {
                docs.push(Doc::Blank);
            }
            docs.push(own);
            let bar = match index {
                0 if cases.len() > 1 => Doc::IfBroken("| "),
                _ => Doc::Text("| "),
            };
            docs.push(bar);
            docs.push(self.case(case));
        }
        Doc::group(Doc::indent(docs.into()), broken)
    }

    fn case(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return self.word(element) };
        let mut docs = Vec::new();
        for part in kids(node) {
            docs.push(match &part {
                NodeOrToken::Node(fields) if listed(fields).is_some() => {
                    self.list(fields, Brackets::TIGHT, |this, kid| this.ty(kid))
                }
                bar if is_sign(bar, "|") => self.lead(start(bar)),
                _ => self.word(&part),
            });
        }
        docs.into()
    }
}
