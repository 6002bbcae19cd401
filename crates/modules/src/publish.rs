//! Uploading a module to a registry, and asking sources for versions.

use cbuild_drv::Digest;
use cbuild_fetch::RegistryReference;

use crate::acquire::{artifact, belongs, keep};
use crate::error::Error;
use crate::manifest::Requirement;
use crate::names::{ModulePath, ModuleVersion, Version, parse_version};
use crate::source::Source;
use crate::vendor::copy;
use crate::workspace::Workspace;

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The module and its version.
    pub module: ModuleVersion,
    /// Where it is now, with its tag.
    pub source: Source,
    /// Digest of the manifest in the registry.
    pub manifest: String,
    /// Digest of the module's tree.
    pub tree: Digest,
}

impl Workspace<'_> {
    /// Uploads the root module as an artifact. The reference's tag is the version.
    ///
    /// # Errors
    /// [`Error::Publish`] for a tag that is no version of the module; [`Error::Push`].
    pub fn publish(&self, reference: &str) -> Result<Published, Error> {
        let path = self.manifest.module.clone();
        let fail = |why: String| Error::Publish { path: path.clone(), why };
        let reference = RegistryReference::parse(reference).map_err(Error::Push)?;
        let tag =
            reference.tag.clone().ok_or_else(|| fail("the reference has no tag".to_owned()))?;
        let version = parse_version(&tag).map_err(|error| fail(format!("the tag is: {error}")))?;
        path.accepts(&version).map_err(|error| fail(error.to_string()))?;
        let module = ModuleVersion { path: path.clone(), version };
        let scratch = self.means.store.scratch()?;
        let tree = scratch.path().join("tree");
        copy(&self.root, &tree, 0, &belongs, self.means.store.cancel())?;
        let (digest, folder) = keep(self.means.store, &module, &tree)?;
        let layer = scratch.path().join("layer");
        self.means.fetcher.pack_layer(&folder, &layer).map_err(Error::Push)?;
        let mut kind = artifact();
        let title = "org.opencontainers.image.title".to_owned();
        kind.annotations.insert(title, path.to_string());
        kind.annotations.insert("org.opencontainers.image.version".to_owned(), tag);
        let manifest =
            self.means.fetcher.push_artifact(&reference, &kind, &layer).map_err(Error::Push)?;
        Ok(Published { module, source: Source::Oci(reference), manifest, tree: digest })
    }

    /// The newest version that a requirement's source offers in the same major version, with where it
    /// is; `None` when the required one is the newest. Versions are the tags of a git repository
    /// (`v1.4.0`) or of a registry (`1.4.0`); pre-releases are passed over.
    ///
    /// # Errors
    /// [`Error::NoVersion`] for an archive, which does not tell, or when there is no such tag.
    pub fn newest(
        &self,
        path: &ModulePath,
        requirement: &Requirement,
    ) -> Result<Option<(Version, Source)>, Error> {
        let source = &requirement.source;
        let none = |why: &str| Error::NoVersion {
            path: path.clone(),
            place: source.shown(),
            why: why.to_owned(),
        };
        let failed = |error| Error::Versions { path: path.clone(), error: Box::new(error) };
        let tags = match source {
            Source::Git { url, .. } => {
                let scratch = self.means.store.scratch()?;
                self.means.fetcher.git_tags(url, &scratch.path().join("git")).map_err(failed)?
            }
            Source::Oci(reference) => {
                self.means.fetcher.registry_tags(reference).map_err(failed)?
            }
            Source::Archive { .. } => {
                return Err(none("an archive does not tell its other versions"));
            }
        };
        let versions = tags.iter().filter_map(|tag| {
            let text = match source {
                Source::Git { .. } => tag.strip_prefix('v').unwrap_or(tag),
                _ => tag,
            };
            parse_version(text).ok().filter(|v| v.pre.is_empty() && path.accepts(v).is_ok())
        });
        let newest = versions.max().ok_or_else(|| none("no tag is a version of it"))?;
        if newest <= requirement.version {
            return Ok(None);
        }
        let moved = source.moved(&requirement.version, &newest);
        let moved = moved.ok_or_else(|| none("its tag does not name the version"))?;
        Ok(Some((newest, moved)))
    }
}
