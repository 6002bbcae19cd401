//! Explanations: why something was built, refers, differs; graphs; logs; entering a failed build.

use std::path::Path;
use std::process::Command;

use crate::harness::{Done, cbuild, cbuild_command, module, run, shared_root};

/// A text that no earlier run of the tests had: the store, and its history, is kept between runs.
fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// `lib` copies `./source`, and `default` names `lib` in a file.
fn two_steps(name: &str) -> String {
    format!(
        r##"
import std

let step = (name: Str, script: Script) => std.build.derivation {{
  name = name,
  root = std.c_toolchain,
  program = sh"/bin/sh",
  args = [sh"-e", sh"-c", script],
}}

pub let lib: Package = step("{name}-lib", sh"cp -r #{{./source}} $out")

pub let default: Package = step("{name}-top", sh"""
  mkdir $out
  echo first line
  echo see #{{lib}}/greeting > $out/note
  cp #{{lib}}/greeting $out/copy
  """)
"##
    )
}

fn with_source(text: &str) -> tempfile::TempDir {
    let folder = module(text);
    std::fs::create_dir(folder.path().join("source")).unwrap();
    std::fs::write(folder.path().join("source/greeting"), "hello\nworld\n").unwrap();
    folder
}

fn target(folder: &tempfile::TempDir) -> String {
    folder.path().display().to_string()
}

fn ask<const N: usize>(args: [&str; N]) -> Done {
    cbuild(&shared_root(), args)
}

#[track_caller]
fn has(done: &Done, parts: &[&str]) {
    for part in parts {
        assert!(done.stdout.contains(part), "`{part}` is missing in:\n{}", done.stdout);
    }
}

#[test]
fn why_rebuilt_leads_down_to_the_line_of_a_source_file() {
    let name = unique("rebuilt");
    let folder = with_source(&two_steps(&name));
    let at = target(&folder);
    ask(["build", &at]).ok();
    has(&ask(["why", "rebuilt", &at]).ok(), &["nothing to compare"]);

    std::fs::write(folder.path().join("source/greeting"), "hello\nmoon\n").unwrap();
    let pending = ask(["why", "uncached", &at]).ok();
    let lib = format!("{name}-lib: its inputs are not those of the last build");
    has(&pending, &[&lib, "source file greeting was changed", "- world", "+ moon"]);
    has(&pending, &[&format!("{name}-top: depends on what {name}-lib will give")]);
    ask(["build", &at]).ok();
    let rebuilt = ask(["why", "rebuilt", &at]).ok();
    let input = format!("input {name}-lib changed:");
    has(&rebuilt, &[&input, "source file greeting was changed", "- world", "+ moon"]);
    has(&ask(["why", "uncached", &at]).ok(), &["nothing: all that the target needs"]);

    let text = two_steps(&name).replace("echo first line", "echo another line");
    std::fs::write(folder.path().join("main.cbuild"), text).unwrap();
    ask(["build", &at]).ok();
    let rebuilt = ask(["why", "rebuilt", &at]).ok();
    has(&rebuilt, &["argument 3 changed:", "- echo first line", "+ echo another line"]);
    has(&rebuilt, &["main.cbuild:15)"]);
    let json = ask(["--json", "why", "rebuilt", &at]).ok();
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["changes"][0]["part"], "argument 3");
    assert_eq!(document["changes"][0]["lines"][0]["removed"], "echo first line");
}

