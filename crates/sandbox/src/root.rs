//! What the sandbox's file tree holds.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::error::{At, SetupFailure, Step};
use crate::mounts::{Access, Fresh, NewRoot, Source};
use crate::spec::{Bind, OWN_NAMES, SandboxSpec, Tmp};

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

/// What [`SandboxSpec::cpu_info`] takes the place of.
pub(crate) const CPU_INFO: &str = "/proc/cpuinfo";

/// Files of `/proc` that are empty in a sandbox: what identifies the machine or lists its parts and
/// other people's work, and what no build has a use for. Some can be read by builders that root started
/// only, and some kernels lack some of them.
const MASKED: [&str; 13] = [
    "/proc/cmdline",
    "/proc/diskstats",
    "/proc/key-users",
    "/proc/keys",
    "/proc/locks",
    "/proc/modules",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/slabinfo",
    "/proc/swaps",
    "/proc/sys/kernel/random/boot_id",
    "/proc/timer_list",
    "/proc/vmallocinfo",
];

/// What masks a file: reading it gives nothing.
const MASK: &str = "/dev/null";

/// Folders that every sandbox has.
pub(crate) const FOLDERS: [&str; 3] = ["/build", "/cbuild/store", "/tmp"];

/// Builds the whole tree of `spec` and makes it the root of this process, which has mounts of its own.
pub(crate) fn build(spec: &SandboxSpec) -> Result<(), SetupFailure> {
    let root = NewRoot::mount()?;
    for (source, target) in top_level(spec)? {
        root.bind(&source, &target, Access::ReadOnly)?;
    }
    for folder in FOLDERS {
        root.folder(Path::new(folder))?;
    }
    root.mount_fresh(&proc()?)?;
    masks()?.into_iter().try_for_each(|(mask, target)| root.place_over(mask, target))?;
    if let Some(file) = &spec.cpu_info {
        root.bind(file, Path::new(CPU_INFO), Access::ReadOnly)?;
    }
    make_dev(&root)?;
    root.mount_fresh(&terminals()?)?;
    root.mount_fresh(&shared_memory(spec.limits.memory)?)?;
    match &spec.tmp {
        Tmp::Private { size } => root.mount_fresh(&private_tmp(*size)?)?,
        Tmp::Host(source) => root.bind(source, Path::new("/tmp"), Access::Writable)?,
    }
    for bind in in_order(spec) {
        root.bind(&bind.source, &bind.target, access(bind))?;
    }
    if !has_etc(spec) {
        make_etc(&root, spec.uid, spec.gid)?;
    }
    root.enter()?;
    root.seal()
}

/// The binds, a folder before what is bound into it.
pub(crate) fn in_order(spec: &SandboxSpec) -> Vec<&Bind> {
    let mut binds: Vec<_> = spec.binds.iter().collect();
    binds.sort_by(|a, b| a.target.cmp(&b.target));
    binds
}

pub(crate) fn access(bind: &Bind) -> Access {
    if bind.writable { Access::Writable } else { Access::ReadOnly }
}

/// Whether the given root or a bind has an `/etc` of its own.
pub(crate) fn has_etc(spec: &SandboxSpec) -> bool {
    let given = spec.root.as_ref().is_some_and(|tree| tree.join("etc").symlink_metadata().is_ok());
    given || spec.binds.iter().any(|bind| bind.target == Path::new("/etc"))
}

/// Every top-level entry of the given root and where it appears, except what the sandbox or a bind
/// provides.
#[expect(clippy::disallowed_methods, reason = "the names are sorted")]
pub(crate) fn top_level(spec: &SandboxSpec) -> Result<Vec<(PathBuf, PathBuf)>, SetupFailure> {
    let Some(tree) = &spec.root else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in fs::read_dir(tree).at(Step::RootTree, tree)? {
        names.push(entry.at(Step::RootTree, tree)?.file_name());
        if names.len() > MAX_TOP_ENTRIES {
            return Err(Errno::TOOBIG).at(Step::RootTree, tree);
        }
    }
    names.sort();
    let shown = names.into_iter().filter_map(|name| {
        let target = Path::new("/").join(&name);
        let own = OWN_NAMES.iter().any(|own| name == OsStr::new(own));
        let bound = spec.binds.iter().any(|bind| bind.target == target);
        (!own && !bound).then(|| (tree.join(&name), target))
    });
    Ok(shown.collect())
}

/// A new `/proc` that shows the processes of the sandbox only. It is read-only as a whole: to the
/// kernel a builder started by root is still root, and could change settings of the machine.
pub(crate) fn proc() -> Result<Fresh, SetupFailure> {
    let flags = MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    Fresh::make("proc", &[("ro", "")], flags, "/proc", Step::Proc)
}

/// What is put over files of `/proc`, opened, and over which.
pub(crate) fn masks() -> Result<Vec<(Source, &'static Path)>, SetupFailure> {
    let open = |target| Ok((Source::open(Path::new(MASK), Access::Device)?, Path::new(target)));
    MASKED.into_iter().map(open).collect()
}

/// Terminals of the sandbox's own.
pub(crate) fn terminals() -> Result<Fresh, SetupFailure> {
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    Fresh::make("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOEXEC, "/dev/pts", Step::Dev)
}

/// `/dev/shm`, of at most half of the machine's memory, or of as much as the builder may have.
pub(crate) fn shared_memory(most: Option<u64>) -> Result<Fresh, SetupFailure> {
    let size = most.map_or_else(|| "50%".to_owned(), |bytes| bytes.max(1).to_string());
    let options = [("mode", "1777"), ("size", size.as_str())];
    Fresh::make("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOEXEC, "/dev/shm", Step::Dev)
}

/// An empty `/tmp` in memory of so many bytes.
pub(crate) fn private_tmp(size: u64) -> Result<Fresh, SetupFailure> {
    let options = [("mode", "1777"), ("size", &size.to_string())];
    Fresh::make("tmpfs", &options, MountAttrFlags::empty(), "/tmp", Step::Tmp)
}

/// What `/dev` has besides the file systems in it.
pub(crate) fn make_dev(root: &NewRoot) -> Result<(), SetupFailure> {
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        root.bind(&path, &path, Access::Device)?;
    }
    for (link, text) in DEVICE_LINKS {
        root.symlink(Path::new(link), OsStr::new(text))?;
    }
    Ok(())
}

/// The names that many programs insist on.
pub(crate) fn make_etc(root: &NewRoot, uid: u32, gid: u32) -> Result<(), SetupFailure> {
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
