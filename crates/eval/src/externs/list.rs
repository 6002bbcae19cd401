//! `std.list`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Extern;
use super::args::refused;
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::sorting::{self, KeyOrder};
use crate::value::{Closure, List, Slot, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("list.map", 2, map).lazy(&[1]),
    Extern::new("list.filter", 2, filter).lazy(&[1]),
    Extern::new("list.fold", 3, fold).lazy(&[1, 2]),
    Extern::new("list.flatten", 1, flatten),
    Extern::new("list.length", 1, length),
    Extern::new("list.contains", 2, contains).lazy(&[1]),
    Extern::new("list.first", 1, first),
    Extern::new("list.at", 2, at),
    Extern::new("list.range", 2, range),
    Extern::new("list.sort_by", 2, sort_by).lazy(&[1]),
    Extern::new("list.reverse", 1, reverse),
    Extern::new("list.sort", 2, sort).lazy(&[1]),
    Extern::new("list.slice", 3, slice),
    Extern::new("list.unique", 1, unique),
    Extern::new("list.any", 2, any).lazy(&[1]),
    Extern::new("list.all", 2, every).lazy(&[1]),
];

type Result<T> = std::result::Result<T, Fault>;

/// The items are computed when they are needed, and so is the function.
fn map(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    m.weigh_items(list.items.len(), place)?;
    let items = list.items.iter().map(|item| m.apply_slot_later(&args[1], item.settled()));
    Ok(Value::list(items.collect()))
}

fn filter(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    if list.items.is_empty() {
        return Ok(Value::List(list));
    }
    let keep = m.force(&args[1])?;
    let mut kept = Vec::new();
    for item in list.items.iter() {
        if answer(m, &keep, item, place)? {
            kept.push(item.settled());
        }
    }
    Ok(Value::list(kept))
}

/// Calls a function that gives a truth value.
fn answer(m: &mut Machine<'_>, function: &Value, item: &Slot, place: Place) -> Result<bool> {
    let truth = m.apply(function, [item.settled()], place)?;
    m.bool_arg(&Slot::Ready(truth), place)
}

/// What a step gives is evaluated before the next one, so that a long fold needs no depth. The initial value
/// is given to the first step as it is.
fn fold(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    if list.items.is_empty() {
        return m.force(&args[1]);
    }
    let function = m.force(&args[2])?;
    let words = match &function {
        Value::Function(closure) if closure.code.params == 2 => closure.code.words.as_ref(),
        _ => None,
    };
    let mut result = args[1].settled();
    for item in list.items.iter() {
        let found = words.and_then(|code| Some((code, code.arguments_of([&result, item])?)));
        result = Slot::Ready(match found {
            Some((code, arguments)) => m.run_words(code, arguments)?,
            None => m.apply(&function, [result, item.settled()], place)?,
        });
    }
    m.force(&result)
}

fn flatten(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let outer = m.list_arg(&args[0], place)?;
    let mut lists = Vec::with_capacity(outer.items.len());
    let mut count: usize = 0;
    for slot in outer.items.iter() {
        let inner = m.list_arg(slot, place)?;
        count = count.saturating_add(inner.items.len());
        if count > m.limits.items {
            m.check_items(count, place)?;
        }
        lists.push(inner);
    }
    m.check_items(count, place)?;
    let mut all: Vec<Slot> = Vec::with_capacity(count);
    for inner in lists {
        all.extend(inner.items.iter().cloned());
    }
    Ok(Value::list(all))
}

fn length(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    Ok(Value::Int(i64::try_from(list.items.len()).unwrap_or(i64::MAX)))
}

