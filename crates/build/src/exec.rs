//! Programs: from a resolved derivation to a sandbox, and from what it leaves to outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cbuild_drv::{
    Action, ActionKey, Derivation, Exec, OutputName, STORE_DIR, StepLimits, StorePath, Template,
};
use cbuild_sandbox::{Exit, SandboxSpec, Status, Tmp};
use cbuild_store::{BuiltOutput, Store};

use crate::error::{Ending, LimitHit, LogEnd, StepError};
use crate::tokens;

/// Variables that every builder has; the derivation's own ones replace them. They are part of the
/// action's meaning: a change of one needs a new version of the action's encoding.
const FIXED_ENV: [(&str, &str); 9] = [
    ("HOME", "/homeless"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("SHELL", "/bin/sh"),
    ("SOURCE_DATE_EPOCH", "1"),
    ("TERM", "dumb"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("ZERO_AR_DATE", "1"),
];

/// `PATH` of a builder that has a root.
const ROOT_PATH: &str = "/usr/bin:/bin";

/// Most bytes that a builder may have in `/tmp`, which is memory. What is large belongs to `/build`.
const TMP_SIZE: u64 = 4 << 30;

/// Largest file of a builder whose disk space has no limit, in bytes. A file of holes takes no space, and
/// reading it into the store would take for ever.
const MAX_FILE: u64 = 1 << 40;

/// Most bytes that the files of a step's outputs may have together where its disk space has no limit,
/// by their lengths: all are hashed, which takes a second for each one or two GiB.
const MAX_LENGTH: u64 = 64 << 30;

/// Longest argument or variable; the kernel takes no more (`MAX_ARG_STRLEN`).
const MAX_STRING: usize = 128 * 1024 - 1;

/// A builder that is ready to be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The sandbox.
    pub(crate) spec: SandboxSpec,
    /// Where the builder's log goes.
    pub(crate) log: PathBuf,
    /// The host folder that is `/build`.
    pub(crate) build: PathBuf,
    store_folder: PathBuf,
    outputs: BTreeMap<OutputName, StorePath>,
}

/// The paths that outputs are built under.
pub(crate) fn scratch_paths(
    derivation: &Derivation<StorePath>,
    key: &ActionKey,
) -> BTreeMap<OutputName, StorePath> {
    let path = |output: &OutputName| {
        StorePath::scratch(key, output, &derivation.output_object_name(output))
    };
    derivation.outputs.iter().map(|output| (output.clone(), path(output))).collect()
}

/// Lays out the folders of a build below `scratch` and describes its sandbox. `closure` is
/// everything that the builder may read.
pub(crate) fn prepare(
    store: &Store,
    exec: &Exec<StorePath>,
    outputs: BTreeMap<OutputName, StorePath>,
    closure: &BTreeSet<StorePath>,
    scratch: &Path,
    bounds: Bounds,
) -> Result<Prepared, StepError> {
    let store_folder = folder_again(scratch, "store")?;
    let build = folder_again(scratch, "build")?;
    let render = |text: &Template<StorePath>| render(text, &outputs);
    for (path, text) in &exec.files {
        write_file(&build, path, &render(text))?;
    }
    let program = render(&exec.program);
    if !program.starts_with('/') {
        return Err(StepError::Program { program });
    }
    let mut spec = SandboxSpec::new(normal(&program));
    for arg in &exec.args {
        spec.args.push(usable("the argument", render(arg))?);
    }
    for (name, value) in environment(exec, &outputs, bounds.cores) {
        let value = usable("the environment variable", value)?;
        spec.env.push((usable("the name", name)?, value));
    }
    spec.root = exec.root.as_ref().map(|root| store.physical(root));
    spec.tmp = Tmp::Private { size: TMP_SIZE };
    spec.descriptors = tokens::NUMBERS.to_vec();
    bounds.apply(&exec.limits, &mut spec.limits);
    spec = spec.bind_writable(&store_folder, STORE_DIR).bind_writable(&build, "/build");
    for path in closure {
        spec = spec.bind_read_only(store.physical(path), path.to_string());
    }
    Ok(Prepared { spec, log: scratch.join("log"), build, store_folder, outputs })
}

/// What a builder may take of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Processors.
    pub(crate) cores: NonZeroUsize,
    /// Limits for steps that have none of their own.
    pub(crate) limits: StepLimits,
}

impl Bounds {
    /// Those of a run.
    pub(crate) fn of(options: &crate::Options) -> Self {
        Self { cores: options.cores, limits: options.limits }
    }

