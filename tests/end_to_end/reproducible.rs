//! The same source gives the same image, wherever and whenever it is built.

use std::path::Path;

use crate::harness::{cbuild, copy_of, module, shared_root};

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

#[test]
fn what_no_program_makes_is_not_run_again() {
    let done = cbuild(&shared_root(), ["build", "--check", "std:zlib_source"]).ok();
    assert!(done.stdout.contains("is not run again: it is a download"), "{}", done.stdout);
    assert!(done.stdout.contains("sha256-"), "{}", done.stdout);
    let done = cbuild(&shared_root(), ["--json", "build", "--check", "std:zlib_source"]).ok();
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&told["kind"], &told["run"]), (&"fetch".into(), &false.into()), "{told}");
    let text =
        module("import std\npub let default: Package = std.tree.text_file(\"a\", sh\"b\")\n");
    let done = cbuild(&shared_root(), ["build", "--check", text.path().to_str().unwrap()]).ok();
    assert!(done.stdout.contains("a is not run again: it is composed"), "{}", done.stdout);
}
