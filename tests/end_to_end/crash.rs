//! `kill -9` at random moments and Ctrl-C lose nothing and leave nothing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{assert_clean, cbuild, cbuild_command, copy_of, run, shared_root};

/// Kills of one run of the test.
const KILLS: u64 = 50;

/// A build whose script differs from every earlier one, so that it really runs.
fn make_new(file: &Path, original: &str, number: u64) {
    let text = original.replace(
        "  script = sh\"\"\"\n",
        &format!("  script = sh\"\"\"\n    # Build {number} of process {}.\n", std::process::id()),
    );
    assert_ne!(text, original);
    std::fs::write(file, text).unwrap();
}

fn start(root: &Path, target: &Path) -> Child {
    let mut command = cbuild_command(root);
    command.args(["--quiet", "build"]).arg(target);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Processes and mounts of the machine that belong to a store root.
fn leftovers(root: &Path) -> Vec<String> {
    let mark = root.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let folder = entry.path();
        if !entry.file_name().as_encoded_bytes()[0].is_ascii_digit() {
            continue;
        }
        // A process that ends meanwhile has nothing to read, and is no leftover.
        for file in ["cmdline", "environ", "mountinfo"] {
            let text = std::fs::read(folder.join(file)).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(mark) {
                found.push(format!("{} has the store in {file}", folder.display()));
            }
        }
    }
    found
}

/// Waits until nothing is left; the kernel needs a moment to tear a killed sandbox down.
fn assert_nothing_left(root: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let found = leftovers(root);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::yield_now();
    }
}

/// A small generator, seeded per run, whose seed a failure shows.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A store of its own with the toolchain already in it: other tests must not meet its processes.
fn prepared_root() -> tempfile::TempDir {
    cbuild(&shared_root(), ["build", "std:c_toolchain", "examples/zpipe"]).ok();
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn every_following_build_succeeds_and_nothing_is_left() {
    let root = prepared_root();
    let example = copy_of("tests/crash");
    let file = example.path().join("main.cbuild");
    let original = std::fs::read_to_string(&file).unwrap();

    let begin = Instant::now();
    make_new(&file, &original, 0);
    run(cbuild_command(root.path()).arg("build").arg(example.path())).ok();
    let cold = begin.elapsed();
    let begin = Instant::now();
    make_new(&file, &original, 1);
    run(cbuild_command(root.path()).arg("build").arg(example.path())).ok();
    let warm = begin.elapsed();

    let seed = u64::from(std::process::id()) | 0x9e37_79b9_0000_0000;
    let mut state = seed;
    for kill in 2..2 + KILLS {
        // Every tenth round starts from an empty store, so that downloads, unpacking and
        // composition are hit too; the others hit the build and its registration.
        let fresh = kill % 10 == 0;
        if fresh {
            cbuild(root.path(), ["store", "gc"]).ok();
        }
        make_new(&file, &original, kill);
        let longest = if fresh { cold } else { warm };
        let moment = Duration::from_micros(next(&mut state) % longest.as_micros() as u64);
        let mut child = start(root.path(), example.path());
        let deadline = Instant::now() + moment;
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_nothing_left(root.path());
        let done = run(cbuild_command(root.path()).arg("build").arg(example.path()));
        assert_eq!(done.code, Some(0), "kill {kill} at {moment:?}, seed {seed:#x}: {done:?}");
        let greeting = run(&mut Command::new(done.path().join("bin/hello"))).ok().stdout;
        assert_eq!(greeting, "Hello, world!\n");
        assert_clean(root.path());
    }
}

/// Processes of the machine that have an argument.
fn has_process(argument: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        command.split(|&byte| byte == 0).any(|word| word == argument.as_bytes())
    })
}

/// Waits for something that happens soon.
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let sleep = format!("100{}.25", std::process::id());
    let text = |command: &str| {
        format!(
            "import std\n\npub let default: Package = std.build.derivation {{\n  name = \"interrupted\",\n  \
             root = std.c_toolchain,\n  program = sh\"/bin/sh\",\n  args = [sh\"-c\", sh\"{command} & \
             echo {sleep} > $out; wait\"],\n}}\n"
        )
    };
    let module = crate::harness::module(&text(&format!("sleep {sleep}")));
    let root = shared_root();
    let mut command = cbuild_command(&root);
    command.arg("build").arg(module.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("the builder runs", || has_process(&sleep));
    run(Command::new("kill").args(["-INT", &child.id().to_string()])).ok();
    let done = crate::harness::Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    assert!(!has_process(&sleep), "the sandbox has ended before cbuild did");
    let target = module.path().to_str().unwrap();
    let uncached = cbuild(&root, ["why", "uncached", target]).ok();
    assert!(
        uncached.stdout.contains("interrupted"),
        "nothing counts as built: {}",
        uncached.stdout
    );
    std::fs::write(module.path().join("main.cbuild"), text("true")).unwrap();
    let built = cbuild(&root, ["build", target]).ok().path();
    assert_eq!(std::fs::read_to_string(built).unwrap(), format!("{sleep}\n"));
}
