//! Lazily recursive sets and packages that can be overridden, of the prelude.
//!
//! A set holds its members, lazy, and its layers: a list of the function that makes the members,
//! or of the set below and the overlay upon it. Everything here only describes; what is described
//! is made when the members, the package or the recipe are needed.

use std::rc::Rc;

use super::Extern;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::value::{Origin, Record, Slot, Thunk, ThunkState, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("prelude.set", 1, set).lazy(&[0]),
    Extern::new("prelude.extend", 2, extend).lazy(&[0, 1]),
    Extern::new("prelude.members", 1, members),
    Extern::new("prelude.overridable", 2, overridable).lazy(&[0, 1]),
    Extern::new("prelude.override", 2, overriding).lazy(&[1]),
];

/// Makes the members of a set from its layers.
static FINAL: Extern = Extern::new("prelude.set", 1, make_members);
/// Makes a package from a recipe and the function that makes it.
static PACKAGE: Extern = Extern::new("prelude.overridable", 1, apply_second);
/// Makes a recipe from an overridable package and a change.
static RECIPE: Extern = Extern::new("prelude.override", 1, apply_second);

type Result<T> = std::result::Result<T, Fault>;

fn set(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(set_of(Value::list(vec![args[0].clone()])))
}

fn extend(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(set_of(Value::list(vec![args[0].clone(), args[1].clone()])))
}

fn set_of(layers: Value) -> Value {
    let members = later(&FINAL, Slot::Ready(layers.clone()));
    Value::Set(Rc::new(Origin { slots: vec![members, Slot::Ready(layers)].into() }))
}

/// A slot that calls a function of this module when it is needed.
fn later(function: &'static Extern, argument: Slot) -> Slot {
    Slot::Lazy(Thunk::new(ThunkState::Apply(Value::Extern(function), argument)))
}

fn members(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let set = set_arg(m, &args[0], place)?;
    m.force(&set.slots[0])
}

fn set_arg(m: &mut Machine<'_>, slot: &Slot, place: Place) -> Result<Rc<Origin>> {
    match m.force(slot)? {
        Value::Set(set) => Ok(set),
        other => Err(FaultBody::defect(place, format!("{} is extended", other.kind()))),
    }
}

/// The layers are gathered first and laid in a loop, so that any number of them needs no depth.
fn make_members(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let mut layers = m.list_arg(&args[0], place)?;
    let mut overlays = Vec::new();
    while let [below, overlay] = &*layers.items {
        m.tick(place)?;
        overlays.push(overlay.clone());
        m.check_items(overlays.len(), place)?;
        let set = set_arg(m, below, place)?;
        layers = m.list_arg(&set.slots[1], place)?;
    }
    let last = Thunk::new(ThunkState::Running);
    let result = Slot::Lazy(last.clone());
    let make = m.force(&layers.items[0])?;
    let base = m.apply(&make, [result.clone()], place)?;
    let mut record = m.record_arg(&Slot::Ready(base), place)?;
    while let Some(overlay) = overlays.pop() {
        let overlay = m.force(&overlay)?;
        let before = Slot::Ready(Value::Record(record.clone()));
        let part = m.apply(&overlay, [result.clone(), before], place)?;
        let part = m.record_arg(&Slot::Ready(part), place)?;
        record = laid_over(record, &part, place)?;
    }
    let value = Value::Record(record);
    last.state.replace(ThunkState::Done(value.clone()));
    Ok(value)
}

/// The record with the fields of the part; in place when nobody else holds the record.
fn laid_over(mut record: Rc<Record>, part: &Record, place: Place) -> Result<Rc<Record>> {
    if Rc::get_mut(&mut record).is_none() {
        let fields = record.fields.to_vec().into();
        record = Rc::new(Record { shape: record.shape.clone(), fields });
    }
    let shape = record.shape.clone();
    for (&name, slot) in part.shape.names.iter().zip(part.fields.iter()) {
        let at = shape.position(name);
        let field = Rc::get_mut(&mut record).zip(at).and_then(|(r, at)| r.fields.get_mut(at));
        match field {
            Some(field) => *field = slot.clone(),
            None => return Err(FaultBody::defect(place, "an overlay adds a field to its set")),
        }
    }
    Ok(record)
}

fn overridable(_: &mut Machine<'_>, args: &[Slot], _: Place) -> Result<Value> {
    Ok(with_recipe(args[0].clone(), args[1].clone()))
}

fn with_recipe(recipe: Slot, make: Slot) -> Value {
    let package = later(&PACKAGE, Slot::Ready(Value::list(vec![recipe.clone(), make.clone()])));
    Value::Overridable(Rc::new(Origin { slots: vec![package, recipe, make].into() }))
}

fn overriding(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let old = match m.force(&args[0])? {
        Value::Overridable(old) => old,
        other => return Err(FaultBody::defect(place, format!("{} is overridden", other.kind()))),
    };
    let argument = Value::list(vec![old.slots[1].clone(), args[1].clone()]);
    Ok(with_recipe(later(&RECIPE, Slot::Ready(argument)), old.slots[2].clone()))
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
