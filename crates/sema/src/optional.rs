//! Values of optional fields: a field `a?: T` takes a plain `T`, which is wrapped, or an `Option<T>`.

use cbuild_syntax::ast::{self, ExprKind};

use crate::checker::{Checker, Value};
use crate::ir;
use crate::report::Expect;
use crate::types::{ConId, Ty, TyId};

/// What an expression is as written: so many `Some(…)` around something.
struct Written<'a> {
    somes: u32,
    inner: &'a ast::Expr,
    /// Whether the inner one is `None`.
    none: bool,
}

impl<'a> Checker<'a> {
    /// The value of an optional field. Where `T` is an `Option` itself, what has as many layers as the
    /// field is taken as it is, and so is `None`; anything else is wrapped.
    pub(crate) fn check_wrapping(&mut self, expr: &'a ast::Expr, expected: &Expect) -> ir::Expr {
        let as_is = expected.with(expected.ty);
        let Ty::Con(ConId::OPTION, args) = self.types.get(expected.ty) else {
            return self.check(expr, &as_is);
        };
        let plain = expected.restated(args[0]);
        let layers = self.layers(expected.ty);
        let written = self.written(expr);
        let literal = matches!(
            written.inner.kind,
            ExprKind::Record(_) | ExprKind::List(_) | ExprKind::Lambda { .. }
        );
        if written.none && written.somes == 0 || written.somes + u32::from(written.none) >= layers {
            return self.check(expr, &as_is);
        }
        let lowered = if literal {
            self.check(expr, &plain)
        } else {
            let (ty, lowered) = self.infer_kind(expr);
            self.note_type(expr.span, ty);
            if self.layers(ty) >= layers {
                self.expect(&as_is, ty, expr.span);
                return lowered;
            }
            self.fit(&plain, ty, lowered, expr.span)
        };
        ir::Expr::Construct(self.symbols.intern("Some"), vec![lowered])
    }

    /// How many `Option`s a type is known to have around another one.
    fn layers(&self, mut ty: TyId) -> u32 {
        let mut layers = 0;
        while let Ty::Con(ConId::OPTION, args) = self.types.get(ty) {
            layers += 1;
            ty = args[0];
        }
        layers
    }

    fn written<'e>(&self, mut inner: &'e ast::Expr) -> Written<'e> {
        let mut somes = 0;
        loop {
            inner = match &inner.kind {
                ExprKind::Call { callee, args } if self.is_case(callee, 1) && args.len() == 1 => {
                    &args[0].value
                }
                _ => return Written { somes, inner, none: self.is_case(inner, 0) },
            };
            somes += 1;
        }
    }

    /// Whether an expression is the name of a case of `Option`: `None` is 0, and `Some` is 1.
    fn is_case(&self, expr: &ast::Expr, case: usize) -> bool {
        let ExprKind::Name(name) = &expr.kind else { return false };
        let found = self.find_value(self.module, &name.text);
        matches!(found, Some(Value::Constructor(ConId::OPTION, found)) if found == case)
    }
}
