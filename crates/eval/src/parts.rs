//! Variables of a function or suspension, and of which a suspended expression needs fields alone.
//!
//! Such an expression captures the fields and not the records: what it does not need of a record is
//! freed or changed in place, and a field that is there already need not be looked up again.

use std::collections::BTreeMap;

use cbuild_sema::ir::{Expr, Local, Symbol};

use crate::order::each_part;

/// Largest expression that is looked through, in its parts.
const LARGEST: u32 = 48;
/// Most variables and fields that are captured together, if some variable is captured as several fields.
const MOST: usize = 3;

/// The variables of one function or suspension.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) locals: BTreeMap<Local, u32>,
    pub(crate) size: u32,
    pub(crate) captured: Vec<(Local, Option<Symbol>)>,
    /// Variables from around a suspension of which it captures fields.
    pub(crate) parts: Vec<Local>,
    pub(crate) this: Option<Local>,
}

impl Scope {
    /// What is captured, noted once.
    pub(crate) fn capture(&mut self, local: Local, part: Option<Symbol>) -> u32 {
        let at = self.captured.iter().position(|&known| known == (local, part));
        let at = at.unwrap_or_else(|| {
            self.captured.push((local, part));
            self.captured.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// Variables that are used in an expression by their fields alone, so that fields are what it should
/// capture of them. Variables of its own may be among them.
pub(crate) fn captured(expr: &Expr) -> Vec<Local> {
    let mut uses = Uses { left: LARGEST, ..Uses::default() };
    uses.follow(expr);
    if uses.left == 0 {
        return Vec::new();
    }
    let Uses { whole, mut fields, .. } = uses;
    fields.retain(|(local, _)| !whole.contains(local));
    let few = whole.len() + fields.len() <= MOST;
    let single = |local| fields.iter().filter(|field| field.0 == local).count() == 1;
    let mut locals: Vec<Local> = fields.iter().map(|field| field.0).collect();
    locals.sort_unstable();
    locals.dedup();
    locals.retain(|&local| few || single(local));
    locals
}

/// What was seen, each thing once.
#[derive(Default)]
struct Uses {
    whole: Vec<Local>,
    fields: Vec<(Local, Symbol)>,
    /// How many parts may still be looked at.
    left: u32,
}

impl Uses {
    fn follow(&mut self, expr: &Expr) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        match expr {
            Expr::Field(base, name, _) => match unwatched(base) {
                Expr::Local(local) => note(&mut self.fields, (*local, *name)),
                base => self.follow(base),
            },
            Expr::Local(local) => note(&mut self.whole, *local),
            // Functions capture whole variables.
            Expr::Lambda(..) => self.inside(expr),
            _ => each_part(expr, &mut |part| self.follow(part)),
        }
    }

    fn inside(&mut self, expr: &Expr) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Expr::Local(local) = expr {
            note(&mut self.whole, *local);
        }
        each_part(expr, &mut |part| self.inside(part));
    }
}

fn unwatched(mut expr: &Expr) -> &Expr {
    while let Expr::Watch(inner, ..) = expr {
        expr = inner;
    }
    expr
}

fn note<T: PartialEq>(seen: &mut Vec<T>, what: T) {
    if !seen.contains(&what) {
        seen.push(what);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use cbuild_diag::Span;
    use cbuild_syntax::ast::Deep;

    use super::*;

    fn local(number: u32) -> Expr {
        Expr::Local(Local(number))
    }

    fn field(number: u32, name: u32) -> Expr {
        Expr::Field(Deep::new(local(number)), Symbol(name), Span::default())
    }

    #[test]
    fn a_record_of_which_one_field_is_used_is_not_captured_whole() {
        let expr = Expr::List(vec![field(0, 0), local(1), field(2, 1), field(1, 0), field(0, 0)]);
        assert_eq!(captured(&expr), [Local(0), Local(2)]);
    }

    #[test]
    fn many_fields_are_captured_as_the_record() {
        let two = Expr::List(vec![field(0, 0), field(0, 1), field(1, 0)]);
        assert_eq!(captured(&two), [Local(0), Local(1)]);
        let more = Expr::List(vec![field(0, 0), field(0, 1), field(0, 2), field(1, 0)]);
        assert_eq!(captured(&more), [Local(1)]);
    }

    #[test]
    fn functions_capture_whole_variables() {
        let expr = Expr::List(vec![field(0, 0), Expr::Lambda(Vec::new(), Rc::new(field(0, 0)))]);
        assert_eq!(captured(&expr), []);
    }

    #[test]
    fn large_expressions_are_not_looked_through() {
        let expr = Expr::List((0..100).map(|_| field(0, 0)).collect());
        assert_eq!(captured(&expr), []);
    }
}
