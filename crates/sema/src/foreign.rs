//! What other languages have and this one writes in another way: functions in scope or as members, and hashes
//! in quotes.
//!
//! Knows names only: whether `std` is imported, and what is in it, is checked elsewhere.

use cbuild_syntax::ast::{self, ExprKind};

use crate::checker::{Checker, Def, Value};
use crate::infer::Head;
use crate::suggest::Fix;
use crate::types::Ty;

/// Names, the function that is meant, and its parameters.
const FUNCTIONS: [(&[&str], &str, &str); 28] = [
    (&["map", "fmap", "select"], "std.list.map", "items, f"),
    (&["filter", "where", "retain"], "std.list.filter", "items, keep"),
    (&["fold", "foldl", "foldr", "reduce", "inject"], "std.list.fold", "items, initial, f"),
    (&["flat_map", "flatMap", "concatMap", "bind"], "std.list.flat_map", "items, f"),
    (&["flatten", "concatLists", "concat"], "std.list.flatten", "lists"),
    (&["head", "first"], "std.list.first", "items"),
    (&["last"], "std.list.last", "items"),
    (&["elem", "includes", "member"], "std.list.contains", "items, item"),
    (&["elemAt", "nth", "get", "at"], "std.list.at", "items, index"),
    (&["any", "some", "exists"], "std.list.any", "items, holds"),
    (&["all", "every"], "std.list.all", "items, holds"),
    (&["range", "genList"], "std.list.range", "start, end"),
    (&["zip"], "std.list.zip", "left, right"),
    (&["enumerate"], "std.list.enumerate", "items"),
    (&["sum"], "std.list.sum", "numbers"),
    (&["sort", "sorted"], "std.list.sort", "items, before"),
    (&["reverse", "reversed"], "std.list.reverse", "items"),
    (&["unique", "uniq", "dedup"], "std.list.unique", "items"),
    (
        &["upper", "toUpper", "toUpperCase", "to_upper", "to_uppercase", "uppercase"],
        "std.text.upper",
        "text",
    ),
    (
        &["lower", "toLower", "toLowerCase", "to_lower", "to_lowercase", "lowercase"],
        "std.text.lower",
        "text",
    ),
    (&["join", "concatStringsSep"], "std.text.join", "parts, separator"),
    (&["split", "splitString"], "std.text.split", "text, separator"),
    (&["replace", "replaceStrings", "gsub"], "std.text.replace", "text, old, new"),
    (&["trim", "strip"], "std.text.trim", "text"),
    (&["startsWith", "startswith", "hasPrefix"], "std.text.starts_with", "text, prefix"),
    (&["endsWith", "endswith", "hasSuffix"], "std.text.ends_with", "text, suffix"),
    (&["int", "parseInt", "toInt"], "std.text.to_int", "text"),
    (&["attrNames", "keys"], "std.map.keys", "entries"),
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
    FUNCTIONS.iter().find(|(names, ..)| names.contains(&name)).map(|(_, function, _)| *function)
}

/// Whether other languages have the arguments of a function in the same order.
fn ordered(function: &str) -> bool {
    matches!(function, "std.list.range" | "std.list.zip")
}

/// What an argument is, as far as its order among others tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Function,
    /// A text or number.
    Literal,
    Other,
}

/// Whether a call by another language's name is right with the name of the function that is meant: its
/// arguments are as many, and surely in the same order.
pub(crate) fn same_order(name: &str, given: &[Argument]) -> bool {
    let found = FUNCTIONS.iter().find(|(names, ..)| names.contains(&name));
    let Some((_, function, parameters)) = found else { return true };
    let wanted = parameters.split(", ").count();
    if given.len() != wanted {
        return false;
    }
    if ordered(function) {
        return !given.contains(&Argument::Function);
    }
    match given {
        [only] => *only != Argument::Function,
        [first, .., last] => *first == Argument::Other && *last != Argument::Other,
        [] => true,
    }
}

