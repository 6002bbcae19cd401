//! Artifacts in a real registry, Debian's `docker-registry`, on the loopback.
#![expect(clippy::disallowed_methods, reason = "a clock bounds the wait for the server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cbuild_fetch::{
    Artifact, FetchError, Fetcher, MirrorSource, Mirrors, Options, RegistryReference, pack_layer,
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// `me:secret`, as `htpasswd -B` writes it.
const PASSWORDS: &str = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry; it ends when this is dropped.
struct Registry {
    process: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Registry {
    fn start(auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let at = folder.path().display();
        fs::write(folder.path().join("passwords"), PASSWORDS).unwrap();
        let auth = auth.replace("FOLDER", &at.to_string());
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\nhttp: {{addr: '{host}'}}\n{auth}"
        );
        let config = folder.path().join("config.yml");
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("docker-registry (a Debian package) is needed");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&host).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            thread::yield_now();
        }
        Self { process, host, folder }
    }

    fn reference(&self, rest: &str) -> RegistryReference {
        RegistryReference::parse(&format!("{}/{rest}", self.host)).unwrap()
    }

    fn layer(&self, text: &str) -> PathBuf {
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("main.cbuild"), text).unwrap();
        let layer = self.folder.path().join("layer");
        pack_layer(source.path(), &layer, None).unwrap();
        layer
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn artifact() -> Artifact {
    Artifact {
        artifact_type: "application/vnd.cbuild.test.v1".to_owned(),
        layer_type: "application/vnd.cbuild.test.tree.v1.tar+zstd".to_owned(),
        annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    }
}

fn fetcher(credentials: &[PathBuf]) -> Fetcher {
    let options = Options { credentials: credentials.to_vec(), ..Options::default() };
    Fetcher::new(MirrorSource::Table(Mirrors::default()), options)
}

/// Pulls, and asserts that on an error nothing is left.
fn pull(fetcher: &Fetcher, reference: &RegistryReference) -> Result<(String, String), FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("tree");
    let done = fetcher.pull_artifact(reference, &artifact(), &into, &mut |_| ());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), usize::from(done.is_ok()), "{done:?}");
    done.map(|digest| (digest, fs::read_to_string(into.join("main.cbuild")).unwrap()))
}

#[test]
fn what_is_pushed_is_pulled() {
    let registry = Registry::start("");
    let fetcher = fetcher(&[]);
    let first = registry.reference("modules/tls:1.0.0");
    let digest = fetcher.push_artifact(&first, &artifact(), &registry.layer("one")).unwrap();
    // Again: every blob is there already, and the digest is the same.
    assert_eq!(fetcher.push_artifact(&first, &artifact(), &registry.layer("one")).unwrap(), digest);
    assert_eq!(pull(&fetcher, &first).unwrap(), (digest.clone(), "one".to_owned()));
    // The tag moves; the digest still gives the old content.
    let moved = fetcher.push_artifact(&first, &artifact(), &registry.layer("two")).unwrap();
    assert_ne!(moved, digest);
    assert_eq!(pull(&fetcher, &first).unwrap().1, "two");
    let pinned = registry.reference(&format!("modules/tls:1.0.0@{digest}"));
    assert_eq!(pull(&fetcher, &pinned).unwrap().1, "one");
    let second = registry.reference("modules/tls:1.1.0");
    fetcher.push_artifact(&second, &artifact(), &registry.layer("three")).unwrap();
    assert_eq!(fetcher.registry_tags(&second).unwrap(), ["1.0.0", "1.1.0"]);
}

#[test]
fn other_things_and_absent_ones_are_refused() {
    let registry = Registry::start("");
    let fetcher = fetcher(&[]);
    let error = pull(&fetcher, &registry.reference("modules/none:1")).unwrap_err();
    assert_eq!(error.code(), "E0717");
    assert!(error.to_string().contains("404"), "{error}");
    let reference = registry.reference("modules/image:1");
    let other = Artifact { artifact_type: "application/vnd.other".to_owned(), ..artifact() };
    fetcher.push_artifact(&reference, &other, &registry.layer("x")).unwrap();
    let error = pull(&fetcher, &reference).unwrap_err();
    assert!(error.to_string().contains("application/vnd.other"), "{error}");
    let untagged = registry.reference("modules/image");
    let error = fetcher.push_artifact(&untagged, &artifact(), &registry.layer("x")).unwrap_err();
    assert!(error.to_string().contains("no tag"), "{error}");
}

