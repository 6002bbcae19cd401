//! Whether the image can start at all: its program is looked up as the image will see it.

use std::path::Path;

use cbuild_drv::STORE_DIR;
use cbuild_drv::image::FieldError;

use crate::contents::Contents;
use crate::elf::{Elf, Machine};
use crate::env_words::{Wanted, wanted};
use crate::error::OciError;
use crate::lookup::{executable, resolve};
use crate::platform::Platform;
use crate::program::{Program, Script};

/// Scripts of which each is the interpreter of the one before, which the Linux kernel follows.
const MAX_SCRIPTS: usize = 5;

/// Programs that start each other by way of `env`.
const MAX_STARTS: usize = 8;

const FIX_COMMAND: &str = "the first word of `cmd` must be the absolute path of an executable file in the closure, for example sh\"#{redis}/bin/redis-server\"";
const FIX_INTERPRETER: &str = "let the first line name a program of the image: write `#!` and the path of a package's program into the script (`#{shell}/bin/sh`), or give that program as the first word of `cmd` and the script as the second";
const FIX_LOADER: &str = "link the program with the loader and the libraries of a package of the image, or statically; or give the path of a loader in the image as the first word of `cmd`, and the program as the second";
const FIX_SEARCH: &str = "give `vars` a PATH with the folder of that program in a package of the image, or name the program by its whole path";

/// Refuses a command that cannot start or is for another platform, and a working directory that is not
/// there.
pub(crate) fn check(contents: &Contents, platform: &Platform) -> Result<(), OciError> {
    let words = &contents.document.cmd;
    let Some((program, arguments)) = words.split_first() else {
        let reason = "is empty: the image has no command".to_owned();
        return Err(OciError::EntryPoint { program: String::new(), reason, fix: FIX_COMMAND });
    };
    let start = Start { contents, platform };
    match start.command(program.as_bytes(), arguments, 0) {
        Ok(()) => {}
        Err(Stop::Other(error)) => return Err(error),
        Err(Stop::Refused { reason, fix, .. }) => {
            return Err(OciError::EntryPoint { program: program.clone(), reason, fix });
        }
    }
    // Words that follow may be programs too, which the first one starts, or only reads.
    for (at, word) in words.iter().enumerate().skip(1) {
        if let Err(Stop::Other(error)) = start.command(word.as_bytes(), &words[at + 1..], 0) {
            return Err(error);
        }
    }
    check_workdir(contents)
}

fn check_workdir(contents: &Contents) -> Result<(), OciError> {
    let workdir = &contents.document.workdir;
    let in_store = workdir.starts_with("/cbuild/") && workdir != STORE_DIR;
    if in_store && !resolve(contents, workdir.as_bytes()).is_ok_and(|(_, meta)| meta.is_dir()) {
        let reason = "there is no such folder in the image's closure";
        let fix = "name a folder of a package of the image, or one outside /cbuild";
        return Err(FieldError::new("workdir", workdir, reason, fix).into());
    }
    Ok(())
}

/// Why something does not start.
enum Stop {
    /// The kernel, or `env`, would say so.
    Refused {
        reason: String,
        fix: &'static str,
        /// Whether the reason tells of all that led here.
        is_whole: bool,
    },
    /// It is for another platform, or cannot be read here.
    Other(OciError),
}

impl Stop {
    fn refused(reason: impl Into<String>, fix: &'static str) -> Self {
        Self::Refused { reason: reason.into(), fix, is_whole: false }
    }

    /// A circle: which of its members is told of first says nothing.
    fn circle(reason: String, fix: &'static str) -> Self {
        Self::Refused { reason, fix, is_whole: true }
    }

    /// Tells what led here as well.
    fn by(self, how: &str, path: &[u8]) -> Self {
        match self {
            Self::Refused { reason, fix, is_whole: false } => {
                let reason = format!("{how} `{}`, which {reason}", shown(path));
                Self::Refused { reason, fix, is_whole: false }
            }
            other => other,
        }
    }
}

fn shown(path: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(path)
}

struct Start<'i> {
    contents: &'i Contents,
    platform: &'i Platform,
}

