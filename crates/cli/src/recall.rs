//! Targets that were evaluated before, and of which nothing has changed that was read for it.
//!
//! An entry of the cache holds what an evaluation read and what came of it: the texts of modules and
//! decoded files by digest, sources that went to the store by store path, and where packages are. It
//! counts only when all of that is read again and found to be the same; any doubt means that the target
//! is evaluated. No times of files are trusted. The standard library and the evaluator are part of the
//! build of cbuild, of which the cache knows the identity. An evaluation that failed is not kept, since
//! what it looked for in vain may be there the next time; nor is one with a warning, which is to be seen
//! again.

use std::collections::BTreeSet;

use cbuild_build::Target;
use cbuild_cache::Cache;
use cbuild_diag::{SourceId, Sources};
use cbuild_drv::{Digest, DrvId, OutputName};
use cbuild_eval::MAX_DECODED_BYTES;
use cbuild_sema::{Checked, Loader as _, ModuleKey, Package};
use serde::{Deserialize, Serialize};

use crate::evaluation::Buildable;
use crate::outside::{FileLoader, LazyStore, Read, locate, object_name, read_file};
use crate::places::Places;
use crate::session::Session;
use crate::target::TargetName;

/// Kind of the cached results of evaluations.
const TARGET: &str = "target";

/// Most files that an evaluation may have read to be kept.
const MAX_READS: usize = 50_000;

/// Largest text of a printed value that is kept, in bytes.
const MAX_SHOWN_BYTES: usize = 1 << 20;

/// What a target is to be known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be built.
    Build,
    /// To be printed, for a reader or as JSON.
    Print { json: bool },
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    drv: String,
    output: String,
    image: bool,
    /// How the value is printed, if that was asked for.
    pub(crate) shown: Option<String>,
}

impl Outcome {
    /// The outcome of a target that can be built.
    pub(crate) fn new(target: &Target, image: bool, shown: Option<String>) -> Self {
        let (drv, output) = (target.drv.to_string(), target.output.to_string());
        Self { drv, output, image, shown }
    }

    /// The target; `None` if it is damaged.
    pub(crate) fn buildable(self, text: &str) -> Option<Buildable> {
        let drv = DrvId(Digest::parse(&self.drv).ok()?);
        let target = Target { drv, output: OutputName::new(self.output).ok()? };
        Some(Buildable { text: text.to_owned(), target, image: self.image })
    }
}

/// What was read for a target, and what came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    /// Where the packages are and what they can import.
    places: String,
    files: Vec<File>,
    outcome: Outcome,
}

/// A file or folder that was read.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    /// The module, or the one that reads the file: what package it is in, and its path.
    of: (Whose, String),
    /// Relative to the module's folder; empty for the module itself.
    path: String,
    content: Content,
}

/// A kind of package.
#[derive(Debug, Serialize, Deserialize)]
enum Whose {
    Root,
    /// A standard library that is a folder.
    Library,
    External(u32),
}

/// What was found in a file or folder.
#[derive(Debug, Serialize, Deserialize)]
enum Content {
    /// Digest of a module's text.
    Module(String),
    /// Digest of the bytes of a file that was decoded.
    Decoded(String),
    /// Store path of what went to the store.
    Stored(String),
}

/// A place where targets and what is known of them are looked up.
pub(crate) struct Recall<'s> {
    session: &'s Session,
    cache: Cache,
    purpose: Purpose,
}

impl<'s> Recall<'s> {
    /// `None` when the user wants no cache.
    pub(crate) fn new(session: &'s Session, purpose: Purpose) -> Option<Self> {
        Some(Self { session, cache: session.cache()?, purpose })
    }

    /// What a target is known by.
    fn key(&self, name: &TargetName) -> Vec<u8> {
        let entry = (&name.entry.package_root, &name.entry.module, &name.name);
        format!("{entry:?} {:?} {:?}", self.session.options.system, self.purpose).into_bytes()
    }

