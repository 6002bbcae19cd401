//! Objects that running processes use: their programs, working folders, opened and mapped files, and what
//! their environments name.
//!
//! A process may have an object of any store, under any path, also that of a sandbox: what counts is the
//! digest in a path. Processes that cannot be looked at, such as other users', are left out, and so is one
//! that ends meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cbuild_drv::digest::DIGEST_TEXT_LEN;
use cbuild_drv::{Digest, StorePath};

use crate::disk;

/// Links of a process that lead to what it uses.
const LINKS: [&str; 3] = ["exe", "cwd", "root"];

/// Files of a process that name what it uses.
const TEXTS: [&str; 2] = ["maps", "environ"];

/// The values of those objects that processes use.
pub(crate) fn used<'p>(objects: impl Iterator<Item = (&'p StorePath, usize)>) -> BTreeSet<usize> {
    let known: BTreeMap<Digest, Vec<usize>> =
        objects.fold(BTreeMap::new(), |mut known, (path, value)| {
            known.entry(*path.digest()).or_default().push(value);
            known
        });
    let mut found = BTreeSet::new();
    if known.is_empty() {
        return found;
    }
    let mut note = |text: &[u8]| {
        for digest in digests(text) {
            found.extend(known.get(&digest).into_iter().flatten());
        }
    };
    for (process, _) in disk::entries(Path::new("/proc")).unwrap_or_default() {
        let name = process.file_name().unwrap_or_default().as_bytes();
        if name.iter().all(u8::is_ascii_digit) {
            look_at(&process, &mut note);
        }
    }
    found
}

fn look_at(process: &Path, note: &mut dyn FnMut(&[u8])) {
    let files = disk::entries(&process.join("fd")).unwrap_or_default();
    let files = files.into_iter().map(|(path, _)| path);
    for link in LINKS.iter().map(|name| process.join(name)).chain(files) {
        if let Ok(target) = fs::read_link(link) {
            note(target.as_os_str().as_bytes());
        }
    }
    for text in TEXTS {
        if let Ok(text) = fs::read(process.join(text)) {
            note(&text);
        }
    }
}

/// The digest texts that stand before a `-`, as in the names of objects.
fn digests(text: &[u8]) -> impl Iterator<Item = Digest> {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'-').map(|(at, _)| at);
    ends.filter_map(|end| {
        let digest = &text[end.checked_sub(DIGEST_TEXT_LEN)?..end];
        Digest::parse(std::str::from_utf8(digest).ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_wherever_they_stand() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let text = format!("PATH=/a/store/{one}-x/bin:/cbuild/store/{two}-y\0-{one}\0b-{two}x-");
        let found: Vec<Digest> = digests(text.as_bytes()).collect();
        assert_eq!(found, [one, two]);
    }
}
