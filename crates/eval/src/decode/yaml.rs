//! YAML 1.2 with its core schema: one document, texts as keys, anchors and aliases, no other tags
//! than those of the schema and `!`. Merge keys and files that say they are YAML 1.1 are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_diag::Span;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Datum, EXPONENT, FRACTION, Located, MAX_NESTING, Malformed, TOO_LARGE, span};

/// Prefix of the tags of the schema.
const SCHEMA: &str = "tag:yaml.org,2002:";

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Located, Malformed> {
    let mut reader = Reader {
        positions: Positions::new(text),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        merges: BTreeSet::new(),
        root: None,
        documents: 0,
    };
    other_version(text)?;
    let unterminated = Unterminated::of(text);
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|error| {
            let index = error.marker().index();
            let at = span(reader.positions.byte(index), reader.positions.byte(index + 1));
            match error.info() {
                "recursion limit exceeded" => Malformed::nested(at),
                info => Malformed::new(at, info),
            }
        })?;
        let event = unterminated.mended(event, &at);
        let start = reader.positions.byte(at.start.index());
        let end = reader.positions.byte(at.end.index());
        reader.event(event, span(start, end.max(start)))?;
    }
    match reader.root {
        Some(root) => Ok((*root).clone()),
        None => Ok(Located { span: span(0, text.len()), datum: Datum::Null }),
    }
}

/// Refuses a text that says it is of another version: of YAML 1.1 plain words such as `yes` and `0777` have
/// other values, so that reading it as 1.2 would change what it says.
fn other_version(text: &str) -> Result<(), Malformed> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches('\u{feff}').trim_end();
        let mut words = content.split_whitespace();
        match words.next() {
            Some("%YAML") => {
                if let Some(version) = words.next().filter(|version| *version != "1.2") {
                    let message = format!("this is YAML {version}; YAML 1.2 is read");
                    return Err(Malformed::new(span(start, start + content.len()), message));
                }
            }
            Some(word) if !word.starts_with(['%', '#']) => break,
            _ => {}
        }
        start += line.len();
    }
    Ok(())
}

/// The last line of a text that does not end with a line break.
///
/// The parser adds a line feed to a block scalar that ends there, while the end of the file adds
/// none (YAML 1.2.2, production 165, `b-chomped-last`). Spaces beyond the indentation are a line of
/// their own with a line feed, as yaml-test-suite has it (L24T).
struct Unterminated {
    /// Characters of the whole text, and of its last line; none of the latter when it has an end.
    text: usize,
    line: usize,
    /// Whether the last line has nothing else than spaces.
    spaces: bool,
}

impl Unterminated {
    fn of(text: &str) -> Self {
        let line = text.rsplit(['\n', '\r']).next().unwrap_or(text);
        let spaces = line.bytes().all(|byte| byte == b' ');
        Self { text: text.chars().count(), line: line.chars().count(), spaces }
    }

    /// The event without what the parser added to it.
    fn mended<'t>(&self, event: Event<'t>, at: &saphyr_parser::Span) -> Event<'t> {
        // A block scalar starts at its content, so the column is its indentation.
        let indentation = at.start.col();
        let added = if self.spaces {
            self.line == indentation && self.line > 0
        } else {
            self.line >= indentation
        };
        match event {
            Event::Scalar(content, style, anchor, tag)
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
                    && at.end.index() == self.text
                    && added
                    && content.bytes().any(|byte| byte != b'\n')
                    && content.ends_with('\n') =>
            {
                let mut content = content.into_owned();
                content.pop();
                Event::Scalar(content.into(), style, anchor, tag)
            }
            other => other,
        }
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
    /// The anchors of plain `<<`.
    merges: BTreeSet<usize>,
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
                if plain && text == "<<" && tag.is_none() {
                    self.no_merge(at)?;
                    self.merges.insert(anchor);
                }
                let datum = scalar(&text, plain, tag.as_deref(), at)?;
                self.complete(Rc::new(Located { span: at, datum }), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(value) => {
                    if self.merges.contains(&anchor) {
                        self.no_merge(at)?;
                    }
                    self.complete(value, 0)
                }
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

    /// Refuses a plain `<<` as a key.
    fn no_merge(&self, at: Span) -> Result<(), Malformed> {
        let message =
            "merge keys (`<<`) are not read; write the entries out, or put the key in quotes";
        if self.at_key() { Err(Malformed::new(at, message)) } else { Ok(()) }
    }

    /// Whether a key of a table comes next.
    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Table { key: None, .. }))
    }

    fn begin(&mut self, open: Open, at: Span) -> Result<(), Malformed> {
        if self.open.len() >= MAX_NESTING {
            return Err(Malformed::nested(at));
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
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(()),
        Some(tag) => Err(unknown_tag(tag, at)),
    }
}

fn unknown_tag(tag: &Tag, at: Span) -> Malformed {
    Malformed::new(at, format!("the tag `{}{}` is not supported", tag.handle, tag.suffix))
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>, at: Span) -> Result<Datum, Malformed> {
    let Some(tag) = tag else {
        return Ok(if plain { plain_scalar(text) } else { Datum::Text(text.to_owned()) });
    };
    // The tag `!` alone makes a text of whatever follows.
    if tag.handle.is_empty() && tag.suffix == "!" {
        return Ok(Datum::Text(text.to_owned()));
    }
    if tag.handle != SCHEMA {
        return Err(unknown_tag(tag, at));
    }
    let number = |of: &str| matches!(of, TOO_LARGE | FRACTION | EXPONENT);
    match (tag.suffix.as_str(), plain_scalar(text)) {
        ("str", _) => Ok(Datum::Text(text.to_owned())),
        ("null", datum @ Datum::Null)
        | ("bool", datum @ Datum::Bool(_))
        | ("int", datum @ (Datum::Int(_) | Datum::Other(TOO_LARGE))) => Ok(datum),
        ("float", Datum::Int(_)) => Ok(Datum::Other(FRACTION)),
        ("float", Datum::Other(kind)) if number(kind) => Ok(Datum::Other(kind)),
        ("null" | "bool" | "int" | "float", _) => {
            let message = format!("this is not what its tag `!!{}` says", tag.suffix);
            Err(Malformed::new(at, message))
        }
        _ => Err(unknown_tag(tag, at)),
    }
}

/// What a text without quotes means in the core schema.
fn plain_scalar(text: &str) -> Datum {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Datum::Null,
        "true" | "True" | "TRUE" => return Datum::Bool(true),
        "false" | "False" | "FALSE" => return Datum::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Datum::Other(FRACTION),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Datum::Other(FRACTION);
    }
    let radix = [("0x", 16), ("0o", 8)].into_iter().find_map(|(prefix, radix)| {
        text.strip_prefix(prefix)
            .filter(|d| d.chars().all(|c| c.is_digit(radix)))
            .map(|d| (d, radix))
    });
    let number = match radix {
        Some((digits, radix)) if !digits.is_empty() => i64::from_str_radix(digits, radix).ok(),
        _ if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ if is_fraction(digits) && digits.contains(['e', 'E']) => return Datum::Other(EXPONENT),
        _ if is_fraction(digits) => return Datum::Other(FRACTION),
        _ => return Datum::Text(text.to_owned()),
    };
    number.map_or(Datum::Other(TOO_LARGE), Datum::Int)
}

/// `[0-9]*` with a point or an exponent, as the core schema has it.
fn is_fraction(digits: &str) -> bool {
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
        && digits.parse::<f64>().is_ok()
}
