//! Canonical JSON: object members in byte order of their names, no white space, UTF-8 as it is.

use serde::Serialize;
use serde_json::Value;

/// `value` with the members of all objects sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().map(|(name, v)| (name, sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The canonical text of `value`.
///
/// The types that are written here serialise to objects with text names, texts, integers and
/// lists, for which serialisation has no error; the error is passed on all the same.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&sorted(serde_json::to_value(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_at_every_depth() {
        let value: Value =
            serde_json::from_str(r#"{"b": [{"z": 1, "é": "\u0007\"/", "a": null}], "B": {}}"#)
                .unwrap();
        assert_eq!(
            to_json(&value).unwrap(),
            "{\"B\":{},\"b\":[{\"a\":null,\"z\":1,\"é\":\"\\u0007\\\"/\"}]}"
        );
    }
}
