//! Damaged and hostile images: each is a typed error, none a panic.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use cbuild_oci::{Format, OciError, inspect};
use proptest::prelude::*;
use tar::{EntryType, Header};

use crate::fixture::{Fixture, options};

fn packed(format: Format) -> (Fixture, PathBuf) {
    let fixture = Fixture::new();
    let (path, _) = fixture.pack(&fixture.sample(), &options(format)).unwrap();
    (fixture, path)
}

fn check(path: &Path, code: &str, message: &str) {
    let error: OciError = inspect(path).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

/// The blob files of a layout, largest first.
fn blobs(layout: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).unwrap().len()));
    files
}

/// Changes a file through `change`.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_no_image() {
    let fixture = Fixture::new();
    let file = fixture.out("file");
    check(&file, "E0909", "cannot read");
    fs::create_dir(&file).unwrap();
    check(&file, "E0910", "no file `oci-layout`");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, "").unwrap();
    check(&file, "E0910", "neither `oci-layout` nor `manifest.json`");
    fs::write(&file, "text ".repeat(1000)).unwrap();
    check(&file, "E0910", "not a tar archive");
    fs::write(&file, [&[0x1f, 0x8b][..], &[7; 2000]].concat()).unwrap();
    check(&file, "E0910", "it is compressed");
}

#[test]
fn blobs_that_are_gone_or_changed() {
    for at in 0..4 {
        let (_fixture, layout) = packed(Format::Oci);
        let blob = &blobs(&layout)[at];
        let name = blob.file_name().unwrap().to_str().unwrap();
        let mut last = 0;
        edit(blob, |bytes| {
            last = bytes.len() - 9;
            bytes[last] ^= 1;
        });
        check(&layout, "E0914", name);
        edit(blob, |bytes| bytes.truncate(last));
        check(&layout, "E0914", "bytes instead of");
        fs::remove_file(blob).unwrap();
        check(&layout, "E0913", name);
        fs::create_dir(blob).unwrap();
        check(&layout, "E0913", name);
    }
}

#[test]
fn documents_that_say_something_else() {
    let cases = [
        ("oci-layout", "1.0.0", "2.0.0", "E0915", "version `2.0.0`"),
        ("oci-layout", "{", "[", "E0916", "`oci-layout`"),
        ("index.json", "image.manifest.v1", "image.other.v1", "E0915", "media type"),
        ("index.json", "image.manifest.v1", "image.index.v1", "E0916", "manifests"),
        ("index.json", "sha256:", "sha512:", "E0916", "`index.json`"),
        ("index.json", "\"schemaVersion\":2", "\"schemaVersion\":3", "E0915", "version `3`"),
        ("index.json", "\"digest\":\"sha256:", "\"digest\":\"sha256:../../", "E0916", "index.json"),
        ("index.json", "manifests", "elsewhere", "E0916", "missing field"),
    ];
    for (file, from, to, code, message) in cases {
        let (_fixture, layout) = packed(Format::Oci);
        replace(&layout.join(file), from, to);
        check(&layout, code, message);
    }
}

#[test]
fn archives_cut_off_anywhere_are_refused() {
    for format in [Format::OciArchive, Format::DockerArchive] {
        let (_fixture, archive) = packed(format);
        let whole = fs::read(&archive).unwrap();
        for length in (0..whole.len() - 512).step_by(211).chain([whole.len() - 513]) {
            fs::write(&archive, &whole[..length]).unwrap();
            let code = inspect(&archive).unwrap_err().code();
            assert!(["E0910", "E0911", "E0913"].contains(&code), "{length}: {code}");
        }
        // One of the two zero blocks at the end is enough for other readers, too.
        fs::write(&archive, &whole[..whole.len() - 512]).unwrap();
        inspect(&archive).unwrap();
    }
}

#[test]
fn archives_with_tricks_are_refused() {
    let cases = [
        ("../evil", EntryType::Regular, "", "leads out of the archive"),
        ("/etc/passwd", EntryType::Regular, "", "absolute"),
        ("manifest.json", EntryType::Symlink, "/etc/passwd", "a link out of the archive"),
        ("a/b", EntryType::Symlink, "../../c", "a link out of the archive"),
        ("manifest.json", EntryType::Link, "other", "neither a file, a folder nor"),
        ("pipe", EntryType::Fifo, "", "neither a file, a folder nor"),
        ("sparse", EntryType::GNUSparse, "", "neither a file, a folder nor"),
        ("", EntryType::Regular, "", "no name"),
    ];
    let fixture = Fixture::new();
    let path = fixture.out("archive");
    for (name, kind, link, message) in cases {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.as_gnu_mut().unwrap().set_real_size(0);
        header.set_size(0);
        header.set_cksum();
        let mut file = File::create(&path).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        file.write_all(&[0; 1024]).unwrap();
        check(&path, "E0912", message);
    }
}

#[test]
fn an_entry_that_occurs_twice_is_refused() {
    let (_fixture, archive) = packed(Format::DockerArchive);
    let mut whole = fs::read(&archive).unwrap();
    whole.truncate(whole.len() - 1024);
    let again = whole.clone();
    whole.extend(again);
    fs::write(&archive, whole).unwrap();
    check(&archive, "E0912", "occurs twice");
}

#[test]
fn a_docker_archive_is_checked_too() {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|w| w == what);
    let cases: [(&[u8], &[u8], &str, &str); 3] = [
        (b"pretends", b"PRETENDS", "E0914", ".tar"),
        (b"cbuild: app", b"cbuild: APP", "E0914", ".json"),
        (b"\"Layers\":[\"", b"\"Layers\":[\"..", "E0916", "manifest.json"),
    ];
    for (from, to, code, message) in cases {
        let (_fixture, archive) = packed(Format::DockerArchive);
        edit(&archive, |bytes| {
            let at = find(bytes, from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
        });
        let error = inspect(&archive).unwrap_err();
        // Two characters of the first layer's name are gone: nothing has that name.
        if message == "manifest.json" {
            assert_eq!(error.code(), "E0913", "{error}");
        } else {
            assert_eq!(error.code(), code, "{error}");
        }
        assert!(error.to_string().contains(message), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any change of the bytes gives an image or an error, never a panic. A change in a part
    /// that counts is never overlooked, which the other tests show.
    #[test]
    fn mutated_archives_never_panic(
        docker in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let format = if docker { Format::DockerArchive } else { Format::OciArchive };
        let (_fixture, archive) = packed(format);
        edit(&archive, |bytes| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        });
        if let Err(error) = inspect(&archive) {
            prop_assert!(error.code().starts_with("E09"));
        }
    }

    /// The same for the JSON documents, which random bytes of an archive hit rarely.
    #[test]
    fn mutated_documents_never_panic(
        file in prop::sample::select(vec!["oci-layout", "index.json"]),
        at in any::<prop::sample::Index>(),
        text in "[\\PC\"{}\\[\\]:,0-9]{0,6}",
    ) {
        let (_fixture, layout) = packed(Format::Oci);
        edit(&layout.join(file), |bytes| {
            let at = at.index(bytes.len());
            bytes.splice(at..at + 1, text.bytes());
        });
        if let Err(error) = inspect(&layout) {
            prop_assert!(error.code().starts_with("E09"));
        }
    }
}
