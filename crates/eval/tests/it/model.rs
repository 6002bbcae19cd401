//! Random programs against the simplest possible evaluator: call by name, no sharing, no shortcuts.

use std::rc::Rc;

use cbuild_eval::Limits;
use proptest::prelude::*;

use crate::support::with_value;

/// A small expression over numbers; variables count bindings from the innermost one.
#[derive(Clone, Debug)]
enum Expr {
    Int(i64),
    Var(usize),
    Binary(char, Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Let(Box<Expr>, Box<Expr>),
    Field(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Box<Expr>),
    Match(Box<Expr>, Box<Expr>),
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (-3i64..4).prop_map(Expr::Int),
        Just(Expr::Int(i64::MAX)),
        (0usize..4).prop_map(Expr::Var),
        (0usize..4).prop_map(Expr::Var),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let operator = prop::sample::select(vec!['+', '-', '*', '/', '%']);
        prop_oneof![
            (operator, two()).prop_map(|(op, (a, b))| Expr::Binary(op, a, b)),
            (inner.clone().prop_map(Box::new), two()).prop_map(|(c, (a, b))| Expr::If(c, a, b)),
            two().prop_map(|(a, b)| Expr::Let(a, b)),
            two().prop_map(|(a, b)| Expr::Field(a, b)),
            two().prop_map(|(a, b)| Expr::Call(a, b)),
            two().prop_map(|(a, b)| Expr::Match(a, b)),
        ]
    })
}

/// The expression as source text, under `depth` variables.
fn text(expr: &Expr, depth: usize) -> String {
    let name = |at: usize| format!("v{at}");
    let inner = |e: &Expr| text(e, depth + 1);
    match expr {
        Expr::Int(number) => format!("({number})"),
        Expr::Var(back) => depth.checked_sub(back + 1).map_or("1".to_owned(), name),
        Expr::Binary(op, a, b) => format!("({} {op} {})", text(a, depth), text(b, depth)),
        Expr::If(c, a, b) => {
            format!("(if {} > 0 then {} else {})", text(c, depth), text(a, depth), text(b, depth))
        }
        Expr::Let(a, b) => format!("(let {} = {} in {})", name(depth), text(a, depth), inner(b)),
        Expr::Field(a, b) => format!("{{ a = {}, b = {} }}.b", text(a, depth), text(b, depth)),
        Expr::Call(body, arg) => {
            format!("({} => {})({})", name(depth), inner(body), text(arg, depth))
        }
        Expr::Match(arg, body) => format!(
            "(match Some({}) {{ None => 0, Some({}) => {} }})",
            text(arg, depth),
            name(depth),
            inner(body)
        ),
    }
}

/// A variable: an expression in its own scope.
enum Scope<'e> {
    Empty,
    Bound(&'e Expr, Rc<Scope<'e>>, Rc<Scope<'e>>),
}

/// The value, or nothing where the evaluation fails.
fn value<'e>(expr: &'e Expr, scope: &Rc<Scope<'e>>) -> Option<i64> {
    let bind = |bound: &'e Expr| Rc::new(Scope::Bound(bound, scope.clone(), scope.clone()));
    match expr {
        Expr::Int(number) => Some(*number),
        Expr::Var(back) => {
            let mut scope = scope;
            let mut left = *back;
            loop {
                match &**scope {
                    Scope::Empty => return Some(1),
                    Scope::Bound(bound, its_scope, _) if left == 0 => {
                        return value(bound, its_scope);
                    }
                    Scope::Bound(_, _, outer) => scope = outer,
                }
                left -= 1;
            }
        }
        Expr::Binary(op, a, b) => {
            let (a, b) = (value(a, scope)?, value(b, scope)?);
            match op {
                '+' => a.checked_add(b),
                '-' => a.checked_sub(b),
                '*' => a.checked_mul(b),
                '/' => a.checked_div(b),
                _ => a.checked_rem(b),
            }
        }
        Expr::If(c, a, b) => value(if value(c, scope)? > 0 { a } else { b }, scope),
        Expr::Let(bound, body) | Expr::Call(body, bound) | Expr::Match(bound, body) => {
            value(body, &bind(bound))
        }
        Expr::Field(_, b) => value(b, scope),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_have_the_value_of_the_model(programs in prop::collection::vec(expr(), 40)) {
        let fields = programs.iter().enumerate().map(|(at, e)| format!("f{at} = {}", text(e, 0)));
        let items = format!("let all = {{ {} }}", fields.collect::<Vec<_>>().join(",\n"));
        let found = with_value(&items, "all", Limits::default(), |evaluator, all| {
            let one = |at| {
                let value = evaluator.field(&all, &format!("f{at}")).ok()?;
                evaluator.show(&value).ok()
            };
            Ok((0..programs.len()).map(one).collect::<Vec<_>>())
        });
        let model = |e| value(e, &Rc::new(Scope::Empty)).map(|number| number.to_string());
        prop_assert_eq!(found.unwrap(), programs.iter().map(model).collect::<Vec<_>>(), "{}", items);
    }
}
