//! What a sandbox is made of, as plain data, and the checks that need no kernel.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::error::SpecError;

/// Largest number of binds, so that a wrong caller fails here and not in the kernel.
pub(crate) const MAX_BINDS: usize = 65_536;

/// Largest number of arguments and environment variables together.
pub(crate) const MAX_STRINGS: usize = 65_536;

/// Deepest path inside, in components. Making the folders of one takes stack for each of them.
const MAX_DEPTH: usize = 256;

/// Longest path inside in bytes, as for the kernel.
const MAX_PATH: usize = 4095;

/// Largest number of descriptors that a builder gets besides the first three.
pub const MAX_DESCRIPTORS: usize = 4;

/// Top-level names that the sandbox provides itself, whatever `root` holds.
pub(crate) const OWN_NAMES: [&str; 5] = ["proc", "dev", "tmp", "build", "cbuild"];

/// One program and the world it may see.
///
/// Paths named `source` belong to the host, all others are absolute paths inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSpec {
    /// A host folder whose top-level entries appear read-only at `/`: folders and files are
    /// bound, symlinks are recreated. `proc`, `dev`, `tmp`, `build` and `cbuild` always come from
    /// the sandbox. With `None` the root is empty but for the sandbox's own entries.
    pub root: Option<PathBuf>,
    /// Host files and folders that appear inside. Order does not matter.
    pub binds: Vec<Bind>,
    /// What `/tmp` is.
    pub tmp: Tmp,
    /// The builder: an absolute path inside the sandbox. `PATH` is not searched.
    pub program: PathBuf,
    /// Arguments after `argv[0]`, which is `program`.
    pub args: Vec<OsString>,
    /// The whole environment. Nothing is added and nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory at the start.
    pub cwd: PathBuf,
    /// Host name; at most 64 bytes.
    pub host_name: String,
    /// User id that the builder sees. On the host its files belong to the caller.
    pub uid: u32,
    /// Group id that the builder sees. On the host its files belong to the caller's group.
    pub gid: u32,
    /// Permission bits that new files do not get; at most `0o777`.
    pub umask: u32,
    /// Numbers under which the builder finds the descriptors that are handed over with
    /// [`Launcher::spawn_with`](crate::Launcher::spawn_with), in the same order. From 100 to 1023, at
    /// most [`MAX_DESCRIPTORS`], each once.
    pub descriptors: Vec<u32>,
    /// Whether the builder gets a terminal of its own as standard input, output and error, made inside
    /// the sandbox. Its other end goes through a Unix socket, which is handed over as one more
    /// descriptor after the others; [`receive_terminal`](crate::receive_terminal) takes it.
    pub terminal: bool,
    /// Whether the builder may run on one processor only: the first of those that the caller may use.
    pub one_processor: bool,
    /// A host file that appears as `/proc/cpuinfo`, for builders that ask there what the processor
    /// can do. With `None` they see the kernel's. The `cpuid` instruction answers as ever.
    pub cpu_info: Option<PathBuf>,
    /// Where to stop it.
    pub limits: Limits,
}

impl SandboxSpec {
    /// A specification with defaults: an empty root, a private `/tmp`, no binds, no arguments,
    /// an empty environment, `/build` as the working directory, host name `cbuild`, user and
    /// group 1000, umask 022, and [`Limits::default`].
    ///
    /// `/build` and `/cbuild/store` exist in every sandbox, but only a writable [`Bind`] makes them
    /// writable.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        SandboxSpec {
            root: None,
            binds: Vec::new(),
            tmp: Tmp::default(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: PathBuf::from("/build"),
            host_name: "cbuild".to_owned(),
            uid: 1000,
            gid: 1000,
            umask: 0o022,
            descriptors: Vec::new(),
            terminal: false,
            one_processor: false,
            cpu_info: None,
            limits: Limits::default(),
        }
    }

    /// Adds a bind that cannot be written through.
    #[must_use]
    pub fn bind_read_only(
        mut self,
        source: impl Into<PathBuf>,
        target: impl Into<PathBuf>,
    ) -> Self {
        self.binds.push(Bind { source: source.into(), target: target.into(), writable: false });
        self
    }

    /// Adds a bind through which the builder writes to the host.
    #[must_use]
    pub fn bind_writable(mut self, source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.binds.push(Bind { source: source.into(), target: target.into(), writable: true });
        self
    }

    /// Checks all that can be checked without the kernel.
    ///
    /// # Errors
    ///
    /// The first rule of [`SpecError`] that is broken.
    pub fn check(&self) -> Result<(), SpecError> {
        check_inside(&self.program)?;
        check_inside(&self.cwd)?;
        if self.host_name.is_empty() || self.host_name.len() > 64 || self.host_name.contains('\0') {
            return Err(SpecError::HostName(self.host_name.clone()));
        }
        if self.uid == u32::MAX || self.gid == u32::MAX {
            return Err(SpecError::Id);
        }
        if self.binds.len() > MAX_BINDS || self.args.len() + self.env.len() > MAX_STRINGS {
            return Err(SpecError::TooLarge);
        }
        self.check_descriptors()?;
        self.check_strings()?;
        self.check_binds()
    }

    fn check_descriptors(&self) -> Result<(), SpecError> {
        let different: BTreeSet<u32> = self.descriptors.iter().copied().collect();
        let usable = different.iter().all(|number| (100..1024).contains(number));
        let whole = different.len() == self.descriptors.len();
        if usable && whole && self.descriptors.len() <= MAX_DESCRIPTORS {
            Ok(())
        } else {
            Err(SpecError::Descriptors(self.descriptors.clone()))
        }
    }

    fn check_strings(&self) -> Result<(), SpecError> {
        for arg in &self.args {
            if arg.as_bytes().contains(&0) {
                return Err(SpecError::Nul(arg.clone()));
            }
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(SpecError::VariableName(name.clone()));
            }
            if name.as_bytes().contains(&0) || value.as_bytes().contains(&0) {
                return Err(SpecError::Nul(name.clone()));
            }
        }
        Ok(())
    }

    fn check_binds(&self) -> Result<(), SpecError> {
        let mut targets = BTreeSet::new();
        let sources = self.binds.iter().map(|bind| &bind.source).chain(&self.root);
        let sources = sources.chain(&self.cpu_info);
        let tmp = match &self.tmp {
            Tmp::Host(path) => Some(path),
            Tmp::Private { .. } => None,
        };
        for source in sources.chain(tmp) {
            if !source.is_absolute() || source.as_os_str().as_bytes().contains(&0) {
                return Err(SpecError::SourcePath(source.clone()));
            }
        }
        for bind in &self.binds {
            check_inside(&bind.target)?;
            let mut names = bind.target.components().skip(1);
            let reserved = matches!(
                names.next(),
                Some(Component::Normal(name)) if name == "proc" || name == "dev"
            );
            let top = bind.target == Path::new("/");
            if reserved || top || bind.target == Path::new("/tmp") {
                return Err(SpecError::Reserved(bind.target.clone()));
            }
            if !targets.insert(&bind.target) {
                return Err(SpecError::BoundTwice(bind.target.clone()));
            }
        }
        Ok(())
    }
}