/// What a file two imports away and a decoded one give is followed to their lines.
#[test]
fn why_rebuilt_names_the_files_that_values_come_from() {
    let name = unique("values");
    let folder = module("");
    let put = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    put("flags.cbuild", "//! F.\npub let flags: List<Str> = [\"-O2\", \"-g\"]\n");
    put(
        "middle.cbuild",
        "import std\nimport ./flags.cbuild as f\npub fn all() -> Str = std.text.join(f.flags, \" \")\n",
    );
    put("conf.json", "{\n  \"greeting\": \"hi\"\n}\n");
    put(
        "main.cbuild",
        &format!(
            r##"import std
import ./middle.cbuild as middle
let conf = decode<{{ greeting: Str }}>(./conf.json)
pub let default: Package = std.build.derivation {{
  name = "{name}",
  root = std.c_toolchain,
  program = sh"/bin/sh",
  args = [sh"-ec", sh"""
    echo $CFLAGS > $out
    echo #{{conf.greeting}} >> $out
    """],
  env = {{ CFLAGS = std.script.raw(middle.all()) }},
}}
"##
        ),
    );
    let at = target(&folder);
    ask(["build", &at]).ok();
    put("flags.cbuild", "//! F.\npub let flags: List<Str> = [\"-O3\", \"-g\"]\n");
    put("conf.json", "{\n  \"greeting\": \"welcome\"\n}\n");
    let places = ["`-O3` in", "flags.cbuild:2)", "main.cbuild:10, `welcome` in", "conf.json:2)"];
    has(&ask(["why", "uncached", &at]).ok(), &places);
    ask(["build", &at]).ok();
    has(&ask(["why", "rebuilt", &at]).ok(), &places);
}

#[test]
fn why_rebuilt_of_what_was_never_built_is_an_error() {
    let folder = with_source(&two_steps(&unique("never")));
    ask(["why", "rebuilt", &target(&folder)]).fails(1, "E1045");
    ask(["why", "depends", &target(&folder), "x"]).fails(1, "E1043");
}

#[test]
fn why_depends_names_the_file() {
    let name = unique("depends");
    let folder = with_source(&two_steps(&name));
    let at = target(&folder);
    ask(["build", &at]).ok();
    let done = ask(["why", "depends", &at, &format!("{name}-lib")]).ok();
    let lines: Vec<&str> = done.stdout.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 3, "{}", done.stdout);
    assert!(lines[0].ends_with(&format!("-{name}-top")), "{}", done.stdout);
    assert_eq!(lines[1], "in note");
    let lib = lines[2].trim_start_matches("└─ ");
    assert!(ask(["why", "depends", &at, lib]).ok().stdout.contains("in note"));
    ask(["why", "depends", &at, "c-toolchain"]).fails(1, "E1044");
}

/// A step whose result has a fixed part and one that the given script makes.
fn result_of(name: &str, script: &str) -> tempfile::TempDir {
    module(&format!(
        r##"
import std

pub let default: Package = std.build.derivation {{
  name = "{name}",
  root = std.c_toolchain,
  program = sh"/bin/sh",
  args = [sh"-e", sh"-c", sh"""
    mkdir -p $out/share
    echo $out > $out/share/self
    {script}
    """],
}}
"##
    ))
}

#[test]
fn a_reproducible_build_passes_the_check() {
    let folder = result_of(&unique("same"), "echo fixed > $out/share/fixed");
    for how in ["--check", "--check=vary"] {
        let done = ask(["build", how, &target(&folder)]).ok();
        assert!(done.stdout.starts_with("same same-"), "{}", done.stdout);
    }
}

/// A builder for each cause, whose result depends on that and nothing else: the name of the case, what
/// it writes into `share/it`, how it is checked, and the cause.
const CAUSES: [(&str, &str, &str, &str); 13] = [
    ("time", "date +%s%N > $it", "--check", "time"),
    ("path", "pwd > $it", "--check=vary", "path"),
    (
        "compiled",
        "echo 'int twice(int x) { return 2 * x; }' > f.c; gcc -g -c f.c -o $it",
        "--check=vary",
        "path",
    ),
    ("host", "cat /proc/sys/kernel/hostname > $it", "--check=vary", "host name"),
    // Eight lines of a program that lists them as a hash table with a random seed does.
    ("order", "seq 8 | sort -R > $it", "--check", "order"),
    ("cores", "echo $CBUILD_CORES > $it", "--check=vary", "parallelism"),
    ("nproc", "echo made with -j$(nproc) > $it", "--check=vary", "parallelism"),
    ("random", "od -An -N16 -tx1 /dev/urandom | tr -d ' ' > $it", "--check", "randomness"),
    ("cpu", "grep -m1 -E '^(flags|Features)' /proc/cpuinfo > $it", "--check=vary", "CPU features"),
    (
        "native",
        "grep -qw -e sse3 -e pni -e aes /proc/cpuinfo && s=yes || s=no; echo HAVE_SSE3=$s > $it",
        "--check=vary",
        "CPU features",
    ),
    ("machine", "grep -m1 'model name' /proc/cpuinfo > $it", "--check=vary", "CPU features"),
    ("user", "id -u > $it", "--check=vary", "user"),
    ("umask", "umask > $it", "--check=vary", ""),
];

