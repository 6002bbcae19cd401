//! Diagnostics as data, and the one place that renders them.
//!
//! Every phase describes what is wrong as a [`Diagnostic`]: a stable code, a severity, spans with
//! labels, notes and a fix. Only the renderer knows miette. This crate knows nothing of syntax,
//! types or the store.
#![forbid(unsafe_code)]

mod cut;
mod excerpt;
mod explain;
mod json;
mod limit;
mod render;
mod secrets;

use std::fmt;
use std::sync::OnceLock;

use thin_vec::ThinVec;

pub use crate::explain::{Explanation, explanation, explanations, similar_code};
pub use crate::json::{JsonDiagnostic, JsonPlace, to_json};
pub use crate::limit::{MAX_SHOWN_ERRORS, Shown, limited};
pub use crate::render::{RenderOptions, clean, ends_line, render, turns_direction};
pub use crate::secrets::hide as without_secrets;

/// Index of a source text in a [`Sources`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A half-open range of bytes within one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte after the range.
    pub end: u32,
}

/// The source texts of one run.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: Vec<Text>,
}

/// A source text.
#[derive(Clone, Debug, Default)]
struct Text {
    name: String,
    text: String,
    /// Where its lines start, once that was asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Text {
    fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), lines: OnceLock::new() }
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

impl Sources {
    /// Adds a text under the name that is shown to the user, such as `examples/redis/main.cbuild`.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.texts.push(Text::new(name, text));
        SourceId(u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX))
    }

    /// Puts a text under an id that was chosen elsewhere, such as that of a file that an evaluation
    /// has read. Ids between the known ones and this one stay empty.
    pub fn put(&mut self, id: SourceId, name: impl Into<String>, text: impl Into<String>) {
        let at = id.0 as usize;
        if self.texts.len() <= at {
            self.texts.resize_with(at + 1, Default::default);
        }
        self.texts[at] = Text::new(name, text);
    }

    /// How many sources there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Forgets all sources but the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.texts.truncate(count);
    }

    /// Shown name of a source; `?` for an id of another table.
    pub fn name(&self, id: SourceId) -> &str {
        self.texts.get(id.0 as usize).map_or("?", |text| &text.name)
    }

    /// Text of a source; empty for an id of another table.
    pub fn text(&self, id: SourceId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| &text.text)
    }

    /// Line and column of a byte, both from 1; columns count Unicode scalar values.
    pub fn line_column(&self, id: SourceId, byte: usize) -> (usize, usize) {
        let text = self.text(id);
        let byte = floor(text, byte);
        let line = self.line(id, byte);
        let start = self.lines(id).get(line).copied().unwrap_or_default();
        (line + 1, text[start..byte].chars().count() + 1)
    }

    /// Where the lines of a source start.
    fn lines(&self, id: SourceId) -> &[usize] {
        self.texts.get(id.0 as usize).map_or(&[0], Text::lines)
    }

    /// The line of a byte, from 0.
    fn line(&self, id: SourceId, byte: usize) -> usize {
        self.lines(id).partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// A span as byte positions that are in the text and between its characters.
    fn clamp(&self, id: SourceId, span: Span) -> (usize, usize) {
        let text = self.text(id);
        let start = floor(text, span.start as usize);
        (start, floor(text, span.end as usize).max(start))
    }
}

fn floor(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The program is refused.
    Error,
    /// The program is accepted.
    Warning,
}

/// A place and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which source.
    pub source: SourceId,
    /// Which bytes.
    pub span: Span,
    /// What is said.
    pub text: String,
}

/// One message to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code such as `E0312`; see `cbuild explain`.
    pub code: &'static str,
    /// Severity.
    pub severity: Severity,
    /// One sentence: what is wrong.
    pub message: String,
    /// Places; the first is the primary one.
    pub labels: Vec<Label>,
    /// Facts that help to understand.
    pub notes: ThinVec<String>,
    /// One concrete fix.
    pub help: Option<String>,
    /// The fix as changes of texts, all of which belong together; empty if it cannot be said so exactly.
    pub edits: ThinVec<Edit>,
}

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which source.
    pub source: SourceId,
    /// The bytes that are replaced; empty where something is inserted.
    pub span: Span,
    /// What they are replaced by.
    pub text: String,
}

