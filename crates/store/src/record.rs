//! The small text files beside the objects: sidecars (`info/`) and realisations.
//!
//! Each starts with its kind and version, and ends with a line `sum <digest>` over all lines
//! before it, so that a half-written or edited file is noticed. See `lang-spec/07-store.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use cbuild_drv::{ActionKey, Digest, OutputName, StorePath};

use crate::error::{Error, Result};
use crate::types::ObjectInfo;

/// Version of both kinds of record.
const RECORD_VERSION: u32 = 1;

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
    if version != RECORD_VERSION.to_string() {
        let found = version.chars().take(40).collect();
        return Err(Error::Version { path: path.into(), found, known: RECORD_VERSION });
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

/// Encodes the sidecar of an object. One that is not `settled` may not have reached the disk.
pub(crate) fn encode_info(info: &ObjectInfo, settled: bool) -> Vec<u8> {
    let mut text = format!(
        "{INFO} {RECORD_VERSION}\npath {}\ntree {}\nself {}\nsize {}\nregistered {}\n",
        info.path.base_name(),
        info.tree,
        u8::from(info.self_reference),
        info.size,
        info.registered_at
    );
    for reference in &info.references {
        let _ = writeln!(text, "reference {}", reference.base_name());
    }
    if !settled {
        text.push_str("unsettled 1\n");
    }
    seal(text)
}

/// Decodes a sidecar, and tells whether the object is settled. `path` is only for messages; the
/// caller compares the object's name.
pub(crate) fn decode_info(path: &Path, bytes: &[u8]) -> Result<(ObjectInfo, bool)> {
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
    let (mut references, mut settled) = (BTreeSet::new(), true);
    for (key, value) in fields {
        if !settled {
            return Err(bad("unsettled"));
        }
        if (key, value) == ("unsettled", "1") {
            settled = false;
            continue;
        }
        let reference = StorePath::parse(value).map_err(|_| bad("reference"))?;
        if key != "reference" || !references.insert(reference) {
            return Err(bad("reference"));
        }
    }
    let info = ObjectInfo { path: object, tree, self_reference, references, size, registered_at };
    Ok((info, settled))
}

/// Encodes what an action was realised as.
pub(crate) fn encode_realisation(
    key: &ActionKey,
    outputs: &BTreeMap<OutputName, StorePath>,
) -> Vec<u8> {
    let mut text = format!("{REALISATION} {RECORD_VERSION}\naction {key}\n");
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

#[cfg(test)]
mod tests {
    use cbuild_drv::Name;

    use super::*;

    fn path(text: &str) -> StorePath {
        let (key, name) = (ActionKey(Digest::of(text.as_bytes())), Name::new(text).unwrap());
        StorePath::scratch(&key, &OutputName::out(), &name)
    }

    fn info() -> ObjectInfo {
        ObjectInfo {
            path: path("object"),
            tree: Digest::of(b"tree"),
            self_reference: true,
            references: BTreeSet::from([path("one"), path("two")]),
            size: 12345,
            registered_at: 1_700_000_000,
        }
    }

    #[test]
    fn the_sidecar_is_as_specified() {
        let bytes = encode_info(&info(), true);
        let text = "cbuild-info 1
path gwgpzot6mqcs3k2v3ioze6rkhn7hb7ghh3bf6goewg4djeqkkjeq-object
tree novgzh2gd7udjko2b25wfyhw7ogbdgekldf4kg4nvacav2qzxq5a
self 1
size 12345
registered 1700000000
reference bavayji6vewwdyj4icdbc4ghgplyx4gz36a7uco7wuri7v4yr27q-two
reference gxiauihrekyjo6cpe3jcjg673q6ylckxspcg4gy7xk64mif5vmpa-one
sum ahv3ztmq3qnvksn2z72qb2x2jvdkiknclcfukibwrltqk3zsa5rq
";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(decode_info(Path::new("x"), &bytes).unwrap(), (info(), true));
        let unsettled = String::from_utf8(encode_info(&info(), false)).unwrap();
        let (body, _) = text.rsplit_once("sum ").unwrap();
        assert!(unsettled.starts_with(&format!("{body}unsettled 1\nsum ")));
        assert_eq!(decode_info(Path::new("x"), unsettled.as_bytes()).unwrap(), (info(), false));
    }

    #[test]
    fn the_realisation_is_as_specified() {
        let key = ActionKey(Digest::of(b"action"));
        let dev = OutputName::new("dev").unwrap();
        let outputs = BTreeMap::from([(OutputName::out(), path("a")), (dev, path("a-dev"))]);
        let bytes = encode_realisation(&key, &outputs);
        let text = "cbuild-realisation 1
action ao2yiuokwhujwfvmn3hp4esoy3huoudrvizxkcl2s3h4rbbaxbbq
output dev qnhq7bofqi4yalcce6z24a5ddzsrw522zkuwmexzbd562ifrdmqq-a-dev
output out kmyqbapgqxauehtz7nbibb2a67mpsltg4c6iim75hzrgc6yyn3va-a
sum 2lz66o5qapv7st2mkywjmmnub2ez3clz5uecmfkgtbdghvquhmaq
";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(decode_realisation(Path::new("x"), &key, &bytes).unwrap(), outputs);
        let other = ActionKey(Digest::of(b"other"));
        assert_eq!(decode_realisation(Path::new("x"), &other, &bytes).unwrap_err().code(), "E0615");
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let bytes = encode_info(&info(), true);
        for length in 0..bytes.len() {
            assert!(decode_info(Path::new("x"), &bytes[..length]).is_err(), "cut at {length}");
            let mut changed = bytes.clone();
            changed[length] ^= 1;
            assert!(decode_info(Path::new("x"), &changed).is_err(), "changed at {length}");
        }
    }

    #[test]
    fn a_newer_record_is_told_from_a_damaged_one() {
        let text =
            String::from_utf8(encode_info(&info(), true)).unwrap().replace("info 1", "info 2");
        let error = decode_info(Path::new("x"), text.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Version { found, known: 1, .. } if found == "2"));
    }
}