#[test]
fn the_check_names_file_and_cause() {
    for (name, script, how, cause) in CAUSES {
        let folder = result_of(&unique(name), &format!("it=$out/share/it; {script}"));
        let at = target(&folder);
        let first = ask(["build", &at]).ok().path();
        let done = ask(["build", how, &at]).fails(1, "E1040");
        has(&done, &["share/it: ", &format!("likely cause: {cause}"), "fix: "]);
        if cause == "path" {
            let both = "varied: the build folder was `/build` in the first build and `/build/moved` in the second";
            has(&done, &[both]);
        }
        // What names its own path differs in nothing, and the second result was not kept.
        assert!(!done.stdout.contains("share/self"), "{}", done.stdout);
        assert_eq!(ask(["build", &at]).ok().path(), first);
    }
}

#[test]
fn a_difference_that_only_another_environment_shows_needs_vary() {
    let folder = result_of(&unique("vary"), "cat /proc/sys/kernel/hostname > $out/share/host");
    ask(["build", "--check", &target(&folder)]).ok();
    let done = ask(["--json", "build", "--check=vary", &target(&folder)]).fails(1, "E1040");
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["same"], false);
    assert_eq!(document["differences"][0]["file"], "share/host");
    assert_eq!(document["differences"][0]["cause"], "host name");
}

#[test]
fn packages_of_one_name_in_different_folders_are_not_compared() {
    let name = unique("same-name");
    let (a, b) = (result_of(&name, "echo a > $out/list"), result_of(&name, "echo b > $out/list"));
    ask(["build", &target(&a)]).ok();
    ask(["build", &target(&b)]).ok();
    has(&ask(["why", "rebuilt", &target(&b)]).ok(), &["was built once"]);
    let main = a.path().join("main.cbuild");
    let text = std::fs::read_to_string(&main).unwrap().replace("echo a ", "echo changed ");
    std::fs::write(main, text).unwrap();
    let pending = ask(["why", "uncached", &target(&a)]).ok();
    has(&pending, &["its inputs are not those of the last build", "- echo a ", "+ echo changed "]);
    ask(["build", &target(&a)]).ok();
    has(&ask(["why", "rebuilt", &target(&a)]).ok(), &["- echo a ", "+ echo changed "]);
}

#[test]
fn why_differs_lists_files_of_two_objects() {
    let name = unique("differs");
    let a = result_of(&name, "echo a b c > $out/list; echo x > $out/old");
    let b = result_of(&name, "echo c a b > $out/list; echo x > $out/new");
    let first = ask(["build", &target(&a)]).ok().path();
    ask(["build", &target(&b)]).ok();
    let done = ask(["why", "differs", first.to_str().unwrap(), &target(&b)]);
    let done = done.fails(1, "E1047");
    has(&done, &["list: 6 bytes, from byte 0 on; likely cause: order", "first   a b c"]);
    has(&done, &["new: only in the second", "old: only in the first"]);
    assert!(!done.stdout.contains("self"), "{}", done.stdout);
    let same = ask(["why", "differs", &target(&b), &target(&b)]).ok();
    has(&same, &["the same content"]);
}

#[test]
fn a_log_is_found_by_the_action_and_not_by_the_name() {
    let name = unique("twin");
    let (a, b) = (result_of(&name, "echo I am a"), result_of(&name, "echo I am b"));
    ask(["build", &target(&a)]).ok();
    ask(["build", &target(&b)]).ok();
    assert_eq!(ask(["log", &target(&a)]).ok().stdout, "I am a\n");
    assert_eq!(ask(["log", &target(&b)]).ok().stdout, "I am b\n");
}

