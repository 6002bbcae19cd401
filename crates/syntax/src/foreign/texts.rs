//! Texts in other quotes, with prefixes and with other holes, and what stands without quotes.

use super::Habit;
use super::place::Place;
use super::tokens::{Kind, nix_text};
use crate::grammar::Rule;
use crate::words::is_word_byte;

/// `https://example.org` without quotes. Its second half is a comment, so that brackets stay open.
pub(super) fn url(place: &Place<'_>) -> Option<Habit> {
    let unclosed = place.code == "E0106" && place.partner(place.i).is_none();
    let line = place.line_end(place.at);
    let colon = match place.here() {
        ":" => place.i,
        "{" | "(" | "[" if unclosed => (place.i..place.tokens.len())
            .take_while(|i| place.start(*i) < line)
            .find(|i| is_address(place, *i))?,
        _ => return None,
    };
    let scheme = colon.checked_sub(1).filter(|_| is_address(place, colon))?;
    let start = place.start(scheme);
    let stop = |c: char| c.is_whitespace() || "\"'`,;)]}<>\\".contains(c);
    let len = place.text[start..].find(stop).unwrap_or(place.text.len() - start);
    let (end, url) = (start + len, &place.text[start..start + len]);
    let message = "an address stands in double quotes";
    let habit = place.habit((start, end), message, "not a text", format!("write `\"{url}\"`"));
    Some(habit.edit(start, end, format!("\"{url}\"")).only_if(!url.contains("#{")).of_comments())
}

/// Whether a colon stands between the parts of an address.
fn is_address(place: &Place<'_>, colon: usize) -> bool {
    place.tok(colon) == ":"
        && place.joined(colon)
        && place.kind(colon - 1) == Some(Kind::Word)
        && place.text[place.end(colon)..].starts_with("//")
}

/// `sha256:…` without quotes.
pub(super) fn hash_with_colon(place: &Place<'_>) -> Option<Habit> {
    let kind = place.i.checked_sub(1)?;
    let name = place.tok(kind).to_lowercase();
    let known = matches!(name.as_str(), "sha256" | "sha512" | "blake3" | "sha1" | "md5");
    if place.here() != ":" || !place.joined(place.i) || !known {
        return None;
    }
    let digits = place.end(place.i);
    let digest = |byte: &u8| is_word_byte(*byte) || b"+/=".contains(byte);
    let end = digits + place.text.as_bytes()[digits..].iter().take_while(|b| digest(b)).count();
    let hash = format!("{name}-{}", &place.text[digits..end]);
    let lower = hash.to_lowercase();
    let found = [hash, lower].into_iter().find(|hash| crate::hash::is_hash(hash));
    let span = (place.start(kind), end.max(place.end(place.i)));
    let message = "a hash is written with `-` behind its kind";
    let help = "write `sha256-…`, `sha512-…` or `blake3-…` with all digits, without quotes";
    let habit = place.habit(span, message, "not a hash", help);
    Some(match found {
        Some(hash) => habit.edit(span.0, span.1, hash),
        None => habit,
    })
}

/// The digits of a SHA-256 alone.
pub(super) fn bare_digest(place: &Place<'_>) -> Option<Habit> {
    let digits = place.here();
    let hash = format!("sha256-{}", digits.to_lowercase());
    let alone =
        digits.len() == 64 && place.start(place.i) == place.at && crate::hash::is_hash(&hash);
    // `SHA256-` in capitals.
    let kind = place.i.checked_sub(2).filter(|kind| {
        place.before(place.i) == "-" && place.joined(place.i) && place.joined(kind + 1)
    });
    let kind = kind.filter(|kind| place.tok(*kind).eq_ignore_ascii_case("sha256"));
    let span = (place.start(kind.unwrap_or(place.i)), place.end(place.i));
    if kind.is_some() && alone {
        let message = "the kind of a hash is written in small letters";
        let habit = place.habit(span, message, "not a hash", "write `sha256-…`");
        return Some(Habit { until: span.1, ..habit.edit(span.0, span.1, hash) });
    }
    let message = "a hash says of which kind it is";
    alone.then(|| {
        let habit =
            place.habit(span, message, "digits of a SHA-256", "write `sha256-` in front of it");
        let habit = habit.edit(span.0, span.1, hash);
        Habit { until: span.1, ..habit }
    })
}

/// `f"{n}"` of Python, and `r"…"`, `b"…"` and others.
pub(super) fn prefix(place: &Place<'_>) -> Option<Habit> {
    let (text, word) = (place.i, place.i.checked_sub(1)?);
    let name = place.tok(word).to_ascii_lowercase();
    let known = matches!(name.as_str(), "f" | "r" | "b" | "u" | "rb" | "br" | "fr" | "rf" | "s");
    if !known
        || !place.joined(text)
        || place.kind(text) != Some(Kind::Text)
        || place.tok(text).starts_with('s')
    {
        return None;
    }
    let whole = place.tok(text);
    let quotes = if whole.starts_with("\"\"\"") { 3 } else { 1 };
    let closed = whole.len() >= 2 * quotes && whole.ends_with(&whole[..quotes]);
    let inside = if closed { &whole[quotes..whole.len() - quotes] } else { "" };
    let new = match name.as_str() {
        _ if !closed => None,
        "f" => python_holes(inside),
        "r" => Some(inside.replace('\\', "\\\\").replace("#{", "\\#{")),
        "b" | "u" => Some(inside.replace("#{", "\\#{")),
        _ => None,
    };
    let new = new.map(|new| format!("{}{new}{}", &whole[..quotes], &whole[..quotes]));
    let message = format!("a text has no prefix `{}`", place.tok(word));
    let span = (place.start(word), place.end(text));
    let (label, help) = match (&new, name.contains('f')) {
        (Some(new), true) if !new.contains('\n') => {
            ("a text of Python", format!("every text takes holes: write `{new}`"))
        }
        (_, true) => (
            "a text of Python",
            "every text takes holes, as `#{…}`; they hold no format".to_owned(),
        ),
        (Some(_), false) => ("not needed", format!("remove `{}`", place.tok(word))),
        (None, false) => ("not known", "write a plain text".to_owned()),
    };
    let habit = place.habit(span, message, label, help).until(place.line_end(span.1) + 1);
    Some(match new {
        Some(new) => habit.edit(span.0, span.1, new),
        None => habit,
    })
}

