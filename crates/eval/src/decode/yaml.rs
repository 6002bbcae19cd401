//! YAML 1.2 with its core schema: one document, texts as keys, anchors and aliases, no other tags
//! than those of the schema, no merge keys.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_diag::Span;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Datum, Located, MAX_NESTING, Malformed, span};

/// Prefix of the tags of the schema.
const SCHEMA: &str = "tag:yaml.org,2002:";

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Located, Malformed> {
    let mut reader = Reader {
        positions: Positions::new(text),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|error| {
            let index = error.marker().index();
            let (at, end) = (reader.positions.byte(index), reader.positions.byte(index + 1));
            Malformed::new(span(at, end), error.info())
        })?;
        let start = reader.positions.byte(at.start.index());
        let end = reader.positions.byte(at.end.index());
        reader.event(event, span(start, end.max(start)))?;
    }
    match reader.root {
        Some(root) => Ok((*root).clone()),
        None => Ok(Located { span: span(0, text.len()), datum: Datum::Null }),
    }
}

/// Byte positions of characters, which is what the parser counts.
struct Positions {
    /// `None` when both are the same.
    bytes: Option<Vec<u32>>,
    end: usize,
}

impl Positions {
    fn new(text: &str) -> Self {
        let bytes = (!text.is_ascii())
            .then(|| text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(0)).collect());
        Self { bytes, end: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        match &self.bytes {
            None => index.min(self.end),
            Some(bytes) => bytes.get(index).map_or(self.end, |at| *at as usize),
        }
    }
}

/// A list or table whose end was not met yet.
enum Open {
    List {
        start: Span,
        anchor: usize,
        items: Vec<Rc<Located>>,
    },
    Table {
        start: Span,
        anchor: usize,
        entries: Vec<(String, Span, Rc<Located>)>,
        keys: BTreeSet<String>,
        key: Option<(String, Span)>,
    },
}

struct Reader {
    positions: Positions,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Located>>,
    root: Option<Rc<Located>>,
    documents: u32,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, at: Span) -> Result<(), Malformed> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Malformed::new(at, "there is more than one document"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let datum = scalar(&text, plain, tag.as_deref(), at)?;
                self.complete(Rc::new(Located { span: at, datum }), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(value) => self.complete(value, 0),
                None => Err(Malformed::new(at, "an alias inside of what it stands for")),
            },
            Event::SequenceStart(anchor, tag) => {
                no_tag(tag.as_deref(), "seq", at)?;
                self.begin(Open::List { start: at, anchor, items: Vec::new() }, at)
            }
            Event::MappingStart(anchor, tag) => {
                no_tag(tag.as_deref(), "map", at)?;
                let (entries, keys) = (Vec::new(), BTreeSet::new());
                self.begin(Open::Table { start: at, anchor, entries, keys, key: None }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { start, anchor, items }) => {
                    let span = Span { start: start.start, end: at.end };
                    self.complete(Rc::new(Located { span, datum: Datum::List(items) }), anchor)
                }
                Some(Open::Table { start, anchor, entries, .. }) => {
                    let span = Span { start: start.start, end: at.end };
                    self.complete(Rc::new(Located { span, datum: Datum::Table(entries) }), anchor)
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, at: Span) -> Result<(), Malformed> {
        if self.open.len() >= MAX_NESTING {
            return Err(Malformed::new(
                at,
                format!("it nests more than {MAX_NESTING} levels deep"),
            ));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, value: Rc<Located>, anchor: usize) -> Result<(), Malformed> {
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Table { entries, key, keys, .. }) => match key.take() {
                Some((name, at)) => entries.push((name, at, value)),
                None => {
                    let name = key_text(&value)?;
                    if !keys.insert(name.clone()) {
                        let message = format!("the key `{name}` is there twice");
                        return Err(Malformed::new(value.span, message));
                    }
                    *key = Some((name, value.span));
                }
            },
        }
        Ok(())
    }
}

fn key_text(value: &Located) -> Result<String, Malformed> {
    match &value.datum {
        Datum::Text(text) => Ok(text.clone()),
        Datum::Int(number) => Ok(number.to_string()),
        Datum::Bool(truth) => Ok(truth.to_string()),
        other => {
            let message = format!("a key must be a text, but this is {}", other.kind());
            Err(Malformed::new(value.span, message))
        }
    }
}

fn no_tag(tag: Option<&Tag>, of_schema: &str, at: Span) -> Result<(), Malformed> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.handle == SCHEMA && tag.suffix == of_schema => Ok(()),
        Some(tag) => Err(unknown_tag(tag, at)),
    }
}

fn unknown_tag(tag: &Tag, at: Span) -> Malformed {
    Malformed::new(at, format!("the tag `{}{}` is not supported", tag.handle, tag.suffix))
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>, at: Span) -> Result<Datum, Malformed> {
    match tag {
        None if plain => Ok(plain_scalar(text)),
        None => Ok(Datum::Text(text.to_owned())),
        Some(tag) if tag.handle == SCHEMA => match tag.suffix.as_str() {
            "str" => Ok(Datum::Text(text.to_owned())),
            "int" | "bool" | "null" | "float" => Ok(plain_scalar(text)),
            _ => Err(unknown_tag(tag, at)),
        },
        Some(tag) => Err(unknown_tag(tag, at)),
    }
}

/// What a text without quotes means in the core schema.
fn plain_scalar(text: &str) -> Datum {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Datum::Null,
        "true" | "True" | "TRUE" => return Datum::Bool(true),
        "false" | "False" | "FALSE" => return Datum::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Datum::Other("a fraction"),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Datum::Other("a fraction");
    }
    let radix = [("0x", 16), ("0o", 8)].into_iter().find_map(|(prefix, radix)| {
        text.strip_prefix(prefix)
            .filter(|d| d.chars().all(|c| c.is_digit(radix)))
            .map(|d| (d, radix))
    });
    let number = match radix {
        Some((digits, radix)) if !digits.is_empty() => i64::from_str_radix(digits, radix).ok(),
        _ if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ if is_fraction(digits) => return Datum::Other("a fraction"),
        _ => return Datum::Text(text.to_owned()),
    };
    number.map_or(Datum::Other("a number that does not fit into 64 bits"), Datum::Int)
}

/// `[0-9]*` with a point or an exponent, as the core schema has it.
fn is_fraction(digits: &str) -> bool {
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
        && digits.parse::<f64>().is_ok()
}
