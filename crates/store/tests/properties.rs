//! Properties of whole trees: what goes in comes out, and paths depend on content alone.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cbuild_drv::{Digest, StorePath, Tree};
use cbuild_store::{BuiltOutput, Store};
use fixture::{Fixture, assert_clean, key, name, output};
use proptest::prelude::*;

/// A tree with its contents.
#[derive(Clone, Debug)]
enum Plan {
    File(bool, Vec<u8>),
    Link(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Plan>),
}

impl Plan {
    fn write(&self, at: &Path) {
        match self {
            Self::File(executable, bytes) => {
                fs::write(at, bytes).unwrap();
                let mode = if *executable { 0o755 } else { 0o600 };
                fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
            }
            Self::Link(target) => symlink(OsStr::from_bytes(target), at).unwrap(),
            Self::Directory(children) => {
                fs::create_dir(at).unwrap();
                for (name, child) in children {
                    child.write(&at.join(OsStr::from_bytes(name)));
                }
            }
        }
    }

    fn read(at: &Path) -> Self {
        let metadata = fs::symlink_metadata(at).unwrap();
        if metadata.is_symlink() {
            return Self::Link(fs::read_link(at).unwrap().as_os_str().as_bytes().to_vec());
        }
        if metadata.is_file() {
            return Self::File(metadata.permissions().mode() & 0o100 != 0, fs::read(at).unwrap());
        }
        let entries = fs::read_dir(at).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().as_bytes().to_vec(), Self::read(&entry.path()))
        });
        Self::Directory(entries.collect())
    }

    /// Exchanges one byte string for another of the same length.
    fn replace(&self, from: &[u8], to: &[u8]) -> Self {
        match self {
            Self::File(executable, bytes) => Self::File(*executable, replace(bytes, from, to)),
            Self::Link(target) => Self::Link(replace(target, from, to)),
            Self::Directory(children) => Self::Directory(
                children.iter().map(|(n, child)| (n.clone(), child.replace(from, to))).collect(),
            ),
        }
    }

    /// The tree of the nouns, computed without the store.
    fn tree(&self) -> Tree {
        match self {
            Self::File(executable, bytes) => Tree::File {
                executable: *executable,
                size: bytes.len() as u64,
                content: Digest::of(bytes),
            },
            Self::Link(target) => Tree::Symlink(target.clone()),
            Self::Directory(children) => {
                Tree::Directory(children.iter().map(|(n, c)| (n.clone(), c.tree())).collect())
            }
        }
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
    bytes
}

/// Stands for the object's own digest text in generated trees.
const OWN: &[u8; 52] = &[b'~'; 52];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => Just(OWN.to_vec()),
        1 => Just(b"/cbuild/store/".to_vec()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn plan() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        3 => (any::<bool>(), bytes()).prop_map(|(x, bytes)| Plan::File(x, bytes)),
        1 => bytes().prop_map(|mut target| {
            target.retain(|byte| *byte != 0);
            target.insert(0, b'x');
            Plan::Link(target)
        }),
    ];
    let names = proptest::collection::vec(any::<u8>(), 1..12).prop_map(|mut name| {
        name.retain(|byte| *byte != 0 && *byte != b'/');
        name.push(b'n');
        name
    });
    leaf.prop_recursive(4, 24, 5, move |inner| {
        proptest::collection::btree_map(names.clone(), inner, 0..5).prop_map(Plan::Directory)
    })
}

fn register(store: &Store, plan: &Plan, action: &str) -> StorePath {
    let scratch = store.scratch().unwrap();
    let path = StorePath::scratch(&key(action), &output("out"), &name("made"));
    let physical = scratch.path().join("made");
    plan.replace(OWN, path.digest().to_text().as_bytes()).write(&physical);
    let built = BuiltOutput { output: output("out"), name: name("made"), physical, scratch: path };
    let made = store.register(&key(action), vec![built], &BTreeSet::new()).unwrap();
    made[&output("out")].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn trees_come_out_as_they_went_in(plan in plan()) {
        let fixture = Fixture::new();
        let source = fixture.folder.path().join("source");
        plan.write(&source);
        let path = fixture.store.add_tree(&source, &name("made")).unwrap();
        let digest = plan.tree().digest();
        let expected = StorePath::of_content(&name("made"), &digest, false, &BTreeSet::new());
        prop_assert_eq!(&path, &expected);
        let back = Plan::read(&fixture.store.physical(&path));
        prop_assert_eq!(back.tree().digest(), digest);
        assert_clean(&fixture.store);
    }

    #[test]
    fn paths_do_not_depend_on_the_scratch_digest(plan in plan()) {
        let (one, two) = (Fixture::new(), Fixture::new());
        let path = register(&one.store, &plan, "one");
        prop_assert_eq!(&register(&two.store, &plan, "two"), &path);
        // In another action of the same store it is the same object again.
        prop_assert_eq!(&register(&one.store, &plan, "two"), &path);
        let zeroed = plan.replace(OWN, &[0; 52]);
        let own = path.digest().to_text();
        let expected = plan.replace(OWN, own.as_bytes());
        let found = Plan::read(&one.store.physical(&path));
        prop_assert_eq!(found.tree().digest(), expected.tree().digest());
        let info = one.store.info(&path).unwrap().unwrap();
        let selves = zeroed.tree().digest() != expected.tree().digest();
        prop_assert_eq!((info.tree, info.self_reference), (zeroed.tree().digest(), selves));
        assert_clean(&one.store);
    }
}
