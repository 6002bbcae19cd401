//! Source trees from git repositories, read with the program `git`.
//!
//! The program is used rather than a library since it is what users have set up: its SSH agents,
//! credential helpers and proxies work, and it follows the servers' protocol extensions. What a
//! hostile repository could use is kept away from it: nothing is checked out, so that no filter,
//! hook or attribute is ever run or followed; blobs are read as they are and written by this
//! crate's own writer, which never leaves the folder.

mod remote;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Take, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{FetchError, UnsafeReason};
use crate::fetcher::Fetcher;
use crate::limits::Limits;
use crate::redact::{shown_address, shown_text};
use crate::transport::{Stop, check};
use crate::unpack::{TreeWriter, beside, clear, shown};
use remote::Remote;

/// Protocols that a repository may be read with.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// Settings that outrank the user's: what could run a program or touch another repository. Unencrypted http is
/// only added for an address that has it, so that no redirect leads there.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.git.allow=always",
    "protocol.file.allow=always",
];

/// Over how many seconds the lowest rate is taken; longer than for a download, since a server may have to
/// pack a large repository before anything flows.
const RATE_SPAN: u64 = 300;

/// What git says of a repository with another hash function.
const OTHER_FORMAT: &str = "mismatched algorithms";

/// Most bytes that are kept of what git prints about an error.
const MESSAGE_BYTES: u64 = 16 << 10;
/// Most bytes of the list of a tree's entries.
const LISTING_BYTES: u64 = 1 << 30;
/// How often a running git is looked after, and how often its repository is measured.
const POLL: Duration = Duration::from_millis(10);
const MEASURE: Duration = Duration::from_secs(1);
/// Longest wait for what git printed when it has ended; a helper that goes on may hold the pipe.
const REST: Duration = Duration::from_secs(2);

/// Whether a text is a whole commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
pub fn is_git_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Fetcher {
    /// Writes the tree of a commit to `into`, which must not exist, and returns the commit's id.
    ///
    /// Without `commit`, `reference` (a tag, a branch or a whole commit id) says which one. With it,
    /// exactly that commit is taken, and `reference` only helps with servers that give nothing but the
    /// heads of references. Offline, only `file` addresses are read. Submodules are refused.
    ///
    /// # Errors
    /// [`FetchError::Git`] with what git said; those of writing the tree; [`FetchError::NoNetwork`].
    pub fn fetch_git(
        &self,
        url: &str,
        reference: &str,
        commit: Option<&str>,
        into: &Path,
    ) -> Result<String, FetchError> {
        let place = self.git_place(url)?;
        let wrong = |message: &str| FetchError::Git { url: place.clone(), message: message.into() };
        if !is_reference(reference) {
            return Err(wrong(&format!("`{reference}` is no name of a tag, branch or commit")));
        }
        if commit.is_some_and(|commit| !is_git_commit(commit)) {
            return Err(wrong("the pinned commit is no whole commit id"));
        }
        let folder = beside(into, ".git-part");
        let partial = beside(into, ".part-tree");
        let result = self
            .repository(&folder, url, place)
            .and_then(|mut repository| repository.tree(reference, commit, &partial));
        let result = result.and_then(|commit| {
            fs::rename(&partial, into).map_err(FetchError::io("create", into))?;
            Ok(commit)
        });
        // Errors of tidying up matter less than the result.
        let _ = clear(&folder);
        let _ = clear(&partial);
        result
    }

    /// Names of all tags of a repository, sorted; `scratch` is a folder to work in, made and removed
    /// here.
    ///
    /// # Errors
    /// [`FetchError::Git`], [`FetchError::NoNetwork`].
    pub fn git_tags(&self, url: &str, scratch: &Path) -> Result<Vec<String>, FetchError> {
        let place = self.git_place(url)?;
        let listing = self.repository(scratch, url, place).and_then(|mut repository| {
            repository.init("sha1")?;
            let remote = repository.remote.url.clone();
            repository.git(["ls-remote", "--tags", "--refs", "--end-of-options", &remote])
        });
        let _ = clear(scratch);
        let listing = listing?;
        let text = String::from_utf8_lossy(&listing);
        let names = text.lines().filter_map(|line| line.split_once("\trefs/tags/"));
        Ok(names.map(|(_, name)| name.to_owned()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn repository<'a>(
        &'a self,
        folder: &'a Path,
        url: &str,
        place: String,
    ) -> Result<Repository<'a>, FetchError> {
        let remote = Remote::new(url, |origin| {
            // Offline nothing is asked for a password.
            let transport = if self.options.offline { None } else { self.transport().ok() };
            transport.and_then(|transport| transport.netrc().for_origin(origin))
        });
        let (limits, cancel) = (&self.options.limits, self.options.cancel.as_deref());
        Ok(Repository { folder, remote, place, limits, cancel })
    }

    /// Checks an address and that it may be used; gives it as it may be shown.
    fn git_place(&self, url: &str) -> Result<String, FetchError> {
        let place = shown_address(url);
        match Url::parse(url).ok().filter(|url| SCHEMES.contains(&url.scheme())) {
            Some(url) if self.options.offline && url.scheme() != "file" => {
                Err(FetchError::NoNetwork { place })
            }
            Some(_) => Ok(place),
            None => {
                let message =
                    "it is no address; https, http, ssh, git and file addresses are known";
                Err(FetchError::Git { url: place, message: message.to_owned() })
            }
        }
    }
}

/// A name that git cannot take for an option, a range or a pattern.
fn is_reference(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/+-@".contains(c);
    (1..=200).contains(&text.len())
        && !text.starts_with(['-', '/', '.', '@'])
        && !text.contains("..")
        && !text.contains("@{")
        && text.chars().all(allowed)
}

/// A scratch repository that objects are fetched into.
struct Repository<'a> {
    folder: &'a Path,
    remote: Remote,
    place: String,
    limits: &'a Limits,
    cancel: Option<&'a AtomicBool>,
}

