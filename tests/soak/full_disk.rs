//! Builds on a file system that becomes full, at many points of the build.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Plan, graph};

/// Free space of the last point, in KiB: enough for the whole build.
const ENOUGH: u64 = 2560;

/// Space of the file system when it is made larger, in MiB.
const LARGE: u64 = 256;

/// Runs in namespaces of its own, so that the mount ends with it: copies the store to a small
/// file system with the given room, builds, makes it larger, and builds and verifies again.
const SCRIPT: &str = r#"
set -eu
program=$1 root=$2 source=$3 place=$4 room=$5 large=$6
mount -t tmpfs -o "size=${large}M" none "$place"
cp -a "$root" "$place/root"
used=$(df -k --output=used "$place" | tail -n 1)
mount -o "remount,size=$((used + room))k" "$place"
status=0
"$program" --quiet --root "$place/root" build "$source" > /dev/null 2> "$source/first" || status=$?
mount -o "remount,size=${large}M" "$place"
"$program" --quiet --root "$place/root" build "$source" > /dev/null
"$program" --quiet --root "$place/root" store verify | grep -q '^clean:'
"$program" --quiet --root "$place/root" store gc > /dev/null
test -z "$(ls -A "$place/root/tmp" "$place/root/locks/live" "$place/root/locks/actions" | grep -v : | grep .)"
echo "$status"
"#;

/// Builds with each amount of room; gives the number of builds that had too little.
pub(super) fn run(plan: &Plan, root: &Path) -> super::Result<u32> {
    let (place, source) = (plan.folder.join("small"), plan.folder.join("full-source"));
    for folder in [&place, &source] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let module = source.join("main.cbuild");
    std::fs::write(&module, graph::module(&format!("{}-full", plan.seed), 0))
        .map_err(|error| format!("{}: {error}", module.display()))?;
    let mut failed = 0;
    for point in 0..plan.full_disk {
        let room = ENOUGH * u64::from(point) / u64::from(plan.full_disk.max(2) - 1);
        let status = at(plan, root, &source, &place, room)?;
        if status == "0" {
            continue;
        }
        failed += 1;
        let said = std::fs::read_to_string(source.join("first")).unwrap_or_default();
        let lower = said.to_lowercase();
        if !lower.contains("no space") && !lower.contains("full") && !lower.contains("e0602") {
            return Err(format!("with {room} KiB the build ended with {status} and said:\n{said}"));
        }
    }
    if plan.full_disk > 1 && failed == 0 {
        return Err("no build met a full disk".to_owned());
    }
    Ok(failed)
}

fn at(plan: &Plan, root: &Path, source: &Path, place: &Path, room: u64) -> super::Result<String> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(&plan.program).args([root, source, place]);
    command.args([room.to_string(), LARGE.to_string()]).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    if !output.status.success() {
        let said = std::fs::read_to_string(source.join("first")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("with {room} KiB of room: {}\n{said}\n{errors}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
