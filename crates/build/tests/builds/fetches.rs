//! Downloads as steps.

use std::fs;

use cbuild_build::{Builder, Event, ExitClass, Outcome, RunError, Target};
use cbuild_drv::{Digest, FetchKind};

use crate::world::{World, fetch, out};

const FILE: FetchKind = FetchKind::File { executable: false };

fn hash(bytes: &[u8]) -> String {
    let hex: String = Digest::of(bytes).0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("blake3-{hex}")
}

pub(crate) fn a_fetch_is_known_by_its_hash() {
    let mut world = World::new();
    let file = world.root.with_extension("source");
    fs::write(&file, "data").unwrap();
    let url = format!("file://{}", file.display());
    let drv = world.graph.add(fetch("data", &[&url], &hash(b"data"), FILE));
    assert_eq!(world.built_text(drv), "data");
    assert_eq!(world.finished(), [("data".to_owned(), Outcome::Fetched)]);
    let progress = |event: &Event| matches!(event, Event::FetchProgress { bytes: 4, .. });
    assert!(world.events().iter().any(progress), "{:?}", world.events());
    fs::remove_file(&file).unwrap();
    let elsewhere = world.graph.add(fetch("data", &["file:///nowhere"], &hash(b"data"), FILE));
    assert_eq!(elsewhere, drv);
    world.build(&[elsewhere]).unwrap();
    assert_eq!(world.events(), [Event::Planned { total: 0, expected: None }]);
    let info = world.store.info(&world.path(drv, "out")).unwrap().unwrap();
    assert!(info.references.is_empty());
}

pub(crate) fn a_wrong_hash_registers_nothing() {
    let mut world = World::new();
    let file = world.root.with_extension("source");
    fs::write(&file, "other").unwrap();
    let url = format!("file://{}", file.display());
    let drv = world.graph.add(fetch("data", &[&url], &hash(b"data"), FILE));
    let top = world.sh("top", "cat {{d}} > $out", &[("d", out(drv))]);
    let error = world.build(&[top]).unwrap_err();
    fs::remove_file(&file).unwrap();
    assert_eq!((error.code(), error.exit_class()), ("E0701", ExitClass::Failed));
    let RunError::Steps { failures, skipped } = error else { panic!("{error}") };
    assert_eq!(failures.len(), 1);
    let text = failures[0].to_string();
    assert!(text.contains("wanted") && text.contains("got"), "{text}");
    assert!(skipped.iter().any(|name| name.as_str() == "top"));
    let objects = world.store.objects().unwrap();
    assert!(objects.iter().all(|object| object.path.name().as_str() != "data"));
    let gone = world.graph.add(fetch("gone", &["file:///nowhere"], &hash(b"gone"), FILE));
    let error = world.build(&[gone]).unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Network);
}

pub(crate) fn after_fetch_only_no_source_is_needed() {
    let mut world = World::new();
    let file = world.root.with_extension("source");
    fs::write(&file, "data").unwrap();
    let url = format!("file://{}", file.display());
    let drv = world.graph.add(fetch("data", &[&url], &hash(b"data"), FILE));
    let below = world.sh("below", "cat {{d}} {{d}} > $out", &[("d", out(drv))]);
    let top = world.sh("top", "cat {{b}} > $out", &[("b", out(below))]);
    let none = |_| {};
    let options = world.options.clone();
    let builder = Builder::new(&world.store, &world.graph, &world.fetcher, options, &none);
    let fetched = builder.fetch_only(&[Target::out(top)]).unwrap();
    let mut names: Vec<&str> = fetched.iter().map(|path| path.name().as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["busybox.deb", "data"]);
    assert!(world.store.objects().unwrap().len() == 2, "only downloads were done");
    fs::remove_file(&file).unwrap();
    assert_eq!(world.built_text(top), "datadata");
    let done: Vec<_> = world.finished().into_iter().map(|(name, _)| name).collect();
    assert_eq!(done, ["below", "busybox-root", "top"]);
}
