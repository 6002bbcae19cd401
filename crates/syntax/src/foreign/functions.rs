//! Functions without a name, and the bodies of those that have one.

use super::Habit;
use super::place::Place;
use super::tokens::Kind;

/// `lambda x: x + 1` of Python.
pub(super) fn lambda_word(place: &Place<'_>) -> Option<Habit> {
    let word = if place.here() == "lambda" { place.i } else { place.i.checked_sub(1)? };
    if place.tok(word) != "lambda" {
        return None;
    }
    let colon = place.find(word + 1, ":")?;
    let names = place.names(word + 1..colon);
    let list = names.map(|names| parameters(&names));
    let shown = list.clone().unwrap_or_else(|| "(x, y)".to_owned());
    let span = (place.start(word), place.end(colon));
    let message = "a function is written with `=>`, without `lambda`";
    let habit = place.habit(span, message, "a lambda of Python", format!("write `{shown} => …`"));
    let habit = habit.until(end_of_body(place, colon));
    Some(match list {
        Some(list) => habit.edit(span.0, span.1, format!("{list} =>")),
        None => habit,
    })
}

/// Parameters as they stand in front of `=>`.
fn parameters(names: &[&str]) -> String {
    match names {
        [only] => (*only).to_owned(),
        all => format!("({})", all.join(", ")),
    }
}

/// The byte behind the expression that follows a sign.
fn end_of_body(place: &Place<'_>, sign: usize) -> usize {
    let end = place.expr_end(sign + 1);
    place.end(end.saturating_sub(1).max(sign))
}

/// `{ a, b ? 2, ... }: a + b` and `args@{ a }: …` of Nix.
pub(super) fn lambda_of_fields(place: &Place<'_>) -> Option<Habit> {
    let i = place.i;
    let candidates = [
        (place.before(i) == "}").then(|| place.partner(i - 1)).flatten(),
        place.outer(i).filter(|open| place.tok(*open) == "{"),
        (place.here() == "@" && place.tok(i + 1) == "{").then_some(i + 1),
        (place.code == "E0105" && place.here() == "{").then_some(i),
    ];
    candidates.into_iter().flatten().find_map(|open| nix_function(place, open))
}

/// A function of Nix whose parameters are in the braces that open at a token.
fn nix_function(place: &Place<'_>, open: usize) -> Option<Habit> {
    let close = place.partner(open)?;
    let named_behind = place.tok(close + 1) == "@" && place.is_name(close + 2);
    let colon = close + if named_behind { 3 } else { 1 };
    let named = place.before(open) == "@" && open > 1;
    let first = if named { open - 2 } else { open };
    if place.tok(colon) != ":" {
        return None;
    }
    let end = close - usize::from(close > open + 1 && place.tok(close - 1) == ",");
    let names = place.names(open + 1..end).filter(|_| !named && !named_behind);
    let span = (place.start(first), place.end(colon));
    let message = "the parameters of a function stand in parentheses";
    let label = "a function of Nix";
    let habit = match names {
        Some(names) => {
            let list = format!("({})", names.join(", "));
            let help = format!("write `{list} => …`");
            let habit = place.habit(span, message, label, help);
            habit.edit(span.0, span.1, format!("{list} =>"))
        }
        None => {
            let help =
                "write `fn f(a: T, b: T = 2) -> T = …`; or take one record, `(r: { a: T }) => …`";
            place.habit(span, message, label, help)
        }
    };
    Some(habit.until(end_of_body(place, colon)))
}

/// `x: x + 1` of Nix.
pub(super) fn lambda_colon(place: &Place<'_>) -> Option<Habit> {
    let (colon, word) = (place.i, place.i.checked_sub(1)?);
    if place.here() != ":" || !place.is_name(word) || place.kind(colon + 1).is_none() {
        return None;
    }
    let opens = matches!(
        place.before(word),
        "" | "=" | "(" | "[" | "," | ":" | "=>" | "{" | "in" | "then" | "else" | "++"
    );
    let known = match place.code {
        "E0122" => place.before(word) == "=",
        "E0131" => {
            place.outer(word).is_none_or(|open| place.tok(open) != "{")
                || place.tok(word.wrapping_sub(1)) == "="
        }
        // Where an argument may have a name it is a function only if it uses its parameter.
        "E0127" => {
            place.outer(word).is_some_and(|open| place.tok(open) == "(")
                && is_function(place, colon)
        }
        _ => false,
    };
    (opens && known).then(|| colon_to_arrow(place, colon))
}

