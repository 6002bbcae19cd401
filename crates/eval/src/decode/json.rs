//! JSON, without comments and other extensions.

use std::collections::BTreeSet;
use std::rc::Rc;

use jsonc_parser::ast::Value;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;

use super::{Datum, EXPONENT, FRACTION, Located, MAX_NESTING, Malformed, TOO_LARGE, span};

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Located, Malformed> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    shallow(text)?;
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict)
        .map_err(|error| Malformed::new(of(error.range()), error.kind().to_string()))?;
    let value =
        parsed.value.ok_or_else(|| Malformed::new(span(0, text.len()), "there is no value"))?;
    let located = located(&value)?;
    strictly(text)?;
    Ok(located)
}

/// Refuses a text that nests too deeply, before the parser does so in its own words.
fn shallow(text: &str) -> Result<(), Malformed> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Malformed::nested(span(at, at + 1)));
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses what the parser lets through although it is no JSON, such as a tab in a text. It comes
/// second, as the parser knows better where something else is wrong.
fn strictly(text: &str) -> Result<(), Malformed> {
    let Err(error) = serde_json::from_str::<IgnoredAny>(text) else { return Ok(()) };
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // The column counts the bytes of the line that were read before the fault.
    let at = text.floor_char_boundary(before + error.column());
    let end = text.ceil_char_boundary((at + 1).min(text.len()));
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    Err(Malformed::new(span(at, end), what))
}

fn of(range: Range) -> cbuild_diag::Span {
    span(range.start, range.end)
}

fn located(value: &Value<'_>) -> Result<Located, Malformed> {
    let span = of(value.range());
    let datum = match value {
        Value::NullKeyword(_) => Datum::Null,
        Value::BooleanLit(truth) => Datum::Bool(truth.value),
        Value::StringLit(text) => Datum::Text(text.value.to_string()),
        Value::NumberLit(number) => match number.value.parse() {
            Ok(number) => Datum::Int(number),
            Err(_) if number.value.contains(['e', 'E']) => Datum::Other(EXPONENT),
            Err(_) if number.value.contains('.') => Datum::Other(FRACTION),
            Err(_) => Datum::Other(TOO_LARGE),
        },
        Value::Array(array) => {
            let items = array.elements.iter().map(|item| located(item).map(Rc::new));
            Datum::List(items.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let mut seen = BTreeSet::new();
            let mut entries = Vec::with_capacity(object.properties.len());
            for property in &object.properties {
                let key = property.name.as_str();
                let at = of(property.name.range());
                if !seen.insert(key) {
                    return Err(Malformed::new(at, format!("the key `{key}` is there twice")));
                }
                let value = located(&property.value)?;
                entries.push((key.to_owned(), at, Rc::new(value)));
            }
            Datum::Table(entries)
        }
    };
    Ok(Located { span, datum })
}
