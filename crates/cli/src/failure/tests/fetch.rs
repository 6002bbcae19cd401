//! Errors of downloads, archives, repositories and registries.

use std::time::Duration;

use cbuild_drv::ContentHash;
use cbuild_fetch::{Attempt, Cause, FetchError as F, HashMismatch, UnsafeReason};

use super::*;

/// A SHA-256 of one byte again and again.
fn hash(byte: u8) -> ContentHash {
    ContentHash::new(cbuild_drv::HashAlgorithm::Sha256, vec![byte; 32]).unwrap()
}

fn url() -> String {
    "https://example.org/redis.tar.gz".to_owned()
}

/// One attempt for each way in which an address can fail.
fn attempts() -> Vec<Attempt> {
    let text = str::to_owned;
    let causes = each!(Cause {
        Cause::Hash(_) => [Cause::Hash(hash(2))],
        Cause::Offline => [Cause::Offline],
        Cause::UnknownMirror(_) => [Cause::UnknownMirror(text("gnu"))],
        Cause::Address(_) => [Cause::Address(text("it has no host"))],
        Cause::Status(_) => [Cause::Status(text("404 Not Found"))],
        Cause::Empty => [Cause::Empty],
        Cause::Connection(_) => [Cause::Connection(text("connection refused"))],
        Cause::Silent(_) => [Cause::Silent(Duration::from_secs(45))],
        Cause::Slow { .. } => [Cause::Slow { least: 1024, span: Duration::from_secs(30) }],
        Cause::Endless(_) => [Cause::Endless(Duration::from_secs(86_400))],
        Cause::TooLarge(_) => [Cause::TooLarge(1 << 30)],
        Cause::Index(_) => [Cause::Index(text("the index has no such file"))],
        Cause::File(_) => [Cause::File(text("there is no such file"))],
    });
    causes.into_iter().map(|cause| Attempt { url: url(), cause }).collect()
}

fn refused() -> Vec<Attempt> {
    let cause = Cause::Connection("connection refused".to_owned());
    vec![Attempt { url: url(), cause }]
}

fn entry(reason: UnsafeReason) -> F {
    F::UnsafeEntry { archive: url(), entry: "redis/passwd".to_owned(), reason }
}

fn mismatch() -> F {
    let (wanted, got, others) = (hash(1), hash(2), refused());
    F::HashMismatch(Box::new(HashMismatch { wanted, got, url: url(), others }))
}

#[test]
fn addresses_that_fail() {
    insta::assert_snapshot!(shown(vec![F::NoneWorked { wanted: hash(1), attempts: attempts() }]));
}

#[test]
fn entries_that_are_not_accepted() {
    let reasons = each!(UnsafeReason {
        UnsafeReason::Nameless => [UnsafeReason::Nameless],
        UnsafeReason::Absolute => [UnsafeReason::Absolute],
        UnsafeReason::Parent => [UnsafeReason::Parent],
        UnsafeReason::Nul => [UnsafeReason::Nul],
        UnsafeReason::TooLong => [UnsafeReason::TooLong],
        UnsafeReason::TooDeep => [UnsafeReason::TooDeep],
        UnsafeReason::ThroughLink => [UnsafeReason::ThroughLink],
        UnsafeReason::HardLink => [UnsafeReason::HardLink],
        UnsafeReason::Special => [UnsafeReason::Special],
        UnsafeReason::Submodule => [UnsafeReason::Submodule],
        UnsafeReason::ReplacesFolder => [UnsafeReason::ReplacesFolder],
        UnsafeReason::EmptyTarget => [UnsafeReason::EmptyTarget],
    });
    insta::assert_snapshot!(shown(reasons.into_iter().map(entry).collect()));
}

fn mirror_entry() -> F {
    F::MirrorEntry { text: "GNU".to_owned(), message: "the name has capital letters" }
}

fn corrupt() -> F {
    let (place, message) = ("after `redis/Makefile`".to_owned(), "unexpected end".to_owned());
    F::Corrupt { archive: url(), place, message }
}

fn unsupported() -> F {
    let what = "its compression method 98 (PPMd) is not supported".to_owned();
    F::Unsupported { archive: url(), entry: "redis/Makefile".to_owned(), what }
}

fn too_large() -> F {
    F::TooLarge { archive: url(), entry: "redis/zero".to_owned(), limit: 1 << 40, unit: "bytes" }
}

fn denied(who: &'static str) -> F {
    let (registry, reference) = ("ghcr.io".to_owned(), "ghcr.io/me/redis:1.0.0".to_owned());
    F::Denied { registry, action: "read", reference, who }
}

fn token_server() -> F {
    let (registry, server) = ("ghcr.io".to_owned(), "https://example.org:443".to_owned());
    F::TokenServer { registry, server, why: "it belongs to another site" }
}

fn elsewhere() -> F {
    let (reference, server) =
        ("ghcr.io/me/redis:1.0.0".to_owned(), "https://example.org:443".to_owned());
    F::Elsewhere { action: "push", reference, server }
}

#[test]
fn fetch_errors() {
    let io = |number| F::Io { action: "write", path: "/s/x".into(), source: system(number) };
    let text = str::to_owned;
    let git = || "https://example.org/redis.git".to_owned();
    let (reference, message) = (text("ghcr.io/me/redis:9"), text("the answer is 404 Not Found"));
    let all = each!(F {
        F::HashMismatch(_) => [mismatch()],
        F::NoneWorked { .. } => [F::NoneWorked { wanted: hash(1), attempts: refused() }],
        F::NotReached { .. } => [F::NotReached { attempts: refused() }],
        F::Offline { .. } => [F::Offline { wanted: hash(1), addresses: vec![url()] }],
        F::UnknownMirror { .. } => [
            F::UnknownMirror { name: text("gnu"), url: text("mirror://gnu/hello.tar.gz") },
        ],
        F::Io { .. } => [io(NO_SPACE), io(NO_ACCESS)],
        F::MirrorTable { .. } => [
            F::MirrorTable { path: "/m.toml".into(), message: text("version 9 is not known") },
        ],
        F::MirrorEntry { .. } => [mirror_entry()],
        F::Cancelled => [F::Cancelled],
        F::UnsafeEntry { .. } => [entry(UnsafeReason::Parent)],
        F::Corrupt { .. } => [corrupt()],
        F::UnknownFormat { .. } => [
            F::UnknownFormat { archive: url(), message: text("it starts with `<html>`") },
        ],
        F::Unsupported { .. } => [unsupported()],
        F::TooLarge { .. } => [too_large()],
        F::NothingLeft { .. } => [F::NothingLeft { archive: url(), strip: 2 }],
        F::Git { .. } => [F::Git { url: git(), message: text("there is no `v9`") }],
        F::GitMissing { .. } => [F::GitMissing { url: git(), source: system(NO_SUCH_FILE) }],
        F::Registry { .. } => [F::Registry { action: "find", reference, message }],
        F::Denied { .. } => [denied("everybody"), denied("this user")],
        F::TokenServer { .. } => [token_server()],
        F::Elsewhere { .. } => [elsewhere()],
        F::NoNetwork { .. } => [F::NoNetwork { place: git() }],
    });
    insta::assert_snapshot!(shown(all));
}
