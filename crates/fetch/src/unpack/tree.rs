//! Writes entries of an archive below one folder, and nowhere else.
//!
//! Every step from the top down opens one component relative to the folder above it without
//! following symbolic links, so that no name, and no link that an earlier entry made, leads out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::tarball::Segment;
use crate::error::{FetchError, UnsafeReason};
use crate::limits::Limits;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The folder that an archive is unpacked into.
pub(crate) struct TreeWriter<'a> {
    path: PathBuf,
    root: OwnedFd,
    /// The folder that was written to last, as components with their open folders, from the top
    /// down; most archives name the entries of one folder one after the other.
    open: Vec<(Vec<u8>, OwnedFd)>,
    strip: u32,
    label: &'a str,
    limits: &'a Limits,
    entries: u64,
    bytes: u64,
    written: bool,
    last: Option<String>,
    cancel: Option<&'a AtomicBool>,
}

/// Components of a name that is checked and stripped; empty for the top.
type Components<'n> = Vec<&'n [u8]>;

impl<'a> TreeWriter<'a> {
    /// Makes the folder at `path`, which must not exist.
    pub(crate) fn create(
        path: &Path,
        strip: u32,
        label: &'a str,
        limits: &'a Limits,
    ) -> Result<Self, FetchError> {
        fs::create_dir(path).map_err(FetchError::io("create", path))?;
        let root = openat(CWD, path, FOLDER, Mode::empty())
            .map_err(|error| FetchError::io("open", path)(error.into()))?;
        let (path, open) = (path.to_owned(), Vec::new());
        let (entries, bytes, written, last) = (0, 0, false, None);
        let cancel = None;
        Ok(Self { path, root, open, strip, label, limits, entries, bytes, written, last, cancel })
    }

    /// Ends with [`FetchError::Cancelled`] when the flag is set.
    pub(crate) fn unless(mut self, cancel: Option<&'a AtomicBool>) -> Self {
        self.cancel = cancel;
        self
    }

    fn go_on(&self) -> Result<(), FetchError> {
        match self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(FetchError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Checks that something was written.
    pub(crate) fn finish(self) -> Result<(), FetchError> {
        if !self.written && self.entries > 0 && self.strip > 0 {
            let (archive, strip) = (self.label.to_owned(), self.strip);
            return Err(FetchError::NothingLeft { archive, strip });
        }
        Ok(())
    }

    /// Makes a folder, also where it is there already.
    pub(crate) fn directory(&mut self, name: &[u8]) -> Result<(), FetchError> {
        let Some(parts) = self.begin(name)? else { return Ok(()) };
        let Some((last, parents)) = parts.split_last() else { return Ok(()) };
        let folder = self.folder(name, parents)?;
        match mkdirat(folder, *last, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) if is_folder(folder, last) => Ok(()),
            Err(Errno::EXIST) => self.replacing(name, parents, last, |folder| {
                mkdirat(folder, *last, Mode::from_raw_mode(0o755))
            }),
            other => other.map_err(|error| self.failed("create", name, error)),
        }
    }

    /// Writes a file. `size` is what the archive says: fewer bytes are a truncation, more are
    /// not read.
    pub(crate) fn file(
        &mut self,
        name: &[u8],
        executable: bool,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), FetchError> {
        let segments = [Segment { offset: 0, length: size }];
        self.sparse_file(name, executable, size, &segments, content)
    }

    /// Writes a file of `size` bytes that are zero but for the segments, whose bytes follow each
    /// other in `content`.
    pub(super) fn sparse_file(
        &mut self,
        name: &[u8],
        executable: bool,
        size: u64,
        segments: &[Segment],
        content: &mut dyn Read,
    ) -> Result<(), FetchError> {
        let Some(parts) = self.begin(name)? else {
            let wanted = segments.iter().map(|segment| segment.length).sum();
            return self.drain(name, wanted, content);
        };
        let Some((last, parents)) = parts.split_last() else {
            return Err(self.refused(name, UnsafeReason::ReplacesFolder));
        };
        self.count(name, size)?;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let create = |folder: BorrowedFd<'_>| openat(folder, *last, NEW_FILE, mode);
        let folder = self.folder(name, parents)?;
        let file = match create(folder) {
            Err(Errno::EXIST) => self.replacing(name, parents, last, create)?,
            other => other.map_err(|error| self.failed("create", name, error))?,
        };
        let mut file = File::from(file);
        match segments {
            [Segment { offset: 0, length }] if *length == size => {
                self.copy(name, size, content, |bytes, _| file.write_all(bytes))
            }
            _ => {
                file.set_len(size).map_err(FetchError::io("write", &self.place(name)))?;
                segments.iter().try_for_each(|segment| {
                    self.copy(name, segment.length, content, |bytes, done| {
                        file.write_all_at(bytes, segment.offset + done)
                    })
                })
            }
        }
    }

    /// Makes a symbolic link. Its target is data: it may be anything, and is never followed here.
    pub(crate) fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<(), FetchError> {
        let Some(parts) = self.begin(name)? else { return Ok(()) };
        let Some((last, parents)) = parts.split_last() else {
            return Err(self.refused(name, UnsafeReason::ReplacesFolder));
        };
        let reason = match target {
            [] => Some(UnsafeReason::EmptyTarget),
            _ if target.contains(&0) => Some(UnsafeReason::Nul),
            _ if target.len() >= self.limits.name_bytes => Some(UnsafeReason::TooLong),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(self.refused(name, reason));
        }
        let create = |folder: BorrowedFd<'_>| symlinkat(target, folder, *last);
        let folder = self.folder(name, parents)?;
        match create(folder) {
            Err(Errno::EXIST) => self.replacing(name, parents, last, create),
            other => other.map_err(|error| self.failed("create", name, error)),
        }
    }

    /// Makes a hard link to a file that an earlier entry made; `target` is a name in the archive.
    pub(crate) fn hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), FetchError> {
        let Some(parts) = self.begin(name)? else { return Ok(()) };
        let refused = |this: &Self| this.refused(name, UnsafeReason::HardLink);
        let source = self.components(target).map_err(|reason| self.refused(name, reason))?;
        let Some(source) = source else { return Err(refused(self)) };
        let (Some((last, parents)), Some((old, old_parents))) =
            (parts.split_last(), source.split_last())
        else {
            return Err(refused(self));
        };
        if source == parts {
            return if self.exists(old_parents, old) { Ok(()) } else { Err(refused(self)) };
        }
        let Some(from) = self.existing_folder(old_parents) else { return Err(refused(self)) };
        if is_folder(from.as_fd(), old) {
            return Err(refused(self));
        }
        let create = |to: BorrowedFd<'_>| linkat(&from, *old, to, *last, AtFlags::empty());
        let folder = self.folder(name, parents)?;
        match create(folder) {
            Err(Errno::EXIST) => self.replacing(name, parents, last, create),
            // The folder of the link may be what the link was to point at.
            Err(Errno::NOENT | Errno::PERM) => Err(refused(self)),
            other => other.map_err(|error| self.failed("link", name, error)),
        }
    }

