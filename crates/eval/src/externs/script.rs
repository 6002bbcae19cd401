//! `std.script`.

use super::Extern;
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::rope::Rope;
use crate::value::{Slot, Value};

pub(super) static TABLE: &[Extern] =
    &[Extern::new("script.raw", 1, raw), Extern::new("script.join", 2, join)];

fn raw(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    Ok(Value::Script(Rope::text(m.text_arg(&args[0], place)?.as_str())))
}

fn join(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let list = m.list_arg(&args[0], place)?;
    let separator = Rope::text(m.text_arg(&args[1], place)?.as_str());
    let mut ropes = Vec::with_capacity(list.items.len() * 2);
    for (at, item) in list.items.iter().enumerate() {
        if at > 0 {
            ropes.push(separator.clone());
        }
        ropes.push(m.rope_arg(item, place)?);
    }
    let rope = Rope::join(ropes);
    m.check_text(rope.len(), place)?;
    Ok(Value::Script(rope))
}
