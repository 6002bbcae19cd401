//! The small text files beside the objects: sidecars (`info/`) and realisations.
//!
//! Each starts with its kind and version, and ends with a line `sum <digest>` over all lines
//! before it, so that a half-written or edited file is noticed. See `lang-spec/07-store.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use cbuild_drv::{ActionKey, Digest, OutputName, StorePath};

use crate::error::{Error, Result};
use crate::layout::FORMAT_VERSION;
use crate::types::ObjectInfo;

const INFO: &str = "cbuild-info";
const REALISATION: &str = "cbuild-realisation";

/// Longest record that is read, in bytes: more references than that do not occur.
const MAX_RECORD: usize = 64 << 20;

fn seal(mut text: String) -> Vec<u8> {
    let sum = Digest::of(text.as_bytes());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "sum {sum}");
    text.into_bytes()
}

/// Checks kind, version and sum, and gives the lines between as key and value.
fn unseal<'t>(path: &Path, kind: &str, bytes: &'t [u8]) -> Result<Vec<(&'t str, &'t str)>> {
    let damaged = |detail: &str| Error::RecordDamaged { path: path.into(), detail: detail.into() };
    if bytes.len() > MAX_RECORD {
        return Err(damaged("the file is too long"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("not text"))?;
    let (first, _) = text.split_once('\n').ok_or_else(|| damaged("the first line is cut off"))?;
    let version = first.strip_prefix(kind).and_then(|rest| rest.strip_prefix(' '));
    let version = version.ok_or_else(|| damaged("it does not start with its kind"))?;
    if version != FORMAT_VERSION.to_string() {
        let found = version.chars().take(40).collect();
        return Err(Error::Version { path: path.into(), found, known: FORMAT_VERSION });
    }
    let body = text.strip_suffix('\n').ok_or_else(|| damaged("the last line is cut off"))?;
    let (body, last) = body.rsplit_once('\n').ok_or_else(|| damaged("it has one line only"))?;
    let covered = &text[..body.len() + 1];
    let sum = last.strip_prefix("sum ").ok_or_else(|| damaged("the sum is absent"))?;
    if sum != Digest::of(covered.as_bytes()).to_text() {
        return Err(damaged("the sum does not fit the content"));
    }
    let fields = body.lines().skip(1).map(|line| line.split_once(' '));
    fields.collect::<Option<_>>().ok_or_else(|| damaged("a line has no value"))
}

/// Encodes the sidecar of an object.
pub(crate) fn encode_info(info: &ObjectInfo) -> Vec<u8> {
    let mut text = format!(
        "{INFO} {FORMAT_VERSION}\npath {}\ntree {}\nself {}\nsize {}\nregistered {}\n",
        info.path.base_name(),
        info.tree,
        u8::from(info.self_reference),
        info.size,
        info.registered_at
    );
    for reference in &info.references {
        let _ = writeln!(text, "reference {}", reference.base_name());
    }
    seal(text)
}

/// Decodes a sidecar. `path` is only for messages; the caller compares the object's name.
pub(crate) fn decode_info(path: &Path, bytes: &[u8]) -> Result<ObjectInfo> {
    let bad = |key: &str| Error::RecordDamaged {
        path: path.into(),
        detail: format!("the line `{key}` is absent or wrong"),
    };
    let mut fields = unseal(path, INFO, bytes)?.into_iter();
    let mut next = |key: &str| match fields.next() {
        Some((found, value)) if found == key => Ok(value),
        _ => Err(bad(key)),
    };
    let object = StorePath::parse(next("path")?).map_err(|_| bad("path"))?;
    let tree = Digest::parse(next("tree")?).map_err(|_| bad("tree"))?;
    let self_reference = match next("self")? {
        "0" => false,
        "1" => true,
        _ => return Err(bad("self")),
    };
    let size = next("size")?.parse().map_err(|_| bad("size"))?;
    let registered_at = next("registered")?.parse().map_err(|_| bad("registered"))?;
    let mut references = BTreeSet::new();
    for (key, value) in fields {
        let reference = StorePath::parse(value).map_err(|_| bad("reference"))?;
        if key != "reference" || !references.insert(reference) {
            return Err(bad("reference"));
        }
    }
    Ok(ObjectInfo { path: object, tree, self_reference, references, size, registered_at })
}

/// Encodes what an action was realised as.
pub(crate) fn encode_realisation(
    key: &ActionKey,
    outputs: &BTreeMap<OutputName, StorePath>,
) -> Vec<u8> {
    let mut text = format!("{REALISATION} {FORMAT_VERSION}\naction {key}\n");
    for (output, path) in outputs {
        let _ = writeln!(text, "output {output} {}", path.base_name());
    }
    seal(text)
}

/// Decodes a realisation file and compares the action with the expected one.
pub(crate) fn decode_realisation(
    path: &Path,
    key: &ActionKey,
    bytes: &[u8],
) -> Result<BTreeMap<OutputName, StorePath>> {
    let bad = |key: &str| Error::RecordDamaged {
        path: path.into(),
        detail: format!("the line `{key}` is absent or wrong"),
    };
    let mut fields = unseal(path, REALISATION, bytes)?.into_iter();
    if fields.next() != Some(("action", &key.to_string())) {
        return Err(bad("action"));
    }
    let mut outputs = BTreeMap::new();
    for (field, value) in fields {
        let (name, object) = value.split_once(' ').ok_or_else(|| bad("output"))?;
        let name = OutputName::new(name).map_err(|_| bad("output"))?;
        let object = StorePath::parse(object).map_err(|_| bad("output"))?;
        if field != "output" || outputs.insert(name, object).is_some() {
            return Err(bad("output"));
        }
    }
    if outputs.is_empty() {
        return Err(bad("output"));
    }
    Ok(outputs)
}
