//! `cbuild store add`, `export` and `import`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cbuild_drv::{Name, StorePath};
use cbuild_store::{Store, TransferReport};
use indicatif::HumanBytes;
use serde_json::json;

use super::parse_path;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Bytes between the file and the program.
const BUFFER: usize = 1 << 20;

/// Takes a file or folder into the store.
pub(super) fn add(session: &Session, path: &Path, name: Option<String>) -> Result<(), Failure> {
    path.symlink_metadata().map_err(|error| {
        unreadable(path, &error).help("check the path: give a file or folder that is there")
    })?;
    let store = session.store()?;
    let last = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = Name::new(name.or(last).unwrap_or_default()).map_err(|error| {
        Problem::new(Exit::Input, "E1032", error.to_string()).help("give one with `--name`")
    })?;
    let added = store.add_tree(path, &name)?;
    if session.options.json {
        let physical = store.physical(&added).display().to_string();
        return output::json(&json!({"path": added.to_string(), "physical": physical}));
    }
    output::line(&added.to_string())
}

/// Writes closures to one file.
pub(super) fn export(session: &Session, paths: &[String], to: &Path) -> Result<(), Failure> {
    let store = session.store()?;
    let paths = paths.iter().map(|text| parse_path(&store, text)).collect::<Result<Vec<_>, _>>()?;
    if to == Path::new("-") {
        let out = io::stdout().lock();
        return write(&store, &paths, out, Path::new("standard output")).map(|_| ());
    }
    // A link stays a link: what it leads to is replaced.
    let to = &to.canonicalize().unwrap_or_else(|_| to.to_owned());
    // A device or a pipe is written to; moving a file there would put the file in its place.
    if fs::metadata(to).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let out = File::options().write(true).open(to).map_err(|e| write_failed(to, &e))?;
        return write(&store, &paths, out, to).map(|_| ());
    }
    // Half a file must not look like a whole one.
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let written = write_beside(&store, &paths, &fresh, to);
    if written.is_err() {
        // What was begun is of no use; that it cannot be removed says less than the error.
        let _ = fs::remove_file(&fresh);
    }
    let report = written?;
    if session.options.json {
        return output::json(&json!({"objects": report.objects, "bytes": report.bytes}));
    }
    output::line(&format!("exported {} objects, {}", report.objects, HumanBytes(report.bytes)))
}

/// Writes an export beside its place, and moves it there when all of it is on the disk.
fn write_beside(
    store: &Store,
    paths: &[StorePath],
    fresh: &Path,
    to: &Path,
) -> Result<TransferReport, Failure> {
    let failed = |error: io::Error| write_failed(to, &error);
    let file = File::create(fresh).map_err(failed)?;
    let report = write(store, paths, &file, to)?;
    file.sync_all().map_err(failed)?;
    fs::rename(fresh, to).map_err(failed)?;
    Ok(report)
}

/// Writes an export; `to` is what messages call the place.
fn write(
    store: &Store,
    paths: &[StorePath],
    out: impl Write,
    to: &Path,
) -> Result<TransferReport, Failure> {
    let mut out = Noting { to: BufWriter::with_capacity(BUFFER, out), failed: None };
    let written = store.export(paths, &mut out);
    match (written, out.failed) {
        (Err(_), Some(error)) => Err(write_failed(to, &error)),
        (written, _) => Ok(written?),
    }
}

/// Keeps why it could not be written to: the store tells no errors of its own files from these.
struct Noting<W> {
    to: W,
    failed: Option<io::Error>,
}

impl<W> Noting<W> {
    fn note<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

impl<W: Write> Write for Noting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.to.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.to.flush();
        self.note(done)
    }
}

fn write_failed(to: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write the export to `{}`: {error}", to.display());
    let help = if error.kind() == io::ErrorKind::BrokenPipe {
        "the program that reads the export ended before all of it was written"
    } else {
        "give a file in a folder that is there, that you may write to and that has space"
    };
    Problem::new(Exit::Environment, "E1033", message).help(help).into()
}

/// A path that the user named, and that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Exit::Input, "E1034", format!("cannot read `{}`: {error}", path.display()))
}

/// Opens an export, or standard input for `-`.
pub(super) fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| {
        unreadable(file, &error)
            .help("give the file that `cbuild store export` wrote, or `-` for standard input")
    })?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, opened)))
}

/// Reads closures from a file.
pub(super) fn import(session: &Session, file: &Path) -> Result<(), Failure> {
    let store = session.store()?;
    let report = store.import(&mut *open(file)?, &BTreeSet::new())?;
    if session.options.json {
        return output::json(&json!({
            "added": report.added.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "known": report.known,
            "bytes": report.bytes,
        }));
    }
    if session.options.verbose {
        report.added.iter().try_for_each(|path| output::line(&path.to_string()))?;
    }
    let (added, bytes) = (report.added.len(), HumanBytes(report.bytes));
    output::line(&format!("imported {added} objects, {bytes}; {} were there", report.known))
}
