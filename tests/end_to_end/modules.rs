//! Modules from outside: git repositories, archives and a real registry; locked, private, offline.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Done, assert_clean, cbuild_command, run};

/// A folder with repositories, a module `app`, and a store.
struct Place(tempfile::TempDir);

/// A library whose public package is made from a file of its own, and that uses another module.
const TLS: &str = r##"//! Secrets and a package.
import std
import ext.zlib
import ./inner.cbuild
pub let level: Int = zlib.level * 10 + inner.one
pub let data: Package = std.tree.text_file("tls-data", sh"#{./data.txt}")
let key = "secret"
"##;

const APP: &str =
    "import ext.tls\npub let level: Int = tls.level\npub let default: Package = tls.data\n";

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("zlib/cbuild.mod", "module = \"example.org/zlib/v1\"\n");
        place.write("zlib/main.cbuild", "pub let level: Int = 6\n");
        place.release("zlib", "1.3.0");
        let requires = place.requires("zlib", "1.3.0");
        place.write(
            "tls/cbuild.mod",
            &format!("module = \"example.org/tls/v1\"\n[require]\n{requires}"),
        );
        place.write("tls/main.cbuild", TLS);
        place.write("tls/inner.cbuild", "pub let one: Int = 1\n");
        place.write("tls/data.txt", "from the module\n");
        place.release("tls", "1.0.0");
        place.write("app/cbuild.mod", "module = \"example.org/app/v0\"\ncbuild = \"0.1\"\n");
        place.write("app/main.cbuild", APP);
        place
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.0.path().join(rest)
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.path(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn url(&self, name: &str) -> String {
        format!("git+file://{}", self.path(name).display())
    }

    fn requires(&self, name: &str, version: &str) -> String {
        let url = self.url(name);
        format!("\"example.org/{name}/v1\" = {{ version = \"{version}\", source = \"{url}\" }}\n")
    }

    fn git(&self, name: &str, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args);
        run(command.current_dir(self.path(name)).env("GIT_CONFIG_GLOBAL", "/dev/null")).ok();
    }

    fn release(&self, name: &str, version: &str) {
        if !self.path(name).join(".git").exists() {
            self.git(name, &["init", "-q", "-b", "main", "."]);
        }
        self.git(name, &["add", "-A"]);
        self.git(name, &["commit", "-q", "-m", version]);
        self.git(name, &["tag", &format!("v{version}")]);
    }

    fn command(&self, store: &str, folder: &str) -> Command {
        let mut command = cbuild_command(&self.path(store));
        command.current_dir(self.path(folder));
        command
    }

    /// Runs cbuild in the folder of the app.
    fn cbuild(&self, args: &[&str]) -> Done {
        run(self.command("root", "app").args(args))
    }

    fn add_tls(&self) {
        let source = self.url("tls");
        self.cbuild(&["mod", "add", "example.org/tls/v1@1.0.0", &source]).ok();
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path("app/cbuild.lock")).unwrap()
    }
}

#[test]
fn a_module_from_git_is_added_used_and_removed() {
    let place = Place::new();
    place.cbuild(&["eval", ".:level"]).fails(2, "E0204");
    place.add_tls();
    assert_eq!(place.lock().lines().count(), 3);
    assert_eq!(place.cbuild(&["eval", ".:level"]).ok().stdout, "61\n");
    // What is built names the module's own file by its store path.
    let built = place.cbuild(&["build", "."]).ok().path();
    let named = fs::read_to_string(built).unwrap();
    let object = named.trim().strip_prefix("/cbuild/store/").unwrap().to_owned();
    let file = place.path("root/store").join(object);
    assert_eq!(fs::read_to_string(file).unwrap(), "from the module\n");
    place.cbuild(&["check", "."]).ok();
    assert_clean(&place.path("root"));
    // Without the requirement the import has no meaning, and the lock has no line for it.
    place.cbuild(&["mod", "remove", "example.org/tls/v1@9.9.9"]).fails(2, "E1103");
    let done = place.cbuild(&["mod", "remove", "ext.tls"]).ok();
    assert!(done.stdout.contains("- example.org/tls/v1@1.0.0"), "{}", done.stdout);
    assert_eq!(place.lock(), "cbuild-lock-1\n");
    place.cbuild(&["eval", ".:level"]).fails(2, "E0204");
}

