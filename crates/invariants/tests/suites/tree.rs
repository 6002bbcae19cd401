//! Trees on disk, as far as archives are compared by them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cbuild_drv::Digest;

/// Longest file whose bytes are compared; of longer ones, which have holes, the length is.
const READ: u64 = 64 << 20;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File {
        executable: bool,
        length: u64,
        content: Option<Digest>,
    },
    Link(OsString),
    /// A device and the like.
    Other,
}

/// The entries of a folder by their names from there.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Tree(BTreeMap<Vec<u8>, Node>);

impl Tree {
    pub(crate) fn read(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(folder, b"");
        tree
    }

    fn add(&mut self, folder: &Path, above: &[u8]) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            let name = [above, &entry.file_name().into_vec()].concat();
            let node = if metadata.is_symlink() {
                Node::Link(fs::read_link(&path).unwrap().into_os_string())
            } else if metadata.is_dir() {
                self.add(&path, &[&name, b"/".as_slice()].concat());
                Node::Folder
            } else if metadata.is_file() {
                let (executable, length) =
                    (metadata.permissions().mode() & 0o100 != 0, metadata.len());
                let content = (length <= READ).then(|| Digest::of(&fs::read(&path).unwrap()));
                Node::File { executable, length, content }
            } else {
                Node::Other
            };
            self.0.insert(name, node);
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first entry that is otherwise, in words.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let names = self.0.keys().chain(other.0.keys());
        let first = names.filter(|name| self.0.get(*name) != other.0.get(*name)).min()?;
        let show = |tree: &Self| tree.0.get(first).map_or("nothing".to_owned(), Node::to_string);
        Some(format!("{}: {} instead of {}", first.escape_ascii(), show(self), show(other)))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => write!(f, "a folder"),
            Self::File { executable, length, .. } => {
                let kind = if *executable { "a program" } else { "a file" };
                write!(f, "{kind} of {length} bytes")
            }
            Self::Link(target) => {
                let target = target.clone().into_vec();
                write!(f, "a link to {}", target.escape_ascii())
            }
            Self::Other => write!(f, "a device"),
        }
    }
}
