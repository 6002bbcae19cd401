//! Calls: of functions with named and defaulted parameters, of constructors, of function values.

use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep, ExprKind};

use crate::checker::{Checker, Def, Extend, GlobalTy, ParamDefault, Signature, Value};
use crate::codes;
use crate::index::Target;
use crate::infer::{Head, Typed, broken};
use crate::ir;
use crate::print::with_article;
use crate::report::{Expect, Why};
use crate::suggest::meant;
use crate::types::{ConId, Name, Place, Ty, TyId};

/// A parameter as a call sees it.
struct Slot<'c> {
    ty: TyId,
    /// Name and place of its declaration.
    declared: Option<(&'c ast::Ident, Place)>,
}

impl<'a> Checker<'a> {
    /// The type of a global at one use.
    pub(crate) fn use_global(&mut self, id: ir::GlobalId) -> TyId {
        match self.global(id).ty.clone() {
            GlobalTy::Known(scheme) => self.types.instantiate(&scheme),
            GlobalTy::Mono(ty) => ty,
            // Only a global of a group that comes later is unknown, and nothing refers to such a one.
            GlobalTy::Unknown => TyId::ERROR,
        }
    }

    pub(crate) fn infer_call(
        &mut self,
        span: Span,
        callee: &'a ast::Expr,
        args: &'a [ast::Arg],
        expected: Option<&Expect>,
    ) -> Typed {
        let head = match &callee.kind {
            ExprKind::Name(name) => Some(self.resolve_callee(name, args)),
            ExprKind::Field(base, name) => self.qualified_case(base, name).or_else(|| {
                let module = self.as_module(base)?;
                Some(self.member(module, name).map_or(Head::Broken, Self::head_of))
            }),
            _ => None,
        };
        match head {
            Some(Head::Constructor(con, case)) => {
                self.call_constructor(span, con, case, args, expected)
            }
            Some(Head::Global(id)) => match self.global(id).signature.clone() {
                Some(signature) if self.is_function(id) => {
                    self.call_item(span, callee.span, id, &signature, args, expected)
                }
                _ => {
                    let typed = self.use_head(Head::Global(id));
                    self.call_value(span, typed, callee.span, args, expected)
                }
            },
            Some(head) => {
                let typed = self.use_head(head);
                self.call_value(span, typed, callee.span, args, expected)
            }
            None => {
                let typed = self.infer(callee);
                self.call_value(span, typed, callee.span, args, expected)
            }
        }
    }

    fn is_function(&self, id: ir::GlobalId) -> bool {
        matches!(self.global(id).def, crate::checker::Def::Fn(_))
    }

    /// Lets the expected type decide the type parameters before the arguments are looked at.
    fn expect_early(&mut self, expected: Option<&Expect>, result: TyId) {
        let Some(expected) = expected.filter(|e| !e.wrap) else { return };
        let fits = match (self.types.get(expected.ty), self.types.get(result)) {
            (Ty::Con(a, _), Ty::Con(b, _)) => a == b,
            (Ty::Record(_), Ty::Record(_)) => true,
            (_, _) => self.types.is_unknown(result),
        };
        if fits {
            // A failure is reported when the arguments are known, too.
            let _ = self.types.unify(expected.ty, result);
        }
    }

