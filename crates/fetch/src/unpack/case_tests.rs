//! Archives of other programs that were once read otherwise than these read them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::samples::{Node, Place, bz2, gz, xz};
use crate::error::FetchError;
use crate::limits::Limits;

fn stored(name: &str) -> Vec<u8> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/readers");
    fs::read(cases.join(name)).unwrap()
}

fn unpacked(bytes: &[u8]) -> Result<BTreeMap<String, Node>, FetchError> {
    match Place::new().unpack(bytes, 0, &Limits::default())? {
        Node::Folder(tree) => {
            Ok(tree.into_iter().map(|(k, v)| (String::from_utf8(k).unwrap(), v)).collect())
        }
        other => panic!("expected a folder, found {other:?}"),
    }
}

#[track_caller]
fn names(bytes: &[u8]) -> Vec<String> {
    unpacked(bytes).unwrap().into_keys().collect()
}

fn file(content: &str) -> Node {
    Node::File { executable: false, content: content.as_bytes().to_vec() }
}

fn error(bytes: &[u8]) -> String {
    let error = unpacked(bytes).unwrap_err();
    format!("{} {error}", error.code())
}

/// An archive of one pax header with the given records, before one entry.
fn pax(records: &[(&str, &str)], kind: EntryType, name: &str) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|n| rest.len() + n.to_string().len() == *n).unwrap();
        write!(content, "{length}{rest}").unwrap();
    }
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content) in [(EntryType::XHeader, "x", &content[..]), (kind, name, b"")] {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        if kind == EntryType::Symlink {
            header.set_link_name("short").unwrap();
        }
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn pax_records_with_line_breaks() {
    let tree = unpacked(&stored("01-pax-xattr-newline.tar")).unwrap();
    assert_eq!(tree["a"], file("hi"));
    assert!(tree.contains_key("plain"), "{tree:?}");
    let tree = unpacked(&stored("01c-link-newline.tar")).unwrap();
    let target = format!("t\n{}", "y".repeat(130));
    assert!(tree.values().any(|node| *node == Node::Link(target.clone().into_bytes())));
    let long = format!("n\n{}", "x".repeat(140));
    let xattr = ("SCHILY.xattr.user.bin", "one\ntwo");
    for records in [vec![("path", &*long)], vec![xattr, ("path", &*long)]] {
        for kind in [EntryType::Regular, EntryType::Directory, EntryType::Symlink] {
            assert_eq!(names(&pax(&records, kind, "short")), [&*long], "{kind:?}");
        }
    }
    let linkpath = [xattr, ("linkpath", &*target)];
    let tree = unpacked(&pax(&linkpath, EntryType::Symlink, "l")).unwrap();
    assert_eq!(tree["l"], Node::Link(target.into_bytes()));
    let error = error(&pax(&[("size", "x")], EntryType::Regular, "a"));
    assert_eq!(error, "E0711 `the archive` is damaged at its start: its size is no number");
}

#[test]
fn a_label_of_a_volume() {
    assert_eq!(names(&stored("02-gnu-volume-label.tar")), ["a"]);
}

#[test]
fn sizes_of_entries_that_have_no_content() {
    let folders = unpacked(&stored("03-v7-directory-with-size.tar")).unwrap();
    let empty = Node::Folder(BTreeMap::new());
    let expected = ["directory1", "directory2"].map(|name| (name.to_owned(), empty.clone()));
    assert_eq!(folders, BTreeMap::from(expected));
    assert_eq!(names(&stored("03c-hardlink-with-size.tar")), ["d", "d2", "first", "lost"]);
    // The same with a folder of the ustar kind, and with content that a link really has.
    let entries: [(EntryType, &str, u64, &[u8]); 4] = [
        (EntryType::Regular, "first", 5, b"hello"),
        (EntryType::Directory, "d/", 4096, b""),
        (EntryType::Link, "l", 5, b"hello"),
        (EntryType::Regular, "last", 1, b"1"),
    ];
    let mut bytes = Vec::new();
    for (kind, name, size, content) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        if kind == EntryType::Link {
            header.set_link_name("first").unwrap();
        }
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend_from_slice(&[0; 1024]);
    let tree = unpacked(&bytes).unwrap();
    assert_eq!(tree["l"], file("hello"));
    assert_eq!(tree.into_keys().collect::<Vec<_>>(), ["d", "first", "l", "last"]);
}

#[test]
fn padding_after_compressed_bytes() {
    assert_eq!(names(&stored("04-gzip-trailing-zeros.tgz")), ["a", "plain"]);
    let plain = pax(&[], EntryType::Regular, "a");
    let zeros = |count| vec![0; count];
    for bytes in [gz(&plain), bz2(&plain)] {
        for count in [1, 3, 512, 70_000] {
            assert_eq!(names(&[bytes.clone(), zeros(count)].concat()), ["a"]);
        }
        let text = error(&[bytes.clone(), zeros(9), vec![1]].concat());
        assert!(text.starts_with("E0711") && text.contains("something else than zeros"), "{text}");
    }
    assert_eq!(names(&[xz(&plain), zeros(8)].concat()), ["a"]);
    assert!(error(&[xz(&plain), zeros(3)].concat()).starts_with("E0711"));
    let zst = zstd::encode_all(plain.as_slice(), 1).unwrap();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 0, 0];
    assert_eq!(names(&[&zst[..], &skippable].concat()), ["a"]);
    assert!(error(&[zst, zeros(4)].concat()).starts_with("E0711"));
}

