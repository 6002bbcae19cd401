//! JSONTestSuite: texts that are JSON (`y_`), that are not (`n_`), and that are left open (`i_`).

use std::fs;

use cbuild_eval::{Datum, FileFormat, Located};
use serde_json::Value;

use crate::suite::{Suite, settle};

const JSON: Suite = Suite {
    name: "json-test-suite-of-cpanel-json-xs-4.35",
    url: "mirror://debian/pool/main/libc/libcpanel-json-xs-perl/libcpanel-json-xs-perl_4.35.orig.tar.gz",
    hash: "sha256-5668e828d2fa9b2f93c7f6adab4992bdf52cc3629f94eae5012ddf665b546eaf",
    parts: &["t/test_parsing"],
};

/// Texts that are refused: no key is there twice, and files are UTF-8 (5.12; RFC 8259, section 8.1,
/// which is newer than four of the names).
const KNOWN: &[(&str, &str)] = &[
    ("y_object_duplicated_key.json", "the key `a` is there twice"),
    ("y_object_duplicated_key_and_value.json", "the key `a` is there twice"),
    ("y_string_utf16.json", "invalid utf-8"),
    ("y_string_utf16be.json", "invalid utf-8"),
    ("y_string_utf32.json", "invalid utf-8"),
    ("y_string_utf32be.json", "invalid utf-8"),
];

/// Reads bytes as `decode` does.
pub(crate) fn read(format: FileFormat, bytes: &[u8]) -> Result<Located, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    format.read(text).map_err(|malformed| {
        let place = malformed.span.start as usize..malformed.span.end as usize;
        assert!(text.get(place.clone()).is_some(), "{place:?} is outside of the text");
        malformed.message
    })
}

/// Whether a part of a file is the value that another reader sees.
pub(crate) fn is(found: &Datum, expected: &Value) -> bool {
    is_by(found, expected, |found, expected| {
        Some(match (found, expected) {
            (Datum::Null, Value::Null) => true,
            (Datum::Bool(found), Value::Bool(expected)) => found == expected,
            (Datum::Text(found), Value::String(expected)) => found == expected,
            // The other reader takes `-0` for a fraction.
            (Datum::Int(0), Value::Number(expected)) => expected.as_f64() == Some(0.0),
            (Datum::Int(found), Value::Number(expected)) => Some(*found) == expected.as_i64(),
            (Datum::Other(_), Value::Number(_)) => true,
            _ => return None,
        })
    })
}

/// Compares lists and tables with what another reader sees; `judge` does with all that it knows.
pub(crate) fn is_by(
    found: &Datum,
    expected: &Value,
    judge: fn(&Datum, &Value) -> Option<bool>,
) -> bool {
    if let Some(judged) = judge(found, expected) {
        return judged;
    }
    let is = |found: &Located, expected| is_by(&found.datum, expected, judge);
    match (found, expected) {
        (Datum::List(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| is(f, e))
        }
        (Datum::Table(found), Value::Object(expected)) => {
            let same = |key: &str, value| expected.get(key).is_some_and(|e| is(value, e));
            found.len() == expected.len() && found.iter().all(|(key, _, value)| same(key, value))
        }
        _ => false,
    }
}

#[test]
fn json_test_suite() {
    let mut found = Vec::new();
    let files = JSON.files(&[".json"]);
    assert!(files.len() > 300, "{} files", files.len());
    for (name, path) in files {
        let bytes = fs::read(&path).unwrap();
        let name = name.rsplit('/').next().unwrap().to_owned();
        match (name.as_bytes()[0], read(FileFormat::Json, &bytes)) {
            (b'y', Err(message)) => found.push((name, message)),
            (b'n', Ok(value)) => found.push((name, format!("is read as {:?}", value.datum))),
            (_, Ok(value)) => {
                if let Ok(expected) = serde_json::from_slice(&bytes)
                    && !is(&value.datum, &expected)
                {
                    found.push((name, format!("is read as {:?}", value.datum)));
                }
            }
            (_, Err(_)) => {}
        }
    }
    settle(&found, KNOWN);
}
