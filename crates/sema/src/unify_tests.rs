//! Properties of unification, on random types and by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::types::{ConId, Field, Name, Row, Ty, TyId, Types};
use crate::unify::Clash;

/// A recipe for a type, so that the same type can be built twice.
#[derive(Clone, Debug)]
enum Plan {
    Var(u8),
    Int,
    Str,
    List(Box<Plan>),
    Fn(Vec<Plan>, Box<Plan>),
    /// Fields by letter, and the variable for the rest.
    Record(BTreeMap<char, Plan>, Option<u8>),
}

fn plan() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![(0u8..4).prop_map(Plan::Var), Just(Plan::Int), Just(Plan::Str)];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let field = proptest::char::range('a', 'd');
        prop_oneof![
            inner.clone().prop_map(|item| Plan::List(Box::new(item))),
            (proptest::collection::vec(inner.clone(), 0..3), inner.clone())
                .prop_map(|(params, result)| Plan::Fn(params, Box::new(result))),
            (proptest::collection::btree_map(field, inner, 0..3), proptest::option::of(4u8..7))
                .prop_map(|(fields, rest)| Plan::Record(fields, rest)),
        ]
    })
}

/// Builds types of one run; equal variable numbers are the same variable.
#[derive(Default)]
struct Builder {
    vars: BTreeMap<u8, TyId>,
}

impl Builder {
    fn build(&mut self, types: &mut Types, plan: &Plan) -> TyId {
        match plan {
            Plan::Var(number) => *self.vars.entry(*number).or_insert_with(|| types.fresh()),
            Plan::Int => TyId::INT,
            Plan::Str => TyId::STR,
            Plan::List(item) => {
                let item = self.build(types, item);
                types.list(item)
            }
            Plan::Fn(params, result) => {
                let params = params.iter().map(|p| self.build(types, p)).collect();
                let result = self.build(types, result);
                types.add(Ty::Fn(params, result))
            }
            Plan::Record(fields, rest) => {
                let mut row = Row::default();
                for (letter, plan) in fields {
                    let ty = self.build(types, plan);
                    row.fields.insert(letter.to_string().into(), Field::required(ty));
                }
                row.rest = rest.map(|number| {
                    let tail = *self.vars.entry(number).or_insert_with(|| types.fresh_tail([]));
                    if let Ty::Var(var) = types.get(tail) {
                        types.add_lacks(var, row.fields.keys().cloned());
                    }
                    tail
                });
                types.record(row)
            }
        }
    }
}

/// The outcome of unifying two plans in a new store, and how both look afterwards.
fn unified(a: &Plan, b: &Plan) -> (bool, String, String) {
    let (mut types, mut builder) = (Types::new(), Builder::default());
    let (a, b) = (builder.build(&mut types, a), builder.build(&mut types, b));
    let done = types.unify(a, b).is_ok();
    (done, types.show(a), types.show(b))
}

fn record(types: &mut Types, fields: &[(&str, TyId)], rest: Option<TyId>) -> TyId {
    let fields = fields.iter().map(|(name, ty)| (Name::from(*name), Field::required(*ty)));
    let row = Row { fields: fields.collect(), rest, alias: None };
    types.record(row)
}

proptest! {
    #[test]
    fn a_type_agrees_with_itself(plan in plan()) {
        prop_assert!(unified(&plan, &plan).0);
    }

    #[test]
    fn agreement_is_symmetric_and_makes_both_sides_alike(a in plan(), b in plan()) {
        let (there, left, right) = unified(&a, &b);
        let (back, _, _) = unified(&b, &a);
        prop_assert_eq!(there, back);
        if there {
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn agreement_is_stable(a in plan(), b in plan()) {
        let (mut types, mut builder) = (Types::new(), Builder::default());
        let (x, y) = (builder.build(&mut types, &a), builder.build(&mut types, &b));
        if types.unify(x, y).is_ok() {
            let shown = types.show(x);
            prop_assert!(types.unify(y, x).is_ok());
            prop_assert_eq!(shown, types.show(x));
        }
    }

    #[test]
    fn an_instance_of_a_scheme_agrees_with_another_one(plan in plan()) {
        let (mut types, mut builder) = (Types::new(), Builder::default());
        types.level = 1;
        let ty = builder.build(&mut types, &plan);
        types.level = 0;
        let scheme = types.generalise(ty);
        let (one, two) = (types.instantiate(&scheme), types.instantiate(&scheme));
        prop_assert!(types.unify(one, two).is_ok());
        prop_assert_eq!(types.show(one), types.show(two));
    }
}

#[test]
fn a_variable_inside_its_own_type_is_refused() {
    let mut types = Types::new();
    let var = types.fresh();
    let list = types.list(var);
    assert!(matches!(types.unify(var, list), Err(Clash::Infinite(_))));
}

#[test]
fn open_records_share_their_fields() {
    let mut types = Types::new();
    let (x, y) = (types.fresh_tail(["a".into()]), types.fresh_tail(["b".into()]));
    let left = record(&mut types, &[("a", TyId::INT)], Some(x));
    let right = record(&mut types, &[("b", TyId::STR)], Some(y));
    assert!(types.unify(left, right).is_ok());
    assert_eq!(types.show(left), "{ a: Int, b: Str | _ }");
    assert_eq!(types.show(left), types.show(right));
}

#[test]
fn a_tail_never_repeats_a_field() {
    let mut types = Types::new();
    let tail = types.fresh_tail(["a".into()]);
    let again = record(&mut types, &[("a", TyId::STR)], None);
    assert_eq!(types.unify(tail, again), Err(Clash::Repeated("a".into())));
    assert!(types.unify(tail, TyId::INT).is_err());
}

#[test]
fn closed_records_need_the_same_fields() {
    let mut types = Types::new();
    let one = record(&mut types, &[("a", TyId::INT)], None);
    let two = record(&mut types, &[("a", TyId::INT), ("b", TyId::INT)], None);
    assert!(matches!(types.unify(one, two), Err(Clash::Fields(..))));
    let difference = types.row_difference(one, two);
    assert_eq!((difference.missing.len(), difference.unknown.len()), (0, 1));
}

#[test]
fn a_type_parameter_is_only_itself() {
    let mut types = Types::new();
    let (_, a) = types.rigid("a".into(), 1);
    let (_, b) = types.rigid("b".into(), 1);
    assert!(types.unify(a, a).is_ok());
    assert!(matches!(types.unify(a, b), Err(Clash::Rigid { .. })));
    assert!(matches!(types.unify(TyId::INT, a), Err(Clash::Rigid { .. })));
    types.level = 0;
    let outside = types.fresh();
    assert_eq!(types.unify(outside, a), Err(Clash::Escape("a".into())));
    assert!(types.unify(TyId::ERROR, a).is_ok());
}

#[test]
fn deep_types_are_refused_before_the_stack_ends() {
    let mut types = Types::new();
    let (mut x, mut y) = (types.fresh(), types.fresh());
    for _ in 0..100_000 {
        x = types.list(x);
        y = types.con(ConId::LIST, [y]);
    }
    assert_eq!(types.unify(x, y), Err(Clash::TooComplex));
    assert!(types.show(x).ends_with('…'));
}
