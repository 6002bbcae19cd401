//! What a collection keeps: by age, by size, logs and records; sets of roots; objects that were not
//! waited for until they were on the disk.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use cbuild_drv::StorePath;
use cbuild_store::{BuildEnding, BuildRecord, GcOptions, Store};
use fixture::{Fixture, assert_clean, key, name, object};

const DAY: u64 = 86_400;

/// A store that nothing is protected in, with three objects of which the last refers to the first.
fn three() -> (tempfile::TempDir, Store, Vec<StorePath>) {
    let Fixture { store, folder } = Fixture::new();
    let base = object(&store, "base", "base", &[]);
    let lone = object(&store, "lone", "lone", &[]);
    let user = object(&store, "user", "uses @0@", &[&base]);
    let root = store.root().to_owned();
    drop(store);
    (folder, Store::open(&root).unwrap(), vec![base, lone, user])
}

/// Lets an object look as if it had been registered so many days ago.
fn age(store: &Store, path: &StorePath, days: u64) {
    let connection = rusqlite::Connection::open(store.root().join("index.sqlite")).unwrap();
    let sql = "update objects set registered = registered - ? where base = ?";
    let changed = connection.execute(sql, ((days * DAY).cast_signed(), path.base_name())).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn the_young_and_all_they_need_stay() {
    let (_folder, store, paths) = three();
    paths.iter().for_each(|path| age(&store, path, 10));
    let young = GcOptions { older_than: Some(20 * DAY), ..GcOptions::default() };
    assert_eq!(store.gc(young).unwrap().deleted, []);
    let [base, lone, user] = &paths[..] else { unreachable!() };
    age(&store, lone, 20);
    age(&store, base, 20);
    let report = store.gc(young).unwrap();
    assert_eq!(report.deleted, std::slice::from_ref(lone), "the other one is referred to");
    assert_eq!(report.kept, 2);
    age(&store, user, 20);
    assert_eq!(store.gc(young).unwrap().deleted, [user.clone(), base.clone()]);
}

#[test]
fn a_limit_of_size_takes_the_oldest_first() {
    let (_folder, store, paths) = three();
    let [base, lone, user] = &paths[..] else { unreachable!() };
    age(&store, base, 3);
    age(&store, user, 2);
    age(&store, lone, 1);
    let total: u64 = store.objects().unwrap().iter().map(|info| info.size).sum();
    let at_most = |most| GcOptions { max_size: Some(most), ..GcOptions::default() };
    assert_eq!(store.gc(at_most(total)).unwrap().deleted, []);
    let dry = GcOptions { dry_run: true, ..at_most(total - 1) };
    assert_eq!(store.gc(dry).unwrap().deleted, std::slice::from_ref(user));
    let report = store.gc(at_most(total - 1)).unwrap();
    assert_eq!((report.deleted, report.kept), (vec![user.clone()], 2));
    assert_eq!(store.gc(at_most(1)).unwrap().deleted, [base.clone(), lone.clone()]);
    assert_clean(&store);
}

#[test]
fn a_rooted_referrer_keeps_what_it_needs() {
    let (_folder, store, paths) = three();
    let root = store.root().to_owned();
    let other = Store::open(&root).unwrap();
    let late = object(&other, "late", "late @0@", &[&paths[0]]);
    drop(other);
    let rooted = root.join("roots/late");
    store.add_root(&rooted, &late).unwrap();
    drop(store);
    let store = Store::open(&root).unwrap();
    let report = store.gc(GcOptions::default()).unwrap();
    let expected = BTreeSet::from([paths[1].clone(), paths[2].clone()]);
    assert_eq!(BTreeSet::from_iter(report.deleted), expected);
    assert_eq!(store.closure(&[late]).unwrap().len(), 2);
    assert_eq!(store.remove_root(&rooted).unwrap().len(), 1);
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted.len(), 2);
}

#[test]
fn relative_links_begin_where_they_are() {
    let (folder, store, paths) = three();
    let root = store.root().to_owned();
    drop(store);
    let store = Store::open(&root).unwrap();
    let [base, lone, user] = &paths[..] else { unreachable!() };
    let link = |target: String, place: &str| {
        std::os::unix::fs::symlink(target, root.join(place)).unwrap();
    };
    let store_name = root.file_name().unwrap().to_str().unwrap().to_owned();
    // From the entry by way of a link beside the store, which is relative as well.
    link(format!("{store_name}/store/{}", lone.base_name()), "../link");
    link("../../link".to_owned(), "roots/entry");
    // In a folder of the user's own.
    fs::create_dir_all(root.join("roots/mine/more")).unwrap();
    link(format!("../../../store/{}", user.base_name()), "roots/mine/more/entry");
    fs::write(root.join("roots/text"), "no link").unwrap();
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!((report.deleted, report.ended), (vec![], vec![]));
    let roots: Vec<_> = store.roots().unwrap().into_iter().map(|root| root.path).collect();
    assert_eq!(BTreeSet::from_iter(roots), BTreeSet::from([lone.clone(), user.clone()]));
    let outside = root.join("../link");
    assert_eq!(store.remove_root(&outside).unwrap().len(), 1);
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!((report.deleted, report.kept), (vec![lone.clone()], 2));
    assert!(store.closure(std::slice::from_ref(base)).is_ok());
    drop(folder);
}

