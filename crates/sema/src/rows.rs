//! Record types: their rows, and making two of them equal.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::types::{Field, Name, Row, Ty, TyId, Types, VarView};
use crate::unify::{Budget, Clash, Unified};

/// The tail of a row.
enum Tail {
    Closed,
    Open(TyId),
    /// A type parameter, which takes no fields.
    Rigid(TyId, Name),
}

impl Tail {
    /// The variable in the type of a record with this tail.
    fn rest(&self) -> Option<TyId> {
        match self {
            Tail::Closed => None,
            Tail::Open(rest) | Tail::Rigid(rest, _) => Some(*rest),
        }
    }
}

/// How two record types differ.
#[derive(Debug, Default)]
pub(crate) struct RowDifference {
    /// In the expected type only.
    pub(crate) missing: Vec<Name>,
    /// In the found type only.
    pub(crate) unknown: Vec<Name>,
}

impl Types {
    /// All fields that are known of a record type, with the tail that is left. A type that is no
    /// record has no fields and is its own tail.
    pub(crate) fn row(&self, ty: TyId) -> Rc<Row> {
        let Ty::Record(row) = self.get(ty) else {
            return Rc::new(Row { rest: Some(ty), ..Row::default() });
        };
        let Some(mut rest) = row.rest else { return row };
        if !matches!(self.get(rest), Ty::Record(_)) {
            return row;
        }
        let mut all = Row { fields: row.fields.clone(), rest: None, alias: row.alias.clone() };
        while let Ty::Record(more) = self.get(rest) {
            for (name, field) in &more.fields {
                all.fields.entry(name.clone()).or_insert_with(|| field.clone());
            }
            match more.rest {
                Some(next) => rest = next,
                None => return Rc::new(all),
            }
        }
        all.rest = Some(rest);
        Rc::new(all)
    }

    fn tail(&self, row: &Row) -> Tail {
        let Some(rest) = row.rest else { return Tail::Closed };
        match self.get(rest) {
            Ty::Var(var) => match self.view(var) {
                VarView::Rigid(name, _) => Tail::Rigid(rest, name),
                VarView::Unbound(_) => Tail::Open(rest),
            },
            // A broken tail takes whatever comes.
            _ => Tail::Open(rest),
        }
    }

    pub(crate) fn unify_records(&mut self, a: TyId, b: TyId, budget: &mut Budget) -> Unified {
        let (left, right) = (self.row(a), self.row(b));
        let mut result = Ok(());
        for (name, field) in &left.fields {
            if let Some(other) = right.fields.get(name) {
                result = result.and(self.unify_within(field.ty, other.ty, budget));
            }
        }
        let only_left = only(&left, &right);
        let only_right = only(&right, &left);
        let tails = self.unify_tails(a, b, (&left, only_left), (&right, only_right), budget);
        result.and(tails)
    }

    fn unify_tails(
        &mut self,
        a: TyId,
        b: TyId,
        (left, only_left): (&Row, BTreeMap<Name, Field>),
        (right, only_right): (&Row, BTreeMap<Name, Field>),
        budget: &mut Budget,
    ) -> Unified {
        let clash = Err(Clash::Fields(a, b));
        let alike = only_left.is_empty() && only_right.is_empty();
        match (self.tail(left), self.tail(right)) {
            (Tail::Open(x), Tail::Open(y)) if alike || self.resolve(x) == self.resolve(y) => {
                if alike {
                    self.unify_within(x, y, budget)
                } else {
                    clash
                }
            }
            (Tail::Open(x), Tail::Open(y)) => {
                let known = left.fields.keys().chain(right.fields.keys()).cloned();
                let rest = Some(self.fresh_tail(known));
                let first = self.close(x, only_right, rest, budget);
                first.and(self.close(y, only_left, rest, budget))
            }
            (Tail::Open(x), other) if only_left.is_empty() => {
                self.close(x, only_right, other.rest(), budget)
            }
            (other, Tail::Open(y)) if only_right.is_empty() => {
                self.close(y, only_left, other.rest(), budget)
            }
            (Tail::Closed, Tail::Closed) if alike => Ok(()),
            (Tail::Rigid(x, _), Tail::Rigid(y, _))
                if alike && self.resolve(x) == self.resolve(y) =>
            {
                Ok(())
            }
            (Tail::Rigid(_, name), _) if alike => Err(Clash::Rigid { name, other: b }),
            (_, Tail::Rigid(_, name)) if alike => Err(Clash::Rigid { name, other: a }),
            _ => clash,
        }
    }

    /// Gives a tail its fields.
    fn close(
        &mut self,
        tail: TyId,
        fields: BTreeMap<Name, Field>,
        rest: Option<TyId>,
        budget: &mut Budget,
    ) -> Unified {
        let record = self.record(Row { fields, rest, alias: None });
        self.unify_within(tail, record, budget)
    }

    /// The fields that only one of two record types has.
    pub(crate) fn row_difference(&self, expected: TyId, found: TyId) -> RowDifference {
        let (expected, found) = (self.row(expected), self.row(found));
        let mut difference = RowDifference::default();
        if found.rest.is_none() {
            difference.missing = only(&expected, &found).into_keys().collect();
        }
        if expected.rest.is_none() {
            difference.unknown = only(&found, &expected).into_keys().collect();
        }
        difference
    }
}

fn only(row: &Row, other: &Row) -> BTreeMap<Name, Field> {
    let missing = row.fields.iter().filter(|(name, _)| !other.fields.contains_key(*name));
    missing.map(|(name, field)| (name.clone(), field.clone())).collect()
}
