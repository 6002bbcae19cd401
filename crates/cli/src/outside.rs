//! The real outside of checking and evaluation: module files on disk, and sources that go to the store.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use cbuild_diag::SourceId;
use cbuild_drv::{Name, StorePath};
use cbuild_eval::World;
use cbuild_sema::{LoadError, Loader, ModuleKey, Package};
use cbuild_store::Store;

use crate::session::shown;
use crate::standard_library;

/// Largest module file that is read, in bytes.
const MAX_MODULE_BYTES: u64 = 16 << 20;

/// Reads modules of one package from disk, and those of the standard library from the program itself.
pub(crate) struct FileLoader {
    package_root: PathBuf,
}

impl FileLoader {
    /// Files of the package are looked up below `package_root`, which must be canonical.
    pub(crate) fn new(package_root: &Path) -> Self {
        Self { package_root: package_root.to_owned() }
    }
}

impl Loader for FileLoader {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.package {
            Package::Std => {
                standard_library::file(&key.path).map(str::to_owned).ok_or(LoadError::NotFound)
            }
            _ => read_module(&self.package_root, &key.path),
        }
    }

    fn shown_name(&self, key: &ModuleKey) -> String {
        match key.package {
            Package::Std => format!("std/{}", key.path),
            _ => shown(&self.package_root.join(&key.path)),
        }
    }
}

fn read_module(root: &Path, path: &str) -> Result<String, LoadError> {
    let file = inside(root, path).map_err(|error| match error {
        Outside::Missing => LoadError::NotFound,
        Outside::Refused(why) => LoadError::Unreadable(why),
    })?;
    let unreadable = |error: std::io::Error| LoadError::Unreadable(error.to_string());
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LoadError::Unreadable("it is not a file".to_owned()));
    }
    if metadata.len() > MAX_MODULE_BYTES {
        let why = format!("it has more than {} MiB", MAX_MODULE_BYTES >> 20);
        return Err(LoadError::Unreadable(why));
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(&file).map_err(unreadable)?;
    opened.take(MAX_MODULE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        LoadError::Unreadable(format!("it is not UTF-8 text (byte {at})"))
    })
}

/// Why a path cannot be used.
enum Outside {
    Missing,
    Refused(String),
}

/// The canonical place of a file of the package; symbolic links must not lead out of it.
fn inside(root: &Path, path: &str) -> Result<PathBuf, Outside> {
    let joined = root.join(path);
    let canonical = joined.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Outside::Missing,
        _ => Outside::Refused(error.to_string()),
    })?;
    if canonical.starts_with(root) {
        return Ok(canonical);
    }
    Err(Outside::Refused(format!("it leads out of the package, to `{}`", canonical.display())))
}

/// Adds what path literals name to the store.
pub(crate) struct StoreWorld<'a> {
    store: &'a Store,
    package_root: PathBuf,
    keys: &'a BTreeMap<SourceId, ModuleKey>,
    imported: BTreeMap<PathBuf, StorePath>,
}

impl<'a> StoreWorld<'a> {
    /// `keys` says which module each source is.
    pub(crate) fn new(
        store: &'a Store,
        package_root: &Path,
        keys: &'a BTreeMap<SourceId, ModuleKey>,
    ) -> Self {
        let package_root = package_root.to_owned();
        Self { store, package_root, keys, imported: BTreeMap::new() }
    }
}

impl World for StoreWorld<'_> {
    fn import_source(&mut self, source: SourceId, path: &str) -> Result<StorePath, String> {
        let module = self.keys.get(&source).ok_or("its module is unknown")?;
        if module.package != Package::Root {
            return Err("the standard library has no files but its modules".to_owned());
        }
        let key = module.relative(path).ok_or("it lies outside the package")?;
        let file = inside(&self.package_root, &key.path).map_err(|error| match error {
            Outside::Missing => "there is no such file or folder".to_owned(),
            Outside::Refused(why) => why,
        })?;
        if let Some(known) = self.imported.get(&file) {
            return Ok(known.clone());
        }
        let stored = self.store.add_tree(&file, &object_name(&file)).map_err(|e| e.to_string())?;
        self.imported.insert(file, stored.clone());
        Ok(stored)
    }
}

/// Name of the store object of a source: its file name, with characters that a name cannot have left out.
fn object_name(file: &Path) -> Name {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let kept: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "+-._=".contains(*c))
        .skip_while(|c| !c.is_ascii_alphanumeric() && *c != '_')
        .take(100)
        .collect();
    Name::new(kept).or_else(|_| Name::new("source")).expect("`source` is a valid name")
}
