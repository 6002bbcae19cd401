//! Documentation comments.

use crate::words::BYTE_ORDER_MARK;

/// The text of the `///` lines that stand directly in front of `at`, not reaching before `from`.
pub(crate) fn before(text: &str, from: usize, at: usize) -> String {
    let Some(gap) = text.get(from..at) else { return String::new() };
    // What follows the last line break of the gap is the indentation of the thing itself.
    let Some((lines, indentation)) = gap.rsplit_once('\n') else { return String::new() };
    if !indentation.trim().is_empty() {
        return String::new();
    }
    // The first line of the gap is the rest of a line that something else stands on.
    let skip = usize::from(from != 0 && !text[..from].ends_with('\n'));
    let lines: Vec<&str> = lines.split('\n').skip(skip).collect();
    let count = lines.iter().rev().take_while(|line| doc_text(line, "///").is_some()).count();
    join(lines[lines.len() - count..].iter().filter_map(|line| doc_text(line, "///")))
}

/// The text of the `//!` lines on top of a file.
pub(crate) fn top(text: &str) -> String {
    join(
        text.lines()
            .skip_while(|line| line.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty())
            .map_while(|line| doc_text(line, "//!")),
    )
}

fn doc_text<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.trim_start_matches(BYTE_ORDER_MARK).trim().strip_prefix(marker)?;
    if rest.starts_with('/') {
        return None;
    }
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for (index, line) in lines.enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}
