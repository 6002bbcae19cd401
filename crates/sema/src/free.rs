//! The names that an expression refers to, and the order in which definitions are inferred.

use std::collections::BTreeSet;

use cbuild_syntax::ast::{self, ExprKind, PatternKind, TypeKind};

/// Collects the value names that are not bound inside.
#[derive(Default)]
pub(crate) struct FreeNames<'a> {
    bound: Vec<&'a str>,
    pub(crate) found: BTreeSet<&'a str>,
}

impl<'a> FreeNames<'a> {
    /// Names bound by the surroundings, such as parameters.
    pub(crate) fn bind(&mut self, name: &'a ast::Ident) {
        self.bound.push(&name.text);
    }

    pub(crate) fn expr(&mut self, expr: &'a ast::Expr) {
        cbuild_syntax::deep::guarded(|| self.walk(expr));
    }

    /// The left side of each form is walked in a loop, because chains are nested to the left; those of
    /// `else if` are to the right.
    fn walk(&mut self, mut expr: &'a ast::Expr) {
        loop {
            match &expr.kind {
                ExprKind::Name(name) => {
                    if !self.bound.contains(&name.text.as_str()) {
                        self.found.insert(&name.text);
                    }
                    return;
                }
                ExprKind::Field(base, _) => expr = base,
                ExprKind::Binary(_, left, right) => {
                    self.expr(right);
                    expr = left;
                }
                ExprKind::Unary(_, operand) => expr = operand,
                ExprKind::With(base, fields) => {
                    fields.iter().for_each(|field| self.expr(&field.value));
                    expr = base;
                }
                ExprKind::If(condition, yes, no) => {
                    self.expr(condition);
                    self.expr(yes);
                    expr = no;
                }
                ExprKind::Call { callee, args } => {
                    args.iter().for_each(|arg| self.expr(&arg.value));
                    expr = callee;
                }
                _ => return self.branches(expr),
            }
        }
    }

    fn branches(&mut self, expr: &'a ast::Expr) {
        match &expr.kind {
            ExprKind::Text(parts) | ExprKind::Script(parts) => {
                for part in parts {
                    if let ast::TextPart::Hole(hole) = part {
                        self.expr(hole);
                    }
                }
            }
            ExprKind::Decode { types, args } => {
                types.iter().for_each(|ty| self.ty(ty));
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::List(items) => items.iter().for_each(|item| self.expr(item)),
            ExprKind::Record(fields) => fields.iter().for_each(|field| self.expr(&field.value)),
            ExprKind::Lambda { params, body } => {
                params.iter().filter_map(|p| p.ty.as_ref()).for_each(|ty| self.ty(ty));
                self.within(params.iter().map(|p| p.name.text.as_str()), |this| this.expr(body));
            }
            ExprKind::Let { bindings, body } => {
                self.within(bindings.iter().map(|b| b.name.text.as_str()), |this| {
                    for binding in bindings {
                        binding.ty.iter().for_each(|ty| this.ty(ty));
                        this.expr(&binding.value);
                    }
                    this.expr(body);
                });
            }
            ExprKind::Match { scrutinee, arms } => {
                self.expr(scrutinee);
                for arm in arms {
                    let mut names = Vec::new();
                    pattern_names(&arm.pattern, &mut names);
                    self.within(names.into_iter(), |this| this.expr(&arm.body));
                }
            }
            _ => {}
        }
    }

    fn within(&mut self, names: impl Iterator<Item = &'a str>, walk: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        self.bound.extend(names);
        walk(self);
        self.bound.truncate(before);
    }

    /// A type refers to values by the defaults of its fields, which see no local names.
    pub(crate) fn ty(&mut self, ty: &'a ast::Type) {
        match &ty.kind {
            TypeKind::Error => {}
            TypeKind::Named { args, .. } => args.iter().for_each(|arg| self.ty(arg)),
            TypeKind::Function(params, result) => {
                params.iter().for_each(|param| self.ty(param));
                self.ty(result);
            }
            TypeKind::Record { fields, .. } => {
                for field in fields {
                    self.ty(&field.ty);
                    if let Some(default) = &field.default {
                        let bound = std::mem::take(&mut self.bound);
                        self.expr(default);
                        self.bound = bound;
                    }
                }
            }
        }
    }
}

fn pattern_names<'a>(pattern: &'a ast::Pattern, out: &mut Vec<&'a str>) {
    match &pattern.kind {
        PatternKind::Bind(name) => out.push(&name.text),
        PatternKind::Constructor { args, .. } => {
            args.iter().for_each(|arg| pattern_names(arg, out));
        }
        _ => {}
    }
}

/// Groups of definitions that refer to each other, dependencies first (Tarjan's algorithm, with a
/// stack of its own). `edges[i]` are the definitions that `i` refers to.
pub(crate) fn groups(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low) = (vec![NEW; count], vec![0; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut next, mut out) = (Vec::new(), 0, Vec::new());
    for root in 0..count {
        if index[root] != NEW {
            continue;
        }
        let mut todo = vec![(root, 0)];
        while let Some((node, edge)) = todo.pop() {
            if edge == 0 {
                index[node] = next;
                low[node] = next;
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&target) = edges[node].get(edge) {
                todo.push((node, edge + 1));
                if index[target] == NEW {
                    todo.push((target, 0));
                } else if on_stack[target] {
                    low[node] = low[node].min(index[target]);
                }
                continue;
            }
            if let Some(&(parent, _)) = todo.last() {
                low[parent] = low[parent].min(low[node]);
            }
            if low[node] == index[node] {
                let mut group = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    group.push(member);
                    if member == node {
                        break;
                    }
                }
                group.sort_unstable();
                out.push(group);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::groups;
    use proptest::prelude::*;

    #[test]
    fn dependencies_come_first_and_circles_stay_together() {
        let edges = vec![vec![1], vec![2, 3], vec![1], vec![], vec![4], vec![0]];
        assert_eq!(groups(&edges), vec![vec![3], vec![1, 2], vec![0], vec![4], vec![5]]);
    }

    proptest! {
        #[test]
        fn groups_partition_the_definitions_in_order(
            edges in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..4), 12)
        ) {
            let groups = groups(&edges);
            let mut all: Vec<usize> = groups.iter().flatten().copied().collect();
            let position: Vec<usize> = (0..12)
                .map(|node| groups.iter().position(|g| g.contains(&node)).expect("each node is in a group"))
                .collect();
            for (node, targets) in edges.iter().enumerate() {
                for target in targets {
                    prop_assert!(position[*target] <= position[node]);
                }
            }
            all.sort_unstable();
            prop_assert_eq!(all, (0..12).collect::<Vec<_>>());
        }
    }
}
