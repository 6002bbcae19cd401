//! Why a step or a whole run failed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cbuild_drv::{ActionKey, DrvId, Name, OutputName, StorePath};
use thiserror::Error;

use crate::assemble::AssembleError;

/// What kind of failure it is, for the exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitClass {
    /// A build failed, or the derivation cannot be built as it is.
    Failed,
    /// The environment lacks something: sandbox, disk space, mirror.
    Environment,
    /// The network did not give what was wanted.
    Network,
    /// The caller asked to stop.
    Cancelled,
}

impl ExitClass {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Environment => 3,
            Self::Network => 4,
            Self::Cancelled => 130,
        }
    }
}

/// How a builder ended that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
    /// A limit ended it.
    Limit(LimitHit),
}

/// A limit that a builder ran into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// What it did, for example `it ran longer than 3600 s`.
    pub what: String,
    /// Field of a step's `limits` that sets it; absent where it cannot be set.
    pub field: Option<&'static str>,
    /// Option of the command line that sets it.
    pub option: Option<&'static str>,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the builder exited with status {status}"),
            Self::Signal(signal) => write!(f, "the builder was ended by signal {signal}"),
            Self::Limit(limit) => write!(f, "the builder was stopped: {}", limit.what),
        }
    }
}

/// What a builder wrote, as far as it is shown with an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// The last lines, without line ends; at most [`crate::LOG_TAIL_LINES`].
    pub lines: Vec<String>,
    /// Where the whole log is, zstd-compressed; absent when it could not be kept.
    pub path: Option<PathBuf>,
}

/// Why one step failed.
#[derive(Debug, Error)]
pub enum StepError {
    /// The builder did not succeed.
    #[error("{ending} after {:.1} s", duration.as_secs_f64())]
    Builder {
        /// How it ended.
        ending: Ending,
        /// How long it ran.
        duration: Duration,
        /// What it wrote.
        log: LogEnd,
    },
    /// The builder succeeded and did not make an output.
    #[error("the builder succeeded, but did not create {}", list(outputs))]
    OutputMissing {
        /// The missing outputs.
        outputs: Vec<OutputName>,
        /// What it wrote.
        log: LogEnd,
    },
    /// The builder left something in the store folder that is no output.
    #[error("the builder left {} in /cbuild/store, where only its outputs may be", list(names))]
    Foreign {
        /// File names, at most ten.
        names: Vec<String>,
        /// What it wrote.
        log: LogEnd,
    },
    /// An output refers to something that it must not refer to.
    #[error(
        "the output `{output}` must not need `{}`, but its {file} refers to it: {}",
        last(chain),
        arrows(chain)
    )]
    Forbidden {
        /// The output.
        output: OutputName,
        /// The file that holds the first reference, or a phrase for it.
        file: Box<str>,
        /// The objects from the first that is referred to, to the forbidden one.
        chain: Box<[StorePath]>,
        /// What it wrote.
        log: LogEnd,
    },
    /// The program's path is not absolute.
    #[error("the program `{program}` is not an absolute path")]
    Program {
        /// The path as rendered.
        program: String,
    },
    /// An environment variable, argument or file that the system cannot take.
    #[error("{what} `{text}` cannot be passed to the builder: {reason}")]
    Unusable {
        /// What it is, for example `the argument`.
        what: &'static str,
        /// The text, shortened.
        text: String,
        /// The reason.
        reason: &'static str,
    },
    /// The derivation is for another platform than this machine.
    #[error("this step is for {wanted}, and this machine is {host}")]
    System {
        /// The derivation's platform.
        wanted: String,
        /// The machine's.
        host: String,
    },
    /// A tree could not be composed.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] cbuild_fetch::FetchError),
    /// The sandbox could not be set up, or the program in it not be started.
    #[error(transparent)]
    Sandbox(#[from] cbuild_sandbox::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] cbuild_store::Error),
    /// The graph lacks a derivation that something refers to.
    #[error("the derivation {drv} is referred to and is not in the graph")]
    NotInGraph {
        /// The missing derivation.
        drv: DrvId,
    },
    /// A derivation has no output of that name.
    #[error("`{name}` has no output `{output}`; it has {}", list(present))]
    NoSuchOutput {
        /// Name of the derivation.
        name: Name,
        /// The wanted output.
        output: OutputName,
        /// The outputs it has.
        present: Vec<String>,
    },
    /// An input object is not in the store.
    #[error("the input {path} is not in the store")]
    InputMissing {
        /// The object.
        path: StorePath,
    },
    /// A step that is to be done again was not done, or something that it needs was not.
    #[error("`{name}` is not built")]
    NotBuilt {
        /// Name of the derivation.
        name: Name,
    },
    /// A step that is to be entered runs no program.
    #[error("`{name}` runs no program: it is a download or a composition")]
    NotAProgram {
        /// Name of the derivation.
        name: Name,
    },
    /// A step that is to be entered has no shell among its inputs.
    #[error(
        "there is no shell in the sandbox: neither `/bin/sh`, nor one in an input's `bin` folder"
    )]
    NoShell,
    /// A file or folder of the build could not be read or written.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("the build was cancelled")]
    Cancelled,
}

