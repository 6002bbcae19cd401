//! How often each variable is used at most on one way through an expression.

use std::collections::BTreeMap;

use cbuild_sema::ir::{Expr, Local};

use crate::order::each_part;
use crate::stack;

/// Counts of uses; what is not named is not used.
pub(crate) type Uses = BTreeMap<Local, u32>;

/// The greatest number of uses of each variable on one way through an expression, where the branches
/// of a conditional and the arms of a match exclude each other. Parts that may be skipped or
/// suspended count as used.
pub(crate) fn most(expr: &Expr) -> Uses {
    stack::guarded(|| match expr {
        Expr::Local(local) => Uses::from([(*local, 1)]),
        Expr::If(condition, yes, no) => {
            let branches = joined(most(yes), most(no), u32::max);
            joined(branches, most(condition), u32::saturating_add)
        }
        Expr::Match(scrutinee, arms, _) => {
            let arms = arms.iter().map(|(_, body)| most(body));
            let arms = arms.reduce(|a, b| joined(a, b, u32::max)).unwrap_or_default();
            joined(arms, most(scrutinee), u32::saturating_add)
        }
        _ => {
            let mut all = Uses::new();
            each_part(expr, &mut |part| {
                all = joined(std::mem::take(&mut all), most(part), u32::saturating_add);
            });
            all
        }
    })
}

/// Both, where the smaller one is added to the larger one.
fn joined(a: Uses, b: Uses, join: fn(u32, u32) -> u32) -> Uses {
    let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
    for (local, uses) in small {
        let known = large.entry(local).or_insert(0);
        *known = join(*known, uses);
    }
    large
}
