//! What all parts of the formatter share: tokens with the comments around them.

use std::collections::BTreeMap;

use rowan::NodeOrToken;

use super::doc::Doc;
use super::trivia::{self, Lead};
use crate::tree::Cbuild;
use crate::{SyntaxKind, SyntaxNode, SyntaxToken};

/// A node or a token.
pub(super) type Element = rowan::SyntaxElement<Cbuild>;

/// Makes documents of nodes. Each comment is put into exactly one document: that of the token that
/// it stands in front of, unless an outer node takes it earlier to find a better place for it.
pub(super) struct Builder<'s> {
    text: &'s str,
    leads: BTreeMap<usize, Lead<'s>>,
}

/// First byte of a node or token.
pub(super) fn start(element: &Element) -> usize {
    element.text_range().start().into()
}

/// The nodes and tokens of a node that are no white space or comments.
pub(super) fn kids(node: &SyntaxNode) -> Vec<Element> {
    node.children_with_tokens().filter(|kid| !kid.kind().is_trivia()).collect()
}

/// Whether an element is a certain sign or word.
pub(super) fn is_sign(element: &Element, sign: &str) -> bool {
    matches!(element.kind(), SyntaxKind::Sign | SyntaxKind::Keyword)
        && element.as_token().is_some_and(|token| token.text() == sign)
}

impl<'s> Builder<'s> {
    pub(super) fn new(text: &'s str, tree: &SyntaxNode) -> Self {
        Self { text, leads: trivia::collect(tree, text) }
    }

    /// The source text of a node or token.
    pub(super) fn source(&self, element: &Element) -> &'s str {
        &self.text[std::ops::Range::<usize>::from(element.text_range())]
    }

    /// A token with the comments in front of it.
    pub(super) fn token(&mut self, token: &SyntaxToken) -> Doc<'s> {
        let element = NodeOrToken::Token(token.clone());
        let text = Doc::Text(self.source(&element));
        let lead = self.lead(start(&element));
        if lead.is_nil() { text } else { [lead, text].into() }
    }

    /// An element that is known to be a token.
    pub(super) fn word(&mut self, element: &Element) -> Doc<'s> {
        element.as_token().map_or(Doc::Nil, |token| self.token(token))
    }

    /// What stands in front of a token, which is given away.
    pub(super) fn take(&mut self, at: usize) -> Lead<'s> {
        self.leads.get_mut(&at).map(std::mem::take).unwrap_or_default()
    }

    /// The comments in front of a token.
    pub(super) fn lead(&mut self, at: usize) -> Doc<'s> {
        let suffixes = self.suffixes(at);
        let own = self.own_lines(at, true);
        if suffixes.is_nil() { own } else { [suffixes, own].into() }
    }

    /// The comments in front of a token that stand on the line of the token before.
    pub(super) fn suffixes(&mut self, at: usize) -> Doc<'s> {
        let Some(lead) = self.leads.get_mut(&at) else { return Doc::Nil };
        let count = lead.comments.iter().take_while(|comment| comment.trailing).count();
        let docs: Vec<Doc<'s>> =
            lead.comments.drain(..count).map(|comment| Doc::Suffix(comment.text)).collect();
        if docs.is_empty() { Doc::Nil } else { docs.into() }
    }

    /// The comments in front of a token that stand on their own lines. Empty lines are kept, in
    /// front of the first comment only if `blank` says so.
    pub(super) fn own_lines(&mut self, at: usize, blank: bool) -> Doc<'s> {
        let comments = match self.leads.get_mut(&at) {
            Some(lead) if !lead.comments.is_empty() => std::mem::take(&mut lead.comments),
            _ => return Doc::Nil,
        };
        let mut docs = Vec::new();
        for comment in comments {
            let blank = comment.blank && (blank || !docs.is_empty());
            docs.push(Doc::Comment { text: comment.text, blank });
        }
        if self.leads.get(&at).is_some_and(|lead| lead.blank) {
            docs.push(Doc::Blank);
        }
        docs.into()
    }

    /// As [`Self::own_lines`], in front of a bracket that closes, where no empty line stands.
    pub(super) fn last_lines(&mut self, at: usize, blank: bool) -> Doc<'s> {
        if let Some(lead) = self.leads.get_mut(&at) {
            lead.blank = false;
        }
        self.own_lines(at, blank)
    }

    /// A line in front of a token, with the comments that belong in front of the line.
    pub(super) fn before(&mut self, at: usize, line: Doc<'s>) -> Doc<'s> {
        let suffixes = self.suffixes(at);
        if suffixes.is_nil() { line } else { [suffixes, line].into() }
    }

    /// Whether an empty line stands in front of a token and its comments.
    pub(super) fn starts_blank(&self, at: usize) -> bool {
        self.leads.get(&at).is_some_and(Lead::starts_blank)
    }

    /// Whether a token starts a line.
    pub(super) fn starts_line(&self, at: usize) -> bool {
        self.leads.get(&at).is_some_and(|lead| lead.newline)
    }

    pub(super) fn has_comments(&self, at: usize) -> bool {
        self.leads.get(&at).is_some_and(|lead| !lead.comments.is_empty())
    }

    /// Forgets the comments between the tokens of an element, which is printed as it is.
    pub(super) fn forget(&mut self, element: &Element) {
        let range = std::ops::Range::<usize>::from(element.text_range());
        for (_, lead) in self.leads.range_mut(range.start + 1..range.end) {
            lead.comments.clear();
        }
    }
}
