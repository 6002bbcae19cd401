//! Square brackets: indexes, comprehensions, spread items, and arguments of types.

use super::Habit;
use super::place::Place;
use super::tokens::Kind;

/// The bracket of `xs[…]`, if the error is at it.
fn suffix(place: &Place<'_>) -> Option<(usize, usize)> {
    let open = place.i;
    let joined = place.here() == "[" && place.joined(open) && place.ends_value(open - 1);
    joined.then_some((open, place.partner(open)?))
}

/// `List[Int]` of Python, Go and Scala.
pub(super) fn type_brackets(place: &Place<'_>) -> Option<Habit> {
    let (open, close) = suffix(place)?;
    if !starts_upper(place.before(open)) {
        return None;
    }
    let span = (place.start(open - 1), place.end(close));
    if close == open + 1 {
        let message = "the type of a list is not written with brackets";
        let list = format!("List<{}>", place.before(open));
        let habit = place.habit(span, message, "not a type", format!("write `{list}`"));
        let path = open > 1 && place.tok(open - 2) == ".";
        return Some(habit.edit(span.0, span.1, list).only_if(!path));
    }
    let message = "the arguments of a type stand in `<…>`";
    let mut written = place.text[span.0..span.1].to_owned();
    let mut habit = place.habit(span, message, "brackets are for lists of values", String::new());
    for i in open..=close {
        let of_type = place.tok(i) == "[" && place.joined(i) && starts_upper(place.before(i));
        let Some(end) = place.partner(i).filter(|_| of_type) else { continue };
        habit = habit.edit(place.start(i), place.end(i), "<").edit(
            place.start(end),
            place.end(end),
            ">",
        );
        written.replace_range(place.start(i) - span.0..place.end(i) - span.0, "<");
        written.replace_range(place.start(end) - span.0..place.end(end) - span.0, ">");
    }
    if let Some(told) = &mut habit.told {
        told.2 = format!("write `{written}`");
    }
    Some(habit)
}

fn starts_upper(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase())
}

/// `xs[1:]` of Python and `xs[1..]` of Rust.
pub(super) fn slice(place: &Place<'_>) -> Option<Habit> {
    let (open, close) = suffix(place)?;
    place.level(open + 1).find(|i| matches!(place.tok(*i), ":" | ".."))?;
    let base = place.operand_start(open).map_or("xs", |start| place.source(start..open));
    let take = place.library("list.take");
    let (drop, slice) = (place.library("list.drop"), place.library("list.slice"));
    let message = "a part of a list is not taken with brackets";
    let help = format!("write `{drop}({base}, 1)`, `{take}({base}, 2)` or `{slice}({base}, 1, 2)`");
    let habit = place.habit((place.start(open), place.end(close)), message, "not a slice", help);
    Some(habit.until(place.end(close)))
}

/// `r["a"]`
pub(super) fn key(place: &Place<'_>) -> Option<Habit> {
    let (open, close) = suffix(place)?;
    if place.kind(open + 1) != Some(Kind::Text) || close != open + 2 {
        return None;
    }
    let base = place.operand_start(open).map_or("r", |start| place.source(start..open));
    let key = place.tok(open + 1);
    let get = place.library("map.get");
    let name = key.trim_matches('"');
    let name = if crate::words::is_name(name) { name } else { "name" };
    let message = "a field is not taken with brackets";
    let help = format!(
        "write `{base}.{name}` for a record; a map gives an `Option`: `{get}({base}, {key})`"
    );
    Some(place.habit((place.start(open), place.end(close)), message, "not a key", help))
}

/// `xs[0]`
pub(super) fn index(place: &Place<'_>) -> Option<Habit> {
    let (open, close) = suffix(place)?;
    if !matches!(place.code, "E0131" | "E0126" | "E0122" | "E0123") {
        return None;
    }
    let start = place.operand_start(open);
    let (base, number) =
        (start.map_or("xs", |start| place.source(start..open)), place.source(open + 1..close));
    let single = !number.is_empty() && place.find(open + 1, ",").is_none();
    let number = if single { number } else { "0" };
    let at = place.library("list.at");
    let of_text = start.is_some_and(|start| start + 1 == open && is_text(place, start));
    let chars = of_text.then(|| format!("{}(", place.library("text.chars")));
    let (chars, closing) = chars.as_deref().map_or(("", ""), |chars| (chars, ")"));
    let what = if of_text { "a character of a text" } else { "an item of a list" };
    let message = format!("{what} is not taken with brackets");
    let field = if of_text { "" } else { "; a field is taken with `.name`" };
    let help =
        format!("write `{at}({chars}{base}{closing}, {number})`, which is an `Option`{field}");
    let habit = place.habit((place.start(open), place.end(close)), message, "not an index", help);
    let Some(start) = start.filter(|_| single) else { return Some(habit) };
    let base = place.start(start);
    let habit = habit.calls_std().edit(base, base, format!("{at}({chars}"));
    Some(habit.edit(place.start(open), place.end(open), format!("{closing}, ")).edit(
        place.start(close),
        place.end(close),
        ")",
    ))
}

