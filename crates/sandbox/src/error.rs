//! What can go wrong before a builder has run, told apart from the builder's own exit status.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::diagnosis::Unavailable;

/// Why a sandbox could not be set up. The builder's own failure is never an `Error`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel, the container or the policy of this machine forbids sandboxes.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The specification contradicts itself.
    #[error("the sandbox cannot be described like this: {0}")]
    Spec(#[from] SpecError),
    /// The helper process could not be started.
    #[error("cannot start the sandbox helper: {0}")]
    Helper(#[source] io::Error),
    /// A step of the set-up failed.
    #[error("cannot set up the sandbox: {0}")]
    Setup(#[from] SetupFailure),
    /// The builder could not be executed.
    #[error("cannot run {}: {}", program.display(), io::Error::from_raw_os_error(*errno))]
    Program {
        /// The builder's path inside the sandbox.
        program: PathBuf,
        /// The `errno` of `execve`.
        errno: i32,
    },
    /// The builder was stopped because its output could not be written to the log.
    #[error("cannot write the log: {0}")]
    Log(#[source] io::Error),
    /// The helper ended without a report, for instance because it was killed from outside.
    #[error("the sandbox helper ended without a report ({0})")]
    HelperLost(String),
    /// Caller and helper do not understand each other.
    #[error("the sandbox helper sent a report that makes no sense")]
    Protocol,
}

impl Error {
    /// The stable code, `E08xx`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Unavailable(unavailable) => unavailable.code(),
            Error::Spec(_) => "E0820",
            Error::Helper(_) => "E0821",
            Error::Setup(_) => "E0822",
            Error::Program { .. } => "E0823",
            Error::HelperLost(_) => "E0824",
            Error::Protocol => "E0825",
            Error::Log(_) => "E0826",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Unavailable(unavailable) => Some(unavailable.help()),
            Error::Program { errno, .. } if *errno == libc::ENOENT => Some(
                "the file, its interpreter (`#!`) or its dynamic loader is not among the inputs of this build"
                    .to_owned(),
            ),
            Error::Program { errno, .. } if *errno == libc::ENOEXEC => {
                Some("the file is neither a program of this machine's architecture nor a script with `#!`".to_owned())
            }
            Error::Program { errno, .. } if *errno == libc::EACCES => {
                Some("the file is not marked as executable".to_owned())
            }
            Error::Setup(failure)
                if failure.step == Step::BindSource && failure.errno == libc::EACCES =>
            {
                Some(
                    "the path must be readable for the user who runs cbuild; inside a user namespace root has no \
                     power over files and folders of other users"
                        .to_owned(),
                )
            }
            Error::Program { .. } => {
                Some("look at the file with `cbuild debug TARGET`; the builder must be able to run it".to_owned())
            }
            Error::Setup(_) => {
                Some("the kernel's log may say why; the machine may have reached a limit of memory, files or mounts".to_owned())
            }
            Error::HelperLost(_) => {
                Some("see the kernel's log for the out-of-memory killer, and build again".to_owned())
            }
            Error::Spec(error) => Some(error.help().to_owned()),
            Error::Helper(_) => Some(
                "the machine may have reached its limit of processes, open files or memory: see `ulimit -a`".to_owned(),
            ),
            Error::Log(_) => Some(
                "make room where the store is; `cbuild store gc` removes what nothing needs".to_owned(),
            ),
            Error::Protocol => Some(
                "this is a defect in cbuild, unless its file was replaced while it ran: try again, then report it".to_owned(),
            ),
        }
    }
}

/// A step of the set-up that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SetupFailure {
    /// What was being done.
    pub step: Step,
    /// The path it was done to, or empty.
    pub path: PathBuf,
    /// The kernel's answer.
    pub errno: i32,
}

impl SetupFailure {
    pub(crate) fn new(step: Step, path: impl Into<PathBuf>, errno: Errno) -> Self {
        SetupFailure { step, path: path.into(), errno: errno.raw_os_error() }
    }
}

/// Names step and path where the kernel says no.
pub(crate) trait At<T> {
    fn at(self, step: Step, path: impl Into<PathBuf>) -> Result<T, SetupFailure>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: Step, path: impl Into<PathBuf>) -> Result<T, SetupFailure> {
        self.map_err(|errno| SetupFailure::new(step, path, errno))
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: Step, path: impl Into<PathBuf>) -> Result<T, SetupFailure> {
        self.map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            SetupFailure::new(step, path, errno)
        })
    }
}

