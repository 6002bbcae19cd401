use std::io::Write;

use cbuild_drv::Digest;

use super::*;
use crate::cancel::Cancel;
use crate::scan::Patterns;

fn text() -> Vec<u8> {
    format!("see /cbuild/store/{}-x here", Digest::of(b"x")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lzma(bytes: &[u8]) -> Vec<u8> {
    let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn zip(bytes: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for name in ["META-INF/first", "second"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(if name == "second" { bytes } else { b"first" }).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    zip(bytes, CompressionMethod::Deflated)
}

/// A zip archive of one member, whose content is already compressed with a method.
fn zip_of(method: u16, flags: u16, packed: &[u8], size: usize) -> Vec<u8> {
    let fields = |start: &[u8]| {
        let mut bytes = start.to_vec();
        for field in [20, flags, method, 0, 0x21, 0, 0] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [packed.len(), size] {
            bytes.extend((field as u32).to_le_bytes());
        }
        bytes.extend([1, 0, 0, 0]);
        bytes
    };
    let mut bytes = [fields(b"PK\x03\x04"), b"m".to_vec(), packed.to_vec()].concat();
    let at = bytes.len() as u32;
    let entry = [fields(b"PK\x01\x02\x14\x00"), vec![0; 14], b"m".to_vec()].concat();
    bytes.extend(&entry);
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend((entry.len() as u32).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// What a search finds: hits in compressed parts, bytes that may still be unpacked, and the rest.
fn look(bytes: &[u8]) -> (usize, u64, Inside) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mut patterns = Patterns::default();
    patterns.add(&Digest::of(b"x"), Pattern::Candidate(0));
    let cancel = Cancel::default();
    let (mut scanner, mut allowance) = (Scanner::new(&patterns, 0, &cancel), Allowance::default());
    let mut seen = Seen::default();
    scanner.stream(&mut Watched::new(&mut file, &mut seen), |_, _| ()).unwrap();
    let (length, mut found) = (bytes.len() as u64, 0);
    let mut count = |_| found += 1;
    let inside =
        look_inside(&file, length, seen, &mut scanner, &mut allowance, &mut count).unwrap();
    (found, allowance.0, inside)
}

#[track_caller]
fn check(bytes: &[u8], expected: usize, left_out: Option<LeftOut>) {
    let (found, _, inside) = look(bytes);
    assert_eq!((found, inside.left_out), (expected, left_out));
}

type Packer = fn(&[u8]) -> Vec<u8>;

const PACKERS: [Packer; 5] = [gzip, bzip2, xz, zstd, deflated];

#[test]
fn each_kind_is_looked_into() {
    for (number, pack) in PACKERS.iter().enumerate() {
        let (one, two) = (pack(b"some "), pack(&text()));
        assert_eq!(look(&two).0, 1, "kind {number}");
        assert_eq!(look(&[one, two].concat()).0, 1, "second {number}");
        for (other, again) in PACKERS.iter().enumerate() {
            // What a packer only copies is found in the file itself, too.
            assert!(look(&again(&pack(&text()))).0 >= 1, "kind {number} in {other}");
        }
    }
    for pack in [lzma, zlib] {
        check(&pack(&text()), 1, None);
    }
    check(&zip(&gzip(&text()), CompressionMethod::Stored), 1, None);
    // The search in the file itself sees these.
    check(&zip(&text(), CompressionMethod::Stored), 0, None);
    let (found, left, _) = look(&text());
    assert_eq!((found, left), (0, MAX_OF_ALL));
}

#[test]
fn streams_are_found_behind_anything() {
    for pack in PACKERS {
        let packed = pack(&text());
        check(&[b"#!/bin/sh\nexit\n".as_slice(), &packed].concat(), 1, None);
        check(&[&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &packed[..]].concat(), 1, None);
        check(&[&packed[..], b"rest", &packed, &[0; 700]].concat(), 2, None);
    }
    // A text that goes on in the next stream of the same kind, as blocked writers of gzip have it.
    for pack in [gzip, bzip2, xz, zstd] {
        let text = text();
        let (one, two) = text.split_at(30);
        let joined = [b"before".to_vec(), pack(one), pack(two), b"after".to_vec()].concat();
        check(&joined, 1, None);
        check(&gzip(&[pack(one), pack(two)].concat()), 1, None);
    }
    // A comment behind the last record of zip.
    let mut zip = [b"#!python\n".to_vec(), deflated(&text())].concat();
    let at = zip.len() - 2;
    zip[at..].copy_from_slice(&40_000u16.to_le_bytes());
    zip.extend([b'c'; 40_000]);
    check(&zip, 1, None);
    check(&zip[..zip.len() - 39_000], 0, Some(LeftOut::Broken));
}

#[test]
fn methods_of_zip_are_decoded_or_told() {
    let (text, raw) = (text(), lzma(&text()));
    let member = [&[9, 20, 5, 0], &raw[..5], &raw[13..]].concat();
    check(&zip_of(14, 2, &member, text.len()), 1, None);
    check(&zip_of(95, 0, &xz(&text), text.len()), 1, None);
    check(&zip(&text, CompressionMethod::Bzip2), 1, None);
    check(&zip(&text, CompressionMethod::Zstd), 1, None);
    check(&zip_of(98, 0, b"whatever", 8), 0, Some(LeftOut::Method(98)));
    check(&zip_of(0, 1, b"whatever", 8), 0, Some(LeftOut::Encrypted));
    check(&gzip(&zip_of(98, 0, b"whatever", 8)), 0, Some(LeftOut::Method(98)));
    check(&gzip(&zip(&text, CompressionMethod::Stored)), 2, None);
}

/// A tar archive with a compressed member, a plain one, and a link.
fn tar(packed: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    for (name, member) in [("a".repeat(150), packed), ("second".to_owned(), &text())] {
        header.set_size(member.len() as u64);
        builder.append_data(&mut header, name, member).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    let target = format!("/cbuild/store/{}-x", Digest::of(b"x"));
    builder.append_link(&mut link, "link", target).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn members_of_packed_tar_archives_are_unpacked() {
    for pack in PACKERS {
        let archive = tar(&pack(&text()));
        let found = look(&gzip(&archive)).0;
        // What a packer only copies is found twice.
        assert!((3..=4).contains(&found), "{found}");
        check(&xz(&tar(b"plain")), 2, None);
        let cut = look(&xz(&archive[..archive.len() - 3000])).2;
        assert!(cut.left_out.is_some());
    }
    let inner = tar(&gzip(&text()));
    check(&gzip(&tar(&inner)), 5, None);
    let behind = [tar(b"plain"), text()].concat();
    check(&gzip(&behind), 3, None);
}

#[test]
fn nesting_ends() {
    let mut bytes = text();
    for _ in 0..=MAX_NESTING {
        bytes = gzip(&bytes);
    }
    check(&bytes, 1, None);
    check(&gzip(&bytes), 0, Some(LeftOut::Nesting));
}

#[test]
fn bombs_are_left_alone() {
    let zeros = vec![0; 64 << 20];
    for pack in PACKERS {
        let bomb = pack(&[zeros.as_slice(), &text()].concat());
        let (found, left, inside) = look(&bomb);
        let most = (bomb.len() as u64 * MAX_RATIO).max(SMALL);
        assert!(most < zeros.len() as u64, "it is no bomb: {} bytes", bomb.len());
        assert_eq!((found, MAX_OF_ALL - left), (0, most));
        assert_eq!(inside.left_out, Some(LeftOut::Length));
        assert_eq!(look(&gzip(&bomb)).2.left_out, Some(LeftOut::Length));
    }
    // What just fits is no bomb.
    check(&gzip(&vec![0; SMALL as usize]), 0, None);
}

#[test]
fn marks_that_are_none_cost_little() {
    let mut bytes = Vec::new();
    while bytes.len() < 1 << 20 {
        bytes.extend([0x1f, 0x8b, 8, 0, 0xff]);
        bytes.extend(b"PK\x05\x06");
    }
    check(&bytes, 0, Some(LeftOut::Length));
    bytes.insert(0, b'x');
    check(&bytes, 0, Some(LeftOut::Length));
}

#[test]
fn damage_is_told_and_no_error() {
    for pack in PACKERS {
        let whole = pack(&text().repeat(50));
        for length in (0..whole.len()).step_by(7) {
            look(&whole[..length]);
            let mut changed = whole.clone();
            changed[length] ^= 0x55;
            look(&changed);
        }
        let cut = look(&whole[..whole.len() - 4]).2;
        assert_eq!(cut.left_out, Some(LeftOut::Broken));
    }
    // Bytes that have such a beginning by chance are nothing to tell.
    for text in [&b"x\x9c, as it is"[..], b"x^2 + 1", b"]\0\0\x01\0"] {
        check(text, 0, None);
    }
    check(b"text \x1f\x8b\x08\0 and \x28\xb5\x2f\xfd and PK\x05\x06", 0, None);
}

#[test]
fn what_a_checksum_covers_is_sealed() {
    let stored = [b"#!python\n".to_vec(), zip(&text(), CompressionMethod::Stored)].concat();
    let digest = Digest::of(b"x").to_text();
    let place = |bytes: &[u8]| {
        let found = bytes.windows(digest.len()).position(|window| window == digest.as_bytes());
        found.unwrap() as u64
    };
    assert!(look(&stored).2.is_sealed(place(&stored)));
    let before = [text(), stored].concat();
    assert!(!look(&before).2.is_sealed(place(&before)));
    // Level 0 copies.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&text()).unwrap();
    let copied = encoder.finish().unwrap();
    assert!(look(&copied).2.is_sealed(place(&copied)));
    let behind = [copied, text()].concat();
    assert!(look(&behind).2.is_sealed(place(&behind)));
    let last = (behind.len() - text().len()) as u64 + place(&text());
    assert!(!look(&behind).2.is_sealed(last));
}
