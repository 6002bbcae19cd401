//! Values that know what they were made from: sets (`Set<r>`) and packages with a recipe
//! (`Overridable<r>`), and the records that hold a part of another one's fields (`Part<r>`).
//!
//! These are the only places where a value of one type is accepted for another: an
//! `Overridable<r>` where a `Package` is needed, and a record where a `Part` of it is.

use std::collections::BTreeMap;

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::index::Target;
use crate::infer::Typed;
use crate::ir;
use crate::report::Expect;
use crate::types::{Name, Ty, TyId};

impl<'a> Checker<'a> {
    /// Makes a value of the found type one of the expected type, or reports why it is not.
    pub(crate) fn fit(
        &mut self,
        expected: &Expect,
        found: TyId,
        lowered: ir::Expr,
        span: Span,
    ) -> ir::Expr {
        let Ty::Con(want, args) = self.types.get(expected.ty) else {
            self.expect(expected, found, span);
            return lowered;
        };
        match self.types.get(found) {
            Ty::Con(have, _) if Some(want) == self.package && Some(have) == self.overridable => {
                return self.field_of(lowered, "package", span);
            }
            Ty::Record(_) if Some(want) == self.part => {
                self.expect_part(expected, args[0], found, span)
            }
            _ => self.expect(expected, found, span),
        }
        lowered
    }

    fn field_of(&mut self, base: ir::Expr, name: &str, span: Span) -> ir::Expr {
        ir::Expr::Field(Deep::new(base), self.symbols.intern(name), span)
    }

    /// What `.name` is looked up in: the members of a set, the package of an overridable one.
    pub(crate) fn through_origin(
        &mut self,
        (ty, lowered): Typed,
        name: &ast::Ident,
        span: Span,
    ) -> Typed {
        match self.types.get(ty) {
            Ty::Con(con, args) if Some(con) == self.set => {
                (args[0], self.field_of(lowered, "members", span))
            }
            Ty::Con(con, _)
                if Some(con) == self.overridable
                    && matches!(name.text.as_str(), "name" | "version") =>
            {
                (ty, self.field_of(lowered, "package", span))
            }
            _ => (ty, lowered),
        }
    }

    /// The type of a field of an overridable package.
    pub(crate) fn overridable_field(
        &mut self,
        ty: TyId,
        args: &[TyId],
        name: &ast::Ident,
        base: Span,
    ) -> TyId {
        match (name.text.as_str(), self.package) {
            ("name" | "version", _) => TyId::STR,
            ("recipe", _) => args[0],
            ("package", Some(package)) => self.types.con(package, []),
            _ => self.no_field(ty, name, base, ["name", "version", "recipe", "package"]),
        }
    }

    /// A literal with some of the fields of `whole`; nothing is filled in.
    pub(crate) fn check_part(
        &mut self,
        fields: &'a [ast::FieldValue],
        whole: &Expect,
        span: Span,
    ) -> ir::Expr {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        if !matches!(self.types.get(whole.ty), Ty::Record(_)) {
            self.whole_unknown(whole.ty, span);
            return self.infer_record(fields).1;
        }
        let row = self.types.row(whole.ty);
        let mut lowered: BTreeMap<Name, ir::Expr> = BTreeMap::new();
        for field in fields {
            let name: Name = field.name.text.as_str().into();
            let value = match row.fields.get(&name) {
                Some(known) => {
                    self.note(field.name.span, Target::Field(known.place, known.ty));
                    self.check(&field.value, &self.field_expect(&name, known, whole))
                }
                None => {
                    self.unknown_field(&field.name, whole, &row, &mut Vec::new());
                    self.infer(&field.value).1
                }
            };
            lowered.entry(name).or_insert(value);
        }
        self.record_expr(lowered)
    }

    /// Every field of the found record must be a field of `whole`, with the same type.
    fn expect_part(&mut self, expected: &Expect, whole: TyId, found: TyId, span: Span) {
        if !matches!(self.types.get(whole), Ty::Record(_)) {
            self.whole_unknown(whole, span);
            return;
        }
        let (known, part) = (self.types.row(whole), self.types.row(found));
        let all = known.fields.keys().all(|name| part.fields.contains_key(name));
        if part.rest.is_some() || all {
            self.expect(&expected.restated(whole), found, span);
            return;
        }
        for (name, field) in &part.fields {
            match known.fields.get(name) {
                Some(of_whole) => {
                    let wanted = self.field_expect(name, of_whole, &expected.restated(whole));
                    self.expect(&wanted, field.ty, span);
                }
                None => {
                    let ident = ast::Ident { text: name.to_string(), span };
                    let whole = expected.restated(whole);
                    self.unknown_field(&ident, &whole, &known, &mut Vec::new());
                }
            }
        }
    }

    fn whole_unknown(&mut self, whole: TyId, span: Span) {
        if self.types.is_error(whole) {
            return;
        }
        let shown = self.types.show(whole);
        self.error(
            codes::UNKNOWN_WHOLE,
            span,
            format!("this is to be a part of `{shown}`, whose fields are not known here"),
            "which fields it may have is not known",
        )
        .fix("annotate the set that is extended, such as `pkgs: Set<Pkgs>`");
    }
}
