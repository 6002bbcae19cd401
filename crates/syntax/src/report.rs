//! What is said about the error nodes of a parse.

/// A name as it would be written as a field of a record.
pub(crate) fn shown(name: &str) -> String {
    if crate::words::is_name(name) || name.bytes().all(crate::words::is_word_byte) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}
