//! Hostile builders, each through a whole `cbuild build`. The book has the same list (`sandbox.md`,
//! "Attacks"), which is compared with this one.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{Done, assert_clean, cbuild, copy_of, repository, shared_root};

/// Attacks that are refused or come to nothing: the build succeeds and the text is in its output.
const CONTAINED: &[(&str, &str)] = &[
    ("network", "abstract socket of the host: Connection refused"),
    ("modes", "setuid: Operation not permitted"),
    ("devices", "block device: Operation not permitted"),
    ("tracing", "ptrace: Operation not permitted"),
    ("keys", "keyctl: Operation not permitted"),
    ("mounts", "remount: Operation not permitted"),
    ("namespaces", "unshare: Operation not permitted"),
    ("kernel", "bpf: Operation not permitted"),
    ("proc", "file of the host: No such file or directory"),
    ("inputs", "changing the mode: Read-only file system"),
    ("daemon", "left"),
    ("killer", "alive"),
    ("tokens", "done"),
    ("log", "done"),
    ("hard_links", ""),
    ("symlinks", ""),
    ("newline", ""),
    ("not_utf8", ""),
];

/// Attacks that end the build, with the code and a part of the message.
const STOPPED: &[(&str, &str, &str)] = &[
    ("fork_bomb", "E0502", "it ran longer than 5 s"),
    ("memory", "E0502", "its processes took more than 64 MiB of memory"),
    ("disk", "E0502", "it wrote more than 8 MiB to disk"),
    ("time", "E0502", "it ran longer than 1 s"),
    ("silence", "E0502", "it wrote nothing for 1 s"),
    ("processor", "E0502", "its processes used more than 1 s of processor time"),
    ("stray", "E0504", "stray"),
    ("fifo", "E0607", "pipe"),
    ("socket", "E0607", "attack-socket"),
    ("long_name", "E0608", "nested deeper than"),
    ("long_path", "E0608", "is a path of more than 3072 bytes"),
];

/// What an attack would reach on the host, if it could.
struct Host {
    module: tempfile::TempDir,
    secret: PathBuf,
    sleep: String,
    _listening: (TcpListener, UnixListener, UnixListener),
}

impl Host {
    fn new() -> Self {
        let module = copy_of("tests/end_to_end/attacks");
        // Tests of one process run at the same time.
        static HOSTS: AtomicU32 = AtomicU32::new(0);
        let nonce = format!("{}{}", std::process::id(), HOSTS.fetch_add(1, Ordering::Relaxed));
        let secret = module.path().join("secret");
        std::fs::write(&secret, "secret of the host").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("cbuild-attack-{nonce}");
        let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
        let socket = module.path().join("socket");
        let listening = (tcp, hidden.unwrap(), UnixListener::bind(&socket).unwrap());
        let sleep = format!("100{nonce}.5");
        let main = module.path().join("main.cbuild");
        let text = std::fs::read_to_string(&main).unwrap();
        let text = text
            .replace("NONCE", &nonce)
            .replace("PORT", &listening.0.local_addr().unwrap().port().to_string())
            .replace("ABSTRACT", &name)
            .replace("SOCKET", &socket.display().to_string())
            .replace("SECRET", &secret.display().to_string())
            .replace("SLEEP", &sleep);
        std::fs::write(main, text).unwrap();
        Self { module, secret, sleep, _listening: listening }
    }

    fn build(&self, name: &str) -> Done {
        let target = format!("{}:{name}", self.module.path().display());
        cbuild(&shared_root(), ["--quiet", "build", &target])
    }
}

fn processes_with(argument: &str) -> usize {
    let has = |entry: std::io::Result<std::fs::DirEntry>| {
        let command = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        command.split(|&byte| byte == 0).any(|word| word == argument.as_bytes())
    };
    std::fs::read_dir("/proc").unwrap().filter(|_| true).map(has).filter(|&has| has).count()
}

#[test]
fn hostile_builders_are_contained() {
    let host = Host::new();
    for (name, text) in CONTAINED {
        let done = host.build(name).ok();
        let output = done.path();
        if output.is_file() {
            let found = std::fs::read_to_string(&output).unwrap();
            assert!(found.contains(text), "{name}: {found}");
        }
        assert_eq!(processes_with(&host.sleep), 0, "{name} left a process");
    }
    // Links in an output are texts, and no file of an output has a second name elsewhere.
    let links = host.build("symlinks").ok().path();
    assert_eq!(std::fs::read_link(links.join("a")).unwrap(), host.secret);
    let target = format!("{}:log", host.module.path().display());
    let log = cbuild(&shared_root(), ["log", &target]).ok().stdout;
    assert!(log.starts_with("first\n"), "{log}");
    assert_clean(&shared_root());
}

#[test]
fn hostile_builders_are_stopped_with_a_message() {
    let host = Host::new();
    for (name, code, message) in STOPPED {
        let done = host.build(name).fails(1, code);
        assert!(done.stderr.contains(message), "{name}: {}", done.stderr);
        assert!(done.stderr.contains("help:"), "{name}: {}", done.stderr);
    }
    assert_clean(&shared_root());
}

#[test]
fn the_book_names_every_attack() {
    let book = std::fs::read_to_string(repository().join("book/src/sandbox.md")).unwrap();
    let table = book.split("## Attacks").nth(1).expect("the chapter has a section on attacks");
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let named: BTreeSet<&str> = rows.collect();
    let all = CONTAINED.iter().map(|(name, _)| *name).chain(STOPPED.iter().map(|one| one.0));
    assert_eq!(named, all.collect());
    let module = Path::new("tests/end_to_end/attacks/main.cbuild");
    let text = std::fs::read_to_string(repository().join(module)).unwrap();
    let defined = text.lines().filter_map(|line| line.strip_prefix("pub let ")?.split(':').next());
    assert_eq!(defined.collect::<BTreeSet<_>>(), named);
}
