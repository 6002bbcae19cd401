//! Functions of numbers and truth values alone, compiled to code whose variables are plain words.
//!
//! A function qualifies if its parameters are surely needed, are numbers or truth values by what is
//! done with them, and its body is arithmetic, comparisons, conditionals, needed bindings, matches of
//! numbers and calls of functions that qualify too. What a word stands for is known here and
//! forgotten in the code. Every other function stays with the general code, which these functions
//! also have: it is used when an argument is not evaluated yet.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::{SourceId, Span};
use cbuild_sema::ir::{Arg, Expr, Global, GlobalBody, GlobalId, Local, Param, Pattern};
use cbuild_syntax::ast::{BinaryOp, UnaryOp};

use crate::compile::span_of;
use crate::fault::Place;
use crate::order;
use crate::stack;
use crate::strictness::Strictness;
use crate::value::{Slot, Value};

/// Most variables of a function of words, parameters included.
pub(crate) const FRAME: usize = 8;
/// Deepest nesting of the source of a function of words.
const NESTING: u32 = 32;

/// The variables of a running function of words.
pub(crate) type Frame = [i64; FRAME];

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Bool,
}

/// A function of words.
#[derive(Debug)]
pub(crate) struct WordCode {
    pub(crate) params: Box<[Kind]>,
    pub(crate) result: Kind,
    pub(crate) body: Word,
    /// Name of the global that it is the value of, for traces.
    pub(crate) name: Option<Rc<str>>,
    pub(crate) place: Place,
}

/// An expression whose value is a word.
#[derive(Debug)]
pub(crate) enum Word {
    Const(i64),
    Local(u32),
    Binary(BinaryOp, Box<[Word; 2]>, Place),
    Neg(Box<Word>, Place),
    Not(Box<Word>),
    /// Condition, result if true, result if false.
    If(Box<[Word; 3]>),
    /// A variable, its value, and what it is needed for.
    Let(u32, Box<[Word; 2]>),
    /// A call of the function itself.
    Again(Box<[Word]>),
    /// A call of another function.
    Call(Rc<WordCode>, Box<[Word]>),
}

impl WordCode {
    /// The frame for a call with these arguments, if all of them are evaluated.
    #[inline]
    pub(crate) fn arguments_of<'s>(
        &self,
        args: impl IntoIterator<Item = &'s Slot>,
    ) -> Option<Frame> {
        let mut frame = [0; FRAME];
        for ((word, kind), arg) in frame.iter_mut().zip(&self.params).zip(args) {
            *word = kind.word(arg)?;
        }
        Some(frame)
    }
}

