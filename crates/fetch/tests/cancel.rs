//! A user who asks to stop is heard in each phase of a transfer, however long the server may be silent.
#![expect(clippy::disallowed_methods, reason = "a clock bounds a test; folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{
    Artifact, FetchError, Fetcher, Limits, MirrorSource, Mirrors, Options, RegistryReference, Retry,
};
use rustix::net::{AddressFamily, SocketType};
use server::{Answer, Server};

/// Far more than a test may take: what ends before it has heard the flag.
const LONG: Duration = Duration::from_secs(600);
/// When the flag is set, and by when it must have been heard.
const ASKED: Duration = Duration::from_millis(300);
const HEARD: Duration = Duration::from_secs(20);

/// Does something with patience for ten minutes, and asks to stop meanwhile.
fn ends(work: impl FnOnce(&Fetcher, &Path) -> FetchError) {
    let flag = Arc::new(AtomicBool::new(false));
    let limits =
        Limits { connect: LONG, silence: LONG, transfer: LONG, least_rate: 0, ..Limits::default() };
    let retry = Retry { pause: LONG, ..Retry::default() };
    let cancel = Some(Arc::clone(&flag));
    let options = Options { limits, retry, cancel, ..Options::default() };
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options);
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let asking = thread::spawn(move || {
        thread::sleep(ASKED);
        flag.store(true, Ordering::SeqCst);
    });
    let error = work(&fetcher, &folder.path().join("it"));
    drop(fetcher);
    let taken = started.elapsed();
    asking.join().unwrap();
    assert_eq!(error.code(), "E0708", "{error}");
    assert!(taken < HEARD, "{taken:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn download(url: &str) {
    ends(|fetcher, into| {
        let hash = ContentHash::parse(
            "sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        );
        let kind = FetchKind::File { executable: false };
        let fetch = Fetch { urls: vec![url.to_owned()], hash: hash.unwrap(), kind };
        fetcher.fetch(&fetch, into, &mut |_| ()).unwrap_err()
    });
}

#[test]
fn while_connecting() {
    // A full backlog: the system answers no further connection.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        waiting.push(connection);
    }
    download(&format!("http://{address}/x"));
}

#[test]
fn while_greeting_with_encryption() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    download(&format!("https://{}/x", listener.local_addr().unwrap()));
}

#[test]
fn before_and_in_the_head_of_an_answer() {
    let silent = Server::start(|_| Answer::Silence);
    download(&silent.url("/x"));
    let half = Server::start(|_| Answer::Then(b"HTTP/1.1 200 OK\r\nconte".to_vec()));
    download(&half.url("/x"));
    let dripping = Server::start(|_| {
        Answer::Drip(
            "HTTP/1.1 200 OK\r\nx: ".bytes().chain([b'y'; 3000]).collect(),
            Duration::from_millis(20),
        )
    });
    download(&dripping.url("/x"));
}

#[test]
fn in_the_body_of_an_answer() {
    let half = Server::start(|_| Answer::truncated("hel", 6).then_silence());
    download(&half.url("/x"));
    let dripping =
        Server::start(|_| Answer::ok(&"x".repeat(3000)).dripping(Duration::from_millis(20)));
    download(&dripping.url("/x"));
}

#[test]
fn while_waiting_to_try_again() {
    let busy = Server::start(|_| Answer::status(503));
    download(&busy.url("/x"));
    let cut = Server::start(|_| Answer::raw("200 OK\r\netag: \"1\"\r\ncontent-length: 9", "hel"));
    download(&cut.url("/x"));
}

fn artifact() -> Artifact {
    let (artifact_type, layer_type) = ("application/x".to_owned(), "application/y".to_owned());
    Artifact { artifact_type, layer_type, annotations: BTreeMap::new() }
}

#[test]
fn at_a_registry() {
    let silent = Server::start(|_| Answer::Silence);
    let text = format!("{}/a:1", silent.host());
    let reference = RegistryReference::parse(&text).unwrap();
    ends(|fetcher, into| {
        fetcher.pull_artifact(&reference, &artifact(), into, &mut |_| ()).unwrap_err()
    });
    // The upload of a file that nobody reads.
    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let upload = format!("http://{}/upload", place.local_addr().unwrap());
    let uploads = Server::start_seeing(move |seen| match seen.method.as_str() {
        "HEAD" if seen.path.contains("sha256:44136fa355b3678a") => Answer::status(200),
        "HEAD" => Answer::status(404),
        _ => Answer::head("202 Accepted", &[("location", &upload)]),
    });
    let layer = tempfile::NamedTempFile::new().unwrap();
    layer.as_file().set_len(64 << 20).unwrap();
    let reference = RegistryReference::parse(&format!("{}/a:1", uploads.host())).unwrap();
    ends(|fetcher, _| fetcher.push_artifact(&reference, &artifact(), layer.path()).unwrap_err());
}

#[test]
fn in_git() {
    let silent = Server::start(|_| Answer::Silence);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bare = listener.local_addr().unwrap();
    for url in [silent.url("/a.git"), format!("git://{bare}/a.git")] {
        ends(|fetcher, into| fetcher.fetch_git(&url, "main", None, into).unwrap_err());
        ends(|fetcher, into| fetcher.git_tags(&url, into).unwrap_err());
    }
}
