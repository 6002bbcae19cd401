//! Values on one line, shortened, and where two values differ.
//!
//! Lazy parts are evaluated for it, but only so long; a part that fails is shown as its error.

use std::rc::Rc;

use crate::fault::Fault;
use crate::machine::Machine;
use crate::observe::Difference;
use crate::print;
use crate::value::{Slot, Value};

/// Most characters of a text.
const MAX_TEXT: usize = 60;
/// Most characters of a whole value.
const MAX_LENGTH: usize = 200;
/// Most items of a list and fields of a record.
const MAX_ITEMS: usize = 12;
/// Deepest nesting that is shown, and that differences are looked for in.
const MAX_NESTING: u32 = 6;
/// How long parts are evaluated for showing, in thousands of steps (see `Machine::tick`).
const FUEL: u32 = 64;
/// Characters of a long text that are shown around the first difference.
const CONTEXT: usize = 20;

/// A value on one line.
pub(crate) fn show(machine: &mut Machine<'_>, value: &Value) -> String {
    bounded(machine, |machine| {
        let mut brief = Brief { machine, out: String::new(), length: 0 };
        brief.value(value, 0);
        brief.out
    })
}

/// Where two values differ first, if that is not plain from the values themselves.
pub(crate) fn difference(
    machine: &mut Machine<'_>,
    left: &Value,
    right: &Value,
) -> Option<Difference> {
    let mut path = String::new();
    let found =
        bounded(machine, |machine| machine.difference_at(left, right, &mut path, 0).ok().flatten());
    let (left, right) = found?;
    Some(Difference { path, left, right })
}

/// Runs something that may evaluate lazy parts, for a bounded time.
fn bounded<T>(machine: &mut Machine<'_>, run: impl FnOnce(&mut Machine<'_>) -> T) -> T {
    let fuel = machine.fuel.replace(FUEL);
    let result = run(machine);
    machine.fuel = fuel;
    result
}

/// A text of at most so many characters.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn text(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => {
            let count = text.chars().count();
            format!("{}… ({count} characters)", print::quoted(&text[..at]))
        }
        None => print::quoted(text),
    }
}

struct Brief<'m, 'a> {
    machine: &'m mut Machine<'a>,
    out: String,
    length: usize,
}

impl Brief<'_, '_> {
    fn push(&mut self, text: &str) {
        self.length += text.chars().count();
        self.out.push_str(text);
    }

    fn full(&self) -> bool {
        self.length >= MAX_LENGTH
    }

    fn value(&mut self, value: &Value, nesting: u32) {
        if nesting > MAX_NESTING || self.full() {
            return self.push("…");
        }
        match value {
            Value::Str(plain) => self.push(&text(plain)),
            Value::List(list) => {
                let items = list.items.iter().map(|slot| (String::new(), slot.clone())).collect();
                self.items("[", items, "]", nesting);
            }
            Value::Record(record) => {
                let names = record.shape.names.iter();
                let shown = |name| cbuild_syntax::field_name(self.machine.shapes.name(name));
                let names = names.map(|name| format!("{} = ", shown(*name)));
                let items = names.zip(record.fields.iter().cloned()).collect();
                self.items("{ ", items, " }", nesting);
            }
            Value::Map(map) => {
                let label = |key: &Rc<String>| format!("{} = ", print::quoted(key));
                let items = map.iter().map(|(key, slot)| (label(key), slot.clone())).collect();
                self.items("{ ", items, " }", nesting);
            }
            Value::Variant(variant) => {
                let open = format!("{}(", self.machine.shapes.name(variant.tag));
                let items = variant.fields.iter().map(|slot| (String::new(), slot.clone()));
                self.items(&open, items.collect(), ")", nesting);
            }
            Value::Set(set) => {
                let slot = set.members().clone();
                self.slot(&slot, nesting);
            }
            Value::Overridable(origin) => {
                let slot = origin.slots[0].clone();
                self.slot(&slot, nesting);
            }
            other => {
                let shown = print::atom(self.machine, other);
                self.push(&cut(shown.replace('\n', "\\n"), MAX_TEXT));
            }
        }
    }

