//! `std.text`.

use std::rc::Rc;

use memchr::memmem;

use super::Extern;
use super::args::refused;
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::{Slot, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("text.join", 2, join),
    Extern::new("text.split", 2, split),
    Extern::new("text.replace", 3, replace),
    Extern::new("text.starts_with", 2, starts_with),
    Extern::new("text.ends_with", 2, ends_with),
    Extern::new("text.contains", 2, contains),
    Extern::new("text.length", 1, length),
    Extern::new("text.trim", 1, trim),
    Extern::new("text.lower", 1, lower),
    Extern::new("text.upper", 1, upper),
    Extern::new("text.to_int", 1, to_int),
    Extern::new("text.slice", 3, slice),
    Extern::new("text.chars", 1, chars),
];

type Result<T> = std::result::Result<T, Fault>;

fn join(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let list = m.list_arg(&args[0], place)?;
    let separator = m.text_arg(&args[1], place)?;
    // The size comes first: to grow a large text means to copy it over and over.
    let mut parts = Vec::with_capacity(list.items.len());
    let mut size = separator.len().saturating_mul(list.items.len().saturating_sub(1));
    for item in list.items.iter() {
        let item = m.text_arg(item, place)?;
        size = size.saturating_add(item.len());
        if size > m.limits.text {
            m.check_text(size, place)?;
        }
        parts.push(item);
    }
    m.check_text(size, place)?;
    let mut text = String::with_capacity(size);
    for (at, item) in parts.iter().enumerate() {
        if at > 0 {
            text.push_str(&separator);
        }
        text.push_str(item);
    }
    Ok(Value::text(text))
}

fn slice(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let text = m.text_arg(&args[0], place)?;
    let (start, end) = (m.int_arg(&args[1], place)?, m.int_arg(&args[2], place)?);
    let (start, end) = super::list::bounds(start, end, text.len());
    m.weigh(if text.is_ascii() { end - start } else { text.len() }, place)?;
    if text.is_ascii() {
        return Ok(Value::text(&text[start..end]));
    }
    Ok(Value::text(text.chars().skip(start).take(end - start).collect::<String>()))
}

/// Characters that occur often are made once.
fn chars(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let text = m.text_arg(&args[0], place)?;
    m.check_items(text.len(), place)?;
    let mut made: [Option<Value>; 128] = [const { None }; 128];
    let one = |c: char| match made.get_mut(c as usize) {
        Some(known) => known.get_or_insert_with(|| Value::text(c)).clone(),
        None => Value::text(c),
    };
    Ok(Value::list(text.chars().map(one).map(Slot::Ready).collect()))
}

fn split(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let (text, separator) = (m.text_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    if separator.is_empty() {
        return Err(refused(place, "the separator of `split` is empty"));
    }
    m.weigh(text.len(), place)?;
    let mut parts = Vec::new();
    let mut rest = 0;
    for at in memmem::find_iter(text.as_bytes(), separator.as_bytes()) {
        parts.push(Slot::Ready(Value::text(&text[rest..at])));
        rest = at + separator.len();
    }
    parts.push(Slot::Ready(Value::text(&text[rest..])));
    Ok(Value::list(parts))
}

fn replace(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let text = m.text_arg(&args[0], place)?;
    let (old, new) = (m.text_arg(&args[1], place)?, m.text_arg(&args[2], place)?);
    if old.is_empty() {
        return Err(refused(place, "the text that `replace` looks for is empty"));
    }
    let found: Vec<usize> = memmem::find_iter(text.as_bytes(), old.as_bytes()).collect();
    let kept = text.len().saturating_sub(old.len().saturating_mul(found.len()));
    let size = kept.saturating_add(new.len().saturating_mul(found.len()));
    m.check_text(size, place)?;
    let mut replaced = String::with_capacity(size);
    let mut rest = 0;
    for at in found {
        replaced.push_str(&text[rest..at]);
        replaced.push_str(&new);
        rest = at + old.len();
    }
    replaced.push_str(&text[rest..]);
    Ok(Value::text(replaced))
}

/// A question about two texts.
fn ask(
    m: &mut Machine<'_>,
    args: &[Slot],
    place: Place,
    question: impl Fn(&str, &str) -> bool,
) -> Result<Value> {
    let (text, part) = (m.text_arg(&args[0], place)?, m.text_arg(&args[1], place)?);
    m.weigh(text.len(), place)?;
    Ok(Value::Bool(question(&text, &part)))
}

fn starts_with(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    ask(m, args, place, |text, part| text.starts_with(part))
}

fn ends_with(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    ask(m, args, place, |text, part| text.ends_with(part))
}

fn contains(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    ask(m, args, place, |text, part| memmem::find(text.as_bytes(), part.as_bytes()).is_some())
}

fn length(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let text = whole(m, &args[0], place)?;
    let count = text.chars().count();
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn trim(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    Ok(Value::text(whole(m, &args[0], place)?.trim()))
}

/// A text that is copied.
fn whole(m: &mut Machine<'_>, text: &Slot, place: Place) -> Result<Rc<String>> {
    let text = m.text_arg(text, place)?;
    m.weigh(text.len(), place)?;
    Ok(text)
}

/// ASCII letters alone, so that the result does not depend on a version of Unicode.
fn lower(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    Ok(Value::text(whole(m, &args[0], place)?.to_ascii_lowercase()))
}

fn upper(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    Ok(Value::text(whole(m, &args[0], place)?.to_ascii_uppercase()))
}

/// Decimal digits with an optional `-` in front, nothing else.
fn to_int(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value> {
    let text = m.text_arg(&args[0], place)?;
    let number = if text.starts_with('+') { None } else { text.parse::<i64>().ok() };
    Ok(number.map_or_else(|| m.none(), |number| m.some(Slot::Ready(Value::Int(number)))))
}
