//! What of a file's syntax is around a byte: the expressions, the type, the pattern, and the local names
//! that are in scope there.

use cbuild_diag::Span;
use cbuild_syntax::ast::{
    Arm, Expr, ExprKind, File, Ident, Item, ItemKind, Let, Pattern, PatternKind, TextPart, Type,
    TypeBody, TypeKind,
};
use cbuild_syntax::deep::guarded;

/// The syntax around a byte.
#[derive(Default)]
pub(crate) struct Cursor<'a> {
    /// The item.
    pub(crate) item: Option<&'a Item>,
    /// Expressions, the outermost first.
    pub(crate) exprs: Vec<&'a Expr>,
    /// Type expressions, the outermost first.
    pub(crate) types: Vec<&'a Type>,
    /// Patterns, the outermost first, and what is matched with the outermost one.
    pub(crate) patterns: Vec<&'a Pattern>,
    pub(crate) matched: Option<(&'a Expr, &'a [Arm])>,
    /// Names of local variables and parameters in scope, inner ones last.
    pub(crate) locals: Vec<&'a Ident>,
    /// Type parameters in scope.
    pub(crate) generics: Vec<&'a Ident>,
}

/// Whether a byte is inside of a span or at one of its ends.
pub(crate) fn touches(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}

impl<'a> Cursor<'a> {
    /// Looks up a byte of a file.
    pub(crate) fn find(file: &'a File, offset: u32) -> Self {
        let mut cursor = Self::default();
        if let Some(item) = file.items.iter().rev().find(|item| touches(item.span, offset)) {
            cursor.item = Some(item);
            Finder { offset, found: &mut cursor }.item(item);
        }
        cursor
    }
}

struct Finder<'a, 'c> {
    offset: u32,
    found: &'c mut Cursor<'a>,
}

impl<'a> Finder<'a, '_> {
    fn at(&self, span: Span) -> bool {
        touches(span, self.offset)
    }

    fn item(&mut self, item: &'a Item) {
        match &item.kind {
            ItemKind::Let(def) => self.binding(def),
            ItemKind::Fn(def) => {
                self.found.generics.extend(&def.generics);
                for param in &def.params {
                    param.ty.iter().for_each(|ty| self.ty(ty));
                }
                def.result.iter().for_each(|ty| self.ty(ty));
                self.found.locals.extend(def.params.iter().map(|param| &param.name));
                for param in &def.params {
                    param.default.iter().for_each(|value| self.expr(value));
                }
                def.body.iter().for_each(|body| self.expr(body));
            }
            ItemKind::Type(def) => {
                self.found.generics.extend(&def.generics);
                match &def.body {
                    TypeBody::Variants(cases) => {
                        cases.iter().flat_map(|case| &case.fields).for_each(|ty| self.ty(ty));
                    }
                    TypeBody::Alias(ty) => self.ty(ty),
                    TypeBody::Extern => {}
                }
            }
            ItemKind::Test { body, .. } => self.expr(body),
            ItemKind::Import(_) | ItemKind::Protocol { .. } => {}
        }
    }

    fn binding(&mut self, def: &'a Let) {
        def.ty.iter().for_each(|ty| self.ty(ty));
        self.expr(&def.value);
    }

    fn ty(&mut self, ty: &'a Type) {
        if !self.at(ty.span) {
            return;
        }
        self.found.types.push(ty);
        match &ty.kind {
            TypeKind::Named { args, .. } => args.iter().for_each(|ty| self.ty(ty)),
            TypeKind::Record { fields, .. } => {
                for field in fields {
                    self.ty(&field.ty);
                    field.default.iter().for_each(|value| self.expr(value));
                }
            }
            TypeKind::Function(params, result) => {
                params.iter().for_each(|ty| self.ty(ty));
                self.ty(result);
            }
            TypeKind::Error => {}
        }
    }

    fn pattern(&mut self, pattern: &'a Pattern) {
        if !self.at(pattern.span) {
            return;
        }
        self.found.patterns.push(pattern);
        if let PatternKind::Constructor { args, .. } = &pattern.kind {
            args.iter().for_each(|pattern| self.pattern(pattern));
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        if !self.at(expr.span) {
            return;
        }
        self.found.exprs.push(expr);
        guarded(|| self.parts(expr));
    }

    fn parts(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Text(parts) | ExprKind::Script(parts) => {
                for part in parts {
                    if let TextPart::Hole(inner) = part {
                        self.expr(inner);
                    }
                }
            }
            ExprKind::Field(base, _) | ExprKind::Unary(_, base) => self.expr(base),
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::Decode { types, args } => {
                types.iter().for_each(|ty| self.ty(ty));
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::Lambda { params, body } => {
                params.iter().filter_map(|param| param.ty.as_ref()).for_each(|ty| self.ty(ty));
                self.found.locals.extend(params.iter().map(|param| &param.name));
                self.expr(body);
            }
            ExprKind::Let { bindings, body } => {
                self.found.locals.extend(bindings.iter().map(|binding| &binding.name));
                bindings.iter().for_each(|binding| self.binding(binding));
                self.expr(body);
            }
            ExprKind::If(condition, yes, no) => {
                [condition, yes, no].into_iter().for_each(|part| self.expr(part));
            }
            ExprKind::Match { scrutinee, arms } => {
                self.expr(scrutinee);
                arms.iter().for_each(|arm| self.arm(scrutinee, arms, arm));
            }
            ExprKind::Record(fields) => fields.iter().for_each(|field| self.expr(&field.value)),
            ExprKind::With(base, fields) => {
                self.expr(base);
                fields.iter().for_each(|field| self.expr(&field.value));
            }
            ExprKind::List(items) => items.iter().for_each(|item| self.expr(item)),
            ExprKind::Binary(_, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Int(_)
            | ExprKind::Bool(_)
            | ExprKind::Path(_)
            | ExprKind::Hash(_)
            | ExprKind::Name(_)
            | ExprKind::Error => {}
        }
    }

    fn arm(&mut self, scrutinee: &'a Expr, arms: &'a [Arm], arm: &'a Arm) {
        if self.at(arm.pattern.span) {
            self.found.matched = Some((scrutinee, arms));
            self.pattern(&arm.pattern);
        } else if self.at(arm.body.span) {
            self.bound(&arm.pattern);
            self.expr(&arm.body);
        }
    }

    /// Puts the variables of a pattern into scope.
    fn bound(&mut self, pattern: &'a Pattern) {
        match &pattern.kind {
            PatternKind::Bind(name) => self.found.locals.push(name),
            PatternKind::Constructor { args, .. } => args.iter().for_each(|p| self.bound(p)),
            _ => {}
        }
    }
}

/// The last name in an expression such as `a.b.c`, by which what it stands for is known.
pub(crate) fn last_name(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::Field(_, name) => Some(name.span),
        _ => None,
    }
}

