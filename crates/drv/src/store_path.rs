//! Store paths: `/cbuild/store/<digest>-<name>`.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::derivation::ActionKey;
use crate::digest::{DIGEST_TEXT_LEN, Digest, DigestError};
use crate::encoding::Encoder;
use crate::name::{Name, NameError, OutputName};

/// Where the store is seen from inside sandboxes and images. The physical place on the host
/// is the store's own business.
pub const STORE_DIR: &str = "/cbuild/store";

/// The name of one store object: a digest and a readable name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    digest: Digest,
    name: Name,
}

/// Why a text is not a store path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StorePathError {
    /// No `<digest>-<name>`.
    #[error("`{0}` is not of the form <digest>-<name>")]
    Form(String),
    /// The part before the hyphen is not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The part after the hyphen is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl StorePath {
    /// The path of an object from its content.
    ///
    /// `tree` is the digest of the file tree in which every occurrence of the object's own
    /// digest text was replaced by [`DIGEST_TEXT_LEN`] zero bytes ("modulo self-references") and its
    /// offset is told; `has_self_reference` says whether there was one; `references` are the other objects
    /// whose digest text occurs in the tree.
    pub fn of_content(
        name: &Name,
        tree: &Digest,
        has_self_reference: bool,
        references: &BTreeSet<StorePath>,
    ) -> Self {
        let mut encoder = Encoder::new("cbuild-store-path-1");
        encoder.text(name.as_str());
        encoder.digest(tree);
        encoder.flag(has_self_reference);
        encoder.count(references.len());
        for reference in references {
            encoder.text(&reference.base_name());
        }
        Self { digest: encoder.finish(), name: name.clone() }
    }

    /// The path that a builder writes an output to, before its content is known.
    ///
    /// It depends on the action key alone, so that a rebuild writes the same bytes, and has the
    /// same length as the final path, so that self-references can be rewritten in place.
    pub fn scratch(key: &ActionKey, output: &OutputName, name: &Name) -> Self {
        let mut encoder = Encoder::new("cbuild-scratch-path-1");
        encoder.digest(&key.0);
        encoder.text(output.as_str());
        Self { digest: encoder.finish(), name: name.clone() }
    }

    /// The digest part.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The name part.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// `<digest>-<name>`, the file name in the store folder.
    pub fn base_name(&self) -> String {
        format!("{}-{}", self.digest, self.name)
    }

    /// Parses `<digest>-<name>`, with or without [`STORE_DIR`] in front.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        let base = text.strip_prefix(STORE_DIR).and_then(|t| t.strip_prefix('/')).unwrap_or(text);
        let form = || StorePathError::Form(text.to_owned());
        let (digest, rest) = base.split_at_checked(DIGEST_TEXT_LEN).ok_or_else(form)?;
        let name = rest.strip_prefix('-').ok_or_else(form)?;
        Ok(Self { digest: Digest::parse(digest)?, name: Name::new(name)? })
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE_DIR}/{}-{}", self.digest, self.name)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