/// A member of lzip is the stream of a file of `lzma` in another frame (RFC draft-diaz-lzip).
fn lzip(plain: &[u8], lzma: &[u8]) -> Vec<u8> {
    let mut member = b"LZIP\x01\x12".to_vec();
    member.extend_from_slice(&lzma[13..]);
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    member.extend_from_slice(&crc.sum().to_le_bytes());
    member.extend_from_slice(&(plain.len() as u64).to_le_bytes());
    let length = member.len() as u64 + 8;
    member.extend_from_slice(&length.to_le_bytes());
    member
}

#[test]
fn lzma_and_lzip() {
    let plain = pax(&[], EntryType::Regular, "a");
    let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(&plain).unwrap();
    let lzma = encoder.finish().unwrap();
    assert_eq!(names(&lzma), ["a"]);
    let member = lzip(&plain, &lzma);
    assert_eq!(names(&member), ["a"]);
    assert!(error(&member[..member.len() - 1]).starts_with("E0711"));
}

#[test]
fn zip_archives_of_dos() {
    let tree = unpacked(&stored("08-zip-dos-backslash.zip")).unwrap();
    let Node::Folder(inner) = &tree["dir"] else { panic!("{tree:?}") };
    assert!(inner.contains_key(b"f.txt".as_slice()), "{tree:?}");
}

