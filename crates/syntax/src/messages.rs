//! The texts of syntax errors, by kind of error node.

use cbuild_diag::{Diagnostic, SourceId, Span};

use crate::grammar::Rule;
use crate::report::{Found, Place, Report};
use crate::source::{Content, Piece};
use crate::words::RESERVED;
use crate::{MAX_NESTING, MAX_SOURCE_BYTES};

/// The diagnostic of a piece that was not parsed.
pub(crate) fn refused(source: SourceId, piece: &Piece<'_>, content: &Content) -> Diagnostic {
    let start = Span { start: piece.base as u32, end: piece.base as u32 };
    match content {
        Content::TooDeep(at) => {
            let at = Span { start: *at as u32, end: *at as u32 };
            let message = "this is nested too deeply";
            let label = format!("more than {MAX_NESTING} levels are open here");
            Diagnostic::error("E0102", source, at, message, label)
                .help("give a part of it a name with `let`")
        }
        Content::Item(at) => {
            let start = piece.base + at;
            let word = piece.text[*at..].split(|c: char| !c.is_ascii_alphanumeric()).next();
            let word = word.unwrap_or_default();
            let span = Span { start: start as u32, end: (start + word.len()) as u32 };
            let message = format!("`{word}` begins an item, but an expression is expected");
            let help = match word {
                "fn" => "a function without a name is written `(x) => …`; items belong in a file",
                _ => "leave it out: `std` is known here, and other items belong in a file",
            };
            Diagnostic::error("E0115", source, span, message, "an item").help(help)
        }
        Content::TooLarge => {
            let message = format!("this file is larger than {} MiB", MAX_SOURCE_BYTES >> 20);
            Diagnostic::error("E0101", source, start, message, "the file starts here")
                .help("split it into several files, or keep data in a file that is not a program")
        }
        Content::TooComplex | Content::Parsed { .. } => {
            let message = "this is too complicated to parse";
            Diagnostic::error("E0103", source, start, message, "from here on")
                .help("split it into smaller definitions")
        }
    }
}

/// What is wrong, where, and what to do.
struct Text {
    code: &'static str,
    span: Span,
    message: String,
    label: String,
    help: String,
}

fn text(
    code: &'static str,
    span: Span,
    message: impl Into<String>,
    label: impl Into<String>,
    help: impl Into<String>,
) -> Text {
    Text { code, span, message: message.into(), label: label.into(), help: help.into() }
}

/// The diagnostic of an error node.
pub(crate) fn message(report: &Report<'_>, place: &Place<'_, '_>) -> Diagnostic {
    let rule = place.node.as_rule();
    match rule {
        Rule::missing_close => return unclosed(report, place),
        Rule::missing_quote => return unclosed_text(report, place),
        _ => {}
    }
    let text = if crate::source::is_junk(rule) {
        junk(report, place)
    } else if place.node.as_str().is_empty() {
        missing(report, place)
    } else {
        wrong(report, place)
    };
    let diagnostic =
        Diagnostic::error(text.code, report.source, text.span, text.message, text.label)
            .help(text.help);
    match opening_word(place) {
        Some((word, label)) => {
            let start = place.parent.start();
            diagnostic.label(report.source, report.range(start, start + word), label)
        }
        None => diagnostic,
    }
}

/// The word that makes something necessary, to be shown with what is missing.
fn opening_word(place: &Place<'_, '_>) -> Option<(usize, &'static str)> {
    match place.node.as_rule() {
        Rule::missing_in => Some((3, "this `let` needs an `in`")),
        Rule::missing_then => Some((2, "this `if` needs a `then`")),
        Rule::missing_else => Some((2, "this `if` needs an `else`")),
        _ => None,
    }
}

/// Something expected that is not there; the place is the token that is there instead, or the end
/// of the line.
fn expected(
    report: &Report<'_>,
    place: &Place<'_, '_>,
    code: &'static str,
    what: &str,
    help: impl Into<String>,
) -> Text {
    let at = place.node.start();
    let found = report.found(at);
    let span = if found.same_line { found.span } else { report.range(at, at) };
    let message = format!("expected {what}, found {}", found.name);
    text(code, span, message, format!("expected {what} here"), help)
}

