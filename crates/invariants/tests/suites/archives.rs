//! Archives of Go, CPython, libarchive and of two crates.

use std::fs;
use std::path::Path;

use cbuild_fetch::{FetchError, Limits, unpack};

use crate::reference::{Made, of_tar, of_zip};
use crate::suite::{Suite, settle};
use crate::tree::Tree;
use crate::uu;

const GO: Suite = Suite {
    name: "go-1.19.8",
    url: "mirror://debian/pool/main/g/golang-1.19/golang-1.19_1.19.8.orig.tar.gz",
    hash: "sha256-1d7a67929dccafeaf8a29e55985bc2b789e0499cb1a17100039f084e3238da2f",
    parts: &["src/archive/tar/testdata", "src/archive/zip/testdata"],
};

const PYTHON: Suite = Suite {
    name: "python-3.11.2",
    url: "mirror://debian/pool/main/p/python3.11/python3.11_3.11.2.orig.tar.gz",
    hash: "sha256-2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
    parts: &["Lib/test"],
};

const LIBARCHIVE: Suite = Suite {
    name: "libarchive-3.6.2",
    url: "mirror://debian/pool/main/liba/libarchive/libarchive_3.6.2.orig.tar.xz",
    hash: "sha256-9e2c1b80d5fbe59b61308fdfab6c79b5021d7ff4ff2489fb12daf0a96a83551d",
    parts: &["libarchive/test", "cpio/test", "tar/test"],
};

/// The archives of the `tar` crate, and more of a crate that was made of it.
const TAR: Suite = Suite {
    name: "astral-tokio-tar-0.7.0",
    url: "mirror://crates/astral-tokio-tar/0.7.0",
    hash: "sha256-6f2e989b33246fe9240d39accf4dd9a01e0b6c1f3ce9dd095e0a47fa02505523",
    parts: &["tests/archives"],
};

/// What cbuild makes of an archive where that is otherwise than all programs have it; `None` where
/// it is the same, and where nobody reads it.
fn difference(bytes: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    fs::write(&archive, bytes).unwrap();
    let tree = folder.path().join("tree");
    // Less than the default, so that no test writes gigabytes.
    let limits = Limits { unpacked_bytes: 1 << 30, ..Limits::default() };
    let own = unpack(&archive, &tree, 0, "archive", &limits).map(|()| Tree::read(&tree));
    if matches!(own, Err(FetchError::UnknownFormat { .. } | FetchError::TooLarge { .. })) {
        return None;
    }
    let made = references(&archive, bytes, folder.path());
    match own {
        Ok(own) => differs(&own, &made),
        Err(error) => {
            let reads = |made: &Made| made.content && made.tree.len() > 0;
            let readers: Vec<&str> =
                made.iter().filter(|made| reads(made)).map(|made| made.program).collect();
            (!readers.is_empty())
                .then(|| format!("{}: {error}; read by {}", error.code(), readers.join(" and ")))
        }
    }
}

fn references(archive: &Path, bytes: &[u8], scratch: &Path) -> Vec<Made> {
    if bytes.starts_with(b"PK") { of_zip(archive, scratch) } else { of_tar(archive, scratch) }
}

fn differs(own: &Tree, made: &[Made]) -> Option<String> {
    if made.iter().any(|made| *own == made.tree) {
        return None;
    }
    let shown = made.iter().filter_map(|made| {
        let complaint = if made.content { "" } else { " (which complains)" };
        Some(format!("{}{complaint}: {}", made.program, own.difference(&made.tree)?))
    });
    Some(format!("differs from {}", shown.collect::<Vec<_>>().join("; ")))
}

fn check(suite: &Suite, endings: &[&str], known: &[(&str, &str)]) {
    let mut found = Vec::new();
    for (name, path) in suite.files(endings) {
        let bytes = fs::read(&path).unwrap();
        let bytes = if name.ends_with(".uu") { uu::decoded(&bytes) } else { bytes };
        if let Some(what) = difference(&bytes) {
            found.push((name, what));
        }
    }
    settle(&found, known);
}

#[test]
fn archives_of_go() {
    let known = [
        // Devices and FIFOs.
        ("0/hdr-only.tar", "E0710"),
        // Names with a NUL, which the programs cut there.
        ("0/gnu-long-nul.tar", "its name holds a NUL byte"),
        ("0/pax-nul-path.tar", "its name holds a NUL byte"),
        // What the programs do not read in the same way.
        ("0/gnu-multi-hdrs.tar", "two headers of one kind"),
        ("0/pax-multi-hdrs.tar", "two headers of one kind"),
        ("0/pax-global-records.tar", "its global header gives `path`"),
    ];
    check(&GO, &[".tar", ".zip", ".bz2"], &known);
}

#[test]
fn archives_of_python() {
    // Devices and FIFOs.
    let known = [("0/testtar.tar", "E0710")];
    check(&PYTHON, &[".tar", ".zip", ".xz", ".gz", ".bz2"], &known);
}

#[test]
fn archives_of_libarchive() {
    let known = [
        // Bytes that are no padding after the compressed ones.
        ("0/test_compat_bzip2_2.tbz.uu", "something else than zeros"),
        ("0/test_compat_gzip_2.tgz.uu", "something else than zeros"),
        ("0/test_compat_lzip_2.tlz.uu", "something else than zeros"),
        ("0/test_compat_lzma_1.tlz.uu", "something else than zeros"),
        // The line feed at the end of the mailed text, behind a block of zeros.
        ("0/test_compat_plexus_archiver_tar.tar.uu", "a lone block of zeros"),
        // Comments in a map of holes, which GNU tar does not read either.
        ("0/test_read_format_gtar_sparse_1_17_posix10_modified.tar.uu", "map of holes"),
        // Methods of zip archives that are not read.
        ("0/test_read_format_zip_ppmd8.zipx.uu", "E0740"),
        ("0/test_read_format_zip_ppmd8_multi.zipx.uu", "E0740"),
        // A directory that is not where the archive's end says, as unzip has it.
        ("0/test_read_format_zip_extra_padding.zip.uu", "E0711"),
        // Names that the directory and the entries themselves do not agree on.
        ("0/test_read_format_zip_7075_utf8_paths.zip.uu", "the header of an entry says"),
        // Absolute names, of which the programs drop the slash.
        ("2/test_leading_slash.tar.uu", "its name is absolute"),
        ("2/test_patterns_2.tar.uu", "its name is absolute"),
        ("2/test_patterns_3.tar.uu", "its name is absolute"),
    ];
    check(&LIBARCHIVE, &[".uu"], &known);
}

#[test]
fn archives_of_tar() {
    check(&TAR, &[".tar"], &[]);
}
