//! Registration, look-ups, roots, collection and verification of one store.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use cbuild_drv::{Digest, DrvId, StorePath};
use cbuild_store::{
    BuildEnding, BuildRecord, BuildUsage, BuiltOutput, Error, GcOptions, MemoryOf, ProblemKind,
    Store, VerifyOptions,
};
use fixture::{Fixture, assert_clean, build, key, name, output, prepare_file, try_build};

#[test]
fn registers_scans_and_rewrites() {
    let fixture = Fixture::new();
    let a = fixture.object("a", "plain", &[]);
    let b = fixture.object("b", "plain too", &[]);
    let c = fixture.object("c", "uses @0@ and itself @out@.", &[&a, &b]);
    let info = fixture.store.info(&c).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([a.clone()]));
    assert!(info.self_reference);
    let top = fixture.store.physical(&c);
    let text = fs::read_to_string(top.join("f")).unwrap();
    assert_eq!(text, format!("uses {a} and itself {c}."));
    assert_eq!(fs::read_link(top.join("self")).unwrap().to_str(), Some(&*format!("{c}/f")));
    assert_eq!(info.size, text.len() as u64 + 11);
    for (file, mode) in [("f", 0o444), ("x/run", 0o555), ("x", 0o555), ("", 0o555)] {
        let metadata = fs::symlink_metadata(top.join(file)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (mode, 1), "{file}");
    }
    assert_eq!(fixture.store.realisation(&key("c"), &output("out")).unwrap(), Some(c.clone()));
    assert_eq!(fixture.store.realisation(&key("c"), &output("dev")).unwrap(), None);
    let closure = fixture.store.closure(std::slice::from_ref(&c)).unwrap();
    assert_eq!(closure, BTreeSet::from([a, c]));
    fixture.assert_clean();
}

#[test]
fn same_content_from_another_action_is_the_same_object() {
    let fixture = Fixture::new();
    let a = fixture.object("a", "uses itself @out@", &[]);
    let b = fixture.object("b", "uses itself @out@", &[]);
    assert_eq!(a, b);
    assert_eq!(fixture.store.objects().unwrap().len(), 1);
    let other = Fixture::new();
    assert_eq!(other.object("elsewhere", "uses itself @out@", &[]), a);
    fixture.assert_clean();
}

#[test]
fn outputs_may_refer_to_each_other_in_one_direction() {
    let fixture = Fixture::new();
    let texts = [("out", "see @dev@ and @lib@"), ("dev", "@lib@ and @dev@"), ("lib", "alone")];
    let built = build(&fixture.store, "three", &texts, &[]);
    let references = |o: &str| fixture.store.info(&built[&output(o)]).unwrap().unwrap().references;
    let (dev, lib) = (built[&output("dev")].clone(), built[&output("lib")].clone());
    assert_eq!(references("out"), BTreeSet::from([dev.clone(), lib.clone()]));
    assert_eq!(references("dev"), BTreeSet::from([lib.clone()]));
    let text = fs::read_to_string(fixture.store.physical(&dev).join("f")).unwrap();
    assert_eq!(text, format!("{lib} and {dev}"));
    fixture.assert_clean();
    let error = try_build(&fixture.store, "circle", &[("out", "@dev@"), ("dev", "@out@")], &[]);
    let error = error.unwrap_err();
    assert_eq!(error.code(), "E0610");
    assert_eq!(
        error.to_string(),
        "the outputs refer to each other in a circle: `f` of `out` names `dev`, `f` of `dev` names `out`"
    );
    fixture.assert_clean();
}

