//! Hostile servers: what a user has for one origin never reaches another one. The servers' logs tell.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{
    Artifact, FetchError, Fetcher, MirrorSource, Mirrors, NetrcFile, Options, RegistryReference,
    Retry, pack_layer,
};
use server::{Answer, Seen, Server};

const HELLO: &str = "sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// `me:secret`.
const BASIC: &str = "Basic bWU6c2VjcmV0";

/// What a user has: a file of `docker login` or a netrc file.
struct User {
    folder: tempfile::TempDir,
    options: Options,
    mirrors: Mirrors,
}

impl User {
    fn new() -> Self {
        let retry = Retry { rounds: 1, ..Retry::default() };
        let options = Options { retry, ..Options::default() };
        Self { folder: tempfile::tempdir().unwrap(), options, mirrors: Mirrors::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with_login(mut self, registry: &Server) -> Self {
        let file = self.path("config.json");
        let host = registry.host();
        let login = r#"{"username": "me", "password": "secret"}"#;
        fs::write(&file, format!(r#"{{"auths": {{"{host}": {login}}}}}"#)).unwrap();
        self.options.credentials = vec![file];
        self
    }

    fn with_netrc(mut self, text: &str) -> Self {
        let path = self.path("netrc");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.options.netrc = Some(NetrcFile { path, private: true });
        self
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::new(MirrorSource::Table(self.mirrors.clone()), self.options.clone())
    }

    fn fetch(&self, url: &str) -> Result<(), FetchError> {
        let hash = ContentHash::parse(HELLO).unwrap();
        let kind = FetchKind::File { executable: false };
        let fetch = Fetch { urls: vec![url.to_owned()], hash, kind };
        let into = self.path("it");
        let fetched = self.fetcher().fetch(&fetch, &into, &mut |_| ());
        let _ = fs::remove_file(into);
        fetched
    }

    fn push(&self, registry: &Server) -> Result<String, FetchError> {
        let tree = self.path("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("main.cbuild"), "one").unwrap();
        let layer = self.path("layer");
        pack_layer(&tree, &layer, None).unwrap();
        let text = format!("{}/modules/tls:1.0.0", registry.host());
        let reference = RegistryReference::parse(&text).unwrap();
        self.fetcher().push_artifact(&reference, &artifact(), &layer)
    }

    fn pull(&self, registry: &Server) -> FetchError {
        let text = format!("{}/modules/tls:1.0.0", registry.host());
        let reference = RegistryReference::parse(&text).unwrap();
        let fetcher = self.fetcher();
        fetcher.pull_artifact(&reference, &artifact(), &self.path("into"), &mut |_| ()).unwrap_err()
    }
}

fn artifact() -> Artifact {
    Artifact {
        artifact_type: "application/vnd.cbuild.test.v1".to_owned(),
        layer_type: "application/vnd.cbuild.test.tree.v1.tar+zstd".to_owned(),
        annotations: BTreeMap::new(),
    }
}

fn address(url: &str) -> String {
    url.replace("http://", "http://me:secret@")
}

fn challenge(text: &str) -> Answer {
    Answer::head("401 Unauthorized", &[("www-authenticate", text)])
}

/// A registry that wants a password and lets uploads go to `elsewhere`.
fn registry_with_uploads_at(elsewhere: String) -> Server {
    Server::start_seeing(move |seen| match (seen.header("authorization"), seen.method.as_str()) {
        (None, _) => challenge("Basic realm=\"x\""),
        (_, "HEAD") => Answer::status(404),
        (_, "POST") => Answer::head("202 Accepted", &[("location", &elsewhere)]),
        _ => Answer::status(201),
    })
}

fn authorizations(server: &Server) -> Vec<Option<String>> {
    server.log().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect()
}

#[test]
fn an_upload_to_another_port_has_no_password() {
    let other = Server::start(|_| Answer::status(201));
    for place in [other.url("/upload?x=1"), address(&other.url("/upload"))] {
        let registry = registry_with_uploads_at(place);
        User::new().with_login(&registry).push(&registry).unwrap();
        assert!(authorizations(&registry).contains(&Some(BASIC.to_owned())));
    }
    other.saw_no_secret();
    let puts = other.log().iter().filter(|seen| seen.method == "PUT").count();
    assert_eq!(puts, 4, "two blobs for each");
}

#[test]
fn another_server_may_not_ask_for_the_password() {
    for scheme in ["Basic realm=\"mine\"", "Bearer realm=\"http://REALM/token\",service=\"s\""] {
        let tokens = Server::start(|_| Answer::typed("application/json", r#"{"token": "t"}"#));
        let scheme = scheme.replace("REALM", &tokens.host());
        let other = Server::start(move |_| challenge(&scheme));
        // The same machine by another name is another server as well.
        let place = format!("http://localhost:{}/upload", other.port());
        let registry = registry_with_uploads_at(place.clone());
        let error = User::new().with_login(&registry).push(&registry).unwrap_err();
        assert_eq!(error.code(), "E0721");
        assert!(error.to_string().contains(&place[..place.len() - "/upload".len()]), "{error}");
        other.saw_no_secret();
        assert_eq!(tokens.requests(), 0);
    }
}

#[test]
fn a_registry_that_redirects_takes_nothing_along() {
    let other = Server::start(|_| challenge("Basic realm=\"mine\""));
    let target = address(&other.url("/blob?sig=1"));
    let registry = Server::start_seeing(move |seen| match seen.header("authorization") {
        None => challenge("Basic realm=\"x\""),
        Some(_) => Answer::head("307 Temporary Redirect", &[("location", &target)]),
    });
    let user = User::new().with_login(&registry);
    assert_eq!(user.pull(&registry).code(), "E0721");
    assert_eq!(user.push(&registry).unwrap_err().code(), "E0721");
    other.saw_no_secret();
}

#[test]
fn the_token_server_of_another_place_gets_no_password() {
    let tokens = Server::start(|_| Answer::typed("application/json", r#"{"token": "anonymous"}"#));
    let realm = format!("Bearer realm=\"{}\",service=\"s\"", address(&tokens.url("/token")));
    let registry = Server::start_seeing(move |seen| match seen.header("authorization") {
        Some("Bearer anonymous") => Answer::status(403),
        _ => challenge(&realm),
    });
    let user = User::new().with_login(&registry);
    let error = user.push(&registry).unwrap_err();
    assert_eq!(error.code(), "E0720");
    let text = format!("{error} {:?}", error.help());
    assert!(text.contains(&format!("http://{}", tokens.host())), "{text}");
    tokens.saw_no_secret();
    assert!(!authorizations(&registry).contains(&Some(BASIC.to_owned())));
}

#[test]
fn a_token_stays_at_its_registry() {
    let other = Server::start(|_| Answer::status(201));
    let place = other.url("/upload");
    let registry = Server::start_seeing(move |seen| {
        match (seen.path.as_str(), seen.header("authorization"), seen.method.as_str()) {
            (path, Some(BASIC), _) if path.starts_with("/token") => {
                Answer::typed("application/json", r#"{"token": "secret-token"}"#)
            }
            (_, Some("Bearer secret-token"), "HEAD") => Answer::status(404),
            (_, Some("Bearer secret-token"), "POST") => {
                Answer::head("202 Accepted", &[("location", &place)])
            }
            (_, Some("Bearer secret-token"), _) => Answer::status(201),
            _ => challenge(&format!("Bearer realm=\"http://{}/token\"", host(seen))),
        }
    });
    User::new().with_login(&registry).push(&registry).unwrap();
    other.saw_no_secret();
}

fn host(seen: &Seen) -> String {
    seen.header("host").unwrap_or_default().to_owned()
}

#[test]
fn what_a_registry_repeats_is_not_shown() {
    let registry = Server::start_seeing(|seen| match seen.header("authorization") {
        None => challenge("Basic realm=\"x\""),
        Some(sent) => {
            let said = format!(
                r#"{{"errors": [{{"message": "`{sent}` of me:secret at http://x/?token=secret"}}]}}"#
            );
            Answer::raw(&format!("400 Bad Request\r\ncontent-length: {}", said.len()), &said)
        }
    });
    let error = User::new().with_login(&registry).pull(&registry);
    let text = format!("{error} {error:?}");
    assert!(text.contains("400") && !text.contains("secret") && !text.contains("bWU6"), "{text}");
}

#[test]
fn a_download_takes_nothing_to_another_origin() {
    let first = Arc::new(std::sync::Mutex::new(String::new()));
    let back = Arc::clone(&first);
    let other = Server::start(move |path| match path {
        "/back" => Answer::redirect(&format!("{}/hello", back.lock().unwrap())),
        _ => Answer::ok("hello\n"),
    });
    let (there, round) = (address(&other.url("/x")), other.url("/back"));
    let server = Server::start(move |path| match path {
        "/there?token=secret" => Answer::redirect(&there),
        "/round" => Answer::redirect(&round),
        "/here" => Answer::redirect("/hello"),
        _ => Answer::ok("hello\n"),
    });
    *first.lock().unwrap() = server.url("");
    let machine = "machine 127.0.0.1 login me password secret\n";
    for (user, with) in [
        (User::new(), address as fn(&str) -> String),
        (User::new().with_netrc(machine), |url: &str| url.to_owned()),
    ] {
        for path in ["/there?token=secret", "/round", "/here"] {
            user.fetch(&with(&server.url(path))).unwrap();
        }
    }
    other.saw_no_secret();
    let basic = Some(BASIC.to_owned());
    let once = [basic.clone(), basic.clone(), None, basic.clone(), basic];
    assert_eq!(authorizations(&server), [once.clone(), once].concat());
}

#[test]
fn files_of_an_index_elsewhere_get_nothing() {
    let files = Server::start(|_| Answer::ok("hello\n"));
    let link = files.url("/a.whl");
    let index = Server::start(move |path| match path {
        "/simple/a/" => Answer::typed("text/html", &format!("<a href=\"{link}\">a.whl</a>")),
        "/simple/b/" => Answer::typed("text/html", "<a href=\"/files/b.whl\">b.whl</a>"),
        "/index/config.json" => {
            Answer::typed("application/json", &format!(r#"{{"dl": "{link}"}}"#))
        }
        _ => Answer::ok("hello\n"),
    });
    // The netrc file has an entry for the other server, which the user never named.
    let mut user = User::new().with_netrc("machine 127.0.0.1 login other password secret\n");
    user.mirrors.set("pypi", vec![address(&index.url("/simple"))]).unwrap();
    let sparse = format!("sparse+{}", address(&index.url("/index")));
    user.mirrors.set("crates", vec![sparse]).unwrap();
    user.fetch("mirror://pypi/a/a.whl").unwrap();
    user.fetch("mirror://crates/a/1.0.0").unwrap();
    files.saw_no_secret();
    user.fetch("mirror://pypi/b/b.whl").unwrap();
    let basic = Some(BASIC.to_owned());
    assert_eq!(authorizations(&index), [basic.clone(), basic.clone(), basic.clone(), basic]);
}

#[test]
fn a_netrc_file_is_for_its_hosts_and_comes_last() {
    let server = Server::start_seeing(|seen| match seen.header("authorization") {
        Some(_) => Answer::ok("hello\n"),
        None => Answer::status(401),
    });
    let url = server.url("/x");
    let user = User::new().with_netrc("machine 127.0.0.1 login me password secret\n");
    user.fetch(&url).unwrap();
    user.fetch(&url.replace("http://", "http://other:word@")).unwrap();
    let sent = authorizations(&server);
    assert_eq!(sent[0].as_deref(), Some(BASIC));
    assert_eq!(sent[1].as_deref(), Some("Basic b3RoZXI6d29yZA=="));
    let others = "machine example.org login me password secret\ndefault login me password secret\n";
    let error = User::new().with_netrc(others).fetch(&url).unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    assert_eq!(authorizations(&server)[2], None);
    // A file that others may read is not used, which is said where it matters.
    let user = User::new().with_netrc("machine 127.0.0.1 login me password secret\n");
    fs::set_permissions(user.path("netrc"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = user.fetch(&url).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
}

#[test]
fn a_registry_takes_the_netrc_file_where_no_login_is() {
    let registry = Server::start_seeing(|seen| match seen.header("authorization") {
        None => challenge("Basic realm=\"x\""),
        Some(_) => Answer::status(404),
    });
    let user = User::new().with_netrc("machine 127.0.0.1 login other password word\n");
    assert_eq!(user.pull(&registry).code(), "E0717");
    assert_eq!(user.with_login(&registry).pull(&registry).code(), "E0717");
    let sent = authorizations(&registry);
    let word = Some("Basic b3RoZXI6d29yZA==".to_owned());
    assert_eq!(sent, [None, word, None, Some(BASIC.to_owned())]);
}
