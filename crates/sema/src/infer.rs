//! Expressions: their types, and their lowered form, in one pass.
//!
//! A type that is known from the context is pushed into an expression, because literals are
//! completed by it; everything else is inferred and then compared.

use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep, ExprKind};

use crate::checker::{Checker, Extend, Value};
use crate::codes;
use crate::foreign;
use crate::index::Target;
use crate::ir;
use crate::needs::Need;
use crate::report::{Expect, Why};
use crate::resolve::{Kind, ModuleRef};
use crate::types::{ConId, Field, Row, Scheme, Ty, TyId};

/// An expression's type and lowered form.
pub(crate) type Typed = (TyId, ir::Expr);

/// What stands where something was broken; such a program is never run.
pub(crate) fn broken() -> Typed {
    (TyId::ERROR, ir::Expr::Record(Vec::new()))
}

/// A field of what may be a field itself.
struct Link<'a> {
    whole: &'a ast::Expr,
    base: &'a ast::Expr,
    name: &'a ast::Ident,
}

/// What a name in an expression stands for.
pub(crate) enum Head {
    Local(Scheme, ir::Local),
    Global(ir::GlobalId),
    Constructor(ConId, usize),
    /// Already reported.
    Broken,
}

impl<'a> Checker<'a> {
    /// The type of an expression of which nothing is expected.
    pub(crate) fn infer(&mut self, expr: &'a ast::Expr) -> Typed {
        let (ty, lowered) = cbuild_syntax::deep::guarded(|| self.infer_kind(expr));
        self.note_type(expr.span, ty);
        (ty, self.watched(expr, lowered))
    }

    /// Checks an expression against an expected type.
    pub(crate) fn check(&mut self, expr: &'a ast::Expr, expected: &Expect) -> ir::Expr {
        let lowered = cbuild_syntax::deep::guarded(|| self.check_kind(expr, expected));
        self.note_type(expr.span, expected.ty);
        self.watched(expr, lowered)
    }

    pub(crate) fn infer_kind(&mut self, expr: &'a ast::Expr) -> Typed {
        match &expr.kind {
            ExprKind::Error => broken(),
            ExprKind::Int(value) => (TyId::INT, ir::Expr::Int(*value)),
            ExprKind::Bool(value) => (TyId::BOOL, ir::Expr::Bool(*value)),
            ExprKind::Hash(text) => (TyId::HASH, ir::Expr::Hash(text.as_str().into())),
            ExprKind::Path(path) => {
                (TyId::PATH, ir::Expr::Path(self.source(), path.as_str().into(), expr.span))
            }
            ExprKind::Text(parts) => self.infer_text(parts, expr.span),
            ExprKind::Script(parts) => {
                let parts = self.holes(parts, Need::ScriptHole);
                (TyId::SCRIPT, ir::Expr::Script(parts, expr.span))
            }
            ExprKind::Name(name) => {
                let head = self.resolve_name(name);
                self.use_head(head)
            }
            ExprKind::Field(..) => self.infer_fields(expr),
            ExprKind::Call { callee, args } => self.infer_call(expr.span, callee, args, None),
            ExprKind::Decode { types, args } => self.infer_decode(types, args, expr.span),
            ExprKind::Lambda { params, body } => self.infer_lambda(params, body, None),
            ExprKind::Let { bindings, body } => {
                let scope = self.body.locals.len();
                let lowered = self.enter_bindings(bindings);
                let (ty, body) = self.infer(body);
                self.body.locals.truncate(scope);
                (ty, ir::Expr::Let(lowered, Deep::new(body)))
            }
            ExprKind::If(condition, yes, no) => {
                let condition = self.check_condition(condition);
                let (ty, first) = self.infer(yes);
                let place = self.place(yes.span);
                let expected = Expect::because(ty, place, Why::Same("the first branch"));
                let second = self.check(no, &expected);
                (ty, ir::Expr::If(Deep::new(condition), Deep::new(first), Deep::new(second)))
            }
            ExprKind::Match { scrutinee, arms } => {
                self.infer_match(expr.span, scrutinee, arms, None)
            }
            ExprKind::Record(fields) => self.infer_record(fields),
            ExprKind::With(base, fields) => self.infer_with(base, fields, expr.span),
            ExprKind::List(items) => {
                let item = self.types.fresh();
                let lowered = self.check_items(items, item, None);
                (self.types.list(item), lowered)
            }
            ExprKind::Binary(..) => self.infer_binary(expr, None),
            ExprKind::Unary(op, operand) => self.infer_unary(*op, operand, expr.span),
        }
    }