#[test]
fn methods_of_zip_archives() {
    assert_eq!(names(&stored("09-zip-method-12-bzip2.zip")), ["vimrc"]);
    let set = |method: u16, flags: u16| {
        let mut bytes = stored("09-zip-method-12-bzip2.zip");
        let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        for (at, value) in [(8, method), (central + 10, method), (6, flags), (central + 8, flags)] {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        error(&bytes)
    };
    for (method, name) in [(9, " (Deflate64)"), (98, " (PPMd)"), (77, "")] {
        let expected = format!(
            "E0740 the entry `vimrc` of `the archive` cannot be read: its compression method {method}{name} is not supported"
        );
        assert_eq!(set(method, 0), expected);
    }
    // The bytes are of another method.
    for method in [14, 93, 95] {
        assert!(set(method, 0).starts_with("E0711"), "{}", set(method, 0));
    }
    assert!(set(12, 1).contains("it is encrypted"), "{}", set(12, 1));
}

/// An archive of one entry, `a`, whose content is compressed already.
fn one_entry(method: u16, flags: u16, content: &[u8], compressed: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let [flags, method] = [flags, method].map(u16::to_le_bytes);
    let common = [
        &flags[..],
        &method,
        &[0; 4],
        &crc.sum().to_le_bytes(),
        &size(compressed),
        &size(content),
        &[1, 0, 0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04\x3f\0".as_slice(), &common, b"a", compressed].concat();
    let central = [b"PK\x01\x02\x3f\x03\x3f\0".as_slice(), &common, &[0; 14], b"a"].concat();
    let end =
        [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &size(&central), &size(&local), &[0, 0]]
            .concat();
    [local, central, end].concat()
}

#[test]
fn zip_entries_of_lzma_xz_and_zstandard() {
    let content = b"some content, some content".repeat(9);
    let expected = Node::File { executable: false, content: content.clone() };
    let zst = zstd::encode_all(content.as_slice(), 1).unwrap();
    let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(&content).unwrap();
    let alone = encoder.finish().unwrap();
    let lzma = [b"\x09\x14\x05\x00".as_slice(), &alone[..5], &alone[13..]].concat();
    let cases = [(93, 0, zst), (95, 0, xz(&content)), (14, 2, lzma.clone()), (14, 0, lzma)];
    for (method, flags, compressed) in cases {
        let mut bytes = one_entry(method, flags, &content, &compressed);
        assert_eq!(unpacked(&bytes).unwrap()["a"], expected, "{method} {flags}");
        let cut = one_entry(method, flags, &content, &compressed[..compressed.len() / 2]);
        assert!(error(&cut).starts_with("E0711"), "{}", error(&cut));
        // The checksum in the directory.
        let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[central + 16] ^= 1;
        assert!(error(&bytes).starts_with("E0711"), "{}", error(&bytes));
    }
}

/// Names in a code page are the bytes that they are, as bsdtar has them.
#[test]
fn zip_names_that_are_not_text() {
    let mut bytes = one_entry(0, 0, b"1", b"1");
    bytes.iter_mut().filter(|byte| **byte == b'a').for_each(|byte| *byte = 0x91);
    let Node::Folder(tree) = Place::new().unpack(&bytes, 0, &Limits::default()).unwrap() else {
        panic!("no folder")
    };
    assert_eq!(tree.into_keys().collect::<Vec<_>>(), [vec![0x91]]);
}

#[test]
fn formats_that_are_known_and_not_read() {
    let cases: [(&[u8], &str); 6] = [
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"\x1f\x9d\x90", "compressed with `compress`"),
        (b"\x04\x22\x4d\x18", "compressed with LZ4"),
        (b"070701", "a cpio archive"),
        (b"\xed\xab\xee\xdb\x03", "an RPM package"),
    ];
    for (start, name) in cases {
        for length in [start.len(), 2000] {
            let mut bytes = start.to_vec();
            bytes.resize(length, 7);
            let text = error(&bytes);
            assert!(text.starts_with("E0712") && text.contains(name), "{text}");
        }
    }
}

/// Headers that describe each other without end cost no more than their limit.
#[test]
fn headers_without_an_entry() {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XGlobalHeader);
    header.set_path("g").unwrap();
    header.set_size(0);
    header.set_cksum();
    let many = header.as_bytes().repeat(20_000);
    assert!(error(&gz(&many)).contains("its headers are too long"), "{}", error(&gz(&many)));
    let two = pax(&[("path", "b")], EntryType::XHeader, "x");
    assert!(error(&two).contains("two headers of one kind"), "{}", error(&two));
}

/// Bytes that begin with zeros are no empty archive.
#[test]
fn images_and_zeros() {
    let image = |at: usize, mark: &[u8]| {
        let mut bytes = vec![0; 80_000];
        bytes[at..at + mark.len()].copy_from_slice(mark);
        bytes
    };
    let cases: [(usize, &[u8], &str); 5] = [
        (0x8001, b"CD001\x01", "it is an ISO 9660 image"),
        (0x438, &[0x53, 0xef], "it is an image of an ext file system"),
        (0x1_0040, b"_BHRfS_M", "it is an image of a btrfs file system"),
        (510, &[0x55, 0xaa], "it is an image of a disk"),
        (79_999, b"1", "it starts with zeros"),
    ];
    for (at, mark, name) in cases {
        for bytes in [image(at, mark), gz(&image(at, mark))] {
            let text = error(&bytes);
            assert!(text.starts_with("E0712") && text.contains(name), "{text}");
        }
    }
    for length in [512, 1024, 10_240, 80_000] {
        assert_eq!(names(&vec![0; length]), [""; 0]);
        assert_eq!(names(&gz(&vec![0; length])), [""; 0]);
    }
}

#[test]
fn a_lone_block_of_zeros_hides_nothing() {
    let one = pax(&[], EntryType::Regular, "a");
    let entries = &one[..one.len() - 1024];
    let with = |zeros: usize, rest: &[u8]| [entries, &vec![0; zeros], rest].concat();
    let expected = "E0711 `the archive` is damaged after the entry `a`: a lone block of zeros stands before other blocks";
    assert_eq!(error(&with(512, entries)), expected);
    for sound in [with(512, &[]), with(1024, entries), with(700, &[]), with(0, &[])] {
        assert_eq!(names(&sound), ["a"]);
    }
}

#[test]
fn bytes_after_lzma_and_lzip() {
    let plain = pax(&[], EntryType::Regular, "a");
    let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(&plain).unwrap();
    let lzma = encoder.finish().unwrap();
    for compressed in [lzma.clone(), lzip(&plain, &lzma)] {
        for rest in [b"LZ".as_slice(), b"garbage", b"\0\0\x01"] {
            let text = error(&[&compressed, rest].concat());
            assert!(text.starts_with("E0711"), "{text}");
        }
        assert_eq!(names(&[&compressed[..], &[0; 9]].concat()), ["a"]);
    }
    let (first, second) = plain.split_at(700);
    let member = |part: &[u8]| {
        let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(part).unwrap();
        lzip(part, &encoder.finish().unwrap())
    };
    assert_eq!(names(&[member(first), member(second)].concat()), ["a"]);
}

/// What is damaged is not taken for another format.
#[test]
fn a_flipped_bit_in_compressed_bytes_is_damage() {
    let plain = pax(&[], EntryType::Regular, "a");
    let mut zst = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zst.include_checksum(true).unwrap();
    zst.write_all(&plain).unwrap();
    // Behind the marks, which nothing else tells.
    for (start, bytes) in
        [(4, zst.finish().unwrap()), (3, gz(&plain)), (4, bz2(&plain)), (6, xz(&plain))]
    {
        for at in start..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            match unpacked(&flipped) {
                Ok(tree) => assert_eq!(tree.into_keys().collect::<Vec<_>>(), ["a"]),
                Err(error) => assert_eq!(error.code(), "E0711", "{at} {error}"),
            }
        }
    }
}

#[test]
fn entries_without_a_name() {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_cksum();
    let expected = "E0710 `the archive` has an entry that is not accepted, ``: its name is empty";
    assert_eq!(error(&[header.as_bytes().as_slice(), &[0; 1024]].concat()), expected);
    let zip = one_entry(0, 0, b"1", b"1");
    assert_eq!(names(&zip), ["a"]);
}

/// Some programs go by an entry's own header, others by the directory.
#[test]
fn zip_headers_that_differ() {
    let sound = one_entry(0, 0, b"1", b"1");
    let mut renamed = sound.clone();
    renamed[30] = b'b';
    assert_eq!(
        error(&renamed),
        "E0711 `the archive` is damaged at its start: the header of an entry says `b` (method 0), and the directory `a` (method 0)"
    );
    let mut other_method = sound.clone();
    other_method[8] = 8;
    assert!(error(&other_method).starts_with("E0711"));
    let text = error(&[b"#!/bin/sh\nexit\n".repeat(64), sound].concat());
    assert!(text.starts_with("E0712") && text.contains("before the zip archive"), "{text}");
}