#[test]
fn refuses_what_cannot_be_an_object() {
    let fixture = Fixture::new();
    let register = |make: &dyn Fn(&std::path::Path, &StorePath)| {
        let scratch = fixture.store.scratch().unwrap();
        let path = StorePath::scratch(&key("odd"), &output("out"), &name("odd"));
        let physical = scratch.path().join("odd");
        make(&physical, &path);
        let built =
            BuiltOutput { output: output("out"), name: name("odd"), physical, scratch: path };
        fixture.store.register(&key("odd"), vec![built], &BTreeSet::new())
    };
    let error = register(&|_, _| ()).unwrap_err();
    assert_eq!(error.code(), "E0609", "{error}");
    let error = register(&|at, _| {
        fs::create_dir(at).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    })
    .unwrap_err();
    assert!(matches!(&error, Error::FileKind { path, kind: "socket" } if path.ends_with("socket")));
    let error = register(&|at, path| {
        fs::create_dir(at).unwrap();
        fs::write(at.join(path.base_name()), "").unwrap();
    })
    .unwrap_err();
    assert_eq!(error.code(), "E0611", "{error}");
    let error = register(&|at, _| {
        let deep = "d/".repeat(300);
        fs::create_dir_all(at.join(deep)).unwrap();
    })
    .unwrap_err();
    assert_eq!(error.code(), "E0608", "{error}");
    let error = register(&|at, _| {
        let folder = longest_path(at);
        fs::write(folder.join("x"), "").unwrap();
    })
    .unwrap_err();
    assert!(matches!(error, Error::LongPath { limit: 3072, .. }), "{error}");
    assert_eq!(error.code(), "E0608", "{error}");
    assert_eq!(fixture.store.objects().unwrap(), []);
    fixture.assert_clean();
    register(&|at, _| drop(longest_path(at))).unwrap();
    let source = fixture.folder.path().join("source");
    let longest = longest_path(&source);
    fixture.store.add_tree(&source, &name("source")).unwrap();
    for folder in [false, true] {
        let over = longest.join("x");
        if folder { fs::create_dir(&over) } else { fs::write(&over, "") }.unwrap();
        let error = fixture.store.add_tree(&source, &name("source")).unwrap_err();
        assert!(matches!(error, Error::LongPath { .. }), "{error}");
        let _ = fs::remove_file(&over);
    }
    fixture.assert_clean();
}

