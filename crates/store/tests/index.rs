//! What becomes of a store whose index is older or damaged.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cbuild_store::{BuildEnding, BuildRecord, BuildUsage, MemoryOf, Store, VerifyOptions};
use fixture::{Fixture, assert_clean, key, output};

/// An index of version 1 keeps its history, without what builds took.
#[test]
fn an_older_index_is_brought_up() {
    let fixture = Fixture::new();
    let object = fixture.object("a", "a", &[]);
    let mut build = BuildRecord {
        key: key("a"),
        name: "a".to_owned(),
        started: 17,
        duration_ms: 5,
        ending: BuildEnding::Exited(0),
        log: None,
        usage: Some(BuildUsage { cpu_ms: 1, memory: 2, memory_of: MemoryOf::All }),
        origin: None,
    };
    fixture.store.record_build(&build).unwrap();
    let root = fixture.root();
    let Fixture { store, folder } = fixture;
    drop(store);
    let index = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
    let older = "alter table builds drop column cpu; alter table builds drop column memory;
        alter table builds drop column memory_of;
        alter table builds drop column origin; pragma user_version = 1";
    index.execute_batch(older).unwrap();
    drop(index);
    let store = Store::open(&root).unwrap();
    build.usage = None;
    assert_eq!(store.builds(None, 9).unwrap(), [build.clone()]);
    assert_eq!(store.objects().unwrap()[0].path, object);
    build.usage = Some(BuildUsage { cpu_ms: 9, memory: 8, memory_of: MemoryOf::LargestProcess });
    store.record_build(&build).unwrap();
    assert_eq!(store.builds(None, 1).unwrap(), [build]);
    assert_clean(&store);
    drop(folder);
}

/// What was found to be damaged stays so when the index is made anew, and when the system was started anew.
#[test]
fn damage_is_not_forgotten() {
    let fixture = Fixture::new();
    let a = fixture.object("a", "a", &[]);
    let file = fixture.store.physical(&a).join("f");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "other").unwrap();
    assert_eq!(fixture.store.verify(&VerifyOptions::default()).unwrap().damaged.len(), 1);
    let is_usable = |store: &Store| store.realisation(&key("a"), &output("out")).unwrap().is_some();
    assert!(!is_usable(&fixture.store));
    let (_folder, root) = closed(fixture);
    assert!(!is_usable(&Store::rebuild_index(&root).unwrap()));
    assert!(!is_usable(&Store::open(&root).unwrap()));
    let index = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
    index.execute("update meta set value = 'another' where key = 'boot'", []).unwrap();
    drop(index);
    let store = Store::open(&root).unwrap();
    assert!(!is_usable(&store));
    fs::write(&file, "a").unwrap();
    store.verify(&VerifyOptions::default()).unwrap();
    assert!(is_usable(&store));
}

#[test]
fn damaged_index_is_told_and_can_be_rebuilt() {
    for damage in ["garbage", "truncated", "emptied"] {
        let fixture = Fixture::new();
        let a = fixture.object("a", "a", &[]);
        let b = fixture.object("b", "b @0@ @out@", &[&a]);
        let infos = fixture.store.objects().unwrap();
        let (folder, root) = closed(fixture);
        let index = root.join("index.sqlite");
        let bytes = fs::read(&index).unwrap();
        match damage {
            "garbage" => fs::write(&index, vec![b'x'; bytes.len()]).unwrap(),
            "truncated" => fs::write(&index, &bytes[..bytes.len() / 2]).unwrap(),
            _ => fs::write(&index, "").unwrap(),
        }
        let error = Store::open(&root).and_then(|store| {
            store.objects()?;
            store.verify(&VerifyOptions::default())
        });
        let store = if damage == "emptied" {
            // Nothing contradicts the files, so they are read again without a word.
            error.unwrap();
            Store::open(&root).unwrap()
        } else {
            let error = error.unwrap_err();
            assert_eq!(error.code(), "E0603", "{damage}: {error}");
            assert!(error.to_string().contains("index.sqlite"), "{error}");
            assert!(error.help().unwrap().contains("cbuild store verify --rebuild-index"));
            let store = Store::rebuild_index(&root).unwrap();
            assert!(root.join("index.sqlite.damaged-1").exists());
            store
        };
        assert_eq!(store.objects().unwrap(), infos, "{damage}");
        assert_eq!(store.realisation(&key("b"), &output("out")).unwrap(), Some(b));
        assert_clean(&store);
        drop(folder);
    }
}

/// Closes a store, and brings the write-ahead log into the main file, so that damage to that counts. Gives
/// the store's folder and the guard that removes it.
fn closed(fixture: Fixture) -> (tempfile::TempDir, PathBuf) {
    let root = fixture.root();
    let Fixture { store, folder } = fixture;
    drop(store);
    let connection = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
    connection.pragma_update_and_check(None, "wal_checkpoint", "truncate", |_| Ok(())).unwrap();
    (folder, root)
}

#[test]
fn no_damage_to_the_index_is_fatal() {
    let fixture = Fixture::new();
    let first = fixture.object("first", "first", &[]);
    for number in 0..40 {
        fixture.object(&format!("{number}"), &format!("{number} @0@ @out@"), &[&first]);
    }
    let infos = fixture.store.objects().unwrap();
    let (folder, root) = closed(fixture);
    let index = root.join("index.sqlite");
    let bytes = fs::read(&index).unwrap();
    let mut told = 0;
    for (round, offset) in (0..bytes.len()).step_by(bytes.len() / 60).enumerate() {
        let mut damaged = bytes.clone();
        let end = bytes.len().min(offset + 1 + round * 7);
        damaged[offset..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(&index, damaged).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(root.join(format!("index.sqlite{suffix}")));
        }
        let outcome = Store::open(&root).and_then(|store| {
            store.realisation(&key("7"), &output("out"))?;
            store.closure(std::slice::from_ref(&first))?;
            store.objects()?;
            store.verify(&VerifyOptions::default())
        });
        match outcome {
            Ok(report) if report.is_clean() => continue,
            Ok(_) => {}
            Err(error) => {
                let codes = ["E0603", "E0604", "E0605", "E0613"];
                assert!(codes.contains(&error.code()), "at {offset}: {error}");
            }
        }
        told += 1;
        if told % 8 == 1 {
            let store = Store::rebuild_index(&root).unwrap();
            assert_eq!(store.objects().unwrap(), infos);
            assert_clean(&store);
        }
    }
    assert!(told > 10, "only {told} damages were noticed");
    drop(folder);
}

#[test]
fn what_was_written_beside_a_run_is_in_the_file_itself() {
    let fixture = Fixture::new();
    fixture.store.expect_many(true).unwrap();
    let root = fixture.root();
    let alone = || {
        // The file without its log.
        let copy = fixture.folder.path().join("copy.sqlite");
        fs::copy(root.join("index.sqlite"), &copy).unwrap();
        let connection = rusqlite::Connection::open(&copy).unwrap();
        let count = |table: &str| -> rusqlite::Result<i64> {
            connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))
        };
        count("objects").unwrap_or_default()
    };
    let add = |from: usize, to: usize| {
        (from..to).for_each(|n| drop(fixture.object(&n.to_string(), &n.to_string(), &[])));
    };
    add(0, 30);
    fixture.store.checkpoint().unwrap();
    assert_eq!(alone(), 0, "a little is left where it is");
    add(30, 60);
    fixture.store.checkpoint().unwrap();
    assert_eq!(alone(), 60);
    add(60, 70);
    fixture.store.expect_many(false).unwrap();
    assert_eq!(fixture.reopen().objects().unwrap().len(), 70);
    fixture.assert_clean();
}
