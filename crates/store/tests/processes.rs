//! Several processes on one store, processes that are killed, and full disks.
//!
//! Run without arguments this is the test; with a role as its first argument it is one of the
//! processes that the test starts.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cbuild_drv::StorePath;
use cbuild_store::{Error, GcOptions, Registration, Store, VerifyOptions};
use fixture::{Fixture, Prepared, assert_clean, build, key, object, output, prepare_file};

const OUTPUTS: [(&str, &str); 2] = [("out", "see @dev@, @0@ and @out@"), ("dev", "self @dev@")];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role-register", root] => register_pair(&Store::open(Path::new(root)).unwrap()),
        ["role-register-group", root] => register_group(&Store::open(Path::new(root)).unwrap()),
        ["role-collect", root] => {
            Store::open(Path::new(root)).unwrap().gc(GcOptions::default()).unwrap();
        }
        ["role-endless", root, seed] => endless(Path::new(root), seed),
        ["role-crowd", root, seed] => crowd(Path::new(root), seed),
        ["role-full-disk", folder] => full_disk(Path::new(folder)),
        _ => tests(&words),
    }
}

/// Runs the tests whose name contains the first argument that is not an option.
fn tests(words: &[&str]) {
    let wanted = words.iter().find(|word| !word.starts_with('-')).unwrap_or(&"");
    let all: [(&str, fn()); 6] = [
        ("killed_registrations_are_whole_or_nothing", killed_registrations),
        ("killed_groups_are_whole_or_nothing_for_each_action", killed_groups),
        ("killed_collections_are_finished", killed_collections),
        ("kills_at_any_moment_leave_a_clean_store", kills_at_any_moment),
        ("processes_share_a_store", processes_share_a_store),
        ("a_full_disk_registers_nothing", a_full_disk_registers_nothing),
    ];
    for (name, test) in all.iter().filter(|(name, _)| name.contains(wanted)) {
        println!("test {name} ...");
        test();
        println!("test {name} ... ok");
    }
}

fn role(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words);
    command
}

fn register_pair(store: &Store) {
    let base = object(store, "base", "base", &[]);
    build(store, "pair", &OUTPUTS, &[&base]);
}

fn expected_pair() -> fixture::Outputs {
    let fixture = Fixture::new();
    let base = fixture.object("base", "base", &[]);
    build(&fixture.store, "pair", &OUTPUTS, &[&base])
}

fn assert_swept(root: &Path) {
    for folder in ["tmp", "locks/live"] {
        let left: Vec<_> = std::fs::read_dir(root.join(folder)).unwrap().collect();
        assert!(left.is_empty(), "{folder} holds {left:?}");
    }
}

fn killed_registrations() {
    let expected = expected_pair();
    let points = [
        "before sidecar",
        "before object",
        "before seal",
        "before index",
        "after index",
        "after realisation",
    ];
    for point in points {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        object(&Store::open(&root).unwrap(), "base", "base", &[]);
        let mut child = role(&["role-register", root.to_str().unwrap()]);
        let status = child.env("CBUILD_STORE_FAULT", point).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
        let store = Store::open(&root).unwrap();
        assert_clean(&store);
        for info in store.objects().unwrap() {
            assert!(store.physical(&info.path).exists());
            store.closure(&[info.path]).unwrap();
        }
        let realised = store.realisation(&key("pair"), &output("out")).unwrap();
        let complete = point == "after realisation";
        assert_eq!(realised.is_some(), complete, "{point}");
        register_pair(&store);
        for (output, path) in &expected {
            assert_eq!(store.realisation(&key("pair"), output).unwrap().as_ref(), Some(path));
        }
        assert_eq!(store.objects().unwrap().len(), 3);
        assert_clean(&store);
        drop(store);
        assert_swept(&root);
    }
}

/// Three actions at once, of which the second and the third make the same object.
fn register_group(store: &Store) {
    let scratch = store.scratch().unwrap();
    let group: Vec<Registration> = ["one", "two", "three"]
        .iter()
        .map(|action| {
            let content = if *action == "one" { "first" } else { "other" };
            prepare_file(store, &scratch, action, content, &[])
        })
        .collect();
    for outputs in store.complete(&group) {
        assert_eq!(outputs.unwrap().len(), 1);
    }
}

