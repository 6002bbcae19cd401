//! The writer of all hashed encodings.
//!
//! Integers are 64-bit little endian, byte strings are their length followed by their bytes,
//! lists are their length followed by their items, options are a byte 0 or 1 and then the item.
//! Every encoding opens with a domain string such as `cbuild-derivation-1`, which names the
//! kind and the version, so that two kinds can never share a digest.

use crate::digest::Digest;

/// Bytes that are gathered for the hasher: many small pieces cost it much more than a large one.
const GATHERED: usize = 1 << 12;

/// Feeds the canonical encoding of a value into a hasher, of which only the last bytes are held.
pub struct Encoder {
    /// What was hashed already; nothing while all bytes are in `held`.
    hasher: Option<Box<blake3::Hasher>>,
    /// The bytes that were not hashed yet.
    held: Vec<u8>,
    /// Whether the bytes themselves are wanted.
    keeping: bool,
}

impl Encoder {
    /// Starts an encoding of the given domain (kind and version).
    pub fn new(domain: &str) -> Self {
        let mut encoder = Self { hasher: None, held: Vec::with_capacity(512), keeping: false };
        encoder.bytes(domain.as_bytes());
        encoder
    }

    /// Starts an encoding whose bytes are kept, for [`Self::into_bytes`].
    pub fn keeping(domain: &str) -> Self {
        let mut encoder = Self { hasher: None, held: Vec::new(), keeping: true };
        encoder.bytes(domain.as_bytes());
        encoder
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > GATHERED && !self.keeping {
            let hasher = self.hasher.get_or_insert_default();
            hasher.update(&self.held);
            self.held.clear();
            if bytes.len() > GATHERED {
                hasher.update(bytes);
                return;
            }
        }
        self.held.extend_from_slice(bytes);
    }

    /// A tag, telling variants apart.
    pub fn tag(&mut self, tag: u8) {
        self.write(&[tag]);
    }

    /// A truth value, as the byte 0 or 1.
    pub fn flag(&mut self, flag: bool) {
        self.tag(u8::from(flag));
    }

    /// An unsigned integer, 64-bit little endian.
    pub fn int(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    /// A byte string with its length in front.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.int(bytes.len() as u64);
        self.write(bytes);
    }

    /// Text, encoded as its UTF-8 bytes.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A digest, as its 32 bytes.
    pub fn digest(&mut self, digest: &Digest) {
        self.write(&digest.0);
    }

    /// The number of items of a list; the caller then encodes each item.
    pub fn count(&mut self, count: usize) {
        self.int(count as u64);
    }

    /// The digest of everything encoded so far.
    pub fn finish(self) -> Digest {
        match self.hasher {
            Some(mut hasher) => Digest(*hasher.update(&self.held).finalize().as_bytes()),
            None => Digest::of(&self.held),
        }
    }

    /// Everything encoded so far; empty unless the encoder was made by [`Self::keeping`].
    pub fn into_bytes(self) -> Vec<u8> {
        if self.keeping { self.held } else { Vec::new() }
    }
}