    fn items(&mut self, open: &str, items: Vec<(String, Slot)>, close: &str, nesting: u32) {
        if items.is_empty() {
            self.push(open.trim_end());
            return self.push(close.trim_start());
        }
        self.push(open);
        let count = items.len();
        for (at, (label, slot)) in items.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            if at >= MAX_ITEMS || self.full() {
                self.push(&format!("… ({count} in all)"));
                break;
            }
            self.push(&label);
            self.slot(&slot, nesting + 1);
        }
        self.push(close);
    }

    fn slot(&mut self, slot: &Slot, nesting: u32) {
        match self.machine.force(slot) {
            Ok(value) => crate::stack::guarded(|| self.value(&value, nesting)),
            Err(_) if self.machine.fuel == Some(0) => self.push("…"),
            Err(fault) => {
                let shown = format!("<{}: {}>", fault.diagnostic.code, fault.diagnostic.message);
                self.push(&cut(shown, MAX_TEXT));
            }
        }
    }
}

/// What the two sides have where they differ.
type Sides = (String, String);

impl Machine<'_> {
    /// Follows two values to their first difference. `None` where that is not worth telling: plain
    /// values that are shown whole anyway.
    fn difference_at(
        &mut self,
        left: &Value,
        right: &Value,
        path: &mut String,
        nesting: u32,
    ) -> Result<Option<Sides>, Fault> {
        let leaf = |machine: &mut Self, path: &str| {
            let worth = !path.is_empty();
            worth.then(|| (show(machine, left), show(machine, right)))
        };
        let pairs: Vec<(String, Slot, Slot)> = match (left, right) {
            (Value::Str(a), Value::Str(b)) => {
                let long = a.chars().count().max(b.chars().count()) > MAX_TEXT;
                return Ok(if long { texts(a, b, path) } else { leaf(self, path) });
            }
            (Value::List(a), Value::List(b)) => {
                let both = a.items.iter().zip(b.items.iter()).enumerate();
                both.map(|(at, (a, b))| (format!("[{at}]"), a.clone(), b.clone())).collect()
            }
            (Value::Record(a), Value::Record(b)) if a.shape.names == b.shape.names => {
                let shown = |name| cbuild_syntax::field_name(self.shapes.name(name));
                let names = a.shape.names.iter().map(|name| shown(*name));
                let both = a.fields.iter().zip(b.fields.iter());
                names.zip(both).map(|(n, (a, b))| (format!(".{n}"), a.clone(), b.clone())).collect()
            }
            (Value::Map(a), Value::Map(b)) => {
                let shared = a.iter().filter_map(|(key, slot)| {
                    let other = b.get(key)?.clone();
                    Some((format!("[{}]", print::quoted(key)), slot.clone(), other))
                });
                shared.collect()
            }
            (Value::Variant(a), Value::Variant(b)) if a.tag == b.tag => {
                let name = self.shapes.name(a.tag).to_owned();
                let both = a.fields.iter().zip(b.fields.iter());
                both.map(|(a, b)| (format!(".{name}"), a.clone(), b.clone())).collect()
            }
            _ => return Ok(leaf(self, path)),
        };
        if nesting >= MAX_NESTING {
            return Ok(leaf(self, path));
        }
        let place = self.nowhere();
        for (step, a, b) in pairs {
            let (a, b) = (self.force(&a)?, self.force(&b)?);
            if !self.equal(&a, &b, place)? {
                path.push_str(&step);
                return self.difference_at(&a, &b, path, nesting + 1);
            }
        }
        Ok(sizes(left, right).or_else(|| leaf(self, path)))
    }
}

/// What one side has more than the other, all that they share being equal.
fn sizes(left: &Value, right: &Value) -> Option<Sides> {
    match (left, right) {
        (Value::List(a), Value::List(b)) => {
            let items =
                |count: usize| format!("has {count} item{}", if count == 1 { "" } else { "s" });
            Some((items(a.items.len()), items(b.items.len())))
        }
        (Value::Map(a), Value::Map(b)) => {
            let lacks = |of: &crate::map::Map, other: &crate::map::Map| {
                let key = other.iter().map(|(key, _)| key).find(|key| of.get(key).is_none());
                key.map_or("has it".to_owned(), |key| {
                    format!("lacks the key {}", print::quoted(key))
                })
            };
            Some((lacks(a, b), lacks(b, a)))
        }
        _ => None,
    }
}

/// The first difference of two texts, with some of what is around it.
fn texts(left: &str, right: &str, path: &mut String) -> Option<Sides> {
    let same = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    let before: String = left.chars().take(same).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    path.push_str(&format!(" line {line}, column {column}"));
    let around = |text: &str| {
        let skipped = same.saturating_sub(CONTEXT);
        let shown: String = text.chars().skip(skipped).take(2 * CONTEXT).collect();
        let end = skipped + 2 * CONTEXT < text.chars().count();
        let (front, back) = (if skipped > 0 { "…" } else { "" }, if end { "…" } else { "" });
        format!("{front}{}{back}", print::quoted(&shown))
    };
    Some((around(left), around(right)))
}
