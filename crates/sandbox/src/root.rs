//! What the sandbox's file tree holds.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::error::{At, SetupFailure, Step};
use crate::mounts::{Access, NewRoot};
use crate::spec::{OWN_NAMES, SandboxSpec, Tmp};

/// The host's devices that a builder may use: none keeps state, none is special to a machine.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Most entries of `root` that are looked at, so that a wrong folder does not take for ever.
const MAX_TOP_ENTRIES: usize = 4096;

/// Builds the whole tree of `spec` and makes it the root of this process.
pub(crate) fn build(spec: &SandboxSpec) -> Result<(), SetupFailure> {
    let root = NewRoot::mount()?;
    if let Some(tree) = &spec.root {
        copy_top_level(&root, tree, spec)?;
    }
    for folder in ["/build", "/cbuild/store", "/tmp"] {
        root.folder(Path::new(folder))?;
    }
    make_proc(&root)?;
    if let Some(file) = &spec.cpu_info {
        root.bind(file, Path::new("/proc/cpuinfo"), Access::ReadOnly)?;
    }
    make_dev(&root)?;
    make_tmp(&root, &spec.tmp)?;
    let mut binds: Vec<_> = spec.binds.iter().collect();
    // A folder before what is bound into it.
    binds.sort_by(|a, b| a.target.cmp(&b.target));
    for bind in binds {
        let access = if bind.writable { Access::Writable } else { Access::ReadOnly };
        root.bind(&bind.source, &bind.target, access)?;
    }
    make_etc(&root, spec)?;
    root.enter()?;
    root.seal()
}

/// Shows every top-level entry of `tree`, except what the sandbox or a bind provides.
#[expect(clippy::disallowed_methods, reason = "the names are sorted")]
fn copy_top_level(root: &NewRoot, tree: &Path, spec: &SandboxSpec) -> Result<(), SetupFailure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(tree).at(Step::RootTree, tree)? {
        names.push(entry.at(Step::RootTree, tree)?.file_name());
        if names.len() > MAX_TOP_ENTRIES {
            return Err(Errno::TOOBIG).at(Step::RootTree, tree);
        }
    }
    names.sort();
    for name in names {
        let target = Path::new("/").join(&name);
        let own = OWN_NAMES.iter().any(|own| name == OsStr::new(own));
        let bound = spec.binds.iter().any(|bind| bind.target == target);
        if !own && !bound {
            root.bind(&tree.join(&name), &target, Access::ReadOnly)?;
        }
    }
    Ok(())
}

/// A new `/proc` that shows the processes of the sandbox only. It is read-only as a whole: to the
/// kernel a builder started by root is still root, and could change settings of the machine.
fn make_proc(root: &NewRoot) -> Result<(), SetupFailure> {
    let flags = MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    root.new_mount("proc", &[("ro", "")], flags, Path::new("/proc"), Step::Proc)
}

fn make_dev(root: &NewRoot) -> Result<(), SetupFailure> {
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        root.bind(&path, &path, Access::Device)?;
    }
    for (link, text) in DEVICE_LINKS {
        root.symlink(Path::new(link), OsStr::new(text))?;
    }
    let quiet = MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    root.new_mount("devpts", &terminals, quiet, Path::new("/dev/pts"), Step::Dev)?;
    let shared = [("mode", "1777"), ("size", "50%")];
    root.new_mount("tmpfs", &shared, quiet, Path::new("/dev/shm"), Step::Dev)
}

fn make_tmp(root: &NewRoot, tmp: &Tmp) -> Result<(), SetupFailure> {
    let target = Path::new("/tmp");
    match tmp {
        Tmp::Private { size } => {
            let options = [("mode", "1777"), ("size", &size.to_string())];
            root.new_mount("tmpfs", &options, MountAttrFlags::empty(), target, Step::Tmp)
        }
        Tmp::Host(source) => root.bind(source, target, Access::Writable),
    }
}

/// The names that many programs insist on, unless the given root or a bind has its own `/etc`.
fn make_etc(root: &NewRoot, spec: &SandboxSpec) -> Result<(), SetupFailure> {
    let bound = spec.binds.iter().any(|bind| bind.target == Path::new("/etc"));
    let given = spec.root.as_ref().is_some_and(|tree| tree.join("etc").symlink_metadata().is_ok());
    if bound || given {
        return Ok(());
    }
    let (uid, gid) = (spec.uid, spec.gid);
    let own = |name: &str, id: u32, rest: &str| match id {
        0 | 65534 => String::new(),
        _ => format!("{name}:x:{id}:{rest}\n"),
    };
    let user = own("builder", uid, &format!("{gid}:builder:/build:/bin/sh"));
    let group = own("builder", gid, "");
    let passwd =
        format!("root:x:0:0:root:/build:/bin/sh\n{user}nobody:x:65534:65534:nobody:/:/bin/false\n");
    let groups = format!("root:x:0:\n{group}nogroup:x:65534:\n");
    let hosts = "127.0.0.1 localhost\n::1 localhost\n";
    for (path, content) in [("passwd", &passwd), ("group", &groups), ("hosts", &hosts.to_owned())] {
        root.file(&Path::new("/etc").join(path), content.as_bytes())?;
    }
    Ok(())
}
