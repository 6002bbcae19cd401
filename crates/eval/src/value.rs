//! Values: small, cheap to clone, lazy in their parts.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use cbuild_diag::SourceId;
use cbuild_drv::{ContentHash, DrvId, Input, Name};
use cbuild_sema::ir::Symbol;
use smallvec::SmallVec;

use crate::burial;
use crate::code::{LambdaCode, ThunkCode};
use crate::externs::{self, Extern};
use crate::map::Map;
use crate::rope::Rope;

/// Most fields of a record that are looked through one after the other for a name.
const FEW: usize = 8;

/// A value that is evaluated to its outermost constructor; its parts may be lazy still.
///
/// Two words wide and cheap to clone: numbers and truth values are held in place, the rest is
/// shared. It stays valid after its evaluator is gone, but only an evaluator can look into it.
#[derive(Clone)]
pub enum Value {
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// Plain text.
    Str(Rc<String>),
    /// The hash of a download.
    Hash(Rc<ContentHash>),
    /// A file or folder of a module.
    Path(Rc<ModulePath>),
    /// Text with references.
    Script(Rope),
    /// A list.
    List(Rc<List>),
    /// A record.
    Record(Rc<Record>),
    /// A map from text.
    Map(Map),
    /// A constructor without payload.
    Tag(Symbol),
    /// A constructor with payload.
    Variant(Rc<Variant>),
    /// A function of the language.
    Function(Rc<Closure>),
    /// A function that the evaluator supplies.
    Extern(&'static Extern),
    /// Something that can be built.
    Package(Rc<Package>),
    /// A container image.
    Image(Rc<Image>),
    /// The identity of a protocol.
    Protocol(Rc<String>),
    /// An address that an image serves or needs.
    Endpoint(Rc<Endpoint>),
    /// An environment variable that an image reads.
    Variable(Rc<Variable>),
    /// A lazily recursive set: its members, and how they are made.
    Set(Rc<Layers>),
    /// A package that remembers its recipe: package, recipe, and how one is made of the other.
    Overridable(Rc<Origin>),
}

/// What a variable, a field or an item holds: a value, or the means to get it.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// Evaluated.
    Ready(Value),
    /// Evaluated at most once, when first needed.
    Lazy(Rc<Thunk>),
    /// A field of a lazy record, which code captured instead of the whole record; the code knows which.
    Part(Rc<Thunk>),
    /// The value of a global, by index.
    Global(u32),
    /// A field of a global.
    GlobalPart(u32),
    /// An argument that the caller left to its default; also a variable before it is bound.
    Missing,
}

/// A path literal.
#[derive(Debug, PartialEq, Eq)]
pub struct ModulePath {
    /// File that the path stands in.
    pub source: SourceId,
    /// Normalised path, relative to that file's folder.
    pub path: Rc<str>,
}

/// A list. Its items may be lazy.
pub struct List {
    pub(crate) items: Items,
}

/// A record.
pub struct Record {
    pub(crate) shape: Rc<Shape>,
    pub(crate) fields: Slots,
}

/// The field names of a record. Equal sets of names have one shape per evaluation.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Names, in the order of the fields, which is that of their text.
    pub(crate) names: Box<[Symbol]>,
    /// Names and positions, in the order of the symbols' numbers.
    positions: Box<[(Symbol, u32)]>,
}

/// A constructor with payload.
pub struct Variant {
    pub(crate) tag: Symbol,
    pub(crate) fields: Slots,
}

/// A function with the variables that it captured.
pub struct Closure {
    pub(crate) code: Rc<LambdaCode>,
    pub(crate) captures: Slots,
}

/// A value and what it was made from. The first slot is what users of the value see, lazy; the
/// others are its making.
pub struct Origin {
    pub(crate) slots: Slots,
}

/// A lazily recursive set: the function that makes its members, or the set below and the overlay
/// upon it. Nothing is made of it until the members are asked for.
pub struct Layers {
    /// The set below; missing where there is none.
    pub(crate) below: Slot,
    /// The function that makes the members, or the overlay.
    pub(crate) function: Slot,
    members: OnceCell<Slot>,
}

/// Something that can be built.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The field `name`.
    pub name: Rc<String>,
    /// The field `version`; empty when there is none.
    pub version: Rc<String>,
    /// Name of the derivation, for readers.
    pub label: Name,
    /// The derivation's output.
    pub input: Input,
    /// The derivation.
    pub drv: DrvId,
}

/// A container image.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// Name of the image.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// Derivation of the image document.
    pub drv: DrvId,
}

/// An address that an image serves (with transport and port) or needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Identity of the protocol.
    pub protocol: Rc<String>,
    /// Transport (`tcp`, `udp`) and port where it is served.
    pub served: Option<(&'static str, u16)>,
}