fn missing(report: &Report<'_>, place: &Place<'_, '_>) -> Text {
    let found = report.found(place.node.start());
    match place.node.as_rule() {
        Rule::missing_name => missing_name(report, place, &found),
        Rule::missing_item => {
            let help = "`pub` stands before `let`, `fn`, `type`, `protocol` or `import`";
            expected(report, place, "E0105", "an item after `pub`", help)
        }
        Rule::missing_module => {
            let help = "write `import std`, `import a.b as c` or `import ./file.cbuild as name`";
            expected(report, place, "E0118", "a module name or a path", help)
        }
        Rule::missing_extern => {
            expected(report, place, "E0105", "`fn` or `type`", "write `extern fn` or `extern type`")
        }
        Rule::missing_params => {
            let help = "a function has its parameters in parentheses, `()` if there are none; \
                        a value is defined with `let`";
            expected(report, place, "E0138", "`(`", help)
        }
        Rule::missing_type => {
            let help = "write a type such as `Int`, `List<Str>` or `{ name: Str }`";
            expected(report, place, "E0116", "a type", help)
        }
        Rule::missing_colon => {
            expected(report, place, "E0127", "`:` and a type", "write `name: Type`")
        }
        Rule::missing_comma => {
            let help = format!("put `,` before {}", found.name);
            expected(report, place, "E0126", "`,`", help)
        }
        Rule::missing_record => {
            let help = "write `r with { field = value }`";
            expected(report, place, "E0115", "a record after `with`", help)
        }
        Rule::missing_eq => missing_eq(report, place, &found),
        Rule::missing_expr | Rule::missing_operand => missing_expr(report, place, &found),
        Rule::missing_in | Rule::missing_then | Rule::missing_else => {
            missing_word(report, place, &found)
        }
        Rule::missing_arrow => missing_arrow(report, place),
        Rule::missing_text => {
            expected(report, place, "E0139", "a text in double quotes", "write it as \"…\"")
        }
        _ => missing_body(report, place),
    }
}

fn missing_name(report: &Report<'_>, place: &Place<'_, '_>, found: &Found) -> Text {
    if RESERVED.contains(&found.text.as_str()) && found.same_line {
        return reserved(found.span, &found.text);
    }
    let (what, help) = match place.parent.as_rule() {
        Rule::type_item | Rule::extern_type | Rule::case | Rule::protocol_item => {
            ("a type name", "the names of types and constructors start with an upper-case letter")
        }
        Rule::field_access => ("a name after `.`", "write the name of a field, such as `a.name`"),
        _ => ("a name", "names start with a lower-case letter or `_`"),
    };
    expected(report, place, "E0118", what, help)
}

fn missing_eq(report: &Report<'_>, place: &Place<'_, '_>, found: &Found) -> Text {
    let help = match (place.parent.as_rule(), found.text.as_str()) {
        (Rule::fn_item, "{") => {
            "the body of a function is an expression after `=`: `fn f(x) -> T = …`"
        }
        (Rule::fn_item, ":") => "the result type is written with `->`: `fn f(x: A) -> B = …`",
        (_, "==") => "a definition has one `=`",
        (_, ":=") => "a definition is written `name = value`",
        (_, "=>") => "`=>` is for lambdas and arms; a definition is written with `=`",
        (Rule::fn_item, _) => "write `fn name(parameters) -> Type = body`",
        (Rule::type_item, _) => "write `type Name = …`",
        (Rule::protocol_item, _) => "write `protocol Name = \"identity\"`",
        _ => "write `let name = value`",
    };
    expected(report, place, "E0121", "`=`", help)
}

