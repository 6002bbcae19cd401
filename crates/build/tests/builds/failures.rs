//! Failing builders: what is told, what goes on, what is left behind.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cbuild_build::{
    BuildFailure, Builder, Ending, Event, ExitClass, Outcome, RunError, StepError, Target,
};
use cbuild_drv::{Action, Derivation, DrvId, Input, Name, Template};
use cbuild_store::BuildEnding;

use crate::world::{World, fetch, out};

#[track_caller]
fn failures(result: Result<Vec<std::path::PathBuf>, RunError>) -> (Vec<BuildFailure>, Vec<Name>) {
    match result {
        Err(RunError::Steps { failures, skipped }) => (failures, skipped),
        other => panic!("no step failed: {other:?}"),
    }
}

#[track_caller]
fn only_failure(world: &World, drv: DrvId) -> BuildFailure {
    let (mut failures, _) = failures(world.build(&[drv]));
    assert_eq!(failures.len(), 1);
    failures.remove(0)
}

fn scratch_is_empty(world: &World) -> bool {
    // Whatever the store's folder for builds is called: no build folder may be anywhere below.
    walk(&world.root).iter().all(|path| !path.ends_with("build/build.sh"))
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

pub(crate) fn a_failure_has_its_log_and_is_not_cached() {
    let mut world = World::new();
    let drv = world.sh("fails", "seq 1 100; echo broken >&2; exit 3", &[]);
    for _ in 0..2 {
        let failure = only_failure(&world, drv);
        assert_eq!(failure.name.as_str(), "fails");
        assert_eq!(failure.error.code(), "E0501");
        assert_eq!(failure.error.exit_class(), ExitClass::Failed);
        let StepError::Builder { ending, log, .. } = &failure.error else { panic!("{failure}") };
        assert_eq!(*ending, Ending::Status(3));
        assert_eq!(log.lines.len(), 25);
        assert_eq!((log.lines[0].as_str(), log.lines[24].as_str()), ("77", "broken"));
        let kept = log.path.as_ref().unwrap();
        assert_eq!(*kept, world.store.log_path(&failure.key.unwrap()));
        let text = cbuild_build::read_log(kept).unwrap();
        assert!(text.starts_with("1\n2\n") && text.ends_with("100\nbroken\n"));
        assert!(world.events().iter().any(|event| matches!(event, Event::Failed { .. })));
    }
    assert!(scratch_is_empty(&world));
    let builds = world.store.builds(Some("fails"), 10).unwrap();
    let endings: Vec<_> = builds.iter().map(|build| build.ending).collect();
    assert_eq!(endings, [BuildEnding::Exited(3), BuildEnding::Exited(3)]);
    let killed = world.sh("killed", "kill -9 $$", &[]);
    let failure = only_failure(&world, killed);
    assert!(failure.to_string().contains("signal 9"), "{failure}");
}

pub(crate) fn missing_and_foreign_outputs_are_named() {
    let mut world = World::new();
    let drv = world.script("half", &["out", "lib", "doc"], "echo > $lib; echo said", &[]);
    let drv = world.graph.add(drv);
    let failure = only_failure(&world, drv);
    assert_eq!(failure.error.code(), "E0503");
    let text = failure.to_string();
    assert!(text.contains("`doc`, `out`") && !text.contains("`lib`"), "{text}");
    assert_eq!(failure.error.log().unwrap().lines, ["said"]);
    let drv = world.sh("litter", "echo > $out; echo > /cbuild/store/stray", &[]);
    let failure = only_failure(&world, drv);
    assert_eq!(failure.error.code(), "E0504");
    assert!(failure.to_string().contains("`stray`"), "{failure}");
    assert!(world.store.verify(&cbuild_store::VerifyOptions::default()).unwrap().is_clean());
}

/// Such a file takes no space, and no limit stops the reading of it.
pub(crate) fn a_file_of_holes_does_not_take_for_ever() {
    let mut world = World::new();
    let script = "exec busybox truncate -s 1500G $out";
    let plain = world.sh("holes", script, &[]);
    let failure = only_failure(&world, plain);
    assert_eq!(failure.error.code(), "E0502", "{failure}");
    assert!(failure.to_string().contains("a file of more than 1048576 MiB"), "{failure}");
    let mut drv = world.script("limited-holes", &["out"], script, &[]);
    let Action::Exec(exec) = &mut drv.action else { panic!("a program") };
    exec.limits.disk = Some(1 << 20);
    let drv = world.graph.add(drv);
    let failure = only_failure(&world, drv);
    assert!(failure.to_string().contains("a file of more than 4096 MiB"), "{failure}");
}

fn with_program(world: &World, program: &str) -> Derivation<Input> {
    let mut drv = world.script("odd", &["out"], "true", &[]);
    if let Action::Exec(exec) = &mut drv.action {
        exec.program = Template::from(program);
    }
    drv
}

pub(crate) fn programs_that_cannot_run_are_told() {
    let mut world = World::new();
    for (program, code) in [("sh", "E0505"), ("/bin/none", "E0823"), ("/bin/../bin/sh", "E0820")] {
        let drv = with_program(&world, program);
        let drv = world.graph.add(drv);
        let failure = only_failure(&world, drv);
        assert_eq!(failure.error.code(), code, "{failure}");
        assert_eq!(failure.error.exit_class(), ExitClass::Failed);
    }
    let mut drv = with_program(&world, "/bin/sh");
    drv.system = cbuild_drv::System::new("pdp11-unix").unwrap();
    let drv = world.graph.add(drv);
    let failure = only_failure(&world, drv);
    assert_eq!(failure.error.code(), "E0507");
    assert_eq!(failure.error.exit_class(), ExitClass::Environment);
}

pub(crate) fn bad_files_and_arguments_are_refused() {
    let mut world = World::new();
    for path in ["../x", "/x", "a//b", "", "a/./b"] {
        let mut drv = world.script("files", &["out"], "true", &[]);
        if let Action::Exec(exec) = &mut drv.action {
            exec.files.insert(path.to_owned(), Template::from("x"));
        }
        let drv = world.graph.add(drv);
        assert_eq!(only_failure(&world, drv).error.code(), "E0506", "{path:?}");
    }
    let long = "x".repeat(200_000);
    for (name, value) in [("a=b", "x"), ("", "x"), ("a", "\0"), ("a", long.as_str())] {
        let mut drv = world.script("env", &["out"], "true", &[]);
        if let Action::Exec(exec) = &mut drv.action {
            exec.env.insert(name.to_owned(), Template::from(value));
        }
        let drv = world.graph.add(drv);
        let failure = only_failure(&world, drv);
        assert_eq!(failure.error.code(), "E0506");
        assert!(failure.to_string().len() < 400);
    }
    let mut drv = world.script("deep", &["out"], "cat sub/dir/file > $out", &[]);
    if let Action::Exec(exec) = &mut drv.action {
        exec.files.insert("sub/dir/file".to_owned(), Template::from("deep"));
    }
    let drv = world.graph.add(drv);
    assert_eq!(world.built_text(drv), "deep");
}

pub(crate) fn what_does_not_need_the_failed_step_goes_on() {
    let mut world = World::new();
    world.options.keep_going = true;
    let bad = world.sh("bad", "exit 1", &[]);
    let worse = world.sh("worse", "exit 2", &[]);
    let good = world.sh("good", "echo > $out", &[]);
    let above = world.sh("above", ": {{b}}", &[("b", out(bad))]);
    let top = world.sh("top", ": {{a}} {{g}}", &[("a", out(above)), ("g", out(good))]);
    let (failed, skipped) = failures(world.build(&[top, worse, good]));
    let mut names: Vec<&str> = failed.iter().map(|failure| failure.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["bad", "worse"]);
    assert_eq!(skipped.iter().map(Name::as_str).collect::<Vec<_>>(), ["above", "top"]);
    assert_eq!(world.finished_own(), [("good".to_owned(), Outcome::Built)]);
    let skips = |event: &Event| matches!(event, Event::Skipped { .. });
    assert_eq!(world.events().iter().filter(|event| skips(event)).count(), 2);
}

pub(crate) fn without_keep_going_running_steps_are_killed() {
    let mut world = World::new();
    world.options.jobs = NonZeroUsize::new(2).unwrap();
    let bad = world.sh("bad", "exit 1", &[]);
    let endless = world.sh("endless", "sleep 100000", &[]);
    let (failed, _) = failures(world.build(&[endless, bad]));
    assert_eq!(failed.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["bad"]);
    assert!(scratch_is_empty(&world));
}

pub(crate) fn cancellation_leaves_nothing() {
    let mut world = World::new();
    let cancel = Arc::new(AtomicBool::new(false));
    world.options.cancel = Arc::clone(&cancel);
    world.options.log_lines = true;
    let marker = format!("{}", 100_000 + std::process::id());
    let script = format!("sleep {marker} & echo ready; sleep {marker}");
    let endless = world.sh("endless", &script, &[]);
    let after = world.sh("after", ": {{e}}", &[("e", out(endless))]);
    let send = |event: Event| {
        // Only once the builder runs for certain.
        if matches!(&event, Event::Log { line, .. } if line == "ready") {
            assert_eq!(processes(&marker), 2, "both sleeps run");
            cancel.store(true, Ordering::SeqCst);
        }
    };
    let options = world.options.clone();
    let builder = Builder::new(&world.store, &world.graph, &world.fetcher, options, &send);
    let error = builder.build(&[Target::out(after)]).unwrap_err();
    assert!(matches!(error, RunError::Cancelled), "{error}");
    assert_eq!(error.exit_class().code(), 130);
    assert_eq!(processes(&marker), 0);
    assert!(scratch_is_empty(&world));
    assert!(world.store.verify(&cbuild_store::VerifyOptions::default()).unwrap().is_clean());
    assert_eq!(world.store.builds(Some("endless"), 10).unwrap(), []);
}

/// Processes of this machine that have the text as an argument.
fn processes(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap();
    let has = |entry: std::io::Result<std::fs::DirEntry>| {
        let command = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        command.split(|&b| b == 0).any(|argument| argument == text.as_bytes())
    };
    entries.filter(|_| true).map(has).filter(|&has| has).count()
}

pub(crate) fn log_lines_are_passed_on() {
    let mut world = World::new();
    world.options.log_lines = true;
    let drv = world.sh("talks", "echo one; echo two >&2; echo > $out; echo -n three", &[]);
    world.build(&[drv]).unwrap();
    let lines: Vec<String> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Log { line, .. } => Some(line),
            _ => None,
        })
        .collect();
    assert_eq!(lines, ["one", "two", "three"]);
}

