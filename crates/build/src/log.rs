//! Builders' logs: written plain while a build goes on, kept compressed afterwards.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cbuild_drv::{ActionKey, DrvId};
use cbuild_store::Store;

use crate::error::LogEnd;
use crate::event::Event;
use crate::plain::plain;

/// Log lines that come with a failure.
pub const LOG_TAIL_LINES: usize = 25;

/// Bytes at the end of a log in which those lines are looked for.
const TAIL_BYTES: u64 = 64 * 1024;

/// Longest line in bytes that is passed on; what is longer is cut.
const MAX_LINE: usize = 4096;

/// Most bytes that are read from one log at a time.
const MAX_READ: u64 = 256 * 1024;

/// Most bytes of a kept log that are read; builders are stopped at the same size.
const MAX_LOG: u64 = 1 << 30;

/// Level of compression; higher ones cost more time than they save space on text.
const LEVEL: i32 = 3;

/// The last lines of a log. A log that cannot be read has none: it must not hide the failure.
pub(crate) fn tail(log: &Path) -> Vec<String> {
    read_end(log).map(|bytes| last_lines(&bytes)).unwrap_or_default()
}

fn read_end(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn last_lines(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        bytes.rsplit(|&b| b == b'\n').take(LOG_TAIL_LINES).map(line).collect();
    lines.reverse();
    lines
}

fn line(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    plain(&String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LINE)]))
}

/// Compresses a log into the store's place for it and returns that place. The file appears there
/// by a rename, so that a reader never sees half of one. A log without a byte has no file.
pub(crate) fn keep(store: &Store, key: &ActionKey, log: &Path) -> io::Result<PathBuf> {
    let place = store.log_path(key);
    if fs::metadata(log)?.len() == 0 {
        return match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(place),
        };
    }
    let compressed = log.with_extension("zst");
    let mut encoder = zstd::Encoder::new(File::create(&compressed)?, LEVEL)?;
    io::copy(&mut File::open(log)?, &mut encoder)?;
    encoder.finish()?;
    fs::rename(&compressed, &place)?;
    Ok(place)
}

/// Adds lines of cbuild itself to a kept log.
pub(crate) fn add(
    store: &Store,
    key: &ActionKey,
    lines: impl Iterator<Item = String>,
) -> io::Result<()> {
    let text: String = lines.map(|line| format!("cbuild: warning: {line}\n")).collect();
    if text.is_empty() {
        return Ok(());
    }
    let mut file = File::options().append(true).create(true).open(store.log_path(key))?;
    // A zstd file may have several frames, which are read as one text.
    file.write_all(&zstd::encode_all(text.as_bytes(), LEVEL)?)
}

/// Reads a log that was kept: at most 1 GiB, broken UTF-8 replaced. Without a file the log is empty.
///
/// # Errors
/// When the file cannot be read or is no zstd data.
pub fn read_log(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    zstd::Decoder::new(file)?.take(MAX_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of a log together with the place where it is kept, if something was written.
pub(crate) fn end(log: &Path, kept: Option<PathBuf>) -> LogEnd {
    let lines = tail(log);
    // A log without a byte has no file.
    let path = kept.filter(|_| !lines.is_empty());
    LogEnd { lines, path }
}

/// Reads a log that grows.
#[derive(Debug)]
pub(crate) struct Follower {
    drv: DrvId,
    file: File,
    partial: Vec<u8>,
}

impl Follower {
    /// Follows from the start of the file.
    pub(crate) fn new(drv: DrvId, log: &Path) -> io::Result<Self> {
        Ok(Self { drv, file: File::open(log)?, partial: Vec::new() })
    }

    /// Passes on the whole lines that came since the last call, of a fast writer only some; with
    /// `ended` all that is left, also a last line without a line end. A log that cannot be read
    /// gives none.
    pub(crate) fn lines(&mut self, ended: bool, send: &dyn Fn(Event)) {
        let mut read = MAX_READ;
        while read == MAX_READ {
            let mut bytes = std::mem::take(&mut self.partial);
            let before = bytes.len();
            if (&mut self.file).take(MAX_READ).read_to_end(&mut bytes).is_err() {
                return;
            }
            read = if ended { (bytes.len() - before) as u64 } else { 0 };
            self.pass_on(&bytes, ended && read < MAX_READ, send);
        }
    }

    fn pass_on(&mut self, bytes: &[u8], last: bool, send: &dyn Fn(Event)) {
        let drv = self.drv;
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            send(Event::Log { drv, line: line(&rest[..end]) });
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() && (last || rest.len() > MAX_LINE) {
            send(Event::Log { drv, line: line(rest) });
            rest = &[];
        }
        self.partial = rest.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use cbuild_drv::Digest;

    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let lines = last_lines(text.as_bytes());
        assert_eq!(lines.len(), LOG_TAIL_LINES);
        assert_eq!((lines[0].as_str(), lines[24].as_str()), ("line 75", "line 99"));
        assert_eq!(last_lines(b""), Vec::<String>::new());
        assert_eq!(last_lines(b"a\r\n\xffb"), ["a", "\u{fffd}b"]);
    }

    #[test]
    fn only_a_log_with_something_in_it_has_a_place() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let kept = || Some(PathBuf::from("/store/logs/1.log.zst"));
        assert_eq!(end(file.path(), kept()), LogEnd::default());
        file.write_all(b"one").unwrap();
        assert_eq!(
            end(file.path(), kept()),
            LogEnd { lines: vec!["one".to_owned()], path: kept() }
        );
    }

    #[test]
    fn a_follower_passes_each_line_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::new(DrvId(Digest::of(b"x")), file.path()).unwrap();
        let seen = RefCell::new(Vec::new());
        let send = |event| match event {
            Event::Log { line, .. } => seen.borrow_mut().push(line),
            other => panic!("{other:?}"),
        };
        file.write_all(b"one\ntw").unwrap();
        follower.lines(false, &send);
        assert_eq!(*seen.borrow(), ["one"]);
        file.write_all(b"o\nthree").unwrap();
        follower.lines(false, &send);
        follower.lines(true, &send);
        follower.lines(true, &send);
        assert_eq!(*seen.borrow(), ["one", "two", "three"]);
    }
}
