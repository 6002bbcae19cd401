//! A root module on disk, with what it needs from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cbuild_diag::{Diagnostic, SourceId, Sources};
use cbuild_drv::StorePath;

use crate::acquire::{self, Acquired, Means, acquire};
use crate::error::{Error, TreeMismatch};
use crate::lock::{self, Entry, Lock};
use crate::manifest::{self, Manifest, Requirement};
use crate::names::{ImportName, ModulePath, ModuleVersion, Version};
use crate::packages::{Import, Package, Packages};
use crate::select::Roots;
use crate::vendor;
use crate::verify::{Outdated, verify, verify_roots};
use crate::{LOCK_FILE, MANIFEST_FILE, codes};

/// A root module and the means to fetch what it requires.
pub struct Workspace<'a> {
    pub(crate) root: PathBuf,
    pub(crate) shown: PathBuf,
    pub(crate) means: Means<'a>,
    pub(crate) text: String,
    pub(crate) manifest: Manifest,
    pub(crate) overrides: BTreeMap<ModulePath, (PathBuf, Manifest)>,
    pub(crate) override_requirements: BTreeMap<ModulePath, BTreeMap<ModulePath, Requirement>>,
}

impl<'a> Workspace<'a> {
    /// Reads the `cbuild.mod` of a folder, and those of the folders that it overrides modules with.
    /// `shown` is the folder as messages name it.
    ///
    /// # Errors
    /// [`Error::NoManifest`], [`Error::Text`], [`Error::Override`], [`Error::Io`].
    pub fn open(root: &Path, shown: &Path, means: Means<'a>) -> Result<Self, Error> {
        let file = root.join(MANIFEST_FILE);
        let text = read(&file, manifest::MAX_BYTES)?;
        let text = text.ok_or_else(|| Error::NoManifest(root.to_owned()))?;
        Self::with_text(root, shown, text, means)
    }

    /// Like [`Workspace::open`], with another text for the root's `cbuild.mod`.
    ///
    /// # Errors
    /// As there.
    pub fn with_text(
        root: &Path,
        shown: &Path,
        text: String,
        means: Means<'a>,
    ) -> Result<Self, Error> {
        let root = root.canonicalize().map_err(Error::io("find", root))?;
        let manifest = parse(&shown.join(MANIFEST_FILE).display().to_string(), &text)?;
        let mut overrides = BTreeMap::new();
        for (path, over) in &manifest.overrides {
            overrides.insert(path.clone(), override_folder(&root, path, &over.folder)?);
        }
        let override_requirements =
            overrides.iter().map(|(path, (_, m))| (path.clone(), m.require.clone())).collect();
        let shown = shown.to_owned();
        Ok(Self { root, shown, means, text, manifest, overrides, override_requirements })
    }

