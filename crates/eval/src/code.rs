//! The compiled form of the typed core: trees whose variables are resolved to slots.
//!
//! A function's parameters, `let` variables and pattern variables live in one frame on the
//! evaluator's stack ([`Ref::Local`]); variables of enclosing functions are copied into the
//! closure when it is made ([`Ref::Captured`]). Suspended expressions are small functions without
//! parameters that capture in the same way.

use std::cell::Cell;
use std::rc::Rc;

use cbuild_sema::ir::{Decoders, Symbol, Watched};
use cbuild_syntax::ast::{BinaryOp, Deep};

use crate::fault::Place;
use crate::value::{Record, Shape, Slot, Value};
use crate::words::WordCode;

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ref {
    /// A slot of the running function's frame.
    Local(u32),
    /// A captured variable.
    Captured(u32),
    /// The running function itself.
    This,
}

/// An expression that is evaluated now.
#[derive(Debug)]
pub(crate) enum Node {
    /// A value known beforehand.
    Const(Value),
    /// A variable.
    Var(Ref),
    /// A field of which the running code captured nothing else.
    Part(u32, Symbol),
    /// A variable of the frame that is not used again, so that its value need not be kept.
    Take(u32),
    /// A global.
    Global(u32),
    /// Text with holes.
    Text(Box<[Part]>, Place),
    /// Script with holes.
    Script(Box<[Part]>, Place),
    /// A function and what it captures.
    Lambda(Rc<LambdaCode>, Box<[Ref]>),
    /// A call.
    Call(Box<Call>),
    /// Bindings, then the result.
    Let(Box<[Bind]>, Box<Node>),
    /// Condition, result if true, result if false.
    If(Box<[Node; 3]>),
    /// A match.
    Match(Box<Match>),
    /// A record.
    Record(Rc<Shape>, Box<[Delay]>),
    /// A record with fields replaced.
    With(Box<Node>, Box<[(Symbol, Delay)]>, Place),
    /// A map.
    Map(Box<[(Rc<String>, Delay)]>),
    /// A field.
    Field(Box<Field>),
    /// A list.
    List(Box<[Delay]>),
    /// A constructor with payload.
    Construct(Symbol, Box<[Delay]>),
    /// An operation on two evaluated operands; `&&` and `||` are conditionals.
    Binary(BinaryOp, Box<[Node; 2]>, Place),
    /// The content of the file that a path names.
    Decode(Rc<Decoders>, Box<Node>, Place),
    /// Negation of a number.
    Neg(Box<Node>, Place),
    /// Negation of a truth value.
    Not(Box<Node>),
    /// An expression of a failing test, whose value is noted.
    Watch(Box<Node>, Place, Watched),
    /// Deep in the source: the stack is looked at before going on, and when it is dropped.
    Deep(Deep<Node>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Const(Value::Bool(false))
    }
}

/// A piece of text with holes.
#[derive(Debug)]
pub(crate) enum Part {
    Text(Rc<str>),
    Hole(Node),
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Callee,
    pub(crate) args: Box<[Arg]>,
    pub(crate) place: Place,
}

/// What is called.
#[derive(Debug)]
pub(crate) enum Callee {
    Global(u32),
    Node(Node),
}

/// An argument.
#[derive(Debug)]
pub(crate) enum Arg {
    /// The callee surely needs it.
    Now(Node),
    /// The callee may not need it.
    Later(Delay),
    /// The callee's default.
    Default,
}

/// A field access, with the shape and position that it saw last.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) base: Node,
    pub(crate) name: Symbol,
    pub(crate) place: Place,
    /// Address of a shape (shapes live as long as the evaluator) and the field's position in it.
    pub(crate) seen: Cell<(usize, u32)>,
}

impl Field {
    /// The slot of the field in a record.
    #[inline]
    pub(crate) fn of<'r>(&self, record: &'r Record) -> Option<&'r Slot> {
        let shape = Rc::as_ptr(&record.shape).addr();
        let (seen, position) = self.seen.get();
        if seen == shape {
            return Some(&record.fields[position as usize]);
        }
        let position = record.shape.position(self.name)?;
        self.seen.set((shape, u32::try_from(position).ok()?));
        Some(&record.fields[position])
    }
}

/// A match.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) scrutinee: Node,
    pub(crate) arms: Box<[(Pattern, Node)]>,
    /// Of the arms in front that are numbers or texts.
    pub(crate) literals: Literals,
    pub(crate) place: Place,
}

/// The arms at the start of a match that are all numbers or all texts, ordered, so that many of them need
/// no more than a few comparisons.
#[derive(Debug)]
pub(crate) enum Literals {
    /// Too few for a table.
    None,
    /// Numbers and their arms, and the number of arms.
    Ints(Box<[(i64, usize)]>, usize),
    /// Texts and their arms, and the number of arms.
    Texts(Box<[(Rc<str>, usize)]>, usize),
}

