//! Every check and test of the repository, in the order in which they fail fastest.

use crate::command::{command, run};
use crate::system_packages::{RUN_IMAGE, TEST, install};
use crate::{Result, layers};

/// Runs all of them, stopping at the first that fails.
pub(crate) fn run_all() -> Result {
    layers::check()?;
    run(command("cargo", &["fmt", "--all", "--check"]))?;
    run(command(
        "cargo",
        &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    ))?;
    install(RUN_IMAGE)?;
    install(TEST)?;
    run(command("cargo", &["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    editors()
}

/// Tests the editor extensions, which need npm; where it is not there, that is said.
fn editors() -> Result {
    if command("npm", &["--version"]).output().is_err() {
        eprintln!("xtask: npm is not installed, so the extension in editors/vscode is not tested");
        return Ok(());
    }
    run(command("editors/vscode/test.sh", &[]))
}
