//! Downloads from a server in this process that answers well, badly, slowly or not at all.
#![expect(clippy::disallowed_methods, reason = "folders are only counted; a clock bounds a test")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{
    Cause, FetchError, Fetcher, Limits, MirrorSource, Mirrors, Options, Progress, Retry, WrongBytes,
};
use server::{Answer, Server};

/// `hello\n` in each of the three hashes.
const HELLO: [&str; 3] = [
    "sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    "sha512-e7c22b994c59d9cf2b48e549b1e24666636045930d3da7c1acb299d1c3b7f931f94aae41edda2c2b207a36e10f8bcb8d45223e54878f5b316e7ce3b6bc019629",
    "blake3-8e4c7c1b99dbfd50e7a95185fead5ee1448fa904a2fdd778eaf5f2dbfd629a99",
];

fn options() -> Options {
    let retry = Retry { pause: Duration::from_millis(1), ..Retry::default() };
    let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
    Options { retry, limits, ..Options::default() }
}

/// A folder to download into, and what is needed to do it.
struct Trial {
    folder: tempfile::TempDir,
    mirrors: Mirrors,
    options: Options,
    kind: FetchKind,
    hash: &'static str,
}

impl Trial {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kind = FetchKind::File { executable: false };
        Self { folder, mirrors: Mirrors::default(), options: options(), kind, hash: HELLO[0] }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("it")
    }

    /// Fetches, and asserts that on an error nothing is left.
    fn fetch(&self, urls: &[&str]) -> Result<Vec<u8>, FetchError> {
        let hash = ContentHash::parse(self.hash).unwrap();
        let urls = urls.iter().map(|&url| url.to_owned()).collect();
        let fetch = Fetch { urls, hash, kind: self.kind.clone() };
        let fetcher = Fetcher::new(MirrorSource::Table(self.mirrors.clone()), self.options.clone());
        let result = fetcher.fetch(&fetch, &self.target(), &mut |_| ());
        let left = fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(left, usize::from(result.is_ok()), "{result:?}");
        result.map(|()| {
            let bytes = fs::read(self.target()).unwrap_or_default();
            fs::remove_file(self.target()).unwrap();
            bytes
        })
    }

    fn error(&self, urls: &[&str]) -> FetchError {
        self.fetch(urls).unwrap_err()
    }
}

#[test]
fn every_hash_and_the_mode() {
    let server = Server::start(|_| Answer::ok("hello\n"));
    for hash in HELLO {
        let trial = Trial { hash, ..Trial::new() };
        assert_eq!(trial.fetch(&[&server.url("/hello")]).unwrap(), b"hello\n");
    }
    let trial = Trial { kind: FetchKind::File { executable: true }, ..Trial::new() };
    let hash = ContentHash::parse(HELLO[0]).unwrap();
    let fetch = Fetch { urls: vec![server.url("/x")], hash, kind: trial.kind.clone() };
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options());
    let mut pieces = Vec::new();
    let mut count = |progress: Progress<'_>| {
        let Progress::Bytes { bytes, total, .. } = progress else { panic!("{progress:?}") };
        pieces.push((bytes, total));
    };
    fetcher.fetch(&fetch, &trial.target(), &mut count).unwrap();
    assert_eq!(pieces.last(), Some(&(6, Some(6))));
    assert_eq!(fs::metadata(trial.target()).unwrap().permissions().mode() & 0o777, 0o755);
}

/// A success without bytes is no file with another hash.
#[test]
fn an_empty_answer() {
    let no_content = |_: &str| Answer::raw("204 No Content", "");
    for server in [Server::start(|_| Answer::ok("")), Server::start(no_content)] {
        let error = Trial::new().error(&[&server.url("/hello")]);
        let text = error.to_string();
        assert!(error.code() == "E0702" && text.contains("its answer is empty"), "{text}");
    }
}

#[test]
fn wrong_bytes_print_both_hashes() {
    let server = Server::start(|_| Answer::ok("hallo\n"));
    let url = server.url("/hello");
    let error = Trial::new().error(&[&url]);
    let got = "sha256-YiyzNxwaCAluqsVk+1mszNofzb4Tqd0QtIbmRjyMJSU=";
    let text = error.to_string();
    assert_eq!(error.code(), "E0701");
    assert!(text.contains("wanted sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="), "{text}");
    assert!(text.contains(&url), "{text}");
    let FetchError::HashMismatch(mismatch) = &error else { panic!("{error}") };
    assert!(text.contains(&mismatch.got.to_string()) && mismatch.others.is_empty(), "{text}");
    assert!(error.help().unwrap().contains(&mismatch.got.to_string()));
    assert_eq!(mismatch.got.to_string(), got);
    assert_eq!(server.requests(), 1, "wrong bytes are not asked for again");
}

