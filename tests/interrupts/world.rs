//! What the commands work on: a store with many objects, large files, large sources, and a server that never
//! answers.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::modules::{self, Module};
use super::subjects::{Place, Subject};
use super::{Plan, Result, streams};
use crate::soak::harness::{graph, leftovers};

/// Bytes of the large file, for each of [`Plan::size`].
const LARGE: u64 = 100 << 10;

/// Names in the folder for results, all of which appear in one step.
const RESULTS: [&str; 4] = ["doc", "image.tar", "export", "link"];

pub(super) struct World<'p> {
    plan: &'p Plan,
    /// Keeps connections open and says nothing.
    server: TcpListener,
    /// The lock of the store that is held.
    _held: File,
    /// Writes to the index of a store.
    busy: Option<Child>,
    module: Option<Module>,
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if let Some(busy) = &mut self.busy {
            // If it has ended already, that is as well.
            let _ = busy.kill();
            let _ = busy.wait();
        }
    }
}

impl<'p> World<'p> {
    /// Writes the sources and fills the store.
    pub(super) fn make(plan: &'p Plan) -> Result<Self> {
        let server = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let held = plan.folder.join("held");
        let failed = |error: std::io::Error| format!("{}: {error}", plan.folder.display());
        fs::create_dir_all(plan.folder.join("out")).map_err(failed)?;
        cbuild(plan, &held, &["store", "ls"])?;
        let lock = File::options().write(true).open(held.join("locks/commit")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut world = Self { plan, server, _held: lock, busy: None, module: None };
        world.write_sources().map_err(failed)?;
        world.fill()?;
        world.module = Some(Module::make(&world)?);
        world.busy = Some(world.write_to_index()?);
        Ok(world)
    }

    /// How large the work is.
    pub(super) fn size(&self) -> u32 {
        self.plan.size
    }

    /// Runs a command on the common store.
    pub(super) fn run(&self, words: &[&str]) -> Result {
        cbuild(self.plan, &self.path("root"), words)
    }

    /// Starts to write to the index of a store, and does not end.
    fn write_to_index(&self) -> Result<Child> {
        let root = self.path("busy");
        cbuild(self.plan, &root, &["store", "ls"])?;
        let mut writer = Command::new("python3");
        writer.args(["-c", WRITER]).arg(root.join("index.sqlite"));
        let mut writer = writer
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let mut said = [0];
        let out = writer.stdout.as_mut().ok_or("python3 has no output")?;
        out.read_exact(&mut said).map_err(|error| format!("the writer of the index: {error}"))?;
        Ok(writer)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.plan.folder.join(name)
    }

    fn write_sources(&self) -> std::io::Result<()> {
        let port = self.server.local_addr()?.port();
        for (folder, text) in [
            ("source", functions(self.plan.size, "x + 1")),
            ("wrong", functions(self.plan.size / 10, "x ++ 1")),
            ("slow", SLOW.to_owned()),
            ("many", MANY.replace("SIZE", &self.plan.size.to_string())),
            ("garbage", MANY.replace("SIZE", &self.plan.garbage.to_string())),
            ("fixed", steps("fixed")),
            (
                "image",
                format!(
                    "{}{IMAGE}",
                    graph::module("image", 0)
                        .replace("pub let default", "let other")
                        .replace("#{default}", "#{other}")
                ),
            ),
            ("silent", SILENT.replace("PORT", &port.to_string())),
        ] {
            self.put(folder, "main.cbuild", &text)?;
        }
        self.put("image", "large", "")?;
        self.put("tree", "small/0", "0")?;
        let length = LARGE * u64::from(self.plan.size);
        write_large(&self.path("image/large"), length)?;
        write_large(&self.path("tree/large"), length)?;
        for number in 0..self.plan.size {
            self.put("tree", &format!("small/{number}"), &number.to_string())?;
        }
        Ok(())
    }

    /// Writes a file in a folder of this run.
    pub(super) fn write(&self, folder: &str, name: &str, text: &str) -> Result {
        self.put(folder, name, text).map_err(|error| format!("{folder}/{name}: {error}"))
    }

    fn put(&self, folder: &str, name: &str, text: &str) -> std::io::Result<()> {
        let file = self.path(folder).join(name);
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        fs::write(file, text)
    }

    fn fill(&self) -> Result {
        let common = self.path("root");
        let folder = self.plan.folder.display();
        let link = format!("{folder}/out/link");
        cbuild(self.plan, &common, &["build", &format!("{folder}/image:large"), "-o", &link])?;
        for target in ["many", "fixed", "image"] {
            let kept = format!("{folder}/{target}-root");
            cbuild(self.plan, &common, &["build", &format!("{folder}/{target}"), "-o", &kept])?;
        }
        cbuild(self.plan, &self.path("garbage-root"), &["build", &format!("{folder}/garbage")])?;
        let image = format!("{folder}/image.tar");
        cbuild(self.plan, &common, &["image", "export", &format!("{folder}/image"), "-o", &image])?;
        cbuild(self.plan, &common, &["store", "export", &link, "-o", &format!("{folder}/export")])
    }

    fn root(&self, subject: &Subject) -> PathBuf {
        self.path(match subject.place {
            Place::Common => "root",
            Place::Copy | Place::Garbage => "copy",
            Place::Empty => "empty",
            Place::Held => "held",
            Place::Busy => "busy",
        })
    }

    /// Brings the place of a command into the state in which there is work for it.
    pub(super) fn prepare(&self, subject: &Subject, run: u32) -> Result {
        self.write("steps", "main.cbuild", &steps(&run.to_string()))?;
        if let Some(module) = &self.module {
            module.restore(self)?;
        }
        if subject.words.starts_with("fmt @") {
            modules::make_messy(self)?;
        }
        let root = self.root(subject);
        if matches!(subject.place, Place::Copy | Place::Garbage | Place::Empty) {
            // Files are not touched: they may be those of the common store.
            let script =
                "[ ! -d \"$0\" ] || find \"$0\" -type d -exec chmod u+w {} +; rm -rf \"$0\"";
            shell(script, &root, &root)?;
        }
        if let Some(origin) = match subject.place {
            Place::Copy => Some("root"),
            Place::Garbage => Some("garbage-root"),
            _ => None,
        } {
            // Objects are never written to, so that links to their files are enough.
            let script = "mkdir \"$1\" && cp -al \"$0/store\" \"$1/store\" && cd \"$0\" && \
                          tar -c --exclude=./store . | tar -x -C \"$1\"";
            shell(script, &self.path(origin), &root)?;
        }
        Ok(())
    }

    pub(super) fn start(&self, subject: &Subject, run: u32) -> Result<Child> {
        let folder = self.plan.folder.to_string_lossy();
        let port = self.server.local_addr().map_err(|error| error.to_string())?.port().to_string();
        let place = |word: &str| match word.contains("@/") {
            true => word.replace('@', &folder),
            false => word.replace("PORT", &port),
        };
        let words: Vec<String> = subject.words.split(' ').map(place).collect();
        let mut command = command(self.plan, &self.root(subject));
        command.args(words);
        streams(&mut command, subject);
        command.spawn().map_err(|error| format!("start {run}: {error}"))
    }

    /// The store is clean, and no process, mount or scratch folder is left.
    pub(super) fn verify(&self, subject: &Subject) -> Result {
        if matches!(subject.place, Place::Held | Place::Busy) {
            return Ok(());
        }
        let root = self.root(subject);
        let mut verify = command(self.plan, &root);
        let output =
            verify.args(["store", "verify"]).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !said.starts_with("clean:") {
            let errors = String::from_utf8_lossy(&output.stderr);
            let said: String = said.chars().chain(errors.chars()).take(2000).collect();
            return Err(format!("the store is not clean: {said}"));
        }
        leftovers::wait_until_nothing_is_left(&root)?;
        for folder in ["tmp", "locks/live"] {
            let left = names(&root.join(folder))?;
            if !left.is_empty() {
                return Err(format!("left in {folder}: {}", left.join(", ")));
            }
        }
        Ok(())
    }

    /// Nothing half-done is in the user's folders.
    pub(super) fn look_around(&self, subject: &Subject) -> Result {
        if let Some(module) = &self.module {
            module.check(self)?;
        }
        if subject.words.starts_with("fmt @") {
            modules::check_messy(&self.path("messy"))?;
        }
        let mut left = names(&self.path("out"))?;
        left.retain(|name| !RESULTS.contains(&name.as_str()));
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
    }

    /// What a process that does not end is waiting for.
    pub(super) fn describe(&self, child: &Child) -> String {
        let process = PathBuf::from(format!("/proc/{}/task", child.id()));
        let threads = names(&process).unwrap_or_default();
        let state = |thread: &String| {
            let read =
                |file| fs::read_to_string(process.join(thread).join(file)).unwrap_or_default();
            let stat = read("stat");
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            format!("{} {} in {}", read("comm").trim(), state.unwrap_or('?'), read("wchan"))
        };
        threads.iter().map(state).collect::<Vec<_>>().join(", ")
    }
}

/// The names in a folder; none where it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| format!("{}: {error}", folder.display()))?,
    };
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn command(plan: &Plan, root: &Path) -> Command {
    // A shell starts what is in its background with signals ignored, and so does `nohup`.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(&plan.program);
    command.arg("--quiet").arg("--root").arg(root).arg("--cache").arg(plan.folder.join("cache"));
    // The table of mirrors is the user's own.
    command.env("XDG_CONFIG_HOME", plan.folder.join("config"));
    command
}