fn killed_groups() {
    for point in [
        "before sidecar",
        "before object",
        "before seal",
        "before index",
        "after index",
        "between realisations",
        "after realisation",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        drop(Store::open(&root).unwrap());
        let mut child = role(&["role-register-group", root.to_str().unwrap()]);
        let status = child.env("CBUILD_STORE_FAULT", point).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
        let store = Store::open(&root).unwrap();
        assert_clean(&store);
        let realised = |action: &str| store.realisation(&key(action), &output("out")).unwrap();
        let known = ["one", "two", "three"].map(|action| realised(action).is_some());
        let expected = match point {
            "between realisations" => [true, false, false],
            "after realisation" => [true; 3],
            _ => [false; 3],
        };
        assert_eq!(known, expected, "{point}");
        register_group(&store);
        assert_eq!(realised("two"), realised("three"));
        assert_eq!(store.objects().unwrap().len(), 2);
        assert_clean(&store);
        drop(store);
        assert_swept(&root);
    }
}

fn killed_collections() {
    for point in ["after unindexing", "before discard"] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        register_pair(&Store::open(&root).unwrap());
        let mut child = role(&["role-collect", root.to_str().unwrap()]);
        let status = child.env("CBUILD_STORE_FAULT", point).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
        let store = Store::open(&root).unwrap();
        assert_clean(&store);
        // Nothing had been moved away yet, so nothing is lost and the next run deletes it all.
        assert_eq!(store.objects().unwrap().len(), 3, "{point}");
        assert_eq!(store.gc(GcOptions::default()).unwrap().deleted.len(), 3);
        assert_eq!(std::fs::read_dir(root.join("realisations")).unwrap().count(), 0);
        assert_clean(&store);
    }
}

/// Registers and collects for ever; a line for each step.
fn endless(root: &Path, seed: &str) {
    let mut last: Option<StorePath> = None;
    for number in 0u64.. {
        let store = Store::open(root).unwrap();
        let content = format!("{seed} {number} @0@ and @out@");
        let kept: Vec<StorePath> = last.into_iter().collect();
        let missing = store.protect(&kept).unwrap();
        let inputs: Vec<&StorePath> = kept.iter().filter(|p| !missing.contains(p)).collect();
        last = Some(object(&store, &format!("{seed}-{number}"), &content, &inputs));
        if number % 4 == 3 {
            store.gc(GcOptions::default()).unwrap();
        }
        println!("{number}");
    }
}

fn kills_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let kept = object(&Store::open(&root).unwrap(), "kept", "kept", &[]);
    let link = folder.path().join("result");
    Store::open(&root).unwrap().add_root(&link, &kept).unwrap();
    for round in 0..30usize {
        let seed = round.to_string();
        let mut child = role(&["role-endless", root.to_str().unwrap(), &seed])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // What the child does at this moment depends on the scheduler.
        assert_eq!(lines.take(1 + round % 5).filter(Result::is_ok).count(), 1 + round % 5);
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&root).unwrap();
        assert_clean(&store);
        assert!(store.info(&kept).unwrap().is_some());
    }
    let store = Store::open(&root).unwrap();
    store.gc(GcOptions::default()).unwrap();
    assert_eq!(store.objects().unwrap().len(), 1);
    assert_clean(&store);
    drop(store);
    assert_swept(&root);
}

/// Registers objects that others register as well, while others collect.
fn crowd(root: &Path, seed: &str) {
    let store = Store::open(root).unwrap();
    let mut paths: Vec<StorePath> = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    let mut paths = Vec::new();
                    for number in 0..12 {
                        let shared = format!("shared-{number}");
                        let lock = store.lock_action(&key(&shared)).unwrap();
                        let base = object(store, &shared, &format!("{shared} @out@"), &[]);
                        drop(lock);
                        let own = format!("{seed}-{thread}-{number}");
                        paths.push(object(store, &own, &format!("{own} on @0@"), &[&base]));
                        paths.push(base);
                    }
                    paths
                })
            })
            .collect();
        paths.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    store.gc(GcOptions::default()).unwrap();
    let missing = store.protect(&paths).unwrap();
    assert_eq!(missing.len(), 0, "a collection deleted what this process uses");
    store.closure(&paths).unwrap();
    std::io::stdout().write_all(b"done\n").unwrap();
}

