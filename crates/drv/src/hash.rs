//! Content hashes of downloads, in the text form `sha256-BASE64`.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use thiserror::Error;

/// Hash functions that a download can be named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
    /// BLAKE3, 32 bytes.
    Blake3,
}

impl HashAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Blake3];

    /// Name as written in front of the hyphen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// Length of a hash in bytes.
    pub fn byte_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The hash of a file's bytes, as written in source text: `sha256-…=`, `sha512-…`, `blake3-…`
/// with standard padded base 64 (the notation of W3C Subresource Integrity), or hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash {
    algorithm: HashAlgorithm,
    bytes: Vec<u8>,
}

/// Why a text is not a content hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContentHashError {
    /// No known algorithm in front of the hyphen.
    #[error("`{0}` does not start with sha256-, sha512- or blake3-")]
    Algorithm(String),
    /// Neither base 64 nor hexadecimal.
    #[error("the digits after `{algorithm}-` are neither base 64 nor hexadecimal")]
    Digits {
        /// Name of the algorithm.
        algorithm: &'static str,
    },
    /// The number of bytes does not fit the algorithm.
    #[error("a {algorithm} hash has {expected} bytes, this one has {found}")]
    Length {
        /// Name of the algorithm.
        algorithm: &'static str,
        /// Bytes that the algorithm has.
        expected: usize,
        /// Bytes that were written.
        found: usize,
    },
}

impl ContentHash {
    /// Wraps raw hash bytes; the length must be the algorithm's.
    pub fn new(algorithm: HashAlgorithm, bytes: Vec<u8>) -> Result<Self, ContentHashError> {
        if bytes.len() == algorithm.byte_len() {
            return Ok(Self { algorithm, bytes });
        }
        Err(ContentHashError::Length {
            algorithm: algorithm.name(),
            expected: algorithm.byte_len(),
            found: bytes.len(),
        })
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, ContentHashError> {
        let parts = text.split_once('-').and_then(|(name, digits)| {
            Some((HashAlgorithm::ALL.into_iter().find(|a| a.name() == name)?, digits))
        });
        let Some((algorithm, digits)) = parts else {
            return Err(ContentHashError::Algorithm(text.to_owned()));
        };
        let bytes = if digits.len() == algorithm.byte_len() * 2 {
            HEXLOWER_PERMISSIVE.decode(digits.as_bytes())
        } else {
            BASE64.decode(digits.as_bytes())
        };
        let bytes = bytes.map_err(|_| ContentHashError::Digits { algorithm: algorithm.name() })?;
        Self::new(algorithm, bytes)
    }

    /// The hash function.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The raw hash.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The raw hash in lower-case hexadecimal digits, as mirrors keyed by hash want it.
    pub fn to_hex(&self) -> String {
        HEXLOWER_PERMISSIVE.encode(&self.bytes)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm.name(), BASE64.encode(&self.bytes))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}
