//! Where output goes that nobody reads, and outputs that are no plain files.

use std::os::unix::fs::FileTypeExt;
use std::process::Stdio;

use crate::harness::{Done, STEP, cbuild, cbuild_command, module, run, shared_root};

/// A step that fails and is needed by another one.
fn failing(name: &str) -> String {
    format!(
        r##"
import std

{STEP}

let low: Package = step("{name}-low", sh"echo the reason; exit 3")

pub let default: Package = step("{name}-high", sh"echo #{{low}} > $out")
"##
    )
}

#[test]
fn messages_that_nobody_reads_change_no_exit_code() {
    let folder = module(&failing(&format!("unread-{}", std::process::id())));
    let root = shared_root();
    let at = folder.path().display().to_string();
    for (args, exit) in [(vec!["build", &at], 1), (vec!["--json", "build", &at], 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = cbuild_command(&root).args(&args).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(exit), "{args:?}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = cbuild_command(&root).args(&args).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(exit), "{args:?} on a full disk");
    }
    let mut wrong = cbuild_command(&root);
    let (_, writer) = std::io::pipe().unwrap();
    let status = wrong.args(["build", "--bogus"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn the_log_of_what_kept_a_target_from_being_built() {
    let name = format!("kept-{}", std::process::id());
    let folder = module(&failing(&name));
    let root = shared_root();
    let at = folder.path().display().to_string();
    let failed = cbuild(&root, ["build", &at]).fails(1, "E0501");
    let done = cbuild(&root, ["log", &at]).ok();
    assert_eq!(done.stdout, "the reason\n");
    assert!(done.stderr.contains(&format!("this is the log of {name}-low")), "{}", done.stderr);
    let place = failed.stderr.lines().find_map(|line| line.trim().strip_prefix("whole log: "));
    assert_eq!(cbuild(&root, ["log", place.unwrap()]).ok().stdout, "the reason\n");
}

#[test]
fn an_export_into_a_pipe_leaves_the_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let (root, file) = (folder.path().join("root"), folder.path().join("motd"));
    std::fs::write(&file, "hello\n").unwrap();
    let path = cbuild(&root, ["store", "add", file.to_str().unwrap()]).ok().stdout;
    let (path, pipe) = (path.trim(), folder.path().join("pipe"));
    run(std::process::Command::new("mkfifo").arg(&pipe)).ok();
    let mut export = cbuild_command(&root);
    export.args(["store", "export", path, "-o"]).arg(&pipe);
    let export = export.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let got = std::fs::read(&pipe).unwrap();
    Done::from(export.wait_with_output().unwrap()).ok();
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

    // Through a link, the file that it leads to is replaced, and the link stays.
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    cbuild(&root, ["store", "export", path, "-o", link.to_str().unwrap()]).ok();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&real).unwrap(), got);
    let full = cbuild(&root, ["store", "export", path, "-o", "/dev/full"]).fails(3, "E1033");
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
}

#[test]
fn a_root_that_cannot_be_made_is_told_before_the_build() {
    let name = format!("taken-{}", std::process::id());
    let folder = module(&failing(&name));
    let (at, taken) = (folder.path().display().to_string(), folder.path().join("taken"));
    std::fs::write(&taken, "mine").unwrap();
    let args = ["build", &at, "-o", taken.to_str().unwrap()];
    cbuild(&shared_root(), args).fails(2, "E0614");
    let history = cbuild(&shared_root(), ["store", "history", &format!("{name}-low")]).ok();
    assert_eq!(history.stdout, "", "nothing was built");
    assert!(history.stderr.contains("no build of"), "{}", history.stderr);
}

#[test]
fn a_builder_cannot_command_the_terminal() {
    let name = format!("escape-{}", std::process::id());
    let script = r"printf 'a\033[2Jb\033]0;title\007c\nnext\n'; exit 1";
    let folder = module(&failing(&name).replace("echo the reason; exit 3", script));
    let (root, at) = (shared_root(), folder.path().display().to_string());
    let done = cbuild(&root, ["build", "-v", &at]).fails(1, "E0501");
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    assert!(done.stderr.contains(&format!("{name}-low | abc\n{name}-low | next\n")));
    // A file gets what the builder wrote.
    assert!(cbuild(&root, ["log", &at]).ok().stdout.starts_with("a\u{1b}[2Jb"));
}

#[test]
fn going_on_gives_what_could_be_built() {
    let name = format!("partly-{}", std::process::id());
    let text = failing(&name)
        + &format!("pub let good: Package = step(\"{name}-good\", sh\"echo > $out\")\n");
    let folder = module(&text);
    let (root, at) = (shared_root(), folder.path().display().to_string());
    let (good, link) = (format!("{at}:good"), folder.path().join("link"));
    let args = ["build", "--keep-going", &at, &good, "-o", link.to_str().unwrap()];
    let done = cbuild(&root, args).fails(1, "E0501");
    assert!(done.stdout.ends_with(&format!("-{name}-good\n")), "{}", done.stdout);
    assert_eq!(done.stdout.lines().count(), 1);
    let second = folder.path().join("link-2");
    assert_eq!(std::fs::read_link(second).unwrap(), done.path());
    assert!(link.symlink_metadata().is_err());
    assert_eq!(cbuild(&root, ["build", &at, &good]).fails(1, "E0501").stdout, "");
}

#[test]
fn a_size_that_roots_do_not_allow_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (root, file) = (folder.path().join("root"), folder.path().join("motd"));
    std::fs::write(&file, "hello\n").unwrap();
    let path = cbuild(&root, ["store", "add", file.to_str().unwrap()]).ok().stdout;
    let small = cbuild(&root, ["store", "gc", "--max-size", "6", "--dry-run"]).ok();
    assert_eq!(small.stderr, "", "six bytes fit");
    let store = cbuild_store::Store::open(&root).unwrap();
    let path = cbuild_drv::StorePath::parse(path.trim()).unwrap();
    store.add_root(&folder.path().join("link"), &path).unwrap();
    drop(store);
    let kept = cbuild(&root, ["store", "gc", "--max-size", "5"]).ok();
    assert!(kept.stderr.contains("6 B stay, more than 5 B"), "{}", kept.stderr);
}

#[test]
fn results_that_nobody_reads_change_neither_roots_nor_exit_codes() {
    let name = format!("unread-results-{}", std::process::id());
    let text = failing(&name)
        + &format!("pub let a: Package = step(\"{name}-a\", sh\"echo a > $out\")\n")
        + &format!(
            "pub let b: Package = step(\"{name}-b\", sh\"cat /proc/sys/kernel/random/uuid > $out\")\n"
        );
    let folder = module(&text);
    let (root, at, link) =
        (shared_root(), folder.path().display().to_string(), folder.path().join("link"));
    let unread = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        cbuild_command(&root).args(args).stdout(writer).status().unwrap().code()
    };
    let (a, b) = (format!("{at}:a"), format!("{at}:b"));
    assert_eq!(unread(&["build", &a, &b, "-o", link.to_str().unwrap()]), Some(0));
    assert!(folder.path().join("link-2").symlink_metadata().is_ok());
    assert_eq!(unread(&["build", "--check", &b]), Some(1));
}