/// Calls `visit` for an expression and all expressions in it.
pub(crate) fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    guarded(|| walk_parts(expr, visit));
}

fn walk_parts<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Text(parts) | ExprKind::Script(parts) => {
            for part in parts {
                if let TextPart::Hole(inner) = part {
                    walk(inner, visit);
                }
            }
        }
        ExprKind::Field(base, _) | ExprKind::Unary(_, base) => walk(base, visit),
        ExprKind::Call { callee, args } => {
            walk(callee, visit);
            args.iter().for_each(|arg| walk(&arg.value, visit));
        }
        ExprKind::Decode { args, .. } => args.iter().for_each(|arg| walk(&arg.value, visit)),
        ExprKind::Lambda { body, .. } => walk(body, visit),
        ExprKind::Let { bindings, body } => {
            bindings.iter().for_each(|binding| walk(&binding.value, visit));
            walk(body, visit);
        }
        ExprKind::If(condition, yes, no) => {
            [condition, yes, no].into_iter().for_each(|part| walk(part, visit));
        }
        ExprKind::Match { scrutinee, arms } => {
            walk(scrutinee, visit);
            arms.iter().for_each(|arm| walk(&arm.body, visit));
        }
        ExprKind::Record(fields) => fields.iter().for_each(|field| walk(&field.value, visit)),
        ExprKind::With(base, fields) => {
            walk(base, visit);
            fields.iter().for_each(|field| walk(&field.value, visit));
        }
        ExprKind::List(items) => items.iter().for_each(|item| walk(item, visit)),
        ExprKind::Binary(_, left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
        ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::Path(_)
        | ExprKind::Hash(_)
        | ExprKind::Name(_)
        | ExprKind::Error => {}
    }
}

/// The expressions that stand directly in an item.
pub(crate) fn roots(item: &Item) -> Vec<&Expr> {
    match &item.kind {
        ItemKind::Let(def) => vec![&def.value],
        ItemKind::Fn(def) => {
            let defaults = def.params.iter().filter_map(|param| param.default.as_ref());
            defaults.chain(&def.body).collect()
        }
        ItemKind::Test { body, .. } => vec![body],
        ItemKind::Import(_) | ItemKind::Type(_) | ItemKind::Protocol { .. } => Vec::new(),
    }
}
