//! Whether a change mends what it is offered for.

use super::tokens;
use crate::grammar::Rule;

/// A change: the bytes that are replaced, and by what.
pub(super) type Change = (usize, usize, String);

/// A text after some changes.
struct Changed {
    text: String,
    /// Stretches that stayed, in ascending order: first byte and byte behind, and the first byte before.
    kept: Vec<(usize, usize, usize)>,
    /// Where the last change ends.
    last: usize,
}

/// Whether an error, of which code and place are given, is gone from a part of a source after some changes that
/// bring no other about: there are none, or those that were there before, or some behind the changes that were
/// hidden so far.
pub(super) fn mends(
    part: &str,
    rule: Rule,
    error: (&'static str, usize),
    changes: &[Change],
) -> bool {
    let Some(changed) = changed(part, changes) else { return false };
    let new = crate::plain_errors(&changed.text, rule);
    if new.is_empty() {
        return true;
    }
    let old = crate::plain_errors(part, rule);
    new.into_iter().all(|(code, at)| {
        let stretch = changed.kept.iter().find(|(start, end, _)| (*start..=*end).contains(&at));
        let before = stretch.map(|(start, _, old_start)| (code, at - start + old_start));
        let known = before.is_some_and(|before| before != error && old.contains(&before));
        // What opens or closes nothing is likely a bracket that a change has added or removed.
        let brackets = matches!(code, "E0106" | "E0107" | "E0108");
        known || at > changed.last && !brackets
    })
}

/// Whether the comments of a part of a source are the same after some changes.
pub(super) fn keeps_comments(part: &str, changes: &[Change]) -> bool {
    changed(part, changes)
        .is_some_and(|changed| tokens::comments(&changed.text) == tokens::comments(part))
}

fn changed(part: &str, changes: &[Change]) -> Option<Changed> {
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|change| (change.0, change.1));
    let mut text = String::with_capacity(part.len() + 64);
    let mut kept = Vec::with_capacity(changes.len() + 1);
    let mut at = 0;
    for (start, end, new) in changes {
        let from = text.len();
        text.push_str(part.get(at..*start)?);
        kept.push((from, text.len(), at));
        text.push_str(new);
        at = *end;
    }
    let last = text.len();
    text.push_str(part.get(at..)?);
    kept.push((last, text.len(), at));
    Some(Changed { text, kept, last })
}