fn cbuild(plan: &Plan, root: &Path, words: &[&str]) -> Result {
    let mut command = command(plan, root);
    let output = command.args(words).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}: {errors}", output.status))
}

fn shell(script: &str, first: &Path, second: &Path) -> Result {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(first).arg(second);
    let status = shell.status().map_err(|error| format!("sh: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shell:?} ended with {status}")) }
}

/// A file that no file system and no compression makes small.
fn write_large(file: &Path, length: u64) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = std::io::BufWriter::new(File::create(file)?);
    for _ in 0..length / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    out.flush()
}

/// A source of so many functions.
fn functions(count: u32, result: &str) -> String {
    let mut text =
        "//! Generated: many functions.\n\n/// The first.\npub fn f0(x: Int) -> Int = x\n"
            .to_owned();
    for number in 1..count {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n/// Number {number}.\npub fn f{number}(x: Int) -> Int = if x == 0 then f{}(x) else {result}\n",
            number - 1
        );
    }
    text
}

/// Steps that run programs; the salt makes all of them new.
fn steps(salt: &str) -> String {
    format!("{}\n{STEPS}", graph::module(salt, 0)).replace("SALT", salt)
}

const STEPS: &str = r##"
pub let sleeps: Package = step("sleeps", sh"echo SALT; #{busybox}/bin/busybox sleep 1000")

