//! Types as text for the reader.

use std::fmt::Write;

use crate::types::{Field, Presence, Ty, TyId, Types, VarView};

/// Characters after which a type is cut short.
const MAX_LENGTH: usize = 400;

/// How much a printed name says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// `Mode`.
    Name,
    /// `Mode (of lib/a.cbuild)`, for two types with the same name.
    Home,
}

impl Types {
    /// The type as written by a user, with the names of aliases kept.
    pub(crate) fn show(&self, ty: TyId) -> String {
        let mut out = String::new();
        Printer { types: self, detail: Detail::Name }.ty(&mut out, ty);
        cut(out)
    }

    /// Two types as text; where both would look the same they are told apart by where they are declared.
    pub(crate) fn show_two(&self, a: TyId, b: TyId) -> (String, String) {
        let (short_a, short_b) = (self.show(a), self.show(b));
        if short_a != short_b {
            return (short_a, short_b);
        }
        let (mut long_a, mut long_b) = (String::new(), String::new());
        let printer = Printer { types: self, detail: Detail::Home };
        printer.ty(&mut long_a, a);
        printer.ty(&mut long_b, b);
        (cut(long_a), cut(long_b))
    }
}

/// What is too long ends in dots; brackets that are still open then do not matter.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_LENGTH) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A type for a sentence, in quotes and with its article: "an `Int`".
pub(crate) fn with_article(shown: &str) -> String {
    let vowel = shown.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']);
    format!("{} `{shown}`", if vowel { "an" } else { "a" })
}

struct Printer<'a> {
    types: &'a Types,
    detail: Detail,
}

impl Printer<'_> {
    fn ty(&self, out: &mut String, ty: TyId) {
        if out.len() > MAX_LENGTH {
            if !out.ends_with('…') {
                out.push('…');
            }
            return;
        }
        cbuild_syntax::deep::guarded(|| match self.types.get(ty) {
            Ty::Error => out.push('?'),
            Ty::Var(var) => match self.types.view(var) {
                VarView::Rigid(name, _) => out.push_str(&name),
                VarView::Unbound(_) => out.push('_'),
            },
            Ty::Con(con, args) => {
                let con = self.types.con_info(con);
                out.push_str(&con.name);
                self.args(out, &args);
                if self.detail == Detail::Home && !con.home.is_empty() {
                    let _ = write!(out, " (of {})", con.home);
                }
            }
            Ty::Fn(params, result) => {
                out.push('(');
                self.list(out, &params);
                out.push_str(") -> ");
                self.ty(out, result);
            }
            Ty::Record(_) => self.record(out, ty),
        });
    }

    fn args(&self, out: &mut String, args: &[TyId]) {
        if !args.is_empty() {
            out.push('<');
            self.list(out, args);
            out.push('>');
        }
    }

    fn list(&self, out: &mut String, types: &[TyId]) {
        for (index, ty) in types.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.ty(out, *ty);
        }
    }

    fn record(&self, out: &mut String, ty: TyId) {
        let row = self.types.row(ty);
        if let Some((name, args)) = &row.alias
            && self.detail == Detail::Name
        {
            out.push_str(name);
            self.args(out, args);
            return;
        }
        if row.fields.is_empty() && row.rest.is_none() {
            out.push_str("{}");
            return;
        }
        out.push_str("{ ");
        for (index, (name, field)) in row.fields.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.field(out, name, field);
        }
        if let Some(rest) = row.rest {
            out.push_str(" | ");
            self.ty(out, rest);
        }
        out.push_str(" }");
    }

    fn field(&self, out: &mut String, name: &str, field: &Field) {
        out.push_str(&cbuild_syntax::field_name(name));
        match (field.presence, self.types.get(field.ty)) {
            (Presence::Optional, Ty::Con(_, args)) if args.len() == 1 => {
                out.push_str("?: ");
                self.ty(out, args[0]);
            }
            _ => {
                out.push_str(": ");
                self.ty(out, field.ty);
            }
        }
    }
}
