//! Where the files of packages are: the root's, and those of the modules that it requires.

use std::path::{Path, PathBuf};

use cbuild_modules::{Error, Import, MANIFEST_FILE, Means, Packages, Workspace};
use cbuild_sema::{ModuleKey, Package};
use cbuild_store::Store;

use crate::failure::{Exit, Failure, Problem};
use crate::session::{Session, shown};
use crate::target;

/// File of a module that an import of the module means.
const MAIN_FILE: &str = "main.cbuild";

/// The packages that an evaluation can see.
pub(crate) struct Places {
    root: PathBuf,
    packages: Packages,
    /// Canonical folders of the packages, in their order.
    folders: Vec<PathBuf>,
    /// Whether the root is a standard library, which then replaces the one that is part of cbuild.
    library: bool,
    /// Keeps the packages' files from collection.
    _store: Option<Store>,
}

impl Places {
    /// Reads the `cbuild.mod` of a canonical folder, if it has one, and gets what it requires.
    pub(crate) fn find(session: &Session, root: &Path) -> Result<Self, Failure> {
        if !root.join(MANIFEST_FILE).is_file() {
            let (packages, folders) = (Packages::default(), Vec::new());
            let library = target::is_library(root);
            return Ok(Self { root: root.to_owned(), packages, folders, library, _store: None });
        }
        let store = session.store()?;
        let packages = with_workspace(session, &store, root, |workspace| Ok(workspace.load()?))?;
        let canonical = |package: &cbuild_modules::Package| {
            package.folder.canonicalize().map_err(|error| {
                let message = format!("cannot find `{}`: {error}", package.folder.display());
                let problem = Problem::new(Exit::Environment, "E1117", message);
                Failure::from(problem.help("run `cbuild lock`, which brings what is missing"))
            })
        };
        let folders = packages.list.iter().map(canonical).collect::<Result<_, _>>()?;
        let (root, library) = (root.to_owned(), false);
        Ok(Self { root, packages, folders, library, _store: Some(store) })
    }

    /// A package by itself, for when what it requires cannot be had.
    pub(crate) fn alone(root: &Path) -> Self {
        let (packages, folders) = (Packages::default(), Vec::new());
        Self { root: root.to_owned(), packages, folders, library: false, _store: None }
    }

    /// Top folder of a package, canonical; the standard library mostly has none.
    pub(crate) fn folder(&self, package: Package) -> Option<&Path> {
        match package {
            Package::Root => Some(&self.root),
            Package::Std if self.library => Some(&self.root),
            Package::External(index) => {
                self.folders.get(usize::try_from(index).ok()?).map(PathBuf::as_path)
            }
            _ => None,
        }
    }

    /// A file of a package as messages name it.
    pub(crate) fn shown(&self, package: Package, path: &str) -> String {
        match package {
            Package::External(index) => match self.packages.get(index) {
                // Files of an override are the user's own, and named as such.
                Some(found) if found.version.is_none() => shown(&found.folder.join(path)),
                Some(found) => format!("{}/{path}", found.label()),
                None => path.to_owned(),
            },
            _ => shown(&self.root.join(path)),
        }
    }

    /// A digest of where packages are, which versions they have and what they can import.
    pub(crate) fn identity(&self) -> String {
        let all = (&self.root, &self.packages, &self.folders, self.library);
        cbuild_drv::Digest::of(format!("{all:?}").as_bytes()).to_text()
    }

    /// What `import NAME` means in a package.
    pub(crate) fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        let name = name.strip_prefix("ext.")?.parse().ok()?;
        let package = match self.packages.imports(index(from)?)?.get(&name)? {
            Import::Root => Package::Root,
            Import::Module(index) => Package::External(*index),
        };
        Some(ModuleKey { package, path: MAIN_FILE.to_owned() })
    }

    /// Names that a package can import.
    pub(crate) fn importable(&self, from: Package) -> Vec<String> {
        let known = index(from).and_then(|from| self.packages.imports(from));
        known.into_iter().flat_map(|names| names.keys()).map(|name| format!("ext.{name}")).collect()
    }
}

/// How the table of packages knows a package; the outer `None` is the standard library.
fn index(package: Package) -> Option<Option<u32>> {
    match package {
        Package::Root => Some(None),
        Package::External(index) => Some(Some(index)),
        _ => None,
    }
}

/// The means of a session to get modules: its fetcher, and a line for each module that is fetched.
pub(crate) fn with_means<T>(
    session: &Session,
    store: &Store,
    work: impl FnOnce(Means<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let fetcher = session.fetcher()?;
    let silent = session.options.quiet;
    let json = session.options.json;
    work(Means {
        store,
        fetcher: &fetcher,
        notice: &|module, source| {
            if json && !silent {
                let event = serde_json::json!({
                    "event": "module",
                    "module": module.to_string(),
                    "source": source.shown(),
                });
                crate::output::tell_line(&event.to_string());
            } else if !silent {
                crate::output::tell_line(&format!(
                    "fetching module {module} from {}",
                    source.shown()
                ));
            }
        },
        warn: &|wrong| {
            if json && !silent {
                let event = serde_json::json!({
                    "event": "wrong-bytes",
                    "url": wrong.url,
                    "wanted": wrong.wanted.to_string(),
                    "got": wrong.got.to_string(),
                });
                crate::output::tell_line(&event.to_string());
            } else if !silent {
                crate::output::tell_line(&format!("warning: {wrong}"));
            }
        },
    })
}

/// Opens the module of a folder and works on it.
pub(crate) fn with_workspace<T>(
    session: &Session,
    store: &Store,
    root: &Path,
    work: impl FnOnce(&Workspace<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_means(session, store, |means| {
        let workspace = Workspace::open(root, Path::new(&shown(root)), means)?;
        work(&workspace)
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Text { .. } => Exit::Input,
            Error::Fetch { error, .. } | Error::Versions { error, .. } => Exit::from(&**error),
            Error::Push(error) => Exit::from(error),
            Error::Store(error) => Exit::from(error),
            Error::WrongTree(_) | Error::VendorChanged { .. } => Exit::Failed,
            Error::Io { .. } => Exit::Environment,
            _ => Exit::Input,
        };
        let mut problem = Problem::new(exit, error.code(), error.to_string());
        problem.help = error.help();
        match error {
            Error::Text { diagnostics, sources } => Self::Source { diagnostics, sources },
            _ => problem.into(),
        }
    }
}