    /// What a target was evaluated to, if it would be evaluated to the same again. Sources that the
    /// evaluation would add to the store are there afterwards.
    pub(crate) fn find(&self, store: &LazyStore<'_>, name: &TargetName) -> Option<Outcome> {
        let bytes = self.cache.get(TARGET, &self.key(name))?;
        let known: Known = serde_json::from_slice(&bytes).ok()?;
        let places = self.session.places(&name.entry.package_root).ok()?;
        let mut reader = Reader { loader: FileLoader::new(places.clone()), places: &places, store };
        let same = places.identity() == known.places
            && known.files.iter().all(|file| reader.is_same(file) == Some(true));
        same.then_some(known.outcome)
    }

    /// Keeps what a target was evaluated to, for [`Recall::find`].
    pub(crate) fn keep(
        &self,
        name: &TargetName,
        (checked, sources): (&Checked, &Sources),
        reads: &BTreeSet<Read>,
        outcome: Outcome,
    ) {
        let shown = outcome.shown.as_ref().map_or(0, String::len);
        if checked.keys.len() + reads.len() > MAX_READS || shown > MAX_SHOWN_BYTES {
            return;
        }
        let Ok(places) = self.session.places(&name.entry.package_root) else { return };
        let Some(files) = files(&places, checked, sources, reads) else { return };
        let known = Known { places: places.identity(), files, outcome };
        if let Ok(bytes) = serde_json::to_vec(&known) {
            self.cache.put(TARGET, &self.key(name), &bytes);
        }
    }
}

/// All that was read, but for the library that is part of cbuild.
fn files(
    places: &Places,
    checked: &Checked,
    sources: &Sources,
    reads: &BTreeSet<Read>,
) -> Option<Vec<File>> {
    let built_in = |key: &ModuleKey| places.folder(key.package).is_none();
    let mut files = Vec::with_capacity(checked.keys.len() + reads.len());
    for (source, key) in checked.keys.iter().filter(|(_, key)| !built_in(key)) {
        let content = Content::Module(digest(sources.text(*source).as_bytes()));
        files.push(File { of: whose(key)?, path: String::new(), content });
    }
    let of = |source: &SourceId| whose(checked.keys.get(source)?);
    for read in reads {
        let (source, path, content) = match read {
            Read::Decoded { source, path, content } => {
                (source, path, Content::Decoded(content.to_text()))
            }
            Read::Imported { source, path, stored } => {
                (source, path, Content::Stored(stored.to_string()))
            }
        };
        files.push(File { of: of(source)?, path: path.clone(), content });
    }
    Some(files)
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_text()
}

/// `None` for a kind of package that is not known here.
fn whose(key: &ModuleKey) -> Option<(Whose, String)> {
    let whose = match key.package {
        Package::Root => Whose::Root,
        Package::Std => Whose::Library,
        Package::External(index) => Whose::External(index),
        _ => return None,
    };
    Some((whose, key.path.clone()))
}

/// Reads again what was read before.
struct Reader<'r, 's> {
    loader: FileLoader,
    places: &'r Places,
    store: &'r LazyStore<'s>,
}

impl Reader<'_, '_> {
    /// Whether a file is as it was; `None` if it cannot be read now.
    fn is_same(&mut self, file: &File) -> Option<bool> {
        let package = match file.of.0 {
            Whose::Root => Package::Root,
            Whose::Library => Package::Std,
            Whose::External(index) => Package::External(index),
        };
        let key = ModuleKey { package, path: file.of.1.clone() };
        let located = || locate(self.places, &key, &file.path).ok();
        Some(match &file.content {
            Content::Module(content) => digest(self.loader.load(&key).ok()?.as_bytes()) == *content,
            Content::Decoded(content) => {
                let most = MAX_DECODED_BYTES as u64 + 1;
                digest(&read_file(&located()?, most).ok()?) == *content
            }
            Content::Stored(stored) => {
                let source = located()?;
                let store = self.store.get().ok()?;
                let now = store.add_tree(&source, &object_name(&source)).ok()?;
                now.to_string() == *stored
            }
        })
    }
}

#[cfg(test)]
mod tests;