#[test]
fn the_next_address_helps() {
    let server = Server::start(|path| match path {
        "/wrong" => Answer::ok("other"),
        "/gone" => Answer::status(404),
        "/broken" => Answer::status(500),
        _ => Answer::ok("hello\n"),
    });
    let urls = ["/wrong", "/gone", "/broken", "/good"].map(|path| server.url(path));
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    assert_eq!(Trial::new().fetch(&urls).unwrap(), b"hello\n");
    assert_eq!(server.requests(), 4, "a failing server is not asked again before the others");

    let error = Trial::new().error(&urls[..3]);
    let text = error.to_string();
    assert_eq!(error.code(), "E0701");
    assert!(text.contains("404 Not Found") && text.contains("500 Internal"), "{text}");
}

#[test]
fn all_failures_are_listed() {
    let server = Server::start(|path| match path {
        "/gone" => Answer::status(404),
        _ => Answer::status(503),
    });
    // A port that was just free, so nobody listens.
    let closed = Server::start(|_| Answer::status(500)).into_closed_url("/x");
    let urls = [server.url("/gone"), server.url("/busy"), closed, "ftp://x.example/y".into()];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let error = Trial::new().error(&urls);
    let FetchError::NoneWorked { attempts, .. } = &error else { panic!("{error}") };
    assert_eq!(error.code(), "E0702");
    assert_eq!(attempts.iter().map(|a| a.url.as_str()).collect::<Vec<_>>(), urls);
    let causes: Vec<_> = attempts.iter().map(|attempt| &attempt.cause).collect();
    assert!(matches!(causes[0], Cause::Status(status) if status.contains("404")));
    assert!(matches!(causes[1], Cause::Status(status) if status.contains("503")));
    assert!(matches!(causes[2], Cause::Connection(_)));
    assert!(matches!(causes[3], Cause::Address(_)));
    assert_eq!(server.requests(), 4, "once for what is gone, three times for what may pass");
    assert_eq!(Trial::new().error(&[]).code(), "E0702");
}

#[test]
fn failures_that_pass() {
    let server = Server::start_counting(|count, _| match count {
        0 => Answer::status(502),
        1 => Answer::truncated("hel", 6),
        _ => Answer::ok("hello\n"),
    });
    assert_eq!(Trial::new().fetch(&[&server.url("/x")]).unwrap(), b"hello\n");
    assert_eq!(server.requests(), 3);
}

#[test]
fn truncated_answers() {
    let server = Server::start(|_| Answer::truncated("hel", 6));
    let error = Trial::new().error(&[&server.url("/x")]);
    assert!(
        matches!(&error, FetchError::NoneWorked { attempts, .. }
        if matches!(attempts[0].cause, Cause::Connection(_))),
        "{error}"
    );
    assert_eq!(server.requests(), 3);
}