impl Checker<'_> {
    /// What a called name stands for. A function of another language is not replaced by that of the library
    /// where its arguments would be in the wrong order.
    pub(crate) fn resolve_callee(&mut self, name: &ast::Ident, args: &[ast::Arg]) -> Head {
        let before = self.diagnostics.len();
        let head = self.resolve_name(name);
        let meant = function(&name.text);
        if let (Some(meant), Some(problem)) = (meant, self.diagnostics.get(before)) {
            let offered = problem.edits.first().is_some_and(|edit| edit.text == meant);
            let given: Vec<Argument> =
                args.iter().map(|arg| self.kind_of_argument(&arg.value)).collect();
            if offered && !same_order(&name.text, &given) {
                self.diagnostics[before].edits.clear();
            }
        }
        head
    }

    fn kind_of_argument(&self, value: &ast::Expr) -> Argument {
        let is_function = match &value.kind {
            ExprKind::Lambda { .. } => true,
            ExprKind::Text(_) | ExprKind::Int(_) => return Argument::Literal,
            ExprKind::Name(name) => {
                match self.body.locals.iter().rev().find(|local| *local.name == *name.text) {
                    Some(local) => matches!(self.types.get(local.ty.ty), Ty::Fn(..)),
                    None => match self.find_value(self.module, &name.text) {
                        Some(Value::Global(id)) => match self.global(id).def {
                            Def::Fn(_) => true,
                            Def::Let(def) => matches!(def.value.kind, ExprKind::Lambda { .. }),
                            _ => false,
                        },
                        _ => false,
                    },
                }
            }
            _ => false,
        };
        if is_function { Argument::Function } else { Argument::Other }
    }
}

/// What to write in place of a name that is not in scope.
pub(crate) fn instead(name: &str) -> Option<Fix> {
    let known = FUNCTIONS.iter().find(|(names, ..)| names.contains(&name));
    if let Some((_, function, parameters)) = known {
        let first = if parameters.contains(',') && !ordered(function) {
            "; what it works on comes first"
        } else {
            ""
        };
        let text = format!("write `{function}({parameters})`{first}");
        return Some(Fix { text, replacement: Some((*function).to_owned()) });
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

/// How the file is downloaded whose address stands where a package is needed.
pub(crate) fn download(parts: &[ast::TextPart]) -> Option<String> {
    let [ast::TextPart::Text(text)] = parts else { return None };
    let address = ["https://", "http://"].iter().any(|start| text.starts_with(start));
    address.then(|| {
        let url = cbuild_syntax::quoted(text);
        format!(
            "download it: `std.fetch.url({url}, sha256-…)`; `std.fetch.tarball` unpacks an archive"
        )
    })
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
    fn an_order_is_known_or_not() {
        use Argument::{Function, Literal, Other};
        assert!(same_order("map", &[Other, Function]));
        assert!(!same_order("map", &[Function, Other]));
        assert!(!same_order("map", &[Other, Other]));
        assert!(!same_order("join", &[Literal, Other]));
        assert!(same_order("join", &[Other, Literal]));
        assert!(!same_order("fold", &[Function, Literal, Other]));
        assert!(same_order("fold", &[Other, Literal, Function]));
        assert!(!same_order("range", &[Literal]));
        assert!(same_order("range", &[Literal, Literal]));
        assert!(!same_order("sorted", &[Other]));
        assert!(same_order("sum", &[Other]));
    }

    #[test]
    fn the_library_has_every_function() {
        for (_, function, parameters) in FUNCTIONS {
            let (module, name) = function.strip_prefix("std.").unwrap().split_once('.').unwrap();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stdlib");
            let text = std::fs::read_to_string(format!("{folder}/{module}.cbuild")).unwrap();
            let mut found =
                ["(", "<"].iter().filter_map(|after| text.split_once(&format!("fn {name}{after}")));
            let (_, declared) = found.next().unwrap();
            let line = declared.lines().next().unwrap();
            for parameter in parameters.split(", ") {
                assert!(line.contains(&format!("{parameter}: ")), "{function}: {parameter}");
            }
        }
    }
}
