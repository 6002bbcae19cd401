//! Mounting below a root that is not yet the process's own.
//!
//! All targets are resolved against a descriptor of the new root, as if it were `/` already.
//! A symlink in the given root tree can therefore never lead a mount to the host's files.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
};

use crate::error::{At, SetupFailure, Step};
use crate::sys;

/// The mode of folders that are made.
const FOLDER: Mode = Mode::from_raw_mode(0o755);

/// What a bind lets through, besides "no setuid and no devices".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    Writable,
    /// A device node of the host. Reading and writing a device is not writing to its mount.
    Device,
}

impl Access {
    fn flags(self) -> MountAttrFlags {
        let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID;
        match self {
            Access::ReadOnly => {
                quiet | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY
            }
            Access::Writable => quiet | MountAttrFlags::MOUNT_ATTR_NODEV,
            Access::Device => {
                quiet | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY
            }
        }
    }
}

/// A new file system that has no place yet.
pub(crate) struct Fresh {
    tree: OwnedFd,
    target: &'static str,
    step: Step,
}

impl Fresh {
    /// Makes a file system for `target`; `step` is what failures are told of.
    pub(crate) fn make(
        kind: &str,
        options: &[(&str, &str)],
        flags: MountAttrFlags,
        target: &'static str,
        step: Step,
    ) -> Result<Self, SetupFailure> {
        let tree = new_file_system(kind, options, flags).at(step, target)?;
        Ok(Fresh { tree, target, step })
    }
}

/// Something of the host that is to appear in a root, opened where the host's paths have their meaning.
pub(crate) enum Source {
    /// A symlink, which is recreated and not followed: its text.
    Link(OsString),
    /// Anything else.
    Tree(Tree),
}

/// A copy of the host's mounts at one place, with what is mounted below it.
pub(crate) struct Tree {
    copy: OwnedFd,
    is_folder: bool,
    flags: MountAttrFlags,
    /// Whether the flags are set. Before Linux 5.12 that has to wait until the tree has a place.
    is_restricted: bool,
}

impl Source {
    /// Opens the host's `path`.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, SetupFailure> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
        let copy = rustix::mount::open_tree(CWD, path, flags).at(Step::BindSource, path)?;
        let kind = rustix::fs::fstat(&copy).at(Step::BindSource, path)?.st_mode;
        let kind = FileType::from_raw_mode(kind);
        if kind == FileType::Symlink {
            let text = fs::read_link(path).at(Step::BindSource, path)?;
            return Ok(Source::Link(text.into_os_string()));
        }
        // Flags are set before anyone can see the mount.
        let flags = access.flags();
        let is_restricted = match sys::add_mount_flags(copy.as_fd(), u64::from(flags.bits()), true)
        {
            Ok(()) => true,
            Err(Errno::NOSYS) => false,
            Err(errno) => return Err(SetupFailure::new(Step::BindFlags, path, errno)),
        };
        let is_folder = kind == FileType::Directory;
        Ok(Source::Tree(Tree { copy, is_folder, flags, is_restricted }))
    }
}

/// A root under construction.
pub(crate) struct NewRoot {
    top: OwnedFd,
    /// An empty file that was made as a mount point; see [`file`](Self::file).
    mount_point: RefCell<Option<OwnedFd>>,
    /// The folder in which the last mount point was made. The next one is likely to be made there,
    /// too, with fewer system calls; see [`place_anew`](Self::place_anew).
    last: RefCell<Option<(PathBuf, OwnedFd)>>,
}

impl NewRoot {
    /// Mounts an empty memory file system over `/`. The process's own root stays below it until
    /// [`enter`](Self::enter), so that host paths keep their meaning.
    pub(crate) fn mount() -> Result<Self, SetupFailure> {
        let tree =
            new_file_system("tmpfs", &[("mode", "0755"), ("size", "16m")], MountAttrFlags::empty())
                .at(Step::RootMount, "")?;
        rustix::mount::move_mount(&tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .at(Step::RootMount, "")?;
        Ok(Self::at(tree))
    }

    /// The root that this process has entered already.
    pub(crate) fn entered() -> Result<Self, SetupFailure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open("/", flags, Mode::empty()).at(Step::RootMount, "/")?;
        Ok(Self::at(top))
    }

