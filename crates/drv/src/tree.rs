//! File trees as Merkle trees, and their digests.
//!
//! A tree keeps the kind, the executable bit, the content and the names (bytes, sorted); no
//! owner, no time, no other mode bit, no extended attribute. The text of the object's own digest
//! cannot be hashed, so zero bytes take its place; where it stood is hashed instead, and so a
//! digest still stands for one tree only.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::encoding::Encoder;

/// A file tree without its file contents, which are named by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A regular file.
    File {
        /// Whether the owner may execute it.
        executable: bool,
        /// Length in bytes.
        size: u64,
        /// Plain BLAKE3 of the bytes, each own digest text being zero bytes.
        content: Digest,
        /// Where the own digest texts stand: offsets in bytes, ascending.
        own: Vec<u64>,
    },
    /// A symbolic link.
    Symlink {
        /// The bytes of its target, each own digest text being zero bytes.
        target: Vec<u8>,
        /// Where the own digest texts stand: offsets in bytes, ascending.
        own: Vec<u64>,
    },
    /// A directory; names hold neither `/` nor NUL and are neither `.` nor `..`.
    Directory(BTreeMap<Vec<u8>, Tree>),
}

impl Tree {
    /// The Merkle digest: a directory's covers the digests of its children.
    pub fn digest(&self) -> Digest {
        self.encode(true)
    }

    /// The digest as the first format of the store had it, which did not cover where the own digest
    /// texts stand. The same as [`Tree::digest`] where there is none. Only for recognising the
    /// objects of that format.
    pub fn digest_without_places(&self) -> Digest {
        self.encode(false)
    }

    fn encode(&self, with_places: bool) -> Digest {
        let mut encoder = Encoder::new("cbuild-tree-1");
        match self {
            Self::File { executable, size, content, own } => {
                let own = if with_places { own.as_slice() } else { &[] };
                encoder.tag(if own.is_empty() { 0 } else { 3 });
                encoder.flag(*executable);
                encoder.int(*size);
                encoder.digest(content);
                places(&mut encoder, own);
            }
            Self::Symlink { target, own } => {
                let own = if with_places { own.as_slice() } else { &[] };
                encoder.tag(if own.is_empty() { 1 } else { 4 });
                encoder.bytes(target);
                places(&mut encoder, own);
            }
            Self::Directory(children) => {
                encoder.tag(2);
                encoder.count(children.len());
                for (name, child) in children {
                    encoder.bytes(name);
                    encoder.digest(&child.encode(with_places));
                }
            }
        }
        encoder.finish()
    }
}

/// Encodes where own digest texts stand; nothing where there is none, which the tag tells.
fn places(encoder: &mut Encoder, own: &[u64]) {
    if own.is_empty() {
        return;
    }
    encoder.count(own.len());
    own.iter().for_each(|offset| encoder.int(*offset));
}
