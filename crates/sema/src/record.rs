//! What is kept of checked modules from one process to the next.
//!
//! A record belongs to a text, by its digest. It holds the text's outline, a digest of what the text
//! declares, and under which circumstances its bodies were found to have nothing wrong: the digest
//! of the text, its module's name and all that the modules that it reaches declare. A check under
//! the same circumstances finds the same, and is left out.

use cbuild_diag::Span;
use cbuild_syntax::Outline;

use crate::modules::{ModuleKey, Package};

/// First bytes of the encoding; the number is its version.
const MAGIC: &[u8] = b"cbuild checked modules 2\n";

/// The most records that are kept. Beyond it those of modules that the last check did not reach go.
pub(crate) const MAX_RECORDS: usize = 20_000;

/// A BLAKE3 digest.
pub(crate) type Digest = [u8; 32];

/// What is known of the last text of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) text: Digest,
    /// Of the items of the text without the bodies of its outline.
    pub(crate) declarations: Digest,
    pub(crate) outline: Outline,
    /// The circumstances under which its bodies have nothing wrong.
    pub(crate) sound: Option<Digest>,
}

/// Writes records. All numbers are little endian, and lists begin with their length as 32 bits.
pub(crate) fn encode<'r>(records: impl Iterator<Item = (&'r ModuleKey, &'r Record)>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (key, record) in records {
        let package = match key.package {
            Package::Root => 0,
            Package::Std => 1,
            Package::External(index) => u64::from(index) + 2,
        };
        out.extend(package.to_le_bytes());
        count(&mut out, key.path.len());
        out.extend(key.path.as_bytes());
        out.extend(record.text);
        out.extend(record.declarations);
        spans(&mut out, &record.outline.imports);
        spans(&mut out, &record.outline.bodies);
        out.push(u8::from(record.sound.is_some()));
        out.extend(record.sound.iter().flatten());
    }
    out
}

fn count(out: &mut Vec<u8>, length: usize) {
    // Longer lists do not occur: sources are small.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn spans(out: &mut Vec<u8>, spans: &[Span]) {
    count(out, spans.len());
    for span in spans {
        out.extend(span.start.to_le_bytes());
        out.extend(span.end.to_le_bytes());
    }
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(ModuleKey, Record)>> {
    let mut input = Input(bytes.strip_prefix(MAGIC)?);
    let mut records = Vec::new();
    while !input.0.is_empty() {
        if records.len() == MAX_RECORDS {
            return None;
        }
        let package = match input.u64()? {
            0 => Package::Root,
            1 => Package::Std,
            index => Package::External(u32::try_from(index - 2).ok()?),
        };
        let length = input.u32()? as usize;
        let path = std::str::from_utf8(input.take(length)?).ok()?.to_owned();
        let (text, declarations) = (input.digest()?, input.digest()?);
        let outline = Outline { imports: input.spans()?, bodies: input.spans()? };
        let sound = match input.take(1)? {
            [0] => None,
            [1] => Some(input.digest()?),
            _ => return None,
        };
        records.push((ModuleKey { package, path }, Record { text, declarations, outline, sound }));
    }
    Some(records)
}

/// What is left to read.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn digest(&mut self) -> Option<Digest> {
        self.take(32)?.try_into().ok()
    }

    fn spans(&mut self) -> Option<Vec<Span>> {
        let length = self.u32()? as usize;
        let bytes = self.take(length.checked_mul(8)?)?;
        let mut inner = Input(bytes);
        (0..length).map(|_| Some(Span { start: inner.u32()?, end: inner.u32()? })).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        (any::<u32>(), any::<u32>()).prop_map(|(start, end)| Span { start, end })
    }

    fn record() -> impl Strategy<Value = (ModuleKey, Record)> {
        let package = prop_oneof![
            Just(Package::Root),
            Just(Package::Std),
            any::<u32>().prop_map(Package::External)
        ];
        let spans = || prop::collection::vec(span(), 0..5);
        let rest = (any::<Digest>(), any::<Digest>(), spans(), spans(), any::<Option<Digest>>());
        (package, ".{0,12}", rest).prop_map(|(package, path, rest)| {
            let (text, declarations, imports, bodies, sound) = rest;
            let outline = Outline { imports, bodies };
            (ModuleKey { package, path }, Record { text, declarations, outline, sound })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(record(), 0..6)) {
            let bytes = encode(records.iter().map(|(key, record)| (key, record)));
            prop_assert_eq!(decode(&bytes), Some(records));
        }

        #[test]
        fn other_bytes_make_no_panic(
            records in prop::collection::vec(record(), 0..3),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = encode(records.iter().map(|(key, record)| (key, record)));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..at]);
        }
    }
}
