//! What is made different in a second sandbox, to see whether a result depends on it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cbuild_drv::{Action, Derivation, StorePath};

use crate::error::StepError;
use crate::exec::Prepared;

/// Where a builder works unless something else is said.
const BUILD_FOLDER: &str = "/build";

/// What the processor of [`plain_processor`] is called.
pub const PLAIN_PROCESSOR: &str = "plain varied processor";

/// Flags in `/proc/cpuinfo` that each processor of an architecture has, as Linux calls them.
const PLAIN_FLAGS: [&str; 27] = [
    "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "sep", "mtrr", "pge",
    "mca", "cmov", "pat", "pse36", "clflush", "mmx", "fxsr", "sse", "sse2", "syscall", "nx", "lm",
    "fp", "asimd",
];

/// What is different in a sandbox that should give the same result. The real time always is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variation {
    /// Host name.
    pub host_name: String,
    /// User and group id.
    pub user: u32,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// Number of processors in `CBUILD_CORES`.
    pub cores: NonZeroUsize,
    /// Whether the builder may run on one processor only, which is what `nproc` counts.
    pub one_processor: bool,
    /// What `/proc/cpuinfo` says.
    pub cpu_info: String,
    /// The build folder, below `/build`. Texts of the derivation that name `/build` name this instead.
    pub build_folder: PathBuf,
    /// Whether the files of the build folder are created in descending order of their paths.
    pub reversed: bool,
    /// Whether the inputs come from another folder of the host, which `/proc/self/mountinfo` names.
    pub inputs_moved: bool,
}

/// The text of `/proc/cpuinfo` for one processor with another name and with nothing but what each of
/// its architecture has. Lines about other things stay.
pub fn plain_processor(cpu_info: &str) -> String {
    let first = cpu_info.split("\n\n").next().unwrap_or_default();
    let mut text = String::new();
    for line in first.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = match key.trim() {
            "flags" | "Features" => {
                let plain = |flag: &&str| PLAIN_FLAGS.contains(flag);
                value.split_ascii_whitespace().filter(plain).collect::<Vec<_>>().join(" ")
            }
            "model name" | "Model" => PLAIN_PROCESSOR.to_owned(),
            "siblings" | "cpu cores" => "1".to_owned(),
            _ => value.trim().to_owned(),
        };
        text.push_str(&format!("{key}: {value}\n"));
    }
    text
}

/// Changes a sandbox; the folder only where that is wanted.
pub(crate) fn apply(
    vary: &Variation,
    moved: bool,
    prepared: &mut Prepared,
    derivation: &Derivation<StorePath>,
) -> Result<(), StepError> {
    let spec = &mut prepared.spec;
    spec.host_name.clone_from(&vary.host_name);
    (spec.uid, spec.gid, spec.umask) = (vary.user, vary.user, vary.umask);
    spec.one_processor = vary.one_processor;
    let cpu_info = prepared.log.with_extension("cpuinfo");
    fs::write(&cpu_info, &vary.cpu_info).map_err(StepError::io("write", &cpu_info))?;
    spec.cpu_info = Some(cpu_info);
    if vary.inputs_moved {
        move_inputs(prepared)?;
    }
    let Action::Exec(exec) = &derivation.action else { return Ok(()) };
    let files: Vec<PathBuf> = exec.files.keys().map(|path| prepared.build.join(path)).collect();
    if moved {
        move_folder(&vary.build_folder, prepared, &files)?;
    }
    if vary.reversed {
        // A file that is made anew stands behind those that are there, or in front of them.
        for place in files.iter().rev() {
            let aside = prepared.log.with_extension("aside");
            let made_anew = fs::rename(place, &aside).and_then(|()| {
                fs::copy(&aside, place)?;
                fs::remove_file(&aside)
            });
            made_anew.map_err(StepError::io("write", place))?;
        }
    }
    Ok(())
}

/// Lets the inputs come from a folder beside the log: the same files under other names.
fn move_inputs(prepared: &mut Prepared) -> Result<(), StepError> {
    let folder = prepared.log.with_extension("inputs");
    fs::create_dir(&folder).map_err(StepError::io("create the folder", &folder))?;
    for bind in prepared.spec.binds.iter_mut().filter(|bind| !bind.writable) {
        let Some(name) = bind.source.file_name() else { continue };
        let other = folder.join(name);
        link_tree(&bind.source, &other)?;
        if prepared.spec.root.as_ref() == Some(&bind.source) {
            prepared.spec.root = Some(other.clone());
        }
        bind.source = other;
    }
    Ok(())
}