/// Makes folders below one until there is room for no other name in a path of an object.
fn longest_path(top: &std::path::Path) -> std::path::PathBuf {
    let name = "n".repeat(255);
    let folder = top.join([name.as_str(); 12].join("/"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_file_or_link_can_be_an_object_and_names_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let fixture = Fixture::new();
    let source = fixture.folder.path().join("source");
    fs::create_dir(&source).unwrap();
    for odd in [&b"new\nline"[..], b"\xff\xfe", b".hidden", b"-"] {
        fs::write(source.join(std::ffi::OsStr::from_bytes(odd)), odd).unwrap();
    }
    symlink("/nowhere", source.join("dangling")).unwrap();
    fs::hard_link(source.join("-"), source.join("again")).unwrap();
    let tree = fixture.store.add_tree(&source, &name("tree")).unwrap();
    assert_eq!(fixture.store.add_tree(&source, &name("tree")).unwrap(), tree);
    let file = fixture.store.add_tree(&source.join("-"), &name("file")).unwrap();
    let link = fixture.store.add_tree(&source.join("dangling"), &name("link")).unwrap();
    assert_eq!(fs::read(fixture.store.physical(&file)).unwrap(), b"-");
    assert!(fs::symlink_metadata(fixture.store.physical(&link)).unwrap().is_symlink());
    assert_eq!(fs::metadata(fixture.store.physical(&tree).join("again")).unwrap().nlink(), 1);
    assert_eq!(fs::metadata(source.join("-")).unwrap().permissions().mode() & 0o200, 0o200);
    assert_eq!(fixture.store.objects().unwrap().len(), 3);
    fixture.assert_clean();
    let error = fixture.store.add_tree(&source.join("absent"), &name("x")).unwrap_err();
    assert_eq!(error.code(), "E0601");
    assert!(error.to_string().contains("source/absent"), "{error}");
}

#[test]
fn collects_what_no_root_reaches() {
    let fixture = Fixture::new();
    let base = fixture.object("base", "base", &[]);
    let kept = fixture.object("kept", "on @0@", &[&base]);
    let dead = fixture.object("dead", "on @0@", &[&kept]);
    let lone = fixture.object("lone", "alone", &[]);
    let link = fixture.folder.path().join("result");
    fixture.store.add_root(&link, &kept).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), fixture.store.physical(&kept));
    let drv = DrvId(Digest::of(b"drv"));
    let outputs = [(output("out"), lone.clone())].into();
    fixture.store.remember(&drv, &outputs).unwrap();
    assert_eq!(fixture.store.outputs_of(&drv).unwrap(), Some(outputs));

    // What the first opening has registered is kept as long as it lives.
    let second = fixture.reopen();
    assert_eq!(second.gc(GcOptions::default()).unwrap().deleted, []);
    let Fixture { store, folder } = fixture;
    drop(store);
    let dry = second.gc(GcOptions { dry_run: true, ..GcOptions::default() }).unwrap();
    assert_eq!(second.objects().unwrap().len(), 4);
    let report = second.gc(GcOptions::default()).unwrap();
    assert_eq!(report, dry);
    assert_eq!(BTreeSet::from_iter(report.deleted), BTreeSet::from([dead.clone(), lone.clone()]));
    assert_eq!(report.kept, 2);
    assert_eq!(second.info(&lone).unwrap(), None);
    assert!(!second.physical(&dead).exists());
    assert_eq!(second.outputs_of(&drv).unwrap(), None);
    assert_eq!(second.realisation(&key("lone"), &output("out")).unwrap(), None);
    assert_eq!(second.roots().unwrap().len(), 1);
    assert_clean(&second);

    fs::remove_file(&link).unwrap();
    assert_eq!(second.roots().unwrap(), []);
    let report = second.gc(GcOptions::default()).unwrap();
    assert_eq!(report.deleted, [kept, base], "referrers go first");
    assert_eq!(second.objects().unwrap(), []);
    assert_eq!(fs::read_dir(second.root().join("roots")).unwrap().count(), 0);
    assert_clean(&second);
    drop(folder);
}

#[test]
fn a_failure_in_a_group_is_of_its_own_action() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let scratch = store.scratch().unwrap();
    let absent = StorePath::scratch(&key("absent"), &output("out"), &name("absent"));
    let drv = |text: &str| DrvId(Digest::of(text.as_bytes()));
    let group: Vec<_> =
        [("one", "1".to_owned()), ("bad", absent.to_string()), ("two", "2".to_owned())]
            .iter()
            .map(|(action, content)| {
                let build = BuildRecord {
                    key: key(action),
                    name: (*action).to_owned(),
                    started: 1,
                    duration_ms: 5,
                    ending: BuildEnding::Exited(0),
                    log: None,
                    usage: None,
                    origin: None,
                };
                prepare_file(store, &scratch, action, content, std::slice::from_ref(&absent))
                    .with_notes(drv(action), build)
            })
            .collect();
    let results = store.complete(&group);
    drop(group);
    assert!(matches!(results[1], Err(Error::ReferenceMissing { .. })), "{:?}", results[1]);
    for (action, result) in [("one", &results[0]), ("two", &results[2])] {
        let outputs = result.as_ref().unwrap();
        assert_eq!(store.outputs_of(&drv(action)).unwrap().as_ref(), Some(outputs));
        assert_eq!(store.last_duration(action).unwrap(), Some(5));
        assert_eq!(
            store.realisation(&key(action), &output("out")).unwrap().as_ref(),
            outputs.values().next()
        );
    }
    assert_eq!(store.outputs_of(&drv("bad")).unwrap(), None);
    assert_eq!(store.last_duration("bad").unwrap(), None);
    assert_eq!(store.objects().unwrap().len(), 2);
    assert_clean(store);
    drop(scratch);
    let left: Vec<_> = fs::read_dir(store.root().join("tmp")).unwrap().collect();
    assert_eq!(left.len(), 1, "the folder of this process: {left:?}");
    assert_eq!(fs::read_dir(left[0].as_ref().unwrap().path()).unwrap().count(), 0);
}

