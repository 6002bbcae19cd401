//! The lines around the places of a message, without the rest of the source.
//!
//! What draws a message reads its source from the start, so that thousands of messages about a long source would
//! take minutes. It knows nothing of how lines are drawn.

use crate::{SourceId, Sources};

/// Lines that are kept around each place; what draws them shows one.
const AROUND: usize = 2;
/// Lines between two places that are rather kept than left out.
const GAP: usize = 8;

/// Parts of a source, one below the other.
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// Parts in ascending order.
    parts: Vec<Part>,
}

struct Part {
    /// First byte and byte behind, in the source.
    start: usize,
    end: usize,
    /// First byte in the excerpt.
    at: usize,
    /// First line in the source, and in the excerpt.
    line: usize,
    line_at: usize,
}

impl Excerpt {
    /// The parts of a source around some bytes.
    pub(crate) fn new(sources: &Sources, id: SourceId, bytes: &[usize]) -> Self {
        let (text, starts) = (sources.text(id), sources.lines(id));
        let mut lines: Vec<usize> = bytes.iter().map(|byte| sources.line(id, *byte)).collect();
        lines.sort_unstable();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for line in lines {
            let (from, to) = (line.saturating_sub(AROUND), line + AROUND + 1);
            match ranges.last_mut() {
                Some(last) if from <= last.1 + GAP => last.1 = to.max(last.1),
                _ => ranges.push((from, to)),
            }
        }
        let start = |line: usize| starts.get(line).copied().unwrap_or(text.len());
        let mut excerpt = Self { text: String::new(), parts: Vec::new() };
        let mut line_at = 0;
        for (from, to) in ranges {
            let (first, end) = (start(from), start(to));
            let part = Part { start: first, end, at: excerpt.text.len(), line: from, line_at };
            excerpt.text.push_str(&text[first..end]);
            // Parts do not touch, so that they are drawn apart.
            excerpt.text.push_str(&"\n".repeat(GAP));
            line_at += to - from + GAP;
            excerpt.parts.push(part);
        }
        // The last part ends where its text does.
        excerpt.text.truncate(excerpt.text.len() - GAP.min(excerpt.text.len()));
        excerpt
    }

    /// Where a byte of the source is in the excerpt.
    pub(crate) fn place(&self, byte: usize) -> usize {
        let next = self.parts.partition_point(|part| part.start <= byte);
        next.checked_sub(1)
            .and_then(|at| self.parts.get(at))
            .map_or(0, |part| part.at + byte.min(part.end) - part.start)
    }

    /// The lines that the parts start with, in the excerpt and in the source.
    pub(crate) fn lines(&self) -> Vec<(usize, usize)> {
        self.parts.iter().map(|part| (part.line_at, part.line)).collect()
    }
}
