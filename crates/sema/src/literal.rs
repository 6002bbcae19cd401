//! Record literals and updates. Against a known type a literal is completed: optional fields are
//! wrapped or become `None`, defaults are filled in, and a map is made where a map is needed.

use std::collections::BTreeMap;

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::index::Target;
use crate::infer::Typed;
use crate::ir;
use crate::print::with_article;
use crate::report::{Expect, Why, listed};
use crate::suggest::meant;
use crate::types::{ConId, Field, Name, Presence, Row, Ty, TyId};

impl<'a> Checker<'a> {
    /// A literal of which nothing is expected: all its fields are required ones.
    pub(crate) fn infer_record(&mut self, fields: &'a [ast::FieldValue]) -> Typed {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        let mut row = Row::default();
        let mut lowered = BTreeMap::new();
        for field in fields {
            let before = self.diagnostics.len();
            let (ty, value) = self.infer(&field.value);
            self.keep_field_name(before, field);
            let name: Name = field.name.text.as_str().into();
            row.fields.entry(name.clone()).or_insert(Field::required(ty));
            lowered.entry(name).or_insert(value);
        }
        (self.types.record(row), self.record_expr(lowered))
    }

    pub(crate) fn record_expr(&mut self, fields: BTreeMap<Name, ir::Expr>) -> ir::Expr {
        let fields = fields.into_iter().map(|(name, value)| (self.symbols.intern(&name), value));
        ir::Expr::Record(fields.collect())
    }

    pub(crate) fn check_record(
        &mut self,
        fields: &'a [ast::FieldValue],
        expected: &Expect,
        span: Span,
    ) -> ir::Expr {
        match self.types.get(expected.ty) {
            Ty::Con(ConId::MAP, args) => self.check_map(fields, &expected.with(args[0])),
            Ty::Con(con, args) if Some(con) == self.part => {
                self.check_part(fields, &expected.restated(args[0]), span)
            }
            Ty::Record(_) => self.check_fields(fields, expected, span),
            _ => {
                let (ty, lowered) = self.infer_record(fields);
                self.expect(expected, ty, span);
                lowered
            }
        }
    }

    fn check_map(&mut self, fields: &'a [ast::FieldValue], value: &Expect) -> ir::Expr {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        let mut entries = BTreeMap::new();
        for field in fields {
            let before = self.diagnostics.len();
            let lowered = self.check(&field.value, value);
            self.keep_field_name(before, field);
            entries.entry(Name::from(field.name.text.as_str())).or_insert(lowered);
        }
        ir::Expr::Map(entries.into_iter().collect())
    }

    fn check_fields(
        &mut self,
        fields: &'a [ast::FieldValue],
        expected: &Expect,
        span: Span,
    ) -> ir::Expr {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        let row = self.types.row(expected.ty);
        let mut lowered: BTreeMap<Name, ir::Expr> = BTreeMap::new();
        let mut extra = Row::default();
        let mut unknown: Vec<&ast::Ident> = Vec::new();
        for field in fields {
            let name: Name = field.name.text.as_str().into();
            let before = self.diagnostics.len();
            let value = match row.fields.get(&name) {
                Some(known) => {
                    self.note(field.name.span, Target::Field(known.place, known.ty));
                    self.check(&field.value, &self.field_expect(&name, known, expected))
                }
                None => {
                    let (ty, value) = self.infer(&field.value);
                    if row.rest.is_none() {
                        unknown.push(&field.name);
                    }
                    extra.fields.entry(name.clone()).or_insert(Field::required(ty));
                    value
                }
            };
            self.keep_field_name(before, field);
            lowered.entry(name).or_insert(value);
        }
        if let Some(rest) = row.rest {
            let extra = self.types.record(extra);
            if let Err(clash) = self.types.unify(rest, extra) {
                self.report_mismatch(&Expect::plain(rest), extra, span, &clash);
            }
        }
        let mut missing = self.complete(&row, &mut lowered, span);
        for name in unknown {
            self.unknown_field(name, expected, &row, &mut missing);
        }
        let last = fields.iter().map(|field| field.value.span.end).max();
        self.missing_fields(&missing, expected, &row, (span, last));
        self.record_expr(lowered)
    }

    pub(crate) fn field_expect(&self, name: &Name, field: &Field, record: &Expect) -> Expect {
        let mut expected = match field.place {
            Some(place) => Expect::because(field.ty, place, Why::Field(name.clone())),
            None => record.with(field.ty),
        };
        expected.wrap = field.presence == Presence::Optional;
        expected
    }