    /// An entry that is not accepted, as an error.
    pub(crate) fn refused(&self, name: &[u8], reason: UnsafeReason) -> FetchError {
        let (archive, entry) = (self.label.to_owned(), shown(name));
        FetchError::UnsafeEntry { archive, entry, reason }
    }

    /// Damage after the last entry that was read.
    pub(crate) fn corrupt_after_last(&self, error: &io::Error) -> FetchError {
        match &self.last {
            Some(last) => self.corrupt(&format!("after the entry `{last}`"), error),
            None => self.corrupt("at its start", error),
        }
    }

    /// Damage inside a part.
    pub(crate) fn corrupt_part(&self, part: &str, error: &io::Error) -> FetchError {
        self.corrupt(&format!("in `{part}`"), error)
    }

    /// Damage at a place.
    pub(crate) fn corrupt(&self, place: &str, error: &io::Error) -> FetchError {
        let (archive, place) = (self.label.to_owned(), place.to_owned());
        FetchError::Corrupt { archive, place, message: error.to_string() }
    }

    /// No archive of a known format.
    pub(crate) fn unknown(&self, message: &str) -> FetchError {
        FetchError::UnknownFormat { archive: self.label.to_owned(), message: message.to_owned() }
    }

    /// An entry whose content cannot be read; `what` says why.
    pub(super) fn unsupported(&self, name: &[u8], what: String) -> FetchError {
        let (archive, entry) = (self.label.to_owned(), shown(name));
        FetchError::Unsupported { archive, entry, what }
    }