impl Diagnostic {
    /// An error with its primary place.
    pub fn error(
        code: &'static str,
        source: SourceId,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { source, span, text: label.into() }],
            notes: ThinVec::new(),
            help: None,
            edits: ThinVec::new(),
        }
    }

    /// A warning with its primary place: the program is accepted, but is likely not what is meant.
    pub fn warning(
        code: &'static str,
        source: SourceId,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, source, span, message, label) }
    }

    /// Whether the program is refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Adds a secondary place.
    #[must_use]
    pub fn label(mut self, source: SourceId, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { source, span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a change that the fix makes.
    #[must_use]
    pub fn edit(mut self, source: SourceId, span: Span, text: impl Into<String>) -> Self {
        self.edits.push(Edit { source, span, text: text.into() });
        self
    }

    /// Sets the fix.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Sources, Diagnostic) {
        let mut sources = Sources::default();
        let main = sources.add("main.cbuild", "let a = 1\nlet ü = b.c\n");
        let other = sources.add("lib.cbuild", "pub let d = 2\n");
        let diagnostic = Diagnostic::error(
            "E0201",
            main,
            Span { start: 19, end: 22 },
            "there is no `c`",
            "not found",
        )
        .label(main, Span { start: 4, end: 5 }, "the first definition")
        .label(other, Span { start: 8, end: 9 }, "did you mean this?")
        .note("a module only shows its `pub` items")
        .help("write `b.d`");
        (sources, diagnostic)
    }

    #[test]
    fn plain_form() {
        let (sources, diagnostic) = sample();
        insta::assert_snapshot!(render(&sources, &diagnostic, RenderOptions::plain()));
    }

    #[test]
    fn terminal_form() {
        let (sources, diagnostic) = sample();
        let drawn = render(&sources, &diagnostic, RenderOptions::terminal(80));
        assert!(drawn.contains("\u{1b}["), "colours are used");
        insta::assert_snapshot!(drawn.escape_debug().to_string().replace("\\n", "\n"));
    }

    /// Lines keep their numbers, however far they are from each other.
    #[test]
    fn far_lines_are_drawn() {
        let mut sources = Sources::default();
        let text: String = (1..=900).map(|line| format!("line {line}\n")).collect();
        let id = sources.add("far.cbuild", text.clone());
        let span = |line: usize| {
            let at = text.find(&format!("line {line}\n")).map_or(0, |at| at as u32);
            Span { start: at, end: at + 4 }
        };
        let diagnostic = Diagnostic::error("E0106", id, span(700), "expected `]`", "expected here")
            .label(id, span(3), "to close this")
            .label(id, span(707), "near")
            .label(id, span(900), "the end");
        insta::assert_snapshot!(render(&sources, &diagnostic, RenderOptions::plain()));
    }

    /// One line of 200 kB with a label in its middle, one that covers what is cut, and one at its end.
    fn wide() -> (Sources, Diagnostic) {
        let mut sources = Sources::default();
        let text = format!("// ok\nlet a = \"{}\t漢 ü\" + b.c\n", "x".repeat(200_000));
        let id = sources.add("wide.cbuild", text.clone());
        let at = |part: &str| text.find(part).map_or(0, |at| at as u32);
        let span = |start, len| Span { start, end: start + len };
        let diagnostic =
            Diagnostic::error("E0201", id, span(at("b.c"), 3), "there is no `c`", "not found")
                .label(id, span(at("漢"), 3), "wide")
                .label(id, span(at("\"x"), at("\" +") - at("\"x") + 1), "has type `Str`");
        (sources, diagnostic)
    }

    #[test]
    fn long_lines_are_cut() {
        let (sources, diagnostic) = wide();
        insta::assert_snapshot!(render(&sources, &diagnostic, RenderOptions::plain()));
    }

    #[test]
    fn long_lines_are_cut_on_a_terminal() {
        let (sources, diagnostic) = wide();
        let options = RenderOptions { colour: false, ..RenderOptions::terminal(80) };
        insta::assert_snapshot!(render(&sources, &diagnostic, options));
    }

    #[test]
    fn json_has_the_real_columns_of_long_lines() {
        let (sources, diagnostic) = wide();
        let json = to_json(&sources, &diagnostic);
        let column = json.place.as_ref().map(|place| (place.line, place.column, place.start));
        assert_eq!(column, Some((2, 200_018, 200_026)));
    }

    #[test]
    fn labels_at_any_column_are_drawn() {
        let mut sources = Sources::default();
        let id = sources.add("a", "ü\t漢x".repeat(40_000));
        for start in [0, 1, 65_534, 65_535, 65_536, 200_000, 279_993, 279_999] {
            for len in [0, 1, 70_000, 400_000] {
                let span = Span { start, end: start + len };
                let diagnostic = Diagnostic::error("E0104", id, span, "wrong thing", "here");
                let drawn = render(&sources, &diagnostic, RenderOptions::plain());
                assert!(drawn.contains("here") && drawn.len() < 4_000, "{drawn}");
            }
        }
    }

    #[test]
    fn json_form() {
        let (sources, diagnostic) = sample();
        let json = serde_json::to_string_pretty(&to_json(&sources, &diagnostic));
        insta::assert_snapshot!(json.unwrap());
    }

    #[test]
    fn sources_cannot_steer_the_terminal() {
        let mut sources = Sources::default();
        let id = sources.add("a\u{1b}[2J", "let a = \u{1b}[31m\u{9b}\u{202e} x");
        let span = Span { start: 8, end: 12 };
        let diagnostic = Diagnostic::error("E0104", id, span, "bad \u{1b}]0;x\u{7}", "here\u{8}");
        let drawn = render(&sources, &diagnostic, RenderOptions::plain());
        assert!(drawn.contains("let a = ?[31m"), "{drawn}");
        assert!(!drawn.contains(['\u{1b}', '\u{7}', '\u{8}', '\u{9b}', '\u{202e}']), "{drawn}");
    }

    #[test]
    fn spans_outside_of_the_text_are_drawn() {
        let mut sources = Sources::default();
        let id = sources.add("a", "ü");
        for (source, start, end) in [(id, 1, 1), (id, 1, 99), (id, 9, 3), (SourceId(7), 0, 1)] {
            let span = Span { start, end };
            let diagnostic = Diagnostic::error("E0104", source, span, "wrong thing", "here");
            let drawn = render(&sources, &diagnostic, RenderOptions::plain());
            assert!(drawn.contains("wrong thing"), "{drawn}");
        }
    }
}
