//! From the content of a file to a value of the type that was asked for.

use std::fmt::Write;
use std::rc::Rc;

use cbuild_diag::{SourceId, Span};
use cbuild_drv::ContentHash;
use cbuild_sema::ir::{Absent, Decoder, DecoderCase, DecoderField, Decoders};

use super::{Datum, Located, pointing_back};
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::map::Map;
use crate::stack;
use crate::value::{Record, Slot, Value, Variant};

/// Most parts of a decoded value; aliases of YAML could make it far larger than its file.
const MAX_PARTS: usize = 4_000_000;

/// Where in the file a value stands, for messages.
enum Trail<'t> {
    Root,
    Key(&'t Trail<'t>, &'t str),
    Item(&'t Trail<'t>, usize),
}

impl Trail<'_> {
    /// Such as `dependencies[2].version`.
    fn write(&self, text: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(up, key) => {
                up.write(text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Self::Item(up, index) => {
                up.write(text);
                let _ = write!(text, "[{index}]");
            }
        }
    }

    /// As the subject of a sentence.
    fn subject(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        if text.is_empty() { "the file".to_owned() } else { format!("`{text}`") }
    }
}

struct Decoding<'d, 'm, 'a> {
    machine: &'m mut Machine<'a>,
    decoders: &'d Decoders,
    source: SourceId,
    /// The call.
    place: Place,
    parts: usize,
}

/// Makes the value; `source` is the file and `place` the call.
pub(super) fn decode(
    machine: &mut Machine<'_>,
    decoders: &Decoders,
    datum: &Located,
    source: SourceId,
    place: Place,
) -> Result<Value, Fault> {
    Decoding { machine, decoders, source, place, parts: 0 }.part(0, datum, &Trail::Root)
}

