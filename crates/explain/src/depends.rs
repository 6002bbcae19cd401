//! The shortest way from one object to another, along references.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use cbuild_drv::StorePath;
use cbuild_store::Store;

use crate::error::Result;

/// One step of a chain: an object and the file in it that holds the reference to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The object.
    pub object: StorePath,
    /// The file, relative to the object and empty where the object is a file; `None` for the last
    /// object of the chain, and where no file holds the reference (then the object is damaged).
    pub file: Option<PathBuf>,
}

/// The shortest chain of references from an object to one that is wanted; `None` when none is
/// reached. Of several equally short chains, the one whose objects come first by path is given.
///
/// # Errors
/// When the store cannot be read, or the start is not in it.
pub fn chain(
    store: &Store,
    from: &StorePath,
    is_wanted: impl Fn(&StorePath) -> bool,
) -> Result<Option<Vec<Link>>> {
    let mut came_from: BTreeMap<StorePath, Option<StorePath>> =
        BTreeMap::from([(from.clone(), None)]);
    let mut open = VecDeque::from([from.clone()]);
    while let Some(object) = open.pop_front() {
        if is_wanted(&object) {
            return Ok(Some(with_files(store, &came_from, object)?));
        }
        let Some(info) = store.info(&object)? else {
            return Err(cbuild_store::Error::NotInStore { path: object }.into());
        };
        for reference in info.references {
            if !came_from.contains_key(&reference) {
                came_from.insert(reference.clone(), Some(object.clone()));
                open.push_back(reference);
            }
        }
    }
    Ok(None)
}

fn with_files(
    store: &Store,
    came_from: &BTreeMap<StorePath, Option<StorePath>>,
    end: StorePath,
) -> Result<Vec<Link>> {
    let mut links = vec![Link { object: end.clone(), file: None }];
    let mut at = end;
    while let Some(Some(referrer)) = came_from.get(&at) {
        let file = store.mentions(referrer, std::slice::from_ref(&at))?.remove(&at);
        links.push(Link { object: referrer.clone(), file });
        at = referrer.clone();
    }
    links.reverse();
    Ok(links)
}