    fn at(top: OwnedFd) -> Self {
        NewRoot { top, mount_point: RefCell::new(None), last: RefCell::new(None) }
    }

    /// Makes this the root of the process and drops the old one.
    pub(crate) fn enter(&self) -> Result<(), SetupFailure> {
        let pivot = || {
            rustix::process::fchdir(&self.top)?;
            rustix::process::pivot_root(".", ".")?;
            // The old root now lies over the new one; `.` is the new one, so this names the old.
            rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
            rustix::process::chdir("/")
        };
        pivot().at(Step::Pivot, "")
    }

    /// Forbids writing to the root itself, not to what is mounted below.
    pub(crate) fn seal(&self) -> Result<(), SetupFailure> {
        let flags = Access::ReadOnly.flags();
        restrict_top(self.top.as_fd(), flags).at(Step::ReadOnlyRoot, "")
    }

    /// Opens a place inside as a mount target, or `ENOENT`.
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        rustix::fs::openat2(
            &self.top,
            relative,
            OFlags::PATH | OFlags::CLOEXEC | flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The folder at `path`; it and its parents are made where they are missing.
    pub(crate) fn folder(&self, path: &Path) -> Result<OwnedFd, SetupFailure> {
        match self.open(path, OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {
                let (parent, name) = self.parent(path)?;
                rustix::fs::mkdirat(&parent, name, FOLDER).at(Step::Create, path)?;
                self.remember(path, parent);
                self.open(path, OFlags::DIRECTORY).at(Step::Create, path)
            }
            other => other.at(Step::Create, path),
        }
    }

    /// The file at `path`; it and its parents are made where they are missing.
    ///
    /// Empty files are all one file with many names, as far as possible: a build with hundreds of
    /// inputs needs as many mount points in its folder on the disk, and nobody sees one of them.
    pub(crate) fn file(&self, path: &Path, content: &[u8]) -> Result<OwnedFd, SetupFailure> {
        match self.open(path, OFlags::empty()) {
            Err(Errno::NOENT) => {
                let (parent, name) = self.parent(path)?;
                if !content.is_empty() || !self.link_mount_point(&parent, name) {
                    self.create(&parent, name, content).at(Step::Create, path)?;
                }
                self.remember(path, parent);
                self.open(path, OFlags::empty()).at(Step::Create, path)
            }
            other => other.at(Step::Create, path),
        }
    }

    /// Makes a new file.
    fn create(&self, parent: &OwnedFd, name: &OsStr, content: &[u8]) -> Result<(), Errno> {
        // One that stays open for writing would keep its mount from becoming read-only.
        let access = if content.is_empty() { OFlags::RDONLY } else { OFlags::WRONLY };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | access;
        let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?;
        if content.is_empty() {
            *self.mount_point.borrow_mut() = Some(file);
            return Ok(());
        }
        let written = std::io::Write::write_all(&mut fs::File::from(file), content);
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Gives the last mount point one more name. False where that is not possible: there is none
    /// yet, it is on another file system, or it has too many names.
    fn link_mount_point(&self, parent: &OwnedFd, name: &OsStr) -> bool {
        let known = self.mount_point.borrow();
        let Some(file) = &*known else { return false };
        // From Linux 6.10 on, who has opened a file may do this.
        if rustix::fs::linkat(file, "", parent, name, AtFlags::EMPTY_PATH).is_ok() {
            return true;
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(CWD, path, parent, name, AtFlags::SYMLINK_FOLLOW).is_ok()
    }

    /// Makes a symlink; one with the same text may be there already.
    pub(crate) fn symlink(&self, path: &Path, text: &OsStr) -> Result<(), SetupFailure> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::symlinkat(text, &parent, name) {
            Err(Errno::EXIST) => {
                let found =
                    rustix::fs::readlinkat(&parent, name, Vec::new()).at(Step::Create, path)?;
                let same = found.to_bytes() == text.as_bytes();
                if same { Ok(()) } else { Err(Errno::EXIST).at(Step::Create, path) }
            }
            other => other.at(Step::Create, path),
        }
    }

    /// Notes where a mount point was made.
    fn remember(&self, path: &Path, parent: OwnedFd) {
        if let Some(folder) = path.parent() {
            *self.last.borrow_mut() = Some((folder.to_owned(), parent));
        }
    }

    /// Forgets a folder that `target` hides from now on.
    fn forget_below(&self, target: &Path) {
        self.last.borrow_mut().take_if(|(folder, _)| folder.starts_with(target));
    }

    /// Puts what was opened on a mount point that is made for it beside the last one. False where
    /// that is not possible, most of all because something is there already.
    fn place_anew(&self, tree: &Tree, target: &Path) -> Result<bool, SetupFailure> {
        let last = self.last.borrow();
        let Some((folder, parent)) = &*last else { return Ok(false) };
        let Some(name) = target.file_name().filter(|_| target.parent() == Some(folder)) else {
            return Ok(false);
        };
        let is_made = match tree.is_folder {
            true => rustix::fs::mkdirat(parent, name, FOLDER).is_ok(),
            false => self.link_mount_point(parent, name),
        };
        if is_made {
            // The name was made just now, and is no symlink.
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            rustix::mount::move_mount(&tree.copy, "", parent, name, flags)
                .at(Step::BindMount, target)?;
        }
        Ok(is_made)
    }

    fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr), SetupFailure> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL).at(Step::Create, path);
        };
        Ok((self.folder(parent)?, name))
    }

    /// Makes the host's `source` appear at `target`. A symlink is recreated, not followed.
    pub(crate) fn bind(
        &self,
        source: &Path,
        target: &Path,
        access: Access,
    ) -> Result<(), SetupFailure> {
        self.place(Source::open(source, access)?, target)
    }

    /// Makes what was opened appear at `target`.
    pub(crate) fn place(&self, source: Source, target: &Path) -> Result<(), SetupFailure> {
        let tree = match source {
            Source::Link(text) => return self.symlink(target, &text),
            Source::Tree(tree) => tree,
        };
        if !self.place_anew(&tree, target)? {
            let place = if tree.is_folder { self.folder(target)? } else { self.file(target, b"")? };
            move_to(&tree.copy, &place).at(Step::BindMount, target)?;
        }
        self.forget_below(target);
        match tree.is_restricted {
            true => Ok(()),
            false => restrict_each(&tree.copy, tree.flags).at(Step::BindFlags, target),
        }
    }

    /// Puts what was opened over `target`, if that is there.
    pub(crate) fn place_over(&self, source: Source, target: &Path) -> Result<(), SetupFailure> {
        match self.open(target, OFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            _ => self.place(source, target),
        }
    }

    /// Gives a new file system its place, which is made where it is missing.
    pub(crate) fn mount_fresh(&self, fresh: &Fresh) -> Result<(), SetupFailure> {
        let place = self.folder(Path::new(fresh.target))?;
        self.forget_below(Path::new(fresh.target));
        move_to(&fresh.tree, &place).at(fresh.step, fresh.target)
    }
}

