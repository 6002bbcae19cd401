//! The part of the file tree that sandboxes of one helper have in common, made once.
//!
//! A helper that serves a second sandbox of the same shape makes a mount namespace in which that part
//! is the root, and nothing else is mounted. A sandbox then gets a copy of this namespace instead
//! of one of the host's: there are a few mounts to copy instead of all of the machine's, no old root to
//! leave and to unmount, and only what differs is mounted. That is opened beforehand, where the host's
//! paths have their meaning. Nobody can write to the common part: its mount is read-only, and a
//! builder has no capability to change that.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountPropagationFlags;
use rustix::thread::LinkNameSpaceType;

use crate::error::{At, SetupFailure, Step};
use crate::mounts::{Access, NewRoot, Source};
use crate::root;
use crate::spec::{SandboxSpec, Tmp};
use crate::sys;

/// Most binds of a sandbox that is built this way: they are all open at the same time.
const MAX_BINDS: usize = 256;

/// Files that a process of the sandbox has open besides, masks of `/proc` among them.
const OTHER_FILES: usize = 64;

/// Folders on which each sandbox gets a file system of its own.
const FRESH: [&str; 4] = ["/proc", "/dev/pts", "/dev/shm", "/tmp"];

/// The common part for the sandboxes of one helper.
pub(crate) struct Bases {
    /// Most binds that this process can have open.
    most: usize,
    /// A copy of the host's mounts, in which the helper lives from its second sandbox on.
    host: Option<OwnedFd>,
    /// The shape of the sandbox before, if it could be built this way.
    last: Option<Shape>,
    base: Option<Base>,
}

/// A mount namespace with the common part as its root.
pub(crate) struct Base {
    namespace: OwnedFd,
    shape: Shape,
}

/// What the common part has to hold, so that a sandbox can be built on it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    ids: (u32, u32),
    has_etc: bool,
    places: Vec<(PathBuf, Kind)>,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    /// Anything that is mounted on a file.
    File,
    /// A symlink with this text.
    Link(OsString),
}

impl Bases {
    /// Nothing in common yet.
    pub(crate) fn new() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        let most = MAX_BINDS.min(files.saturating_sub(OTHER_FILES));
        Bases { most, host: None, last: None, base: None }
    }

    /// Gives the base for a sandbox, which is made when two in a row have the same shape; most helpers
    /// serve one sandbox only, which would merely wait for it.
    ///
    /// # Errors
    /// When a step fails. The process may then be in a namespace where no sandbox can be made.
    pub(crate) fn prepare(&mut self, spec: &SandboxSpec) -> Result<Option<&Base>, SetupFailure> {
        let shape = Shape::of(spec, self.most);
        let is_known = self.base.as_ref().is_some_and(|base| Some(&base.shape) == shape.as_ref());
        let again = self.last == shape;
        self.last.clone_from(&shape);
        match shape {
            Some(shape) if !is_known && again => self.base = Some(self.make(shape)?),
            Some(_) if is_known => {}
            _ => return Ok(None),
        }
        Ok(self.base.as_ref())
    }

    fn make(&mut self, shape: Shape) -> Result<Base, SetupFailure> {
        // What it makes has the usual modes; each sandbox sets its own mask.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let place = "/proc/self/ns";
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::open(place, folder, Mode::empty()).at(Step::Namespaces, place)?;
        let current = || {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&own, "mnt", flags, Mode::empty()).at(Step::Namespaces, place)
        };
        let host = match self.host.take() {
            Some(host) => host,
            None => {
                sys::unshare_mounts().at(Step::Namespaces, "")?;
                let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                rustix::mount::mount_change("/", private).at(Step::PrivateMounts, "")?;
                current()?
            }
        };
        sys::unshare_mounts().at(Step::Namespaces, "")?;
        shape.build()?;
        let namespace = current()?;
        join(&host)?;
        self.host = Some(host);
        Ok(Base { namespace, shape })
    }
}

impl Shape {
    /// `None` for a sandbox that has to be built alone, also when what it needs cannot be read: then
    /// the one that builds it says why.
    fn of(spec: &SandboxSpec, most: usize) -> Option<Self> {
        let top_level = root::top_level(spec).ok()?;
        if spec.binds.len() + top_level.len() > most {
            return None;
        }
        let own = spec.binds.iter().map(|bind| (&bind.source, &bind.target));
        let all: Vec<_> =
            top_level.iter().map(|(source, target)| (source, target)).chain(own).collect();
        let mut places = Vec::new();
        for (source, target) in &all {
            let is_below = |above: &Path| target.starts_with(above) && *target != above;
            if FRESH.iter().any(|fresh| is_below(Path::new(fresh)))
                || all.iter().any(|(_, other)| is_below(other))
            {
                continue;
            }
            let found = source.symlink_metadata().ok()?;
            let kind = match (found.is_dir(), found.is_symlink()) {
                (true, _) => Kind::Folder,
                (_, true) => Kind::Link(source.read_link().ok()?.into_os_string()),
                _ => Kind::File,
            };
            places.push(((*target).clone(), kind));
        }
        places.sort_by(|a, b| a.0.cmp(&b.0));
        Some(Shape { ids: (spec.uid, spec.gid), has_etc: root::has_etc(spec), places })
    }

