//! The user's table behind `mirror://NAME/path`, and mirrors keyed by hash.

pub(crate) mod apt;
pub(crate) mod detect;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::FetchError;
use crate::redact::{shown_address, shown_text};

/// Version of the file format, its first key.
const VERSION: u32 = 1;

/// Names of mirrors to their base addresses, and bases of mirrors keyed by hash.
///
/// The file is TOML: `version = 1`, `by-hash = ["…"]`, and a table `[mirrors]` with a list of
/// addresses for each name. `pypi`, `npm` and `crates` are package indexes, under which a path is
/// looked up (see `book/src/mirrors.md`); under every other name a path is joined to the base.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    #[serde(default = "version")]
    version: u32,
    #[serde(rename = "by-hash", default, skip_serializing_if = "Vec::is_empty")]
    by_hash: Vec<String>,
    #[serde(default)]
    mirrors: BTreeMap<String, Vec<String>>,
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bases: &[String]| bases.iter().map(|b| shown_address(b)).collect::<Vec<_>>();
        let names = self.iter().map(|(name, bases)| (name, shown(bases)));
        f.debug_map().entry(&"by-hash", &shown(&self.by_hash)).entries(names).finish()
    }
}

fn version() -> u32 {
    VERSION
}

impl Default for Mirrors {
    fn default() -> Self {
        Self { version: VERSION, by_hash: Vec::new(), mirrors: BTreeMap::new() }
    }
}

/// `$XDG_CONFIG_HOME/cbuild/mirrors.toml`, else `$HOME/.config/cbuild/mirrors.toml`; none when
/// neither variable holds an absolute path.
#[expect(clippy::disallowed_methods, reason = "says where the user's configuration is; no result")]
pub fn default_mirrors_path() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let config = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("cbuild/mirrors.toml"))
}

impl Mirrors {
    /// Reads a table; `None` when there is no such file.
    pub fn load(path: &Path) -> Result<Option<Self>, FetchError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FetchError::io("read", path)(error)),
        };
        let invalid = |message: String| {
            // What the parser says has a line of the file in it.
            let message = shown_text(&message);
            FetchError::MirrorTable { path: path.to_owned(), message }
        };
        let table: Self = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if table.version != VERSION {
            return Err(invalid(format!("version {} is not known", table.version)));
        }
        for (name, bases) in &table.mirrors {
            check(name, bases).map_err(|error| invalid(error.to_string()))?;
        }
        check("by-hash", &table.by_hash).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(table))
    }

    /// Writes the table in one step, readable by its owner alone, since an address may hold a password.
    pub fn save(&self, path: &Path) -> Result<(), FetchError> {
        let invalid = |message| FetchError::MirrorTable { path: path.to_owned(), message };
        let text = toml::to_string(self).map_err(|error| invalid(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(FetchError::io("create", folder))?;
        let partial = path.with_extension(format!("toml.{}", std::process::id()));
        let write = || {
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&partial, path)
        };
        write().map_err(|error| {
            // The write is what failed; a left-over that cannot be removed either adds nothing.
            let _ = fs::remove_file(&partial);
            FetchError::io("write", path)(error)
        })
    }

    /// Base addresses of a name, in the order in which they are tried.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.mirrors.get(name).map(Vec::as_slice)
    }

    /// Sets the base addresses of a name.
    pub fn set(&mut self, name: &str, bases: Vec<String>) -> Result<(), FetchError> {
        check(name, &bases)?;
        self.mirrors.insert(name.to_owned(), bases);
        Ok(())
    }

    /// Removes a name; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.mirrors.remove(name).is_some()
    }

    /// All names with their base addresses, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.mirrors.iter().map(|(name, bases)| (name.as_str(), bases.as_slice()))
    }

    /// Bases of mirrors keyed by hash: a file is at `BASE/ALGORITHM/HEX`.
    pub fn by_hash(&self) -> &[String] {
        &self.by_hash
    }

    /// Sets the bases of mirrors keyed by hash.
    pub fn set_by_hash(&mut self, bases: Vec<String>) -> Result<(), FetchError> {
        check("by-hash", &bases)?;
        self.by_hash = bases;
        Ok(())
    }

    /// Takes over all names of another table, and keeps the names that the other one lacks.
    pub fn merge(&mut self, other: Self) {
        self.mirrors.extend(other.mirrors);
        for base in other.by_hash {
            if !self.by_hash.contains(&base) {
                self.by_hash.push(base);
            }
        }
    }
}

