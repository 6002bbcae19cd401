//! TOML.

use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{Datum, EXPONENT, FRACTION, Located, MAX_NESTING, Malformed, TOO_LARGE, span};

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Located, Malformed> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..text.len());
        let message = match error.message().trim_end() {
            // The parser bounds values within each other, and the parts of one key, on its own.
            "recursion limit" | "cannot recurse further; max recursion depth met" => {
                "it nests more than 80 levels deep".to_owned()
            }
            other => other.replace('\n', "; "),
        };
        Malformed::new(of(at), message)
    })?;
    let datum = entries(table.get_ref(), 0)?;
    Ok(Located { span: of(table.span()), datum })
}

fn of(range: Range<usize>) -> cbuild_diag::Span {
    span(range.start, range.end)
}

/// The entries of a table that is within `depth` others.
fn entries(table: &DeTable<'_>, depth: usize) -> Result<Datum, Malformed> {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        Ok((key.get_ref().to_string(), of(key.span()), Rc::new(located(value, depth + 1)?)))
    };
    Ok(Datum::Table(table.iter().map(entry).collect::<Result<_, _>>()?))
}

fn located(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Located, Malformed> {
    let span = of(value.span());
    let container = matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
    if container && depth >= MAX_NESTING {
        return Err(Malformed::nested(span));
    }
    let datum = match value.get_ref() {
        DeValue::String(text) => Datum::Text(text.to_string()),
        DeValue::Boolean(truth) => Datum::Bool(*truth),
        DeValue::Integer(number) => {
            integer(number).map_err(|message| Malformed::new(span, message))?
        }
        DeValue::Float(number) if number.as_str().contains(['e', 'E']) => Datum::Other(EXPONENT),
        DeValue::Float(_) => Datum::Other(FRACTION),
        DeValue::Datetime(_) => Datum::Other("a date or time"),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| located(item, depth + 1).map(Rc::new));
            Datum::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => entries(table, depth)?,
    };
    Ok(Located { span, datum })
}

/// A whole number; the parser leaves its digits unchecked in part.
fn integer(number: &DeInteger<'_>) -> Result<Datum, &'static str> {
    let text = number.as_str();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() {
        return Err("this number has no digits");
    }
    if !digits.chars().all(|digit| digit.is_digit(number.radix())) {
        return Err("this number has something else than digits");
    }
    Ok(i64::from_str_radix(text, number.radix()).map_or(Datum::Other(TOO_LARGE), Datum::Int))
}
