//! Reading a source tree on all processors, and copying it in the same pass.
//!
//! What is hashed is what is written, so a source that changes meanwhile gives an object that is
//! whole, and is named after the bytes that it has.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cbuild_drv::Digest;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, futimens, ioctl_ficlone, mkdirat, openat,
    readlinkat, statat, symlinkat,
};

use super::{
    MAX_DEPTH, MAX_PATH, Node, at_top, drop_attributes, kind_name, mode_of, open_dir, open_file,
    store_times,
};
use crate::cancel::Cancel;
use crate::error::{Error, IoContext, Result};

/// Most threads; beyond, a file system hardly gets faster.
const MAX_THREADS: usize = 16;

/// Files that a thread takes at once.
const SHARE: usize = 32;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Files below that are copied faster than they are cloned, in bytes.
const MIN_CLONE: u64 = 16 << 10;

/// Reads a tree. With a target, which must not exist, the tree is copied there with the store's
/// permissions and times for its files; those of directories and links are left to
/// [`super::seal`]. Gives the tree and the sum of the lengths of its files, in bytes.
pub(crate) fn ingest(source: &Path, target: Option<&Path>, cancel: &Cancel) -> Result<(Node, u64)> {
    at_top(source, |from, name| match target {
        None => ingest_between((from, name), None, source, cancel),
        Some(target) => {
            at_top(target, |to, new| ingest_between((from, name), Some((to, new)), source, cancel))
        }
    })
}

fn ingest_between(
    from: Side<'_>,
    to: Option<Side<'_>>,
    source: &Path,
    cancel: &Cancel,
) -> Result<(Node, u64)> {
    let stat = statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW).at("look at", source)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let top = Folder::open(0, 0, from, to, source.to_owned(), source.as_os_str().len())?;
        if let Some(target) = &top.target {
            // A default access list would be handed down to every file.
            drop_attributes(target).at("remove the extended attributes of", source)?;
        }
        return Pool::new(cancel).run(top);
    }
    let cloning = Cloning::default();
    let mut worker = Worker::new(&cloning, cancel);
    let node = worker.leaf(from, to, source)?;
    Ok((node, worker.size))
}

/// A name in an opened folder.
type Side<'a> = (BorrowedFd<'a>, &'a OsStr);

/// An opened directory of the source, and its copy.
struct Folder {
    id: usize,
    depth: usize,
    source: OwnedFd,
    target: Option<OwnedFd>,
    /// For messages and for the length of paths.
    path: PathBuf,
    /// Length of the path to the tree.
    top: usize,
}

impl Folder {
    fn open(
        id: usize,
        depth: usize,
        from: Side<'_>,
        to: Option<Side<'_>>,
        path: PathBuf,
        top: usize,
    ) -> Result<Self> {
        if depth >= MAX_DEPTH {
            return Err(Error::TooDeep { path, limit: MAX_DEPTH });
        }
        let source = open_dir(from.0, from.1).at("open", &path)?;
        let target = match to {
            None => None,
            Some((dir, name)) => {
                mkdirat(dir, name, Mode::RWXU).at("create the folder", &path)?;
                Some(open_dir(dir, name).at("open", &path)?)
            }
        };
        Ok(Self { id, depth, source, target, path, top })
    }

    fn target<'a>(&'a self, name: &'a OsStr) -> Option<Side<'a>> {
        self.target.as_ref().map(|target| (target.as_fd(), name))
    }
}

/// Work that any thread can do.
enum Job {
    /// List a directory: its number, its parent and its name.
    Folder(usize, Arc<Folder>, Vec<u8>),
    /// Read files and links.
    Leaves(Arc<Folder>, Vec<Vec<u8>>),
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Jobs that are being done and may add others.
    active: usize,
    failed: Option<Error>,
}

/// Whether the file system shares blocks between files, as far as it was tried.
#[derive(Default)]
struct Cloning {
    is_refused: AtomicBool,
}

/// The threads and what they share.
struct Pool<'c> {
    queue: Mutex<Queue>,
    changed: Condvar,
    folders: AtomicUsize,
    cloning: Cloning,
    cancel: &'c Cancel,
}

