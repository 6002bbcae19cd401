//! Messages about types that do not agree: what was expected, because of what, and what was found.

use cbuild_diag::{Diagnostic, Span};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::print::with_article;
use crate::suggest::meant;
use crate::types::{ConId, Name, Place, Presence, Ty, TyId, VarView};
use crate::unify::Clash;

/// An expected type, and why it is expected.
#[derive(Clone)]
pub(crate) struct Expect {
    pub(crate) ty: TyId,
    pub(crate) why: Option<(Place, Why)>,
    /// The type that the reason speaks of, of which `ty` may be a part.
    stated: TyId,
    /// For an optional field: `ty` is `Option<T>`, and a plain `T` is wrapped.
    pub(crate) wrap: bool,
}

/// Why a type is expected.
#[derive(Clone)]
pub(crate) enum Why {
    /// An annotation says so.
    Annotation,
    /// A parameter of the called function, by name.
    Parameter(Name),
    /// The declared result of the function.
    Result,
    /// The declared type of a field.
    Field(Name),
    /// An earlier part that must have the same type: "the first branch", say.
    Same(&'static str),
    /// Something that always needs this type: "a condition", say.
    Always(&'static str),
    /// The declared type of what a default is for.
    Default,
}

impl Expect {
    pub(crate) fn plain(ty: TyId) -> Self {
        Self { ty, why: None, stated: ty, wrap: false }
    }

    pub(crate) fn because(ty: TyId, place: Place, why: Why) -> Self {
        Self { ty, why: Some((place, why)), stated: ty, wrap: false }
    }

    /// The same reason for another type, which messages speak of.
    pub(crate) fn restated(&self, ty: TyId) -> Self {
        Self { ty, stated: ty, ..self.with(ty) }
    }

    /// The same reason for a part of the type.
    pub(crate) fn with(&self, ty: TyId) -> Self {
        Self { ty, why: self.why.clone(), stated: self.stated, wrap: false }
    }
}

impl Checker<'_> {
    /// Makes the found type the expected one, or reports why it is not.
    pub(crate) fn expect(&mut self, expected: &Expect, found: TyId, span: Span) {
        if let Err(clash) = self.types.unify(expected.ty, found) {
            self.report_mismatch(expected, found, span, &clash);
        }
    }

    pub(crate) fn report_mismatch(
        &mut self,
        expected: &Expect,
        found: TyId,
        span: Span,
        clash: &Clash,
    ) {
        let mut diagnostic = self.mismatch(expected, found, span, clash);
        if diagnostic.code == codes::MISMATCH && matches!(expected.why, Some((_, Why::Default))) {
            diagnostic.code = codes::DEFAULT_TYPE;
        }
        let diagnostic = self.with_reason(diagnostic, expected, span);
        self.diagnostics.push(diagnostic);
        // What was to be a record and is none is told once.
        if let Clash::NotARecord(var, _) | Clash::OnlyRecords(var, _) = clash
            && let VarView::Unbound(_) = self.types.view(*var)
        {
            self.types.set(*var, TyId::ERROR);
        }
    }

    fn mismatch(&self, expected: &Expect, found: TyId, span: Span, clash: &Clash) -> Diagnostic {
        let source = self.source();
        match clash {
            Clash::Rigid { name, other } if self.is_parameter(expected.ty, found, name) => {
                self.too_general(name, *other, span)
            }
            Clash::Escape(name) => Diagnostic::error(
                codes::TOO_GENERAL,
                source,
                span,
                format!("the type variable `{name}` would leave its definition"),
                "depends on something from outside",
            )
            .note(format!("`{name}` stands for any type, so nothing outside may depend on it")),
            Clash::NotARecord(_, inner) => {
                let shown = self.types.show(*inner);
                let message = format!("only a record can be here, but this is {}", with_article(&shown));
                let label = format!("needs `{shown}` to be a record");
                Diagnostic::error(codes::NOT_A_RECORD, source, span, message, label)
            }
            Clash::OnlyRecords(_, name) => Diagnostic::error(
                codes::TOO_GENERAL,
                source,
                span,
                format!("`{name}` stands for any type, but here it would have to be a record"),
                format!("only works if `{name}` is a record"),
            )
            .note(format!("whoever uses this definition chooses what `{name}` is"))
            .help(format!(
                "let the signature say that `{name}` is a record, as in `Set<{name}>`, or write a record type instead of it"
            )),
            Clash::Infinite(_) => self.infinite(expected.ty, found, span),
            Clash::TooComplex => Diagnostic::error(
                codes::TOO_COMPLEX,
                source,
                span,
                "the type of this is too large to be checked",
                "nested too deeply, or too large",
            )
            .help("annotate intermediate values, or split the definition"),
            Clash::Fields(..) if self.both_records(expected.ty, found) => {
                self.fields_differ(expected.ty, found, span)
            }
            _ => self.types_differ(expected.ty, found, span, clash),
        }
    }

    /// Whether a type parameter is to blame, rather than a mismatch somewhere inside.
    fn is_parameter(&self, expected: TyId, found: TyId, name: &Name) -> bool {
        let shown = [self.types.show(expected), self.types.show(found)];
        shown.iter().any(|text| **text == **name)
            || !matches!((self.types.get(expected), self.types.get(found)), (Ty::Con(a, _), Ty::Con(b, _)) if a != b)
    }

    fn too_general(&self, name: &Name, other: TyId, span: Span) -> Diagnostic {
        let other = self.types.show(other);
        Diagnostic::error(
            codes::TOO_GENERAL,
            self.source(),
            span,
            format!("`{name}` stands for any type, but here it would have to be `{other}`"),
            format!("only works if `{name}` is `{other}`"),
        )
        .note(format!("whoever uses this definition chooses what `{name}` is"))
        .help(format!("write `{other}` instead of `{name}` in the annotation"))
    }

    fn infinite(&self, expected: TyId, found: TyId, span: Span) -> Diagnostic {
        let (expected, found) = self.types.show_two(expected, found);
        Diagnostic::error(
            codes::INFINITE_TYPE,
            self.source(),
            span,
            "the type of this would contain itself",
            format!("`{found}` would have to be `{expected}`"),
        )
        .help("a recursive type must be a variant type: `type Tree = Leaf | Node(List<Tree>)`")
    }

    fn both_records(&self, a: TyId, b: TyId) -> bool {
        matches!((self.types.get(a), self.types.get(b)), (Ty::Record(_), Ty::Record(_)))
    }

    fn types_differ(&self, expected: TyId, found: TyId, span: Span, clash: &Clash) -> Diagnostic {
        let (want, have) = self.types.show_two(expected, found);
        let mut diagnostic = Diagnostic::error(
            codes::MISMATCH,
            self.source(),
            span,
            format!("expected `{want}`, found `{have}`"),
            format!("has type `{have}`"),
        );
        if let Clash::Types(a, b) = clash
            && (self.types.resolve(*a), self.types.resolve(*b))
                != (self.types.resolve(expected), self.types.resolve(found))
        {
            let (inner_want, inner_have) = self.types.show_two(*a, *b);
            let path = self.path_to(expected, found, 0);
            let at = path.map(|path| format!(" in {path}")).unwrap_or_default();
            if (inner_want.as_str(), inner_have.as_str()) != (want.as_str(), have.as_str()) {
                diagnostic = diagnostic
                    .note(format!("`{inner_want}` is expected{at}, but it is `{inner_have}`"));
            }
        }
        if let Clash::Fields(a, b) = clash {
            for fact in self.field_facts(*a, *b) {
                diagnostic = diagnostic.note(fact);
            }
        }
        if let Clash::Repeated(name) = clash {
            diagnostic = diagnostic.note(format!("the field `{name}` would be there twice"));
        }
        let open = |shown: &str| shown.contains(['_', '…', '?']);
        match self.conversion(expected, found) {
            Some(help) => {
                let around = around(&help);
                diagnostic = diagnostic.help(help);
                if let Some((before, after)) = around {
                    let at = |byte| Span { start: byte, end: byte };
                    diagnostic = diagnostic.edit(self.source(), at(span.start), before).edit(
                        self.source(),
                        at(span.end),
                        after,
                    );
                }
                diagnostic
            }
            None if open(&want) || open(&have) => diagnostic,
            None => diagnostic.help(format!(
                "give a value of type `{want}`, or change the expected type to `{have}`"
            )),
        }
    }

    /// Where two types first differ, such as "field `name`".
    fn path_to(&self, a: TyId, b: TyId, depth: u32) -> Option<String> {
        let (Ty::Record(_), Ty::Record(_)) = (self.types.get(a), self.types.get(b)) else {
            return None;
        };
        let (left, right) = (self.types.row(a), self.types.row(b));
        for (name, field) in &left.fields {
            let Some(other) = right.fields.get(name) else { continue };
            let (x, y) = (self.types.show_two(field.ty, other.ty), name);
            if x.0 != x.1 {
                let inner =
                    (depth < 4).then(|| self.path_to(field.ty, other.ty, depth + 1)).flatten();
                return Some(match inner {
                    Some(inner) => format!("{inner} of field `{y}`"),
                    None => format!("field `{y}`"),
                });
            }
        }
        None
    }

    /// A fix for pairs of types that are often confused.
    fn conversion(&self, expected: TyId, found: TyId) -> Option<String> {
        let (Ty::Con(want, want_args), have) = (self.types.get(expected), self.types.get(found))
        else {
            return None;
        };
        if let Ty::Fn(params, _) = &have {
            let how = match params.len() {
                0 => "call it: `…()`",
                1 => "call it with its argument",
                _ => "call it with its arguments",
            };
            return Some(format!("this is a function; {how}"));
        }
        let Ty::Con(have, have_args) = have else { return None };
        let text = match (want, have) {
            (ConId::SCRIPT, ConId::STR) => {
                "write `sh\"…\"` for a script, or `sh\"#{…}\"` to quote a text into one"
            }
            (ConId::INT, ConId::STR) => {
                "write the number without quotes, or read it: `std.text.to_int(…)` gives an `Option<Int>`"
            }
            (ConId::STR, ConId::INT | ConId::BOOL) => "put it into a text: `\"#{…}\"`",
            (ConId::STR, ConId::SCRIPT) => {
                "a script carries packages, so it is no plain text; take it as `Script`"
            }
            (ConId::SCRIPT, _) if Some(have) == self.package => {
                "put it into a script: `sh\"#{…}\"`"
            }
            (ConId::STR, _) if Some(have) == self.package => {
                "use a script, `sh\"#{…}\"`, where the package's path is needed, or its `.name`"
            }
            (ConId::PATH, ConId::STR) => "a path is written without quotes: `./src`",
            (_, ConId::STR) if Some(want) == self.package => {
                "put the files into the store: `std.fetch.local(./src, \"src\")`"
            }
            (_, ConId::PATH) if Some(want) == self.package => {
                "put the files into the store: `std.fetch.local(…, \"src\")`"
            }
            (ConId::HASH, ConId::STR) => "a hash is written without quotes: `sha256-…`",
            (ConId::OPTION, _) if self.same_head(want_args[0], found) => "wrap it: `Some(…)`",
            (_, ConId::OPTION) if self.same_head(expected, have_args[0]) => {
                "it may be absent; use `match`, or `std.option.or_else`"
            }
            (ConId::LIST, _) if self.same_head(want_args[0], found) => "make it a list: `[…]`",
            (ConId::OPTION, ConId::PATH) => return self.conversion(want_args[0], found),
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn same_head(&self, a: TyId, b: TyId) -> bool {
        match (self.types.get(a), self.types.get(b)) {
            (Ty::Con(x, _), Ty::Con(y, _)) => x == y,
            (Ty::Record(_), Ty::Record(_)) => true,
            _ => false,
        }
    }

    /// Two record types with different fields: only the difference is shown.
    fn fields_differ(&self, expected: TyId, found: TyId, span: Span) -> Diagnostic {
        let difference = self.types.row_difference(expected, found);
        let name = self.record_name(expected);
        let (code, message) = match (difference.missing.as_slice(), difference.unknown.as_slice()) {
            ([], unknown) => (codes::UNKNOWN_FIELD, format!("{name} has no {}", listed(unknown))),
            (missing, _) => {
                (codes::MISSING_FIELD, format!("{} missing for {name}", listed(missing)))
            }
        };
        let label = if code == codes::UNKNOWN_FIELD {
            format!("has {}", listed(&difference.unknown))
        } else {
            format!("lacks {}", listed(&difference.missing))
        };
        let mut diagnostic = Diagnostic::error(code, self.source(), span, message, label);
        // The message has said the first part already.
        let said = if code == codes::UNKNOWN_FIELD { "not expected" } else { "missing" };
        for fact in self.field_facts(expected, found) {
            if !fact.starts_with(said) {
                diagnostic = diagnostic.note(fact);
            }
        }
        let row = self.types.row(expected);
        let hint = difference
            .unknown
            .iter()
            .find_map(|unknown| meant(unknown, difference.missing.iter().map(|name| &**name)));
        let optional = difference.missing.iter().any(|name| {
            row.fields.get(name).is_some_and(|field| field.presence != Presence::Required)
        });
        match hint {
            Some(hint) => diagnostic.help(hint.text),
            None if optional => diagnostic.help(
                "optional and defaulted fields are filled in for record literals only; write the literal here",
            ),
            None if code == codes::UNKNOWN_FIELD => diagnostic.help(
                "give a record of the needed fields alone, or let the type take others with a row variable: `{ … | r }`",
            ),
            None => diagnostic,
        }
    }

    /// What two record types do not share, as facts.
    fn field_facts(&self, expected: TyId, found: TyId) -> Vec<String> {
        let difference = self.types.row_difference(expected, found);
        let (want, have) = (self.types.row(expected), self.types.row(found));
        let mut facts = Vec::new();
        if !difference.missing.is_empty() {
            facts.push(format!("missing: {}", listed(&difference.missing)));
        }
        if !difference.unknown.is_empty() {
            facts.push(format!("not expected: {}", listed(&difference.unknown)));
        }
        for (name, field) in &want.fields {
            if facts.len() > SHOWN_NAMES {
                break;
            }
            let Some(other) = have.fields.get(name) else { continue };
            let (a, b) = self.types.show_two(field.ty, other.ty);
            if a != b && !a.contains('_') && !b.contains('_') {
                facts.push(format!("`{name}` must be `{a}`, but is `{b}`"));
            }
        }
        facts
    }

    /// A record type for a sentence: by its name, if it has one.
    pub(crate) fn record_name(&self, ty: TyId) -> String {
        match self.types.get(ty) {
            Ty::Record(_) if self.types.row(ty).alias.is_none() => "the record type".to_owned(),
            _ => format!("`{}`", self.types.show(ty)),
        }
    }

    /// Adds why the type is expected, unless that is said at the very same place.
    pub(crate) fn with_reason(
        &self,
        diagnostic: Diagnostic,
        expected: &Expect,
        span: Span,
    ) -> Diagnostic {
        let Some((place, why)) = &expected.why else { return diagnostic };
        if *place == self.place(span) {
            return diagnostic;
        }
        let ty = self.types.show(expected.stated);
        let text = match why {
            Why::Annotation => format!("because `{ty}` is asked for here"),
            Why::Parameter(name) => format!("because the parameter `{name}` has type `{ty}`"),
            Why::Result => format!("because the result is declared as `{ty}`"),
            Why::Field(name) => format!("because the field `{name}` has type `{ty}`"),
            Why::Same(what) => format!("because {what} has type `{ty}`"),
            Why::Always(what) => format!("because {what} is always `{ty}`"),
            Why::Default => format!("because this is declared as `{ty}`"),
        };
        diagnostic.label(place.0, place.1, text)
    }

    /// Reports fields that are given twice.
    pub(crate) fn refuse_repeated_fields<'i>(
        &mut self,
        names: impl Iterator<Item = &'i cbuild_syntax::ast::Ident>,
    ) {
        let mut seen: std::collections::BTreeMap<&str, Span> = std::collections::BTreeMap::new();
        for name in names {
            if let Some(first) = seen.get(name.text.as_str()) {
                let place = self.place(*first);
                self.error(
                    codes::DUPLICATE_FIELD,
                    name.span,
                    format!("the field `{}` is given twice", name.text),
                    "given again",
                )
                .also(place, "given here first")
                .fix("remove one of them");
            } else {
                seen.insert(&name.text, name.span);
            }
        }
    }
}

/// What a conversion puts around an expression, by what is said of it.
fn around(help: &str) -> Option<(&'static str, &'static str)> {
    match help {
        "put it into a text: `\"#{…}\"`" => Some(("\"#{", "}\"")),
        "put it into a script: `sh\"#{…}\"`" => Some(("sh\"#{", "}\"")),
        "put the files into the store: `std.fetch.local(…, \"src\")`" => {
            Some(("std.fetch.local(", ", \"src\")"))
        }
        "wrap it: `Some(…)`" => Some(("Some(", ")")),
        "make it a list: `[…]`" => Some(("[", "]")),
        _ => None,
    }
}

/// Names that are shown of many.
const SHOWN_NAMES: usize = 12;

/// Names in backquotes, as far as there is room for them.
pub(crate) fn quoted(names: &[&str]) -> String {
    let shown: Vec<String> =
        names.iter().take(SHOWN_NAMES).map(|name| format!("`{}`", name.escape_debug())).collect();
    match names.len().saturating_sub(SHOWN_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Names as part of a sentence: "field `a`" or "fields `a`, `b`".
pub(crate) fn listed(names: &[Name]) -> String {
    let plain: Vec<&str> = names.iter().map(|name| &**name).collect();
    format!("field{} {}", if plain.len() == 1 { "" } else { "s" }, quoted(&plain))
}