    /// The root's own `cbuild.mod`.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The text of the root's `cbuild.mod`.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn roots(&self) -> Roots<'_> {
        Roots {
            module: &self.manifest.module,
            requirements: &self.manifest.require,
            overrides: &self.override_requirements,
        }
    }

    /// The root's `cbuild.lock`; `None` when there is none.
    pub(crate) fn lock_file(&self) -> Result<Option<Lock>, Error> {
        let file = self.root.join(LOCK_FILE);
        let Some(text) = read(&file, lock::MAX_BYTES)? else { return Ok(None) };
        let mut sources = Sources::default();
        let shown = self.shown.join(LOCK_FILE).display().to_string();
        let source = sources.add(shown, text.as_str());
        let (lock, problems) = Lock::parse(source, &text);
        if problems.is_empty() { Ok(Some(lock)) } else { Err(text_error(problems, sources)) }
    }

    /// Brings every pinned module into the store, unless it is vendored or there already, and gives
    /// the table of imports. Nothing is taken that `cbuild.lock` does not pin.
    ///
    /// # Errors
    /// [`Error::Text`] when the lock is missing or does not fit; [`Error::Fetch`],
    /// [`Error::WrongTree`], [`Error::VendorChanged`] when the pinned files cannot be had.
    pub fn load(&self) -> Result<Packages, Error> {
        let roots = self.roots();
        let lock = match self.lock_file()? {
            Some(lock) => lock,
            None if verify_roots(&roots, &Lock::default()).is_empty() => Lock::default(),
            None => return Err(self.lock_missing()),
        };
        let early = verify_roots(&roots, &lock);
        if !early.is_empty() {
            return Err(self.outdated(early));
        }
        let mut found = BTreeMap::new();
        for (path, entry) in &lock.entries {
            let module = ModuleVersion { path: path.clone(), version: entry.version.clone() };
            let folder = self.pinned(&module, entry)?;
            let manifest = read_manifest(&folder, &module, &entry.source)?;
            found.insert(path.clone(), (folder, manifest));
        }
        self.keep_from_collection(found.values().map(|(folder, _)| folder.as_path()))?;
        let known = found.iter().map(|(path, (_, m))| (path.clone(), m.require.clone())).collect();
        let outdated = verify(&roots, &lock, &known);
        if !outdated.is_empty() {
            return Err(self.outdated(outdated));
        }
        Ok(self.table(&lock, found))
    }

    /// Keeps the trees that are in the store as long as the lock that pins them exists.
    fn keep_from_collection<'f>(
        &self,
        folders: impl Iterator<Item = &'f Path>,
    ) -> Result<(), Error> {
        let store = self.means.store;
        let objects = store.store_dir();
        let stored: BTreeSet<StorePath> = folders
            .filter_map(|folder| {
                StorePath::parse(folder.strip_prefix(&objects).ok()?.to_str()?).ok()
            })
            .collect();
        if stored.is_empty() {
            return Ok(());
        }
        Ok(store.keep_while(&self.root.join(LOCK_FILE), &stored)?)
    }

    /// The source of the root's `cbuild.mod` for messages about its lock.
    fn manifest_source(&self) -> (Sources, SourceId) {
        let mut sources = Sources::default();
        let shown = self.shown.join(MANIFEST_FILE).display().to_string();
        let source = sources.add(shown, self.text.as_str());
        (sources, source)
    }

    fn lock_missing(&self) -> Error {
        let (sources, source) = self.manifest_source();
        let first = self.manifest.require.values().map(|requirement| requirement.span).min();
        let message = "modules are required, and there is no cbuild.lock that pins them";
        let span = first.unwrap_or_default();
        let problem =
            Diagnostic::error(codes::LOCK_MISSING, source, span, message, "required here");
        text_error(vec![problem.help("run `cbuild lock`")], sources)
    }

    /// Shows each thing that does not fit at the requirement that it is about, if the root has it.
    fn outdated(&self, found: Vec<Outdated>) -> Error {
        let (sources, source) = self.manifest_source();
        let shown = found.iter().map(|one| {
            let place = self.manifest.require.get(one.path()).map(|requirement| requirement.span);
            let label = if place.is_some() { "required here" } else { "this is the root module" };
            let span = place.unwrap_or_default();
            let message = format!("cbuild.lock is out of date: {one}");
            Diagnostic::error(codes::LOCK_OUTDATED, source, span, message, label)
                .help("run `cbuild lock`")
        });
        text_error(shown.collect(), sources)
    }

    /// The folder of a pinned module: vendored, stored or fetched, and in each case verified.
    pub(crate) fn pinned(&self, module: &ModuleVersion, entry: &Entry) -> Result<PathBuf, Error> {
        if let Some(folder) = vendor::folder_of(&self.root, &module.path) {
            let (tree, kept) = acquire::keep(self.means.store, module, &folder)?;
            if tree != entry.tree {
                return Err(Error::VendorChanged { module: module.clone(), folder });
            }
            return Ok(kept);
        }
        if let Some(folder) = acquire::stored(self.means.store, module, &entry.tree)? {
            return Ok(folder);
        }
        let acquired = acquire(self.means, module, &entry.source, Some(&entry.pin))?;
        expect_tree(module, entry, &acquired)?;
        Ok(acquired.folder)
    }

    fn table(&self, lock: &Lock, pinned: BTreeMap<ModulePath, (PathBuf, Manifest)>) -> Packages {
        let mut all: BTreeMap<ModulePath, (Option<Version>, PathBuf, Manifest)> = pinned
            .into_iter()
            .map(|(path, (folder, manifest))| {
                let version = lock.entries.get(&path).map(|entry| entry.version.clone());
                (path, (version, folder, manifest))
            })
            .collect();
        for (path, (folder, manifest)) in &self.overrides {
            all.insert(path.clone(), (None, folder.clone(), manifest.clone()));
        }
        let index: BTreeMap<ModulePath, Import> = all
            .keys()
            .zip(0..)
            .map(|(path, index)| (path.clone(), Import::Module(index)))
            .chain([(self.manifest.module.clone(), Import::Root)])
            .collect();
        let imports =
            |require: &BTreeMap<ModulePath, Requirement>| -> BTreeMap<ImportName, Import> {
                let one = |(path, requirement): (&ModulePath, &Requirement)| {
                    Some((requirement.name.clone(), *index.get(path)?))
                };
                require.iter().filter_map(one).collect()
            };
        let root = imports(&self.manifest.require);
        let package = |(path, (version, folder, manifest)): (_, (_, _, Manifest))| Package {
            imports: imports(&manifest.require),
            path,
            version,
            folder,
        };
        Packages { list: all.into_iter().map(package).collect(), root }
    }
}

