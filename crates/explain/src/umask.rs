//! Permissions in texts, and whether those of two texts differ by the umask alone.

/// Bits that a umask is about.
const BITS: u32 = 0o777;

/// Whether two words are the umasks themselves, or permissions that a file gets under the one and the other.
pub(crate) fn explains(first: &str, second: &str, (mask, other): (u32, u32)) -> bool {
    let (Some(a), Some(b)) = (permissions(first), permissions(second)) else { return false };
    let rest = |mode: u32| mode & !BITS;
    let made = a & mask == 0 && b & BITS == a & BITS & !other;
    a != b && rest(a) == rest(b) && (made || (a & BITS, b & BITS) == (mask, other))
}

/// Permissions as in `chmod`, an archive or `ls -l`: three to seven octal digits, or nine letters and hyphens,
/// with or without the letter of the kind before them.
fn permissions(word: &str) -> Option<u32> {
    if (3..=7).contains(&word.len()) && word.bytes().all(|byte| (b'0'..b'8').contains(&byte)) {
        return u32::from_str_radix(word, 8).ok();
    }
    let letters = match word.len() {
        9 => word.as_bytes(),
        10 if word.starts_with(['-', 'd', 'l']) => &word.as_bytes()[1..],
        _ => return None,
    };
    letters.iter().zip(b"rwxrwxrwx").try_fold(0, |bits, (found, letter)| match found {
        b'-' => Some(bits << 1),
        found if found == letter => Some(bits << 1 | 1),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read() {
        let words = ["644", "0755", "0100644", "rw-r--r--", "drwxr-xr-x"].map(permissions);
        assert_eq!(words, [0o644, 0o755, 0o100_644, 0o644, 0o755].map(Some));
        for word in
            ["", "64", "0008", "12345678", "rw-r--r-", "xrwxr-xr-x", "wr-r--r--", "rw-r--r\u{e9}"]
        {
            assert_eq!(permissions(word), None, "{word}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_file_is_created_with_is_explained(asked in 0_u32..0o1000, mask in 0_u32..0o1000, other in 0_u32..0o1000) {
            let (a, b) = (asked & !mask, asked & !mask & !other);
            let explained = explains(&format!("{a:04o}"), &format!("{b:04o}"), (mask, other));
            proptest::prop_assert_eq!(explained, a != b);
        }
    }
}
