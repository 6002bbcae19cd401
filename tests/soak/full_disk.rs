//! Builds on a file system that becomes full, at many points of the build. First it is found out
//! between which amounts of room a build begins and yet does not end well; the points lie there.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Plan, graph};

/// Free space that is enough for the whole build, in KiB.
const ENOUGH: u64 = 4096;

/// How exactly the bounds are looked for, in KiB. A point must not lie above the upper one.
const STEP: u64 = 4;

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
before=$(ls "$place/root/realisations" | wc -l)
"$program" --quiet --root "$place/root" build "$source" > /dev/null 2> "$source/first" || status=$?
made=$(($(ls "$place/root/realisations" | wc -l) - before))
mount -o "remount,size=${large}M" "$place"
"$program" --quiet --root "$place/root" build "$source" > /dev/null
"$program" --quiet --root "$place/root" store verify | grep -q '^clean:'
"$program" --quiet --root "$place/root" store gc > /dev/null
test -z "$(ls -A "$place/root/tmp" "$place/root/locks/live" | grep -v : | grep .)"
echo "$status $made"
"#;

/// What came of the first build at a point.
struct Met {
    /// Exit code.
    status: u32,
    /// Steps that were done and recorded.
    made: u32,
}

/// Builds with each amount of room; gives the number of builds that had too little.
pub(super) fn run(plan: &Plan, root: &Path) -> super::Result<u32> {
    let (place, source) = (plan.folder.join("small"), plan.folder.join("full-source"));
    for folder in [&place, &source] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let module = source.join("main.cbuild");
    std::fs::write(&module, graph::module(&format!("{}-full", plan.seed), 0))
        .map_err(|error| format!("{}: {error}", module.display()))?;
    let at = |room| at(plan, root, &source, &place, room);
    // What is below fails before anything is done; what is above succeeds.
    let upper = bound(&|room| Ok(at(room)?.status == 0))?;
    let lower = bound(&|room| at(room).map(|met| met.status == 0 || met.made > 0))?;
    let mut failed = 0;
    for point in 0..plan.full_disk {
        let room = lower + (upper - lower) * u64::from(point) / u64::from(plan.full_disk);
        failed += u32::from(at(room)?.status != 0);
    }
    // Builders run beside each other, so that near the upper bound one may just succeed.
    if failed * 2 < plan.full_disk {
        let points = plan.full_disk;
        return Err(format!("only {failed} of {points} builds met a full disk"));
    }
    Ok(failed)
}

/// The least room that is enough, to within a step.
fn bound(is_enough: &dyn Fn(u64) -> super::Result<bool>) -> super::Result<u64> {
    let (mut too_little, mut enough) = (0, ENOUGH);
    if !is_enough(enough)? {
        return Err(format!("{ENOUGH} KiB are not enough for a build"));
    }
    while enough - too_little > STEP {
        let middle = (too_little + enough) / 2;
        match is_enough(middle)? {
            true => enough = middle,
            false => too_little = middle,
        }
    }
    Ok(enough)
}

/// Builds with some room, and again with more. What fails must say that the disk is full.
fn at(plan: &Plan, root: &Path, source: &Path, place: &Path, room: u64) -> super::Result<Met> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(&plan.program).args([root, source, place]);
    command.args([room.to_string(), LARGE.to_string()]).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    let said = std::fs::read_to_string(source.join("first")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("with {room} KiB of room: {}\n{said}\n{errors}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    let (Some(Ok(status)), Some(Ok(made))) = (numbers.next(), numbers.next()) else {
        return Err(format!("with {room} KiB of room the script said: {text}"));
    };
    let lower = said.to_lowercase();
    let names_it = ["no space", "full", "e0602"].iter().any(|word| lower.contains(word));
    if status != 0 && !names_it {
        return Err(format!("with {room} KiB the build ended with {status} and said:\n{said}"));
    }
    Ok(Met { status, made })
}
