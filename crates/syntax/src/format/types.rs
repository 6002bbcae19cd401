//! Types and parameters.

use rowan::NodeOrToken;

use super::brackets::Brackets;
use super::builder::{Builder, Element, is_sign, kids};
use super::doc::{Doc, GAP};
use super::operators::Hang;
use crate::{SyntaxKind, SyntaxNode};

impl<'s> Builder<'s> {
    /// A type, or a part of one.
    pub(super) fn ty(&mut self, element: &Element) -> Doc<'s> {
        let NodeOrToken::Node(node) = element else { return self.word(element) };
        match node.kind() {
            SyntaxKind::TypeParens | SyntaxKind::TypeArgs => {
                self.list(node, Brackets::TIGHT, |this, kid| this.ty(kid))
            }
            SyntaxKind::TypeRecord => {
                self.list(node, Brackets::PADDED, |this, kid| this.field_type(kid))
            }
            SyntaxKind::TypeNamed => {
                kids(node).iter().map(|part| self.ty(part)).collect::<Vec<_>>().into()
            }
            // A chain of types with arrows between them.
            _ => self.spaced(&kids(node)),
        }
    }

    /// Words and types with blanks between them.
    fn spaced(&mut self, parts: &[Element]) -> Doc<'s> {
        let mut docs = Vec::new();
        for part in parts {
            if !docs.is_empty() {
                docs.push(GAP);
            }
            docs.push(self.ty(part));
        }
        docs.into()
    }

    fn field_type(&mut self, element: &Element) -> Doc<'s> {
        let NodeOrToken::Node(node) = element else { return self.word(element) };
        if node.kind() == SyntaxKind::Row {
            return self.spaced(&kids(node));
        }
        let mut docs = Vec::new();
        for part in kids(node) {
            docs.push(match &part {
                NodeOrToken::Node(node) => match node.kind() {
                    SyntaxKind::Default => self.default(node),
                    SyntaxKind::Optional => {
                        kids(node).iter().map(|sign| self.word(sign)).collect::<Vec<_>>().into()
                    }
                    _ => [GAP, self.ty(&part)].into(),
                },
                NodeOrToken::Token(_) => self.word(&part),
            });
        }
        docs.into()
    }

    /// A sign and a type: `: T`, `-> T`.
    pub(super) fn annotation(&mut self, node: &SyntaxNode) -> Doc<'s> {
        self.spaced(&kids(node))
    }

    /// `= value` of a parameter or field.
    fn default(&mut self, node: &SyntaxNode) -> Doc<'s> {
        let mut docs = vec![GAP];
        for part in kids(node) {
            if is_sign(&part, "=") {
                docs.push(self.word(&part));
            } else {
                docs.push(self.rhs(&part));
            }
        }
        docs.into()
    }

    /// Parameters in parentheses.
    pub(super) fn params(&mut self, node: &SyntaxNode) -> Doc<'s> {
        self.list(node, Brackets::TIGHT, |this, kid| this.param(kid))
    }

    fn param(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return self.word(element) };
        let mut docs = Vec::new();
        for part in kids(node) {
            docs.push(match &part {
                NodeOrToken::Node(node) if node.kind() == SyntaxKind::Annotation => {
                    self.annotation(node)
                }
                NodeOrToken::Node(node) if node.kind() == SyntaxKind::Default => self.default(node),
                _ => self.expr(&part, Hang::Indented),
            });
        }
        docs.into()
    }

    /// Type parameters, or those of a constructor.
    pub(super) fn generics(&mut self, node: &SyntaxNode) -> Doc<'s> {
        self.list(node, Brackets::TIGHT, |this, kid| this.ty(kid))
    }
}
