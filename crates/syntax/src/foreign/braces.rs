//! Forms that are known by brackets, quotes and what is between them.

use super::Habit;
use super::place::{Place, closing, first_word, last_word, names};
use crate::words::is_name;

/// `{ a, b }: a + b` of Nix.
pub(super) fn lambda_of_fields(place: &Place<'_>) -> Option<Habit> {
    let before = place.before();
    if place.code != "E0131" || !place.rest().starts_with(':') || !before.ends_with('}') {
        return None;
    }
    let open = before.rfind('{')?;
    let inside = before[open + 1..before.len() - 1].trim();
    let list = names(inside.trim_end_matches(',')).map(|names| names.join(", "));
    let message = "the parameters of a function stand in parentheses";
    let help = match &list {
        Some(list) => format!("write `({list}) => …`"),
        None => {
            "write `(a, b) => …`, or take one record: `(r: { a: Int, b: Int }) => …`".to_owned()
        }
    };
    let habit = place.habit((open, place.at + 1), message, "a function of Nix", help);
    Some(match list {
        Some(list) => habit.edit(open, place.at + 1, format!("({list}) =>")),
        None => habit,
    })
}

/// `if c { a } else { b }` of Rust and others.
pub(super) fn branches(place: &Place<'_>) -> Option<Habit> {
    let before = place.before();
    let open = match place.code {
        "E0123" if place.rest().starts_with('{') => place.at,
        // Behind a name the brace was taken for a record.
        "E0131" if before.ends_with('{') => before.len() - 1,
        _ => return None,
    };
    let line = place.text[..open].rsplit('\n').next()?;
    let condition = line.rsplit_once("if ").map(|(_, condition)| condition)?;
    if condition.contains(" then") {
        return None;
    }
    let message = "the branches of an `if` have no braces";
    let help = "write `if c then a else b`";
    let habit = place.habit((open, open + 1), message, "expected `then` here", help);
    let Some((yes, second, end)) = two_blocks(place.text, open) else { return Some(habit) };
    let habit = Habit { until: place.line_end(end), ..habit };
    let first = place.text[..yes].trim_end().len();
    let last = place.text[..end].trim_end().len();
    Some(
        habit
            .edit(open, open + 1, "then")
            .edit(first, yes + 1, "")
            .edit(second, second + 1, "")
            .edit(last, end + 1, ""),
    )
}

/// Where the block that opens at a byte closes, and where the one after its `else` opens and closes.
fn two_blocks(text: &str, open: usize) -> Option<(usize, usize, usize)> {
    let yes = closing(text, open)?;
    let rest = text[yes + 1..].trim_start().strip_prefix("else")?.trim_start();
    let second = text.len() - rest.len();
    rest.starts_with('{').then_some((yes, second, closing(text, second)?))
}

/// `{ inherit a b; }` and `{ inherit (r) a b; }` of Nix.
pub(super) fn inherit(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let (listed, _) = place.line_rest().split_once(';').filter(|_| word == "inherit")?;
    let end = place.at + listed.len() + 1;
    let (from, listed) = match listed.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map(|(from, rest)| (Some(from.trim()), rest))?,
        None => (None, listed),
    };
    let fields: Vec<&str> = listed.split_whitespace().collect();
    if fields.is_empty() || !fields.iter().all(|field| is_name(field)) {
        return None;
    }
    let fields: Vec<String> = match from {
        Some(from) => fields.iter().map(|field| format!("{field} = {from}.{field}")).collect(),
        None => fields.iter().map(|field| (*field).to_owned()).collect(),
    };
    let fields = fields.join(", ");
    let message = "a field takes the value of its name without `inherit`";
    let help = format!("write `{{ {fields} }}`");
    let last = place.text[end..].trim_start().starts_with('}');
    let new = if last { fields } else { format!("{fields},") };
    let habit = place.habit((start, end), message, "`inherit` is of Nix", help);
    Some(habit.edit(start, end, new))
}

