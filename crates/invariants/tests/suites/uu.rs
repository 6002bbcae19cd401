//! Files that a suite keeps as text of `uuencode`.

/// The bytes of a text: its lines between `begin` and `end`.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut inside = false;
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !inside {
            inside = line.starts_with(b"begin ");
            continue;
        }
        let Some((&length, groups)) = line.split_first() else { continue };
        if line == b"end" {
            break;
        }
        let six =
            |at: usize| groups.get(at).map_or(0, |&byte| u32::from(byte.wrapping_sub(32)) & 63);
        let start = bytes.len();
        for group in 0..groups.len().div_ceil(4) {
            let word = (0..4).fold(0, |word, at| word << 6 | six(group * 4 + at));
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
        }
        bytes.truncate(start + usize::from(length.wrapping_sub(32) & 63));
    }
    bytes
}

#[test]
fn a_published_example() {
    assert_eq!(decoded(b"begin 644 cat.txt\n#0V%T\n`\nend\n"), b"Cat");
}
