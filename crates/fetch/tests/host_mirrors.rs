//! Detects the mirrors of the host and downloads through each of them.
//!
//! Needs Debian with apt, pip, npm and cargo, and the network that these use.
#![expect(clippy::disallowed_methods, reason = "folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{Detection, Fetcher, Limits, MirrorSource, Mirrors, Options, Progress, detect};

/// The clients are asked once for all tests.
fn detection() -> &'static Detection {
    static DETECTION: OnceLock<Detection> = OnceLock::new();
    DETECTION.get_or_init(|| detect(&Limits::default()))
}

fn archive(url: &str, hash: &str, strip: u32) -> Fetch {
    let hash = ContentHash::parse(hash).unwrap();
    Fetch { urls: vec![url.into()], hash, kind: FetchKind::Archive { strip } }
}

fn fetched(fetch: &Fetch, check: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let source = MirrorSource::Table(detection().mirrors.clone());
    let fetcher = Fetcher::new(source, Options::default());
    let tree = folder.path().join("tree");
    fetcher
        .fetch(fetch, &tree, &mut |_| ())
        .unwrap_or_else(|error| panic!("{error}\n{:#?}", detection().findings));
    check(&tree);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left over");
}

#[test]
fn first_download_detects_and_saves() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("config/mirrors.toml");
    let fetcher = Fetcher::new(MirrorSource::File(table.clone()), Options::default());
    let fetch = archive(
        "mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
        "sha256-31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        1,
    );
    let tree = folder.path().join("hello");
    let mut seen = (0, None);
    let mut note = |progress: Progress<'_>| {
        if let Progress::Bytes { bytes, total, .. } = progress {
            seen = (bytes, total);
        }
    };
    fetcher.fetch(&fetch, &tree, &mut note).unwrap();
    assert_eq!(seen, (725_946, Some(725_946)));
    // An archive of the v7 kind, with an executable script and without an entry for its top.
    assert!(fs::read_to_string(tree.join("COPYING")).unwrap().contains("GNU GENERAL"));
    let mode = |name: &str| fs::metadata(tree.join(name)).unwrap().permissions().mode() & 0o100;
    assert_eq!((mode("configure"), mode("COPYING")), (0o100, 0));
    assert_eq!(Mirrors::load(&table).unwrap().as_ref(), Some(&detection().mirrors));
    assert_eq!(fs::metadata(&table).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn debian_package() {
    let fetch = archive(
        "mirror://debian/pool/main/z/zlib/zlib1g_1.2.13.dfsg-1_amd64.deb",
        "sha256-d7dd1d1411fedf27f5e27650a6eff20ef294077b568f4c8c5e51466dc7c08ce4",
        0,
    );
    fetched(&fetch, |tree| {
        let link = tree.join("lib/x86_64-linux-gnu/libz.so.1");
        assert_eq!(fs::read_link(link).unwrap(), Path::new("libz.so.1.2.13"));
        assert!(tree.join("usr/share/doc/zlib1g/copyright").is_file());
    });
}

#[test]
fn python_wheel() {
    let fetch = archive(
        "mirror://pypi/Six/six-1.16.0-py2.py3-none-any.whl",
        "sha256-8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
        0,
    );
    fetched(&fetch, |tree| assert!(tree.join("six-1.16.0.dist-info/METADATA").is_file()));
}

#[test]
fn node_package() {
    let fetch = archive(
        "mirror://npm/is-odd/3.0.1",
        "sha512-CQpnWPrDwmP1+SMHXZhtLtJv90yiyVfluGsX5iNCVkrhQtU3TQHsUWPG9wkdk9Lgd5yNpAg9jQEo90CBaXgWMA==",
        1,
    );
    fetched(&fetch, |tree| assert!(tree.join("package.json").is_file()));
}

#[test]
fn rust_crate() {
    let fetch = archive(
        "mirror://crates/itoa/1.0.18",
        "sha256-8f42a60cbdf9a97f5d2305f08a87dc4e09308d1276d28c869c684d7777685682",
        1,
    );
    fetched(&fetch, |tree| assert!(tree.join("src/lib.rs").is_file()));
}
