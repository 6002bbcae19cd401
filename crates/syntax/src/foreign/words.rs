//! Words, signs and comments of other languages.

use super::Habit;
use super::place::Place;
use super::tokens::Kind;
use crate::words::is_name;

/// A sign or word with another one in its place.
fn replaced(place: &Place<'_>, message: impl Into<String>, new: &str) -> Habit {
    let (start, end) = (place.start(place.i), place.end(place.i));
    let help = format!("write `{new}`");
    let habit = place.habit((start, end), message, format!("expected `{new}`"), help);
    habit.edit(start, end, new)
}

/// `r.b or 2` of Nix, `a ?? b` of JavaScript and `a ?: b` of Kotlin.
pub(super) fn default_value(place: &Place<'_>) -> Option<Habit> {
    let sign = place.i;
    let start = place.operand_start(sign);
    let path = start.map(|start| place.source(start..sign));
    let nix = place.here() == "or";
    let field = start.is_some_and(|start| (start..sign).any(|i| place.tok(i) == "."));
    let elvis = is_elvis(place, sign);
    if place.here() != "??" && !elvis && !(nix && field) {
        return None;
    }
    let right = sign + if elvis { 2 } else { 1 };
    let span = (place.start(sign), place.end(right - 1));
    let shown = place.source(sign..right);
    let message = format!("a default for an absent value is not given with `{shown}`");
    let or_else = place.library("option.or_else");
    let end = place.operand_end(right);
    let value = end.map_or("2", |end| place.source(right..end));
    let call = format!("{or_else}({}, {value})", path.unwrap_or("r.b"));
    let boolean = if nix { "; conditions are joined with `||`" } else { "" };
    let help = format!("where it is an `Option` write `{call}`{boolean}");
    let habit = place.habit(span, message, "not an operator", help);
    let (Some(start), Some(end)) = (start, end) else { return Some(habit) };
    // Between two names `or` may join conditions; `??` binds less than other operators.
    let literal = matches!(place.kind(right), Some(Kind::Text | Kind::Open))
        || place.tok(right).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let alone = place.expr_start(sign) == Some(start) && place.expr_end(right) == end;
    let certain = if nix { literal && place.tok(right) != "(" } else { alone };
    let habit = habit.until(place.end(end - 1)).calls_std();
    Some(habit.edit(place.start(start), place.end(end - 1), call).only_if(certain))
}

/// Whether `?:` stands at a token, which is two.
pub(super) fn is_elvis(place: &Place<'_>, sign: usize) -> bool {
    place.tok(sign) == "?" && place.tok(sign + 1) == ":" && place.joined(sign + 1)
}

/// `xs | std.list.length` of shells and Nix.
pub(super) fn pipe(place: &Place<'_>) -> Option<Habit> {
    let library = place.std.as_ref()?.name;
    let message = "a value is handed to a function with `|>`, not with `|`";
    let called = place.tok(place.i + 1) == library && place.tok(place.i + 2) == ".";
    (place.here() == "|" && called).then(|| replaced(place, message, "|>"))
}

/// `a or b` of Python.
pub(super) fn or(place: &Place<'_>) -> Option<Habit> {
    let message = "conditions are joined with `||`, not with `or`";
    (place.here() == "or").then(|| replaced(place, message, "||"))
}

/// `a and b` of Python.
pub(super) fn and(place: &Place<'_>) -> Option<Habit> {
    let message = "conditions are joined with `&&`, not with `and`";
    (place.here() == "and").then(|| replaced(place, message, "&&"))
}

/// `not a` of Python.
pub(super) fn not(place: &Place<'_>) -> Option<Habit> {
    let word = if place.here() == "not" { place.i } else { place.i.checked_sub(1)? };
    if place.tok(word) != "not" {
        return None;
    }
    let span = (place.start(word), place.end(word));
    let contained = word > 0 && place.ends_value(word - 1) && place.tok(word + 1) == "in";
    if contained {
        let contains = place.library("list.contains");
        let message = "whether a list has an item is asked with a function";
        let help = format!("write `!{contains}(xs, x)`");
        return Some(place.habit(span, message, "not an operator", help));
    }
    let message = "a condition is negated with `!`, not with `not`";
    let habit = place.habit(span, message, "expected `!`", "write `!`");
    Some(habit.edit(span.0, place.start(word + 1), "!"))
}

/// `return x`
pub(super) fn returned(place: &Place<'_>) -> Option<Habit> {
    let word = place.i.checked_sub(1).filter(|word| place.tok(*word) == "return")?;
    let span = (place.start(word), place.end(word));
    let message = "the body of a function is its result; there is no `return`";
    let habit = place.habit(span, message, "not needed", "remove `return`");
    let braces = place.outer(word).filter(|open| place.tok(*open) == "{" && open + 1 == word);
    let Some(open) = braces else { return Some(habit.edit(span.0, place.start(place.i), "")) };
    let close = place.partner(open)?;
    let habit = habit.until(place.end(close));
    Some(match place.only_expression(open) {
        Some(inside) => habit.edit(place.start(open), place.start(inside.start), "").edit(
            place.end(inside.end - 1),
            place.end(close),
            "",
        ),
        None => habit,
    })
}

