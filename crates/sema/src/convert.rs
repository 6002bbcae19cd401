//! Type expressions to types.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast;

use crate::checker::{AliasState, Checker, Def, Extend, GlobalTy, TypeDef};
use crate::codes;
use crate::index::Target;
use crate::modules::path_span;
use crate::types::{BUILTIN, Field, Name, Presence, Row, Scheme, Ty, TyId, VarId};

/// What an undeclared type variable means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undeclared {
    /// An error.
    Refused,
    /// A type parameter of the annotated value.
    Parameter,
}

/// Type variables while a type expression is converted.
pub(crate) struct TypeScope {
    pub(crate) variables: BTreeMap<Name, TyId>,
    undeclared: Undeclared,
    /// Parameters that were met undeclared.
    added: Vec<VarId>,
}

impl TypeScope {
    pub(crate) fn new(variables: BTreeMap<Name, TyId>) -> Self {
        Self { variables, undeclared: Undeclared::Refused, added: Vec::new() }
    }
}

impl<'a> Checker<'a> {
    /// New type parameters, as a list and by name.
    pub(crate) fn type_parameters(
        &mut self,
        generics: &[ast::Ident],
    ) -> (Vec<VarId>, BTreeMap<Name, TyId>) {
        let mut vars = Vec::new();
        let mut scope = BTreeMap::new();
        let level = self.types.level + 1;
        for generic in generics {
            let name: Name = generic.text.as_str().into();
            let (var, ty) = self.types.rigid(name.clone(), level);
            vars.push(var);
            scope.entry(name).or_insert(ty);
        }
        (vars, scope)
    }

    pub(crate) fn convert_in(&mut self, ty: &'a ast::Type, scope: &BTreeMap<Name, TyId>) -> TyId {
        self.convert(ty, &mut TypeScope::new(scope.clone()))
    }

    /// The annotation of a `let`: type variables that are not in scope are its parameters.
    pub(crate) fn convert_scheme(&mut self, ty: &'a ast::Type) -> (Scheme, BTreeMap<Name, TyId>) {
        let mut scope = TypeScope {
            variables: self.body.variables.clone(),
            undeclared: Undeclared::Parameter,
            added: Vec::new(),
        };
        let ty = self.convert(ty, &mut scope);
        (Scheme { vars: scope.added.into(), ty }, scope.variables)
    }

    pub(crate) fn convert(&mut self, ty: &'a ast::Type, scope: &mut TypeScope) -> TyId {
        match &ty.kind {
            ast::TypeKind::Error => TyId::ERROR,
            ast::TypeKind::Function(params, result) => {
                let params = params.iter().map(|p| self.convert(p, scope)).collect();
                let result = self.convert(result, scope);
                self.types.add(Ty::Fn(params, result))
            }
            ast::TypeKind::Record { fields, rest } => {
                self.convert_record(fields, rest.as_ref(), scope)
            }
            ast::TypeKind::Named { path, args } => {
                let converted = args.iter().map(|a| self.convert(a, scope)).collect();
                self.convert_named(ty.span, path, (args, converted), scope)
            }
        }
    }

    fn convert_record(
        &mut self,
        fields: &'a [ast::FieldType],
        rest: Option<&ast::Ident>,
        scope: &mut TypeScope,
    ) -> TyId {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        let mut row = Row::default();
        for field in fields {
            let mut ty = self.convert(&field.ty, scope);
            let mut presence = Presence::Required;
            if field.optional {
                ty = self.types.option(ty);
                presence = Presence::Optional;
            }
            if let Some(default) = &field.default {
                presence = Presence::Default(self.declare_default(&field.name, default, ty));
            }
            let place = Some(self.place(field.name.span));
            self.note(field.name.span, Target::Field(place, ty));
            let name = field.name.text.as_str().into();
            row.fields.entry(name).or_insert(Field { ty, presence, place });
        }
        if let Some(rest) = rest {
            let tail = self.type_variable(rest, scope);
            let lacks = row.fields.keys().cloned().collect();
            self.restrict_tail(tail, &lacks, rest.span);
            row.rest = Some(tail);
        }
        self.types.record(row)
    }

    /// A field's default is a value of its own, which sees the items of the file only.
    fn declare_default(
        &mut self,
        name: &ast::Ident,
        value: &'a ast::Expr,
        ty: TyId,
    ) -> crate::ir::GlobalId {
        let title = format!("default of `{}`", name.text);
        let id = self.add_global(title.into(), value.span, false, Def::Default(value, ty));
        if self.types.rigid_vars(ty).is_empty() {
            self.global_mut(id).ty = GlobalTy::Known(Scheme::mono(ty));
        }
        if self.in_bodies {
            let level = std::mem::replace(&mut self.types.level, 0);
            let body = std::mem::take(&mut self.body);
            self.check_group(&[id]);
            self.body = body;
            self.types.level = level;
        }
        id
    }

    fn type_variable(&mut self, name: &ast::Ident, scope: &mut TypeScope) -> TyId {
        if let Some(ty) = scope.variables.get(name.text.as_str()) {
            return *ty;
        }
        let text: Name = name.text.as_str().into();
        if scope.undeclared == Undeclared::Refused {
            self.unknown_type_variable(name);
            scope.variables.insert(text, TyId::ERROR);
            return TyId::ERROR;
        }
        let level = self.types.level + 1;
        let (var, ty) = self.types.rigid(text.clone(), level);
        scope.added.push(var);
        scope.variables.insert(text, ty);
        ty
    }

