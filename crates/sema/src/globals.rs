//! Top-level values: their signatures, the order of inference, and their lowered bodies.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast;

use crate::checker::{
    Body, Checker, Def, Extend, GlobalTy, ParamDefault, Signature, SignatureParam, Value,
};
use crate::codes;
use crate::convert::TypeScope;
use crate::free::{FreeNames, groups};
use crate::ir::{self, GlobalId};
use crate::report::{Expect, Why};
use crate::types::{Scheme, Ty, TyId};

impl<'a> Checker<'a> {
    /// Declares the signatures of the current module's values, whose globals begin at `first`.
    pub(crate) fn declare_values(&mut self, first: usize) {
        for index in first..self.globals.len() {
            self.declare_signature(global_id(index));
        }
        self.in_bodies = true;
    }

    /// Checks the values of the current module, whose globals begin at `first`.
    pub(crate) fn check_bodies(&mut self, first: usize) {
        // Signatures may have added defaults, which are globals, too.
        let ids: Vec<GlobalId> = (first..self.globals.len()).map(global_id).collect();
        for group in groups(&self.edges(&ids)) {
            let group: Vec<GlobalId> = group.into_iter().map(|index| ids[index]).collect();
            self.check_group(&group);
        }
    }

    /// Infers the types that other modules see though they are not written, and nothing else: those
    /// of defaults with type variables, and of public values without the annotation that they need.
    pub(crate) fn infer_visible(&mut self, first: usize) {
        self.infer_those(first, Self::is_seen_but_unknown);
    }

    /// Infers the types that are not written.
    pub(crate) fn infer_unwritten(&mut self, first: usize) {
        self.infer_those(first, |checker, id| matches!(checker.global(id).ty, GlobalTy::Unknown));
    }

    fn infer_those(&mut self, first: usize, which: impl Fn(&Self, GlobalId) -> bool) {
        let ids: Vec<GlobalId> = (first..self.globals.len()).map(global_id).collect();
        let mut wanted: Vec<bool> = ids.iter().map(|id| which(self, *id)).collect();
        if !wanted.contains(&true) {
            return;
        }
        let edges = self.edges(&ids);
        let mut open: Vec<usize> = (0..ids.len()).filter(|index| wanted[*index]).collect();
        while let Some(index) = open.pop() {
            for target in &edges[index] {
                if !std::mem::replace(&mut wanted[*target], true) {
                    open.push(*target);
                }
            }
        }
        for group in groups(&edges) {
            if group.iter().any(|index| wanted[*index]) {
                let group: Vec<GlobalId> = group.into_iter().map(|index| ids[index]).collect();
                self.check_group(&group);
            }
        }
    }

    fn is_seen_but_unknown(&self, id: GlobalId) -> bool {
        let global = self.global(id);
        let seen = global.public || matches!(global.def, Def::Default(..));
        seen && matches!(global.ty, GlobalTy::Unknown)
    }

    // ------------------------------------------------------------ signatures

    fn declare_signature(&mut self, id: GlobalId) {
        match self.global(id).def {
            Def::Let(def) => {
                let Some(ty) = &def.ty else { return };
                self.body = Body::default();
                let (scheme, variables) = self.convert_scheme(ty);
                let result = Some(scheme.ty);
                self.global_mut(id).ty = GlobalTy::Known(scheme);
                let signature = Signature { params: Vec::new(), variables, result };
                self.global_mut(id).signature = Some(Rc::new(signature));
            }
            Def::Fn(def) => self.declare_function(id, def),
            _ => {}
        }
    }

