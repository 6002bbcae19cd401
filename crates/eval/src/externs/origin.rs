//! Lazily recursive sets and packages that can be overridden, of the prelude.
//!
//! A set holds the function that makes its members, or the set below and the overlay upon it.
//! Everything here only describes; what is described is made when the members, the package or the
//! recipe are needed.

use std::rc::Rc;

use smallvec::SmallVec;

use super::Extern;
use crate::code::{Delay, Node};
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::interpret::Env;
use crate::machine::Machine;
use crate::value::{Closure, Layers, Origin, Record, Shape, Slot, Thunk, ThunkState, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("prelude.set", 1, set).lazy(&[0]),
    Extern::new("prelude.extend", 2, extend).lazy(&[0, 1]),
    Extern::new("prelude.members", 1, members),
    Extern::new("prelude.overridable", 2, overridable).lazy(&[0, 1]),
    Extern::new("prelude.override", 2, overriding).lazy(&[0, 1]),
];

/// Makes the members of a set from its layers.
static FINAL: Extern = Extern::new("prelude.set", 1, make_members);
/// Makes a package from a recipe and the function that makes it.
static PACKAGE: Extern = Extern::new("prelude.overridable", 1, apply_second);
/// Makes a recipe from an overridable package and a change.
static RECIPE: Extern = Extern::new("prelude.override", 1, changed_recipe);
/// The function that makes the package, of an overridable one.
static MAKE: Extern = Extern::new("prelude.override", 1, make_of);
/// Calls a function that is not there yet.
static CALL: Extern = Extern::new("list.map", 1, apply_second);

/// Changes of a recipe that are made inside one another. More of them are made one by one from the bottom, so
/// that any number of them needs no depth.
const CHANGES: usize = 64;

/// The fields that an overlay replaces.
type Fields = SmallVec<[Slot; 4]>;
type Result<T> = std::result::Result<T, Fault>;

fn set(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(Value::Set(Layers::new(Slot::Missing, args[0].clone())))
}

fn extend(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(Value::Set(Layers::new(args[0].clone(), args[1].clone())))
}

/// The members of a set, not made yet. They do not refer to the set itself, which holds them.
pub(crate) fn members_of(set: &Layers) -> Slot {
    let layers = Value::list(vec![set.below.clone(), set.function.clone()]);
    later(&FINAL, Slot::Ready(layers))
}

/// A slot that calls a function of this module when it is needed.
fn later(function: &'static Extern, argument: Slot) -> Slot {
    Slot::Lazy(Thunk::new(ThunkState::Apply(Value::Extern(function), argument)))
}

fn members(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let set = set_arg(m, &args[0], place)?;
    m.force(set.members())
}

fn set_arg(m: &mut Machine<'_>, slot: &Slot, place: Place) -> Result<Rc<Layers>> {
    match m.force(slot)? {
        Value::Set(set) => Ok(set),
        other => Err(FaultBody::defect(place, format!("{} is extended", other.kind()))),
    }
}

/// The layers are gathered first and laid in a loop, so that any number of them needs no depth.
fn make_members(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let layers = m.list_arg(&args[0], place)?;
    let [below, function] = &*layers.items else {
        return Err(FaultBody::defect(place, "a set without its layers"));
    };
    let (mut below, mut function) = (below.clone(), function.clone());
    let mut overlays = Vec::new();
    while !matches!(below, Slot::Missing) {
        m.tick(place)?;
        overlays.push(function);
        m.check_items(overlays.len(), place)?;
        let set = set_arg(m, &below, place)?;
        (below, function) = (set.below.clone(), set.function.clone());
    }
    let last = Thunk::new(ThunkState::Running);
    let result = Slot::Lazy(last.clone());
    let make = m.force(&function)?;
    let base = m.apply(&make, [result.clone()], place)?;
    let mut record = m.record_arg(&Slot::Ready(base), place)?;
    let mut seen = Positions::default();
    while let Some(overlay) = overlays.pop() {
        let overlay = m.force(&overlay)?;
        let before = Slot::Ready(Value::Record(record.clone()));
        let arguments = [result.clone(), before];
        if let Some((closure, shape, fields)) = plain_record(&overlay) {
            let fields = m.record_fields(closure, fields, arguments)?;
            let positions = seen.of(shape, &record.shape, place)?;
            record = laid_over(m, record, positions, fields, place)?;
        } else {
            let part = m.apply(&overlay, arguments, place)?;
            let part = m.record_arg(&Slot::Ready(part), place)?;
            let fields = part.fields.iter().cloned().collect();
            let positions = seen.of(&part.shape, &record.shape, place)?;
            record = laid_over(m, record, positions, fields, place)?;
        }
    }
    let value = Value::Record(record);
    last.state.replace(ThunkState::Done(value.clone()));
    Ok(value)
}

/// The body of a function that does nothing but make a record of its two parameters.
fn plain_record(function: &Value) -> Option<(&Rc<Closure>, &Rc<Shape>, &[Delay])> {
    let Value::Function(closure) = function else { return None };
    let code = &closure.code;
    let plain = (code.params, code.frame) == (2, 2) && code.defaults.is_empty();
    match &code.body {
        Node::Record(shape, fields) if plain && code.name.is_none() => {
            Some((closure, shape, fields))
        }
        _ => None,
    }
}

