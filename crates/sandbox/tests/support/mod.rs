//! A test runner whose `main` can also be the sandbox's helper and the builder inside.

#![allow(dead_code, reason = "every test program uses a part of this")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cbuild_sandbox::{Bind, Error, Exit, Launcher, Running, SandboxSpec};

/// One test: its name and what it does.
pub(crate) type Test = (&'static str, fn());

/// What this program does when it runs inside the sandbox, by its first argument.
pub(crate) type Inside = fn(&str, &[String]);

/// Whether sandboxes are run by a helper that has run others before.
static IN_USED_HELPERS: AtomicBool = AtomicBool::new(false);

/// First argument of the program when it runs as a builder.
const INSIDE: &str = "--inside";

/// First argument of the program when it runs the tests again as an ordinary user.
const AS_NOBODY: &str = "--as-nobody";

/// The id of `nobody` on every Linux system.
const NOBODY: u32 = 65534;

/// A command that runs this program's function for the inside, but on the host.
pub(crate) fn outside(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(INSIDE).args(arguments);
    command
}

/// A number of seconds that no other process sleeps for.
pub(crate) fn unique_sleep() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("100{}.{number}", std::process::id())
}

/// Process ids of all processes of the machine that have `argument` as an argument.
pub(crate) fn processes_with(argument: &str) -> Vec<u32> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.unwrap().file_name().to_str().and_then(|name| name.parse::<u32>().ok())
    });
    ids.filter(|id| {
        // The process may be gone by now.
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|found| found == argument.as_bytes())
    })
    .collect()
}

/// Whether any process has a mount whose description holds `text`.
pub(crate) fn mounted_anywhere(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        let table = fs::read_to_string(entry.unwrap().path().join("mountinfo"));
        table.is_ok_and(|table| table.contains(text))
    })
}

/// Where the test program itself is bound.
pub(crate) const SELF: &str = "/cbuild/store/self";

/// Runs the tests whose name contains the first argument; as root, a second time as `nobody`.
pub(crate) fn run(tests: &[Test], inside: Inside) {
    cbuild_sandbox::helper_main_if_requested();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == INSIDE) {
        inside(&arguments[1], &arguments[2..]);
        return;
    }
    let as_nobody = arguments.iter().any(|argument| argument == AS_NOBODY);
    if arguments.iter().any(|argument| argument == "--list") {
        // Test drivers ask for this.
        for (name, _) in tests {
            println!("{name}: test");
        }
        return;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, test) in tests {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        for used in [false, true] {
            IN_USED_HELPERS.store(used, Ordering::Relaxed);
            let result = catch_unwind(AssertUnwindSafe(test));
            let user = if as_nobody { " (as nobody)" } else { "" };
            let helper = if used { " (in a used helper)" } else { "" };
            let result_text = if result.is_ok() { "ok" } else { "FAILED" };
            println!("test {name}{user}{helper} ... {result_text}");
            failed += usize::from(result.is_err());
        }
    }
    if !as_nobody && rustix::process::geteuid().is_root() {
        let mut again = Command::new("/proc/self/exe");
        again.args(wanted).arg(AS_NOBODY).current_dir("/").uid(NOBODY).gid(NOBODY);
        again.env("TMPDIR", "/tmp");
        failed += usize::from(!again.status().unwrap().success());
    }
    assert_eq!(failed, 0, "{failed} tests failed");
}

/// A folder for one test with what every sandbox needs.
pub(crate) struct Place {
    folder: PathBuf,
    /// Removed at the end.
    owned: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["build", "store", "in"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Place { folder: folder.path().to_owned(), owned: Some(folder) }
    }

    /// The folder of an earlier `Place`, in another process.
    pub(crate) fn at(folder: &str) -> Self {
        Place { folder: PathBuf::from(folder), owned: None }
    }

    pub(crate) fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file below `in/`.
    pub(crate) fn input(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path("in").join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn log(&self) -> File {
        File::options().append(true).create(true).open(self.path("log")).unwrap()
    }

    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A sandbox with writable `/build` and `/cbuild/store` and the host's programs.
    pub(crate) fn spec(&self, program: &str) -> SandboxSpec {
        let mut spec = SandboxSpec::new(program)
            .bind_writable(self.path("build"), "/build")
            .bind_writable(self.path("store"), "/cbuild/store");
        spec.binds.extend(host_programs());
        spec
    }

    /// A sandbox that runs a shell script.
    pub(crate) fn shell(&self, script: &str) -> SandboxSpec {
        let mut spec = self.spec("/bin/sh");
        spec.args = vec!["-c".into(), script.into()];
        spec.env = vec![("PATH".into(), "/bin:/usr/bin".into())];
        spec
    }

    /// A sandbox that runs this test program's function for the inside.
    pub(crate) fn inside(&self, arguments: &[&str]) -> SandboxSpec {
        // The target folder may be out of reach for `nobody`.
        let copy = self.path("in").join("self");
        if !copy.exists() {
            fs::copy("/proc/self/exe", &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut spec = self.spec(SELF).bind_read_only(copy, SELF);
        spec.args = std::iter::once(&INSIDE).chain(arguments).map(|text| text.into()).collect();
        spec
    }

    pub(crate) fn run(&self, spec: &SandboxSpec) -> Result<Exit, Error> {
        let launcher = Launcher::new();
        if IN_USED_HELPERS.load(Ordering::Relaxed) {
            // Two of the same shape, so that the third is built on what they have in common. What
            // these come to does not matter; the third says what is wrong.
            let mut before = spec.clone();
            (before.program, before.args) = ("/bin/true".into(), Vec::new());
            for _ in 0..2 {
                let log = File::options().write(true).open("/dev/null").unwrap();
                let _ = launcher.spawn(&before, log).and_then(Running::wait);
            }
        }
        launcher.spawn(spec, self.log())?.wait()
    }

    /// Runs it, expects success, and returns what it wrote.
    pub(crate) fn output(&self, spec: &SandboxSpec) -> String {
        let exit = match self.run(spec) {
            Ok(exit) => exit,
            Err(error) => panic!("{} {error}: {:?}", error.code(), error.help()),
        };
        assert!(exit.success(), "{exit:?}, log:\n{}", self.log_text());
        self.log_text()
    }
}

/// The host's shell, C library and small tools, as read-only binds.
pub(crate) fn host_programs() -> Vec<Bind> {
    ["/bin", "/lib", "/lib64", "/usr"]
        .into_iter()
        .filter(|path| Path::new(path).symlink_metadata().is_ok())
        .map(|path| Bind { source: path.into(), target: path.into(), writable: false })
        .collect()
}

/// Waits for a condition, and fails after ten seconds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within ten seconds: {what}");
        std::thread::yield_now();
    }
}
