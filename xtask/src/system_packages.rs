//! Programs of the operating system that the demonstration and the tests call.

use std::process::Command;

use crate::Result;
use crate::command::run;

/// Needed to unpack and run an image.
pub(crate) const RUN_IMAGE: &[(&str, &str)] =
    &[("crun", "crun"), ("umoci", "umoci"), ("skopeo", "skopeo"), ("jq", "jq")];

/// Needed by the tests beyond [`RUN_IMAGE`].
pub(crate) const TEST: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("cc", "gcc"),
    ("python3", "python3"),
    ("chromium", "chromium"),
    ("git", "git"),
    ("docker-registry", "docker-registry"),
    ("nvim", "neovim"),
    ("bsdtar", "libarchive-tools"),
    ("unzip", "unzip"),
];

fn installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&folders).chain(standard).any(|folder| folder.join(program).is_file())
}

/// Installs the Debian packages of the programs that are missing.
pub(crate) fn install(programs: &[(&str, &str)]) -> Result {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|&(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut update = Command::new("apt-get");
    run({
        update.args(["update", "-q"]);
        update
    })
    .map_err(|error| format!("{error}; install {} by hand", missing.join(" ")))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "-q", "--no-install-recommends"]).args(&missing);
    run(install)
}
