//! What can go wrong with the modules of a root.

use std::io;
use std::path::{Path, PathBuf};

use cbuild_diag::{Diagnostic, Sources};
use cbuild_drv::Digest;
use cbuild_fetch::FetchError;
use thiserror::Error;

use crate::codes;
use crate::names::{ModulePath, ModuleVersion};
use crate::select::{Conflict, MAX_NODES};
use crate::source::Source;

/// Why a command on modules failed.
#[derive(Debug, Error)]
pub enum Error {
    /// Something is wrong in the text of a `cbuild.mod` or `cbuild.lock`.
    #[error("{} is not valid", .sources.name(cbuild_diag::SourceId(0)))]
    Text {
        /// What, each with its places.
        diagnostics: Vec<Diagnostic>,
        /// The texts that the places are in.
        sources: Box<Sources>,
    },
    /// A folder has no `cbuild.mod`.
    #[error("there is no cbuild.mod in `{}`", .0.display())]
    NoManifest(PathBuf),
    /// Two modules name different sources for the same version.
    #[error("different sources are named for `{}`:{}", .0.module, sources(.0))]
    Conflict(Box<Conflict>),
    /// A selection has no end.
    #[error("more than {MAX_NODES} versions of modules are required")]
    TooMany,
    /// The files of a module could not be had.
    #[error("cannot fetch the module `{module}`: {error}")]
    Fetch {
        /// The module.
        module: ModuleVersion,
        /// What went wrong.
        error: Box<FetchError>,
    },
    /// The tags of a source could not be listed.
    #[error("cannot list the versions of `{path}`: {error}")]
    Versions {
        /// The module.
        path: ModulePath,
        /// What went wrong.
        error: Box<FetchError>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] cbuild_store::Error),
    /// The fetched files are no module, or another one.
    #[error("`{place}` is not the module `{wanted}`: {why}")]
    WrongModule {
        /// Where they came from.
        place: String,
        /// What was wanted.
        wanted: String,
        /// What was found instead.
        why: String,
    },
    /// The fetched files are not those that are pinned.
    #[error("{0}")]
    WrongTree(Box<TreeMismatch>),
    /// A vendored module is not what is pinned.
    #[error("the vendored copy of `{module}` is not what cbuild.lock pins: `{}`", .folder.display())]
    VendorChanged {
        /// The module.
        module: ModuleVersion,
        /// Its folder.
        folder: PathBuf,
    },
    /// An override's folder does not hold the module.
    #[error("the override of `{path}` does not work: {why}")]
    Override {
        /// The module.
        path: ModulePath,
        /// What is wrong.
        why: String,
    },
    /// A module is to be changed that is not required.
    #[error("cbuild.mod does not require `{0}`")]
    NotRequired(ModulePath),
    /// A source of which no version could be found.
    #[error("`{place}` offers no version of `{path}`: {why}")]
    NoVersion {
        /// The module.
        path: ModulePath,
        /// The source.
        place: String,
        /// What was looked for.
        why: String,
    },
    /// A module cannot be published.
    #[error("`{path}` cannot be published: {why}")]
    Publish {
        /// The module.
        path: ModulePath,
        /// What is wrong.
        why: String,
    },
    /// Publishing failed.
    #[error(transparent)]
    Push(FetchError),
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Files of a module, with another digest than the pinned one.
#[derive(Debug, Error)]
#[error(
    "the files of `{module}` are not those that cbuild.lock pins\n  pinned {wanted}\n  got    {got}\n  from   {}",
    .place.shown()
)]
pub struct TreeMismatch {
    /// The module.
    pub module: ModuleVersion,
    /// Where they came from.
    pub place: Source,
    /// Digest of the pinned tree.
    pub wanted: Digest,
    /// Digest of what came.
    pub got: Digest,
}

fn sources(conflict: &Conflict) -> String {
    let line = |(source, by): (&Source, &Option<ModuleVersion>)| match by {
        Some(by) => format!("\n  {} (by `{by}`)", source.shown()),
        None => format!("\n  {} (by an override)", source.shown()),
    };
    conflict.sources.iter().map(line).collect()
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Text { diagnostics, .. } => diagnostics.first().map_or(codes::SHAPE, |d| d.code),
            Self::NoManifest(_) => codes::NO_MANIFEST,
            Self::Conflict(_) => codes::CONFLICT,
            Self::TooMany => codes::TOO_MANY,
            Self::Fetch { error, .. } | Self::Versions { error, .. } => error.code(),
            Self::Push(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::WrongModule { .. } => codes::WRONG_MODULE,
            Self::WrongTree(_) => codes::WRONG_TREE,
            Self::VendorChanged { .. } => codes::VENDOR_CHANGED,
            Self::Override { .. } => codes::OVERRIDE,
            Self::NotRequired(_) => codes::NOT_REQUIRED,
            Self::NoVersion { .. } => codes::NO_VERSION,
            Self::Publish { .. } => codes::PUBLISH,
            Self::Io { .. } => codes::FILE,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            // Each of the diagnostics has its own.
            Self::Text { .. } => return None,
            Self::Io { .. } => {
                "check that the path is there and that you may read and write it".to_owned()
            }
            Self::Fetch { error, .. } | Self::Versions { error, .. } => return error.help(),
            Self::Push(error) => return error.help(),
            Self::Store(error) => return error.help(),
            Self::NoManifest(_) => "create it with the line `module = \"example.org/name/v1\"`".to_owned(),
            Self::Conflict(conflict) => format!(
                "decide by requiring `{}` with one of these sources in your own cbuild.mod",
                conflict.module
            ),
            Self::TooMany => "look for a module whose versions require each other without end".to_owned(),
            Self::WrongModule { .. } => {
                "check the source and the version in the cbuild.mod that requires it".to_owned()
            }
            Self::WrongTree(mismatch) => format!(
                "the source has changed what it publishes; if the new files are right, remove the line of `{}` from cbuild.lock and run `cbuild lock`",
                mismatch.module.path
            ),
            Self::VendorChanged { .. } => {
                "run `cbuild mod vendor` to write it anew; to work on a module, use `[override]` with a folder of your own".to_owned()
            }
            Self::Override { .. } => "an override is the top folder of the module, with its cbuild.mod".to_owned(),
            Self::NotRequired(_) => "name one that `[require]` in cbuild.mod lists, or add it with `cbuild mod add`".to_owned(),
            Self::NoVersion { path, .. } => {
                format!("give the version: `cbuild mod update {path}@VERSION`")
            }
            Self::Publish { .. } => "`cbuild mod publish oci://HOST/REPOSITORY:VERSION` uploads the module in this folder".to_owned(),
        };
        Some(text)
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