/// An environment variable that an image reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name of the variable.
    pub name: String,
    /// Whether the program refuses to start without it.
    pub required: bool,
}

/// Parts of a value; dropping them never overflows the stack.
#[derive(Default)]
pub(crate) struct Slots(Box<[Slot]>);

/// Items of a list, which may have room for more; dropping them never overflows the stack.
#[derive(Default)]
pub(crate) struct Items(Vec<Slot>);

/// A suspended evaluation.
pub(crate) struct Thunk {
    pub(crate) state: RefCell<ThunkState>,
}

/// Variables that a suspended evaluation captured.
pub(crate) type Captures = SmallVec<[Slot; 3]>;

/// How far a suspended evaluation is. While one is running its state is borrowed for writing.
#[derive(Default)]
pub(crate) enum ThunkState {
    /// Not begun: code and captured variables.
    Pending(Rc<ThunkCode>, Captures),
    /// Not begun: a function and its one argument.
    Apply(Value, Slot),
    /// Not filled in yet: to need it now is a cycle.
    #[default]
    Running,
    /// Done.
    Done(Value),
}

impl Value {
    /// Plain text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Str(Rc::new(text.into()))
    }

    /// A list of slots.
    pub(crate) fn list(items: Vec<Slot>) -> Self {
        Self::List(Rc::new(List { items: items.into() }))
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "a number",
            Self::Bool(_) => "a truth value",
            Self::Str(_) => "a text",
            Self::Hash(_) => "a hash",
            Self::Path(_) => "a path",
            Self::Script(_) => "a script",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
            Self::Map(_) => "a map",
            Self::Tag(_) | Self::Variant(_) => "a variant",
            Self::Function(_) | Self::Extern(_) => "a function",
            Self::Package(_) => "a package",
            Self::Image(_) => "an image",
            Self::Protocol(_) => "a protocol",
            Self::Endpoint(_) => "an endpoint",
            Self::Variable(_) => "an environment variable",
            Self::Set(_) => "a set",
            Self::Overridable(_) => "a package",
        }
    }

    /// Whether dropping it cannot drop other values.
    fn is_flat(&self) -> bool {
        !matches!(
            self,
            Self::Script(_)
                | Self::List(_)
                | Self::Record(_)
                | Self::Map(_)
                | Self::Variant(_)
                | Self::Function(_)
                | Self::Set(_)
                | Self::Overridable(_)
        )
    }
}

impl fmt::Debug for Value {
    /// Shows the outermost constructor alone: parts may be lazy, and may be cyclic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "Int({number})"),
            Self::Bool(truth) => write!(f, "Bool({truth})"),
            Self::Str(text) => write!(f, "Str({text:?})"),
            Self::Package(package) => write!(f, "Package({})", package.label),
            Self::List(list) => write!(f, "List({} items)", list.items.len()),
            other => write!(f, "<{}>", other.kind()),
        }
    }
}

impl fmt::Debug for Thunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thunk")
    }
}

impl Thunk {
    pub(crate) fn new(state: ThunkState) -> Rc<Self> {
        Rc::new(Self { state: RefCell::new(state) })
    }

