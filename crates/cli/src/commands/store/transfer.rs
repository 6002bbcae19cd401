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
        let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        store.export(&paths, &mut out)?;
        return Ok(());
    }
    // Half a file must not look like a whole one.
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let written = write_to(&store, &paths, &fresh, to);
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
fn write_to(
    store: &Store,
    paths: &[StorePath],
    fresh: &Path,
    to: &Path,
) -> Result<TransferReport, Failure> {
    let failed = |error: io::Error| write_failed(to, &error);
    let mut out = BufWriter::with_capacity(BUFFER, File::create(fresh).map_err(failed)?);
    let report = store.export(paths, &mut out)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(failed)?;
    fs::rename(fresh, to).map_err(failed)?;
    Ok(report)
}

fn write_failed(to: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", to.display());
    Problem::new(Exit::Environment, "E1033", message)
        .help("give a file in a folder that is there, that you may write to and that has space")
        .into()
}

/// Opens an export, or standard input for `-`.
pub(super) fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", file.display());
        Problem::new(Exit::Input, "E1034", message)
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