impl Kind {
    /// The word of a value of this kind.
    fn word(self, slot: &Slot) -> Option<i64> {
        match (self, slot) {
            (Self::Int, Slot::Ready(Value::Int(number))) => Some(*number),
            (Self::Bool, Slot::Ready(Value::Bool(truth))) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    /// The value that a word stands for.
    pub(crate) fn value(self, word: i64) -> Value {
        match self {
            Self::Int => Value::Int(word),
            Self::Bool => Value::Bool(word != 0),
        }
    }
}

/// The functions of words among the globals of a program, found when they are asked for.
#[derive(Default)]
pub(crate) struct Words {
    /// What is being looked at counts as no function of words, which breaks mutual recursion.
    globals: BTreeMap<GlobalId, Option<Rc<WordCode>>>,
}

impl Words {
    /// The code of a global function.
    pub(crate) fn global(
        &mut self,
        strictness: &mut Strictness<'_>,
        id: GlobalId,
    ) -> Option<Rc<WordCode>> {
        if let Some(known) = self.globals.get(&id) {
            return known.clone();
        }
        self.globals.insert(id, None);
        let program = strictness.program();
        let global = program.globals.get(id.0 as usize)?;
        let GlobalBody::Expr(Expr::Lambda(params, body)) = &global.body else { return None };
        if !strictness.params(id).iter().all(|needed| *needed) {
            return None;
        }
        let name = Some(global.name.as_str().into());
        let own = Own { id: Some(id), source: global.source, span: global.span };
        let code = stack::guarded(|| self.function(strictness, params, body, own, name));
        self.globals.insert(id, code.clone());
        code
    }

    /// The code of a function that is no global and captures nothing.
    pub(crate) fn lambda(
        &mut self,
        strictness: &mut Strictness<'_>,
        params: &[Param],
        body: &Expr,
        place: Place,
    ) -> Option<Rc<WordCode>> {
        let own = Own { id: None, source: place.source, span: place.span };
        let code = self.function(strictness, params, body, own, None)?;
        let needs = strictness.let_needs(&[], body);
        params.iter().all(|param| needs.contains(&param.local)).then_some(code)
    }

    fn function(
        &mut self,
        strictness: &mut Strictness<'_>,
        params: &[Param],
        body: &Expr,
        own: Own,
        name: Option<Rc<str>>,
    ) -> Option<Rc<WordCode>> {
        if params.is_empty() || params.len() > FRAME || params.iter().any(|p| p.default.is_some()) {
            return None;
        }
        let mut kinds = Kinds {
            words: self,
            strictness,
            own: own.id,
            params: params.iter().map(|param| param.local).collect(),
            known: params.iter().map(|param| (param.local, None)).collect(),
            result: None,
            changed: true,
            nesting: 0,
        };
        while kinds.changed {
            kinds.changed = false;
            let expected = kinds.result;
            let found = kinds.kind(body, expected)?;
            kinds.result = agreed(kinds.result, found, &mut kinds.changed)?;
        }
        let known = kinds.known;
        let result = kinds.result?;
        let kinds: Option<Box<[Kind]>> =
            params.iter().map(|param| known.get(&param.local).copied().flatten()).collect();
        let kinds = kinds?;
        let place = Place { source: own.source, span: span_of(body).unwrap_or(own.span) };
        let mut writer = Writer { words: self, strictness, own, slots: BTreeMap::new(), size: 0 };
        for param in params {
            writer.slot(param.local)?;
        }
        let body = writer.word(body)?;
        Some(Rc::new(WordCode { params: kinds, result, body, name, place }))
    }
}

/// The function that is looked at.
#[derive(Clone, Copy)]
struct Own {
    id: Option<GlobalId>,
    source: SourceId,
    span: Span,
}

/// What two sources say of one kind; nothing if they contradict each other.
fn agreed(a: Option<Kind>, b: Option<Kind>, changed: &mut bool) -> Option<Option<Kind>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (None, Some(_)) => {
            *changed = true;
            Some(b)
        }
        _ => Some(a),
    }
}

/// The literal that a global is.
fn literal(global: Option<&Global>) -> Option<(Kind, i64)> {
    match &global?.body {
        GlobalBody::Expr(Expr::Int(number)) => Some((Kind::Int, *number)),
        GlobalBody::Expr(Expr::Bool(truth)) => Some((Kind::Bool, i64::from(*truth))),
        _ => None,
    }
}

/// What the variables of a function stand for, as far as it follows from what is done with them.
struct Kinds<'w, 's, 'p> {
    words: &'w mut Words,
    strictness: &'s mut Strictness<'p>,
    own: Option<GlobalId>,
    params: Vec<Local>,
    known: BTreeMap<Local, Option<Kind>>,
    result: Option<Kind>,
    /// Whether something was learnt since this was last cleared.
    changed: bool,
    nesting: u32,
}

