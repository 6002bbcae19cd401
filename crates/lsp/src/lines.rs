//! Byte offsets of a text as the protocol's positions, which count UTF-16 code units, and back.

use cbuild_diag::Span;
use line_index::{LineIndex, TextSize, WideEncoding, WideLineCol};
use lsp_types::{Position, Range};

/// Where the lines of a text begin, and which of its characters are wide.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    index: LineIndex,
    length: u32,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        Self { index: LineIndex::new(text), length: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }

    /// The position of a byte; of one behind the text the text's end.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.length);
        let place = self.index.try_line_col(TextSize::from(offset));
        let wide = place.and_then(|place| self.index.to_wide(WideEncoding::Utf16, place));
        wide.map_or_else(Position::default, |wide| Position::new(wide.line, wide.col))
    }

    /// The range of a span.
    pub(crate) fn range(&self, span: Span) -> Range {
        Range::new(self.position(span.start), self.position(span.end.max(span.start)))
    }

    /// The byte of a position. A column behind its line's end is that end, a line behind the text is
    /// the text's end, and a position inside a character is its start.
    pub(crate) fn offset(&self, text: &str, position: Position) -> u32 {
        let Some(line) = self.index.line(position.line) else { return self.length };
        let start: usize = line.start().into();
        let end: usize = line.end().into();
        let content = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let wide = WideLineCol { line: position.line, col: position.character };
        let in_line = self
            .index
            .to_utf8(WideEncoding::Utf16, wide)
            .map_or(content.len(), |place| (place.col as usize).min(content.len()));
        let inside = (0..=in_line).rev().find(|at| content.is_char_boundary(*at)).unwrap_or(0);
        u32::try_from(start + inside).unwrap_or(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_as_the_protocol_counts_them() {
        let text = "a = \"ü😀\" b\r\nsecond\n";
        let lines = Lines::new(text);
        let b = text.find('b').unwrap() as u32;
        assert_eq!(lines.position(b), Position::new(0, 10));
        assert_eq!(lines.offset(text, Position::new(0, 10)), b);
        let second = text.find("second").unwrap() as u32;
        assert_eq!(lines.position(second), Position::new(1, 0));
        assert_eq!(lines.offset(text, Position::new(1, 0)), second);
    }

    #[test]
    fn positions_outside_of_the_text_are_put_inside() {
        let text = "ab\ncd";
        let lines = Lines::new(text);
        assert_eq!(lines.offset(text, Position::new(0, 99)), 2);
        assert_eq!(lines.offset(text, Position::new(9, 0)), 5);
        assert_eq!(lines.position(99), Position::new(1, 2));
        let wide = "😀x";
        let lines = Lines::new(wide);
        assert_eq!(lines.offset(wide, Position::new(0, 1)), 0, "inside of a character");
        assert_eq!(lines.offset(wide, Position::new(0, 2)), 4);
    }

    #[test]
    fn an_empty_text_has_one_position() {
        let lines = Lines::new("");
        assert_eq!(lines.position(0), Position::new(0, 0));
        assert_eq!(lines.offset("", Position::new(3, 3)), 0);
    }
}
