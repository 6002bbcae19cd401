//! Targets: `PATH[:NAME]`, as in `examples/redis:image`, `std:zlib` or `.`.

use std::path::{Path, PathBuf};

use cbuild_sema::ModuleKey;

use crate::failure::{Exit, Failure, Problem};

/// Name that is taken when a target gives none.
const DEFAULT_NAME: &str = "default";

/// File that a folder stands for.
const MAIN_FILE: &str = "main.cbuild";

/// File that marks the top folder of a module.
const MODULE_FILE: &str = "cbuild.mod";

/// A file of a package on disk, or of the standard library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Top folder of the package, canonical; files of the package are below it.
    pub(crate) package_root: PathBuf,
    /// The module.
    pub(crate) module: ModuleKey,
}

/// What a command is asked to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetName {
    /// As the user wrote it.
    pub(crate) text: String,
    /// Where the name is looked up.
    pub(crate) entry: Entry,
    /// Public name, then fields.
    pub(crate) name: Vec<String>,
}

/// Parses a target and finds its file.
pub(crate) fn parse(text: &str) -> Result<TargetName, Failure> {
    let (path, name) = match text.rsplit_once(':') {
        Some((path, name)) => (path, name),
        None => (text, DEFAULT_NAME),
    };
    let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
    if path.is_empty() || parts.iter().any(|part| !is_identifier(part)) {
        let message = format!("`{text}` is not a target");
        return Err(Problem::new(Exit::Input, "E1010", message)
            .help("write PATH or PATH:NAME, such as `examples/redis:image`; names are dotted for fields")
            .into());
    }
    let entry = if path == "std" && !Path::new("std").exists() {
        Entry { package_root: PathBuf::new(), module: ModuleKey::std(MAIN_FILE) }
    } else {
        find(Path::new(path))?
    };
    Ok(TargetName { text: text.to_owned(), entry, name: parts })
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The package that a canonical folder belongs to, and the folder's place in it: empty, or with a
/// final `/`.
pub(crate) fn package_of(folder: &Path) -> (PathBuf, String) {
    let marked = folder.ancestors().find(|ancestor| ancestor.join(MODULE_FILE).is_file());
    let root = marked.unwrap_or(folder);
    match folder.strip_prefix(root).ok().and_then(Path::to_str) {
        Some("") | None => (root.to_owned(), String::new()),
        Some(inner) => (root.to_owned(), format!("{inner}/")),
    }
}

/// Finds the file that a path stands for: the file itself, or a folder's `main.cbuild`.
pub(crate) fn find(path: &Path) -> Result<Entry, Failure> {
    find_among(path, &[])
}

/// As [`find`]; a file that neither a `cbuild.mod` nor a library claims belongs to the outermost of
/// some canonical folders that it is in, not to its own folder.
pub(crate) fn find_among(path: &Path, folders: &[PathBuf]) -> Result<Entry, Failure> {
    let shown = path.display();
    let canonical = path.canonicalize().map_err(|error| {
        Problem::new(Exit::Input, "E1011", format!("cannot find `{shown}`: {error}")).help(
            "a target is a folder with a main.cbuild, or a .cbuild file, and may end with `:NAME`",
        )
    })?;
    let file = if canonical.is_dir() { canonical.join(MAIN_FILE) } else { canonical };
    if !file.is_file() {
        let message = format!("the folder `{shown}` has no {MAIN_FILE}");
        return Err(Problem::new(Exit::Input, "E1012", message)
            .help(format!("create `{shown}/{MAIN_FILE}`, or name a file"))
            .into());
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    let marked = folder.ancestors().find(|ancestor| ancestor.join(MODULE_FILE).is_file());
    let library = folder.ancestors().find(|ancestor| is_library(ancestor));
    let given = folders.iter().filter(|given| folder.starts_with(given));
    let given = given.min_by_key(|given| given.as_os_str().len()).map(PathBuf::as_path);
    let package_root = marked.or(library).or(given).unwrap_or(folder).to_owned();
    let relative = file.strip_prefix(&package_root).unwrap_or(&file);
    let Some(relative) = relative.to_str() else {
        let message = format!("the path `{}` is not valid UTF-8", file.display());
        return Err(Problem::new(Exit::Input, "E1013", message)
            .help("rename the file or folder")
            .into());
    };
    let module = match library {
        Some(library) if library == package_root => ModuleKey::std(relative),
        _ => ModuleKey::root(relative),
    };
    Ok(Entry { module, package_root })
}

/// Whether a folder holds the sources of a standard library, as in cbuild's own repository: its
/// prelude declares what the evaluator supplies, which no other package may.
pub(crate) fn is_library(folder: &Path) -> bool {
    let prelude = folder.join("prelude.cbuild");
    !folder.as_os_str().is_empty()
        && std::fs::read_to_string(prelude)
            .is_ok_and(|text| text.lines().any(|line| line.starts_with("pub extern type ")))
}

/// The folder that relative paths begin from.
pub(crate) fn working_folder() -> Result<PathBuf, Failure> {
    Path::new(".").canonicalize().map_err(|error| {
        let message = format!("the working folder is gone: {error}");
        Problem::new(Exit::Environment, "E1023", message)
            .help("change to a folder that exists, as with `cd`")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_of_a_library_are_known_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("packages")).unwrap();
        write("main.cbuild", "");
        write("packages/a.cbuild", "");
        write("prelude.cbuild", "pub let a: Int = 1\n");
        let packages = folder.path().join("packages/a.cbuild");
        assert_eq!(find(folder.path()).unwrap().module, ModuleKey::root("main.cbuild"));
        assert_eq!(find(&packages).unwrap().module, ModuleKey::root("a.cbuild"));
        write("prelude.cbuild", "//! p\npub extern type Package\n");
        assert_eq!(find(folder.path()).unwrap().module, ModuleKey::std("main.cbuild"));
        assert_eq!(find(&packages).unwrap().module, ModuleKey::std("packages/a.cbuild"));
    }

    #[test]
    fn a_path_and_a_dotted_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.cbuild");
        std::fs::write(&file, "").unwrap();
        let target = parse(&format!("{}:a.b_1", folder.path().display())).unwrap();
        assert_eq!(target.name, ["a", "b_1"]);
        assert_eq!(target.entry.module, ModuleKey::root("main.cbuild"));
        assert_eq!(parse(file.to_str().unwrap()).unwrap().name, ["default"]);
    }

    #[test]
    fn the_nearest_module_file_marks_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("main.cbuild"), "").unwrap();
        std::fs::write(folder.path().join(MODULE_FILE), "").unwrap();
        assert_eq!(find(&inner).unwrap().module, ModuleKey::root("a/b/main.cbuild"));
    }

    #[test]
    fn a_file_that_nobody_claims_belongs_to_the_folder_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let file = top.join("a/b/c.cbuild");
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::write(&file, "").unwrap();
        let path = |folders: &[PathBuf]| find_among(&file, folders).unwrap().module.path;
        assert_eq!(path(&[]), "c.cbuild");
        assert_eq!(
            path(&[top.join("a/b"), top.clone(), top.join("a"), top.join("z")]),
            "a/b/c.cbuild"
        );
        std::fs::write(top.join("a").join(MODULE_FILE), "").unwrap();
        assert_eq!(path(std::slice::from_ref(&top)), "b/c.cbuild");
    }

    #[test]
    fn wrong_targets_are_refused_with_a_code() {
        for (text, code) in [
            ("", "E1010"),
            (":x", "E1010"),
            (".:", "E1010"),
            (".:a..b", "E1010"),
            (".:1", "E1010"),
            ("/nonexistent/folder", "E1011"),
            ("/proc:x", "E1012"),
        ] {
            let Err(Failure::Problems(problems)) = parse(text) else {
                panic!("`{text}` was accepted");
            };
            assert_eq!(problems[0].code, code, "{text}");
            assert_eq!(problems[0].exit, Exit::Input);
        }
    }
}
