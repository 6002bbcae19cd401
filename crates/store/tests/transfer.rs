//! Exports and imports, hostile ones too, and damaged objects that come back from elsewhere.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cbuild_drv::{Digest, StorePath, Tree};
use cbuild_store::{Error, Store, VerifyOptions};
use fixture::{Fixture, assert_clean, name};
use proptest::prelude::*;

/// Two objects, one of which refers to the other and to itself, and the export of both.
fn exported() -> (Fixture, StorePath, StorePath, Vec<u8>) {
    let fixture = Fixture::new();
    let base = fixture.object("base", "base", &[]);
    let user = fixture.object("user", "uses @0@ and itself @out@", &[&base]);
    let bytes = export(&fixture.store, std::slice::from_ref(&user));
    (fixture, base, user, bytes)
}

fn export(store: &Store, paths: &[StorePath]) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.export(paths, &mut bytes).unwrap();
    bytes
}

fn import(store: &Store, mut bytes: &[u8]) -> cbuild_store::Result<cbuild_store::ImportReport> {
    store.import(&mut bytes, &BTreeSet::new())
}

#[test]
fn a_closure_comes_out_as_it_went_in() {
    let (one, base, user, bytes) = exported();
    let two = Fixture::new();
    let report = import(&two.store, &bytes).unwrap();
    assert_eq!(report.added, [base.clone(), user.clone()], "references come first");
    assert_eq!((report.known, report.replaced.len()), (0, 0));
    for path in [&base, &user] {
        let (a, b) = (one.store.info(path).unwrap().unwrap(), two.store.info(path).unwrap());
        let b = b.unwrap();
        assert_eq!((a.tree, a.references, a.size), (b.tree, b.references, b.size));
    }
    two.assert_clean();
    assert_eq!(export(&two.store, &[user]), bytes, "the same objects give the same bytes");
    assert_eq!(import(&two.store, &bytes).unwrap().known, 2);
}

