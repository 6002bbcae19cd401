//! From a text to the parse of its pieces.
//!
//! A text that is in the language is parsed as a whole. Otherwise it is cut where items seem to
//! start, at the first column, and each piece is parsed by itself, so that an error stays in its
//! item. A piece that nests too deeply is not parsed at all.
//!
//! Two parsers work together. [`crate::direct`] is quick and knows only what is in the language;
//! what it refuses goes to the parser that pest makes from the normative grammar, which finds the
//! errors and recovers from them. In builds with debug assertions, and so in all tests, both parse
//! every text, and a difference is a panic.

use std::num::NonZeroUsize;
use std::sync::Once;

use pest::Parser as _;
use pest::error::InputLocation;

use crate::direct::{self, Refused};
use crate::grammar::{Grammar, Rule};
use crate::node::{self, Entry};
use crate::words::is_word_byte;
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
    pub(crate) content: Content,
}

/// What is known of a piece.
pub(crate) enum Content {
    /// It was parsed; `broken` tells whether the parse holds error nodes.
    Parsed { entries: Vec<Entry>, broken: bool },
    /// It nests too deeply at this byte of the source.
    TooDeep(usize),
    /// An item begins at this byte where the rest of an expression should be.
    Item(usize),
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

/// Which parsers are used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsers {
    /// The quick one where it can, the normative one elsewhere.
    Both,
    /// Only the one that is made from the grammar.
    Grammar,
}

/// Parses a text in pieces, of which most texts have only one.
pub(crate) fn pieces(text: &str, rule: Rule, parsers: Parsers) -> Vec<Piece<'_>> {
    let piece = |content| Piece { base: 0, text, content };
    let mut certain = false;
    if parsers == Parsers::Both && rule == Rule::file {
        match quick(text) {
            Ok(content) => return vec![piece(content)],
            Err(refused) => certain = refused == Refused::Syntax,
        }
    }
    let scan = scan::scan(text);
    let single = rule == Rule::expression || scan.starts.len() < 2;
    let mut whole = None;
    // A text that is known not to be in the language is only parsed in pieces.
    if scan.too_deep.is_empty() && (single || !certain) {
        let parsed = piece(normative(text, rule));
        if single || parsed.is_sound() {
            return vec![parsed];
        }
        whole = Some(parsed);
    }
    let pieces = cut(text, rule, &scan, parsers);
    if scan.too_deep.is_empty() && pieces.iter().all(Piece::is_sound) {
        // The cuts made sense of it, which means that they are not where the error is.
        return vec![whole.unwrap_or_else(|| piece(normative(text, rule)))];
    }
    pieces
}

fn cut<'i>(text: &'i str, rule: Rule, scan: &scan::Scan, parsers: Parsers) -> Vec<Piece<'i>> {
    let mut pieces = Vec::new();
    let mut base = 0;
    let ends = scan.starts.iter().copied().filter(|start| *start > 0).chain([text.len()]);
    for end in ends {
        let part = &text[base..end];
        let deep = scan.too_deep.iter().copied().find(|at| (base..end).contains(at));
        let content = match (deep, parsers) {
            (Some(at), _) => Content::TooDeep(at),
            (None, Parsers::Both) => quick(part).unwrap_or_else(|_| normative(part, rule)),
            (None, Parsers::Grammar) => normative(part, rule),
        };
        pieces.push(Piece { base, text: part, content });
        base = end;
    }
    pieces
}

/// The parse of a file that is in the language, by the quick parser.
fn quick(text: &str) -> Result<Content, Refused> {
    let parsed = direct::file(text);
    if cfg!(debug_assertions) {
        compare(text, &parsed);
    }
    parsed.map(|entries| Content::Parsed { entries, broken: false })
}

/// Checks the quick parser against the normative one.
///
/// # Panics
///
/// If they disagree, which is a mistake in the quick parser.
fn compare(text: &str, parsed: &Result<Vec<Entry>, Refused>) {
    let deep = !scan::scan(text).too_deep.is_empty();
    match parsed {
        Ok(_) if deep => panic!("the quick parser accepts what nests too deeply:\n{text}"),
        Ok(entries) => match normative(text, Rule::file) {
            Content::Parsed { entries: expected, broken: false } => {
                let same = entries.iter().zip(&expected).take_while(|(a, b)| a == b).count();
                let (quick, grammar) = (entries.get(same), expected.get(same));
                assert_eq!(quick, grammar, "the quick parser finds other nodes in\n{text}");
            }
            _ => panic!("the quick parser accepts what is not in the language:\n{text}"),
        },
        Err(Refused::Syntax) if !deep => {
            let sound =
                matches!(normative(text, Rule::file), Content::Parsed { broken: false, .. });
            assert!(!sound, "the quick parser refuses what is in the language:\n{text}");
        }
        Err(_) => {}
    }
}

/// The parse by the parser that is made from the grammar.
fn normative(text: &str, rule: Rule) -> Content {
    // The limit is one for the process, and this crate is the only one that uses pest.
    static LIMIT: Once = Once::new();
    LIMIT.call_once(|| pest::set_call_limit(Some(MAX_CALLS)));
    match Grammar::parse(rule, text) {
        Ok(mut pairs) => {
            let entries = pairs.next().map(node::flatten).unwrap_or_default();
            let broken = entries.iter().any(|entry| is_error(entry.rule));
            Content::Parsed { entries, broken }
        }
        Err(error) => match error.location {
            InputLocation::Pos(at) if rule == Rule::expression => {
                let at = text.len() - text[at..].trim_ascii_start().len();
                let item = scan::begins_item(&text[at..]) || is_item_word(&text[at..]);
                if item { Content::Item(at) } else { Content::TooComplex }
            }
            _ => Content::TooComplex,
        },
    }
}

/// Whether a text starts with a word that only items have, whatever follows it.
fn is_item_word(text: &str) -> bool {
    let len = text.bytes().take_while(|byte| is_word_byte(*byte)).count();
    matches!(&text[..len], "pub" | "import" | "fn" | "type" | "extern")
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
