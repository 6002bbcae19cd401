//! The same source gives the same image, wherever and whenever it is built.

use std::path::Path;

use crate::harness::{cbuild, copy_of, shared_root};

fn image_digest(root: &Path, example: &Path, out: &Path) -> String {
    let target = format!("{}:image", example.display());
    let out = out.to_str().unwrap();
    cbuild(root, ["image", "export", &target, "-o", out, "--format", "oci-archive"]).ok();
    let inspected = cbuild(root, ["--json", "image", "inspect", out]).ok();
    let document: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    let digest = document["images"][0]["manifestDigest"].as_str().unwrap_or_default().to_owned();
    assert!(digest.starts_with("sha256:"), "{}", inspected.stdout);
    digest
}

#[test]
fn two_roots_and_two_source_folders_give_one_digest() {
    let other_root = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    for example in ["hello", "redis"] {
        let (first, second) =
            (copy_of(&format!("examples/{example}")), copy_of(&format!("examples/{example}")));
        let a = image_digest(&shared_root(), first.path(), &out.path().join("a.tar"));
        let b = image_digest(other_root.path(), second.path(), &out.path().join("b.tar"));
        assert_eq!(a, b, "{example}");
        let bytes = |name: &str| std::fs::read(out.path().join(name)).unwrap();
        assert_eq!(bytes("a.tar"), bytes("b.tar"), "the archives of {example} differ");
    }
}