#[test]
fn a_root_does_not_replace_a_file() {
    let fixture = Fixture::new();
    let object = fixture.object("a", "a", &[]);
    let link = fixture.folder.path().join("precious");
    fs::write(&link, "data").unwrap();
    assert_eq!(fixture.store.add_root(&link, &object).unwrap_err().code(), "E0614");
    assert_eq!(fs::read(&link).unwrap(), b"data");
    let absent = StorePath::scratch(&key("x"), &output("out"), &name("absent"));
    let error = fixture.store.add_root(&fixture.folder.path().join("r"), &absent).unwrap_err();
    assert_eq!(error.code(), "E0613");
}

#[test]
fn protection_tells_what_is_gone() {
    let fixture = Fixture::new();
    let object = fixture.object("a", "a", &[]);
    let root = fixture.root();
    let Fixture { store, folder } = fixture;
    drop(store);
    let (builder, collector) = (Store::open(&root).unwrap(), Store::open(&root).unwrap());
    assert_eq!(builder.protect(std::slice::from_ref(&object)).unwrap(), BTreeSet::new());
    assert_eq!(collector.gc(GcOptions::default()).unwrap().deleted, []);
    drop(builder);
    let deleted = collector.gc(GcOptions::default()).unwrap().deleted;
    assert_eq!(deleted, std::slice::from_ref(&object));
    let missing = collector.protect(std::slice::from_ref(&object)).unwrap();
    assert_eq!(missing, BTreeSet::from([object]));
    drop(folder);
}

#[test]
fn verification_finds_and_repair_drops_damage() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let good = fixture.object("good", "good", &[]);
    let damaged = fixture.object("damaged", "damaged", &[]);
    let user = fixture.object("user", "uses @0@", &[&damaged]);
    let touched = fixture.object("touched", "touched", &[]);
    let lost = fixture.object("lost", "lost", &[]);
    let unrecorded = fixture.object("unrecorded", "unrecorded", &[]);
    fixture.assert_clean();

    let file = store.physical(&damaged).join("f");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "Damaged").unwrap();
    fs::set_permissions(store.physical(&touched), fs::Permissions::from_mode(0o700)).unwrap();
    let moved = store.physical(&lost);
    fs::set_permissions(&moved, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&moved, fixture.folder.path().join("elsewhere")).unwrap();
    fs::write(store.root().join("info").join(unrecorded.base_name()), "cbuild-info 1\n").unwrap();
    fs::write(store.store_dir().join("notes.txt"), "mine").unwrap();

    let report = store.verify(&VerifyOptions { only: None, repair: true }).unwrap();
    let kind = |path: &StorePath| {
        let place = store.physical(path);
        report.problems.iter().find(|p| p.path == place).map(|p| p.kind.clone())
    };
    assert!(matches!(kind(&damaged), Some(ProblemKind::Damaged(_))));
    assert!(matches!(kind(&touched), Some(ProblemKind::Touched(_))));
    assert!(matches!(kind(&unrecorded), Some(ProblemKind::Record(_))));
    assert_eq!(kind(&lost), Some(ProblemKind::Missing));
    assert_eq!(kind(&good), None);
    assert_eq!(report.problems.len(), 5, "{:#?}", report.problems);
    let dropped = BTreeSet::from_iter(report.dropped);
    assert_eq!(dropped, BTreeSet::from([damaged, user, lost, unrecorded]));
    assert_eq!(fs::read(store.root().join("foreign/notes.txt")).unwrap(), b"mine");
    let left: Vec<_> = store.objects().unwrap().into_iter().map(|info| info.path).collect();
    assert_eq!(BTreeSet::from_iter(left), BTreeSet::from([good, touched]));
    fixture.assert_clean();
}

