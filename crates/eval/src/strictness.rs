//! Which variables an expression surely needs.
//!
//! What is surely needed may be evaluated at once, which saves a suspension and does not change
//! the value (only which of several errors is met first). The answer is on the safe side: a
//! variable that is not named may be needed all the same. A call of `abort` is taken to need only
//! its message, so that a function that checks one argument before it uses another keeps that order.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_sema::ir::{Arg, Expr, GlobalBody, GlobalId, Local, Param, Program, TextPart};
use cbuild_syntax::ast::BinaryOp;

use crate::externs;
use crate::stack;

/// Variables that are surely needed.
pub(crate) type Needs = BTreeSet<Local>;

fn both(mut a: Needs, b: Needs) -> Needs {
    a.extend(b);
    a
}

fn either(mut a: Needs, b: Needs) -> Needs {
    a.retain(|local| b.contains(local));
    a
}

/// The analysis of a program, remembered by global.
pub(crate) struct Strictness<'p> {
    program: &'p Program,
    /// Per function: which parameters are surely needed.
    functions: BTreeMap<GlobalId, Vec<bool>>,
}

impl<'p> Strictness<'p> {
    pub(crate) fn new(program: &'p Program) -> Self {
        Self { program, functions: BTreeMap::new() }
    }

    /// The program.
    pub(crate) fn program(&self) -> &'p Program {
        self.program
    }

    /// Which arguments a global function surely needs; empty for other globals.
    pub(crate) fn params(&mut self, id: GlobalId) -> Vec<bool> {
        if let Some(known) = self.functions.get(&id) {
            return known.clone();
        }
        let program = self.program;
        let strict = match program.globals.get(id.0 as usize).map(|global| &global.body) {
            Some(GlobalBody::Extern { name, arity }) => externs::find(name)
                .map_or_else(Vec::new, |found| (0..*arity).map(|i| found.needs(i)).collect()),
            Some(GlobalBody::Expr(Expr::Lambda(params, body))) => self.fixpoint(id, params, body),
            _ => Vec::new(),
        };
        self.functions.insert(id, strict.clone());
        strict
    }

    /// Starts from the assumption that all are needed, and weakens it until the body agrees.
    /// Functions that are analysed meanwhile see the current assumption of this one only where it
    /// calls itself directly; for mutual recursion nothing is assumed.
    fn fixpoint(&mut self, id: GlobalId, params: &[Param], body: &Expr) -> Vec<bool> {
        let mut assumed = vec![true; params.len()];
        loop {
            self.functions.insert(id, Vec::new());
            let needs = self.needs_of(body, Some((id, &assumed)));
            let found: Vec<bool> = params
                .iter()
                .zip(&assumed)
                .map(|(param, &assumed)| assumed && needs.contains(&param.local))
                .collect();
            if found == assumed {
                return found;
            }
            assumed = found;
        }
    }

    /// What bindings and their result surely need, bound variables included.
    pub(crate) fn let_needs(&mut self, bindings: &[(Local, Expr)], body: &Expr) -> Needs {
        self.bindings(bindings, body, None)
    }

    fn needs_of(&mut self, expr: &Expr, own: Option<(GlobalId, &[bool])>) -> Needs {
        stack::guarded(|| match expr {
            Expr::Local(local) => Needs::from([*local]),
            Expr::Interpolate(parts, _) | Expr::Script(parts, _) => {
                parts.iter().fold(Needs::new(), |needs, part| match part {
                    TextPart::Text(_) => needs,
                    TextPart::Hole(hole) => both(needs, self.needs_of(hole, own)),
                })
            }
            Expr::Call(callee, args, _) => self.call(callee, args, own),
            Expr::Let(bindings, body) => self.bindings(bindings, body, own),
            Expr::If(condition, yes, no) => {
                let branches = either(self.needs_of(yes, own), self.needs_of(no, own));
                both(self.needs_of(condition, own), branches)
            }
            Expr::Match(scrutinee, arms, _) => {
                let arms = arms.iter().map(|(_, body)| self.needs_of(body, own));
                let arms = arms.reduce(either).unwrap_or_default();
                both(self.needs_of(scrutinee, own), arms)
            }
            Expr::With(base, _) | Expr::Field(base, ..) => self.needs_of(base, own),
            Expr::Binary(BinaryOp::And | BinaryOp::Or, left, _, _) => self.needs_of(left, own),
            Expr::Binary(_, left, right, _) => {
                both(self.needs_of(left, own), self.needs_of(right, own))
            }
            Expr::Unary(_, operand, _) | Expr::Decode(_, operand, _) | Expr::Watch(operand, ..) => {
                self.needs_of(operand, own)
            }
            _ => Needs::new(),
        })
    }

    fn call(&mut self, callee: &Expr, args: &[Arg], own: Option<(GlobalId, &[bool])>) -> Needs {
        let Expr::Global(id) = callee else { return self.needs_of(callee, own) };
        let strict = match own {
            Some((own, assumed)) if own == *id => assumed.to_vec(),
            _ => self.params(*id),
        };
        let mut needs = Needs::new();
        for (arg, strict) in args.iter().zip(strict) {
            if let (Arg::Value(value), true) = (arg, strict) {
                needs = both(needs, self.needs_of(value, own));
            }
        }
        needs
    }

    fn bindings(
        &mut self,
        bindings: &[(Local, Expr)],
        body: &Expr,
        own: Option<(GlobalId, &[bool])>,
    ) -> Needs {
        let mut needs = self.needs_of(body, own);
        let mut seen = BTreeSet::new();
        // A binding that is needed passes its own needs on; each is looked at once.
        loop {
            let next =
                bindings.iter().find(|(local, _)| needs.contains(local) && seen.insert(*local));
            let Some((_, value)) = next else { return needs };
            needs = both(needs, self.needs_of(value, own));
        }
    }
}