impl StepError {
    /// Stable code: `E05xx`, or that of the store, the fetcher or the sandbox.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Builder { ending: Ending::Status(_) | Ending::Signal(_), .. } => "E0501",
            Self::Builder { ending: Ending::Limit(_), .. } => "E0502",
            Self::OutputMissing { .. } => "E0503",
            Self::Foreign { .. } => "E0504",
            Self::Forbidden { .. } => "E0508",
            Self::Program { .. } => "E0505",
            Self::Unusable { .. } => "E0506",
            Self::System { .. } => "E0507",
            Self::Assemble(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Sandbox(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::NotInGraph { .. } => "E0520",
            Self::NoSuchOutput { .. } => "E0521",
            Self::InputMissing { .. } => "E0522",
            Self::NotBuilt { .. } => "E0523",
            Self::NotAProgram { .. } => "E0524",
            Self::NoShell => "E0525",
            Self::Io { source, .. } if is_full(source) => "E0531",
            Self::Io { .. } => "E0530",
            Self::Cancelled => "E0532",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Builder { ending: Ending::Status(126 | 127), .. } => {
                "126 and 127 mean that a program was not found or could not be run; only the declared inputs are visible to a builder".to_owned()
            }
            Self::Builder { ending: Ending::Signal(9) | Ending::Status(137), .. } => {
                "signal 9 without a limit of cbuild mostly means that the machine ran out of memory: build less at the same time \
                 with `--jobs` and `--cores`, or bound it with `--max-memory`"
                    .to_owned()
            }
            Self::Builder { ending: Ending::Limit(LimitHit { field: Some(field), option: Some(option), .. }), .. } => {
                format!(
                    "allow this step more with `limits = {{ {field} = … }}`, or all steps with `{option}`; where it got to is in the log, \
                     `cbuild log TARGET`"
                )
            }
            Self::Forbidden { chain, .. } => match chain.first() {
                Some(first) => format!(
                    "let the build not write the path of `{}` into its output, for example by removing debug information or by another \
                     output for what needs it",
                    first.name()
                ),
                None => return None,
            },
            Self::Builder { .. } => "`cbuild log TARGET` prints all that the builder wrote; `cbuild debug TARGET` opens a shell where it failed".to_owned(),
            Self::OutputMissing { outputs, .. } => match outputs.first() {
                Some(first) => format!("let it create the path that it finds in the variable `{first}`"),
                None => return None,
            },
            Self::Foreign { .. } => "let it write its results below its outputs' paths, and other files to /build or /tmp".to_owned(),
            Self::Program { .. } => "name the program by its path inside `root`, such as `/bin/sh`, or by a package".to_owned(),
            Self::Unusable { what: "the file", .. } => {
                "name the file relative to the folder of the build, such as `src/main.c`".to_owned()
            }
            Self::Unusable { .. } => {
                "write it to a file with `files`, and let the builder read that".to_owned()
            }
            Self::System { .. } => "build it on such a machine; cbuild does not emulate another platform".to_owned(),
            Self::Assemble(error) => return error.help(),
            Self::Fetch(error) => return error.help(),
            Self::Sandbox(error) => return error.help(),
            Self::Store(error) => return error.help(),
            Self::Cancelled => return None,
            Self::NotInGraph { .. } => {
                "this is a defect in cbuild; please report it with the program".to_owned()
            }
            Self::NoSuchOutput { present, .. } => format!("take {}", list(present)),
            Self::InputMissing { .. } => "evaluate again, which adds source files to the store; or run `cbuild store verify`".to_owned(),
            Self::NotBuilt { .. } => "build it first, with `cbuild build`".to_owned(),
            Self::NotAProgram { .. } => "name a target that a program makes".to_owned(),
            Self::NoShell => "add a package with a shell to the step's `inputs` while you look for the cause, or name a program that can \
                              run scripts with `--shell PATH`"
                .to_owned(),
            Self::Io { source, .. } if is_full(source) => {
                "make room; `cbuild store gc` removes what nothing needs".to_owned()
            }
            Self::Io { .. } => {
                "the store's folder must be writable for you; `--root FOLDER` names another".to_owned()
            }
        })
    }

    /// The kind of failure.
    pub fn exit_class(&self) -> ExitClass {
        use cbuild_fetch::FetchError as F;
        use cbuild_sandbox::Error as B;
        use cbuild_store::Error as S;
        match self {
            Self::Cancelled | Self::Fetch(F::Cancelled) | Self::Store(S::Cancelled) => {
                ExitClass::Cancelled
            }
            Self::Fetch(F::NoneWorked { .. } | F::Offline { .. }) => ExitClass::Network,
            Self::Fetch(
                F::UnknownMirror { .. }
                | F::MirrorTable { .. }
                | F::MirrorEntry { .. }
                | F::Io { .. },
            ) => ExitClass::Environment,
            Self::Store(
                S::OutputMissing { .. }
                | S::OutputCycle { .. }
                | S::ScratchInName { .. }
                | S::FileKind { .. }
                | S::LongPath { .. }
                | S::TooDeep { .. },
            ) => ExitClass::Failed,
            Self::Sandbox(B::Program { .. } | B::Spec(_)) => ExitClass::Failed,
            Self::Sandbox(_) => ExitClass::Environment,
            Self::Store(_) | Self::Io { .. } | Self::System { .. } => ExitClass::Environment,
            Self::Assemble(AssembleError::Io { .. }) => ExitClass::Environment,
            _ => ExitClass::Failed,
        }
    }

    /// The end of the builder's log, where there is one.
    pub fn log(&self) -> Option<&LogEnd> {
        match self {
            Self::Builder { log, .. }
            | Self::OutputMissing { log, .. }
            | Self::Foreign { log, .. }
            | Self::Forbidden { log, .. } => Some(log),
            _ => None,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

fn last(chain: &[StorePath]) -> String {
    chain.last().map(|path| path.name().to_string()).unwrap_or_default()
}

fn arrows(chain: &[StorePath]) -> String {
    chain.iter().map(StorePath::to_string).collect::<Vec<_>>().join(" -> ")
}

/// One step that failed.
#[derive(Debug, Error)]
#[error("`{name}` failed: {error}")]
pub struct BuildFailure {
    /// The derivation.
    pub drv: DrvId,
    /// Its name.
    pub name: Name,
    /// The action, where resolution came so far.
    pub key: Option<ActionKey>,
    /// Why.
    #[source]
    pub error: StepError,
}

/// Why a run did not reach its targets.
#[derive(Debug, Error)]
pub enum RunError {
    /// The run could not start.
    #[error(transparent)]
    Setup(Box<StepError>),
    /// Steps failed; without `keep_going` mostly one.
    #[error("{}", summary(failures, skipped))]
    Steps {
        /// Each failure, in the order of their time.
        failures: Vec<BuildFailure>,
        /// Names of the steps that were not looked at because of them.
        skipped: Vec<Name>,
    },
    /// The caller asked to stop.
    #[error("the build was cancelled")]
    Cancelled,
}

fn summary(failures: &[BuildFailure], skipped: &[Name]) -> String {
    let names: Vec<&Name> = failures.iter().map(|failure| &failure.name).collect();
    match skipped.len() {
        0 => format!("failed: {}", list(&names)),
        1 => format!("failed: {}; 1 step that needs it was skipped", list(&names)),
        n => format!("failed: {}; {n} steps that need it were skipped", list(&names)),
    }
}

impl From<StepError> for RunError {
    fn from(error: StepError) -> Self {
        Self::Setup(Box::new(error))
    }
}

impl RunError {
    /// The kind of failure; of several the gravest for the user: a failed build before a lack in
    /// the environment before the network.
    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::Setup(error) => error.exit_class(),
            Self::Cancelled => ExitClass::Cancelled,
            Self::Steps { failures, .. } => {
                let classes = failures.iter().map(|failure| failure.error.exit_class());
                classes.min().unwrap_or(ExitClass::Failed)
            }
        }
    }

    /// Code of the first failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::Cancelled => "E0532",
            Self::Steps { failures, .. } => {
                failures.first().map_or("E0501", |failure| failure.error.code())
            }
        }
    }
}
