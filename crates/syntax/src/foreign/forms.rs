//! Forms that are known by a word or sign.

use super::Habit;
use super::place::{Place, first_word, last_word, names};
use crate::words::is_name;

/// `lambda x: x + 1` of Python.
pub(super) fn lambda_word(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let line = place.line_rest();
    let (params, _) = line.split_once(':')?;
    let params = names(params).filter(|_| word == "lambda")?;
    let list = parenthesised(&params);
    let colon = place.at + line.find(':')?;
    let help = format!("write `{list} => …`");
    let message = "a function is written with `=>`, without `lambda`";
    Some(place.habit((start, colon + 1), message, "a lambda of Python", help).edit(
        start,
        colon + 1,
        format!("{list} =>"),
    ))
}

fn parenthesised(params: &[&str]) -> String {
    match params {
        [only] => (*only).to_owned(),
        all => format!("({})", all.join(", ")),
    }
}

/// `x: x + 1` of Nix.
pub(super) fn lambda_colon(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let colon = place.rest().starts_with(':') && !place.rest().starts_with("::");
    let lambda = place.code == "E0131" && colon && is_name(word);
    let body = place.line_rest().get(1..)?.trim();
    let opens = place.text[..start].trim_end().ends_with(['=', '(', ',', ':', '>']);
    if !lambda || !opens || body.is_empty() {
        return None;
    }
    let help = format!("write `{word} => …`");
    let message = "a function is written with `=>`, not with `:`";
    Some(place.habit((start, place.at + 1), message, "a function of Nix", help).edit(
        start + word.len(),
        place.at + 1,
        " =>",
    ))
}

/// `(x) -> x` of Java and others.
pub(super) fn lambda_arrow(place: &Place<'_>) -> Option<Habit> {
    let arrow = place.code == "E0131" && place.rest().starts_with("->");
    let before = place.before();
    if !arrow || !before.ends_with([')']) && !is_name(last_word(before).1) {
        return None;
    }
    let (start, end) = (place.at, place.at + 2);
    let message = "a function is written with `=>`; `->` is for types";
    let help = "write `(x) => …`";
    Some(place.habit((start, end), message, "expected `=>`", help).edit(start, end, "=>"))
}

/// `a or b` of Python, and `r.b or 2` of Nix.
pub(super) fn or(place: &Place<'_>) -> Option<Habit> {
    if !place.is_word("or") {
        return None;
    }
    let (start, end) = (place.at, place.at + 2);
    let before = place.before();
    let (field, name) = last_word(before);
    let path = place.expression_start(before.len()).map(|at| &place.text[at..before.len()]);
    if let Some(path) = path.filter(|_| before[..field].ends_with('.') && is_name(name)) {
        let message = "a default for a field is not given with `or`";
        let value = place.line_rest()[2..].trim();
        let help = format!(
            "for an optional field write `std.option.or_else({path}, {value})`; conditions are joined with `||`"
        );
        return Some(place.habit((start, end), message, "not an operator", help));
    }
    let message = "conditions are joined with `||`, not with `or`";
    Some(place.habit((start, end), message, "expected `||`", "write `||`").edit(start, end, "||"))
}

/// `a and b` of Python.
pub(super) fn and(place: &Place<'_>) -> Option<Habit> {
    let (start, end) = (place.at, place.at + 3);
    let message = "conditions are joined with `&&`, not with `and`";
    place.is_word("and").then(|| {
        place.habit((start, end), message, "expected `&&`", "write `&&`").edit(start, end, "&&")
    })
}

/// `not a` of Python.
pub(super) fn not(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let end = start + word.len();
    let message = "a condition is negated with `!`, not with `not`";
    (word == "not" && place.code == "E0131").then(|| {
        place.habit((start, end), message, "expected `!`", "write `!`").edit(start, place.at, "!")
    })
}

/// `elif` of Python.
pub(super) fn elif(place: &Place<'_>) -> Option<Habit> {
    let word = ["elif", "elseif", "elsif"].into_iter().find(|word| place.is_word(word))?;
    let (start, end) = (place.at, place.at + word.len());
    let message = format!("further conditions follow `else if`, not `{word}`");
    let help = "write `else if … then …`";
    Some(place.habit((start, end), message, "expected `else if`", help).edit(start, end, "else if"))
}

