//! Differences between two texts, line by line.

/// Largest table of the exact search; what is larger is told as removed and added as a whole.
const MAX_TABLE: usize = 4_000_000;

/// A line that one of two texts has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineChange {
    /// The earlier text has it; the number counts from 1.
    Removed(usize, String),
    /// The later text has it; the number counts from 1.
    Added(usize, String),
}

/// The lines that differ, in the order of the texts, removed ones before added ones.
pub fn line_changes(before: &str, after: &str) -> Vec<LineChange> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let removed = |at: usize| LineChange::Removed(head + at + 1, a[at].to_owned());
    let added = |at: usize| LineChange::Added(head + at + 1, b[at].to_owned());
    if a.len().saturating_mul(b.len()) > MAX_TABLE {
        return (0..a.len()).map(removed).chain((0..b.len()).map(added)).collect();
    }
    let longest = longest_common(a, b);
    let width = b.len() + 1;
    let (mut i, mut j, mut changes) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        let skip_a = i < a.len() && longest[(i + 1) * width + j] == longest[i * width + j];
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if skip_a {
            changes.push(removed(i));
            i += 1;
        } else {
            changes.push(added(j));
            j += 1;
        }
    }
    changes
}

/// Length of the longest common subsequence of the ends that start at each pair of positions.
fn longest_common(a: &[&str], b: &[&str]) -> Vec<u32> {
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::LineChange::{Added, Removed};
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(line_changes("a\nb\n", "a\nb\n"), []);
        let changes = line_changes("a\nb\nc\nd", "a\nx\nc\nd\ne");
        let (b, x, e) = ("b".to_owned(), "x".to_owned(), "e".to_owned());
        assert_eq!(changes, [Removed(2, b), Added(2, x), Added(5, e)]);
        let all = line_changes("", "one");
        assert_eq!(all, [Added(1, "one".to_owned())]);
    }

    #[test]
    fn the_changes_turn_one_text_into_the_other() {
        let texts = ["", "a", "a\nb\na\nc", "c\na\nb\na", "x\ny\nz\na\nb", "a\na\na\nb"];
        for (before, after) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            let mut lines: Vec<Option<&str>> = before.lines().map(Some).collect();
            let changes = line_changes(before, after);
            for change in &changes {
                if let Removed(at, text) = change {
                    assert_eq!(lines[at - 1].take(), Some(text.as_str()));
                }
            }
            let mut lines: Vec<String> = lines.into_iter().flatten().map(str::to_owned).collect();
            for change in changes {
                if let Added(at, text) = change {
                    lines.insert(at - 1, text);
                }
            }
            assert_eq!(lines, after.lines().collect::<Vec<_>>(), "{before:?} {after:?}");
        }
    }
}
