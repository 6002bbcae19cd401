//! Text and scripts with holes.

use std::rc::Rc;

use cbuild_drv::{Input, StorePath};

use crate::code::Part;
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::interpret::Env;
use crate::machine::Machine;
use crate::rope::Rope;
use crate::value::{ModulePath, Value};

/// Longest text that is made at once instead of being suspended, in bytes.
const SMALL_TEXT: usize = 64;

impl Machine<'_> {
    /// Text whose holes are texts, numbers and truth values.
    pub(crate) fn text_of(
        &mut self,
        parts: &[Part],
        env: &Env<'_>,
        place: Place,
    ) -> Result<Value, Fault> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Hole(node) => match self.eval(node, env)? {
                    Value::Str(hole) => {
                        self.check_text(text.len().saturating_add(hole.len()), place)?;
                        text.push_str(&hole);
                    }
                    Value::Int(number) => {
                        text.push_str(itoa::Buffer::new().format(number));
                    }
                    Value::Bool(truth) => text.push_str(if truth { "true" } else { "false" }),
                    other => return Err(bad_hole(&other, place)),
                },
            }
        }
        Ok(Value::text(text))
    }

    /// The text, if its holes are there already and it is no larger than its suspension would be.
    pub(crate) fn attempt_text(&self, parts: &[Part], env: &Env<'_>) -> Option<Value> {
        let mut text = String::with_capacity(SMALL_TEXT);
        for part in parts {
            match part {
                Part::Text(plain) => push(&mut text, plain)?,
                Part::Hole(node) => match self.attempt(node, env)? {
                    Value::Str(hole) => push(&mut text, &hole)?,
                    Value::Int(number) => push(&mut text, itoa::Buffer::new().format(number))?,
                    Value::Bool(truth) => push(&mut text, if truth { "true" } else { "false" })?,
                    _ => return None,
                },
            }
        }
        // It is copied once more, so that it takes no more room than it needs.
        Some(Value::text(text.as_str()))
    }

    /// Script whose holes are written as words of the shell.
    pub(crate) fn script_of(
        &mut self,
        parts: &[Part],
        env: &Env<'_>,
        place: Place,
    ) -> Result<Value, Fault> {
        let mut ropes = Vec::with_capacity(parts.len());
        for part in parts {
            ropes.push(match part {
                Part::Text(text) => Rope::text(&**text),
                Part::Hole(node) => {
                    let value = self.eval(node, env)?;
                    self.word(&value, place)?
                }
            });
        }
        let rope = Rope::join(ropes);
        self.check_text(rope.len(), place)?;
        Ok(Value::Script(rope))
    }

    /// A value as it stands in a script: text that will be quoted, the path of an object, a script as it
    /// is, or the items of a list with a space between them.
    fn word(&mut self, value: &Value, place: Place) -> Result<Rope, Fault> {
        Ok(match value {
            Value::Str(text) => Rope::word(text.as_str()),
            Value::Int(number) => Rope::word(number.to_string()),
            Value::Bool(truth) => Rope::word(truth.to_string()),
            Value::Script(rope) => rope.clone(),
            Value::Package(package) => Rope::reference(package.input.clone()),
            Value::Path(path) => Rope::reference(Input::Object(self.import(path, place)?)),
            Value::Overridable(origin) => {
                let package = self.force(&origin.slots[0])?;
                self.word(&package, place)?
            }
            Value::List(list) => {
                let mut ropes = Vec::with_capacity(list.items.len() * 2);
                let space = Rope::text(" ");
                for slot in list.items.iter() {
                    if !ropes.is_empty() {
                        ropes.push(space.clone());
                    }
                    let item = self.force(slot)?;
                    ropes.push(self.nested(place, |machine| machine.word(&item, place))?);
                }
                Rope::join(ropes)
            }
            other => return Err(bad_hole(other, place)),
        })
    }

    /// The store object of a file or folder of a module.
    pub(crate) fn import(
        &mut self,
        path: &Rc<ModulePath>,
        place: Place,
    ) -> Result<StorePath, Fault> {
        let key = (path.source, path.path.clone());
        if let Some(known) = self.imported.get(&key) {
            return Ok(known.clone());
        }
        let object = self.world.import_source(path.source, &path.path).map_err(|reason| {
            let message = format!("`{}` cannot be taken into the store: {reason}", path.path);
            FaultBody::new(codes::PATH, place, message, "needed here")
        })?;
        self.imported.insert(key, object.clone());
        Ok(object)
    }
}

/// Adds a piece to a small text; nothing if it would be too long.
fn push(text: &mut String, piece: &str) -> Option<()> {
    (text.len() + piece.len() <= SMALL_TEXT).then(|| text.push_str(piece))
}

fn bad_hole(value: &Value, place: Place) -> Fault {
    FaultBody::defect(place, format!("{} in a hole of a text", value.kind()))
}
