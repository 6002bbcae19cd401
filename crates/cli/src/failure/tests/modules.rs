//! Errors of modules.

use std::collections::BTreeMap;

use cbuild_diag::Span;
use cbuild_drv::Digest;
use cbuild_fetch::RegistryReference;
use cbuild_modules::{Conflict, Error as E, ModulePath, ModuleVersion, Source, TreeMismatch};

use super::*;

fn path() -> ModulePath {
    "example.org/tls/v1".parse().unwrap()
}

fn module() -> ModuleVersion {
    "example.org/tls/v1@1.4.0".parse().unwrap()
}

fn git(host: &str) -> Source {
    Source::Git { url: format!("https://{host}/tls.git"), reference: "v1.4.0".to_owned() }
}

fn conflict() -> E {
    let by = "example.org/app/v1@1.0.0".parse().unwrap();
    let sources = BTreeMap::from([(git("a.org"), Some(by)), (git("b.org"), None)]);
    E::Conflict(Box::new(Conflict { module: module(), sources }))
}

/// The text of a file, and what is wrong in it.
fn wrong_text() -> E {
    let mut sources = Box::new(Sources::default());
    let source = sources.add("cbuild.mod", "module = 1\n");
    let span = Span { start: 9, end: 10 };
    let found = Diagnostic::error("E1102", source, span, "`module` is a text", "a number");
    E::Text { diagnostics: vec![found.help("write it in quotes")], sources }
}

fn wrong_tree() -> E {
    E::WrongTree(Box::new(TreeMismatch {
        module: module(),
        place: Source::Oci(RegistryReference::parse("ghcr.io/me/tls:1.4.0").unwrap()),
        wanted: Digest::of(b"wanted"),
        got: Digest::of(b"got"),
    }))
}

fn wrong_module() -> E {
    E::WrongModule {
        place: git("a.org").to_string(),
        wanted: module().to_string(),
        why: "it has no cbuild.mod at its top".to_owned(),
    }
}

fn no_network() -> FetchError {
    FetchError::NoNetwork { place: "https://a.org/tls.git".to_owned() }
}

#[test]
fn module_errors() {
    let text = str::to_owned;
    let all = each!(E {
        E::Text { .. } => [wrong_text()],
        E::NoManifest(_) => [E::NoManifest("/home/me/app".into())],
        E::Conflict(_) => [conflict()],
        E::TooMany => [E::TooMany],
        E::Fetch { .. } => [E::Fetch { module: module(), error: Box::new(no_network()) }],
        E::Versions { .. } => [E::Versions { path: path(), error: Box::new(no_network()) }],
        E::Store(_) => [cbuild_store::Error::NotAStore { path: "/home/me".into() }.into()],
        E::WrongModule { .. } => [wrong_module()],
        E::WrongTree(_) => [wrong_tree()],
        E::VendorChanged { .. } => [
            E::VendorChanged { module: module(), folder: "/home/me/app/vendor/tls".into() },
        ],
        E::Override { .. } => [
            E::Override { path: path(), why: text("`../tls` has no cbuild.mod") },
        ],
        E::NotRequired(_) => [E::NotRequired(path())],
        E::NoVersion { .. } => [E::NoVersion {
            path: path(),
            place: git("a.org").to_string(),
            why: text("no tag is a version of it"),
        }],
        E::Publish { .. } => [
            E::Publish { path: path(), why: text("the reference has no tag") },
        ],
        E::Push(_) => [E::Push(no_network())],
        E::Io { .. } => [
            E::Io { action: "read", path: "/home/me/cbuild.mod".into(), source: system(NO_ACCESS) },
        ],
    });
    insta::assert_snapshot!(shown(all));
}