/// `xs[0]`
pub(super) fn index(place: &Place<'_>) -> Option<Habit> {
    let joined = place.before().len() == place.at;
    let value = joined
        && place.text[..place.at]
            .ends_with(|c: char| c == ')' || c == ']' || c == '_' || c.is_ascii_alphanumeric());
    let line = place.line_rest();
    if !matches!(place.code, "E0131" | "E0126") || !value || !line.starts_with('[') {
        return None;
    }
    let close = closing(line, 0)?;
    let number = line[1..close].trim();
    let message = "an item of a list is not taken with brackets";
    let base = path_start(place);
    let list = base.map_or("xs", |base| &place.text[base..place.at]);
    let help = format!(
        "write `std.list.at({list}, {number})`, which is an `Option`; a field is taken with `.name`"
    );
    let (start, end) = (place.at, place.at + close + 1);
    let habit = place.habit((start, end), message, "not an index", help);
    Some(match base.filter(|_| !number.is_empty() && place.text.contains("import std\n")) {
        Some(base) => habit.edit(base, base, "std.list.at(").edit(start, start + 1, ", ").edit(
            end - 1,
            end,
            ")",
        ),
        None => habit,
    })
}

/// The first byte of the dotted name that ends at the place.
fn path_start(place: &Place<'_>) -> Option<usize> {
    let before = &place.text[..place.at];
    let len = before
        .bytes()
        .rev()
        .take_while(|byte| crate::words::is_word_byte(*byte) || *byte == b'.')
        .count();
    Some(place.at - len).filter(|start| before[*start..].split('.').all(is_name))
}

/// `[x * 2 for x in xs]` of Python.
pub(super) fn comprehension(place: &Place<'_>) -> Option<Habit> {
    let line = place.line_rest();
    let (name, rest) = line.strip_prefix("for ")?.split_once(" in ")?;
    let open = place.before().rfind('[')?;
    let item = place.before()[open + 1..].trim();
    let end = closing(place.text, open)?;
    let from = rest.split(']').next()?.trim();
    let message = "a list is made of another one with functions";
    let plain = is_name(name.trim()) && !from.contains(" if ") && end < place.line_end(place.at);
    if !plain {
        let help = "write `std.list.map(xs, x => …)`, and `std.list.filter(xs, x => …)` for `if`";
        return Some(place.habit((open, end + 1), message, "a comprehension of Python", help));
    }
    let call = format!("std.list.map({from}, {} => {item})", name.trim());
    let help = format!("write `{call}`");
    let habit = place.habit((open, end + 1), message, "a comprehension of Python", help);
    Some(habit.edit(open, end + 1, call))
}

/// `{ ...r, a = 2 }` and `[...xs, 1]` of JavaScript.
pub(super) fn spread(place: &Place<'_>) -> Option<Habit> {
    let line = place.line_rest();
    let rest = line.strip_prefix("...").or_else(|| line.strip_prefix(".."))?;
    let dots = line.len() - rest.len();
    let len = rest.bytes().take_while(|b| crate::words::is_word_byte(*b) || *b == b'.').count();
    let (path, after) = rest.split_at(len);
    let path_end = place.at + dots + len;
    let before = place.before();
    let first = before.ends_with(['{', '[']);
    let record = before.rfind('{') > before.rfind('[');
    let span = (place.at, path_end);
    let shown = if path.is_empty() { "r" } else { path };
    let (message, help) = if record {
        ("a record is changed with `with`", format!("write `{shown} with {{ field = value }}`"))
    } else {
        ("lists are joined with `++`", format!("write `{shown} ++ [item]`"))
    };
    let habit = place.habit(span, message, "not understood", help);
    let comma = after.trim_start().starts_with(',').then(|| after.find(',')).flatten();
    let (Some(comma), true, false) = (comma, first, path.is_empty()) else { return Some(habit) };
    let open = before.len() - 1;
    let next = path_end + comma + 1;
    let word = if record { format!("{path} with {{") } else { format!("{path} ++ [") };
    let skipped = if record {
        0
    } else {
        place.text[next..].len() - place.text[next..].trim_start_matches(' ').len()
    };
    Some(habit.edit(open, next + skipped, word))
}

/// `f"{n}"` of Python, and `r"…"`, `b"…"` and others.
pub(super) fn text_prefix(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let joined = start + word.len() == place.at;
    let line = place.line_rest();
    if !joined || !line.starts_with('"') || word.len() > 2 || word.is_empty() {
        return None;
    }
    let close = 1 + line[1..].find('"')?;
    let (inside, end) = (&line[1..close], place.at + close + 1);
    let message = format!("a text has no prefix `{word}`");
    if !word.eq_ignore_ascii_case("f") {
        let habit = place.habit((start, end), message, "not needed", format!("remove `{word}`"));
        return Some(habit.edit(start, place.at, ""));
    }
    let text = format!("\"{}\"", inside.replace('{', "#{"));
    let help = format!("every text takes holes: write `{text}`");
    Some(place.habit((start, end), message, "a text of Python", help).edit(start, end, text))
}