    /// Limits that the readers need for themselves.
    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Counts and checks an entry; `None` when stripping leaves nothing of its name.
    fn begin<'n>(&mut self, name: &'n [u8]) -> Result<Option<Components<'n>>, FetchError> {
        self.go_on()?;
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.too_large(name, self.limits.entries, "entries"));
        }
        if name.is_empty() {
            return Err(self.refused(name, UnsafeReason::Nameless));
        }
        self.last = Some(shown(name));
        let parts = self.components(name).map_err(|reason| self.refused(name, reason))?;
        self.written |= parts.as_ref().is_some_and(|parts| !parts.is_empty());
        Ok(parts)
    }

    fn components<'n>(&self, name: &'n [u8]) -> Result<Option<Components<'n>>, UnsafeReason> {
        if name.contains(&0) {
            return Err(UnsafeReason::Nul);
        }
        if name.starts_with(b"/") {
            return Err(UnsafeReason::Absolute);
        }
        let parts: Components<'n> =
            name.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if parts.iter().any(|part| *part == b"..") {
            return Err(UnsafeReason::Parent);
        }
        let long = |part: &&[u8]| part.len() > self.limits.component_bytes;
        if name.len() > self.limits.name_bytes || parts.iter().any(long) {
            return Err(UnsafeReason::TooLong);
        }
        if parts.len() > self.limits.name_depth {
            return Err(UnsafeReason::TooDeep);
        }
        let strip = usize::try_from(self.strip).unwrap_or(usize::MAX);
        Ok(if strip == 0 {
            Some(parts)
        } else {
            parts.get(strip..).filter(|rest| !rest.is_empty()).map(<[_]>::to_vec)
        })
    }

    /// Opens the folder of an entry and makes what is missing of it.
    fn folder(&mut self, name: &[u8], parts: &[&[u8]]) -> Result<BorrowedFd<'_>, FetchError> {
        let common =
            self.open.iter().zip(parts).take_while(|((open, _), part)| open == *part).count();
        self.open.truncate(common);
        for part in &parts[common..] {
            let above = self.open.last().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd());
            let made = match mkdirat(above, *part, Mode::from_raw_mode(0o755)) {
                Err(Errno::EXIST) => Ok(()),
                other => other,
            };
            let opened = made.and_then(|()| openat(above, *part, FOLDER, Mode::empty()));
            match opened {
                Ok(folder) => self.open.push((part.to_vec(), folder)),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(self.refused(name, UnsafeReason::ThroughLink));
                }
                Err(error) => return Err(self.failed("create the folder of", name, error)),
            }
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd()))
    }

    /// Opens a folder that must be there, without following links.
    fn existing_folder(&self, parts: &[&[u8]]) -> Option<OwnedFd> {
        let mut folder = self.root.try_clone().ok()?;
        for part in parts {
            folder = openat(&folder, *part, FOLDER, Mode::empty()).ok()?;
        }
        Some(folder)
    }

    fn exists(&self, parents: &[&[u8]], last: &[u8]) -> bool {
        let Some(folder) = self.existing_folder(parents) else { return false };
        rustix::fs::statat(&folder, last, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Makes an entry in place of an earlier one of the same name: the last one counts.
    fn replacing<T>(
        &mut self,
        name: &[u8],
        parents: &[&[u8]],
        last: &[u8],
        create: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, FetchError> {
        let folder = self.folder(name, parents)?;
        let removed = match unlinkat(folder, last, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => unlinkat(folder, last, AtFlags::REMOVEDIR),
            other => other,
        };
        match removed.and_then(|()| create(folder)) {
            Ok(made) => Ok(made),
            Err(Errno::NOTEMPTY) => Err(self.refused(name, UnsafeReason::ReplacesFolder)),
            Err(error) => Err(self.failed("replace", name, error)),
        }
    }

    fn count(&mut self, name: &[u8], size: u64) -> Result<(), FetchError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.unpacked_bytes {
            return Err(self.too_large(name, self.limits.unpacked_bytes, "bytes"));
        }
        Ok(())
    }

    /// Reads what belongs to an entry that is left out; it counts as if it was written.
    pub(super) fn drain(
        &mut self,
        name: &[u8],
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), FetchError> {
        self.count(name, size)?;
        self.copy(name, size, content, |_, _| Ok(()))
    }

    /// Hands `size` bytes to `write`, piece by piece, with the number of bytes before each piece.
    fn copy(
        &self,
        name: &[u8],
        size: u64,
        content: &mut dyn Read,
        mut write: impl FnMut(&[u8], u64) -> io::Result<()>,
    ) -> Result<(), FetchError> {
        let mut buffer = vec![0; usize::try_from(size.clamp(1, 1 << 16)).unwrap_or(1 << 16)];
        let mut done = 0;
        while done < size {
            self.go_on()?;
            let room = usize::try_from(size - done).unwrap_or(usize::MAX).min(buffer.len());
            let corrupt =
                |error: &io::Error| self.corrupt(&format!("in the entry `{}`", shown(name)), error);
            let read = match content.read(&mut buffer[..room]) {
                Ok(0) => {
                    let kind = io::ErrorKind::UnexpectedEof;
                    let message = format!("it ends after {done} of {size} bytes");
                    return Err(corrupt(&io::Error::new(kind, message)));
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(corrupt(&error)),
            };
            write(&buffer[..read], done).map_err(FetchError::io("write", &self.place(name)))?;
            done += read as u64;
        }
        Ok(())
    }

    fn too_large(&self, name: &[u8], limit: u64, unit: &'static str) -> FetchError {
        FetchError::TooLarge { archive: self.label.to_owned(), entry: shown(name), limit, unit }
    }

    fn failed(&self, action: &'static str, name: &[u8], error: Errno) -> FetchError {
        FetchError::io(action, &self.place(name))(error.into())
    }

    fn place(&self, name: &[u8]) -> PathBuf {
        self.path.join(shown(name))
    }
}

fn is_folder(above: BorrowedFd<'_>, name: &[u8]) -> bool {
    openat(above, name, FOLDER, Mode::empty()).is_ok()
}

/// A name as text that cannot disturb a terminal.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