impl Decoding<'_, '_, '_> {
    fn fault(&self, code: &'static str, span: Span, message: String, label: &str) -> Fault {
        let found = Place { source: self.source, span };
        pointing_back(FaultBody::new(code, found, message, label), self.place)
    }

    fn wrong_kind(&self, wanted: &str, found: &Located, trail: &Trail<'_>) -> Fault {
        let kind = found.datum.kind();
        let message = format!("{} must be {wanted}, but it is {kind}", trail.subject());
        let fault = self.fault(codes::WRONG_KIND, found.span, message, &format!("this is {kind}"));
        match (wanted, &found.datum) {
            ("a text", Datum::Int(_) | Datum::Bool(_) | Datum::Other(_)) => {
                fault.help("put it in quotes, or change the type that is decoded")
            }
            (_, Datum::Null) => fault.help("give it a value, or decode an `Option`"),
            _ => fault,
        }
    }

    fn part(&mut self, index: usize, at: &Located, trail: &Trail<'_>) -> Result<Value, Fault> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            let message = format!("the decoded value has more than {MAX_PARTS} parts");
            return Err(self.fault(codes::SIZE, at.span, message, "at this part it was stopped"));
        }
        self.machine.tick(self.place)?;
        stack::guarded(|| self.part_inner(index, at, trail))
    }

    fn part_inner(
        &mut self,
        index: usize,
        at: &Located,
        trail: &Trail<'_>,
    ) -> Result<Value, Fault> {
        let decoders = self.decoders;
        let Some(decoder) = decoders.0.get(index) else {
            return Err(FaultBody::defect(self.place, "a decoder does not exist"));
        };
        Ok(match (decoder, &at.datum) {
            (Decoder::Option(_), Datum::Null) => self.machine.none(),
            (Decoder::Option(inner), _) => {
                let value = self.part(*inner, at, trail)?;
                self.machine.some(Slot::Ready(value))
            }
            (Decoder::Int, Datum::Int(number)) => Value::Int(*number),
            (Decoder::Bool, Datum::Bool(truth)) => Value::Bool(*truth),
            (Decoder::Str, Datum::Text(text)) => Value::text(text.as_str()),
            (Decoder::Hash, Datum::Text(text)) => self.hash(text, at.span, trail)?,
            (Decoder::List(inner), Datum::List(items)) => {
                let mut slots = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    slots.push(Slot::Ready(self.part(*inner, item, &Trail::Item(trail, at))?));
                }
                Value::list(slots)
            }
            (Decoder::Map(inner), Datum::Table(entries)) => {
                let mut slots = Vec::with_capacity(entries.len());
                for (key, _, value) in entries {
                    let value = self.part(*inner, value, &Trail::Key(trail, key))?;
                    slots.push((Rc::new(key.clone()), Slot::Ready(value)));
                }
                slots.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Map(Map::from_entries(slots))
            }
            (Decoder::Record(fields), Datum::Table(entries)) => {
                self.record(fields, entries, at, trail)?
            }
            (Decoder::Variant(cases), _) => self.variant(cases, at, trail)?,
            (decoder, _) => return Err(self.wrong_kind(wanted(decoder), at, trail)),
        })
    }

    fn hash(&self, text: &str, span: Span, trail: &Trail<'_>) -> Result<Value, Fault> {
        ContentHash::parse(text).map(|hash| Value::Hash(Rc::new(hash))).map_err(|error| {
            let message = format!("{} is not a hash: {error}", trail.subject());
            self.fault(codes::BAD_CONTENT, span, message, "not a hash")
                .help("write `sha256-`, `sha512-` or `blake3-` and the digest in base64 or hex")
        })
    }

    fn record(
        &mut self,
        fields: &[DecoderField],
        entries: &[(String, Span, Rc<Located>)],
        at: &Located,
        trail: &Trail<'_>,
    ) -> Result<Value, Fault> {
        let mut slots = Vec::with_capacity(fields.len());
        for field in fields {
            let name = self.machine.shapes.name(field.name).to_owned();
            slots.push(match entries.iter().find(|(key, ..)| *key == name) {
                Some((_, _, value)) => {
                    Slot::Ready(self.part(field.decoder, value, &Trail::Key(trail, &name))?)
                }
                None => match field.absent {
                    Absent::None => Slot::Ready(self.machine.none()),
                    Absent::Default(global) => Slot::Global(global.0),
                    Absent::Refused => return Err(self.missing(&name, entries, at, trail)),
                },
            });
        }
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        let shape = self.machine.shapes.shape(&names);
        Ok(Value::Record(Rc::new(Record { shape, fields: slots.into() })))
    }

    fn missing(
        &self,
        name: &str,
        entries: &[(String, Span, Rc<Located>)],
        at: &Located,
        trail: &Trail<'_>,
    ) -> Fault {
        let message = format!("{} has no `{name}`", trail.subject());
        let fault = self.fault(codes::MISSING_KEY, at.span, message, "in this table");
        let near = entries.iter().find(|(key, ..)| {
            let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
            plain(key) == plain(name)
        });
        match near {
            Some((key, ..)) => fault.help(format!(
                "the file has `{key}`; decode it as a `Map`, or rename one of the two"
            )),
            None => fault.help(format!("add `{name}`, or make the field optional: `{name}?: …`")),
        }
    }

    /// A case without payload is its name; one with payload is a table of its name and the payload,
    /// which is a list if there are several parts.
    fn variant(
        &mut self,
        cases: &[DecoderCase],
        at: &Located,
        trail: &Trail<'_>,
    ) -> Result<Value, Fault> {
        let (name, span, payload) = match &at.datum {
            Datum::Text(name) => (name, at.span, None),
            Datum::Table(entries) => match entries.as_slice() {
                [(name, span, payload)] => (name, *span, Some(payload)),
                _ => return Err(self.wrong_kind("a table with one key, the case", at, trail)),
            },
            _ => return Err(self.wrong_kind("the name of a case", at, trail)),
        };
        let found = cases.iter().find(|case| self.machine.shapes.name(case.name) == name);
        let Some(case) = found else {
            return Err(self.unknown_case(cases, name, span, trail));
        };
        let trail = Trail::Key(trail, name);
        let fields = match (case.fields.as_slice(), payload) {
            ([], None) => return Ok(Value::Tag(case.name)),
            ([only], Some(payload)) => vec![Slot::Ready(self.part(*only, payload, &trail)?)],
            (several, Some(payload)) if !several.is_empty() => {
                let Datum::List(items) = &payload.datum else {
                    return Err(self.wrong_kind("a list with its parts", payload, &trail));
                };
                if items.len() != several.len() {
                    let (want, have) = (several.len(), items.len());
                    let message = format!("`{name}` has {want} parts, but {have} are given");
                    return Err(self.fault(codes::BAD_CONTENT, payload.span, message, "these"));
                }
                let mut slots = Vec::with_capacity(items.len());
                for (index, (decoder, item)) in several.iter().zip(items).enumerate() {
                    let trail = Trail::Item(&trail, index);
                    slots.push(Slot::Ready(self.part(*decoder, item, &trail)?));
                }
                slots
            }
            ([], Some(_)) => {
                let message = format!("the case `{name}` has no payload");
                return Err(self
                    .fault(codes::BAD_CONTENT, at.span, message, "has a payload")
                    .help(format!("write only the text `{name}`")));
            }
            _ => {
                let message = format!("the case `{name}` needs its payload");
                return Err(self
                    .fault(codes::BAD_CONTENT, at.span, message, "has no payload")
                    .help(format!("write a table with the key `{name}`")));
            }
        };
        Ok(Value::Variant(Rc::new(Variant { tag: case.name, fields: fields.into() })))
    }

    fn unknown_case(
        &self,
        cases: &[DecoderCase],
        name: &str,
        span: Span,
        trail: &Trail<'_>,
    ) -> Fault {
        let known: Vec<&str> = cases.iter().map(|c| self.machine.shapes.name(c.name)).collect();
        let message = format!("{} is none of the cases: `{name}`", trail.subject());
        self.fault(codes::BAD_CONTENT, span, message, "no such case")
            .help(format!("the cases are `{}`", known.join("`, `")))
    }
}

fn wanted(decoder: &Decoder) -> &'static str {
    match decoder {
        Decoder::Int => "a number",
        Decoder::Bool => "a truth value",
        Decoder::Str => "a text",
        Decoder::Hash => "a text that is a hash",
        Decoder::List(_) => "a list",
        Decoder::Map(_) | Decoder::Record(_) => "a table",
        Decoder::Option(_) | Decoder::Variant(_) => "a value",
    }
}