#[test]
fn silent_servers() {
    let server = Server::start(|_| Answer::Silence);
    let error = Trial::new().error(&[&server.url("/x")]);
    assert_eq!(error.code(), "E0702");
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn redirects_are_followed_and_bounded() {
    let server = Server::start(|path| match path.strip_prefix("/to/") {
        Some("0") => Answer::ok("hello\n"),
        Some(n) => Answer::redirect(&format!("/to/{}", n.parse::<u32>().unwrap() - 1)),
        None => Answer::redirect("/loop"),
    });
    assert_eq!(Trial::new().fetch(&[&server.url("/to/10")]).unwrap(), b"hello\n");
    let before = server.requests();
    let error = Trial::new().error(&[&server.url("/loop")]);
    assert!(error.to_string().contains("redirect"), "{error}");
    assert_eq!(server.requests() - before, 11, "a loop is not tried again");
    let file = Server::start(|_| Answer::redirect("file:///etc/hostname"));
    assert_eq!(Trial::new().error(&[&file.url("/x")]).code(), "E0702");
}

#[test]
fn larger_than_the_limit() {
    let server = Server::start(|path| match path {
        "/said" => Answer::ok(&"x".repeat(200)),
        _ => Answer::unsized_body(&"x".repeat(200)),
    });
    let mut trial = Trial::new();
    trial.options.limits.download_bytes = 100;
    for path in ["/said", "/unsaid"] {
        let error = trial.error(&[&server.url(path)]);
        assert!(error.to_string().contains("larger than the limit of 100 bytes"), "{error}");
    }
}

#[test]
fn cancelling_ends_a_silent_download() {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let server = Server::start(move |_| {
        seen.store(true, Ordering::Relaxed);
        Answer::Silence
    });
    let mut trial = Trial::new();
    trial.options.limits.silence = Duration::from_secs(600);
    trial.options.cancel = Some(flag);
    let started = Instant::now();
    assert_eq!(trial.error(&[&server.url("/x")]).code(), "E0708");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn offline() {
    let server = Server::start(|_| Answer::ok("hello\n"));
    let mut trial = Trial::new();
    trial.options.offline = true;
    let url = server.url("/x");
    let error = trial.error(&[&url, "mirror://nowhere/x"]);
    assert_eq!(error.code(), "E0703");
    assert!(error.to_string().contains(&url) && error.help().unwrap().contains("cbuild fetch"));
    assert_eq!(server.requests(), 0);
    let local = tempfile::NamedTempFile::new().unwrap();
    fs::write(local.path(), "hello\n").unwrap();
    let file = format!("file://{}", local.path().display());
    assert_eq!(trial.fetch(&[&url, &file]).unwrap(), b"hello\n");
    assert_eq!(trial.error(&[&url, "file:///no/such/file"]).code(), "E0702");
}

#[test]
fn mirrors_by_name_and_by_hash() {
    let server = Server::start(|path| match path {
        "/two/pool/hello" => Answer::ok("hello\n"),
        path if path == format!("/keyed/sha256/{}", &HELLO[0][7..]) => Answer::ok("hello\n"),
        _ => Answer::status(404),
    });
    let mut trial = Trial::new();
    let error = trial.error(&["mirror://site/pool/hello"]);
    assert_eq!((error.code(), error.to_string().contains("`site`")), ("E0704", true));
    assert!(error.help().unwrap().contains("cbuild mirrors set site URL"));

    trial.mirrors.set("site", vec![server.url("/one/"), server.url("/two/")]).unwrap();
    assert_eq!(trial.fetch(&["mirror://site/pool/hello"]).unwrap(), b"hello\n");
    let error = trial.error(&["mirror://site/other"]);
    assert!(matches!(&error, FetchError::NoneWorked { attempts, .. } if attempts.len() == 2));

    trial.mirrors.set_by_hash(vec![server.url("/keyed")]).unwrap();
    assert_eq!(trial.fetch(&[]).unwrap(), b"hello\n");
}

#[test]
fn package_indexes() {
    let server = Server::start(|path| match path {
        "/json/some-project/" => Answer::typed(
            "application/vnd.pypi.simple.v1+json",
            r#"{"files": [{"filename": "a.whl", "url": "/no"}, {"filename": "b.whl", "url": "../../files/b.whl#sha256=0"}]}"#,
        ),
        "/html/some-project/" => Answer::typed(
            "text/html",
            "<a href='/no'>a.whl</a>\n<a data-x=\"1\" href=\"/files/b.whl?a=1&amp;b=2#sha256=0\"> b.whl </a>",
        ),
        "/npm/@scope%2fname" => Answer::typed(
            "application/json",
            r#"{"versions": {"1.0.0": {"dist": {"tarball": "/files/name.tgz"}}}}"#,
        ),
        "/cargo/config.json" => Answer::ok(r#"{"dl": "/unused"}"#),
        path if path.starts_with("/files/") || path == "/dl/se/rd/serde-1.0.0" => {
            Answer::ok("hello\n")
        }
        "/dl/serde/1.0.0/download" => Answer::ok("hello\n"),
        _ => Answer::status(404),
    });
    let mut trial = Trial::new();
    let python = "mirror://pypi/Some_.Project/b.whl";
    for base in ["/json/", "/html"] {
        trial.mirrors.set("pypi", vec![server.url(base)]).unwrap();
        assert_eq!(trial.fetch(&[python]).unwrap(), b"hello\n");
    }
    let error = trial.error(&["mirror://pypi/some-project/c.whl"]);
    assert!(error.to_string().contains("does not list `c.whl`"), "{error}");
    trial.mirrors.set("npm", vec![server.url("/npm")]).unwrap();
    assert_eq!(trial.fetch(&["mirror://npm/@scope/name/1.0.0"]).unwrap(), b"hello\n");
    let error = trial.error(&["mirror://npm/@scope/name/2.0.0"]);
    assert!(error.to_string().contains("does not list version 2.0.0"), "{error}");
    for base in ["/dl", "/dl/{prefix}/{crate}-{version}"] {
        trial.mirrors.set("crates", vec![server.url(base)]).unwrap();
        assert_eq!(trial.fetch(&["mirror://crates/serde/1.0.0"]).unwrap(), b"hello\n");
    }
    let error = trial.error(&["mirror://crates/serde"]);
    assert!(error.to_string().contains("NAME/VERSION"), "{error}");
}

/// A mirror that serves other bytes is told of, also when the download is saved by another one.
#[test]
fn a_mirror_with_wrong_bytes_is_named() {
    let wrong = Server::start(|_| Answer::ok("hallo\n"));
    let right = Server::start(|_| Answer::ok("hello\n"));
    let mut trial = Trial::new();
    trial.mirrors.set_by_hash(vec![wrong.url("/keyed?token=secret")]).unwrap();
    trial.mirrors.set("site", vec![wrong.url("/site"), right.url("/site")]).unwrap();
    let hash = ContentHash::parse(HELLO[0]).unwrap();
    let fetch = Fetch {
        urls: vec!["mirror://site/x".into()],
        hash: hash.clone(),
        kind: trial.kind.clone(),
    };
    let fetcher = Fetcher::new(MirrorSource::Table(trial.mirrors.clone()), options());
    let mut told: Vec<WrongBytes> = Vec::new();
    let mut tell = |progress: Progress<'_>| {
        if let Progress::WrongBytes(wrong) = progress {
            told.push(wrong.clone());
        }
    };
    fetcher.fetch(&fetch, &trial.target(), &mut tell).unwrap();
    let [keyed, site] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&keyed.wanted, &site.wanted), (&hash, &hash));
    assert_ne!(site.got, hash);
    assert_eq!(site.url, wrong.url("/site/x"));
    assert!(keyed.url.contains("/keyed?token=…") && !format!("{told:?}").contains("secret"));
    let text = site.to_string();
    assert!(
        text.contains(&format!("wanted {hash}")) && text.contains(&format!("got    {}", site.got))
    );
}

