//! Hostile and broken servers, as a user meets them: what they see, and what is printed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Done, cbuild_command, run};
use crate::server::{Answer, Server};

/// `hello\n`.
const HELLO: &str = "sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

/// A user with a home of its own.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        user.write("zlib/cbuild.mod", "module = \"example.org/zlib/v1\"\n");
        user.write("zlib/main.cbuild", "pub let level: Int = 6\n");
        user
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.0.path().join(rest)
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.path(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cbuild_command(&self.path("root"));
        for name in ["NETRC", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "http_proxy", "no_proxy"] {
            command.env_remove(name);
        }
        command.env("HOME", self.0.path()).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("DOCKER_CONFIG", self.path("docker")).current_dir(self.path("zlib")).args(args);
        command
    }

    fn cbuild(&self, args: &[&str]) -> Done {
        run(&mut self.command(args))
    }

    fn publish(&self, registry: &Server) -> Done {
        let login = r#"{"username": "me", "password": "secret"}"#;
        let host = registry.host();
        self.write("docker/config.json", &format!(r#"{{"auths": {{"{host}": {login}}}}}"#));
        self.cbuild(&["mod", "publish", &format!("oci://{host}/modules/zlib:1.3.0")])
    }

    /// A package that is one download.
    fn package(&self, urls: &[String]) {
        let urls: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
        let urls = urls.join(", ");
        self.write(
            "zlib/main.cbuild",
            &format!("import std\npub let default: Package = std.fetch.file {{ name = \"hello\", urls = [{urls}], hash = {HELLO} }}\n"),
        );
    }
}

fn is_silent(done: &Done) {
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains("secret") && !text.contains("bWU6c2VjcmV0"), "{text}");
    }
}

/// A registry that wants a password and has uploads at another place.
fn registry(uploads: String) -> Server {
    Server::start_seeing(move |seen| match (seen.header("authorization"), seen.method.as_str()) {
        (None, _) => Answer::head("401 Unauthorized", &[("www-authenticate", "Basic realm=\"x\"")]),
        (_, "HEAD") => Answer::status(404),
        (_, "POST") => Answer::head("202 Accepted", &[("location", &uploads)]),
        _ => Answer::status(201),
    })
}

#[test]
fn an_upload_elsewhere_has_no_password() {
    let user = User::new();
    let other = Server::start(|_| Answer::status(201));
    let registry = registry(other.url("/elsewhere/upload?x=1"));
    is_silent(&user.publish(&registry).ok());
    other.saw_no_secret();
    let log = registry.log();
    assert!(log.iter().any(|seen| seen.header("authorization") == Some("Basic bWU6c2VjcmV0")));
}

#[test]
fn a_server_elsewhere_asks_in_vain_for_the_password() {
    let user = User::new();
    let other = Server::start(|_| {
        Answer::head("401 Unauthorized", &[("www-authenticate", "Basic realm=\"mine\"")])
    });
    let registry = registry(format!("http://localhost:{}/elsewhere/upload?x=1", other.port()));
    is_silent(&user.publish(&registry).fails(4, "E0721"));
    other.saw_no_secret();
}

#[test]
fn a_mirror_with_wrong_bytes_is_told_and_no_secret_is() {
    let user = User::new();
    let wrong = Server::start(|_| Answer::ok("hallo\n"));
    let right = Server::start(|_| Answer::ok("hello\n"));
    let bad = wrong.url("/keyed").replace("http://", "http://me:secret@");
    user.write("config/cbuild/mirrors.toml", &format!("by-hash = [\"{bad}?sig=secret\"]\n"));
    user.package(&[right.url("/hello?token=secret")]);
    let done = user.cbuild(&["build", "."]).ok();
    is_silent(&done);
    let base = wrong.url("/keyed?sig=…");
    assert!(done.stderr.contains(&format!("warning: for hello, `{base}")), "{}", done.stderr);
    assert!(
        done.stderr.contains("wanted sha256-WJG1") && done.stderr.contains("got    sha256-YiyzN")
    );
    user.package(&[right.url("/gone?token=secret")]);
    let other =
        ["--root", user.path("other").to_str().unwrap(), "--json", "build", "."].map(str::to_owned);
    let args: Vec<&str> = other.iter().map(String::as_str).collect();
    let done = user.cbuild(&args).ok();
    is_silent(&done);
    assert!(done.stderr.contains("\"event\":\"wrong-bytes\""), "{}", done.stderr);
    let listed = user.cbuild(&["mirrors", "set", "site", &bad]);
    is_silent(&listed.ok());
    let listed = user.cbuild(&["mirrors", "list"]).ok();
    assert!(listed.stdout.contains("site = http://127.0.0.1"), "{}", listed.stdout);
    is_silent(&listed);
}

