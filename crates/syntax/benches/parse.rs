//! How fast sources are parsed: the product's parser, the one made from the normative grammar, and
//! `nix-instantiate --parse` on an equivalent program where it is installed.
//!
//! `cargo bench -p cbuild-syntax`. Each figure is the time of a whole process that reads and parses
//! a file, minus that of one that parses next to nothing: the best of several runs, in megabytes
//! (10^6 bytes) of source a second. The runs of the programs take turns, so that other load on the
//! machine meets all of them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark measures time, writes the file that the other program reads and starts it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cbuild_diag::SourceId;
use cbuild_syntax::{parse, parse_by_grammar, parse_file_only};

/// Runs of each program.
const RUNS: usize = 15;

/// Bytes of source that each generated program has at least.
const SIZE: usize = 1_000_000;

/// A package of a generated set, in the language.
fn cbuild_package(index: usize) -> String {
    format!(
        "/// Package number {index}.
pub fn package_{index}(cc: std.CEnv, zlib: Package, static: Bool = false) -> Package =
  let
    version = \"1.{index}.3\"
    src = std.fetch_tar {{
      url = \"https://example.org/releases/package-{index}-#{{version}}.tar.gz\",
      hash = sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjpQ=,
    }}
    flags = [\"--prefix=/usr\", \"--with-zlib\"] ++ (if static then [\"--static\"] else [])
  in cc.build {{
    name = \"package-{index}\", version, src,
    deps = [zlib] |> list.filter(p => p.name != \"package-{index}\"),
    jobs = 4 * 2 + {index},
    script = sh\"\"\"
      ./configure #{{flags}}
      make -j$CBUILD_CORES
      make install PREFIX=$out
      \"\"\",
  }}

"
    )
}

/// The same package for Nix.
fn nix_package(index: usize) -> String {
    format!(
        "  # Package number {index}.
  package_{index} = {{ cc, zlib, static ? false }}:
    let
      version = \"1.{index}.3\";
      src = std.fetch_tar {{
        url = \"https://example.org/releases/package-{index}-${{version}}.tar.gz\";
        hash = \"sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjpQ=\";
      }};
      flags = [ \"--prefix=/usr\" \"--with-zlib\" ] ++ (if static then [ \"--static\" ] else [ ]);
    in cc.build {{
      name = \"package-{index}\"; inherit version src;
      deps = list.filter (p: p.name != \"package-{index}\") [ zlib ];
      jobs = 4 * 2 + {index};
      script = ''
        ./configure ${{flags}}
        make -j$CBUILD_CORES
        make install PREFIX=$out
      '';
    }};

"
    )
}

fn program(start: &str, package: fn(usize) -> String, end: &str) -> String {
    let mut text = start.to_owned();
    for index in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text.push_str(&package(index));
    }
    text.push_str(end);
    text
}

/// What a process of this benchmark does with the file that it is given.
fn parse_as(mode: &str, text: &str) -> usize {
    let source = SourceId(0);
    // What was parsed is not freed: neither is it by a process that ends then.
    match mode {
        "tree" => std::mem::ManuallyDrop::new(parse(source, text)).file.items.len(),
        "lowered" => std::mem::ManuallyDrop::new(parse_file_only(source, text)).0.items.len(),
        _ => std::mem::ManuallyDrop::new(parse_by_grammar(source, text)).file.items.len(),
    }
}

/// A program that is measured on a large and a small file.
struct Case {
    name: &'static str,
    program: &'static str,
    args: Vec<String>,
    large: PathBuf,
    small: PathBuf,
    best: [Duration; 2],
}

impl Case {
    fn new(folder: &Path, name: &'static str, mode: &str, file: &str) -> Self {
        let (program, args) = match mode {
            "nix" => ("nix-instantiate", vec!["--parse".to_owned()]),
            mode => ("/proc/self/exe", vec!["child".to_owned(), mode.to_owned()]),
        };
        let small = if mode == "nix" { "small.nix" } else { "small.cbuild" };
        let (large, small) = (folder.join(file), folder.join(small));
        Self { name, program, args, large, small, best: [Duration::MAX; 2] }
    }

    /// Runs the program on both files; whether it could.
    fn run(&mut self) -> bool {
        for (file, best) in [&self.large, &self.small].into_iter().zip(&mut self.best) {
            let mut command = Command::new(self.program);
            command.args(&self.args).arg(file).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            if !command.status().is_ok_and(|status| status.success()) {
                return false;
            }
            *best = start.elapsed().min(*best);
        }
        true
    }

    fn print(&self) {
        let bytes = std::fs::metadata(&self.large).unwrap().len() as f64;
        let seconds = self.best[0].saturating_sub(self.best[1]).as_secs_f64();
        let speed = bytes / 1e6 / seconds;
        println!("{:<50} {speed:8.1} MB/s {:9.2} ms", self.name, seconds * 1e3);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child, mode, file] = &args[..]
        && child == "child"
    {
        let text = std::fs::read_to_string(file).unwrap();
        println!("{}", parse_as(mode, &text));
        return;
    }
    let text = program("import std\n\n", cbuild_package, "");
    assert_eq!(parse(SourceId(0), &text).diagnostics, []);
    // An error in the middle: its item is left to the grammar's parser.
    let broken = text.replacen("jobs = 4 * 2 + 700", "jobs = 4 * 2 +", 1);
    assert_eq!(parse(SourceId(0), &broken).diagnostics.len(), 1);

    let folder = std::env::temp_dir().join(format!("cbuild-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("large.cbuild"), &text).unwrap();
    std::fs::write(folder.join("broken.cbuild"), &broken).unwrap();
    std::fs::write(folder.join("small.cbuild"), "let a = 1\n").unwrap();
    std::fs::write(folder.join("large.nix"), program("{ std, list }: rec {\n", nix_package, "}\n"))
        .unwrap();
    std::fs::write(folder.join("small.nix"), "1\n").unwrap();
    let case = |name, mode, file| Case::new(&folder, name, mode, file);
    let mut cases = vec![
        case("parse: lossless tree and lowered syntax", "tree", "large.cbuild"),
        case("parse, one error in the text", "tree", "broken.cbuild"),
        case("parse_file_only: lowered syntax", "lowered", "large.cbuild"),
        case("parse_by_grammar: pest alone, tree and lowered", "grammar", "large.cbuild"),
        case("nix-instantiate --parse", "nix", "large.nix"),
    ];
    for _ in 0..RUNS {
        cases.retain_mut(Case::run);
    }
    cases.iter().for_each(Case::print);
    if cases.len() < 5 {
        println!("nix-instantiate is not installed or failed");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
