//! TOML.

use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Datum, Located, Malformed, span};

/// Reads a text. The parser itself bounds the nesting.
pub(super) fn read(text: &str) -> Result<Located, Malformed> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..text.len());
        Malformed::new(of(at), error.message().trim_end().replace('\n', "; "))
    })?;
    let datum = entries(table.get_ref());
    Ok(Located { span: of(table.span()), datum })
}

fn of(range: Range<usize>) -> cbuild_diag::Span {
    span(range.start, range.end)
}

fn entries(table: &DeTable<'_>) -> Datum {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        (key.get_ref().to_string(), of(key.span()), Rc::new(located(value)))
    };
    Datum::Table(table.iter().map(entry).collect())
}

fn located(value: &Spanned<DeValue<'_>>) -> Located {
    let datum = match value.get_ref() {
        DeValue::String(text) => Datum::Text(text.to_string()),
        DeValue::Boolean(truth) => Datum::Bool(*truth),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Datum::Int(number),
            Err(_) => Datum::Other("a number that does not fit into 64 bits"),
        },
        DeValue::Float(_) => Datum::Other("a fraction"),
        DeValue::Datetime(_) => Datum::Other("a date or time"),
        DeValue::Array(items) => {
            Datum::List(items.iter().map(|item| Rc::new(located(item))).collect())
        }
        DeValue::Table(table) => entries(table),
    };
    Located { span: of(value.span()), datum }
}
