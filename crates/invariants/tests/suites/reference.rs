//! The programs that archives are compared with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tree::Tree;

/// What a program made of an archive.
pub(crate) struct Made {
    pub(crate) program: &'static str,
    pub(crate) tree: Tree,
    /// Whether it had nothing to complain about.
    pub(crate) content: bool,
}

/// What each program makes of an archive that is no zip archive.
pub(crate) fn of_tar(archive: &Path, scratch: &Path) -> Vec<Made> {
    let common = ["--no-same-owner", "--no-same-permissions"];
    [("bsdtar", Vec::new()), ("tar", vec!["--delay-directory-restore", "--force-local"])]
        .into_iter()
        .map(|(program, options)| {
            let into = fresh(scratch, program);
            let mut command = Command::new(program);
            command
                .arg("-x")
                .args(common)
                .args(options)
                .arg("-f")
                .arg(archive)
                .arg("-C")
                .arg(&into);
            run(program, command, into)
        })
        .collect()
}

/// What each program makes of a zip archive.
pub(crate) fn of_zip(archive: &Path, scratch: &Path) -> Vec<Made> {
    let into = fresh(scratch, "unzip");
    let mut unzip = bounded("unzip");
    unzip.args(["-q", "-o"]).arg(archive).arg("-d").arg(&into);
    let bsdtar = fresh(scratch, "bsdtar");
    let mut command = bounded("bsdtar");
    command.args(["-x", "--no-same-owner", "-f"]).arg(archive).arg("-C").arg(&bsdtar);
    vec![run("unzip", unzip, into), run("bsdtar", command, bsdtar)]
}

/// A program that is stopped where an archive keeps it busy.
fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["10", program]);
    command
}

fn fresh(scratch: &Path, program: &str) -> PathBuf {
    let into = scratch.join(program);
    fs::create_dir(&into).unwrap();
    into
}

fn run(program: &'static str, mut command: Command, into: PathBuf) -> Made {
    let ended = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    Made { program, tree: Tree::read(&into), content: ended.success() }
}