    fn declare_function(&mut self, id: GlobalId, def: &'a ast::Fn) {
        self.refuse_repeated(def.generics.iter(), "type parameter");
        self.refuse_repeated(def.params.iter().map(|p| &p.name), "parameter");
        let (vars, variables) = self.type_parameters(&def.generics);
        let mut scope = TypeScope::new(variables);
        let mut params = Vec::with_capacity(def.params.len());
        for param in &def.params {
            let ty = param.ty.as_ref().map(|ty| self.convert(ty, &mut scope));
            let default = self.param_default(def, param, ty);
            params.push(SignatureParam { name: &param.name, ty, default });
        }
        let result = def.result.as_ref().map(|ty| self.convert(ty, &mut scope));
        let types: Option<Rc<[TyId]>> = params.iter().map(|p| p.ty).collect();
        if let (Some(types), Some(result)) = (types, result) {
            let ty = self.types.add(Ty::Fn(types, result));
            self.global_mut(id).ty = GlobalTy::Known(Scheme { vars: vars.into(), ty });
        }
        let signature = Signature { params, variables: scope.variables, result };
        self.global_mut(id).signature = Some(Rc::new(signature));
    }

    fn param_default(
        &mut self,
        def: &ast::Fn,
        param: &'a ast::Param,
        ty: Option<TyId>,
    ) -> ParamDefault {
        match &param.default {
            None => ParamDefault::None,
            Some(_) if def.body.is_some() => ParamDefault::InFunction,
            Some(value) => {
                let title = format!("default of `{}`", param.name.text);
                let ty = ty.unwrap_or(TyId::ERROR);
                let id = self.add_global(title.into(), value.span, false, Def::Default(value, ty));
                if self.types.rigid_vars(ty).is_empty() {
                    self.global_mut(id).ty = GlobalTy::Known(Scheme::mono(ty));
                }
                ParamDefault::Global(id)
            }
        }
    }

    // ------------------------------------------------------------ order

