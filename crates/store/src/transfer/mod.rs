//! Closures as one file: writing and reading it. The format is in `lang-spec/07-store.md` (7.7).
//!
//! Nothing in such a file is believed: each object is written to a scratch folder, hashed, and
//! registered only when it is what its path says. There are no realisations in it, because what
//! an action gives cannot be checked.

mod reader;
mod writer;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use rustix::fs::open;

use crate::cancel::Cancel;
use crate::clock;
use crate::commit::{Pending, stage};
use crate::durable::Durable;
use crate::error::{Error, IoContext, Result};
use crate::live::Scratch;
use crate::record;
use crate::scan::{Pattern, Patterns};
use crate::store::Store;
use crate::tree::{self, Node, Purpose, Walk};
use crate::types::{ImportReport, ObjectInfo, TransferReport};
use reader::{Head, Reader};
use writer::Writer;

/// What the file starts with: its kind and the version of its format.
const DOMAIN: &[u8] = b"cbuild-export-2";

/// What a file of the first version starts with. It differs in the paths of objects that hold their
/// own digest, and nothing else.
const FIRST_DOMAIN: &[u8] = b"cbuild-export-1";

/// Tags of records.
const END: u8 = 0;
const OBJECT: u8 = 1;

/// Tags of trees, as in the digest of a tree.
const FILE: u8 = 0;
const SYMLINK: u8 = 1;
const DIRECTORY: u8 = 2;

/// Objects and bytes that are brought to the disk and registered at once.
const GROUP: usize = 256;
const GROUP_BYTES: u64 = 512 << 20;

impl Store {
    /// Writes objects and all that they refer to. The same objects give the same bytes.
    ///
    /// # Errors
    /// [`Error::NotInStore`]; [`Error::Spoilt`] for an object that is damaged, which is found while it is
    /// read; what reading and writing gives. What was written before the error has no end.
    pub fn export(&self, paths: &[StorePath], to: &mut dyn Write) -> Result<TransferReport> {
        if let Some(path) = self.protect(paths)?.into_iter().next() {
            return Err(match self.info(&path)? {
                Some(_) => Error::Spoilt { path },
                None => Error::NotInStore { path },
            });
        }
        let mut report = TransferReport::default();
        let mut to = self.cancel.stopping(to);
        let mut writer = Writer::new(&mut to)?;
        for info in self.references_first(&self.closure(paths)?)? {
            writer.head(&info)?;
            self.read_object(&info.path, &mut writer)?;
            report.objects += 1;
            report.bytes += info.size;
        }
        writer.end()?;
        Ok(report)
    }

    fn references_first(&self, paths: &BTreeSet<StorePath>) -> Result<Vec<ObjectInfo>> {
        let mut ordered = Vec::with_capacity(paths.len());
        let mut placed: BTreeSet<StorePath> = BTreeSet::new();
        for top in paths {
            let mut waiting = vec![top.clone()];
            while let Some(path) = waiting.last().cloned() {
                if placed.contains(&path) {
                    waiting.pop();
                    continue;
                }
                let info = self.index()?.info(&path)?;
                let info = info.ok_or_else(|| Error::NotInStore { path: path.clone() })?;
                let before = waiting.len();
                waiting.extend(info.references.iter().filter(|r| !placed.contains(r)).cloned());
                if waiting.len() == before {
                    placed.insert(path);
                    ordered.push(info);
                    waiting.pop();
                }
            }
        }
        Ok(ordered)
    }

    /// Reads what [`Store::export`] has written and registers the objects that are not there. Those
    /// in `damaged` are put in place of what is there. All are protected while this value lives.
    ///
    /// # Errors
    /// [`Error::Transfer`] for a file that is cut off, changed, or not of this kind;
    /// [`Error::FirstFormat`] for an object that holds its own digest in a file of the first version;
    /// [`Error::ReferenceMissing`]. What was read before the error stays registered: each object
    /// is good by itself.
    pub fn import(
        &self,
        from: &mut dyn Read,
        damaged: &BTreeSet<StorePath>,
    ) -> Result<ImportReport> {
        let mut from = self.cancel.stopping(from);
        let mut reader = Reader::new(&mut from)?;
        let mut report = ImportReport::default();
        let mut group = Group::new(self)?;
        loop {
            let head = match reader.head() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => return group.finish(&mut report).and(Err(error)),
            };
            let taken = self.take(&mut reader, head, damaged, &mut group, &mut report);
            if let Err(error) = taken {
                if matches!(error, Error::Cancelled) {
                    return Err(error);
                }
                return group.finish(&mut report).and(Err(error));
            }
            if group.pending.len() >= GROUP || group.bytes >= GROUP_BYTES {
                group.finish(&mut report)?;
                group = Group::new(self)?;
            }
        }
        group.finish(&mut report)?;
        Ok(report)
    }

    /// Reads one object.
    fn take(
        &self,
        reader: &mut Reader<'_>,
        head: Head,
        damaged: &BTreeSet<StorePath>,
        group: &mut Group<'_>,
        report: &mut ImportReport,
    ) -> Result<()> {
        let is_new = !self.protect(std::slice::from_ref(&head.path))?.is_empty();
        let replaces = damaged.contains(&head.path) && !report.added.contains(&head.path);
        if (!is_new && !replaces) || group.has(&head.path) {
            reader.skip_tree()?;
            report.known += 1;
            return Ok(());
        }
        let references: Vec<StorePath> = head.references.iter().cloned().collect();
        let absent = self.protect(&references)?;
        if let Some(reference) = absent.into_iter().find(|path| !group.has(path)) {
            let referrer = head.path.base_name();
            return Err(Error::ReferenceMissing { referrer, reference });
        }
        let place = group.scratch.path().join(format!("object-{}", group.begun));
        group.begun += 1;
        let folder = open(group.scratch.path(), FOLDER, rustix::fs::Mode::empty())
            .at("open", group.scratch.path())?;
        let name = place.file_name().unwrap_or_default();
        reader.tree(&folder, name, &place)?;
        if replaces {
            return match self.replace(&head.path, &head.references, &place)? {
                true => {
                    report.replaced.push(head.path);
                    Ok(())
                }
                false => Err(not_what_it_says(&head.path)),
            };
        }
        group.add(&head.path, head.references, place)
    }
}

