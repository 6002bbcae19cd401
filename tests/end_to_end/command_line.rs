//! What the command line refuses: each wrong use gives its code, its message and its fix, which one
//! snapshot shows together, and its exit code.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use crate::harness::{Done, cbuild_command, module, run};

/// A use that is refused.
struct Wrong {
    /// How the snapshot names it.
    name: &'static str,
    exit: i32,
    code: &'static str,
    done: Done,
}

/// The scene of all uses: an empty store, a package, a folder without anything.
struct Scene {
    root: tempfile::TempDir,
    package: tempfile::TempDir,
    empty: tempfile::TempDir,
    found: Vec<Wrong>,
}

impl Scene {
    fn new() -> Self {
        let package = module(
            "import std\n\
             pub let two: Int = 1 + 1\n\
             pub let file: Package = std.tree.text_file(\"motd\", sh\"hello\")\n\
             test \"two\" { two == 3 }\n",
        );
        let root = tempfile::tempdir().unwrap();
        Self { root, package, empty: tempfile::tempdir().unwrap(), found: Vec::new() }
    }

    /// Runs cbuild in the package's folder, changed by `how`.
    fn wrong(
        &mut self,
        (exit, code): (i32, &'static str),
        name: &'static str,
        args: &[&str],
        how: impl FnOnce(&mut Command),
    ) {
        let mut command = cbuild_command(self.root.path());
        command.args(args).current_dir(self.package.path());
        how(&mut command);
        self.found.push(Wrong { name, exit, code, done: run(&mut command) });
    }

    /// As [`Self::wrong`], with something on standard input.
    fn told(
        &mut self,
        expected: (i32, &'static str),
        name: &'static str,
        args: &[&str],
        input: &[u8],
    ) {
        let mut command = cbuild_command(self.root.path());
        command.args(args).current_dir(self.package.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may refuse before it has read all.
        let _ = child.stdin.take().unwrap().write_all(input);
        let done = child.wait_with_output().unwrap().into();
        self.found.push(Wrong { name, exit: expected.0, code: expected.1, done });
    }

    /// A shell with a script, whose arguments are cbuild and what is added to them.
    fn by_shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_cbuild")]);
        command.current_dir(self.package.path()).env("CBUILD_ROOT", self.root.path());
        command.env("NO_COLOR", "1");
        command
    }

    /// All messages, with the folders of this run under fixed names.
    fn shown(&self) -> String {
        let folders = [(&self.root, "ROOT"), (&self.package, "PACKAGE"), (&self.empty, "EMPTY")];
        let mut shown = String::new();
        for Wrong { name, done, .. } in &self.found {
            let mut text = done.stderr.replace('\u{fffd}', "?");
            for (folder, name) in folders {
                text = text.replace(folder.path().to_str().unwrap(), name);
            }
            let _ = writeln!(shown, "# {name}\n{text}");
        }
        shown
    }
}

fn unset(command: &mut Command, names: &[&str]) {
    for name in names {
        command.env_remove(name);
    }
}

/// Where the store, the configuration and what the command works on cannot be.
fn places(scene: &mut Scene) {
    scene.wrong((3, "E0601"), "a root below a file", &["store", "info"], |c| {
        c.env("CBUILD_ROOT", "/dev/null/store");
    });
    scene.wrong((3, "E1004"), "no place for a store", &["store", "info"], |c| {
        unset(c, &["CBUILD_ROOT", "XDG_DATA_HOME", "HOME"]);
    });
    scene.wrong(
        (3, "E1005"),
        "no place for mirrors",
        &["mirrors", "set", "x", "https://x.org"],
        |c| {
            unset(c, &["XDG_CONFIG_HOME", "HOME"]);
        },
    );
    let odd = scene.package.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("main.cbuild"), "pub let default: Int = 1\n").unwrap();
    std::fs::write(scene.package.path().join("cbuild.mod"), "").unwrap();
    scene.wrong((2, "E1013"), "a path that is no text", &["eval", "."], |c| {
        c.current_dir(&odd);
    });
    std::fs::remove_file(scene.package.path().join("cbuild.mod")).unwrap();
    std::fs::remove_dir_all(&odd).unwrap();
    let empty = scene.empty.path().to_owned();
    scene.wrong((2, "E1018"), "nothing to check", &["check", empty.to_str().unwrap()], |_| {});
    scene.wrong((2, "E1120"), "a module without a manifest", &["lock"], |c| {
        c.current_dir(&empty);
    });
    for (exit, code, args) in
        [(2, "E1003", ["--root=store", "store", "info"]), (3, "E1023", ["eval", "-e", "1"])]
    {
        let gone = tempfile::tempdir().unwrap();
        let script = format!("rmdir {}; exec \"$@\"", gone.path().display());
        let mut command = scene.by_shell(&script);
        let done = run(command.args(args).current_dir(gone.path()));
        scene.found.push(Wrong { name: "the working folder is gone", exit, code, done });
    }
}

/// What cannot be read or written.
fn streams(scene: &mut Scene) {
    // The harness reads standard output through a pipe, so that a shell has to give the file.
    let done = run(scene.by_shell("exec \"$@\" > /dev/full").args(["eval", "-e", "1"]));
    scene.found.push(Wrong { name: "a full standard output", exit: 3, code: "E1020", done });
    scene.told((3, "E1061"), "a session that is no text", &["repl"], b"\xff\xfe\n");
    scene.told((1, "E1065"), "a request for nothing", &["repl"], b":type\n");
    scene.told((3, "E1080"), "no editor", &["lsp"], b"GET / HTTP/1.1\r\n\r\n");
}

/// The store's commands.
fn store(scene: &mut Scene) {
    scene.wrong(
        (1, "E1043"),
        "why of what is not built",
        &["why", "depends", ".:file", "x"],
        |_| {},
    );
    scene.wrong((1, "E1045"), "why of what never was", &["why", "rebuilt", ".:file"], |_| {});
    let built = run(cbuild_command(scene.root.path())
        .args(["build", ".:file"])
        .current_dir(scene.package.path()))
    .ok()
    .path();
    let built = built.to_str().unwrap();
    scene.wrong((1, "E1025"), "a log of what never ran", &["log", ".:file"], |_| {});
    scene.wrong(
        (2, "E1029"),
        "what is no root",
        &["store", "roots", "--remove", "/dev/null"],
        |_| {},
    );
    let odd = scene.package.path().join("a b");
    std::fs::write(&odd, "x").unwrap();
    scene.wrong(
        (2, "E1032"),
        "a file without a name",
        &["store", "add", odd.to_str().unwrap()],
        |_| {},
    );
    scene.wrong(
        (3, "E1033"),
        "an export into nothing",
        &["store", "export", built, "--output", "/dev/null/export"],
        |_| {},
    );
    scene.wrong((2, "E1034"), "an import of nothing", &["store", "import", "/none"], |_| {});
    scene.wrong((1, "E1044"), "why of a stranger", &["why", "depends", ".:file", "gcc"], |_| {});
    scene.wrong((2, "E1041"), "what does not fail", &["debug", ".:file", "--", "true"], |_| {});
    let export = ["image", "export", ".:file", "--output", "/none/x"];
    scene.wrong((2, "E1030"), "an export of no image", &export, |_| {});
    scene.wrong((2, "E1027"), "what is no path", &["store", "export", "x", "-o", "x"], |_| {});
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(built, mode).unwrap();
    std::fs::write(built, "changed").unwrap();
    scene.wrong((1, "E1028"), "a store that is damaged", &["store", "verify"], |_| {});
}

/// Names, targets and files that are not there or not what is asked for.
fn names(scene: &mut Scene) {
    let mut wrong = |code: (i32, &'static str), name: &'static str, args: &[&str]| {
        scene.wrong(code, name, args, |_| {});
    };
    wrong((2, "E1001"), "another platform", &["eval", ".", "--system", "vax-vms"]);
    wrong((2, "E1010"), "what is no target", &["eval", ".:a..b"]);
    wrong((2, "E1011"), "a target that is not there", &["eval", "none"]);
    wrong((2, "E1012"), "a folder without a program", &["eval", "/proc"]);
    wrong((2, "E1014"), "a name that is not there", &["eval", ".:tow"]);
    wrong((2, "E1015"), "a module", &["eval", "std:list"]);
    wrong((2, "E1016"), "what cannot be built", &["build", ".:two"]);
    wrong((2, "E1053"), "an unknown code", &["explain", "E3001"]);
    wrong((2, "E1051"), "a file that is not there", &["fmt", "none.cbuild"]);
    wrong((2, "E1034"), "an addition that is not there", &["store", "add", "none"]);
    wrong(
        (2, "E1034"),
        "a source of a repair that is not there",
        &["store", "repair", "--from", "none"],
    );
    wrong((3, "E1071"), "documentation without a place", &["doc", "-o", "/dev/null/doc"]);
    scene.told((1, "E1063"), "an unknown request", &["repl"], b":nothing\n");
    scene.told((1, "E1064"), "a name without documentation", &["repl"], b":doc std.lits\n");
    let write = |name: &str, text: &str| {
        std::fs::write(scene.package.path().join(name), text).unwrap();
    };
    write("wrong.cbuild", "let a: Int = \"1\"\n");
    write("wide.cbuild", "let  a = 1\n");
    write("claim.cbuild", "/// ```cbuild test\n/// 1 + 1\n/// ```\npub let a: Int = 1\n");
    std::fs::write(scene.package.path().join("odd.cbuild"), b"\xff").unwrap();
    scene.wrong((2, "E1070"), "documentation of no text", &["doc", "odd.cbuild"], |_| {});
    scene.wrong((2, "E1017"), "a file with an error", &["check", "wrong.cbuild"], |_| {});
    scene.wrong((1, "E1050"), "a file not formatted", &["fmt", "--check", "wide.cbuild"], |_| {});
    scene.wrong((2, "E1068"), "an example that claims nothing", &["test", "claim.cbuild"], |_| {});
}

#[test]
fn each_wrong_use_has_its_message() {
    let mut scene = Scene::new();
    places(&mut scene);
    streams(&mut scene);
    store(&mut scene);
    scene.wrong((1, "E1021"), "a test fails", &["test", "."], |_| {});
    names(&mut scene);
    scene.wrong((2, "E1022"), "nothing to evaluate", &["eval"], |_| {});
    scene.wrong((2, "E1000"), "an unknown flag", &["eval", ".", "--ofline"], |_| {});
    scene.wrong(
        (2, "E1000"),
        "an unknown flag, as JSON",
        &["eval", ".", "--json", "--ofline"],
        |_| {},
    );
    let mut otherwise = String::new();
    for Wrong { name, exit, code, done } in &scene.found {
        if done.code != Some(*exit) || !done.stderr.contains(code) || done.stderr.contains("panic")
        {
            let _ = writeln!(otherwise, "{name}, {code}: {done:?}");
        }
    }
    assert!(otherwise.is_empty(), "{otherwise}");
    insta::assert_snapshot!(scene.shown());
}