impl Kinds<'_, '_, '_> {
    /// The kind of an expression, if it is known yet; the outer `None` if it can be no word.
    fn kind(&mut self, expr: &Expr, expected: Option<Kind>) -> Option<Option<Kind>> {
        if self.nesting == NESTING {
            return None;
        }
        self.nesting += 1;
        let kind = self.kind_inner(expr, expected);
        self.nesting -= 1;
        agreed(kind?, expected, &mut false)
    }

    fn kind_inner(&mut self, expr: &Expr, expected: Option<Kind>) -> Option<Option<Kind>> {
        Some(match expr {
            Expr::Int(_) => Some(Kind::Int),
            Expr::Bool(_) => Some(Kind::Bool),
            Expr::Watch(inner, ..) => self.kind(inner, expected)?,
            Expr::Local(local) => self.learn(*local, expected)?,
            Expr::Global(id) => {
                Some(literal(self.strictness.program().globals.get(id.0 as usize))?.0)
            }
            Expr::Unary(UnaryOp::Neg, operand, _) => self.kind(operand, Some(Kind::Int))?,
            Expr::Unary(UnaryOp::Not, operand, _) => self.kind(operand, Some(Kind::Bool))?,
            Expr::Binary(op, left, right, _) => Some(self.operation(*op, left, right)?),
            Expr::If(condition, yes, no) => {
                self.kind(condition, Some(Kind::Bool))?;
                self.alike(yes, no, expected)?
            }
            Expr::Let(bindings, body) => {
                let needs = self.strictness.let_needs(bindings, body);
                if !bindings.iter().all(|(local, _)| needs.contains(local)) {
                    return None;
                }
                for (local, value) in bindings {
                    let kind = self.known.get(local).copied().flatten();
                    let kind = self.kind(value, kind)?;
                    self.known.entry(*local).or_insert(None);
                    self.learn(*local, kind)?;
                }
                self.kind(body, expected)?
            }
            Expr::Match(scrutinee, arms, _) => self.arms(scrutinee, arms, expected)?,
            Expr::Call(callee, args, _) => self.call(callee, args)?,
            _ => return None,
        })
    }

    fn learn(&mut self, local: Local, kind: Option<Kind>) -> Option<Option<Kind>> {
        let known = self.known.get_mut(&local)?;
        *known = agreed(*known, kind, &mut self.changed)?;
        Some(*known)
    }

    /// The kind of two expressions that are of one kind.
    fn alike(&mut self, a: &Expr, b: &Expr, expected: Option<Kind>) -> Option<Option<Kind>> {
        let found = self.kind(a, expected)?;
        let found = self.kind(b, found)?;
        self.kind(a, found)
    }

    fn operation(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Kind> {
        let (operands, result) = match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
                (Kind::Int, Kind::Int)
            }
            BinaryOp::And | BinaryOp::Or => (Kind::Bool, Kind::Bool),
            // These are for other kinds of values too: what the operands are must follow from elsewhere.
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                if self.alike(left, right, None)? == Some(Kind::Bool) {
                    return None;
                }
                return Some(Kind::Bool);
            }
            BinaryOp::Eq | BinaryOp::Ne => {
                self.alike(left, right, None)?;
                return Some(Kind::Bool);
            }
            BinaryOp::Concat => return None,
        };
        self.kind(left, Some(operands))?;
        self.kind(right, Some(operands))?;
        Some(result)
    }

    fn arms(
        &mut self,
        scrutinee: &Expr,
        arms: &[(Pattern, Expr)],
        expected: Option<Kind>,
    ) -> Option<Option<Kind>> {
        let mut matched = None;
        for (pattern, _) in arms {
            matched = match pattern {
                Pattern::Int(_) => agreed(matched, Some(Kind::Int), &mut false)?,
                Pattern::Bool(_) => agreed(matched, Some(Kind::Bool), &mut false)?,
                Pattern::Wildcard | Pattern::Bind(_) => matched,
                Pattern::Construct(..) | Pattern::Str(_) => return None,
            };
        }
        let matched = self.kind(scrutinee, matched)?;
        let mut result = expected;
        for (pattern, body) in arms {
            if let Pattern::Bind(local) = pattern {
                self.known.entry(*local).or_insert(None);
                self.learn(*local, matched)?;
            }
            result = self.kind(body, result)?;
        }
        Some(result)
    }

    fn call(&mut self, callee: &Expr, args: &[Arg]) -> Option<Option<Kind>> {
        let Expr::Global(id) = callee else { return None };
        if self.own == Some(*id) {
            if args.len() != self.params.len() {
                return None;
            }
            for (at, arg) in args.iter().enumerate() {
                let Arg::Value(value) = arg else { return None };
                let param = self.params[at];
                let kind = self.known.get(&param).copied().flatten();
                let kind = self.kind(value, kind)?;
                self.learn(param, kind)?;
            }
            return Some(self.result);
        }
        let code = self.words.global(self.strictness, *id)?;
        if code.params.len() != args.len() {
            return None;
        }
        for (arg, kind) in args.iter().zip(&code.params) {
            let Arg::Value(value) = arg else { return None };
            self.kind(value, Some(*kind))?;
        }
        Some(Some(code.result))
    }
}

/// Writes the code of a function whose kinds are known.
struct Writer<'w, 's, 'p> {
    words: &'w mut Words,
    strictness: &'s mut Strictness<'p>,
    own: Own,
    slots: BTreeMap<Local, u32>,
    size: u32,
}

