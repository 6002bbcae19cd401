//! Trees from real git repositories over `file` addresses.
#![expect(clippy::disallowed_methods, reason = "the entries of folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cbuild_fetch::{FetchError, Fetcher, Limits, MirrorSource, Mirrors, Options};

/// A repository with a work tree in a folder of its own.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new(format: &str) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.git(&["init", "-q", "-b", "main", &format!("--object-format={format}"), "."]);
        made
    }

    fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args);
        command.current_dir(self.0.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, file: &str, text: &str) -> String {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }
}

fn fetcher(options: Options) -> Fetcher {
    Fetcher::new(MirrorSource::Table(Mirrors::default()), options)
}

/// Fetches offline, and asserts that on an error nothing is left.
fn fetch(
    url: &str,
    reference: &str,
    commit: Option<&str>,
) -> Result<(tempfile::TempDir, PathBuf, String), FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("tree");
    let options = Options { offline: true, ..Options::default() };
    let done = fetcher(options).fetch_git(url, reference, commit, &into);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(done.is_ok()), "{done:?}");
    done.map(|id| (folder, into, id))
}

#[test]
fn tags_branches_and_commits() {
    let repository = Repository::new("sha1");
    let first = repository.commit("a/b.txt", "one");
    repository.git(&["tag", "-a", "v1.0.0", "-m", "first"]);
    let second = repository.commit("a/b.txt", "two");
    let text = |reference: &str, commit: Option<&str>| {
        let (_folder, tree, id) = fetch(&repository.url(), reference, commit).unwrap();
        (fs::read_to_string(tree.join("a/b.txt")).unwrap(), id)
    };
    assert_eq!(text("v1.0.0", None), ("one".to_owned(), first.clone()));
    assert_eq!(text("main", None), ("two".to_owned(), second.clone()));
    assert_eq!(text(&first, None), ("one".to_owned(), first.clone()));
    // A pinned commit is taken even when the reference has moved on.
    assert_eq!(text("main", Some(&first)), ("one".to_owned(), first));
}

#[test]
fn all_tags_are_listed() {
    let repository = Repository::new("sha1");
    repository.commit("a", "one");
    repository.git(&["tag", "v1.0.0"]);
    repository.git(&["tag", "-a", "v1.1.0", "-m", "second"]);
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    let tags = fetcher(Options::default()).git_tags(&repository.url(), &scratch).unwrap();
    assert_eq!(tags, ["v1.0.0", "v1.1.0"]);
    assert!(!scratch.exists());
}

#[test]
fn servers_that_only_give_references() {
    let repository = Repository::new("sha1");
    let first = repository.commit("a", "one");
    repository.commit("a", "two");
    let third = repository.commit("a", "three");
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "false"]);
    repository.git(&["config", "uploadpack.allowReachableSHA1InWant", "false"]);
    repository.git(&["config", "uploadpack.allowTipSHA1InWant", "false"]);
    let (_folder, tree, _) = fetch(&repository.url(), "main", Some(&first)).unwrap();
    assert_eq!(fs::read_to_string(tree.join("a")).unwrap(), "one");
    let absent = "1".repeat(40);
    let error = fetch(&repository.url(), "main", Some(&absent)).unwrap_err();
    assert!(error.to_string().contains(&absent), "{error}");
    assert_ne!(first, third);
}

#[test]
fn repositories_with_sha256() {
    let repository = Repository::new("sha256");
    let commit = repository.commit("a", "one");
    assert_eq!(commit.len(), 64);
    for (reference, pinned) in
        [("main", None), (commit.as_str(), None), ("main", Some(commit.as_str()))]
    {
        let (_folder, tree, id) = fetch(&repository.url(), reference, pinned).unwrap();
        assert_eq!(
            (fs::read_to_string(tree.join("a")).unwrap().as_str(), id.as_str()),
            ("one", commit.as_str())
        );
    }
}

#[test]
fn modes_links_and_bytes_are_kept_and_nothing_is_run() {
    let repository = Repository::new("sha1");
    let top = repository.0.path();
    symlink("../run", top.join("link")).unwrap();
    // A filter and an attribute of an archive, both of which a checkout or `git archive` would follow.
    fs::write(
        top.join(".gitattributes"),
        "*.txt filter=evil text eol=crlf\nhidden export-ignore\n",
    )
    .unwrap();
    fs::write(top.join("hidden"), "kept").unwrap();
    fs::write(top.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    repository.commit("a.txt", "line\n");
    let (_folder, tree, _) = fetch(&repository.url(), "main", None).unwrap();
    assert_eq!(fs::read_link(tree.join("link")).unwrap(), Path::new("../run"));
    assert_eq!(fs::read(tree.join("a.txt")).unwrap(), b"line\n");
    assert_eq!(fs::read(tree.join("hidden")).unwrap(), b"kept");
    assert_eq!(fs::metadata(tree.join("run")).unwrap().permissions().mode() & 0o100, 0o100);
    assert!(!tree.join(".git").exists());
}

#[test]
fn submodules_are_refused() {
    let inner = Repository::new("sha1");
    inner.commit("a", "one");
    let outer = Repository::new("sha1");
    outer.commit("b", "two");
    outer.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &inner.url(),
        "inner",
    ]);
    outer.commit("c", "three");
    let error = fetch(&outer.url(), "main", None).unwrap_err();
    assert_eq!(error.code(), "E0710");
    assert!(error.to_string().contains("submodule"), "{error}");
}

#[test]
fn what_cannot_be_fetched_is_said() {
    let repository = Repository::new("sha1");
    repository.commit("a", "one");
    let url = repository.url();
    let error = |url: &str, reference: &str| fetch(url, reference, None).unwrap_err();
    assert!(error(&url, "v9").to_string().contains("v9"));
    assert_eq!(error("file:///nonexistent/repository", "main").code(), "E0715");
    assert_eq!(error("https://example.org/a", "main").code(), "E0719");
    for url in ["ext::sh -c id", "-oProxyCommand=id", "/tmp/a", "ftp://example.org/a"] {
        assert_eq!(error(url, "main").code(), "E0715", "{url}");
    }
    assert_eq!(error(&url, "--upload-pack=id").code(), "E0715");
}

#[test]
fn limits_and_cancellation_hold() {
    let repository = Repository::new("sha1");
    repository.commit("a", &"x".repeat(5000));
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("tree");
    let limits = Limits { unpacked_bytes: 4000, ..Limits::default() };
    let small = fetcher(Options { limits, ..Options::default() });
    assert_eq!(
        small.fetch_git(&repository.url(), "main", None, &into).unwrap_err().code(),
        "E0713"
    );
    let cancel = Some(Arc::new(AtomicBool::new(true)));
    let stopped = fetcher(Options { cancel, ..Options::default() });
    let error = stopped.fetch_git(&repository.url(), "main", None, &into).unwrap_err();
    assert_eq!(error.code(), "E0708");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
