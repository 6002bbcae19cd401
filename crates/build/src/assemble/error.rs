//! Why trees could not be composed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why an assembly failed.
#[derive(Debug, Error)]
pub enum AssembleError {
    /// A path of the derivation is not a plain relative one.
    #[error("`{path}` is not a plain relative path: no leading or doubled slash, no `.`, no `..`")]
    Path {
        /// The path as written.
        path: String,
    },
    /// Following links from a path leads out of the tree.
    #[error("`{path}` leads out of {tree} through a symbolic link")]
    Escape {
        /// The path as written.
        path: String,
        /// The tree, for people.
        tree: String,
    },
    /// Links that lead in a circle, or too many of them.
    #[error("`{path}` passes through too many symbolic links of {tree}")]
    TooManyLinks {
        /// The path as written.
        path: String,
        /// The tree, for people.
        tree: String,
    },
    /// Two parts bring different things to one place.
    #[error(
        "`{path}` is brought by two parts that differ: {first} has {first_kind}, {second} has {second_kind}"
    )]
    Conflict {
        /// The place in the result.
        path: String,
        /// The part that was laid first.
        first: String,
        /// What it has there.
        first_kind: &'static str,
        /// The part that was laid later.
        second: String,
        /// What it has there.
        second_kind: &'static str,
    },
    /// A layer's source has nothing at `from`.
    #[error("{layer} has no `{from}`")]
    Missing {
        /// The layer's object.
        layer: String,
        /// Path inside the object.
        from: String,
    },
    /// An exclude pattern that cannot be parsed.
    #[error("the exclude pattern `{pattern}` is not valid: {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// The reason.
        reason: String,
    },
    /// Something in a layer that no store object may hold, or too deep a tree.
    #[error("{place} of {layer} cannot be part of a tree: {reason}")]
    Unsupported {
        /// Path inside the object.
        place: String,
        /// The layer's object.
        layer: String,
        /// The reason.
        reason: &'static str,
    },
    /// The file system refused.
    #[error("{action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, for example `cannot read`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl PartialEq for AssembleError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl AssembleError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Path { .. } | Self::Escape { .. } => "E0510",
            Self::Conflict { .. } => "E0511",
            Self::Missing { .. } => "E0512",
            Self::Pattern { .. } => "E0513",
            Self::TooManyLinks { .. } => "E0514",
            Self::Unsupported { .. } => "E0515",
            Self::Io { .. } => "E0530",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Path { .. } => Some("write it relative to the top of the tree".to_owned()),
            Self::Conflict { first_kind, second_kind, path, .. }
                if *first_kind == "a directory" && *second_kind == "a symbolic link" =>
            {
                Some(format!(
                    "add `{path}` to `links`: links are laid before the layers, and directories merge through them"
                ))
            }
            Self::Conflict { path, .. } => {
                Some(format!("leave one of them out, for example with `exclude`, or set `{path}` in `files`, which replaces what layers bring"))
            }
            Self::Missing { .. } => {
                Some("look into the object with `cbuild store ls`".to_owned())
            }
            Self::Pattern { .. } => Some(
                "`*` matches within one component, `**` across them, `{a,b}` either; escape with a backslash".to_owned(),
            ),
            Self::Escape { .. } => Some(
                "name where the link leads to, by the package that has it, instead of the link".to_owned(),
            ),
            Self::TooManyLinks { .. } => Some(
                "look for links that lead to each other, and leave one of them out with `exclude`".to_owned(),
            ),
            Self::Unsupported { .. } => Some("leave it out with `exclude`".to_owned()),
            Self::Io { .. } => Some(
                "the store's folder must be readable and writable for you; `--root FOLDER` names another".to_owned(),
            ),
        }
    }

    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
