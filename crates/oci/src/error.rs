//! What can go wrong when images are packed or read.

use std::io;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use cbuild_drv::image::{FieldError, ImageDocumentError};
use cbuild_store::Error as StoreError;
use thiserror::Error;

use crate::digest::Sha256Digest;

/// Why an image could not be packed or read.
#[derive(Debug, Error)]
pub enum OciError {
    /// The object is not an image document.
    #[error("`{object}` is not an image: {reason}")]
    NotAnImageObject {
        /// The object that was to be packed.
        object: StorePath,
        /// What it is instead.
        reason: String,
    },
    /// The object is a file, but not a readable image document.
    #[error("`{object}` is not an image; {source}")]
    Document {
        /// The object that was to be packed.
        object: StorePath,
        /// Why the document was refused.
        source: ImageDocumentError,
    },
    /// A field of the image document, or an option, has a value that no image can have.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The command's program is not an executable file of the image.
    #[error("the image cannot start: `{program}` {reason}")]
    EntryPoint {
        /// First word of the command.
        program: String,
        /// What is wrong with it.
        reason: String,
        /// How to put it right.
        fix: &'static str,
    },
    /// A program that the command reaches is for another processor than the image.
    #[error("`{file}` is a program for {found}, and the image is for {wanted}")]
    Architecture {
        /// The program's path in the image.
        file: String,
        /// What its ELF header says.
        found: String,
        /// The image's system.
        wanted: String,
    },
    /// The image names an object that is not in its closure.
    #[error("the image's `{field}` names `{named}`, which is not in the image's closure")]
    OutsideClosure {
        /// Field of the document.
        field: &'static str,
        /// The text that names the object.
        named: String,
    },
    /// The store refused a question.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object of the store does not look as a store object must.
    #[error("store object `{}` is damaged: {reason}", .path.display())]
    DamagedObject {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No OCI platform is known for the system.
    #[error("no OCI platform is known for the system `{0}`")]
    UnknownSystem(String),
    /// The target exists and is something that must not be replaced.
    #[error("`{}` exists and is not {wanted}", .path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
        /// What could have been replaced.
        wanted: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The image could not be written.
    #[error("cannot write `{}`: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file or folder is in none of the known formats.
    #[error("`{}` is not an image: {reason}", .path.display())]
    UnknownFormat {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        reason: String,
    },
    /// An archive is cut off or is not a tar archive.
    #[error("`{}` is damaged: {reason}", .path.display())]
    BrokenArchive {
        /// The archive.
        path: PathBuf,
        /// Where and how.
        reason: String,
    },
    /// An archive holds an entry that an image has no use for, such as a link or `../`.
    #[error("`{}` holds the entry `{entry}`, {reason}", .path.display())]
    UnsafeEntry {
        /// The archive.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// A blob is named but not there.
    #[error("`{}` lacks `{blob}`, which {named_by} names", .path.display())]
    MissingBlob {
        /// The image.
        path: PathBuf,
        /// Digest or name of the blob.
        blob: String,
        /// What refers to it.
        named_by: String,
    },
    /// The bytes of a blob have another digest or length than named.
    #[error("`{blob}` in `{}` has {found} instead of {expected}", .path.display())]
    WrongContent {
        /// The image.
        path: PathBuf,
        /// Name of the blob.
        blob: String,
        /// What its name or descriptor promises.
        expected: String,
        /// What its bytes are.
        found: String,
    },
    /// A media type, a digest algorithm or a version that this cbuild does not read.
    #[error("`{part}` in `{}` has the {what} `{found}`, which is not supported", .path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// The part concerned.
        part: String,
        /// Which property: `media type`, `digest`, `version`, `purpose`.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// A JSON document of the image does not have the form that the specification demands.
    #[error("`{part}` in `{}` is malformed: {reason}", .path.display())]
    Malformed {
        /// The image.
        path: PathBuf,
        /// The document concerned.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A documented limit was passed.
    #[error("`{part}` in `{}` is larger than the limit of {limit}", .path.display())]
    TooLarge {
        /// The image.
        path: PathBuf,
        /// The part concerned.
        part: String,
        /// The limit, with its unit.
        limit: String,
    },
}

impl OciError {
    /// The stable code, `E09` and two digits (or the store's own code).
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnImageObject { .. } | Self::Document { .. } => "E0901",
            Self::Field(_) => "E0902",
            Self::EntryPoint { .. } => "E0903",
            Self::Architecture { .. } => "E0918",
            Self::OutsideClosure { .. } => "E0904",
            Self::Store(error) => error.code(),
            Self::DamagedObject { .. } => "E0905",
            Self::UnknownSystem(_) => "E0906",
            Self::TargetExists { .. } => "E0907",
            Self::Write { .. } => "E0908",
            Self::Read { .. } => "E0909",
            Self::UnknownFormat { .. } => "E0910",
            Self::BrokenArchive { .. } => "E0911",
            Self::UnsafeEntry { .. } => "E0912",
            Self::MissingBlob { .. } => "E0913",
            Self::WrongContent { .. } => "E0914",
            Self::Unsupported { .. } => "E0915",
            Self::Malformed { .. } => "E0916",
            Self::TooLarge { .. } => "E0917",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::NotAnImageObject { .. } | Self::Document { .. } => {
                "name a target whose type is `Image`, made by `std.oci.image`"
            }
            Self::Field(error) => &error.fix,
            Self::EntryPoint { fix, .. } => fix,
            Self::Architecture { .. } => {
                "let the image's `system` be that of its programs, or give it programs that are built for its `system`"
            }
            Self::OutsideClosure { .. } => {
                "write the package itself into the text (`#{package}`), not its path as plain text"
            }
            Self::Store(error) => return error.help(),
            Self::DamagedObject { .. } => {
                "export it once more: damaged objects are built again; `cbuild store verify` finds all of them"
            }
            Self::UnknownSystem(_) => {
                "known are x86_64-linux, i686-linux, aarch64-linux, armv7l-linux, riscv64-linux, powerpc64le-linux, s390x-linux and loongarch64-linux"
            }
            Self::TargetExists { .. } => "choose another target, or remove this one first",
            Self::Write { .. } => "check that the folder exists, is writable and has free space",
            Self::Read { .. } => "check the path and its permissions",
            Self::UnknownFormat { .. } => {
                "give an OCI layout folder, an OCI archive or a docker archive, uncompressed"
            }
            Self::BrokenArchive { .. } | Self::MissingBlob { .. } | Self::WrongContent { .. } => {
                "the image is incomplete or was changed; copy or export it again"
            }
            Self::UnsafeEntry { .. } => "do not use this archive; export the image again",
            Self::Unsupported { .. } => {
                "let the program that made the image write it as OCI 1.0 or 1.1, with SHA-256 digests"
            }
            Self::Malformed { .. } => {
                "the program that made the image breaks the OCI specification; write it with another one"
            }
            Self::TooLarge { .. } => {
                "no image needs that much; do not use it unless you know what made it so large"
            }
        };
        Some(text.to_owned())
    }

    /// For `map_err` of a failed read of `path`.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// For `map_err` of a failed read of the object at `path`: what the store says of its content is
    /// said as here.
    pub(crate) fn damaged(path: &Path) -> impl FnOnce(Self) -> Self {
        let damaged =
            |path: PathBuf, reason: &str| Self::DamagedObject { path, reason: reason.to_owned() };
        let object = path.to_owned();
        move |error| match error {
            Self::Store(StoreError::Spoilt { .. }) => {
                damaged(object, "its content is not what its path says")
            }
            Self::Store(StoreError::FileKind { path, .. }) => {
                damaged(path, "it is neither a file, a folder nor a symbolic link")
            }
            Self::Store(StoreError::Transfer { .. }) => {
                damaged(object, "a file became shorter while it was read")
            }
            other => other,
        }
    }

    /// For `map_err` of a failed write of `path`.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    /// A blob whose bytes are not those that were promised.
    pub(crate) fn wrong_digest(
        path: &Path,
        blob: &str,
        expected: Sha256Digest,
        found: Sha256Digest,
    ) -> Self {
        Self::WrongContent {
            path: path.to_owned(),
            blob: blob.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
