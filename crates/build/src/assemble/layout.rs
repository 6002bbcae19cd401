//! The result of an assembly as a value, before anything is written.
//!
//! Composing in memory keeps the file system out of the question where a path leads: links are
//! followed within the value, so nothing can be written outside the result.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::error::AssembleError;
use super::path::{Component, FollowError, Step, follow, show};

/// Which part of the assembly brought a node, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The layer of this index.
    Layer(usize),
    /// `directories`.
    Directories,
    /// `links`.
    Links,
    /// `files`.
    Files,
}

/// One file, link or directory of the result.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory(BTreeMap<Component, Node>, Origin),
    Stored { file: PathBuf, executable: bool, origin: Origin },
    Text { text: String, executable: bool, origin: Origin },
    Link(Vec<u8>, Origin),
}

impl Node {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Directory(_, origin) | Self::Link(_, origin) => *origin,
            Self::Stored { origin, .. } | Self::Text { origin, .. } => *origin,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Directory(..) => "a directory",
            Self::Link(..) => "a symbolic link",
            Self::Stored { executable: true, .. } | Self::Text { executable: true, .. } => {
                "an executable file"
            }
            Self::Stored { .. } | Self::Text { .. } => "a file",
        }
    }
}

/// The result so far.
pub(super) struct Layout<'a> {
    root: BTreeMap<Component, Node>,
    exclude: &'a GlobSet,
    describe: &'a dyn Fn(Origin) -> String,
}

impl<'a> Layout<'a> {
    /// An empty directory. `describe` names a part for messages.
    pub(super) fn new(exclude: &'a GlobSet, describe: &'a dyn Fn(Origin) -> String) -> Self {
        Self { root: BTreeMap::new(), exclude, describe }
    }

    /// The finished tree.
    pub(super) fn into_node(self) -> Node {
        Node::Directory(self.root, Origin::Directories)
    }

    /// Makes sure that a directory exists.
    pub(super) fn add_directory(&mut self, path: &[Component]) -> Result<(), AssembleError> {
        let place = self.follow(path, true)?;
        self.directory(&place, Origin::Directories).map(drop)
    }

    /// Lays a link; its place must be free or hold an equal one.
    pub(super) fn add_link(
        &mut self,
        path: &[Component],
        target: Vec<u8>,
    ) -> Result<(), AssembleError> {
        let place = self.follow(path, false)?;
        self.insert(place, Node::Link(target, Origin::Links))
    }

    /// Lays a file, in place of a file or link that is there.
    pub(super) fn add_file(
        &mut self,
        path: &[Component],
        text: String,
        executable: bool,
    ) -> Result<(), AssembleError> {
        let place = self.follow(path, false)?;
        let node = Node::Text { text, executable, origin: Origin::Files };
        let conflict = match self.node(&place) {
            Some(directory @ Node::Directory(..)) => Some(self.conflict(&place, directory, &node)),
            _ => None,
        };
        if let Some(error) = conflict {
            return Err(error);
        }
        let Some((name, parent)) = place.split_last() else {
            return Err(AssembleError::Path { path: show(path) });
        };
        self.directory(parent, Origin::Files)?.insert(name.clone(), node);
        Ok(())
    }

    /// Merges a layer's tree into the result at `into`.
    pub(super) fn merge(&mut self, into: &[Component], node: Node) -> Result<(), AssembleError> {
        let is_directory = matches!(node, Node::Directory(..));
        let place = self.follow(into, is_directory)?;
        self.merge_at(place, into.to_vec(), node)
    }

    /// `place` is free of links; `named` is how the layer names it.
    fn merge_at(
        &mut self,
        place: Vec<Component>,
        named: Vec<Component>,
        node: Node,
    ) -> Result<(), AssembleError> {
        if self.excluded(&place, &named) {
            return Ok(());
        }
        let Node::Directory(children, origin) = node else {
            return self.insert(place, node);
        };
        let place = match self.node(&place) {
            Some(Node::Link(_, first)) => self.through_link(place, *first, origin)?,
            Some(Node::Directory(..)) | None => place,
            Some(other) => {
                let node = Node::Directory(BTreeMap::new(), origin);
                return Err(self.conflict(&place, other, &node));
            }
        };
        self.directory(&place, origin)?;
        for (name, child) in children {
            let (mut place, mut named) = (place.clone(), named.clone());
            place.push(name.clone());
            named.push(name);
            self.merge_at(place, named, child)?;
        }
        Ok(())
    }

    /// Where a directory goes that meets a link: to the directory that the link leads to. A link
    /// of `links` may lead to a place that no part has brought yet; one of a layer may not,
    /// because it may as well name something outside the result.
    fn through_link(
        &self,
        place: Vec<Component>,
        first: Origin,
        second: Origin,
    ) -> Result<Vec<Component>, AssembleError> {
        let target = self.follow(&place, true)?;
        match self.node(&target) {
            Some(Node::Directory(..)) => Ok(target),
            None if target.is_empty() || first == Origin::Links => Ok(target),
            _ => {
                let link = Node::Link(Vec::new(), first);
                let directory = Node::Directory(BTreeMap::new(), second);
                Err(self.conflict(&place, &link, &directory))
            }
        }
    }