fn move_to(tree: &OwnedFd, place: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, "", place, "", flags)
}

fn new_file_system(
    kind: &str,
    options: &[(&str, &str)],
    flags: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        match *value {
            "" => rustix::mount::fsconfig_set_flag(&context, *name)?,
            value => rustix::mount::fsconfig_set_string(&context, *name, value)?,
        }
    }
    rustix::mount::fsconfig_create(&context)?;
    // What devpts holds are devices, and nothing else can be made there.
    let quiet = match kind {
        "devpts" => MountAttrFlags::MOUNT_ATTR_NOSUID,
        _ => MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    };
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags | quiet)
}

/// Adds flags to one mount, on any kernel.
fn restrict_top(mount: BorrowedFd<'_>, flags: MountAttrFlags) -> Result<(), Errno> {
    match sys::add_mount_flags(mount, u64::from(flags.bits()), false) {
        Err(Errno::NOSYS) => remount(mount, flags),
        other => other,
    }
}

/// Adds flags to one mount without `mount_setattr`. Flags that it has must be named again: those
/// of the host's mounts are locked, and leaving one out would be refused.
fn remount(mount: BorrowedFd<'_>, flags: MountAttrFlags) -> Result<(), Errno> {
    let has = rustix::fs::fstatvfs(mount)?.f_flag;
    let mut all = MountFlags::BIND;
    for (old, new, flag) in [
        (StatVfsMountFlags::RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountAttrFlags::MOUNT_ATTR_NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME, MountFlags::NOATIME),
        (
            StatVfsMountFlags::NODIRATIME,
            MountAttrFlags::MOUNT_ATTR_NODIRATIME,
            MountFlags::NODIRATIME,
        ),
        (StatVfsMountFlags::RELATIME, MountAttrFlags::MOUNT_ATTR_RELATIME, MountFlags::RELATIME),
    ] {
        // RELATIME is 0 among the new flags, which every set contains.
        if has.contains(old) || (!new.is_empty() && flags.contains(new)) {
            all |= flag;
        }
    }
    // The magic link leads to the mount itself, whatever lies over its path.
    let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
    rustix::mount::mount_remount(path, all, "")
}