#[test]
fn private_names_and_foreign_requirements_stay_hidden() {
    let place = Place::new();
    place.add_tls();
    let refused = |text: &str, code: &str| {
        place.write("app/main.cbuild", text);
        place.cbuild(&["check", "main.cbuild"]).fails(2, code).stderr
    };
    refused("import ext.tls\npub let x: Str = tls.key\n", "E0208");
    refused("import ext.tls\npub let x: Int = tls.inner.one\n", "E0208");
    refused("import ext.zlib\npub let x: Int = zlib.level\n", "E0204");
    refused("import ext.tls.inner\n", "E0204");
    let shown = refused("import ext.tsl\n", "E0204");
    assert!(shown.contains("did you mean `ext.tls`?"), "{shown}");
    // A module cannot read files outside of its own folder, not even those of its store object's neighbours.
    place.write(
        "tls/main.cbuild",
        "import std\npub let data: Package = std.tree.text_file(\"x\", sh\"#{./link}\")\n",
    );
    std::os::unix::fs::symlink("/etc", place.path("tls/link")).unwrap();
    place.release("tls", "1.1.0");
    place.cbuild(&["mod", "update", "example.org/tls/v1@1.1.0"]).ok();
    place.write("app/main.cbuild", "import ext.tls\npub let default: Package = tls.data\n");
    place.cbuild(&["build", "."]).fails(2, "leads out of the package");
}

#[test]
fn a_missing_or_outdated_lock_is_refused_with_the_fix() {
    let place = Place::new();
    place.add_tls();
    let lock = place.lock();
    fs::remove_file(place.path("app/cbuild.lock")).unwrap();
    let done = place.cbuild(&["build", "."]).fails(2, "E1110");
    assert!(
        done.stderr.contains("cbuild.mod:5:1") && done.stderr.contains("cbuild lock"),
        "{}",
        done.stderr
    );
    place.cbuild(&["lock"]).ok();
    assert_eq!(place.lock(), lock);
    place.write("tls/inner.cbuild", "pub let one: Int = 2\n");
    place.release("tls", "1.0.1");
    let text = fs::read_to_string(place.path("app/cbuild.mod")).unwrap();
    fs::write(place.path("app/cbuild.mod"), text.replace("1.0.0", "1.0.1")).unwrap();
    place.cbuild(&["build", "."]).fails(2, "E1111");
    let done = place.cbuild(&["lock"]).ok();
    assert!(done.stdout.contains("example.org/tls/v1@1.0.1 (was 1.0.0)"), "{}", done.stdout);
    assert_eq!(place.cbuild(&["eval", ".:level"]).ok().stdout, "62\n");
    // A damaged file of either kind is shown at its place.
    place.write("app/cbuild.lock", "cbuild-lock-1\nnonsense\n");
    place.cbuild(&["build", "."]).fails(2, "cbuild.lock:2:1");
    place.write("app/cbuild.mod", "module = \"example.org/app\"\n");
    place.cbuild(&["build", "."]).fails(2, "E1103");
}

#[test]
fn newer_versions_are_found_and_failed_changes_leave_the_files_alone() {
    let place = Place::new();
    place.add_tls();
    place.write("tls/inner.cbuild", "pub let one: Int = 4\n");
    for version in ["1.2.0", "1.10.0", "2.0.0"] {
        place.git("tls", &["commit", "-q", "-a", "--allow-empty", "-m", version]);
        place.git("tls", &["tag", &format!("v{version}")]);
    }
    place.cbuild(&["mod", "update"]).ok();
    assert!(place.lock().contains("example.org/tls/v1@1.10.0 "));
    assert_eq!(place.cbuild(&["eval", ".:level"]).ok().stdout, "64\n");
    let files = || (fs::read(place.path("app/cbuild.mod")).unwrap(), place.lock());
    let before = files();
    place.cbuild(&["mod", "update", "example.org/tls/v1@1.11.0"]).fails(4, "E0715");
    place.cbuild(&["mod", "add", "example.org/x/v1@1.0.0", &place.url("tls")]).fails(2, "E1113");
    place.cbuild(&["mod", "remove", "example.org/x/v1"]).fails(2, "E1118");
    let unknown = place.cbuild(&["mod", "remove", "nothing"]).fails(2, "E1103");
    assert!(unknown.stderr.contains("imported as `nothing`"), "{}", unknown.stderr);
    assert_eq!(files(), before);
}

#[test]
fn after_fetch_nothing_needs_the_network_or_the_repositories() {
    let place = Place::new();
    place.add_tls();
    // A new machine: only the files of the app, with its lock.
    run(place.command("new", "app").args(["fetch", "."])).ok();
    for name in ["tls", "zlib"] {
        fs::remove_dir_all(place.path(name)).unwrap();
    }
    let mut offline = Command::new("unshare");
    offline.args(["--user", "--map-root-user", "--net"]).arg(env!("CARGO_BIN_EXE_cbuild"));
    offline.current_dir(place.path("app")).arg("--root").arg(place.path("new"));
    run(offline.args(["--offline", "build", "."])).ok();
    // Another new machine has nothing to take them from.
    run(place.command("third", "app").args(["build", "."])).fails(4, "E0715");
}