    /// Checks arguments in the order in which they teach the most: lambdas last.
    fn check_args(
        &mut self,
        given: Vec<(usize, &'a ast::Expr)>,
        slots: &[Slot<'_>],
    ) -> Vec<(usize, ir::Expr)> {
        let (lambdas, plain): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|(_, e)| matches!(e.kind, ExprKind::Lambda { .. }));
        let mut lowered = Vec::with_capacity(slots.len());
        for (index, value) in plain.into_iter().chain(lambdas) {
            let slot = &slots[index];
            let expected = match &slot.declared {
                Some((name, place)) => {
                    let why = Why::Parameter(Name::from(name.text.as_str()));
                    Expect::because(slot.ty, *place, why)
                }
                None => Expect::plain(slot.ty),
            };
            lowered.push((index, self.check(value, &expected)));
        }
        lowered
    }

    // ------------------------------------------------------------ function items

    /// Reports a function that is given first, as in `map(f, items)` of many languages, to a function that
    /// takes what it works on first.
    fn is_turned_round(
        &mut self,
        name: &str,
        declared: Place,
        given: &[(usize, &'a ast::Expr)],
        slots: &[Slot<'_>],
    ) -> bool {
        let [(0, first), (1, second), ..] = given else { return false };
        let takes_function = |slot: &Slot<'_>| matches!(self.types.get(slot.ty), Ty::Fn(..));
        let turned = !takes_function(&slots[0])
            && !matches!(self.types.get(slots[0].ty), Ty::Var(_))
            && slots[1..].iter().any(takes_function)
            && self.names_function(first)
            && !self.names_function(second);
        if let (true, Some((param, _))) = (turned, slots[0].declared) {
            let (param, span) = (&param.text, first.span);
            let message = format!("`{name}` takes the function after `{param}`");
            self.error(codes::MISMATCH, span, message, "a function")
                .also(declared, "declared here")
                .fix(format!("exchange the arguments: `{name}` works on its first one"));
        }
        turned
    }

    /// Whether an expression is certainly a function: a lambda, or the name of one.
    fn names_function(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ExprKind::Lambda { .. } => true,
            ExprKind::Name(name) => {
                let declared = || {
                    let found = self.find_value(self.module, &name.text);
                    matches!(found, Some(Value::Global(id)) if matches!(self.global(id).def, Def::Fn(_)))
                };
                match self.known_type(name) {
                    Some(ty) => matches!(self.types.get(ty), Ty::Fn(..)),
                    None => declared(),
                }
            }
            _ => false,
        }
    }

    /// Reports two arguments of which each fits to the other's parameter, such as those of `join(",", parts)`.
    fn are_exchanged(
        &mut self,
        name: &str,
        declared: Place,
        given: &[(usize, &'a ast::Expr)],
        slots: &[Slot<'_>],
    ) -> bool {
        let [(0, first), (1, second), ..] = given else { return false };
        let wanted = |slot: &Slot<'_>| match self.types.get(slot.ty) {
            Ty::Con(con, _) => Some(con),
            _ => None,
        };
        let (Some(a), Some(b)) = (wanted(&slots[0]), wanted(&slots[1])) else { return false };
        let exchanged =
            a != b && self.certain_type(first) == Some(b) && self.certain_type(second) == Some(a);
        if let (true, Some((one, _)), Some((two, _))) =
            (exchanged, slots[0].declared, slots[1].declared)
        {
            let span = Span { start: first.span.start, end: second.span.end };
            let message = format!("`{name}` takes `{}` in front of `{}`", one.text, two.text);
            self.error(codes::MISMATCH, span, message, "the other way round")
                .also(declared, "declared here")
                .fix("exchange the arguments");
        }
        exchanged
    }

    /// The type of a name, as far as it is known yet.
    fn known_type(&self, name: &ast::Ident) -> Option<TyId> {
        if let Some(local) = self.body.locals.iter().rev().find(|l| *l.name == *name.text) {
            return Some(local.ty.ty);
        }
        let Value::Global(id) = self.find_value(self.module, &name.text)? else { return None };
        match &self.global(id).ty {
            GlobalTy::Known(scheme) => Some(scheme.ty),
            GlobalTy::Mono(ty) => Some(*ty),
            GlobalTy::Unknown => None,
        }
    }

    /// The type of an expression of which that is certain without a look at its parts.
    fn certain_type(&self, expr: &ast::Expr) -> Option<ConId> {
        let ty = match &expr.kind {
            ExprKind::Text(_) => return Some(ConId::STR),
            ExprKind::List(_) => return Some(ConId::LIST),
            ExprKind::Int(_) => return Some(ConId::INT),
            ExprKind::Bool(_) => return Some(ConId::BOOL),
            ExprKind::Path(_) => return Some(ConId::PATH),
            ExprKind::Name(name) => self.known_type(name)?,
            _ => return None,
        };
        match self.types.get(ty) {
            Ty::Con(con, _) => Some(con),
            _ => None,
        }
    }

    fn call_item(
        &mut self,
        span: Span,
        callee_span: Span,
        id: ir::GlobalId,
        signature: &Rc<Signature<'a>>,
        args: &'a [ast::Arg],
        expected: Option<&Expect>,
    ) -> Typed {
        let ty = self.use_global(id);
        self.note_type(callee_span, ty);
        let count = signature.params.len();
        let Some((types, result)) = self.types.as_function(ty, count) else {
            self.infer_all(args);
            return broken();
        };
        self.expect_early(expected, result);
        let info = self.global(id);
        let (source, name) = (self.modules[info.module].source, info.name.clone());
        let declared_at = (source, info.span);
        let slots: Vec<Slot<'_>> = signature
            .params
            .iter()
            .zip(types.iter())
            .map(|(param, ty)| Slot {
                ty: *ty,
                declared: Some((param.name, (source, param.name.span))),
            })
            .collect();
        let (given, complete) = self.assign(span, &name, declared_at, signature, args);
        if self.is_turned_round(&name, declared_at, &given, &slots)
            || self.are_exchanged(&name, declared_at, &given, &slots)
        {
            self.infer_all(args);
            return (result, broken().1);
        }
        let given_slots: Vec<usize> = given.iter().map(|(index, _)| *index).collect();
        let mut lowered: Vec<Option<ir::Arg>> = (0..count).map(|_| None).collect();
        for (index, value) in self.check_args(given, &slots) {
            lowered[index] = Some(ir::Arg::Value(value));
        }
        if complete {
            for index in (0..count).filter(|index| !given_slots.contains(index)) {
                let param = &signature.params[index];
                lowered[index] = Some(match param.default {
                    ParamDefault::Global(default) => {
                        self.use_default(default, slots[index].ty, &param.name.text, span);
                        ir::Arg::Value(ir::Expr::Global(self.refer(default)))
                    }
                    _ => ir::Arg::Default,
                });
            }
        }
        let args: Vec<ir::Arg> = lowered.into_iter().flatten().collect();
        let callee = ir::Expr::Global(self.refer(id));
        (result, ir::Expr::Call(Deep::new(callee), args.into(), span))
    }

    /// Which argument goes to which parameter; whether all parameters are served.
    fn assign(
        &mut self,
        span: Span,
        name: &str,
        declared: Place,
        signature: &Signature<'a>,
        args: &'a [ast::Arg],
    ) -> (Vec<(usize, &'a ast::Expr)>, bool) {
        let params = &signature.params;
        let mut given: Vec<(usize, &'a ast::Expr)> = Vec::new();
        let mut complete = true;
        let positional = args.iter().filter(|a| a.name.is_none()).count();
        if positional > params.len() {
            let message =
                format!("`{name}` takes {}, but {positional} are given", arguments(params.len()));
            self.error(codes::ARGUMENT_COUNT, span, message, "too many arguments")
                .also(declared, "declared here")
                .fix("remove the arguments that it does not take");
            complete = false;
        }
        for (index, arg) in args.iter().enumerate() {
            let slot = match &arg.name {
                None => (index < params.len()).then_some(index),
                Some(label) => params.iter().position(|p| p.name.text == label.text),
            };
            match slot {
                Some(slot) => match given.iter().find(|(other, _)| *other == slot) {
                    Some((_, first)) => {
                        let first = first.span;
                        self.argument_twice(name, &params[slot].name.text, first, arg);
                    }
                    None => {
                        if let Some(label) = &arg.name {
                            let place = (declared.0, params[slot].name.span);
                            self.note(label.span, Target::Parameter(place));
                        }
                        given.push((slot, &arg.value));
                    }
                },
                None => {
                    if let Some(label) = &arg.name {
                        self.unknown_argument(name, declared, signature, label);
                    }
                    complete = false;
                    self.infer(&arg.value);
                }
            }
        }
        if complete {
            complete = self.all_given(span, name, declared, signature, &given);
        }
        (given, complete)
    }

    fn argument_twice(&mut self, name: &str, param: &str, first: Span, arg: &'a ast::Arg) {
        let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
        let message = format!("the argument `{param}` of `{name}` is given twice");
        let first = self.place(first);
        self.error(codes::DUPLICATE_ARGUMENT, span, message, "given again")
            .also(first, "given here first")
            .fix("remove one of them");
        self.infer(&arg.value);
    }

    /// Reports parameters without a default that no argument serves.
    fn all_given(
        &mut self,
        span: Span,
        name: &str,
        declared: Place,
        signature: &Signature<'a>,
        given: &[(usize, &'a ast::Expr)],
    ) -> bool {
        let params = &signature.params;
        let missing: Vec<&str> = params
            .iter()
            .enumerate()
            .filter(|(i, p)| p.default == ParamDefault::None && !given.iter().any(|(g, _)| g == i))
            .map(|(_, p)| p.name.text.as_str())
            .collect();
        if missing.is_empty() {
            return true;
        }
        self.error(
            codes::ARGUMENT_COUNT,
            span,
            format!("this call of `{name}` lacks {}", crate::report::quoted(&missing)),
            format!("`{name}` takes {}", arguments(params.len())),
        )
        .also(declared, "declared here")
        .fix(format!(
            "add `{} = …`",
            missing.iter().take(4).copied().collect::<Vec<_>>().join(" = …`, `")
        ));
        false
    }

    fn unknown_argument(
        &mut self,
        name: &str,
        declared: Place,
        signature: &Signature<'a>,
        label: &ast::Ident,
    ) {
        let names = || signature.params.iter().map(|p| p.name.text.as_str());
        let fix = meant(&label.text, names()).or_else(|| {
            let names: Vec<&str> = names().collect();
            (!names.is_empty())
                .then(|| format!("its parameters are `{}`", names.join("`, `")).into())
        });
        self.error(
            codes::UNKNOWN_ARGUMENT,
            label.span,
            format!("`{name}` has no parameter `{}`", label.text),
            "unknown argument",
        )
        .also(declared, "declared here")
        .maybe_fix(fix);
    }

    /// Looks for problems inside arguments of a call that is broken anyway.
    fn infer_all(&mut self, args: &'a [ast::Arg]) {
        for arg in args {
            self.infer(&arg.value);
        }
    }

    // ------------------------------------------------------------ function values

    fn call_value(
        &mut self,
        span: Span,
        (ty, callee): Typed,
        callee_span: Span,
        args: &'a [ast::Arg],
        expected: Option<&Expect>,
    ) -> Typed {
        self.note_type(callee_span, ty);
        if self.types.is_error(ty) {
            self.infer_all(args);
            return broken();
        }
        let Some((types, result)) = self.types.as_function(ty, args.len()) else {
            let shown = self.types.show(ty);
            self.error(
                codes::NOT_A_FUNCTION,
                callee_span,
                format!("this is {}, not a function", with_article(&shown)),
                "called here",
            );
            self.infer_all(args);
            return broken();
        };
        if let Some(label) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.error(
                codes::UNKNOWN_ARGUMENT,
                label.span,
                "only functions declared with `fn` take named arguments",
                "named argument",
            )
            .fix("give the arguments by position");
            self.infer_all(args);
            return (result, broken().1);
        }
        if types.len() != args.len() {
            self.wrong_count(span, codes::ARGUMENT_COUNT, "this function", types.len(), args.len());
            self.infer_all(args);
            return (result, broken().1);
        }
        self.expect_early(expected, result);
        let lowered = self.check_positional(&types, args);
        let args: Vec<ir::Arg> = lowered.into_iter().map(ir::Arg::Value).collect();
        (result, ir::Expr::Call(Deep::new(callee), args.into(), span))
    }

    fn check_positional(&mut self, types: &[TyId], args: &'a [ast::Arg]) -> Vec<ir::Expr> {
        let slots: Vec<Slot<'_>> =
            types.iter().map(|ty| Slot { ty: *ty, declared: None }).collect();
        let given = args.iter().enumerate().map(|(i, arg)| (i, &arg.value)).collect();
        let mut lowered = self.check_args(given, &slots);
        lowered.sort_by_key(|(index, _)| *index);
        lowered.into_iter().map(|(_, value)| value).collect()
    }

    pub(crate) fn wrong_count(
        &mut self,
        span: Span,
        code: &'static str,
        what: &str,
        needed: usize,
        given: usize,
    ) {
        let verb = if given == 1 { "is" } else { "are" };
        let message = format!("{what} takes {}, but {given} {verb} given", arguments(needed));
        let label = if given > needed { "too many arguments" } else { "too few arguments" };
        let fix = format!("give it {}", arguments(needed));
        self.error(code, span, message, label).fix(fix);
    }

    // ------------------------------------------------------------ constructors

    /// Payload types and type of a constructor at one use.
    pub(crate) fn constructor_types(&mut self, con: ConId, case: usize) -> (Vec<TyId>, TyId) {
        let info = self.types.con_info(con);
        let params = info.params.clone();
        let fields = info.cases.get(case).map(|c| c.fields.clone()).unwrap_or_default();
        let arity = info.arity;
        let map = self.types.fresh_map(&params);
        let fields = fields.iter().map(|ty| self.types.substitute(*ty, &map)).collect();
        let mut args: Vec<TyId> = params.iter().filter_map(|var| map.get(var).copied()).collect();
        // The parameters are not known yet only where the declaration is broken.
        args.resize_with(arity, || TyId::ERROR);
        (fields, self.types.con(con, args))
    }

    pub(crate) fn constructor_name(&self, con: ConId, case: usize) -> Name {
        let info = self.types.con_info(con);
        info.cases.get(case).map_or_else(|| info.name.clone(), |case| case.name.clone())
    }

    /// A constructor as a value: itself, or a function that makes it.
    pub(crate) fn use_constructor(&mut self, con: ConId, case: usize) -> Typed {
        let (fields, ty) = self.constructor_types(con, case);
        let name = self.constructor_name(con, case);
        let symbol = self.symbols.intern(&name);
        if fields.is_empty() {
            return (ty, ir::Expr::Construct(symbol, Vec::new()));
        }
        let locals: Vec<ir::Local> = fields.iter().map(|_| self.new_local()).collect();
        let payload = locals.iter().map(|local| ir::Expr::Local(*local)).collect();
        let params =
            locals.iter().map(|local| ir::Param { local: *local, default: None }).collect();
        let body = Rc::new(ir::Expr::Construct(symbol, payload));
        let function = self.types.add(Ty::Fn(fields.into(), ty));
        (function, ir::Expr::Lambda(params, body))
    }

    /// Reports `None()`, in an expression or a pattern.
    pub(crate) fn empty_parentheses(&mut self, span: Span, name: &str) {
        let message = format!("the constructor `{name}` takes no arguments and is no function");
        self.error(codes::CONSTRUCTOR_ARGUMENTS, span, message, "it is called here")
            .fix(format!("write `{name}` without parentheses"));
    }

    fn call_constructor(
        &mut self,
        span: Span,
        con: ConId,
        case: usize,
        args: &'a [ast::Arg],
        expected: Option<&Expect>,
    ) -> Typed {
        let (fields, ty) = self.constructor_types(con, case);
        let name = self.constructor_name(con, case);
        if let Some(label) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.error(
                codes::UNKNOWN_ARGUMENT,
                label.span,
                format!("the constructor `{name}` takes no named arguments"),
                "named argument",
            );
            self.infer_all(args);
            return (ty, broken().1);
        }
        if fields.len() != args.len() {
            let what = format!("the constructor `{name}`");
            self.wrong_count(span, codes::CONSTRUCTOR_ARGUMENTS, &what, fields.len(), args.len());
            self.infer_all(args);
            return (ty, broken().1);
        }
        if fields.is_empty() {
            self.empty_parentheses(span, &name);
            return (ty, broken().1);
        }
        self.expect_early(expected, ty);
        let payload = self.check_positional(&fields, args);
        let symbol = self.symbols.intern(&name);
        (ty, ir::Expr::Construct(symbol, payload))
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        many => format!("{many} arguments"),
    }
}
