//! BLAKE3 digests and their text form.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use thiserror::Error;

/// Number of characters of a digest's text form: 256 bits in base 32, unpadded.
pub const DIGEST_TEXT_LEN: usize = 52;

/// A 256-bit BLAKE3 digest.
///
/// Its text form is RFC 4648 base 32 in lower case without padding (52 characters of
/// `a-z2-7`), so that it can stand in a path and be found by a byte scan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The text is not a digest: wrong length, a foreign character, or stray trailing bits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a digest: {DIGEST_TEXT_LEN} characters of a-z and 2-7 are needed")]
pub struct DigestError(pub String);

/// Made once: its tables cost more than a conversion.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("the base 32 alphabet is a valid specification")
});

impl Digest {
    /// Digest of a byte string.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Text form, see the type.
    pub fn to_text(&self) -> String {
        BASE32.encode(&self.0)
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.to_owned());
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| error())?;
        Ok(Self(bytes.try_into().map_err(|_| error())?))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
