//! The shape of hash literals.

/// Why a hash literal is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HashProblem {
    /// Not one of the three algorithms.
    Algorithm,
    /// Not as long as a digest of the algorithm.
    Length {
        /// Name of the algorithm.
        algorithm: &'static str,
        /// Its digest size in bytes.
        bytes: usize,
    },
    /// A character that is neither base64 nor hex, or padding in the wrong place.
    Character,
}

/// Checks `algorithm-digest`, where the digest is padded base64 or lower-case hex.
pub(crate) fn check(text: &str) -> Result<(), HashProblem> {
    let (algorithm, digest) = text.split_once('-').ok_or(HashProblem::Algorithm)?;
    let (algorithm, bytes) = match algorithm {
        "sha256" => ("sha256", 32),
        "sha512" => ("sha512", 64),
        "blake3" => ("blake3", 32),
        _ => return Err(HashProblem::Algorithm),
    };
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() == bytes * 2 {
        return if digest.bytes().all(hex) { Ok(()) } else { Err(HashProblem::Character) };
    }
    if digest.len() != bytes.div_ceil(3) * 4 {
        return Err(HashProblem::Length { algorithm, bytes });
    }
    base64(digest, bytes)
}

/// Whether a text is what may stand as a hash literal.
pub fn is_hash(text: &str) -> bool {
    check(text).is_ok()
}

fn base64(digest: &str, bytes: usize) -> Result<(), HashProblem> {
    let padding = (3 - bytes % 3) % 3;
    let (data, end) =
        digest.split_at_checked(digest.len() - padding).ok_or(HashProblem::Character)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    if !data.bytes().all(plain) || !end.bytes().all(|byte| byte == b'=') {
        return Err(HashProblem::Character);
    }
    // The last character carries bits beyond the digest; they must be zero, so that each digest
    // has one spelling in base64.
    let spare = if padding == 2 { 0b1111 } else { 0b11 };
    match data.bytes().last().map(value) {
        Some(last) if padding == 0 || last & spare == 0 => Ok(()),
        _ => Err(HashProblem::Character),
    }
}

fn value(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
}

#[cfg(test)]
mod tests {
    use super::{HashProblem, check};

    #[test]
    fn hashes_are_checked() {
        assert_eq!(check("sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjpQ="), Ok(()));
        assert_eq!(check(&format!("blake3-{}", "0a".repeat(32))), Ok(()));
        assert_eq!(check(&format!("sha512-{}", "0a".repeat(64))), Ok(()));
        assert_eq!(check(&format!("sha512-{}A==", "A".repeat(85))), Ok(()));
        assert_eq!(check(&format!("sha1-{}", "0a".repeat(20))), Err(HashProblem::Algorithm));
        let short = HashProblem::Length { algorithm: "sha256", bytes: 32 };
        assert_eq!(check("sha256-abc"), Err(short));
        assert_eq!(check(&format!("sha256-{}", "0A".repeat(32))), Err(HashProblem::Character));
        // The last character has bits that no digest has.
        assert_eq!(check(&format!("sha256-{}B=", "A".repeat(42))), Err(HashProblem::Character));
        assert_eq!(check(&format!("sha256-{}==", "A".repeat(42))), Err(HashProblem::Character));
    }
}