#[test]
fn a_failed_build_is_entered_as_it_was() {
    let script = "echo half > half-built; echo temporary > /tmp/t; export INNER=1; exit 3";
    let folder = result_of(&unique("debug"), script);
    let at = target(&folder);
    let look = "pwd; cat half-built /tmp/t $out/share/self; echo $SOURCE_DATE_EPOCH; cat /proc/sys/kernel/hostname";
    let done = ask(["debug", &at, "--", "sh", "-c", look]).ok();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(&lines[lines.len() - 6..][..3], ["/build", "half", "temporary"], "{}", done.stdout);
    assert!(lines[lines.len() - 3].starts_with("/cbuild/store/"), "{}", done.stdout);
    assert_eq!(&lines[lines.len() - 2..], ["1", "cbuild"]);
    assert!(done.stderr.contains("exited with status 3"), "{}", done.stderr);
    ask(["debug", &at, "--", "sh", "-c", "exit 5"]).fails(1, "E1042");
    ask(["debug", &at, "--shell", "/bin/nothing"]).fails(1, "E08");
}

#[test]
fn a_shell_in_a_failed_build_reads_what_is_typed() {
    use std::io::Write;
    let folder = result_of(&unique("shell"), "echo half > half-built; false");
    let mut command = cbuild_command(&shared_root());
    command.arg("debug").arg(folder.path());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"cat half-built\necho $((6 * 7))\n").unwrap();
    let done = Done::from(child.wait_with_output().unwrap()).ok();
    assert_eq!(done.stdout, "half\n42\n", "{}", done.stderr);
}

/// The shell's terminal is one of the sandbox; Ctrl-C reaches what runs there and not cbuild.
#[test]
fn a_shell_in_a_failed_build_has_a_terminal() {
    let folder = result_of(&unique("terminal"), "echo half > half-built; false");
    let trap = "sh -c 'trap \"exit 9\" INT; echo now-\"ready\"; while :; do sleep 0.1; done'; echo st\"\"atus $?\n";
    let steps = serde_json::json!([
        ["see", "sees what it left"],
        ["type", "cat half-built; tty; stty size\n"],
        ["see", "half\r\n/dev/pts/0\r\n33 77"],
        ["type", trap],
        ["see", "now-ready"],
        ["type", "\u{3}"],
        ["see", "status 9"],
        ["type", "exit 7\n"],
    ]);
    let mut command = Command::new("python3");
    command.current_dir(crate::harness::repository()).env("CBUILD_ROOT", shared_root());
    command.args(["tests/end_to_end/terminal.py", &steps.to_string()]);
    command.args(["sh", "-c", "stty rows 33 cols 77; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_cbuild")).arg("debug").arg(folder.path());
    run(&mut command).ok();
}

#[test]
fn what_builds_cannot_be_debugged() {
    let folder = result_of(&unique("fine"), "true");
    ask(["debug", &target(&folder), "--", "true"]).fails(2, "E1041");
}

#[test]
fn graphs_are_trees_dot_json_and_pages() {
    let name = unique("graph");
    let folder = with_source(&two_steps(&name));
    let at = target(&folder);
    ask(["build", &at]).ok();
    let tree = ask(["graph", &at]).ok();
    assert!(tree.stdout.starts_with(&format!("{name}-top  ")), "{}", tree.stdout);
    has(&tree, &[&format!("─ {name}-lib  "), "c-toolchain"]);
    let dot = ask(["graph", "--format", "dot", &at]).ok();
    assert!(dot.stdout.starts_with("digraph cbuild {") && dot.stdout.contains(" -> "));
    let json = ask(["--json", "graph", &at]).ok();
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let last = document["nodes"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], format!("{name}-top"));
    let page = ask(["graph", "--format", "html", &at]).ok();
    let file = folder.path().join("graph.html");
    std::fs::write(&file, page.stdout).unwrap();
    let all = document["nodes"].as_array().unwrap().len();
    let whole = rendered(&file, "");
    assert!(whole.contains(&format!(">{all} of {all}<")), "{whole}");
    let searched = rendered(&file, &format!("#{name}-lib"));
    assert!(searched.contains(&format!(">1 of {all}<")), "{searched}");
    assert_eq!(searched.matches("<tr><td><button>").count(), 1);
    assert!(searched.contains(" B</td>"), "no size is shown");
    // What is no percent-encoded text is searched for as it is.
    assert!(rendered(&file, "#%").contains(&format!(">0 of {all}<")));
}

/// What a browser makes of a page, after its scripts have run.
fn rendered(page: &Path, search: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.env("HOME", profile.path()).arg(format!("file://{}{search}", page.display()));
    run(&mut command).ok().stdout
}
