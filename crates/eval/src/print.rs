//! Whole values as text and as JSON.

use cbuild_drv::{Input, Segment};
use cbuild_sema::ir::Symbol;
use cbuild_syntax::field_name;
pub(crate) use cbuild_syntax::quoted;
use serde_json::{Map as Object, Value as Json, json};

use crate::codes;
use crate::fault::{Fault, FaultBody};
use crate::layout::Layout;
use crate::machine::Machine;
use crate::rope::Rope;
use crate::value::{Slot, Value};

/// Deepest nesting of a value that can be printed. Readers of JSON give up at such depths too.
const MAX_NESTING: u32 = 500;
/// Most parts of a value that can be printed.
const MAX_PARTS: usize = 4_000_000;

/// The whole value for a human reader.
pub(crate) fn show(machine: &mut Machine<'_>, value: &Value) -> Result<String, Fault> {
    let mut printer = Printer::new(machine);
    let layout = printer.layout(value)?;
    // Line breaks and indentation are counted when they are written.
    layout.render(printer.machine.limits.printed).ok_or_else(|| printer.too_large(&Measure::Bytes))
}

/// The whole value as JSON.
pub(crate) fn json(machine: &mut Machine<'_>, value: &Value) -> Result<Json, Fault> {
    Printer::new(machine).json(value)
}

/// Bytes that a text takes in JSON, with its quotes and what separates it from the next part (RFC 8259,
/// section 7).
fn length_in_json(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum::<usize>() + 3
}

/// A value that has no parts to evaluate, and scripts, as text.
pub(crate) fn atom(machine: &mut Machine<'_>, value: &Value) -> String {
    let printer = Printer::new(machine);
    match value {
        Value::Script(rope) => printer.shown_script(rope),
        other => printer.atom(other),
    }
}

struct Printer<'m, 'a> {
    machine: &'m mut Machine<'a>,
    nesting: u32,
    parts: usize,
    bytes: usize,
}

/// What there is too much of.
enum Measure {
    Levels,
    Parts,
    Bytes,
}

impl<'m, 'a> Printer<'m, 'a> {
    fn new(machine: &'m mut Machine<'a>) -> Self {
        Self { machine, nesting: 0, parts: 0, bytes: 0 }
    }

    /// Counts a part, evaluates it and hands it on.
    fn part<T>(
        &mut self,
        slot: &Slot,
        print: fn(&mut Self, &Value) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let place = self.machine.nowhere();
        self.machine.tick(place)?;
        self.parts += 1;
        if self.nesting >= MAX_NESTING {
            return Err(self.too_large(&Measure::Levels));
        }
        if self.parts > MAX_PARTS {
            return Err(self.too_large(&Measure::Parts));
        }
        self.nesting += 1;
        let value = self.machine.force(slot)?;
        let result = crate::stack::guarded(|| print(self, &value));
        self.nesting -= 1;
        result
    }

    fn too_large(&self, measure: &Measure) -> Fault {
        let limit = match measure {
            Measure::Levels => format!("{MAX_NESTING} levels"),
            Measure::Parts => format!("{MAX_PARTS} parts"),
            Measure::Bytes => format!("{} bytes", self.machine.limits.printed),
        };
        let message = format!("the value is too large to print: more than {limit}");
        FaultBody::new(codes::SIZE, self.machine.nowhere(), message, "in this value")
            .help("print a part of it")
    }

