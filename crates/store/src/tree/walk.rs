//! Reading a tree, and bringing it into the store's form on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, chmodat, chownat, fchmod, flistxattr, fremovexattr,
    futimens, openat, readlinkat, renameat, statat, utimensat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{
    Hit, MAX_DEPTH, MODE_EXECUTABLE, MODE_PLAIN, MTIME, Node, Place, Scanned, at_top, mode_of,
    open_dir, open_file, store_times,
};
use crate::cancel::Cancel;
use crate::error::{Error, IoContext, Result};
use crate::hidden::{self, Allowance, LeftOut, Seen, Watched};
use crate::meter::{Meter, Metered};
use crate::scan::{Pattern, Patterns, Scanner};

/// Why a tree is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To know it; nothing is changed.
    Read,
    /// To take it into the store: owner, permissions and times are set and hard links broken.
    /// What still has to be rewritten stays writable until it is sealed.
    Normalise,
}

/// What to look for while reading.
pub(crate) struct Walk<'p> {
    pub(crate) patterns: &'p Patterns,
    /// The own output whose digest text counts as zero bytes.
    pub(crate) own: usize,
    pub(crate) purpose: Purpose,
    pub(crate) cancel: &'p Cancel,
}

/// Reads a tree; `top` may be a file, a link or a directory.
pub(crate) fn walk(top: &Path, options: &Walk<'_>) -> Result<Scanned> {
    start(top, options, None)
}

/// Reads a tree that a builder has made: with a limit on its length, and also what compressed files
/// hold.
pub(crate) fn walk_metered(
    top: &Path,
    options: &Walk<'_>,
    meter: &mut Meter<'_>,
) -> Result<Scanned> {
    start(top, options, Some(meter))
}

fn start<'m>(
    top: &Path,
    options: &'m Walk<'_>,
    meter: Option<&'m mut Meter<'_>>,
) -> Result<Scanned> {
    let mut walker = Walker {
        patterns: options.patterns,
        scanner: Scanner::new(options.patterns, options.own, options.cancel),
        purpose: options.purpose,
        cancel: options.cancel,
        candidates: BTreeSet::new(),
        size: 0,
        hidden: Vec::new(),
        left_out: Vec::new(),
        allowance: Allowance::default(),
        meter,
        touched: None,
        owner: geteuid(),
        top: top.as_os_str().len(),
        place: Place(top.to_owned()),
    };
    let node = at_top(top, |dir, name| walker.entry(dir, name, 0))?;
    let Walker { candidates, size, hidden, left_out, touched, .. } = walker;
    Ok(Scanned { node, candidates, size, hidden, left_out, touched })
}

struct Walker<'p, 'w> {
    patterns: &'p Patterns,
    scanner: Scanner<'p>,
    purpose: Purpose,
    cancel: &'p Cancel,
    candidates: BTreeSet<usize>,
    size: u64,
    hidden: Vec<(PathBuf, usize)>,
    left_out: Vec<(PathBuf, LeftOut)>,
    allowance: Allowance,
    /// Only for what a builder has made.
    meter: Option<&'p mut Meter<'w>>,
    touched: Option<PathBuf>,
    owner: rustix::process::Uid,
    /// Length of the path to the tree.
    top: usize,
    place: Place,
}