    /// Most bytes that the files of an action's outputs may have together.
    pub(crate) fn max_length(&self, action: &Action<StorePath>) -> u64 {
        let own = match action {
            Action::Exec(exec) => exec.limits.disk,
            Action::Fetch(_) | Action::Assemble(_) => None,
        };
        own.or(self.limits.disk).unwrap_or(MAX_LENGTH)
    }

    /// Sets the limits of a sandbox; a step's own ones count more.
    fn apply(&self, own: &StepLimits, limits: &mut cbuild_sandbox::Limits) {
        let general = &self.limits;
        limits.wall = own.wall.or(general.wall).map(Duration::from_secs).or(limits.wall);
        limits.silence =
            own.silence.or(general.silence).map(Duration::from_secs).or(limits.silence);
        limits.cpu = own.cpu.or(general.cpu).map(Duration::from_secs).or(limits.cpu);
        limits.processors = u32::try_from(self.cores.get()).ok();
        limits.memory = own.memory.or(general.memory).or(limits.memory);
        limits.disk = own.disk.or(general.disk).or(limits.disk);
        // `/tmp` is no part of the limit on disk space, but of this one.
        limits.file_size = Some(limits.disk.map_or(MAX_FILE, |most| most.max(TMP_SIZE)));
        limits.processes = own.processes.or(general.processes).or(limits.processes);
    }
}

/// A folder with the usual mode that an earlier build may have left empty, see [`crate::place`].
fn folder_again(parent: &Path, name: &str) -> Result<PathBuf, StepError> {
    let path = parent.join(name);
    if path.is_dir() { Ok(path) } else { folder(parent, name) }
}

/// A folder with the usual mode, whatever the caller's umask: a builder can see it.
pub(crate) fn folder(parent: &Path, name: &str) -> Result<PathBuf, StepError> {
    let folder = parent.join(name);
    fs::create_dir(&folder)
        .and_then(|()| set_mode(&folder, 0o755))
        .map_err(StepError::io("create the folder", &folder))?;
    Ok(folder)
}

/// Changes a mode where it is another one. With the usual umask it never is, and a look is much
/// cheaper than a change, which the file system has to write down.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The program's path without doubled slashes, which a text joined from parts may have.
fn normal(program: &str) -> PathBuf {
    Path::new(program).components().collect()
}

fn render(text: &Template<StorePath>, outputs: &BTreeMap<OutputName, StorePath>) -> String {
    // A text that names an output which the derivation lacks cannot come from the language; it
    // renders to a path at which nothing will ever be.
    let output = |name: &OutputName| match outputs.get(name) {
        Some(path) => path.to_string(),
        None => format!("{STORE_DIR}/no-output-{name}"),
    };
    text.render(StorePath::to_string, output)
}

fn environment(
    exec: &Exec<StorePath>,
    outputs: &BTreeMap<OutputName, StorePath>,
    cores: NonZeroUsize,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        FIXED_ENV.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    if exec.root.is_some() {
        env.insert("PATH".to_owned(), ROOT_PATH.to_owned());
    }
    env.insert("MAKEFLAGS".to_owned(), tokens::MAKEFLAGS.to_owned());
    env.insert("CBUILD_CORES".to_owned(), cores.to_string());
    env.extend(outputs.iter().map(|(name, path)| (name.to_string(), path.to_string())));
    env.extend(exec.env.iter().map(|(name, value)| (name.clone(), render(value, outputs))));
    env
}

fn usable(what: &'static str, text: String) -> Result<OsString, StepError> {
    let reason = if text.contains('\0') {
        "it holds a NUL byte"
    } else if text.len() > MAX_STRING {
        "it is longer than 128 KiB; put it into `files`"
    } else if what == "the name" && (text.is_empty() || text.contains('=')) {
        "a variable's name is not empty and has no `=`"
    } else {
        return Ok(text.into());
    };
    Err(StepError::Unusable { what, text: start_of(&text), reason })
}

/// The first characters of a text, for a message: those that control a terminal are escaped.
fn start_of(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// Writes one of `files`. The folder is fresh, so that plain components cannot lead out of it.
fn write_file(build: &Path, path: &str, text: &str) -> Result<(), StepError> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() < 256;
    if path.len() > 4096 || path.contains('\0') || !path.split('/').all(plain) {
        let reason =
            "it is not a plain relative path: no leading or doubled slash, no `.`, no `..`";
        return Err(StepError::Unusable { what: "the file", text: start_of(path), reason });
    }
    let place = build.join(path);
    let mut parent = build.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_some() && !parent.join(part).is_dir() {
            folder(&parent, part)?;
        }
        parent.push(part);
    }
    fs::write(&place, text)
        .and_then(|()| set_mode(&place, 0o644))
        .map_err(StepError::io("write", &place))
}

