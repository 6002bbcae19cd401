//! Errors of the store, and of the explanations that read it.

use std::path::Path;

use cbuild_drv::{Digest, StorePath};
use cbuild_explain::Error as X;
use cbuild_store::{CycleLink, Error as S, Store};

use super::*;

pub(super) fn object(name: &str) -> StorePath {
    StorePath::parse(&format!("{}-{name}", Digest::of(name.as_bytes()))).unwrap()
}

fn cycle() -> Vec<CycleLink> {
    let link = |from: &str, to: &str, file: &str| CycleLink {
        from: from.to_owned(),
        to: to.to_owned(),
        file: file.into(),
    };
    vec![link("out", "dev", "lib/libz.so"), link("dev", "out", "lib/pkgconfig/z.pc")]
}

/// A store cannot be opened whose index is a folder.
fn unusable_index(folder: &Path) -> S {
    drop(Store::open(folder).unwrap());
    let index = folder.join("index.sqlite");
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    Store::open(folder).unwrap_err()
}

#[test]
fn store_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = || "/home/me/cbuild/index.sqlite".into();
    let doing = "write";
    let text = str::to_owned;
    let all = each!(S {
        S::Io { .. } => [
            S::Io { doing, path: path(), source: system(NO_ACCESS) },
            S::Io { doing: "read", path: path(), source: system(NO_SUCH_FILE) },
        ],
        S::DiskFull { .. } => [S::DiskFull { doing, path: path() }],
        S::IndexDamaged { .. } => [
            S::IndexDamaged { path: path(), detail: text("file is not a database") },
        ],
        S::Index { .. } => [unusable_index(folder.path())],
        S::Version { .. } => [
            S::Version { path: "/home/me/cbuild/version".into(), found: text("9"), known: 1 },
            S::Version { path: "/home/me/cbuild/index.sqlite".into(), found: text("9"), known: 2 },
        ],
        S::NotAStore { .. } => [S::NotAStore { path: "/home/me".into() }],
        S::FileKind { .. } => [S::FileKind { path: "/build/out/sock".into(), kind: "socket" }],
        S::TooDeep { .. } => [S::TooDeep { path: "/build/out/a/a/a".into(), limit: 1000 }],
        S::LongPath { .. } => [S::LongPath { path: "/build/out/very-long".into(), limit: 3072 }],
        S::OutputMissing { .. } => [
            S::OutputMissing { output: text("dev"), path: "/build/dev".into() },
        ],
        S::OutputCycle { .. } => [S::OutputCycle { files: cycle() }],
        S::ScratchInName { .. } => [S::ScratchInName { path: "/build/out/share/x".into() }],
        S::ReferenceMissing { .. } => [S::ReferenceMissing {
            referrer: object("redis-7.0.15").to_string(),
            reference: object("openssl-3.0.1"),
        }],
        S::NotInStore { .. } => [S::NotInStore { path: object("redis-7.0.15") }],
        S::RootTaken { .. } => [S::RootTaken { path: "/home/me/result".into() }],
        S::RecordDamaged { .. } => [
            S::RecordDamaged { path: "/s/records/1".into(), detail: text("it ends too early") },
        ],
        S::OtherFileSystem { .. } => [S::OtherFileSystem { path: "/tmp/out".into() }],
        S::Cancelled => [S::Cancelled],
        S::Transfer { .. } => [S::Transfer { detail: text("it ends at byte 512") }],
        S::TooLong { .. } => [S::TooLong { path: "/build/out/f".into(), limit: 64 << 30 }],
        S::FirstFormat { .. } => [S::FirstFormat { path: object("redis-7.0.15") }],
        S::InUse { .. } => [S::InUse { path: "/home/me/cbuild".into() }],
        S::StoreInside { .. } => [
            S::StoreInside { path: "/home/me/app".into(), root: "/home/me/app/.store".into() },
        ],
        S::ReadOnly { .. } => [S::ReadOnly { doing, path: path() }],
        S::Foreign { .. } => [
            S::Foreign { doing, path: path(), owner: text("`ann` (user 1001)") },
        ],
        S::VersionDamaged { .. } => [
            S::VersionDamaged { path: "/home/me/cbuild/version".into(), found: text("cbuild-sto\0") },
        ],
        S::Spoilt { .. } => [S::Spoilt { path: object("redis-7.0.15") }],
    });
    let shown = shown(all).replace(folder.path().to_str().unwrap(), "/home/me/cbuild");
    insta::assert_snapshot!(shown);
}

#[test]
fn explanation_errors() {
    let path = || "/home/me/cbuild/store/x".into();
    let all = each!(X {
        X::Store(_) => [X::Store(S::NotInStore { path: object("redis-7.0.15") })],
        X::Io { .. } => [X::Io { doing: "read", path: path(), source: system(NO_ACCESS) }],
        X::TooDeep { .. } => [X::TooDeep { path: path(), limit: 1000 }],
    });
    insta::assert_snapshot!(shown(all));
}