/// A server that is slower than the lowest rate is left for the next one.
#[test]
fn slow_servers_are_left() {
    let slow = Server::start(|_| Answer::ok("hello\n").dripping(Duration::from_millis(40)));
    let quick = Server::start(|_| Answer::ok("hello\n"));
    let mut trial = Trial::new();
    trial.options.limits.silence = Duration::from_secs(60);
    trial.options.limits.rate_span = Duration::from_millis(60);
    trial.options.limits.least_rate = 1 << 20;
    let error = trial.error(&[&slow.url("/x")]);
    assert!(error.to_string().contains("fewer than 1048576 bytes a second"), "{error}");
    assert_eq!(trial.fetch(&[&slow.url("/x"), &quick.url("/x")]).unwrap(), b"hello\n");
    trial.options.limits.least_rate = 0;
    assert_eq!(trial.fetch(&[&slow.url("/x")]).unwrap(), b"hello\n");
    trial.options.limits.transfer = Duration::from_millis(50);
    let error = trial.error(&[&slow.url("/x")]);
    assert!(error.to_string().contains("the longest time of a transfer"), "{error}");
}

#[test]
fn heads_are_bounded() {
    let server = Server::start(|path| match path {
        "/lines" => Answer::head("200 OK", &[("x-line", "y"); 150]),
        _ => Answer::head("200 OK", &[("x-line", &"y".repeat(1 << 20))]),
    });
    for path in ["/lines", "/bytes"] {
        assert_eq!(Trial::new().error(&[&server.url(path)]).code(), "E0702", "{path}");
    }
}

