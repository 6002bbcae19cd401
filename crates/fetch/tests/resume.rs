//! Downloads that are cut and go on.
#![expect(clippy::disallowed_methods, reason = "folders are only counted")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::fs;
use std::time::Duration;

use cbuild_drv::{ContentHash, Fetch, FetchKind, HashAlgorithm};
use cbuild_fetch::{
    FetchError, Fetcher, Limits, MirrorSource, Mirrors, Options, Progress, RegistryReference, Retry,
};
use server::{Answer, Seen, Server};
use sha2::{Digest, Sha256};

/// A registry is asked again as a download is, and says what it answered last.
#[test]
fn a_registry_is_asked_again() {
    for fails in [1, 2, 3] {
        let server = Server::start_counting(move |count, _| match count {
            0 if fails > 1 => Answer::raw("", ""),
            count if count < fails => Answer::status(503),
            _ => Answer::typed("application/json", r#"{"tags": ["1.0.0"]}"#),
        });
        let reference = format!("{}/a/b", server.host());
        let reference = RegistryReference::parse(&reference).unwrap();
        let tags = fetcher().registry_tags(&reference);
        assert_eq!(server.requests(), 3.min(fails + 1));
        match tags {
            Ok(tags) => assert_eq!((fails < 3, tags), (true, vec!["1.0.0".to_owned()])),
            Err(error) => {
                assert!(fails == 3 && error.to_string().contains("503"), "{error}");
            }
        }
    }
    let server = Server::start(|_| Answer::raw("201 Created\r\ncontent-length: 0", ""));
    let reference = RegistryReference::parse(&format!("{}/a/b", server.host())).unwrap();
    let error = fetcher().registry_tags(&reference).unwrap_err().to_string();
    assert!(error.contains("it answered 201 Created where 200 OK was due"), "{error}");
    assert_eq!(server.requests(), 1);
}

/// What is wanted: long enough to be cut several times.
fn content() -> String {
    (0..200).map(|line| format!("line {line}\n")).collect()
}

fn fetcher() -> Fetcher {
    let retry = Retry { pause: Duration::from_millis(1), ..Retry::default() };
    let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
    let options = Options { retry, limits, ..Options::default() };
    Fetcher::new(MirrorSource::Table(Mirrors::default()), options)
}

/// Fetches, and asserts that on an error nothing is left. Gives the bytes and the numbers of bytes
/// that were told.
fn fetch(urls: &[String]) -> Result<(String, Vec<u64>), FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let hash = ContentHash::new(HashAlgorithm::Sha256, Sha256::digest(content()).to_vec()).unwrap();
    let kind = FetchKind::File { executable: false };
    let fetch = Fetch { urls: urls.to_vec(), hash, kind };
    let (into, mut told) = (folder.path().join("it"), Vec::new());
    let result = fetcher().fetch(&fetch, &into, &mut |progress| {
        if let Progress::Bytes { bytes, .. } = progress {
            told.push(bytes);
        }
    });
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(result.is_ok()), "{result:?}");
    result.map(|()| (fs::read_to_string(into).unwrap(), told))
}

/// Answers a request, from where it asks to, with at most `most` bytes of a text.
fn part(seen: &Seen, text: &str, most: usize, lines: &str) -> Answer {
    let from =
        seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let from: usize = from.map_or(0, |from| from.parse().unwrap());
    let all = text.len();
    let sent = &text[from..all.min(from + most)];
    let status = if from > 0 {
        format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{all}", all - 1)
    } else {
        "200 OK".to_owned()
    };
    Answer::raw(&format!("{status}\r\ncontent-length: {}{lines}", all - from), sent)
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    for lines in [
        "\r\netag: \"1\"",
        "\r\nlast-modified: Thu, 01 Jan 1970 00:00:00 GMT",
        "\r\naccept-ranges: bytes",
    ] {
        let server = Server::start_seeing(move |seen| part(seen, &content(), 700, lines));
        let (text, told) = fetch(&[server.url("/x")]).unwrap();
        assert_eq!(text, content());
        assert!(told.is_sorted(), "no byte is asked for twice: {told:?}");
        let log = server.log();
        let ranges: Vec<_> = log.iter().map(|seen| seen.header("range").unwrap_or("")).collect();
        assert_eq!(ranges, ["", "bytes=700-", "bytes=1400-"]);
        let validator = lines.split_once(": ").map(|(_, value)| value).filter(|v| *v != "bytes");
        assert_eq!(log[1].header("if-range"), validator, "{log:?}");
    }
}

