//! The folders of an image that belong to no store object.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::STORE_DIR;
use cbuild_drv::image::ImageDocument;

use crate::archive::Attributes;
use crate::settings::Settings;

/// Folder names without the leading `/`, in byte order, which puts parents before children.
pub(crate) type Folders = BTreeMap<String, Attributes>;

/// The folders above the store objects; they are part of every layer.
pub(crate) fn store_folders() -> Folders {
    let store = STORE_DIR.trim_start_matches('/');
    ancestors(store).chain([store]).map(|path| (path.to_owned(), Attributes::root(0o755))).collect()
}

/// All further folders: `/tmp`, the volumes, and the working directory if no object holds it.
pub(crate) fn own_folders(document: &ImageDocument, settings: &Settings) -> Folders {
    let mut folders = Folders::from([("tmp".to_owned(), Attributes::root(0o1777))]);
    let users = Attributes { mode: 0o755, uid: settings.uid, gid: settings.gid };
    let outside_store =
        |path: &&str| !path.is_empty() && *path != "cbuild" && !path.starts_with("cbuild/");
    let wanted: BTreeSet<&str> = (document.contract.volumes.values())
        .chain([&document.workdir])
        .map(|path| path.trim_start_matches('/'))
        .filter(outside_store)
        .collect();
    for path in &wanted {
        // `/tmp` keeps its own mode: everyone may write there already.
        folders.entry((*path).to_owned()).or_insert(users);
    }
    for path in wanted {
        for parent in ancestors(path) {
            folders.entry(parent.to_owned()).or_insert(Attributes::root(0o755));
        }
    }
    folders
}

/// The proper ancestors of a relative path, outermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