#[test]
fn a_pipe_is_no_download() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let error = Trial::new().error(&[&format!("file://{}", pipe.display())]);
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[test]
fn credentials_are_not_shown() {
    let server = Server::start(|path| match path {
        path if path.starts_with("/gone") => Answer::status(404),
        path if path.starts_with("/wrong") => Answer::ok("other"),
        path if path.starts_with("/led") => {
            Answer::redirect("ftp://me:secret@example.org/?sig=secret")
        }
        _ => Answer::typed("text/html", "<a href='https://[secret'>b.whl</a>"),
    });
    let mut trial = Trial::new();
    let with = |path: &str| {
        let query = "?X-Amz-Signature=secret&token=secret#part=secret";
        server.url(&format!("{path}{query}")).replace("http://", "http://user:secret@")
    };
    trial.mirrors.set("site", vec![with("/gone")]).unwrap();
    trial.mirrors.set("pypi", vec![with("/simple")]).unwrap();
    for urls in [
        vec![with("/gone")],
        vec![with("/wrong")],
        vec![with("/led")],
        vec![with("/gone").replace("http:", "ftp:")],
        vec![with("/gone").replace("127.0.0.1", "127.0.0.1.x[")],
        vec!["mirror://site/a?token=secret".to_owned()],
        vec!["mirror://pypi/a/b.whl".to_owned()],
        vec!["mirror://pypi/a?sig=secret".to_owned()],
        vec!["mirror://none/a?sig=secret".to_owned()],
    ] {
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let error = trial.error(&urls);
        let text = format!("{error} {error:?} {:?}", error.help());
        assert!(!text.contains("secret"), "{urls:?}: {text}");
    }
    let debug = format!("{:?} {:?}", trial.mirrors, MirrorSource::Table(trial.mirrors.clone()));
    assert!(!debug.contains("secret") && debug.contains("127.0.0.1"), "{debug}");
}

#[test]
fn a_table_that_exists_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mirrors.toml");
    fs::write(&path, "[mirrors]\nmine = [\"http://127.0.0.1:1/\"]\n").unwrap();
    let fetcher = Fetcher::new(MirrorSource::File(path.clone()), options());
    let hash = ContentHash::parse(HELLO[0]).unwrap();
    let kind = FetchKind::File { executable: false };
    let fetch = Fetch { urls: vec!["mirror://debian/x".into()], hash, kind };
    let error = fetcher.fetch(&fetch, &folder.path().join("it"), &mut |_| ()).unwrap_err();
    assert_eq!(error.code(), "E0704");
    assert_eq!(Mirrors::load(&path).unwrap().unwrap().iter().count(), 1);
    fs::write(&path, "mirors = 1\n").unwrap();
    let fetcher = Fetcher::new(MirrorSource::File(path), options());
    let error = fetcher.fetch(&fetch, &folder.path().join("it"), &mut |_| ()).unwrap_err();
    assert_eq!(error.code(), "E0706");
}

#[test]
fn downloads_side_by_side() {
    let server = Server::start(|_| Answer::ok("hello\n"));
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options());
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (fetcher, folder, url) = (&fetcher, folder.path(), server.url("/x"));
            scope.spawn(move || {
                let hash = ContentHash::parse(HELLO[n % 3]).unwrap();
                let kind = FetchKind::File { executable: false };
                let fetch = Fetch { urls: vec![url], hash, kind };
                fetcher.fetch(&fetch, &folder.join(n.to_string()), &mut |_| ()).unwrap();
            });
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8);
}

/// A folder that cannot be written is no reason to ask the next server.
#[test]
fn a_folder_that_cannot_be_written() {
    let server = Server::start(|_| Answer::ok("hello\n"));
    let hash = ContentHash::parse(HELLO[0]).unwrap();
    let kind = FetchKind::File { executable: false };
    let fetch = Fetch { urls: vec![server.url("/1"), server.url("/2")], hash, kind };
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options());
    let error = fetcher.fetch(&fetch, "/no/such/folder/it".as_ref(), &mut |_| ()).unwrap_err();
    assert_eq!(error.code(), "E0705");
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_download_without_a_hash_gives_it() {
    let server = Server::start(|path| match path {
        "/hello" => Answer::ok("hello\n"),
        _ => Answer::status(404),
    });
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("it");
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options());
    let kind = FetchKind::File { executable: false };
    let hash = fetcher.fetch_unpinned(&server.url("/hello"), &kind, &into, &mut |_| ()).unwrap();
    assert_eq!(hash, ContentHash::parse(HELLO[0]).unwrap());
    assert_eq!(fs::read(&into).unwrap(), b"hello\n");
    fs::remove_file(&into).unwrap();
    let error = fetcher.fetch_unpinned(&server.url("/no"), &kind, &into, &mut |_| ()).unwrap_err();
    assert_eq!(error.code(), "E0702");
    assert!(error.to_string().contains("404"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