fn missing_expr(report: &Report<'_>, place: &Place<'_, '_>, found: &Found) -> Text {
    let headed = matches!(found.text.as_str(), "if" | "let");
    let operand = place.node.as_rule() == Rule::missing_operand;
    let help = match (found.text.as_str(), place.before) {
        _ if operand && headed => {
            format!("put it in parentheses: `({} …)`", found.text)
        }
        (word, _) if RESERVED.contains(&word) && found.same_line => {
            format!("`{word}` is a reserved word and cannot start an expression here")
        }
        ("$" | "@" | "#" | "?" | "`" | "~" | "^" | "\\", _) => {
            format!("{} has no meaning outside of texts and comments", found.name)
        }
        (_, Some(before)) if operand => {
            format!("write what follows `{}`, or remove it", before.as_str())
        }
        _ => "write a value, such as a name, a text or a call".to_owned(),
    };
    expected(report, place, "E0115", "an expression", help)
}

/// The words between the parts of `let` and `if`.
fn missing_word(report: &Report<'_>, place: &Place<'_, '_>, found: &Found) -> Text {
    match (place.node.as_rule(), found.text.as_str()) {
        (Rule::missing_in, _) => {
            let help = "write `in` between the bindings and the result";
            expected(report, place, "E0122", "`in` or another binding", help)
        }
        (Rule::missing_else, _) => {
            let help = "every `if` has an `else`; write `if c then a else b`";
            expected(report, place, "E0123", "`else`", help)
        }
        (_, "=") => expected(report, place, "E0123", "`then`", "values are compared with `==`"),
        _ => expected(report, place, "E0123", "`then`", "write `if c then a else b`"),
    }
}

fn missing_arrow(report: &Report<'_>, place: &Place<'_, '_>) -> Text {
    let help = match place.parent.as_rule() {
        Rule::arm if report.found(place.node.start()).text == "{" => {
            "what a constructor holds is bound in parentheses: `Info(info) => info.verbose`"
        }
        Rule::arm => "an arm is written `pattern => value`",
        _ => "a lambda is written `(x, y) => value`; there are no tuples",
    };
    expected(report, place, "E0124", "`=>`", help)
}

fn missing_body(report: &Report<'_>, place: &Place<'_, '_>) -> Text {
    let help = match place.parent.as_rule() {
        Rule::test_item => "write `test \"name\" { condition }`",
        _ => "write `match value { pattern => result, … }`",
    };
    expected(report, place, "E0134", "`{`", help)
}

fn reserved(span: Span, word: &str) -> Text {
    text(
        "E0119",
        span,
        format!("`{word}` is a reserved word"),
        "expected a name",
        format!("use another name, such as `{word}_`"),
    )
}

fn wrong(report: &Report<'_>, place: &Place<'_, '_>) -> Text {
    let span = report.first_line(place.node);
    let source = place.node.as_str();
    match place.node.as_rule() {
        Rule::wrong_dashed => dashed(span, source, place.parent.as_rule()),
        Rule::wrong_reserved | Rule::wrong_field => {
            if place.parent.as_rule() == Rule::field {
                let help = format!("write `\"{source}\" = …` if it is a key of a map");
                return Text { help, ..reserved(span, source) };
            }
            reserved(span, source)
        }
        Rule::wrong_case => wrong_case(span, source, place.parent.as_rule()),
        Rule::wrong_type_case => {
            let message = "the name of a type starts with an upper-case letter";
            let help = format!("write `{}`", camel(source));
            text("E0132", span, message, "expected a type name", help)
        }
        Rule::wrong_tuple => {
            let help = "use a record such as `{ a = 1, b = 2 }`, or a list";
            text("E0140", span, "there are no tuples", "expected `)` here", help)
        }
        Rule::wrong_path => absolute(span, source),
        Rule::wrong_quote => {
            let message = "texts stand in double quotes";
            text("E0104", span, message, "single quotes", "write it in `\"`, on one line")
        }
        rule => wrong_sign(rule, span, source),
    }
}

