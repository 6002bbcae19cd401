//! `cbuild repl` from a pipe and in a real terminal.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Done, cbuild_command, module, repository, run};

fn piped(folder: &Path, args: &[&str], input: &str) -> Done {
    let root = folder.join("root");
    let mut command = cbuild_command(&root);
    command.arg("repl").args(args).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn lines_from_a_pipe() {
    let folder = module("//! Numbers.\n\nlet secret = 7\npub fn twice(n: Int) -> Int = n * 2\n");
    let input = "1 + 2\n[1,\n  2]\nlet x = 20\nlet x = 21\nx * 2\n\
                 fn f(n: Int) -> Int =\n  n + x\nf(1)\ntype Mode = Fast | Slow\nMode.show(Fast)\n\
                 import std\nstd.list.length([x])\n:type f\n:load main.cbuild\ntwice(secret)\n\
                 test \"t\" { twice(1) == 2 }\n:quit\nnot reached\n";
    let done = piped(folder.path(), &[], input).ok();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines, ["3", "[1, 2]", "42", "22", "\"Fast\"", "1", "(Int) -> Int", "14", "ok t"]);
}

#[test]
fn errors_have_codes_and_never_end_the_session() {
    let folder = module("let broken: Int = \"x\"\n");
    let input = "1 +\n\nnope\nlet y: Int = \"a\"\n1 / 0\n:nothing\n:load missing.cbuild\n:load main.cbuild\n\
                 :doc nope\n:build 1\n\"still here\"\n";
    let done = piped(folder.path(), &[], input).fails(1, "E1062");
    assert_eq!(done.stdout, "\"still here\"\n");
    for code in ["E0201", "E0301", "E0404", "E1063", "E1011", "E1064", "E1016"] {
        assert!(done.stderr.contains(code), "{code} is missing in\n{}", done.stderr);
    }
    assert!(done.stderr.contains("9 inputs failed"), "{}", done.stderr);
    let done = piped(folder.path(), &["missing"], "1\n").fails(2, "E1011");
    assert_eq!(done.stdout, "");
}

#[test]
fn a_changed_file_is_loaded_again_and_a_package_is_built() {
    let folder = module("pub let port: Int = 80\n");
    let mut command = cbuild_command(&folder.path().join("root"));
    command.arg("repl").current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    input.write_all(b":load main.cbuild\nport\n").unwrap();
    assert_eq!(lines.next().unwrap(), "80");
    std::fs::write(folder.path().join("main.cbuild"), "pub let port: Int = 8080\n").unwrap();
    // Every input sees the files as they are; `:reload` says what is wrong with them.
    input.write_all(b":reload\nport\n").unwrap();
    assert_eq!(lines.next().unwrap(), "8080");
    input.write_all(b":build std.tree.text_file(\"motd\", sh\"port #{port}\")\n").unwrap();
    let built = lines.next().unwrap();
    assert_eq!(std::fs::read_to_string(built).unwrap(), "port 8080");
    std::fs::write(folder.path().join("main.cbuild"), "pub let port: Int = \"x\"\n").unwrap();
    input.write_all(b":reload\n").unwrap();
    drop(input);
    let done = Done::from(child.wait_with_output().unwrap()).fails(1, "E0301");
    assert!(done.stderr.contains("main.cbuild:1:21"), "{}", done.stderr);
}

#[test]
fn documentation_and_json() {
    let folder = module("");
    let done = piped(folder.path(), &[], ":doc std.list.map\n:doc std.text\n").ok();
    assert!(
        done.stdout
            .contains("fn map(items: List<a>, f: (a) -> b) -> List<b>\n  Applies a function"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("text : module std/text.cbuild"), "{}", done.stdout);
    let root = folder.path().join("root");
    let mut command = cbuild_command(&root);
    command.args(["--json", "repl"]).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{ a = Some(1) }\nx\n").unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.stdout, "{\"a\":1}\n");
    assert!(done.stderr.starts_with("{\"code\":\"E0201\""), "{}", done.stderr);
}

/// Runs `cbuild repl` in a terminal and does the steps there.
fn in_terminal(home: &Path, folder: &Path, steps: &serde_json::Value) -> Done {
    let mut command = Command::new("python3");
    command.arg(repository().join("tests/end_to_end/terminal.py")).arg(steps.to_string());
    command.arg(env!("CARGO_BIN_EXE_cbuild")).arg("repl").current_dir(folder);
    command.env("CBUILD_ROOT", home.join("root")).env("XDG_STATE_HOME", home.join("state"));
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    run(&mut command)
}

#[test]
fn a_terminal_has_completion_history_and_interruption() {
    let (home, folder) = (tempfile::tempdir().unwrap(), module("pub let port: Int = 80\n"));
    let prompt = "cbuild> ";
    let steps = json!([
        ["see", prompt],
        // A field by its type, a member of a module, a name.
        ["type", "let server = { address = \"a\", backlog = 5 }\r"],
        ["see", "server : {"],
        ["see", prompt],
        ["type", "server.ba\t"],
        ["see", "backlog"],
        ["type", " + 1\r"],
        ["see", "6"],
        ["see", prompt],
        ["type", "std.list.rev\t"],
        ["see", "reverse"],
        ["type", "([1, 2])\r"],
        ["see", "[2, 1]"],
        ["see", prompt],
        // An open bracket goes on in the next line.
        ["type", "[1,\r"],
        ["type", "2]\r"],
        ["see", "[1, 2]"],
        ["see", prompt],
        // An error, and the session goes on.
        ["type", "nope\r"],
        ["see", "E0201"],
        ["see", prompt],
        // Ctrl-C drops a line, and ends an evaluation.
        ["type", "dropped\u{3}"],
        ["see", prompt],
        ["type", "fn spin(n: Int) -> Int = spin(n + 1)\r"],
        ["see", "fn spin"],
        ["see", prompt],
        ["type", "spin(0) // started\r"],
        ["interruptible", ""],
        ["type", "\u{3}"],
        ["see", "E0407"],
        ["see", prompt],
        ["type", ":load main.cbuild\r"],
        ["see", "loaded main.cbuild"],
        ["see", prompt],
        ["type", "port + 1\r"],
        ["see", "81"],
        ["see", prompt],
        ["type", "\u{4}"]
    ]);
    in_terminal(home.path(), folder.path(), &steps).ok();
    let history = std::fs::read_to_string(home.path().join("state/cbuild/history")).unwrap();
    assert!(history.contains("port + 1") && !history.contains("dropped"), "{history}");

    // The arrow brings back what was typed in the session before.
    let steps = json!([
        ["see", prompt],
        ["type", ":load main.cbuild\r"],
        ["see", "loaded"],
        ["see", prompt],
        ["type", "\u{1b}[A\u{1b}[A"],
        ["see", "port + 1"],
        ["type", "0\r"],
        ["see", "90"],
        ["see", prompt],
        ["type", ":q\r"]
    ]);
    in_terminal(home.path(), folder.path(), &steps).ok();
}
