//! Names of artifacts in registries: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.

use std::fmt;

use crate::address::is_this_machine;
use crate::error::FetchError;
use crate::redact::shown_address;

/// A repository in a registry, with a tag, a digest or both. The parts keep the grammar of the OCI
/// distribution specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryReference {
    /// Host, with a port if it is not the usual one.
    pub host: String,
    /// Name of the repository, such as `modules/tls`.
    pub repository: String,
    /// Tag, such as `1.4.0`.
    pub tag: Option<String>,
    /// Digest of the manifest, `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

impl RegistryReference {
    /// Parses the text form; an `oci://` in front is accepted.
    ///
    /// # Errors
    /// [`FetchError::Registry`] that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let fail = |message: &str| {
            let (action, reference) = ("understand", shown_address(text));
            FetchError::Registry { action, reference, message: message.to_owned() }
        };
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(|| fail("it has no repository"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_host(host) {
            return Err(fail("its host is not written as HOST or HOST:PORT"));
        }
        if repository.len() > 255 || !repository.split('/').all(is_component) {
            return Err(fail("a repository is made of a-z, 0-9, `.`, `_`, `-` and `/`"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(fail("a tag is made of letters, digits, `.`, `_` and `-`"));
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(fail("a digest is `sha256:` and 64 hexadecimal digits"));
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        let (tag, digest) = (owned(tag), owned(digest));
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// Whether the registry is on this machine, where it is spoken to without encryption.
    pub(crate) fn is_local(&self) -> bool {
        let name = match self.host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => self.host.as_str(),
        };
        is_this_machine(name)
    }

    /// What names the manifest: the digest, else the tag, else `latest`.
    pub(crate) fn manifest(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            // A name without dot and port would be a repository on some default host elsewhere.
            (name == "localhost" || name.contains('.') || port.is_some())
                && name.len() <= 253
                && name.split('.').all(|label| {
                    !label.is_empty()
                        && !label.starts_with('-')
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        }
    };
    good && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    ends && text.bytes().all(|b| plain(b) || b"._-".contains(&b)) && !text.contains("..")
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Whether a text is a digest as registries write it.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let text = format!("localhost:5000/a/b-c:1.4.0@{digest}");
        let parsed = RegistryReference::parse(&format!("oci://{text}")).unwrap();
        assert_eq!((parsed.host.as_str(), parsed.repository.as_str()), ("localhost:5000", "a/b-c"));
        assert_eq!(parsed.tag.as_deref(), Some("1.4.0"));
        assert_eq!(parsed.digest.as_deref(), Some(digest.as_str()));
        assert_eq!(parsed.to_string(), text);
        assert!(parsed.is_local());
    }

    #[test]
    fn only_this_machine_is_local() {
        let local = |text: &str| RegistryReference::parse(text).unwrap().is_local();
        assert!(local("127.0.0.9:5000/a") && local("[::1]:5000/a") && local("localhost/a"));
        assert!(!local("example.org/a") && !local("127.0.0.1.example.org/a"));
        assert!(!local("localhost.example.org:5000/a"));
    }

    #[test]
    fn wrong_ones_are_refused() {
        let long = format!("example.org/{}", "a".repeat(300));
        for text in [
            "",
            "a",
            "a/b",
            "example.org",
            "example.org/",
            "example.org/A",
            "example.org/a:",
            "example.org/a:-x",
            "example.org/a@sha256:00",
            "example.org:99999/a",
            "ex ample.org/a",
            "example.org/../a",
            "me:pw@example.org/a",
            &long,
        ] {
            assert!(RegistryReference::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer_that_prints_as_it_was(text in "(oci://)?[a-z:/.@0-9\\[\\]-]{0,60}") {
            if let Ok(parsed) = RegistryReference::parse(&text) {
                prop_assert_eq!(parsed.to_string(), text.trim_start_matches("oci://"));
            }
        }
    }
}