/// Whether a token is a text, or a name to which the item gives the type of one.
fn is_text(place: &Place<'_>, i: usize) -> bool {
    let typed = |at: usize| {
        place.tok(at) == place.tok(i) && place.tok(at + 1) == ":" && place.tok(at + 2) == "Str"
    };
    let ends = |at: usize| !matches!(place.tok(at + 3), "." | "<");
    place.kind(i) == Some(Kind::Text) || (0..i.min(100)).any(|at| typed(at) && ends(at))
}

/// `[x * 2 for x in xs]` of Python.
pub(super) fn comprehension(place: &Place<'_>) -> Option<Habit> {
    let word = match place.here() {
        "for" => place.i,
        // `[a if c else b for x in xs]`
        "if" => place.find(place.i, "for")?,
        _ => place.i.checked_sub(1)?,
    };
    let within = place.find(word + 1, "in")?;
    if place.tok(word) != "for" || within > word + 20 {
        return None;
    }
    let open = place.outer(word)?;
    let (map, filter) = (place.library("list.map"), place.library("list.filter"));
    let message = "a list is made of another one with functions";
    let general = format!("write `{map}(xs, x => …)`, and `{filter}(xs, x => …)` for `if`");
    let close = place.partner(open);
    let end = close.map_or(place.line_end(place.at), |close| place.end(close));
    let span = (place.start(open), end);
    let label = "a comprehension of Python";
    let call = close.and_then(|close| mapped(place, (open, word, within, close)));
    Some(match call {
        Some(call) => {
            let habit = place.habit(span, message, label, format!("write `{call}`"));
            habit.until(end).calls_std().edit(span.0, span.1, call)
        }
        None => place.habit(span, message, label, general).until(end),
    })
}

/// The call that a comprehension stands for, if it is one with a single `for` over one name.
fn mapped(
    place: &Place<'_>,
    (open, word, within, close): (usize, usize, usize, usize),
) -> Option<String> {
    let counts = |what: &str| place.level(open + 1).filter(|i| place.tok(*i) == what).count();
    let plain = place.tok(open) == "["
        && within == word + 2
        && place.is_name(word + 1)
        && counts("for") == 1
        && counts("if") <= 1
        && counts("else") + counts("async") + counts(",") + counts(";") == 0;
    let condition = place.find(within + 1, "if");
    // In front of `for` it belongs to the item.
    if !plain || condition.is_none() && counts("if") > 0 {
        return None;
    }
    let (item, name) = (place.source(open + 1..word), place.tok(word + 1));
    let from = place.source(within + 1..condition.unwrap_or(close));
    let (map, filter) = (place.library("list.map"), place.library("list.filter"));
    let from = match condition {
        Some(at) => format!("{filter}({from}, {name} => {})", place.source(at + 1..close)),
        None => from.to_owned(),
    };
    Some(if item == name && condition.is_some() {
        from
    } else {
        format!("{map}({from}, {name} => {item})")
    })
}

/// `[...xs, 1]` of JavaScript, `[*xs, 1]` of Python.
pub(super) fn spread(place: &Place<'_>) -> Option<Habit> {
    let dots = place.i;
    let open = place.outer(dots).filter(|open| place.tok(*open) == "[")?;
    let star = place.here() == "*" && matches!(place.before(dots), "[" | ",");
    if !star && !matches!(place.here(), "..." | "..")
        || place.before(dots) != "[" && place.before(dots) != ","
    {
        return None;
    }
    let end = place.expr_end(dots + 1);
    let list = if end > dots + 1 { place.source(dots + 1..end) } else { "xs" };
    let message = "lists are joined with `++`";
    let span = (place.start(dots), place.end(end.saturating_sub(1).max(dots)));
    let close = place.partner(open)?;
    let habit = place.habit(span, message, "not understood", format!("write `{list} ++ [item]`"));
    let habit = habit.until(place.end(close));
    let count = (open + 1..close).filter(|i| matches!(place.tok(*i), "..." | "..")).count();
    // What binds less than `++` would need parentheses.
    let simple = place.operand_end(dots + 1) == Some(end) && count + usize::from(star) == 1;
    let (first, last) = (dots == open + 1, end == close);
    Some(match (first, last) {
        _ if !simple => habit,
        (true, true) => habit.edit(place.start(open), place.start(dots + 1), "").edit(
            place.end(close - 1),
            place.end(close),
            "",
        ),
        (true, false) => habit.edit(place.start(open), place.start(dots + 1), "").edit(
            place.start(end),
            place.start(end + 1),
            " ++ [",
        ),
        (false, true) => habit.edit(place.end(dots - 2), place.start(dots + 1), "] ++ ").edit(
            place.end(close - 1),
            place.end(close),
            "",
        ),
        (false, false) => habit,
    })
}
