//! Operators, texts and scripts.

use cbuild_diag::{Diagnostic, SourceId, Span};
use cbuild_syntax::ast::{self, BinaryOp, Deep, ExprKind, UnaryOp};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::infer::Typed;
use crate::ir;
use crate::needs::Need;
use crate::print::with_article;
use crate::report::{Expect, Why};
use crate::types::{ConId, Place, Ty, TyId};
use crate::unify::Clash;
use crate::watch::watch;

/// Links of a chain of operators in a test up to which each is watched.
const MAX_WATCHED_LINKS: usize = 64;

/// Closing braces behind `${` that are tried as the end of an expression.
const MOST_BRACES: usize = 8;

/// One link of a left-nested chain of operators, with the span from the chain's start to its right side.
struct Link<'a> {
    op: BinaryOp,
    right: &'a ast::Expr,
    span: Span,
}

impl<'a> Checker<'a> {
    /// A chain of operators. It may be thousands of links long, so it is walked without recursion.
    pub(crate) fn infer_binary(&mut self, expr: &'a ast::Expr, expected: Option<&Expect>) -> Typed {
        let mut links = Vec::new();
        let mut first = expr;
        while let ExprKind::Binary(op, left, right) = &first.kind {
            links.push(Link { op: *op, right, span: first.span });
            first = left;
        }
        // An expected type reaches the operands of the joins on top of the chain.
        let top_joins = links.iter().take_while(|l| l.op == BinaryOp::Concat).count();
        let mut left_span = first.span;
        let mut left: Option<Typed> = None;
        let mut joined: Option<Expect> = None;
        // Very long chains are sums or lists of texts, whose parts tell little.
        let watched = self.body.watching && links.len() <= MAX_WATCHED_LINKS;
        for (index, link) in links.iter().enumerate().rev() {
            if link.op == BinaryOp::Concat {
                let target = joined.take().unwrap_or_else(|| match expected {
                    Some(expected) if index < top_joins && !expected.wrap => expected.clone(),
                    _ => Expect::plain(self.types.fresh()),
                });
                let (typed, target) = self.join(left.take(), first, left_span, link, target);
                left = Some(typed);
                joined = Some(target);
            } else {
                joined = None;
                let current = match left.take() {
                    Some(typed) => typed,
                    None => self.infer(first),
                };
                left = Some(self.apply(link, current, left_span));
            }
            left_span = link.span;
            if watched && index > 0 {
                left = left.map(|(ty, lowered)| (ty, watch(lowered, link.span)));
            }
        }
        left.unwrap_or_else(crate::infer::broken)
    }

    /// `left ++ right`; also tells what further operands of the same chain must be.
    fn join(
        &mut self,
        left: Option<Typed>,
        first: &'a ast::Expr,
        left_span: Span,
        link: &Link<'a>,
        target: Expect,
    ) -> (Typed, Expect) {
        let continued = left.is_some();
        let lowered_left = match left {
            Some((ty, lowered)) => {
                self.expect(&target, ty, left_span);
                lowered
            }
            None => self.check(first, &target),
        };
        if !continued || self.types.is_unknown(target.ty) {
            self.need(Need::Join, target.ty, left_span);
        }
        let joinable = matches!(
            self.types.get(target.ty),
            Ty::Var(_) | Ty::Con(ConId::STR | ConId::SCRIPT | ConId::LIST, _)
        );
        let target = if !joinable {
            Expect::plain(TyId::ERROR)
        } else if target.why.is_none() {
            let place = self.place(left_span);
            Expect::because(target.ty, place, Why::Same("the left side"))
        } else {
            target
        };
        let right = self.check(link.right, &target);
        let lowered = ir::Expr::Binary(
            BinaryOp::Concat,
            Deep::new(lowered_left),
            Deep::new(right),
            link.span,
        );
        ((target.ty, lowered), target)
    }