fn check(name: &str, bases: &[String]) -> Result<(), FetchError> {
    let error =
        |text: &str, message| Err(FetchError::MirrorEntry { text: shown_address(text), message });
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(good) {
        return error(name, "the name has other characters than a-z, 0-9, `-`, `_`, `.`");
    }
    for base in bases {
        // Cargo writes an index that is served as plain files with this word in front.
        let plain = base.strip_prefix("sparse+").unwrap_or(base);
        let known =
            ["https://", "http://", "file:///"].iter().any(|scheme| plain.starts_with(scheme));
        if !known || base.chars().any(|c| c.is_control() || c == ' ') {
            return error(base, "it is no http, https or file address");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn bases(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn tables_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/mirrors.toml");
        assert_eq!(Mirrors::load(&path).unwrap(), None);
        let mut table = Mirrors::default();
        table.set("debian", bases(&["http://a.example/debian", "file:///srv/debian"])).unwrap();
        table.set("crates", bases(&["sparse+https://u:p@a.example/index/"])).unwrap();
        table.set_by_hash(bases(&["https://a.example/by-hash"])).unwrap();
        table.save(&path).unwrap();
        assert_eq!(Mirrors::load(&path).unwrap(), Some(table.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let written = fs::read_to_string(&path).unwrap();
        assert!(written.starts_with("version = 1\nby-hash = [\"https://"), "{written}");
        assert!(table.remove("crates") && !table.remove("crates"));
        table.save(&path).unwrap();
        assert_eq!(Mirrors::load(&path).unwrap(), Some(table));
    }

    #[test]
    fn merging_keeps_what_the_other_lacks() {
        let mut table = Mirrors::default();
        table.set("mine", bases(&["http://m.example"])).unwrap();
        table.set("debian", bases(&["http://old.example"])).unwrap();
        let mut other = Mirrors::default();
        other.set("debian", bases(&["http://new.example"])).unwrap();
        other.set_by_hash(bases(&["http://h.example"])).unwrap();
        table.merge(other.clone());
        table.merge(other);
        let names: Vec<_> = table.iter().map(|(name, bases)| (name, bases[0].as_str())).collect();
        assert_eq!(names, [("debian", "http://new.example"), ("mine", "http://m.example")]);
        assert_eq!(table.by_hash(), ["http://h.example"]);
    }

    #[test]
    fn what_cannot_stand_in_a_table() {
        let mut table = Mirrors::default();
        for (name, base) in [
            ("", "http://a.example"),
            ("Debian", "http://a.example"),
            ("a/b", "http://a.example"),
            ("a", "ftp://a.example"),
            ("a", "a.example"),
            ("a", "file://relative"),
            ("a", "http://a.example/ b"),
            ("a", "http://a.example/\n"),
        ] {
            let error = table.set(name, bases(&[base])).unwrap_err();
            assert_eq!(error.code(), "E0707", "{name} {base}");
        }
        assert_eq!(table, Mirrors::default());
    }

    #[test]
    fn broken_tables_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mirrors.toml");
        for (text, wanted) in [
            ("mirrors = 3", "invalid type"),
            ("[mirrors]\na = 'http://x'", "invalid type"),
            ("[mirors]\n", "unknown field"),
            ("version = 2", "version 2 is not known"),
            ("[mirrors]\na = ['gopher://x']", "gopher://x"),
            ("by-hash = ['x']", "`x`"),
            ("[mirrors", "TOML parse error"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Mirrors::load(&path).unwrap_err();
            assert_eq!(error.code(), "E0706", "{text}");
            assert!(error.to_string().contains(wanted), "{text}: {error}");
        }
    }
}
