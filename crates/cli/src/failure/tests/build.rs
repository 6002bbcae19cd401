//! Errors of steps and of whole runs.

use std::time::Duration;

use cbuild_build::{AssembleError as A, BuildFailure, Ending, LimitHit, LogEnd, StepError as E};
use cbuild_drv::{Digest, DrvId, Name, OutputName};

use super::sandbox::unavailable;
use super::store::object;
use super::*;

fn name() -> Name {
    Name::new("redis-7.0.15").unwrap()
}

fn drv() -> DrvId {
    DrvId(Digest::of(b"redis"))
}

fn log() -> LogEnd {
    LogEnd {
        lines: vec!["cc -c server.c".to_owned(), "server.c:1: error: expected `;`".to_owned()],
        path: Some("/home/me/cbuild/logs/1.zst".into()),
    }
}

fn failed(error: E) -> BuildFailure {
    BuildFailure { drv: drv(), name: name(), key: None, error }
}

/// One step that failed in a run, behind which nothing waits.
fn run(error: E) -> RunError {
    RunError::Steps { failures: vec![failed(error)], skipped: Vec::new() }
}

fn builder(ending: Ending) -> E {
    E::Builder { ending, duration: Duration::from_millis(1_250), log: log() }
}

fn limit() -> LimitHit {
    LimitHit {
        what: "it ran longer than 3600 s".to_owned(),
        field: Some("seconds"),
        option: Some("--timeout"),
    }
}

fn refused(what: &'static str, text: &str, reason: &'static str) -> E {
    E::Unusable { what, text: text.to_owned(), reason }
}

fn assembly() -> Vec<A> {
    let path = || "bin/sh".to_owned();
    let tree = || "`busybox-1.36`".to_owned();
    let reason = "it is neither a file, a directory nor a link";
    let conflict = |first_kind, second_kind| A::Conflict {
        path: path(),
        first: tree(),
        first_kind,
        second: "`bash-5.2`".to_owned(),
        second_kind,
    };
    each!(A {
        A::Path { .. } => [A::Path { path: "/bin/../sh".to_owned() }],
        A::Escape { .. } => [A::Escape { path: path(), tree: tree() }],
        A::TooManyLinks { .. } => [A::TooManyLinks { path: path(), tree: tree() }],
        A::Conflict { .. } => [
            conflict("a file", "another file"),
            conflict("a directory", "a symbolic link"),
        ],
        A::Missing { .. } => [A::Missing { layer: tree(), from: "usr/lib".to_owned() }],
        A::Pattern { .. } => [
            A::Pattern { pattern: "{a,b".to_owned(), reason: "a brace is not closed".to_owned() },
        ],
        A::Unsupported { .. } => [
            A::Unsupported { place: "`run/sock`".to_owned(), layer: tree(), reason },
        ],
        A::Io { .. } => [
            A::Io { action: "cannot write", path: "/s/x".into(), source: system(NO_ACCESS) },
        ],
    })
}

#[test]
fn compositions() {
    let all: Vec<RunError> = assembly().into_iter().map(|error| run(error.into())).collect();
    insta::assert_snapshot!(shown(all));
}

#[test]
fn steps() {
    let output = || OutputName::new("dev").unwrap();
    let io = |number| E::Io { doing: "write", path: "/s/x".into(), source: system(number) };
    let all = each!(E {
        E::Builder { .. } => [
            builder(Ending::Status(2)),
            builder(Ending::Status(127)),
            builder(Ending::Signal(9)),
            builder(Ending::Limit(limit())),
            builder(Ending::Limit(LimitHit { field: None, option: None, ..limit() })),
        ],
        E::OutputMissing { .. } => [E::OutputMissing { outputs: vec![output()], log: log() }],
        E::Foreign { .. } => [E::Foreign { names: vec!["notes".to_owned()], log: log() }],
        E::Forbidden { .. } => [E::Forbidden {
            output: output(),
            file: "`lib/libz.a`".into(),
            chain: [object("zlib-1.3"), object("gcc-13.2")].into(),
            log: log(),
        }],
        E::Program { .. } => [E::Program { program: "bin/sh".to_owned() }],
        E::Unusable { .. } => [
            refused("the argument", "a\\0b", "it holds a NUL byte"),
            refused("the file", "../x", "it is not a plain relative path"),
        ],
        E::System { .. } => [
            E::System { wanted: "aarch64-linux".to_owned(), host: "x86_64-linux".to_owned() },
        ],
        E::Assemble(_) => [A::Path { path: "/bin/../sh".to_owned() }.into()],
        E::Fetch(_) => [FetchError::NoNetwork { place: "https://example.org/x".to_owned() }.into()],
        E::Sandbox(_) => [unavailable().into()],
        E::Store(_) => [cbuild_store::Error::NotInStore { path: object("zlib-1.3") }.into()],
        E::NotInGraph { .. } => [E::NotInGraph { drv: drv() }],
        E::NoSuchOutput { .. } => [
            E::NoSuchOutput { name: name(), output: output(), present: vec!["out".to_owned()] },
        ],
        E::InputMissing { .. } => [E::InputMissing { path: object("zlib-1.3") }],
        E::NotBuilt { .. } => [E::NotBuilt { name: name() }],
        E::NotAProgram { .. } => [E::NotAProgram { name: name() }],
        E::NoShell => [E::NoShell],
        E::Io { .. } => [io(NO_SPACE), io(NO_ACCESS)],
        E::Cancelled => [E::Cancelled],
    });
    insta::assert_snapshot!(shown(all.into_iter().map(run).collect()));
}

#[test]
fn runs() {
    let skipped = vec![Name::new("redis-image").unwrap()];
    let failures = vec![failed(builder(Ending::Status(2)))];
    let all = each!(RunError {
        RunError::Setup(_) => [E::NotInGraph { drv: drv() }.into()],
        RunError::Steps { .. } => [RunError::Steps { failures, skipped }],
        RunError::Cancelled => [RunError::Cancelled],
    });
    insta::assert_snapshot!(shown(all));
}
