//! `std.map`.

use std::rc::Rc;

use super::Extern;
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::map::Map;
use crate::value::{Record, Shape, Slot, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("map.get", 2, get),
    Extern::new("map.set", 3, set).lazy(&[2]),
    Extern::new("map.get_or", 3, get_or).lazy(&[2]),
    Extern::new("map.has", 2, has),
    Extern::new("map.size", 1, size),
    Extern::new("map.keys", 1, keys),
    Extern::new("map.values", 1, values),
    Extern::new("map.merge", 2, merge),
    Extern::new("map.from_list", 1, from_list),
    Extern::new("map.to_list", 1, to_list),
    Extern::new("map.map_values", 2, map_values).lazy(&[1]),
];

type Result<T> = std::result::Result<T, Fault>;

fn get(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (map, key) = (m.map_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    Ok(map.get(&key).map_or_else(|| m.none(), |slot| m.some(slot.clone())))
}

fn get_or(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (map, key) = (m.map_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    m.force(map.get(&key).unwrap_or(&args[2]))
}

fn has(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (map, key) = (m.map_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    Ok(Value::Bool(map.get(&key).is_some()))
}

fn size(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let map = m.map_arg(&args[0], place)?;
    Ok(Value::Int(i64::try_from(map.len()).unwrap_or(i64::MAX)))
}

fn set(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (map, key) = (m.map_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    // All but a few nodes of the tree are shared, so that only the count is limited.
    if map.len() >= m.limits.items {
        m.check_items(map.len() + 1, place)?;
    }
    Ok(Value::Map(map.insert(key, args[2].settled())))
}

fn keys(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let map = m.map_arg(&args[0], place)?;
    m.weigh_items(map.len(), place)?;
    Ok(Value::list(map.iter().map(|(key, _)| Slot::Ready(Value::Str(key.clone()))).collect()))
}

fn values(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let map = m.map_arg(&args[0], place)?;
    m.weigh_items(map.len(), place)?;
    Ok(Value::list(map.iter().map(|(_, slot)| slot.settled()).collect()))
}

fn merge(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (first, second) = (m.map_arg(&args[0], place)?, m.map_arg(&args[1], place)?);
    m.check_items(first.len().saturating_add(second.len()), place)?;
    Ok(Value::Map(first.merge(&second)))
}

fn from_list(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    m.weigh_items(list.items.len(), place)?;
    let mut entries = Vec::with_capacity(list.items.len());
    // The records of a list mostly have one shape, so that the positions need be found only once.
    let mut seen: Option<(Rc<Shape>, usize, usize)> = None;
    for item in list.items.iter() {
        let entry = m.record_arg(item, place)?;
        let (key, value) = match &seen {
            Some((shape, key, value)) if Rc::ptr_eq(shape, &entry.shape) => (*key, *value),
            _ => {
                let key = m.part_position(&entry, "key", place)?;
                let value = m.part_position(&entry, "value", place)?;
                seen = Some((entry.shape.clone(), key, value));
                (key, value)
            }
        };
        entries.push((m.text_arg(&entry.fields[key], place)?, entry.fields[value].settled()));
    }
    Ok(Value::Map(Map::from_entries(entries)))
}

fn to_list(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let map = m.map_arg(&args[0], place)?;
    m.weigh_items(map.len(), place)?;
    let names = [m.shapes.symbol("key"), m.shapes.symbol("value")];
    let shape = m.shapes.shape(&names);
    let entry = |(key, value): (&Rc<String>, &Slot)| {
        let fields = vec![Slot::Ready(Value::Str(key.clone())), value.clone()].into();
        Slot::Ready(Value::Record(Rc::new(Record { shape: shape.clone(), fields })))
    };
    Ok(Value::list(map.iter().map(entry).collect()))
}

/// The values are computed when they are needed, and so is the function.
fn map_values(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let map = m.map_arg(&args[0], place)?;
    m.weigh_items(map.len(), place)?;
    Ok(Value::Map(map.with_values(&mut |slot| m.apply_slot_later(&args[1], slot.settled()))))
}
