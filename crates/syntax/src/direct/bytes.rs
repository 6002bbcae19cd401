//! Classes of bytes, as the lexical rules of the grammar use them.

/// `word_char`
pub(super) const WORD: u8 = 1;
/// `blank`
pub(super) const BLANK: u8 = 2;
/// `hash_char`
pub(super) const DIGEST: u8 = 4;
/// What a name of a value starts with.
pub(super) const LOWER: u8 = 8;
/// What a name of a type starts with.
pub(super) const UPPER: u8 = 16;
/// What `block_text` is made of, and `line_text` but for the line break.
pub(super) const TEXT: u8 = 32;
pub(super) const DIGIT: u8 = 64;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let mut class = 0;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            class |= WORD | DIGEST;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            class |= BLANK;
        }
        if matches!(byte, b'+' | b'/' | b'=' | b'-') {
            class |= DIGEST;
        }
        if byte.is_ascii_lowercase() || byte == b'_' {
            class |= LOWER;
        }
        if byte.is_ascii_uppercase() {
            class |= UPPER;
        }
        if byte.is_ascii_digit() {
            class |= DIGIT;
        }
        if !matches!(byte, b'"' | b'\\' | b'#') {
            class |= TEXT;
        }
        classes[index] = class;
        index += 1;
    }
    classes
}

/// Whether a byte is in a class.
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}
