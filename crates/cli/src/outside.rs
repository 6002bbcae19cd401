//! The real outside of checking and evaluation: module files on disk, and sources that go to the store.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cbuild_diag::SourceId;
use cbuild_drv::{Digest, Name, StorePath};
use cbuild_eval::World;
use cbuild_sema::{LoadError, Loader, ModuleKey, Package};
use cbuild_store::Store;

use crate::failure::Failure;
use crate::places::Places;
use crate::session::{Session, shown};
use crate::standard_library;

/// Largest module file that is read, in bytes.
const MAX_MODULE_BYTES: u64 = 16 << 20;

/// Reads modules of a package and of those that it requires from disk, and those of the standard library from the program itself.
pub(crate) struct FileLoader {
    places: Arc<Places>,
    folders: Folders,
}

impl FileLoader {
    /// Files are looked up where `places` says.
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self { places, folders: Folders::default() }
    }
}

impl Loader for FileLoader {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match self.places.folder(key.package) {
            None if key.package == Package::Std => {
                standard_library::file(&key.path).map(str::to_owned).ok_or(LoadError::NotFound)
            }
            None => Err(LoadError::NotFound),
            Some(folder) => read_module(folder, &key.path, &mut self.folders),
        }
    }

    fn shown_name(&self, key: &ModuleKey) -> String {
        match key.package {
            Package::Std if self.places.folder(key.package).is_none() => {
                format!("std/{}", key.path)
            }
            other => self.places.shown(other, &key.path),
        }
    }

    /// The library in the program was checked by its tests; another one is a folder being worked on.
    fn library_is_sound(&self) -> bool {
        self.places.folder(Package::Std).is_none()
    }

    fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        self.places.resolve(from, name)
    }

    fn importable(&self, from: Package) -> Vec<String> {
        self.places.importable(from)
    }
}

fn read_module(root: &Path, path: &str, folders: &mut Folders) -> Result<String, LoadError> {
    let file = folders.inside(root, path).map_err(|error| match error {
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
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    let opened = std::fs::File::open(&file).map_err(unreadable)?;
    opened.take(MAX_MODULE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        LoadError::Unreadable(format!("it is not UTF-8 text (byte {at})"))
    })
}

/// Folders whose canonical places were looked up already, so that a file in one of them costs one
/// look-up, and not one for each part of its path.
#[derive(Default)]
struct Folders(BTreeMap<PathBuf, PathBuf>);

impl Folders {
    /// As [`inside`].
    fn inside(&mut self, root: &Path, path: &str) -> Result<PathBuf, Outside> {
        let joined = root.join(path);
        let (Some(folder), Some(name)) = (joined.parent(), joined.file_name()) else {
            return inside(root, path);
        };
        let canonical = match self.0.get(folder) {
            Some(known) => known.join(name),
            None => {
                let Ok(found) = folder.canonicalize() else { return inside(root, path) };
                let file = found.join(name);
                self.0.insert(folder.to_owned(), found);
                file
            }
        };
        let plain = canonical.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        if plain && canonical.starts_with(root) { Ok(canonical) } else { inside(root, path) }
    }
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

/// A store that is opened when it is first needed.
pub(crate) struct LazyStore<'s> {
    session: &'s Session,
    given: Option<&'s Store>,
    store: OnceCell<Store>,
    failure: Cell<Option<Failure>>,
}

impl<'s> LazyStore<'s> {
    /// Opens nothing yet.
    pub(crate) fn new(session: &'s Session) -> Self {
        Self { session, given: None, store: OnceCell::new(), failure: Cell::default() }
    }

    /// A store that is open already.
    pub(crate) fn of(session: &'s Session, store: &'s Store) -> Self {
        Self { given: Some(store), ..Self::new(session) }
    }

    /// The store.
    pub(crate) fn get(&self) -> Result<&Store, Failure> {
        if let Some(store) = self.given.or(self.store.get()) {
            return Ok(store);
        }
        let store = self.session.store()?;
        Ok(self.store.get_or_init(|| store))
    }

    /// The store; why it cannot be opened is kept, as the evaluator can only be told in a sentence.
    fn during_evaluation(&self) -> Result<&Store, String> {
        self.get().map_err(|failure| {
            self.failure.set(Some(failure));
            "the store cannot be opened".to_owned()
        })
    }

    /// The cache's folder, if that is in a folder.
    fn cache_in(&self, folder: &Path) -> Option<PathBuf> {
        let cache = self.session.cache()?;
        let cache = cache.folder();
        let cache = cache.canonicalize().or_else(|_| std::path::absolute(cache)).ok()?;
        cache.starts_with(folder).then_some(cache)
    }

    /// Why the store could not be opened during an evaluation, if that was so.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.take()
    }
}

