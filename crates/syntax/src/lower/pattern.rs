//! Patterns.

use super::{Depth, Lower, Node, kids};
use crate::ast::{Pattern, PatternKind};
use crate::grammar::Rule;

impl Lower<'_> {
    pub(super) fn pattern(&mut self, node: Node<'_>, depth: Depth) -> Pattern {
        let span = self.span(&node);
        if self.too_deep(span, depth) {
            return Pattern { span, kind: PatternKind::Error };
        }
        let kind = match node.as_rule() {
            Rule::pattern_wildcard => PatternKind::Wildcard,
            Rule::pattern_bind => {
                PatternKind::Bind(super::Ident { text: node.as_str().to_owned(), span })
            }
            Rule::pattern_bool => PatternKind::Bool(node.as_str() == "true"),
            Rule::pattern_int => {
                let negative = node.as_str().starts_with('-');
                kids(node)
                    .next()
                    .and_then(|kid| self.int(&kid, negative))
                    .map_or(PatternKind::Error, PatternKind::Int)
            }
            Rule::pattern_text => match kids(node).next() {
                Some(kid) => PatternKind::Text(self.plain_text(kid)),
                None => PatternKind::Error,
            },
            Rule::pattern_constructor => self.constructor(node, depth),
            _ => PatternKind::Error,
        };
        Pattern { span, kind }
    }

    fn constructor(&mut self, node: Node<'_>, depth: Depth) -> PatternKind {
        let mut path = Vec::with_capacity(kids(node).count());
        let mut args = Vec::new();
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::pattern_args => {
                    args = super::each(kid, |kid| self.pattern(kid, depth.inner()));
                }
                _ => path.push(self.ident(&kid)),
            }
        }
        PatternKind::Constructor { path, args }
    }
}