/// A path inside the sandbox is absolute and has no `.`, `..`, doubled `/` or NUL. It is neither long
/// nor deep.
fn check_inside(path: &Path) -> Result<(), SpecError> {
    let normal = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
        && path.components().count() <= MAX_DEPTH
        && path.as_os_str().len() <= MAX_PATH;
    let rebuilt: PathBuf = path.components().collect();
    let clean =
        rebuilt.as_os_str() == path.as_os_str() && !path.as_os_str().as_bytes().contains(&0);
    if path.is_absolute() && normal && clean {
        Ok(())
    } else {
        Err(SpecError::InsidePath(path.to_owned()))
    }
}

/// A host file or folder that appears inside the sandbox, always without setuid and devices.
///
/// When `source` itself is a symlink, a symlink with the same text is made at `target`; it is
/// never followed. Where `target` lies below another bind, that bind's folder gets an empty mount
/// point when it has none; if it is read-only the mount point must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: PathBuf,
    /// Whether writes go through. A read-only bind is read-only with all mounts below it.
    pub writable: bool,
}

/// What `/tmp` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tmp {
    /// A memory file system that vanishes with the sandbox.
    Private {
        /// Most bytes it may hold. Memory is used only for what is written.
        size: u64,
    },
    /// A writable host folder.
    Host(PathBuf),
}

impl Default for Tmp {
    /// Private, 1 GiB.
    fn default() -> Self {
        Tmp::Private { size: 1 << 30 }
    }
}

/// Where a builder is stopped. `None` means that there is no such limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time from the start of the helper.
    pub wall: Option<Duration>,
    /// Longest time in which nothing is written to the log.
    pub silence: Option<Duration>,
    /// Largest log in bytes. What is written beyond is lost.
    pub log_size: Option<u64>,
    /// Most processes and threads at the same time. The kernel counts them per sandbox from 5.14
    /// on; before that the limit is not applied, because it would count the caller's others. For
    /// a caller who is root the kernel ignores this limit before 6.14. A control group counts them
    /// on every kernel.
    pub processes: Option<u64>,
    /// Most memory in bytes of all processes together that no file is behind. It is looked at ten
    /// times a second, so that a fast builder gets beyond it for a moment. `/tmp` has a limit of its
    /// own. With a control group the kernel enforces it besides, and then counts `/tmp` too.
    pub memory: Option<u64>,
    /// Most disk space in bytes in all writable binds together. It is looked at once a second, or
    /// less often where looking takes long.
    pub disk: Option<u64>,
    /// Most processor time of all processes together, in user mode and in the kernel. It is looked at
    /// when it can be used up, at most ten times a second.
    pub cpu: Option<Duration>,
    /// Most processors at the same time, all processes together. Only with a control group; see
    /// [`Exit::control_group`](crate::Exit::control_group).
    pub processors: Option<u32>,
    /// Largest address space of each process in bytes (`RLIMIT_AS`). Programs that reserve far
    /// more than they use, such as sanitizers or Go, do not work with it.
    pub address_space: Option<u64>,
    /// Largest file in bytes (`RLIMIT_FSIZE`). A writer beyond it gets `SIGXFSZ`.
    pub file_size: Option<u64>,
    /// CPU seconds of each process (`RLIMIT_CPU`). A process beyond it gets `SIGXCPU`.
    pub cpu_seconds: Option<u64>,
    /// Most open files of each process.
    pub open_files: u64,
}

impl Default for Limits {
    /// No time or size limits, 8192 processes, 4096 open files, and a log of 1 GiB at most.
    fn default() -> Self {
        Limits {
            wall: None,
            silence: None,
            log_size: Some(1 << 30),
            processes: Some(8192),
            memory: None,
            disk: None,
            cpu: None,
            processors: None,
            address_space: None,
            file_size: None,
            cpu_seconds: None,
            open_files: 4096,
        }
    }
}
