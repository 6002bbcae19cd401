//! `cbuild lsp`: files and packages for the language server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cbuild_lsp::{FilePlace, Outside};
use cbuild_modules::MANIFEST_FILE;
use cbuild_sema::{LoadError, Loader, ModuleKey, Package};

use super::check::files;
use crate::failure::{Exit, Failure, Problem};
use crate::outside::FileLoader;
use crate::places::Places;
use crate::session::Session;
use crate::standard_library;

/// Talks to an editor until it is done.
pub(crate) fn lsp(session: &Session) -> Result<(), Failure> {
    let mut files = Files {
        session,
        places: BTreeMap::new(),
        texts: BTreeMap::new(),
        library: library_folder(session),
    };
    cbuild_lsp::serve(&mut files).map_err(|error| {
        let message = format!("the talk with the editor broke: {error}");
        Problem::new(Exit::Environment, "E1080", message)
            .help("this command is started by an editor, which closes it as the protocol says")
            .into()
    })
}

/// A file as it was read.
struct Read {
    length: u64,
    modified: Option<SystemTime>,
    text: String,
}

struct Files<'a> {
    session: &'a Session,
    places: BTreeMap<PathBuf, Arc<Places>>,
    texts: BTreeMap<PathBuf, Read>,
    /// Where readable copies of the standard library's files are put.
    library: Option<PathBuf>,
}

/// The folder for copies of the standard library, of this version of cbuild.
#[expect(clippy::disallowed_methods, reason = "these variables are where other programs look")]
fn library_folder(session: &Session) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from)?;
        path.is_absolute().then_some(path)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let cache = cache.map(|cache| cache.join("cbuild")).or_else(|| session.root().ok())?;
    let folder = cache.join(concat!("std-", env!("CARGO_PKG_VERSION")));
    // Made now, so that its name is the one that files in it are asked for by.
    std::fs::create_dir_all(&folder).ok()?;
    folder.canonicalize().ok()
}

impl Files<'_> {
    /// The package at a folder. What it requires and cannot be had is left out: the imports of it
    /// are then reported where they stand.
    fn places(&self, root: &Path) -> Arc<Places> {
        if let Some(known) = self.places.get(root) {
            return Arc::clone(known);
        }
        self.session.places(root).unwrap_or_else(|_| Arc::new(Places::alone(root)))
    }

    fn remember_places(&mut self, root: &Path) -> Arc<Places> {
        let places = self.places(root);
        self.places.insert(root.to_owned(), Arc::clone(&places));
        places
    }
}

impl Outside for Files<'_> {
    fn place(&mut self, file: &Path) -> Option<FilePlace> {
        // A file that is not saved yet has a folder only.
        let folder = file.parent()?.canonicalize().ok()?;
        let file = file
            .canonicalize()
            .unwrap_or_else(|_| folder.join(file.file_name().unwrap_or_default()));
        if let Some(library) = &self.library
            && let Ok(path) = file.strip_prefix(library)
        {
            return Some(FilePlace { root: library.clone(), key: ModuleKey::std(path.to_str()?) });
        }
        let folder = file.parent()?;
        let marked = folder.ancestors().find(|above| above.join(MANIFEST_FILE).is_file());
        let root = marked.unwrap_or(folder).to_owned();
        let path = file.strip_prefix(&root).ok()?.to_str()?;
        let key = ModuleKey::root(path);
        Some(FilePlace { root, key })
    }

    fn load(&mut self, root: &Path, key: &ModuleKey) -> Result<String, LoadError> {
        let places = self.remember_places(root);
        let Some(folder) = places.folder(key.package) else {
            return FileLoader::new(places).load(key);
        };
        let file = folder.join(&key.path);
        let now = file.metadata().ok().map(|data| (data.len(), data.modified().ok()));
        if let (Some((length, modified)), Some(read)) = (now, self.texts.get(&file))
            && (read.length, read.modified) == (length, modified)
            && modified.is_some()
        {
            return Ok(read.text.clone());
        }
        let text = FileLoader::new(places).load(key)?;
        if let Some((length, modified)) = now {
            self.texts.insert(file, Read { length, modified, text: text.clone() });
        }
        Ok(text)
    }

    fn shown_name(&self, root: &Path, key: &ModuleKey) -> String {
        FileLoader::new(self.places(root)).shown_name(key)
    }

    fn resolve(&self, root: &Path, from: Package, name: &str) -> Option<ModuleKey> {
        self.places(root).resolve(from, name)
    }

    fn importable(&self, root: &Path, from: Package) -> Vec<String> {
        self.places(root).importable(from)
    }

    fn file(&mut self, root: &Path, key: &ModuleKey) -> Option<PathBuf> {
        if key.package != Package::Std {
            return Some(self.remember_places(root).folder(key.package)?.join(&key.path));
        }
        let text = standard_library::file(&key.path)?;
        let file = self.library.as_ref()?.join(&key.path);
        let current = std::fs::read_to_string(&file).is_ok_and(|known| known == text);
        if !current {
            std::fs::create_dir_all(file.parent()?).ok()?;
            std::fs::write(&file, text).ok()?;
        }
        Some(file)
    }

    fn modules(&mut self, root: &Path) -> Vec<ModuleKey> {
        // Without a cbuild.mod each folder with a main.cbuild below is a package of its own, but its
        // files may be imported, so that all are looked at.
        let found: BTreeSet<PathBuf> = files(&[root.to_owned()]).unwrap_or_default();
        found
            .iter()
            .filter_map(|file| file.strip_prefix(root).ok()?.to_str().map(ModuleKey::root))
            .collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the names are sorted")]
    fn entries(&mut self, root: &Path, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let slash = if entry.path().is_dir() { "/" } else { "" };
                (!name.starts_with('.')).then(|| format!("{name}{slash}"))
            })
            .collect();
        names.sort();
        names
    }

    fn changed(&mut self) {
        self.places.clear();
    }
}
