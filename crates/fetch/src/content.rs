//! Hashing of a download while it is written.

use std::fs::File;
use std::io::{self, Write};

use cbuild_drv::{ContentHash, HashAlgorithm};
use sha2::{Digest, Sha256, Sha512};

/// A running hash of one of the algorithms.
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Starts a hash.
    pub(crate) fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            HashAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
            HashAlgorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// The hash of all bytes.
    pub(crate) fn finish(self) -> ContentHash {
        let (algorithm, bytes) = match self {
            Self::Sha256(hasher) => (HashAlgorithm::Sha256, hasher.finalize().to_vec()),
            Self::Sha512(hasher) => (HashAlgorithm::Sha512, hasher.finalize().to_vec()),
            Self::Blake3(hasher) => (HashAlgorithm::Blake3, hasher.finalize().as_bytes().to_vec()),
        };
        ContentHash::new(algorithm, bytes).expect("a hash function gives as many bytes as it has")
    }
}

/// A file that is written and hashed at once.
pub(crate) struct HashedFile {
    file: File,
    hasher: Hasher,
    /// Bytes so far.
    pub(crate) bytes: u64,
}

impl HashedFile {
    /// Takes an empty file.
    pub(crate) fn new(file: File, algorithm: HashAlgorithm) -> Self {
        Self { file, hasher: Hasher::new(algorithm), bytes: 0 }
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The hash of what was written.
    pub(crate) fn finish(self) -> ContentHash {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(algorithm: HashAlgorithm) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"a");
        hasher.update(b"bc");
        hasher.finish().to_hex()
    }

    /// The answers for "abc" of FIPS 180-4 and of the BLAKE3 program.
    #[test]
    fn published_answers() {
        assert_eq!(
            hash(HashAlgorithm::Sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hash(HashAlgorithm::Sha512),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_eq!(
            hash(HashAlgorithm::Blake3),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
    }
}
