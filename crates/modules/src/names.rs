//! Module paths, versions and import names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use semver::Version;

/// Longest module path, in bytes, so that it fits into the name of a store object.
const MAX_PATH: usize = 120;
/// Longest version, in bytes.
const MAX_VERSION: usize = 50;

/// Why a text is no module path, version or import name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Not of the form of a module path.
    #[error("`{text}` is not a module path: {why}")]
    Path {
        /// The text.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not of the form of a version.
    #[error("`{text}` is not a version: {why}")]
    Version {
        /// The text.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A version of another major version than the path's.
    #[error("version {version} cannot be one of `{path}`, whose major version is {}", path.major())]
    Major {
        /// The path.
        path: ModulePath,
        /// The version.
        version: Version,
    },
    /// Not an identifier.
    #[error("`{0}` is not an identifier, so it cannot be imported as `ext.{0}`")]
    Import(String),
}

/// The name of a module: at least two segments of `a-z 0-9 - _ .` and the major version `vN`, such as
/// `example.org/redis-kit/v2`. Two major versions are two modules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModulePath(String);

impl ModulePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The major version that it ends with.
    pub fn major(&self) -> u64 {
        self.0.rsplit_once("/v").and_then(|(_, digits)| digits.parse().ok()).unwrap_or_default()
    }

    /// The segment before the major version, such as `redis-kit`.
    pub fn short_name(&self) -> &str {
        let mut segments = self.0.rsplit('/');
        segments.next();
        segments.next().unwrap_or(&self.0)
    }

    /// The import name that is taken without `as`: the short name with `-` and `.` as `_`.
    ///
    /// # Errors
    /// [`NameError::Import`] if that is not an identifier.
    pub fn default_import(&self) -> Result<ImportName, NameError> {
        self.short_name().replace(['-', '.'], "_").parse()
    }

    /// Checks that a version belongs to this path.
    ///
    /// # Errors
    /// [`NameError::Major`] if its major version is another one.
    pub fn accepts(&self, version: &Version) -> Result<(), NameError> {
        if version.major == self.major() {
            return Ok(());
        }
        Err(NameError::Major { path: self.clone(), version: version.clone() })
    }
}

impl FromStr for ModulePath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |why| Err(NameError::Path { text: text.to_owned(), why });
        if text.len() > MAX_PATH {
            return fail("it is longer than 120 bytes");
        }
        let Some((name, major)) = text.rsplit_once('/') else {
            return fail("it ends with its major version, as in `example.org/name/v1`");
        };
        let digits = major.strip_prefix('v').unwrap_or_default();
        let number = digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u64>().is_ok();
        if !number || (digits.len() > 1 && digits.starts_with('0')) {
            return fail("it ends with its major version, as in `example.org/name/v1`");
        }
        if !name.contains('/') {
            return fail("a host or owner stands before the name, as in `example.org/name/v1`");
        }
        if !name.split('/').all(is_segment) {
            return fail(
                "its parts consist of a-z, 0-9, `-`, `_` and `.`, and start with a letter or digit",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_segment(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(plain)
        && text.bytes().all(|b| plain(b) || b"-_.".contains(&b))
        && !text.ends_with('.')
}

impl fmt::Display for ModulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a version: semantic versioning 2.0.0 without build metadata, which has no order.
///
/// # Errors
/// [`NameError::Version`].
pub(crate) fn parse_version(text: &str) -> Result<Version, NameError> {
    let fail = |why: String| NameError::Version { text: text.to_owned(), why };
    if text.len() > MAX_VERSION {
        return Err(fail(format!("it is longer than {MAX_VERSION} bytes")));
    }
    let version = Version::parse(text).map_err(|error| fail(error.to_string()))?;
    if version.build.is_empty() {
        return Ok(version);
    }
    Err(fail("build metadata (`+…`) is not used here, since it has no order".to_owned()))
}

/// A module at a version, `PATH@VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleVersion {
    /// The module.
    pub path: ModulePath,
    /// The version; its major version is the path's.
    pub version: Version,
}

impl FromStr for ModuleVersion {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((path, version)) = text.split_once('@') else {
            let why = "a version follows it, as in `example.org/name/v1@1.4.0`";
            return Err(NameError::Path { text: text.to_owned(), why });
        };
        let (path, version) = (path.parse::<ModulePath>()?, parse_version(version)?);
        path.accepts(&version)?;
        Ok(Self { path, version })
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.path, self.version)
    }
}

/// The name by which a module's files import a requirement, as in `import ext.NAME`: an identifier
/// of the language that starts with a small letter or `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportName(String);

/// Words that the language keeps for itself.
const KEYWORDS: &[&str] = &[
    "import", "as", "pub", "let", "in", "fn", "type", "protocol", "test", "extern", "match",
    "with", "if", "then", "else", "true", "false",
];

impl ImportName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImportName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        let rest = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if first && rest && text != "_" && text.len() <= 100 && !KEYWORDS.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::Import(text.to_owned()))
    }
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        let path: ModulePath = "example.org/redis-kit/v2".parse().unwrap();
        assert_eq!((path.major(), path.short_name()), (2, "redis-kit"));
        assert_eq!(path.default_import().unwrap().as_str(), "redis_kit");
        for good in ["example.org/a/b/c/v0", "me/x/v10", "a/v1/v1"] {
            good.parse::<ModulePath>().unwrap_or_else(|error| panic!("{error}"));
        }
        let long = format!("a/{}/v1", "b".repeat(130));
        for bad in [
            "",
            "a",
            "a/b",
            "a/v1",
            "a/b/v",
            "a/b/v01",
            "a/b/v1/",
            "/a/b/v1",
            "a//b/v1",
            "A/b/v1",
            "a/../v1",
            "a/.b/v1",
            "a/b./v1",
            "a b/c/v1",
            "a/b/v99999999999999999999",
            &long,
        ] {
            assert!(bad.parse::<ModulePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_belong_to_paths() {
        let parsed = |text: &str| text.parse::<ModuleVersion>();
        assert_eq!(parsed("a/b/v1@1.2.3-rc.1").unwrap().to_string(), "a/b/v1@1.2.3-rc.1");
        assert!(matches!(parsed("a/b/v1@2.0.0"), Err(NameError::Major { .. })));
        for bad in ["a/b/v1", "a/b/v1@", "a/b/v1@1.2", "a/b/v1@1.2.3+x", "a/b/v1@v1.2.3"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn import_names() {
        for good in ["tls", "_a", "tls2", "aB_c"] {
            assert!(good.parse::<ImportName>().is_ok(), "{good}");
        }
        for bad in ["", "_", "Tls", "2a", "a-b", "a.b", "let", "ü"] {
            assert!(bad.parse::<ImportName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn names_print_as_they_were(text in "[a-z0-9./@v_-]{0,40}") {
            if let Ok(path) = text.parse::<ModulePath>() {
                prop_assert_eq!(path.as_str(), &text);
            }
            if let Ok(module) = text.parse::<ModuleVersion>() {
                prop_assert_eq!(module.to_string(), text);
                prop_assert_eq!(module.version.major, module.path.major());
            }
        }
    }
}
