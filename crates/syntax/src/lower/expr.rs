//! Expressions other than operators and literals.

use cbuild_diag::Span;

use super::{Depth, Lower, Node, broken, is_name, item::kids_value, kids};
use crate::ast::{Arg, Arm, Deep, Expr, ExprKind, FieldValue, Ident, Let, Param};
use crate::grammar::Rule;

/// What stands in front of an expression and takes it as its body.
enum Head {
    Let(Vec<Let>),
    If(Deep<Expr>, Deep<Expr>),
    Lambda(Vec<Param>),
}

impl Lower<'_> {
    /// An `expression` node: the whole text of `cbuild eval -e`.
    pub(crate) fn expression(&mut self, node: Node<'_>) -> Expr {
        let at = self.span(&node);
        kids_value(node).map_or_else(|| broken(at), |kid| self.expr(kid, Depth::default()))
    }

    /// An `expr` node, or what stands in its place.
    pub(super) fn expr(&mut self, node: Node<'_>, mut depth: Depth) -> Expr {
        let at = self.span(&node);
        if !matches!(node.as_rule(), Rule::expr | Rule::scrutinee) {
            return broken(at);
        }
        let mut kids = kids(node).peekable();
        let mut heads: Vec<(u32, Head)> = Vec::new();
        while let Some(kid) = kids.next_if(|kid| is_head(kid.as_rule())) {
            let start = self.span(&kid).start;
            // An `else if` is one more link; what other heads stand in front of is nested in them.
            depth = if kid.as_rule() == Rule::if_head { depth.links(1) } else { depth.inner() };
            let head = self.head(kid, depth);
            heads.push((start, head));
        }
        if self.too_deep(at, depth) {
            return broken(at);
        }
        let mut result = match kids.peek().map(Node::as_rule) {
            None | Some(Rule::missing_expr) => broken(Span { start: at.end, end: at.end }),
            Some(_) => self.operators(&mut kids, at, depth),
        };
        while let Some((start, head)) = heads.pop() {
            let span = Span { start, end: result.span.end };
            let body = Deep::new(result);
            let kind = match head {
                Head::Let(bindings) => ExprKind::Let { bindings, body },
                Head::If(condition, yes) => ExprKind::If(condition, yes, body),
                Head::Lambda(params) => ExprKind::Lambda { params, body },
            };
            result = Expr { span, kind };
        }
        result
    }

    fn head(&mut self, node: Node<'_>, depth: Depth) -> Head {
        let at = self.span(&node);
        match node.as_rule() {
            Rule::let_head => Head::Let(self.bindings(node, depth)),
            Rule::if_head => {
                let mut values = kids(node).map(|kid| self.expr(kid, depth.inner()));
                let condition = values.next().unwrap_or_else(|| broken(at));
                let yes = values.next().unwrap_or_else(|| broken(at));
                Head::If(Deep::new(condition), Deep::new(yes))
            }
            _ => {
                let mut params = Vec::new();
                for kid in kids(node) {
                    match kid.as_rule() {
                        Rule::params => params = self.params(kid, false, depth),
                        _ => {
                            params = vec![Param { name: self.ident(&kid), ty: None, default: None }]
                        }
                    }
                }
                Head::Lambda(params)
            }
        }
    }

    fn bindings(&mut self, node: Node<'_>, depth: Depth) -> Vec<Let> {
        let mut bindings = Vec::with_capacity(kids(node).count());
        let nodes = kids(node).filter(|kid| kid.as_rule() == Rule::binding);
        bindings.extend(nodes.map(|kid| self.binding(kid, depth)));
        bindings
    }

    /// An operand with what follows it: fields, arguments, a record as argument.
    pub(super) fn postfix(&mut self, node: Node<'_>, depth: Depth) -> Expr {
        let at = self.span(&node);
        let mut kids = kids(node);
        let depth = depth.links(kids.clone().count().saturating_sub(1));
        if self.too_deep(at, depth) {
            return broken(at);
        }
        let Some(first) = kids.next() else { return broken(at) };
        let mut result = self.primary(first, depth);
        for kid in kids {
            let end = self.span(&kid).end;
            let span = Span { start: at.start, end };
            let kind = match kid.as_rule() {
                Rule::field_access => match kids_value(kid) {
                    Some(name) if name.as_rule() != Rule::missing_name => {
                        ExprKind::Field(Deep::new(result), self.ident(&name))
                    }
                    _ => ExprKind::Error,
                },
                Rule::args => {
                    let args = self.args(kid, depth);
                    ExprKind::Call { callee: Deep::new(result), args: args.into() }
                }
                _ => {
                    let value = self.record_literal(kid, depth);
                    let args = vec![Arg { name: None, value }];
                    ExprKind::Call { callee: Deep::new(result), args: args.into() }
                }
            };
            result = Expr { span, kind };
        }
        result
    }

    fn primary(&mut self, node: Node<'_>, depth: Depth) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::name if node.as_str() == "_" => {
                let message = "`_` is not a value";
                let help = "`_` only stands in patterns and for unused parameters; use a name";
                self.error("E0115", span, message, "expected an expression", help);
                ExprKind::Error
            }
            Rule::name | Rule::type_name => ExprKind::Name(self.ident(&node)),
            Rule::int => self.int(&node, false).map_or(ExprKind::Error, ExprKind::Int),
            Rule::bool => ExprKind::Bool(node.as_str() == "true"),
            Rule::path => ExprKind::Path(super::literal::normal_path(node.as_str())),
            Rule::hash => self.hash(&node),
            Rule::text => ExprKind::Text(self.text(node, depth)),
            Rule::script => ExprKind::Script(self.script(node, depth)),
            Rule::list => ExprKind::List(super::each(node, |kid| self.expr(kid, depth.inner()))),
            Rule::record => return self.record_literal(node, depth),
            Rule::paren => return self.paren(node, depth),
            Rule::decode => self.decode(node, depth),
            _ => ExprKind::Error,
        };
        Expr { span, kind }
    }

    fn decode(&mut self, node: Node<'_>, depth: Depth) -> ExprKind {
        let (mut types, mut args) = (Vec::new(), Vec::new());
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::args => args = self.args(kid, depth),
                _ => types = self.types(kid, depth),
            }
        }
        ExprKind::Decode { types, args }
    }

    fn paren(&mut self, node: Node<'_>, depth: Depth) -> Expr {
        let span = self.span(&node);
        match kids_value(node) {
            Some(kid) => Expr { span, kind: self.expr(kid, depth.inner()).kind },
            None => broken(span),
        }
    }

    fn record_literal(&mut self, node: Node<'_>, depth: Depth) -> Expr {
        let span = self.span(&node);
        Expr { span, kind: ExprKind::Record(self.fields(node, depth)) }
    }

    /// The fields of a `record` node.
    pub(super) fn fields(&mut self, node: Node<'_>, depth: Depth) -> Vec<FieldValue> {
        let mut fields = Vec::with_capacity(kids(node).count());
        let nodes = kids(node).filter(|kid| kid.as_rule() == Rule::field);
        fields.extend(nodes.filter_map(|kid| self.field(kid, depth.inner())));
        fields
    }

    fn field(&mut self, node: Node<'_>, depth: Depth) -> Option<FieldValue> {
        let at = self.span(&node);
        let mut name = None;
        let mut short = None;
        let mut value = None;
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::text => {
                    let span = self.span(&kid);
                    name = Some(Ident { text: self.plain_text(kid), span });
                }
                rule if is_name(rule) => {
                    let ident = self.ident(&kid);
                    short = matches!(rule, Rule::name).then(|| ident.clone());
                    name = Some(ident);
                }
                _ => value = Some(self.expr(kid, depth)),
            }
        }
        let name = name?;
        if let Some(value) = value {
            return Some(FieldValue { name, value });
        }
        let value = match short {
            Some(ident) => Expr { span: ident.span, kind: ExprKind::Name(ident) },
            None => {
                let help = format!("write `{} = …`", crate::literal::field_name(&name.text));
                self.error("E0121", at, "this field has no value", "expected `=` after it", help);
                broken(at)
            }
        };
        Some(FieldValue { name, value })
    }

    fn args(&mut self, node: Node<'_>, depth: Depth) -> Vec<Arg> {
        let mut args: Vec<Arg> = Vec::with_capacity(kids(node).count());
        let mut named: Option<Span> = None;
        for kid in kids(node) {
            let at = self.span(&kid);
            if kid.as_rule() != Rule::arg {
                args.push(Arg { name: None, value: broken(at) });
                continue;
            }
            let arg = self.arg(kid, depth.inner());
            match (&arg.name, named) {
                (Some(name), _) => named = Some(name.span),
                (None, Some(before)) => {
                    self.late_positional(at, before);
                    continue;
                }
                (None, None) => {}
            }
            args.push(arg);
        }
        args
    }

    fn late_positional(&mut self, at: Span, before: Span) {
        let message = "a positional argument cannot follow a named one";
        self.diagnostics.push(
            cbuild_diag::Diagnostic::error(
                "E0129",
                self.source,
                at,
                message,
                "positional argument",
            )
            .label(self.source, before, "a named argument stands before it")
            .help("move it in front of the named arguments, or name it too"),
        );
    }

    fn arg(&mut self, node: Node<'_>, depth: Depth) -> Arg {
        let at = self.span(&node);
        let mut name = None;
        let mut value = None;
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::arg_name => name = kids_value(kid).map(|kid| self.ident(&kid)),
                _ => value = Some(self.expr(kid, depth)),
            }
        }
        Arg { name, value: value.unwrap_or_else(|| broken(at)) }
    }

    pub(super) fn match_expr(&mut self, node: Node<'_>, depth: Depth) -> Expr {
        let span = self.span(&node);
        let mut scrutinee = None;
        let mut arms = Vec::new();
        for kid in kids(node) {
            match kid.as_rule() {
                Rule::arms => arms = self.arms(kid, depth.inner()),
                _ => scrutinee = Some(self.expr(kid, depth.inner())),
            }
        }
        let scrutinee = Deep::new(scrutinee.unwrap_or_else(|| broken(span)));
        Expr { span, kind: ExprKind::Match { scrutinee, arms } }
    }

    fn arms(&mut self, node: Node<'_>, depth: Depth) -> Vec<Arm> {
        let mut arms = Vec::with_capacity(kids(node).count());
        for kid in kids(node).filter(|kid| kid.as_rule() == Rule::arm) {
            let at = self.span(&kid);
            let mut parts = kids(kid);
            let Some(pattern) = parts.next() else { continue };
            let pattern = self.pattern(pattern, depth);
            let body = parts.next().map_or_else(|| broken(at), |kid| self.expr(kid, depth));
            arms.push(Arm { pattern, body });
        }
        arms
    }
}

fn is_head(rule: Rule) -> bool {
    matches!(rule, Rule::let_head | Rule::if_head | Rule::lambda_head)
}
