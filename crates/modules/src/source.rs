//! Where a module's files come from, and what pins them.

use std::fmt;

use cbuild_drv::ContentHash;
use cbuild_fetch::{RegistryReference, is_git_commit, shown_address};

use crate::names::Version;

/// Longest source, in bytes.
const MAX_SOURCE: usize = 2000;

/// Where the files of one version of a module come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `git+URL#REFERENCE`: a tag, branch or commit of a repository.
    Git {
        /// Address of the repository.
        url: String,
        /// Tag, branch or whole commit id.
        reference: String,
    },
    /// An archive at an `https`, `http`, `file` or `mirror` address.
    Archive {
        /// The address.
        url: String,
    },
    /// `oci://HOST/REPOSITORY:TAG`: an artifact in a registry.
    Oci(RegistryReference),
}

/// As it may be shown: an address may hold a password.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.shown())
    }
}

impl Source {
    /// Parses the text form. Without a `#REFERENCE`, a git source means the tag `vVERSION`; without
    /// a tag, a registry reference means the tag `VERSION`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str, version: &Version) -> Result<Self, String> {
        if text.len() > MAX_SOURCE || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a source is an address in ASCII, without spaces".to_owned());
        }
        if let Some(rest) = text.strip_prefix("git+") {
            let (url, reference) = match rest.split_once('#') {
                Some((url, reference)) => (url, reference.to_owned()),
                None => (rest, format!("v{version}")),
            };
            if !has_scheme(url, &["https", "http", "ssh", "git", "file"]) || reference.is_empty() {
                return Err("a git source is `git+URL#TAG`; its URL begins with https, http, ssh, git or file".to_owned());
            }
            return Ok(Self::Git { url: url.to_owned(), reference });
        }
        if text.starts_with("oci://") {
            let mut reference =
                RegistryReference::parse(text).map_err(|error| error.to_string())?;
            if reference.tag.is_none() && reference.digest.is_none() {
                reference.tag = Some(version.to_string());
            }
            return Ok(Self::Oci(reference));
        }
        if has_scheme(text, &["https", "http", "file", "mirror"]) && !text.contains('#') {
            return Ok(Self::Archive { url: text.to_owned() });
        }
        Err("a source is `git+URL#TAG`, the address of an archive, or `oci://HOST/REPOSITORY:TAG`"
            .to_owned())
    }

    /// The text form as it may be printed: without credentials, which only the lock and the manifest keep.
    pub fn shown(&self) -> String {
        shown_address(&self.to_string())
    }

    /// The same place at another version: every occurrence of the old version in a tag or address
    /// becomes the new one. `None` if there is no such occurrence.
    pub fn moved(&self, old: &Version, new: &Version) -> Option<Self> {
        let (old, new) = (old.to_string(), new.to_string());
        let change = |text: &str| text.contains(&old).then(|| text.replace(&old, &new));
        match self {
            Self::Git { url, reference } => {
                Some(Self::Git { url: url.clone(), reference: change(reference)? })
            }
            Self::Archive { url } => Some(Self::Archive { url: change(url)? }),
            Self::Oci(reference) => {
                let tag = Some(change(reference.tag.as_deref()?)?);
                Some(Self::Oci(RegistryReference { tag, digest: None, ..reference.clone() }))
            }
        }
    }
}

fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { url, reference } => write!(f, "git+{url}#{reference}"),
            Self::Archive { url } => f.write_str(url),
            Self::Oci(reference) => write!(f, "oci://{reference}"),
        }
    }
}

/// What a source gave, so that the same is taken again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// `git:COMMIT`.
    Git(String),
    /// Hash of the archive's bytes, `sha256-…`.
    Archive(ContentHash),
    /// `oci:sha256:DIGEST` of the manifest.
    Oci(String),
}

impl Pin {
    /// Parses the text form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(commit) = text.strip_prefix("git:") {
            return is_git_commit(commit).then(|| Self::Git(commit.to_owned()));
        }
        if let Some(digest) = text.strip_prefix("oci:") {
            let hex = digest.strip_prefix("sha256:")?;
            let good =
                hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            return good.then(|| Self::Oci(digest.to_owned()));
        }
        // The hash is printed in one way only, so that a lock file has one form.
        ContentHash::parse(text).ok().filter(|hash| hash.to_string() == text).map(Self::Archive)
    }

    /// Whether it is of the kind that a source needs.
    pub fn fits(&self, source: &Source) -> bool {
        matches!(
            (self, source),
            (Self::Git(_), Source::Git { .. })
                | (Self::Archive(_), Source::Archive { .. })
                | (Self::Oci(_), Source::Oci(_))
        )
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(commit) => write!(f, "git:{commit}"),
            Self::Archive(hash) => write!(f, "{hash}"),
            Self::Oci(digest) => write!(f, "oci:{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Source, String> {
        Source::parse(text, &Version::new(1, 4, 0))
    }

    #[test]
    fn each_kind_and_its_default() {
        let shown = |text: &str| parse(text).unwrap().to_string();
        assert_eq!(shown("git+https://example.org/a#main"), "git+https://example.org/a#main");
        assert_eq!(shown("git+ssh://git@example.org/a"), "git+ssh://git@example.org/a#v1.4.0");
        assert_eq!(
            shown("https://example.org/a-1.4.0.tar.gz"),
            "https://example.org/a-1.4.0.tar.gz"
        );
        assert_eq!(shown("oci://example.org/a"), "oci://example.org/a:1.4.0");
        assert_eq!(shown("oci://example.org/a:x"), "oci://example.org/a:x");
        for bad in [
            "",
            "a",
            "../a",
            "git+a",
            "git+ext::sh",
            "git+https://a#",
            "oci://a",
            "https://",
            "https://a b",
            "x://a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sources_move_with_the_version() {
        let (old, new) = (Version::new(1, 4, 0), Version::new(1, 5, 0));
        let moved = |text: &str| parse(text).unwrap().moved(&old, &new).map(|s| s.to_string());
        assert_eq!(moved("git+https://e.org/a").as_deref(), Some("git+https://e.org/a#v1.5.0"));
        assert_eq!(
            moved("https://e.org/a-1.4.0.tar").as_deref(),
            Some("https://e.org/a-1.5.0.tar")
        );
        assert_eq!(moved("oci://e.org/a").as_deref(), Some("oci://e.org/a:1.5.0"));
        assert_eq!(moved("git+https://e.org/a#main"), None);
    }

    proptest! {
        #[test]
        fn texts_print_as_they_were(text in "(git\\+|oci:|git:|sha256-)?(https|file)?(://)?[a-f0-9/.:#@-]{0,70}") {
            if let Ok(source) = parse(&text) {
                let shown = source.to_string();
                prop_assert!(shown.starts_with(&text));
                prop_assert_eq!(parse(&shown).unwrap(), source);
            }
            if let Some(pin) = Pin::parse(&text) {
                prop_assert_eq!(pin.to_string(), text);
            }
        }
    }
}
