//! References that a step forbids its outputs to have, such as the compiler in a runtime closure.
//!
//! A finished output may refer to an object of its builder's inputs, and those to others. What is
//! looked for are therefore the inputs that lead to something forbidden, in the files of the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use cbuild_store::{BuiltOutput, Store};

use crate::error::{LogEnd, StepError};

/// Bytes that are read of a file at a time.
const CHUNK: usize = 1 << 20;

/// Checks the outputs of one step. `closure` is all that its builder could see.
///
/// # Errors
/// The first reference that leads to something in `forbidden`, by outputs and file names in order.
pub(crate) fn check(
    store: &Store,
    outputs: &[BuiltOutput],
    closure: &BTreeSet<StorePath>,
    forbidden: &BTreeSet<StorePath>,
    log: impl Fn() -> LogEnd,
) -> Result<(), StepError> {
    if forbidden.is_empty() {
        return Ok(());
    }
    let next = towards(store, closure, forbidden)?;
    let names: Vec<(Vec<u8>, &StorePath)> =
        next.keys().map(|path| (path.digest().to_string().into_bytes(), path)).collect();
    for output in outputs {
        let found = find(&output.physical, &names);
        let found = found.map_err(StepError::io("read", &output.physical))?;
        if let Some((file, first)) = found {
            let mut chain = vec![first.clone()];
            while let Some(Some(further)) = chain.last().and_then(|path| next.get(path)) {
                chain.push(further.clone());
            }
            let file = shown(&output.physical, &file);
            return Err(StepError::Forbidden {
                output: output.output.clone(),
                file: file.into(),
                chain: chain.into(),
                log: log(),
            });
        }
    }
    Ok(())
}

/// The objects that lead to a forbidden one, each with the next on a shortest way there; the
/// forbidden ones themselves have none.
fn towards(
    store: &Store,
    closure: &BTreeSet<StorePath>,
    forbidden: &BTreeSet<StorePath>,
) -> Result<BTreeMap<StorePath, Option<StorePath>>, StepError> {
    let mut users: BTreeMap<StorePath, Vec<&StorePath>> = BTreeMap::new();
    for path in closure {
        let info =
            store.info(path)?.ok_or_else(|| StepError::InputMissing { path: path.clone() })?;
        for reference in info.references {
            users.entry(reference).or_default().push(path);
        }
    }
    let mut next: BTreeMap<StorePath, Option<StorePath>> =
        forbidden.iter().map(|path| (path.clone(), None)).collect();
    let mut edge: Vec<StorePath> = forbidden.iter().cloned().collect();
    while !edge.is_empty() {
        let mut further = Vec::new();
        for path in edge {
            for &user in users.get(&path).into_iter().flatten() {
                if !next.contains_key(user) {
                    next.insert(user.clone(), Some(path.clone()));
                    further.push(user.clone());
                }
            }
        }
        edge = further;
    }
    Ok(next)
}

type Found<'n> = Option<(PathBuf, &'n StorePath)>;

/// The first file or link below `top`, by its path, that holds one of the texts.
fn find<'n>(top: &Path, names: &[(Vec<u8>, &'n StorePath)]) -> io::Result<Found<'n>> {
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        let kind = fs::symlink_metadata(&path)?.file_type();
        let found = if kind.is_dir() {
            #[expect(clippy::disallowed_methods, reason = "the names are sorted")]
            let entries = fs::read_dir(&path)?.map(|entry| Ok(entry?.path()));
            let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
            entries.sort_unstable_by(|a, b| b.cmp(a));
            open.extend(entries);
            None
        } else if kind.is_symlink() {
            holds(fs::read_link(&path)?.as_os_str().as_bytes(), names)
        } else if kind.is_file() {
            find_in_file(&path, names)?
        } else {
            None
        };
        if let Some(name) = found {
            return Ok(Some((path, name)));
        }
    }
    Ok(None)
}

fn find_in_file<'n>(
    path: &Path,
    names: &[(Vec<u8>, &'n StorePath)],
) -> io::Result<Option<&'n StorePath>> {
    let longest = names.iter().map(|(text, _)| text.len()).max().unwrap_or(1);
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(CHUNK + longest);
    loop {
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut bytes)?;
        if let Some(found) = holds(&bytes, names) {
            return Ok(Some(found));
        }
        if read == 0 {
            return Ok(None);
        }
        // A text may lie across two chunks.
        bytes.drain(..bytes.len().saturating_sub(longest - 1));
    }
}

fn holds<'n>(bytes: &[u8], names: &[(Vec<u8>, &'n StorePath)]) -> Option<&'n StorePath> {
    let has = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
    names.iter().find(|(text, _)| has(text)).map(|(_, path)| *path)
}

fn shown(top: &Path, file: &Path) -> String {
    match file.strip_prefix(top) {
        Ok(inside) if !inside.as_os_str().is_empty() => format!("file `{}`", inside.display()),
        _ => "only file".to_owned(),
    }
}
