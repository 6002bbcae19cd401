//! `cbuild lsp` and a real editor: a headless Neovim, which a script drives as a user would.

use std::process::Command;

use crate::harness::{repository, run};

const LIB: &str = r#"pub type Options = { text: Str, count?: Int, flag: Bool = true }

/// The text several times.
pub fn repeated(text: Str, times: Int) -> Str =
  if times < 1 then "" else text ++ repeated(text, times - 1)

/// A text from options.
pub fn make(options: Options) -> Str = options.text

fn hidden() -> Int = 1
"#;

const MAIN: &str = r#"//! A greeting.

import std
import ./lib.cbuild as lib

/// How much is said.
pub type Level = Quiet | Loud(Int)

/// Greets somebody.
pub fn greet(name: Str, level: Level = Quiet) -> Str =
  match level {
    Quiet => name,
    Loud(times) => lib.repeated(name, times),
  }

pub let default: Str = greet("you", level = Loud(3)) ++ std.text.repeat("a", 2)

pub let wide: Str = "😀"
"#;

/// The script asks for diagnostics, hover, definition, references, rename, completion, signature
/// help, symbols, formatting and a code action, and checks each answer.
#[test]
fn neovim_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    std::fs::create_dir(&package).unwrap();
    std::fs::write(package.join("lib.cbuild"), LIB).unwrap();
    std::fs::write(package.join("main.cbuild"), MAIN).unwrap();
    let script = repository().join("tests/end_to_end/lsp.lua");
    let mut editor = Command::new("nvim");
    editor
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"])
        .arg(format!("luafile {}", script.display()))
        .env("CBUILD", env!("CARGO_BIN_EXE_cbuild"))
        .env("CBUILD_ROOT", folder.path().join("root"))
        .env("FOLDER", &package)
        .env("REDIS", repository().join("examples/redis/main.cbuild"))
        .env("HOME", folder.path())
        .env("XDG_CACHE_HOME", folder.path().join("cache"));
    let done = run(&mut editor).ok();
    assert!(done.stderr.contains("all that was asked was answered"), "{}", done.stderr);
}