/// With three jobs and two builders there is one token more, which the first takes with it. Lost, the
/// second would wait for it for ever.
pub(crate) fn a_killed_builder_keeps_no_token() {
    let mut world = World::new();
    world.options.jobs = NonZeroUsize::new(3).unwrap();
    world.options.keep_going = true;
    world.options.limits.wall = Some(120);
    let take = "head -c 1 /proc/self/fd/198";
    let thief = world.sh("thief", &format!("{take}; kill -9 $$"), &[]);
    let script = format!("{take} > token; cat token > /proc/self/fd/199; {take} > $out");
    let honest = world.sh("honest", &script, &[]);
    let (failed, _) = failures(world.build(&[thief, honest]));
    let log = &failed[0].error.log().unwrap().lines;
    assert_eq!((failed.len(), log.join("").as_str()), (1, "+"), "{}", failed[0]);
    assert_eq!(failed[0].error.code(), "E0501");
    assert_eq!(world.text(honest, "out"), "+");
}

/// First argument of this test program when it plays a process with a small disk.
pub(crate) const SMALL_DISK: &str = "--small-disk";

const BIG_FILE: usize = 32 << 20;

fn big_fetch(world: &mut World, folder: &std::path::Path) -> DrvId {
    let bytes = vec![0; BIG_FILE];
    let hex: String =
        cbuild_drv::Digest::of(&bytes).0.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("file://{}", folder.join("big").display());
    let kind = cbuild_drv::FetchKind::File { executable: false };
    world.graph.add(fetch("big", &[&url], &format!("blake3-{hex}"), kind))
}

