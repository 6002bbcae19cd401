//! Files that are read as values: `decode<T>(./file.toml)`.
//!
//! A reader makes a [`Datum`] of the text, with the place of each part; the decoder that the
//! checker derived from the type makes a value of that. Errors point into the decoded file, and at
//! the call that asked for it.

mod json;
mod toml;
mod value;
mod yaml;

use std::rc::Rc;

use cbuild_diag::{Label, SourceId, Span};
use cbuild_sema::ir::{Decoders, Program};

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::value::Value;

/// Largest file that is decoded, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// Most lists and tables within each other in a file.
const MAX_NESTING: usize = 128;
/// Native stack for reading, which nests as deep as the file does.
const STACK: usize = 8 << 20;

/// A file that an evaluation has read, as a source for diagnostics.
#[derive(Clone, Debug)]
pub struct DecodedFile {
    /// Its id in diagnostics.
    pub id: SourceId,
    /// As shown to the user.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Located {
    /// Where it is, in bytes.
    pub span: Span,
    /// What it is.
    pub datum: Datum,
}

/// What a part of a file is.
#[derive(Clone, Debug)]
pub enum Datum {
    /// Nothing, as JSON and YAML write it.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Rc<Located>>),
    /// Keys with their places, in the order of the file; each once.
    Table(Vec<(String, Span, Rc<Located>)>),
    /// What no type of the language describes, such as a fraction; in words.
    Other(&'static str),
}

/// A number that is whole and that `Int` cannot hold.
const TOO_LARGE: &str = "a number that does not fit into 64 bits";
/// A number that need not be whole.
const FRACTION: &str = "a fraction";
/// A number that may be whole, and is not written in digits alone.
const EXPONENT: &str = "a number with an exponent";

impl Datum {
    /// For messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// Why a text could not be read.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// Where it is wrong, in bytes.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

impl Malformed {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    /// A list or table at `span` is within too many others.
    fn nested(span: Span) -> Self {
        Self::new(span, format!("it nests more than {MAX_NESTING} levels deep"))
    }
}

/// A span of byte positions.
pub(crate) fn span(start: usize, end: usize) -> Span {
    let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { start: short(start), end: short(end) }
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// TOML 1.1.
    Toml,
    /// JSON of RFC 8259.
    Json,
    /// YAML 1.2 with its core schema.
    Yaml,
}

impl FileFormat {
    /// The format that the end of a file's name tells.
    pub fn of(path: &str) -> Option<Self> {
        let (stem, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
        // `Cargo.lock` and its like are TOML, though their names do not say so.
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "lock" if matches!(stem, "Cargo" | "poetry" | "uv") => Some(Self::Toml),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        }
    }

    /// Reads a text, without the byte order mark that a file may begin with.
    ///
    /// # Errors
    ///
    /// Where the text is not in the format, or has what cbuild does not read of it
    /// (`lang-spec/05-evaluation.md`, 5.12).
    pub fn read(self, text: &str) -> Result<Located, Malformed> {
        if text.starts_with('\u{feff}') {
            return Err(Malformed::new(span(0, 3), "it begins with two byte order marks"));
        }
        stacker::maybe_grow(STACK, STACK * 2, || match self {
            Self::Toml => toml::read(text),
            Self::Json => json::read(text),
            Self::Yaml => yaml::read(text),
        })
    }
}

/// The first id that no source of a program has.
pub(crate) fn first_free_source(program: &Program) -> u32 {
    let modules = program.modules.iter().map(|module| module.source.0);
    let globals = program.globals.iter().map(|global| global.source.0);
    modules.chain(globals).max().map_or(0, |last| last.saturating_add(1))
}

impl Machine<'_> {
    /// The content of the file that a path value names.
    pub(crate) fn decode(
        &mut self,
        decoders: &Decoders,
        path: &Value,
        place: Place,
    ) -> Result<Value, Fault> {
        let Value::Path(path) = path else {
            return Err(FaultBody::defect(place, format!("{} is decoded", path.kind())));
        };
        let Some(format) = FileFormat::of(&path.path) else {
            let message = format!("the name of `{}` does not tell its format", path.path);
            return Err(FaultBody::new(codes::UNREADABLE, place, message, "decoded here")
                .help("name the file `.toml`, `.json`, `.yaml` or `.yml`"));
        };
        let unreadable = |reason: String| {
            let message = format!("`{}` cannot be read: {reason}", path.path);
            FaultBody::new(codes::UNREADABLE, place, message, "decoded here")
        };
        let (name, bytes) = self.world.read_source(path.source, &path.path).map_err(&unreadable)?;
        if bytes.len() > MAX_BYTES {
            return Err(unreadable(format!("it has more than {} MiB", MAX_BYTES >> 20)));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            unreadable(format!("it is not UTF-8 text (byte {at})"))
        })?;
        // A byte order mark is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let source = self.add_decoded(name, text.to_owned());
        let datum = format.read(text).map_err(|Malformed { span, message }| {
            let message = format!("this is not valid {}: {message}", format.name());
            let found = Place { source, span };
            pointing_back(FaultBody::new(codes::MALFORMED, found, message, "here"), place)
        })?;
        value::decode(self, decoders, &datum, source, place)
    }

    /// Makes a file known as a source of diagnostics.
    fn add_decoded(&mut self, name: String, text: String) -> SourceId {
        if let Some(known) = self.decoded.iter().find(|file| file.name == name && file.text == text)
        {
            return known.id;
        }
        let count = u32::try_from(self.decoded.len()).unwrap_or(u32::MAX);
        let id = SourceId(first_free_source(self.program).saturating_add(count));
        self.decoded.push(DecodedFile { id, name, text });
        id
    }
}

/// Adds where the file is decoded.
fn pointing_back(mut fault: Fault, place: Place) -> Fault {
    let (source, span) = (place.source, place.span);
    fault.diagnostic.labels.push(Label { source, span, text: "decoded here".to_owned() });
    fault
}
