//! The demonstration of the README: a Redis image from source, running.

use std::process::Command;

use crate::Result;
use crate::command::{build_cbuild, command, repository, run};
use crate::system_packages::{RUN_IMAGE, install};

/// Builds cbuild, builds the Redis image with it, and sends a PING to a container of it.
pub(crate) fn demonstrate() -> Result {
    install(RUN_IMAGE)?;
    let cbuild = build_cbuild()?;
    let folder = repository().join("target/demo");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let image = folder.join("redis");
    let mut export = Command::new(&cbuild);
    export.current_dir(repository());
    export.args(["image", "export", "examples/redis:image", "--format", "oci", "-o"]).arg(&image);
    run(export)?;
    let mut container = command("tests/images/crun.sh", &[]);
    container.arg(&image).args(["--probe", "6379", "PING", "+PONG"]);
    run(container)?;
    println!("The image in {} answered PING with PONG.", image.display());
    Ok(())
}