    fn check_kind(&mut self, expr: &'a ast::Expr, expected: &Expect) -> ir::Expr {
        match &expr.kind {
            ExprKind::Let { bindings, body } => {
                let scope = self.body.locals.len();
                let lowered = self.enter_bindings(bindings);
                let body = self.check(body, expected);
                self.body.locals.truncate(scope);
                ir::Expr::Let(lowered, Deep::new(body))
            }
            // Branches of which nothing is known yet explain each other.
            ExprKind::If(..) | ExprKind::Match { .. } if self.types.is_unknown(expected.ty) => {
                self.infer_and_compare(expr, expected)
            }
            ExprKind::If(..) => self.check_branches(expr, expected),
            ExprKind::Match { scrutinee, arms } => {
                self.infer_match(expr.span, scrutinee, arms, Some(expected)).1
            }
            _ if expected.wrap => self.check_wrapping(expr, expected),
            ExprKind::Lambda { params, body } => match self.types.get(expected.ty) {
                Ty::Fn(types, result) if types.len() == params.len() => {
                    self.infer_lambda(params, body, Some((&types, &expected.with(result)))).1
                }
                _ => self.infer_and_compare(expr, expected),
            },
            ExprKind::Record(fields) => self.check_record(fields, expected, expr.span),
            ExprKind::List(items) => match self.types.get(expected.ty) {
                Ty::Con(ConId::LIST, args) => self.check_items(items, args[0], Some(expected)),
                _ => self.infer_and_compare(expr, expected),
            },
            ExprKind::Call { callee, args } => {
                let (ty, lowered) = self.infer_call(expr.span, callee, args, Some(expected));
                self.fit(expected, ty, lowered, expr.span)
            }
            ExprKind::Binary(..) => {
                let (ty, lowered) = self.infer_binary(expr, Some(expected));
                self.expect(expected, ty, expr.span);
                lowered
            }
            ExprKind::Text(parts)
                if matches!(self.types.get(expected.ty), Ty::Con(ConId::HASH, _)) =>
            {
                self.check_quoted_hash(expr, parts, expected)
            }
            ExprKind::Text(parts) => self.check_quoted_path(expr, parts, expected),
            _ => self.infer_and_compare(expr, expected),
        }
    }

    /// An `if` with all its `else if`, of which there may be thousands, so without recursion.
    fn check_branches(&mut self, expr: &'a ast::Expr, expected: &Expect) -> ir::Expr {
        let mut branches = Vec::new();
        let mut rest = expr;
        while let ExprKind::If(condition, yes, no) = &rest.kind {
            self.note_type(rest.span, expected.ty);
            let condition = self.check_condition(condition);
            branches.push((rest, condition, self.check(yes, expected)));
            rest = no;
        }
        let mut lowered = self.check(rest, expected);
        for (at, (branch, condition, yes)) in branches.into_iter().enumerate().rev() {
            lowered = ir::Expr::If(Deep::new(condition), Deep::new(yes), Deep::new(lowered));
            if at > 0 {
                lowered = self.watched(branch, lowered);
            }
        }
        lowered
    }

    /// A text where a hash is needed: one that holds a hash is replaced by that.
    fn check_quoted_hash(
        &mut self,
        expr: &'a ast::Expr,
        parts: &'a [ast::TextPart],
        expected: &Expect,
    ) -> ir::Expr {
        let before = self.diagnostics.len();
        let lowered = self.infer_and_compare(expr, expected);
        let place = self.place(expr.span);
        let [ast::TextPart::Text(text)] = parts else { return lowered };
        if let Some(problem) = self.diagnostics.get_mut(before) {
            match (foreign::hash(text), foreign::why_no_hash(text)) {
                (Some(hash), _) => {
                    problem.change(place, hash);
                }
                (None, Some(why)) => problem.help = Some(why),
                (None, None) => {}
            }
        }
        lowered
    }

    /// A text where a path or files are needed: one that is a path loses its quotes.
    fn check_quoted_path(
        &mut self,
        expr: &'a ast::Expr,
        parts: &'a [ast::TextPart],
        expected: &Expect,
    ) -> ir::Expr {
        let before = self.diagnostics.len();
        let lowered = self.infer_and_compare(expr, expected);
        let place = self.place(expr.span);
        let wanted = match self.types.get(expected.ty) {
            Ty::Con(ConId::PATH, _) => foreign::path(parts).map(str::to_owned),
            Ty::Con(con, _) if Some(con) == self.package => {
                foreign::path(parts).map(|path| format!("std.fetch.local({path}, \"src\")"))
            }
            _ => None,
        };
        let package =
            matches!(self.types.get(expected.ty), Ty::Con(con, _) if Some(con) == self.package);
        let download = foreign::download(parts).filter(|_| package);
        if let Some(problem) = self.diagnostics.get_mut(before) {
            if let Some(new) = wanted {
                problem.change(place, new);
            }
            if let Some(help) = download {
                problem.help = Some(help);
            }
        }
        lowered
    }

