//! Trees from real git repositories over `file` addresses.
#![expect(clippy::disallowed_methods, reason = "the entries of folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cbuild_fetch::{FetchError, Fetcher, Limits, MirrorSource, Mirrors, NetrcFile, Options};
use server::{Answer, Server};

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

/// A web server that knows nothing of git and gives the files of a repository (the dumb protocol).
fn files(repository: &Repository) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    let top = repository.0.path().join(".git");
    move |path| {
        let path = path.split('?').next().unwrap_or_default();
        let Some(name) = path.strip_prefix("/a.git/") else { return Answer::status(404) };
        let Ok(bytes) = fs::read(top.join(name)) else { return Answer::status(404) };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            bytes.len()
        );
        Answer::Bytes([head.as_bytes(), &bytes].concat())
    }
}

/// A repository with two commits, of which the first has an annotated and a plain tag, as a server would pack it.
fn packed(format: &str) -> (Repository, String, String) {
    let repository = Repository::new(format);
    let first = repository.commit("a/b.txt", "one");
    repository.git(&["tag", "-a", "v1.0.0", "-m", "first"]);
    repository.git(&["tag", "plain"]);
    let second = repository.commit("a/b.txt", "two");
    repository.git(&["pack-refs", "--all"]);
    repository.git(&["gc", "--quiet"]);
    repository.git(&["update-server-info"]);
    (repository, first, second)
}

/// Fetches over the network, and gives the text of the file.
fn text(
    options: Options,
    url: &str,
    reference: &str,
    commit: Option<&str>,
) -> Result<(String, String), FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("tree");
    let id = fetcher(options).fetch_git(url, reference, commit, &into)?;
    Ok((fs::read_to_string(into.join("a/b.txt")).unwrap(), id))
}

#[test]
fn repositories_that_are_served_as_plain_files() {
    for format in ["sha1", "sha256"] {
        let (repository, first, second) = packed(format);
        let server = Server::start(files(&repository));
        let url = server.url("/a.git");
        let get = |reference: &str, commit: Option<&str>| {
            text(Options::default(), &url, reference, commit).unwrap()
        };
        let (one, two) = (("one".to_owned(), first.clone()), ("two".to_owned(), second.clone()));
        assert_eq!(get("v1.0.0", None), one, "{format}");
        assert_eq!(get("plain", None), one);
        assert_eq!(get("main", None), two);
        assert_eq!(get("v1.0.0", Some(&first)), one);
        assert_eq!(get("main", Some(&first)), one);
        assert_eq!(get(&second, None), two);
        let folder = tempfile::tempdir().unwrap();
        let tags = fetcher(Options::default()).git_tags(&url, &folder.path().join("git")).unwrap();
        assert_eq!(tags, ["plain", "v1.0.0"]);
        let error = text(Options::default(), &url, "v9", None).unwrap_err();
        assert!(error.to_string().contains("v9"), "{error}");
    }
}

#[test]
fn of_a_tag_and_a_branch_of_one_name_the_tag_is_taken() {
    let (repository, first, second) = packed("sha1");
    repository.git(&["branch", "v1.0.0", &second]);
    repository.git(&["update-server-info"]);
    let server = Server::start(files(&repository));
    for url in [repository.url(), server.url("/a.git")] {
        let get = |reference: &str| text(Options::default(), &url, reference, None).unwrap().1;
        assert_eq!(get("v1.0.0"), first, "{url}");
        assert_eq!(get("heads/v1.0.0"), second, "{url}");
        assert_eq!(get("refs/heads/v1.0.0"), second, "{url}");
    }
}

const BASIC: &str = "Basic bWU6c2VjcmV0";

#[test]
fn a_password_for_git_stays_at_its_server() {
    let (repository, first, _) = packed("sha1");
    let give = files(&repository);
    let other = Server::start(|_| {
        Answer::head("401 Unauthorized", &[("www-authenticate", "Basic realm=\"mine\"")])
    });
    let elsewhere = other.url("/a.git");
    let server = Server::start_seeing(move |seen| match seen.header("authorization") {
        _ if seen.path.starts_with("/led.git") => {
            Answer::redirect(&seen.path.replace("/led.git", &elsewhere))
        }
        Some(BASIC) => give(&seen.path),
        _ => Answer::head("401 Unauthorized", &[("www-authenticate", "Basic realm=\"x\"")]),
    });
    let with = |path: &str| server.url(path).replace("http://", "http://me:secret@");
    let one = ("one".to_owned(), first);
    assert_eq!(text(Options::default(), &with("/a.git"), "v1.0.0", None).unwrap(), one);
    // Without a password in the address, the netrc file has it.
    let netrc = tempfile::NamedTempFile::new().unwrap();
    fs::write(netrc.path(), "machine 127.0.0.1 login me password secret\n").unwrap();
    let netrc = Some(NetrcFile { path: netrc.path().to_owned(), private: true });
    let options = Options { netrc, ..Options::default() };
    assert_eq!(text(options, &server.url("/a.git"), "v1.0.0", None).unwrap(), one);
    let error = text(Options::default(), &with("/led.git"), "v1.0.0", None).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("secret") && shown.contains("127.0.0.1"), "{shown}");
    other.saw_no_secret();
    let wrong = server.url("/a.git?token=secret").replace("http://", "http://me:wrong-secret@");
    let error = text(Options::default(), &wrong, "v1.0.0", None).unwrap_err();
    assert!(!format!("{error:?}").contains("secret"), "{error}");
}

#[test]
fn a_repository_without_an_end_is_stopped() {
    let repository = Repository::new("sha1");
    let noise: String =
        (0..200_000u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    repository.commit("a/b.txt", &noise);
    repository.git(&["update-server-info"]);
    let give = files(&repository);
    let server = Server::start(move |path| match give(path) {
        // What is large comes slowly.
        Answer::Bytes(bytes) if bytes.len() > 1 << 16 => {
            let half = bytes[..bytes.len() / 2].to_vec();
            Answer::Then(half)
        }
        other => other,
    });
    let limits = Limits { download_bytes: 1 << 16, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let error = text(options, &server.url("/a.git"), "main", None).unwrap_err();
    assert!(error.to_string().contains("larger than the limit"), "{error}");
}
