//! Operators and their precedence.

use std::iter::Peekable;

use cbuild_diag::{Diagnostic, Span};

use super::{Depth, Lower, Node, broken, kids};
use crate::ast::{Arg, BinaryOp, Deep, Expr, ExprKind, UnaryOp};
use crate::grammar::Rule;

/// A binary operator as written.
#[derive(Clone, Copy)]
enum Operator {
    Binary(BinaryOp),
    Pipe,
}

/// Binding strength of `with`, the weakest.
const WITH: u8 = 0;
const COMPARISON: u8 = 4;

/// The operator of a text, and how strongly it binds.
fn operator(text: &str) -> Option<(Operator, u8)> {
    let (op, strength) = match text {
        "|>" => return Some((Operator::Pipe, 1)),
        "||" => (BinaryOp::Or, 2),
        "&&" => (BinaryOp::And, 3),
        "==" => (BinaryOp::Eq, COMPARISON),
        "!=" => (BinaryOp::Ne, COMPARISON),
        "<" => (BinaryOp::Lt, COMPARISON),
        "<=" => (BinaryOp::Le, COMPARISON),
        ">" => (BinaryOp::Gt, COMPARISON),
        ">=" => (BinaryOp::Ge, COMPARISON),
        "++" => (BinaryOp::Concat, 5),
        "+" => (BinaryOp::Add, 6),
        "-" => (BinaryOp::Sub, 6),
        "*" => (BinaryOp::Mul, 7),
        "/" => (BinaryOp::Div, 7),
        "%" => (BinaryOp::Rem, 7),
        _ => return None,
    };
    Some((Operator::Binary(op), strength))
}

/// An operand before its operators are applied.
struct Operand {
    expr: Expr,
    /// Whether it stands in parentheses, so that `|>` calls it rather than adding an argument.
    grouped: bool,
}