impl Start<'_> {
    /// Follows a command to what the kernel loads for it in the end. `starts` counts the programs that
    /// `env` has started before.
    fn command(&self, path: &[u8], arguments: &[String], starts: usize) -> Result<(), Stop> {
        let (mut at, mut arguments) = (path.to_vec(), arguments.to_vec());
        let mut passed: Vec<Vec<u8>> = Vec::new();
        let told = |stop: Stop, passed: &[Vec<u8>]| {
            passed.iter().rev().fold(stop, |stop, path| stop.by("needs the interpreter", path))
        };
        let elf = loop {
            let fix = if passed.is_empty() { FIX_COMMAND } else { FIX_INTERPRETER };
            match self.program(&at, fix).map_err(|stop| told(stop, &passed))? {
                Program::Elf(elf) => break elf,
                Program::Script(Script { interpreter, argument }) => {
                    if passed.len() == MAX_SCRIPTS {
                        let reason = format!(
                            "leads through more than {MAX_SCRIPTS} scripts whose interpreters are scripts, and the kernel follows no more"
                        );
                        return Err(Stop::circle(reason, FIX_INTERPRETER));
                    }
                    arguments.insert(0, shown(&at).into_owned());
                    arguments.splice(0..0, argument.map(|argument| shown(&argument).into_owned()));
                    passed.push(interpreter.clone());
                    at = interpreter;
                }
            }
        };
        self.loads(&at, &elf)
            .and_then(|()| self.searches(&at, &arguments, starts))
            .map_err(|stop| told(stop, &passed))
    }

    fn program(&self, path: &[u8], fix: &'static str) -> Result<Program, Stop> {
        let physical =
            executable(self.contents, path).map_err(|reason| Stop::refused(reason, fix))?;
        read(&physical)?.map_err(|reason| Stop::refused(reason, fix))
    }

    /// Checks a program's platform and its loader.
    fn loads(&self, path: &[u8], elf: &Elf) -> Result<(), Stop> {
        self.is_of_platform(path, elf.machine())?;
        let Some(loader) = elf.loader() else { return Ok(()) };
        let found = self.program(loader, FIX_LOADER).and_then(|program| match program {
            Program::Elf(elf) => self.is_of_platform(loader, elf.machine()),
            Program::Script(_) => Err(Stop::refused("is a script", FIX_LOADER)),
        });
        found.map_err(|stop| stop.by("needs the loader", loader))
    }

    fn is_of_platform(&self, path: &[u8], machine: Machine) -> Result<(), Stop> {
        let Some(found) = self.platform.other(machine) else { return Ok(()) };
        let (file, wanted) = (shown(path).into_owned(), self.contents.document.system.clone());
        Err(Stop::Other(OciError::Architecture { file, found, wanted }))
    }

    /// Looks for the program that `env` is told to start.
    fn searches(&self, env: &[u8], arguments: &[String], starts: usize) -> Result<(), Stop> {
        let document = &self.contents.document;
        let is_given = document.contract.env.values().any(|given| given.variable == "PATH");
        if Path::new(&*shown(env)).file_name().is_none_or(|name| name != "env") || is_given {
            return Ok(());
        }
        let path = document.env.get("PATH").map(String::as_str);
        let Wanted::Program { name, path, arguments } = wanted(arguments, path) else {
            return Ok(());
        };
        if starts == MAX_STARTS {
            let reason = "comes back to itself by way of `env`, and so never starts".to_owned();
            return Err(Stop::circle(reason, FIX_SEARCH));
        }
        match self.found(&name, path.as_deref())? {
            Some(program) => self
                .command(program.as_bytes(), &arguments, starts + 1)
                .map_err(|stop| stop.by("starts", program.as_bytes())),
            None => Ok(()),
        }
    }

    /// The file that a name leads to in a search path; `None` where that depends on what is mounted, or
    /// on the working directory.
    fn found(&self, name: &str, path: Option<&str>) -> Result<Option<String>, Stop> {
        if name.contains('/') {
            return Ok(name.starts_with('/').then(|| name.to_owned()));
        }
        let Some(path) = path else {
            let reason = format!("is told to find `{name}`, and the image has no PATH");
            return Err(Stop::refused(reason, FIX_SEARCH));
        };
        for folder in path.split(':') {
            if !folder.starts_with('/') || self.is_mounted(folder) {
                return Ok(None);
            }
            let file = format!("{folder}/{name}");
            if executable(self.contents, file.as_bytes()).is_ok() {
                return Ok(Some(file));
            }
        }
        let reason = format!("finds no `{name}` in the image's PATH, `{path}`");
        Err(Stop::refused(reason, FIX_SEARCH))
    }

    fn is_mounted(&self, folder: &str) -> bool {
        let mut volumes = self.contents.document.contract.volumes.values();
        volumes.any(|volume| Path::new(folder).starts_with(volume))
    }
}

fn read(physical: &Path) -> Result<Result<Program, &'static str>, Stop> {
    Program::read(physical).map_err(OciError::reading(physical)).map_err(Stop::Other)
}
