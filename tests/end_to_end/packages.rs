//! The packages of the standard library are built from source and work.

use std::path::Path;
use std::process::Command;

use crate::harness::{cbuild, module, run, shared_root};

fn build(target: &str) -> std::path::PathBuf {
    cbuild(&shared_root(), ["build", target]).ok().path()
}

/// The program is static: it runs in a root that holds nothing else.
fn is_static(program: &Path) -> bool {
    let bytes = std::fs::read(program).unwrap();
    bytes.starts_with(b"\x7fELF") && !bytes.windows(8).any(|window| window == b"ld-linux")
}

#[test]
fn hello_greets() {
    let hello = build("examples/hello").join("bin/hello");
    assert!(is_static(&hello));
    assert_eq!(run(&mut Command::new(hello)).ok().stdout, "Hello, world!\n");
}

#[test]
fn lua_computes() {
    let lua = build("std:lua").join("bin/lua");
    assert!(is_static(&lua));
    let done = run(Command::new(lua).args(["-e", "print(_VERSION, 6 * 7)"])).ok();
    assert_eq!(done.stdout, "Lua 5.4\t42\n");
}

#[test]
fn zlib_is_usable_by_another_package() {
    let zlib = build("std:zlib");
    assert!(zlib.join("lib/libz.a").is_file() && zlib.join("include/zlib.h").is_file());
    let zpipe = build("examples/zpipe").join("bin/zpipe");
    let script = format!("echo squeeze | {0} | {0} -d", zpipe.display());
    assert_eq!(run(Command::new("sh").args(["-c", &script])).ok().stdout, "squeeze\n");
}

#[test]
fn a_second_build_changes_nothing_and_says_nothing() {
    let root = shared_root();
    let first = cbuild(&root, ["build", "examples/redis"]).ok();
    let second = cbuild(&root, ["build", "examples/redis"]).ok();
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(second.stderr, "");
    let server = first.path().join("bin/redis-server");
    assert!(is_static(&server));
    let version = run(Command::new(server).arg("--version")).ok().stdout;
    assert!(version.contains("v=7.0.15"), "{version}");
}

#[test]
fn a_build_leaves_a_log() {
    build("examples/hello");
    let done = cbuild(&shared_root(), ["log", "examples/hello"]).ok();
    assert!(done.stdout.contains("checking for gcc... musl-gcc"), "{}", done.stdout);
}

#[test]
fn all_dependencies_are_linked() {
    let two = build("tests/cases/packages/two-deps.cbuild");
    assert!(is_static(&two));
    run(&mut Command::new(two)).ok();
}

/// Headers and libraries of both are found, in whatever order they are named.
#[test]
fn a_program_calls_two_dependencies() {
    let program = |deps: &str| {
        module(&format!(
            r##"import std
pub let default: Package = std.cc.build {{
  name = "both",
  version = "1",
  src = std.tree.assemble {{
    name = "both-source",
    files = {{
      "both.c" = std.script.raw("#include <lua.h>\n#include <lauxlib.h>\n#include <stdio.h>\n#include <zlib.h>\nint main(void) {{ lua_State *state = luaL_newstate(); puts(zlibVersion()); return state == NULL; }}\n"),
    }},
  }},
  deps = [{deps}],
  script = sh"$CC -static -o $out both.c -llua -lm -lz",
}}
"##
        ))
    };
    for deps in ["std.zlib, std.lua", "std.lua, std.zlib"] {
        let folder = program(deps);
        let both = build(folder.path().to_str().unwrap());
        assert_eq!(run(&mut Command::new(both)).ok().stdout, "1.2.13\n", "{deps}");
    }
}
