//! Replacing the digest texts of scratch paths by final ones, in place.

use std::ffi::OsStr;
use std::io::{self, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cbuild_drv::Digest;
use rustix::fs::{AtFlags, OFlags, renameat, symlinkat, unlinkat};

use super::{Hit, Node, Place, at_top, open_dir, open_file, patch};
use crate::cancel::Cancel;
use crate::error::{IoContext, Result};
use crate::scan::{Patterns, Scanner, WINDOW, text_of};

/// A link target with the hits of one output as zero bytes.
pub(crate) fn zeroed(target: &[u8], hits: &[Hit], own: usize) -> Vec<u8> {
    let mut target = target.to_vec();
    patch(&mut target, hits, own, &[0; WINDOW]);
    target
}

/// Writes final digests, by output, over the scratch ones that the tree holds.
///
/// The node follows: rewritten hits are removed from it, and the content digests of changed
/// files are computed anew, with `own`'s digest text (`patterns` holds it) as zero bytes.
pub(crate) fn rewrite(
    top: &Path,
    node: &mut Node,
    finals: &[Option<Digest>],
    own: usize,
    patterns: &Patterns,
    cancel: &Cancel,
) -> Result<()> {
    let mut rewriter = Rewriter { finals, own, patterns, cancel, place: Place(top.to_owned()) };
    at_top(top, |dir, name| rewriter.entry(dir, name, node))
}

struct Rewriter<'a> {
    finals: &'a [Option<Digest>],
    own: usize,
    patterns: &'a Patterns,
    cancel: &'a Cancel,
    place: Place,
}

impl Rewriter<'_> {
    /// Takes the hits that have a final digest out of the list, as offset and new text.
    fn take(&self, hits: &mut Vec<Hit>) -> Vec<(Hit, [u8; WINDOW])> {
        let known = |hit: &Hit| {
            self.finals.get(hit.own).and_then(Option::as_ref).map(|digest| (*hit, text_of(digest)))
        };
        let taken = hits.iter().filter_map(known).collect();
        hits.retain(|hit| known(hit).is_none());
        taken
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &OsStr, node: &mut Node) -> Result<()> {
        match node {
            Node::File { hits, content, .. } => {
                let taken = self.take(hits);
                if taken.is_empty() {
                    return Ok(());
                }
                // The own digest is written last and does not change the content modulo self.
                let rehash = taken.iter().any(|(hit, _)| hit.own != self.own);
                let digest = self.file(dir, name, &taken, rehash);
                if let Some(digest) = digest.at("rewrite", self.place.path())? {
                    *content = digest;
                }
            }
            Node::Symlink { target, hits } => {
                let taken = self.take(hits);
                if taken.is_empty() {
                    return Ok(());
                }
                for (hit, text) in &taken {
                    patch(target, &[*hit], hit.own, text);
                }
                replace_link(dir, name, target).at("rewrite the link", self.place.path())?;
            }
            Node::Directory(children) => {
                let fd = open_dir(dir, name).at("open", self.place.path())?;
                for (name, child) in children {
                    let name = OsStr::from_bytes(name);
                    self.place.0.push(name);
                    self.entry(fd.as_fd(), name, child)?;
                    self.place.0.pop();
                }
            }
        }
        Ok(())
    }

    fn file(
        &self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        taken: &[(Hit, [u8; WINDOW])],
        rehash: bool,
    ) -> io::Result<Option<Digest>> {
        let mut file = open_file(dir, name, OFlags::RDWR)?;
        for (hit, text) in taken {
            file.write_all_at(text, hit.offset)?;
        }
        if !rehash {
            return Ok(None);
        }
        file.rewind()?;
        let (_, digest) =
            Scanner::new(self.patterns, self.own, self.cancel).stream(&mut file, |_, _| ())?;
        Ok(Some(digest))
    }
}

/// Exchanges a symbolic link for one with another target.
fn replace_link(dir: BorrowedFd<'_>, name: &OsStr, target: &[u8]) -> rustix::io::Result<()> {
    let mut number = 0u64;
    let fresh = loop {
        let fresh = format!(".cbuild-link-{number}");
        match symlinkat(target, dir, fresh.as_str()) {
            Err(rustix::io::Errno::EXIST) => number += 1,
            other => {
                other?;
                break fresh;
            }
        }
    };
    let renamed = renameat(dir, fresh.as_str(), dir, name);
    if renamed.is_err() {
        // Best effort: the tree is thrown away after an error.
        let _ = unlinkat(dir, fresh.as_str(), AtFlags::empty());
    }
    renamed
}
