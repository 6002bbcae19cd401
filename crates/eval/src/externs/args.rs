//! Reading of the arguments of extern functions.
//!
//! The checker vouches for their types, so a value of another kind is a defect.

use std::rc::Rc;

use cbuild_drv::{ContentHash, Input, Template};

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::map::Map;
use crate::rope::Rope;
use crate::value::{List, ModulePath, Package, Record, Slot, Value};

/// An entry of a map of scripts.
pub(super) type NamedScript = (Rc<String>, Template<Input>);

macro_rules! readers {
    ($($(#[$meta:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl Machine<'_> {
            $($(#[$meta])*
            pub(super) fn $name(&mut self, slot: &Slot, place: Place) -> Result<$type, Fault> {
                match self.force(slot)? {
                    Value::$variant(value) => Ok(value),
                    other => Err(mistyped(&other, place)),
                }
            })*
        }
    };
}

readers! {
    int_arg: Int -> i64;
    bool_arg: Bool -> bool;
    text_arg: Str -> Rc<String>;
    hash_arg: Hash -> Rc<ContentHash>;
    path_arg: Path -> Rc<ModulePath>;
    rope_arg: Script -> Rope;
    list_arg: List -> Rc<List>;
    map_arg: Map -> Map;
    record_arg: Record -> Rc<Record>;
    package_arg: Package -> Rc<Package>;
    protocol_arg: Protocol -> Rc<String>;
}

impl Machine<'_> {
    /// A field of a record argument.
    pub(super) fn part(
        &self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Slot, Fault> {
        Ok(record.fields[self.part_position(record, name, place)?].clone())
    }

    /// The position of a field of a record argument, in all records of its shape.
    pub(super) fn part_position(
        &self,
        record: &Record,
        name: &'static str,
        place: Place,
    ) -> Result<usize, Fault> {
        self.shapes
            .position(&record.shape, name)
            .ok_or_else(|| FaultBody::defect(place, format!("the argument has no field `{name}`")))
    }

    /// A text field.
    pub(super) fn text_part(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Rc<String>, Fault> {
        let slot = self.part(record, name, place)?;
        self.text_arg(&slot, place)
    }

    /// The slot of an optional field, if it has a value.
    pub(super) fn optional_part(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Option<Slot>, Fault> {
        let slot = self.part(record, name, place)?;
        match self.force(&slot)? {
            Value::Tag(tag) if tag == self.shapes.none => Ok(None),
            Value::Variant(found) if found.tag == self.shapes.some => {
                Ok(found.fields.first().cloned())
            }
            other => Err(mistyped(&other, place)),
        }
    }

    /// An optional text field.
    pub(super) fn optional_text(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Option<Rc<String>>, Fault> {
        let slot = self.optional_part(record, name, place)?;
        slot.map(|slot| self.text_arg(&slot, place)).transpose()
    }

    /// A list field whose items are texts.
    pub(super) fn texts_part(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Vec<Rc<String>>, Fault> {
        let slot = self.part(record, name, place)?;
        let list = self.list_arg(&slot, place)?;
        list.items.iter().map(|item| self.text_arg(item, place)).collect()
    }

    /// A list field whose items are packages.
    pub(super) fn packages_part(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Vec<Rc<Package>>, Fault> {
        let slot = self.part(record, name, place)?;
        let list = self.list_arg(&slot, place)?;
        list.items.iter().map(|item| self.package_arg(item, place)).collect()
    }

    /// A map field whose values are scripts, in the order of the keys.
    pub(super) fn scripts_part(
        &mut self,
        record: &Rc<Record>,
        name: &'static str,
        place: Place,
    ) -> Result<Vec<NamedScript>, Fault> {
        let slot = self.part(record, name, place)?;
        let map = self.map_arg(&slot, place)?;
        let mut scripts = Vec::with_capacity(map.len());
        for (key, slot) in map.iter() {
            scripts.push((key.clone(), self.rope_arg(slot, place)?.to_template()));
        }
        Ok(scripts)
    }

    /// `Some(value)` of the language.
    pub(crate) fn some(&self, slot: Slot) -> Value {
        let fields = vec![slot].into();
        Value::Variant(Rc::new(crate::value::Variant { tag: self.shapes.some, fields }))
    }

    /// `None` of the language.
    pub(crate) fn none(&self) -> Value {
        Value::Tag(self.shapes.none)
    }
}

fn mistyped(value: &Value, place: Place) -> Fault {
    FaultBody::defect(place, format!("{} is given to a library function", value.kind()))
}

/// An argument that its type allows but the function does not.
pub(super) fn refused(place: Place, message: impl Into<String>) -> Fault {
    FaultBody::new(codes::ARGUMENT, place, message, "in this call")
}