    /// Counts text that is printed, before it is made.
    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.machine.limits.printed {
            return Err(self.too_large(&Measure::Bytes));
        }
        let place = self.machine.nowhere();
        self.machine.weigh(bytes, place)
    }

    /// Counts a name or a key that is printed in front of a part.
    fn spend_on(&mut self, symbol: Symbol) -> Result<(), Fault> {
        self.spend(self.name(symbol).len())
    }

    fn function(&self) -> Fault {
        let place = self.machine.nowhere();
        FaultBody::new(
            codes::FUNCTION,
            place,
            "a function cannot be written as JSON",
            "in this value",
        )
        .help("call it, or print another part of the value")
    }

    fn name(&self, symbol: Symbol) -> &str {
        self.machine.shapes.name(symbol)
    }

    // --- for readers ---

    fn layout(&mut self, value: &Value) -> Result<Layout, Fault> {
        Ok(match value {
            Value::Str(text) => {
                self.spend(text.len())?;
                Layout::text(quoted(text))
            }
            Value::Script(rope) => {
                self.spend(rope.len())?;
                Layout::text(self.shown_script(rope))
            }
            Value::List(list) => {
                let items = self.layouts(&list.items)?;
                Layout::group("[", items, "]")
            }
            Value::Record(record) => {
                let mut items = Vec::with_capacity(record.fields.len());
                for (&name, slot) in record.shape.names.iter().zip(record.fields.iter()) {
                    self.spend_on(name)?;
                    let item = self.part(slot, Self::layout)?;
                    items.push(item.prefixed(&format!("{} = ", field_name(self.name(name)))));
                }
                Layout::spaced("{", items, "}")
            }
            Value::Map(map) => {
                let mut items = Vec::with_capacity(map.len());
                for (key, slot) in map.clone().iter() {
                    self.spend(key.len())?;
                    let item = self.part(slot, Self::layout)?;
                    items.push(item.prefixed(&format!("{} = ", quoted(key))));
                }
                Layout::spaced("{", items, "}")
            }
            Value::Variant(variant) => {
                let open = format!("{}(", self.name(variant.tag));
                Layout::group(&open, self.layouts(&variant.fields)?, ")")
            }
            Value::Set(set) => self.part(set.members(), Self::layout)?,
            Value::Overridable(origin) => self.part(&origin.slots[0], Self::layout)?,
            other => Layout::text(self.atom(other)),
        })
    }

    fn layouts(&mut self, slots: &[Slot]) -> Result<Vec<Layout>, Fault> {
        slots.iter().map(|slot| self.part(slot, Self::layout)).collect()
    }

    /// Values without parts.
    fn atom(&self, value: &Value) -> String {
        match value {
            Value::Int(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Hash(hash) => hash.to_string(),
            Value::Path(path) => path.path.to_string(),
            Value::Tag(tag) => self.name(*tag).to_owned(),
            Value::Function(_) | Value::Extern(_) => "<function>".to_owned(),
            Value::Package(package) => format!("<package {}>", package.label),
            Value::Image(image) => format!("<image {}:{}>", image.name, image.tag),
            Value::Protocol(identity) => format!("<protocol {identity}>"),
            Value::Endpoint(endpoint) => match endpoint.served {
                Some((transport, port)) => {
                    format!("<endpoint {} {transport}:{port}>", endpoint.protocol)
                }
                None => format!("<needs {}>", endpoint.protocol),
            },
            Value::Variable(variable) => format!("<variable {}>", variable.name),
            other => format!("<{}>", other.kind()),
        }
    }

    /// The text of a script, with its references in the notation of holes.
    /// A script as it is shown; unlike a text it has no form in which characters that steer a terminal or turn
    /// the direction of writing could be written.
    fn shown_script(&self, rope: &Rope) -> String {
        format!("sh\"{}\"", cbuild_diag::clean(&self.script(rope)))
    }

    fn script(&self, rope: &Rope) -> String {
        let mut text = String::new();
        rope.each(|segment| match segment {
            Segment::Text(plain) => text.push_str(plain),
            Segment::Reference(input) => {
                text.push_str("#{");
                text.push_str(&self.reference(input));
                text.push('}');
            }
            Segment::Output(output) => text.push_str(&format!("#{{{output}}}")),
        });
        text
    }

    fn reference(&self, input: &Input) -> String {
        match input {
            Input::Object(path) => path.to_string(),
            Input::Output { drv, output } => {
                let name =
                    self.machine.graph.get(drv).map(|found| found.output_object_name(output));
                name.map_or_else(|| drv.to_string(), |name| name.to_string())
            }
        }
    }

    // --- JSON ---

    fn json(&mut self, value: &Value) -> Result<Json, Fault> {
        Ok(match value {
            Value::Int(number) => json!(number),
            Value::Bool(truth) => json!(truth),
            Value::Str(text) => {
                self.spend(length_in_json(text))?;
                json!(**text)
            }
            Value::Hash(hash) => json!(hash.to_string()),
            Value::Script(rope) => {
                self.spend(rope.len())?;
                let text = self.script(rope);
                self.spend(length_in_json(&text).saturating_sub(rope.len()))?;
                json!({ "type": "script", "text": text })
            }
            Value::Path(path) => json!({ "type": "path", "path": *path.path }),
            Value::List(list) => Json::Array(self.jsons(&list.items)?),
            Value::Record(record) => {
                let mut object = Object::new();
                for (&name, slot) in record.shape.names.iter().zip(record.fields.iter()) {
                    self.spend(length_in_json(self.name(name)))?;
                    let item = self.part(slot, Self::json)?;
                    object.insert(self.name(name).to_owned(), item);
                }
                Json::Object(object)
            }
            Value::Map(map) => {
                let mut object = Object::new();
                for (key, slot) in map.clone().iter() {
                    self.spend(length_in_json(key))?;
                    object.insert(key.to_string(), self.part(slot, Self::json)?);
                }
                Json::Object(object)
            }
            Value::Tag(tag) if *tag == self.machine.shapes.none => Json::Null,
            Value::Tag(tag) => json!({ "type": "variant", "tag": self.name(*tag), "fields": [] }),
            Value::Variant(variant) => {
                let mut fields = self.jsons(&variant.fields)?;
                if variant.tag == self.machine.shapes.some && fields.len() == 1 {
                    return Ok(fields.remove(0));
                }
                json!({ "type": "variant", "tag": self.name(variant.tag), "fields": fields })
            }
            Value::Set(set) => self.part(set.members(), Self::json)?,
            Value::Overridable(origin) => self.part(&origin.slots[0], Self::json)?,
            Value::Function(_) | Value::Extern(_) => return Err(self.function()),
            other => external(other),
        })
    }

    fn jsons(&mut self, slots: &[Slot]) -> Result<Vec<Json>, Fault> {
        slots.iter().map(|slot| self.part(slot, Self::json)).collect()
    }
}

/// JSON of the values that only the library makes.
fn external(value: &Value) -> Json {
    match value {
        Value::Package(package) => json!({
            "type": "package",
            "name": package.label.as_str(),
            "drv": package.drv.to_string(),
        }),
        Value::Image(image) => json!({
            "type": "image",
            "name": image.name,
            "tag": image.tag,
            "drv": image.drv.to_string(),
        }),
        Value::Protocol(identity) => json!({ "type": "protocol", "identity": **identity }),
        Value::Endpoint(endpoint) => {
            let mut object = json!({ "type": "endpoint", "protocol": *endpoint.protocol });
            if let (Some((transport, port)), Json::Object(fields)) = (endpoint.served, &mut object)
            {
                fields.insert("transport".to_owned(), json!(transport));
                fields.insert("port".to_owned(), json!(port));
            }
            object
        }
        Value::Variable(variable) => json!({ "type": "variable", "name": variable.name }),
        other => json!({ "type": other.kind() }),
    }
}