#[test]
fn logs_go_when_neither_history_nor_realisation_names_them() {
    let (_folder, store, _) = three();
    let write = |action: &str| {
        fs::write(store.log_path(&key(action)), "log").unwrap();
        fs::write(store.root().join(format!("logs/{}.action", key(action))), "act").unwrap();
    };
    let record = |action: &str, started| {
        let (key, log) = (key(action), Some(store.log_path(&key(action))));
        let name = action.to_owned();
        let build = BuildRecord {
            key,
            name,
            started,
            duration_ms: 1,
            ending: BuildEnding::Exited(1),
            log,
            usage: None,
            origin: None,
        };
        store.record_build(&build).unwrap();
    };
    for action in ["base", "failed", "forgotten", "running"] {
        write(action);
    }
    record("failed", 1_000);
    let running = store.lock_action(&key("running")).unwrap();
    store.add_root(&store.root().join("roots/base"), &fixture_path(&store, "base")).unwrap();
    let dry = store.gc(GcOptions { dry_run: true, ..GcOptions::default() }).unwrap();
    assert_eq!((dry.records, dry.records_freed), (2, 6));
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!((report.records, report.records_freed), (2, 6));
    assert!(!store.log_path(&key("forgotten")).exists());
    for action in ["base", "failed", "running"] {
        assert!(store.log_path(&key(action)).exists(), "{action}");
    }
    drop(running);
    // The failure is older than a day, and so are the files' times, as far as the store can tell.
    for action in ["failed", "running"] {
        for suffix in ["log.zst", "action"] {
            let file = store.root().join(format!("logs/{}.{suffix}", key(action)));
            let file = fs::File::options().write(true).open(file).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }
    let old = GcOptions { older_than: Some(DAY), ..GcOptions::default() };
    assert_eq!(store.gc(old).unwrap().records, 4);
    assert_eq!(store.builds(None, 10).unwrap(), []);
    assert!(store.log_path(&key("base")).exists());
}

fn fixture_path(store: &Store, action: &str) -> StorePath {
    store.realisation(&key(action), &fixture::output("out")).unwrap().unwrap()
}

#[test]
fn a_set_of_roots_ends_with_its_owner() {
    let (folder, store, paths) = three();
    let owner = folder.path().join("owner\nwith a line");
    fs::write(&owner, "").unwrap();
    store.keep_while(&owner, &paths[..2].iter().cloned().collect()).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let store = Store::open(&root).unwrap();
    let links: BTreeSet<_> = store.roots().unwrap().into_iter().map(|root| root.link).collect();
    assert_eq!(links, BTreeSet::from([owner.canonicalize().unwrap()]));
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [paths[2].clone()]);
    // A later set of the same owner replaces the first.
    store.keep_while(&owner, &BTreeSet::from([paths[0].clone()])).unwrap();
    drop(store);
    let store = Store::open(&root).unwrap();
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [paths[1].clone()]);
    fs::remove_file(&owner).unwrap();
    assert_eq!(store.roots().unwrap(), []);
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [paths[0].clone()]);
    assert_eq!(fs::read_dir(root.join("roots")).unwrap().count(), 0);
}

#[test]
fn removing_a_root_leaves_the_owner_of_a_set() {
    let (folder, store, paths) = three();
    let owner = folder.path().join("owner");
    fs::write(&owner, "mine").unwrap();
    store.keep_while(&owner, &paths.iter().cloned().collect()).unwrap();
    assert_eq!(store.remove_root(&owner).unwrap().len(), 3);
    assert_eq!(fs::read(&owner).unwrap(), b"mine");
    let link = folder.path().join("result");
    store.add_root(&link, &paths[0]).unwrap();
    assert_eq!(store.remove_root(&link).unwrap().len(), 1);
    assert!(fs::symlink_metadata(&link).is_err());
    assert_eq!(store.remove_root(&link).unwrap(), []);
    assert_eq!(store.roots().unwrap(), []);
}

