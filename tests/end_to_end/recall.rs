//! Processes that recall what earlier ones evaluated say what these said, and notice what has changed.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Done, cbuild_command, module, run};

const TEXT: &str = "import std\npub let default: Package = std.tree.text_file(\"greeting\", sh\"#{./word.txt}\")\n";

/// Runs cbuild with a store and a cache of the folder's own.
fn cbuild(folder: &Path, args: &[&str]) -> Done {
    let mut command = cbuild_command(&folder.join("root"));
    run(command.env("CBUILD_CACHE", folder.join("cache")).arg("--quiet").args(args).arg(folder))
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder.join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn recalled_evaluations_say_the_same_until_something_changes() {
    let folder = module(TEXT);
    let folder = folder.path();
    fs::write(folder.join("word.txt"), "one").unwrap();
    let shown = |args: &[&str]| cbuild(folder, args).ok().stdout;
    let (text, json, output) = (shown(&["eval"]), shown(&["eval", "--json"]), shown(&["build"]));
    assert_eq!(entries(folder).len(), 3);
    for _ in 0..2 {
        assert_eq!(shown(&["eval"]), text);
        assert_eq!(shown(&["eval", "--json"]), json);
        assert_eq!(shown(&["build"]), output);
        assert_eq!(shown(&["build", "--no-cache"]), output);
        // The second round begins with a damaged cache.
        entries(folder).iter().for_each(|entry| fs::write(entry, "cbuild cache 1\n").unwrap());
    }
    assert!(Path::new(output.trim()).exists());
    fs::write(folder.join("word.txt"), "two").unwrap();
    assert_ne!(shown(&["eval", "--json"]), json);
    assert_ne!(shown(&["build"]), output);
    fs::write(folder.join("word.txt"), "one").unwrap();
    assert_eq!(shown(&["eval", "--json"]), json);
    assert_eq!(shown(&["build"]), output);
}

#[test]
fn a_cache_is_not_taken_for_a_source() {
    let folder = module("import std\npub let default: Package = std.fetch.local(./., \"src\")\n");
    let (folder, root) = (folder.path(), tempfile::tempdir().unwrap());
    let build = |cache: &Path| {
        let mut command = cbuild_command(root.path());
        run(command.env("CBUILD_CACHE", cache).args(["--quiet", "build"]).arg(folder))
    };
    let failed = build(&folder.join("cache")).fails(2, "E0408");
    assert!(failed.stderr.contains("it holds the cache"), "{}", failed.stderr);
    build(&root.path().join("cache")).ok();
}

#[test]
fn many_processes_build_one_target_from_one_cache() {
    let folder = module(TEXT);
    let folder = folder.path();
    fs::write(folder.join("word.txt"), "one").unwrap();
    let start = || {
        let mut command = cbuild_command(&folder.join("root"));
        command.env("CBUILD_CACHE", folder.join("cache")).args(["--quiet", "build"]).arg(folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..6).map(|_| start()).collect();
    let ended = processes.into_iter().map(|process| process.wait_with_output().unwrap());
    let outputs: Vec<String> = ended.map(|output| Done::from(output).ok().stdout).collect();
    assert!(outputs.iter().all(|output| *output == outputs[0]), "{outputs:?}");
    assert_eq!(cbuild(folder, &["build"]).ok().stdout, outputs[0]);
    assert_eq!(entries(folder).len(), 1);
}
