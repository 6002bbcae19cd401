//! Expressions and patterns.

use rowan::NodeOrToken;

use super::brackets::{Brackets, Embrace, listed};
use super::builder::{Builder, Element, is_sign, kids, start};
use super::doc::{Doc, GAP, SOFT};
use super::operators::Hang;
use super::shape;
use super::value::Value;
use crate::{SyntaxKind, SyntaxNode};

impl<'s> Builder<'s> {
    /// An expression. `hang` tells where its further lines start if it is a chain of operands.
    pub(super) fn expr(&mut self, element: &Element, hang: Hang) -> Doc<'s> {
        let NodeOrToken::Node(node) = element else { return self.word(element) };
        match node.kind() {
            SyntaxKind::Postfix | SyntaxKind::PlainPostfix => self.postfix(node),
            SyntaxKind::Match => self.match_of(node),
            SyntaxKind::List => self.list_of(node),
            SyntaxKind::Record => {
                let broken = shape::has_tall(element);
                let brackets = Brackets { broken, ..Brackets::PADDED };
                self.list(node, brackets, |this, kid| this.field(kid))
            }
            SyntaxKind::Paren => self.paren(node),
            SyntaxKind::Text | SyntaxKind::Script => self.literal(node),
            SyntaxKind::Expr | SyntaxKind::Scrutinee => self.value(&Value::of(element), hang),
            // A word with brackets after it.
            _ => kids(node).iter().map(|part| self.attached(part)).collect::<Vec<_>>().into(),
        }
    }

    fn attached(&mut self, element: &Element) -> Doc<'s> {
        match element {
            NodeOrToken::Node(node) if node.kind() == SyntaxKind::Args => self.args(node),
            NodeOrToken::Node(node) if node.kind() == SyntaxKind::TypeArgs => self.ty(element),
            _ => self.expr(element, Hang::Indented),
        }
    }

    fn paren(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let parts = kids(node);
        let [open, inner, close] = parts.as_slice() else { return Doc::Nil };
        let open = self.word(open);
        let at = start(inner);
        if !self.has_comments(at) && !self.has_comments(start(close)) && shape::is_braced(inner) {
            return [open, self.expr(inner, Hang::Level), self.word(close)].into();
        }
        let line = self.before(at, SOFT);
        let own = self.own_lines(at, false);
        let inner = self.expr(inner, Hang::Level);
        let suffixes = self.suffixes(start(close));
        let last = self.last_lines(start(close), true);
        let close = self.word(close);
        let inside = Doc::indent([line, own, inner, suffixes, last].into());
        Doc::group([open, inside, SOFT, close].into(), false)
    }

    fn postfix(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let mut docs: Vec<Doc<'s>> = Vec::new();
        let mut after_path = false;
        for kid in kids(node) {
            // Only the last brackets break, unless that is not enough.
            if let Some(before) = docs.pop() {
                docs.push(Doc::tight(before));
            }
            // A path takes in every `.` that follows it, and `.` is only a path in front of a blank.
            if after_path {
                docs.push(GAP);
            }
            after_path = kid.kind() == SyntaxKind::Path;
            match &kid {
                NodeOrToken::Node(node) if node.kind() == SyntaxKind::FieldAccess => {
                    docs.extend(kids(node).iter().map(|part| self.word(part)));
                }
                NodeOrToken::Node(node) if node.kind() == SyntaxKind::Args => {
                    docs.push(self.args(node));
                }
                NodeOrToken::Node(node)
                    if node.kind() == SyntaxKind::Record && !docs.is_empty() =>
                {
                    docs.push([GAP, self.expr(&kid, Hang::Indented)].into());
                }
                _ => docs.push(self.expr(&kid, Hang::Indented)),
            }
        }
        docs.into()
    }

    fn list_of(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let Some(list) = listed(node) else { return Doc::Nil };
        let tall = |(_, element): &(Option<Element>, Element)| shape::has_tall(element);
        let broken = list.elements.len() > 1 && list.elements.iter().any(tall);
        let hug = matches!(list.elements.as_slice(), [(_, only)] if shape::is_braced(only));
        let hug = hug.then_some(Embrace::Braced);
        let brackets = Brackets { broken, ..Brackets::TIGHT };
        self.hugging(&list, brackets, hug, |this, kid| this.expr(kid, Hang::Indented))
    }

    fn args(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let Some(list) = listed(node) else { return Doc::Nil };
        let tall = |(_, element): &(Option<Element>, Element)| shape::has_tall(element);
        let hug = shape::hug_last(&list.elements);
        // What is to break alone may be tall.
        let alone = match hug {
            Some(Embrace::First) => Some(0),
            Some(_) => list.elements.len().checked_sub(1),
            None => None,
        };
        let others = list.elements.iter().enumerate().filter(|(at, _)| Some(*at) != alone);
        let broken = others.map(|(_, element)| element).any(tall);
        let brackets = Brackets { broken, ..Brackets::TIGHT };
        self.hugging(&list, brackets, hug, Self::arg)
    }

    fn arg(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return self.word(element) };
        match kids(node).as_slice() {
            [NodeOrToken::Node(name), value] if name.kind() == SyntaxKind::ArgName => {
                let mut docs = Vec::new();
                for part in kids(name) {
                    if is_sign(&part, "=") {
                        docs.push(GAP);
                    }
                    docs.push(self.word(&part));
                }
                docs.push(self.rhs(value));
                docs.into()
            }
            [value] => self.expr(value, Hang::Indented),
            _ => Doc::Nil,
        }
    }

    fn field(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return self.word(element) };
        self.name_and_value(&kids(node))
    }

    /// A name, perhaps its type, perhaps `=` and a value.
    pub(super) fn name_and_value(&mut self, parts: &[Element]) -> Doc<'s> {
        let mut docs = Vec::new();
        let mut assigned = false;
        for part in parts {
            if assigned {
                docs.push(self.rhs(part));
            } else if is_sign(part, "=") {
                docs.extend([GAP, self.word(part)]);
                assigned = true;
            } else {
                docs.push(match part {
                    NodeOrToken::Node(node) if node.kind() == SyntaxKind::Annotation => {
                        self.annotation(node)
                    }
                    _ => self.expr(part, Hang::Indented),
                });
            }
        }
        docs.into()
    }

    fn match_of(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let mut docs = Vec::new();
        for part in kids(node) {
            if !docs.is_empty() {
                docs.push(self.before(start(&part), GAP));
            }
            docs.push(match &part {
                NodeOrToken::Node(arms) if arms.kind() == SyntaxKind::Arms => {
                    let broken = shape::has_tall(&part);
                    let brackets = Brackets { broken, ..Brackets::PADDED };
                    self.list(arms, brackets, |this, kid| this.arm(kid))
                }
                NodeOrToken::Token(_) => self.word(&part),
                _ => Doc::tight(self.expr(&part, Hang::Indented)),
            });
        }
        docs.into()
    }

    fn arm(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return self.word(element) };
        let parts = kids(node);
        let [pattern, arrow, value] = parts.as_slice() else { return Doc::Nil };
        [Doc::tight(self.pattern(pattern)), GAP, self.word(arrow), self.rhs(value)].into()
    }

    fn pattern(&mut self, element: &Element) -> Doc<'s> {
        let NodeOrToken::Node(node) = element else { return self.word(element) };
        match node.kind() {
            SyntaxKind::Text => self.literal(node),
            SyntaxKind::PatternArgs => {
                self.list(node, Brackets::TIGHT, |this, kid| this.pattern(kid))
            }
            _ => kids(node).iter().map(|part| self.pattern(part)).collect::<Vec<_>>().into(),
        }
    }
}
