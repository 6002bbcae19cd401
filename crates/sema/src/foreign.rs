//! What other languages have and this one writes in another way: functions in scope or as members, and hashes
//! in quotes.
//!
//! Knows names only: whether `std` is imported, and what is in it, is checked elsewhere.

use cbuild_syntax::ast;

use crate::suggest::Fix;

/// Names, and the function that is meant.
const FUNCTIONS: [(&[&str], &str); 28] = [
    (&["map", "fmap", "select"], "std.list.map"),
    (&["filter", "where", "retain"], "std.list.filter"),
    (&["fold", "foldl", "foldr", "reduce", "inject"], "std.list.fold"),
    (&["flat_map", "flatMap", "concatMap", "bind"], "std.list.flat_map"),
    (&["flatten", "concatLists", "concat"], "std.list.flatten"),
    (&["head", "first"], "std.list.first"),
    (&["last"], "std.list.last"),
    (&["elem", "includes", "member"], "std.list.contains"),
    (&["elemAt", "nth", "get", "at"], "std.list.at"),
    (&["any", "some", "exists"], "std.list.any"),
    (&["all", "every"], "std.list.all"),
    (&["range", "genList"], "std.list.range"),
    (&["zip"], "std.list.zip"),
    (&["enumerate"], "std.list.enumerate"),
    (&["sum"], "std.list.sum"),
    (&["sort", "sorted"], "std.list.sort"),
    (&["reverse", "reversed"], "std.list.reverse"),
    (&["unique", "uniq", "dedup"], "std.list.unique"),
    (
        &["upper", "toUpper", "toUpperCase", "to_upper", "to_uppercase", "uppercase"],
        "std.text.upper",
    ),
    (
        &["lower", "toLower", "toLowerCase", "to_lower", "to_lowercase", "lowercase"],
        "std.text.lower",
    ),
    (&["join", "concatStringsSep"], "std.text.join"),
    (&["split", "splitString"], "std.text.split"),
    (&["replace", "replaceStrings", "gsub"], "std.text.replace"),
    (&["trim", "strip"], "std.text.trim"),
    (&["startsWith", "startswith", "hasPrefix"], "std.text.starts_with"),
    (&["endsWith", "endswith", "hasSuffix"], "std.text.ends_with"),
    (&["int", "parseInt", "toInt"], "std.text.to_int"),
    (&["attrNames", "keys"], "std.map.keys"),
];

/// What is said of names for which there is no single function.
const OTHERS: [(&[&str], &str); 8] = [
    (&["not"], "a condition is negated with `!`"),
    (
        &["len", "length", "size"],
        "the length of a list is `std.list.length(…)`, that of a text `std.text.length(…)`",
    ),
    (&["str", "toString", "to_string", "show"], "put the value into a text: `\"#{…}\"`"),
    (
        &["print", "println", "trace"],
        "a program has no output but its value; `cbuild eval` shows that",
    ),
    (&["throw", "raise", "panic", "error", "fail"], "an evaluation is ended by `abort(\"…\")`"),
    (
        &["mkDerivation", "derivation"],
        "a step is `std.build.derivation { … }`, C software `std.cc.build { … }`",
    ),
    (
        &["fetchurl", "fetchTarball", "fetchzip"],
        "an archive is fetched by `std.fetch.tarball { … }`",
    ),
    (&["self", "this", "rec"], "a set that refers to itself is made by `set((final) => { … })`"),
];

/// The function that a name stands for, such as `std.list.map` for `map`.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, function)| *function)
}

/// What to write in place of a name that is not in scope.
pub(crate) fn instead(name: &str) -> Option<Fix> {
    if let Some(function) = function(name) {
        let text =
            format!("this is the function `{function}`; what it works on is its first argument");
        return Some(Fix { text, replacement: Some(function.to_owned()) });
    }
    if let Some(hash) = hash(name).filter(|_| name.len() == 64) {
        let text = format!("a hash says of which kind it is: `{}…`", &hash[..12]);
        return Some(Fix { text, replacement: Some(hash) });
    }
    let found = OTHERS.iter().find(|(names, _)| names.contains(&name))?;
    Some(Fix::from(found.1.to_owned()))
}

