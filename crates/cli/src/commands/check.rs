//! `cbuild check`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_diag::{Severity, SourceId};
use cbuild_sema::ModuleKey;
use serde_json::json;

use crate::evaluation;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::{Session, shown};
use crate::target::{self, Entry};

/// Folders below a checked one that are looked into, at most this deep.
const MAX_FOLDER_DEPTH: usize = 64;

/// Checks files, and all `.cbuild` files below folders; all errors of all files are reported, each
/// once. Files of one package are checked together.
pub(crate) fn check(session: &Session, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut packages: BTreeMap<PathBuf, Vec<(PathBuf, ModuleKey)>> = BTreeMap::new();
    for (file, entry) in entries(paths)? {
        packages.entry(entry.package_root).or_default().push((file, entry.module));
    }
    let mut wrong = 0_usize;
    for (root, files) in packages {
        wrong += check_package(session, &root, &files)?;
    }
    if wrong == 0 {
        return Ok(());
    }
    let noun = if wrong == 1 { "file" } else { "files" };
    Err(Problem::new(Exit::Input, "E1017", format!("{wrong} {noun} with errors")).into())
}

/// Checks some files of a package; gives how many have errors, imported ones among them.
fn check_package(
    session: &Session,
    root: &Path,
    files: &[(PathBuf, ModuleKey)],
) -> Result<usize, Failure> {
    let modules: Vec<ModuleKey> = files.iter().map(|(_, module)| module.clone()).collect();
    let (checked, sources) = match evaluation::check_changed(session, root, &modules) {
        Ok(found) => found,
        Err(failure) => {
            // The package as a whole cannot be read, such as its cbuild.mod.
            failure.report(session.manner());
            return Ok(files.len());
        }
    };
    let wrong: BTreeSet<SourceId> = checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .filter_map(|diagnostic| diagnostic.labels.first())
        .map(|label| label.source)
        .collect();
    let broken: BTreeSet<ModuleKey> =
        wrong.iter().filter_map(|source| checked.keys.get(source)).cloned().collect();
    let loaded: BTreeSet<ModuleKey> = checked.modules.keys().cloned().collect();
    if let Err(failure) = evaluation::accept(session, checked, sources) {
        failure.report(session.manner());
    }
    for (file, module) in files {
        if session.options.json && loaded.contains(module) && !broken.contains(module) {
            output::json(&json!({"file": shown(file), "ok": true}))?;
        }
    }
    Ok(wrong.len())
}

/// The files that the paths stand for and their modules, each once, in path order. What is below a
/// given folder and not in a module of its own is one package with that folder.
pub(crate) fn entries(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Entry)>, Failure> {
    let folders: Vec<PathBuf> = paths
        .iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for file in files(paths)? {
        let entry = target::find_among(&file, &folders)?;
        if seen.insert(entry.package_root.join(&entry.module.path)) {
            entries.push((file, entry));
        }
    }
    Ok(entries)
}

/// The files that the paths stand for, each once, in path order.
pub(crate) fn files(paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut found = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            collect(path, MAX_FOLDER_DEPTH, &mut found)?;
        } else {
            found.insert(path.clone());
        }
    }
    if found.is_empty() {
        return Err(Problem::new(Exit::Input, "E1018", "there is no .cbuild file")
            .help("name a file, or a folder that has some")
            .into());
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "the found files go to an ordered set")]
fn collect(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot read the folder `{}`: {error}", folder.display());
        let problem = Problem::new(Exit::Environment, "E1019", message);
        Failure::from(problem.help("make it readable, or name the files to be checked"))
    };
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A module in a module, such as a vendored one, is checked on its own.
        let module = path.join(cbuild_modules::MANIFEST_FILE);
        if kind.is_dir() && !hidden && !module.is_file() {
            collect(&path, depth - 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "cbuild") {
            found.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read() {
        let mut found = BTreeSet::new();
        let failure = collect(Path::new("/nonexistent"), 1, &mut found).unwrap_err();
        insta::assert_snapshot!(failure.text());
    }
}
