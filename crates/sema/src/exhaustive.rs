//! Which values the arms of a match cover, after Maranget, "Warnings for pattern matching" (2007).
//!
//! The rows of a matrix are the arms so far. A row of patterns is useful if it matches a value that no
//! row above matches; the match is exhaustive if a row of wildcards is not useful.

use crate::types::{ConId, Name, Types};

/// Steps after which the check gives up; the number of combinations can be exponential.
const MAX_STEPS: u32 = 100_000;

/// A pattern as far as coverage is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pat {
    /// Matches everything.
    Any,
    /// A case of a variant type.
    Case(ConId, usize, Vec<Pat>),
    Bool(bool),
    Int(i64),
    Str(Name),
}

/// What was found about a match.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// Arms that match nothing that the arms above leave over.
    pub(crate) redundant: Vec<usize>,
    /// A value that is not covered, as a pattern.
    pub(crate) missing: Option<String>,
    /// The question was given up.
    pub(crate) too_complex: bool,
}

/// The outermost form of a pattern that is not a wildcard.
#[derive(Clone, PartialEq, Eq)]
enum Shape {
    Case(ConId, usize),
    Bool(bool),
    Int(i64),
    Str(Name),
}

/// Looks at the arms in order.
pub(crate) fn coverage<'p>(types: &Types, arms: impl Iterator<Item = &'p Pat>) -> Coverage {
    let mut checker = Usefulness { types, steps: MAX_STEPS };
    let mut found = Coverage::default();
    let mut rows: Vec<Vec<Pat>> = Vec::new();
    for (index, arm) in arms.enumerate() {
        let row = vec![arm.clone()];
        if checker.witness(&rows, &row).is_none() {
            found.redundant.push(index);
        }
        rows.push(row);
    }
    let missing = checker.witness(&rows, &[Pat::Any]);
    if checker.steps == 0 {
        return Coverage { too_complex: true, ..Coverage::default() };
    }
    found.missing = missing.and_then(|mut row| row.pop()).map(|pat| checker.show(&pat));
    found
}

struct Usefulness<'t> {
    types: &'t Types,
    steps: u32,
}

impl Usefulness<'_> {
    /// Values matched by `row` and by none of `rows`, as an example.
    fn witness(&mut self, rows: &[Vec<Pat>], row: &[Pat]) -> Option<Vec<Pat>> {
        let Some((first, rest)) = row.split_first() else {
            return rows.is_empty().then(Vec::new);
        };
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return None;
        }
        cbuild_syntax::deep::guarded(|| match shape(first) {
            Some(shape) => self.witness_of(rows, &shape, first, rest),
            None => self.witness_of_any(rows, rest),
        })
    }

    /// The first pattern has this outermost form.
    fn witness_of(
        &mut self,
        rows: &[Vec<Pat>],
        wanted: &Shape,
        first: &Pat,
        rest: &[Pat],
    ) -> Option<Vec<Pat>> {
        let arity = self.arity(wanted);
        let rows = specialise(rows, wanted, arity);
        let mut row = payload(first, arity);
        row.extend_from_slice(rest);
        let found = self.witness(&rows, &row)?;
        Some(rebuild(wanted, arity, found))
    }

    /// The first pattern is a wildcard: each form that the rows name is tried, then any other.
    fn witness_of_any(&mut self, rows: &[Vec<Pat>], rest: &[Pat]) -> Option<Vec<Pat>> {
        let mut shapes: Vec<Shape> = Vec::new();
        for shape in rows.iter().filter_map(|row| row.first().and_then(shape)) {
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
        if let Some(other) = self.another(&shapes) {
            let rows: Vec<Vec<Pat>> = rows
                .iter()
                .filter(|row| matches!(row.first(), Some(Pat::Any)))
                .map(|row| row[1..].to_vec())
                .collect();
            let mut found = self.witness(&rows, rest)?;
            found.insert(0, other);
            return Some(found);
        }
        shapes.sort_by_key(|shape| match shape {
            Shape::Case(_, index) => *index,
            Shape::Bool(value) => usize::from(*value),
            _ => 0,
        });
        shapes.iter().find_map(|shape| self.witness_of(rows, shape, &Pat::Any, rest))
    }

    fn arity(&self, shape: &Shape) -> usize {
        match shape {
            Shape::Case(con, case) => {
                self.types.con_info(*con).cases.get(*case).map_or(0, |case| case.fields.len())
            }
            _ => 0,
        }
    }

    /// A pattern of a form that is not among these; `None` if they are all there is.
    fn another(&self, shapes: &[Shape]) -> Option<Pat> {
        match shapes.first() {
            None => Some(Pat::Any),
            Some(Shape::Case(con, _)) => {
                let con = *con;
                let cases = &self.types.con_info(con).cases;
                let free =
                    (0..cases.len()).find(|case| !shapes.contains(&Shape::Case(con, *case)))?;
                Some(Pat::Case(con, free, vec![Pat::Any; cases[free].fields.len()]))
            }
            Some(Shape::Bool(_)) => {
                let free =
                    [false, true].into_iter().find(|b| !shapes.contains(&Shape::Bool(*b)))?;
                Some(Pat::Bool(free))
            }
            Some(Shape::Int(_) | Shape::Str(_)) => Some(Pat::Any),
        }
    }

    fn show(&self, pat: &Pat) -> String {
        match pat {
            Pat::Any => "_".to_owned(),
            Pat::Bool(value) => value.to_string(),
            Pat::Int(value) => value.to_string(),
            Pat::Str(text) => format!("{text:?}"),
            Pat::Case(con, case, args) => {
                let name = self.types.con_info(*con).cases.get(*case).map_or("_", |c| &*c.name);
                if args.is_empty() {
                    return name.to_owned();
                }
                let args: Vec<String> = args.iter().map(|arg| self.show(arg)).collect();
                format!("{name}({})", args.join(", "))
            }
        }
    }
}

fn shape(pat: &Pat) -> Option<Shape> {
    Some(match pat {
        Pat::Any => return None,
        Pat::Case(con, case, _) => Shape::Case(*con, *case),
        Pat::Bool(value) => Shape::Bool(*value),
        Pat::Int(value) => Shape::Int(*value),
        Pat::Str(text) => Shape::Str(text.clone()),
    })
}

fn payload(pat: &Pat, arity: usize) -> Vec<Pat> {
    match pat {
        Pat::Case(_, _, args) => {
            let mut args = args.clone();
            args.resize(arity, Pat::Any);
            args
        }
        _ => vec![Pat::Any; arity],
    }
}

/// The rows that match a value of the form, with its payload in front.
fn specialise(rows: &[Vec<Pat>], wanted: &Shape, arity: usize) -> Vec<Vec<Pat>> {
    rows.iter()
        .filter_map(|row| {
            let (first, rest) = row.split_first()?;
            if shape(first).is_some_and(|shape| shape != *wanted) {
                return None;
            }
            let mut new = payload(first, arity);
            new.extend_from_slice(rest);
            Some(new)
        })
        .collect()
}

fn rebuild(shape: &Shape, arity: usize, mut found: Vec<Pat>) -> Vec<Pat> {
    let rest = found.split_off(arity.min(found.len()));
    let first = match shape {
        Shape::Case(con, case) => Pat::Case(*con, *case, found),
        Shape::Bool(value) => Pat::Bool(*value),
        Shape::Int(value) => Pat::Int(*value),
        Shape::Str(text) => Pat::Str(text.clone()),
    };
    std::iter::once(first).chain(rest).collect()
}