/// Whether what follows `name:` is the body of a function of that name's value.
fn is_function(place: &Place<'_>, colon: usize) -> bool {
    let curried = place.is_name(colon + 1) && place.tok(colon + 2) == ":";
    curried || place.mentions(colon + 1..place.expr_end(colon + 1), place.before(colon))
}

/// The change of `x: y:` to `x => y =>`.
fn colon_to_arrow(place: &Place<'_>, colon: usize) -> Habit {
    let mut colon = colon;
    while place.before(colon - 1) == ":" && colon > 2 && place.is_name(colon - 3) {
        colon -= 2;
    }
    let (start, name) = (place.start(colon - 1), place.before(colon));
    let message = "a function is written with `=>`, not with `:`";
    let span = (start, place.end(colon));
    let mut habit = place.habit(span, message, "a function of Nix", format!("write `{name} => …`"));
    let mut at = colon;
    while place.tok(at) == ":" && place.is_name(at - 1) {
        habit = habit.edit(place.end(at - 1), place.end(at), " =>");
        at += 2;
    }
    habit.until(end_of_body(place, at - 2))
}

/// `(x: x + 1)(2)` of Nix, which looks like a parameter with a type.
pub(super) fn lambda_in_parentheses(place: &Place<'_>) -> Option<Habit> {
    let open = match place.outer(place.i) {
        Some(open) if place.code != "E0124" => open,
        _ if place.before(place.i) == ")" => place.partner(place.i - 1)?,
        Some(open) => open,
        None => return None,
    };
    let (colon, close) = (open + 2, place.partner(open)?);
    let lambda = place.tok(open) == "("
        && place.is_name(open + 1)
        && place.tok(colon) == ":"
        && !matches!(place.tok(close + 1), "=>" | "->" | "=")
        && !(place.joined(open) && place.ends_value(open - 1));
    let uses = || {
        let curried = place.is_name(colon + 1) && place.tok(colon + 2) == ":";
        curried || place.mentions(colon + 1..close, place.tok(open + 1))
    };
    (lambda && uses()).then(|| colon_to_arrow(place, colon).until(place.end(close + 1)))
}

/// `Some(x) -> x` as an arm.
pub(super) fn arm_arrow(place: &Place<'_>) -> Option<Habit> {
    let open = place.outer(place.i)?;
    let word = place.level_back(open).find(|i| matches!(place.tok(*i), "match" | "=" | "," | "=>"));
    if place.here() != "->" || place.code != "E0124" || word.is_none_or(|i| place.tok(i) != "match")
    {
        return None;
    }
    let mut habit = place.change();
    for arrow in place.level(place.i).filter(|i| place.tok(*i) == "->") {
        habit.also.push(place.start(arrow));
        habit = habit.edit(place.start(arrow), place.end(arrow), "=>");
    }
    Some(habit)
}

/// `(x) -> x` of Java and others.
pub(super) fn lambda_arrow(place: &Place<'_>) -> Option<Habit> {
    let parameters = place.before(place.i) == ")" || place.is_name(place.i.checked_sub(1)?);
    if !matches!(place.code, "E0131" | "E0124" | "E0126" | "E0122" | "E0123")
        || place.here() != "->"
        || !parameters
    {
        return None;
    }
    let (start, end) = (place.start(place.i), place.end(place.i));
    let message = "a function is written with `=>`; `->` is for types";
    let habit = place.habit((start, end), message, "expected `=>`", "write `(x) => …`");
    Some(habit.until(end_of_body(place, place.i)).edit(start, end, "=>"))
}