pub let fails: Package = step("fails", sh"echo SALT; #{busybox}/bin/busybox sleep 1; exit 1")

pub let large: Package = step(
  "large",
  sh"#{busybox}/bin/busybox dd if=/dev/zero of=$out bs=1048576 count=400; echo SALT >> $out",
)

pub let sparse: Package = step("sparse", sh"#{busybox}/bin/busybox truncate -s 30G $out; echo SALT >> $out")
"##;

const SLOW: &str = r##"//! Generated: values that take long.

import std

fn spin(n: Int) -> Int = if n == 0 then 0 else spin(n - 1)

pub let default: Int = spin(4000000000)

/// More than a pipe holds.
pub let printed: List<Int> = std.list.range(0, 1000000)

test "slow" {
  spin(4000000000) == 0
}
"##;

const MANY: &str = r##"//! Generated: many small objects.

import std

pub let one: Package = std.tree.text_file("one", sh"one")

pub let default: Package = std.tree.assemble {
  name = "many",
  layers = std.list.map(
    std.list.range(0, SIZE),
    (n) => { tree = std.tree.text_file("file-#{n}", sh"#{n} #{one}"), into = "file-#{n}" },
  ),
}
"##;

const IMAGE: &str = r##"
pub let large: Package = std.fetch.local(./large, "large")

pub let default: Image<{}, {}, {}> = std.oci.image {
  name = "large",
  tag = "1",
  cmd = [sh"#{busybox}/bin/busybox", sh"cat", sh"#{large}"],
}
"##;

const WRITER: &str = "import sqlite3, sys
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute('begin immediate')
print('.', end='', flush=True)
sys.stdin.read()";

const SILENT: &str = r##"//! Generated: a file of a server that never answers.

import std

pub let default: Package = std.fetch.url(
  "http://127.0.0.1:PORT/file",
  sha256-3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744,
)
"##;