/// A hash literal for what a text says: the literal itself, its kind with `:` or in capitals, or the digits of a
/// SHA-256 alone.
pub(crate) fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let (kind, digest) = text.split_once([':', '-']).unwrap_or(("sha256", text));
    let kind = kind.to_lowercase();
    let candidates = [format!("{kind}-{digest}"), format!("{kind}-{}", digest.to_lowercase())];
    candidates.into_iter().find(|candidate| cbuild_syntax::is_hash(candidate))
}

/// A text that is a path, as it is written without quotes.
pub(crate) fn path(parts: &[ast::TextPart]) -> Option<&str> {
    let [ast::TextPart::Text(text)] = parts else { return None };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-/".contains(&byte);
    let path = text.starts_with("./") || text.starts_with("../");
    (path && text.bytes().all(plain) && !text.contains("//")).then_some(text)
}

/// Why a text that was meant as a hash is none.
pub(crate) fn why_no_hash(text: &str) -> Option<String> {
    let text = text.trim();
    let (kind, digest) = text.split_once([':', '-']).unwrap_or(("", text));
    let hex = !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let weak = match (kind.to_lowercase().as_str(), digest.len()) {
        ("md5", _) => Some("MD5"),
        ("sha1", _) => Some("SHA-1"),
        ("", 32) if hex => Some("MD5"),
        ("", 40) if hex => Some("SHA-1"),
        ("sha224" | "sha384", _) => Some("SHA-2 of that length"),
        _ => None,
    };
    if let Some(weak) = weak {
        return Some(format!("{weak} is not taken; write the SHA-256 without quotes: `sha256-…`"));
    }
    let digits = |kind: &str, hex: usize, base64: usize| {
        format!(
            "a {kind} has {hex} hexadecimal digits, or {base64} characters of base64; this has {}",
            digest.len()
        )
    };
    match kind.to_lowercase().as_str() {
        "sha256" => Some(digits("SHA-256", 64, 44)),
        "sha512" => Some(digits("SHA-512", 128, 88)),
        "blake3" => Some(digits("BLAKE3", 64, 44)),
        "" if hex => Some(digits("SHA-256", 64, 44)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads the library")]
    use super::*;

    #[test]
    fn a_hash_is_found_in_a_text() {
        let digits = "0".repeat(64);
        let literal = format!("sha256-{digits}");
        assert_eq!(hash(&literal), Some(literal.clone()));
        assert_eq!(hash(&format!("sha256:{digits}")), Some(literal.clone()));
        assert_eq!(hash(&digits), Some(literal));
        assert_eq!(
            hash(&format!("SHA256:{}", "A".repeat(64))),
            Some(format!("sha256-{}", "a".repeat(64)))
        );
        assert_eq!(hash("md5-00"), None);
        assert!(why_no_hash("md5-00").unwrap().starts_with("MD5"));
        assert!(why_no_hash(&"0".repeat(40)).unwrap().starts_with("SHA-1"));
        assert!(why_no_hash("sha256-00").unwrap().ends_with("this has 2"));
        assert_eq!(why_no_hash("fish"), None);
        assert_eq!(hash(""), None);
    }

    #[test]
    fn the_library_has_every_function() {
        for (_, function) in FUNCTIONS {
            let (module, name) = function.strip_prefix("std.").unwrap().split_once('.').unwrap();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stdlib");
            let text = std::fs::read_to_string(format!("{folder}/{module}.cbuild")).unwrap();
            let declared =
                ["(", "<"].iter().any(|after| text.contains(&format!("fn {name}{after}")));
            assert!(declared, "{function}");
        }
    }
}
