//! Prints what the store's operations cost on this machine.
//!
//! `cargo run -p cbuild-store --example measure -- FOLDER [TREE]` makes a store in FOLDER (on the
//! file system to measure) and, with TREE, imports and verifies that folder as well.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cbuild_drv::{ActionKey, Digest, Name, OutputName, StorePath};
use cbuild_store::{BuiltOutput, GcOptions, Store, VerifyOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!("{what:<34} median {:>9.3?}  p90 {:>9.3?}  n {}", at(50), at(90), times.len());
}

fn measure<T>(count: usize, mut step: impl FnMut(usize) -> Outcome<T>) -> Outcome<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for i in 0..count {
        let start = Instant::now();
        step(i)?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn register(store: &Store, number: usize, inputs: &BTreeSet<StorePath>) -> Outcome<StorePath> {
    let key = ActionKey(Digest::of(&number.to_le_bytes()));
    let (name, out) = (Name::new("trivial")?, OutputName::out());
    let scratch = store.scratch()?;
    let path = StorePath::scratch(&key, &out, &name);
    let physical = scratch.path().join("out");
    fs::write(&physical, format!("{number} {path} {inputs:?}"))?;
    let built = BuiltOutput { output: out.clone(), name, physical, scratch: path };
    let mut outputs = store.register(&key, vec![built], inputs)?;
    outputs.remove(&out).ok_or_else(|| "no output".into())
}

fn main() -> Outcome<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let root = args.next().ok_or("the folder is absent")?.join("measured-store");
    report("create", measure(1, |_| Ok(Store::open(&root)?))?);
    let store = Store::open(&root)?;
    let mut paths = Vec::new();
    let times = measure(200, |i| {
        let last = paths.last().cloned().into_iter().collect();
        paths.push(register(&store, i, &last)?);
        Ok(())
    })?;
    report("register one small file", times);
    report("register again (known)", measure(200, |i| register(&store, i, &BTreeSet::new()))?);
    report("open", measure(100, |_| Ok(Store::open(&root)?))?);
    report("info", measure(200, |i| Ok(store.info(&paths[i])?))?);
    let key = |i: usize| ActionKey(Digest::of(&i.to_le_bytes()));
    report("realisation", measure(200, |i| Ok(store.realisation(&key(i), &OutputName::out())?))?);
    report("closure of 200", measure(50, |_| Ok(store.closure(&paths[199..])?))?);
    report("protect 200", measure(50, |_| Ok(store.protect(&paths)?))?);
    let opened = measure(50, |_| {
        let store = Store::open(&root)?;
        store.protect(&paths)?;
        Ok(())
    })?;
    report("open, protect 200, close", opened);
    if let Some(tree) = args.next() {
        import(&store, &tree)?;
    }
    drop(store);
    let store = Store::open(&root)?;
    report("verify all", measure(1, |_| Ok(store.verify(&VerifyOptions::default())?))?);
    report("collect all", measure(1, |_| Ok(store.gc(GcOptions::default())?))?);
    drop(store);
    Ok(fs::remove_dir_all(&root)?)
}

fn import(store: &Store, tree: &Path) -> Outcome<()> {
    let name = Name::new("imported")?;
    report("import a tree", measure(1, |_| Ok(store.add_tree(tree, &name)?))?);
    report("import it again", measure(1, |_| Ok(store.add_tree(tree, &name)?))?);
    let path = store.add_tree(tree, &name)?;
    println!("  {} MiB", store.info(&path)?.map_or(0, |info| info.size) >> 20);
    Ok(())
}
