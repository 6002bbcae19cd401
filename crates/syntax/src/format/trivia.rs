//! Comments and empty lines, and the token that each stands in front of.

use std::collections::BTreeMap;

use crate::words::BYTE_ORDER_MARK;
use crate::{SyntaxKind, SyntaxNode};

/// A comment.
#[derive(Clone, Debug)]
pub(super) struct Comment<'s> {
    pub(super) text: &'s str,
    /// Whether a token stands in front of it on its line.
    pub(super) trailing: bool,
    /// Whether an empty line stands in front of it.
    pub(super) blank: bool,
}

/// What stands between a token and the one before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lead<'s> {
    pub(super) comments: Vec<Comment<'s>>,
    /// Whether an empty line stands directly in front of the token.
    pub(super) blank: bool,
    /// Whether there is a line break.
    pub(super) newline: bool,
}

impl Lead<'_> {
    /// Whether an empty line stands in front of the first thing on a line of its own.
    pub(super) fn starts_blank(&self) -> bool {
        let own = self.comments.iter().find(|comment| !comment.trailing);
        own.map_or(self.blank, |comment| comment.blank)
    }
}

/// The leads of all tokens, by the token's first byte. The end of the text counts as a token.
pub(super) fn collect<'s>(tree: &SyntaxNode, text: &'s str) -> BTreeMap<usize, Lead<'s>> {
    let mut leads = BTreeMap::new();
    let mut lead = Lead::default();
    let mut breaks = 0;
    let tokens = tree.descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    for token in tokens {
        let range = std::ops::Range::<usize>::from(token.text_range());
        match token.kind() {
            SyntaxKind::Whitespace => breaks += token.text().matches('\n').count(),
            SyntaxKind::Comment => {
                let ahead = text[..range.start].trim_start_matches(BYTE_ORDER_MARK);
                let trailing = breaks == 0 && lead.comments.is_empty() && !ahead.is_empty();
                let blank = breaks > 1;
                let text = text[range].trim_end();
                lead.newline |= breaks > 0 || !lead.comments.is_empty();
                lead.comments.push(Comment { text, trailing, blank });
                breaks = 0;
            }
            _ => {
                close(&mut lead, breaks);
                leads.insert(range.start, std::mem::take(&mut lead));
                breaks = 0;
            }
        }
    }
    close(&mut lead, breaks);
    leads.insert(text.len(), lead);
    leads
}

fn close(lead: &mut Lead<'_>, breaks: usize) {
    lead.blank = breaks > 1;
    lead.newline |= breaks > 0;
}
