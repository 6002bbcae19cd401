//! Reads from the host's own package clients which servers they use.
#![expect(
    clippy::disallowed_methods,
    reason = "the host's configuration is what is asked for, of which the environment is a part; \
              folders are sorted; the clock bounds the run of a client"
)]

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt as _;

use super::apt::{
    INDEX_TARGETS, Target, main_archives, parse_index_targets, parse_list, parse_sources,
};
use crate::error::FetchError;
use crate::limits::Limits;
use crate::mirrors::Mirrors;
use crate::redact::shown_address;
use crate::resolve::download_template;
use crate::transport::{Stop, check};

/// Largest answer of a client, in bytes.
const ANSWER_BYTES: u64 = 4 << 20;
/// How often a running client is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// What was found out about the host's clients.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The table to save; may lack names.
    pub mirrors: Mirrors,
    /// How each name was found or why it was not, in a fixed order.
    pub findings: Vec<Finding>,
}

/// What one client of the host said.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name in the table: the distribution's (`debian`), `pypi`, `npm`, `crates`.
    pub mirror: String,
    /// Where the addresses were read, or would have been: a command or a file.
    pub source: String,
    /// The base addresses; empty with a `problem`.
    pub bases: Vec<String>,
    /// Why there is none.
    pub problem: Option<String>,
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mirror, source, bases, problem } = self;
        let bases: Vec<String> = bases.iter().map(|base| shown_address(base)).collect();
        write!(f, "{mirror}: {source}: {bases:?} {problem:?}")
    }
}

/// How long a client may run.
#[derive(Clone, Copy)]
struct Bound<'a> {
    limit: Duration,
    cancel: Option<&'a AtomicBool>,
}

/// Asks apt, pip, npm and cargo of the host for the servers that they are configured with.
///
/// Reads their configuration and runs them, each for at most [`Limits::client_run`]; makes no
/// request to a server. A client that is not there is a finding with a problem, not an error.
pub fn detect(limits: &Limits) -> Detection {
    ask(Bound { limit: limits.client_run, cancel: None })
}

/// Like [`detect`], and ends early when the flag is set.
///
/// # Errors
/// [`FetchError::Cancelled`].
pub fn detect_unless(
    cancel: Option<&AtomicBool>,
    limits: &Limits,
) -> Result<Detection, FetchError> {
    let detection = ask(Bound { limit: limits.client_run, cancel });
    match check(cancel) {
        Err(Stop::Fatal(error)) => Err(error),
        _ => Ok(detection),
    }
}