const FOLDER: rustix::fs::OFlags = rustix::fs::OFlags::PATH
    .union(rustix::fs::OFlags::DIRECTORY)
    .union(rustix::fs::OFlags::CLOEXEC);

fn not_what_it_says(path: &StorePath) -> Error {
    Error::Transfer { detail: format!("the content of {path} is not what its path says") }
}

/// What a tree is, compared with the object that it should be.
pub(crate) enum Identity {
    /// That object.
    Wanted(ObjectInfo, Node),
    /// That object for the first format of the store, whose paths do not fix where an object holds
    /// its own digest.
    OfFirstFormat,
    /// Something else.
    Other,
}

/// Brings a tree into the store's form, and tells whether it is the wanted object.
pub(crate) fn identify(
    place: &Path,
    path: &StorePath,
    references: &BTreeSet<StorePath>,
    cancel: &Cancel,
) -> Result<Identity> {
    let mut patterns = Patterns::default();
    patterns.add(path.digest(), Pattern::Own(0));
    let walk = Walk { patterns: &patterns, own: 0, purpose: Purpose::Normalise, cancel };
    let scanned = tree::walk(place, &walk)?;
    let self_reference = scanned.node.own_hits().contains_key(&0);
    let tree = scanned.node.to_tree(0);
    let path_of = |tree| StorePath::of_content(path.name(), &tree, self_reference, references);
    if path_of(tree.digest()) != *path {
        return Ok(match path_of(tree.digest_without_places()) == *path {
            true => Identity::OfFirstFormat,
            false => Identity::Other,
        });
    }
    let info = ObjectInfo {
        path: path.clone(),
        tree: tree.digest(),
        self_reference,
        references: references.clone(),
        size: scanned.size,
        registered_at: clock::unix_now(),
    };
    Ok(Identity::Wanted(info, scanned.node))
}

/// Objects that are registered together.
struct Group<'s> {
    store: &'s Store,
    scratch: Scratch,
    /// Number of trees that were written to the scratch folder.
    begun: usize,
    pending: Vec<Pending>,
    bytes: u64,
    durable: Durable,
}

impl<'s> Group<'s> {
    fn new(store: &'s Store) -> Result<Self> {
        let (pending, durable) = (Vec::new(), Durable::default());
        Ok(Self { store, scratch: store.scratch()?, begun: 0, pending, bytes: 0, durable })
    }

    fn has(&self, path: &StorePath) -> bool {
        self.pending.iter().any(|pending| pending.info.path == *path)
    }

    fn add(
        &mut self,
        path: &StorePath,
        references: BTreeSet<StorePath>,
        place: PathBuf,
    ) -> Result<()> {
        let (info, node) = match identify(&place, path, &references, &self.store.cancel)? {
            Identity::Wanted(info, node) => (info, node),
            Identity::OfFirstFormat => return Err(Error::FirstFormat { path: path.clone() }),
            Identity::Other => return Err(not_what_it_says(path)),
        };
        tree::seal(&place, &node, &mut self.durable)?;
        let record = self.scratch.path().join(format!("info-{}", self.pending.len()));
        let record = stage(record, &record::encode_info(&info, true), &mut self.durable)?;
        let is_directory = matches!(node, Node::Directory(_));
        self.bytes += info.size;
        let pending = Pending { info, physical: place, record, is_directory, settled: true };
        self.pending.push(pending);
        Ok(())
    }

    /// Registers what was read.
    fn finish(&mut self, report: &mut ImportReport) -> Result<()> {
        std::mem::take(&mut self.durable).wait()?;
        let pending: Vec<&Pending> = self.pending.iter().collect();
        if !pending.is_empty() {
            self.store.commit()?.add(&pending, &[], &[])?;
        }
        report.bytes += self.bytes;
        report.added.extend(self.pending.drain(..).map(|pending| pending.info.path));
        self.bytes = 0;
        Ok(())
    }
}