fn processes_share_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let children: Vec<Child> = (0..4)
        .map(|seed| {
            role(&["role-crowd", root.to_str().unwrap(), &seed.to_string()])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let result = child.wait_with_output().unwrap();
        assert!(result.status.success(), "{}", result.status);
        assert_eq!(result.stdout, b"done\n");
    }
    let store = Store::open(&root).unwrap();
    assert_clean(&store);
    store.gc(GcOptions::default()).unwrap();
    assert_eq!(store.objects().unwrap(), []);
    assert_clean(&store);
    drop(store);
    assert_swept(&root);
}

/// Needs the right to mount, which a user namespace gives where it is allowed.
fn a_full_disk_registers_nothing() {
    let probe = Command::new("unshare").args(["-Urm", "true"]).output();
    match probe {
        Ok(probe) if probe.status.success() => {}
        Ok(probe) => {
            let why = String::from_utf8_lossy(&probe.stderr).into_owned();
            return println!("not possible here, user namespaces are refused: {why}");
        }
        Err(error) => return println!("not possible here, `unshare` cannot be run: {error}"),
    }
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["-Urm", "--"])
        .arg(program)
        .args(["role-full-disk", folder.path().to_str().unwrap()])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn full_disk(folder: &Path) {
    use rustix::mount::{MountFlags, mount};
    mount("tmpfs", folder, "tmpfs", MountFlags::empty(), c"size=64m").unwrap();
    let root = folder.join("root");
    let ballast = folder.join("ballast");
    let store = Store::open(&root).unwrap();
    let text = "0123456789abcdef".repeat(4096);
    let kept = object(&store, "kept", &text, &[]);
    store.add_root(&folder.join("result"), &kept).unwrap();
    let mut refused = 0;
    for room in (0..160u64).step_by(4) {
        let before = store.objects().unwrap();
        let content = format!("{text} {room} @0@ @out@");
        let outputs = [("out", content.as_str())];
        let prepared = Prepared::new(&store, &room.to_string(), &outputs, &[&kept]).unwrap();
        fill(folder, &ballast, room << 10);
        match prepared.register(&store) {
            Ok(_) => assert_eq!(store.objects().unwrap().len(), before.len() + 1),
            Err(error) => {
                assert!(matches!(error, Error::DiskFull { .. }), "{room}: {error}");
                assert_eq!(error.code(), "E0602");
                refused += 1;
            }
        }
        // Reading needs no room.
        let report = store.verify(&VerifyOptions::default());
        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(report.unwrap().problems, [], "with {room} KiB free");
        let again = Store::open(&root).unwrap();
        assert_clean(&again);
    }
    assert!(refused > 5, "the disk was never full");
    groups_on_a_full_disk(folder, &store, &kept);
    drop(store);
    fill(folder, &ballast, 0);
    let store = Store::open(&root).unwrap();
    let freed = store.gc(GcOptions::default()).unwrap();
    assert!(freed.freed > 1 << 20, "{freed:?}");
    std::fs::remove_file(&ballast).unwrap();
    assert_clean(&store);
    assert_eq!(store.objects().unwrap().len(), 1);
}

/// What fails as a group is tried one by one: each has all it needs for that, and says the truth.
fn groups_on_a_full_disk(folder: &Path, store: &Store, kept: &StorePath) {
    let ballast = folder.join("ballast");
    let (mut refused, mut added) = (0, 0);
    for room in (0..160u64).step_by(4) {
        let members: Vec<Prepared> = (0..24)
            .map(|member| {
                let content = format!("group {room} {member} @0@ @out@");
                let action = format!("group-{room}-{member}");
                Prepared::new(store, &action, &[("out", content.as_str())], &[kept]).unwrap()
            })
            .collect();
        let group: Vec<_> = members.iter().map(|one| one.prepare(store).unwrap()).collect();
        let before = store.objects().unwrap().len();
        fill(folder, &ballast, room << 10);
        let results = store.complete(&group);
        std::fs::remove_file(&ballast).unwrap();
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(error, Error::DiskFull { .. }), "{room}: {error}");
        }
        let registered = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(store.objects().unwrap().len(), before + registered);
        assert_clean(store);
        (refused, added) = (refused + results.len() - registered, added + registered);
    }
    assert!(refused > 24 && added > 24, "{refused} refused, {added} added");
}

/// Leaves so many bytes free.
fn fill(folder: &Path, ballast: &Path, room: u64) {
    let free = rustix::fs::statvfs(folder).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let file = std::fs::File::create(ballast).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free - room).unwrap();
}
