//! Parser, formatter and checker.

use cbuild_diag::SourceId;
use cbuild_syntax::{FormatError, Parse, SyntaxKind, SyntaxNode};

use crate::package::{MAIN, checked_again, examine, memory};

fn errors(tree: &SyntaxNode) -> bool {
    tree.descendants_with_tokens().any(|element| element.kind().is_error())
}

fn comments(tree: &SyntaxNode) -> Vec<String> {
    let elements = tree.descendants_with_tokens();
    let comments = elements.filter(|element| element.kind() == SyntaxKind::Comment);
    comments.map(|comment| comment.to_string().trim_end().to_owned()).collect()
}

/// Lowered syntax as text, without its places.
fn meaning(parsed: &Parse) -> String {
    let shown = std::format!("{:?}", parsed.file);
    let mut parts = shown.split("Span { start: ");
    let mut meaning = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        meaning.push_str(part.split_once(" }").map_or("", |(_, after)| after));
    }
    meaning
}

/// The text of the tree is the text; what has no error node has no syntax error that a node would
/// show and the other way round; the quick parser and the normative grammar agree on everything.
pub fn parse(text: &str) {
    let parsed = cbuild_syntax::parse(SourceId(0), text);
    assert_eq!(parsed.tree.text().to_string(), text, "the tree holds another text");
    let found = errors(&parsed.tree);
    assert!(!found || !parsed.diagnostics.is_empty(), "an error node without a diagnostic");
    let grammar = cbuild_syntax::parse_by_grammar(SourceId(0), text);
    assert_eq!(parsed.diagnostics, grammar.diagnostics, "the parsers differ");
    assert_eq!(parsed.tree.green(), grammar.tree.green(), "the parsers differ");
    let lowered = std::format!("{:?}", parsed.file);
    assert_eq!(lowered, std::format!("{:?}", grammar.file), "the parsers differ");
    let (file, diagnostics) = cbuild_syntax::parse_file_only(SourceId(0), text);
    assert_eq!(lowered, std::format!("{file:?}"), "without a tree, the text is lowered otherwise");
    assert_eq!(diagnostics, parsed.diagnostics);
    let mut sources = cbuild_diag::Sources::default();
    sources.add(MAIN, text);
    parsed.diagnostics.iter().for_each(|diagnostic| examine(&sources, diagnostic));
    cbuild_syntax::parse_expr(SourceId(0), text);
}

/// A text in the language is formatted to one with the same meaning and comments, and that to
/// itself. Gives the formatted text.
pub fn format(text: &str) -> Option<String> {
    let printed = match cbuild_syntax::format(SourceId(0), text) {
        Ok(printed) => printed,
        Err(FormatError::Changed(printed)) => panic!("the meaning is changed by\n{printed}"),
        Err(FormatError::Broken(found)) => {
            assert!(!found.is_empty(), "refused for no reason");
            return None;
        }
    };
    let before = cbuild_syntax::parse(SourceId(0), text);
    let after = cbuild_syntax::parse(SourceId(0), &printed);
    assert_eq!(meaning(&before), meaning(&after), "the meaning is changed by\n{printed}");
    assert_eq!(comments(&before.tree), comments(&after.tree), "comments are lost in\n{printed}");
    let again = cbuild_syntax::format(SourceId(0), &printed);
    assert_eq!(again.as_deref(), Ok(printed.as_str()), "formatting twice is not formatting once");
    Some(printed)
}

/// Where a comment can stand in a text: in front of each token outside of texts, and at the end.
fn places(text: &str) -> Vec<usize> {
    use cbuild_syntax::SyntaxKind::{
        Hole, PatternConstructor, PatternInt, Script, Text, TypeNamed,
    };
    let tree = cbuild_syntax::parse(SourceId(0), text).tree;
    let tokens = tree.descendants_with_tokens().filter_map(|element| element.into_token());
    let mut places: Vec<usize> = tokens
        .filter(|token| !token.kind().is_trivia())
        // The parts of a dotted type name and the sign of a number stand together.
        .filter(|token| {
            let parent = token.parent();
            parent.is_none_or(|parent| {
                !matches!(parent.kind(), PatternConstructor | PatternInt | TypeNamed)
                    || parent.text_range().start() == token.text_range().start()
            })
        })
        .filter(|token| {
            let mut around = token.parent_ancestors();
            let around = around.find(|node| matches!(node.kind(), Text | Script | Hole));
            // The opening quotes stand behind what is around the text.
            around.is_none_or(|node| {
                node.kind() == Hole && node.text_range().start() != token.text_range().start()
                    || node.kind() != Hole
                        && node.text_range().start() == token.text_range().start()
            })
        })
        .map(|token| token.text_range().start().into())
        .collect();
    places.push(text.len());
    places
}

/// A text with comments at some of the places where one can stand.
fn commented(text: &str, places: &[usize], own_lines: bool) -> String {
    let mut changed = String::new();
    let mut from = 0;
    for (number, at) in places.iter().enumerate() {
        changed += &text[from..*at];
        changed += if own_lines { "\n" } else { " " };
        changed += &format!("// c{number}\n");
        from = *at;
    }
    changed + &text[from..]
}

/// A program is formatted with comments at all places at once, and at each pair of neighbours of
/// which `pairs` tells the first; comments stand behind a token or on lines of their own.
///
/// # Panics
/// When the formatter refuses one of these texts, loses or moves a comment, or gives another text the
/// second time.
pub fn format_commented(text: &str, pairs: impl Fn(usize) -> bool) {
    let places = places(text);
    for own_lines in [false, true] {
        let whole = commented(text, &places, own_lines);
        assert!(format(&whole).is_some(), "refused:\n{whole}");
        for (_, pair) in places.windows(2).enumerate().filter(|(first, _)| pairs(*first)) {
            let some = commented(text, pair, own_lines);
            assert!(format(&some).is_some(), "refused:\n{some}");
        }
    }
}

/// The checker answers, also the second time, when it knows what was sound the first time, and
/// points into the text; the standard library is never blamed. What is formatted has the diagnostics
/// that it had before.
///
/// The checker knows the standard library from the start. [`evaluate`](crate::evaluate) checks it
/// anew each time.
pub fn check(text: &str) {
    let mut memory = memory();
    let (sources, found) = checked_again(text, &mut memory);
    for diagnostic in &found.diagnostics {
        examine(&sources, diagnostic);
        let blamed = diagnostic.labels.first().map_or("", |label| sources.name(label.source));
        assert!(!blamed.starts_with("std/"), "{diagnostic}: {blamed} is blamed");
    }
    let (_, again) = checked_again(text, &mut memory);
    assert_eq!(again.diagnostics, found.diagnostics, "another answer the second time");
    if let Ok(printed) = cbuild_syntax::format(SourceId(0), text) {
        let said = |diagnostics: &[cbuild_diag::Diagnostic]| -> Vec<String> {
            diagnostics.iter().map(ToString::to_string).collect()
        };
        let formatted = checked_again(&printed, &mut memory).1.diagnostics;
        assert_eq!(said(&formatted), said(&found.diagnostics), "formatting changes the answer");
    }
}
