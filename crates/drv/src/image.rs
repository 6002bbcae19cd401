//! Image specifications: what the language says of an image, as a small JSON document in the store.
//!
//! Building an image target writes this document; the objects that its text refers to are the
//! image's contents, found by the ordinary reference scan. Packing reads it back.

mod rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use rules::{FieldError, check, check_reference, user};

/// Version of the document, its field `cbuildImage`.
pub const IMAGE_DOCUMENT_VERSION: u32 = 1;

/// What an image runs, needs and offers. Paths are absolute inside the image.
///
/// In the language-side form the texts may hold placeholders that the caller replaces by store
/// paths; the document itself is plain JSON with fields in the order below and no unknown field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDocument {
    /// [`IMAGE_DOCUMENT_VERSION`].
    pub cbuild_image: u32,
    /// Name of the image, used as the default tag's repository.
    pub name: String,
    /// Tag, usually the version.
    pub tag: String,
    /// Platform as in a derivation, for example `x86_64-linux`.
    pub system: String,
    /// Entry point and arguments.
    pub cmd: Vec<String>,
    /// Environment variables with fixed values.
    pub env: BTreeMap<String, String>,
    /// `uid:gid` in digits that the program runs as.
    pub user: String,
    /// Working directory.
    pub workdir: String,
    /// Packages that are in the image though no text names them, as store paths.
    pub contents: Vec<String>,
    /// What the image listens on, connects to and needs.
    pub contract: Contract,
}

/// The contract of an image: the checked part of its type, as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contract {
    /// Name to the endpoint the image serves.
    pub listens: BTreeMap<String, Endpoint>,
    /// Name to the endpoint the image must be given.
    pub connects: BTreeMap<String, Connection>,
    /// Field name to the variable that is read.
    pub env: BTreeMap<String, EnvVariable>,
    /// Volume name to the absolute path in the image.
    pub volumes: BTreeMap<String, String>,
}

/// A served endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Identity of the protocol, for example `io.redis`.
    pub protocol: String,
    /// `tcp` or `udp`.
    pub transport: String,
    /// Port number.
    pub port: u16,
}

/// A needed endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// Identity of the protocol.
    pub protocol: String,
}

/// An environment variable that the program reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVariable {
    /// Name of the variable.
    pub variable: String,
    /// Whether the program refuses to start without it.
    pub required: bool,
}

/// Why bytes are not an image document.
#[derive(Debug, Error)]
pub enum ImageDocumentError {
    /// Not JSON of the expected shape.
    #[error("not the JSON of an image document: {0}")]
    Json(#[from] serde_json::Error),
    /// A document of another version.
    #[error(
        "image document version {0} is not supported (this cbuild knows {IMAGE_DOCUMENT_VERSION})"
    )]
    Version(u32),
}

impl ImageDocument {
    /// The document as canonical JSON: two-space indentation, fields in declared order, a final newline.
    pub fn to_json(&self) -> Result<String, ImageDocumentError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Parses a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageDocumentError> {
        let document: Self = serde_json::from_slice(bytes)?;
        if document.cbuild_image != IMAGE_DOCUMENT_VERSION {
            return Err(ImageDocumentError::Version(document.cbuild_image));
        }
        Ok(document)
    }
}
