//! Where the suites come from.

use std::fs;
use std::path::{Path, PathBuf};

use cbuild_drv::{ContentHash, Fetch, FetchKind};
use cbuild_fetch::{Fetcher, MirrorSource, Options};

/// A package that ships a suite.
pub(crate) struct Suite {
    /// Name of its folder on this machine; another one for another version.
    pub(crate) name: &'static str,
    pub(crate) url: &'static str,
    pub(crate) hash: &'static str,
    /// The parts that are kept; all when there are none.
    pub(crate) parts: &'static [&'static str],
}

impl Suite {
    /// The suite's folder; downloaded by the first test that needs it.
    pub(crate) fn folder(&self) -> PathBuf {
        let suites = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suites");
        let place = suites.join(self.name);
        if place.exists() {
            return place;
        }
        fs::create_dir_all(&suites).unwrap();
        let part = suites.join(format!("{}-{}", self.name, std::process::id()));
        let fetch = Fetch {
            urls: vec![self.url.to_owned()],
            hash: ContentHash::parse(self.hash).unwrap(),
            kind: FetchKind::Archive { strip: 1 },
        };
        let source = MirrorSource::File(suites.join("mirrors.toml"));
        Fetcher::new(source, Options::default()).fetch(&fetch, &part, &mut |_| {}).unwrap();
        if self.parts.is_empty() {
            fs::rename(part, &place).unwrap();
            return place;
        }
        let kept = suites.join(format!("{}-{}-kept", self.name, std::process::id()));
        fs::create_dir_all(&kept).unwrap();
        for (at, folder) in self.parts.iter().enumerate() {
            fs::rename(part.join(folder), kept.join(at.to_string())).unwrap();
        }
        fs::remove_dir_all(part).unwrap();
        fs::rename(kept, &place).unwrap();
        place
    }

    /// All files below the suite's folder with one of the endings, by their names from there,
    /// sorted.
    pub(crate) fn files(&self, endings: &[&str]) -> Vec<(String, PathBuf)> {
        let folder = self.folder();
        let mut found = Vec::new();
        below(&folder, &mut found);
        let mut named: Vec<_> = found
            .into_iter()
            .filter_map(|path| {
                let name = path.strip_prefix(&folder).ok()?.to_str()?.to_owned();
                endings.iter().any(|ending| name.ends_with(ending)).then_some((name, path))
            })
            .collect();
        named.sort();
        assert!(!named.is_empty(), "the suite {} has no files", self.name);
        named
    }
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => below(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Compares what was found with what is known to be otherwise: neither may have more.
pub(crate) fn settle(found: &[(String, String)], known: &[(&str, &str)]) {
    let is_known =
        |name: &str, what: &str| known.iter().any(|(n, w)| *n == name && what.contains(w));
    let new: Vec<String> = found
        .iter()
        .filter(|(name, what)| !is_known(name, what))
        .map(|(name, what)| format!("    ({name:?}, {what:?}),"))
        .collect();
    let gone: Vec<&str> = known
        .iter()
        .filter(|(name, what)| !found.iter().any(|(n, w)| n == name && w.contains(what)))
        .map(|(name, _)| *name)
        .collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{} otherwise than known:\n{}\nno longer otherwise: {gone:?}",
        new.len(),
        new.join("\n")
    );
}
