//! Making two types equal.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::types::{Name, Ty, TyId, Types, VarId, VarView};

/// Nodes that one unification may visit. Types beyond that can only be made on purpose.
const MAX_STEPS: u32 = 200_000;

/// Nesting of types that is still accepted.
const MAX_DEPTH: u32 = 1_000;

/// Why two types cannot be made equal; holds the innermost types that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// Different types.
    Types(TyId, TyId),
    /// A type parameter against something else.
    Rigid { name: Name, other: TyId },
    /// A type parameter would be seen outside its scope.
    Escape(Name),
    /// A type would contain itself.
    Infinite(TyId),
    /// Records with different fields.
    Fields(TyId, TyId),
    /// Something else where the variable stands for a record.
    NotARecord(VarId, TyId),
    /// A type parameter, which may be anything, where the variable stands for a record.
    OnlyRecords(VarId, Name),
    /// A record's further fields would repeat this one.
    Repeated(Name),
    /// Too deep or too large.
    TooComplex,
}

/// Result of a unification.
pub(crate) type Unified = Result<(), Clash>;

/// The budget of one unification.
pub(crate) struct Budget {
    steps: u32,
    depth: u32,
}

impl Types {
    /// Makes both types equal, as far as possible even when they are not.
    pub(crate) fn unify(&mut self, a: TyId, b: TyId) -> Unified {
        self.unify_within(a, b, &mut Budget { steps: MAX_STEPS, depth: MAX_DEPTH })
    }

    pub(crate) fn unify_within(&mut self, a: TyId, b: TyId, budget: &mut Budget) -> Unified {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if a == b {
            return Ok(());
        }
        if budget.steps == 0 || budget.depth == 0 {
            return Err(Clash::TooComplex);
        }
        budget.steps -= 1;
        budget.depth -= 1;
        let result = cbuild_syntax::deep::guarded(|| self.unify_forms(a, b, budget));
        budget.depth += 1;
        result
    }

    fn unify_forms(&mut self, a: TyId, b: TyId, budget: &mut Budget) -> Unified {
        match (self.get(a), self.get(b)) {
            (Ty::Var(x), Ty::Var(y)) => self.unify_vars(x, a, y, b),
            (Ty::Var(x), other) | (other, Ty::Var(x)) => {
                let target = if matches!(self.get(a), Ty::Var(_)) { b } else { a };
                self.unify_var(x, target, &other)
            }
            (Ty::Error, _) | (_, Ty::Error) => Ok(()),
            (Ty::Con(c, xs), Ty::Con(d, ys)) if c == d => self.unify_all(&xs, &ys, budget),
            (Ty::Fn(xs, x), Ty::Fn(ys, y)) if xs.len() == ys.len() => {
                let params = self.unify_all(&xs, &ys, budget);
                params.and(self.unify_within(x, y, budget))
            }
            (Ty::Record(_), Ty::Record(_)) => self.unify_records(a, b, budget),
            _ => Err(Clash::Types(a, b)),
        }
    }

    fn unify_all(&mut self, xs: &[TyId], ys: &[TyId], budget: &mut Budget) -> Unified {
        let mut result = Ok(());
        for (x, y) in xs.iter().zip(ys) {
            result = result.and(self.unify_within(*x, *y, budget));
        }
        result
    }

    fn unify_vars(&mut self, x: VarId, a: TyId, y: VarId, b: TyId) -> Unified {
        match (self.view(x), self.view(y)) {
            (VarView::Unbound(_), VarView::Unbound(level)) => {
                self.lower_level(x, level);
                if let VarView::Unbound(level) = self.view(x) {
                    self.lower_level(y, level);
                }
                if let Some(lacks) = self.lacks(x) {
                    self.add_lacks(y, lacks.iter().cloned());
                }
                self.set(x, b);
                Ok(())
            }
            (VarView::Unbound(_), VarView::Rigid(..)) => self.bind_to_rigid(x, b, y),
            (VarView::Rigid(..), VarView::Unbound(_)) => self.bind_to_rigid(y, a, x),
            (VarView::Rigid(name, _), VarView::Rigid(..)) => Err(Clash::Rigid { name, other: b }),
        }
    }

