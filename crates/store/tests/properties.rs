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
use cbuild_store::{BuiltOutput, Store, VerifyOptions};
use fixture::{Fixture, assert_clean, key, name, output};
use proptest::prelude::*;

/// A tree with its contents.
#[derive(Clone, Debug, PartialEq)]
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

    /// The tree of the nouns, computed without the store; `own` is the text that stands for the
    /// object's own digest.
    fn tree(&self, own: Option<&[u8]>) -> Tree {
        let parts = |bytes: &[u8]| match own {
            Some(own) => (replace(bytes, own, &[0; 52]), places(bytes, own)),
            None => (bytes.to_vec(), Vec::new()),
        };
        match self {
            Self::File(executable, bytes) => {
                let (zeroed, own) = parts(bytes);
                let (size, content) = (bytes.len() as u64, Digest::of(&zeroed));
                Tree::File { executable: *executable, size, content, own }
            }
            Self::Link(target) => {
                let (target, own) = parts(target);
                Tree::Symlink { target, own }
            }
            Self::Directory(children) => {
                Tree::Directory(children.iter().map(|(n, c)| (n.clone(), c.tree(own))).collect())
            }
        }
    }
}

/// Where a text stands in another, from the left and without overlaps.
fn places(bytes: &[u8], text: &[u8]) -> Vec<u64> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + text.len() <= bytes.len() {
        let here = &bytes[at..at + text.len()] == text;
        found.extend(here.then_some(at as u64));
        at += if here { text.len() } else { 1 };
    }
    found
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
    try_register(store, plan, action).unwrap()
}

fn try_register(store: &Store, plan: &Plan, action: &str) -> cbuild_store::Result<StorePath> {
    let scratch = store.scratch().unwrap();
    let path = StorePath::scratch(&key(action), &output("out"), &name("made"));
    let physical = scratch.path().join("made");
    plan.replace(OWN, path.digest().to_text().as_bytes()).write(&physical);
    let built = BuiltOutput { output: output("out"), name: name("made"), physical, scratch: path };
    let made = store.register(&key(action), vec![built], &BTreeSet::new())?;
    Ok(made[&output("out")].clone())
}

/// An export of one object with any tree, as the specification has it.
fn export_of(path: &StorePath, plan: &Plan) -> Vec<u8> {
    fn text(to: &mut Vec<u8>, text: &[u8]) {
        to.extend((text.len() as u64).to_le_bytes());
        to.extend(text);
    }
    fn tree(to: &mut Vec<u8>, plan: &Plan) {
        match plan {
            Plan::File(executable, bytes) => {
                to.extend([0, u8::from(*executable)]);
                text(to, bytes);
            }
            Plan::Link(target) => {
                to.push(1);
                text(to, target);
            }
            Plan::Directory(children) => {
                to.push(2);
                to.extend((children.len() as u64).to_le_bytes());
                for (name, child) in children {
                    text(to, name);
                    tree(to, child);
                }
            }
        }
    }
    let mut bytes = Vec::new();
    text(&mut bytes, b"cbuild-export-2");
    bytes.push(1);
    text(&mut bytes, path.base_name().as_bytes());
    bytes.extend(0u64.to_le_bytes());
    tree(&mut bytes, plan);
    bytes.push(0);
    bytes.extend(1u64.to_le_bytes());
    let sum = Digest::of(&bytes);
    bytes.extend(sum.0);
    bytes
}

/// A change of one node of a tree: which node, what, where in it, and a new byte.
type Change = (usize, usize, usize, u8);

fn change() -> impl Strategy<Value = Change> {
    (any::<usize>(), 0..CHANGES, any::<usize>(), any::<u8>())
}

const CHANGES: usize = 8;

