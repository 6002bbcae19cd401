//! Composition of file trees without running a program.

use std::collections::{BTreeMap, BTreeSet};

use crate::encoding::Encoder;
use crate::template::Template;

/// A tree made of other trees, links and small files; done by cbuild itself, without a sandbox.
///
/// Order of effect: `directories` and `links` are laid first; then the layers in order; then
/// `files`. Where a layer has a directory and the tree already has a symbolic link to a directory,
/// the layer's entries go to the link's target (so `bin -> usr/bin` merges `/bin` into `/usr/bin`).
/// Two layers that bring different files to one place are an error that names both.
/// With exactly one file entry whose path is empty, and nothing else, the result is that file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assemble<R> {
    /// Trees to merge, in order.
    pub layers: Vec<Layer<R>>,
    /// Glob patterns (`*` stays within a component, `**` does not) of paths to leave out of the
    /// layers, relative to the result, without a leading slash. A directory that matches is left out whole.
    pub exclude: Vec<String>,
    /// Relative path of a symbolic link to its target.
    pub links: BTreeMap<String, Template<R>>,
    /// Relative path to a small file.
    pub files: BTreeMap<String, FileEntry<R>>,
    /// Relative paths of directories that must exist.
    pub directories: BTreeSet<String>,
}

/// One tree of an [`Assemble`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer<R> {
    /// The object the tree is taken from.
    pub source: R,
    /// Relative path inside the object; empty for all of it.
    pub from: String,
    /// Relative path in the result; empty for its top.
    pub into: String,
}

/// One small file of an [`Assemble`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry<R> {
    /// The content.
    pub text: Template<R>,
    /// Whether it is executable.
    pub executable: bool,
}

impl<R> Assemble<R> {
    /// Replaces every reference, stopping at the first error.
    pub fn try_map<S, E>(
        &self,
        map: &mut impl FnMut(&R) -> Result<S, E>,
    ) -> Result<Assemble<S>, E> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let source = map(&layer.source)?;
            layers.push(Layer { source, from: layer.from.clone(), into: layer.into.clone() });
        }
        let mut links = BTreeMap::new();
        for (path, target) in &self.links {
            links.insert(path.clone(), target.try_map(map)?);
        }
        let mut files = BTreeMap::new();
        for (path, file) in &self.files {
            let text = file.text.try_map(map)?;
            files.insert(path.clone(), FileEntry { text, executable: file.executable });
        }
        let (exclude, directories) = (self.exclude.clone(), self.directories.clone());
        Ok(Assemble { layers, exclude, links, files, directories })
    }

    pub(crate) fn encode(
        &self,
        encoder: &mut Encoder,
        reference: &mut impl FnMut(&mut Encoder, &R),
    ) {
        encoder.count(self.layers.len());
        for layer in &self.layers {
            reference(encoder, &layer.source);
            encoder.text(&layer.from);
            encoder.text(&layer.into);
        }
        encoder.count(self.exclude.len());
        self.exclude.iter().for_each(|pattern| encoder.text(pattern));
        encoder.count(self.links.len());
        for (path, target) in &self.links {
            encoder.text(path);
            target.encode(encoder, reference);
        }
        encoder.count(self.files.len());
        for (path, file) in &self.files {
            encoder.text(path);
            file.text.encode(encoder, reference);
            encoder.flag(file.executable);
        }
        encoder.count(self.directories.len());
        self.directories.iter().for_each(|path| encoder.text(path));
    }
}