    /// The value, if it is there already. While it is evaluated, its state is borrowed.
    pub(crate) fn done(&self) -> Option<Value> {
        match &*self.state.try_borrow().ok()? {
            ThunkState::Done(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The slot of a field, if the value is a record that is there already.
    pub(crate) fn part(&self, name: Symbol) -> Option<Slot> {
        match &*self.state.try_borrow().ok()? {
            ThunkState::Done(Value::Record(record)) => Some(record.part(name)?.settled()),
            _ => None,
        }
    }
}

impl Slot {
    /// Whether dropping it cannot drop other values.
    pub(crate) fn is_flat(&self) -> bool {
        match self {
            Self::Ready(value) => value.is_flat(),
            Self::Lazy(_) | Self::Part(..) => false,
            Self::Global(_) | Self::GlobalPart(..) | Self::Missing => true,
        }
    }

    /// The value, if it is there already.
    pub(crate) fn ready(&self) -> Option<Value> {
        match self {
            Self::Ready(value) => Some(value.clone()),
            Self::Lazy(thunk) => thunk.done(),
            _ => None,
        }
    }

    /// The value, if it is there already and a number.
    pub(crate) fn ready_number(&self) -> Option<i64> {
        match self {
            Self::Ready(Value::Int(number)) => Some(*number),
            Self::Lazy(thunk) => match &*thunk.state.try_borrow().ok()? {
                ThunkState::Done(Value::Int(number)) => Some(*number),
                _ => None,
            },
            _ => None,
        }
    }

    /// The slot without a layer of laziness that is no longer needed.
    pub(crate) fn settled(&self) -> Self {
        match self {
            Self::Lazy(thunk) => thunk.done().map_or_else(|| self.clone(), Self::Ready),
            _ => self.clone(),
        }
    }
}

impl From<Value> for Slot {
    fn from(value: Value) -> Self {
        Self::Ready(value)
    }
}

impl Shape {
    /// A shape of names that are sorted by text.
    pub(crate) fn new(names: &[Symbol]) -> Self {
        let mut positions: Vec<(Symbol, u32)> = names.iter().copied().zip(0..).collect();
        positions.sort_unstable();
        Self { names: names.into(), positions: positions.into() }
    }

    /// Position of a field.
    pub(crate) fn position(&self, name: Symbol) -> Option<usize> {
        if self.names.len() <= FEW {
            return self.names.iter().position(|&known| known == name);
        }
        let found = self.positions.binary_search_by_key(&name, |&(symbol, _)| symbol).ok()?;
        Some(self.positions[found].1 as usize)
    }
}

impl Record {
    /// The slot of a field.
    pub(crate) fn part(&self, name: Symbol) -> Option<&Slot> {
        self.shape.position(name).map(|position| &self.fields[position])
    }
}

impl Layers {
    /// A set of which nothing is made yet.
    pub(crate) fn new(below: Slot, function: Slot) -> Rc<Self> {
        Rc::new(Self { below, function, members: OnceCell::new() })
    }

    /// The members, lazy.
    pub(crate) fn members(&self) -> &Slot {
        self.members.get_or_init(|| externs::members_of(self))
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // Members and function are dropped where they are: what could be deep in them is behind slots that
        // count their depth. The sets below are followed as long as nobody else holds them.
        let mut below = std::mem::replace(&mut self.below, Slot::Missing);
        while let Slot::Ready(Value::Set(set)) = below {
            let Some(mut set) = Rc::into_inner(set) else { return };
            below = std::mem::replace(&mut set.below, Slot::Missing);
        }
    }
}

impl std::ops::Deref for Slots {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        &self.0
    }
}

impl std::ops::DerefMut for Slots {
    fn deref_mut(&mut self) -> &mut [Slot] {
        &mut self.0
    }
}

impl From<Vec<Slot>> for Slots {
    fn from(slots: Vec<Slot>) -> Self {
        Self(slots.into())
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        Self(slots.into_iter().collect())
    }
}

impl Items {
    /// How many items can be added without moving the others.
    pub(crate) fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    /// Adds items at the end, in time that goes with their number alone.
    pub(crate) fn append(&mut self, more: &[Slot]) {
        self.0.extend_from_slice(more);
    }
}

impl std::ops::Deref for Items {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        &self.0
    }
}

impl From<Vec<Slot>> for Items {
    fn from(items: Vec<Slot>) -> Self {
        Self(items)
    }
}

impl FromIterator<Slot> for Items {
    fn from_iter<I: IntoIterator<Item = Slot>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        if !self.0.iter().all(Slot::is_flat) {
            burial::bury(std::mem::take(&mut self.0));
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        if !self.0.iter().all(Slot::is_flat) {
            burial::bury(std::mem::take(&mut self.0));
        }
    }
}

impl Drop for Thunk {
    fn drop(&mut self) {
        match std::mem::take(self.state.get_mut()) {
            ThunkState::Running => {}
            ThunkState::Done(value) => {
                if !value.is_flat() {
                    burial::bury([Slot::Ready(value)]);
                }
            }
            ThunkState::Pending(_, captures) => {
                if !captures.iter().all(Slot::is_flat) {
                    burial::bury(captures);
                }
            }
            ThunkState::Apply(function, argument) => {
                burial::bury([Slot::Ready(function), argument]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slots_are_two_words() {
        assert_eq!(size_of::<Value>(), 16);
        assert_eq!(size_of::<Slot>(), 16);
        assert_eq!(size_of::<Result<Value, Box<i64>>>(), 16);
    }

    #[test]
    fn a_shape_finds_its_names_by_position() {
        let shape = Shape::new(&[Symbol(7), Symbol(2), Symbol(5)]);
        assert_eq!(shape.position(Symbol(2)), Some(1));
        assert_eq!(shape.position(Symbol(7)), Some(0));
        assert_eq!(shape.position(Symbol(3)), None);
    }

    #[test]
    fn dropping_a_deep_value_does_not_overflow_the_stack() {
        let mut value = Value::Int(0);
        for _ in 0..1_000_000 {
            value = Value::Variant(Rc::new(Variant {
                tag: Symbol(0),
                fields: vec![Slot::Ready(value)].into(),
            }));
        }
        drop(value);
    }
}