/// Adds flags to an attached mount and all below it, without `mount_setattr`.
fn restrict_each(top: &OwnedFd, flags: MountAttrFlags) -> Result<(), Errno> {
    remount(top.as_fd(), flags)?;
    let table = fs::read("/proc/self/mountinfo").map_err(|_| Errno::NOENT)?;
    let top_id = mount_id(top)?;
    let Some(top_path) = mount_lines(&table).find(|line| line.id == top_id).map(|line| line.path)
    else {
        return Err(Errno::NOENT);
    };
    let mut known = vec![top_id];
    // The table lists a mount after its parent, because it was mounted later.
    for line in mount_lines(&table) {
        if known.contains(&line.parent) && !known.contains(&line.id) {
            known.push(line.id);
            let below = line.path.strip_prefix(&top_path).map_err(|_| Errno::NOENT)?;
            let path = OFlags::PATH | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
            let mount = rustix::fs::openat2(top, below, path, Mode::empty(), resolve)?;
            remount(mount.as_fd(), flags)?;
        }
    }
    Ok(())
}

fn mount_id(mount: &OwnedFd) -> Result<u64, Errno> {
    let found = rustix::fs::statx(mount, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    // Linux before 5.8 does not know the field and leaves it 0.
    let known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    if known { Ok(found.stx_mnt_id) } else { Err(Errno::NOSYS) }
}

/// The first fields of a line of `/proc/self/mountinfo`.
struct MountLine {
    id: u64,
    parent: u64,
    path: PathBuf,
}

fn mount_lines(table: &[u8]) -> impl Iterator<Item = MountLine> {
    table.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
        let (id, parent) = (number()?, number()?);
        let path = unescape(fields.nth(2)?);
        Some(MountLine { id, parent, path: PathBuf::from(OsStr::from_bytes(&path)) })
    })
}

/// Root and place of the first mount of a kind of file system.
pub(crate) fn mounted(table: &[u8], kind: &str) -> Option<(PathBuf, PathBuf)> {
    let path = |field: &[u8]| PathBuf::from(OsString::from_vec(unescape(field)));
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let (root, place) = (fields.nth(3)?, fields.next()?);
        fields.find(|field| *field == b"-")?;
        (fields.next()? == kind.as_bytes()).then(|| (path(root), path(place)))
    })
}

/// Undoes the octal escapes (`\040`) of `mountinfo`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|digits| {
            byte == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        if let Some(digits) = octal {
            out.push(digits.iter().fold(0_u8, |sum, digit| (sum << 3) | (digit - b'0')));
            rest = &tail[3..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read() {
        let table =
            b"22 27 0:21 / /proc rw - proc proc rw\n36 27 8:1 /a /x\\040y\\134z rw - ext4 d rw\n\n";
        let lines: Vec<_> =
            mount_lines(table).map(|line| (line.id, line.parent, line.path)).collect();
        assert_eq!(lines, [(22, 27, "/proc".into()), (36, 27, "/x y\\z".into())]);
    }
}