impl Repository<'_> {
    fn tree(
        &mut self,
        reference: &str,
        commit: Option<&str>,
        into: &Path,
    ) -> Result<String, FetchError> {
        clear(into)?;
        let wanted = commit.or_else(|| is_git_commit(reference).then_some(reference));
        let format = if wanted.is_some_and(|w| w.len() == 64) { "sha256" } else { "sha1" };
        let fetched = match self.bring(reference, wanted, format) {
            // Only the server knows which hash function the repository has.
            Err(FetchError::Git { message, .. })
                if wanted.is_none() && message.contains(OTHER_FORMAT) =>
            {
                self.bring(reference, wanted, "sha256")
            }
            other => other,
        };
        let commit = fetched?;
        let label = format!("{}#{commit}", self.place);
        let tree = TreeWriter::create(into, 0, &label, self.limits)?;
        self.write(&commit, &mut tree.unless(self.cancel))?;
        Ok(commit)
    }

    /// Makes the repository anew; `format` is its hash function.
    fn init(&mut self, format: &str) -> Result<(), FetchError> {
        clear(self.folder)?;
        fs::create_dir(self.folder).map_err(FetchError::io("create", self.folder))?;
        self.git(["init", "--quiet", "--bare", &format!("--object-format={format}"), "."])?;
        // The user's configuration may put another address in place of this one.
        let url = self.git(["ls-remote", "--get-url", "--end-of-options", &self.remote.url])?;
        self.remote.is_unencrypted = url.starts_with(b"http://");
        Ok(())
    }

    /// Fetches a commit into a new repository, with as little history as the server allows.
    fn bring(
        &mut self,
        reference: &str,
        wanted: Option<&str>,
        format: &str,
    ) -> Result<String, FetchError> {
        self.init(format)?;
        let url = self.remote.url.as_str();
        let shallow = ["fetch", "--quiet", "--no-tags", "--depth=1", "--end-of-options", url];
        let Some(wanted) = wanted else {
            match self.git(shallow.iter().copied().chain([reference])) {
                // A folder that is served as plain files gives no part of a history.
                Err(FetchError::Git { message, .. }) if message.contains("shallow") => {
                    self.expect_format(format)?;
                    let whole = ["fetch", "--quiet", "--no-tags", "--end-of-options", url];
                    self.git(whole.iter().copied().chain([reference]))?;
                }
                other => drop(other?),
            }
            let head =
                self.git(["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}"])?;
            return Ok(String::from_utf8_lossy(&head).trim().to_owned());
        };
        let first = self.git(shallow.iter().copied().chain([wanted]));
        if first.is_ok() && self.has(wanted) {
            return Ok(wanted.to_owned());
        }
        // Some servers give references only: that of the tag is tried, then all there are.
        if reference != wanted
            && self.git(shallow.iter().copied().chain([reference])).is_ok()
            && self.has(wanted)
        {
            return Ok(wanted.to_owned());
        }
        let all = ["fetch", "--quiet", "--no-tags", "--end-of-options", url, "+refs/*:refs/all/*"];
        self.git(all)?;
        if self.has(wanted) {
            return Ok(wanted.to_owned());
        }
        let message = format!("it has no commit {wanted}");
        Err(FetchError::Git { url: self.place.clone(), message })
    }

    /// Checks the hash function of a repository whose server does not tell it, by the length of its ids.
    fn expect_format(&self, format: &str) -> Result<(), FetchError> {
        let listing = self.git(["ls-remote", "--end-of-options", &self.remote.url])?;
        let digits = listing.iter().position(|&byte| byte == b'\t').unwrap_or_default();
        match (digits, format) {
            (64, "sha1") | (40, "sha256") => Err(self.error(OTHER_FORMAT.to_owned())),
            _ => Ok(()),
        }
    }

    fn has(&self, commit: &str) -> bool {
        self.git(["cat-file", "-e", &format!("{commit}^{{tree}}")]).is_ok()
    }

    fn write(&self, commit: &str, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
        let listing = self.git(["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let mut objects = Objects::start(self)?;
        for record in listing.split(|&byte| byte == 0).filter(|record| !record.is_empty()) {
            let Some((mode, id, name)) = entry(record) else {
                return Err(self.error(format!("its tree has the entry `{}`", shown(record))));
            };
            // Where git would keep its own files, a later git command could be led astray.
            if name.split(|&byte| byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git")) {
                return Err(tree.refused(name, UnsafeReason::Special));
            }
            let (size, mut content) = match mode {
                b"100644" | b"100755" | b"100664" | b"120000" => objects.open(id)?,
                b"160000" => return Err(tree.refused(name, UnsafeReason::Submodule)),
                _ => return Err(tree.refused(name, UnsafeReason::Special)),
            };
            if mode == b"120000" {
                if size > 1 << 16 {
                    return Err(tree.refused(name, UnsafeReason::TooLong));
                }
                let mut target = Vec::new();
                content.read_to_end(&mut target).map_err(|e| self.error(e.to_string()))?;
                tree.symlink(name, &target)?;
            } else {
                tree.file(name, mode == b"100755", size, &mut content)?;
            }
            objects.close()?;
        }
        Ok(())
    }

    fn error(&self, message: String) -> FetchError {
        FetchError::Git { url: self.place.clone(), message }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        // What was set for another repository, such as by a hook that runs cbuild, must not lead
        // to it.
        for (name, _) in std::env::vars_os() {
            if is_foreign(&name) {
                command.env_remove(&name);
            }
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_DIR", ".");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if self.remote.is_unencrypted {
            command.args(["-c", "protocol.http.allow=always"]);
        }
        command.arg("-c").arg(format!("http.lowSpeedLimit={}", self.limits.least_rate));
        command.arg("-c").arg(format!("http.lowSpeedTime={RATE_SPAN}"));
        self.remote.let_in(&mut command);
        command.current_dir(self.folder).stdin(Stdio::null());
        command
    }

    fn start(&self, command: &mut Command) -> Result<Child, FetchError> {
        let url = || self.place.clone();
        command.spawn().map_err(|source| FetchError::GitMissing { url: url(), source })
    }

    /// Runs git to its end and gives what it printed.
    fn git<'s>(&self, args: impl IntoIterator<Item = &'s str>) -> Result<Vec<u8>, FetchError> {
        let mut command = self.command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = self.start(&mut command)?;
        let printed = drain(child.stdout.take(), LISTING_BYTES);
        let complained = drain(child.stderr.take(), MESSAGE_BYTES);
        let status = self.wait(&mut child)?;
        if status.success() {
            let missing = || self.error("its output does not end".to_owned());
            return self.printed(printed, self.limits.transfer)?.ok_or_else(missing);
        }
        let complained = self.printed(complained, REST)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&complained).replace(&self.remote.url, &self.place);
        let text = self.remote.hidden_in(&shown_text(&text));
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let fatal = lines().find_map(|line| line.strip_prefix("fatal: "));
        let message = fatal.or_else(|| lines().next_back()).unwrap_or("it failed without a word");
        Err(self.error(message.to_owned()))
    }

    /// What a pipe gave until its end, or nothing when that does not come.
    fn printed(
        &self,
        pipe: thread::JoinHandle<Vec<u8>>,
        most: Duration,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let mut waited = Duration::ZERO;
        while !pipe.is_finished() {
            if let Err(Stop::Fatal(error)) = check(self.cancel) {
                return Err(error);
            }
            if waited > most {
                return Ok(None);
            }
            thread::sleep(POLL);
            waited += POLL;
        }
        Ok(Some(pipe.join().unwrap_or_default()))
    }

    fn wait(&self, child: &mut Child) -> Result<std::process::ExitStatus, FetchError> {
        let (mut waited, mut measured) = (Duration::ZERO, Duration::ZERO);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) => return Err(self.error(error.to_string())),
            }
            if let Err(error) = self.may_go_on(waited, &mut measured) {
                // git's helpers for a protocol are in its process group.
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(error);
            }
            thread::sleep(POLL);
            waited += POLL;
        }
    }

    /// Whether the user and the limits let git go on.
    fn may_go_on(&self, waited: Duration, measured: &mut Duration) -> Result<(), FetchError> {
        if let Err(Stop::Fatal(error)) = check(self.cancel) {
            return Err(error);
        }
        if waited > self.limits.transfer {
            let most = self.limits.transfer.as_secs();
            return Err(self.error(format!("it took longer than {most} s")));
        }
        if waited >= *measured + MEASURE {
            *measured = waited;
            let most = self.limits.download_bytes;
            if size(&self.folder.join("objects")) > most {
                return Err(self.error(format!("it is larger than the limit of {most} bytes")));
            }
        }
        Ok(())
    }
}

