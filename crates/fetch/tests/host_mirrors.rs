//! Detects the mirrors of the host and downloads through each of them.
//!
//! Needs Debian with apt, and the network that the host's clients use.

use std::path::Path;

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{Fetcher, MirrorSource, Mirrors, Options};

#[test]
fn first_download_detects_saves_and_unpacks() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("config/mirrors.toml");
    let fetcher = Fetcher::new(MirrorSource::File(table.clone()), Options::default());
    let tree = folder.path().join("hello");
    let fetch = Fetch {
        urls: vec!["mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz".into()],
        hash: ContentHash::parse(
            "sha256-31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        )
        .unwrap(),
        kind: FetchKind::Archive { strip: 1 },
    };
    let mut seen = 0;
    fetcher.fetch(&fetch, &tree, &mut |progress| seen = progress.bytes).unwrap();
    assert_eq!(seen, 725_946);
    assert!(std::fs::read_to_string(tree.join("COPYING")).unwrap().contains("GNU GENERAL"));
    assert!(Mirrors::load(&table).unwrap().unwrap().get("debian").is_some());
    assert!(!Path::new(&folder.path().join("hello.part")).exists());
}
