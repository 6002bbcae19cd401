//! What every command shares: where the store is, how to talk, and how to be stopped.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cbuild_cache::Cache;
use cbuild_fetch::{Fetcher, MirrorSource, NetrcFile};
use cbuild_store::Store;

use crate::args::{Color, Global};
use crate::failure::{Exit, Failure, Manner, Problem};
use crate::output;
use crate::places::Places;
use crate::stop::Stop;

/// Tells the user what became of a store of an older format, however quiet the command should be:
/// objects have moved.
pub(crate) fn told(store: Store) -> Store {
    if let Some(upgrade) = store.upgrade() {
        output::tell_line(&format!("warning: {upgrade}"));
    }
    store
}

/// The only platform that this version's standard library builds for.
const SYSTEM: &str = "x86_64-linux";

/// What every command shares.
pub(crate) struct Session {
    /// The global options as given.
    pub(crate) options: Global,
    /// Set when the user asks to stop.
    pub(crate) cancel: Arc<AtomicBool>,
    /// How this process ends when it is asked to.
    pub(crate) stop: Arc<Stop>,
    /// Packages that were found, by top folder.
    places: Mutex<BTreeMap<PathBuf, Arc<Places>>>,
}

impl Session {
    /// Checks the global options.
    pub(crate) fn new(options: Global, stop: Arc<Stop>) -> Result<Self, Failure> {
        if let Some(system) = &options.system
            && system != SYSTEM
        {
            let message = format!("the platform `{system}` is not supported");
            return Err(Problem::new(Exit::Input, "E1001", message)
                .help(format!("leave `--system` out, or give `{SYSTEM}`"))
                .into());
        }
        Ok(Self { options, cancel: stop.flag(), stop, places: Mutex::default() })
    }

    /// How failures are written.
    pub(crate) fn manner(&self) -> Manner {
        manner(&self.options)
    }

    /// Folder of the store.
    pub(crate) fn root(&self) -> Result<PathBuf, Failure> {
        if let Some(root) = &self.options.root {
            return std::path::absolute(root).map_err(|error| {
                let message = format!("`{}` is not a usable folder: {error}", root.display());
                Problem::new(Exit::Input, "E1003", message)
                    .help("give a whole path, which begins with `/`")
                    .into()
            });
        }
        data_folder().map(|folder| folder.join("cbuild")).ok_or_else(|| {
            Problem::new(
                Exit::Environment,
                "E1004",
                "there is no place for the store: neither XDG_DATA_HOME nor HOME is set",
            )
            .help("give a folder with `--root DIR` or in CBUILD_ROOT")
            .into()
        })
    }

    /// Opens the store, making it when it is not there.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        Ok(told(Store::open(&self.root()?)?).stopped_by(Arc::clone(&self.cancel)))
    }

    /// Where results of earlier commands are; `None` when the user wants none of them, or when there
    /// is no place for them.
    pub(crate) fn cache(&self) -> Option<Cache> {
        if self.options.no_cache {
            return None;
        }
        let given = self.options.cache.clone();
        let folder = given.or_else(|| Some(cache_folder()?.join("cbuild")))?;
        Some(Cache::new(folder, env!("CBUILD_IDENTITY")))
    }

    /// Where the files of a package and of the modules that it requires are. What is missing of them
    /// is fetched now, before anything is evaluated.
    pub(crate) fn places(&self, package_root: &Path) -> Result<Arc<Places>, Failure> {
        // A thread that panicked has left the table whole: entries are only added.
        let mut known = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = known.get(package_root) {
            return Ok(Arc::clone(places));
        }
        let places = Arc::new(Places::find(self, package_root)?);
        known.insert(package_root.to_owned(), Arc::clone(&places));
        Ok(places)
    }

    /// The fetcher; the table of mirrors is read when a download needs it.
    pub(crate) fn fetcher(&self) -> Result<Fetcher, Failure> {
        let options = cbuild_fetch::Options {
            offline: self.options.offline,
            cancel: Some(Arc::clone(&self.cancel)),
            credentials: credential_files(),
            netrc: netrc_file(),
            limits: self.transfer_limits(),
            ..cbuild_fetch::Options::default()
        };
        Ok(Fetcher::new(MirrorSource::File(mirrors_file()?), options))
    }

    /// Bounds of downloads.
    fn transfer_limits(&self) -> cbuild_fetch::Limits {
        let mut limits = cbuild_fetch::Limits::default();
        let given = &self.options.transfers;
        limits.least_rate = given.min_rate.unwrap_or(limits.least_rate);
        limits.transfer = given.max_transfer.map_or(limits.transfer, Duration::from_secs);
        limits.download_bytes = given.max_download.unwrap_or(limits.download_bytes);
        limits
    }

    /// How to build.
    pub(crate) fn build_options(&self) -> cbuild_build::Options {
        let given = |number: Option<u16>| number.and_then(|n| NonZeroUsize::new(usize::from(n)));
        let mut options = cbuild_build::Options::default();
        options.jobs = given(self.options.jobs).unwrap_or(options.jobs);
        options.cores = given(self.options.cores).unwrap_or(options.cores);
        options.keep_going = self.options.keep_going;
        let limits = &self.options.limits;
        options.limits = cbuild_drv::StepLimits {
            wall: limits.max_time,
            silence: limits.max_silence,
            cpu: limits.max_cpu,
            memory: limits.max_memory,
            disk: limits.max_disk,
            processes: limits.max_processes,
        };
        options.cancel = Arc::clone(&self.cancel);
        options.signal = self.stop.signal();
        options
    }
}

