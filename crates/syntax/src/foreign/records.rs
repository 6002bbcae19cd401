//! Braces: records that are changed, filled and written in another way.

use super::Habit;
use super::place::Place;
use super::tokens::Kind;
use crate::words::is_name;

/// `{ ...r, a = 2 }` of JavaScript, `{ ..r }` of Rust.
pub(super) fn spread(place: &Place<'_>) -> Option<Habit> {
    let dots = place.i;
    let open = place.outer(dots).filter(|open| place.tok(*open) == "{")?;
    let separated = matches!(place.before(dots), "{" | ",");
    if !matches!(place.here(), "..." | "..") || !separated || is_type(place, open, dots) {
        return None;
    }
    let end = place.expr_end(dots + 1);
    let record = if end > dots + 1 { place.source(dots + 1..end) } else { "r" };
    let message = "a record is changed with `with`";
    let span = (place.start(dots), place.end(end.saturating_sub(1).max(dots)));
    let help = format!("write `{record} with {{ field = value }}`");
    let habit = place.habit(span, message, "not understood", help);
    let close = place.partner(open)?;
    let habit = habit.until(place.end(close));
    let more = (dots + 1..close).any(|i| matches!(place.tok(i), "..." | ".."));
    if dots != open + 1 || more || place.operand_end(dots + 1) != Some(end) {
        return Some(habit);
    }
    if end == close {
        let habit = habit.edit(place.start(open), place.start(dots + 1), "");
        return Some(habit.edit(place.end(close - 1), place.end(close), ""));
    }
    let (front, behind) = parentheses(place, close);
    let habit = habit.edit(place.start(open), place.start(dots + 1), front).edit(
        place.start(end),
        place.end(end),
        " with {",
    );
    let habit = habit.edit(place.end(close), place.end(close), behind);
    Some(equals(place, end, habit))
}

/// What stands around `r with { … }` where a field of it is taken, or it is called.
fn parentheses(place: &Place<'_>, close: usize) -> (&'static str, &'static str) {
    let postfix = place.tok(close + 1) == "."
        || matches!(place.tok(close + 1), "(" | "[") && place.joined(close + 1);
    if postfix { ("(", ")") } else { ("", "") }
}

/// Whether braces hold types, such as `{ name: Str, ..r }`.
fn is_type(place: &Place<'_>, open: usize, to: usize) -> bool {
    let typed = |i: &usize| {
        place.tok(*i) == ":" && place.tok(*i + 1).starts_with(|c: char| c.is_ascii_uppercase())
    };
    place.level(open + 1).take_while(|i| *i < to).any(|i| typed(&i))
}

/// The colons behind the names of fields from a token on.
fn field_colons<'p>(place: &'p Place<'_>, from: usize) -> impl Iterator<Item = usize> + 'p {
    place.level(from).filter(|i| {
        let named = matches!(place.kind(i.wrapping_sub(1)), Some(Kind::Word | Kind::Text));
        let first = i.checked_sub(2).map_or("", |before| place.tok(before));
        place.tok(*i) == ":" && named && matches!(first, "{" | "(" | "," | ";")
    })
}

/// Changes the colons behind the names of fields to `=`.
fn equals(place: &Place<'_>, from: usize, mut habit: Habit) -> Habit {
    for colon in field_colons(place, from) {
        habit.also.push(place.start(colon));
        habit = habit.edit(place.end(colon - 1), place.end(colon), " =");
    }
    habit
}

/// `{ "a": 1 }` of JSON, `f(a: 1)` of Swift, and `{ a = Int }` for a type.
pub(super) fn colons(place: &Place<'_>) -> Option<Habit> {
    if place.code != "E0127" || place.i == 0 {
        return None;
    }
    let sign = place.i;
    match place.here() {
        ":" => Some(equals(place, sign, place.change())),
        "=" => Some(place.change().edit(place.end(sign - 1), place.end(sign), ":")),
        _ => None,
    }
}

/// `{ r | a = 2 }` of Elm and `{ r with a = 2 }` of OCaml and F#.
pub(super) fn update(place: &Place<'_>) -> Option<Habit> {
    let sign = place.i;
    let open = place.outer(sign).filter(|open| place.tok(*open) == "{")?;
    if !matches!(place.here(), "|" | "with") || place.operand_end(open + 1) != Some(sign) {
        return None;
    }
    let record = place.source(open + 1..sign);
    let span = (place.start(sign), place.end(sign));
    let close = place.partner(open);
    let until = close.map_or(span.1, |close| place.end(close));
    if place.here() == "|" && place.tok(sign + 2) == ":" && is_type(place, open, usize::MAX) {
        let message = "the further fields of a record type stand at its end";
        let help = format!("write `{{ name: Str | {record} }}`");
        return Some(place.habit(span, message, "not understood", help).until(until));
    }
    let message = "a record is changed with `with` in front of the braces";
    let help = format!("write `{record} with {{ field = value }}`");
    let habit = place.habit(span, message, "not understood", help).until(until);
    let (front, behind) = close.map_or(("", ""), |close| parentheses(place, close));
    let end = close.map_or(span.1, |close| place.end(close));
    let habit = habit
        .edit(place.start(open), place.start(open + 1), front)
        .edit(span.0, span.1, "with {")
        .edit(end, end, behind);
    Some(equals(place, sign, habit))
}

/// `{ inherit a b; }` and `let inherit (r) a b; in …` of Nix.
pub(super) fn inherit(place: &Place<'_>) -> Option<Habit> {
    let word = if place.here() == "inherit" { place.i } else { place.i.checked_sub(1)? };
    if place.tok(word) != "inherit" {
        return None;
    }
    let end = place.find(word + 1, ";")?;
    let group = (place.tok(word + 1) == "(").then(|| place.partner(word + 1)).flatten();
    let from = group.map(|close| place.source(word + 2..close));
    let names: Vec<&str> = (group.unwrap_or(word) + 1..end).map(|i| place.tok(i)).collect();
    // What is more than a path would be written, and read, several times.
    let path = from.is_none_or(|from| from.split('.').all(is_name));
    let known = !names.is_empty() && names.iter().all(|name| is_name(name)) && path;
    let braces = place.outer(word).is_some_and(|open| place.tok(open) == "{");
    let record = braces && place.before(word) != "let";
    let inner_let = place.before(word) == "let" && word > 1 && place.before(word - 1) != "pub";
    let fields: Vec<String> = names
        .iter()
        .map(|name| match from {
            Some(from) => format!("{name} = {from}.{name}"),
            None => (*name).to_owned(),
        })
        .collect();
    let span = (place.start(word), place.end(end));
    let label = "`inherit` is of Nix";
    if !record {
        let message = "a binding takes a value without `inherit`";
        let help = "write `let a = r.a in …`";
        let habit = place.habit(span, message, label, help);
        let certain = known && inner_let && from.is_some();
        return Some(habit.edit(span.0, span.1, fields.join(" ")).only_if(certain));
    }
    let message = "a field takes the value of its name without `inherit`";
    let list = if known { fields.join(", ") } else { "a, b = r.b".to_owned() };
    let habit = place.habit(span, message, label, format!("write `{{ {list} }}`"));
    let comma = if place.tok(end + 1) == "}" { "" } else { "," };
    let habit = habit.edit(span.0, span.1, format!("{list}{comma}"));
    Some(Habit { until: span.1, ..habit.only_if(known) })
}