#[test]
fn a_lost_object_is_put_back_by_its_action() {
    let fixture = Fixture::new();
    let lost = fixture.object("lost", "lost", &[]);
    let user = fixture.object("user", "uses @0@", &[&lost]);
    let place = fixture.store.physical(&lost);
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&place, fixture.folder.path().join("elsewhere")).unwrap();
    assert_eq!(fixture.store.realisation(&key("lost"), &output("out")).unwrap(), None);
    assert_eq!(fixture.store.info(&lost).unwrap(), None);
    assert_eq!(fixture.object("lost", "lost", &[]), lost);
    let info = fixture.store.info(&user).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([lost]));
    fixture.assert_clean();
}

#[test]
fn extended_attributes_and_unreadable_files_become_normal() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let fixture = Fixture::new();
    let scratch = fixture.store.scratch().unwrap();
    let path = StorePath::scratch(&key("odd"), &output("out"), &name("odd"));
    let physical = scratch.path().join("odd");
    fs::create_dir_all(physical.join("closed")).unwrap();
    let file = physical.join("closed/file");
    fs::write(&file, "text").unwrap();
    setxattr(&file, "user.note", b"x", XattrFlags::empty()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(physical.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let built = BuiltOutput { output: output("out"), name: name("odd"), physical, scratch: path };
    let made = fixture.store.register(&key("odd"), vec![built], &BTreeSet::new()).unwrap();
    let file = fixture.store.physical(&made[&output("out")]).join("closed/file");
    assert_eq!(fs::read(&file).unwrap(), b"text");
    let mut value = [0u8; 16];
    assert_eq!(getxattr(&file, "user.note", &mut value), Err(rustix::io::Errno::NODATA));
    fixture.assert_clean();
}

#[test]
fn history_and_logs() {
    let fixture = Fixture::new();
    let record = |name: &str, duration_ms, status| BuildRecord {
        key: key(name),
        name: name.to_owned(),
        started: 17,
        duration_ms,
        ending: BuildEnding::Exited(status),
        log: Some(fixture.store.log_path(&key(name))),
        usage: (status == 0).then_some(BuildUsage {
            cpu_ms: duration_ms * 2,
            memory: 3 << 30,
            memory_of: if name == "a" { MemoryOf::All } else { MemoryOf::LargestProcess },
        }),
        origin: (name == "a").then(|| "/home/a".into()),
    };
    assert_eq!(fixture.store.last_duration("a").unwrap(), None);
    for (name, duration, status) in [("a", 5, 0), ("a", 7, 0), ("a", 1, 2), ("b", 9, 0)] {
        fixture.store.record_build(&record(name, duration, status)).unwrap();
    }
    assert_eq!(fixture.store.last_duration("a").unwrap(), Some(7));
    let builds = fixture.store.builds(Some("a"), 2).unwrap();
    assert_eq!(builds, [record("a", 1, 2), record("a", 7, 0)]);
    for _ in 0..60 {
        fixture.store.record_build(&record("c", 1, 0)).unwrap();
    }
    assert_eq!(fixture.store.builds(Some("c"), 100).unwrap().len(), 50);
    assert_eq!(fixture.store.builds(None, 100).unwrap().len(), 54);
    assert_eq!(fixture.store.builds(Some("b"), 1).unwrap(), [record("b", 9, 0)]);
    fs::write(fixture.store.log_path(&key("a")), "log").unwrap();
}

#[test]
fn after_a_power_cut_the_remains_are_put_in_order() {
    let fixture = Fixture::new();
    let good = fixture.object("good", "good", &[]);
    let cut = fixture.object("cut", "cut", &[]);
    let user = fixture.object("user", "uses @0@ and @1@", &[&cut, &good]);
    let lost = fixture.object("lost", "lost", &[]);
    let unindexed = fixture.object("unindexed", "unindexed @out@", &[]);
    let root = fixture.root();
    let Fixture { store, folder } = fixture;
    drop(store);
    fs::write(root.join("info").join(cut.base_name()), "").unwrap();
    let place = root.join("store").join(lost.base_name());
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&place, folder.path().join("elsewhere")).unwrap();
    fs::write(root.join("realisations").join(key("good").to_string()), "").unwrap();
    {
        // The index has lost its last transactions and was last used before the restart.
        let connection = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
        let base = unindexed.base_name();
        connection.execute("delete from objects where base = ?", [base]).unwrap();
        connection.execute("update meta set value = 'earlier' where key = 'boot'", []).unwrap();
    }
    let store = Store::open(&root).unwrap();
    let left: Vec<_> = store.objects().unwrap().into_iter().map(|info| info.path).collect();
    assert_eq!(BTreeSet::from_iter(left), BTreeSet::from([good, unindexed.clone()]));
    assert_eq!(store.realisation(&key("good"), &output("out")).unwrap(), None);
    let realised = store.realisation(&key("unindexed"), &output("out")).unwrap();
    assert_eq!(realised, Some(unindexed));
    assert!(!store.physical(&user).exists());
    assert_clean(&store);
    drop(folder);
}