/// A sign in the place of another one.
fn wrong_sign(rule: Rule, span: Span, source: &str) -> Text {
    match rule {
        Rule::wrong_let_separator => {
            let message = format!("bindings are not separated by `{source}`");
            let help = "put nothing but white space between the bindings";
            text("E0126", span, message, "not needed here", help)
        }
        Rule::wrong_separator => {
            let message = "expected `,`, found `;`";
            text("E0126", span, message, "expected `,` here", "replace `;` by `,`")
        }
        Rule::wrong_colon => {
            let message = "expected `=`, found `:`";
            let help = "a value is given with `=`; `:` is for types";
            text("E0127", span, message, "expected `=` here", help)
        }
        Rule::wrong_equals => {
            let message = "expected `:`, found `=`";
            let help = "the type of a field is given with `:`";
            text("E0127", span, message, "expected `:` here", help)
        }
        _ => {
            let help = "an arm is written `pattern => value`; `->` is for types";
            text("E0124", span, "expected `=>`, found `->`", "expected `=>` here", help)
        }
    }
}

fn dashed(span: Span, source: &str, parent: Rule) -> Text {
    let mut help = format!("write `{}`", source.replace('-', "_"));
    if parent == Rule::field {
        help.push_str(&format!(", or `\"{source}\" = …` if it is a key of a map"));
    }
    text("E0120", span, "a name cannot have a `-` in it", "not a name", help)
}

fn wrong_case(span: Span, source: &str, parent: Rule) -> Text {
    let help = match parent {
        Rule::param => format!("name the parameter too: `value: {source}`"),
        _ => format!("write `{}`", snake(source)),
    };
    let message = "the name of a value starts with a lower-case letter";
    text("E0132", span, message, "expected a value name", help)
}

fn absolute(span: Span, source: &str) -> Text {
    let help = match source.strip_prefix("~/") {
        Some(rest) => format!("copy the file into the module and write `./{rest}`"),
        None => format!(
            "write `.{source}` for a file of the module, or \"{source}\" for a place in a build"
        ),
    };
    let message = "a path starts with `./` or `../`";
    text("E0114", span, message, "this path is absolute", help)
}

fn snake(name: &str) -> String {
    let mut result = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 && !result.ends_with('_') {
            let before = name.as_bytes()[index - 1];
            if before.is_ascii_lowercase() || before.is_ascii_digit() {
                result.push('_');
            }
        }
        result.push(letter.to_ascii_lowercase());
    }
    result
}

fn camel(name: &str) -> String {
    let words = name.split(['_', '-']).filter(|word| !word.is_empty());
    let mut result = String::new();
    for word in words {
        let (first, rest) = word.split_at(1);
        result.push_str(&first.to_ascii_uppercase());
        result.push_str(rest);
    }
    if result.starts_with(|first: char| first.is_ascii_uppercase()) { result } else { "T".into() }
}

fn junk(report: &Report<'_>, place: &Place<'_, '_>) -> Text {
    let found = report.found(place.node.start());
    let span = report.first_line(place.node);
    let top = place.parent.as_rule() == Rule::file;
    match found.text.as_str() {
        ")" | "]" | "}" => {
            let message = format!("{} closes nothing", found.name);
            let help = "remove it, or add the bracket that it closes";
            text("E0107", found.span, message, "nothing is open here", help)
        }
        "#" => {
            let help = "comments start with `//`";
            text("E0104", found.span, "unexpected `#`", "not understood", help)
        }
        "$" | "@" | "`" | "~" | "^" | "\\" | "'" | "?" => {
            let message = format!("unexpected {}", found.name);
            text("E0104", found.span, message, "this character has no meaning here", "remove it")
        }
        token if !token.is_ascii() => {
            let message = format!("unexpected character {}", found.name);
            let help = format!(
                "U+{:04X} only stands in texts and comments; remove it",
                token.chars().next().map_or(0, u32::from)
            );
            text("E0104", found.span, message, "this character has no meaning here", help)
        }
        token if top => {
            let help = match token {
                "def" | "function" | "func" => {
                    "a function is defined with `fn name(x: T) -> T = …`"
                }
                "var" | "const" | "val" => "a value is defined with `let name = …`",
                _ => {
                    "a file holds `import`, `let`, `fn`, `type`, `protocol` and `test`; \
                     a value is defined with `let name = …`"
                }
            };
            let message = format!("expected an item, found {}", found.name);
            text("E0105", span, message, "this is no item", help)
        }
        token => {
            let message = format!("unexpected {}", found.name);
            text("E0131", span, message, "this is not understood", junk_help(token, place))
        }
    }
}

