//! `match`: patterns, their variables, and the check that every case is covered.

use cbuild_diag::{Diagnostic, Span};
use cbuild_syntax::ast::{self, Deep, PatternKind};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::exhaustive::{self, Pat};
use crate::infer::Typed;
use crate::ir;
use crate::report::{Expect, Why};
use crate::types::{Place, Scheme, TyId};

/// A `match` whose coverage is looked at when its group of definitions is complete.
pub(crate) struct PendingMatch {
    place: Place,
    /// Where a further arm can be put, and what stands between the arms.
    end: (u32, &'static str),
    arms: Vec<(Pat, Span)>,
}

impl<'a> Checker<'a> {
    pub(crate) fn infer_match(
        &mut self,
        span: Span,
        scrutinee: &'a ast::Expr,
        arms: &'a [ast::Arm],
        expected: Option<&Expect>,
    ) -> Typed {
        let (subject, lowered) = self.infer(scrutinee);
        let place = self.place(scrutinee.span);
        let wanted = Expect::because(subject, place, Why::Same("the matched value"));
        let mut result = expected.cloned();
        let mut lowered_arms = Vec::with_capacity(arms.len());
        let mut shapes = Vec::with_capacity(arms.len());
        let mut sound = true;
        for arm in arms {
            let scope = self.body.locals.len();
            let problems = self.diagnostics.len();
            self.refuse_repeated(bound_names(&arm.pattern), "pattern variable");
            let (pattern, shape) = self.check_pattern(&arm.pattern, &wanted);
            sound &= problems == self.diagnostics.len() && !is_broken(&arm.pattern);
            let body = match &result {
                Some(expected) => self.check(&arm.body, expected),
                None => {
                    let (ty, body) = self.infer(&arm.body);
                    let place = self.place(arm.body.span);
                    result = Some(Expect::because(ty, place, Why::Same("the first arm")));
                    body
                }
            };
            self.body.locals.truncate(scope);
            lowered_arms.push((pattern, body));
            shapes.push((shape, arm.pattern.span));
        }
        // Of broken patterns it cannot be said what they cover.
        if sound && !self.types.is_error(subject) {
            let last = arms.last().map(|arm| (arm.body.span.end, ", "));
            let end = last.unwrap_or((span.end.saturating_sub(1), ""));
            self.body.matches.push(PendingMatch {
                place: (self.source(), span),
                end,
                arms: shapes,
            });
        }
        let ty = result.map_or_else(|| self.types.fresh(), |expected| expected.ty);
        (ty, ir::Expr::Match(Deep::new(lowered), lowered_arms, span))
    }

    fn check_pattern(&mut self, pattern: &'a ast::Pattern, wanted: &Expect) -> (ir::Pattern, Pat) {
        match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Error => (ir::Pattern::Wildcard, Pat::Any),
            PatternKind::Bind(name) => {
                let local = self.bind(name, Scheme::mono(wanted.ty));
                (ir::Pattern::Bind(local), Pat::Any)
            }
            PatternKind::Int(value) => {
                self.expect(wanted, TyId::INT, pattern.span);
                (ir::Pattern::Int(*value), Pat::Int(*value))
            }
            PatternKind::Bool(value) => {
                self.expect(wanted, TyId::BOOL, pattern.span);
                (ir::Pattern::Bool(*value), Pat::Bool(*value))
            }
            PatternKind::Text(text) => {
                self.expect(wanted, TyId::STR, pattern.span);
                let fix = "patterns have no holes: bind a name, and compare it with `==`";
                self.foreign_hole(text, pattern.span, Some(fix));
                (ir::Pattern::Str(text.as_str().into()), Pat::Str(text.as_str().into()))
            }
            PatternKind::Constructor { path, args } => {
                self.check_constructor(pattern.span, path, args, wanted)
            }
        }
    }

    fn check_constructor(
        &mut self,
        span: Span,
        path: &[ast::Ident],
        args: &'a [ast::Pattern],
        wanted: &Expect,
    ) -> (ir::Pattern, Pat) {
        let Some((con, case)) = self.lookup_constructor(path) else {
            for arg in args {
                self.check_pattern(arg, &Expect::plain(TyId::ERROR));
            }
            return (ir::Pattern::Wildcard, Pat::Any);
        };
        let (fields, ty) = self.constructor_types(con, case);
        self.expect(wanted, ty, span);
        let name = self.constructor_name(con, case);
        if fields.len() != args.len() {
            let what = format!("the constructor `{name}`");
            self.wrong_count(span, codes::CONSTRUCTOR_ARGUMENTS, &what, fields.len(), args.len());
        } else if fields.is_empty() && path.last().is_some_and(|name| name.span.end < span.end) {
            self.empty_parentheses(span, &name);
        }
        let mut lowered = Vec::with_capacity(fields.len());
        let mut shapes = Vec::with_capacity(fields.len());
        for (index, arg) in args.iter().enumerate() {
            let field = fields.get(index).copied().unwrap_or(TyId::ERROR);
            let (pattern, shape) =
                cbuild_syntax::deep::guarded(|| self.check_pattern(arg, &Expect::plain(field)));
            lowered.push(pattern);
            shapes.push(shape);
        }
        shapes.resize(fields.len(), Pat::Any);
        let symbol = self.symbols.intern(&name);
        (ir::Pattern::Construct(symbol, lowered), Pat::Case(con, case, shapes))
    }

    /// Reports arms that cannot be reached and cases that are not covered.
    pub(crate) fn check_coverage(&mut self) {
        for pending in std::mem::take(&mut self.body.matches) {
            let verdict =
                exhaustive::coverage(&self.types, pending.arms.iter().map(|(pat, _)| pat));
            let (source, span) = pending.place;
            for index in verdict.redundant {
                let diagnostic = Diagnostic::error(
                    codes::REDUNDANT_ARM,
                    source,
                    pending.arms[index].1,
                    "this arm can never be reached",
                    "the arms above cover all of it",
                )
                .help("remove it, or move it up");
                self.diagnostics.push(diagnostic);
            }
            if verdict.too_complex {
                let diagnostic = Diagnostic::error(
                    codes::TOO_COMPLEX,
                    source,
                    span,
                    "this match has too many combinations of cases to be checked",
                    "too complex",
                );
                self.push(diagnostic).fix("split it into several matches");
            } else if let Some(missing) = verdict.missing {
                let diagnostic = Diagnostic::error(
                    codes::NOT_EXHAUSTIVE,
                    source,
                    span,
                    format!("this match does not cover `{missing}`"),
                    "a case is missing",
                );
                let (at, separator) = pending.end;
                let arm = format!("{separator}{missing} => abort(\"to be written\")");
                self.push(diagnostic)
                    .fix(format!("add an arm: `{missing} => …`"))
                    .change((source, Span { start: at, end: at }), arm);
            }
        }
    }
}

/// Whether there was a syntax error in a pattern.
fn is_broken(pattern: &ast::Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Error => true,
        PatternKind::Constructor { args, .. } => args.iter().any(is_broken),
        _ => false,
    }
}

/// The variables that a pattern binds.
fn bound_names(pattern: &ast::Pattern) -> Vec<&ast::Ident> {
    match &pattern.kind {
        PatternKind::Bind(name) => vec![name],
        PatternKind::Constructor { args, .. } => args.iter().flat_map(bound_names).collect(),
        _ => Vec::new(),
    }
}