#[test]
fn large_trees_are_synchronised_as_a_whole() {
    let fixture = Fixture::new();
    let source = fixture.folder.path().join("source");
    for number in 0..150 {
        let folder = source.join(format!("{}", number % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(number.to_string()), vec![b'x'; number * 1000]).unwrap();
    }
    let path = fixture.store.add_tree(&source, &name("large")).unwrap();
    let info = fixture.store.info(&path).unwrap().unwrap();
    assert_eq!(info.size, (0..150).map(|number| number * 1000).sum::<u64>());
    fixture.assert_clean();
}

#[test]
fn a_store_can_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
    let fixture = Fixture::new();
    let made: Vec<StorePath> = std::thread::scope(|scope| {
        let build = |n: usize| fixture.object(&format!("{}", n % 3), &format!("{}", n % 3), &[]);
        let threads: Vec<_> = (0..9).map(|n| scope.spawn(move || build(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(BTreeSet::from_iter(made).len(), 3);
    assert_eq!(fixture.store.objects().unwrap().len(), 3);
    fixture.assert_clean();
}

#[test]
fn refuses_newer_formats_and_foreign_folders() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    assert_eq!(Store::open(folder.path()).unwrap_err().code(), "E0606");
    fs::write(folder.path().join("version"), "").unwrap();
    assert_eq!(Store::open(folder.path()).unwrap_err().code(), "E0606");
    let fixture = Fixture::new();
    let root = fixture.root();
    fs::write(root.join("version"), "cbuild-store 3\n").unwrap();
    let error = Store::open(&root).unwrap_err();
    assert_eq!(error.code(), "E0605");
    assert!(error.to_string().contains("has format version 3"), "{error}");
    // Lost in a power cut, or killed while the file was made: nothing else has such folders.
    fs::write(root.join("version"), "").unwrap();
    Store::open(&root).unwrap();
    assert_eq!(fs::read(root.join("version")).unwrap(), b"cbuild-store 2\n");
}

#[test]
fn holes_of_a_source_stay_holes() {
    let fixture = Fixture::new();
    let source = fixture.folder.path().join("sparse");
    let file = fs::File::create(&source).unwrap();
    file.write_all_at(b"start", 0).unwrap();
    file.write_all_at(b"end", 40 << 20).unwrap();
    file.set_len(64 << 20).unwrap();
    let added = fixture.store.add_tree(&source, &name("sparse")).unwrap();
    let copy = fixture.store.physical(&added);
    assert!(fs::read(&copy).unwrap() == fs::read(&source).unwrap());
    assert!(fs::metadata(&copy).unwrap().blocks() * 512 < 4 << 20);
    assert_clean(&fixture.store);
}
