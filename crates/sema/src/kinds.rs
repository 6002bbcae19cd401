//! Kinds: which type parameters stand for records alone.
//!
//! A parameter that a record type ends in, or that is an argument of a type whose parameter is such a
//! one, stands for a record without certain fields ([`Types::lacks`]). The first such parameters are those
//! of extern types, which cannot say it themselves. Wherever a type is written its arguments are held to the
//! kinds of its parameters; where it is inferred, unification does so.
//!
//! It deliberately knows nothing of values.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_diag::Span;

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::types::{Name, Place, Ty, TyId, Types, VarId, VarView};

/// Extern types of the prelude all of whose parameters are records.
const OF_RECORDS: &[&str] = &["Set", "Part", "Overridable", "Image"];

/// Whether the parameters of an extern type of the prelude stand for records.
pub(crate) fn is_of_records(name: &str) -> bool {
    OF_RECORDS.contains(&name)
}

/// An argument of a type that must have the kind of a parameter.
pub(crate) struct KindNeed {
    param: VarId,
    arg: TyId,
    place: Place,
    /// The type that was given the argument.
    of: Name,
}

/// Why a type does not have the kind that is needed.
#[derive(Debug, PartialEq, Eq)]
enum Unkind {
    /// It is no record.
    NotARecord,
    /// It is a type parameter, which may be anything.
    Anything(Name),
    /// It has this field already.
    Repeated(Name),
}

impl Types {
    /// Makes a type that is not determined yet stand for a record without the fields, or finds out
    /// whether it is one. Tells whether something changed.
    fn restrict(&mut self, ty: TyId, lacks: &BTreeSet<Name>) -> Result<bool, Unkind> {
        match self.get(ty) {
            Ty::Error => Ok(false),
            Ty::Record(_) => {
                let row = self.row(ty);
                if let Some(repeated) = row.fields.keys().find(|name| lacks.contains(*name)) {
                    return Err(Unkind::Repeated(repeated.clone()));
                }
                row.rest.map_or(Ok(false), |rest| self.restrict(rest, lacks))
            }
            Ty::Var(var) => self.restrict_var(var, lacks),
            Ty::Con(..) | Ty::Fn(..) => Err(Unkind::NotARecord),
        }
    }

    fn restrict_var(&mut self, var: VarId, lacks: &BTreeSet<Name>) -> Result<bool, Unkind> {
        let known = self.lacks(var);
        if known.as_ref().is_some_and(|known| lacks.is_subset(known)) {
            return Ok(false);
        }
        if let VarView::Rigid(name, level) = self.view(var)
            && level <= self.level
        {
            // Uses of it outside of what is written here rely on what is known of it.
            let known = known.unwrap_or_default();
            return Err(match lacks.iter().find(|name| !known.contains(*name)) {
                Some(repeated) if !known.is_empty() => Unkind::Repeated(repeated.clone()),
                _ => Unkind::Anything(name),
            });
        }
        self.add_lacks(var, lacks.iter().cloned());
        Ok(true)
    }
}

impl Checker<'_> {
    /// Holds an argument of a written type to the kind of its parameter. While the types of a module are
    /// being defined their parameters' kinds are not known yet, and it is put off. False if it was found
    /// to be of another kind.
    pub(crate) fn need_kind(&mut self, of: &str, param: VarId, arg: TyId, span: Span) -> bool {
        let need = KindNeed { param, arg, place: self.place(span), of: of.into() };
        if self.defining {
            self.kinds.push(need);
            return true;
        }
        self.meet_kind(&need)
    }

    /// Finds the kinds of the parameters that were just defined, and looks at what was put off.
    pub(crate) fn settle_kinds(&mut self) {
        let needs = std::mem::take(&mut self.kinds);
        let mut by_param: BTreeMap<VarId, Vec<usize>> = BTreeMap::new();
        for (index, need) in needs.iter().enumerate() {
            by_param.entry(need.param).or_default().push(index);
        }
        let mut open: Vec<usize> = (0..needs.len()).collect();
        while let Some(index) = open.pop() {
            let need = &needs[index];
            let Some(lacks) = self.types.lacks(need.param) else { continue };
            if self.types.restrict(need.arg, &lacks) == Ok(true) {
                // What uses the parameters in the argument must be as they are now.
                for var in self.types.rigid_vars(need.arg) {
                    open.extend(by_param.get(&var).into_iter().flatten());
                }
            }
        }
        for need in &needs {
            self.meet_kind(need);
        }
    }

    fn meet_kind(&mut self, need: &KindNeed) -> bool {
        let Some(lacks) = self.types.lacks(need.param) else { return true };
        let met = self.types.restrict(need.arg, &lacks);
        if let Err(why) = &met {
            self.unkind(why, need.arg, &need.of, need.place);
        }
        met.is_ok()
    }

    /// The tail of a written record type stands for a record without the fields in front.
    pub(crate) fn restrict_tail(&mut self, tail: TyId, lacks: &BTreeSet<Name>, span: Span) {
        if let Err(why) = self.types.restrict(tail, lacks) {
            let place = self.place(span);
            self.unkind(&why, tail, "a record with further fields", place);
        }
    }

    fn unkind(&mut self, why: &Unkind, arg: TyId, of: &str, (source, span): Place) {
        let shown = self.types.show(arg);
        let of = if of.contains(' ') { of.to_owned() } else { format!("`{of}`") };
        let (message, label, fix) = match why {
            Unkind::NotARecord => (
                format!("{of} is made of a record type, but `{shown}` is none"),
                "not a record",
                "write a record type, such as `{ name: Str }`, or the name of one".to_owned(),
            ),
            Unkind::Anything(name) => (
                format!("{of} is made of a record type, but `{name}` stands for any type"),
                "may be something else than a record",
                format!(
                    "write a record type, or let the signature say that `{name}` is one, as in `Set<{name}>`"
                ),
            ),
            Unkind::Repeated(name) => (
                format!("the field `{name}` would be there twice in {of}"),
                "has the field already",
                format!("leave `{name}` out of this record type"),
            ),
        };
        let diagnostic =
            cbuild_diag::Diagnostic::error(codes::NOT_A_RECORD, source, span, message, label);
        self.push(diagnostic).fix(fix);
    }
}
