//! Random trees come back as they were; random damage and random hostility stay inside.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tar::EntryType;

use super::samples::{FORMATS, Format, Node, Place, Raw, gz, pack, raw_tar};
use crate::limits::Limits;

fn name() -> impl Strategy<Value = Vec<u8>> {
    let short = "[a-zA-Z0-9 ._äß☃\\\\-]{1,20}";
    let long = "[a-z]{101,255}";
    prop_oneof![9 => short, 1 => long]
        .prop_filter("these are no names", |name| name != "." && name != "..")
        .prop_filter("some would be too long", |name| name.len() <= 255)
        .prop_map(String::into_bytes)
}

fn node() -> impl Strategy<Value = Node> {
    let content = prop_oneof![vec(any::<u8>(), 0..40), (0..5000_usize).prop_map(|n| vec![7; n])];
    let file = (any::<bool>(), content)
        .prop_map(|(executable, content)| Node::File { executable, content });
    let target = prop_oneof!["/?[a-z.]{1,9}(/[a-z.]{1,9}){0,3}", "[a-z/]{1,140}"];
    let link = target.prop_map(|target| Node::Link(target.into_bytes()));
    prop_oneof![4 => file, 1 => link]
        .prop_recursive(4, 40, 6, |inner| btree_map(name(), inner, 0..6).prop_map(Node::Folder))
}

fn tree() -> impl Strategy<Value = BTreeMap<Vec<u8>, Node>> {
    btree_map(name(), node(), 0..8)
}

/// Trees whose link targets the `zip` writer keeps as they are: it normalises others.
fn fits(tree: &BTreeMap<Vec<u8>, Node>, format: Format) -> bool {
    tree.values().all(|node| match node {
        Node::Folder(children) => fits(children, format),
        Node::Link(target) => format != Format::Zip || !target.ends_with(b"/"),
        Node::File { .. } => true,
    })
}

fn small() -> Limits {
    Limits { unpacked_bytes: 1 << 20, entries: 1000, ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn trees_come_back(tree in tree(), format in select(FORMATS.to_vec())) {
        prop_assume!(fits(&tree, format));
        let found = Place::new().unpack(&pack(&tree, format), 0, &Limits::default()).unwrap();
        prop_assert_eq!(found, Node::Folder(tree));
    }

    #[test]
    fn stripping_drops_the_top(tree in tree(), format in select(FORMATS.to_vec())) {
        prop_assume!(fits(&tree, format) && !tree.is_empty());
        let top = BTreeMap::from([(b"top-1.0".to_vec(), Node::Folder(tree.clone()))]);
        let found = Place::new().unpack(&pack(&top, format), 1, &Limits::default()).unwrap();
        prop_assert_eq!(found, Node::Folder(tree));
    }

    #[test]
    fn truncated_archives_are_errors(
        tree in tree(),
        format in select(FORMATS.to_vec()),
        at in any::<Index>(),
    ) {
        // Plain tar may end at any entry, and nothing in it says that there should be more.
        prop_assume!(!matches!(format, Format::Tar | Format::TarPax | Format::Deb("data.tar")));
        let whole = pack(&tree, format);
        let place = Place::new();
        let error = place.unpack(&whole[..at.index(whole.len())], 0, &Limits::default()).unwrap_err();
        prop_assert!(["E0711", "E0712"].contains(&error.code()), "{}", error);
    }

    #[test]
    fn damaged_archives_neither_panic_nor_escape(
        tree in tree(),
        format in select(FORMATS.to_vec()),
        damage in vec((any::<Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = pack(&tree, format);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = Place::new().unpack(&bytes, 0, &small());
    }

    #[test]
    fn arbitrary_bytes_are_errors(bytes in vec(any::<u8>(), 1..3000), start in 0..6_usize) {
        let starts: [&[u8]; 6] = [b"", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04", b"!<arch>\n"];
        let bytes = [starts[start], &bytes].concat();
        prop_assert!(Place::new().unpack(&bytes, 0, &small()).is_err());
    }
}

/// An entry whose names are made of few components, so that entries meet each other often.
fn hostile() -> impl Strategy<Value = Raw> {
    let parts = ["a", "b", "c", "..", ".", "", "OUTSIDE", "victim"];
    let path = vec(select(parts.to_vec()), 1..4).prop_map(|parts| parts.join("/"));
    let kinds = [
        EntryType::Regular,
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Symlink,
        EntryType::Link,
    ];
    // Names that are refused end an archive, so most have none of the refused components.
    let tame = vec(select(vec!["a", "b", "c", "victim"]), 1..4).prop_map(|parts| parts.join("/"));
    let name = prop_oneof![6 => tame.clone(), 1 => path.clone()];
    let target = prop_oneof![
        3 => path,
        3 => tame,
        2 => Just("OUTSIDE".to_owned()),
        1 => Just("../../outside".to_owned()),
    ];
    (select(kinds.to_vec()), name, target).prop_map(|(kind, name, target)| {
        let content = if kind == EntryType::Regular { "overwritten" } else { "" };
        Raw::new(kind, &name, &target, content)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hostile_archives_stay_inside(entries in vec(hostile(), 1..12), strip in 0..2_u32) {
        let place = Place::new();
        let outside = place.path("outside").into_os_string().into_encoded_bytes();
        let mut entries = entries;
        for entry in &mut entries {
            for text in [&mut entry.name, &mut entry.target] {
                if text == b"OUTSIDE" {
                    text.clone_from(&outside);
                }
            }
        }
        // The place asserts that nothing outside changed, whatever the answer is.
        match place.unpack(&raw_tar(&entries), strip, &small()) {
            Ok(_) => {}
            Err(error) => prop_assert!(["E0710", "E0714"].contains(&error.code()), "{}", error),
        }
        let _ = place.unpack(&gz(&raw_tar(&entries)), strip, &small());
    }
}