#[test]
fn the_format_is_as_specified() {
    let fixture = Fixture::new();
    let source = fixture.folder.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a"), "hello").unwrap();
    fs::set_permissions(source.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a", source.join("b")).unwrap();
    let path = fixture.store.add_tree(&source, &name("thing")).unwrap();
    let bytes = export(&fixture.store, std::slice::from_ref(&path));

    let mut expected = Vec::new();
    let int = |to: &mut Vec<u8>, value: u64| to.extend(value.to_le_bytes());
    let text = |to: &mut Vec<u8>, text: &[u8]| {
        to.extend((text.len() as u64).to_le_bytes());
        to.extend(text);
    };
    text(&mut expected, b"cbuild-export-2");
    expected.push(1);
    text(&mut expected, path.base_name().as_bytes());
    int(&mut expected, 0);
    expected.push(2);
    int(&mut expected, 2);
    text(&mut expected, b"a");
    expected.extend([0, 1]);
    text(&mut expected, b"hello");
    text(&mut expected, b"b");
    expected.push(1);
    text(&mut expected, b"a");
    expected.push(0);
    int(&mut expected, 1);
    let sum = Digest::of(&expected);
    expected.extend(sum.0);
    assert_eq!(bytes, expected);
    let golden = "a465ntjc5j2yglo5am4cftgkmn4sgtt7bmamhmtr6ut3wy4caw4q";
    assert_eq!(Digest::of(&bytes).to_text(), golden);
}

#[test]
fn cuts_and_changed_bytes_are_noticed() {
    let (_one, _, user, bytes) = exported();
    let two = Fixture::new();
    for length in (0..bytes.len()).step_by(3) {
        let error = import(&two.store, &bytes[..length]).unwrap_err();
        assert_eq!(error.code(), "E0617", "cut at {length}: {error}");
    }
    // Whole objects before the cut are good.
    assert_clean(&two.store);
    // A stride that meets each kind of field; each try needs a store of its own.
    for position in (0..bytes.len()).step_by(13) {
        let fresh = Fixture::new();
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let error = import(&fresh.store, &changed).unwrap_err();
        assert!(["E0611", "E0612", "E0617"].contains(&error.code()), "at {position}: {error}");
        assert_clean(&fresh.store);
        for info in fresh.store.objects().unwrap() {
            fresh.store.closure(&[info.path]).unwrap();
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(import(&two.store, &longer).unwrap_err().to_string().contains("follows the end"));
    assert!(two.store.info(&user).unwrap().is_some());
}

/// An export of one object with a hand-made tree, under the path that this tree would have.
fn forged(tree: &[u8]) -> Vec<u8> {
    let path = StorePath::of_content(&name("x"), &Digest::of(b"x"), false, &BTreeSet::new());
    let text = |to: &mut Vec<u8>, text: &[u8]| {
        to.extend((text.len() as u64).to_le_bytes());
        to.extend(text);
    };
    let mut bytes = Vec::new();
    text(&mut bytes, b"cbuild-export-2");
    bytes.push(1);
    text(&mut bytes, path.base_name().as_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(tree);
    bytes
}

#[test]
fn hostile_trees_are_refused_and_leave_nothing() {
    let named = |entry: &[u8]| {
        let mut tree = vec![2];
        tree.extend(1u64.to_le_bytes());
        tree.extend((entry.len() as u64).to_le_bytes());
        tree.extend(entry);
        tree.extend([0, 0]);
        tree.extend(0u64.to_le_bytes());
        tree
    };
    let mut deep = Vec::new();
    for _ in 0..5000 {
        deep.push(2);
        deep.extend(1u64.to_le_bytes());
        deep.extend(1u64.to_le_bytes());
        deep.push(b'd');
    }
    let long_link = [&[1][..], &5000u64.to_le_bytes(), &[b'x'; 5000]].concat();
    let huge = [&[0, 0][..], &u64::MAX.to_le_bytes(), b"short"].concat();
    let many = [&[2][..], &u64::MAX.to_le_bytes()].concat();
    let huge_name = [&[2][..], &1u64.to_le_bytes(), &u64::MAX.to_le_bytes()].concat();
    let empty_link = [&[1][..], &0u64.to_le_bytes()].concat();
    let hostile = [
        (named(b".."), "a name that it cannot have"),
        (named(b"."), "a name that it cannot have"),
        (named(b""), "a name that it cannot have"),
        (named(b"../x"), "a name that it cannot have"),
        (named(b"/etc/x"), "a name that it cannot have"),
        (named(b"a\0"), "a name that it cannot have"),
        (named(&[b'n'; 256]), "a name is too long"),
        (deep, "nested too deeply"),
        (long_link, "too long"),
        (huge, "cut off"),
        (many, "cut off"),
        (huge_name, "a name is too long"),
        (empty_link, "is empty"),
        (vec![0, 2], "neither 0 nor 1"),
        (vec![9], "no kind of file"),
    ];
    let fixture = Fixture::new();
    for (tree, expected) in hostile {
        let error = import(&fixture.store, &forged(&tree)).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    // A tree that is fine, under a path that is not its own.
    let error = import(&fixture.store, &forged(&named(b"fine"))).unwrap_err();
    assert!(error.to_string().contains("not what its path says"), "{error}");
    assert_eq!(fixture.store.objects().unwrap(), []);
    fixture.assert_clean();
    let root = fixture.root();
    let Fixture { store, folder } = fixture;
    drop(store);
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    drop(folder);
}

#[test]
fn a_link_in_an_export_leads_nowhere_else() {
    // A link and then a directory of the same name would write through the link.
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap().as_bytes();
    let mut tree = vec![2];
    tree.extend(2u64.to_le_bytes());
    tree.extend(1u64.to_le_bytes());
    tree.extend(b"l\x01");
    tree.extend((target.len() as u64).to_le_bytes());
    tree.extend(target);
    tree.extend(1u64.to_le_bytes());
    tree.extend(b"l\x02");
    tree.extend(0u64.to_le_bytes());
    let fixture = Fixture::new();
    let error = import(&fixture.store, &forged(&tree)).unwrap_err();
    assert!(error.to_string().contains("not in order"), "{error}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn an_object_without_its_references_is_refused() {
    let (one, base, user, _) = exported();
    let tree = Tree::Symlink { target: b"x".to_vec(), own: Vec::new() }.digest();
    let path = StorePath::of_content(&name("x"), &tree, false, &BTreeSet::from([base.clone()]));
    let mut bytes = Vec::new();
    for text in [b"cbuild-export-2".as_slice(), b"", path.base_name().as_bytes()] {
        if text.is_empty() {
            bytes.push(1);
            continue;
        }
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text);
    }
    bytes.extend(1u64.to_le_bytes());
    bytes.extend((base.base_name().len() as u64).to_le_bytes());
    bytes.extend(base.base_name().bytes());
    bytes.push(1);
    bytes.extend(1u64.to_le_bytes());
    bytes.push(b'x');
    let two = Fixture::new();
    let error = import(&two.store, &bytes).unwrap_err();
    assert!(matches!(error, Error::ReferenceMissing { .. }), "{error}");
    assert_eq!(two.store.objects().unwrap(), []);
    drop((one, user));
}

/// The export of a file that may hold its own path twice, with the given text for the second one.
fn self_referring(domain: &str, path: &StorePath, second: &[u8]) -> Vec<u8> {
    let text = |to: &mut Vec<u8>, text: &[u8]| {
        to.extend((text.len() as u64).to_le_bytes());
        to.extend(text);
    };
    let mut bytes = Vec::new();
    text(&mut bytes, domain.as_bytes());
    bytes.push(1);
    text(&mut bytes, path.base_name().as_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend([0, 0]);
    text(&mut bytes, &twice(path.digest().to_text().as_bytes(), second));
    bytes.push(0);
    bytes.extend(1u64.to_le_bytes());
    let sum = Digest::of(&bytes);
    bytes.extend(sum.0);
    bytes
}

fn twice(first: &[u8], second: &[u8]) -> Vec<u8> {
    let place = b"/cbuild/store/".as_slice();
    [b"prefix=", place, first, b"-tool\nlibexec=", place, second, b"-tool\n"].concat()
}

/// Two contents that had one path in the first format of the store.
#[test]
fn two_contents_have_two_paths() {
    let zeros = [0; 52];
    let zeroed = twice(&zeros, &zeros);
    let (size, content) = (zeroed.len() as u64, Digest::of(&zeroed));
    let second = twice(&zeros, b"").len() as u64 - 6;
    let tree = |own: &[u64]| Tree::File { executable: false, size, content, own: own.into() };
    let path = |tree| StorePath::of_content(&name("tool"), &tree, true, &BTreeSet::new());

    let both = path(tree(&[21, second]).digest());
    let own = both.digest().to_text();
    let fixture = Fixture::new();
    let evil = self_referring("cbuild-export-2", &both, &zeros);
    assert_eq!(import(&fixture.store, &evil).unwrap_err().code(), "E0617");
    let good = self_referring("cbuild-export-2", &both, own.as_bytes());
    assert_eq!(import(&fixture.store, &good).unwrap().added, [both]);
    let one = path(tree(&[21]).digest());
    let other = self_referring("cbuild-export-2", &one, &zeros);
    assert_eq!(import(&fixture.store, &other).unwrap().added, [one]);

    // What an older cbuild has written has the same path for both.
    let old = path(tree(&[21, second]).digest_without_places());
    let own = old.digest().to_text();
    for second in [own.as_bytes(), &zeros] {
        let error = import(&fixture.store, &self_referring("cbuild-export-1", &old, second));
        assert_eq!(error.unwrap_err().code(), "E0618");
    }
    assert_eq!(fixture.store.objects().unwrap().len(), 2);
    fixture.assert_clean();
}

#[test]
fn an_older_export_without_self_references_is_read() {
    let one = Fixture::new();
    let base = one.object("base", "base", &[]);
    let user = one.object("user", "uses @0@", &[&base]);
    let mut bytes = export(&one.store, std::slice::from_ref(&user));
    let at = bytes.iter().position(|byte| *byte == b'2').unwrap();
    bytes[at] = b'1';
    let end = bytes.len() - 32;
    let sum = Digest::of(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.0);
    let two = Fixture::new();
    assert_eq!(import(&two.store, &bytes).unwrap().added, [base, user]);
    two.assert_clean();
}

fn damage(store: &Store, path: &StorePath) {
    let file = store.physical(path).join("f");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "Damaged").unwrap();
}

fn lose(store: &Store, path: &StorePath, to: &Path) {
    let place = store.physical(path);
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(place, to).unwrap();
}

#[test]
fn damage_is_found_while_an_export_is_written() {
    let (fixture, base, user, whole) = exported();
    damage(&fixture.store, &base);
    let mut bytes = Vec::new();
    let error = fixture.store.export(std::slice::from_ref(&user), &mut bytes).unwrap_err();
    assert!(matches!(&error, Error::Spoilt { path } if *path == base), "{error}");
    assert!(bytes.len() < whole.len());
    assert_eq!(import(&Fixture::new().store, &bytes).unwrap_err().code(), "E0617");
    // It is known from now on, and what comes back is good again.
    let error = fixture.store.export(std::slice::from_ref(&user), &mut Vec::new()).unwrap_err();
    assert!(matches!(&error, Error::Spoilt { path } if *path == user), "{error}");
    import(&fixture.store, &whole).unwrap();
    assert_eq!(export(&fixture.store, &[user]), whole);
    fixture.assert_clean();
}

#[test]
fn damaged_and_lost_objects_come_back_from_an_export_or_a_store() {
    let (one, base, user, bytes) = exported();
    let two = Fixture::new();
    import(&two.store, &bytes).unwrap();
    let damaged = || one.store.verify(&VerifyOptions::default()).unwrap().damaged;

    damage(&one.store, &base);
    assert_eq!(damaged(), BTreeSet::from([base.clone()]));
    let report = one.store.import(&mut bytes.as_slice(), &damaged()).unwrap();
    assert_eq!(report.replaced, std::slice::from_ref(&base));
    one.assert_clean();

    damage(&one.store, &user);
    lose(&one.store, &base, &one.folder.path().join("lost"));
    for path in damaged() {
        assert!(one.store.restore_from(&two.store, &path).unwrap());
    }
    one.assert_clean();
    let record = one.root().join("info").join(user.base_name());
    fs::write(&record, "no record").unwrap();
    assert!(one.store.restore_from(&two.store, &user).unwrap());
    one.assert_clean();

    // What is damaged there as well is not taken.
    damage(&one.store, &base);
    damage(&two.store, &base);
    assert!(!one.store.restore_from(&two.store, &base).unwrap());
    assert_eq!(damaged(), BTreeSet::from([base]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_confuse_an_import(
        tree in proptest::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..200),
        cut in 0usize..400, position in any::<prop::sample::Index>(), value in any::<u8>()
    ) {
        let fixture = Fixture::new();
        let mut bytes = forged(&tree);
        prop_assert!(import(&fixture.store, &bytes).is_err());
        let at = position.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(bytes.len().min(cut));
        prop_assert!(import(&fixture.store, &bytes).is_err());
        prop_assert_eq!(fixture.store.objects().unwrap(), []);
        assert_clean(&fixture.store);
    }
}