impl<'c> Pool<'c> {
    fn new(cancel: &'c Cancel) -> Self {
        let (queue, changed, folders) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        Self { queue, changed, folders, cloning: Cloning::default(), cancel }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, top: Folder) -> Result<(Node, u64)> {
        self.folders.store(1, Ordering::Relaxed);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let mut first = Worker::new(&self.cloning, self.cancel);
        self.list(&mut first, Arc::new(top))?;
        let mut workers = vec![first];
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut worker = Worker::new(&self.cloning, self.cancel);
                        self.work(&mut worker);
                        worker
                    })
                })
                .collect();
            self.work(&mut workers[0]);
            for other in others {
                match other.join() {
                    Ok(worker) => workers.push(worker),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        match self.lock().failed.take() {
            Some(error) => Err(error),
            None => Ok(assemble(workers, self.folders.load(Ordering::Relaxed))),
        }
    }

    /// Does jobs until there are none and no thread can add one.
    fn work(&self, worker: &mut Worker<'_>) {
        let mut queue = self.lock();
        loop {
            if queue.failed.is_some() {
                return;
            }
            let Some(job) = queue.jobs.pop() else {
                if queue.active == 0 {
                    return;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.active += 1;
            drop(queue);
            let done = self.do_job(worker, job);
            queue = self.lock();
            queue.active -= 1;
            if let Err(error) = done {
                queue.failed.get_or_insert(error);
            }
            if queue.failed.is_some() || (queue.active == 0 && queue.jobs.is_empty()) {
                self.changed.notify_all();
            }
        }
    }

    fn do_job(&self, worker: &mut Worker<'_>, job: Job) -> Result<()> {
        self.cancel.check()?;
        match job {
            Job::Folder(id, parent, name) => {
                let name = OsStr::from_bytes(&name);
                let from = (parent.source.as_fd(), name);
                let path = parent.path.join(name);
                let (depth, to) = (parent.depth + 1, parent.target(name));
                let folder = Folder::open(id, depth, from, to, path, parent.top)?;
                drop(parent);
                self.list(worker, Arc::new(folder))
            }
            Job::Leaves(folder, names) => {
                for bytes in names {
                    let name = OsStr::from_bytes(&bytes);
                    let from = (folder.source.as_fd(), name);
                    let node = worker.leaf(from, folder.target(name), &folder.path.join(name))?;
                    worker.leaves.push((folder.id, bytes, node));
                }
                Ok(())
            }
        }
    }

    /// Makes jobs of a directory's entries.
    fn list(&self, worker: &mut Worker<'_>, folder: Arc<Folder>) -> Result<()> {
        let (mut jobs, mut leaves) = (Vec::new(), Vec::new());
        let listed = Dir::read_from(&folder.source).at("read the folder", &folder.path)?;
        for entry in listed {
            let entry = entry.at("read the folder", &folder.path)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if folder.path.as_os_str().len() + name.len() > folder.top + MAX_PATH {
                super::check_length(&folder.path.join(OsStr::from_bytes(name)), folder.top)?;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => {
                    let place = folder.path.join(OsStr::from_bytes(name));
                    let stat = statat(&folder.source, name, AtFlags::SYMLINK_NOFOLLOW);
                    let mode = stat.at("look at", &place)?.st_mode;
                    FileType::from_raw_mode(mode) == FileType::Directory
                }
                kind => kind == FileType::Directory,
            };
            if !is_folder {
                leaves.push(name.to_vec());
                continue;
            }
            let id = self.folders.fetch_add(1, Ordering::Relaxed);
            worker.folders.push((id, folder.id, name.to_vec()));
            jobs.push(Job::Folder(id, Arc::clone(&folder), name.to_vec()));
        }
        while !leaves.is_empty() {
            let share = leaves.split_off(leaves.len().saturating_sub(SHARE));
            jobs.push(Job::Leaves(Arc::clone(&folder), share));
        }
        self.lock().jobs.extend(jobs);
        self.changed.notify_all();
        Ok(())
    }
}

/// What one thread has found.
struct Worker<'p> {
    buffer: Vec<u8>,
    cloning: &'p Cloning,
    cancel: &'p Cancel,
    size: u64,
    /// Number of the directory, name, and what it is.
    leaves: Vec<(usize, Vec<u8>, Node)>,
    /// Number, number of the parent, name.
    folders: Vec<(usize, usize, Vec<u8>)>,
}

impl<'p> Worker<'p> {
    fn new(cloning: &'p Cloning, cancel: &'p Cancel) -> Self {
        let (leaves, folders) = (Vec::new(), Vec::new());
        Self { buffer: vec![0; CHUNK], cloning, cancel, size: 0, leaves, folders }
    }

    /// Reads what is no directory.
    fn leaf(&mut self, from: Side<'_>, to: Option<Side<'_>>, path: &Path) -> Result<Node> {
        match open_file(from.0, from.1, OFlags::RDONLY) {
            Err(rustix::io::Errno::LOOP) => self.symlink(from, to, path),
            // A socket, or a device without its driver.
            Err(rustix::io::Errno::NXIO) => {
                Err(Error::FileKind { path: path.to_owned(), kind: "socket or device node" })
            }
            opened => self.file(opened.at("open", path)?, to, path),
        }
    }

    fn symlink(&self, from: Side<'_>, to: Option<Side<'_>>, path: &Path) -> Result<Node> {
        let target = readlinkat(from.0, from.1, Vec::new()).at("read the link", path)?;
        if let Some((dir, name)) = to {
            symlinkat(&target, dir, name).at("create the link", path)?;
        }
        Ok(Node::Symlink { target: target.into_bytes(), hits: Vec::new() })
    }

    fn file(&mut self, mut source: File, to: Option<Side<'_>>, path: &Path) -> Result<Node> {
        let stat = fstat(&source).at("look at", path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            return Err(Error::FileKind { path: path.to_owned(), kind: kind_name(kind) });
        }
        let executable = stat.st_mode & 0o100 != 0;
        let (size, content) = match to {
            None => self.stream(&mut source, None).at("read", path)?,
            Some((dir, name)) => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mode = Mode::RUSR | Mode::WUSR;
                let mut copy = File::from(openat(dir, name, flags, mode).at("create", path)?);
                let length = u64::try_from(stat.st_size).unwrap_or_default();
                let read = match self.cloning.clone(&source, &copy, length) {
                    true => self.stream(&mut copy, None),
                    false => {
                        let blocks = u64::try_from(stat.st_blocks).unwrap_or(u64::MAX);
                        let has_holes = blocks.saturating_mul(512) < length;
                        self.stream(&mut source, Some((&mut copy, has_holes)))
                    }
                };
                let read = read.at("copy", path)?;
                fchmod(&copy, mode_of(executable)).at("change the permissions of", path)?;
                futimens(&copy, &store_times()).at("set the time of", path)?;
                read
            }
        };
        self.size += size;
        Ok(Node::File { executable, size, content, hits: Vec::new(), rewritten: false })
    }

    /// Hashes all that comes, and writes it on; with the flag, zeros become holes.
    fn stream(
        &mut self,
        from: &mut File,
        mut to: Option<(&mut File, bool)>,
    ) -> io::Result<(u64, Digest)> {
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        loop {
            self.cancel.check_io()?;
            let read = match from.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if read == 0 {
                if let Some((to, true)) = to {
                    to.set_len(size)?;
                }
                return Ok((size, Digest(*hasher.finalize().as_bytes())));
            }
            hasher.update(&self.buffer[..read]);
            let piece = &self.buffer[..read];
            match &mut to {
                Some((to, true)) if piece.iter().all(|&byte| byte == 0) => {
                    to.seek_relative(piece.len().try_into().map_err(io::Error::other)?)?;
                }
                Some((to, _)) => to.write_all(piece)?,
                None => {}
            }
            size += read as u64;
        }
    }
}

impl Cloning {
    /// Lets the copy share the source's blocks, if the file system can.
    fn clone(&self, source: &File, copy: &File, length: u64) -> bool {
        if length < MIN_CLONE || self.is_refused.load(Ordering::Relaxed) {
            return false;
        }
        let cloned = ioctl_ficlone(copy, source).is_ok();
        if !cloned {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        cloned
    }
}

/// Puts the directories together; a parent has a lower number than what it holds.
fn assemble(workers: Vec<Worker<'_>>, count: usize) -> (Node, u64) {
    let mut children: Vec<BTreeMap<Vec<u8>, Node>> = vec![BTreeMap::new(); count];
    let mut folders = Vec::new();
    let mut size = 0;
    for worker in workers {
        size += worker.size;
        for (folder, name, node) in worker.leaves {
            children[folder].insert(name, node);
        }
        folders.extend(worker.folders);
    }
    folders.sort_unstable_by_key(|(id, ..)| *id);
    while let Some((id, parent, name)) = folders.pop() {
        let node = Node::Directory(std::mem::take(&mut children[id]));
        children[parent].insert(name, node);
    }
    (Node::Directory(std::mem::take(&mut children[0])), size)
}
