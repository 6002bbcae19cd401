//! What the store keeps and finds for explanations: records of actions, and files that hold references.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cbuild_drv::{Action, Assemble, Derivation, FileEntry, OutputName, System, Template};
use fixture::{Fixture, assert_clean, build, key, name, output, try_build};

#[test]
fn the_file_that_holds_a_reference_is_named() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.object("a", "plain", &[]), fixture.object("b", "other", &[]));
    let c = fixture.object("c", "uses @0@", &[&a]);
    let found = fixture.store.mentions(&c, &[a.clone(), b]).unwrap();
    assert_eq!(found, BTreeMap::from([(a.clone(), Path::new("f").to_owned())]));
    assert_eq!(fixture.store.makers(&a).unwrap(), BTreeSet::from([key("a")]));
    let outputs = build(&fixture.store, "two", &[("out", "@dev@"), ("dev", "text")], &[]);
    let dev = &outputs[&output("dev")];
    let found =
        fixture.store.mentions(&outputs[&output("out")], std::slice::from_ref(dev)).unwrap();
    assert_eq!(found[dev], Path::new("f"));
    assert!(try_build(&fixture.store, "two", &[("out", "x")], &[]).is_ok());
    assert_clean(&fixture.store);
}

#[test]
fn a_damaged_record_of_an_action_counts_as_absent() {
    let fixture = Fixture::new();
    let file = FileEntry { text: Template::from("text"), executable: false };
    let derivation = Derivation {
        name: name("tree"),
        system: System::new("any").unwrap(),
        outputs: BTreeSet::from([OutputName::out()]),
        action: Action::Assemble(Assemble {
            layers: Vec::new(),
            exclude: Vec::new(),
            links: BTreeMap::new(),
            files: BTreeMap::from([("f".to_owned(), file)]),
            directories: BTreeSet::new(),
        }),
    };
    let key = derivation.action_key();
    assert_eq!(fixture.store.action(&key).unwrap(), None);
    fixture.store.keep_action(&key, &derivation).unwrap();
    assert_eq!(fixture.store.action(&key).unwrap(), Some(derivation));
    let place = fixture.store.root().join("logs").join(format!("{key}.action"));
    let mut bytes = std::fs::read(&place).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&place, bytes).unwrap();
    assert_eq!(fixture.store.action(&key).unwrap(), None);
}