/// `a === b` and `a !== b` of JavaScript.
pub(super) fn equality(place: &Place<'_>) -> Option<Habit> {
    let sign = place.here().strip_suffix('=').filter(|sign| matches!(*sign, "==" | "!="))?;
    if place.here() == sign || place.here().len() != 3 {
        return None;
    }
    let (start, end) = (place.start(place.i), place.end(place.i));
    let message = format!("values are compared with `{sign}`, not with `{sign}=`");
    let help = format!("write `{sign}`; values of different types are never compared");
    Some(place.habit((start, end), message, "one `=` too many", help).edit(end - 1, end, ""))
}

/// `a <> b` of SQL and others.
pub(super) fn unequal(place: &Place<'_>) -> Option<Habit> {
    let message = "values are compared with `!=`, not with `<>`";
    (place.here() == "<>").then(|| replaced(place, message, "!="))
}

/// `with lib; …` of Nix.
pub(super) fn with_scope(place: &Place<'_>) -> Option<Habit> {
    let end = (place.here() == "with").then(|| place.find(place.i + 1, ";")).flatten()?;
    let path = place.source(place.i + 1..end);
    let message = "`with` does not bring names into scope";
    let help = format!("write the whole name where it is used: `{path}.name`");
    let span = (place.start(place.i), place.end(end));
    let label = "`with` changes fields of a record";
    path.split('.').all(is_name).then(|| place.habit(span, message, label, help))
}

/// `a::b` of Rust.
pub(super) fn double_colon(place: &Place<'_>) -> Option<Habit> {
    let message = "names are joined with `.`, not with `::`";
    let mut habit = (place.here() == "::").then(|| replaced(place, message, "."))?;
    let mut i = place.i + 2;
    while place.tok(i) == "::" && place.is_name(i - 1) {
        habit.also.push(place.start(i));
        habit = habit.edit(place.start(i), place.end(i), ".");
        i += 2;
    }
    Some(habit)
}

/// `let a := 1`
pub(super) fn walrus(place: &Place<'_>) -> Option<Habit> {
    let message = "a value is given with `=`, not with `:=`";
    (place.here() == ":=").then(|| replaced(place, message, "="))
}

/// `# comment` of shells, Python and Nix.
pub(super) fn hash_comment(place: &Place<'_>) -> Option<Habit> {
    let (start, end) = (place.at, place.at + 1);
    let message = "a comment starts with `//`, not with `#`";
    let known = place.code == "E0104" || place.code == "E0115" && place.begins(place.i);
    (place.here() == "#" && known && place.start(place.i) == start).then(|| {
        place
            .habit((start, end), message, "not a comment", "write `//`")
            .edit(start, end, "//")
            .of_comments()
    })
}

/// `-- comment` of Elm, Haskell, Lua and SQL.
pub(super) fn dash_comment(place: &Place<'_>) -> Option<Habit> {
    let line = place.text[..place.at].rfind('\n').map_or(0, |at| at + 1);
    let sign = (0..=place.i.min(place.tokens.len().saturating_sub(1)))
        .rev()
        .take(60)
        .take_while(|i| place.start(*i) >= line)
        .find(|i| place.tok(*i) == "--")?;
    let (start, end) = (place.start(sign), place.end(sign));
    let alone = !place.joined(sign) && place.text[end..].starts_with([' ', '\n']);
    let message = "a comment starts with `//`, not with `--`";
    alone.then(|| {
        place
            .habit((start, end), message, "not a comment", "write `//`")
            .edit(start, end, "//")
            .of_comments()
    })
}

/// `/* comment */` of C and others.
pub(super) fn block_comment(place: &Place<'_>) -> Option<Habit> {
    if place.kind(place.i) != Some(Kind::Comment) {
        return None;
    }
    let (start, end) = (place.start(place.i), place.end(place.i));
    let message = "a comment goes from `//` to the end of its line";
    let help = "write `//` in front of each line of it";
    let habit = place
        .habit((start, start + 2), message, "not a comment", help)
        .until(place.line_end(end) + 1);
    let inside = place.here().strip_prefix("/*").and_then(|rest| rest.strip_suffix("*/"));
    let last = place.text[end..place.line_end(end)].trim().is_empty();
    let lines = inside.unwrap_or_default().trim_end().lines().enumerate().map(|(at, line)| {
        let line = if at == 0 {
            line.trim_start_matches('*')
        } else {
            line.trim_start().trim_start_matches('*')
        };
        let blank = if line.is_empty() || line.starts_with(' ') { "" } else { " " };
        format!("//{blank}{}", line.trim_end())
    });
    let lines: Vec<String> = lines.collect();
    let certain = inside.is_some() && last && !lines.is_empty();
    Some(habit.edit(start, end, lines.join("\n")).only_if(certain).of_comments())
}

