//! `cbuild.lock`: one form, read back as it was written.

use std::collections::BTreeMap;

use cbuild_diag::{RenderOptions, Sources, render};
use cbuild_drv::{ContentHash, Digest, HashAlgorithm};
use cbuild_modules::{Entry, Lock, ModulePath, ModuleVersion, Pin, Source, Version};
use proptest::prelude::*;

fn parse(text: &str) -> (Lock, String) {
    let mut sources = Sources::default();
    let source = sources.add("cbuild.lock", text);
    let (lock, problems) = Lock::parse(source, text);
    (lock, problems.iter().map(|p| render(&sources, p, RenderOptions::plain())).collect())
}

fn any_entry() -> impl Strategy<Value = (ModulePath, Entry)> {
    let version = (0..3_u64, 0..50_u64, 0..50_u64, prop::option::of("[a-z]{1,5}\\.[1-9]"));
    let path = "[a-z]{1,8}\\.org/[a-z0-9][a-z0-9-]{0,8}";
    let by = prop::option::of(("[a-z]{1,4}/[a-z]{1,4}/v1", 0..9_u64));
    (path, version, any::<[u8; 32]>(), 0..3, by).prop_map(|(path, parts, bytes, kind, by)| {
        let (major, minor, patch, pre) = parts;
        let mut version = Version::new(major, minor, patch);
        if let Some(pre) = pre {
            version = format!("{version}-{pre}").parse().unwrap();
        }
        let digest = Digest(bytes);
        let (source, pin) = match kind {
            0 => ("git+https://e.org/a", format!("git:{}", "ab".repeat(20))),
            1 => {
                let hash = ContentHash::new(HashAlgorithm::Sha256, bytes.to_vec()).unwrap();
                ("mirror://m/a.tar", hash.to_string())
            }
            _ => ("oci://e.org/a", format!("oci:sha256:{}", "0c".repeat(32))),
        };
        let source = Source::parse(source, &version).unwrap();
        let pin = Pin::parse(&pin).unwrap();
        let by = by.map(|(path, minor)| ModuleVersion {
            path: path.parse().unwrap(),
            version: Version::new(1, minor, 0),
        });
        let path = format!("{path}/v{major}").parse().unwrap();
        (path, Entry { version, tree: digest, source, pin, by })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(any_entry(), 0..8)) {
        let lock = Lock { entries: BTreeMap::from_iter(entries) };
        let text = lock.to_text();
        let (read, problems) = parse(&text);
        prop_assert_eq!(problems, "");
        prop_assert_eq!(&read, &lock);
        prop_assert!(text.lines().skip(1).is_sorted());
    }

    /// A line that is changed anywhere is refused, or is another valid line: never a panic.
    #[test]
    fn damaged_lines_give_an_answer(entry in any_entry(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let lock = Lock { entries: BTreeMap::from_iter([entry]) };
        let mut bytes = lock.to_text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (read, problems) = parse(&text);
        if problems.is_empty() && text.ends_with('\n') && !text.contains('\r') {
            prop_assert_eq!(read.to_text(), text);
        }
    }
}

/// The format is frozen by its first user.
#[test]
fn the_written_form() {
    let path: ModulePath = "example.org/tls/v1".parse().unwrap();
    let version = Version::new(1, 4, 0);
    let source = Source::parse("git+https://example.org/tls", &version).unwrap();
    let pin = Pin::parse(&format!("git:{}", "1f".repeat(20))).unwrap();
    let by = Some("example.org/app/v0@0.1.0".parse().unwrap());
    let entry = Entry { version, tree: Digest::of(b"x"), source, pin, by };
    let lock = Lock { entries: BTreeMap::from([(path, entry)]) };
    assert_eq!(
        lock.to_text(),
        "cbuild-lock-1\nexample.org/tls/v1@1.4.0 hlt5qbpwpcngiavmw4fniclkqwswx5uaj2xslqcjhldjovengc2q git+https://example.org/tls#v1.4.0 git:1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f by example.org/app/v0@0.1.0\n"
    );
}

#[test]
fn what_is_wrong_is_said_for_each_line() {
    let tree = Digest::of(b"x");
    let git = "1f".repeat(20);
    let text = format!(
        "cbuild-lock-1
<<<<<<< ours
e.org/a/v1@2.0.0 {tree} git+https://e.org/a#v1 git:{git}
e.org/a/v1@1.0.0 short git+https://e.org/a#v1 git:{git}
e.org/a/v1@1.0.0 {tree} git+https://e.org/a git:{git}
e.org/a/v1@1.0.0 {tree} oci://e.org/a:1 git:{git}
e.org/a/v1@1.0.0 {tree} git+https://e.org/a#v1 git:{git}
e.org/a/v1@1.0.1 {tree} git+https://e.org/a#v1 git:{git}

"
    );
    insta::assert_snapshot!(parse(&text).1);
    insta::assert_snapshot!(parse("cbuild-lock-2\nx\n").1);
    insta::assert_snapshot!(parse("").1);
}

/// Editors write one, and places after it stay right.
#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(parse("\u{feff}cbuild-lock-1\n"), (Lock::default(), String::new()));
    let marked = parse("\u{feff}cbuild-lock-1\nx\n").1;
    assert!(marked.contains("E1109") && marked.contains("cbuild.lock:2:1"), "{marked}");
}