impl Lower<'_> {
    /// Operands with operators between them; `kids` starts at the first operand.
    pub(super) fn operators<'i>(
        &mut self,
        kids: &mut Peekable<impl Iterator<Item = Node<'i>>>,
        at: Span,
        depth: Depth,
    ) -> Expr {
        let first = self.operand(kids, at, depth.inner());
        // Most expressions are one operand.
        if kids.peek().is_none() {
            return first.expr;
        }
        let rest: Vec<Node<'i>> = kids.collect();
        let operands = [Rule::postfix, Rule::plain_postfix, Rule::r#match, Rule::prefix_op];
        let links = rest.iter().filter(|kid| !operands.contains(&kid.as_rule())).count();
        let depth = depth.links(links);
        if self.too_deep(at, depth) {
            return broken(at);
        }
        self.climb(first, &mut rest.into_iter().peekable(), WITH, depth).expr
    }

    /// Precedence climbing: everything on the right that binds at least as strongly as `least`.
    fn climb<'i>(
        &mut self,
        mut left: Operand,
        kids: &mut Peekable<std::vec::IntoIter<Node<'i>>>,
        least: u8,
        depth: Depth,
    ) -> Operand {
        let mut compared: Option<Span> = None;
        while let Some(next) = kids.peek() {
            if next.as_rule() != Rule::binary_op {
                if least > WITH {
                    break;
                }
                left = self.with(left, kids, depth);
                continue;
            }
            let Some((op, strength)) = operator(next.as_str()) else { break };
            if strength < least {
                break;
            }
            let at = self.span(next);
            kids.next();
            if strength == COMPARISON {
                if let Some(first) = compared {
                    self.comparison_chain(first, at);
                }
                compared = Some(at);
            }
            let end = left.expr.span.end;
            let right = self.operand(kids, Span { start: end, end }, depth);
            let right = self.climb(right, kids, strength + 1, depth);
            left = self.combine(op, left.expr, right);
        }
        left
    }

    fn with<'i>(
        &mut self,
        left: Operand,
        kids: &mut Peekable<std::vec::IntoIter<Node<'i>>>,
        depth: Depth,
    ) -> Operand {
        let Some(record) = kids.next() else { return left };
        let span = Span { start: left.expr.span.start, end: self.span(&record).end };
        let kind = match record.as_rule() {
            Rule::record => ExprKind::With(Deep::new(left.expr), self.fields(record, depth)),
            _ => ExprKind::Error,
        };
        Operand { expr: Expr { span, kind }, grouped: false }
    }

    fn comparison_chain(&mut self, first: Span, second: Span) {
        self.diagnostics.push(
            Diagnostic::error(
                "E0128",
                self.source,
                second,
                "comparisons cannot be chained",
                "second comparison",
            )
            .label(self.source, first, "first comparison")
            .help("combine two comparisons with `&&`, as in `a < b && b < c`"),
        );
    }

    fn combine(&mut self, op: Operator, left: Expr, right: Operand) -> Operand {
        let span = Span { start: left.span.start, end: right.expr.span.end };
        let kind = match op {
            Operator::Binary(op) => ExprKind::Binary(op, Deep::new(left), Deep::new(right.expr)),
            Operator::Pipe => self.pipe(left, right),
        };
        Operand { expr: Expr { span, kind }, grouped: false }
    }

    fn pipe(&mut self, left: Expr, right: Operand) -> ExprKind {
        let first = Arg { name: None, value: left };
        let at = right.expr.span;
        match right.expr.kind {
            ExprKind::Call { callee, mut args } if !right.grouped => {
                args.insert(0, first);
                ExprKind::Call { callee, args }
            }
            kind @ (ExprKind::Name(_) | ExprKind::Field(..)) => {
                let callee = Deep::new(Expr { span: at, kind });
                ExprKind::Call { callee, args: vec![first].into() }
            }
            ExprKind::Error => ExprKind::Error,
            kind if right.grouped => {
                let callee = Deep::new(Expr { span: at, kind });
                ExprKind::Call { callee, args: vec![first].into() }
            }
            _ => {
                let message = "the right side of `|>` must be a function or a call";
                let help = "write `x |> f`, `x |> f(y)` or `x |> ((x) => …)`";
                self.error("E0130", at, message, "this is neither", help);
                ExprKind::Error
            }
        }
    }

    /// Prefix operators and the operand that they belong to.
    fn operand<'i>(
        &mut self,
        kids: &mut Peekable<impl Iterator<Item = Node<'i>>>,
        at: Span,
        depth: Depth,
    ) -> Operand {
        let mut prefixes: Vec<(UnaryOp, u32)> = Vec::new();
        while let Some(kid) = kids.next_if(|kid| kid.as_rule() == Rule::prefix_op) {
            let op = if kid.as_str() == "-" { UnaryOp::Neg } else { UnaryOp::Not };
            prefixes.push((op, self.span(&kid).start));
        }
        let depth = depth.links(prefixes.len());
        let Some(kid) = kids.next() else { return Operand { expr: broken(at), grouped: false } };
        if self.too_deep(at, depth) {
            return Operand { expr: broken(at), grouped: false };
        }
        let mut grouped = false;
        let mut expr = match kid.as_rule() {
            Rule::postfix | Rule::plain_postfix => {
                grouped = kid.as_str().ends_with(')') && sole(&kid, Rule::paren).is_some();
                self.negative_literal(&kid, &mut prefixes)
                    .unwrap_or_else(|| self.postfix(kid, depth))
            }
            Rule::r#match => self.match_expr(kid, depth),
            _ => broken(self.span(&kid)),
        };
        while let Some((op, start)) = prefixes.pop() {
            let span = Span { start, end: expr.span.end };
            grouped = false;
            expr = Expr { span, kind: ExprKind::Unary(op, Deep::new(expr)) };
        }
        Operand { expr, grouped }
    }

    /// `-` in front of a number is part of it, so that the least number can be written.
    fn negative_literal(
        &mut self,
        node: &Node<'_>,
        prefixes: &mut Vec<(UnaryOp, u32)>,
    ) -> Option<Expr> {
        let (UnaryOp::Neg, start) = *prefixes.last()? else { return None };
        let literal = sole(node, Rule::int)?;
        prefixes.pop();
        let span = Span { start, end: self.span(node).end };
        let kind = self.int(&literal, true).map_or(ExprKind::Error, ExprKind::Int);
        Some(Expr { span, kind })
    }
}

/// The only child of a node, if it has this rule.
fn sole<'i>(node: &Node<'i>, rule: Rule) -> Option<Node<'i>> {
    let mut kids = kids(*node);
    let only = kids.next().filter(|kid| kid.as_rule() == rule)?;
    kids.next().is_none().then_some(only)
}