    /// Which globals of the module must be inferred before which. What has a full annotation
    /// needs no order.
    fn edges(&mut self, ids: &[GlobalId]) -> Vec<Vec<usize>> {
        let mut position: BTreeMap<GlobalId, usize> = BTreeMap::new();
        let mut generic_defaults = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let global = self.global(*id);
            if matches!(global.ty, GlobalTy::Unknown) {
                position.insert(*id, index);
                if matches!(global.def, Def::Default(..)) {
                    generic_defaults.push(index);
                }
            }
        }
        ids.iter()
            .map(|id| {
                let names = self.free_names(*id);
                let scope = &self.scopes[self.module];
                let mut targets: Vec<usize> = names
                    .found
                    .iter()
                    .filter_map(|name| match scope.values.get(*name)?.what {
                        Value::Global(target) => position.get(&target).copied(),
                        Value::Constructor(..) => None,
                    })
                    .collect();
                // Any record literal may need such a default.
                if !matches!(self.global(*id).def, Def::Default(..)) {
                    targets.extend(&generic_defaults);
                }
                targets
            })
            .collect()
    }

    fn free_names(&self, id: GlobalId) -> FreeNames<'a> {
        let mut names = FreeNames::default();
        match self.global(id).def {
            Def::Let(def) => {
                def.ty.iter().for_each(|ty| names.ty(ty));
                names.expr(&def.value);
            }
            Def::Fn(def) => {
                for param in &def.params {
                    param.ty.iter().for_each(|ty| names.ty(ty));
                    param.default.iter().for_each(|value| names.expr(value));
                    names.bind(&param.name);
                }
                def.body.iter().for_each(|body| names.expr(body));
            }
            Def::Test(body) | Def::Default(body, _) => names.expr(body),
            Def::Protocol(_) => {}
        }
        names
    }

    // ------------------------------------------------------------ bodies

    /// Infers globals that refer to each other; all they need from elsewhere is known.
    pub(crate) fn check_group(&mut self, group: &[GlobalId]) {
        self.types.level += 1;
        let mut open = Vec::new();
        for id in group {
            if matches!(self.global(*id).ty, GlobalTy::Unknown) {
                let ty = self.types.fresh();
                self.global_mut(*id).ty = GlobalTy::Mono(ty);
                open.push((*id, ty));
            }
        }
        let (mut pending, mut matches) = (Vec::new(), Vec::new());
        for id in group {
            self.body = Body { pending, matches, ..Body::default() };
            self.check_global(*id);
            pending = std::mem::take(&mut self.body.pending);
            matches = std::mem::take(&mut self.body.matches);
        }
        self.body = Body { pending, matches, ..Body::default() };
        self.settle_finally();
        self.types.level -= 1;
        for (id, ty) in &open {
            let scheme = self.types.generalise(*ty);
            self.global_mut(*id).ty = GlobalTy::Known(scheme);
        }
        self.check_coverage();
        for (id, ty) in open {
            self.require_annotation(id, ty);
        }
    }

    fn check_global(&mut self, id: GlobalId) {
        let global = self.global(id);
        self.body.watching =
            matches!(global.def, Def::Test(_)) || &*global.name == crate::driver::EXPRESSION;
        let body = match self.global(id).def {
            Def::Let(def) => ir::GlobalBody::Expr(self.check_let(id, def)),
            Def::Fn(def) => self.check_function(id, def),
            Def::Protocol(identity) => ir::GlobalBody::Expr(ir::Expr::Protocol(identity.into())),
            Def::Test(body) => {
                let place = self.place(body.span);
                let head = Span { end: body.span.start, ..self.global(id).span };
                let name = self.global(id).name.clone();
                self.foreign_hole(
                    &name,
                    head,
                    Some("names of tests have no holes: write the value"),
                );
                let expected = Expect::because(TyId::BOOL, place, Why::Always("a test"));
                ir::GlobalBody::Expr(self.check(body, &expected))
            }
            Def::Default(value, declared) => {
                ir::GlobalBody::Expr(self.check_default(id, value, declared))
            }
        };
        let span = self.global(id).span;
        self.report_overflow(span);
        let locals = self.body.count;
        let global = self.global_mut(id);
        global.body = Some(body);
        global.locals = locals;
    }

    fn mono(&self, id: GlobalId) -> Option<TyId> {
        match self.global(id).ty {
            GlobalTy::Mono(ty) => Some(ty),
            _ => None,
        }
    }

    fn check_let(&mut self, id: GlobalId, def: &'a ast::Let) -> ir::Expr {
        let signature = self.global(id).signature.clone();
        if let Some((signature, annotation)) = signature.zip(def.ty.as_ref()) {
            self.body.variables = signature.variables.clone();
            let place = self.place(annotation.span);
            let ty = signature.result.unwrap_or(TyId::ERROR);
            return self.check(&def.value, &Expect::because(ty, place, Why::Annotation));
        }
        let (ty, value) = self.infer(&def.value);
        if let Some(wanted) = self.mono(id) {
            self.expect(&Expect::plain(wanted), ty, def.value.span);
        }
        value
    }

    /// The type variables in the declared type are whatever the default makes of them.
    fn check_default(&mut self, id: GlobalId, value: &'a ast::Expr, declared: TyId) -> ir::Expr {
        let vars = self.types.rigid_vars(declared);
        let map = self.types.fresh_map(&vars);
        let ty = self.types.substitute(declared, &map);
        if let Some(wanted) = self.mono(id) {
            self.expect(&Expect::plain(wanted), ty, value.span);
        }
        let place = self.place(value.span);
        self.check(value, &Expect::because(ty, place, Why::Default))
    }

    fn check_function(&mut self, id: GlobalId, def: &'a ast::Fn) -> ir::GlobalBody {
        let Some(signature) = self.global(id).signature.clone() else {
            return ir::GlobalBody::Expr(crate::infer::broken().1);
        };
        self.body.variables = signature.variables.clone();
        let mut types = Vec::with_capacity(def.params.len());
        let mut params = Vec::with_capacity(def.params.len());
        for (param, declared) in def.params.iter().zip(&signature.params) {
            let ty = declared.ty.unwrap_or_else(|| self.types.fresh());
            let default = match (&param.default, declared.default) {
                (Some(value), ParamDefault::InFunction) => {
                    let span = param.ty.as_ref().map_or(param.name.span, |ty| ty.span);
                    let place = self.place(span);
                    Some(self.check(value, &Expect::because(ty, place, Why::Default)))
                }
                _ => None,
            };
            types.push(ty);
            let local = self.bind(&param.name, Scheme::mono(ty));
            params.push(ir::Param { local, default });
        }
        let result = signature.result.unwrap_or_else(|| self.types.fresh());
        if let Some(wanted) = self.mono(id) {
            let own = self.types.add(Ty::Fn(types.into(), result));
            self.expect(&Expect::plain(wanted), own, def.name.span);
        }
        let Some(body) = &def.body else { return self.extern_body(def) };
        let expected = match &def.result {
            Some(declared) => {
                let place = self.place(declared.span);
                Expect::because(result, place, Why::Result)
            }
            None => Expect::plain(result),
        };
        let body = self.check(body, &expected);
        ir::GlobalBody::Expr(ir::Expr::Lambda(params, Rc::new(body)))
    }

    fn extern_body(&mut self, def: &ast::Fn) -> ir::GlobalBody {
        let stem = self.modules[self.module].key.stem();
        let name = format!("{stem}.{}", def.name.text);
        ir::GlobalBody::Extern { name, arity: def.params.len() }
    }

    // ------------------------------------------------------------ annotations

    /// What others see must say its type, so that they need not look inside.
    fn require_annotation(&mut self, id: GlobalId, ty: TyId) {
        let global = self.global(id);
        let (public, span, name) = (global.public, global.span, global.name.clone());
        let shown = self.types.show(ty);
        let (message, fix): (&str, String) = match global.def {
            Def::Let(_) if public => {
                ("a public value needs its type", format!("write `pub let {name}: {shown} = …`"))
            }
            Def::Fn(def) if public || def.body.is_none() => {
                let prefix = if def.body.is_none() { "extern fn" } else { "fn" };
                let prefix = if public { format!("pub {prefix}") } else { prefix.to_owned() };
                let header = self.header(&prefix, def, ty);
                ("this function needs the types of all parameters and of its result", header)
            }
            _ => return,
        };
        let label = format!("has type `{shown}`");
        // A type with holes would not help.
        let broken = shown.contains('?') || shown.contains('_') || shown.contains('…');
        let fix = (!broken).then_some(fix);
        let value = matches!(self.global(id).def, Def::Let(_)) && !broken;
        let behind = self.place(Span { start: span.end, end: span.end });
        let problem = self.error(codes::MISSING_ANNOTATION, span, message, label);
        problem.maybe_fix(fix);
        if value {
            problem.change(behind, format!(": {shown}"));
        }
    }

    fn header(&mut self, prefix: &str, def: &ast::Fn, ty: TyId) -> String {
        let generics: Vec<String> =
            self.types.rigid_vars(ty).into_iter().map(|var| self.types.var_name(var)).collect();
        let generics =
            if generics.is_empty() { String::new() } else { format!("<{}>", generics.join(", ")) };
        let Ty::Fn(types, result) = self.types.get(ty) else { return String::new() };
        let params: Vec<String> = def
            .params
            .iter()
            .zip(types.iter())
            .map(|(param, ty)| {
                let default = if param.default.is_some() { " = …" } else { "" };
                format!("{}: {}{default}", param.name.text, self.types.show(*ty))
            })
            .collect();
        let result = self.types.show(result);
        format!("write `{prefix} {}{generics}({}) -> {result}`", def.name.text, params.join(", "))
    }

    /// The readable name of a global, for traces.
    pub(crate) fn qualified(&self, id: GlobalId) -> String {
        let global = self.global(id);
        let key = &self.modules[global.module].key;
        let stem = key.stem();
        let name = &global.name;
        match (key.package, stem) {
            (crate::Package::Std, "main") => format!("std.{name}"),
            (crate::Package::Std, _) => format!("std.{stem}.{name}"),
            (_, "main") => name.to_string(),
            _ => format!("{stem}.{name}"),
        }
    }

    /// Span of a global for the typed core.
    pub(crate) fn global_span(&self, id: GlobalId) -> Span {
        self.global(id).span
    }
}

fn global_id(index: usize) -> GlobalId {
    GlobalId(u32::try_from(index).unwrap_or(u32::MAX))
}