/// `\x -> x` of Haskell and Elm.
pub(super) fn backslash(place: &Place<'_>) -> Option<Habit> {
    if place.here() != "\\" {
        return None;
    }
    let arrow = place.level(place.i).find(|i| matches!(place.tok(*i), "->" | "=>"))?;
    let names: Vec<&str> = (place.i + 1..arrow).map(|i| place.tok(i)).collect();
    let plain = !names.is_empty() && (place.i + 1..arrow).all(|i| place.is_name(i));
    let list = parameters(if plain { &names } else { &["x"] });
    let span = (place.start(place.i), place.end(arrow));
    let message = "a function is written with `=>`, without `\\`";
    let habit =
        place.habit(span, message, "a function of Haskell or Elm", format!("write `{list} => …`"));
    let habit = habit.until(end_of_body(place, arrow));
    Some(habit.edit(span.0, span.1, format!("{list} =>")).only_if(plain))
}

/// `|x| x` of Rust and Ruby.
pub(super) fn bars(place: &Place<'_>) -> Option<Habit> {
    let open = place.i;
    let starts = matches!(
        place.before(open),
        "" | "=" | "(" | "," | "=>" | "[" | "{" | "in" | "then" | "else" | ":"
    );
    let close = match place.here() {
        "|" if starts => place.find(open + 1, "|")?,
        "||" if starts => open,
        _ => return None,
    };
    let names = place.names(open + 1..close.max(open + 1));
    let list = parameters(&names.clone().unwrap_or_else(|| vec!["x"]));
    let span = (place.start(open), place.end(close));
    let message = "the parameters of a function stand in parentheses, not in `|…|`";
    let habit = place.habit(span, message, "a closure of Rust", format!("write `{list} => …`"));
    let habit = habit.until(end_of_body(place, close));
    Some(habit.edit(span.0, span.1, format!("{list} =>")).only_if(names.is_some()))
}

/// `fn(x) { x }` of Gleam, and `fn(x) -> x`.
pub(super) fn unnamed_function(place: &Place<'_>) -> Option<Habit> {
    let (word, open) = (place.i, place.i + 1);
    if place.here() != "fn" || place.tok(open) != "(" || word == 0 && !place.expression {
        return None;
    }
    let close = place.partner(open)?;
    let span = (place.start(word), place.end(close));
    let message = "a function without a name is written with `=>`, without `fn`";
    let habit = place.habit(span, message, "`fn` defines functions with names", "write `(x) => …`");
    let habit =
        habit.until(end_of_body(place, close)).edit(place.start(word), place.start(open), "");
    let body = close + 1;
    Some(match place.tok(body) {
        // A type may stand there, too.
        "->" if place.tok(body + 1).starts_with(|c: char| c.is_ascii_uppercase()) => {
            habit.only_if(false)
        }
        "->" => habit.edit(place.start(body), place.end(body), "=>"),
        "=>" => habit,
        "{" => match place.only_expression(body) {
            Some(inside) => {
                let end = place.partner(body).unwrap_or(body);
                habit.edit(place.start(body), place.start(inside.start), "=> ").edit(
                    place.end(inside.end - 1),
                    place.end(end),
                    "",
                )
            }
            None => habit.only_if(false),
        },
        _ => habit.edit(place.end(close), place.end(close), " =>"),
    })
}

/// `fn f(x: Int) -> Int { x }` of Rust and others.
pub(super) fn body_in_braces(place: &Place<'_>) -> Option<Habit> {
    let open = place.i;
    let function = ["fn", "pub"].contains(&place.tok(0)) && place.outer(open).is_none();
    if place.code != "E0121"
        || place.here() != "{"
        || !function
        || place.kind(open) != Some(Kind::Open)
    {
        return None;
    }
    let close = place.partner(open)?;
    let message = "the body of a function is an expression after `=`, without braces";
    let help = "write `fn f(x) -> T = …`";
    let span = (place.start(open), place.end(open));
    let habit = place.habit(span, message, "expected `=` here", help).until(place.end(close));
    Some(match place.only_expression(open) {
        Some(inside) => habit.edit(place.start(open), place.start(inside.start), "= ").edit(
            place.end(inside.end - 1),
            place.end(close),
            "",
        ),
        None => habit,
    })
}
