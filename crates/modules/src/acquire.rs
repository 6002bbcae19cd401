//! The files of one version of a module: fetched, reduced to what counts, kept in the store.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cbuild_drv::{Digest, Fetch, FetchKind, Name, StorePath};
use cbuild_fetch::{Artifact, FetchError, Fetcher, Progress, RegistryReference, WrongBytes};
use cbuild_store::Store;

use crate::error::Error;
use crate::names::ModuleVersion;
use crate::source::{Pin, Source};
use crate::{MANIFEST_FILE, VENDOR_FOLDER};

/// Kind of an artifact that is a module.
const ARTIFACT_TYPE: &str = "application/vnd.cbuild.module.v1";
/// Media type of its layer.
const LAYER_TYPE: &str = "application/vnd.cbuild.module.tree.v1.tar+zstd";

/// Folders at the top of a module that are not part of it: those of version control, and copies of
/// other modules. Without them a module has the same digest wherever it comes from.
const LEFT_OUT: &[&str] = &[".git", ".hg", ".jj", ".svn", VENDOR_FOLDER];

/// Longest part of a module's name that goes into the name of its store object.
const MAX_NAME: usize = 170;

/// The outside that modules come from and go to.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Keeps the files.
    pub store: &'a Store,
    /// Gets them.
    pub fetcher: &'a Fetcher,
    /// Is told of each module that is about to be fetched, and from where.
    pub notice: &'a dyn Fn(&ModuleVersion, &Source),
    /// Is told of mirrors that gave other bytes than the pinned ones.
    pub warn: &'a dyn Fn(&WrongBytes),
}

/// A module's tree in the store.
#[derive(Clone, Debug)]
pub(crate) struct Acquired {
    /// Digest of the tree.
    pub(crate) tree: Digest,
    /// What the source gave.
    pub(crate) pin: Pin,
    /// Where the files are on disk.
    pub(crate) folder: PathBuf,
}

/// Whether an entry at the top of a module's folder belongs to the module.
pub(crate) fn belongs(name: &str) -> bool {
    !LEFT_OUT.contains(&name)
}

/// The store object of a module, from the digest of its tree.
pub(crate) fn store_path(module: &ModuleVersion, tree: &Digest) -> StorePath {
    StorePath::of_content(&object_name(module), tree, false, &BTreeSet::new())
}

/// Name of the store object, such as `example.org-tls-v1-1.4.0`.
pub(crate) fn object_name(module: &ModuleVersion) -> Name {
    let text = format!("{}-{}", module.path.as_str().replace('/', "-"), module.version);
    let kept: String = text.chars().take(MAX_NAME).collect();
    Name::new(kept).or_else(|_| Name::new("module")).expect("`module` is a valid name")
}

/// The kind of a module's artifact.
pub(crate) fn artifact() -> Artifact {
    Artifact {
        artifact_type: ARTIFACT_TYPE.to_owned(),
        layer_type: LAYER_TYPE.to_owned(),
        annotations: std::collections::BTreeMap::new(),
    }
}

/// A pinned tree that is in the store already, which is then kept from collection.
pub(crate) fn stored(
    store: &Store,
    module: &ModuleVersion,
    tree: &Digest,
) -> Result<Option<PathBuf>, Error> {
    let path = store_path(module, tree);
    if store.info(&path)?.is_none() || !store.protect(std::slice::from_ref(&path))?.is_empty() {
        return Ok(None);
    }
    Ok(Some(store.physical(&path)))
}

/// Takes a folder into the store and tells its digest.
pub(crate) fn keep(
    store: &Store,
    module: &ModuleVersion,
    folder: &Path,
) -> Result<(Digest, PathBuf), Error> {
    let path = store.add_tree(folder, &object_name(module))?;
    let info = store.info(&path)?;
    let missing = || cbuild_store::Error::NotInStore { path: path.clone() };
    let tree = info.ok_or_else(missing)?.tree;
    Ok((tree, store.physical(&path)))
}

/// Fetches a module: exactly what `pin` says, or, without it, what the source has now.
pub(crate) fn acquire(
    means: Means<'_>,
    module: &ModuleVersion,
    source: &Source,
    pin: Option<&Pin>,
) -> Result<Acquired, Error> {
    let Means { store, fetcher, notice, warn } = means;
    notice(module, source);
    let scratch = store.scratch()?;
    let into = scratch.path().join("source");
    let pin = download(fetcher, source, pin, &into, warn)
        .map_err(|error| Error::Fetch { module: module.clone(), error: Box::new(error) })?;
    let top = top_folder(&into, module, source)?;
    for name in LEFT_OUT {
        let path = top.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => continue,
        };
        removed.map_err(Error::io("remove", &path))?;
    }
    let (tree, folder) = keep(store, module, &top)?;
    Ok(Acquired { tree, pin, folder })
}

fn download(
    fetcher: &Fetcher,
    source: &Source,
    pin: Option<&Pin>,
    into: &Path,
    warn: &dyn Fn(&WrongBytes),
) -> Result<Pin, FetchError> {
    let archive = FetchKind::Archive { strip: 0 };
    match (source, pin) {
        (Source::Git { url, reference }, pin) => {
            let commit = match pin {
                Some(Pin::Git(commit)) => Some(commit.as_str()),
                _ => None,
            };
            fetcher.fetch_git(url, reference, commit, into).map(Pin::Git)
        }
        (Source::Archive { url }, Some(Pin::Archive(hash))) => {
            let fetch = Fetch { urls: vec![url.clone()], hash: hash.clone(), kind: archive };
            fetcher.fetch(&fetch, into, &mut |progress| match progress {
                Progress::WrongBytes(wrong) => warn(wrong),
                Progress::Bytes { .. } => {}
            })?;
            Ok(Pin::Archive(hash.clone()))
        }
        (Source::Archive { url }, _) => {
            fetcher.fetch_unpinned(url, &archive, into, &mut |_| ()).map(Pin::Archive)
        }
        (Source::Oci(reference), pin) => {
            let pinned = match pin {
                Some(Pin::Oci(digest)) => {
                    RegistryReference { digest: Some(digest.clone()), ..reference.clone() }
                }
                _ => reference.clone(),
            };
            fetcher.pull_artifact(&pinned, &artifact(), into, &mut |_| ()).map(Pin::Oci)
        }
    }
}

/// The folder with the `cbuild.mod`: the top, or the only folder in it, as archives have it.
#[expect(clippy::disallowed_methods, reason = "only a single entry is used")]
fn top_folder(folder: &Path, module: &ModuleVersion, source: &Source) -> Result<PathBuf, Error> {
    if folder.join(MANIFEST_FILE).is_file() {
        return Ok(folder.to_owned());
    }
    let failed = || Error::io("read", folder);
    let mut entries = fs::read_dir(folder).map_err(failed())?;
    let only = entries.next().transpose().map_err(failed())?;
    if let (Some(only), None) = (only, entries.next())
        && only.file_type().map_err(failed())?.is_dir()
        && only.path().join(MANIFEST_FILE).is_file()
    {
        return Ok(only.path());
    }
    let why = "it has no cbuild.mod at its top".to_owned();
    Err(Error::WrongModule { place: source.shown(), wanted: module.to_string(), why })
}
