//! Diagnostics as text for people. The only module that names miette.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use crate::cut::Cut;
use crate::{Diagnostic, Label, Severity, SourceId, Sources};
use crate::{excerpt, secrets};

/// How a diagnostic is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether colours are used.
    pub colour: bool,
    /// Whether lines and arrows are drawn with characters beyond ASCII.
    pub unicode: bool,
    /// Columns of the terminal; longer messages are wrapped.
    pub width: usize,
}

impl RenderOptions {
    /// For a terminal.
    pub fn terminal(width: usize) -> Self {
        Self { colour: true, unicode: true, width }
    }

    /// For files, pipes and tests: ASCII without colours.
    pub fn plain() -> Self {
        Self { colour: false, unicode: false, width: 100 }
    }
}

/// Draws a diagnostic with the source lines that it is about.
///
/// Labels of other sources than that of the first label are drawn below it, source by source.
/// Control characters of the source are shown as `?`, so that a source cannot steer the terminal, what
/// lets a reader in (passwords in addresses) as `*`, and long lines are cut around the labels.
pub fn render(sources: &Sources, diagnostic: &Diagnostic, options: RenderOptions) -> String {
    let handler = handler(options);
    let mut out = String::new();
    let mut groups = by_source(&diagnostic.labels).into_iter();
    let main = Report {
        code: Some(diagnostic.code),
        severity: diagnostic.severity,
        message: told(&diagnostic.message),
        snippet: groups.next().map(|(id, labels)| snippet(sources, id, &labels, options)),
        help: diagnostic.help.as_deref().map(told),
    };
    draw(&handler, &mut out, &main);
    for (id, labels) in groups {
        let message = format!("see also {}", clean(sources.name(id)));
        let snippet = Some(snippet(sources, id, &labels, options));
        let severity = diagnostic.severity;
        draw(&handler, &mut out, &Report { code: None, severity, message, snippet, help: None });
    }
    for note in &diagnostic.notes {
        out.push_str("  note: ");
        out.push_str(&told(note).replace('\n', "\n        "));
        out.push('\n');
    }
    out
}

fn draw(handler: &GraphicalReportHandler, out: &mut String, report: &Report) {
    // Spans are clamped to the text, and writing to a string does not fail; if miette refuses the
    // snippet all the same, the message is what counts.
    let start = out.len();
    if handler.render_report(out, report).is_err() {
        out.truncate(start);
        out.push_str(&format!("{report}\n"));
    }
}

fn handler(options: RenderOptions) -> GraphicalReportHandler {
    let characters =
        if options.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    let styles = if options.colour { ThemeStyles::ansi() } else { ThemeStyles::none() };
    GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
        .with_width(options.width.max(40))
        .with_links(false)
        .without_syntax_highlighting()
}

/// Labels grouped by source, in the order in which the sources first occur.
fn by_source(labels: &[Label]) -> Vec<(SourceId, Vec<&Label>)> {
    let mut groups: Vec<(SourceId, Vec<&Label>)> = Vec::new();
    for label in labels {
        match groups.iter_mut().find(|(id, _)| *id == label.source) {
            Some((_, group)) => group.push(label),
            None => groups.push((label.source, vec![label])),
        }
    }
    groups
}

fn snippet(sources: &Sources, id: SourceId, labels: &[&Label], options: RenderOptions) -> Snippet {
    let places: Vec<(usize, usize)> =
        labels.iter().map(|label| sources.clamp(id, label.span)).collect();
    let bytes: Vec<usize> = places.iter().flat_map(|(start, end)| [*start, *end]).collect();
    let excerpt = excerpt::Excerpt::new(sources, id, &bytes);
    let text = secrets::hide(same_length(&excerpt.text));
    let spans: Vec<(usize, usize)> =
        places.iter().map(|(start, end)| (excerpt.place(*start), excerpt.place(*end))).collect();
    let edges: Vec<usize> = spans.iter().flat_map(|(start, end)| [*start, *end]).collect();
    let cut = Cut::new(&text, &edges, if options.unicode { "…" } else { "..." });
    let mut shown = Vec::with_capacity(labels.len());
    for (label, (start, end)) in labels.iter().zip(&spans) {
        let (start, end) = (cut.place(*start), cut.place(*end));
        let (message, span) = (Some(told(&label.text)), (start, end - start));
        shown.push(if shown.is_empty() {
            LabeledSpan::new_primary_with_span(message, span)
        } else {
            LabeledSpan::new_with_span(message, span)
        });
    }
    let start = places.first().map_or(0, |(start, _)| *start);
    let (line, column) = sources.line_column(id, start);
    let name = clean(sources.name(id));
    Snippet {
        source: Excerpt {
            name,
            text: cut.text,
            place: (line - 1, column - 1),
            lines: excerpt.lines(),
        },
        labels: shown,
    }
}

/// The part of a source that is shown, with its long lines cut.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// Line and column of the first label in the whole text, from 0.
    place: (usize, usize),
    /// Lines of this text, and those of the whole text that they are.
    lines: Vec<(usize, usize)>,
}

impl Excerpt {
    /// The line of the whole text that a line is.
    fn line(&self, line: usize) -> usize {
        let next = self.lines.partition_point(|(here, _)| *here <= line);
        let part = next.checked_sub(1).and_then(|at| self.lines.get(at));
        part.map_or(line, |(here, whole)| whole + (line - here))
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        // Without lines around it only the place is asked for, which is shown above the text.
        let (line, column) =
            if before + after == 0 { self.place } else { (self.line(read.line()), read.column()) };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            read.data(),
            *read.span(),
            line,
            column,
            read.line_count(),
        )))
    }
}

/// A message without control characters other than line breaks and tabs. What comes from elsewhere,
/// such as a builder's log or a file's name, could otherwise steer the user's terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '?' } else { c }).collect()
}

/// What is said of a source, which may repeat an address that stands in it.
fn told(text: &str) -> String {
    secrets::hide(clean(text))
}

/// As [`clean`], keeping the byte positions.
fn same_length(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_steering(c) {
            clean.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Control characters, those that turn the direction of writing, and foreign ends of lines.
fn is_steering(c: char) -> bool {
    turns_direction(c) || ends_line(c) || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}

/// Whether a character that is no control character ends a line or paragraph (U+2028, U+2029).
#[must_use]
pub fn ends_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a character turns the direction of writing, so that a text is read otherwise than it is.
#[must_use]
pub fn turns_direction(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[derive(Debug)]
struct Snippet {
    source: Excerpt,
    labels: Vec<LabeledSpan>,
}

/// A diagnostic in the form that miette draws.
#[derive(Debug)]
struct Report {
    code: Option<&'static str>,
    severity: Severity,
    message: String,
    snippet: Option<Snippet>,
    help: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match (self.code, self.severity) {
            (None, _) => miette::Severity::Advice,
            (_, Severity::Error) => miette::Severity::Error,
            (_, Severity::Warning) => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.snippet.as_ref().map(|snippet| &snippet.source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = &self.snippet.as_ref()?.labels;
        Some(Box::new(labels.iter().cloned()))
    }
}
