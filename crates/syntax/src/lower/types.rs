//! Types.

use cbuild_diag::Span;

use super::{Depth, Lower, Node, is_name, item::kids_value, kids};
use crate::ast::{FieldType, Type, TypeKind};
use crate::grammar::Rule;

pub(super) fn broken(span: Span) -> Type {
    Type { span, kind: TypeKind::Error }
}

impl Lower<'_> {
    /// The type of an `annotation` or `result` node.
    pub(super) fn annotation(&mut self, node: Node<'_>, depth: Depth) -> Type {
        let at = self.span(&node);
        match kids_value(node) {
            Some(kid) => self.ty(kid, depth),
            None => broken(at),
        }
    }

    /// A `type` node: parts joined by `->`, right to left.
    pub(super) fn ty(&mut self, node: Node<'_>, depth: Depth) -> Type {
        let at = self.span(&node);
        if node.as_rule() != Rule::r#type {
            return broken(at);
        }
        let count = kids(node).count();
        let depth = depth.deeper(count);
        if self.too_deep(at, depth) {
            return broken(at);
        }
        if let (1, Some(only)) = (count, kids(node).next()) {
            return self.type_part(only, depth);
        }
        let parts: Vec<Node<'_>> = kids(node).collect();
        let mut parts = parts.into_iter().rev();
        let Some(last) = parts.next() else { return broken(at) };
        let mut result = self.type_part(last, depth);
        for part in parts {
            let span = self.span(&part);
            let span = Span { start: span.start, end: result.span.end };
            let params = self.function_params(part, depth);
            result = Type { span, kind: TypeKind::Function(params, Box::new(result)) };
        }
        result
    }

    fn function_params(&mut self, node: Node<'_>, depth: Depth) -> Vec<Type> {
        if node.as_rule() == Rule::type_parens {
            return self.types(node, depth);
        }
        let span = self.span(&node);
        let text = node.as_str();
        self.error(
            "E0125",
            span,
            "the parameters of a function type stand in parentheses",
            "expected `(` before this type",
            format!("write `({text}) -> …`"),
        );
        vec![self.type_part(node, depth)]
    }

    /// The types inside of brackets.
    pub(super) fn types(&mut self, node: Node<'_>, depth: Depth) -> Vec<Type> {
        super::each(node, |kid| self.ty(kid, depth.inner()))
    }

    fn type_part(&mut self, node: Node<'_>, depth: Depth) -> Type {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::type_named => self.type_named(node, depth),
            Rule::type_record => self.type_record(node, depth),
            Rule::type_parens => return self.grouped_type(node, depth),
            _ => TypeKind::Error,
        };
        Type { span, kind }
    }

    fn grouped_type(&mut self, node: Node<'_>, depth: Depth) -> Type {
        let span = self.span(&node);
        let closed = node.as_str().ends_with(')');
        let mut types = self.types(node, depth);
        match (types.pop(), types.is_empty()) {
            (Some(only), true) => only,
            _ if !closed => broken(span),
            _ => {
                let help = "write `(A, B) -> C` for a function, or a record `{ a: A, b: B }`";
                self.error("E0125", span, "there are no tuples", "expected `->` after this", help);
                broken(span)
            }
        }
    }

    fn type_named(&mut self, node: Node<'_>, depth: Depth) -> TypeKind {
        let mut path = Vec::with_capacity(kids(node).count());
        let mut args = Vec::new();
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::missing_name => return TypeKind::Error,
                Rule::type_args => args = self.types(kid, depth),
                _ => path.push(self.ident(&kid)),
            }
        }
        TypeKind::Named { path, args }
    }

    fn type_record(&mut self, node: Node<'_>, depth: Depth) -> TypeKind {
        let mut fields = Vec::with_capacity(kids(node).count());
        let mut rest = None;
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::field_type => fields.extend(self.field_type(kid, depth.inner())),
                _ => {
                    let name = kids_value(kid).filter(|kid| kid.as_rule() == Rule::name);
                    rest = name.map(|kid| self.ident(&kid));
                }
            }
        }
        TypeKind::Record { fields, rest }
    }

    fn field_type(&mut self, node: Node<'_>, depth: Depth) -> Option<FieldType> {
        let at = self.span(&node);
        let mut name = None;
        let mut optional = false;
        let mut ty = None;
        let mut default = None;
        for kid in kids(node) {
            match kid.as_rule() {
                rule if is_name(rule) => name = Some(self.ident(&kid)),
                Rule::optional => optional = true,
                Rule::default => default = kids_value(kid).map(|kid| self.expr(kid, depth)),
                _ => ty = Some(self.ty(kid, depth)),
            }
        }
        Some(FieldType { name: name?, optional, ty: ty.unwrap_or_else(|| broken(at)), default })
    }
}