/// Gives all files of a tree a second name. What cannot have one, such as a file with as many names as the
/// file system takes, is copied.
fn link_tree(from: &Path, to: &Path) -> Result<(), StepError> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let io = |error: walkdir::Error| StepError::io("read", from)(error.into());
        let entry = entry.map_err(io)?;
        let below = entry.path().strip_prefix(from).unwrap_or(Path::new(""));
        let place = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
        let kind = entry.file_type();
        let made = if kind.is_dir() {
            fs::create_dir(&place)
        } else if kind.is_symlink() {
            fs::read_link(entry.path()).and_then(|text| std::os::unix::fs::symlink(text, &place))
        } else {
            fs::hard_link(entry.path(), &place)
                .or_else(|_| fs::copy(entry.path(), &place).map(|_| ()))
        };
        made.map_err(StepError::io("write", &place))?;
    }
    Ok(())
}

/// Lets the builder work in another folder. What the derivation says about `/build` is what it says
/// about its folder, and so its texts name the other one.
fn move_folder(to: &Path, prepared: &mut Prepared, files: &[PathBuf]) -> Result<(), StepError> {
    let spec = &mut prepared.spec;
    for bind in spec.binds.iter_mut().filter(|bind| bind.target == Path::new(BUILD_FOLDER)) {
        to.clone_into(&mut bind.target);
    }
    to.clone_into(&mut spec.cwd);
    let folder = to.to_string_lossy();
    let moved = |text: &OsStr| OsString::from(relocated(&text.to_string_lossy(), &folder));
    spec.program = moved(spec.program.as_os_str()).into();
    spec.args.iter_mut().for_each(|arg| *arg = moved(arg));
    spec.env.iter_mut().for_each(|(_, value)| *value = moved(value));
    for place in files {
        let text = fs::read_to_string(place).map_err(StepError::io("read", place))?;
        let other = relocated(&text, &folder);
        if other != text {
            fs::write(place, other).map_err(StepError::io("write", place))?;
        }
    }
    Ok(())
}

/// A text with another folder in place of `/build`, where that is a path of its own and not the end of
/// a longer one, such as in `$source/build`.
fn relocated(text: &str, folder: &str) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (at, found) in text.match_indices(BUILD_FOLDER) {
        let (before, after) = (&text[..at], &text[at + found.len()..]);
        let longer = after.starts_with(|c: char| c.is_alphanumeric() || "_-.+@%~{".contains(c));
        if !longer && starts_a_path(before) {
            out.push_str(&text[done..at]);
            out.push_str(folder);
            done = at + found.len();
        }
    }
    out.push_str(&text[done..]);
    out
}

/// Whether a slash that comes next is the first one of a path.
fn starts_a_path(before: &str) -> bool {
    let between = |c: char| c.is_whitespace() || "=:,;(<>|&!".contains(c);
    // A quote that closes stands behind what is quoted.
    let before = before.strip_suffix(['"', '\'']).unwrap_or(before);
    let word = before.rsplit(between).next().unwrap_or(before);
    // An option with one letter and its value, such as `-I/build/include`.
    let option = word
        .strip_prefix('-')
        .is_some_and(|rest| rest.len() == 1 && rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    word.is_empty() || option
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_build_folder_is_another_one() {
        for (text, expected) in [
            ("/build", "/b/x"),
            ("cd /build/source && pwd", "cd /b/x/source && pwd"),
            ("a=/build:/build/c", "a=/b/x:/b/x/c"),
            ("cp x \"/build/y\" '/build'", "cp x \"/b/x/y\" '/b/x'"),
            ("cc -I/build/include -o/build/a", "cc -I/b/x/include -o/b/x/a"),
            ("-ffile-prefix-map=/build=.", "-ffile-prefix-map=/b/x=."),
            (
                "$source/build ${s}/build \"$s\"/build ../build",
                "$source/build ${s}/build \"$s\"/build ../build",
            ),
            (
                "/builder /build-dir /build.sh /usr/build",
                "/builder /build-dir /build.sh /usr/build",
            ),
            ("/cbuild/store/x/build", "/cbuild/store/x/build"),
            ("", ""),
        ] {
            assert_eq!(relocated(text, "/b/x"), expected);
        }
    }

    #[test]
    fn a_plain_processor_has_what_all_have() {
        let two = "processor\t: 0\nmodel name\t: Big 9\ncpu cores\t: 2\nflags\t\t: fpu sse2 avx2 lm\nbugs\t\t:\n\n\
            processor\t: 1\nmodel name\t: Big 9\n\n";
        let expected = "processor\t: 0\nmodel name\t: plain varied processor\ncpu cores\t: 1\n\
            flags\t\t: fpu sse2 lm\nbugs\t\t: \n";
        assert_eq!(plain_processor(two), expected);
        assert_eq!(plain_processor(""), "");
    }
}