    fn unknown_type_variable(&mut self, name: &ast::Ident) {
        let mut chars = name.text.chars();
        let capital: String =
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect();
        let known = self.find_type(self.module, &capital).is_some()
            || BUILTIN.iter().any(|(known, ..)| *known == capital);
        let fix = if known {
            format!("types begin with a capital letter: `{capital}`")
        } else {
            format!("declare it behind the item's name: `<{}>`", name.text)
        };
        self.error(
            codes::UNKNOWN_TYPE_VARIABLE,
            name.span,
            format!("the type variable `{}` is not declared", name.text),
            "not declared",
        )
        .fix(fix);
    }

    fn convert_named(
        &mut self,
        span: Span,
        path: &[ast::Ident],
        (written, args): (&[ast::Type], Vec<TyId>),
        scope: &mut TypeScope,
    ) -> TyId {
        let Some(last) = path.last() else { return TyId::ERROR };
        let lower = last.text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if path.len() == 1 && lower {
            let ty = self.type_variable(last, scope);
            if !args.is_empty() {
                self.type_argument_count(span, &last.text, 0, args.len());
                return TyId::ERROR;
            }
            return ty;
        }
        match self.lookup_type(path) {
            None => TyId::ERROR,
            Some(TypeDef::Con(con)) => {
                let arity = self.types.con_info(con).arity;
                if arity != args.len() {
                    self.type_argument_count(path_span(path), &last.text, arity, args.len());
                    return TyId::ERROR;
                }
                let params = self.types.con_info(con).params.clone();
                if !self.need_kinds(&last.text, &params, written, &args) {
                    return TyId::ERROR;
                }
                self.types.con(con, args)
            }
            Some(TypeDef::Alias(index)) => self.apply_alias(index, span, path, (written, args)),
        }
    }

    /// Holds the arguments of a written type to the kinds of its parameters; false if one is of another.
    fn need_kinds(
        &mut self,
        of: &str,
        params: &[VarId],
        written: &[ast::Type],
        args: &[TyId],
    ) -> bool {
        let mut met = true;
        for ((param, arg), written) in params.iter().zip(args).zip(written) {
            met &= self.need_kind(of, *param, *arg, written.span);
        }
        met
    }

    fn type_argument_count(&mut self, span: Span, name: &str, needed: usize, given: usize) {
        let plural = if needed == 1 { "" } else { "s" };
        self.error(
            codes::TYPE_ARGUMENTS,
            span,
            format!("`{name}` takes {needed} type argument{plural}, but {given} given"),
            format!("needs {needed}"),
        );
    }

    fn apply_alias(
        &mut self,
        index: usize,
        span: Span,
        path: &[ast::Ident],
        (written, args): (&[ast::Type], Vec<TyId>),
    ) -> TyId {
        let needed = self.aliases[index].generics.len();
        if needed != args.len() {
            let name = self.aliases[index].name.clone();
            self.type_argument_count(path_span(path), &name, needed, args.len());
            return TyId::ERROR;
        }
        let Some(scheme) = self.alias_scheme(index, span) else { return TyId::ERROR };
        let name = self.aliases[index].name.clone();
        if !self.need_kinds(&name, &scheme.vars, written, &args) {
            return TyId::ERROR;
        }
        let map: BTreeMap<VarId, TyId> = scheme.vars.iter().copied().zip(args).collect();
        let ty = self.types.substitute(scheme.ty, &map);
        if self.report_overflow(span) { TyId::ERROR } else { ty }
    }

    /// Reports a type that grew too large, if there was one.
    pub(crate) fn report_overflow(&mut self, span: Span) -> bool {
        let overflow = self.types.take_overflow();
        if overflow {
            self.error(
                codes::TOO_COMPLEX,
                span,
                "this type is too large to be checked",
                "grows too large",
            )
            .fix("use variant types for its parts");
        }
        overflow
    }

    /// The alias's type in terms of its parameters; `None` after a problem, which was reported.
    pub(crate) fn alias_scheme(&mut self, index: usize, span: Span) -> Option<Scheme> {
        match &self.aliases[index].state {
            AliasState::Done(scheme) => return Some(scheme.clone()),
            AliasState::Converting => {
                self.alias_cycle(index, span);
                return None;
            }
            AliasState::Waiting => {}
        }
        self.aliases[index].state = AliasState::Converting;
        let (generics, body) = (self.aliases[index].generics, self.aliases[index].body);
        let (vars, scope) = self.type_parameters(generics);
        let ty = cbuild_syntax::deep::guarded(|| self.convert_in(body, &scope));
        let ty = self.name_record(index, ty, body, generics, &scope);
        let scheme = Scheme { vars: vars.into(), ty };
        self.aliases[index].state = AliasState::Done(scheme.clone());
        Some(scheme)
    }

    /// Lets messages show a record type by the name of its alias.
    fn name_record(
        &mut self,
        index: usize,
        ty: TyId,
        body: &ast::Type,
        generics: &[ast::Ident],
        scope: &BTreeMap<Name, TyId>,
    ) -> TyId {
        match (self.types.get(ty), &body.kind) {
            (Ty::Record(row), ast::TypeKind::Record { .. }) => {
                let args: Rc<[TyId]> =
                    generics.iter().filter_map(|g| scope.get(g.text.as_str()).copied()).collect();
                let alias = Some((self.aliases[index].name.clone(), args));
                self.types.record(Row { alias, ..(*row).clone() })
            }
            _ => ty,
        }
    }

    fn alias_cycle(&mut self, index: usize, span: Span) {
        let name = self.aliases[index].name.clone();
        self.error(
            codes::ALIAS_CYCLE,
            span,
            format!("the type alias `{name}` refers to itself"),
            "here the circle closes",
        )
        .fact("an alias is only another name for a type, so this type would be infinite")
        .fix(format!("make it a variant type: `type {name} = | {name}(…)`"));
    }
}