#[test]
fn a_changed_blob_is_found_out() {
    let registry = Registry::start("");
    let fetcher = fetcher(&[]);
    let reference = registry.reference("modules/tls:1.0.0");
    fetcher.push_artifact(&reference, &artifact(), &registry.layer("one")).unwrap();
    let script = "find \"$0\" -name data -size +2c | while read f; do tr 'a-m' 'n-z' <\"$f\" >\"$f.x\"; mv \"$f.x\" \"$f\"; done";
    let data = registry.folder.path().join("data/docker/registry/v2/blobs");
    let status = Command::new("sh").args(["-c", script]).arg(&data).status().unwrap();
    assert!(status.success());
    let code = pull(&fetcher, &reference).unwrap_err().code();
    assert!(["E0717", "E0711"].contains(&code), "{code}");
}

fn login(folder: &Path, host: &str, password: &str) -> PathBuf {
    let file = folder.join(format!("{password}.json"));
    let text =
        format!(r#"{{"auths": {{"{host}": {{"username": "me", "password": "{password}"}}}}}}"#);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_registry_with_passwords() {
    let registry = Registry::start("auth: {htpasswd: {realm: test, path: FOLDER/passwords}}\n");
    let reference = registry.reference("modules/tls:1.0.0");
    let layer = registry.layer("one");
    let push = |fetcher: &Fetcher| fetcher.push_artifact(&reference, &artifact(), &layer);
    let error = push(&fetcher(&[])).unwrap_err();
    assert_eq!(error.code(), "E0718");
    assert!(error.help().unwrap().contains("docker login"));
    let wrong = login(registry.folder.path(), &registry.host, "wrong");
    assert_eq!(push(&fetcher(&[wrong])).unwrap_err().code(), "E0718");
    let right = fetcher(&[login(registry.folder.path(), &registry.host, "secret")]);
    push(&right).unwrap();
    assert_eq!(pull(&right, &reference).unwrap().1, "one");
}

/// A server with one artifact that wants a token of its own token server; `seen` gets each request's
/// first line and its authorization.
fn with_tokens(layer: Vec<u8>, seen: mpsc::Sender<(String, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let digest = |bytes: &[u8]| format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)));
    let Artifact { artifact_type, layer_type, .. } = artifact();
    let manifest = format!(
        r#"{{"schemaVersion": 2, "artifactType": "{artifact_type}", "layers": [{{"mediaType": "{layer_type}", "digest": "{}", "size": {}}}]}}"#,
        digest(&layer),
        layer.len()
    );
    let realm = format!("http://{host}/token");
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut reader = BufReader::new(connection.unwrap());
            let (mut first, mut authorization, mut line) =
                (String::new(), String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                match line.split_once(": ") {
                    None => first = line.trim().to_owned(),
                    Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                        authorization = value.trim().to_owned();
                    }
                    Some(_) => {}
                }
                line.clear();
            }
            let challenge =
                format!("www-authenticate: Bearer realm=\"{realm}\",service=\"here\"\r\n");
            let (status, head, body) = match first.split(' ').nth(1).unwrap_or_default() {
                path if path.starts_with("/token") => {
                    ("200 OK", "", br#"{"token": "abc"}"#.to_vec())
                }
                _ if authorization != "Bearer abc" => ("401 No", challenge.as_str(), Vec::new()),
                path if path.contains("/manifests/") => {
                    ("200 OK", "", manifest.clone().into_bytes())
                }
                _ => ("200 OK", "", layer.clone()),
            };
            seen.send((first, authorization)).unwrap();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let answer = [head.as_bytes(), &body].concat();
            // A client that went away is no matter of the server.
            drop(reader.get_mut().write_all(&answer));
        }
    });
    host
}

#[test]
fn a_token_is_got_with_the_credentials_and_then_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    fs::write(folder.path().join("tree/main.cbuild"), "one").unwrap();
    let layer = folder.path().join("layer");
    pack_layer(&folder.path().join("tree"), &layer, None).unwrap();
    let (sender, seen) = mpsc::channel();
    let host = with_tokens(fs::read(layer).unwrap(), sender);
    let reference = RegistryReference::parse(&format!("{host}/modules/tls:1.0.0")).unwrap();
    let fetcher = fetcher(&[login(folder.path(), &host, "secret")]);
    assert_eq!(pull(&fetcher, &reference).unwrap().1, "one");
    let seen: Vec<(String, String)> = seen.try_iter().collect();
    let [first, token, manifest, blob] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(first.1, "");
    assert!(token.0.contains("scope=repository%3Amodules%2Ftls%3Apull&service=here"), "{token:?}");
    assert_eq!(token.1, "Basic bWU6c2VjcmV0");
    assert_eq!((manifest.1.as_str(), blob.1.as_str()), ("Bearer abc", "Bearer abc"));
    assert!(blob.0.contains("/v2/modules/tls/blobs/sha256:"), "{blob:?}");
}

#[test]
fn offline_nothing_is_asked() {
    let options = Options { offline: true, ..Options::default() };
    let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options);
    let reference = RegistryReference::parse("127.0.0.1:1/a:1").unwrap();
    assert_eq!(pull(&fetcher, &reference).unwrap_err().code(), "E0719");
}
