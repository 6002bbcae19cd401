//! File trees as Merkle trees, and their digests.
//!
//! A tree keeps the kind, the executable bit, the content and the names (bytes, sorted); no
//! owner, no time, no other mode bit, no extended attribute.

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
        /// Plain BLAKE3 of the bytes.
        content: Digest,
    },
    /// A symbolic link with the bytes of its target.
    Symlink(Vec<u8>),
    /// A directory; names hold neither `/` nor NUL and are neither `.` nor `..`.
    Directory(BTreeMap<Vec<u8>, Tree>),
}

impl Tree {
    /// The Merkle digest: a directory's covers the digests of its children.
    pub fn digest(&self) -> Digest {
        let mut encoder = Encoder::new("cbuild-tree-1");
        match self {
            Self::File { executable, size, content } => {
                encoder.tag(0);
                encoder.flag(*executable);
                encoder.int(*size);
                encoder.digest(content);
            }
            Self::Symlink(target) => {
                encoder.tag(1);
                encoder.bytes(target);
            }
            Self::Directory(children) => {
                encoder.tag(2);
                encoder.count(children.len());
                for (name, child) in children {
                    encoder.bytes(name);
                    encoder.digest(&child.digest());
                }
            }
        }
        encoder.finish()
    }
}