/// Number of nodes of a tree.
fn count(plan: &Plan) -> usize {
    match plan {
        Plan::Directory(children) => 1 + children.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Applies a change to the node of that number; `own` is the object's own digest text.
fn apply(plan: &mut Plan, own: &[u8], (mut node, what, at, byte): Change) {
    if node == 0 {
        return apply_here(plan, own, what, at, byte);
    }
    let Plan::Directory(children) = plan else { return };
    node -= 1;
    for child in children.values_mut() {
        let inside = count(child);
        if node < inside {
            return apply(child, own, (node, what, at, byte));
        }
        node -= inside;
    }
}

fn apply_here(plan: &mut Plan, own: &[u8], what: usize, at: usize, byte: u8) {
    match plan {
        Plan::File(executable, _) if what == 0 => *executable = !*executable,
        Plan::File(_, bytes) => change_bytes(bytes, own, what, at, byte),
        Plan::Link(target) => {
            change_bytes(target, own, what, at, byte);
            target.retain(|byte| *byte != 0);
            if target.is_empty() {
                target.push(b'x');
            }
        }
        Plan::Directory(children) => change_names(children, what, at),
    }
}

fn change_bytes(bytes: &mut Vec<u8>, own: &[u8], what: usize, at: usize, byte: u8) {
    let place = |length: usize| if length == 0 { 0 } else { at % length };
    let selves = places(bytes, own);
    match (what, selves.is_empty()) {
        (_, true) if bytes.is_empty() => bytes.push(byte),
        // A self-reference becomes what it is hashed as, moves by a byte, or a new one comes.
        (1 | 2, false) => {
            let start = selves[place(selves.len())] as usize;
            bytes[start..start + own.len()].fill(0);
        }
        (3, false) => {
            let start = selves[place(selves.len())] as usize;
            bytes[start..].rotate_right(1);
        }
        (4, _) => {
            let start = place(bytes.len());
            bytes.splice(start..start, own.iter().copied());
        }
        (5, _) => bytes.insert(place(bytes.len()), byte),
        (6, _) => drop(bytes.remove(place(bytes.len()))),
        _ => {
            let place = place(bytes.len());
            bytes[place] = byte;
        }
    }
}

fn change_names(children: &mut BTreeMap<Vec<u8>, Plan>, what: usize, at: usize) {
    let names: Vec<Vec<u8>> = children.keys().cloned().collect();
    if names.is_empty() || what < 2 {
        children.insert(b"new".to_vec(), Plan::File(false, Vec::new()));
        return;
    }
    let (name, other) = (&names[at % names.len()], &names[(at + 1) % names.len()]);
    let child = children.remove(name).unwrap();
    match what {
        2 | 3 => {}
        4 | 5 if name != other => {
            let moved = children.insert(other.clone(), child).unwrap();
            children.insert(name.clone(), moved);
        }
        _ => drop(children.insert([name, b"2".as_slice()].concat(), child)),
    }
}

/// Puts another tree at the place of an object.
fn put(store: &Store, path: &StorePath, plan: &Plan) {
    fn unlock(at: &Path) {
        let Ok(metadata) = fs::symlink_metadata(at) else { return };
        if metadata.is_dir() {
            fs::set_permissions(at, fs::Permissions::from_mode(0o700)).unwrap();
            fs::read_dir(at).unwrap().for_each(|entry| unlock(&entry.unwrap().path()));
        }
    }
    let place = store.physical(path);
    unlock(&place);
    match fs::symlink_metadata(&place).unwrap().is_dir() {
        true => fs::remove_dir_all(&place).unwrap(),
        false => fs::remove_file(&place).unwrap(),
    }
    plan.write(&place);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn trees_come_out_as_they_went_in(plan in plan()) {
        let fixture = Fixture::new();
        let source = fixture.folder.path().join("source");
        plan.write(&source);
        let path = fixture.store.add_tree(&source, &name("made")).unwrap();
        let digest = plan.tree(None).digest();
        let expected = StorePath::of_content(&name("made"), &digest, false, &BTreeSet::new());
        prop_assert_eq!(&path, &expected);
        let back = Plan::read(&fixture.store.physical(&path));
        prop_assert_eq!(back.tree(None).digest(), digest);
        assert_clean(&fixture.store);
    }

    #[test]
    fn paths_do_not_depend_on_the_scratch_digest(plan in plan()) {
        let (one, two) = (Fixture::new(), Fixture::new());
        let path = register(&one.store, &plan, "one");
        prop_assert_eq!(&register(&two.store, &plan, "two"), &path);
        // In another action of the same store it is the same object again.
        prop_assert_eq!(&register(&one.store, &plan, "two"), &path);
        let own = path.digest().to_text();
        let expected = plan.replace(OWN, own.as_bytes());
        let found = Plan::read(&one.store.physical(&path));
        prop_assert_eq!(found.tree(None).digest(), expected.tree(None).digest());
        let info = one.store.info(&path).unwrap().unwrap();
        let (tree, selves) = (plan.tree(Some(OWN)).digest(), expected.tree(None) != plan.tree(None));
        prop_assert_eq!((info.tree, info.self_reference), (tree, selves));
        assert_clean(&one.store);
    }

    /// A path fixes the content: whatever is changed gives another path, is not imported under the
    /// old one, and is found by a verification.
    #[test]
    fn any_change_is_another_object(plan in plan(), (node, what, at, byte) in change()) {
        let (one, two) = (Fixture::new(), Fixture::new());
        let path = register(&one.store, &plan, "one");
        let own = path.digest().to_text().into_bytes();
        let stored = plan.replace(OWN, &own);
        let mut changed = stored.clone();
        apply(&mut changed, &own, (node % count(&stored), what, at, byte));
        prop_assume!(changed != stored);

        match try_register(&two.store, &changed.replace(&own, OWN), "two") {
            Ok(other) => prop_assert_ne!(&other, &path),
            Err(error) => prop_assert_eq!(error.code(), "E0611"),
        }
        let import = |plan| {
            two.store.import(&mut export_of(&path, plan).as_slice(), &BTreeSet::new())
        };
        let refused = import(&changed).unwrap_err();
        prop_assert!(["E0617", "E0618", "E0611"].contains(&refused.code()), "{}", refused);
        prop_assert_eq!(two.store.info(&path).unwrap(), None);
        prop_assert_eq!(import(&stored).unwrap().added, std::slice::from_ref(&path));
        assert_clean(&two.store);

        put(&one.store, &path, &changed);
        let report = one.store.verify(&VerifyOptions::default()).unwrap();
        prop_assert!(report.damaged.contains(&path), "{:?}", report.problems);
    }
}
