//! Stores of the first format: what is kept, what is moved, and what is told.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cbuild_drv::StorePath;
use cbuild_store::{GcOptions, Store, Upgrade};
use fixture::{Fixture, assert_clean, key, object, output};

/// A store as an older program leaves it: what holds its own digest is noted in its sidecar.
struct Old {
    fixture: Fixture,
    plain: StorePath,
    own: StorePath,
    user: StorePath,
}

const USER: &str = "uses @0@ and @1@";

fn old() -> Old {
    let fixture = Fixture::new();
    let plain = fixture.object("plain", "plain", &[]);
    let own = fixture.object("own", "in @out@", &[]);
    let user = fixture.object("user", USER, &[&plain, &own]);
    fixture.store.add_root(&fixture.folder.path().join("result"), &user).unwrap();
    set_version(&fixture, "1");
    Old { fixture, plain, own, user }
}

fn set_version(fixture: &Fixture, version: &str) {
    fs::write(fixture.root().join("version"), format!("cbuild-store {version}\n")).unwrap();
}

fn version(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.root().join("version")).unwrap()
}

/// Ends the process that has filled the store.
fn end(old: Old) -> (tempfile::TempDir, [StorePath; 3]) {
    let Old { fixture: Fixture { store, folder }, plain, own, user } = old;
    drop(store);
    (folder, [plain, own, user])
}

fn check(store: &Store, [plain, own, user]: &[StorePath; 3]) {
    let folder = store.root().join("format-1");
    assert_eq!(store.upgrade(), Some(&Upgrade { moved: 2, folder: folder.clone() }));
    let objects = store.objects().unwrap();
    assert_eq!(objects.iter().map(|info| &info.path).collect::<Vec<_>>(), [plain]);
    assert!(store.realisation(&key("plain"), &output("out")).unwrap().is_some());
    assert_eq!(store.realisation(&key("own"), &output("out")).unwrap(), None);
    for moved in [own, user] {
        let place = folder.join("store").join(moved.base_name());
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o555);
        assert!(place.join("f").is_file());
        assert!(folder.join("info").join(moved.base_name()).is_file());
    }
    assert_clean(store);
}

#[test]
fn objects_that_hold_their_own_digest_are_moved_and_made_again() {
    let (folder, paths) = end(old());
    let root = folder.path().join("root");
    let store = Store::open(&root).unwrap();
    check(&store, &paths);
    let text = store.upgrade().unwrap().to_string();
    assert!(text.contains("2 objects") && text.contains("format-1"), "{text}");
    drop(store);

    let store = Store::open(&root).unwrap();
    assert_eq!(store.upgrade(), None, "it is told once");
    let own = object(&store, "own", "in @out@", &[]);
    object(&store, "user", USER, &[&paths[0], &own]);
    store.add_root(&folder.path().join("result"), &own).unwrap();
    assert_clean(&store);
    let dry = store.gc(GcOptions { dry_run: true, ..GcOptions::default() }).unwrap();
    assert!(root.join("format-1").is_dir() && dry.freed > 0, "{dry:?}");
    assert_eq!(store.gc(GcOptions::default()).unwrap().freed, dry.freed);
    assert!(!root.join("format-1").exists());
}

#[test]
fn a_store_in_use_is_left_alone() {
    let old = old();
    let error = Store::open(&old.fixture.root()).unwrap_err();
    assert_eq!(error.code(), "E0619", "{error}");
    assert_eq!(version(&old.fixture), "cbuild-store 1\n");
    assert_eq!(old.fixture.store.objects().unwrap().len(), 3);
    let (folder, paths) = end(old);
    check(&Store::open(&folder.path().join("root")).unwrap(), &paths);
}

#[test]
fn what_was_begun_is_ended() {
    let old = old();
    // A process was killed after it had moved the tree of the last referrer.
    let (root, user) = (old.fixture.root(), old.user.clone());
    set_version(&old.fixture, "1 to 2");
    let place = old.fixture.store.physical(&user);
    let moved = root.join("format-1/store");
    fs::create_dir_all(&moved).unwrap();
    fs::create_dir_all(root.join("format-1/info")).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&place, moved.join(user.base_name())).unwrap();
    let moved = moved.join(user.base_name());
    fs::set_permissions(moved, fs::Permissions::from_mode(0o555)).unwrap();
    let (_folder, paths) = end(old);
    check(&Store::open(&root).unwrap(), &paths);
    assert_eq!(fs::read_to_string(root.join("version")).unwrap(), "cbuild-store 2\n");
}

#[test]
fn a_new_index_is_of_the_present_format() {
    let (folder, paths) = end(old());
    let root = folder.path().join("root");
    let _ = fs::remove_file(root.join("index.sqlite-wal"));
    fs::write(root.join("index.sqlite"), "no database".repeat(100)).unwrap();
    assert_eq!(Store::open(&root).unwrap_err().code(), "E0603");
    check(&Store::rebuild_index(&root).unwrap(), &paths);
}

#[test]
fn a_store_without_own_digests_is_brought_up_without_a_word() {
    let fixture = Fixture::new();
    let plain = fixture.object("plain", "plain", &[]);
    set_version(&fixture, "1");
    let Fixture { store, folder } = fixture;
    drop(store);
    let store = Store::open(&folder.path().join("root")).unwrap();
    assert_eq!(store.upgrade(), None);
    assert!(store.info(&plain).unwrap().is_some());
    assert!(!store.root().join("format-1").exists());
    assert_clean(&store);
}
