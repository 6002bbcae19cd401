//! `let … in`: local definitions, which may refer to each other. A lambda is polymorphic.

use std::collections::BTreeMap;

use cbuild_syntax::ast::{self, ExprKind};

use crate::checker::{Checker, LocalEntry};
use crate::free::{FreeNames, groups};
use crate::ir;
use crate::report::{Expect, Why};
use crate::types::{Name, Scheme, TyId};

/// A binding with an annotation.
struct Declared {
    scheme: Scheme,
    variables: BTreeMap<Name, TyId>,
}

impl<'a> Checker<'a> {
    /// Puts the bindings into scope and checks them; the caller takes them out of scope.
    pub(crate) fn enter_bindings(
        &mut self,
        bindings: &'a [ast::Let],
    ) -> Vec<(ir::Local, ir::Expr)> {
        self.refuse_repeated(bindings.iter().map(|b| &b.name), "binding");
        let mut declared = Vec::with_capacity(bindings.len());
        let first = self.body.locals.len();
        for binding in bindings {
            let annotation = binding.ty.as_ref().map(|ty| {
                let (scheme, variables) = self.convert_scheme(ty);
                Declared { scheme, variables }
            });
            let scheme = match &annotation {
                Some(known) => known.scheme.clone(),
                None => Scheme::mono(TyId::ERROR),
            };
            declared.push(annotation);
            self.bind(&binding.name, scheme);
        }
        let mut lowered: Vec<Option<ir::Expr>> = bindings.iter().map(|_| None).collect();
        for group in groups(&edges(bindings)) {
            self.check_bindings(bindings, &declared, first, &group, &mut lowered);
        }
        for (index, binding) in bindings.iter().enumerate() {
            let ty = self.body.locals[first + index].ty.ty;
            self.note_local(&binding.name, ty);
        }
        let locals: Vec<ir::Local> =
            self.body.locals[first..].iter().map(|entry: &LocalEntry| entry.local).collect();
        locals
            .into_iter()
            .zip(lowered)
            .filter_map(|(local, value)| value.map(|value| (local, value)))
            .collect()
    }

    fn check_bindings(
        &mut self,
        bindings: &'a [ast::Let],
        declared: &[Option<Declared>],
        first: usize,
        group: &[usize],
        lowered: &mut [Option<ir::Expr>],
    ) {
        let open: Vec<usize> = group.iter().copied().filter(|i| declared[*i].is_none()).collect();
        let polymorphic =
            open.iter().all(|i| matches!(bindings[*i].value.kind, ExprKind::Lambda { .. }));
        self.types.level += u32::from(polymorphic);
        for index in &open {
            let ty = self.types.fresh();
            self.body.locals[first + index].ty = Scheme::mono(ty);
        }
        for index in group {
            let binding = &bindings[*index];
            lowered[*index] = Some(match &declared[*index] {
                Some(known) => self.check_declared(binding, known),
                None => self.check_open(binding, first + index),
            });
        }
        if polymorphic {
            self.types.level -= 1;
            self.settle_and_pin();
            for index in open {
                let ty = self.body.locals[first + index].ty.ty;
                let scheme = self.types.generalise(ty);
                self.body.locals[first + index].ty = scheme;
            }
        }
    }

    fn check_declared(&mut self, binding: &'a ast::Let, known: &Declared) -> ir::Expr {
        let before = std::mem::replace(&mut self.body.variables, known.variables.clone());
        let place = self.place(binding.ty.as_ref().map_or(binding.name.span, |ty| ty.span));
        let expected = Expect::because(known.scheme.ty, place, Why::Annotation);
        // One level up, as the annotation's own type parameters are.
        self.types.level += 1;
        let value = self.check(&binding.value, &expected);
        self.types.level -= 1;
        self.settle_and_pin();
        self.body.variables = before;
        value
    }

    fn check_open(&mut self, binding: &'a ast::Let, slot: usize) -> ir::Expr {
        let (ty, value) = self.infer(&binding.value);
        let wanted = self.body.locals[slot].ty.ty;
        self.expect(&Expect::plain(wanted), ty, binding.value.span);
        value
    }
}

fn edges(bindings: &[ast::Let]) -> Vec<Vec<usize>> {
    // With a repeated name, which is an error, the last one is meant.
    let index: BTreeMap<&str, usize> =
        bindings.iter().enumerate().map(|(i, b)| (b.name.text.as_str(), i)).collect();
    bindings
        .iter()
        .map(|binding| {
            let mut names = FreeNames::default();
            names.expr(&binding.value);
            let targets = names.found.into_iter().filter_map(|name| index.get(name).copied());
            targets.filter(|target| bindings[*target].ty.is_none()).collect()
        })
        .collect()
}