/// Runs with a file system of 16 MiB at `folder/disk`.
pub(crate) fn on_small_disk(folder: &std::path::Path) {
    let mut world = World::at(&folder.join("disk/store"));
    let small = world.sh("small", "echo small > $out", &[]);
    assert_eq!(world.built_text(small), "small\n");
    let big = big_fetch(&mut world, folder);
    let error = world.build(&[big]).unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Environment, "{error}");
    let RunError::Steps { failures, .. } = &error else { panic!("{error}") };
    assert!(failures[0].error.help().unwrap().contains("gc"), "{error}");
    let greedy = world.sh("greedy", "cat /dev/zero > $out", &[]);
    let failure = only_failure(&world, greedy);
    // The builder meets the full disk first; whether its own words still fit into the log, or the
    // log itself cannot be written, depends on the file system.
    let words = failure.error.log().map(|log| log.lines.join(" ")).unwrap_or_default();
    assert!(format!("{failure} {words}").contains("No space left"), "{failure}");
    assert!(world.store.verify(&cbuild_store::VerifyOptions::default()).unwrap().is_clean());
    let next = world.sh("next", "cat {{s}} > $out", &[("s", out(small))]);
    assert_eq!(world.built_text(next), "small\n");
}

pub(crate) fn a_full_disk_is_told_and_leaves_the_store_clean() {
    World::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("disk")).unwrap();
    std::fs::write(folder.path().join("big"), vec![0; BIG_FILE]).unwrap();
    let script = "mount -t tmpfs -o size=16m none \"$1/disk\" && exec \"$0\" --small-disk \"$1\"";
    let status = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Limits of the run hold for steps that have none of their own; each ending says what raises it.
