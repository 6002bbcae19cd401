//! The text that the printer has written so far.
//!
//! Indentation is written with the first text of a line, so that no line ends with blanks.

use super::INDENT;
use super::doc::Block;

#[derive(Debug)]
pub(super) struct Output<'s> {
    text: String,
    /// Columns of the current line, without indentation that is not written yet.
    column: usize,
    /// Indentation of the current line.
    indent: usize,
    /// Whether nothing is written to the current line.
    fresh: bool,
    /// A comment that is to end the current line.
    suffix: Option<&'s str>,
}

impl Default for Output<'_> {
    fn default() -> Self {
        Self { text: String::new(), column: 0, indent: 0, fresh: true, suffix: None }
    }
}

impl<'s> Output<'s> {
    /// The column at which the next text would stand.
    pub(super) fn column(&self) -> usize {
        if self.fresh { self.indent } else { self.column }
    }

    pub(super) fn text(&mut self, text: &str, indent: usize) {
        // A comma stands in front of the comment that ends its line; all else comes after it.
        if self.suffix.is_some() && text != "," {
            self.newline(indent);
        }
        if self.fresh {
            self.text.extend(std::iter::repeat_n(' ', self.indent));
            self.column = self.indent;
            self.fresh = false;
        }
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    pub(super) fn space(&mut self) {
        if !self.fresh && !self.text.ends_with(' ') {
            self.text.push(' ');
            self.column += 1;
        }
    }

    pub(super) fn newline(&mut self, indent: usize) {
        self.indent = indent;
        if self.fresh {
            return;
        }
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        if let Some(suffix) = self.suffix.take() {
            self.text.push(' ');
            self.text.push_str(suffix);
        }
        self.text.push('\n');
        self.fresh = true;
    }

    pub(super) fn blank(&mut self) {
        if self.fresh && !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub(super) fn comment(&mut self, text: &str, blank: bool, indent: usize) {
        self.newline(indent);
        if blank {
            self.blank();
        }
        self.text(text, indent);
        self.newline(indent);
    }

    pub(super) fn suffix(&mut self, text: &'s str, indent: usize) {
        if self.fresh || self.suffix.is_some() {
            return self.comment(text, false, indent);
        }
        self.suffix = Some(text);
    }

    pub(super) fn block(&mut self, block: &Block, indent: usize) {
        self.text(&block.first, indent);
        let indent = if block.indented { self.indent + INDENT } else { 0 };
        for line in &block.rest {
            self.text.push('\n');
            if !line.is_empty() {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.text.push_str(line);
            }
        }
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        self.column = line.chars().count();
    }

    pub(super) fn finish(mut self) -> String {
        self.newline(0);
        let end = self.text.trim_end_matches('\n').len();
        self.text.truncate(end);
        self.text
    }
}