/// Checks that what was fetched is what is pinned.
pub(crate) fn expect_tree(
    module: &ModuleVersion,
    entry: &Entry,
    acquired: &Acquired,
) -> Result<(), Error> {
    if acquired.tree == entry.tree {
        return Ok(());
    }
    Err(Error::WrongTree(Box::new(TreeMismatch {
        module: module.clone(),
        place: entry.source.clone(),
        wanted: entry.tree,
        got: acquired.tree,
    })))
}

/// The folder and `cbuild.mod` of an override.
fn override_folder(
    root: &Path,
    path: &ModulePath,
    folder: &str,
) -> Result<(PathBuf, Manifest), Error> {
    let fail = |why: String| Error::Override { path: path.clone(), why };
    let joined = root.join(folder);
    let shown = joined.display();
    let folder = joined.canonicalize().map_err(|error| fail(format!("`{shown}`: {error}")))?;
    let file = folder.join(MANIFEST_FILE);
    let text = read(&file, manifest::MAX_BYTES)?;
    let text = text.ok_or_else(|| fail(format!("`{shown}` has no cbuild.mod")))?;
    let manifest = parse(&file.display().to_string(), &text)?;
    if manifest.module != *path {
        return Err(fail(format!("`{shown}` is the module `{}`", manifest.module)));
    }
    Ok((folder, manifest))
}

/// Reads the `cbuild.mod` of a module from outside, which must be the one that is wanted.
pub(crate) fn read_manifest(
    folder: &Path,
    module: &ModuleVersion,
    place: &crate::source::Source,
) -> Result<Manifest, Error> {
    let wrong = |why: String| {
        let (place, wanted) = (place.to_string(), module.to_string());
        Error::WrongModule { place, wanted, why }
    };
    let text = read(&folder.join(MANIFEST_FILE), manifest::MAX_BYTES)?;
    let text = text.ok_or_else(|| wrong("it has no cbuild.mod at its top".to_owned()))?;
    let manifest = parse(&format!("{module}/{MANIFEST_FILE}"), &text)?;
    if manifest.module != module.path {
        return Err(wrong(format!("its cbuild.mod says `{}`", manifest.module)));
    }
    Ok(manifest)
}

pub(crate) fn parse(shown: &str, text: &str) -> Result<Manifest, Error> {
    let mut sources = Sources::default();
    let source: SourceId = sources.add(shown, text);
    let (manifest, problems) = Manifest::parse(source, text);
    manifest.ok_or_else(|| text_error(problems, sources))
}

fn text_error(diagnostics: Vec<Diagnostic>, sources: Sources) -> Error {
    Error::Text { diagnostics, sources: Box::new(sources) }
}

/// Reads a text file of at most `most` bytes; `None` when there is no such file. A symbolic link is
/// not followed: in a module from outside it could lead anywhere.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<String>, Error> {
    use std::os::unix::fs::MetadataExt;
    let failed = || Error::io("read", path);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed()(error)),
    };
    if !metadata.is_file() {
        return Err(failed()(std::io::Error::other("it is not a regular file")));
    }
    if metadata.size() > most {
        return Err(failed()(std::io::Error::other(format!("it has more than {most} bytes"))));
    }
    let mut text = String::new();
    let opened = fs::File::open(path).map_err(failed())?;
    opened.take(most).read_to_string(&mut text).map_err(failed())?;
    Ok(Some(text))
}