    /// Fills in what may be left out; returns what may not.
    fn complete(
        &mut self,
        row: &Row,
        lowered: &mut BTreeMap<Name, ir::Expr>,
        span: Span,
    ) -> Vec<Name> {
        let mut missing = Vec::new();
        for (name, field) in &row.fields {
            if lowered.contains_key(name) {
                continue;
            }
            let value = match field.presence {
                Presence::Required => {
                    missing.push(name.clone());
                    continue;
                }
                Presence::Optional => ir::Expr::Construct(self.symbols.intern("None"), Vec::new()),
                Presence::Default(global) => {
                    self.use_default(global, field.ty, name, span);
                    ir::Expr::Global(self.refer(global))
                }
            };
            lowered.insert(name.clone(), value);
        }
        missing
    }

    /// The default of a field or parameter that was left out must fit this use.
    pub(crate) fn use_default(&mut self, global: ir::GlobalId, ty: TyId, name: &str, span: Span) {
        let default = self.use_global(global);
        if self.types.unify(ty, default).is_err() {
            let (wanted, shown) = self.types.show_two(ty, default);
            let info = self.global(global);
            let place = (self.modules[info.module].source, info.span);
            self.error(
                codes::MISMATCH,
                span,
                format!("`{name}` is left out, but its default does not fit: expected `{wanted}`, the default is `{shown}`"),
                format!("`{name}` is needed here"),
            )
            .also(place, "the default")
            .fix(format!("give it: `{name} = …`"));
        }
    }

    pub(crate) fn unknown_field(
        &mut self,
        name: &ast::Ident,
        expected: &Expect,
        row: &Row,
        missing: &mut Vec<Name>,
    ) {
        let candidates = || row.fields.keys().map(|key| &**key);
        let fix = meant(&name.text, candidates());
        // A misspelt field is not missing, too.
        if let Some(meant) = crate::suggest::closest(&name.text, candidates()) {
            missing.retain(|other| **other != *meant);
        }
        let known: Vec<&str> = candidates().collect();
        let fix = fix.or_else(|| {
            (!known.is_empty() && known.len() <= 12)
                .then(|| format!("it has the fields `{}`", known.join("`, `")).into())
        });
        let record = self.record_name(expected.ty);
        let diagnostic = cbuild_diag::Diagnostic::error(
            codes::UNKNOWN_FIELD,
            self.source(),
            name.span,
            format!("{record} has no field `{}`", name.text),
            "unknown field",
        );
        let diagnostic = self.with_reason(diagnostic, expected, name.span);
        self.push(diagnostic).maybe_fix(fix);
    }

    /// Reports fields that are missing in the literal at `span`, whose last value ends at `last`.
    fn missing_fields(
        &mut self,
        missing: &[Name],
        expected: &Expect,
        row: &Row,
        (span, last): (Span, Option<u32>),
    ) {
        if missing.is_empty() {
            return;
        }
        let record = self.record_name(expected.ty);
        let message = format!("{} missing for {record}", listed(missing));
        let mut diagnostic = cbuild_diag::Diagnostic::error(
            codes::MISSING_FIELD,
            self.source(),
            span,
            message,
            format!("lacks {}", listed(missing)),
        );
        let mut additions = Vec::new();
        for name in missing.iter().take(4) {
            let Some(field) = row.fields.get(name) else { continue };
            if let Some((source, span)) = field.place {
                diagnostic = diagnostic.label(source, span, format!("`{name}` is declared here"));
            }
            additions.push(format!("`{name} = …` ({})", with_article(&self.types.show(field.ty))));
        }
        let samples: Vec<String> = missing
            .iter()
            .filter_map(|name| {
                Some(format!("{name} = {}", self.types.sample(row.fields.get(name)?.ty)))
            })
            .collect();
        let samples = samples.join(", ");
        let (at, text) = match last {
            Some(last) => (last, format!(", {samples}")),
            None => (span.start + 1, format!(" {samples} ")),
        };
        let place = self.place(Span { start: at, end: at });
        let fix = format!("add {}", additions.join(", "));
        self.push(diagnostic).fix(fix).change(place, text);
    }

    /// `base with { … }`: the same type, with other values.
    pub(crate) fn infer_with(
        &mut self,
        base: &'a ast::Expr,
        fields: &'a [ast::FieldValue],
        _span: Span,
    ) -> Typed {
        self.refuse_repeated_fields(fields.iter().map(|f| &f.name));
        let (ty, lowered) = self.infer(base);
        let mut updates = BTreeMap::new();
        for field in fields {
            let field_ty = self.field_type(ty, &field.name, base.span);
            let name: Name = field.name.text.as_str().into();
            let known = self.types.row(ty).fields.get(&name).cloned();
            let expected = match known {
                Some(known) => self.field_expect(&name, &known, &Expect::plain(ty)),
                None => Expect::plain(field_ty),
            };
            let before = self.diagnostics.len();
            let value = self.check(&field.value, &expected);
            self.keep_field_name(before, field);
            updates.entry(name).or_insert(value);
        }
        let updates: Vec<_> =
            updates.into_iter().map(|(name, value)| (self.symbols.intern(&name), value)).collect();
        (ty, ir::Expr::With(Deep::new(lowered), updates))
    }
}
