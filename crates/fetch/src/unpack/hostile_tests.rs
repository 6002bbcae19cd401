//! Archives that try to write elsewhere, to exhaust something, or that are odd but legal.

use std::collections::BTreeMap;

use tar::{EntryType, Header};

use super::samples::{Node, Place, Raw, gz, raw_tar};
use crate::error::{FetchError, UnsafeReason};
use crate::limits::Limits;

fn refused(entries: &[Raw]) -> UnsafeReason {
    match Place::new().unpack(&raw_tar(entries), 0, &Limits::default()) {
        Err(error @ FetchError::UnsafeEntry { reason, .. }) => {
            assert_eq!(error.code(), "E0710");
            reason
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn unpacked(entries: &[Raw]) -> BTreeMap<String, Node> {
    match Place::new().unpack(&raw_tar(entries), 0, &Limits::default()) {
        Ok(Node::Folder(tree)) => {
            tree.into_iter().map(|(name, node)| (String::from_utf8(name).unwrap(), node)).collect()
        }
        other => panic!("expected a tree, found {other:?}"),
    }
}

fn file(content: &str) -> Node {
    Node::File { executable: false, content: content.as_bytes().to_vec() }
}

const SYMLINK: EntryType = EntryType::Symlink;
const LINK: EntryType = EntryType::Link;

#[test]
fn names_that_lead_out() {
    for name in ["../x", "a/../../x", "a/..", ".."] {
        assert_eq!(refused(&[Raw::file(name, "x")]), UnsafeReason::Parent, "{name}");
    }
    for name in ["/x", "//x", "/"] {
        assert_eq!(refused(&[Raw::file(name, "x")]), UnsafeReason::Absolute, "{name}");
    }
    assert_eq!(refused(&[Raw::link(SYMLINK, "../x", "y")]), UnsafeReason::Parent);
    assert_eq!(refused(&[Raw::new(EntryType::Directory, "../x/", "", "")]), UnsafeReason::Parent);
}

#[test]
fn writing_through_a_link() {
    for target in ["../outside", "..", "/", "/tmp", "b"] {
        let entries = [Raw::link(SYMLINK, "a", target), Raw::file("a/victim", "x")];
        assert_eq!(refused(&entries), UnsafeReason::ThroughLink, "{target}");
        let deeper = [Raw::link(SYMLINK, "d/a", target), Raw::file("d/a/b/victim", "x")];
        assert_eq!(refused(&deeper), UnsafeReason::ThroughLink, "{target}");
    }
    // A folder that is open already must not be taken for one that replaced it.
    let swapped = [
        Raw::file("a/x", "1"),
        Raw::link(SYMLINK, "b", "../../outside"),
        Raw::link(LINK, "c", "b"),
        Raw::file("c/victim", "x"),
    ];
    assert_eq!(refused(&swapped), UnsafeReason::ThroughLink);
    assert_eq!(refused(&[Raw::file("a", "1"), Raw::file("a/b", "2")]), UnsafeReason::ThroughLink);
}

#[test]
fn a_file_replaces_a_link_instead_of_following_it() {
    let tree = unpacked(&[Raw::link(SYMLINK, "a", "../../outside/victim"), Raw::file("a", "new")]);
    assert_eq!(tree["a"], file("new"));
    let tree = unpacked(&[
        Raw::file("one", "1"),
        Raw::link(LINK, "two", "one"),
        Raw::file("one", "changed"),
    ]);
    assert_eq!((&tree["one"], &tree["two"]), (&file("changed"), &file("1")));
}

#[test]
fn hard_links() {
    for target in ["../outside/victim", "/etc/passwd"] {
        let reason = refused(&[Raw::link(LINK, "a", target)]);
        assert!(matches!(reason, UnsafeReason::Parent | UnsafeReason::Absolute), "{target}");
    }
    assert_eq!(refused(&[Raw::link(LINK, "a", "later")]), UnsafeReason::HardLink);
    assert_eq!(refused(&[Raw::link(LINK, "a", "a")]), UnsafeReason::HardLink);
    let through = [Raw::link(SYMLINK, "o", "../../outside"), Raw::link(LINK, "a", "o/victim")];
    assert_eq!(refused(&through), UnsafeReason::HardLink);
    let folder = [Raw::file("d/x", "1"), Raw::link(LINK, "a", "d")];
    assert_eq!(refused(&folder), UnsafeReason::HardLink);
    let tree = unpacked(&[Raw::file("d/x", "1"), Raw::link(LINK, "a", "./d/x")]);
    assert_eq!(tree["a"], file("1"));
}

#[test]
fn links_may_point_anywhere() {
    let tree =
        unpacked(&[Raw::link(SYMLINK, "a", "/etc/passwd"), Raw::link(SYMLINK, "b", "../..")]);
    assert_eq!(tree["a"], Node::Link(b"/etc/passwd".to_vec()));
    assert_eq!(tree["b"], Node::Link(b"../..".to_vec()));
    assert_eq!(refused(&[Raw::link(SYMLINK, "a", "")]), UnsafeReason::EmptyTarget);
}

#[test]
fn devices_and_the_like() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        assert_eq!(refused(&[Raw::link(kind, "a", "")]), UnsafeReason::Special);
    }
}

#[test]
fn names_that_are_too_much() {
    let long = "x".repeat(256);
    assert_eq!(refused(&[Raw::file(&long, "")]), UnsafeReason::TooLong);
    let long = format!("{}x", "abcdefg/".repeat(600));
    assert_eq!(refused(&[Raw::file(&long, "")]), UnsafeReason::TooLong);
    let deep = "d/".repeat(129);
    assert_eq!(refused(&[Raw::file(&format!("{deep}x"), "")]), UnsafeReason::TooDeep);
    let target = "t".repeat(5000);
    assert_eq!(refused(&[Raw::link(SYMLINK, "a", &target)]), UnsafeReason::TooLong);
    // The second NUL of a GNU long name is not its end.
    let nul = format!("{}\0b\0", "a".repeat(120));
    assert_eq!(refused(&[Raw::file(&nul, "")]), UnsafeReason::Nul);
}

#[test]
fn repeated_entries() {
    let folder = |name| Raw::new(EntryType::Directory, name, "", "");
    let tree =
        unpacked(&[folder("d/"), Raw::file("d/x", "1"), folder("./d"), Raw::file("d/x", "2")]);
    assert_eq!(tree["d"], Node::Folder(BTreeMap::from([(b"x".to_vec(), file("2"))])));
    assert_eq!(unpacked(&[folder("d"), Raw::file("d", "1")])["d"], file("1"));
    let tree = unpacked(&[Raw::file("d", "1"), folder("d"), Raw::file("d/x", "1")]);
    assert_eq!(tree["d"], Node::Folder(BTreeMap::from([(b"x".to_vec(), file("1"))])));
    assert_eq!(
        refused(&[Raw::file("d/x", "1"), Raw::file("d", "1")]),
        UnsafeReason::ReplacesFolder
    );
    assert_eq!(refused(&[Raw::file(".", "1")]), UnsafeReason::ReplacesFolder);
}

/// Archives older than ustar mark folders by a slash alone.
#[test]
fn old_archives() {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("d/", ""), ("d/x", "1")] {
        let mut header = Header::new_old();
        header.set_path(name).unwrap();
        header.as_old_mut().linkflag = [0];
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    let found = Place::new().unpack(&builder.into_inner().unwrap(), 1, &Limits::default()).unwrap();
    let executable = Node::File { executable: true, content: b"1".to_vec() };
    assert_eq!(found, Node::Folder(BTreeMap::from([(b"x".to_vec(), executable)])));
}

#[test]
fn stripping() {
    let entries = [Raw::file("a", "1"), Raw::file("b/c", "2"), Raw::link(LINK, "d/e", "b/c")];
    let found = Place::new().unpack(&raw_tar(&entries), 1, &Limits::default()).unwrap();
    let expected = BTreeMap::from([(b"c".to_vec(), file("2")), (b"e".to_vec(), file("2"))]);
    assert_eq!(found, Node::Folder(expected));
    let error = Place::new().unpack(&raw_tar(&entries), 2, &Limits::default()).unwrap_err();
    assert_eq!(error.code(), "E0714");
    assert!(error.help().is_some_and(|help| help.contains("`strip = 0`")), "{error}");
    let found = Place::new().unpack(&raw_tar(&[]), 1, &Limits::default()).unwrap();
    assert_eq!(found, Node::Folder(BTreeMap::new()), "an empty archive is an empty tree");
}

#[test]
fn bombs() {
    let limits = Limits { unpacked_bytes: 1 << 16, entries: 10, ..Limits::default() };
    let check = |bytes: &[u8]| {
        let error = Place::new().unpack(bytes, 0, &limits).unwrap_err();
        assert_eq!(error.code(), "E0713", "{error}");
    };
    check(&gz(&raw_tar(&[Raw::file("zeros", &"0".repeat(1 << 17))])));
    check(&raw_tar(&vec![Raw::file("x", &"0".repeat(1 << 15)); 3]));
    check(&raw_tar(&vec![Raw::file("x", ""); 11]));
    // The size in a header is refused before a byte is written.
    let mut huge = Header::new_gnu();
    huge.set_size(1 << 50);
    huge.set_path("huge").unwrap();
    huge.set_mode(0o644);
    huge.set_cksum();
    check(huge.as_bytes());
}

#[test]
fn bombs_in_headers_and_after_the_end() {
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let name = Raw::file(&"n".repeat(9 << 20), "");
    let trailing = [raw_tar(&[Raw::file("x", "1")]), vec![0; 2 << 20]].concat();
    for bytes in [raw_tar(&[name]), trailing] {
        let error = Place::new().unpack(&gz(&bytes), 0, &limits).unwrap_err();
        assert_eq!(error.code(), "E0711", "{error}");
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let bytes = raw_tar(&[Raw::file("first", "1"), Raw::file("second", &"2".repeat(600))]);
    let text = |bytes: &[u8]| {
        let error = Place::new().unpack(bytes, 0, &Limits::default()).unwrap_err();
        format!("{} {error}", error.code())
    };
    assert_eq!(
        text(&bytes[..2000]),
        "E0711 `the archive` is damaged in the entry `second`: it ends after 464 of 600 bytes"
    );
    let mut damaged = bytes.clone();
    damaged[1030] ^= 1;
    assert_eq!(
        text(&damaged),
        "E0711 `the archive` is damaged after the entry `first`: the checksum of a header is wrong"
    );
    assert_eq!(
        text(b"<html>not found</html>".repeat(40).as_slice()),
        "E0712 `the archive` is not an archive of a known format: it is an HTML page, such as an error of the server"
    );
    assert_eq!(
        text(b"not found".repeat(80).as_slice()),
        "E0712 `the archive` is not an archive of a known format: its first block is no tar header"
    );
    for (bytes, what) in [
        (b" <!DOCTYPE html><p>no".to_vec(), "it is an HTML page"),
        (gz(b"<html>no</html>"), "it is an HTML page"),
        (gz(&gz(&bytes)), "what is compressed in it is compressed with gzip once more"),
        (gz(b"PK\x03\x04\x14"), "what is compressed in it is a zip archive"),
    ] {
        let text = text(&bytes);
        assert!(text.starts_with("E0712") && text.contains(what), "{text}");
    }
    let mut wrong_sum = gz(&bytes);
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    assert!(text(&wrong_sum).starts_with("E0711"), "{}", text(&wrong_sum));
    assert!(text(b"!<arch>\n").starts_with("E0712"), "{}", text(b"!<arch>\n"));
    assert!(text(b"").starts_with("E0712"), "{}", text(b""));
}

/// Control characters in a name must not reach a terminal.
#[test]
fn names_are_shown_safely() {
    let error = Place::new()
        .unpack(&raw_tar(&[Raw::file("../\u{1b}[31m\n", "")]), 0, &Limits::default())
        .unwrap_err();
    assert!(error.to_string().contains("`../\\u{1b}[31m\\n`"), "{error}");
}

/// A file with holes as GNU tar writes it with pax headers, in three ways.
#[test]
fn files_with_holes() {
    let expected = [vec![0; 1 << 14], b"data".to_vec(), vec![0; (1 << 14) - 4]].concat();
    let data_map = format!("1\n{}\n4\n", 1 << 14);
    let data = [data_map.as_bytes(), &vec![0; 512 - data_map.len()], b"data"].concat();
    let size = (2 << 14).to_string();
    let map = format!("{},4", 1 << 14);
    let in_data: Vec<(&str, &[u8])> = vec![
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"holes"),
        ("GNU.sparse.realsize", size.as_bytes()),
    ];
    let in_header: Vec<(&str, &[u8])> = vec![
        ("GNU.sparse.size", size.as_bytes()),
        ("GNU.sparse.map", map.as_bytes()),
        ("GNU.sparse.name", b"holes"),
    ];
    let offset = (1 << 14).to_string();
    let in_pairs: Vec<(&str, &[u8])> = vec![
        ("GNU.sparse.size", size.as_bytes()),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", offset.as_bytes()),
        ("GNU.sparse.numbytes", b"4"),
        ("GNU.sparse.offset", size.as_bytes()),
        ("GNU.sparse.numbytes", b"0"),
        ("GNU.sparse.name", b"holes"),
    ];
    let ways = [(in_data, data), (in_header, b"data".to_vec()), (in_pairs, b"data".to_vec())];
    for (records, stored) in ways {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records).unwrap();
        let mut header = Header::new_ustar();
        header.set_path("GNUSparseFile.0/holes").unwrap();
        header.set_size(stored.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, stored.as_slice()).unwrap();
        let bytes = builder.into_inner().unwrap();
        let found = Place::new().unpack(&bytes, 0, &Limits::default()).unwrap();
        let holes = Node::File { executable: false, content: expected.clone() };
        assert_eq!(found, Node::Folder(BTreeMap::from([(b"holes".to_vec(), holes)])));
    }
}