/// `let a = 1;`
pub(super) fn final_semicolon(place: &Place<'_>) -> Option<Habit> {
    let (start, end) = (place.start(place.i), place.end(place.i));
    let ends = place.here() == ";"
        && place.outer(place.i).is_none()
        && place.text[end..place.line_end(end)].trim().is_empty();
    let message = "a definition is not ended by `;`";
    ends.then(|| place.habit((start, end), message, "not needed", "remove it").edit(start, end, ""))
}

/// `let a = 1; b = 2; in` of Nix.
pub(super) fn bindings(place: &Place<'_>) -> Option<Habit> {
    let sign = place.here();
    if !matches!(sign, ";" | ",") || !matches!(place.code, "E0126" | "E0122" | "E0131") {
        return None;
    }
    let mut inner = 0_usize;
    place.level_back(place.i).find(|i| match place.tok(*i) {
        "let" if inner == 0 => true,
        word => {
            inner = inner.saturating_sub(usize::from(word == "let")) + usize::from(word == "in");
            false
        }
    })?;
    let mut inner = 0_usize;
    let end = place.level(place.i).find(|i| match place.tok(*i) {
        "in" if inner == 0 => true,
        word => {
            inner = inner.saturating_sub(usize::from(word == "in")) + usize::from(word == "let");
            false
        }
    })?;
    let signs: Vec<usize> =
        place.level(place.i).take_while(|i| *i < end).filter(|i| place.tok(*i) == sign).collect();
    let binds =
        |i: &usize| i + 1 == end || place.is_name(i + 1) && matches!(place.tok(i + 2), "=" | ":");
    let (start, behind) = (place.start(place.i), place.end(place.i));
    let message = format!("bindings are not separated by `{sign}`");
    let help = "put nothing but white space between the bindings";
    let habit =
        place.habit((start, behind), message, "not needed here", help).until(place.end(end));
    let certain = signs.iter().all(binds);
    let edit = |habit: Habit, i: usize| habit.edit(place.start(i), place.end(i), "");
    Some(signs.into_iter().fold(habit, edit).only_if(certain))
}

/// `{ a = 1; b = 2; }` of Nix and `[a; b]` of OCaml.
pub(super) fn separators(place: &Place<'_>) -> Option<Habit> {
    let open = place.outer(place.i)?;
    if place.here() != ";"
        || place.code != "E0126" && place.code != "E0106" && place.code != "E0131"
    {
        return None;
    }
    let span = (place.start(place.i), place.end(place.i));
    if place.tok(open) == "{" && place.tok(open + 1) == "let" {
        let message = "there are no blocks of statements";
        let help = "write `let a = 1 in …`, without braces";
        let habit = place.habit(span, message, "not a separator", help);
        let close = place.partner(open).unwrap_or(place.i);
        return Some(habit.until(place.end(close)));
    }
    let message = "expected `,`, found `;`";
    let habit = place.habit(span, message, "expected `,` here", "replace `;` by `,`");
    let mut habit = Habit { until: span.1, ..habit };
    for i in place.level(place.i).filter(|i| place.tok(*i) == ";") {
        habit.also.push(place.start(i));
        habit = habit.edit(place.start(i), place.end(i), ",");
    }
    Some(habit)
}

/// `const a = 1` where an item is expected.
pub(super) fn value_item(place: &Place<'_>) -> Option<Habit> {
    let word = place.here();
    if !matches!(word, "const" | "var" | "val" | "local" | "static") || !place.is_name(place.i + 1)
    {
        return None;
    }
    let message = format!("a value is defined with `let`, not with `{word}`");
    let span = (place.start(place.i), place.end(place.i));
    let habit = place.habit(span, message, "expected `let`", "write `let name = …`");
    Some(habit.edit(span.0, span.1, "let"))
}

/// `def f(x)` where an item is expected.
pub(super) fn function_item(place: &Place<'_>) -> Option<Habit> {
    let word = place.here();
    let named = place.is_name(place.i + 1) && matches!(place.tok(place.i + 2), "(" | "<");
    if !matches!(word, "def" | "func" | "function" | "fun" | "proc" | "defn") || !named {
        return None;
    }
    let message = format!("a function is defined with `fn`, not with `{word}`");
    let span = (place.start(place.i), place.end(place.i));
    let habit = place.habit(span, message, "expected `fn`", "write `fn name(x: T) -> T = …`");
    Some(habit.edit(span.0, span.1, "fn"))
}