/// File that holds the table of mirrors.
pub(crate) fn mirrors_file() -> Result<PathBuf, Failure> {
    cbuild_fetch::default_mirrors_path().ok_or_else(|| {
        Problem::new(
            Exit::Environment,
            "E1005",
            "there is no place for the table of mirrors: neither XDG_CONFIG_HOME nor HOME is set",
        )
        .help("set HOME to a folder")
        .into()
    })
}

fn data_folder() -> Option<PathBuf> {
    absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))
}

fn cache_folder() -> Option<PathBuf> {
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

/// An absolute path in a variable.
#[expect(clippy::disallowed_methods, reason = "the command line reads where the user's data is")]
fn absolute(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from)?;
    path.is_absolute().then_some(path)
}

/// Files with credentials for registries, in the order in which other clients look.
#[expect(clippy::disallowed_methods, reason = "these variables are where other clients look")]
fn credential_files() -> Vec<PathBuf> {
    let folder = |name: &str, rest: &str| {
        let path = std::env::var_os(name).map(PathBuf::from)?;
        path.is_absolute().then(|| path.join(rest))
    };
    let explicit = std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from);
    let usual = [
        folder("DOCKER_CONFIG", "config.json"),
        folder("XDG_RUNTIME_DIR", "containers/auth.json"),
        folder("XDG_CONFIG_HOME", "containers/auth.json"),
        folder("HOME", ".config/containers/auth.json"),
        folder("HOME", ".docker/config.json"),
    ];
    explicit.into_iter().chain(usual.into_iter().flatten()).collect()
}

/// How failures are written, by the options of the command line.
pub(crate) fn manner(options: &Global) -> Manner {
    Manner { json: options.json, color: wants_color(options.color), all_errors: options.all_errors }
}

/// The user's netrc file, where other clients look for it.
#[expect(clippy::disallowed_methods, reason = "this variable is where other clients look")]
fn netrc_file() -> Option<NetrcFile> {
    let named = std::env::var_os("NETRC").filter(|name| !name.is_empty()).map(PathBuf::from);
    match named {
        Some(path) => Some(NetrcFile { path, private: false }),
        None => Some(NetrcFile { path: absolute("HOME")?.join(".netrc"), private: true }),
    }
}

/// Whether standard error gets colour, given the user's wish.
#[expect(clippy::disallowed_methods, reason = "NO_COLOR is how users refuse colour everywhere")]
pub(crate) fn wants_color(wish: Color) -> bool {
    match wish {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            !refused && std::io::stderr().is_terminal()
        }
    }
}

/// A path as it is shown: relative to the working folder where that is shorter.
#[expect(clippy::disallowed_methods, reason = "paths are shown as the user would write them")]
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}
