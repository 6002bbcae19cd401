//! What is said of outputs before they are registered: hidden paths, what was not searched, lengths.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use cbuild_store::{BuiltOutput, HiddenPath, LeftOut, Registration, Store, Watch};
use fixture::{Fixture, key, name, output};

/// Prepares outputs that are files.
fn prepare_files(
    store: &Store,
    scratch: &Path,
    files: &[(&str, Vec<u8>)],
    candidates: &[&StorePath],
    watch: Watch<'_>,
) -> cbuild_store::Result<Registration> {
    let action = key("files");
    let built = files.iter().map(|(text, bytes)| {
        let (output, name) = (output(text), name(&format!("thing-{text}")));
        let own = StorePath::scratch(&action, &output, &name);
        let physical = scratch.join(own.base_name());
        fs::write(&physical, bytes).unwrap();
        BuiltOutput { output, name, physical, scratch: own }
    });
    let candidates = candidates.iter().map(|path| (*path).clone()).collect();
    store.prepare_watched(&action, built.collect(), &candidates, watch)
}

#[test]
fn references_in_compressed_files_count_and_own_paths_are_told() {
    let fixture = Fixture::new();
    let (base, other) = (fixture.object("a", "a", &[]), fixture.object("b", "b", &[]));
    let own =
        |text| StorePath::scratch(&key("files"), &output(text), &name(&format!("thing-{text}")));
    let packed = |text: String| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let one = packed(format!("needs {base}, is {}", own("one")));
    let two = packed(format!("beside {}", own("one")));
    let scratch = fixture.store.scratch().unwrap();
    let files = [("one", one), ("two", two)];
    let candidates = [&base, &other];
    let watch = Watch::default();
    let prepared =
        prepare_files(&fixture.store, scratch.path(), &files, &candidates, watch).unwrap();
    let hidden = |text: &str| HiddenPath {
        output: output(text),
        file: PathBuf::new(),
        names: output("one"),
    };
    assert_eq!(prepared.hidden(), [hidden("one"), hidden("two")]);
    let outputs = fixture.store.complete(&[prepared]).pop().unwrap().unwrap();
    let info = fixture.store.info(&outputs[&output("one")]).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([base.clone()]));
    assert!(!info.self_reference);
    let found = fixture.store.mentions(&info.path, std::slice::from_ref(&base)).unwrap();
    assert_eq!(found, BTreeMap::from([(base, PathBuf::new())]));
    fixture.assert_clean();
}

/// A zip archive of one stored member behind a text.
fn zipapp(before: &str, member: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("__main__.py", options).unwrap();
    std::io::Write::write_all(&mut writer, member.as_bytes()).unwrap();
    [before.as_bytes(), &writer.finish().unwrap().into_inner()].concat()
}

#[test]
fn own_paths_in_stored_members_stay_and_those_before_are_rewritten() {
    let fixture = Fixture::new();
    let base = fixture.object("a", "a", &[]);
    let own = StorePath::scratch(&key("files"), &output("out"), &name("thing-out"));
    let bytes = zipapp(&format!("#!{own}\n"), &format!("{base} {own}"));
    let scratch = fixture.store.scratch().unwrap();
    let prepared = prepare_files(
        &fixture.store,
        scratch.path(),
        &[("out", bytes)],
        &[&base],
        Watch::default(),
    );
    let prepared = prepared.unwrap();
    let hidden = HiddenPath { output: output("out"), file: PathBuf::new(), names: output("out") };
    assert_eq!(prepared.hidden(), [hidden]);
    assert_eq!(prepared.unsearched(), []);
    let outputs = fixture.store.complete(&[prepared]).pop().unwrap().unwrap();
    let path = &outputs[&output("out")];
    let info = fixture.store.info(path).unwrap().unwrap();
    assert!(info.self_reference);
    assert_eq!(info.references, BTreeSet::from([base.clone()]));
    let expected = zipapp(&format!("#!{path}\n"), &format!("{base} {own}"));
    assert_eq!(fs::read(fixture.store.physical(path)).unwrap(), expected);
    fixture.assert_clean();
}

#[test]
fn what_was_not_searched_is_told() {
    let fixture = Fixture::new();
    let base = fixture.object("a", "a", &[]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &vec![0; 8 << 20]).unwrap();
    let files = [("bomb", encoder.finish().unwrap()), ("cut", b"\xfd7zXZ\0\0".to_vec())];
    let scratch = fixture.store.scratch().unwrap();
    let told = |candidates: &[&StorePath]| {
        let prepared =
            prepare_files(&fixture.store, scratch.path(), &files, candidates, Watch::default());
        let told: Vec<_> = prepared
            .unwrap()
            .unsearched()
            .iter()
            .map(|one| (one.output.to_string(), one.reason))
            .collect();
        told
    };
    let expected = [("bomb".to_owned(), LeftOut::Length), ("cut".to_owned(), LeftOut::Broken)];
    assert_eq!(told(&[&base]), expected);
    // What has no inputs refers to nothing.
    assert_eq!(told(&[]), []);
}

#[test]
fn the_length_of_outputs_is_limited_and_holes_count() {
    let fixture = Fixture::new();
    let scratch = fixture.store.scratch().unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |bytes| told.lock().unwrap().push(bytes);
    let mut watch = Watch { max_length: Some(1000), progress: Some(&progress) };
    let prepare = |files: &[(&str, Vec<u8>)], watch| {
        prepare_files(&fixture.store, scratch.path(), files, &[], watch)
    };
    prepare(&[("one", vec![1; 500]), ("two", vec![2; 500])], watch).unwrap();
    let error = prepare(&[("one", vec![1; 500]), ("two", vec![2; 501])], watch).unwrap_err();
    assert_eq!(error.code(), "E0620", "{error}");

    let own = StorePath::scratch(&key("sparse"), &output("out"), &name("sparse"));
    let physical = scratch.path().join(own.base_name());
    let sparse = |length| {
        fs::File::create(&physical).unwrap().set_len(length).unwrap();
        let physical = physical.clone();
        vec![BuiltOutput {
            output: output("out"),
            name: name("sparse"),
            physical,
            scratch: own.clone(),
        }]
    };
    let none = BTreeSet::new();
    watch.max_length = Some(64 << 30);
    let prepared = fixture.store.prepare_watched(&key("sparse"), sparse(900 << 30), &none, watch);
    assert_eq!(prepared.unwrap_err().code(), "E0620");
    assert!(told.lock().unwrap().is_empty());
    let length = Watch::STEP + 1;
    let prepared = fixture.store.prepare_watched(&key("sparse"), sparse(length), &none, watch);
    let outputs = fixture.store.complete(&[prepared.unwrap()]).pop().unwrap().unwrap();
    assert_eq!(*told.lock().unwrap(), [Watch::STEP]);
    let path = &outputs[&output("out")];
    assert_eq!(fixture.store.info(path).unwrap().unwrap().size, length);
    fixture.assert_clean();
}