    /// Any operator but `++`.
    fn apply(&mut self, link: &Link<'a>, (ty, left): Typed, left_span: Span) -> Typed {
        let (result, right) = match link.op {
            BinaryOp::And | BinaryOp::Or => {
                let sound = self.operand(link.op, TyId::BOOL, ty, left_span, "left");
                self.right_operand(link, TyId::BOOL, sound)
            }
            BinaryOp::Eq | BinaryOp::Ne => {
                let right = self.same_as_left(link, ty, left_span);
                self.need(Need::Equal, ty, left_span);
                (TyId::BOOL, right)
            }
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let mut ordered = [TyId::INT, TyId::STR].into_iter();
                let optional = ordered.find(|wanted| self.fallback(*wanted, ty).is_some());
                let right = match optional {
                    Some(wanted) => {
                        self.operand(link.op, wanted, ty, left_span, "left");
                        self.infer(link.right).1
                    }
                    None => {
                        let right = self.same_as_left(link, ty, left_span);
                        self.need(Need::Order, ty, left_span);
                        right
                    }
                };
                (TyId::BOOL, right)
            }
            _ => {
                let sound = self.operand(link.op, TyId::INT, ty, left_span, "left");
                self.right_operand(link, TyId::INT, sound)
            }
        };
        (result, ir::Expr::Binary(link.op, Deep::new(left), Deep::new(right), link.span))
    }

    fn same_as_left(&mut self, link: &Link<'a>, ty: TyId, left_span: Span) -> ir::Expr {
        let place = self.place(left_span);
        self.check(link.right, &Expect::because(ty, place, Why::Same("the left side")))
    }

    /// The right side, and the type of the whole; one problem with an operator is enough.
    fn right_operand(&mut self, link: &Link<'a>, wanted: TyId, sound: bool) -> Typed {
        let (ty, lowered) = self.infer(link.right);
        let sound = sound && self.operand(link.op, wanted, ty, link.right.span, "right");
        (if sound { wanted } else { TyId::ERROR }, lowered)
    }

    /// Whether an operand has the type that its operator needs.
    fn operand(
        &mut self,
        op: BinaryOp,
        expected: TyId,
        found: TyId,
        span: Span,
        side: &str,
    ) -> bool {
        let Err(clash) = self.types.unify(expected, found) else { return true };
        if let Clash::Rigid { .. } | Clash::NotARecord(..) | Clash::OnlyRecords(..) = clash {
            self.report_mismatch(&Expect::plain(expected), found, span, &clash);
            return false;
        }
        let (wanted, shown) = self.types.show_two(expected, found);
        let sign = sign(op);
        let fallback = self.fallback(expected, found);
        let fix = fallback.map(absent).or_else(|| self.operator_instead(op, found));
        self.error(
            codes::OPERAND,
            span,
            format!(
                "`{sign}` works on `{wanted}`, but its {side} side is {}",
                with_article(&shown)
            ),
            format!("has type `{shown}`"),
        )
        .maybe_fix(fix);
        self.add_fallback(fallback, self.place(span));
        false
    }

    /// What is written in place of an operator that does not work on a type.
    fn operator_instead(&self, op: BinaryOp, found: TyId) -> Option<String> {
        let text = match (op, self.types.get(found)) {
            (BinaryOp::Add, Ty::Con(ConId::STR | ConId::SCRIPT | ConId::LIST, _)) => {
                "`++` joins texts, scripts and lists"
            }
            (BinaryOp::Or, Ty::Con(ConId::OPTION, _)) => {
                "a value in place of an absent one is given by `std.option.or_else(…, …)`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Lets the fix of the last error say what counts where a value is absent.
    pub(crate) fn add_fallback(&mut self, fallback: Option<&'static str>, (source, span): Place) {
        let at = |byte| (source, Span { start: byte, end: byte });
        let (before, after) = (at(span.start), at(span.end));
        if let (Some(fallback), Some(problem)) = (fallback, self.diagnostics.last_mut()) {
            problem.change(before, "std.option.or_else(").change(after, format!(", {fallback})"));
        }
    }

    /// What may count where an operand is absent: a value of the wanted type that changes nothing.
    fn fallback(&self, wanted: TyId, found: TyId) -> Option<&'static str> {
        let Ty::Con(ConId::OPTION, args) = self.types.get(found) else { return None };
        match (self.types.get(wanted), self.types.get(args[0])) {
            (Ty::Con(ConId::INT, _), Ty::Con(ConId::INT, _)) => Some("0"),
            (Ty::Con(ConId::BOOL, _), Ty::Con(ConId::BOOL, _)) => Some("false"),
            (Ty::Con(ConId::STR, _), Ty::Con(ConId::STR, _)) => Some("\"\""),
            _ => None,
        }
    }

    pub(crate) fn infer_unary(&mut self, op: UnaryOp, operand: &'a ast::Expr, span: Span) -> Typed {
        let (wanted, sign) = match op {
            UnaryOp::Neg => (TyId::INT, "-"),
            UnaryOp::Not => (TyId::BOOL, "!"),
        };
        let (ty, lowered) = self.infer(operand);
        if self.types.unify(wanted, ty).is_err() {
            let fallback = self.fallback(wanted, ty);
            let (wanted, shown) = self.types.show_two(wanted, ty);
            self.error(
                codes::OPERAND,
                operand.span,
                format!("`{sign}` works on `{wanted}`, but this is {}", with_article(&shown)),
                format!("has type `{shown}`"),
            )
            .maybe_fix(fallback.map(absent));
            self.add_fallback(fallback, self.place(operand.span));
        }
        (wanted, ir::Expr::Unary(op, Deep::new(lowered), span))
    }

    pub(crate) fn infer_text(&mut self, parts: &'a [ast::TextPart], span: Span) -> Typed {
        for part in parts {
            if let ast::TextPart::Text(text) = part {
                self.foreign_hole(text, span, None);
            }
        }
        let plain = match parts {
            [] => Some(""),
            [ast::TextPart::Text(text)] => Some(text.as_str()),
            _ => None,
        };
        if let Some(text) = plain {
            return (TyId::STR, ir::Expr::Str(text.into()));
        }
        let parts = self.holes(parts, Need::TextHole);
        (TyId::STR, ir::Expr::Interpolate(parts, span))
    }

    /// Warns of `${expression}` in a text that begins with something in scope: it is plain text here. Without
    /// `fix` it can be made a hole.
    pub(crate) fn foreign_hole(&mut self, text: &str, span: Span, fix: Option<&str>) {
        let mut holes = text.split("${").skip(1).filter_map(|rest| {
            // A brace may close something within the expression.
            let mut ends = rest.match_indices('}').take(MOST_BRACES).map(|(end, _)| &rest[..end]);
            let inside = ends.find(|inside| is_expression(inside))?;
            let name = inside.trim_start_matches(['(', '!', '-', ' ']);
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, after) = name.split_at(end.unwrap_or(name.len()));
            let module = after.starts_with('.') && self.find_module(name).is_some();
            (self.is_value(name) || module).then(|| (inside.to_owned(), name.to_owned()))
        });
        let Some((inside, name)) = holes.next() else { return };
        let message = format!("`${{{inside}}}` is plain text, though `{name}` is in scope");
        let label = "this text has no hole there";
        let found = Diagnostic::warning(codes::FOREIGN_HOLE, self.source(), span, message, label);
        let fix = fix.map_or_else(|| format!("write `#{{{inside}}}`"), str::to_owned);
        self.push(found).fix(fix);
    }

    pub(crate) fn holes(&mut self, parts: &'a [ast::TextPart], need: Need) -> Vec<ir::TextPart> {
        let mut lowered = Vec::with_capacity(parts.len());
        for part in parts {
            lowered.push(match part {
                ast::TextPart::Text(text) => ir::TextPart::Text(text.as_str().into()),
                ast::TextPart::Hole(expr) => {
                    let (ty, value) = self.infer(expr);
                    self.need(need, ty, expr.span);
                    ir::TextPart::Hole(value)
                }
            });
        }
        lowered
    }
}

/// What is said of an operand that may be absent.
pub(crate) fn absent(fallback: &str) -> String {
    format!("it may be absent; say what counts then, as in `std.option.or_else(…, {fallback})`")
}

/// Whether a text is an expression.
fn is_expression(text: &str) -> bool {
    let (_, problems) = cbuild_syntax::parse_expr(SourceId(0), text);
    !problems.iter().any(Diagnostic::is_error)
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Concat => "++",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
    }
}
