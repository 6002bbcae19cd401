//! Members of variant types: constructors by the name of their type, and the functions that every
//! type without payloads has.

use std::rc::Rc;

use cbuild_syntax::ast::{self, Deep, ExprKind};

use crate::checker::{Checker, Extend, TypeDef};
use crate::codes;
use crate::index::Target;
use crate::infer::{Head, Typed, broken};
use crate::ir;
use crate::resolve::ModuleRef;
use crate::suggest::meant;
use crate::types::{ConId, Name, Ty, TyId};

/// What a type without payloads has besides its constructors.
const DERIVED: [&str; 3] = ["parse", "show", "all"];

impl Checker<'_> {
    /// The variant type that an expression such as `LogLevel` or `m.LogLevel` names; the inner
    /// `None` stands for something that was reported.
    pub(crate) fn as_variant(&mut self, expr: &ast::Expr) -> Option<Option<ConId>> {
        let def = match &expr.kind {
            ExprKind::Name(name) if name.text == "Option" => {
                self.find_type(self.module, "Option").unwrap_or(TypeDef::Con(ConId::OPTION))
            }
            ExprKind::Name(name) if is_upper(name) => self.find_type(self.module, &name.text)?,
            ExprKind::Field(base, name) if is_upper(name) => {
                let ModuleRef::Module(index) = self.as_module(base)? else { return Some(None) };
                let entry = self.scopes[index].types.get(name.text.as_str()).copied()?;
                let TypeDef::Con(con) = entry.what else { return None };
                if self.types.con_info(con).cases.is_empty() {
                    return None;
                }
                match self.if_public(index, name, entry) {
                    Some(def) => def,
                    None => return Some(None),
                }
            }
            _ => return None,
        };
        if let ExprKind::Name(name) | ExprKind::Field(_, name) = &expr.kind {
            self.note(name.span, def.into());
        }
        match def {
            TypeDef::Con(con) if !self.types.con_info(con).cases.is_empty() => Some(Some(con)),
            _ => None,
        }
    }

    /// `Type.Case` as what is called.
    pub(crate) fn qualified_case(&mut self, base: &ast::Expr, name: &ast::Ident) -> Option<Head> {
        if !is_upper(name) {
            return None;
        }
        match self.as_variant(base)? {
            Some(con) => Some(match self.case_of(con, name) {
                Some(case) => Head::Constructor(con, case),
                None => Head::Broken,
            }),
            None => Some(Head::Broken),
        }
    }

    /// `Type.Case` in a pattern; the path leads to the type.
    pub(crate) fn lookup_case(
        &mut self,
        path: &[ast::Ident],
        name: &ast::Ident,
    ) -> Option<(ConId, usize)> {
        let option = path.len() == 1 && path[0].text == "Option";
        let con = match self.lookup_type(path)? {
            TypeDef::Con(con) => con,
            TypeDef::Alias(_) if option => ConId::OPTION,
            TypeDef::Alias(_) => {
                let message = format!("`{}` is another name for a type", name.text);
                self.error(codes::UNKNOWN_CONSTRUCTOR, name.span, message, "not a variant type")
                    .fix("write the name that declares the cases");
                return None;
            }
        };
        self.case_of(con, name).map(|case| (con, case))
    }

    fn case_of(&mut self, con: ConId, name: &ast::Ident) -> Option<usize> {
        let found = self.types.con_info(con).cases.iter().position(|case| *case.name == *name.text);
        match found {
            Some(case) => self.note(name.span, Target::Case(con, case)),
            None => self.no_type_member(con, name),
        }
        found
    }

    /// A member of a variant type as a value.
    pub(crate) fn type_member(&mut self, con: ConId, name: &ast::Ident) -> Typed {
        let info = self.types.con_info(con);
        let derived = info.cases.iter().all(|case| case.fields.is_empty());
        let cases: Vec<Name> = info.cases.iter().map(|case| case.name.clone()).collect();
        if derived && DERIVED.contains(&name.text.as_str()) {
            return self.derived(con, &cases, &name.text);
        }
        match self.case_of(con, name) {
            Some(case) => self.use_constructor(con, case),
            None => broken(),
        }
    }

    fn derived(&mut self, con: ConId, cases: &[Name], which: &str) -> Typed {
        let ty = self.constructor_types(con, 0).1;
        let symbols: Vec<ir::Symbol> = cases.iter().map(|case| self.symbols.intern(case)).collect();
        let case = |symbol: &ir::Symbol| ir::Expr::Construct(*symbol, Vec::new());
        if which == "all" {
            return (self.types.list(ty), ir::Expr::List(symbols.iter().map(case).collect()));
        }
        let span = cbuild_diag::Span::default();
        let local = self.new_local();
        let (from, to, arms): (TyId, TyId, Vec<_>) = if which == "show" {
            let arm = |(symbol, name): (&ir::Symbol, &Name)| {
                (ir::Pattern::Construct(*symbol, Vec::new()), ir::Expr::Str(name.clone()))
            };
            (ty, TyId::STR, symbols.iter().zip(cases).map(arm).collect())
        } else {
            let (some, none) = (self.symbols.intern("Some"), self.symbols.intern("None"));
            let arm = |(symbol, name): (&ir::Symbol, &Name)| {
                let found = ir::Expr::Construct(some, vec![case(symbol)]);
                (ir::Pattern::Str(name.clone()), found)
            };
            let mut arms: Vec<_> = symbols.iter().zip(cases).map(arm).collect();
            arms.push((ir::Pattern::Wildcard, ir::Expr::Construct(none, Vec::new())));
            (TyId::STR, self.types.option(ty), arms)
        };
        let body = ir::Expr::Match(Deep::new(ir::Expr::Local(local)), arms, span);
        let function = self.types.add(Ty::Fn([from].into(), to));
        let params = vec![ir::Param { local, default: None }];
        (function, ir::Expr::Lambda(params, Rc::new(body)))
    }

    fn no_type_member(&mut self, con: ConId, name: &ast::Ident) {
        let info = self.types.con_info(con);
        let payload = info.cases.iter().any(|case| !case.fields.is_empty());
        let cases: Vec<Name> = info.cases.iter().map(|case| case.name.clone()).collect();
        let type_name = info.name.clone();
        let derived = DERIVED.contains(&name.text.as_str());
        let fix = if payload && derived {
            Some(format!("only a type whose cases have no payload has `{}`", name.text).into())
        } else {
            let others = DERIVED.iter().copied().filter(|_| !payload);
            meant(&name.text, cases.iter().map(|case| &**case).chain(others))
        };
        let message = format!("the type `{type_name}` has no member `{}`", name.text);
        self.error(codes::NO_MEMBER, name.span, message, "not found").maybe_fix(fix);
    }
}

fn is_upper(name: &ast::Ident) -> bool {
    name.text.starts_with(|c: char| c.is_ascii_uppercase())
}