impl Writer<'_, '_, '_> {
    /// A place in the frame for a variable.
    fn slot(&mut self, local: Local) -> Option<u32> {
        let slot = self.fresh()?;
        self.slots.insert(local, slot);
        Some(slot)
    }

    fn fresh(&mut self) -> Option<u32> {
        let slot = self.size;
        self.size += 1;
        ((slot as usize) < FRAME).then_some(slot)
    }

    fn place(&self, span: Span) -> Place {
        Place { source: self.own.source, span }
    }

    fn word(&mut self, expr: &Expr) -> Option<Word> {
        Some(match expr {
            Expr::Int(number) => Word::Const(*number),
            Expr::Bool(truth) => Word::Const(i64::from(*truth)),
            Expr::Watch(inner, ..) => self.word(inner)?,
            Expr::Local(local) => Word::Local(*self.slots.get(local)?),
            Expr::Global(id) => {
                Word::Const(literal(self.strictness.program().globals.get(id.0 as usize))?.1)
            }
            Expr::Unary(UnaryOp::Neg, operand, span) => {
                Word::Neg(Box::new(self.word(operand)?), self.place(*span))
            }
            Expr::Unary(UnaryOp::Not, operand, _) => Word::Not(Box::new(self.word(operand)?)),
            Expr::Binary(op, left, right, span) => {
                let (left, right) = (self.word(left)?, self.word(right)?);
                match op {
                    BinaryOp::And => Word::If(Box::new([left, right, Word::Const(0)])),
                    BinaryOp::Or => Word::If(Box::new([left, Word::Const(1), right])),
                    _ => Word::Binary(*op, Box::new([left, right]), self.place(*span)),
                }
            }
            Expr::If(condition, yes, no) => {
                Word::If(Box::new([self.word(condition)?, self.word(yes)?, self.word(no)?]))
            }
            Expr::Let(bindings, body) => self.bindings(bindings, body)?,
            Expr::Match(scrutinee, arms, _) => {
                let scrutinee = self.word(scrutinee)?;
                let slot = self.fresh()?;
                let arms = self.arms(slot, arms)?;
                Word::Let(slot, Box::new([scrutinee, arms]))
            }
            Expr::Call(callee, args, _) => self.call(callee, args)?,
            _ => return None,
        })
    }

    fn bindings(&mut self, bindings: &[(Local, Expr)], body: &Expr) -> Option<Word> {
        let mut steps = Vec::with_capacity(bindings.len());
        for group in order::groups(bindings) {
            let ([only], false) = (group.members.as_slice(), group.recursive) else { return None };
            let (local, value) = &bindings[*only];
            let value = self.word(value)?;
            steps.push((self.slot(*local)?, value));
        }
        let body = self.word(body)?;
        let all = steps.into_iter().rev();
        Some(all.fold(body, |body, (slot, value)| Word::Let(slot, Box::new([value, body]))))
    }

    /// The arms of a match of what is in a slot, one inside the other. The checker knows that one fits.
    fn arms(&mut self, slot: u32, arms: &[(Pattern, Expr)]) -> Option<Word> {
        let mut tests = Vec::new();
        let mut last = None;
        for (pattern, body) in arms {
            if let Pattern::Bind(local) = pattern {
                self.slots.insert(*local, slot);
            }
            let body = self.word(body)?;
            let wanted = match pattern {
                Pattern::Int(number) => *number,
                Pattern::Bool(truth) => i64::from(*truth),
                _ => {
                    last = Some(body);
                    break;
                }
            };
            tests.push((wanted, body));
        }
        let last = match last {
            Some(last) => last,
            None => tests.pop()?.1,
        };
        let place = self.place(self.own.span);
        Some(tests.into_iter().rev().fold(last, |other, (wanted, body)| {
            let operands = [Word::Local(slot), Word::Const(wanted)];
            let test = Word::Binary(BinaryOp::Eq, Box::new(operands), place);
            Word::If(Box::new([test, body, other]))
        }))
    }

    fn call(&mut self, callee: &Expr, args: &[Arg]) -> Option<Word> {
        let Expr::Global(id) = callee else { return None };
        let mut words = Vec::with_capacity(args.len());
        for arg in args {
            let Arg::Value(value) = arg else { return None };
            words.push(self.word(value)?);
        }
        if self.own.id == Some(*id) {
            return Some(Word::Again(words.into()));
        }
        Some(Word::Call(self.words.global(self.strictness, *id)?, words.into()))
    }
}