#[test]
fn vendored_modules_build_alone_and_changes_in_them_are_refused() {
    let place = Place::new();
    place.add_tls();
    let listed = place.cbuild(&["mod", "vendor"]).ok().stdout;
    assert_eq!(listed, "vendor/example.org/tls/v1\nvendor/example.org/zlib/v1\n");
    for name in ["tls", "zlib"] {
        fs::remove_dir_all(place.path(name)).unwrap();
    }
    let fresh = |args: &[&str]| run(place.command("fresh", "app").args(args));
    assert_eq!(fresh(&["--offline", "eval", ".:level"]).ok().stdout, "61\n");
    fresh(&["--offline", "check", "."]).ok();
    place.write("app/vendor/example.org/zlib/v1/main.cbuild", "pub let level: Int = 7\n");
    let done = fresh(&["--offline", "eval", ".:level"]).fails(1, "E1115");
    assert!(done.stderr.contains("example.org/zlib/v1@1.3.0"), "{}", done.stderr);
}

#[test]
fn an_override_reads_a_local_folder_and_shows_its_own_paths() {
    let place = Place::new();
    place.add_tls();
    place.write("mine/cbuild.mod", "module = \"example.org/zlib/v1\"\n");
    place.write("mine/main.cbuild", "pub let level: Int = 9\n");
    let mut text = fs::read_to_string(place.path("app/cbuild.mod")).unwrap();
    text.push_str("\n[override]\n\"example.org/zlib/v1\" = \"../mine\"\n");
    fs::write(place.path("app/cbuild.mod"), text).unwrap();
    place.cbuild(&["lock"]).ok();
    assert_eq!(place.cbuild(&["eval", ".:level"]).ok().stdout, "91\n");
    place.write("mine/main.cbuild", "pub let level: Int = \"high\"\n");
    let done = place.cbuild(&["eval", ".:level"]).fails(2, "E0301");
    assert!(done.stderr.contains("mine/main.cbuild:1:"), "{}", done.stderr);
}

#[test]
fn an_archive_is_pinned_by_its_bytes() {
    let place = Place::new();
    let archive = place.path("zlib-1.3.0.tar.gz");
    let mut tar = Command::new("tar");
    run(tar.arg("-czf").arg(&archive).arg("zlib").current_dir(place.0.path())).ok();
    let url = format!("file://{}", archive.display());
    place.cbuild(&["mod", "add", "example.org/zlib/v1@1.3.0", &url, "--as", "z"]).ok();
    place.write("app/main.cbuild", "import ext.z\npub let default: Int = z.level\n");
    assert_eq!(place.cbuild(&["eval", "."]).ok().stdout, "6\n");
    assert!(place.lock().contains(" sha256-"), "{}", place.lock());
    fs::write(&archive, "other bytes").unwrap();
    run(place.command("other", "app").args(["eval", "."])).fails(1, "E0701");
}

/// Debian's `docker-registry` on the loopback.
struct Registry(Child);

impl Registry {
    fn start(folder: &Path) -> (Self, String) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let data = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{host}'}}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn();
        let process =
            started.expect("docker-registry; `cargo xtask test` installs what tests call");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&host).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            std::thread::yield_now();
        }
        (Self(process), host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_published_module_has_the_digest_of_its_repository() {
    let place = Place::new();
    let (_registry, host) = Registry::start(place.0.path());
    place.cbuild(&["mod", "add", "example.org/zlib/v1@1.3.0", &place.url("zlib")]).ok();
    let tree = |lock: String| lock.lines().nth(1).unwrap().split(' ').nth(1).unwrap().to_owned();
    let from_git = tree(place.lock());
    let source = format!("oci://{host}/modules/zlib");
    let publish = |tag: &str| {
        run(place.command("root", "zlib").args(["mod", "publish", &format!("{source}:{tag}")]))
    };
    publish("2.0.0").fails(2, "E1121");
    publish("latest").fails(2, "E1121");
    let done = publish("1.3.0").ok();
    assert!(done.stdout.contains(&from_git), "{}", done.stdout);
    place.cbuild(&["mod", "add", "example.org/zlib/v1@1.3.0", &source]).ok();
    assert_eq!(tree(place.lock()), from_git);
    assert!(place.lock().contains(" oci:sha256:"), "{}", place.lock());
    // A new store fetches it from the registry by its digest.
    place.write("app/main.cbuild", "import ext.zlib\npub let default: Int = zlib.level\n");
    let done = run(place.command("other", "app").args(["eval", "."])).ok();
    assert_eq!(done.stdout, "6\n");
    assert!(done.stderr.contains("fetching module example.org/zlib/v1@1.3.0"), "{}", done.stderr);
    place.write("zlib/main.cbuild", "pub let level: Int = 8\n");
    publish("1.4.0").ok();
    place.cbuild(&["mod", "update"]).ok();
    assert_eq!(place.cbuild(&["eval", "."]).ok().stdout, "8\n");
}
