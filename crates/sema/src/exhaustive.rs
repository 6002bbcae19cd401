//! Which values the arms of a match cover, after Maranget, "Warnings for pattern matching" (2007).
//!
//! The rows of a matrix are the arms. It is taken apart column by column: the rows are grouped by the
//! outermost form of their first pattern, and each group is a matrix of its own, with the payload in
//! front. An arm is of use if it is the first row of some matrix without columns that is left in the end;
//! a value is missing if such a matrix has no rows. All arms are looked at together, so that the work for
//! arms with different literals or constructors grows with their number alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{ConId, Name, Types};

/// Rows of all matrices together after which the check gives up; their number can be exponential.
const MAX_STEPS: u32 = 1_000_000;

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

/// The outermost form of a pattern that is not a wildcard, in the order in which examples are looked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Case(ConId, usize),
    Bool(bool),
    Int(i64),
    Str(Name),
}

/// An arm with the patterns that are still to be looked at, the next one last.
struct MatrixRow<'p> {
    arm: usize,
    patterns: Vec<&'p Pat>,
}

/// More rows than may be looked at.
struct TooMany;

/// Looks at the arms in order.
pub(crate) fn coverage<'p>(types: &Types, arms: impl Iterator<Item = &'p Pat>) -> Coverage {
    let rows: Vec<MatrixRow<'p>> =
        arms.enumerate().map(|(arm, pat)| MatrixRow { arm, patterns: vec![pat] }).collect();
    let mut checker = Matrix { types, steps: MAX_STEPS, useful: vec![false; rows.len()] };
    let Ok(missing) = checker.take_apart(rows, 1) else {
        return Coverage { too_complex: true, ..Coverage::default() };
    };
    let useful = checker.useful.iter().enumerate();
    let redundant = useful.filter(|(_, useful)| !**useful).map(|(arm, _)| arm).collect();
    let missing = missing.and_then(|mut row| row.pop()).map(|pat| checker.show(&pat));
    Coverage { redundant, missing, too_complex: false }
}

struct Matrix<'t> {
    types: &'t Types,
    steps: u32,
    /// Which arms match something that no arm above them matches.
    useful: Vec<bool>,
}

impl Matrix<'_> {
    /// Notes the useful rows of a matrix with so many columns. Gives an example of what no row matches,
    /// with the pattern of the first column last.
    fn take_apart(
        &mut self,
        mut rows: Vec<MatrixRow<'_>>,
        columns: usize,
    ) -> Result<Option<Vec<Pat>>, TooMany> {
        // Rows below one that matches everything are of no use here.
        if let Some(all) = rows.iter().position(|row| row.patterns.iter().all(|p| **p == Pat::Any))
        {
            rows.truncate(all + 1);
        }
        let step = u32::try_from(rows.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.steps = self.steps.checked_sub(step).ok_or(TooMany)?;
        if columns == 0 {
            let Some(first) = rows.first() else { return Ok(Some(Vec::new())) };
            self.useful[first.arm] = true;
            return Ok(None);
        }
        cbuild_syntax::deep::guarded(|| self.by_shape(rows, columns))
    }

    /// Takes a matrix apart by the forms in its first column.
    fn by_shape(
        &mut self,
        rows: Vec<MatrixRow<'_>>,
        columns: usize,
    ) -> Result<Option<Vec<Pat>>, TooMany> {
        let mut groups: BTreeMap<Shape, Vec<MatrixRow<'_>>> = BTreeMap::new();
        let mut wild: Vec<MatrixRow<'_>> = Vec::new();
        for MatrixRow { arm, mut patterns } in rows {
            let Some(first) = patterns.pop() else { continue };
            match shape(first) {
                None => wild.push(MatrixRow { arm, patterns }),
                Some(shape) => {
                    if let Pat::Case(_, _, args) = first {
                        patterns.extend(args.iter().rev());
                    }
                    groups.entry(shape).or_default().push(MatrixRow { arm, patterns });
                }
            }
        }
        let mut missing = None;
        if let Some(other) = self.another(&groups) {
            let rows = wild.iter().map(|row| with_any(row, 0)).collect();
            missing = self.take_apart(rows, columns - 1)?.map(|mut row| {
                row.push(other);
                row
            });
        }
        for (shape, group) in groups {
            let arity = self.arity(&shape);
            let rows = self.merged(group, &wild, arity)?;
            let found = self.take_apart(rows, columns - 1 + arity)?;
            missing = missing.or_else(|| found.map(|row| rebuild(&shape, arity, row)));
        }
        Ok(missing)
    }

    /// The rows of a group with those that begin with a wildcard, in the order of the arms.
    fn merged<'p>(
        &mut self,
        group: Vec<MatrixRow<'p>>,
        wild: &[MatrixRow<'p>],
        arity: usize,
    ) -> Result<Vec<MatrixRow<'p>>, TooMany> {
        let step = u32::try_from(wild.len()).unwrap_or(u32::MAX);
        self.steps = self.steps.checked_sub(step).ok_or(TooMany)?;
        let mut wild = wild.iter().peekable();
        let mut rows = Vec::with_capacity(group.len() + wild.len());
        for row in group {
            while let Some(above) = wild.next_if(|above| above.arm < row.arm) {
                rows.push(with_any(above, arity));
            }
            rows.push(row);
        }
        rows.extend(wild.map(|row| with_any(row, arity)));
        Ok(rows)
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
    fn another(&self, groups: &BTreeMap<Shape, Vec<MatrixRow<'_>>>) -> Option<Pat> {
        match groups.keys().next() {
            None => Some(Pat::Any),
            Some(Shape::Case(con, _)) => {
                let con = *con;
                let cases = &self.types.con_info(con).cases;
                let known: BTreeSet<usize> = groups
                    .keys()
                    .filter_map(|shape| match shape {
                        Shape::Case(_, case) => Some(*case),
                        _ => None,
                    })
                    .collect();
                let free = (0..cases.len()).find(|case| !known.contains(case))?;
                Some(Pat::Case(con, free, vec![Pat::Any; cases[free].fields.len()]))
            }
            Some(Shape::Bool(_)) => {
                let free =
                    [false, true].into_iter().find(|b| !groups.contains_key(&Shape::Bool(*b)))?;
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

/// The row with so many wildcards in front.
fn with_any<'p>(row: &MatrixRow<'p>, count: usize) -> MatrixRow<'p> {
    let mut patterns = Vec::with_capacity(row.patterns.len() + count);
    patterns.extend_from_slice(&row.patterns);
    patterns.resize(row.patterns.len() + count, &Pat::Any);
    MatrixRow { arm: row.arm, patterns }
}

/// The example with its first `arity` patterns as the payload of the form.
fn rebuild(shape: &Shape, arity: usize, mut found: Vec<Pat>) -> Vec<Pat> {
    let mut payload = found.split_off(found.len().saturating_sub(arity));
    payload.reverse();
    found.push(match shape {
        Shape::Case(con, case) => Pat::Case(*con, *case, payload),
        Shape::Bool(value) => Pat::Bool(*value),
        Shape::Int(value) => Pat::Int(*value),
        Shape::Str(text) => Pat::Str(text.clone()),
    });
    found
}
