//! Running programs.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;

/// Top folder of the repository.
pub(crate) fn repository() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or(xtask.clone(), PathBuf::from)
}

/// A command that runs in the repository's top folder.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(repository());
    command
}

/// Runs a command, with its output passed on; anything but success is an error.
pub(crate) fn run(mut command: Command) -> Result {
    eprintln!("xtask: {command:?}");
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// Builds the optimised `cbuild` and returns its path.
pub(crate) fn build_cbuild() -> Result<PathBuf> {
    run(command("cargo", &["build", "--release", "--locked", "--package", "cbuild"]))?;
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(repository())
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata.target_directory.join("release/cbuild").into_std_path_buf())
}