/// `return x`.
pub(super) fn returned(place: &Place<'_>) -> Option<Habit> {
    let (start, word) = place.word_before();
    let message = "the body of a function is its result; there is no `return`";
    (word == "return" && place.code == "E0131").then(|| {
        place
            .habit((start, start + word.len()), message, "not needed", "remove `return`")
            .edit(start, place.at, "")
    })
}

/// `a === b` and `a !== b` of JavaScript.
pub(super) fn strict_equality(place: &Place<'_>) -> Option<Habit> {
    let before = place.before();
    let sign = ["==", "!="].into_iter().find(|sign| before.ends_with(sign))?;
    if !place.rest().starts_with('=') || before.len() != place.at {
        return None;
    }
    let (start, end) = (place.at - 2, place.at + 1);
    let message = format!("values are compared with `{sign}`, not with `{sign}=`");
    let help = format!("write `{sign}`; values of different types are never compared");
    Some(place.habit((start, end), message, "one `=` too many", help).edit(place.at, end, ""))
}

/// `a <> b` of SQL and others.
pub(super) fn unequal(place: &Place<'_>) -> Option<Habit> {
    if !place.text[..place.at].ends_with('<') || !place.rest().starts_with('>') {
        return None;
    }
    let (start, end) = (place.at - 1, place.at + 1);
    let message = "values are compared with `!=`, not with `<>`";
    Some(place.habit((start, end), message, "expected `!=`", "write `!=`").edit(start, end, "!="))
}

/// `with lib; …` of Nix.
pub(super) fn with_scope(place: &Place<'_>) -> Option<Habit> {
    let (path, _) = place.line_rest().strip_prefix("with ")?.split_once(';')?;
    let path = path.trim();
    let is_path = path.split('.').all(is_name);
    let end = place.at + place.rest().find(';')? + 1;
    let message = "`with` does not bring names into scope";
    let help = format!("write the whole name where it is used: `{path}.name`");
    is_path
        .then(|| place.habit((place.at, end), message, "`with` changes fields of a record", help))
}

/// `a::b` of Rust.
pub(super) fn double_colon(place: &Place<'_>) -> Option<Habit> {
    let (start, end) = (place.at, place.at + 2);
    let message = "names are joined with `.`, not with `::`";
    place.rest().starts_with("::").then(|| {
        place.habit((start, end), message, "expected `.`", "write `.`").edit(start, end, ".")
    })
}

/// `# comment` of shells, Python and Nix.
pub(super) fn hash_comment(place: &Place<'_>) -> Option<Habit> {
    let comment = place.rest().starts_with('#') && place.code == "E0104";
    let (start, end) = (place.at, place.at + 1);
    let message = "a comment starts with `//`, not with `#`";
    comment.then(|| {
        place.habit((start, end), message, "not a comment", "write `//`").edit(start, end, "//")
    })
}

/// `let a = 1;`
pub(super) fn final_semicolon(place: &Place<'_>) -> Option<Habit> {
    let ends = place.code == "E0131" && place.line_rest().trim_end() == ";";
    let (start, end) = (place.at, place.at + 1);
    let message = "a definition is not ended by `;`";
    ends.then(|| place.habit((start, end), message, "not needed", "remove it").edit(start, end, ""))
}

/// `c ? 1 : 2` of C and others.
pub(super) fn condition(place: &Place<'_>) -> Option<Habit> {
    let rest = place.line_rest().strip_prefix('?')?;
    let (yes, no) = rest.split_once(" : ").or_else(|| rest.split_once(':'))?;
    let plain =
        !rest.contains(['?', '"']) && !no.contains(':') && !first_word(no.trim()).is_empty();
    let message = "a condition is written `if … then … else …`";
    let help = "write `if condition then value else other`";
    let habit = place.habit((place.at, place.at + 1), message, "not an operator", help);
    let start = place.expression_start(place.at).filter(|_| plain);
    let Some(start) = start else { return Some(habit) };
    let colon = place.at + 1 + yes.len() + usize::from(rest[yes.len()..].starts_with(" : "));
    let condition = place.before().len();
    let spaced = |word: &str, after: &str| {
        format!(" {word}{}", if after.starts_with(' ') { "" } else { " " })
    };
    Some(habit.edit(start, start, "if ").edit(condition, place.at + 1, spaced("then", rest)).edit(
        place.at + 1 + yes.len(),
        colon + 1,
        spaced("else", &place.text[colon + 1..]),
    ))
}