impl Walker<'_, '_> {
    fn normalises(&self) -> bool {
        self.purpose == Purpose::Normalise
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &OsStr, depth: usize) -> Result<Node> {
        self.cancel.check()?;
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", self.place.path())?;
        if self.normalises() && stat.st_uid != self.owner.as_raw() {
            chownat(dir, name, Some(self.owner), None, AtFlags::SYMLINK_NOFOLLOW)
                .at("take over", self.place.path())?;
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(dir, name, &stat),
            FileType::Symlink => self.symlink(dir, name, &stat),
            FileType::Directory => self.directory(dir, name, &stat, depth),
            other => {
                Err(Error::FileKind { path: self.place.path().to_owned(), kind: kind_name(other) })
            }
        }
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Result<Node> {
        let executable = stat.st_mode & 0o100 != 0;
        let mut file = if self.normalises() {
            self.own_file(dir, name, stat)?
        } else {
            self.check_touched(stat, if executable { MODE_EXECUTABLE } else { MODE_PLAIN });
            open_file(dir, name, OFlags::RDONLY).at("open", self.place.path())?
        };
        let (mut hits, candidates) = (Vec::new(), &mut self.candidates);
        let on_match = |offset, pattern| match pattern {
            Pattern::Candidate(candidate) => {
                candidates.insert(candidate);
            }
            Pattern::Own(own) => hits.push(Hit { offset, own }),
        };
        let mut seen = Seen::default();
        let read = match self.meter.as_deref_mut() {
            None => self.scanner.stream(&mut file, on_match),
            Some(meter) => {
                meter.begin(stat, self.place.path())?;
                let file = Metered::new(&mut file, stat, meter);
                self.scanner.stream(&mut Watched::new(file, &mut seen), on_match)
            }
        };
        let (size, mut content) = read.at("read", self.place.path())?;
        self.size += size;
        let sealed = self.look_inside(&file, size, seen, &mut hits);
        if let Some(sealed) = sealed.at("read", self.place.path())? {
            let again = file
                .rewind()
                .and_then(|()| self.scanner.stream_sealed(&mut file, sealed, |_, _| ()));
            content = again.at("read", self.place.path())?.1;
        }
        if self.normalises() {
            let mode = match hits.is_empty() {
                true => mode_of(executable),
                false => mode_of(executable) | Mode::WUSR,
            };
            drop_attributes(&file).at("remove the extended attributes of", self.place.path())?;
            fchmod(&file, mode).at("change the permissions of", self.place.path())?;
            futimens(&file, &store_times()).at("set the time of", self.place.path())?;
        }
        let rewritten = !hits.is_empty();
        Ok(Node::File { executable, size, content, hits, rewritten })
    }

    /// Looks for references in what a compressed file holds. An own digest there stays as it is, also
    /// where it is not compressed, because a checksum is over it. Gives these parts if they hold one.
    fn look_inside(
        &mut self,
        file: &File,
        size: u64,
        seen: Seen,
        hits: &mut Vec<Hit>,
    ) -> io::Result<Option<Vec<Range<u64>>>> {
        if self.meter.is_none() {
            return Ok(None);
        }
        let (candidates, mut own) = (&mut self.candidates, BTreeSet::new());
        let mut on_match = |pattern| match pattern {
            Pattern::Candidate(candidate) => drop(candidates.insert(candidate)),
            Pattern::Own(output) => drop(own.insert(output)),
        };
        let (scanner, allowance) = (&mut self.scanner, &mut self.allowance);
        let inside = hidden::look_inside(file, size, seen, scanner, allowance, &mut on_match)?;
        let before = hits.len();
        hits.retain(|hit| {
            let stays = inside.is_sealed(hit.offset);
            if stays {
                own.insert(hit.own);
            }
            !stays
        });
        let path = self.place.path();
        self.hidden.extend(own.into_iter().map(|output| (path.to_owned(), output)));
        self.left_out.extend(inside.left_out.map(|reason| (path.to_owned(), reason)));
        Ok((hits.len() < before).then_some(inside.sealed))
    }

    /// Opens a file that will be the store's, as a file of its own.
    fn own_file(&mut self, dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Result<File> {
        let path = self.place.path();
        if stat.st_mode & 0o400 == 0 {
            let mode = Mode::from_raw_mode((stat.st_mode & 0o777) | 0o400);
            chmodat(dir, name, mode, AtFlags::empty()).at("change the permissions of", path)?;
        }
        let mut file = open_file(dir, name, OFlags::RDONLY).at("open", path)?;
        if stat.st_nlink == 1 {
            return Ok(file);
        }
        // Another name of the file may be in another output, or outside of the tree.
        let mut source = self.cancel.stopping(&mut file);
        let mut copy = break_link(dir, name, &mut source).at("copy", path)?;
        copy.rewind().at("read", path)?;
        Ok(copy)
    }

    fn symlink(&mut self, dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Result<Node> {
        let target = readlinkat(dir, name, Vec::new()).at("read the link", self.place.path())?;
        let target = target.into_bytes();
        if self.normalises() {
            utimensat(dir, name, &store_times(), AtFlags::SYMLINK_NOFOLLOW)
                .at("set the time of", self.place.path())?;
        } else {
            self.check_touched(stat, stat.st_mode & 0o7777);
        }
        let mut hits = Vec::new();
        self.patterns.find(&target, |offset, pattern| match pattern {
            Pattern::Candidate(candidate) => {
                self.candidates.insert(candidate);
            }
            Pattern::Own(own) => hits.push(Hit { offset: offset as u64, own }),
        });
        Ok(Node::Symlink { target, hits })
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        stat: &Stat,
        depth: usize,
    ) -> Result<Node> {
        if depth >= MAX_DEPTH {
            let path = self.place.path().to_owned();
            return Err(Error::TooDeep { path, limit: MAX_DEPTH });
        }
        if self.normalises() {
            chmodat(dir, name, Mode::from_raw_mode(0o755), AtFlags::empty())
                .at("change the permissions of", self.place.path())?;
        } else {
            self.check_touched(stat, MODE_EXECUTABLE);
        }
        let fd = open_dir(dir, name).at("open", self.place.path())?;
        if self.normalises() {
            drop_attributes(&fd).at("remove the extended attributes of", self.place.path())?;
        }
        let names = names_in(fd.as_fd()).at("read the folder", self.place.path())?;
        let mut children = BTreeMap::new();
        for name in names {
            let child = OsStr::from_bytes(&name);
            self.place.0.push(child);
            super::check_length(self.place.path(), self.top)?;
            self.check_name(&name)?;
            let node = self.entry(fd.as_fd(), child, depth + 1)?;
            self.place.0.pop();
            children.insert(name, node);
        }
        Ok(Node::Directory(children))
    }

    /// Names count as content, but cannot be rewritten without changing their order.
    fn check_name(&mut self, name: &[u8]) -> Result<()> {
        let mut own = false;
        self.patterns.find(name, |_, pattern| match pattern {
            Pattern::Candidate(candidate) => {
                self.candidates.insert(candidate);
            }
            Pattern::Own(_) => own = true,
        });
        if own {
            return Err(Error::ScratchInName { path: self.place.path().to_owned() });
        }
        Ok(())
    }

    fn check_touched(&mut self, stat: &Stat, mode: u32) {
        let normal = stat.st_mode & 0o7777 == mode && stat.st_mtime == MTIME;
        if !normal && self.touched.is_none() {
            self.touched = Some(self.place.path().to_owned());
        }
    }
}

fn names_in(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort();
    Ok(names)
}

/// Linux does not keep more than so many bytes of attribute names for a file.
const MAX_ATTRIBUTE_NAMES: usize = 64 << 10;

/// Removes what may be set beside the permissions: capabilities, access lists, user attributes.
/// Labels of a security module are the host's business and stay.
pub(super) fn drop_attributes(file: impl AsFd) -> rustix::io::Result<()> {
    let mut small = [0u8; 512];
    let mut large = Vec::new();
    let names = match flistxattr(&file, &mut small[..]) {
        Err(Errno::NOTSUP) | Ok(0) => return Ok(()),
        Err(Errno::RANGE) => {
            large.resize(MAX_ATTRIBUTE_NAMES, 0);
            let length = flistxattr(&file, &mut large[..])?;
            &large[..length]
        }
        other => &small[..other?],
    };
    for name in names.split(|byte| *byte == 0) {
        let dropped: [&[u8]; 3] = [b"user.", b"system.posix_acl", b"security.capability"];
        if dropped.iter().any(|prefix| name.starts_with(prefix)) {
            // A user attribute can only be removed by one who may write; the caller sets the
            // final permissions afterwards.
            fchmod(&file, Mode::RWXU)?;
            fremovexattr(&file, name)?;
        }
    }
    Ok(())
}

/// Puts an equal file in the place of a file with several names.
fn break_link(dir: BorrowedFd<'_>, name: &OsStr, file: &mut impl io::Read) -> io::Result<File> {
    let mode = Mode::from_raw_mode(0o600);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut number = 0u64;
    // The name must fit beside any other, so it does not contain the old one.
    let (mut copy, fresh) = loop {
        let fresh = format!(".cbuild-unlinked-{number}");
        match openat(dir, fresh.as_str(), flags, mode) {
            Err(Errno::EXIST) => number += 1,
            other => break (File::from(other?), fresh),
        }
    };
    io::copy(file, &mut copy)?;
    renameat(dir, fresh.as_str(), dir, name)?;
    Ok(copy)
}

pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device node",
        _ => "special file",
    }
}