    /// Makes the common part the root of this process.
    fn build(&self) -> Result<(), SetupFailure> {
        let root = NewRoot::mount()?;
        for (path, kind) in &self.places {
            match kind {
                Kind::Folder => drop(root.folder(path)?),
                Kind::File => drop(root.file(path, b"")?),
                Kind::Link(text) => root.symlink(path, text)?,
            }
        }
        for folder in root::FOLDERS.iter().chain(&FRESH) {
            root.folder(Path::new(folder))?;
        }
        root::make_dev(&root)?;
        if !self.has_etc {
            root::make_etc(&root, self.ids.0, self.ids.1)?;
        }
        // Before the host's /proc is out of reach, which older kernels need for it.
        root.seal()?;
        root.enter()
    }
}

impl Base {
    /// Makes a copy of the common part with what `spec` binds the root of this process, which is the
    /// first one of a new pid namespace and has no mounts of its own yet.
    pub(crate) fn build(&self, spec: &SandboxSpec) -> Result<(), SetupFailure> {
        let memory = root::shared_memory(spec.limits.memory)?;
        let mut fresh = vec![root::proc()?, root::terminals()?, memory];
        let masks = root::masks()?;
        let mut sources = Vec::new();
        match &spec.tmp {
            Tmp::Private { size } => fresh.push(root::private_tmp(*size)?),
            Tmp::Host(source) => {
                sources.push((Source::open(source, Access::Writable)?, PathBuf::from("/tmp")));
            }
        }
        if let Some(file) = &spec.cpu_info {
            let source = Source::open(file, Access::ReadOnly)?;
            sources.push((source, PathBuf::from(root::CPU_INFO)));
        }
        for (source, target) in root::top_level(spec)? {
            sources.push((Source::open(&source, Access::ReadOnly)?, target));
        }
        for bind in root::in_order(spec) {
            let source = Source::open(&bind.source, root::access(bind))?;
            sources.push((source, bind.target.clone()));
        }
        join(&self.namespace)?;
        sys::unshare_mounts().at(Step::Namespaces, "")?;
        let root = NewRoot::entered()?;
        // The first one is /proc, with whose help the binds are made.
        for fresh in &fresh {
            root.mount_fresh(fresh)?;
        }
        masks.into_iter().try_for_each(|(mask, target)| root.place_over(mask, target))?;
        sources.into_iter().try_for_each(|(source, target)| root.place(source, &target))
    }
}

/// Enters a mount namespace; its root becomes that of this process, and its working directory.
fn join(namespace: &OwnedFd) -> Result<(), SetupFailure> {
    let kind = Some(LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).at(Step::Pivot, "")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_shape_holds_what_stands_in_the_root_itself() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::create_dir(place("dir")).unwrap();
        std::fs::write(place("file"), "").unwrap();
        std::os::unix::fs::symlink("dir", place("link")).unwrap();
        let spec = SandboxSpec::new("/bin/true")
            .bind_writable(place("dir"), "/cbuild/store")
            .bind_read_only(place("file"), "/cbuild/store/in")
            .bind_read_only(place("file"), "/dev/shm/in")
            .bind_read_only(place("file"), "/f")
            .bind_read_only(place("link"), "/l");
        let expected = vec![
            ("/cbuild/store".into(), Kind::Folder),
            ("/f".into(), Kind::File),
            ("/l".into(), Kind::Link("dir".into())),
        ];
        let shape = Shape::of(&spec, MAX_BINDS).unwrap();
        assert_eq!((shape.places, shape.has_etc), (expected, false));
        assert_eq!(Shape::of(&spec, 4), None, "there are five");
        let missing = spec.clone().bind_read_only(place("none"), "/none");
        assert_eq!(Shape::of(&missing, MAX_BINDS), None);
        let with_root = SandboxSpec { root: Some(folder.path().to_owned()), ..spec };
        assert_eq!(Shape::of(&with_root, MAX_BINDS).unwrap().places.len(), 6);
    }
}