#[test]
fn a_silent_server_is_asked_for_the_rest() {
    let server = Server::start_seeing(|seen| {
        let answer = part(seen, &content(), 900, "\r\netag: \"1\"");
        if seen.count == 0 { answer.then_silence() } else { answer }
    });
    assert_eq!(fetch(&[server.url("/x")]).unwrap().0, content());
}

#[test]
fn another_content_is_read_from_its_start() {
    // The content changes; this server knows its tag.
    let server = Server::start_seeing(|seen| match (seen.count, seen.header("if-range")) {
        (0, _) => part(seen, &"x".repeat(content().len()), 700, "\r\netag: \"1\""),
        (_, Some("\"2\"")) => part(seen, &content(), 5000, "\r\netag: \"2\""),
        _ => part(&Seen::default(), &content(), 5000, "\r\netag: \"2\""),
    });
    assert_eq!(fetch(&[server.url("/x")]).unwrap().0, content());
    assert_eq!(server.requests(), 2);
    // This one joins parts of different contents, which only the hash tells.
    let server = Server::start_seeing(|seen| match seen.count {
        0 => part(seen, &"x".repeat(content().len()), 700, "\r\naccept-ranges: bytes"),
        _ => part(seen, &content(), 5000, "\r\naccept-ranges: bytes"),
    });
    assert_eq!(fetch(&[server.url("/x")]).unwrap().0, content());
    assert_eq!(server.log().iter().filter(|seen| seen.header("range").is_some()).count(), 1);
}

#[test]
fn parts_that_were_not_asked_for_are_not_taken() {
    for odd in ["bytes 0-699/2290", "bytes 700-1399/9999", "bytes 900-999/2290", "nonsense"] {
        let server = Server::start_seeing(move |seen| match seen.header("range") {
            Some(_) => Answer::raw(&format!("206 Partial Content\r\ncontent-range: {odd}"), "evil"),
            None if seen.count == 0 => part(seen, &content(), 700, "\r\netag: \"1\""),
            None => part(seen, &content(), 5000, "\r\netag: \"1\""),
        });
        assert_eq!(fetch(&[server.url("/x")]).unwrap().0, content(), "{odd}");
    }
    let unasked =
        Server::start(|_| Answer::raw("206 Partial Content\r\ncontent-range: bytes 0-3/9", "evil"));
    let error = fetch(&[unasked.url("/x")]).unwrap_err();
    assert!(error.to_string().contains("another part"), "{error}");
}

#[test]
fn the_rest_that_is_gone_is_read_anew() {
    let server = Server::start_seeing(|seen| match seen.header("range") {
        Some(_) => Answer::status(416),
        None if seen.count == 0 => part(seen, &content(), 700, "\r\netag: \"1\""),
        None => part(seen, &content(), 5000, "\r\netag: \"1\""),
    });
    assert_eq!(fetch(&[server.url("/x")]).unwrap().0, content());
}

#[test]
fn cuts_are_counted() {
    // One byte more each time would go on for ever.
    let server = Server::start_seeing(|seen| part(seen, &content(), 1, "\r\netag: \"1\""));
    assert_eq!(fetch(&[server.url("/x")]).unwrap_err().code(), "E0702");
    let bound = 3 * 9;
    assert!(server.requests() <= bound, "{} requests", server.requests());
    // A server that gives nothing more is not asked over and over.
    let server = Server::start_seeing(|seen| match seen.header("range") {
        Some(_) => part(seen, &content(), 0, "\r\netag: \"1\""),
        None => part(seen, &content(), 700, "\r\netag: \"1\""),
    });
    assert_eq!(fetch(&[server.url("/x")]).unwrap_err().code(), "E0702");
    assert!(server.requests() <= 6, "{} requests", server.requests());
}

#[test]
fn another_mirror_starts_anew() {
    let broken = Server::start_seeing(|seen| match seen.count {
        0 => part(seen, &"x".repeat(content().len()), 700, "\r\netag: \"1\""),
        _ => Answer::status(503),
    });
    let good = Server::start_seeing(|seen| part(seen, &content(), 5000, ""));
    assert_eq!(fetch(&[broken.url("/x"), good.url("/x")]).unwrap().0, content());
    assert_eq!(good.log()[0].header("range"), None);
    assert_eq!(broken.requests(), 2);
}