/// What is between the quotes of an f-string, with holes of this language; `None` where a hole holds more than an
/// expression, or may do so.
fn python_holes(inside: &str) -> Option<String> {
    let mut new = String::with_capacity(inside.len() + 8);
    let mut rest = inside;
    while let Some(at) = rest.find(['{', '}']) {
        new.push_str(&rest[..at]);
        let sign = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(sign) {
            // A bracket that stands twice is one of the text.
            rest = behind;
            new.push_str(if new.ends_with('#') && sign == "{" { return None } else { sign });
            continue;
        }
        let (hole, behind) = rest.split_once('}').filter(|_| sign == "{")?;
        if hole.trim().is_empty()
            || hole.contains(['{', ':', '!', '\\', '"', '\'', '\n'])
            || hole.trim_end().ends_with('=')
        {
            return None;
        }
        new.push_str("#{");
        new.push_str(hole);
        new.push('}');
        rest = behind;
    }
    new.push_str(rest);
    Some(new)
}

/// `` `${n}` `` of JavaScript.
pub(super) fn backticks(place: &Place<'_>) -> Option<Habit> {
    let (start, end) = (place.start(place.i), place.end(place.i));
    let whole = place.here();
    if !whole.starts_with('`') || whole.len() < 2 {
        return None;
    }
    let inside = &whole[1..whole.len() - 1];
    let message = "a text stands in double quotes, and its holes in `#{…}`";
    let label = "a text of JavaScript";
    if inside.contains(['\\', '\n']) || inside.contains("#{") {
        let help = "write it in `\"`, or in `\"\"\"` if it has several lines";
        return Some(
            place.habit((start, start + 1), message, label, help).until(place.line_end(end) + 1),
        );
    }
    let text = format!("\"{}\"", inside.replace("${", "#{"));
    let habit = place.habit((start, end), message, label, format!("write `{text}`"));
    Some(habit.edit(start, end, text).only_if(!inside.contains('"')))
}

/// `'text'` of shells and Python, and `''…''` of Nix.
pub(super) fn quotes(place: &Place<'_>) -> Option<Habit> {
    let whole = place.here();
    if place.kind(place.i) != Some(Kind::Quote) || !whole.starts_with('\'') || whole.len() < 2 {
        return None;
    }
    let (start, end) = (place.start(place.i), place.end(place.i));
    if let Some(inside) = nix_text(whole) {
        return Some(nix_quotes(place, inside, (start, end)));
    }
    let inside = &whole[1..whole.len() - 1];
    let message = "texts stand in double quotes";
    let text = format!("\"{}\"", inside.replace("#{", "\\#{").replace('"', "\\\""));
    // Quotes next to each other are parts of one text, or stand for a quote.
    let next = place.text[end..].chars().next();
    let touched = next.is_some_and(|c| c == '\'' || c == '"' || c.is_ascii_alphanumeric())
        || place.joined(place.i)
            && matches!(place.kind(place.i - 1), Some(Kind::Quote | Kind::Word | Kind::Text));
    if touched || inside.contains("\\\"") {
        let help = "write it in `\"`; in there `'` means nothing";
        return Some(place.habit((start, end), message, "single quotes", help));
    }
    let text = text.replace("\\'", "'");
    if !crate::plain_errors(&text, Rule::expression).is_empty() {
        let help = "write it in `\"`; in there `\\` begins an escape, and `\\\\` stands for itself";
        return Some(place.habit((start, end), message, "single quotes", help).until(end));
    }
    let habit = place.habit((start, end), message, "single quotes", format!("write `{text}`"));
    Some(Habit { until: end, ..habit.edit(start, end, text) })
}

fn nix_quotes(place: &Place<'_>, inside: &str, (start, end): (usize, usize)) -> Habit {
    let plain = !inside.contains("''") && !inside.contains("\"\"\"") && !inside.contains("#{");
    let new = inside.replace('\\', "\\\\").replace("${", "#{");
    let habit = if inside.contains('\n') {
        let message = "a text of several lines stands in `\"\"\"`";
        let help = "write `\"\"\"` at both ends, and holes as `#{…}`";
        let habit = place.habit((start, start + 2), message, "a text of Nix", help);
        habit.edit(start, end, format!("\"\"\"{new}\"\"\""))
    } else {
        let text = format!("\"{}\"", new.replace('"', "\\\""));
        let message = "a text stands in double quotes, and its holes in `#{…}`";
        let help = format!("write `{text}`");
        // A hole may hold texts, whose quotes stay.
        let plain = !(inside.contains("${") && inside.contains('"'));
        place
            .habit((start, end), message, "a text of Nix", help)
            .edit(start, end, text)
            .only_if(plain)
    };
    habit.until(place.line_end(end) + 1).only_if(plain)
}