impl Literals {
    /// Fewer arms are looked at one after the other.
    const LEAST: usize = 8;

    pub(crate) fn of(arms: &[(Pattern, Node)]) -> Self {
        let (mut ints, mut texts) = (Vec::new(), Vec::new());
        for (at, (pattern, _)) in arms.iter().enumerate() {
            match pattern {
                Pattern::Int(number) if texts.is_empty() => ints.push((*number, at)),
                Pattern::Str(text) if ints.is_empty() => texts.push((text.clone(), at)),
                _ => break,
            }
        }
        let count = ints.len() + texts.len();
        if count < Self::LEAST {
            return Self::None;
        }
        // No two are equal, as the later one would never be reached.
        ints.sort();
        texts.sort();
        match texts.is_empty() {
            true => Self::Ints(ints.into(), count),
            false => Self::Texts(texts.into(), count),
        }
    }

    /// The arm of a value, or where the arms behind the literals begin; nothing without a table.
    pub(crate) fn find(&self, value: &Value) -> Option<Result<usize, usize>> {
        let (found, count) = match (self, value) {
            (Self::Ints(table, count), Value::Int(number)) => {
                let at = table.binary_search_by_key(number, |(known, _)| *known);
                (at.map(|at| table[at].1), *count)
            }
            (Self::Texts(table, count), Value::Str(text)) => {
                let at = table.binary_search_by(|(known, _)| (**known).cmp(text.as_str()));
                (at.map(|at| table[at].1), *count)
            }
            _ => return None,
        };
        Some(found.map_err(|_| count))
    }
}

/// A pattern with resolved variables.
#[derive(Debug)]
pub(crate) enum Pattern {
    Wildcard,
    Bind(u32),
    Tag(Symbol),
    Construct(Symbol, Box<[Pattern]>),
    Int(i64),
    Bool(bool),
    Str(Rc<str>),
}

/// A step of a `let`.
#[derive(Debug)]
pub(crate) enum Bind {
    /// The result surely needs it, so it is evaluated at once.
    Now(u32, Node),
    /// Evaluated when needed.
    Later(u32, Delay),
    /// Bindings that need one another.
    Group(Box<[(u32, Suspend)]>),
}

/// How a slot is filled with the value of an expression that may never be needed.
#[derive(Debug)]
pub(crate) enum Delay {
    /// Known beforehand.
    Const(Value),
    /// The slot of another variable.
    Var(Ref),
    /// A global.
    Global(u32),
    /// Something whose outermost constructor costs no more than its suspension would.
    Now(Box<Node>),
    /// Evaluated at once if that needs neither a call nor a lazy value, and does not fail; else suspended.
    Try(Box<Node>, Suspend),
    /// Suspended.
    Later(Suspend),
}

/// A suspension to be made.
#[derive(Debug)]
pub(crate) struct Suspend {
    pub(crate) code: Rc<ThunkCode>,
    pub(crate) captures: Box<[Capture]>,
}

/// What a suspension captures. A field does not keep the other fields of its record alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// A variable.
    Whole(Ref),
    /// A field of a variable.
    Part(Ref, Symbol),
    /// What the code around it captured as a field.
    Again(u32, Symbol),
}

/// A suspended expression.
#[derive(Debug)]
pub(crate) struct ThunkCode {
    pub(crate) body: Node,
    /// Number of slots in the frame.
    pub(crate) frame: u32,
    pub(crate) label: Label,
    pub(crate) place: Place,
}

/// What a reader would call a lazy value.
#[derive(Clone, Debug)]
pub(crate) enum Label {
    None,
    Field(Symbol),
    Key(Rc<String>),
}

/// A function.
#[derive(Debug)]
pub(crate) struct LambdaCode {
    pub(crate) params: u32,
    /// Number of slots in the frame, parameters included.
    pub(crate) frame: u32,
    /// Parameters that may be left out, with their defaults.
    pub(crate) defaults: Box<[(u32, Delay)]>,
    pub(crate) body: Node,
    /// Whether the body is worth trying at once, see [`Delay::Try`].
    pub(crate) cheap: bool,
    /// Whether the body makes a small record, list, map or variant of its parameters: to make it at once
    /// costs no more than to suspend the call.
    pub(crate) builds: bool,
    /// The same function for arguments that are evaluated, if it is one of numbers and truth values.
    pub(crate) words: Option<Rc<WordCode>>,
    /// Name of the global that it is the value of, for traces.
    pub(crate) name: Option<Rc<str>>,
    pub(crate) place: Place,
}