    fn bind_to_rigid(&mut self, var: VarId, rigid_ty: TyId, rigid: VarId) -> Unified {
        let (VarView::Unbound(var_level), VarView::Rigid(name, level)) =
            (self.view(var), self.view(rigid))
        else {
            return Ok(());
        };
        if level > var_level {
            return Err(Clash::Escape(name));
        }
        if let Some(lacks) = self.lacks(var) {
            let known = self.lacks(rigid);
            let missing =
                lacks.iter().find(|name| !known.as_ref().is_some_and(|k| k.contains(*name)));
            if known.is_none() {
                return Err(Clash::OnlyRecords(var, name));
            }
            if let Some(missing) = missing {
                return Err(Clash::Repeated(missing.clone()));
            }
        }
        self.set(var, rigid_ty);
        Ok(())
    }

    fn unify_var(&mut self, var: VarId, target: TyId, form: &Ty) -> Unified {
        let level = match self.view(var) {
            VarView::Rigid(_, _) if matches!(form, Ty::Error) => return Ok(()),
            VarView::Rigid(name, _) => return Err(Clash::Rigid { name, other: target }),
            VarView::Unbound(level) => level,
        };
        if let Some(lacks) = self.lacks(var) {
            match form {
                Ty::Error => {}
                Ty::Record(_) => {
                    let row = self.row(target);
                    if let Some(repeated) = row.fields.keys().find(|name| lacks.contains(*name)) {
                        return Err(Clash::Repeated(repeated.clone()));
                    }
                    if let Some(rest) = row.rest
                        && let Ty::Var(tail) = self.get(rest)
                    {
                        self.tail_lacks(tail, &lacks)?;
                    }
                }
                _ => return Err(Clash::NotARecord(var, target)),
            }
        }
        self.adjust(var, level, target)?;
        self.set(var, target);
        Ok(())
    }

    /// Keeps further fields from being among these; what stands for any further fields may bring them.
    fn tail_lacks(&mut self, tail: VarId, lacks: &BTreeSet<Name>) -> Unified {
        if let VarView::Unbound(_) = self.view(tail) {
            self.add_lacks(tail, lacks.iter().cloned());
            return Ok(());
        }
        let known = self.lacks(tail).unwrap_or_default();
        match lacks.iter().find(|name| !known.contains(*name)) {
            Some(repeated) => Err(Clash::Repeated(repeated.clone())),
            None => Ok(()),
        }
    }

    /// Refuses a type that contains the variable, and lowers the levels of what it contains.
    fn adjust(&mut self, var: VarId, level: u32, ty: TyId) -> Unified {
        self.start_walk();
        let mut todo = vec![(ty, 0u32)];
        while let Some((next, depth)) = todo.pop() {
            let next = self.resolve(next);
            if !self.first_visit(next) {
                continue;
            }
            if depth > MAX_DEPTH {
                return Err(Clash::TooComplex);
            }
            let form = self.get(next);
            if let Ty::Var(inner) = form {
                if inner == var {
                    return Err(Clash::Infinite(ty));
                }
                match self.view(inner) {
                    VarView::Rigid(name, inner_level) if inner_level > level => {
                        return Err(Clash::Escape(name));
                    }
                    VarView::Rigid(..) => {}
                    VarView::Unbound(_) => self.lower_level(inner, level),
                }
            }
            todo.extend(self.children(&form).into_iter().map(|ty| (ty, depth + 1)));
        }
        Ok(())
    }

    /// Keeps the variables of a type from being generalised in the current scope.
    pub(crate) fn pin(&mut self, ty: TyId) {
        let level = self.level;
        for var in self.free_vars(ty) {
            self.lower_level(var, level);
        }
    }

    /// The outermost form as a function type with `arity` parameters, made so if it is unknown.
    pub(crate) fn as_function(&mut self, ty: TyId, arity: usize) -> Option<(Rc<[TyId]>, TyId)> {
        match self.get(ty) {
            Ty::Fn(params, result) => Some((params, result)),
            Ty::Var(var) if matches!(self.view(var), VarView::Unbound(_)) => {
                let params: Rc<[TyId]> = (0..arity).map(|_| self.fresh()).collect();
                let result = self.fresh();
                let function = self.add(Ty::Fn(params.clone(), result));
                self.unify(ty, function).ok()?;
                Some((params, result))
            }
            _ => None,
        }
    }
}
