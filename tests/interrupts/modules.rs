//! A module with requirements, for the commands that change it, and sources that are not formatted.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Result;
use super::world::{World, names};

/// What stands in the module's folder; all but the first three are of `mod vendor`.
const FILES: [&str; 4] = ["cbuild.mod", "cbuild.lock", "main.cbuild", "vendor"];

/// A file as nobody would leave it, and as `fmt` does.
const MESSY: &str = "pub   let  a:Int=1\n";
const NEAT: &str = "pub let a: Int = 1\n";

/// The module as it is before each command.
pub(super) struct Module {
    manifest: String,
    lock: String,
}

impl Module {
    /// Makes the archives of two libraries, and a module that requires one of them.
    pub(super) fn make(world: &World<'_>) -> Result<Self> {
        let folder = world.path("module");
        for (name, version) in [("lib", "1.0.0"), ("lib", "1.1.0"), ("other", "1.0.0")] {
            library(world, name, version)?;
        }
        let source = world.path("lib-1.0.0.tar");
        let manifest = format!(
            "module = \"example.org/app/v1\"\n\n[require]\n\"example.org/lib/v1\" = {{ version = \"1.0.0\", source = \"file://{}\" }}\n",
            source.display()
        );
        world.write("module", "cbuild.mod", &manifest)?;
        world.write("module", "main.cbuild", "import ext.lib\n\npub let a: Int = lib.a\n")?;
        world.run(&["lock", &folder.to_string_lossy()])?;
        let lock = folder.join("cbuild.lock");
        let lock = fs::read_to_string(&lock).map_err(|error| format!("cbuild.lock: {error}"))?;
        Ok(Self { manifest, lock })
    }

    /// Takes back what a command has done.
    pub(super) fn restore(&self, world: &World<'_>) -> Result {
        let vendor = world.path("module/vendor");
        if vendor.exists() {
            fs::remove_dir_all(&vendor).map_err(|error| format!("vendor: {error}"))?;
        }
        world.write("module", "cbuild.mod", &self.manifest)?;
        world.write("module", "cbuild.lock", &self.lock)
    }

    /// Both files are of one time, and nothing else is there.
    pub(super) fn check(&self, world: &World<'_>) -> Result {
        let folder = world.path("module");
        let read = |name: &str| {
            fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))
        };
        let (manifest, lock) = (read("cbuild.mod")?, read("cbuild.lock")?);
        if (manifest == self.manifest) != (lock == self.lock) {
            return Err(format!(
                "of cbuild.mod and cbuild.lock one is changed:\n{manifest}\n{lock}"
            ));
        }
        let mut left = names(&folder)?;
        left.retain(|name| !FILES.contains(&name.as_str()));
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
    }
}

/// An archive of a library with many files.
fn library(world: &World<'_>, name: &str, version: &str) -> Result {
    let manifest = format!("module = \"example.org/{name}/v1\"\n");
    let folder = format!("{name}-{version}");
    world.write(&folder, "cbuild.mod", &manifest)?;
    world.write(&folder, "main.cbuild", "pub let a: Int = 1\n")?;
    for number in 0..world.size() {
        world.write(&folder, &format!("data/{number}"), &format!("{version} {number}"))?;
    }
    let mut tar = Command::new("tar");
    let folder = world.path(&folder);
    tar.arg("-cf").arg(folder.with_added_extension("tar")).arg("-C").arg(&folder).arg(".");
    let status = tar.status().map_err(|error| format!("tar: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{tar:?} ended with {status}")) }
}

/// Makes the sources that `fmt` has to write.
pub(super) fn make_messy(world: &World<'_>) -> Result {
    (0..world.size()).try_for_each(|number| world.write("messy", &file(number), MESSY))
}

/// Each of them is as it was, or as it should be.
pub(super) fn check_messy(folder: &Path) -> Result {
    for name in names(folder)? {
        let text = fs::read_to_string(folder.join(&name)).map_err(|error| error.to_string())?;
        if !name.ends_with(".cbuild") || ![MESSY, NEAT].contains(&text.as_str()) {
            return Err(format!("`{name}` is neither as it was nor formatted: {text}"));
        }
    }
    Ok(())
}

fn file(number: u32) -> String {
    format!("f{number}.cbuild")
}