fn ask(bound: Bound<'_>) -> Detection {
    let asked = thread::scope(|scope| {
        let clients: [fn(Bound<'_>) -> Finding; 4] = [apt, pip, npm, cargo];
        clients.map(|client| scope.spawn(move || client(bound))).map(|running| running.join())
    });
    let mut mirrors = Mirrors::default();
    let mut findings = Vec::new();
    // A client whose answer made this code fail counts as one that is not there.
    for mut finding in asked.into_iter().flatten() {
        if finding.problem.is_none()
            && let Err(error) = mirrors.set(&finding.mirror, finding.bases.clone())
        {
            finding.problem = Some(error.to_string());
            finding.bases.clear();
        }
        findings.push(finding);
    }
    Detection { mirrors, findings }
}

fn finding(mirror: &str, source: impl Into<String>, bases: Result<Vec<String>, String>) -> Finding {
    let (bases, problem) = match bases {
        Ok(bases) if bases.is_empty() => (bases, Some("it names no server".to_owned())),
        Ok(bases) => (bases, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Finding { mirror: mirror.to_owned(), source: source.into(), bases, problem }
}

fn apt(bound: Bound<'_>) -> Finding {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let distribution = release_field(&release, "ID").unwrap_or_else(|| "debian".to_owned());
    let Some(code_name) = release_field(&release, "VERSION_CODENAME") else {
        let problem = "it has no VERSION_CODENAME".to_owned();
        return finding("debian", "/etc/os-release", Err(problem));
    };
    let answer = run("apt-get", &["indextargets", "--format", INDEX_TARGETS], bound);
    let bases = answer.map(|text| main_archives(&parse_index_targets(&text), &code_name));
    match bases {
        Ok(bases) if !bases.is_empty() => finding(&distribution, "apt-get indextargets", Ok(bases)),
        _ => {
            let bases = main_archives(&apt_files(Path::new("/etc/apt")), &code_name);
            finding(&distribution, "/etc/apt/sources.list, /etc/apt/sources.list.d", Ok(bases))
        }
    }
}

/// All targets of apt's lists of sources, in the order in which apt reads them.
fn apt_files(folder: &Path) -> Vec<Target> {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let mut targets = parse_list(&read(&folder.join("sources.list")));
    for path in entries(&folder.join("sources.list.d")) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => targets.extend(parse_list(&read(&path))),
            Some("sources") => targets.extend(parse_sources(&read(&path))),
            _ => {}
        }
    }
    targets
}

/// Value of a field of `/etc/os-release`.
fn release_field(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
}

fn pip(bound: Bound<'_>) -> Finding {
    if let Some(base) = env::var("PIP_INDEX_URL").ok().filter(|base| !base.is_empty()) {
        return finding("pypi", "PIP_INDEX_URL", Ok(vec![base]));
    }
    let configured = run("python3", &["-m", "pip", "config", "list"], bound)
        .or_else(|_| run("pip", &["config", "list"], bound));
    let bases = match configured {
        Ok(text) => pip_indexes(&text),
        Err(problem) => return finding("pypi", "pip config list", Err(problem)),
    };
    if !bases.is_empty() {
        return finding("pypi", "pip config list", Ok(bases));
    }
    let script = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
    let default = run("python3", &["-c", script], bound);
    finding("pypi", "the default of pip", default.map(|text| words(&text)))
}

/// Indexes in the answer of `pip config list`: the main one first, then the additional ones.
fn pip_indexes(text: &str) -> Vec<String> {
    let values = |key: &str| -> Vec<String> {
        let value = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
            (name == key).then(|| words(&value.trim_matches(['\'', '"']).replace("\\n", " ")))
        };
        text.lines().filter_map(value).flatten().collect()
    };
    let mut indexes = values("index-url");
    if !indexes.is_empty() {
        indexes.extend(values("extra-index-url"));
    }
    indexes
}

fn npm(bound: Bound<'_>) -> Finding {
    let answer = run("npm", &["config", "get", "registry"], bound);
    finding("npm", "npm config get registry", answer.map(|text| words(&text)))
}

fn cargo(_: Bound<'_>) -> Finding {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let Some(home) = home else {
        return finding("crates", "CARGO_HOME", Err("neither it nor HOME is set".to_owned()));
    };
    for name in ["config.toml", "config"] {
        let path = home.join(name);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if let Some(replacement) = cargo_replacement(&text) {
            return finding(
                "crates",
                path.display().to_string(),
                replacement.map(|base| vec![base]),
            );
        }
    }
    let index = home.join("registry/index");
    let templates = entries(&index)
        .into_iter()
        .filter_map(|folder| download_template(&fs::read(folder.join("config.json")).ok()?));
    let bases: Vec<String> = templates.collect();
    let bases = if bases.is_empty() {
        Err("cargo has not used a registry yet; `cargo search` once is enough".to_owned())
    } else {
        Ok(bases)
    };
    finding("crates", index.display().to_string(), bases)
}