fn contains(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    m.weigh_items(list.items.len(), place)?;
    for item in list.items.iter() {
        let (item, wanted) = (m.force(item)?, m.force(&args[1])?);
        if m.equal(&item, &wanted, place)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn first(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    Ok(list.items.first().map_or_else(|| m.none(), |item| m.some(item.clone())))
}

fn at(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    let index = usize::try_from(m.int_arg(&args[1], place)?).ok();
    let item = index.and_then(|index| list.items.get(index));
    Ok(item.map_or_else(|| m.none(), |item| m.some(item.clone())))
}

fn range(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (start, end) = (m.int_arg(&args[0], place)?, m.int_arg(&args[1], place)?);
    let count = i128::from(end) - i128::from(start);
    m.check_items(usize::try_from(count.max(0)).unwrap_or(usize::MAX), place)?;
    Ok(Value::list((start..end).map(|number| Slot::Ready(Value::Int(number))).collect()))
}

fn sort_by(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    if list.items.len() < 2 {
        return Ok(Value::List(list));
    }
    let key = m.force(&args[1])?;
    let mut keyed = Vec::with_capacity(list.items.len());
    for item in list.items.iter() {
        let value = m.apply(&key, [item.settled()], place)?;
        let Value::Str(text) = value else {
            return Err(refused(place, format!("the sort key is {}, not a text", value.kind())));
        };
        keyed.push((text, item.settled()));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn reverse(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    m.weigh_items(list.items.len(), place)?;
    let items = list.items.iter().rev().cloned().collect();
    Ok(Value::List(Rc::new(List { items })))
}

/// Sorts by merging runs of growing length, as the comparison may fail.
fn sort(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    if list.items.len() < 2 {
        return Ok(Value::List(list));
    }
    let before = m.force(&args[1])?;
    if let Value::Function(closure) = &before
        && let Some(order) = sorting::key_order(&closure.code)
        && let Some(sorted) = sort_by_keys(m, &list, closure, &order, place)?
    {
        return Ok(sorted);
    }
    let mut items: Vec<Slot> = list.items.iter().map(Slot::settled).collect();
    let mut run = 1;
    while run < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(run * 2) {
            let (left, right) = pair.split_at(run.min(pair.len()));
            merge(m, &before, left, right, &mut merged, place)?;
        }
        items = merged;
        run *= 2;
    }
    Ok(Value::list(items))
}

/// Sorts by keys that are evaluated once for each item; nothing if they are neither numbers nor texts.
fn sort_by_keys(
    m: &mut Machine<'_>,
    list: &List,
    closure: &Rc<Closure>,
    order: &KeyOrder<'_>,
    place: Place,
) -> Result<Option<Value>> {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for item in list.items.iter() {
        let item = item.settled();
        match m.key_of(closure, order.key, &item, place)? {
            Value::Int(number) => numbers.push((number, item)),
            Value::Str(text) => texts.push((text, item)),
            _ => return Ok(None),
        }
    }
    // Equal items keep their order, also in a descending one.
    if order.descending {
        numbers.reverse();
        texts.reverse();
    }
    numbers.sort_by_key(|(number, _)| *number);
    let texts = sorting::by_text(texts).into_iter().map(|(_, item)| item);
    let mut items: Vec<Slot> = numbers.into_iter().map(|(_, item)| item).chain(texts).collect();
    if order.descending {
        items.reverse();
    }
    Ok(Some(Value::list(items)))
}

/// Looks numbers, texts and constructors up in a tree, and compares other items with all that are kept.
fn unique(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    if list.items.len() < 2 {
        return Ok(Value::List(list));
    }
    m.weigh_items(list.items.len(), place)?;
    let (mut numbers, mut texts, mut tags) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut others, mut kept): (Vec<Value>, Vec<Slot>) = (Vec::new(), Vec::new());
    for item in list.items.iter() {
        let item = m.force(item)?;
        let new = match &item {
            Value::Int(number) => numbers.insert(*number),
            Value::Str(text) => texts.insert(text.clone()),
            Value::Tag(tag) => tags.insert(*tag),
            other => {
                let mut found = false;
                for one in &others {
                    found = found || m.equal(one, other, place)?;
                }
                if !found {
                    others.push(other.clone());
                }
                !found
            }
        };
        if new {
            kept.push(Slot::Ready(item));
        }
    }
    Ok(Value::list(kept))
}

/// Merges two sorted runs; of equal items those of the left run come first.
fn merge(
    m: &mut Machine<'_>,
    before: &Value,
    mut left: &[Slot],
    mut right: &[Slot],
    merged: &mut Vec<Slot>,
    place: Place,
) -> Result<()> {
    while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
        let truth = m.apply(before, [second.clone(), first.clone()], place)?;
        if m.bool_arg(&Slot::Ready(truth), place)? {
            merged.push(second.clone());
            right = right_rest;
        } else {
            merged.push(first.clone());
            left = left_rest;
        }
    }
    merged.extend(left.iter().chain(right).cloned());
    Ok(())
}

fn slice(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    let (start, end) = (m.int_arg(&args[1], place)?, m.int_arg(&args[2], place)?);
    let (start, end) = bounds(start, end, list.items.len());
    m.weigh_items(end - start, place)?;
    Ok(Value::list(list.items[start..end].iter().map(Slot::settled).collect()))
}

/// Positions inside of a length, the second one never before the first.
pub(super) fn bounds(start: i64, end: i64, length: usize) -> (usize, usize) {
    let inside = |at: i64| usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(length);
    (inside(start), inside(end).max(inside(start)))
}

fn any(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    search(m, args, place, true)
}

fn every(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    search(m, args, place, false)
}

/// The answer `wanted` if the function gives it for an item, else the opposite.
fn search(m: &mut Machine<'_>, args: &[Slot], place: Place, wanted: bool) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    for item in list.items.iter() {
        let function = m.force(&args[1])?;
        if answer(m, &function, item, place)? == wanted {
            return Ok(Value::Bool(wanted));
        }
    }
    Ok(Value::Bool(!wanted))
}