fn junk_help(token: &str, place: &Place<'_, '_>) -> &'static str {
    let parent = place.parent.as_rule();
    match token {
        "=" if matches!(parent, Rule::item | Rule::paren | Rule::list | Rule::test_body) => {
            "values are compared with `==`"
        }
        "(" if parent == Rule::item => "put `|` before a single constructor: `type A = | B(Int)`",
        "{" if holds_type(place) => {
            "what a constructor holds stands in parentheses: `Info({ verbose: Bool })`"
        }
        "." if parent == Rule::field_type => {
            "further fields are those of a row variable at the end: `{ name: Str | r }`"
        }
        "->" | "=>" => "a lambda is written `(x) => value`",
        "and" | "&" => "use `&&`",
        "or" => "use `||`",
        "|" => "conditions are joined with `||`, and a value is handed to a function with `|>`",
        ";" => "remove it; items and bindings are not ended by `;`",
        ":" => "a type annotation stands after the name in a definition: `let name: Type = value`",
        _ if parent == Rule::item => "a call is written with parentheses, `f(x)`; remove the rest",
        _ => "expected `,` or the closing bracket; a call is written `f(x)`",
    }
}

/// Whether the node's parent is the definition of a type.
fn holds_type(place: &Place<'_, '_>) -> bool {
    let item = place.parent.as_rule() == Rule::item;
    item && place.parent.children().any(|part| part.as_rule() == Rule::type_item)
}

/// The bracket that a node opens with, and the one that closes it.
fn brackets(source: &str) -> (&str, &'static str) {
    if source.starts_with("#{") {
        return ("#{", "}");
    }
    match source.as_bytes().first() {
        Some(b'(') => ("(", ")"),
        Some(b'[') => ("[", "]"),
        Some(b'<') => ("<", ">"),
        _ => ("{", "}"),
    }
}

fn unclosed(report: &Report<'_>, place: &Place<'_, '_>) -> Diagnostic {
    let (open, close) = brackets(place.parent.as_str());
    let start = place.parent.start();
    let opening = report.range(start, start + open.len());
    let at = place.node.start();
    let found = report.found(at);
    let help = format!("add `{close}`");
    if found.same_line {
        let message = format!("expected `{close}`, found {}", found.name);
        let label = format!("expected `{close}` here");
        return Diagnostic::error("E0106", report.source, found.span, message, label)
            .label(report.source, opening, format!("to close this `{open}`"))
            .help(help);
    }
    let message = format!("this `{open}` is never closed");
    Diagnostic::error("E0106", report.source, opening, message, "opened here")
        .label(report.source, report.range(at, at), format!("expected `{close}` here"))
        .help(help)
}

fn unclosed_text(report: &Report<'_>, place: &Place<'_, '_>) -> Diagnostic {
    let source = place.parent.as_str();
    let prefix = if source.starts_with("sh") { 2 } else { 0 };
    let block = source[prefix..].starts_with("\"\"\"");
    let quotes = if block { "\"\"\"" } else { "\"" };
    let start = place.parent.start();
    let opening = report.range(start, start + prefix + quotes.len());
    let at = start + source.trim_end().len();
    let help = if block {
        format!("add `{quotes}` on a line of its own")
    } else {
        format!("add `{quotes}` at the end; a text of several lines stands in `\"\"\"`")
    };
    Diagnostic::error("E0108", report.source, opening, "this text is never closed", "opened here")
        .label(report.source, report.range(at, at), format!("expected `{quotes}` before here"))
        .help(help)
}

#[cfg(test)]
mod tests {
    use cbuild_diag::{RenderOptions, Sources, render};

    use super::*;

    /// No text is known that the parser gives up on, so that this is told of any.
    #[test]
    fn a_text_that_is_too_complicated() {
        let mut sources = Sources::default();
        let source = sources.add("main.cbuild", "let a = 1\n");
        let piece = Piece { text: "let a = 1\n", base: 0, content: Content::TooComplex };
        let found = refused(source, &piece, &piece.content);
        insta::assert_snapshot!(render(&sources, &found, RenderOptions::plain()));
    }
}
