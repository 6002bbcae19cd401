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
