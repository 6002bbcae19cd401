//! From a text to the parse of its pieces.
//!
//! A text that is in the language is parsed as a whole. Otherwise it is cut where items seem to
//! start, at the first column, and each piece is parsed by itself, so that an error stays in its
//! item. A piece that nests too deeply is not parsed at all.

use std::num::NonZeroUsize;
use std::sync::Once;

use pest::Parser;
use pest::iterators::Pairs;

use crate::grammar::{Grammar, Rule};
use crate::{MAX_SOURCE_BYTES, scan};

/// Calls of grammar rules after which the parser gives up. The grammar takes about 10 calls for a
/// byte, 50 where it takes most; the limit is a guard against a mistake in the grammar.
const MAX_CALLS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(MAX_SOURCE_BYTES * 128);

/// A run of the source text.
pub(crate) struct Piece<'i> {
    /// First byte in the source.
    pub(crate) base: usize,
    /// Its text.
    pub(crate) text: &'i str,
    /// Its parse.
    pub(crate) content: Content<'i>,
}

/// What is known of a piece.
pub(crate) enum Content<'i> {
    /// It was parsed; `broken` tells whether the parse holds error nodes.
    Parsed { pairs: Pairs<'i, Rule>, broken: bool },
    /// It nests too deeply at this byte of the source.
    TooDeep(usize),
    /// The parser gave up.
    TooComplex,
    /// The text is larger than [`crate::MAX_SOURCE_BYTES`].
    TooLarge,
}

impl Piece<'_> {
    fn is_sound(&self) -> bool {
        matches!(self.content, Content::Parsed { broken: false, .. })
    }
}

/// Parses a text in pieces, of which most texts have only one.
pub(crate) fn pieces(text: &str, rule: Rule) -> Vec<Piece<'_>> {
    let scan = scan::scan(text);
    let mut whole = None;
    if scan.too_deep.is_empty() {
        let piece = Piece { base: 0, text, content: content(text, rule) };
        if piece.is_sound() || rule == Rule::expression || scan.starts.len() < 2 {
            return vec![piece];
        }
        whole = Some(piece);
    }
    let pieces = cut(text, rule, &scan);
    match whole {
        // The cuts made sense of it, which means that they are not where the error is.
        Some(whole) if pieces.iter().all(Piece::is_sound) => vec![whole],
        _ => pieces,
    }
}

fn cut<'i>(text: &'i str, rule: Rule, scan: &scan::Scan) -> Vec<Piece<'i>> {
    let mut pieces = Vec::new();
    let mut base = 0;
    let ends = scan.starts.iter().copied().filter(|start| *start > 0).chain([text.len()]);
    for end in ends {
        let part = &text[base..end];
        let deep = scan.too_deep.iter().copied().find(|at| (base..end).contains(at));
        let content = deep.map_or_else(|| content(part, rule), Content::TooDeep);
        pieces.push(Piece { base, text: part, content });
        base = end;
    }
    pieces
}

fn content(text: &str, rule: Rule) -> Content<'_> {
    // The limit is one for the process, and this crate is the only one that uses pest.
    static LIMIT: Once = Once::new();
    LIMIT.call_once(|| pest::set_call_limit(Some(MAX_CALLS)));
    match Grammar::parse(rule, text) {
        Ok(pairs) => {
            let broken = pairs.clone().flatten().any(|pair| is_error(pair.as_rule()));
            Content::Parsed { pairs, broken }
        }
        Err(_) => Content::TooComplex,
    }
}

/// Whether a rule marks something that is not in the language.
pub(crate) fn is_error(rule: Rule) -> bool {
    is_missing(rule) || is_wrong(rule) || is_junk(rule)
}

fn is_missing(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::missing_name
            | Rule::missing_item
            | Rule::missing_module
            | Rule::missing_extern
            | Rule::missing_params
            | Rule::missing_type
            | Rule::missing_eq
            | Rule::missing_colon
            | Rule::missing_comma
            | Rule::missing_expr
            | Rule::missing_operand
            | Rule::missing_record
            | Rule::missing_in
            | Rule::missing_then
            | Rule::missing_else
            | Rule::missing_arrow
            | Rule::missing_text
            | Rule::missing_body
            | Rule::missing_close
            | Rule::missing_quote
    )
}

fn is_wrong(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::wrong_dashed
            | Rule::wrong_case
            | Rule::wrong_type_case
            | Rule::wrong_reserved
            | Rule::wrong_separator
            | Rule::wrong_let_separator
            | Rule::wrong_arrow
            | Rule::wrong_field
            | Rule::wrong_colon
            | Rule::wrong_tuple
            | Rule::wrong_path
            | Rule::wrong_quote
            | Rule::wrong_equals
    )
}

pub(crate) fn is_junk(rule: Rule) -> bool {
    matches!(rule, Rule::junk | Rule::junk_item | Rule::junk_top | Rule::junk_group)
}

#[cfg(test)]
mod tests {
    use super::is_error;
    use crate::grammar::Rule;

    #[test]
    fn error_rules_are_known_by_their_names() {
        for rule in Rule::all_rules() {
            let name = format!("{rule:?}");
            let error = ["missing_", "wrong_", "junk"].iter().any(|start| name.starts_with(start));
            assert_eq!(is_error(*rule), error, "{name}");
        }
    }
}
