//! Branches and conditions.

use super::Habit;
use super::place::Place;
use super::tokens::Kind;
use super::words::is_elvis;

/// `if c { a } else { b }` of Rust and others.
pub(super) fn branches(place: &Place<'_>) -> Option<Habit> {
    let i = place.i;
    let candidates = [
        (place.here() == "{").then_some(i),
        place.outer(i).filter(|open| place.tok(*open) == "{"),
        (place.before(i) == "}").then(|| place.partner(i - 1)).flatten(),
    ];
    let open = candidates.into_iter().flatten().find(|open| is_branch(place, *open))?;
    let message = "the branches of an `if` have no braces";
    let help = "write `if c then a else b`";
    let span = (place.start(open), place.end(open));
    let habit = place.habit(span, message, "expected `then` here", help);
    Some(match without_braces(place, open) {
        Some((edits, end)) => Habit { edits, ..habit.until(place.line_end(end) + 1) },
        None => {
            let close = place.partner(open).map_or(span.1, |close| place.end(close));
            habit.until(place.line_end(close) + 1)
        }
    })
}

/// Whether the braces that open at a token hold the first branch of an `if`.
fn is_branch(place: &Place<'_>, open: usize) -> bool {
    let word =
        place.level_back(open).find(|i| matches!(place.tok(*i), "if" | "then" | "=" | "," | ";"));
    // The condition of `if` stands between the two.
    word.is_some_and(|word| place.tok(word) == "if" && word + 1 < open)
}

/// The changes that take the braces of all branches away, and where the last one ends.
fn without_braces(place: &Place<'_>, open: usize) -> Option<(Vec<super::check::Change>, usize)> {
    let mut edits = Vec::new();
    let (mut open, mut word) = (open, "then ");
    loop {
        let inside = place.only_expression(open)?;
        let close = place.partner(open)?;
        let first = place.start(inside.start);
        let blank = place.text[place.end(open)..place.start(open + 1)].trim().is_empty();
        if blank {
            edits.push((place.start(open), first, word.to_owned()));
        } else {
            edits.push((place.start(open), place.end(open), word.trim_end().to_owned()));
            edits.push((place.start(open + 1), first, String::new()));
        }
        // Comments behind the expression stay.
        let last = place.end(inside.end - 1);
        let blank =
            place.text[last..place.start(close)].chars().all(|c| c.is_whitespace() || c == ';');
        edits.push((
            if blank { last } else { place.start(close) },
            place.end(close),
            String::new(),
        ));
        if word.is_empty() {
            return Some((edits, place.end(close)));
        }
        if place.tok(close + 1) != "else" {
            return None;
        }
        (open, word) = match place.tok(close + 2) {
            "{" => (close + 2, ""),
            "if" => (place.level(close + 3).find(|i| place.tok(*i) == "{")?, "then "),
            _ => return None,
        };
    }
}

/// `case x of` of Elm and Haskell, and `case x {` of Gleam.
pub(super) fn case_of(place: &Place<'_>) -> Option<Habit> {
    let word = if place.here() == "case" { place.i } else { place.i.checked_sub(1)? };
    if !matches!(place.tok(word), "case" | "switch") {
        return None;
    }
    let name = place.tok(word);
    let behind = place.level(word + 1).find(|i| matches!(place.tok(*i), "of" | "{"))?;
    let span = (place.start(word), place.end(word));
    let message = format!("a value is told apart with `match`, not with `{name}`");
    let help = "write `match x { Some(y) => y, None => 0 }`";
    let habit = place.habit(span, message, "expected `match`", help);
    Some(if place.tok(behind) == "of" {
        habit.until(place.end(place.tokens.len().saturating_sub(1)))
    } else {
        habit.edit(span.0, span.1, "match")
    })
}

/// `0 | 1 => a` of Rust, in an arm.
pub(super) fn alternatives(place: &Place<'_>) -> Option<Habit> {
    let open = place.outer(place.i).filter(|open| place.tok(*open) == "{")?;
    let stops = |i: &usize| {
        matches!(place.tok(*i), "match" | "=" | "," | ";" | "=>" | "{" | "in" | "then" | "else")
    };
    let word = place.level_back(open).find(stops).filter(|i| place.tok(*i) == "match")?;
    let arrow = place.find(place.i, "=>")?;
    let pattern = !place.level(place.i).take_while(|i| *i < arrow).any(|i| place.tok(i) == ",");
    if place.here() != "|" || word + 1 == open || !pattern {
        return None;
    }
    let span = (place.start(place.i), place.end(place.i));
    let message = "an arm has one pattern; `|` does not join several";
    let help = "write an arm for each pattern: `0 => a, 1 => a`";
    let until = place.end(place.expr_end(arrow + 1).saturating_sub(1));
    Some(place.habit(span, message, "not understood", help).until(until))
}

/// `elif` of Python.
pub(super) fn elif(place: &Place<'_>) -> Option<Habit> {
    let word = ["elif", "elseif", "elsif"].into_iter().find(|word| place.here() == *word)?;
    let (start, end) = (place.start(place.i), place.end(place.i));
    let message = format!("further conditions follow `else if`, not `{word}`");
    let help = "write `else if … then …`";
    Some(place.habit((start, end), message, "expected `else if`", help).edit(start, end, "else if"))
}

/// `c ? 1 : 2` of C and others.
pub(super) fn conditional(place: &Place<'_>) -> Option<Habit> {
    let sign = place.i;
    if place.here() != "?" || place.kind(sign + 1).is_none() || is_elvis(place, sign) {
        return None;
    }
    let stop = |i: &usize| matches!(place.tok(*i), "," | ";" | "=" | "=>" | ":");
    let colon = place.level(sign + 1).find(stop).filter(|i| place.tok(*i) == ":")?;
    let end = place.expr_end(colon + 1);
    let nested = (colon + 1..end).any(|i| matches!(place.tok(i), "?" | ":"))
        || (sign + 1..colon).any(|i| place.tok(i) == "?");
    let message = "a condition is written `if … then … else …`";
    let help = "write `if condition then value else other`";
    let span = (place.start(sign), place.end(sign));
    let until = place.end(end.saturating_sub(1));
    let habit = place.habit(span, message, "not an operator", help).until(until);
    let start = place.expr_start(sign).filter(|_| !nested && end > colon + 1);
    let Some(start) = start else { return Some(habit) };
    let start = place.start(start);
    let then = (place.end(sign - 1), place.start(sign + 1));
    let other = (place.end(colon - 1), place.start(colon + 1));
    Some(
        habit
            .edit(start, start, "if ")
            .edit(then.0, then.1, " then ")
            .edit(other.0, other.1, " else "),
    )
}

/// `r ? a` of Nix.
pub(super) fn has_field(place: &Place<'_>) -> Option<Habit> {
    let sign = place.i;
    let asks = place.here() == "?"
        && sign > 0
        && place.kind(sign - 1) == Some(Kind::Word)
        && place.is_name(sign + 1)
        && !place.joined(sign)
        && place.outer(sign).is_none_or(|open| place.tok(open) != "{");
    let span = (place.start(sign), place.end(sign));
    let message = "`?` does not ask whether there is a field";
    let help = "which fields a record has is known from its type; an optional one is compared, `r.a != None`";
    asks.then(|| place.habit(span, message, "not an operator", help))
}