impl Prepared {
    /// What the builder made, or why it does not count. `log` gives the end of the log for an error.
    pub(crate) fn outputs(
        &self,
        exit: &Exit,
        closure: &BTreeSet<StorePath>,
        log: impl Fn() -> LogEnd,
    ) -> Result<Vec<BuiltOutput>, StepError> {
        if let Some(ending) = ending(exit, &self.spec) {
            return Err(StepError::Builder { ending, duration: exit.wall, log: log() });
        }
        if exit.status == Status::Killed {
            return Err(StepError::Cancelled);
        }
        let mut left = self.left_behind()?;
        let (mut built, mut missing) = (Vec::new(), Vec::new());
        for (output, scratch) in &self.outputs {
            let base = OsString::from(scratch.base_name());
            if !left.remove(&base) {
                missing.push(output.clone());
            }
            built.push(BuiltOutput {
                output: output.clone(),
                name: scratch.name().clone(),
                physical: self.store_folder.join(base),
                scratch: scratch.clone(),
            });
        }
        if !missing.is_empty() {
            return Err(StepError::OutputMissing { outputs: missing, log: log() });
        }
        // The sandbox leaves the mount points of inputs; nothing else may stand beside outputs.
        for path in closure {
            left.remove(&OsString::from(path.base_name()));
        }
        if left.is_empty() {
            return Ok(built);
        }
        let shown = |name: &OsString| String::from_utf8_lossy(name.as_bytes()).into_owned();
        let names = left.iter().take(10).map(shown).collect();
        Err(StepError::Foreign { names, log: log() })
    }

    fn left_behind(&self) -> Result<BTreeSet<OsString>, StepError> {
        let failed = |error| StepError::io("read the folder", &self.store_folder)(error);
        #[expect(clippy::disallowed_methods, reason = "the names are collected into a sorted set")]
        let entries = fs::read_dir(&self.store_folder).map_err(failed)?;
        entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect()
    }
}

pub(crate) fn ending(exit: &Exit, spec: &SandboxSpec) -> Option<Ending> {
    let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs();
    Some(match exit.status {
        Status::Exited(0) | Status::Killed => return None,
        Status::TimedOut => {
            let what = format!("it ran longer than {} s", seconds(spec.limits.wall));
            hit(what, "wall", "--max-time")
        }
        Status::Silent => {
            let what = format!("it wrote nothing for {} s", seconds(spec.limits.silence));
            hit(what, "silence", "--max-silence")
        }
        Status::OutOfCpu => {
            let limit = seconds(spec.limits.cpu);
            let what = format!("its processes used more than {limit} s of processor time");
            hit(what, "cpu", "--max-cpu")
        }
        Status::OutOfMemory => {
            let limit = mebibytes(spec.limits.memory);
            hit(format!("its processes took more than {limit} of memory"), "memory", "--max-memory")
        }
        Status::OutOfDisk => {
            let limit = mebibytes(spec.limits.disk);
            hit(format!("it wrote more than {limit} to disk"), "disk", "--max-disk")
        }
        Status::LogTooLarge => {
            let limit = mebibytes(spec.limits.log_size);
            let what = format!("it wrote a log of more than {limit}");
            Ending::Limit(LimitHit { what, field: None, option: None })
        }
        Status::Signaled(signal) if signal == rustix::process::Signal::XFSZ.as_raw() => {
            let limit = mebibytes(spec.limits.file_size);
            let what = format!("it made a file of more than {limit}");
            Ending::Limit(LimitHit { what, field: None, option: None })
        }
        Status::Exited(status) => Ending::Status(status),
        Status::Signaled(signal) => Ending::Signal(signal),
    })
}

fn hit(what: String, field: &'static str, option: &'static str) -> Ending {
    Ending::Limit(LimitHit { what, field: Some(field), option: Some(option) })
}

/// A size as it is shown; whole mebibytes where it is at least one.
fn mebibytes(bytes: Option<u64>) -> String {
    match bytes.unwrap_or_default() {
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_output_takes_the_name_of_a_variable_that_every_builder_has() {
        let names = FIXED_ENV.iter().map(|(name, _)| *name);
        for name in names.chain(["PATH", "MAKEFLAGS", "CBUILD_CORES"]) {
            assert!(OutputName::is_reserved(name), "{name}");
        }
        for name in ["out", "dev", "lib", "bin", "doc", "man", "static"] {
            assert!(!OutputName::is_reserved(name), "{name}");
        }
    }
}
