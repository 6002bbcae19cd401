//! The store's bars: adding a tree beside `cp -r`, deciding a collection of 500,000 objects, the
//! closure of 10,000 objects. Prints medians; the argument is the number of repetitions.
//!
//! Adding is measured in three ways, because a disk that is busy with what was written before decides
//! the first one alone: to the page cache, as both are used; until all is on the disk, for which both are
//! followed by `sync -f`; and in memory (`/dev/shm`), where only the processor counts. Before each
//! time all is on the disk and the source is in the page cache, each works into a new folder, and who
//! goes first changes with each round.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "it measures times")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cbuild_drv::{Digest, Name, StorePath};
use cbuild_store::{GcOptions, Store};

/// Small files and their folders; their lengths go from 0 to twice the mean.
const SMALL: usize = 20_000;
const FOLDERS: usize = 400;
const SMALL_MEAN: usize = 10_100;

/// Large files, together 256 MiB.
const LARGE: usize = 8;
const LARGE_LENGTH: usize = 32 << 20;

/// Objects of the index that a collection decides on, and of a closure.
const OBJECTS: usize = 500_000;
const CLOSURE: usize = 10_000;

fn main() {
    let runs = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5usize);
    // Temporary folders may be in memory; the target folder is on a disk.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    add_tree(scratch.path(), runs.max(1));
    index(scratch.path(), runs.max(1));
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = work();
    (begin.elapsed(), value)
}

/// Bytes that neither repeat nor compress.
fn fill(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes the tree and gives its length in bytes.
fn make_tree(top: &Path) -> usize {
    let mut total = 0;
    for number in 0..SMALL {
        let folder = top.join(format!("{}/{}", number % 20, number % FOLDERS));
        fs::create_dir_all(&folder).unwrap();
        let length = (number * 7919) % (2 * SMALL_MEAN);
        fs::write(folder.join(format!("file-{number}")), fill(number as u64, length)).unwrap();
        total += length;
    }
    for number in 0..LARGE {
        let bytes = fill((SMALL + number) as u64, LARGE_LENGTH);
        fs::write(top.join(format!("large-{number}")), bytes).unwrap();
        total += LARGE_LENGTH;
    }
    total
}

/// Waits until all of a file system is on its disk.
fn sync(folder: &Path) {
    assert!(Command::new("sync").arg("-f").arg(folder).status().unwrap().success());
}

/// Whether a measured time includes that all is on the disk.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Written,
    OnDisk,
}

/// One regime: where, and until when.
struct Adding<'a> {
    scratch: &'a Path,
    source: &'a Path,
    until: Until,
}

impl Adding<'_> {
    /// Measures something that writes into a new folder, with all before it on the disk.
    fn measured<T>(&self, work: impl FnOnce() -> T) -> (Duration, T) {
        sync(self.scratch);
        timed(|| {
            let value = work();
            if self.until == Until::OnDisk {
                sync(self.scratch);
            }
            value
        })
    }

    fn copy(&self) -> Duration {
        let copy = self.scratch.join("copy");
        let copying = || Command::new("cp").arg("-r").arg(self.source).arg(&copy).status().unwrap();
        let (time, status) = self.measured(copying);
        assert!(status.success());
        fs::remove_dir_all(&copy).unwrap();
        time
    }

    /// The times of adding and of adding again.
    fn add(&self) -> (Duration, Duration) {
        let name = Name::new("tree").unwrap();
        let root = self.scratch.join("root");
        let add = || Store::open(&root).unwrap().add_tree(self.source, &name).unwrap();
        let (first, path) = self.measured(add);
        let (again, same) = self.measured(add);
        assert_eq!(path, same);
        assert!(Command::new("chmod").args(["-R", "u+w"]).arg(&root).status().unwrap().success());
        fs::remove_dir_all(&root).unwrap();
        (first, again)
    }

    fn report(&self, what: &str, runs: usize) {
        let (mut copies, mut adds, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            if run % 2 == 0 {
                copies.push(self.copy());
            }
            let (first, second) = self.add();
            adds.push(first);
            again.push(second);
            if run % 2 == 1 {
                copies.push(self.copy());
            }
        }
        let (copy, add, again) = (median(copies), median(adds), median(again));
        println!("{what}");
        println!("  cp -r                          {copy:9.1} ms");
        println!("  add, with opening a new store  {add:9.1} ms, {:.2} of cp -r", add / copy);
        println!("  add again, with opening        {again:9.1} ms, {:.2} of cp -r", again / copy);
    }
}

fn add_tree(scratch: &Path, runs: usize) {
    let source = scratch.join("source");
    let total = make_tree(&source);
    println!("tree of {} files, {} MB", SMALL + LARGE, total / 1_000_000);
    for (what, until) in
        [("to the page cache", Until::Written), ("until it is on the disk", Until::OnDisk)]
    {
        Adding { scratch, source: &source, until }.report(what, runs);
    }
    match tempfile::tempdir_in("/dev/shm") {
        Ok(memory) => {
            let adding = Adding { scratch: memory.path(), source: &source, until: Until::Written };
            adding.report("in memory", runs);
        }
        Err(error) => println!("in memory: not measured, /dev/shm: {error}"),
    }
}

fn path(number: usize) -> StorePath {
    let name = Name::new(format!("object-{number}")).unwrap();
    let tree = Digest::of(&number.to_le_bytes());
    StorePath::of_content(&name, &tree, false, &BTreeSet::new())
}

/// Fills the index alone: each object refers to three earlier ones.
fn fill_index(root: &Path) {
    drop(Store::open(root).unwrap());
    let mut connection = rusqlite::Connection::open(root.join("index.sqlite")).unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let sql = "insert into objects (id, base, tree, self, size, registered)
                   values (?, ?, ?, 0, 1000, 1)";
        let mut object = transaction.prepare(sql).unwrap();
        let mut reference =
            transaction.prepare("insert or ignore into refs values (?, ?)").unwrap();
        for number in 0..OBJECTS {
            let id = i64::try_from(number).unwrap() + 1;
            object.execute((id, path(number).base_name(), &[0u8; 32][..])).unwrap();
            for step in [1, 17, 1003] {
                // Below the closure's size all hang together; above, none needs too much.
                let reaches = number < CLOSURE || step == 1003;
                if number >= step && reaches && number % CLOSURE >= step {
                    reference.execute((id, id - i64::try_from(step).unwrap())).unwrap();
                }
            }
        }
    }
    transaction.commit().unwrap();
}

fn index(scratch: &Path, runs: usize) {
    let root = scratch.join("index");
    fill_index(&root);
    let (mut decisions, mut closures) = (Vec::new(), Vec::new());
    let top = path(CLOSURE - 1);
    for _ in 0..runs {
        let store = Store::open(&root).unwrap();
        let (time, closure) = timed(|| store.closure(std::slice::from_ref(&top)).unwrap());
        assert_eq!(closure.len(), CLOSURE);
        closures.push(time);
        let options = GcOptions { dry_run: true, ..GcOptions::default() };
        let (time, report) = timed(|| store.gc(options).unwrap());
        assert_eq!(report.deleted.len() + report.kept, OBJECTS);
        decisions.push(time);
    }
    println!("closure of {CLOSURE} objects        {:9.1} ms", median(closures));
    println!("collection of {OBJECTS} decided   {:9.1} ms", median(decisions));
}