    fn infer_and_compare(&mut self, expr: &'a ast::Expr, expected: &Expect) -> ir::Expr {
        let (ty, lowered) = self.infer_kind(expr);
        // Of something broken the expected type is more telling.
        if !self.types.is_error(ty) {
            self.note_type(expr.span, ty);
        }
        self.fit(expected, ty, lowered, expr.span)
    }

    fn check_condition(&mut self, condition: &'a ast::Expr) -> ir::Expr {
        let place = self.place(condition.span);
        self.check(condition, &Expect::because(TyId::BOOL, place, Why::Always("a condition")))
    }

    fn check_items(
        &mut self,
        items: &'a [ast::Expr],
        item: TyId,
        expected: Option<&Expect>,
    ) -> ir::Expr {
        let mut lowered = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let want = match expected {
                Some(expected) => expected.with(item),
                None if index == 0 => Expect::plain(item),
                None => {
                    let place = self.place(items[0].span);
                    Expect::because(item, place, Why::Same("the first item"))
                }
            };
            lowered.push(self.check(value, &want));
        }
        ir::Expr::List(lowered)
    }

    // ------------------------------------------------------------ names

    pub(crate) fn resolve_name(&mut self, name: &ast::Ident) -> Head {
        if let Some(entry) = self.body.locals.iter().rev().find(|l| *l.name == *name.text) {
            let (head, bound) = (Head::Local(entry.ty.clone(), entry.local), entry.span);
            self.note(name.span, Target::Local(bound));
            return head;
        }
        match self.find_value(self.module, &name.text) {
            Some(value) => {
                self.note(name.span, value.into());
                Self::head_of(value)
            }
            None => {
                self.no_such_value(name);
                Head::Broken
            }
        }
    }

    pub(crate) fn head_of(value: Value) -> Head {
        match value {
            Value::Global(id) => Head::Global(id),
            Value::Constructor(con, case) => Head::Constructor(con, case),
        }
    }

    pub(crate) fn no_such_value(&mut self, name: &ast::Ident) {
        let what = if let Some(module) = self.find_module(&name.text) {
            if matches!(module, ModuleRef::Broken) {
                return;
            }
            "a module"
        } else if self.find_type(self.module, &name.text).is_some() {
            "a type"
        } else {
            self.unknown(name, Kind::Value);
            return;
        };
        self.error(
            codes::NOT_A_VALUE,
            name.span,
            format!("`{}` is {what}, not a value", name.text),
            "a value is needed here",
        );
    }

    pub(crate) fn use_head(&mut self, head: Head) -> Typed {
        match head {
            Head::Broken => broken(),
            Head::Local(scheme, local) => (self.types.instantiate(&scheme), ir::Expr::Local(local)),
            Head::Global(id) => (self.use_global(id), ir::Expr::Global(self.refer(id))),
            Head::Constructor(con, case) => self.use_constructor(con, case),
        }
    }

    /// Fields of fields, of which there may be thousands, so without recursion.
    fn infer_fields(&mut self, expr: &'a ast::Expr) -> Typed {
        let mut links = Vec::new();
        let mut first = expr;
        while let ExprKind::Field(base, name) = &first.kind {
            links.push(Link { whole: first, base, name });
            first = base;
        }
        links.reverse();
        let (known, mut typed) = match self.path(&links) {
            Some((known, typed)) => (known, self.passed(&links, known - 1, typed)),
            None => (0, self.infer(first)),
        };
        for (at, link) in links.iter().enumerate().skip(known) {
            let (record, lowered) = self.through_origin(typed, link.name, link.whole.span);
            let ty = self.field_type(record, link.name, link.base.span);
            let symbol = self.symbols.intern(&link.name.text);
            let lowered = ir::Expr::Field(Deep::new(lowered), symbol, link.whole.span);
            typed = self.passed(&links, at, (ty, lowered));
        }
        typed
    }

    /// The value of a link that is the base of another one.
    fn passed(&mut self, links: &[Link<'a>], at: usize, (ty, lowered): Typed) -> Typed {
        if at + 1 == links.len() {
            return (ty, lowered);
        }
        let whole = links[at].whole;
        self.note_type(whole.span, ty);
        (ty, self.watched(whole, lowered))
    }

    /// What the first links stand for if their base is no value but a module or a variant type, and
    /// how many these are.
    fn path(&mut self, links: &[Link<'a>]) -> Option<(usize, Typed)> {
        let mut found = None;
        for (at, link) in links.iter().enumerate() {
            match self.as_module(link.base) {
                Some(ModuleRef::Broken) => return Some((links.len(), broken())),
                Some(module) => found = Some((at, module)),
                None => {
                    match self.as_variant(link.base) {
                        Some(Some(con)) => return Some((at + 1, self.type_member(con, link.name))),
                        Some(None) => return Some((links.len(), broken())),
                        None => break,
                    };
                }
            }
        }
        let (at, module) = found?;
        let head = self.member(module, links[at].name).map_or(Head::Broken, Self::head_of);
        Some((at + 1, self.use_head(head)))
    }

    /// The type of a field of a value of the given type, which becomes an open record if unknown.
    pub(crate) fn field_type(&mut self, record: TyId, name: &ast::Ident, base: Span) -> TyId {
        match self.types.get(record) {
            Ty::Error => TyId::ERROR,
            Ty::Con(con, _) if Some(con) == self.package => match name.text.as_str() {
                "name" | "version" => TyId::STR,
                _ => self.no_field(record, name, base, ["name", "version"]),
            },
            Ty::Con(con, args) if Some(con) == self.overridable => {
                self.overridable_field(record, &args, name, base)
            }
            Ty::Record(_) => {
                let row = self.types.row(record);
                if let Some(field) = row.fields.get(name.text.as_str()) {
                    self.note(name.span, Target::Field(field.place, field.ty));
                    return field.ty;
                }
                match row.rest {
                    Some(rest) if self.types.is_unknown(rest) => self.open_record(rest, name),
                    Some(rest) if self.types.is_error(rest) => TyId::ERROR,
                    _ => self.no_field(record, name, base, row.fields.keys().map(|k| &**k)),
                }
            }
            _ if self.types.is_unknown(record) => self.open_record(record, name),
            _ => self.no_field(record, name, base, []),
        }
    }

    fn open_record(&mut self, unknown: TyId, name: &ast::Ident) -> TyId {
        let name: crate::types::Name = name.text.as_str().into();
        let ty = self.types.fresh();
        let rest = Some(self.types.fresh_tail([name.clone()]));
        let fields = [(name, Field::required(ty))].into();
        let record = self.types.record(Row { fields, rest, alias: None });
        match self.types.unify(unknown, record) {
            Ok(()) => ty,
            Err(_) => TyId::ERROR,
        }
    }

    pub(crate) fn no_field<'n>(
        &mut self,
        record: TyId,
        name: &ast::Ident,
        base: Span,
        known: impl IntoIterator<Item = &'n str>,
    ) -> TyId {
        let known: Vec<&str> = known.into_iter().collect();
        let fix = crate::suggest::meant(&name.text, known.iter().copied()).or_else(|| {
            (!known.is_empty() && known.len() <= 12)
                .then(|| format!("its fields are `{}`", known.join("`, `")).into())
        });
        let fix = fix.or_else(|| self.function_instead(record, &name.text));
        let shown = self.types.show(record);
        let place = self.place(base);
        self.error(
            codes::NO_FIELD,
            name.span,
            format!("`{shown}` has no field `{}`", name.text),
            "no such field",
        )
        .also(place, format!("has type `{shown}`"))
        .maybe_fix(fix);
        TyId::ERROR
    }

    // ------------------------------------------------------------ functions

    /// A lambda; `known` gives the parameter types and the expected result.
    fn infer_lambda(
        &mut self,
        params: &'a [ast::Param],
        body: &'a ast::Expr,
        known: Option<(&[TyId], &Expect)>,
    ) -> Typed {
        self.refuse_repeated(params.iter().map(|p| &p.name), "parameter");
        let scope = self.body.locals.len();
        // The body runs any number of times, so that its parts have no one value.
        let watching = std::mem::take(&mut self.body.watching);
        let mut types = Vec::with_capacity(params.len());
        let mut lowered = Vec::with_capacity(params.len());
        for (index, param) in params.iter().enumerate() {
            let declared = param.ty.as_ref().map(|ty| {
                let variables = self.body.variables.clone();
                self.convert_in(ty, &variables)
            });
            let given = known.map(|(types, _)| types[index]);
            let ty = match (declared, given) {
                (Some(declared), Some(given)) => {
                    self.expect(&Expect::plain(given), declared, param.name.span);
                    declared
                }
                (Some(ty), None) | (None, Some(ty)) => ty,
                (None, None) => self.types.fresh(),
            };
            types.push(ty);
            let local = self.bind(&param.name, Scheme::mono(ty));
            lowered.push(ir::Param { local, default: None });
        }
        let (result, body) = match known {
            Some((_, expected)) => (expected.ty, self.check(body, expected)),
            None => self.infer(body),
        };
        self.body.locals.truncate(scope);
        self.body.watching = watching;
        let ty = self.types.add(Ty::Fn(types.into(), result));
        (ty, ir::Expr::Lambda(lowered, Rc::new(body)))
    }
}