/// `` `${n}` `` of JavaScript.
pub(super) fn backticks(place: &Place<'_>) -> Option<Habit> {
    let rest = place.rest().strip_prefix('`')?;
    let close = rest.find('`')?;
    let inside = &rest[..close];
    let end = place.at + close + 2;
    let message = "a text stands in double quotes, and its holes in `#{…}`";
    let plain = !inside.contains(['"', '\\', '\n']);
    let text = format!("\"{}\"", inside.replace("${", "#{"));
    let help = if plain {
        format!("write `{text}`")
    } else {
        "write it in `\"`, or in `\"\"\"` if it has several lines".to_owned()
    };
    let span = (place.at, if plain { end } else { place.at + 1 });
    let habit = place.habit(span, message, "a text of JavaScript", help);
    let habit = Habit { until: place.line_end(end), ..habit };
    Some(if plain { habit.edit(place.at, end, text) } else { habit })
}

/// `'text'` of shells and Python, and `''…''` of Nix.
pub(super) fn quotes(place: &Place<'_>) -> Option<Habit> {
    let rest = place.rest();
    if let Some(inside) = rest.strip_prefix("''")
        && let Some(close) = inside.find("''").filter(|close| inside[..*close].contains('\n'))
    {
        let end = place.at + 4 + close;
        let message = "a text of several lines stands in `\"\"\"`";
        let help = "write `\"\"\"` at both ends, and holes as `#{…}`";
        let habit = place.habit((place.at, place.at + 2), message, "a text of Nix", help);
        let text = format!("\"\"\"{}\"\"\"", inside[..close].replace("${", "#{"));
        return Some(Habit { until: place.line_end(end), ..habit }.edit(place.at, end, text));
    }
    let inside = rest.strip_prefix('\'').filter(|_| place.code == "E0104")?;
    let close = inside.find('\'').filter(|close| !inside[..*close].contains(['"', '\\', '\n']))?;
    let end = place.at + close + 2;
    let text = format!("\"{}\"", &inside[..close]);
    let message = "texts stand in double quotes";
    let help = format!("write `{text}`");
    Some(place.habit((place.at, end), message, "single quotes", help).edit(place.at, end, text))
}

/// `let a = 1; b = 2; in` of Nix.
pub(super) fn bindings(place: &Place<'_>) -> Option<Habit> {
    let sign = place.rest().chars().next().filter(|sign| matches!(sign, ';' | ','))?;
    let known = matches!(place.code, "E0126" | "E0122");
    let (_, before) = place.text[..place.at].rsplit_once("let ").filter(|_| known)?;
    let end = place.at + word_at(place.rest(), "in")?;
    let same = !before.contains(['{', '(', '[']);
    let message = format!("bindings are not separated by `{sign}`");
    let help = "put nothing but white space between the bindings";
    let habit = place.habit((place.at, place.at + 1), message, "not needed here", help);
    let habit = Habit { until: end, ..habit };
    let plain = !place.text[place.at..end].contains(['"', '{', '(', '[']);
    if !plain || !same {
        return Some(habit);
    }
    let signs = place.text[place.at..end].match_indices(sign);
    Some(signs.fold(habit, |habit, (at, _)| {
        let at = place.at + at;
        habit.edit(at, at + 1, "")
    }))
}

/// `{ a = 1; b = 2; }` and `[a; b]`.
pub(super) fn separators(place: &Place<'_>) -> Option<Habit> {
    if place.code != "E0126" || !place.rest().starts_with(';') {
        return None;
    }
    let open = place.before().rfind(['{', '[', '('])?;
    let end = closing(place.text, open).filter(|end| *end > place.at)?;
    let inside = &place.text[place.at..end];
    let message = "expected `,`, found `;`";
    let help = "replace `;` by `,`";
    let habit = place.habit((place.at, place.at + 1), message, "expected `,` here", help);
    let habit = Habit { until: end, ..habit };
    if inside.contains(['{', '[', '(', '"', '/']) {
        return Some(Habit { until: place.at + 1, ..habit }.edit(place.at, place.at + 1, ","));
    }
    let signs = inside.match_indices(';').map(|(at, _)| place.at + at);
    Some(signs.fold(habit, |habit, at| habit.edit(at, at + 1, ",")))
}

/// Where a word stands in a text.
fn word_at(text: &str, word: &str) -> Option<usize> {
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| last_word(&text[..*at]).1.is_empty() && first_word(&text[*at..]) == word)
}