pub(crate) fn limits_are_told_with_what_raises_them() {
    let mut world = World::new();
    world.options.limits.silence = Some(1);
    world.options.limits.disk = Some(4 << 20);
    let silent = world.sh("silent", "sleep 1000", &[]);
    let failure = only_failure(&world, silent).error;
    assert_eq!(failure.code(), "E0502");
    assert!(failure.to_string().starts_with("the builder was stopped: it wrote nothing for 1 s"));
    let help = failure.help().unwrap();
    assert!(help.contains("limits = { silence = … }") && help.contains("--max-silence"), "{help}");
    let large = world.sh("large", "head -c 9000000 /dev/zero > $out", &[]);
    let failure = only_failure(&world, large).error;
    assert!(failure.to_string().contains("it wrote more than 4 MiB to disk"), "{failure}");
    let mut own = world.script("own", &["out"], "head -c 9000000 /dev/zero > $out", &[]);
    let Action::Exec(exec) = &mut own.action else { panic!() };
    exec.limits.disk = Some(16 << 20);
    let own = world.graph.add(own);
    world.build(&[own]).unwrap();
    let mut busy = world.script("busy", &["out"], "while :; do :; done", &[]);
    let Action::Exec(exec) = &mut busy.action else { panic!() };
    (exec.limits.cpu, exec.limits.silence) = (Some(1), Some(600));
    let busy = world.graph.add(busy);
    let failure = only_failure(&world, busy).error;
    assert!(failure.to_string().contains("used more than 1 s of processor time"), "{failure}");
    assert!(failure.help().unwrap().contains("--max-cpu"));
    let killed = world.sh("killed", "kill -9 $$", &[]);
    let failure = only_failure(&world, killed).error;
    assert_eq!(failure.code(), "E0501");
    assert!(failure.help().unwrap().contains("ran out of memory"));
}
