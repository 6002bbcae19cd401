//! Equality of values.
//!
//! Values share parts, so that a value of a few hundred parts may be a tree of more than anybody can walk.
//! What is one and the same object is therefore equal without a look into it, and pairs of which it took
//! some time to find out that they are equal are remembered while the comparison lasts.

use std::collections::HashMap;
use std::rc::Rc;

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::value::{Slot, Value};

/// Looks into values that make a pair worth remembering. What takes fewer is compared again.
const WORTH: u64 = 32;

/// The addresses of two values.
type Pair = (usize, usize);

/// One comparison.
#[derive(Default)]
struct Comparison {
    /// How many pairs were looked into.
    looks: u64,
    /// Pairs that are equal. The values are held, so that their addresses stay theirs.
    equal: HashMap<Pair, (Value, Value)>,
}

impl Machine<'_> {
    /// Whether two values of one type are equal. Evaluates their parts as far as needed.
    pub(crate) fn equal(&mut self, a: &Value, b: &Value, place: Place) -> Result<bool, Fault> {
        match atoms(a, b) {
            Some(known) => Ok(known),
            None => self.equal_parts(&mut Comparison::default(), a, b, place),
        }
    }

    /// As [`Self::equal`], of values that are no atoms.
    fn equal_parts(
        &mut self,
        comparison: &mut Comparison,
        a: &Value,
        b: &Value,
        place: Place,
    ) -> Result<bool, Fault> {
        if matches!(a, Value::Function(_) | Value::Extern(_)) {
            let message = "functions cannot be compared";
            let label = "this comparison meets a function";
            return Err(FaultBody::new(codes::FUNCTION, place, message, label)
                .help("compare the data that the functions were made from"));
        }
        let (Some(x), Some(y)) = (address(a), address(b)) else { return Ok(false) };
        if x == y || comparison.equal.contains_key(&(x, y)) {
            return Ok(true);
        }
        let before = comparison.looks;
        comparison.looks += 1;
        let equal = self.equal_inside(comparison, a, b, place)?;
        if equal && comparison.looks - before >= WORTH {
            comparison.equal.insert((x, y), (a.clone(), b.clone()));
        }
        Ok(equal)
    }

    fn equal_inside(
        &mut self,
        comparison: &mut Comparison,
        a: &Value,
        b: &Value,
        place: Place,
    ) -> Result<bool, Fault> {
        match (a, b) {
            (Value::List(a), Value::List(b)) => {
                self.equal_slots(comparison, &a.items, &b.items, place)
            }
            (Value::Record(a), Value::Record(b)) if a.shape.names == b.shape.names => {
                self.equal_slots(comparison, &a.fields, &b.fields, place)
            }
            (Value::Variant(a), Value::Variant(b)) if a.tag == b.tag => {
                self.equal_slots(comparison, &a.fields, &b.fields, place)
            }
            (Value::Map(a), Value::Map(b)) => {
                if a.len() != b.len() || a.iter().zip(b.iter()).any(|(a, b)| a.0 != b.0) {
                    return Ok(false);
                }
                let left: Vec<Slot> = a.iter().map(|(_, slot)| slot.clone()).collect();
                let right: Vec<Slot> = b.iter().map(|(_, slot)| slot.clone()).collect();
                self.equal_slots(comparison, &left, &right, place)
            }
            (Value::Set(a), Value::Set(b)) => {
                let (a, b) = (a.members().clone(), b.members().clone());
                self.equal_slots(comparison, &[a], &[b], place)
            }
            (Value::Overridable(a), Value::Overridable(b)) => {
                self.equal_slots(comparison, &a.slots[..1], &b.slots[..1], place)
            }
            _ => Ok(false),
        }
    }

    fn equal_slots(
        &mut self,
        comparison: &mut Comparison,
        a: &[Slot],
        b: &[Slot],
        place: Place,
    ) -> Result<bool, Fault> {
        if a.len() != b.len() {
            return Ok(false);
        }
        self.nested(place, |machine| {
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (machine.force(a)?, machine.force(b)?);
                let equal = match atoms(&a, &b) {
                    Some(known) => known,
                    None => machine.equal_parts(comparison, &a, &b, place)?,
                };
                if !equal {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// The answer for values without parts to be evaluated.
fn atoms(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Protocol(a), Value::Protocol(b)) => {
            Rc::ptr_eq(a, b) || a == b
        }
        (Value::Hash(a), Value::Hash(b)) => a == b,
        (Value::Path(a), Value::Path(b)) => a == b,
        (Value::Script(a), Value::Script(b)) => a.is(b) || a.to_template() == b.to_template(),
        (Value::Tag(a), Value::Tag(b)) => a == b,
        (Value::Package(a), Value::Package(b)) => a == b,
        (Value::Image(a), Value::Image(b)) => a == b,
        (Value::Endpoint(a), Value::Endpoint(b)) => a == b,
        (Value::Variable(a), Value::Variable(b)) => a == b,
        _ => return None,
    })
}

/// Where a value with parts is in memory.
fn address(value: &Value) -> Option<usize> {
    Some(match value {
        Value::List(list) => Rc::as_ptr(list).addr(),
        Value::Record(record) => Rc::as_ptr(record).addr(),
        Value::Map(map) => map.address(),
        Value::Variant(variant) => Rc::as_ptr(variant).addr(),
        Value::Set(set) => Rc::as_ptr(set).addr(),
        Value::Overridable(origin) => Rc::as_ptr(origin).addr(),
        _ => return None,
    })
}