impl Machine<'_> {
    /// The fields of the record that such a function makes, which nobody needs as a record.
    fn record_fields(
        &mut self,
        closure: &Rc<Closure>,
        fields: &[Delay],
        arguments: [Slot; 2],
    ) -> Result<Fields> {
        let base = self.stack.len();
        self.stack.extend(arguments);
        let env = Env { captures: &closure.captures, this: Some(closure), base };
        let made = self.nested(closure.code.place, |machine| {
            machine.stats.calls += 1;
            machine.stats.made += 1;
            let mut made = Fields::with_capacity(fields.len());
            for field in fields {
                made.push(machine.delay(field, &env)?);
            }
            Ok(made)
        });
        self.stack.truncate(base);
        made
    }
}

/// Where the fields of the last overlay are in the record; overlays in a row are often alike.
#[derive(Default)]
struct Positions {
    seen: Option<Rc<Shape>>,
    positions: SmallVec<[usize; 8]>,
}

impl Positions {
    fn of(&mut self, part: &Rc<Shape>, whole: &Shape, place: Place) -> Result<&[usize]> {
        if !self.seen.as_ref().is_some_and(|seen| Rc::ptr_eq(seen, part)) {
            self.positions.clear();
            for &name in &part.names {
                let defect = || FaultBody::defect(place, "an overlay adds a field to its set");
                self.positions.push(whole.position(name).ok_or_else(defect)?);
            }
            self.seen = Some(part.clone());
        }
        Ok(&self.positions)
    }
}

/// The record with other values of some fields; in place when nobody else holds the record.
fn laid_over(
    m: &mut Machine<'_>,
    mut record: Rc<Record>,
    positions: &[usize],
    fields: Fields,
    place: Place,
) -> Result<Rc<Record>> {
    if Rc::get_mut(&mut record).is_none() {
        m.weigh_items(record.fields.len(), place)?;
        m.stats.copied += record.fields.len() as u64;
        let fields = record.fields.to_vec().into();
        record = Rc::new(Record { shape: record.shape.clone(), fields });
    }
    if let Some(record) = Rc::get_mut(&mut record) {
        for (at, field) in positions.iter().zip(fields) {
            record.fields[*at] = field;
        }
    }
    Ok(record)
}

fn overridable(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(with_recipe(args[0].clone(), args[1].clone(), Slot::Missing))
}

/// An overridable package; `below` is the one that it is a change of.
fn with_recipe(recipe: Slot, make: Slot, below: Slot) -> Value {
    let package = later(&PACKAGE, pair(recipe.clone(), make.clone()));
    Value::Overridable(Rc::new(Origin { slots: vec![package, recipe, make, below].into() }))
}

fn pair(first: Slot, second: Slot) -> Slot {
    Slot::Ready(Value::list(vec![first, second]))
}

fn overriding(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    let (below, change) = (args[0].settled(), args[1].clone());
    let make = match &below {
        Slot::Ready(Value::Overridable(old)) => old.slots[2].clone(),
        below => later(&MAKE, below.clone()),
    };
    Ok(with_recipe(later(&RECIPE, pair(below.clone(), change)), make, below))
}

fn origin_arg(m: &mut Machine<'_>, slot: &Slot, place: Place) -> Result<Rc<Origin>> {
    match m.force(slot)? {
        Value::Overridable(origin) => Ok(origin),
        other => Err(FaultBody::defect(place, format!("{} is overridden", other.kind()))),
    }
}

fn make_of(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let origin = origin_arg(m, &args[0], place)?;
    m.force(&origin.slots[2])
}

/// The recipe of a package that is a change of another one.
fn changed_recipe(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let parts = m.list_arg(&args[0], place)?;
    let [below, change] = &*parts.items else {
        return Err(FaultBody::defect(place, "a change without its package"));
    };
    let old = origin_arg(m, below, place)?;
    recipes_below(m, &old, place)?;
    let change = m.force(change)?;
    m.apply(&change, [old.slots[1].settled()], place)
}

/// Makes the recipes that a recipe may need, those at the bottom first, if there are many of them. One that
/// fails stays as it was, as perhaps it is not needed.
fn recipes_below(m: &mut Machine<'_>, top: &Rc<Origin>, place: Place) -> Result<()> {
    let (mut waiting, mut origin) = (Vec::new(), top.clone());
    while !m.recipes_fail
        && origin.slots[1].ready().is_none()
        && !matches!(origin.slots[3], Slot::Missing)
    {
        m.tick(place)?;
        waiting.push(origin.clone());
        origin = origin_arg(m, &origin.slots[3], place)?;
    }
    if waiting.len() < CHANGES {
        return Ok(());
    }
    while let Some(origin) = waiting.pop() {
        if let Err(fault) = m.force(&origin.slots[1]) {
            m.recipes_fail = true;
            let stopped = [codes::CANCELLED, codes::MEMORY].contains(&fault.diagnostic.code);
            return if stopped { Err(fault) } else { Ok(()) };
        }
    }
    Ok(())
}

/// The slot of a call with one argument, of a function that is not there yet.
pub(crate) fn call_of(argument: Slot, function: Slot) -> Slot {
    later(&CALL, pair(argument, function))
}

/// Calls the function that is the second item of a list with the first one.
fn apply_second(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let parts = m.list_arg(&args[0], place)?;
    match &*parts.items {
        [argument, function] => {
            let function = m.force(function)?;
            m.apply(&function, [argument.settled()], place)
        }
        _ => Err(FaultBody::defect(place, "a recipe without its function")),
    }
}
