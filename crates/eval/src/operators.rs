//! Operators: arithmetic, joining and order.

use std::cmp::Ordering;
use std::rc::Rc;

use cbuild_syntax::ast::BinaryOp;

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::interpret::attempt_binary;
use crate::machine::Machine;
use crate::rope::Rope;
use crate::value::Value;

/// Length from which on a text is given room to grow when it is joined with another, in bytes.
const ROOMY: usize = 256;

impl Machine<'_> {
    /// A binary operation on evaluated operands.
    pub(crate) fn binary(
        &mut self,
        op: BinaryOp,
        left: Value,
        right: Value,
        place: Place,
    ) -> Result<Value, Fault> {
        if let Some(value) = attempt_binary(op, &left, &right) {
            return Ok(value);
        }
        match op {
            BinaryOp::Eq => self.equal(&left, &right, place).map(Value::Bool),
            BinaryOp::Ne => Ok(Value::Bool(!self.equal(&left, &right, place)?)),
            BinaryOp::Concat => self.concat(left, right, place),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let order = compare(&left, &right).ok_or_else(|| mistyped(op, &left, place))?;
                Ok(Value::Bool(match op {
                    BinaryOp::Lt => order == Ordering::Less,
                    BinaryOp::Le => order != Ordering::Greater,
                    BinaryOp::Gt => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
            _ => Err(arithmetic_fault(op, &left, &right, place)),
        }
    }

    pub(crate) fn negated(&self, number: i64, place: Place) -> Result<Value, Fault> {
        number.checked_neg().map(Value::Int).ok_or_else(|| overflow(place, &format!("-({number})")))
    }

    fn concat(&mut self, left: Value, right: Value, place: Place) -> Result<Value, Fault> {
        match (left, right) {
            (Value::Str(a), Value::Str(b)) => {
                self.check_text(a.len().saturating_add(b.len()), place)?;
                Ok(if b.is_empty() { Value::Str(a) } else { joined(a, &b) })
            }
            (Value::Script(a), Value::Script(b)) => {
                let rope = Rope::join(vec![a, b]);
                self.check_text(rope.len(), place)?;
                Ok(Value::Script(rope))
            }
            (Value::List(mut a), Value::List(b)) => {
                if a.items.is_empty() {
                    return Ok(Value::List(b));
                }
                if b.items.is_empty() {
                    return Ok(Value::List(a));
                }
                let sum = a.items.len().saturating_add(b.items.len());
                let room = Rc::get_mut(&mut a).is_some_and(|own| own.items.room() >= b.items.len());
                self.check_joined(sum, if room { b.items.len() } else { sum }, place)?;
                if let Some(own) = Rc::get_mut(&mut a) {
                    own.items.append(&b.items);
                    return Ok(Value::List(a));
                }
                self.stats.copied += a.items.len() as u64;
                Ok(Value::list(a.items.iter().chain(b.items.iter()).cloned().collect()))
            }
            (left, _) => Err(mistyped(BinaryOp::Concat, &left, place)),
        }
    }

    /// Refuses texts over the limit, before they are made.
    pub(crate) fn check_text(&mut self, bytes: usize, place: Place) -> Result<(), Fault> {
        if bytes <= self.limits.text {
            self.stats.longest = self.stats.longest.max(bytes as u64);
            return self.weigh(bytes, place);
        }
        let message = format!("a text of {bytes} bytes is too large");
        let label = format!("at most {} bytes are allowed", self.limits.text);
        Err(FaultBody::new(codes::SIZE, place, message, label))
    }

    /// As [`Self::check_items`], where only some of the items are new.
    fn check_joined(&mut self, items: usize, new: usize, place: Place) -> Result<(), Fault> {
        if items > self.limits.items {
            return self.check_items(items, place);
        }
        self.stats.largest = self.stats.largest.max(items as u64);
        self.weigh_items(new, place)
    }

    /// Refuses lists and maps over the limit, before they are made.
    pub(crate) fn check_items(&mut self, items: usize, place: Place) -> Result<(), Fault> {
        if items <= self.limits.items {
            self.stats.largest = self.stats.largest.max(items as u64);
            return self.weigh_items(items, place);
        }
        let message = format!("a list of {items} items is too large");
        let label = format!("at most {} items are allowed", self.limits.items);
        Err(FaultBody::new(codes::SIZE, place, message, label))
    }
}

/// The order of two numbers or two texts (by their bytes, which is the order of code points).
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Joins two texts, in place when nobody else holds the first.
fn joined(mut a: Rc<String>, b: &str) -> Value {
    if let Some(own) = Rc::get_mut(&mut a) {
        // Room to grow is left to what has grown already: most texts are joined once and kept.
        if own.len() < ROOMY {
            own.reserve_exact(b.len());
        }
        own.push_str(b);
        return Value::Str(a);
    }
    let mut text = String::with_capacity(a.len() + b.len());
    text.push_str(&a);
    text.push_str(b);
    Value::text(text)
}

fn mistyped(op: BinaryOp, left: &Value, place: Place) -> Fault {
    FaultBody::defect(place, format!("{op:?} of {}", left.kind()))
}

fn overflow(place: Place, what: &str) -> Fault {
    let message = format!("`{what}` does not fit a number of 64 bits");
    FaultBody::new(codes::OVERFLOW, place, message, "this overflows").help(format!(
        "numbers go from {} to {}",
        i64::MIN,
        i64::MAX
    ))
}

/// Why arithmetic on two numbers failed.
fn arithmetic_fault(op: BinaryOp, left: &Value, right: &Value, place: Place) -> Fault {
    let (Value::Int(a), Value::Int(b)) = (left, right) else { return mistyped(op, left, place) };
    if matches!(op, BinaryOp::Div | BinaryOp::Rem) && *b == 0 {
        let message = format!("{a} is divided by zero");
        return FaultBody::new(codes::DIVISION, place, message, "the right side is 0 here");
    }
    let sign = match op {
        BinaryOp::Add => '+',
        BinaryOp::Sub => '-',
        BinaryOp::Mul => '*',
        BinaryOp::Div => '/',
        _ => '%',
    };
    overflow(place, &format!("{a} {sign} {b}"))
}