/// What `[source.crates-io] replace-with` leads to: none when it is not there.
fn cargo_replacement(text: &str) -> Option<Result<String, String>> {
    let config: toml::Table = toml::from_str(text).ok()?;
    let sources = config.get("source")?.as_table()?;
    let replaced = |name: &str| sources.get(name)?.get("replace-with")?.as_str();
    let mut name = replaced("crates-io")?;
    // A chain longer than this is a loop.
    for _ in 0..8 {
        match replaced(name) {
            Some(next) => name = next,
            None => break,
        }
    }
    let registry = sources.get(name).and_then(|s| s.get("registry")).and_then(|r| r.as_str());
    Some(match registry {
        Some(address) if address.starts_with("sparse+") => Ok(address.to_owned()),
        _ => Err(format!("the source `{name}` is no sparse registry")),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Paths in a folder by name; none when it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let sorted: BTreeMap<_, _> = found.map(|entry| (entry.file_name(), entry.path())).collect();
    sorted.into_values().collect()
}

/// Output of a client, which must succeed within the limit.
fn run(program: &str, arguments: &[&str], bound: Bound<'_>) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // A broken pipe ends the answer as well as its end does.
        let _ = output.map(|output| output.take(ANSWER_BYTES).read_to_end(&mut text));
        text
    });
    let mut left = bound.limit;
    let status = loop {
        let slice = left.min(LOOK);
        match child.wait_timeout(slice) {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if check(bound.cancel).is_err() => break Err("cancelled".to_owned()),
            Ok(None) if left.is_zero() => {
                break Err(format!("{program} did not end within {} s", bound.limit.as_secs()));
            }
            Ok(None) => left -= slice,
            Err(error) => break Err(format!("{program}: {error}")),
        }
    };
    match status {
        Ok(status) if status.success() => {
            let text = reader.join().map_err(|_| format!("{program}: its output was not read"))?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Ok(status) => Err(format!("{program} failed ({status})")),
        Err(problem) => {
            // It may have ended just now; then there is nothing to stop.
            let _ = child.kill();
            let _ = child.wait();
            Err(problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_release() {
        let text = "NAME=\"X OS\"\nID=debian\nVERSION_CODENAME='trixie'\nVERSION_ID=\n";
        assert_eq!(release_field(text, "VERSION_CODENAME").as_deref(), Some("trixie"));
        assert_eq!(release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(release_field(text, "VERSION_ID"), None);
        assert_eq!(release_field(text, "VERSION"), None);
    }

    #[test]
    fn indexes_of_pip() {
        let text = "global.cert='/c.pem'\nglobal.extra-index-url='\\nhttps://b.example/s\\nhttps://c.example/s'\n\
                    global.index-url='https://a.example/simple'\n";
        assert_eq!(
            pip_indexes(text),
            ["https://a.example/simple", "https://b.example/s", "https://c.example/s"]
        );
        // Without a main index of its own, pip's default has to come first.
        assert!(pip_indexes("global.extra-index-url='https://b.example'").is_empty());
    }

    #[test]
    fn replaced_registry() {
        let text = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n\
                    [source.b]\nregistry = 'sparse+https://b.example/index/'\n";
        assert_eq!(cargo_replacement(text), Some(Ok("sparse+https://b.example/index/".to_owned())));
        assert_eq!(cargo_replacement("[build]\njobs = 1"), None);
        let local = "[source.crates-io]\nreplace-with = 'v'\n[source.v]\ndirectory = 'vendor'\n";
        assert!(cargo_replacement(local).is_some_and(|found| found.is_err()));
        let looped = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'a'\n";
        assert!(cargo_replacement(looped).is_some_and(|found| found.is_err()));
    }

    #[test]
    fn lists_of_apt_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("sources.list.d");
        fs::create_dir(&lists).unwrap();
        fs::write(folder.path().join("sources.list"), "deb http://a.example x main\n").unwrap();
        fs::write(lists.join("z.list"), "deb http://z.example x main\n").unwrap();
        let stanza = "Types: deb\nURIs: http://m.example\nSuites: x\nComponents: main\n";
        fs::write(lists.join("m.sources"), stanza).unwrap();
        fs::write(lists.join("m.sources.save"), stanza).unwrap();
        let bases = main_archives(&apt_files(folder.path()), "x");
        assert_eq!(bases, ["http://a.example", "http://m.example", "http://z.example"]);
    }

    #[test]
    fn clients_are_bounded() {
        let bound = Bound { limit: Duration::from_secs(20), cancel: None };
        assert_eq!(run("echo", &["a  b"], bound), Ok("a  b\n".to_owned()));
        assert!(run("false", &[], bound).is_err());
        assert!(run("cbuild-no-such-program", &[], bound).is_err());
        let started = std::time::Instant::now();
        let short = Bound { limit: Duration::from_millis(20), cancel: None };
        assert!(run("sleep", &["600"], short).is_err());
        let cancel = AtomicBool::new(true);
        let cancelled = Bound { limit: Duration::from_secs(600), cancel: Some(&cancel) };
        assert!(run("sleep", &["600"], cancelled).is_err());
        assert_eq!(detect_unless(Some(&cancel), &Limits::default()).unwrap_err().code(), "E0708");
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