    fn excluded(&self, place: &[Component], named: &[Component]) -> bool {
        if self.exclude.is_empty() {
            return false;
        }
        let matches = |place: &[Component]| {
            use std::os::unix::ffi::OsStrExt;
            let joined = place.join(&b'/');
            self.exclude.is_match(Path::new(std::ffi::OsStr::from_bytes(&joined)))
        };
        matches(place) || (place != named && matches(named))
    }

    /// Puts a file or link to a place, or finds an equal one there.
    fn insert(&mut self, place: Vec<Component>, node: Node) -> Result<(), AssembleError> {
        let Some((name, parent)) = place.split_last() else {
            let top = Node::Directory(BTreeMap::new(), Origin::Directories);
            return Err(self.conflict(&place, &top, &node));
        };
        if let Some(present) = self.node(&place) {
            return match same(present, &node)? {
                true => Ok(()),
                false => Err(self.conflict(&place, present, &node)),
            };
        }
        let origin = node.origin();
        self.directory(parent, origin)?.insert(name.clone(), node);
        Ok(())
    }

    fn node(&self, place: &[Component]) -> Option<&Node> {
        let (last, parents) = place.split_last()?;
        let mut here = &self.root;
        for component in parents {
            match here.get(component) {
                Some(Node::Directory(children, _)) => here = children,
                _ => return None,
            }
        }
        here.get(last)
    }

    /// The entries of the directory at a place that is free of links, made where it is absent.
    fn directory(
        &mut self,
        place: &[Component],
        origin: Origin,
    ) -> Result<&mut BTreeMap<Component, Node>, AssembleError> {
        for end in 1..=place.len() {
            match self.node(&place[..end]) {
                None | Some(Node::Directory(..)) => {}
                Some(other) => {
                    let node = Node::Directory(BTreeMap::new(), origin);
                    return Err(self.conflict(&place[..end], other, &node));
                }
            }
        }
        let mut here = &mut self.root;
        for component in place {
            let node = here
                .entry(component.clone())
                .or_insert_with(|| Node::Directory(BTreeMap::new(), origin));
            match node {
                Node::Directory(children, _) => here = children,
                _ => return Err(AssembleError::Path { path: show(place) }),
            }
        }
        Ok(here)
    }

    fn follow(&self, path: &[Component], last: bool) -> Result<Vec<Component>, AssembleError> {
        let followed = follow::<FollowError>(path, last, |place| {
            Ok(match self.node(place) {
                Some(Node::Link(target, _)) => Step::Link(target.clone()),
                _ => Step::Other,
            })
        });
        followed.map_err(|error| follow_error(error, path, "the result"))
    }

    fn conflict(&self, place: &[Component], first: &Node, second: &Node) -> AssembleError {
        AssembleError::Conflict {
            path: if place.is_empty() { ".".to_owned() } else { show(place) },
            first: (self.describe)(first.origin()),
            first_kind: first.kind(),
            second: (self.describe)(second.origin()),
            second_kind: second.kind(),
        }
    }
}

/// Names the path and the tree of a [`FollowError`].
pub(super) fn follow_error(error: FollowError, path: &[Component], tree: &str) -> AssembleError {
    let (path, tree) = (show(path), tree.to_owned());
    match error {
        FollowError::Escape => AssembleError::Escape { path, tree },
        FollowError::TooManyLinks => AssembleError::TooManyLinks { path, tree },
    }
}

fn same(first: &Node, second: &Node) -> Result<bool, AssembleError> {
    match (first, second) {
        (Node::Link(a, _), Node::Link(b, _)) => Ok(a == b),
        (
            Node::Stored { file: a, executable: a_runs, .. },
            Node::Stored { file: b, executable: b_runs, .. },
        ) => Ok(a_runs == b_runs && same_bytes(a, b)?),
        _ => Ok(false),
    }
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool, AssembleError> {
    let open = |path: &Path| {
        let file = fs::File::open(path).map_err(AssembleError::io("cannot read", path))?;
        let data = file.metadata().map_err(AssembleError::io("cannot read", path))?;
        Ok::<_, AssembleError>((file, data))
    };
    let ((mut a_file, a_data), (mut b_file, b_data)) = (open(a)?, open(b)?);
    if (a_data.dev(), a_data.ino()) == (b_data.dev(), b_data.ino()) {
        return Ok(true);
    }
    if a_data.len() != b_data.len() {
        return Ok(false);
    }
    let (mut a_bytes, mut b_bytes) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let length = a_file.read(&mut a_bytes).map_err(AssembleError::io("cannot read", a))?;
        if length == 0 {
            return Ok(true);
        }
        b_file.read_exact(&mut b_bytes[..length]).map_err(AssembleError::io("cannot read", b))?;
        if a_bytes[..length] != b_bytes[..length] {
            return Ok(false);
        }
    }
}
