//! Source text for people, in which long lines are cut around what is said of them.
//!
//! A line of a megabyte, such as a JSON file without line breaks, would fill the terminal, and the
//! drawing of labels ends at column 65,535. It knows nothing of how lines and labels are drawn.

/// Bytes of a line that is never cut.
const LONG: usize = 240;
/// Characters that are kept in front of where a label starts or ends, and behind it.
const AROUND: usize = 60;
/// Bytes of one line after which no further stretch is kept.
const MOST: usize = 4_000;

/// A text with its long lines cut, and where its bytes went.
pub(crate) struct Cut {
    pub(crate) text: String,
    /// Stretches that were kept, in ascending order: first byte, byte behind, new first byte.
    kept: Vec<(usize, usize, usize)>,
}

impl Cut {
    /// Cuts the long lines of a text. What is around `edges`, the bytes where labels start and end, is
    /// kept; `ellipsis` stands for what is left out.
    pub(crate) fn new(text: &str, edges: &[usize], ellipsis: &str) -> Self {
        let mut cut =
            Self { text: String::with_capacity(text.len().min(1 << 16)), kept: Vec::new() };
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            if line.len() <= LONG {
                cut.keep(text, start, end);
            } else {
                cut.line(text, (start, end), edges, ellipsis);
            }
            start = end;
        }
        cut
    }

    /// Where a byte of the whole text is now; what was left out is where its ellipsis starts.
    pub(crate) fn place(&self, byte: usize) -> usize {
        let behind = self.kept.partition_point(|(start, ..)| *start <= byte);
        let Some((start, end, new)) = behind.checked_sub(1).and_then(|at| self.kept.get(at)) else {
            return 0;
        };
        new + (byte.min(*end) - start)
    }

    fn keep(&mut self, text: &str, start: usize, end: usize) {
        match self.kept.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => self.kept.push((start, end, self.text.len())),
        }
        self.text.push_str(&text[start..end]);
    }

    fn line(&mut self, text: &str, (start, end): (usize, usize), edges: &[usize], ellipsis: &str) {
        let line = &text[start..end];
        let content = start + line.trim_end_matches(['\n', '\r']).len();
        let mut edges: Vec<usize> =
            edges.iter().copied().filter(|edge| (start..=content).contains(edge)).collect();
        edges.sort_unstable();
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        let mut taken = 0;
        // Of a line without labels its start is shown.
        for edge in if edges.is_empty() { vec![start] } else { edges } {
            let from = before(text, start, edge);
            let to = after(text, content, edge);
            match stretches.last_mut() {
                _ if taken > MOST => break,
                Some(last) if from <= last.1 => last.1 = to.max(last.1),
                _ => stretches.push((from, to)),
            }
            taken += to - from;
        }
        let mut at = start;
        for (from, to) in stretches {
            if at < from {
                self.text.push_str(ellipsis);
            }
            self.keep(text, from, to);
            at = to;
        }
        if at < content {
            self.text.push_str(ellipsis);
        }
        self.keep(text, content, end);
    }
}

/// The byte some characters in front of another one.
fn before(text: &str, start: usize, byte: usize) -> usize {
    let back = text[start..byte].char_indices().rev().take(AROUND).last();
    back.map_or(byte, |(at, _)| start + at)
}

/// The byte some characters behind another one.
fn after(text: &str, end: usize, byte: usize) -> usize {
    text[byte..end].char_indices().nth(AROUND).map_or(end, |(at, _)| byte + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_stay() {
        let text = "a\nb\r\n\nc";
        let cut = Cut::new(text, &[0], "…");
        assert_eq!(cut.text, text);
        assert_eq!((0..=text.len()).map(|byte| cut.place(byte)).max(), Some(text.len()));
    }

    #[test]
    fn what_is_around_labels_stays() {
        let text = format!("first\n{}HERE{}\nlast", "ä".repeat(500), "-".repeat(500));
        let at = text.find("HERE").unwrap();
        let cut = Cut::new(&text, &[at, at + 4], "…");
        let line = format!("…{}HERE{}…", "ä".repeat(60), "-".repeat(60));
        assert_eq!(cut.text, format!("first\n{line}\nlast"));
        assert!(cut.text[cut.place(at)..].starts_with("HERE-"));
        assert!(cut.text[cut.place(text.len() - 4)..].starts_with("last"));
        // What was left out is where its ellipsis starts.
        assert_eq!(cut.place(at - 1000), "first\n".len());
    }

    #[test]
    fn a_line_never_gets_long() {
        let text = "x".repeat(100_000);
        let edges: Vec<usize> = (0..1000).map(|at| at * 100).collect();
        assert!(Cut::new(&text, &edges, "…").text.len() < 2 * MOST);
    }
}