#[test]
fn failures_and_the_history_show_no_secret() {
    let user = User::new();
    let server = Server::start(|_| Answer::status(404));
    let url = server.url("/x?X-Amz-Signature=secret").replace("http://", "http://me:secret@");
    user.package(std::slice::from_ref(&url));
    for args in [
        &["build", "."][..],
        &["--json", "build", "."],
        &["-v", "build", "."],
        &["--offline", "build", "."],
    ] {
        let done = user.cbuild(args);
        assert_eq!(done.code, Some(4), "{}", done.stderr);
        assert!(done.stderr.contains("127.0.0.1"), "{}", done.stderr);
        is_silent(&done);
    }
    is_silent(&user.cbuild(&["store", "history"]).ok());
    is_silent(&user.cbuild(&["log", "."]));
    let source = format!("git+{url}");
    let done = user.cbuild(&["mod", "add", "example.org/tls/v1@1.0.0", &source]);
    assert_eq!(done.code, Some(4), "{}", done.stderr);
    is_silent(&done);
    is_silent(&user.cbuild(&["mod", "add", "example.org/tls/v1@1.0.0", &url]));
}

#[test]
fn the_password_of_a_proxy_goes_to_the_proxy_alone() {
    let user = User::new();
    let other = Server::start(|_| Answer::ok("hello\n"));
    let target = other.url("/hello");
    let proxy = Server::start(move |_| Answer::redirect(&target));
    user.package(&["http://packages.example/hello".to_owned()]);
    let mut command = user.command(&["build", "."]);
    command.env("http_proxy", proxy.url("").replace("http://", "http://me:secret@"));
    command.env("no_proxy", "127.0.0.1");
    is_silent(&run(&mut command).ok());
    let [asked] = &proxy.log()[..] else { panic!("{:?}", proxy.log()) };
    assert_eq!(asked.path, "http://packages.example/hello");
    assert_eq!(asked.header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
    other.saw_no_secret();
}

#[test]
fn a_netrc_file_lets_in() {
    let user = User::new();
    let server = Server::start_seeing(|seen| match seen.header("authorization") {
        Some("Basic bWU6c2VjcmV0") => Answer::ok("hello\n"),
        _ => Answer::status(401),
    });
    user.package(&[server.url("/hello")]);
    user.write("named", "machine 127.0.0.1 login me password secret\n");
    // Others may read the usual file, which is said.
    fs::copy(user.path("named"), user.path(".netrc")).unwrap();
    let done = user.cbuild(&["build", "."]).fails(4, "chmod 600");
    is_silent(&done);
    let mut command = user.command(&["build", "."]);
    is_silent(&run(command.env("NETRC", user.path("named"))).ok());
}

#[test]
fn an_interrupt_ends_a_download_that_hangs() {
    let user = User::new();
    let server = Server::start(|path| match path {
        "/body" => Answer::truncated("hel", 6).then_silence(),
        _ => Answer::Silence,
    });
    for place in [server.url("/head"), server.url("/body")] {
        user.package(&[place]);
        let mut command = user.command(&["build", "."]);
        let before = server.requests();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while server.requests() == before {
            assert!(Instant::now() < end, "nothing is asked for");
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = rustix::process::Pid::from_child(&child);
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let done = Done::from(child.wait_with_output().unwrap());
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
        // In order, or, on a machine that is too busy for that, with the process.
        assert!(done.stderr.contains("E0532") || done.stderr.contains("E1081"), "{}", done.stderr);
        assert_eq!(done.code, Some(130), "{}", done.stderr);
    }
}
