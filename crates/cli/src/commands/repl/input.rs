//! What an input asks for, and whether it is complete.

use cbuild_diag::{Diagnostic, SourceId, Sources};
use cbuild_syntax::ast::ItemKind;

use crate::failure::{Exit, Failure, Problem};

/// What an input asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input<'t> {
    /// Nothing: blanks and comments.
    Nothing,
    /// To define these names, or to run tests.
    Items(Vec<String>),
    /// To evaluate an expression.
    Expression,
    /// Something about the session, with what follows the word.
    Request(Request, &'t str),
}

/// Requests, which begin with a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `:type EXPR`
    Type,
    /// `:doc NAME`
    Doc,
    /// `:build EXPR`
    Build,
    /// `:load PATH`
    Load,
    /// `:reload`
    Reload,
    /// `:help`
    Help,
    /// `:quit`
    Quit,
}

/// The words for requests; a unique beginning of one is enough.
pub(super) const REQUESTS: &[(&str, Request)] = &[
    ("build", Request::Build),
    ("doc", Request::Doc),
    ("help", Request::Help),
    ("load", Request::Load),
    ("quit", Request::Quit),
    ("reload", Request::Reload),
    ("type", Request::Type),
];

/// Words that items begin with.
const ITEM_WORDS: [&str; 8] = ["pub", "let", "fn", "type", "import", "protocol", "test", "extern"];

/// Finds out what an input asks for.
pub(super) fn read(text: &str) -> Result<Input<'_>, Failure> {
    if let Some(request) = text.trim().strip_prefix(':') {
        return self::request(request);
    }
    let source = SourceId(0);
    let (file, as_items) = cbuild_syntax::parse_file_only(source, text);
    if as_items.is_empty() && file.items.is_empty() {
        return Ok(Input::Nothing);
    }
    let (_, as_expression) = cbuild_syntax::parse_expr(source, text);
    let sound = |found: &[Diagnostic]| !found.iter().any(Diagnostic::is_error);
    if sound(&as_expression) {
        return Ok(Input::Expression);
    }
    if sound(&as_items) {
        let names = file.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Import(import) => Some(&import.name),
            ItemKind::Let(def) => Some(&def.name),
            ItemKind::Fn(def) => Some(&def.name),
            ItemKind::Type(def) => Some(&def.name),
            ItemKind::Protocol { name, .. } => Some(name),
            ItemKind::Test { .. } => None,
        });
        return Ok(Input::Items(names.map(|name| name.text.clone()).collect()));
    }
    let diagnostics = if begins_item(text) { as_items } else { as_expression };
    let mut sources = Sources::default();
    sources.add("(input)", text);
    Err(Failure::Source { diagnostics, sources: Box::new(sources) })
}

fn begins_item(text: &str) -> bool {
    let word = text.trim_start().split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
    word.is_some_and(|word| ITEM_WORDS.contains(&word))
}

fn request(text: &str) -> Result<Input<'_>, Failure> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut known = REQUESTS.iter().filter(|(name, _)| !word.is_empty() && name.starts_with(word));
    let exact = REQUESTS.iter().find(|(name, _)| *name == word);
    let found = exact.or_else(|| match (known.next(), known.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    });
    match found {
        Some((_, request)) => Ok(Input::Request(*request, rest.trim())),
        None => {
            let names: Vec<String> = REQUESTS.iter().map(|(name, _)| format!(":{name}")).collect();
            let message = format!("there is no `:{word}`");
            Err(Problem::new(Exit::Input, "E1063", message)
                .help(format!("there are {}", names.join(", ")))
                .into())
        }
    }
}

/// Whether more lines must follow before an input can be read: brackets are open, or it breaks off
/// where something must come. An empty line ends every input.
pub(super) fn is_unfinished(text: &str) -> bool {
    let ended = text.ends_with('\n') || text.lines().last().is_some_and(|l| l.trim().is_empty());
    if text.trim_start().starts_with(':') {
        return false;
    }
    if cbuild_syntax::is_open(text) {
        // Within brackets an empty line is nothing special, but two of them are.
        return !text.ends_with("\n\n");
    }
    if ended || text.trim().is_empty() {
        return false;
    }
    let source = SourceId(0);
    let end = text.trim_end().len();
    let breaks_off = |problems: &[Diagnostic]| {
        let first = problems.first().and_then(|problem| problem.labels.first());
        first.is_some_and(|label| label.span.start as usize >= end)
    };
    let (_, as_items) = cbuild_syntax::parse_file_only(source, text);
    let (_, as_expression) = cbuild_syntax::parse_expr(source, text);
    if as_items.is_empty() || as_expression.is_empty() {
        return false;
    }
    breaks_off(&as_expression) || (begins_item(text) && breaks_off(&as_items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match read(text) {
            Ok(Input::Nothing) => "nothing".to_owned(),
            Ok(Input::Items(names)) => format!("items {}", names.join(" ")),
            Ok(Input::Expression) => "expression".to_owned(),
            Ok(Input::Request(request, rest)) => format!("{request:?} {rest}"),
            Err(Failure::Problems(problems)) => problems[0].code.to_owned(),
            Err(Failure::Source { diagnostics, .. }) => diagnostics[0].code.to_owned(),
        }
    }

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!(kind(""), "nothing");
        assert_eq!(kind("// a remark"), "nothing");
        assert_eq!(kind("1 + 2"), "expression");
        assert_eq!(kind("let x = 1 in x"), "expression");
        assert_eq!(kind("let x = 1"), "items x");
        assert_eq!(kind("fn f(n: Int) -> Int = n\ntype T = A | B"), "items f T");
        assert_eq!(kind("import ./lib.cbuild as lib"), "items lib");
        assert_eq!(kind("test \"t\" { true }"), "items ");
        assert_eq!(kind(":type 1 + 2"), "Type 1 + 2");
        assert_eq!(kind(" :t [1]"), "Type [1]");
        assert_eq!(kind(":q"), "Quit ");
        assert_eq!(kind(":"), "E1063");
        assert_eq!(kind(":nothing"), "E1063");
        assert!(kind("1 +").starts_with("E01"));
        assert!(kind("let 1").starts_with("E01"));
    }

    #[test]
    fn unfinished_inputs() {
        for text in
            ["[1,", "f(", "{ a = 1,", "let x =", "1 +", "if true then 1", "\"\"\"\n a", "(\n\n1"]
        {
            assert!(is_unfinished(text), "{text:?}");
        }
        for text in
            ["", "1", "[1]", "let x = 1", "1 + \n", "1 2", ":type (", "\"a", "let x =\n", "(1\n\n"]
        {
            assert!(!is_unfinished(text), "{text:?}");
        }
    }
}
