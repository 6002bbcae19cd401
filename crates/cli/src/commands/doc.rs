//! `cbuild doc`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cbuild_doc::Library;
use cbuild_sema::{LoadError, Loader as _, ModuleKey};
use serde_json::json;

use super::check::entries;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::outside::FileLoader;
use crate::session::{Session, shown};

/// Code of an import that documentation cannot follow.
const MISSING: &str = "E1072";

/// Folder of the pages when none is given.
const DEFAULT_FOLDER: &str = "doc";

/// Writes the documentation of a folder's files, or prints it as JSON.
pub(crate) fn doc(session: &Session, path: &Path, folder: Option<&Path>) -> Result<(), Failure> {
    let (title, root, modules) = what(path)?;
    let mut loader = FileLoader::new(session.places(&root)?);
    let library = Library::load(&title, &mut loader, &modules)
        .map_err(|(key, error)| unreadable(&key, &error))?;
    warn_of_missing(session, &library, &loader);
    if session.options.json {
        return output::json(&cbuild_doc::json(&library));
    }
    let folder = folder.unwrap_or(Path::new(DEFAULT_FOLDER));
    write(folder, &cbuild_doc::pages(&library))?;
    output::line(&shown(&folder.join("index.html")))
}

/// Says which imports lead nowhere. The pages are of use without what comes from there.
fn warn_of_missing(session: &Session, library: &Library, loader: &FileLoader) {
    for missing in library.missing_imports() {
        let (file, line, wanted) = (loader.shown_name(&missing.from), missing.line, missing.wanted);
        let message =
            format!("{file}:{line} imports `{wanted}`, which cannot be read; nothing links there");
        let help = format!("`cbuild check {file}` says why");
        if session.options.json {
            let (severity, code) = ("warning", MISSING);
            output::tell_line(
                &json!({"severity": severity, "code": code, "message": message, "help": help})
                    .to_string(),
            );
        } else {
            output::tell(&format!("warning[{MISSING}]: {message}\n  help: {help}\n"));
        }
    }
}

/// The title, the top folder and the modules to document.
fn what(path: &Path) -> Result<(String, PathBuf, Vec<ModuleKey>), Failure> {
    if path == Path::new("std") && !path.exists() {
        return Ok(("The standard library".to_owned(), PathBuf::new(), Vec::new()));
    }
    let mut modules = Vec::new();
    let mut root: Option<PathBuf> = None;
    for (_, entry) in entries(&[path.to_owned()])? {
        // Files that belong to different modules have different documentations.
        if root.get_or_insert_with(|| entry.package_root.clone()) == &entry.package_root {
            modules.push(entry.module);
        }
    }
    let root = root.unwrap_or_default();
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, root, modules))
}

fn unreadable(key: &ModuleKey, error: &LoadError) -> Failure {
    let why = match error {
        LoadError::NotFound => "there is no such file",
        LoadError::Unreadable(why) => why,
    };
    Problem::new(Exit::Input, "E1070", format!("cannot read `{key}`: {why}"))
        .help("make the file readable, as text in UTF-8, or name other files")
        .into()
}

fn write(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), Failure> {
    for (path, text) in files {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, text));
        written.map_err(|error| {
            let message = format!("cannot write `{}`: {error}", file.display());
            Problem::new(Exit::Environment, "E1071", message)
                .help("give another folder with `-o DIR`")
        })?;
    }
    Ok(())
}