impl fmt::Display for SetupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.describe())?;
        if !self.path.as_os_str().is_empty() {
            write!(f, " {}", self.path.display())?;
        }
        write!(f, ": {}", io::Error::from_raw_os_error(self.errno))
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The steps of the set-up, in the order in which they are done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Step { $($(#[$doc])* $name = $number,)* }

        impl Step {
            /// The step as a phrase without a subject, followed by a path where there is one.
            pub fn describe(self) -> &'static str {
                match self { $(Step::$name => $text,)* }
            }

            pub(crate) fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Step::$name),)* _ => None }
            }
        }
    };
}

steps! {
    /// The specification was read from the caller.
    ReadSpec = 1, "reading the specification";
    /// The namespaces were entered.
    Namespaces = 2, "entering new namespaces";
    /// User and group ids were mapped.
    IdMap = 3, "writing";
    /// Init was forked.
    Init = 4, "starting the first process of the sandbox";
    /// The mounts were made private.
    PrivateMounts = 5, "making mounts private";
    /// The root's memory file system was mounted.
    RootMount = 6, "mounting the new root";
    /// The given root tree was read.
    RootTree = 7, "reading the root tree";
    /// A folder, file or symlink of the new root was made.
    Create = 8, "creating";
    /// A host file or folder was opened for binding.
    BindSource = 9, "opening for binding";
    /// A bind was made.
    BindMount = 10, "binding to";
    /// A bind was made read-only.
    BindFlags = 11, "restricting the bind at";
    /// The new `/proc` was mounted.
    Proc = 12, "mounting";
    /// The minimal `/dev` was made.
    Dev = 13, "making";
    /// `/tmp` was made.
    Tmp = 14, "mounting";
    /// The new root took the place of the old one.
    Pivot = 15, "leaving the host's root";
    /// The root was made read-only.
    ReadOnlyRoot = 16, "making the root read-only";
    /// The host name was set.
    HostName = 17, "setting the host name";
    /// Capabilities were dropped.
    Capabilities = 18, "dropping capabilities";
    /// The system-call filter was installed.
    Filter = 19, "installing the system-call filter";
    /// Resource limits were set.
    Limits = 20, "setting resource limits";
    /// The working directory was entered.
    WorkingDirectory = 21, "entering the working directory";
    /// The builder's process was prepared.
    Builder = 22, "starting the builder's process";
    /// The builder was executed.
    Execute = 23, "executing";
    /// The builder got a terminal of its own.
    Terminal = 24, "making a terminal with";
}

/// A rule that a [`SandboxSpec`](crate::SandboxSpec) breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not an absolute, normalised path inside the sandbox.
    #[error("{} is not an absolute path without `.`, `..` and doubled `/`", .0.display())]
    InsidePath(PathBuf),
    /// Not an absolute host path.
    #[error("the host path {} is not absolute", .0.display())]
    SourcePath(PathBuf),
    /// The sandbox provides this place itself.
    #[error("nothing can be bound to {}: the sandbox provides it", .0.display())]
    Reserved(PathBuf),
    /// Two binds for one place.
    #[error("two things are bound to {}", .0.display())]
    BoundTwice(PathBuf),
    /// A NUL byte in an argument or a variable.
    #[error("{0:?} holds a NUL byte")]
    Nul(OsString),
    /// An empty variable name or one with `=`.
    #[error("{0:?} is not a name for an environment variable")]
    VariableName(OsString),
    /// Empty or longer than 64 bytes.
    #[error("{0:?} is not a host name of 1 to 64 bytes")]
    HostName(String),
    /// The id that means "none".
    #[error("4294967295 is not a user or group id")]
    Id,
    /// A number below 100 or above 1023, one that occurs twice, or too many.
    #[error("a builder cannot get descriptors under the numbers {0:?}")]
    Descriptors(Vec<u32>),
    /// More binds, arguments or variables than any real build has.
    #[error("more than 65536 binds or strings")]
    TooLarge,
}

impl SpecError {
    fn help(&self) -> &'static str {
        match self {
            Self::InsidePath(_) => "write it as a whole path, such as `/usr/lib`",
            Self::Reserved(_) => {
                "put it at another place; /proc, /dev and /tmp are part of each sandbox"
            }
            Self::BoundTwice(_) => "leave one of them out, or put it at another place",
            Self::Nul(_) => "take the NUL byte out; a file can hold it, see `files`",
            Self::VariableName(_) => "name the variable without `=`",
            Self::TooLarge => "give them in a file, see `files`",
            Self::SourcePath(_) | Self::HostName(_) | Self::Id | Self::Descriptors(_) => {
                "this is a defect in cbuild; please report it with the program"
            }
        }
    }
}
