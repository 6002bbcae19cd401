//! Which parts of a test tell a reader why it fails.

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep, ExprKind};

use crate::checker::Checker;
use crate::ir::{self, Watched};

impl Checker<'_> {
    /// The lowered form of an expression, watched where that is of use.
    pub(crate) fn watched(&self, expr: &ast::Expr, lowered: ir::Expr) -> ir::Expr {
        if !self.body.watching {
            return lowered;
        }
        match interest(expr) {
            Some(watched) => ir::Expr::Watch(Deep::new(lowered), expr.span, watched),
            None => lowered,
        }
    }
}

/// A link of a chain of operators.
pub(crate) fn watch(lowered: ir::Expr, span: Span) -> ir::Expr {
    ir::Expr::Watch(Deep::new(lowered), span, Watched::Shown)
}

/// Names, fields, calls and operations are shown. Literals show themselves, but may be compared;
/// of bindings and functions only the parts are looked at.
fn interest(expr: &ast::Expr) -> Option<Watched> {
    let plain_text =
        |parts: &[ast::TextPart]| parts.iter().all(|part| matches!(part, ast::TextPart::Text(_)));
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::Field(_, name) if is_constructor(name) => None,
        ExprKind::Call { callee, .. } => match &callee.kind {
            ExprKind::Name(name) | ExprKind::Field(_, name) if is_constructor(name) => {
                Some(Watched::Literal)
            }
            _ => Some(Watched::Shown),
        },
        ExprKind::Text(parts) | ExprKind::Script(parts) if plain_text(parts) => {
            Some(Watched::Literal)
        }
        ExprKind::List(_) | ExprKind::Record(_) => Some(Watched::Literal),
        ExprKind::Name(_)
        | ExprKind::Field(..)
        | ExprKind::Text(_)
        | ExprKind::Script(_)
        | ExprKind::Decode { .. }
        | ExprKind::If(..)
        | ExprKind::Match { .. }
        | ExprKind::With(..)
        | ExprKind::Binary(..)
        | ExprKind::Unary(..) => Some(Watched::Shown),
        ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::Path(_)
        | ExprKind::Hash(_)
        | ExprKind::Lambda { .. }
        | ExprKind::Let { .. }
        | ExprKind::Error => None,
    }
}

fn is_constructor(name: &ast::Ident) -> bool {
    name.text.starts_with(|c: char| c.is_ascii_uppercase())
}