/// A folder of more files than are waited for.
fn large(folder: &Path) -> std::path::PathBuf {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..200 {
        fs::write(source.join(format!("file-{number}")), format!("content {number}")).unwrap();
    }
    source
}

fn sidecar(store: &Store, path: &StorePath) -> String {
    fs::read_to_string(store.root().join("info").join(path.base_name())).unwrap()
}

/// The next opening takes the system for a newly started one.
fn restart(root: &Path) {
    let connection = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
    connection.execute("update meta set value = 'earlier' where key = 'boot'", []).unwrap();
}

#[test]
fn an_unsettled_object_is_read_again_after_a_restart() {
    let Fixture { store, folder } = Fixture::new();
    let source = large(folder.path());
    let path = store.add_tree(&source, &name("large")).unwrap();
    assert!(sidecar(&store, &path).contains("\nunsettled 1\n"));
    assert_clean(&store);
    let root = store.root().to_owned();
    drop(store);
    restart(&root);
    let store = Store::open(&root).unwrap();
    assert!(store.info(&path).unwrap().is_some(), "it is whole");
    assert!(sidecar(&store, &path).contains("\nunsettled 1\n"), "nobody has waited yet");

    // A block that never reached the disk.
    let file = store.physical(&path).join("file-7");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "content 0").unwrap();
    drop(store);
    restart(&root);
    let store = Store::open(&root).unwrap();
    assert_eq!(store.info(&path).unwrap(), None);
    assert!(!store.physical(&path).exists());
    assert_clean(&store);
    assert_eq!(store.add_tree(&source, &name("large")).unwrap(), path);
    assert_clean(&store);
}

#[test]
fn settling_takes_the_mark_off() {
    let Fixture { store, folder } = Fixture::new();
    let path = store.add_tree(&large(folder.path()), &name("large")).unwrap();
    store.settle().unwrap();
    assert!(!sidecar(&store, &path).contains("unsettled"));
    assert_clean(&store);
    let small = folder.path().join("small");
    fs::write(&small, "small").unwrap();
    let path = store.add_tree(&small, &name("small")).unwrap();
    assert!(!sidecar(&store, &path).contains("unsettled"), "few files are waited for");
}

#[test]
fn a_changed_source_is_another_object() {
    let Fixture { store, folder } = Fixture::new();
    let source = large(folder.path());
    let first = store.add_tree(&source, &name("large")).unwrap();
    assert_eq!(store.add_tree(&source, &name("large")).unwrap(), first);
    fs::write(source.join("file-3"), "other").unwrap();
    let second = store.add_tree(&source, &name("large")).unwrap();
    assert_ne!(first, second);
    assert_eq!(store.objects().unwrap().len(), 2);
    assert_clean(&store);
}

#[test]
fn equal_files_are_stored_once() {
    let Fixture { store, folder } = Fixture::new();
    let paths: Vec<_> = ["one", "two", "three"]
        .iter()
        .map(|action| object(&store, action, &format!("its own {action}"), &[]))
        .collect();
    let script = |path| store.physical(path).join("x/run");
    let inodes = || -> BTreeSet<u64> {
        paths.iter().map(|path| fs::metadata(script(path)).unwrap().ino()).collect()
    };
    let dry = store.optimise(true).unwrap();
    assert_eq!(inodes().len(), 3);
    let report = store.optimise(false).unwrap();
    assert_eq!((report.files, report), (2, dry));
    assert_eq!(inodes().len(), 1);
    assert_clean(&store);
    assert_eq!(store.optimise(false).unwrap().files, 0);
    let small = folder.path().join("small");
    fs::write(&small, "its own one").unwrap();
    store.add_tree(&small, &name("file")).unwrap();
    assert_eq!(store.optimise(false).unwrap().files, 1, "an object can be a file itself");
    assert_clean(&store);

    // Restoring permissions, and taking a linked file in, gives files of their own.
    let copy = folder.path().join("copy");
    fs::hard_link(script(&paths[0]), &copy).unwrap();
    store.add_tree(&copy, &name("copy")).unwrap();
    assert_clean(&store);
}

#[test]
fn a_kill_while_links_are_made_is_put_in_order() {
    let Fixture { store, folder } = Fixture::new();
    let path = object(&store, "one", "one", &[]);
    let root = store.root().to_owned();
    let top = store.physical(&path);
    drop(store);
    fs::write(root.join("locks/commit"), format!("mend {}\n", path.base_name())).unwrap();
    fs::set_permissions(top.join("x"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(top.join("x/run"), top.join("x/.cbuild-link-new")).unwrap();
    let store = Store::open(&root).unwrap();
    assert_clean(&store);
    assert_eq!(fs::metadata(root.join("locks/commit")).unwrap().len(), 0);
    drop(folder);
}
