//! The order in which the bindings of a `let` can be made.

use std::collections::BTreeMap;

use cbuild_sema::ir::{Arg, Expr, Local, TextPart};

use crate::stack;

/// Bindings that need one another, by index. A single one may need itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) members: Vec<usize>,
    pub(crate) recursive: bool,
}

/// Groups bindings so that each group needs only itself and earlier ones.
pub(crate) fn groups(bindings: &[(Local, Expr)]) -> Vec<Group> {
    let index: BTreeMap<Local, usize> =
        bindings.iter().enumerate().map(|(i, (local, _))| (*local, i)).collect();
    let needs = bindings
        .iter()
        .map(|(_, value)| {
            let mut found = Vec::new();
            mentions(value, &mut |local| found.extend(index.get(&local).copied()));
            found.sort_unstable();
            found.dedup();
            found
        })
        .collect();
    let mut search = Search {
        needs,
        numbers: vec![None; bindings.len()],
        lowest: vec![0; bindings.len()],
        open: Vec::new(),
        next: 0,
        groups: Vec::new(),
    };
    for start in 0..bindings.len() {
        if search.numbers[start].is_none() {
            search.visit(start);
        }
    }
    search.groups
}

/// Tarjan's search for strongly connected components, which yields them in dependency order.
struct Search {
    needs: Vec<Vec<usize>>,
    numbers: Vec<Option<usize>>,
    lowest: Vec<usize>,
    open: Vec<usize>,
    next: usize,
    groups: Vec<Group>,
}

impl Search {
    fn visit(&mut self, node: usize) {
        let number = self.next;
        self.next += 1;
        self.numbers[node] = Some(number);
        self.lowest[node] = number;
        self.open.push(node);
        let needs = std::mem::take(&mut self.needs[node]);
        for &other in &needs {
            match self.numbers[other] {
                None => {
                    stack::guarded(|| self.visit(other));
                    self.lowest[node] = self.lowest[node].min(self.lowest[other]);
                }
                Some(seen) if self.open.contains(&other) => {
                    self.lowest[node] = self.lowest[node].min(seen);
                }
                Some(_) => {}
            }
        }
        if self.lowest[node] == number {
            let at = self.open.iter().position(|&open| open == node).unwrap_or(0);
            let mut members = self.open.split_off(at);
            members.sort_unstable();
            let recursive = members.len() > 1 || needs.contains(&node);
            self.groups.push(Group { members, recursive });
        }
    }
}

/// Calls a function with every variable that an expression mentions, also inside functions.
fn mentions(expr: &Expr, found: &mut dyn FnMut(Local)) {
    if let Expr::Local(local) = expr {
        found(*local);
    }
    stack::guarded(|| each_part(expr, &mut |part| mentions(part, found)));
}

/// Calls a function with the direct parts of an expression.
pub(crate) fn each_part(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::Interpolate(parts, _) | Expr::Script(parts, _) => {
            for part in parts {
                if let TextPart::Hole(hole) = part {
                    visit(hole);
                }
            }
        }
        Expr::Call(callee, args, _) => {
            visit(callee);
            for arg in args {
                if let Arg::Value(value) = arg {
                    visit(value);
                }
            }
        }
        Expr::Lambda(params, body) => {
            params.iter().filter_map(|p| p.default.as_ref()).for_each(&mut *visit);
            visit(body);
        }
        Expr::Let(bindings, body) => {
            bindings.iter().for_each(|(_, value)| visit(value));
            visit(body);
        }
        Expr::If(condition, yes, no) => [condition, yes, no].into_iter().for_each(|p| visit(p)),
        Expr::Match(scrutinee, arms, _) => {
            visit(scrutinee);
            arms.iter().for_each(|(_, body)| visit(body));
        }
        Expr::Record(fields) => fields.iter().for_each(|(_, value)| visit(value)),
        Expr::With(base, fields) => {
            visit(base);
            fields.iter().for_each(|(_, value)| visit(value));
        }
        Expr::Map(entries) => entries.iter().for_each(|(_, value)| visit(value)),
        Expr::List(items) | Expr::Construct(_, items) => items.iter().for_each(visit),
        Expr::Field(base, ..) => visit(base),
        Expr::Binary(_, left, right, _) => [left, right].into_iter().for_each(|p| visit(p)),
        Expr::Unary(_, operand, _) | Expr::Decode(_, operand, _) | Expr::Watch(operand, ..) => {
            visit(operand);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(locals: &[u32]) -> Expr {
        Expr::List(locals.iter().map(|&local| Expr::Local(Local(local))).collect())
    }

    #[test]
    fn bindings_come_after_what_they_need() {
        let bindings = [
            (Local(0), sum(&[2])),
            (Local(1), sum(&[3, 9])),
            (Local(2), sum(&[1])),
            (Local(3), sum(&[1])),
            (Local(4), sum(&[4])),
        ];
        let found: Vec<_> =
            groups(&bindings).into_iter().map(|group| (group.members, group.recursive)).collect();
        let expected = [(vec![1, 3], true), (vec![2], false), (vec![0], false), (vec![4], true)];
        assert_eq!(found, expected);
    }
}
