//! What operators and holes need of a type that may not be known yet.
//!
//! Such a need is kept until the type is known. What is still unknown when a group of definitions
//! is complete becomes `Str`.

use cbuild_diag::Span;

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::operators::absent;
use crate::print::with_article;
use crate::types::{ConId, Place, Ty, TyId};

/// Fixes for holes with the wrong type.
const OPTION_IN_HOLE: &str = "it may be absent; decide with `match`, or `std.option.or_else`";
const SCRIPT_IN_TEXT: &str = "a text that refers to packages or files is a script: `sh\"…\"`";
const SCRIPT_HOLES: &str = "a hole of a script takes `Str`, `Int`, `Bool`, `Package`, `Path`, `Script`, or a list of those";

/// What is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To stand in a hole of a text.
    TextHole,
    /// To stand in a hole of a script.
    ScriptHole,
    /// To be joined by `++`.
    Join,
    /// To be ordered by `<` and its like.
    Order,
    /// To be compared by `==` and `!=`.
    Equal,
}

/// A need that waits for its type.
pub(crate) struct Pending {
    need: Need,
    ty: TyId,
    place: Place,
}

/// What is known about a need.
enum Verdict {
    Met,
    Unmet,
    Unknown,
}

impl Checker<'_> {
    pub(crate) fn need(&mut self, need: Need, ty: TyId, span: Span) {
        let pending = Pending { need, ty, place: self.place(span) };
        if let Some(waiting) = self.settle(pending) {
            self.body.pending.push(waiting);
        }
    }

    /// Looks at the waiting needs again, and keeps the types that they wait for from being generalised.
    pub(crate) fn settle_and_pin(&mut self) {
        for pending in std::mem::take(&mut self.body.pending) {
            if let Some(waiting) = self.settle(pending) {
                self.types.pin(waiting.ty);
                self.body.pending.push(waiting);
            }
        }
    }

    /// Looks at the waiting needs for the last time.
    pub(crate) fn settle_finally(&mut self) {
        // Those that leave no choice come first, as they may decide others.
        self.settle_and_pin();
        for pending in std::mem::take(&mut self.body.pending) {
            let Some(waiting) = self.settle(pending) else { continue };
            if waiting.need == Need::Equal {
                continue;
            }
            let target = self.undetermined(waiting.ty);
            let _ = self.types.unify(target, TyId::STR);
        }
    }

    /// The unknown type to be decided: the item type for a list in a hole.
    fn undetermined(&self, ty: TyId) -> TyId {
        match self.types.get(ty) {
            Ty::Con(ConId::LIST, args) => args[0],
            _ => ty,
        }
    }

    /// The need itself if its type is not known yet.
    fn settle(&mut self, pending: Pending) -> Option<Pending> {
        match self.judge(pending.need, pending.ty) {
            Verdict::Met => None,
            Verdict::Unknown => Some(pending),
            Verdict::Unmet => {
                self.refuse(&pending);
                None
            }
        }
    }

    fn judge(&mut self, need: Need, ty: TyId) -> Verdict {
        match self.types.get(ty) {
            Ty::Error => Verdict::Met,
            _ if self.types.is_unknown(ty) => Verdict::Unknown,
            _ if need == Need::Equal => self.judge_equal(ty),
            Ty::Con(con, args) => match need {
                Need::TextHole => met(is_plain(con)),
                Need::ScriptHole if con == ConId::LIST => match self.types.get(args[0]) {
                    Ty::Con(inner, _) => met(self.fits_script(inner)),
                    _ if self.types.is_unknown(args[0]) => Verdict::Unknown,
                    Ty::Error => Verdict::Met,
                    _ => Verdict::Unmet,
                },
                Need::ScriptHole => met(self.fits_script(con)),
                Need::Join => met(matches!(con, ConId::STR | ConId::SCRIPT | ConId::LIST)),
                Need::Order => met(matches!(con, ConId::STR | ConId::INT)),
                Need::Equal => Verdict::Met,
            },
            _ => Verdict::Unmet,
        }
    }

    fn fits_script(&self, con: ConId) -> bool {
        is_plain(con)
            || matches!(con, ConId::PATH | ConId::SCRIPT)
            || Some(con) == self.package
            || Some(con) == self.overridable
    }

    /// Everything can be compared but functions, wherever they hide.
    fn judge_equal(&mut self, ty: TyId) -> Verdict {
        self.types.start_walk();
        let mut todo = vec![ty];
        let mut unknown = false;
        while let Some(next) = todo.pop() {
            let next = self.types.resolve(next);
            if !self.types.first_visit(next) {
                continue;
            }
            let form = self.types.get(next);
            if matches!(form, Ty::Fn(..)) {
                return Verdict::Unmet;
            }
            if let Ty::Con(con, _) = &form {
                todo.extend(self.types.con_info(*con).cases.iter().flat_map(|c| c.fields.iter()));
            }
            unknown |= self.types.is_unknown(next);
            todo.extend(self.types.children(&form));
        }
        if unknown { Verdict::Unknown } else { Verdict::Met }
    }

    /// What an absent operand of `++` may count as.
    fn absent_operand(&self, pending: &Pending) -> Option<&'static str> {
        let Ty::Con(ConId::OPTION, args) = self.types.get(pending.ty) else { return None };
        match self.types.get(args[0]) {
            _ if pending.need != Need::Join => None,
            Ty::Con(ConId::STR, _) => Some("\"\""),
            Ty::Con(ConId::LIST, _) => Some("[]"),
            _ => None,
        }
    }

    fn refuse(&mut self, pending: &Pending) {
        let shown = self.types.show(pending.ty);
        let package =
            matches!(self.types.get(pending.ty), Ty::Con(con, _) if Some(con) == self.package);
        let option = matches!(self.types.get(pending.ty), Ty::Con(ConId::OPTION, _));
        let (code, message, fix) = match pending.need {
            Need::TextHole => (
                codes::BAD_HOLE,
                format!("{} cannot stand in a text", with_article(&shown)),
                Some(match shown.as_str() {
                    _ if option => OPTION_IN_HOLE,
                    "Script" | "Path" => SCRIPT_IN_TEXT,
                    _ if package => SCRIPT_IN_TEXT,
                    _ => "a hole of a text takes `Str`, `Int` or `Bool`",
                }),
            ),
            Need::ScriptHole => (
                codes::BAD_HOLE,
                format!("{} cannot stand in a script", with_article(&shown)),
                Some(if option { OPTION_IN_HOLE } else { SCRIPT_HOLES }),
            ),
            Need::Join => (
                codes::OPERAND,
                format!("`++` joins texts, scripts or lists, but this is {}", with_article(&shown)),
                (shown == "Int").then_some("`+` adds numbers"),
            ),
            Need::Order => (
                codes::OPERAND,
                format!("numbers and texts have an order, but this is {}", with_article(&shown)),
                None,
            ),
            Need::Equal => (
                codes::EQUAL_FUNCTIONS,
                "functions cannot be compared".to_owned(),
                Some("compare what the functions return"),
            ),
        };
        let (source, span) = pending.place;
        let diagnostic = cbuild_diag::Diagnostic::error(
            code,
            source,
            span,
            message,
            format!("has type `{shown}`"),
        );
        let fallback = self.absent_operand(pending);
        let fix = fix.map(str::to_owned).or_else(|| fallback.map(absent));
        self.push(diagnostic).maybe_fix(fix);
        self.add_fallback(fallback, pending.place);
    }
}

fn met(yes: bool) -> Verdict {
    if yes { Verdict::Met } else { Verdict::Unmet }
}

fn is_plain(con: ConId) -> bool {
    matches!(con, ConId::STR | ConId::INT | ConId::BOOL)
}