/// Bytes of the files in a folder; what goes away meanwhile counts nothing.
#[expect(clippy::disallowed_methods, reason = "a sum does not depend on the order")]
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Variables of git that tie it to a repository or change what it does there. How to reach servers
/// is the user's business and stays.
fn is_foreign(name: &OsStr) -> bool {
    let kept = ["GIT_SSL_", "GIT_SSH", "GIT_ASKPASS", "GIT_HTTP_", "GIT_PROXY_"];
    name.to_str().is_some_and(|name| {
        name.starts_with("GIT_") && !kept.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// Reads a pipe to its end in a thread of its own; what is beyond `most` bytes is thrown away.
fn drain(pipe: Option<impl Read + Send + 'static>, most: u64) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks has ended; the exit status tells whether all went well.
            let _ = (&mut pipe).take(most).read_to_end(&mut kept);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        kept
    })
}

/// Mode, object id and name of `MODE TYPE ID<TAB>NAME`.
fn entry(record: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let tab = record.iter().position(|&byte| byte == b'\t')?;
    let mut words = record[..tab].split(|&byte| byte == b' ');
    let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
    let id = std::str::from_utf8(id).ok().filter(|id| is_git_commit(id))?;
    Some((mode, id, &record[tab + 1..]))
}

/// A running `git cat-file --batch`, asked for one blob after the other.
struct Objects {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
    place: String,
}

impl Objects {
    fn start(repository: &Repository<'_>) -> Result<Self, FetchError> {
        let mut command = repository.command();
        command.args(["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A signal from the terminal is for this process alone, which knows what to say of it.
        command.process_group(0);
        let mut child = repository.start(&mut command)?;
        let (Some(asked), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(repository.error("its pipes are missing".to_owned()));
        };
        let place = repository.place.clone();
        Ok(Self { child, asked, answers: BufReader::with_capacity(1 << 16, answers), place })
    }

    /// Size and content of a blob, which must be read to its end before [`Objects::close`].
    fn open(&mut self, id: &str) -> Result<(u64, Take<&mut BufReader<ChildStdout>>), FetchError> {
        let mut head = String::new();
        let asked = writeln!(self.asked, "{id}").and_then(|()| self.asked.flush());
        let read = asked.and_then(|()| (&mut self.answers).take(200).read_line(&mut head));
        let size = head.trim_end().strip_prefix(id).and_then(|rest| rest.strip_prefix(" blob "));
        let size = size.and_then(|size| size.parse::<u64>().ok());
        match (read, size) {
            (Ok(_), Some(size)) => Ok((size, (&mut self.answers).take(size))),
            (Ok(_), None) => Err(self.error(format!("the file {id} is missing"))),
            (Err(error), _) => Err(self.error(error.to_string())),
        }
    }

    /// Passes the line end after a blob.
    fn close(&mut self) -> Result<(), FetchError> {
        let mut end = [0];
        match self.answers.read_exact(&mut end) {
            Ok(()) if end == *b"\n" => Ok(()),
            Ok(()) => Err(self.error("its answer has another length than it says".to_owned())),
            Err(error) => Err(self.error(error.to_string())),
        }
    }

    fn error(&self, message: String) -> FetchError {
        FetchError::Git { url: self.place.clone(), message }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // It only reads; it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_could_misread_are_refused() {
        for good in ["v1.2.0", "main", "release/1.x", "a+b", "0123abcd"] {
            assert!(is_reference(good), "{good}");
        }
        let bad =
            ["", "-x", "--upload-pack=sh", "a..b", "a:b", "refs/*", "a b", "@{1}", "a@{1}", "/a"];
        for bad in bad {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn entries_of_listings() {
        let id = "a".repeat(40);
        let line = format!("100755 blob {id}\tsrc/a b\tc");
        assert_eq!(entry(line.as_bytes()), Some((&b"100755"[..], id.as_str(), &b"src/a b\tc"[..])));
        assert_eq!(entry(b"100644 blob short\tx"), None);
        assert_eq!(entry(b"nonsense"), None);
    }
}
