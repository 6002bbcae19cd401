//! Records of resolved derivations: the very bytes that an action key is the hash of.
//!
//! So a record needs no checksum of its own and no version besides the key's domain: who has a
//! key and a record can tell whether they belong together. What a key does not cover, such as the
//! addresses of a download, is not in a record either.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::assemble::{Assemble, FileEntry, Layer};
use crate::derivation::{Action, Derivation, Exec, Fetch, FetchKind, StepLimits};
use crate::hash::{ContentHash, HashAlgorithm};
use crate::name::{Name, OutputName, System};
use crate::store_path::StorePath;
use crate::template::{Segment, Template};

/// Domain of the encoding; also in [`Derivation::action_key`].
pub(crate) const ACTION_DOMAIN: &str = "cbuild-action-1";

/// Platform of a decoded fetch or assembly, whose encoding has none since it runs anywhere.
const ANY_SYSTEM: &str = "any";

/// Why bytes are not the record of a resolved derivation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Another kind of value, or another version of the encoding.
    #[error("the record is not of the kind {ACTION_DOMAIN}")]
    Domain,
    /// The bytes end too early, or a number is larger than what is left.
    #[error("the record ends at byte {0}, in the middle of an item")]
    End(usize),
    /// An item that is not what the encoding has at its place.
    #[error("the record has {what} at byte {at} that it cannot have")]
    Item {
        /// What kind of item.
        what: &'static str,
        /// Where it ends.
        at: usize,
    },
    /// The items can be read, and another encoding of them is the canonical one.
    #[error("the record is not in canonical form")]
    NotCanonical,
}

type Result<T> = std::result::Result<T, RecordError>;

/// Decodes what [`Derivation::to_record`] wrote. Only canonical bytes are accepted, so that equal
/// derivations have equal records. Memory is bounded by the number of bytes.
///
/// A fetch comes back without addresses, a fetch or assembly with the system `any`.
pub fn decode(bytes: &[u8]) -> Result<Derivation<StorePath>> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.text().map_err(|_| RecordError::Domain)? != ACTION_DOMAIN {
        return Err(RecordError::Domain);
    }
    let name = reader.name()?;
    let derivation = match reader.tag()? {
        0 => {
            let system = System::new(reader.text()?).map_err(|_| reader.item("a system"))?;
            let outputs = reader.set(Reader::output)?;
            Derivation { name, system, outputs, action: Action::Exec(reader.exec()?) }
        }
        1 => anywhere(name, Action::Fetch(reader.fetch()?)),
        2 => anywhere(name, Action::Assemble(reader.assemble()?)),
        _ => return Err(reader.item("a tag")),
    };
    if reader.at != bytes.len() || derivation.to_record() != bytes {
        return Err(RecordError::NotCanonical);
    }
    Ok(derivation)
}

fn anywhere(name: Name, action: Action<StorePath>) -> Derivation<StorePath> {
    let system = System::new(ANY_SYSTEM).expect("`any` is a valid name");
    Derivation { name, system, outputs: BTreeSet::from([OutputName::out()]), action }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn item(&self, what: &'static str) -> RecordError {
        RecordError::Item { what, at: self.at }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(RecordError::End(self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn tag(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn flag(&mut self) -> Result<bool> {
        match self.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.item("a flag")),
        }
    }

    fn int(&mut self) -> Result<u64> {
        let mut int = [0; 8];
        int.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(int))
    }

    /// A number of items or bytes that follow, each of which has a byte at least.
    fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(self.int()?).map_err(|_| self.item("a count"))?;
        if count > self.bytes.len() - self.at {
            return Err(RecordError::End(self.bytes.len()));
        }
        Ok(count)
    }

    fn raw(&mut self) -> Result<&'b [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String> {
        let bytes = self.raw()?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.item("a text"))
    }

    fn name(&mut self) -> Result<Name> {
        Name::new(self.text()?).map_err(|_| self.item("a name"))
    }

    fn output(&mut self) -> Result<OutputName> {
        OutputName::new(self.text()?).map_err(|_| self.item("an output"))
    }

    fn path(&mut self) -> Result<StorePath> {
        StorePath::parse(&self.text()?).map_err(|_| self.item("a store path"))
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.count()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn set<T: Ord>(&mut self, read: impl FnMut(&mut Self) -> Result<T>) -> Result<BTreeSet<T>> {
        Ok(self.list(read)?.into_iter().collect())
    }

    fn map<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<BTreeMap<String, T>> {
        let entries = self.list(|reader| Ok((reader.text()?, read(reader)?)))?;
        Ok(entries.into_iter().collect())
    }

    fn template(&mut self) -> Result<Template<StorePath>> {
        let segments = self.list(|reader| match reader.tag()? {
            0 => Ok(Segment::Text(reader.text()?)),
            1 => Ok(Segment::Reference(reader.path()?)),
            2 => Ok(Segment::Output(reader.output()?)),
            _ => Err(reader.item("a segment")),
        })?;
        Ok(segments.into_iter().collect())
    }

    fn exec(&mut self) -> Result<Exec<StorePath>> {
        Ok(Exec {
            root: if self.flag()? { Some(self.path()?) } else { None },
            program: self.template()?,
            args: self.list(Self::template)?,
            env: self.map(Self::template)?.into_iter().collect(),
            files: self.map(Self::template)?.into_iter().collect(),
            inputs: self.set(Self::path)?,
            forbidden: match self.at == self.bytes.len() {
                true => BTreeSet::new(),
                false => self.set(Self::path)?,
            },
            limits: StepLimits::default(),
        })
    }

    fn fetch(&mut self) -> Result<Fetch> {
        let name = self.text()?;
        let algorithm = HashAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        let algorithm = algorithm.ok_or_else(|| self.item("a hash function"))?;
        let bytes = self.raw()?.to_vec();
        let hash = ContentHash::new(algorithm, bytes).map_err(|_| self.item("a hash"))?;
        let kind = match self.tag()? {
            0 => FetchKind::File { executable: self.flag()? },
            1 => {
                let strip = self.int()?;
                FetchKind::Archive { strip: strip.try_into().map_err(|_| self.item("a number"))? }
            }
            _ => return Err(self.item("a tag")),
        };
        Ok(Fetch { urls: Vec::new(), hash, kind })
    }

    fn assemble(&mut self) -> Result<Assemble<StorePath>> {
        Ok(Assemble {
            layers: self.list(|reader| {
                let (source, from, into) = (reader.path()?, reader.text()?, reader.text()?);
                Ok(Layer { source, from, into })
            })?,
            exclude: self.list(Self::text)?,
            links: self.map(Self::template)?,
            files: self.map(|reader| {
                Ok(FileEntry { text: reader.template()?, executable: reader.flag()? })
            })?,
            directories: self.set(Self::text)?,
        })
    }
}