/// Something that an evaluation has read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Read {
    /// The content of a file; one that is too large may be cut off.
    Decoded { source: SourceId, path: String, content: Digest },
    /// A file or folder that went to the store.
    Imported { source: SourceId, path: String, stored: StorePath },
}

/// Adds what path literals name to the store.
pub(crate) struct StoreWorld<'a> {
    store: &'a LazyStore<'a>,
    places: Arc<Places>,
    keys: &'a BTreeMap<SourceId, ModuleKey>,
    imported: BTreeMap<PathBuf, StorePath>,
    reads: BTreeSet<Read>,
}

impl<'a> StoreWorld<'a> {
    /// `keys` says which module each source is.
    pub(crate) fn new(
        store: &'a LazyStore<'a>,
        places: Arc<Places>,
        keys: &'a BTreeMap<SourceId, ModuleKey>,
    ) -> Self {
        Self { store, places, keys, imported: BTreeMap::new(), reads: BTreeSet::new() }
    }
}

impl StoreWorld<'_> {
    /// What was read so far.
    pub(crate) fn into_reads(self) -> BTreeSet<Read> {
        self.reads
    }

    /// The canonical place of what a path literal names.
    fn located(&self, source: SourceId, path: &str) -> Result<PathBuf, String> {
        let module = self.keys.get(&source).ok_or("its module is unknown")?;
        locate(&self.places, module, path)
    }
}

/// The canonical place of what a path literal in a module names.
pub(crate) fn locate(places: &Places, module: &ModuleKey, path: &str) -> Result<PathBuf, String> {
    let folder = places.folder(module.package);
    let folder = folder.ok_or("the standard library has no files but its modules")?;
    let key = module.relative(path).ok_or("it lies outside the package")?;
    inside(folder, &key.path).map_err(|error| match error {
        Outside::Missing => "there is no such file or folder".to_owned(),
        Outside::Refused(why) => why,
    })
}

/// The first bytes of a file, at most so many.
pub(crate) fn read_file(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(most).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

impl World for StoreWorld<'_> {
    fn read_source(&mut self, source: SourceId, path: &str) -> Result<(String, Vec<u8>), String> {
        let file = self.located(source, path)?;
        let bytes = read_file(&file, cbuild_eval::MAX_DECODED_BYTES as u64 + 1)?;
        let (path, content) = (path.to_owned(), Digest::of(&bytes));
        self.reads.insert(Read::Decoded { source, path, content });
        Ok((shown(&file), bytes))
    }

    fn import_source(&mut self, source: SourceId, path: &str) -> Result<StorePath, String> {
        let file = self.located(source, path)?;
        let stored = match self.imported.get(&file) {
            Some(known) => known.clone(),
            None => {
                if let Some(cache) = self.store.cache_in(&file) {
                    return Err(format!(
                        "it holds the cache `{}`, which changes with each command; name a folder in it, or another cache: `--cache DIR`",
                        shown(&cache)
                    ));
                }
                let store = self.store.during_evaluation()?;
                store.add_tree(&file, &object_name(&file)).map_err(|error| match &error {
                    cbuild_store::Error::StoreInside { .. } => {
                        format!("{error}; name a folder in it, or another store: `--root FOLDER`")
                    }
                    error => error.to_string(),
                })?
            }
        };
        self.imported.insert(file, stored.clone());
        // Two paths may lead to one place today, and to two tomorrow.
        let path = path.to_owned();
        self.reads.insert(Read::Imported { source, path, stored: stored.clone() });
        Ok(stored)
    }
}

/// Name of the store object of a source: its file name, with characters that a name cannot have left out.
pub(crate) fn object_name(file: &Path) -> Name {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let kept: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "+-._=".contains(*c))
        .skip_while(|c| !c.is_ascii_alphanumeric() && *c != '_')
        .take(100)
        .collect();
    Name::new(kept).or_else(|_| Name::new("source")).expect("`source` is a valid name")
}
