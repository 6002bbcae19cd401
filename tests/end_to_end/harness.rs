//! Running cbuild and other programs in tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A function of a program: a step that runs a shell script with the tools of the C toolchain.
pub(crate) const STEP: &str = r#"fn step(name: Str, script: Script) -> Package = std.build.derivation {
  name = name,
  root = std.c_toolchain,
  program = sh"/bin/sh",
  args = [sh"-c", script],
}
"#;

/// Top folder of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The store that tests share: what one of them built, the others find.
pub(crate) fn shared_root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared-root")
}

/// A finished program with its output as text.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts an exit code and an error code, and that nothing panicked.
    #[track_caller]
    pub(crate) fn fails(self, exit: i32, code: &str) -> Self {
        assert_eq!(self.code, Some(exit), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(code), "{code} is missing in:\n{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// The last line of standard output, as a path.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(self.stdout.lines().last().unwrap_or_default())
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// `cbuild` with a store root, in the repository's folder.
pub(crate) fn cbuild_command(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cbuild"));
    command.current_dir(repository()).env("CBUILD_ROOT", root).env("NO_COLOR", "1");
    command.env("CBUILD_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    command
}

/// Runs `cbuild`.
pub(crate) fn cbuild(root: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Done {
    run(cbuild_command(root).args(args))
}

/// Runs a command to its end. A program that is missing fails the test and names itself.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Done {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => output.into(),
        Err(error) => panic!("{command:?}: {error}; `cargo xtask test` installs what tests call"),
    }
}

/// Writes `main.cbuild` into a new folder.
pub(crate) fn module(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.cbuild"), text).unwrap();
    folder
}

/// Copies a folder of the repository to a new place.
pub(crate) fn copy_of(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let source = repository().join(folder).join(".");
    run(Command::new("cp").arg("-R").arg(source).arg(copy.path())).ok();
    copy
}

/// Asserts that a store is clean.
#[track_caller]
pub(crate) fn assert_clean(root: &Path) {
    let done = cbuild(root, ["store", "verify"]).ok();
    assert!(done.stdout.starts_with("clean:"), "{}", done.stdout);
}
