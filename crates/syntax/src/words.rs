//! Reserved words and the shape of names.

/// Words that cannot be names. `protocol` and `test` are only special where an item may start.
pub(crate) const RESERVED: [&str; 15] = [
    "as", "else", "extern", "false", "fn", "if", "import", "in", "let", "match", "pub", "then",
    "true", "type", "with",
];

/// Whether the text can be the name of a value.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first && text.bytes().all(is_word_byte) && !RESERVED.contains(&text)
}

/// Whether a byte may stand inside of a name or number.
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
