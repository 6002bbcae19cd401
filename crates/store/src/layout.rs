//! Where things are below the store's root, and the version file that says whose they are.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use cbuild_drv::{ActionKey, StorePath};

use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::upgrade;

/// Version of the store; see `lang-spec/07-store.md`.
const FORMAT_VERSION: u32 = 2;

const VERSION_MAGIC: &str = "cbuild-store ";

/// Which format the version file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The first one, whose paths do not fix where an object holds its own digest.
    First,
    /// The first one, which somebody has begun to bring to the present one.
    Between,
    /// The present one.
    Present,
}

impl Format {
    /// The text of the version file.
    fn text(self) -> String {
        let version = match self {
            Self::First => "1".to_owned(),
            Self::Between => format!("1 to {FORMAT_VERSION}"),
            Self::Present => FORMAT_VERSION.to_string(),
        };
        format!("{VERSION_MAGIC}{version}\n")
    }
}

/// The folders that every store has.
const FOLDERS: [&str; 8] =
    ["store", "info", "realisations", "tmp", "logs", "locks", "locks/live", "roots"];

/// Knows every path below a store's root.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Checks the version file of a root, or makes a new store where there is nothing. The store may
    /// be of the first format, see [`crate::upgrade`].
    pub(crate) fn prepare(root: &Path) -> Result<Self> {
        let layout = Self { root: absolute(root)? };
        if layout.format()?.is_none() {
            layout.create()?;
        }
        for folder in FOLDERS {
            let path = layout.root.join(folder);
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // One that can only be read may lack a folder in which nothing was written yet.
                Err(error) if is_unwritable(&error) && layout.objects().is_dir() => {}
                other => other.at("create the folder", &path)?,
            }
        }
        Ok(layout)
    }

    /// Writes the version file of a new store, or of one that has lost it: nothing else has those
    /// folders. Others who find none wait for the same lock.
    fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.root).at("create the folder", &self.root)?;
        let folder = File::open(&self.root).at("open", &self.root)?;
        folder.lock().at("lock", &self.root)?;
        if self.format()?.is_some() {
            return Ok(());
        }
        let names = disk::list(&self.root)?;
        let is_store = self.has_folders();
        if !is_store && names.iter().any(|name| name != "version" && name != "lost+found") {
            return Err(Error::NotAStore { path: self.root.clone() });
        }
        let version = self.version();
        let format = if is_store { upgrade::format_of(self)? } else { Format::Present };
        fs::write(&version, format.text()).at("write", &version)
    }

    /// What the version file says. An empty one counts as absent: its writer was killed before the
    /// store held anything.
    pub(crate) fn format(&self) -> Result<Option<Format>> {
        let path = self.version();
        let bytes = match disk::read_if_there(&path)? {
            None => return Ok(None),
            Some(bytes) if bytes.is_empty() => return Ok(None),
            Some(bytes) => bytes,
        };
        let known = [Format::Present, Format::Between, Format::First];
        if let Some(format) = known.into_iter().find(|known| known.text().as_bytes() == bytes) {
            return Ok(Some(format));
        }
        let text = String::from_utf8_lossy(&bytes);
        let found: String = text.trim().chars().take(40).collect();
        match text.strip_prefix(VERSION_MAGIC).map(str::trim) {
            Some(version) if is_newer(version) => {
                let found = version.chars().take(40).collect();
                Err(Error::Version { path, found, known: FORMAT_VERSION })
            }
            None if !self.has_folders() => Err(Error::NotAStore { path: self.root.clone() }),
            _ => Err(Error::VersionDamaged { path, found }),
        }
    }

    /// Whether the folders are there that nothing else has.
    fn has_folders(&self) -> bool {
        let names = ["store", "info", "realisations", "locks"];
        names.iter().all(|name| self.root.join(name).is_dir())
    }

    /// Changes what the version file says, at once and on the disk.
    pub(crate) fn set_format(&self, format: Format) -> Result<()> {
        let (version, fresh) = (self.version(), self.root.join("version.new"));
        disk::remove_if_there(&fresh)?;
        disk::write_durably(&fresh, format.text().as_bytes())?;
        fs::rename(&fresh, &version).at("write", &version)?;
        let root = File::open(&self.root).at("open", &self.root)?;
        root.sync_all().at("synchronise", &self.root)
    }

    /// Where objects of the first format are moved whose paths are no paths any more.
    pub(crate) fn first_format(&self) -> PathBuf {
        self.root.join("format-1")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn version(&self) -> PathBuf {
        self.root.join("version")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(crate) fn object(&self, path: &StorePath) -> PathBuf {
        self.objects().join(path.base_name())
    }

    pub(crate) fn infos(&self) -> PathBuf {
        self.root.join("info")
    }

    pub(crate) fn info(&self, path: &StorePath) -> PathBuf {
        self.infos().join(path.base_name())
    }

    pub(crate) fn realisations(&self) -> PathBuf {
        self.root.join("realisations")
    }

    pub(crate) fn realisation(&self, key: &ActionKey) -> PathBuf {
        self.realisations().join(key.to_string())
    }

    /// Where a realisation file is written before it takes its name; the holder of the commit
    /// lock alone writes it.
    pub(crate) fn new_realisation(&self) -> PathBuf {
        self.realisations().join(".new")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.root.join("locks/live")
    }

    /// The file whose bytes are locked for actions, see [`crate::lock`].
    pub(crate) fn action_locks(&self) -> PathBuf {
        self.root.join("locks/action")
    }

    /// Held while the index is opened, and by one who exchanges it; see [`crate::index`].
    pub(crate) fn index_lock(&self) -> PathBuf {
        self.root.join("locks/index")
    }

    pub(crate) fn commit_lock(&self) -> PathBuf {
        self.root.join("locks/commit")
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn log(&self, key: &ActionKey) -> PathBuf {
        self.logs().join(format!("{key}.log.zst"))
    }

    pub(crate) fn action_record(&self, key: &ActionKey) -> PathBuf {
        self.logs().join(format!("{key}.action"))
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index.sqlite")
    }

    pub(crate) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    pub(crate) fn foreign(&self) -> PathBuf {
        self.root.join("foreign")
    }
}

/// Whether a version, or one that is being brought to another, is above the present one.
fn is_newer(version: &str) -> bool {
    let numbers: Option<Vec<u32>> =
        version.split(" to ").map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.into_iter().max() > Some(FORMAT_VERSION))
}

/// An absolute path. `..` is resolved, because links that are made from the path must not change
/// their meaning when a folder in between is exchanged.
fn absolute(path: &Path) -> Result<PathBuf> {
    let found = std::path::absolute(path).at("find", path)?;
    if !found.components().any(|part| part == Component::ParentDir) {
        return Ok(found);
    }
    let is_there = |part: &&Path| part.canonicalize().is_ok();
    let top = found.ancestors().find(is_there).unwrap_or(&found);
    let mut resolved = top.canonicalize().at("find", top)?;
    // What is not there yet has no links in it.
    for part in found.strip_prefix(top).unwrap_or(Path::new("")).components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    Ok(resolved)
}

/// Whether something could not be written for a reason that does not keep it from being read.
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}
